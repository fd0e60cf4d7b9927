#include "vmm/virtio/mem.h"

#include <errno.h>
#include <stdbool.h>

#include "base/num.h"

static bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

int mem_add_region(struct mem *m, const struct mem_region *region)
{
	uint64_t end;

	if (m->n >= ARRAY_LEN(m->at))
		return -EMSGSIZE;
	if (region->size == 0 || region->host == NULL ||
		num_add(&end, region->gpa.v, region->size) < 0 ||
		num_add(&end, region->user, region->size) < 0)
		return -EINVAL;
	for (unsigned int i = 0; i < m->n; i++) {
		const struct mem_region *r = &m->at[i];
		if (ranges_overlap(r->gpa.v, r->size, region->gpa.v, region->size) ||
			ranges_overlap(r->user, r->size, region->user, region->size))
			return -EINVAL;
	}
	m->at[m->n++] = *region;
	return 0;
}

int mem_map_range(const struct mem *m, gpa_t gpa, uint64_t len, void **ret)
{
	for (unsigned int i = 0; len > 0 && i < m->n; i++) {
		const struct mem_region *r = &m->at[i];
		if (gpa.v < r->gpa.v || !num_fits(gpa.v - r->gpa.v, len, r->size))
			continue;
		*ret = r->host + (gpa.v - r->gpa.v);
		return 0;
	}
	return -EFAULT;
}

int mem_map_user(const struct mem *m, uint64_t user, uint64_t len, void **ret)
{
	for (unsigned int i = 0; len > 0 && i < m->n; i++) {
		const struct mem_region *r = &m->at[i];
		if (user < r->user || !num_fits(user - r->user, len, r->size))
			continue;
		*ret = r->host + (user - r->user);
		return 0;
	}
	return -EFAULT;
}

int mem_read(const struct mem *m, gpa_t gpa, void *ret, size_t len)
{
	void *at;
	int err = mem_map_range(m, gpa, len, &at);

	if (err == 0)
		copy_once(ret, at, len);
	return err;
}

int mem_write(const struct mem *m, gpa_t gpa, const void *src, size_t len)
{
	void *at;
	int err = mem_map_range(m, gpa, len, &at);

	if (err == 0)
		copy_once(at, src, len);
	return err;
}
