#include "attest/cert_table.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/rd.h"
#include "base/wr.h"

#define ENTRY_BYTES 24u

static const struct {
	uint8_t guid[16];
	const char *name;
} known[CERT_TABLE_KIND_COUNT] = {
	[CERT_TABLE_OTHER] = { { 0 }, "other" },
	[CERT_TABLE_VCEK] = { { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4,
				      0xb9, 0x3b, 0xe8, 0xac, 0xcd },
		"VCEK" },
	[CERT_TABLE_VLEK] = { { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39,
				      0xc0, 0x45, 0xa0, 0xb8, 0xa1 },
		"VLEK" },
	[CERT_TABLE_ASK] = { { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05,
				     0xae, 0xf3, 0x27, 0xc7, 0x82 },
		"ASK" },
	[CERT_TABLE_ARK] = { { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f,
				     0xb6, 0x01, 0x4c, 0xd0, 0xae },
		"ARK" },
	[CERT_TABLE_CRL] = { { 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1,
				     0x9f, 0x88, 0xdc, 0x67, 0xea },
		"CRL" },
};

const char *cert_table_kind_name(enum cert_table_kind kind)
{
	return known[kind < CERT_TABLE_KIND_COUNT ? kind : CERT_TABLE_OTHER].name;
}

void cert_table_guid_print(const uint8_t guid[16], char ret[37])
{
	static const uint8_t groups[] = { 4, 2, 2, 2, 6 };
	struct wr w = wr_of(ret, 36);
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		wr_str(&w, i > 0 ? "-" : "");
		wr_hex(&w, guid + at, groups[i]);
		at += groups[i];
	}
	ret[w.len] = '\0';
}

static enum cert_table_kind guid_kind(const uint8_t guid[16])
{
	for (enum cert_table_kind k = CERT_TABLE_OTHER + 1; k < CERT_TABLE_KIND_COUNT; k++)
		if (memcmp(known[k].guid, guid, 16) == 0)
			return k;
	return CERT_TABLE_OTHER;
}

static MUST_USE int guid_check(const struct cert_table *t, const uint8_t guid[16], struct why *why)
{
	char text[37];

	for (size_t i = 0; i < t->n; i++) {
		if (memcmp(t->at[i].guid, guid, 16) != 0)
			continue;
		cert_table_guid_print(guid, text);
		return why_set(why, -EBADMSG, "certificate table: %s is there twice", text);
	}
	return 0;
}

/* Blobs stand behind the header, whose length is known only now, and inside the table. */
static MUST_USE int blobs_check(
	struct cert_table *t, const uint8_t *buf, size_t len, size_t header, struct why *why)
{
	for (size_t i = 0; i < t->n; i++) {
		struct cert_table_entry *e = &t->at[i];
		if (e->offset < header)
			return why_set(why, -EBADMSG,
				"certificate table: entry %zu starts at byte %zu, inside the "
				"header of %zu",
				i, e->offset, header);
		if (!num_fits(e->offset, e->len, len))
			return why_set(why, -EBADMSG,
				"certificate table: entry %zu has %zu bytes at %zu, the table ends "
				"at %zu",
				i, e->len, e->offset, len);
		e->p = buf + e->offset;
	}
	return 0;
}

int cert_table_parse(struct cert_table *ret, const void *buf, size_t len, struct why *why)
{
	static const uint8_t end[16] = { 0 };
	struct cert_table t = { 0 };
	struct rd r = rd_of(buf, len);

	if (len > LIMIT_CERT_BLOB_BYTES)
		return why_set(why, -EMSGSIZE, "certificate table: %zu bytes, at most %u", len,
			LIMIT_CERT_BLOB_BYTES);
	for (;;) {
		struct cert_table_entry e = { 0 };
		rd_copy(&r, e.guid, sizeof e.guid);
		e.offset = rd_le32(&r);
		e.len = rd_le32(&r);
		if (rd_check(&r) < 0)
			return why_set(why, -EBADMSG,
				"certificate table: no end entry within %zu bytes", len);
		if (memcmp(e.guid, end, sizeof end) == 0) {
			if (e.offset != 0 || e.len != 0)
				return why_set(why, -EBADMSG,
					"certificate table: the end entry is not zero");
			break;
		}
		if (t.n == ARRAY_LEN(t.at))
			return why_set(
				why, -EMSGSIZE, "certificate table: more than %zu entries", t.n);
		int err = guid_check(&t, e.guid, why);
		if (err < 0)
			return err;
		e.kind = guid_kind(e.guid);
		t.at[t.n++] = e;
	}
	int err = blobs_check(&t, buf, len, (t.n + 1) * ENTRY_BYTES, why);
	if (err < 0)
		return err;
	*ret = t;
	return 0;
}
