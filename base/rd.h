/*
 * rd: a bounded reader over untrusted bytes that remembers failure (style rule 29). Read
 *     everything, ask once: after a failure every read gives zero.
 *
 * Trust:   none in the bytes.
 * Owns:    nothing; the bytes must outlive the reader.
 * Threads: any; one reader belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

struct rd {
	const uint8_t *at;
	size_t left;
	bool is_bad;
};

static inline struct rd rd_of(const void *buf, size_t len)
{
	return (struct rd){ .at = buf, .left = len };
}

/* Little- and big-endian integers. */
uint8_t rd_u8(struct rd *r);
uint16_t rd_le16(struct rd *r);
uint32_t rd_le32(struct rd *r);
uint64_t rd_le64(struct rd *r);
uint16_t rd_be16(struct rd *r);
uint32_t rd_be32(struct rd *r);
uint64_t rd_be64(struct rd *r);

/* Copy len bytes out (zeros after a failure). */
void rd_copy(struct rd *r, void *ret, size_t len);

/* Borrow len bytes in place; NULL after a failure (also when len is 0 and the reader is bad). */
const uint8_t *rd_bytes(struct rd *r, size_t len);

/* Step over len bytes that the specification says to ignore. */
void rd_skip(struct rd *r, size_t len);

/* Step over len bytes that must be zero. */
void rd_zero(struct rd *r, size_t len);

/* Cut the next len bytes off as a reader of their own; a bad reader when they are not there. */
struct rd rd_sub(struct rd *r, size_t len);

/* Mark the reader bad: a value made no sense. */
void rd_fail(struct rd *r);

/* 0 when nothing failed so far, else -EBADMSG. */
MUST_USE int rd_check(const struct rd *r);

/* 0 when nothing failed and every byte was used, else -EBADMSG. */
MUST_USE int rd_end(const struct rd *r);
