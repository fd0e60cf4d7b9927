/*
 * hex: hexadecimal text of known length into bytes; either case, nothing between the digits.
 *
 * Trust:   none in the text.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* -EBADMSG: an odd count, or no digit; -EMSGSIZE: more than max bytes. */
static inline MUST_USE int hex_parse(
	const char *text, size_t len, uint8_t *ret, size_t max, size_t *ret_len)
{
	if (len % 2 != 0)
		return -EBADMSG;
	if (len / 2 > max)
		return -EMSGSIZE;
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0)
			return -EBADMSG;
		ret[i / 2] = (uint8_t)(high << 4 | low);
	}
	*ret_len = len / 2;
	return 0;
}
