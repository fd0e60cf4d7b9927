/* Must reach: elf_needs_read: header_read, address_find, dynamic_read, name_read. */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/elf_needs.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct elf_needs needs;
	int fd = memfd_create("elf", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
		(void)close(fd);
		return 0;
	}
	if (elf_needs_read(fd, &needs, NULL) == 0) {
		assert(needs.n <= LIMIT_ELF_NEEDED);
		assert(strlen(needs.interp) < sizeof needs.interp);
		assert(strlen(needs.runpath) < sizeof needs.runpath);
		for (unsigned int i = 0; i < needs.n; i++)
			assert(needs.names[i][0] != 0 &&
				strlen(needs.names[i]) < sizeof needs.names[i]);
	}
	(void)close(fd);
	return 0;
}
