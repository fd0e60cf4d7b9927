#include "attest/broker/kbs_sev.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/wr.h"

#define LABEL "casemate sev secret"

int kbs_sev_guid(const char *path, char ret_text[KBS_SEV_GUID_TEXT + 1], uint8_t ret_raw[16])
{
	/* Text is big-endian; on disk the first three fields are little-endian. */
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	uint8_t buf[sizeof LABEL + LIMIT_PATH_BYTES], g[32];
	struct wr w = wr_of(buf, sizeof buf);

	wr_copy(&w, LABEL, sizeof LABEL);
	wr_str(&w, path);
	if (wr_check(&w) < 0 || EVP_Digest(buf, w.len, g, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	g[6] = (uint8_t)(0x80 | (g[6] & 0x0f));
	g[8] = (uint8_t)(0x80 | (g[8] & 0x3f));
	(void)snprintf(ret_text, KBS_SEV_GUID_TEXT + 1,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", g[0], g[1],
		g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9], g[10], g[11], g[12], g[13], g[14],
		g[15]);
	for (size_t i = 0; i < sizeof order; i++)
		ret_raw[i] = g[order[i]];
	return 0;
}
