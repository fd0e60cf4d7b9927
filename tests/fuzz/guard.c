#include "tests/fuzz/guard.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cdefs.h"
#include "base/num.h"

#define GUARDED_MAX 256u

static struct {
	uint8_t *at; /* NULL: free */
	size_t len;
} guarded[GUARDED_MAX];

void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t len);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t len);

void finding(const char *text)
{
	fprintf(stderr, "finding: %s\n", text);
	abort();
}

unsigned int guard_count(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < GUARDED_MAX; i++)
		n += guarded[i].at != NULL;
	return n;
}

void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	unsigned int i = 0;

	if (at != NULL || fd < 0 || (flags & MAP_SHARED) == 0 || len % PAGE_BYTES != 0)
		return __real_mmap64(at, len, prot, flags, fd, offset);
	while (i < GUARDED_MAX && guarded[i].at != NULL)
		i++;
	if (i == GUARDED_MAX)
		finding("mappings leak");
	uint8_t *room = __real_mmap64(NULL, len + 2 * PAGE_BYTES, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return MAP_FAILED;
	void *p = __real_mmap64(room + PAGE_BYTES, len, prot, flags | MAP_FIXED, fd, offset);
	if (p == MAP_FAILED) {
		int err = errno;
		(void)__real_munmap(room, len + 2 * PAGE_BYTES);
		errno = err;
		return MAP_FAILED;
	}
	guarded[i].at = p;
	guarded[i].len = len;
	return p;
}

int __wrap_munmap(void *at, size_t len)
{
	for (unsigned int i = 0; i < GUARDED_MAX; i++) {
		if (guarded[i].at != at || at == NULL)
			continue;
		if (guarded[i].len != len)
			finding("a mapping is released in part");
		guarded[i].at = NULL;
		return __real_munmap((uint8_t *)at - PAGE_BYTES, len + 2 * PAGE_BYTES);
	}
	return __real_munmap(at, len);
}
