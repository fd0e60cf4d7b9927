#include "attest/cbor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/limits.h"
#include "base/wr.h"

/* --- reading ----------------------------------------------------------------------------------- */

/* Type and number; the reader is bad after what the header comment does not allow. */
static struct cbor head_read(struct rd *r)
{
	struct cbor c = { .raw = r->at };
	uint8_t first = rd_u8(r);
	uint8_t low = first & 31;

	c.type = (enum cbor_type)(first >> 5);
	switch (low) {
	case 24:
		c.n = rd_u8(r);
		break;
	case 25:
		c.n = rd_be16(r);
		break;
	case 26:
		c.n = rd_be32(r);
		break;
	case 27:
		c.n = rd_be64(r);
		break;
	default:
		c.n = low;
		if (low > 27) /* reserved; 31: of indefinite length */
			rd_fail(r);
	}
	uint64_t least[] = { 24, 1u << 8, 1u << 16, 1ull << 32 };
	if (low >= 24 && low <= 27 && c.type != CBOR_SIMPLE && c.n < least[low - 24])
		rd_fail(r);
	if (c.type == CBOR_SIMPLE && low == 24) /* simple values that nobody registered */
		rd_fail(r);
	return c;
}

static uint64_t children_of(const struct cbor *c)
{
	switch (c->type) {
	case CBOR_ARRAY:
		return c->n;
	case CBOR_MAP:
		return c->n > UINT64_MAX / 2 ? UINT64_MAX : 2 * c->n;
	case CBOR_TAG:
		return 1;
	case CBOR_UINT:
	case CBOR_NINT:
	case CBOR_BYTES:
	case CBOR_TEXT:
	case CBOR_SIMPLE:
		return 0;
	}
	return 0;
}

/* Step over one item that was checked. Depth needs no memory: children are only counted. */
static struct cbor item_read(struct rd *r)
{
	struct cbor c = head_read(r);

	c.p = r->at;
	if (c.type == CBOR_BYTES || c.type == CBOR_TEXT) {
		if (c.n > r->left)
			rd_fail(r);
		rd_skip(r, r->is_bad ? 0 : (size_t)c.n);
	}
	for (uint64_t left = children_of(&c); left > 0 && !r->is_bad; left--) {
		struct cbor x = head_read(r);
		if (x.type == CBOR_BYTES || x.type == CBOR_TEXT)
			rd_skip(r, (size_t)x.n);
		left += children_of(&x);
	}
	c.len = (size_t)(r->at - c.p);
	c.raw_len = (size_t)(r->at - c.raw);
	return c;
}

/* Read one item and everything below it, every rule asked. */
static void item_check(struct rd *r, unsigned int depth)
{
	struct {
		const uint8_t *p;
		size_t len;
	} names[LIMIT_CBOR_PAIRS];
	struct cbor c = head_read(r);
	uint64_t children = children_of(&c);

	/* A child has a byte at least, so a count that is too large ends here. */
	if (depth == 0 || children > r->left || (c.type == CBOR_MAP && c.n > ARRAY_LEN(names)))
		rd_fail(r);
	if (c.type == CBOR_BYTES || c.type == CBOR_TEXT) {
		if (c.n > r->left)
			rd_fail(r);
		rd_skip(r, r->is_bad ? 0 : (size_t)c.n);
	}
	for (uint64_t i = 0; i < children && !r->is_bad; i++) {
		const uint8_t *begin = r->at;
		item_check(r, depth - 1);
		if (c.type != CBOR_MAP || i % 2 != 0)
			continue;
		size_t len = (size_t)(r->at - begin);
		for (uint64_t k = 0; k < i / 2 && !r->is_bad; k++)
			if (names[k].len == len && memcmp(names[k].p, begin, len) == 0)
				rd_fail(r);
		names[i / 2].p = begin;
		names[i / 2].len = len;
	}
}

int cbor_parse(const void *buf, size_t len, struct cbor *ret, struct why *why)
{
	struct rd r = rd_of(buf, len);

	item_check(&r, LIMIT_CBOR_DEPTH);
	if (rd_end(&r) < 0)
		return why_set(why, -EBADMSG,
			"CBOR: malformed, too deep, a name twice, or not deterministic, before "
			"byte %zu "
			"of %zu",
			r.at != NULL ? (size_t)(r.at - (const uint8_t *)buf) : 0, len);
	r = rd_of(buf, len);
	*ret = item_read(&r);
	return 0;
}

struct cbor_iter cbor_items(const struct cbor *c)
{
	return (struct cbor_iter){ .r = rd_of(c->p, c->len), .left = children_of(c) };
}

bool cbor_next(struct cbor_iter *it, struct cbor *ret)
{
	if (it->left == 0)
		return false;
	it->left--;
	*ret = item_read(&it->r);
	return true;
}

bool cbor_at(const struct cbor *c, size_t index, struct cbor *ret)
{
	struct cbor_iter it = cbor_items(c);
	struct cbor x;

	if (c->type != CBOR_ARRAY && c->type != CBOR_TAG)
		return false;
	for (size_t i = 0; cbor_next(&it, &x); i++) {
		if (i != index)
			continue;
		*ret = x;
		return true;
	}
	return false;
}

bool cbor_int(const struct cbor *c, int64_t *ret)
{
	if ((c->type != CBOR_UINT && c->type != CBOR_NINT) || c->n > INT64_MAX)
		return false;
	*ret = c->type == CBOR_UINT ? (int64_t)c->n : -1 - (int64_t)c->n;
	return true;
}

bool cbor_get(const struct cbor *map, int64_t name, struct cbor *ret)
{
	struct cbor_iter it = cbor_items(map);
	struct cbor key, value;

	if (map->type != CBOR_MAP)
		return false;
	while (cbor_next(&it, &key) && cbor_next(&it, &value)) {
		int64_t n = 0;
		if (!cbor_int(&key, &n) || n != name)
			continue;
		*ret = value;
		return true;
	}
	return false;
}

bool cbor_untag(const struct cbor *c, uint64_t tag, struct cbor *inner)
{
	return c->type == CBOR_TAG && c->n == tag && cbor_at(c, 0, inner);
}

void cbor_text(const struct cbor *c, char *ret, size_t size)
{
	size_t n = c->type == CBOR_TEXT ? MIN(c->len, size - 1) : 0;

	for (size_t i = 0; i < n; i++)
		ret[i] = (char)(c->p[i] >= ' ' && c->p[i] <= '~' ? c->p[i] : '?');
	ret[n] = '\0';
}

/* --- as JSON ----------------------------------------------------------------------------------- */

static json_t *bytes_json(const struct cbor *c, enum cbor_bytes bytes)
{
	size_t size = bytes == CBOR_AS_HEX ? 2 * c->len : B64_TEXT_LEN(c->len);
	char *text = malloc(size + 1);
	struct wr w = wr_of(text, text != NULL ? size : 0);

	if (bytes == CBOR_AS_HEX)
		wr_hex(&w, c->p, c->len);
	else
		b64url_print(&w, c->p, c->len);
	json_t *j = text != NULL ? json_stringn(text, w.len) : NULL;
	free(text);
	return j;
}

static MUST_USE int map_json(
	const struct cbor *c, enum cbor_bytes bytes, json_t *j, struct why *why)
{
	struct cbor_iter it = cbor_items(c);
	struct cbor key, value;
	int err = 0;

	while (err == 0 && cbor_next(&it, &key) && cbor_next(&it, &value)) {
		char name[64];
		int64_t n = 0;
		json_t *below = NULL;
		if (cbor_int(&key, &n))
			(void)snprintf(name, sizeof name, "%lld", (long long)n);
		else
			cbor_text(&key, name, sizeof name);
		if (name[0] == '\0' || (key.type == CBOR_TEXT && key.len >= sizeof name) ||
			json_object_get(j, name) != NULL)
			return why_set(why, -EBADMSG,
				"CBOR: a name that is neither number nor short text, or twice the "
				"same");
		err = cbor_to_json(&value, bytes, &below, why);
		if (err == 0 && json_object_set_new(j, name, below) < 0)
			err = -ENOMEM;
	}
	return err;
}

static MUST_USE int array_json(
	const struct cbor *c, enum cbor_bytes bytes, json_t *j, struct why *why)
{
	struct cbor_iter it = cbor_items(c);
	struct cbor x;
	int err = 0;

	while (err == 0 && cbor_next(&it, &x)) {
		json_t *below = NULL;
		err = cbor_to_json(&x, bytes, &below, why);
		if (err == 0 && json_array_append_new(j, below) < 0)
			err = -ENOMEM;
	}
	return err;
}

int cbor_to_json(const struct cbor *c, enum cbor_bytes bytes, json_t **ret, struct why *why)
{
	json_t *j = NULL;
	struct cbor inner;
	int64_t n = 0;
	int err = 0;

	switch (c->type) {
	case CBOR_UINT:
	case CBOR_NINT:
		j = cbor_int(c, &n) ? json_integer(n)
				    : json_sprintf("%s%llu", c->type == CBOR_NINT ? "-1-" : "",
					      (unsigned long long)c->n);
		break;
	case CBOR_BYTES:
		j = bytes_json(c, bytes);
		break;
	case CBOR_TEXT:
		j = json_stringn((const char *)c->p, c->len);
		if (j == NULL)
			return why_set(why, -EBADMSG, "CBOR: text that is not UTF-8");
		break;
	case CBOR_ARRAY:
		j = json_array();
		err = array_json(c, bytes, j, why);
		break;
	case CBOR_MAP:
		j = json_object();
		err = map_json(c, bytes, j, why);
		break;
	case CBOR_TAG:
		return cbor_at(c, 0, &inner) ? cbor_to_json(&inner, bytes, ret, why) : -EBADMSG;
	case CBOR_SIMPLE:
		if (c->raw_len > 1 || (c->n != 20 && c->n != 21 && c->n != 22))
			return why_set(
				why, -EBADMSG, "CBOR: a floating-point or unknown simple value");
		j = c->n == 22 ? json_null() : json_boolean(c->n == 21);
		break;
	}
	if (err < 0 || j == NULL) {
		json_decref(j);
		return err < 0 ? err : -ENOMEM;
	}
	*ret = j;
	return 0;
}

/* --- writing ----------------------------------------------------------------------------------- */

void cbor_put(struct wr *w, enum cbor_type type, uint64_t n)
{
	uint8_t major = (uint8_t)(type << 5);

	if (n < 24) {
		wr_u8(w, (uint8_t)(major | n));
	} else if (n <= UINT8_MAX) {
		wr_u8(w, major | 24);
		wr_u8(w, (uint8_t)n);
	} else if (n <= UINT16_MAX) {
		wr_u8(w, major | 25);
		wr_be16(w, (uint16_t)n);
	} else {
		wr_u8(w, major | 26);
		wr_be32(w, (uint32_t)n);
	}
}
