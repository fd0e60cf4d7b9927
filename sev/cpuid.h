/*
 * cpuid: the CPUID page of an SNP guest, made from the table its vCPUs were given. The firmware
 *        compares every entry with the real CPU and refuses the launch over one bit too many, so
 *        what KVM makes up and what the firmware has no row for is taken out (ABI 2.8).
 *
 * Trust:   the table is the caller's.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "sev/abi_snp.h"

struct kvm_cpuid2;

/*
 * Fill *ret. c_bit is the position of the encryption bit, for leaf 0x8000001F, which a table need
 * not have. -ERANGE: more than 64 entries are left.
 */
MUST_USE int cpuid_page_build(struct snp_cpuid_page *ret, const struct kvm_cpuid2 *table,
	uint32_t c_bit, struct why *why);

/* The first entry that differs between two pages, or -1: what the firmware corrected. */
int cpuid_page_diff(const struct snp_cpuid_page *a, const struct snp_cpuid_page *b);
