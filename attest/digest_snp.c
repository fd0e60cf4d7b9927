#include "attest/digest_snp.h"

#include <errno.h>
#include <string.h>

#include "base/le.h"

#define GPA_LIMIT (1ull << 52)

/* What is hashed for each page (kvm-cvm-abi.md, 2.10). */
struct page_info {
	uint8_t ld[SHA384_BYTES];
	uint8_t contents[SHA384_BYTES];
	le16 length;
	uint8_t page_type;
	uint8_t flags;   /* bit 0 IMI, 0 under KVM */
	uint8_t vmpl[4]; /* reserved, VMPL1 to 3 permissions: 0 under KVM */
	le64 gpa;
};
WIRE_SIZE(struct page_info, 0x70);
WIRE_AT(struct page_info, length, 0x60);
WIRE_AT(struct page_info, page_type, 0x62);
WIRE_AT(struct page_info, gpa, 0x68);

const char *snp_page_type_name(uint8_t type)
{
	static const char *const names[] = { "?", "normal", "vmsa", "zero", "unmeasured", "secrets",
		"cpuid" };

	return names[type < ARRAY_LEN(names) ? type : 0];
}

int digest_snp_init(struct digest_snp *ret)
{
	struct digest_snp d = { 0 };
	int err = sha384_init(&d.sha);

	if (err == 0)
		*ret = d;
	return err;
}

void digest_snp_done(struct digest_snp *d)
{
	sha384_done(&d->sha);
}

/* LD = SHA-384(PAGE_INFO); contents is NULL for pages whose contents are not hashed. */
static MUST_USE int page_add(
	struct digest_snp *d, enum snp_page_type type, uint64_t gpa, const uint8_t *contents)
{
	struct page_info info = {
		.length = le16_of(sizeof info), .page_type = (uint8_t)type, .gpa = le64_of(gpa)
	};

	memcpy(info.ld, d->ld, sizeof info.ld);
	if (contents != NULL)
		memcpy(info.contents, contents, sizeof info.contents);
	return sha384_of(&d->sha, &info, sizeof info, d->ld);
}

static MUST_USE int range_check(uint64_t gpa, uint64_t n_pages)
{
	bool fits = num_is_aligned(gpa, PAGE_BYTES) && gpa < GPA_LIMIT &&
		    n_pages <= (GPA_LIMIT - gpa) / PAGE_BYTES;

	return fits ? 0 : -ERANGE;
}

int digest_snp_add(
	struct digest_snp *d, enum snp_page_type type, uint64_t gpa, const uint8_t *buf, size_t len)
{
	uint64_t step = type == SNP_PAGE_VMSA ? 0 : PAGE_BYTES;
	int err = range_check(gpa, len / PAGE_BYTES + 1);

	for (size_t at = 0; at < len && err == 0; at += PAGE_BYTES, gpa += step) {
		uint8_t contents[SHA384_BYTES], last[PAGE_BYTES];
		const uint8_t *page = buf + at;
		if (len - at < PAGE_BYTES) {
			memset(last, 0, sizeof last);
			memcpy(last, page, len - at);
			page = last;
		}
		err = sha384_of(&d->sha, page, PAGE_BYTES, contents);
		if (err == 0)
			err = page_add(d, type, gpa, contents);
	}
	return err;
}

int digest_snp_add_empty(
	struct digest_snp *d, enum snp_page_type type, uint64_t gpa, size_t n_pages)
{
	int err = range_check(gpa, n_pages);

	for (size_t i = 0; i < n_pages && err == 0; i++)
		err = page_add(d, type, gpa + i * PAGE_BYTES, NULL);
	return err;
}

struct vmsa vmsa_reset(uint32_t reset_address, uint64_t sev_features)
{
	const struct vmsa_seg data = { 0, 0x93, 0xFFFF, 0 };
	const struct vmsa_seg table = { 0, 0, 0xFFFF, 0 };

	return (struct vmsa){
		.es = data,
		.cs = { 0xF000, 0x9B, 0xFFFF, reset_address & 0xFFFF0000u },
		.ss = data,
		.ds = data,
		.fs = data,
		.gs = data,
		.gdtr = table,
		.ldtr = { 0, 0x82, 0xFFFF, 0 },
		.idtr = table,
		.tr = { 0, 0x8B, 0xFFFF, 0 },
		.efer = 0x1000, /* SVME */
		.cr4 = 0x40,    /* MCE */
		.cr0 = 0x10,    /* ET */
		.dr7 = 0x400,
		.dr6 = 0xFFFF0FF0,
		.rflags = 2,
		.rip = reset_address & 0xFFFFu,
		.g_pat = 0x0007040600070406,
		.sev_features = sev_features,
		.xcr0 = 1,
		.mxcsr = 0x1F80,
		.fcw = 0x37F,
	};
}

static void put16(uint8_t *page, size_t at, uint16_t v)
{
	le16 x = le16_of(v);

	memcpy(page + at, &x, sizeof x);
}

static void put32(uint8_t *page, size_t at, uint32_t v)
{
	le32 x = le32_of(v);

	memcpy(page + at, &x, sizeof x);
}

static void put64(uint8_t *page, size_t at, uint64_t v)
{
	le64 x = le64_of(v);

	memcpy(page + at, &x, sizeof x);
}

static void put_seg(uint8_t *page, size_t at, const struct vmsa_seg *s)
{
	put16(page, at, s->selector);
	put16(page, at + 2, s->attrib);
	put32(page, at + 4, s->limit);
	put64(page, at + 8, s->base);
}

void vmsa_print(const struct vmsa *v, uint8_t ret[PAGE_BYTES])
{
	const struct vmsa_seg *segs[] = { &v->es, &v->cs, &v->ss, &v->ds, &v->fs, &v->gs, &v->gdtr,
		&v->ldtr, &v->idtr, &v->tr };
	const struct {
		uint16_t at;
		uint64_t v;
	} words[] = {
		{ 0x0D0, v->efer },
		{ 0x148, v->cr4 },
		{ 0x158, v->cr0 },
		{ 0x160, v->dr7 },
		{ 0x168, v->dr6 },
		{ 0x170, v->rflags },
		{ 0x178, v->rip },
		{ 0x1D8, v->rsp },
		{ 0x268, v->g_pat },
		{ 0x310, v->rdx },
		{ 0x328, v->rbp },
		{ 0x330, v->rsi },
		{ 0x3B0, v->sev_features },
		{ 0x3E8, v->xcr0 },
	};

	memset(ret, 0, PAGE_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(segs); i++)
		put_seg(ret, i * 16, segs[i]);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		put64(ret, words[i].at, words[i].v);
	put32(ret, 0x408, v->mxcsr);
	put16(ret, 0x410, v->fcw);
}
