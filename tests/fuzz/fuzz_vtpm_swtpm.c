/* Must reach: swtpm_state_read: pieces_read, encrypted_open, padding_cut. The key is that of the corpus. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "tests/fuzz/fuzz.h"
#include "vtpm/swtpm_state.h"

static void again(const uint8_t *state, size_t len, const struct secret *key)
{
	uint8_t *file = malloc(len + SWTPM_OVERHEAD_BYTES);
	uint8_t *seen = malloc(LIMIT_VTPM_STATE_BYTES);
	size_t file_len, seen_len;

	if (file != NULL && seen != NULL) {
		assert(swtpm_state_print(state, len, key, file, &file_len) == 0);
		assert(swtpm_state_read(file, file_len, key, seen, &seen_len, NULL) == 0);
		assert(seen_len == len && memcmp(seen, state, len) == 0);
	}
	free(seen);
	free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(secret) struct secret key = { 0 };
	const struct secret none = { 0 };
	uint8_t *state = malloc(LIMIT_VTPM_STATE_BYTES);
	size_t len;

	if (state == NULL || secret_init(&key, SECRET_KEY_BYTES) < 0)
		abort();
	memset(key.p, 1, key.len);
	(void)!swtpm_state_read(data, size, &none, state, &len, NULL);
	if (swtpm_state_read(data, size, &key, state, &len, NULL) == 0) {
		assert(len > 0 && len <= LIMIT_VTPM_STATE_BYTES && len < size);
		again(state, len, &key);
		again(state, len, &none);
	}
	free(state);
	return 0;
}
