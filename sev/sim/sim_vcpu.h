/*
 * sim_vcpu: what KVM refuses on a vCPU whose state is encrypted, whatever the kind. ABI 5.1.
 *
 * Trust:   the arguments are the monitor's.
 * Owns:    nothing.
 * Threads: any; the lock of sim_fw.c is not held, for the KVM underneath may wait for the vCPU.
 */
#pragma once

#include "base/cdefs.h"
#include "sev/sim/sim_vm.h"

/* An ioctl of a vCPU: refused, answered, or passed to the KVM underneath. vcpu is a copy. */
MUST_USE int sim_vcpu_ioctl(const struct sim_host *host, const struct sim_vcpu *vcpu,
	unsigned long request, unsigned long arg);
