#include "base/wr.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/le.h"

static uint8_t *wr_room(struct wr *w, size_t len)
{
	uint8_t *p = w->buf + w->len;

	if (w->is_bad || len > w->size - w->len) {
		w->is_bad = true;
		return NULL;
	}
	w->len += len;
	return p;
}

void wr_copy(struct wr *w, const void *src, size_t len)
{
	uint8_t *p = wr_room(w, len);

	if (p != NULL && len != 0)
		memcpy(p, src, len);
}

void wr_zero(struct wr *w, size_t len)
{
	uint8_t *p = wr_room(w, len);

	if (p != NULL && len != 0)
		memset(p, 0, len);
}

void wr_pad_to(struct wr *w, size_t offset)
{
	if (offset < w->len)
		w->is_bad = true;
	else
		wr_zero(w, offset - w->len);
}

void wr_u8(struct wr *w, uint8_t v)
{
	wr_copy(w, &v, sizeof v);
}

void wr_le16(struct wr *w, uint16_t v)
{
	le16 x = le16_of(v);

	wr_copy(w, &x, sizeof x);
}

void wr_le32(struct wr *w, uint32_t v)
{
	le32 x = le32_of(v);

	wr_copy(w, &x, sizeof x);
}

void wr_le64(struct wr *w, uint64_t v)
{
	le64 x = le64_of(v);

	wr_copy(w, &x, sizeof x);
}

void wr_be16(struct wr *w, uint16_t v)
{
	be16 x = be16_of(v);

	wr_copy(w, &x, sizeof x);
}

void wr_be32(struct wr *w, uint32_t v)
{
	be32 x = be32_of(v);

	wr_copy(w, &x, sizeof x);
}

void wr_be64(struct wr *w, uint64_t v)
{
	be64 x = be64_of(v);

	wr_copy(w, &x, sizeof x);
}

void wr_str(struct wr *w, const char *s)
{
	wr_copy(w, s, strlen(s));
}

void wr_printf(struct wr *w, const char *fmt, ...)
{
	va_list ap;
	size_t room = w->is_bad ? 0 : w->size - w->len;

	va_start(ap, fmt);
	int n = vsnprintf(room != 0 ? (char *)w->buf + w->len : NULL, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		w->is_bad = true;
	else
		w->len += (size_t)n;
}

void wr_hex(struct wr *w, const void *src, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = src;

	for (size_t i = 0; i < len; i++) {
		wr_u8(w, (uint8_t)digits[p[i] >> 4]);
		wr_u8(w, (uint8_t)digits[p[i] & 15]);
	}
}

void wr_hex_str(char *ret, size_t size, const void *src, size_t len)
{
	struct wr w = wr_of(ret, size - 1);

	wr_hex(&w, src, len);
	ret[w.len] = 0;
}

int wr_check(const struct wr *w)
{
	return w->is_bad ? -EMSGSIZE : 0;
}

int wr_end_str(struct wr *w)
{
	if (w->size == 0)
		return -EMSGSIZE;
	if (w->is_bad || w->len == w->size) {
		w->buf[MIN(w->len, w->size - 1)] = 0;
		return -EMSGSIZE;
	}
	w->buf[w->len] = 0;
	return 0;
}
