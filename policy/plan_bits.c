#include "policy/plan_bits.h"

#include <errno.h>
#include <stddef.h>

#define BIT(n)    (1ull << (n))
#define TEE(kind) BIT(PLAN_TEE_##kind)

/* --- single bits --------------------------------------------------------------------------- */

/* SNP: 15:0 ABI version, SMT, one that must be set, DEBUG, SINGLE_SOCKET, 21-25; no MIGRATE_MA. */
#define SNP_POLICY_ONE   BIT(17)
#define SNP_POLICY_KNOWN 0x3fbffffull
/* SEV, SEV-ES: 31:16 API version, 5:0. ES itself is the kind of guest: plan_check() compares. */
#define SEV_POLICY_KNOWN 0xffff003full
/* SEV_FEATURES without SNPActive, which KVM sets itself, 11 and 13. Secure TSC is for SNP alone. */
#define VMSA_SNP_ACTIVE BIT(0)
#define VMSA_SECURE_TSC BIT(9)
#define VMSA_KNOWN      0x21d7feull
/* TDATTRIBUTES. */
#define TD_DEBUG      BIT(0)
#define TD_MIGRATABLE BIT(29)
#define TD_PERFMON    BIT(63)
#define TD_KNOWN      (0x71ull | BIT(16) | 0xf8000000ull | BIT(62) | TD_PERFMON)
/* XFAM: x87 and SSE always; what the TDX module allows at all. */
#define XFAM_MUST  0x3ull
#define XFAM_KNOWN 0x6dbe7ull

static MUST_USE int word_check(const char *name, uint64_t v, uint64_t must, uint64_t known,
	const char *section, struct why *why)
{
	if ((v & ~known) != 0)
		return why_set(why, -EBADMSG, "%s 0x%llx: bits 0x%llx are reserved (ABI %s)", name,
			(unsigned long long)v, (unsigned long long)(v & ~known), section);
	if ((v & must) != must)
		return why_set(why, -EBADMSG, "%s 0x%llx: bits 0x%llx must be set (ABI %s)", name,
			(unsigned long long)v, (unsigned long long)must, section);
	return 0;
}

static MUST_USE int words_check(const struct wire_plan *plan, struct why *why)
{
	const struct {
		uint64_t tees;
		const char *name;
		uint64_t v, must, known;
		const char *section;
	} rows[] = {
		{ TEE(SNP), "guest policy", le64_get(plan->guest_policy), SNP_POLICY_ONE,
			SNP_POLICY_KNOWN, "2.7" },
		{ TEE(SEV) | TEE(SEV_ES), "guest policy", le64_get(plan->guest_policy), 0,
			SEV_POLICY_KNOWN, "2.7" },
		{ TEE(SNP), "VMSA features", le64_get(plan->vmsa_features), 0, VMSA_KNOWN, "2.4" },
		{ TEE(SEV_ES), "VMSA features", le64_get(plan->vmsa_features), 0,
			VMSA_KNOWN & ~VMSA_SECURE_TSC, "2.4" },
		{ TEE(TDX), "TD attributes", le64_get(plan->td_attributes), 0, TD_KNOWN, "4.3" },
	};
	uint64_t tee = BIT(le32_get(plan->tee));
	int err = 0;

	if ((le64_get(plan->vmsa_features) & VMSA_SNP_ACTIVE) != 0)
		return why_set(why, -EBADMSG,
			"VMSA features with SNPActive: KVM sets it, and nobody else");
	for (size_t i = 0; err == 0 && i < ARRAY_LEN(rows); i++)
		if ((rows[i].tees & tee) != 0)
			err = word_check(rows[i].name, rows[i].v, rows[i].must, rows[i].known,
				rows[i].section, why);
	return err;
}

/* --- bits that belong together ------------------------------------------------------------- */

static MUST_USE int attributes_check(uint64_t v, struct why *why)
{
	if ((v & TD_MIGRATABLE) != 0 && (v & (TD_DEBUG | TD_PERFMON)) != 0)
		return why_set(why, -EBADMSG,
			"TD attributes 0x%llx: a TD that may be migrated is neither debugged "
			"nor watched by performance counters (ABI 4.3)",
			(unsigned long long)v);
	return 0;
}

/* 0 is all that the host has. Otherwise state that comes in parts comes whole. */
static MUST_USE int xfam_check(uint64_t v, struct why *why)
{
	static const struct {
		uint64_t whole, needs;
		const char *name;
	} groups[] = {
		{ 0x7ull << 5, BIT(2), "AVX-512 is bits 5, 6 and 7, and needs bit 2, AVX" },
		{ 0x3ull << 11, 0, "CET is bits 11 and 12" },
		{ 0x3ull << 17, 0, "AMX is bits 17 and 18" },
	};
	int err = v == 0 ? 0 : word_check("XFAM", v, XFAM_MUST, XFAM_KNOWN, "4.3", why);

	for (size_t i = 0; err == 0 && i < ARRAY_LEN(groups); i++) {
		uint64_t part = v & groups[i].whole;
		if (part != 0 &&
			(part != groups[i].whole || (v & groups[i].needs) != groups[i].needs))
			err = why_set(why, -EBADMSG, "XFAM 0x%llx: %s (ABI 4.3)",
				(unsigned long long)v, groups[i].name);
	}
	return err;
}

int plan_check_bits(const struct wire_plan *plan, struct why *why)
{
	int err = words_check(plan, why);

	if (err == 0)
		err = attributes_check(le64_get(plan->td_attributes), why);
	return err < 0 ? err : xfam_check(le64_get(plan->td_xfam), why);
}
