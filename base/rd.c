#include "base/rd.h"

#include <errno.h>
#include <string.h>

#include "base/le.h"

const uint8_t *rd_bytes(struct rd *r, size_t len)
{
	const uint8_t *p = r->at;

	if (r->is_bad || len > r->left) {
		rd_fail(r);
		return NULL;
	}
	r->at += len;
	r->left -= len;
	return p;
}

void rd_fail(struct rd *r)
{
	r->is_bad = true;
	r->left = 0;
}

void rd_copy(struct rd *r, void *ret, size_t len)
{
	const uint8_t *p = rd_bytes(r, len);

	if (len == 0)
		return;
	if (p != NULL)
		memcpy(ret, p, len);
	else
		memset(ret, 0, len);
}

void rd_skip(struct rd *r, size_t len)
{
	(void)rd_bytes(r, len);
}

void rd_zero(struct rd *r, size_t len)
{
	const uint8_t *p = rd_bytes(r, len);
	uint8_t any = 0;

	for (size_t i = 0; p != NULL && i < len; i++)
		any |= p[i];
	if (any != 0)
		rd_fail(r);
}

struct rd rd_sub(struct rd *r, size_t len)
{
	const uint8_t *p = rd_bytes(r, len);

	return (struct rd){ .at = p, .left = p != NULL ? len : 0, .is_bad = r->is_bad };
}

uint8_t rd_u8(struct rd *r)
{
	uint8_t v;

	rd_copy(r, &v, sizeof v);
	return v;
}

uint16_t rd_le16(struct rd *r)
{
	le16 v;

	rd_copy(r, &v, sizeof v);
	return le16_get(v);
}

uint32_t rd_le32(struct rd *r)
{
	le32 v;

	rd_copy(r, &v, sizeof v);
	return le32_get(v);
}

uint64_t rd_le64(struct rd *r)
{
	le64 v;

	rd_copy(r, &v, sizeof v);
	return le64_get(v);
}

uint16_t rd_be16(struct rd *r)
{
	be16 v;

	rd_copy(r, &v, sizeof v);
	return be16_get(v);
}

uint32_t rd_be32(struct rd *r)
{
	be32 v;

	rd_copy(r, &v, sizeof v);
	return be32_get(v);
}

uint64_t rd_be64(struct rd *r)
{
	be64 v;

	rd_copy(r, &v, sizeof v);
	return be64_get(v);
}

int rd_check(const struct rd *r)
{
	return r->is_bad ? -EBADMSG : 0;
}

int rd_end(const struct rd *r)
{
	return r->is_bad || r->left != 0 ? -EBADMSG : 0;
}
