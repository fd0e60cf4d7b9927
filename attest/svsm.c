#include "attest/svsm.h"

#include <errno.h>
#include <string.h>

#include "attest/tpm_alg.h"
#include "base/limits.h"
#include "base/rd.h"

/* 63849ebb-3d92-4670-a1ff-58f9c94b87bb: the manifest of all services. */
static const uint8_t guid_all[16] = { 0xbb, 0x9e, 0x84, 0x63, 0x92, 0x3d, 0x70, 0x46, 0xa1, 0xff,
	0x58, 0xf9, 0xc9, 0x4b, 0x87, 0xbb };
const uint8_t svsm_guid_vtpm[16] = { 0xeb, 0xf1, 0x76, 0xc4, 0x23, 0x01, 0xa5, 0x45, 0x96, 0x41,
	0xb4, 0xe7, 0xdd, 0xe5, 0xbf, 0xe3 };
const uint8_t svsm_guid_uefi_mm[16] = { 0x59, 0x3a, 0x45, 0xa4, 0x1b, 0x9e, 0x87, 0x47, 0xa0, 0x33,
	0x19, 0x86, 0xd6, 0xad, 0xbe, 0x55 };

bool svsm_recognise(struct attest_blob m)
{
	return m.len >= 24 && memcmp(m.p, guid_all, sizeof guid_all) == 0;
}

int svsm_find(
	struct attest_blob m, const uint8_t guid[16], struct attest_blob *ret, struct why *why)
{
	struct rd r = rd_of(m.p, m.len);
	struct attest_blob found = { 0 };

	rd_skip(&r, 16);
	uint32_t total = rd_le32(&r), n = rd_le32(&r);
	if (!svsm_recognise(m) || total != m.len || n > LIMIT_SVSM_SERVICES)
		return why_set(why, -EBADMSG,
			"SVSM manifest: %zu bytes, says %u bytes, %u services", m.len, total, n);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *id = rd_bytes(&r, 16);
		uint32_t at = rd_le32(&r), len = rd_le32(&r);
		if (id == NULL || rd_check(&r) < 0 || at < 24 + 24 * (size_t)n || at > m.len ||
			len > m.len - at)
			return why_set(why, -EBADMSG, "SVSM manifest: service %u is outside it", i);
		if (memcmp(id, guid, 16) != 0)
			continue;
		if (found.p != NULL)
			return why_set(why, -EBADMSG, "SVSM manifest: a service twice");
		found = (struct attest_blob){ m.p + at, len };
	}
	if (found.p == NULL)
		return why_set(why, -ENOENT, "SVSM manifest: it has no such service");
	*ret = found;
	return 0;
}

int svsm_check_binding(const uint8_t report_data[64], struct attest_blob nonce,
	struct attest_blob manifest, struct why *why)
{
	const struct tpm_part parts[] = { { nonce.p, nonce.len }, { manifest.p, manifest.len } };
	uint8_t want[64];

	if (tpm_hash(tpm_alg_find(TPM_ALG_SHA512), parts, ARRAY_LEN(parts), want) < 0)
		return why_set(why, -EIO, "libcrypto failed");
	if (memcmp(want, report_data, sizeof want) != 0)
		return why_set(why, -EKEYREJECTED,
			"REPORT_DATA is not SHA-512 of nonce and manifest: another manifest, or "
			"another nonce");
	return 0;
}
