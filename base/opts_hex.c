/* opts_hex: apart from opts.c, which prints, for libraries that do not. */
#include <errno.h>
#include <string.h>

#include "base/opts.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int opts_parse_hex(const char *text, void *ret, size_t len)
{
	uint8_t *out = ret;

	if (strlen(text) != len * 2)
		return -EBADMSG;
	for (size_t i = 0; i < len * 2; i++)
		if (hex_digit(text[i]) < 0)
			return -EBADMSG;
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return 0;
}
