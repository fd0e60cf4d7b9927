/*
 * The simulator's side of the seam (sev/fw.h): finds what a descriptor stands for and passes on what
 * is not simulated. One lock protects everything and is not held while a vCPU runs.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/num.h"
#include "sev/fw.h"
#include "sev/fw_error.h"
#include "sev/sim/sim_port.h"
#include "sev/sim/sim_snp.h"
#include "sev/sim/sim_state.h"
#include "sev/sim/sim_vm.h"

/* /dev/sev commands. ABI 2.1. */
#define SEV_CMD_PLATFORM_STATUS     1u
#define SEV_CMD_SNP_PLATFORM_STATUS 9u
#define SEV_CMD_LAST                12u
#define SEV_STATE_INIT              1u
#define SEV_STATE_WORKING           2u

struct wire_sev_status {
	uint8_t api_major;
	uint8_t api_minor;
	uint8_t state;
	le32 flags;
	uint8_t build;
	le32 guest_count;
};
WIRE_SIZE(struct wire_sev_status, 12);
WIRE_AT(struct wire_sev_status, guest_count, 8);

struct wire_snp_status {
	uint8_t api_major;
	uint8_t api_minor;
	uint8_t state;
	uint8_t is_rmp_init;
	le32 build_id;
	le32 flags;
	le32 guest_count;
	uint8_t current_tcb[8];
	uint8_t reported_tcb[8];
};
WIRE_SIZE(struct wire_snp_status, 32);
WIRE_AT(struct wire_snp_status, current_tcb, 16);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct sim_host *host = &sim_host_kernel;
static struct sim_machine machine = { .host = &sim_host_kernel, .kvm_fd = -1, .sev_fd = -1 };
static struct sim_vm vms[LIMIT_SIM_VMS];

void sim_set_host(const struct sim_host *h)
{
	host = h != NULL ? h : &sim_host_kernel;
}

/* --- descriptors --------------------------------------------------------------------------- */

enum thing_kind {
	THING_OTHER, /* a plain VM, its vCPUs, devices: not simulated */
	THING_KVM,
	THING_SEV,
	THING_VM,
	THING_VCPU,
	THING_GMEM,
};

struct thing {
	enum thing_kind kind;
	struct sim_vm *vm;
	struct sim_vcpu *vcpu;
	struct sim_gmem *gmem;
};

static struct thing vm_find_thing(struct sim_vm *vm, int fd)
{
	if (vm->fd == fd)
		return (struct thing){ THING_VM, .vm = vm };
	for (uint32_t i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpu[i].fd == fd)
			return (struct thing){ THING_VCPU, .vm = vm, .vcpu = &vm->vcpu[i] };
	for (size_t i = 0; i < ARRAY_LEN(vm->gmem); i++)
		if (vm->gmem[i].fd == fd)
			return (struct thing){ THING_GMEM, .vm = vm, .gmem = &vm->gmem[i] };
	return (struct thing){ THING_OTHER };
}

static struct thing thing_find(int fd)
{
	if (fd < 0)
		return (struct thing){ THING_OTHER };
	if (fd == machine.kvm_fd)
		return (struct thing){ THING_KVM };
	if (fd == machine.sev_fd)
		return (struct thing){ THING_SEV };
	for (size_t i = 0; i < ARRAY_LEN(vms); i++) {
		struct thing t = { THING_OTHER };
		if (vms[i].is_used)
			t = vm_find_thing(&vms[i], fd);
		if (t.kind != THING_OTHER)
			return t;
	}
	return (struct thing){ THING_OTHER };
}

/* A VM lives until its last descriptor is closed (ABI 7.2.13). */
static void vm_release(struct sim_vm *vm)
{
	if (vm->fd >= 0)
		return;
	for (uint32_t i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpu[i].fd >= 0)
			return;
	for (size_t i = 0; i < ARRAY_LEN(vm->gmem); i++)
		if (vm->gmem[i].fd >= 0)
			return;
	if (vm->is_init)
		machine.n_guests--;
	sim_ranges_done(&vm->is_private);
	sim_ranges_done(&vm->added);
	explicit_bzero(&vm->secrets, sizeof vm->secrets);
	vm->is_used = false;
}

/* The descriptor is closed: forget what it stood for. */
static void thing_forget(int fd)
{
	struct thing t = thing_find(fd);

	if (t.kind == THING_VM)
		t.vm->fd = -1;
	if (t.kind == THING_VCPU)
		t.vcpu->fd = -1;
	if (t.kind == THING_GMEM)
		sim_vm_close_gmem(t.vm, t.gmem);
	if (t.vm != NULL)
		vm_release(t.vm);
}

/* --- /dev/kvm ------------------------------------------------------------------------------ */

static MUST_USE int vm_create_snp(void)
{
	struct sim_vm *vm = NULL;

	for (size_t i = 0; i < ARRAY_LEN(vms) && vm == NULL; i++)
		if (!vms[i].is_used)
			vm = &vms[i];
	if (vm == NULL)
		return -ENOMEM;
	int fd = host->ioctl(machine.kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_DEFAULT);
	if (fd < 0)
		return fd;
	thing_forget(fd); /* closed behind our back, and the number used again */
	*vm = (struct sim_vm){ .is_used = true, .m = &machine, .fd = fd };
	for (size_t i = 0; i < ARRAY_LEN(vm->gmem); i++)
		vm->gmem[i].fd = -1;
	sim_port_init(&vm->port);
	return fd;
}

static MUST_USE int vm_create(unsigned long type)
{
	if (type == ABI_VM_TYPE_DEFAULT) {
		int fd = host->ioctl(machine.kvm_fd, KVM_CREATE_VM, type);
		if (fd >= 0)
			thing_forget(fd);
		return fd;
	}
	if (type == ABI_VM_TYPE_SNP && machine.sev_fd >= 0)
		return vm_create_snp();
	return -EINVAL;
}

/* ABI 1.2. vm is NULL for /dev/kvm itself. */
static MUST_USE int cap_check(const struct sim_vm *vm, int fd, unsigned long cap)
{
	bool has_snp = machine.sev_fd >= 0;

	switch (cap) {
	case ABI_CAP_VM_TYPES:
		return 1 << ABI_VM_TYPE_DEFAULT | (has_snp ? 1 << ABI_VM_TYPE_SNP : 0);
	case ABI_CAP_EXIT_HYPERCALL:
		return 1 << ABI_HC_MAP_GPA_RANGE;
	case ABI_CAP_USER_MEMORY2:
	case ABI_CAP_MEMORY_FAULT_INFO:
	case ABI_CAP_GUEST_MEMFD:
	case ABI_CAP_PRE_FAULT_MEMORY:
		return has_snp;
	case ABI_CAP_MEMORY_ATTRIBUTES:
		return has_snp ? (int)ABI_MEMORY_ATTRIBUTE_PRIVATE : 0;
	case ABI_CAP_GUEST_MEMFD_FLAGS:
		return 0;
	case KVM_CAP_READONLY_MEM:
	case KVM_CAP_SYNC_REGS:
		if (vm != NULL)
			return 0;
		break;
	default:
		break;
	}
	return host->ioctl(fd, KVM_CHECK_EXTENSION, cap);
}

static MUST_USE int attr_get(const struct kvm_device_attr *a, bool is_get)
{
	uint64_t value;

	if (a->flags != 0)
		return -ENXIO;
	if (a->attr == ABI_X86_SEV_VMSA_FEATURES)
		value = machine.platform.vmsa_features;
	else if (a->attr == ABI_X86_SNP_POLICY_BITS)
		value = machine.platform.policy_mask;
	else
		return -ENXIO;
	if (is_get && a->addr == 0)
		return -EFAULT;
	if (is_get)
		memcpy((void *)(uintptr_t)a->addr, &value, sizeof value);
	return 0;
}

static MUST_USE int kvm_ioctl(unsigned long request, unsigned long arg)
{
	const struct kvm_device_attr *a = (const void *)arg;

	switch (request) {
	case KVM_CREATE_VM:
		return vm_create(arg);
	case KVM_CHECK_EXTENSION:
		return cap_check(NULL, machine.kvm_fd, arg);
	case KVM_GET_DEVICE_ATTR:
	case KVM_HAS_DEVICE_ATTR:
		if (machine.sev_fd >= 0 && a->group == ABI_X86_GRP_SEV)
			return attr_get(a, request == KVM_GET_DEVICE_ATTR);
		break;
	default:
		break;
	}
	return host->ioctl(machine.kvm_fd, request, arg);
}

/* --- /dev/sev ------------------------------------------------------------------------------ */

static void sev_status_write(void *to)
{
	struct wire_sev_status s = {
		.api_major = machine.platform.api_major,
		.api_minor = machine.platform.api_minor,
		.state = machine.n_guests > 0 ? SEV_STATE_WORKING : SEV_STATE_INIT,
		.build = machine.platform.api_build,
		.guest_count = le32_of(machine.n_guests),
	};

	memcpy(to, &s, sizeof s);
}

static void snp_status_write(void *to)
{
	struct wire_snp_status s = {
		.api_major = machine.platform.api_major,
		.api_minor = machine.platform.api_minor,
		.state = 1,
		.is_rmp_init = 1,
		.build_id = le32_of(machine.platform.api_build),
		.guest_count = le32_of(machine.n_guests),
	};

	memcpy(s.current_tcb, machine.platform.current_tcb, sizeof s.current_tcb);
	memcpy(s.reported_tcb, machine.platform.reported_tcb, sizeof s.reported_tcb);
	memcpy(to, &s, sizeof s);
}

static MUST_USE int sev_ioctl(unsigned long request, unsigned long arg)
{
	struct abi_sev_issue *issue = (void *)arg;

	if (request != ABI_SEV_ISSUE_CMD)
		return -EINVAL;
	if (issue == NULL)
		return -EFAULT;
	if (issue->cmd > SEV_CMD_LAST)
		return -EINVAL;
	void *to = (void *)(uintptr_t)((uint64_t)issue->data_hi << 32 | issue->data_lo);
	if (to == NULL)
		return -EFAULT;
	if (issue->cmd == SEV_CMD_PLATFORM_STATUS)
		sev_status_write(to);
	else if (issue->cmd == SEV_CMD_SNP_PLATFORM_STATUS)
		snp_status_write(to);
	else
		return -ENOSYS; /* not simulated: say so, loudly */
	issue->error = FW_SUCCESS;
	return 0;
}

/* --- a VM ---------------------------------------------------------------------------------- */

static MUST_USE int vm_enable_cap(struct sim_vm *vm, const struct kvm_enable_cap *cap)
{
	if (cap->cap != ABI_CAP_EXIT_HYPERCALL)
		return host->ioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)cap);
	if (cap->flags != 0 || (cap->args[0] & ~(1ull << ABI_HC_MAP_GPA_RANGE)) != 0)
		return -EINVAL;
	vm->has_hypercalls = cap->args[0] != 0;
	/* The KVM underneath may be too old for it; its guests run unencrypted and need it not. */
	int mask = host->ioctl(vm->fd, KVM_CHECK_EXTENSION, ABI_CAP_EXIT_HYPERCALL);
	if (mask > 0 && (mask & 1 << ABI_HC_MAP_GPA_RANGE) != 0)
		return host->ioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)cap);
	return 0;
}

static MUST_USE int vcpu_create(struct sim_vm *vm, unsigned long id)
{
	if (vm->n_vcpus == SIM_VCPUS_MAX)
		return -EINVAL;
	int fd = host->ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (fd < 0)
		return fd;
	thing_forget(fd);
	vm->vcpu[vm->n_vcpus++] = (struct sim_vcpu){ .fd = fd };
	return fd;
}

static MUST_USE int region_set_v1(struct sim_vm *vm, const struct kvm_userspace_memory_region *r)
{
	struct abi_region2 r2 = {
		.slot = r->slot,
		.flags = r->flags,
		.guest_phys_addr = r->guest_phys_addr,
		.memory_size = r->memory_size,
		.userspace_addr = r->userspace_addr,
	};

	if ((r->flags & ABI_MEM_GUEST_MEMFD) != 0)
		return -EINVAL;
	return sim_vm_set_region(vm, &r2);
}

static MUST_USE int gmem_create(struct sim_vm *vm, const struct abi_guest_memfd *arg)
{
	int fd = sim_vm_create_gmem(vm, arg);

	for (size_t i = 0; fd >= 0 && i < ARRAY_LEN(vms); i++) {
		struct thing t = { THING_OTHER };
		if (vms[i].is_used && &vms[i] != vm)
			t = vm_find_thing(&vms[i], fd);
		if (t.kind != THING_OTHER)
			thing_forget(fd);
	}
	return fd;
}

static MUST_USE int vm_ioctl(struct sim_vm *vm, unsigned long request, unsigned long arg)
{
	void *p = (void *)arg;

	switch (request) {
	case KVM_CHECK_EXTENSION:
		return cap_check(vm, vm->fd, arg);
	case KVM_ENABLE_CAP:
		return p != NULL ? vm_enable_cap(vm, p) : -EFAULT;
	case KVM_CREATE_VCPU:
		return vcpu_create(vm, arg);
	case KVM_SET_USER_MEMORY_REGION:
		return p != NULL ? region_set_v1(vm, p) : -EFAULT;
	case ABI_SET_USER_MEMORY_REGION2:
		return p != NULL ? sim_vm_set_region(vm, p) : -EFAULT;
	case ABI_CREATE_GUEST_MEMFD:
		return p != NULL ? gmem_create(vm, p) : -EFAULT;
	case ABI_SET_MEMORY_ATTRIBUTES:
		return p != NULL ? sim_vm_set_attributes(vm, p) : -EFAULT;
	case ABI_MEMORY_ENCRYPT_OP:
		return p != NULL ? sim_snp_command(vm, p) : 0;
	case KVM_MEMORY_ENCRYPT_REG_REGION:
	case KVM_MEMORY_ENCRYPT_UNREG_REGION:
		return 0; /* accepted and harmless on SNP: ABI 2.5 */
	default:
		return host->ioctl(vm->fd, request, arg);
	}
}

/* Requests of newer kernels on a VM that is not simulated. */
static MUST_USE int other_ioctl(int fd, unsigned long request, unsigned long arg)
{
	const struct abi_sev_cmd *cmd = (const void *)arg;

	switch (request) {
	case ABI_MEMORY_ENCRYPT_OP:
		if (machine.sev_fd < 0)
			return -ENOTTY;
		return cmd != NULL ? sim_plain_command(cmd) : 0;
	case ABI_SET_MEMORY_ATTRIBUTES:
	case ABI_CREATE_GUEST_MEMFD:
	case ABI_SET_USER_MEMORY_REGION2:
		return -EINVAL;
	default:
		return host->ioctl(fd, request, arg);
	}
}

/* --- a vCPU -------------------------------------------------------------------------------- */

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

static MUST_USE int msrs_pass(int fd, unsigned long request, struct kvm_msrs *msrs)
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

static MUST_USE int prefault(enum sim_guest_state state, uint64_t *arg)
{
	/* {gpa, size, flags, padding}: ABI 1.6 */
	if (arg == NULL)
		return -EFAULT;
	if (arg[2] != 0 || !num_is_aligned(arg[0] | arg[1], PAGE_BYTES))
		return -EINVAL;
	if (state != SIM_GUEST_RUNNING)
		return -EOPNOTSUPP;
	arg[0] += arg[1];
	arg[1] = 0;
	return 0;
}

/* vcpu is a copy: an ioctl waits while its vCPU runs, and must not hold the lock meanwhile. */
static MUST_USE int vcpu_ioctl(const struct sim_vcpu *vcpu, enum sim_guest_state state,
	unsigned long request, unsigned long arg)
{
	if (vcpu->is_protected) {
		for (size_t i = 0; i < ARRAY_LEN(register_requests); i++)
			if (register_requests[i] == request)
				return -EINVAL;
		if ((request == KVM_GET_MSRS || request == KVM_SET_MSRS) && arg != 0)
			return msrs_pass(vcpu->fd, request, (void *)arg);
	}
	if (request == KVM_SET_CPUID2 && vcpu->has_run)
		return -EINVAL;
	if (request == ABI_PRE_FAULT_MEMORY)
		return prefault(state, (void *)arg);
	return host->ioctl(vcpu->fd, request, arg);
}

/* --- the seam ------------------------------------------------------------------------------ */

static MUST_USE int simulated_ioctl(const struct thing *t, unsigned long request, unsigned long arg)
{
	switch (t->kind) {
	case THING_KVM:
		return kvm_ioctl(request, arg);
	case THING_SEV:
		return sev_ioctl(request, arg);
	case THING_VM:
		return vm_ioctl(t->vm, request, arg);
	case THING_GMEM:
		return -ENOTTY;
	case THING_OTHER:
	case THING_VCPU:
		break;
	}
	abort();
}

static MUST_USE int sim_ioctl(int fd, unsigned long request, unsigned long arg)
{
	struct sim_vcpu vcpu = { .fd = -1 };
	enum sim_guest_state state = SIM_GUEST_NONE;
	int ret = 0;

	(void)pthread_mutex_lock(&lock);
	struct thing t = thing_find(fd);
	if (t.kind == THING_VCPU) {
		vcpu = *t.vcpu;
		state = t.vm->state;
	} else if (t.kind != THING_OTHER) {
		ret = simulated_ioctl(&t, request, arg);
	}
	(void)pthread_mutex_unlock(&lock);
	if (t.kind == THING_OTHER)
		return other_ioctl(fd, request, arg);
	if (t.kind == THING_VCPU)
		return vcpu_ioctl(&vcpu, state, request, arg);
	return ret;
}

/* Regular file or not, the platform file is what sev_fd reads as. */
static MUST_USE int platform_load(struct sim_machine *m, struct why *why)
{
	int err =
		lseek(m->sev_fd, 0, SEEK_SET) < 0
			? -errno
			: fd_read_file(m->sev_fd, LIMIT_SIM_PLATFORM_BYTES, &m->file, &m->file_len);

	if (err < 0)
		return why_set(why, err, "cannot read the simulator's platform file");
	err = sim_platform_parse(&m->platform, m->file, m->file_len, why);
	if (err == 0)
		err = sim_crypto_init(&m->crypto, &m->platform, why);
	if (err == 0)
		err = sim_cpuid_load(&m->cpuid, m->host, m->kvm_fd, why);
	return err;
}

static void machine_done(struct sim_machine *m)
{
	sim_crypto_done(&m->crypto);
	if (m->file != NULL)
		explicit_bzero(m->file, m->file_len); /* holds the VCEK's key */
	free(m->file);
	*m = (struct sim_machine){ .host = host, .kvm_fd = -1, .sev_fd = -1 };
}

int fw_open(int kvm_fd, int sev_fd, struct why *why)
{
	struct sim_machine m = { .host = host, .kvm_fd = kvm_fd, .sev_fd = sev_fd };
	int version = host->ioctl(kvm_fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return why_set(why, version, "the descriptor for /dev/kvm does not answer");
	if (version != KVM_API_VERSION)
		return why_set(why, -EPROTONOSUPPORT, "KVM API version %d, want %d", version,
			KVM_API_VERSION);
	if (sev_fd >= 0) {
		int err = platform_load(&m, why);
		if (err < 0) {
			machine_done(&m);
			return err;
		}
		m.seed = m.platform.seed;
	}
	(void)pthread_mutex_lock(&lock);
	machine_done(&machine);
	machine = m;
	(void)pthread_mutex_unlock(&lock);
	return 0;
}

int fw_ioctl(int fd, unsigned long request, void *arg)
{
	return sim_ioctl(fd, request, (uintptr_t)arg);
}

int fw_ioctl_int(int fd, unsigned long request, unsigned long arg)
{
	return sim_ioctl(fd, request, arg);
}

/* ABI 1.7: the answer to a hypercall must be one of three before the guest goes on. */
static bool hypercall_is_answered(const struct kvm_run *run)
{
	return run->hypercall.ret == 0 || run->hypercall.ret == EINVAL ||
	       run->hypercall.ret == EAGAIN;
}

/* What KVM refuses before the vCPU runs; *ret_run is its shared page (NULL: not mapped). */
static MUST_USE int run_check(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	if (!vm->is_init || !vcpu->is_protected || vm->state != SIM_GUEST_RUNNING)
		return -EINVAL;
	if (vcpu->has_hypercall && vcpu->run != NULL && !hypercall_is_answered(vcpu->run))
		return -EINVAL;
	vcpu->has_hypercall = false;
	vcpu->has_run = true;
	return 0;
}

static MUST_USE int run_begin(int fd, struct thing *ret)
{
	int err = 0;

	(void)pthread_mutex_lock(&lock);
	*ret = thing_find(fd);
	if (ret->kind == THING_VCPU)
		err = run_check(ret->vm, ret->vcpu);
	(void)pthread_mutex_unlock(&lock);
	return err;
}

/* True: the exit was the guest's talk with the firmware and is answered; run on. */
static bool run_end(const struct thing *t, int err)
{
	bool is_ours = false;

	if (t->kind != THING_VCPU || t->vcpu->run == NULL || err < 0)
		return false;
	(void)pthread_mutex_lock(&lock);
	t->vcpu->has_hypercall = t->vcpu->run->exit_reason == KVM_EXIT_HYPERCALL;
	is_ours = sim_port_owns(t->vcpu->run);
	if (is_ours)
		sim_port_step(t->vm, t->vcpu->run);
	(void)pthread_mutex_unlock(&lock);
	return is_ours;
}

int fw_run(int vcpu_fd)
{
	struct thing t;
	int err = run_begin(vcpu_fd, &t);

	if (err < 0)
		return err;
	do
		err = host->run(vcpu_fd);
	while (run_end(&t, err));
	return err;
}

int fw_map_run(int vcpu_fd, size_t size, struct kvm_run **ret)
{
	struct kvm_run *run = NULL;
	int err = host->map_run(vcpu_fd, size, &run);

	if (err < 0)
		return err;
	(void)pthread_mutex_lock(&lock);
	struct thing t = thing_find(vcpu_fd);
	if (t.kind == THING_VCPU)
		t.vcpu->run = run;
	(void)pthread_mutex_unlock(&lock);
	*ret = run;
	return 0;
}

int fw_punch(int gmem_fd, uint64_t offset, uint64_t len)
{
	int err = -EBADF;

	(void)pthread_mutex_lock(&lock);
	struct thing t = thing_find(gmem_fd);
	if (t.kind == THING_GMEM)
		err = sim_vm_punch(t.vm, t.gmem, offset, len);
	(void)pthread_mutex_unlock(&lock);
	return err;
}

void fw_close(int fd)
{
	if (fd < 0)
		return;
	(void)pthread_mutex_lock(&lock);
	thing_forget(fd);
	(void)pthread_mutex_unlock(&lock);
	host->close(fd);
}

int sim_get_digest(int vm_fd, uint8_t ret[SNP_DIGEST_BYTES])
{
	int err = -EBADF;

	(void)pthread_mutex_lock(&lock);
	struct thing t = thing_find(vm_fd);
	if (t.kind == THING_VM) {
		memcpy(ret, t.vm->ld, SNP_DIGEST_BYTES);
		err = 0;
	}
	(void)pthread_mutex_unlock(&lock);
	return err;
}
