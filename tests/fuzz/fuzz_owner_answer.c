/* Reaches owner_parse_packet(), owner_parse_refusal(). */
#include <stdlib.h>

#include "attest/owner/owner_answer.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire_sev_secret secret;
	struct why why = { 0 };

	owner_parse_refusal(data, size, size % 2 == 0 ? 403 : 202, &why);
	if (owner_parse_packet(data, size, &secret, NULL) == 0 &&
		(le32_get(secret.len) > sizeof secret.body || le32_get(secret.len) % 16 != 0))
		abort();
	return 0;
}
