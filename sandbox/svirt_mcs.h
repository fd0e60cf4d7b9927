/*
 * svirt_mcs: SELinux contexts taken apart, sets of MCS categories, pairs of them.
 *
 * Trust:   contexts come from the kernel, static ranges from a policy; both are checked.
 * Owns:    nothing; plain values.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"

#define MCS_CATEGORIES  1024u /* of the MCS policies of Debian, Fedora and RHEL */
#define MCS_POOL_MIN    8u    /* fewer give fewer than 28 pairs: not worth the name */
#define MCS_RANGE_BYTES 16u   /* "s0:c1022,c1023" and its zero */

struct mcs_set {
	uint64_t bits[MCS_CATEGORIES / 64];
};

struct mcs_pair {
	uint16_t
		low; /* low < high < MCS_CATEGORIES: one category alone would be dominated by every */
	uint16_t high; /* pair that has it */
};

/* What follows "user:role:type:" in a context; NULL when that is not what it is. */
const char *mcs_range_of(const char *label);

/*
 * The categories that the high end of a context's range allows: "…:s0-s0:c0.c1023", "…:s0:c3,c9.c12".
 * All of them when it names none. -EBADMSG.
 */
MUST_USE int mcs_parse_pool(const char *label, struct mcs_set *ret);

unsigned int mcs_count(const struct mcs_set *set);

/* The n-th pair of a set of at least two categories, n below count * (count - 1) / 2. */
struct mcs_pair mcs_get_pair(const struct mcs_set *set, uint32_t n);

/* "cA,cB" as a journal is named, "s0:cA,cB" as a policy says it: the one spelling, no other. */
MUST_USE int mcs_parse_name(const char *text, struct mcs_pair *ret);
MUST_USE int mcs_parse_range(const char *text, struct mcs_pair *ret);
void mcs_print_range(struct mcs_pair pair, char ret[MCS_RANGE_BYTES]);

/* The name is the range without "s0:". */
#define MCS_NAME_OF(range) ((range) + 3)
