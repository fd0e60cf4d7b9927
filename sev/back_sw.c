/*
 * KVM_X86_SW_PROTECTED_VM: private memory without encryption, for tests of everything about it on
 * any host. Nothing is measured; the guest starts in shared memory and converts what it likes.
 * ABI 1.2.
 */
#include <errno.h>

#include "sev/abi_kvm.h"
#include "sev/back.h"
#include "sev/fw.h"
#include "sev/gmem.h"

static int sw_open(struct guest *g, const struct guest_setup *setup, struct why *why)
{
	int types = fw_ioctl_int(g->kvm_fd, KVM_CHECK_EXTENSION, ABI_CAP_VM_TYPES);

	(void)setup;
	if (types < 0 || (types & 1 << ABI_VM_TYPE_SW) == 0)
		return why_set(why, -EOPNOTSUPP,
			"this host offers no software-protected guests (KVM_CAP_VM_TYPES is 0x%x); "
			"they need CONFIG_KVM_SW_PROTECTED_VM and the TDP MMU",
			types < 0 ? 0u : (unsigned int)types);
	g->vm_fd = fw_ioctl_int(g->kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_SW);
	if (g->vm_fd < 0)
		return why_set(why, g->vm_fd, "cannot create a software-protected VM");
	return gmem_open(g, why);
}

const struct back back_sw = {
	.flow = LAUNCH_FLOW_PAGES,
	.grain = PAGE_BYTES,
	.open = sw_open,
	.add_memory = gmem_add_memory,
	.measure = back_copy_measured,
	.convert = gmem_convert,
};
