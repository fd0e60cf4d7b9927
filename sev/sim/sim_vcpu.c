#include "sev/sim/sim_vcpu.h"

#include <errno.h>

/* Refused once the vCPU's state is encrypted. ABI 5.1. */
static const unsigned long register_requests[] = {
	KVM_GET_REGS,
	KVM_SET_REGS,
	KVM_GET_SREGS,
	KVM_SET_SREGS,
	KVM_GET_SREGS2,
	KVM_SET_SREGS2,
	KVM_GET_XCRS,
	KVM_SET_XCRS,
	KVM_GET_FPU,
	KVM_SET_FPU,
	KVM_GET_XSAVE,
	KVM_GET_XSAVE2,
	KVM_SET_XSAVE,
	KVM_GET_DEBUGREGS,
	KVM_SET_DEBUGREGS,
	KVM_TRANSLATE,
	KVM_SET_GUEST_DEBUG,
};

/* MSRs that are part of the encrypted state: KVM stops at the first of them. ABI 5.1. */
static const struct {
	uint32_t first, last;
} encrypted_msrs[] = {
	{ 0x00000174, 0x00000176 }, /* SYSENTER */
	{ 0x00000277, 0x00000277 }, /* PAT */
	{ 0xC0000080, 0xC0000084 }, /* EFER, STAR .. SFMASK */
	{ 0xC0000100, 0xC0000102 }, /* FS, GS, kernel GS base */
};

static bool msr_is_encrypted(uint32_t index)
{
	for (size_t i = 0; i < ARRAY_LEN(encrypted_msrs); i++)
		if (index >= encrypted_msrs[i].first && index <= encrypted_msrs[i].last)
			return true;
	return false;
}

static MUST_USE int msrs_pass(
	const struct sim_host *host, int fd, unsigned long request, struct kvm_msrs *msrs)
{
	uint32_t n = msrs->nmsrs;
	uint32_t open = 0;

	while (open < n && !msr_is_encrypted(msrs->entries[open].index))
		open++;
	if (open == 0)
		return 0;
	msrs->nmsrs = open;
	int done = host->ioctl(fd, request, (uintptr_t)msrs);
	msrs->nmsrs = n;
	return done;
}

int sim_vcpu_ioctl(const struct sim_host *host, const struct sim_vcpu *vcpu, unsigned long request,
	unsigned long arg)
{
	if (vcpu->is_protected) {
		for (size_t i = 0; i < ARRAY_LEN(register_requests); i++)
			if (register_requests[i] == request)
				return -EINVAL;
		if ((request == KVM_GET_MSRS || request == KVM_SET_MSRS) && arg != 0)
			return msrs_pass(host, vcpu->fd, request, (void *)arg);
	}
	if (request == KVM_SET_CPUID2 && vcpu->has_run)
		return -EINVAL;
	return host->ioctl(vcpu->fd, request, arg);
}
