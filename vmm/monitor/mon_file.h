/*
 * mon_file: a file that a guest starts from: read whole and once, and compared with the digest that
 *           the policy has of it, before anybody looks into it.
 *
 * Trust:   the file may be hostile, and may change while it is read: the copy is what counts.
 * Owns:    nothing; who reads a file gives its bytes back.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "policy/plan.h"

struct mon_file {
	int fd;                              /* the caller's; an empty file: there is none */
	const struct wire_plan_digest *want; /* what the policy says of it; NULL: nothing */
};

/*
 * Read a file of at most max bytes, once, into pages of our own, which the caller gives back with
 * munmap(*ret, *ret_len). An empty file leaves *ret as it is and sets *ret_len to 0. -EBADMSG with
 * why: it is not the file that the policy means; -EMSGSIZE: too long. name ("kernel") is said first,
 * and the supervisor knows the path to it.
 */
MUST_USE int mon_file_read(const struct mon_file *f, size_t max, const char *name, uint8_t **ret,
	size_t *ret_len, struct why *why);

/* Only the comparison, of bytes that are there already: -EBADMSG with why. */
MUST_USE int mon_file_check(
	const struct mon_file *f, const char *name, const void *bytes, size_t len, struct why *why);
