/*
 * KVM_X86_DEFAULT_VM beside encrypted ones: the KVM underneath does everything; here is what a newer
 * kernel than that one would say to newer requests.
 */
#include <errno.h>

#include "sev/sim/sim_kind.h"
#include "sev/sim/sim_sev.h"

static bool plain_is_offered(const struct sim_machine *m)
{
	(void)m;
	return true;
}

static int plain_vm_ioctl(struct sim_vm *vm, unsigned long request, unsigned long arg)
{
	struct abi_sev_cmd *cmd = (void *)arg;

	switch (request) {
	case ABI_MEMORY_ENCRYPT_OP:
		if (!vm->m->platform.has_sev)
			return -ENOTTY;
		return cmd != NULL ? sim_sev_legacy_command(vm, cmd) : 0;
	case KVM_MEMORY_ENCRYPT_REG_REGION:
	case KVM_MEMORY_ENCRYPT_UNREG_REGION:
		return -ENOTTY;
	case ABI_SET_MEMORY_ATTRIBUTES:
	case ABI_CREATE_GUEST_MEMFD:
	case ABI_SET_USER_MEMORY_REGION2:
		return -EINVAL;
	case KVM_CREATE_VCPU:
		return SIM_PASS;
	default:
		return SIM_BELOW;
	}
}

static int plain_vcpu_ioctl(
	struct sim_vm *vm, struct sim_vcpu *vcpu, unsigned long request, unsigned long arg)
{
	(void)vm;
	(void)vcpu;
	(void)request;
	(void)arg;
	return SIM_BELOW;
}

static int plain_run_check(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	(void)vm;
	(void)vcpu;
	return 0;
}

const struct sim_kind sim_kind_plain = {
	.vm_type = ABI_VM_TYPE_DEFAULT,
	.is_offered = plain_is_offered,
	.vm_ioctl = plain_vm_ioctl,
	.vcpu_ioctl = plain_vcpu_ioctl,
	.run_check = plain_run_check,
};
