#include "vmm/monitor/mon_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/num.h"
#include "vmm/monitor/mon_boot.h"
#include "vmm/virtio/mem.h"

int mon_memory_open(struct mon_memory *ret, int fd, uint64_t size, struct why *why)
{
	struct stat st;
	uint64_t low = MIN(size, (uint64_t)BOOT_HOLE_START);

	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != size)
		return why_set(why, -EBADMSG, "guest memory: the memfd does not have %llu bytes",
			(unsigned long long)size);
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (map == MAP_FAILED)
		return why_set(why, -errno, "guest memory: cannot map %llu MiB",
			(unsigned long long)size >> 20);
	(void)madvise(map, size, MADV_DONTDUMP); /* the process is not dumpable; belt and braces */
	*ret = (struct mon_memory){
		.fd = fd, .map = map, .size = size, .n = 1, .ranges = { { 0, low, 0 } }
	};
	if (size > low)
		ret->ranges[ret->n++] = (struct mem_range){ BOOT_HIGH_GPA, size - low, low };
	return 0;
}

void mon_memory_close(struct mon_memory *m)
{
	if (m->map != NULL)
		(void)munmap(m->map, m->size);
	m->map = NULL;
	fd_drop(&m->fd);
}

/* Where [gpa, gpa + len) is in the mapping; NULL: not RAM, or not within one range. */
static uint8_t *memory_at(const struct mon_memory *m, uint64_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < m->n; i++) {
		const struct mem_range *r = &m->ranges[i];
		if (gpa >= r->gpa && num_fits(gpa - r->gpa, len, r->size))
			return m->map + r->offset + (gpa - r->gpa);
	}
	return NULL;
}

bool mon_memory_has(const struct mon_memory *m, uint64_t gpa, uint64_t len)
{
	return memory_at(m, gpa, len) != NULL;
}

int mon_memory_read(const struct mon_memory *m, uint64_t gpa, void *ret, size_t len)
{
	const uint8_t *from = memory_at(m, gpa, len);

	if (from == NULL)
		return -EFAULT;
	copy_once(ret, from, len);
	return 0;
}

int mon_memory_write(const struct mon_memory *m, uint64_t gpa, const void *src, size_t len)
{
	uint8_t *to = memory_at(m, gpa, len);

	if (to == NULL)
		return -EFAULT;
	memcpy(to, src, len);
	return 0;
}

int mon_memory_zero(const struct mon_memory *m, uint64_t gpa, size_t len)
{
	uint8_t *to = memory_at(m, gpa, len);

	if (to == NULL)
		return -EFAULT;
	memset(to, 0, len);
	return 0;
}
