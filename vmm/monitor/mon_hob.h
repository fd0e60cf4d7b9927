/*
 * mon_hob: the list of resources that a TD's firmware starts from: which memory there is, and which
 *          of it was added at launch (UEFI PI hand-off blocks; ABI 4.9).
 *
 * Trust:   the caller's ranges are checked: they came from the firmware's image.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "vmm/monitor/mon_memory.h"

struct hob_range {
	uint64_t gpa, size;
};

/*
 * Write the list for a guest with this memory into size bytes that the guest will have at gpa. The n
 * added ranges may stand in any order; each must be RAM, and none overlap another (-EFAULT).
 * -EMSGSIZE: it does not fit.
 */
MUST_USE int mon_hob_build(uint8_t *ret, size_t size, uint64_t gpa, const struct mon_memory *memory,
	const struct hob_range *added, unsigned int n, struct why *why);
