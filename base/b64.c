#include "base/b64.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void print(const char *alphabet, bool is_padded, struct wr *w, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i += 3) {
		size_t n = MIN(len - i, (size_t)3);
		uint32_t v = (uint32_t)p[i] << 16;
		v |= n > 1 ? (uint32_t)p[i + 1] << 8 : 0;
		v |= n > 2 ? p[i + 2] : 0;
		for (unsigned int k = 0; k < 4; k++)
			if (k <= n || is_padded)
				wr_u8(w,
					(uint8_t)(k <= n ? alphabet[v >> (18 - 6 * k) & 63] : '='));
	}
}

void b64_print(struct wr *w, const void *src, size_t len)
{
	print(plain, true, w, src, len);
}

void b64url_print(struct wr *w, const void *src, size_t len)
{
	print(url, false, w, src, len);
}

static MUST_USE int digit_parse(const char *alphabet, char c, uint32_t *ret)
{
	const char *at = c != 0 ? strchr(alphabet, c) : NULL;

	if (at == NULL)
		return -EBADMSG;
	*ret = (uint32_t)(at - alphabet);
	return 0;
}

/* Digits alone: four become three bytes, at the end three become two and two become one. */
static MUST_USE int digits_parse(const char *alphabet, const char *text, size_t text_len,
	uint8_t *out, size_t max, size_t *ret_len)
{
	size_t len = 0;

	if (text_len % 4 == 1)
		return -EBADMSG;
	for (size_t i = 0; i < text_len; i += 4) {
		size_t n = MIN(text_len - i, (size_t)4);
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) {
			uint32_t digit = 0;
			if (k < n && digit_parse(alphabet, text[i + k], &digit) < 0)
				return -EBADMSG;
			v = v << 6 | digit;
		}
		if ((v & ((1u << (8 * (4 - n))) - 1)) != 0)
			return -EBADMSG;
		if (n - 1 > max - len)
			return -EMSGSIZE;
		for (size_t k = 0; k < n - 1; k++)
			out[len++] = (uint8_t)(v >> (16 - 8 * k));
	}
	*ret_len = len;
	return 0;
}

int b64_parse(const char *text, size_t text_len, void *ret, size_t max, size_t *ret_len)
{
	size_t n = text_len;

	if (text_len % 4 != 0)
		return -EBADMSG;
	while (text_len - n < 2 && n > 0 && text[n - 1] == '=')
		n--;
	return digits_parse(plain, text, n, ret, max, ret_len);
}

int b64url_parse(const char *text, size_t text_len, void *ret, size_t max, size_t *ret_len)
{
	return digits_parse(url, text, text_len, ret, max, ret_len);
}
