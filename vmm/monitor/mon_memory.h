/*
 * mon_memory: where the guest's RAM is, for the monitor: one shared memfd, at most two ranges
 *             (docs/launch.md, "Memory").
 *
 * Trust:   guest-physical addresses are the guest's; the memfd is sealed by the supervisor.
 * Owns:    the mapping and the descriptor.
 * Threads: any after mon_memory_open(); the mapping does not move.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

#define MEMORY_RANGES_MAX 2u

struct mem_range {
	uint64_t gpa;
	uint64_t size;
	uint64_t offset; /* in the memfd */
};

struct mon_memory {
	int fd;
	uint8_t *map;
	uint64_t size;
	unsigned int n;
	struct mem_range ranges[MEMORY_RANGES_MAX];
};

/* Take the memfd, which must hold exactly size bytes; map it. Release with mon_memory_close(). */
MUST_USE int mon_memory_open(struct mon_memory *ret, int fd, uint64_t size, struct why *why);
void mon_memory_close(struct mon_memory *m);

/* Is [gpa, gpa + len) RAM, within one range? */
bool mon_memory_has(const struct mon_memory *m, uint64_t gpa, uint64_t len);

/* Copy out of RAM, once; into it; zero it. -EFAULT: [gpa, gpa + len) is not RAM within one range. */
MUST_USE int mon_memory_read(const struct mon_memory *m, uint64_t gpa, void *ret, size_t len);
MUST_USE int mon_memory_write(
	const struct mon_memory *m, uint64_t gpa, const void *src, size_t len);
MUST_USE int mon_memory_zero(const struct mon_memory *m, uint64_t gpa, size_t len);
