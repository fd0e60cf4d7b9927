/*
 * b64: base 64 (RFC 4648), section 4 with padding and section 5 ("url") without, read strictly:
 *      one text per byte string, so that a changed character is never unseen.
 *
 * Trust:   none in the text.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>

#include "base/cdefs.h"
#include "base/wr.h"

/* Characters that len bytes become. */
#define B64_TEXT_LEN(len) (((len) + 2) / 3 * 4)

/* len bytes as text; not for key material (the table look-up depends on the bytes). */
void b64_print(struct wr *w, const void *src, size_t len);

/*
 * Text into at most max bytes. -EBADMSG: a character outside the alphabet, wrong padding, or
 * unused bits that are not zero; -EMSGSIZE: more than max bytes. *ret may be partly written then.
 */
MUST_USE int b64_parse(const char *text, size_t text_len, void *ret, size_t max, size_t *ret_len);

/* The same two in JOSE's spelling: '-' and '_', no padding (RFC 7515, section 2). */
void b64url_print(struct wr *w, const void *src, size_t len);
MUST_USE int b64url_parse(
	const char *text, size_t text_len, void *ret, size_t max, size_t *ret_len);
