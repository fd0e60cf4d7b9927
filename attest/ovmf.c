#include "attest/ovmf.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/rd.h"

#define IMAGE_END_GPA 0x100000000ull
#define TABLE_TAIL    32u /* bytes of reset vector behind the table */
#define ENTRY_BYTES   18u /* u16 length of all of the entry, GUID; the data stand before */
#define GUID_BYTES    16u

/* On disk: the first three fields little-endian. */
static const uint8_t guid_footer[] = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45, 0xba, 0xea,
	0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };
static const uint8_t guid_reset[] = { 0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f, 0x89, 0x0e,
	0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e };
static const uint8_t guid_hashes[] = { 0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b, 0x92, 0x7b,
	0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54 };
static const uint8_t guid_secret[] = { 0x61, 0xb3, 0x2e, 0x4c, 0x9b, 0x7d, 0xc3, 0x4c, 0x80, 0x81,
	0x12, 0x7c, 0x90, 0xd3, 0xd2, 0x94 };
static const uint8_t guid_sev[] = { 0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47, 0xa7, 0x5e,
	0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc };
static const uint8_t guid_tdx[] = { 0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47, 0x86, 0x5e,
	0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2 };

static const uint8_t guid_svsm[] = { 0x12, 0xa6, 0x89, 0xa7, 0x97, 0x05, 0x4b, 0x4c, 0xa4, 0x9f,
	0xcb, 0xb1, 0xfe, 0x9d, 0x1d, 0xdd };

/* Work that an image can ask for, in pages. */
struct budget {
	uint64_t pages;
};

static bool budget_take(struct budget *b, uint64_t bytes)
{
	uint64_t pages = bytes / PAGE_BYTES;

	if (pages > LIMIT_FIRMWARE_PAGES - b->pages)
		return false;
	b->pages += pages;
	return true;
}

/* Whole pages below `end`, and not more of them than anybody needs; b NULL: however many. */
static MUST_USE int pages_check(
	uint64_t gpa, uint64_t size, uint64_t end, size_t i, struct budget *b, struct why *why)
{
	if (size == 0 || !num_is_aligned(gpa | size, PAGE_BYTES) || !num_fits(gpa, size, end))
		return why_set(why, -EBADMSG,
			"firmware: section %zu is 0x%llx bytes at 0x%llx: no whole pages", i,
			(unsigned long long)size, (unsigned long long)gpa);
	if (b != NULL && !budget_take(b, size))
		return why_set(why, -EMSGSIZE,
			"firmware: more than %u sections or %u pages of memory",
			LIMIT_FIRMWARE_SECTIONS, LIMIT_FIRMWARE_PAGES);
	return 0;
}

/* --- SEV metadata ----------------------------------------------------------------------------- */

static MUST_USE int section_check(
	const struct ovmf_section *s, size_t i, struct budget *b, struct why *why)
{
	bool is_page = s->type == OVMF_SNP_SECRETS || s->type == OVMF_CPUID ||
		       s->type == OVMF_KERNEL_HASHES;

	if (!is_page && s->type != OVMF_SNP_SEC_MEM && s->type != OVMF_SVSM_CAA)
		return why_set(why, -EPROTONOSUPPORT, "firmware: SEV section of unknown type 0x%x",
			s->type);
	if (is_page && s->size != PAGE_BYTES)
		return why_set(why, -EBADMSG,
			"firmware: SEV section of type %u is 0x%x bytes, want one page", s->type,
			s->size);
	return pages_check(s->gpa, s->size, IMAGE_END_GPA, i, b, why);
}

static MUST_USE int metadata_parse(struct ovmf *o, struct rd r, struct budget *b, struct why *why)
{
	uint32_t signature = rd_le32(&r), size = rd_le32(&r), version = rd_le32(&r);
	uint32_t n = rd_le32(&r);

	if (rd_check(&r) < 0 || signature != 0x56455341u) /* "ASEV" */
		return why_set(why, -EBADMSG, "firmware: no SEV metadata where it says");
	if (version != 1)
		return why_set(why, -EPROTONOSUPPORT,
			"firmware: SEV metadata of version %u, want 1", version);
	if (n > LIMIT_FIRMWARE_SECTIONS || size < 16 + 12 * n)
		return why_set(why, -EBADMSG, "firmware: %u SEV sections in %u bytes", n, size);
	for (size_t i = 0; i < n; i++) {
		struct ovmf_section s = { 0 };
		s.gpa = rd_le32(&r);
		s.size = rd_le32(&r);
		s.type = rd_le32(&r);
		if (rd_check(&r) < 0)
			return why_set(why, -EBADMSG, "firmware: SEV metadata are cut");
		/* What a build does not have (Debian's for TDX: an SVSM) stands there with no bytes. */
		if (s.size == 0 && (s.type == OVMF_SNP_SEC_MEM || s.type == OVMF_SVSM_CAA))
			continue;
		int err = section_check(&s, o->n_sections, b, why);
		if (err < 0)
			return err;
		o->sections[o->n_sections++] = s;
	}
	return 0;
}

/* --- TDVF descriptor --------------------------------------------------------------------------- */

static MUST_USE int tdvf_check(const struct ovmf *o, const struct tdvf_section *s, size_t i,
	struct budget *b, struct why *why)
{
	bool is_volume = s->type == TDVF_BFV || s->type == TDVF_CFV;
	bool is_memory = s->type == TDVF_TD_HOB || s->type == TDVF_TEMP_MEM;

	if (s->type > TDVF_TYPE_MAX)
		return why_set(why, -EPROTONOSUPPORT,
			"firmware: TDVF section of type %u, attributes 0x%x", s->type,
			s->attributes);
	if (s->raw_size > s->size || !num_fits(s->offset, s->raw_size, o->len) ||
		(is_volume && s->raw_size == 0) || (is_memory && s->raw_size != 0))
		return why_set(why, -EBADMSG,
			"firmware: TDVF section of type %u has 0x%x bytes at 0x%x of the image for "
			"0x%llx bytes of memory",
			s->type, s->raw_size, s->offset, (unsigned long long)s->size);
	/* What is added later costs nothing now. */
	bool is_aug = (s->attributes & TDVF_PAGE_AUG) != 0;
	return pages_check(s->gpa, s->size, 1ull << 52, i, is_aug ? NULL : b, why);
}

/* What stands `back` bytes before the image's end, to the end. */
static struct rd image_from_end(const struct ovmf *o, uint32_t back)
{
	struct rd none = rd_of(NULL, 0);

	return back > o->len ? none : rd_of(o->image + o->len - back, back);
}

int tdvf_parse(struct tdvf *ret, const struct ovmf *o, struct why *why)
{
	struct rd r = image_from_end(o, o->tdvf_back);
	uint32_t signature = rd_le32(&r), size = rd_le32(&r), version = rd_le32(&r);
	uint32_t n = rd_le32(&r);
	struct budget budget = { 0 };
	struct tdvf t = { 0 };

	if (!o->has_tdvf)
		return why_set(why, -EOPNOTSUPP, "the firmware has no TDVF descriptor");
	if (rd_check(&r) < 0 || signature != 0x46564454u) /* "TDVF" */
		return why_set(why, -EBADMSG, "firmware: no TDVF descriptor where it says");
	if (version != 1)
		return why_set(why, -EPROTONOSUPPORT,
			"firmware: TDVF descriptor of version %u, want 1", version);
	if (n > LIMIT_FIRMWARE_SECTIONS || size != 16 + 32 * n)
		return why_set(why, -EBADMSG, "firmware: %u TDVF sections in %u bytes", n, size);
	for (t.n = 0; t.n < n; t.n++) {
		struct tdvf_section *s = &t.at[t.n];
		s->offset = rd_le32(&r);
		s->raw_size = rd_le32(&r);
		s->gpa = rd_le64(&r);
		s->size = rd_le64(&r);
		s->type = rd_le32(&r);
		s->attributes = rd_le32(&r);
		if (rd_check(&r) < 0)
			return why_set(why, -EBADMSG, "firmware: the TDVF descriptor is cut");
		int err = tdvf_check(o, s, t.n, &budget, why);
		if (err < 0)
			return err;
	}
	*ret = t;
	return 0;
}

/* --- the table -------------------------------------------------------------------------------- */

/* Entries whose data begin with one number; the others are none of our business. */
static MUST_USE int entry_parse(struct ovmf *o, const uint8_t guid[GUID_BYTES], const uint8_t *data,
	size_t len, struct why *why)
{
	struct {
		const uint8_t *guid;
		bool *ret_has;
		uint32_t *ret, *ret_size;
	} entries[] = {
		{ guid_reset, &o->has_reset, &o->ap_reset, NULL },
		{ guid_secret, &o->has_secret, &o->secret_gpa, &o->secret_size },
		{ guid_hashes, &o->has_hashes, &o->hashes_gpa, &o->hashes_size },
		{ guid_svsm, &o->has_svsm, &o->svsm_entry, NULL },
		{ guid_tdx, &o->has_tdvf, &o->tdvf_back, NULL },
		{ guid_sev, &o->has_metadata, NULL, NULL },
	};
	struct budget budget = { 0 };
	struct rd r = rd_of(data, len);
	uint32_t value = rd_le32(&r);
	uint32_t size = 0;

	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		if (memcmp(guid, entries[i].guid, GUID_BYTES) != 0)
			continue;
		if (entries[i].ret_size != NULL)
			size = rd_le32(&r);
		if (rd_check(&r) < 0 || *entries[i].ret_has)
			return why_set(
				why, -EBADMSG, "firmware: a table entry is cut, or there twice");
		*entries[i].ret_has = true;
		if (entries[i].ret == NULL)
			return metadata_parse(o, image_from_end(o, value), &budget, why);
		*entries[i].ret = value;
		if (entries[i].ret_size != NULL)
			*entries[i].ret_size = size;
	}
	return 0;
}

/* Backwards, from the footer: data, u16 length, GUID. */
static MUST_USE int table_parse(struct ovmf *o, struct why *why)
{
	const uint8_t *end = o->image + o->len - TABLE_TAIL;
	struct rd r = rd_of(end - ENTRY_BYTES, ENTRY_BYTES);
	size_t total = rd_le16(&r);

	if (memcmp(end - GUID_BYTES, guid_footer, GUID_BYTES) != 0)
		return 0;
	if (total < ENTRY_BYTES || total > o->len - TABLE_TAIL)
		return why_set(why, -EBADMSG, "firmware: a table of %zu bytes at its end", total);
	const uint8_t *at = end - ENTRY_BYTES;
	size_t left = total - ENTRY_BYTES;
	while (left > 0) {
		if (left < ENTRY_BYTES)
			return why_set(why, -EBADMSG, "firmware: %zu odd bytes in its table", left);
		struct rd e = rd_of(at - ENTRY_BYTES, ENTRY_BYTES);
		size_t len = rd_le16(&e);
		if (len < ENTRY_BYTES || len > left)
			return why_set(why, -EBADMSG,
				"firmware: table entry of %zu bytes, %zu are left", len, left);
		int err = entry_parse(o, at - GUID_BYTES, at - len, len - ENTRY_BYTES, why);
		if (err < 0)
			return err;
		at -= len;
		left -= len;
	}
	return 0;
}

/* td-shim has no table: 32 bytes before the end stands the descriptor's offset. */
static void shim_find(struct ovmf *o)
{
	struct rd r = image_from_end(o, TABLE_TAIL);
	uint32_t offset = rd_le32(&r);

	if (offset > o->len - TABLE_TAIL || memcmp(o->image + offset, "TDVF", 4) != 0)
		return;
	o->has_tdvf = o->is_shim = true;
	o->tdvf_back = (uint32_t)(o->len - offset);
}

int ovmf_parse(struct ovmf *ret, const uint8_t *image, size_t len, struct why *why)
{
	struct ovmf o = { .image = image, .len = len, .gpa = IMAGE_END_GPA - len };

	if (len == 0 || len % PAGE_BYTES != 0)
		return why_set(why, -EBADMSG, "firmware: %zu bytes are no whole pages", len);
	if (len > LIMIT_FIRMWARE_BYTES)
		return why_set(why, -EMSGSIZE, "firmware: %zu bytes, at most %u", len,
			LIMIT_FIRMWARE_BYTES);
	int err = table_parse(&o, why);
	if (err < 0)
		return err;
	if (!o.has_tdvf)
		shim_find(&o);
	o.has_hashes = o.hashes_gpa != 0;
	*ret = o;
	return 0;
}

bool ovmf_has_section(const struct ovmf *o, enum ovmf_section_type type)
{
	for (size_t i = 0; i < o->n_sections; i++)
		if (o->sections[i].type == type)
			return true;
	return false;
}
