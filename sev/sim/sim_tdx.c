/* Intel TDX. The slot; not simulated yet. */
#include <errno.h>

#include "sev/sim/sim_kind.h"

#define VM_TYPE_TDX 5u

static bool tdx_is_offered(const struct sim_machine *m)
{
	(void)m;
	return false;
}

static int tdx_vm_ioctl(struct sim_vm *vm, unsigned long request, unsigned long arg)
{
	(void)vm;
	(void)request;
	(void)arg;
	return SIM_PASS;
}

static int tdx_run_check(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	(void)vm;
	(void)vcpu;
	return -EINVAL;
}

const struct sim_kind sim_kind_tdx = {
	.vm_type = VM_TYPE_TDX,
	.has_gmem = true,
	.has_sealed = true,
	.is_offered = tdx_is_offered,
	.vm_ioctl = tdx_vm_ioctl,
	.run_check = tdx_run_check,
};
