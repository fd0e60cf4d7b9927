#include "attest/digest_mrtd.h"

#include <errno.h>
#include <string.h>

#include "base/le.h"
#include "base/num.h"

#define CHUNK_BYTES 256u /* of one TDH.MR.EXTEND */
#define BLOCK_BYTES 128u

static bool block_hash(EVP_MD_CTX *ctx, const char *name, uint64_t gpa)
{
	uint8_t block[BLOCK_BYTES] = { 0 };
	le64 at = le64_of(gpa);

	memcpy(block, name, strlen(name));
	memcpy(block + 16, &at, sizeof at);
	return EVP_DigestUpdate(ctx, block, sizeof block) == 1;
}

/* The page at this offset of a section's memory; zeros behind what the image holds. */
static void page_get(const struct ovmf *o, const struct tdvf_section *s, uint64_t offset,
	uint8_t ret[PAGE_BYTES])
{
	uint64_t left = offset < s->raw_size ? s->raw_size - offset : 0;
	size_t len = left < PAGE_BYTES ? (size_t)left : PAGE_BYTES;

	memset(ret, 0, PAGE_BYTES);
	if (len > 0)
		memcpy(ret, o->image + s->offset + offset, len);
}

static bool page_extend(EVP_MD_CTX *ctx, uint64_t gpa, const uint8_t page[PAGE_BYTES])
{
	bool ok = true;

	for (size_t i = 0; i < PAGE_BYTES && ok; i += CHUNK_BYTES)
		ok = block_hash(ctx, "MR.EXTEND", gpa + i) &&
		     EVP_DigestUpdate(ctx, page + i, CHUNK_BYTES) == 1;
	return ok;
}

static bool section_hash(EVP_MD_CTX *ctx, const struct ovmf *o, const struct tdvf_section *s,
	bool do_add, bool do_extend)
{
	uint8_t page[PAGE_BYTES];
	bool ok = true;

	for (uint64_t at = 0; at < s->size && ok; at += PAGE_BYTES) {
		if (do_add)
			ok = block_hash(ctx, "MEM.PAGE.ADD", s->gpa + at);
		if (ok && do_extend) {
			page_get(o, s, at, page);
			ok = page_extend(ctx, s->gpa + at, page);
		}
	}
	return ok;
}

static MUST_USE int section_trace(
	struct measured *trace, const struct ovmf *o, const struct tdvf_section *s)
{
	static const char *const names[TDVF_TYPE_MAX + 1] = { "boot-firmware", "configuration",
		"td-hob", "temporary-memory", "permanent-memory", "payload", "payload-parameters",
		"td-info", "td-parameters" };
	const char *type = (s->attributes & TDVF_EXTEND) != 0 ? "extended" : "added";
	bool is_extended = (s->attributes & TDVF_EXTEND) != 0;
	int err = 0;
	struct measured_piece *p = measured_add(trace, names[s->type], type, s->gpa,
		is_extended ? o->image + s->offset : NULL, is_extended ? s->raw_size : s->size,
		&err);

	if (p != NULL) {
		p->n_pages = s->size / PAGE_BYTES;
		p->offset = s->raw_size > 0 ? s->offset : MEASURED_NO_GPA;
	}
	return err;
}

int digest_mrtd(
	const struct ovmf *firmware, bool is_two_pass, uint8_t ret[SHA384_BYTES], struct why *why)
{
	return digest_mrtd_trace(firmware, is_two_pass, NULL, ret, why);
}

int digest_mrtd_trace(const struct ovmf *firmware, bool is_two_pass, struct measured *trace,
	uint8_t ret[SHA384_BYTES], struct why *why)
{
	uint8_t digest[SHA384_BYTES];
	struct tdvf tdvf;

	int err = tdvf_parse(&tdvf, firmware, why);
	if (err < 0)
		return err;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (ctx == NULL)
		return -ENOMEM;
	bool ok = EVP_DigestInit_ex2(ctx, EVP_sha384(), NULL) == 1;
	for (size_t i = 0; i < tdvf.n && ok; i++) {
		const struct tdvf_section *s = &tdvf.at[i];
		bool is_extended = (s->attributes & TDVF_EXTEND) != 0;
		if ((s->attributes & TDVF_PAGE_AUG) != 0)
			continue;
		err = section_trace(trace, firmware, s);
		ok = err == 0 && section_hash(ctx, firmware, s, true, is_extended && !is_two_pass);
		if (ok && is_extended && is_two_pass)
			ok = section_hash(ctx, firmware, s, false, true);
	}
	ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return why_set(why, -EIO, "the digest cannot be computed");
	memcpy(ret, digest, sizeof digest);
	return 0;
}
