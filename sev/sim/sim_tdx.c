#include "sev/sim/sim_tdx.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "sev/sim/sim_kind.h"
#include "sev/sim/sim_port.h"
#include "sev/sim/sim_tdx_port.h"

#define ECX_X2APIC        (1u << 21)
#define LEAF_KVM_FEATURES 0x40000001u
#define EAX_KVMCLOCK      (1u << 0 | 1u << 3 | 1u << 24) /* old, new, stable */

static uint32_t n_keys; /* key identifiers in use, of all TDs */

static struct sim_tdx_vcpu *vcpu_of(struct sim_vm *vm, const struct sim_vcpu *vcpu)
{
	return &vm->tdx->vcpu[vcpu - vm->vcpu];
}

/* --- life -------------------------------------------------------------------------------------- */

static bool tdx_is_offered(const struct sim_machine *m)
{
	return m->platform.tdx.is_present;
}

/* The CPU that GET_CPUID is about: what the KVM underneath supports. */
static MUST_USE int host_cpuid_load(const struct sim_machine *m, struct sim_tdx *t)
{
	struct kvm_cpuid2 *head =
		calloc(1, sizeof *head + SIM_TDX_HOST_CPUID * sizeof(struct kvm_cpuid_entry2));

	if (head == NULL)
		return -ENOMEM;
	head->nent = SIM_TDX_HOST_CPUID;
	int err = m->host->ioctl(m->kvm_fd, KVM_GET_SUPPORTED_CPUID, (uintptr_t)head);
	if (err == 0) {
		t->n_host_cpuid = MIN(head->nent, SIM_TDX_HOST_CPUID);
		memcpy(t->host_cpuid, head->entries, t->n_host_cpuid * sizeof t->host_cpuid[0]);
	}
	free(head);
	return err;
}
_Static_assert(sizeof(struct abi_tdx_cpuid) == sizeof(struct kvm_cpuid_entry2), "one CPUID entry");

static MUST_USE int tdx_create(struct sim_vm *vm)
{
	struct sim_platform *p = &vm->m->platform;
	struct sim_tdx *t = calloc(1, sizeof *t);

	if (t == NULL)
		return -ENOMEM;
	int err = sim_tdx_crypto_init(&t->crypto, &p->tdx, NULL);
	if (err == 0)
		err = host_cpuid_load(vm->m, t);
	if (err < 0) {
		sim_tdx_crypto_done(&t->crypto);
		free(t);
		return err;
	}
	sim_td_init(&t->td, &p->tdx, &p->tdx.script, &t->crypto, &vm->added);
	t->seed = p->tdx.seed;
	vm->tdx = t;
	return 0;
}

static void tdx_release(struct sim_vm *vm)
{
	if (vm->tdx->has_key)
		n_keys--;
	sim_td_done(&vm->tdx->td);
	sim_tdx_crypto_done(&vm->tdx->crypto);
	free(vm->tdx);
	vm->tdx = NULL;
}

static void tdx_digest(const struct sim_vm *vm, uint8_t ret[SNP_DIGEST_BYTES])
{
	memset(ret, 0, SNP_DIGEST_BYTES);
	if (vm->tdx->td.mrtd_stream != NULL)
		sim_td_digest(&vm->tdx->td, ret);
}
_Static_assert(SNP_DIGEST_BYTES == TDX_DIGEST_BYTES, "one length of digests");

/* --- commands of the VM ------------------------------------------------------------------------ */

static MUST_USE int on_capabilities(struct sim_vm *vm, const struct abi_tdx_cmd *cmd)
{
	struct abi_tdx_capabilities *caps = (void *)(uintptr_t)cmd->data;

	if (cmd->flags != 0)
		return -EINVAL;
	if (caps == NULL)
		return -EFAULT;
	return sim_td_capabilities(
		&vm->m->platform.tdx, caps, (struct abi_tdx_cpuid *)(void *)(caps + 1));
}

static MUST_USE int on_init_vm(struct sim_vm *vm, struct abi_tdx_cmd *cmd)
{
	const struct abi_tdx_init_vm *arg = (const void *)(uintptr_t)cmd->data;
	struct sim_tdx *t = vm->tdx;

	if (t->td.state != SIM_TD_UNINITIALIZED || cmd->flags != 0)
		return -EINVAL;
	if (arg == NULL)
		return -EFAULT;
	if (vm->n_vcpus > 0)
		return -EBUSY;
	int err = sim_td_init_vm(&t->td, arg, (const struct abi_tdx_cpuid *)(const void *)(arg + 1),
		n_keys < vm->m->platform.tdx.keys, &cmd->hw_error);
	if (err == 0) {
		t->has_key = true;
		n_keys++;
	}
	return err;
}

static MUST_USE int on_finalize(struct sim_vm *vm, struct abi_tdx_cmd *cmd)
{
	int err = sim_td_finalize(&vm->tdx->td, &cmd->hw_error);

	if (err == 0) {
		vm->is_launched = true;
		sim_vm_erase_rest(vm); /* what was not added has yet to be accepted */
	}
	return err;
}

/* ABI 4.1: written back are INIT_VM and FINALIZE_VM, through cmd. */
static MUST_USE int vm_command(struct sim_vm *vm, struct abi_tdx_cmd *cmd)
{
	if (cmd == NULL)
		return -EFAULT;
	if (cmd->hw_error != 0)
		return -EINVAL;
	switch (cmd->id) {
	case ABI_TDX_CAPABILITIES:
		return on_capabilities(vm, cmd);
	case ABI_TDX_INIT_VM:
		return on_init_vm(vm, cmd);
	case ABI_TDX_FINALIZE_VM:
		return on_finalize(vm, cmd);
	default:
		return -EINVAL;
	}
}

/* --- other requests of the VM ------------------------------------------------------------------ */

static MUST_USE int on_enable_cap(struct sim_vm *vm, struct kvm_enable_cap *cap)
{
	const struct sim_host *host = vm->m->host;

	if (cap == NULL)
		return -EFAULT;
	if (cap->cap == KVM_CAP_SPLIT_IRQCHIP) {
		int err = host->ioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)cap);
		vm->tdx->has_split_irqchip = vm->tdx->has_split_irqchip || err == 0;
		return err;
	}
	if (cap->cap != ABI_CAP_X86_APIC_BUS_CYCLES_NS)
		return SIM_PASS;
	if (!vm->tdx->has_split_irqchip)
		return -ENXIO;
	if (vm->n_vcpus > 0 || cap->args[0] == 0)
		return -EINVAL;
	/* Not passed on: firmware of a plain guest takes the clock for KVM's usual one of 1 GHz. */
	return 0;
}

static MUST_USE int on_check_extension(unsigned long cap)
{
	switch (cap) {
	case ABI_CAP_X86_APIC_BUS_CYCLES_NS:
		return 1;
	case KVM_CAP_MAX_VCPUS:
		return SIM_VCPUS_MAX;
	case KVM_CAP_X86_SMM:
	case KVM_CAP_SET_GUEST_DEBUG:
		return 0;
	default:
		return SIM_PASS;
	}
}

/* 0: the host's. The guest underneath keeps the host's: nothing is passed on. ABI 4.3, 7.3.10. */
static MUST_USE int on_tsc_khz(const struct sim_vm *vm, unsigned long khz)
{
	if (vm->tdx->td.state != SIM_TD_UNINITIALIZED)
		return -EINVAL;
	if (khz != 0 && (khz < ABI_TDX_TSC_KHZ_MIN || khz > ABI_TDX_TSC_KHZ_MAX ||
				khz % ABI_TDX_TSC_KHZ_STEP != 0))
		return -EINVAL;
	return 0;
}

/* Private pages that are taken away would have to be accepted anew. ABI 5.1. */
static MUST_USE int on_attributes(struct sim_vm *vm, const struct abi_attributes *arg)
{
	if (arg == NULL)
		return -EFAULT;
	int err = sim_vm_set_attributes(vm, arg);
	if (err == 0 && vm->is_launched && arg->attributes == 0)
		sim_td_forget(&vm->tdx->td, arg->address, arg->size);
	return err;
}

static int tdx_vm_ioctl(struct sim_vm *vm, unsigned long request, unsigned long arg)
{
	int err;

	if (vm->tdx->td.is_dead)
		return -EIO;
	switch (request) {
	case ABI_MEMORY_ENCRYPT_OP:
		return vm_command(vm, (void *)arg);
	case KVM_MEMORY_ENCRYPT_REG_REGION:
	case KVM_MEMORY_ENCRYPT_UNREG_REGION:
	case KVM_CREATE_IRQCHIP:
	case KVM_CREATE_PIT:
	case KVM_CREATE_PIT2:
		return -ENOTTY;
	case KVM_CREATE_VCPU:
		err = sim_td_create_vcpu(&vm->tdx->td, vm->tdx->has_split_irqchip);
		return err < 0 ? err : SIM_PASS;
	case KVM_ENABLE_CAP:
		return on_enable_cap(vm, (void *)arg);
	case KVM_CHECK_EXTENSION:
		return on_check_extension(arg);
	case KVM_SET_TSC_KHZ:
		return on_tsc_khz(vm, arg);
	case ABI_SET_MEMORY_ATTRIBUTES:
		return on_attributes(vm, (const void *)arg);
	default:
		return SIM_PASS;
	}
}

/* --- a vCPU ------------------------------------------------------------------------------------ */

/* MSRs that KVM emulates for a TD. ABI 4.4. */
static const struct {
	uint32_t first, last;
	bool is_read_only;
} emulated_msrs[] = {
	{ 0x0000001B, 0x0000001B, true },  /* APIC_BASE */
	{ 0x0000003A, 0x0000003A, true },  /* FEAT_CTL */
	{ 0x0000008B, 0x0000008B, false }, /* UCODE_REV */
	{ 0x000000FE, 0x000000FE, false }, /* MTRRcap */
	{ 0x0000010A, 0x0000010A, false }, /* ARCH_CAPABILITIES */
	{ 0x00000179, 0x0000017B, false }, /* MCG_CAP, STATUS, CTL */
	{ 0x000001A0, 0x000001A0, false }, /* MISC_ENABLE */
	{ 0x00000200, 0x0000020F, false }, /* MTRRs */
	{ 0x00000250, 0x00000250, false }, { 0x00000258, 0x00000259, false },
	{ 0x00000268, 0x0000026F, false }, { 0x00000277, 0x00000277, false }, /* PAT */
	{ 0x000002FF, 0x000002FF, false }, { 0x00000400, 0x0000047F, false }, /* MCE banks */
	{ 0x000006E0, 0x000006E0, false },                                    /* TSC_DEADLINE */
	{ 0x0000080B, 0x0000083F, false }, /* x2APIC: EOI to timer */
	{ 0xC0000080, 0xC0000080, true },  /* EFER */
};

static bool msr_is_open(uint32_t index, bool is_write)
{
	for (size_t i = 0; i < ARRAY_LEN(emulated_msrs); i++)
		if (index >= emulated_msrs[i].first && index <= emulated_msrs[i].last)
			return !is_write || !emulated_msrs[i].is_read_only;
	return false;
}

/* KVM stops at the first that it refuses and says how many went before. */
static MUST_USE int on_msrs(struct sim_vm *vm, const struct sim_vcpu *vcpu, unsigned long request,
	struct kvm_msrs *msrs)
{
	uint32_t n = 0;

	if (msrs == NULL)
		return -EFAULT;
	if (vcpu->has_run)
		return -EINVAL; /* not KVM's answer: nobody has a reason to ask, and this must not wait */
	while (n < msrs->nmsrs && msr_is_open(msrs->entries[n].index, request == KVM_SET_MSRS))
		n++;
	if (n == 0)
		return 0;
	uint32_t all = msrs->nmsrs;
	msrs->nmsrs = n;
	int done = vm->m->host->ioctl(vcpu->fd, request, (uintptr_t)msrs);
	msrs->nmsrs = all;
	return done;
}

static MUST_USE int on_init_vcpu(
	struct sim_vm *vm, struct sim_tdx_vcpu *v, const struct abi_tdx_cmd *cmd)
{
	if (cmd->flags != 0 || v->is_init)
		return -EINVAL;
	int err = sim_td_init_vcpu(&vm->tdx->td, v->has_x2apic);
	v->is_init = err == 0;
	return err;
}

static MUST_USE int on_get_cpuid(
	struct sim_vm *vm, const struct sim_tdx_vcpu *v, const struct abi_tdx_cmd *cmd)
{
	struct kvm_cpuid2 *table = (void *)(uintptr_t)cmd->data;

	(void)v;
	if (cmd->flags != 0)
		return -EINVAL;
	if (table == NULL)
		return -EFAULT;
	return sim_td_get_cpuid(&vm->tdx->td, vm->tdx->host_cpuid, vm->tdx->n_host_cpuid,
		(struct abi_tdx_cpuid *)(void *)table->entries, &table->nent);
}

static MUST_USE int vcpu_command(
	struct sim_vm *vm, struct sim_tdx_vcpu *v, const struct abi_tdx_cmd *cmd)
{
	int err = sim_td_vcpu_command(&vm->tdx->td);

	if (cmd == NULL)
		return -EFAULT;
	if (err < 0 || cmd->hw_error != 0)
		return -EINVAL;
	switch (cmd->id) {
	case ABI_TDX_INIT_VCPU:
		return on_init_vcpu(vm, v, cmd);
	case ABI_TDX_INIT_MEM_REGION:
		return sim_tdx_add_region(vm, v, cmd);
	case ABI_TDX_GET_CPUID:
		return on_get_cpuid(vm, v, cmd);
	default:
		return -EINVAL;
	}
}

/*
 * A TD has no kvmclock, and learns the TSC's frequency from its module (CPUID 0x15). A plain guest on any
 * CPU but Intel's has kvmclock or nothing: the one underneath keeps what its KVM has of it.
 */
static MUST_USE int cpuid_pass(
	const struct sim_vm *vm, const struct sim_vcpu *vcpu, const struct kvm_cpuid2 *table)
{
	const size_t size = sizeof *table + table->nent * sizeof table->entries[0];
	struct kvm_cpuid2 *copy = malloc(size);
	uint32_t clock = 0;

	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, table, size);
	for (uint32_t i = 0; i < vm->tdx->n_host_cpuid; i++)
		if (vm->tdx->host_cpuid[i].function == LEAF_KVM_FEATURES)
			clock = vm->tdx->host_cpuid[i].eax & EAX_KVMCLOCK;
	for (uint32_t i = 0; i < copy->nent; i++)
		if (copy->entries[i].function == LEAF_KVM_FEATURES)
			copy->entries[i].eax |= clock;
	int err = vm->m->host->ioctl(vcpu->fd, KVM_SET_CPUID2, (uintptr_t)copy);
	free(copy);
	return err;
}

static MUST_USE int on_cpuid(struct sim_vm *vm, const struct sim_vcpu *vcpu, struct sim_tdx_vcpu *v,
	const struct kvm_cpuid2 *table)
{
	if (table == NULL)
		return -EFAULT;
	if (table->nent > ABI_TDX_CPUID_MAX)
		return -E2BIG;
	if (vcpu->has_run)
		return -EINVAL;
	int err = cpuid_pass(vm, vcpu, table);
	for (uint32_t i = 0; err == 0 && i < table->nent; i++)
		if (table->entries[i].function == 1)
			v->has_x2apic = (table->entries[i].ecx & ECX_X2APIC) != 0;
	return err;
}

/*
 * Every vCPU of a TD is runnable from the start and cannot be sent INIT or SIPI (ABI 4.4, 7.3.6). The
 * guest underneath keeps its own state: its other vCPUs wait for SIPI.
 */
static MUST_USE int on_mp_state(struct kvm_mp_state *mp, bool is_set)
{
	if (mp == NULL)
		return -EFAULT;
	if (!is_set)
		mp->mp_state = KVM_MP_STATE_RUNNABLE;
	return mp->mp_state == KVM_MP_STATE_RUNNABLE ? 0 : -EINVAL;
}

static int tdx_vcpu_ioctl(
	struct sim_vm *vm, struct sim_vcpu *vcpu, unsigned long request, unsigned long arg)
{
	struct sim_tdx_vcpu *v = vcpu_of(vm, vcpu);

	vcpu->is_protected = true; /* from its creation: ABI 5.1 */
	if (vm->tdx->td.is_dead)
		return -EIO;
	switch (request) {
	case ABI_MEMORY_ENCRYPT_OP:
		return vcpu_command(vm, v, (const void *)arg);
	case KVM_SET_CPUID2:
		return on_cpuid(vm, vcpu, v, (const void *)arg);
	case KVM_GET_MSRS:
	case KVM_SET_MSRS:
		return on_msrs(vm, vcpu, request, (void *)arg);
	case KVM_GET_MP_STATE:
	case KVM_SET_MP_STATE:
		return on_mp_state((void *)arg, request == KVM_SET_MP_STATE);
	case KVM_GET_LAPIC:
	case KVM_SET_LAPIC:
	case KVM_SET_TSC_KHZ:
	case KVM_KVMCLOCK_CTRL:
		return -EINVAL;
	case KVM_SMI:
		return -ENOTTY;
	default:
		return SIM_PASS;
	}
}

/* --- running ----------------------------------------------------------------------------------- */

static int tdx_run_check(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	if (vm->tdx->td.is_dead)
		return -EIO;
	if (!vm->is_launched || !vcpu_of(vm, vcpu)->is_init)
		return -EINVAL;
	return sim_tdx_port_complete(vm, vcpu);
}

static int tdx_run_end(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	return sim_port_owns(vcpu->run) ? sim_tdx_port_step(vm, vcpu) : 0;
}

const struct sim_kind sim_kind_tdx = {
	.vm_type = ABI_VM_TYPE_TDX,
	.has_gmem = true,
	.has_sealed = true,
	.is_offered = tdx_is_offered,
	.create = tdx_create,
	.release = tdx_release,
	.vm_ioctl = tdx_vm_ioctl,
	.vcpu_ioctl = tdx_vcpu_ioctl,
	.run_check = tdx_run_check,
	.run_end = tdx_run_end,
	.digest = tdx_digest,
};
