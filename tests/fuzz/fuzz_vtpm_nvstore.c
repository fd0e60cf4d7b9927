/*
 * Must reach: nvstore_open: slot_read, slot_judge, kinds_say. The input is the first slot's bytes, then,
 * behind a first byte that says how many pieces of 16 bytes that is, the second's; key and guest are those
 * of the corpus.
 */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"
#include "tests/fuzz/fuzz.h"
#include "vtpm/nvstore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(secret) struct secret key = { 0 };
	AUTO(nvstore) struct nvstore s = NVSTORE_NONE;

	if (size == 0 || secret_init(&key, NVSTORE_KEY_BYTES) < 0)
		return 0;
	memset(key.p, 1, key.len);
	size_t first = data[0] * 16u;
	first = first < size - 1 ? first : size - 1;
	int fd = memfd_create("state", MFD_CLOEXEC);
	if (fd < 0)
		return 0;
	if (pwrite(fd, data + 1, first, 0) == (ssize_t)first &&
		pwrite(fd, data + 1 + first, size - 1 - first, NVSTORE_SLOT_BYTES) ==
			(ssize_t)(size - 1 - first) &&
		nvstore_open(&s, fd, &key, "bank/payments", NULL) == 0) {
		assert(s.len > 0 && s.len <= LIMIT_VTPM_STATE_BYTES && s.len < size);
		uint64_t generation = s.mark.generation;
		assert(nvstore_save(&s, "next", 4, true) == 0);
		assert(s.mark.generation == generation + 1);
	}
	(void)close(fd);
	return 0;
}
