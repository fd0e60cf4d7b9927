/* Reaches ima_recognise(), ima_walk() and ima_replay() in two banks. */
#include "attest/ima_log.h"
#include "tests/fuzz/fuzz.h"

static void take(const struct ima_line *line, void *user)
{
	*(size_t *)user += line->hash_len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t want[TPM_DIGEST_MAX];
	struct attest_blob list = { data, size };
	struct ima_replay r;
	size_t sum = 0;

	(void)ima_recognise(list);
	if (ima_walk(list, take, &sum, NULL) < 0)
		return 0;
	if (ima_replay(list, tpm_alg_find(TPM_ALG_SHA1), want, &r, NULL) < 0)
		return 0;
	int err = ima_replay(list, tpm_alg_find(TPM_ALG_SHA256), NULL, &r, NULL);
	(void)err;
	return 0;
}
