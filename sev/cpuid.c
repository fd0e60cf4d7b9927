#include "sev/cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <string.h>

#define ANY    UINT32_MAX
#define ALL    UINT32_MAX
#define BIT(n) (1u << (n))
/* Speculation control bits that KVM offers whatever the CPU has (ABI 2.8, "What QEMU feeds it"). */
#define SPEC_EDX (BIT(26) | BIT(27) | BIT(28) | BIT(29) | BIT(30) | BIT(31))

/* A leaf (or range) that goes into the page, and the bits of it that do. ABI 2.8. */
struct keep {
	uint32_t first, last;         /* leaf */
	uint32_t sub_first, sub_last; /* subleaf */
	uint32_t eax, ebx, ecx, edx;
};

/* clang-format off */
static const struct keep keeps[] = {
	/* leaf                    subleaf    eax          ebx       ecx       edx */
	{ 0x0, 0x0,                0, 0,      ALL,         ALL,      ALL,      ALL },       /* clamped below */
	{ 0x1, 0x1,                0, 0,      ALL,         ALL,      ~BIT(24), ALL },       /* TSC_DEADLINE */
	{ 0x2, 0x2,                0, 0,      ALL,         ALL,      ALL,      ALL },
	{ 0x4, 0x4,                0, 7,      ALL,         ALL,      ALL,      ALL },
	{ 0x5, 0x5,                0, 0,      ALL,         ALL,      ALL,      ALL },
	{ 0x6, 0x6,                0, 0,      BIT(2),      0,        BIT(0),   0 },
	{ 0x7, 0x7,                0, 0,      ALL,         ~BIT(1),  ALL,      ~SPEC_EDX }, /* TSC_ADJUST */
	{ 0x7, 0x7,                1, 1,      ALL,         0,        0,        0 },
	{ 0xB, 0xB,                0, 2,      ALL,         ALL,      ALL,      ALL },
	{ 0xD, 0xD,                0, 2,      ALL,         ALL,      ALL,      ALL },
	{ 0xD, 0xD,                5, 7,      ALL,         ALL,      ALL,      ALL },
	{ 0xD, 0xD,                9, 9,      ALL,         ALL,      ALL,      ALL },
	{ 0xD, 0xD,                11, 12,    ALL,         ALL,      ALL,      ALL },
	{ 0x40000000, 0x400000FF,  0, 0,      ALL,         ALL,      ALL,      ALL },       /* KVM's own */
	{ 0x80000000, 0x80000000,  0, 0,      ALL,         ALL,      ALL,      ALL },       /* clamped below */
	{ 0x80000001, 0x80000006,  0, 0,      ALL,         ALL,      ALL,      ALL },
	{ 0x80000007, 0x80000007,  0, 0,      0,           ALL,      0,        ALL },
	{ 0x80000008, 0x80000008,  0, 0,      ALL,         ~BIT(25), ALL,      ALL },       /* VIRT_SSBD */
	{ 0x8000001D, 0x8000001D,  0, 3,      ALL,         ALL,      ALL,      ALL },
	{ 0x8000001E, 0x8000001E,  0, 0,      ALL,         ALL,      ALL,      ALL },
	{ 0x80000021, 0x80000021,  0, 0,      ALL,         0,        0,        0 },
	{ 0x80000026, 0x80000026,  0, 3,      ALL,         ALL,      ALL,      ALL },
};
/* clang-format on */

#define BASIC_LEAF_MAX    0x10u /* the firmware's rows end here */
#define EXTENDED_LEAF_MAX 0x80000028u
#define XSAVE_LEGACY_SIZE 0x240u /* x87 and SSE: what xcr0_in = 1 needs */

/* Leaf 0x8000001F as an SNP guest sees it: SEV, SEV-ES, SEV-SNP; C-bit, one address bit less. */
#define SEV_LEAF        0x8000001Fu
#define SEV_LEAF_EAX    (BIT(1) | BIT(3) | BIT(4))
#define SEV_LEAF_EBX(c) ((c) | 1u << 6)

static const struct keep *keep_find(uint32_t leaf, uint32_t sub)
{
	for (size_t i = 0; i < ARRAY_LEN(keeps); i++)
		if (leaf >= keeps[i].first && leaf <= keeps[i].last && sub >= keeps[i].sub_first &&
			sub <= keeps[i].sub_last)
			return &keeps[i];
	return NULL;
}

static bool is_indexed(const struct kvm_cpuid_entry2 *e)
{
	return (e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;
}

static struct snp_cpuid_entry entry_of(const struct kvm_cpuid_entry2 *e, const struct keep *k)
{
	uint32_t eax = e->eax & k->eax;
	uint32_t ebx = e->ebx & k->ebx;
	bool is_xsave = e->function == 0xD && is_indexed(e) && e->index <= 1;

	if (e->function == 0)
		eax = MIN(eax, BASIC_LEAF_MAX);
	if (e->function == 0x80000000u)
		eax = MIN(eax, EXTENDED_LEAF_MAX);
	/* The size depends on what the guest enabled: the state at the start is x87 alone. */
	if (is_xsave)
		ebx = XSAVE_LEGACY_SIZE;
	return (struct snp_cpuid_entry){
		.eax_in = le32_of(e->function),
		.ecx_in = le32_of(is_indexed(e) ? e->index : 0),
		.xcr0_in = le64_of(is_xsave ? 1 : 0),
		.eax = le32_of(eax),
		.ebx = le32_of(ebx),
		.ecx = le32_of(e->ecx & k->ecx),
		.edx = le32_of(e->edx & k->edx),
	};
}

/* The guest reads a missing leaf as zeros, so an entry of zeros is only a row lost. */
static bool entry_is_zero(const struct snp_cpuid_entry *e)
{
	return (le32_get(e->eax) | le32_get(e->ebx) | le32_get(e->ecx) | le32_get(e->edx)) == 0;
}

static MUST_USE int entry_add(
	struct snp_cpuid_page *page, const struct snp_cpuid_entry *e, struct why *why)
{
	uint32_t n = le32_get(page->count);

	if (n == SNP_CPUID_ENTRIES_MAX)
		return why_set(why, -ERANGE, "the CPUID page holds at most %u entries",
			SNP_CPUID_ENTRIES_MAX);
	page->entry[n] = *e;
	page->count = le32_of(n + 1);
	return 0;
}

int cpuid_page_build(
	struct snp_cpuid_page *ret, const struct kvm_cpuid2 *table, uint32_t c_bit, struct why *why)
{
	struct snp_cpuid_page page = { 0 };
	const struct snp_cpuid_entry sev = {
		.eax_in = le32_of(SEV_LEAF),
		.eax = le32_of(SEV_LEAF_EAX),
		.ebx = le32_of(SEV_LEAF_EBX(c_bit & 0x3Fu)),
	};
	int err = entry_add(&page, &sev, why);

	for (uint32_t i = 0; err == 0 && i < table->nent; i++) {
		const struct kvm_cpuid_entry2 *in = &table->entries[i];
		const struct keep *k = keep_find(in->function, is_indexed(in) ? in->index : 0);
		if (k == NULL)
			continue;
		struct snp_cpuid_entry e = entry_of(in, k);
		if (!entry_is_zero(&e))
			err = entry_add(&page, &e, why);
	}
	if (err < 0)
		return err;
	*ret = page;
	return 0;
}

int cpuid_page_diff(const struct snp_cpuid_page *a, const struct snp_cpuid_page *b)
{
	for (unsigned int i = 0; i < SNP_CPUID_ENTRIES_MAX; i++)
		if (memcmp(&a->entry[i], &b->entry[i], sizeof a->entry[i]) != 0)
			return (int)i;
	return -1;
}
