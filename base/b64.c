#include "base/b64.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void b64_print(struct wr *w, const void *src, size_t len)
{
	const uint8_t *p = src;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = MIN(len - i, (size_t)3);
		uint32_t v = (uint32_t)p[i] << 16;
		v |= n > 1 ? (uint32_t)p[i + 1] << 8 : 0;
		v |= n > 2 ? p[i + 2] : 0;
		for (unsigned int k = 0; k < 4; k++)
			wr_u8(w, (uint8_t)(k <= n ? alphabet[v >> (18 - 6 * k) & 63] : '='));
	}
}

static MUST_USE int digit_parse(char c, uint32_t *ret)
{
	const char *at = c != 0 ? strchr(alphabet, c) : NULL;

	if (at == NULL)
		return -EBADMSG;
	*ret = (uint32_t)(at - alphabet);
	return 0;
}

int b64_parse(const char *text, size_t text_len, void *ret, size_t max, size_t *ret_len)
{
	uint8_t *out = ret;
	size_t len = 0;

	if (text_len % 4 != 0)
		return -EBADMSG;
	for (size_t i = 0; i < text_len; i += 4) {
		bool is_last = i + 4 == text_len;
		size_t pad = !is_last || text[i + 3] != '=' ? 0 : text[i + 2] == '=' ? 2 : 1;
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) {
			uint32_t digit = 0;
			if (k < 4 - pad && digit_parse(text[i + k], &digit) < 0)
				return -EBADMSG;
			v = v << 6 | digit;
		}
		if ((v & ((1u << (8 * pad)) - 1)) != 0)
			return -EBADMSG;
		if (3 - pad > max - len)
			return -EMSGSIZE;
		for (size_t k = 0; k < 3 - pad; k++)
			out[len++] = (uint8_t)(v >> (16 - 8 * k));
	}
	*ret_len = len;
	return 0;
}
