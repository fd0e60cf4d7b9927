/*
 * fake_kvm: a KVM that only remembers: VMs, vCPUs and their registers, memory slots. Its guests do
 *           what the test says. It lets launch tests run where there is no /dev/kvm.
 *
 * Trust:   tests only.
 * Owns:    what fake_kvm_reset() releases.
 * Threads: one; KVM_RUN of vCPUs from any.
 */
#pragma once

#include <linux/kvm.h>

#include "sev/sim/sim_host.h"

extern const struct sim_host fake_kvm;

/* A descriptor that stands for /dev/kvm; forgets everything that was. */
MUST_USE int fake_kvm_open(void);

/* What a vCPU does in KVM_RUN: fills in the exit and returns 0 or -errno. */
typedef int (*fake_guest)(struct kvm_run *run, void *owner);
void fake_kvm_set_guest(fake_guest guest, void *owner);

/* Make the n-th KVM request from now on fail with -err; 0: none. */
void fake_kvm_fail(unsigned int n, int err);

/* Room for the table that KVM_GET_SUPPORTED_CPUID gives. */
union fake_cpuid {
	struct kvm_cpuid2 head;
	uint8_t room[sizeof(struct kvm_cpuid2) + 32 * sizeof(struct kvm_cpuid_entry2)];
};
void fake_kvm_cpuid(union fake_cpuid *ret);
