/*
 * sim_cpuid: the firmware's check of a CPUID page against the real CPU. ABI 2.8.
 *            The "real CPU" is what the KVM underneath supports, less what KVM makes up.
 *
 * Trust:   the page is the monitor's word.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "sev/abi_snp.h"
#include "sev/sim/sim_host.h"

#define SIM_CPUID_ROWS_MAX 128u

/* One leaf of the real CPU. */
struct sim_cpuid_row {
	uint32_t leaf;
	uint32_t sub;
	uint32_t reg[4]; /* eax, ebx, ecx, edx */
};

struct sim_cpuid_profile {
	uint32_t n;
	struct sim_cpuid_row row[SIM_CPUID_ROWS_MAX];
};

/*
 * Where the real CPU has its C-bit, 0..63; 51 if it is never called. Before sim_cpuid_load().
 */
void sim_cpuid_set_c_bit(uint32_t position);

/* Ask KVM_GET_SUPPORTED_CPUID. */
MUST_USE int sim_cpuid_load(
	struct sim_cpuid_profile *ret, const struct sim_host *host, int kvm_fd, struct why *why);

/*
 * The part this CPU is at least (CPUID 1 EAX): the platform's. A later one that runs the KVM underneath
 * stays what it is, for that is the table guests get.
 */
void sim_cpuid_set_part(struct sim_cpuid_profile *profile, uint32_t fms);

/*
 * Check the page; what is wrong is corrected in place. True: nothing was wrong. *ret_is_fixable is
 * false when the header is wrong, which has no correction.
 */
bool sim_cpuid_check(
	const struct sim_cpuid_profile *profile, struct snp_cpuid_page *page, bool *ret_is_fixable);
