/*
 * sev_cmd: one command to the AMD secure processor by way of KVM, and what KVM says of it; shared by
 *          back_sev.c and back_snp.c. ABI 1.2, 2.2, 2.3.
 *
 * Trust:   the caller is a back end.
 * Owns:    nothing.
 * Threads: as the caller.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "sev/back.h"

/*
 * Issue a command of <linux/kvm.h> (KVM_SEV_LAUNCH_*) or abi_kvm.h. -EREMOTEIO: the firmware refused,
 * why has its status and what that usually means; else the kernel's errno. `what` names the command.
 */
MUST_USE int sev_cmd_issue(
	struct guest *g, uint32_t id, void *arg, const char *what, struct why *why);

/* Read an attribute of group KVM_X86_GRP_SEV. -ENXIO: this kernel has none such. */
MUST_USE int sev_cmd_read_attr(const struct guest *g, uint64_t attr, uint64_t *ret);

/* Does the host offer VMs of this type, these VMSA features, and is there a /dev/sev? */
MUST_USE int sev_cmd_check_host(
	const struct guest *g, unsigned int vm_type, uint64_t vmsa_features, struct why *why);
