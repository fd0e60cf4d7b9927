#include "sev/sim/sim_cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#define BIT(n)      (1u << (n))
#define LEAF_XSAVE  0xDu
#define LEAF_SEV    0x8000001Fu
#define C_BIT_USUAL 51u

static uint32_t c_bit = C_BIT_USUAL;

enum reg { EAX, EBX, ECX, EDX };

/* How a register is compared with the real one. */
enum rule {
	ZERO = 0, /* must be zero */
	FREE,     /* unchecked */
	SUBSET,   /* no bit that the real one lacks */
	EXACT,
	AT_MOST, /* as a number */
	FMS,     /* family, model, stepping, in this order */
	BYTES,   /* each of the low three bytes at most the real one */
	HALVES,  /* each half at most the real one */
	XCR0,    /* a subset that has x87 and SSE */
	XSIZE_0, /* size that belongs to xcr0_in */
	XSIZE_1, /* size that belongs to xcr0_in and xss_in */
	SEV_EBX, /* C-bit exact, reduction free, at most 4 VMPLs */
};

struct check {
	uint32_t first, last;
	uint32_t sub_first, sub_last;
	uint8_t rule[4];
	uint32_t free[4]; /* bits that are not compared */
};

/* clang-format off */
/* ABI 2.8, the table of leaves. What has no row must be zero. */
static const struct check checks[] = {
	{ 0x0, 0x0,               0, 0,   { AT_MOST, FREE, FREE, FREE },         { 0 } },
	{ 0x1, 0x1,               0, 0,   { FMS, EXACT, SUBSET, SUBSET },        { 0, ~0xFF00u, BIT(27) | BIT(31), 0 } },
	{ 0x2, 0x2,               0, 0,   { FREE, FREE, FREE, FREE },            { 0 } },
	{ 0x4, 0x4,               0, ~0u, { FREE, FREE, FREE, FREE },            { 0 } },
	{ 0x5, 0x5,               0, 0,   { FREE, FREE, FREE, FREE },            { 0 } },
	{ 0x6, 0x6,               0, 0,   { SUBSET, ZERO, SUBSET, ZERO },        { 0 } },
	{ 0x7, 0x7,               0, 0,   { AT_MOST, SUBSET, SUBSET, SUBSET },   { 0, 0, BIT(4), 0 } },
	{ 0x7, 0x7,               1, 1,   { SUBSET, ZERO, ZERO, ZERO },          { 0 } },
	{ 0xB, 0xB,               0, 2,   { FREE, FREE, FREE, FREE },            { 0 } },
	{ 0xD, 0xD,               0, 0,   { XCR0, XSIZE_0, FREE, EXACT },        { 0 } },
	{ 0xD, 0xD,               1, 1,   { SUBSET, XSIZE_1, SUBSET, SUBSET },   { 0 } },
	{ 0xD, 0xD,               2, 2,   { EXACT, EXACT, EXACT, EXACT },        { 0 } },
	{ 0xD, 0xD,               5, 7,   { EXACT, EXACT, SUBSET, EXACT },       { 0 } },
	{ 0xD, 0xD,               9, 9,   { EXACT, EXACT, EXACT, EXACT },        { 0 } },
	{ 0xD, 0xD,               11, 12, { EXACT, EXACT, EXACT, EXACT },        { 0 } },
	{ 0xF, 0x10,              0, 0,   { EXACT, FREE, EXACT, FREE },          { 0 } },
	{ 0xF, 0x10,              1, 1,   { FREE, FREE, FREE, FREE },            { 0 } },
	{ 0x80000000, 0x80000000, 0, 0,   { AT_MOST, FREE, FREE, FREE },         { 0 } },
	{ 0x80000001, 0x80000001, 0, 0,   { FMS, FREE, SUBSET, SUBSET },         { 0 } },
	{ 0x80000002, 0x80000006, 0, 0,   { FREE, FREE, FREE, FREE },            { 0 } },
	{ 0x80000007, 0x80000007, 0, 0,   { ZERO, SUBSET, FREE, SUBSET },        { 0 } },
	{ 0x80000008, 0x80000008, 0, 0,   { BYTES, SUBSET, FREE, HALVES },       { 0 } },
	{ 0x8000000A, 0x8000000A, 0, 0,   { FREE, FREE, ZERO, SUBSET },          { 0 } },
	{ 0x80000019, 0x8000001B, 0, 0,   { SUBSET, SUBSET, SUBSET, SUBSET },    { 0 } },
	{ 0x8000001D, 0x8000001D, 0, 3,   { FREE, FREE, FREE, FREE },            { 0 } },
	{ 0x8000001E, 0x8000001E, 0, 0,   { FREE, FREE, FREE, FREE },            { 0 } },
	{ 0x8000001F, 0x8000001F, 0, 0,   { SUBSET, SEV_EBX, FREE, FREE },       { 0 } },
	{ 0x80000020, 0x80000020, 0, 3,   { SUBSET, SUBSET, SUBSET, SUBSET },    { 0 } },
	{ 0x80000021, 0x80000024, 0, 1,   { SUBSET, SUBSET, SUBSET, SUBSET },    { 0 } },
	{ 0x80000026, 0x80000026, 0, 3,   { FREE, FREE, FREE, FREE },            { 0 } },
};

/* The profile is KVM's answer; these rows of it are the firmware's instead. ABI 2.8. */
struct amend {
	uint32_t leaf;
	uint32_t sub;
	uint32_t keep[4]; /* bits of KVM's answer that stay ... */
	uint32_t set[4];  /* ... and bits that are there whatever KVM says */
};

static const struct amend amends[] = {
	{ 0x0, 0,        { 0, ~0u, ~0u, ~0u },               { 0x10 } },
	/* TSC_DEADLINE is KVM's; HTT is on every part, but KVM leaves it to the VMM */
	{ 0x1, 0,        { ~0u, ~0u, ~BIT(24), ~0u },        { 0, 0, 0, BIT(28) } },
	{ 0x6, 0,        { 0 },                              { BIT(2), 0, BIT(0), 0 } },
	{ 0x7, 0,        { ~0u, ~BIT(1), ~0u, 0x03FFFFFFu }, { 0 } },   /* TSC_ADJUST, speculation */
	{ 0x80000000, 0, { 0, ~0u, ~0u, ~0u },               { 0x80000028u } },
	/* TOPOEXT is on every part with SNP, if not on the CPU under an emulated KVM */
	{ 0x80000001, 0, { ~0u, ~0u, ~0u, ~0u },             { 0, 0, BIT(22), 0 } },
	{ 0x80000008, 0, { ~0u, ~BIT(25), ~0u, ~0u },        { 0 } },   /* VIRT_SSBD is KVM's */
	/* SME, SEV, page flush, ES, SNP, VMPL; the C-bit's position is added */
	{ LEAF_SEV, 0,   { 0 },                              { 0x3F, 4u << 12, ~0u, ~0u } },
};
/* clang-format on */

/* xcr0_in: the highest component wins, tested in this order. ABI 2.8, leaf 0xD/0 and 0xD/1. */
#define XSAVE_LEGACY 0x240u
static const struct {
	uint64_t bit;
	uint32_t size;
} xsave_ends[] = {
	{ 1ull << 9, 0x988 }, /* MPK */
	{ 1ull << 7, 0x980 }, /* hi16_zmm */
	{ 1ull << 6, 0x580 }, /* zmm_hi256 */
	{ 1ull << 5, 0x380 }, /* kregs */
	{ 1ull << 2, 0x340 }, /* AVX */
};
static const struct {
	uint64_t bit;
	uint32_t size;
} xsave_parts[] = {
	{ 1ull << 2, 0x100 }, { 1ull << 5, 0x40 }, { 1ull << 6, 0x200 }, { 1ull << 7, 0x400 },
	{ 1ull << 9, 8 },
}, xss_parts[] = {
	{ 1ull << 11, 0x10 }, { 1ull << 12, 0x18 }, /* CET_U, CET_S */
};

static struct sim_cpuid_row *row_find(struct sim_cpuid_profile *p, uint32_t leaf, uint32_t sub)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->row[i].leaf == leaf && p->row[i].sub == sub)
			return &p->row[i];
	return NULL;
}

static void profile_amend(struct sim_cpuid_profile *p)
{
	for (size_t i = 0; i < ARRAY_LEN(amends); i++) {
		const struct amend *a = &amends[i];
		struct sim_cpuid_row *row = row_find(p, a->leaf, a->sub);
		if (row == NULL && p->n < SIM_CPUID_ROWS_MAX) {
			row = &p->row[p->n++];
			*row = (struct sim_cpuid_row){ .leaf = a->leaf, .sub = a->sub };
		}
		for (int r = 0; row != NULL && r < 4; r++)
			row->reg[r] = (row->reg[r] & a->keep[r]) | a->set[r];
	}
	struct sim_cpuid_row *sev = row_find(p, LEAF_SEV, 0);
	if (sev != NULL)
		sev->reg[EBX] |= c_bit;
}

void sim_cpuid_set_c_bit(uint32_t position)
{
	c_bit = position & 0x3F;
}

int sim_cpuid_load(
	struct sim_cpuid_profile *ret, const struct sim_host *host, int kvm_fd, struct why *why)
{
	const uint32_t room = SIM_CPUID_ROWS_MAX - ARRAY_LEN(amends);
	struct sim_cpuid_profile p = { 0 };
	struct kvm_cpuid2 *table = calloc(1, sizeof *table + room * sizeof table->entries[0]);

	if (table == NULL)
		return why_set(why, -ENOMEM, "no memory for the CPUID table");
	table->nent = room;
	int err = host->ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, (uintptr_t)table);
	for (uint32_t i = 0; err >= 0 && i < MIN(table->nent, room); i++) {
		const struct kvm_cpuid_entry2 *e = &table->entries[i];
		bool is_indexed = (e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;
		p.row[p.n++] = (struct sim_cpuid_row){ e->function, is_indexed ? e->index : 0,
			{ e->eax, e->ebx, e->ecx, e->edx } };
	}
	free(table);
	if (err < 0)
		return why_set(why, err, "KVM does not tell the CPUID it supports");
	profile_amend(&p);
	*ret = p;
	return 0;
}

/* CPUID 1 EAX as one number that sorts by family, model, stepping. */
static uint32_t fms_order(uint32_t eax)
{
	uint32_t family = (eax >> 8 & 0xF) + (eax >> 20 & 0xFF);
	uint32_t model = (eax >> 4 & 0xF) | (eax >> 12 & 0xF0);

	return family << 16 | model << 8 | (eax & 0xF);
}

void sim_cpuid_set_part(struct sim_cpuid_profile *profile, uint32_t fms)
{
	static const uint32_t leaves[] = { 0x1, 0x80000001 };

	for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
		struct sim_cpuid_row *row = row_find(profile, leaves[i], 0);
		if (row != NULL && fms_order(row->reg[EAX]) < fms_order(fms))
			row->reg[EAX] = fms;
	}
}

static const struct check *check_find(uint32_t leaf, uint32_t sub)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		if (leaf >= checks[i].first && leaf <= checks[i].last &&
			sub >= checks[i].sub_first && sub <= checks[i].sub_last)
			return &checks[i];
	return NULL;
}

static uint32_t xsize_0(uint64_t xcr0)
{
	for (size_t i = 0; i < ARRAY_LEN(xsave_ends); i++)
		if ((xcr0 & xsave_ends[i].bit) != 0)
			return xsave_ends[i].size;
	return XSAVE_LEGACY;
}

static uint32_t xsize_1(uint64_t xcr0, uint64_t xss)
{
	uint32_t size = XSAVE_LEGACY;

	for (size_t i = 0; i < ARRAY_LEN(xsave_parts); i++)
		size += (xcr0 & xsave_parts[i].bit) != 0 ? xsave_parts[i].size : 0;
	for (size_t i = 0; i < ARRAY_LEN(xss_parts); i++)
		size += (xss & xss_parts[i].bit) != 0 ? xss_parts[i].size : 0;
	return size;
}

/* Each field of `bits` width, the lowest n of them, at most the real one. */
static uint32_t fields_at_most(uint32_t v, uint32_t real, unsigned int bits, unsigned int n)
{
	const uint32_t mask = (1u << bits) - 1;
	uint32_t out = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t a = v >> (i * bits) & mask;
		uint32_t b = real >> (i * bits) & mask;
		out |= MIN(a, b) << (i * bits);
	}
	return out;
}

/* The value the firmware would accept in place of v: v itself when it is right. */
static uint32_t reg_correct(
	enum rule rule, uint32_t v, uint32_t real, const struct snp_cpuid_entry *e)
{
	switch (rule) {
	case ZERO:
		return 0;
	case FREE:
		return v;
	case SUBSET:
		return v & real;
	case EXACT:
		return real;
	case AT_MOST:
		return MIN(v, real);
	case FMS:
		return fms_order(v) <= fms_order(real) ? v : real;
	case BYTES:
		return fields_at_most(v, real, 8, 3);
	case HALVES:
		return fields_at_most(v, real, 16, 2);
	case XCR0:
		return (v & real) | (real & 3);
	case XSIZE_0:
		return xsize_0(le64_get(e->xcr0_in));
	case XSIZE_1:
		return xsize_1(le64_get(e->xcr0_in), le64_get(e->xss_in));
	case SEV_EBX:
		return (real & 0x3F) | (v & 0xFC0) | MIN(v & 0xF000, real & 0xF000);
	}
	abort();
}

/* ABI 2.8: other leaves, such as the hypervisor's, are not looked at. */
static bool leaf_is_checked(uint32_t leaf)
{
	return leaf <= 0xFFFF || (leaf >= 0x80000000u && leaf <= 0x8000FFFFu);
}

static void entry_correct(const struct sim_cpuid_profile *profile, struct snp_cpuid_entry *e)
{
	static const struct check none = { 0 };
	uint32_t leaf = le32_get(e->eax_in);
	uint32_t sub = le32_get(e->ecx_in);
	le32 *regs[4] = { &e->eax, &e->ebx, &e->ecx, &e->edx };
	struct sim_cpuid_row real = { 0 };

	e->reserved = le64_of(0);
	if (!leaf_is_checked(leaf))
		return;
	const struct check *c = check_find(leaf, sub);
	if (c == NULL)
		c = &none;
	for (uint32_t i = 0; i < profile->n; i++)
		if (profile->row[i].leaf == leaf && profile->row[i].sub == sub)
			real = profile->row[i];
	for (int r = 0; r < 4; r++) {
		uint32_t v = le32_get(*regs[r]);
		uint32_t good = reg_correct((enum rule)c->rule[r], v, real.reg[r], e);
		*regs[r] = le32_of((v & c->free[r]) | (good & ~c->free[r]));
	}
}

bool sim_cpuid_check(
	const struct sim_cpuid_profile *profile, struct snp_cpuid_page *page, bool *ret_is_fixable)
{
	uint32_t n = le32_get(page->count);
	struct snp_cpuid_page good = *page;

	*ret_is_fixable = n <= SNP_CPUID_ENTRIES_MAX && le32_get(page->reserved_a) == 0 &&
			  le64_get(page->reserved_b) == 0;
	if (!*ret_is_fixable)
		return false;
	for (uint32_t i = 0; i < n; i++)
		entry_correct(profile, &good.entry[i]);
	bool is_right = memcmp(&good, page, sizeof good) == 0;
	*page = good;
	return is_right;
}
