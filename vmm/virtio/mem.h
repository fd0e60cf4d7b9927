/*
 * mem: the table of guest memory a process may touch: ranges of guest-physical addresses and
 *      where they are mapped here.
 *
 * Trust:   none in the contents: the guest writes while we read. Addresses are hostile; ranges
 *          come from our monitor and are checked all the same.
 * Owns:    nothing; whoever maps a region unmaps it.
 * Threads: one may change the table; reading guest memory is fine from any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cdefs.h"
#include "base/limits.h"

/* A guest-physical address: cannot be dereferenced, nor added to by accident. */
typedef struct {
	uint64_t v;
} gpa_t;

struct mem_region {
	gpa_t gpa;     /* first byte, as the guest sees it */
	uint64_t size; /* bytes, not 0 */
	uint64_t user; /* the front end's name for the first byte (vhost-user "user address"): a key
	                  for look-ups, never a pointer here */
	uint8_t *host; /* where it is mapped in this process, readable and writable */
};

struct mem {
	unsigned int n;
	struct mem_region at[LIMIT_MEM_REGIONS];
};

/*
 * Copy bytes another party may change meanwhile, exactly once: after the barrier the compiler can
 * no longer fetch them a second time (style rule 31).
 */
static inline void copy_once(void *dst, const void *shared, size_t len)
{
	memcpy(dst, shared, len);
	__asm__ volatile("" : : "r"(dst), "r"(shared) : "memory");
}

/*
 * Add a region; its mapping stays the caller's. -EINVAL: empty, wraps, or overlaps another (as
 * guest addresses or as user addresses); -EMSGSIZE: the table is full.
 */
MUST_USE int mem_add_region(struct mem *m, const struct mem_region *region);

/*
 * Where [gpa, gpa + len) is mapped. The range must lie in one region: regions that happen to touch
 * are not joined. len 0 gives -EFAULT too. The bytes behind *ret are shared: copy_once() only, or
 * hand the range to a system call as bulk data.
 */
MUST_USE int mem_map_range(const struct mem *m, gpa_t gpa, uint64_t len, void **ret);

/* The same look-up by user address, as SET_VRING_ADDR names the rings (vhost-user, 5.4). */
MUST_USE int mem_map_user(const struct mem *m, uint64_t user, uint64_t len, void **ret);

/* Copy out of, or into, guest memory, once. -EFAULT (and nothing copied) outside. */
MUST_USE int mem_read(const struct mem *m, gpa_t gpa, void *ret, size_t len);
MUST_USE int mem_write(const struct mem *m, gpa_t gpa, const void *src, size_t len);
