/*
 * wr: a bounded writer that remembers failure; the twin of rd.
 *
 * Trust:   lengths may be hostile, the buffer is ours.
 * Owns:    nothing; the buffer must outlive the writer.
 * Threads: any; one writer belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

struct wr {
	uint8_t *buf;
	size_t size; /* of buf */
	size_t len;  /* written so far */
	bool is_bad;
};

static inline struct wr wr_of(void *buf, size_t size)
{
	return (struct wr){ .buf = buf, .size = size };
}

void wr_u8(struct wr *w, uint8_t v);
void wr_le16(struct wr *w, uint16_t v);
void wr_le32(struct wr *w, uint32_t v);
void wr_le64(struct wr *w, uint64_t v);
void wr_be16(struct wr *w, uint16_t v);
void wr_be32(struct wr *w, uint32_t v);
void wr_be64(struct wr *w, uint64_t v);
void wr_copy(struct wr *w, const void *src, size_t len);
void wr_zero(struct wr *w, size_t len);

/* Zeros up to the offset; bad when the writer is past it. */
void wr_pad_to(struct wr *w, size_t offset);

/* Text without its terminating zero. */
void wr_str(struct wr *w, const char *s);
void wr_printf(struct wr *w, const char *fmt, ...) PRINTF(2, 3);

/* len bytes as lower-case hex digits. */
void wr_hex(struct wr *w, const void *src, size_t len);

/* The same as a string of its own in size bytes (at least 1); cut when it does not fit. */
void wr_hex_str(char *ret, size_t size, const void *src, size_t len);

/* 0 when everything fitted, else -EMSGSIZE. */
MUST_USE int wr_check(const struct wr *w);

/* Put a terminating zero after the text; 0 or -EMSGSIZE (then the text is cut and terminated). */
MUST_USE int wr_end_str(struct wr *w);
