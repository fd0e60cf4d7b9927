/*
 * sim_ranges: a set of addresses kept as sorted, disjoint ranges: which memory is private, which
 *             pages were added by the launch.
 *
 * Trust:   ranges come from the monitor; a guest can make many of them by converting memory.
 * Owns:    the array.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

struct sim_range {
	uint64_t first;
	uint64_t end; /* exclusive */
};

struct sim_ranges {
	size_t n;
	size_t room;
	struct sim_range *at;
};

void sim_ranges_done(struct sim_ranges *s);

/* Put [first, end) in or take it out. -ENOMEM: unchanged. */
MUST_USE int sim_ranges_set(struct sim_ranges *s, uint64_t first, uint64_t end, bool is_in);

/* Is at in the set? *ret_until is where that answer changes (at most end of the number space). */
bool sim_ranges_get(const struct sim_ranges *s, uint64_t at, uint64_t *ret_until);
