/*
 * secret: key material in memory of its own: locked, not dumped, wiped on fork and on free
 *         (style rules 33 to 35).
 *
 * Trust:   lengths may be hostile; the bytes are never interpreted or printed here.
 * Owns:    one private mapping per secret.
 * Threads: one at a time per secret.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

#define SECRET_KEY_BYTES 32u

struct secret {
	uint8_t *p;      /* NULL when empty */
	size_t len;      /* bytes in use */
	size_t map_size; /* of the mapping */
};

/*
 * Make room for len bytes (1 to LIMIT_SECRET_BYTES), zeroed. The caller owns *ret and frees it
 * with secret_done(). -ERANGE for a length outside, -ENOMEM when memory cannot be had or locked.
 */
MUST_USE int secret_init(struct secret *ret, size_t len);

/* As secret_init(), then copy src in; src is the caller's to wipe. */
MUST_USE int secret_init_copy(struct secret *ret, const void *src, size_t len);

/*
 * A key of SECRET_KEY_BYTES as a file has it: the bytes, or 64 hex digits and the end of a line. text
 * has room for a zero behind its len bytes, and is the caller's to wipe. -EBADMSG for anything else;
 * errors of secret_init().
 */
MUST_USE int secret_parse_key(struct secret *ret, char *text, size_t len);

/* Wipe and unmap; an empty secret is fine. */
void secret_done(struct secret *s);

static inline void secret_auto(struct secret *s)
{
	secret_done(s);
}

/* Move a secret out of an AUTO(secret) variable. */
struct secret secret_take(struct secret *s);

/* Constant-time comparison of equally long byte strings: digests, MACs, keys. */
bool secret_equal(const void *a, const void *b, size_t len);
