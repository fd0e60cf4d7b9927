/*
 * The simulator's side of the seam (sev/fw.h): finds what a descriptor stands for and passes on what
 * is not simulated. One lock protects everything and is not held while a vCPU runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/wr.h"
#include "sev/abi_tdx.h"
#include "sev/fw.h"
#include "sev/sim/sim_dev.h"
#include "sev/sim/sim_kind.h"
#include "sev/sim/sim_port.h"
#include "sev/sim/sim_state.h"
#include "sev/sim/sim_vcpu.h"
#include "sev/sim/sim_vm.h"

/* In the order of what KVM_CAP_VM_TYPES says. */
static const struct sim_kind *const kinds[] = {
	&sim_kind_plain,
	&sim_kind_sev,
	&sim_kind_sev_es,
	&sim_kind_snp,
	&sim_kind_tdx,
};

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
	THING_OTHER, /* devices, descriptors of nobody: not simulated */
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
	if (fd == machine.sev_fd && machine.platform.has_sev)
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
	if (vm->kind->release != NULL)
		vm->kind->release(vm);
	sim_ranges_done(&vm->is_private);
	sim_ranges_done(&vm->added);
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

static MUST_USE int vm_create_kind(const struct sim_kind *kind)
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
	*vm = (struct sim_vm){ .is_used = true, .m = &machine, .kind = kind, .fd = fd };
	for (size_t i = 0; i < ARRAY_LEN(vm->gmem); i++)
		vm->gmem[i].fd = -1;
	sim_port_init(&vm->port);
	int err = kind->create != NULL ? kind->create(vm) : 0;
	if (err < 0) {
		vm->is_used = false;
		host->close(fd);
		return err;
	}
	return fd;
}

static MUST_USE int vm_create(unsigned long type)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i]->vm_type == type && kinds[i]->is_offered(&machine))
			return vm_create_kind(kinds[i]);
	return -EINVAL;
}

static int types_mask(void)
{
	int mask = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i]->is_offered(&machine))
			mask |= 1 << kinds[i]->vm_type;
	return mask;
}

/* Has this VM private memory, or (NULL) could one have? */
static bool has_gmem(const struct sim_vm *vm)
{
	bool any = false;

	if (vm != NULL)
		return vm->kind->has_gmem;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		any = any || (kinds[i]->has_gmem && kinds[i]->is_offered(&machine));
	return any;
}

/* ABI 1.2. vm is NULL for /dev/kvm itself. */
static MUST_USE int cap_check(const struct sim_vm *vm, unsigned long cap)
{
	switch (cap) {
	case ABI_CAP_VM_TYPES:
		return types_mask();
	case ABI_CAP_EXIT_HYPERCALL:
		return 1 << ABI_HC_MAP_GPA_RANGE;
	case ABI_CAP_USER_MEMORY2:
	case ABI_CAP_MEMORY_FAULT_INFO:
		return has_gmem(NULL);
	case ABI_CAP_GUEST_MEMFD:
	case ABI_CAP_PRE_FAULT_MEMORY:
		return has_gmem(vm);
	case ABI_CAP_MEMORY_ATTRIBUTES:
		return has_gmem(vm) ? (int)ABI_MEMORY_ATTRIBUTE_PRIVATE : 0;
	case ABI_CAP_GUEST_MEMFD_FLAGS:
	case KVM_CAP_VM_COPY_ENC_CONTEXT_FROM: /* not simulated */
	case KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM:
		return 0;
	case ABI_CAP_X86_APIC_BUS_CYCLES_NS:
		return machine.platform.tdx.is_present ? 1 : SIM_BELOW;
	case KVM_CAP_MULTI_ADDRESS_SPACE: /* none for SMM where memory is private: ABI 1.4 */
		return vm != NULL && vm->kind->has_gmem ? 1 : SIM_BELOW;
	case KVM_CAP_X86_SMM:
	case KVM_CAP_READONLY_MEM:
	case KVM_CAP_SYNC_REGS:
		return vm != NULL && vm->kind->has_sealed ? 0 : SIM_BELOW;
	default:
		return SIM_BELOW;
	}
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
	else if (a->attr == ABI_X86_SNP_REQ_CERTS &&
		 (machine.platform.flags & SIM_FLAG_NO_CERTS) == 0)
		value = 1;
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
		return cap_check(NULL, arg);
	case KVM_GET_DEVICE_ATTR:
	case KVM_HAS_DEVICE_ATTR:
		if (machine.platform.has_sev && a->group == ABI_X86_GRP_SEV)
			return attr_get(a, request == KVM_GET_DEVICE_ATTR);
		return SIM_BELOW;
	default:
		return SIM_BELOW;
	}
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
	int ret = vm->kind->vm_ioctl(vm, request, arg);

	if (ret != SIM_PASS)
		return ret;
	switch (request) {
	case KVM_CHECK_EXTENSION:
		return cap_check(vm, arg);
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
		return -ENOTTY;
	default:
		return SIM_BELOW;
	}
}

/* --- the seam ------------------------------------------------------------------------------ */

/* With the lock held: a value, -errno, SIM_PASS (a vCPU: sim_vcpu_ioctl()) or SIM_BELOW. */
static MUST_USE int thing_ioctl(const struct thing *t, unsigned long request, unsigned long arg)
{
	switch (t->kind) {
	case THING_KVM:
		return kvm_ioctl(request, arg);
	case THING_SEV:
		return sim_dev_ioctl(&machine, request, arg);
	case THING_VM:
		return vm_ioctl(t->vm, request, arg);
	case THING_VCPU:
		if (request == KVM_SET_GUEST_DEBUG && arg != 0)
			t->vcpu->is_debugged = (*(const uint32_t *)arg & KVM_GUESTDBG_ENABLE) != 0;
		return t->vm->kind->vcpu_ioctl != NULL
			       ? t->vm->kind->vcpu_ioctl(t->vm, t->vcpu, request, arg)
			       : SIM_PASS;
	case THING_GMEM:
		return -ENOTTY;
	case THING_OTHER:
		break;
	}
	return SIM_BELOW;
}

/* The script's errno for a call of the seam, or 0. */
static int fault_step(enum sim_command call)
{
	return -(int)(sim_script_step(&machine.platform.script, call) & ~SIM_FAULT_ERRNO);
}

/* What the launch came to, for who compares it with a prediction (tests/referee). */
static void launch_say(const struct sim_vm *vm)
{
	uint8_t digest[SNP_DIGEST_BYTES] = { 0 };
	char hex[2 * sizeof digest + 1];

	if (vm->kind->digest == NULL)
		return;
	vm->kind->digest(vm, digest);
	wr_hex_str(hex, sizeof hex, digest, sizeof digest);
	log_info("simulator: launched, digest %s", hex);
}

static MUST_USE int sim_ioctl(int fd, unsigned long request, unsigned long arg)
{
	struct sim_vcpu vcpu = { .fd = -1 };

	(void)pthread_mutex_lock(&lock);
	struct thing t = thing_find(fd);
	bool was_launched = t.vm != NULL && t.vm->is_launched;
	int ret = fault_step(SIM_IOCTL);
	if (ret == 0)
		ret = thing_ioctl(&t, request, arg);
	if (t.vm != NULL && t.vm->is_launched && !was_launched)
		launch_say(t.vm);
	if (ret == SIM_PASS && request == ABI_PRE_FAULT_MEMORY)
		ret = sim_vm_prefault(t.vm, (void *)arg);
	if (t.kind == THING_VCPU)
		vcpu = *t.vcpu;
	(void)pthread_mutex_unlock(&lock);
	/* Without the lock: an ioctl waits while its vCPU runs. */
	if (ret == SIM_PASS)
		return sim_vcpu_ioctl(host, &vcpu, request, arg);
	return ret == SIM_BELOW ? host->ioctl(fd, request, arg) : ret;
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
	if (err == 0 && m->platform.has_sev)
		err = sim_crypto_init(&m->crypto, &m->platform, why);
	if (err == 0 && m->platform.has_sev)
		err = sim_identity_load(&m->identity, m->platform.identity.p, why);
	if (err == 0 && m->platform.has_sev)
		err = sim_cpuid_load(&m->cpuid, m->host, m->kvm_fd, why);
	sim_cpuid_set_part(&m->cpuid, m->platform.fms);
	return err;
}

/* CAP_IPC_LOCK counts in the first user namespace only; whoever cannot see that it is in it is not. */
static bool may_lock_any(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = { 0 };
	uint8_t *map = NULL;
	size_t len = 0;
	unsigned int inside = 1, outside = 1, n = 0;

	if (syscall(SYS_capget, &head, caps) < 0 || (caps[0].effective & 1u << CAP_IPC_LOCK) == 0 ||
		fd_read_path("/proc/self/uid_map", PAGE_BYTES, &map, &len, NULL) < 0)
		return false;
	bool is_first = sscanf((const char *)map, "%u %u %u", &inside, &outside, &n) == 3 &&
			inside == 0 && outside == 0 && n == UINT32_MAX;
	free(map);
	return is_first;
}

/* What KVM would let this process pin. ABI 2.5. */
static uint64_t memlock_read(const struct sim_platform *p)
{
	struct rlimit limit = { .rlim_cur = 0 };

	if (p->memlock_bytes != 0)
		return p->memlock_bytes;
	if (may_lock_any())
		return UINT64_MAX;
	return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? limit.rlim_cur : 0;
}

static void machine_done(struct sim_machine *m)
{
	sim_crypto_done(&m->crypto);
	sim_identity_done(&m->identity);
	sim_ec_free(m->vlek);
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
		m.memlock_bytes = memlock_read(&m.platform);
		m.is_sev_writable = (fcntl(sev_fd, F_GETFL) & O_ACCMODE) == O_RDWR;
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

/* What KVM refuses before the vCPU runs; or SIM_RUN_EXIT. */
static MUST_USE int run_check(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	int err = vm->kind->run_check(vm, vcpu);

	if (err < 0)
		return err;
	if (vcpu->has_hypercall && vcpu->run != NULL && err != SIM_RUN_EXIT &&
		!hypercall_is_answered(vcpu->run))
		return -EINVAL;
	vcpu->has_hypercall = err == SIM_RUN_EXIT && vcpu->run->exit_reason == KVM_EXIT_HYPERCALL;
	vcpu->has_run = true;
	return err;
}

static MUST_USE int run_begin(int fd, struct thing *ret)
{
	int err = 0;

	(void)pthread_mutex_lock(&lock);
	*ret = thing_find(fd);
	err = fault_step(SIM_RUN);
	if (err == 0 && ret->kind == THING_VCPU)
		err = run_check(ret->vm, ret->vcpu);
	(void)pthread_mutex_unlock(&lock);
	return err;
}

/* What KVM_RUN gives; SIM_RUN_ON: the exit was the guest's talk with the simulator, go on. */
static MUST_USE int run_end(const struct thing *t, int err)
{
	int ret = 0;

	if (t->kind != THING_VCPU || t->vcpu->run == NULL || err < 0)
		return err;
	(void)pthread_mutex_lock(&lock);
	if (t->vm->kind->run_end != NULL)
		ret = t->vm->kind->run_end(t->vm, t->vcpu);
	t->vcpu->has_hypercall = ret == 0 && t->vcpu->run->exit_reason == KVM_EXIT_HYPERCALL;
	(void)pthread_mutex_unlock(&lock);
	return ret == 0 ? err : ret;
}

int fw_run(int vcpu_fd)
{
	struct thing t;
	int err = run_begin(vcpu_fd, &t);

	if (err < 0)
		return err;
	if (err == SIM_RUN_EXIT)
		return 0;
	do
		err = run_end(&t, host->run(vcpu_fd));
	while (err == SIM_RUN_ON);
	return err;
}

static MUST_USE int fault_check(enum sim_command call)
{
	(void)pthread_mutex_lock(&lock);
	int err = fault_step(call);
	(void)pthread_mutex_unlock(&lock);
	return err;
}

int fw_map_run(int vcpu_fd, size_t size, struct kvm_run **ret)
{
	struct kvm_run *run = NULL;
	int err = fault_check(SIM_MAP_RUN);

	if (err == 0)
		err = host->map_run(vcpu_fd, size, &run);
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
	(void)pthread_mutex_lock(&lock);
	struct thing t = thing_find(gmem_fd);
	int err = fault_step(SIM_PUNCH);
	if (err == 0)
		err = t.kind == THING_GMEM ? sim_vm_punch(t.vm, t.gmem, offset, len) : -EBADF;
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
	if (t.kind == THING_VM && t.vm->kind->digest != NULL) {
		t.vm->kind->digest(t.vm, ret);
		err = 0;
	}
	(void)pthread_mutex_unlock(&lock);
	return err;
}

static bool vm_has_private_memory(const struct sim_vm *vm, const uint8_t *first, const uint8_t *end)
{
	for (size_t i = 0; i < ARRAY_LEN(vm->slot); i++) {
		const struct sim_slot *s = &vm->slot[i];
		uint64_t until;
		if (!s->is_used || s->gmem == NULL)
			continue;
		const uint8_t *from = MAX(first, s->host);
		const uint8_t *to = MIN(end, s->host + s->size);
		if (from >= to)
			continue;
		uint64_t gpa = s->gpa + (uint64_t)(from - s->host);
		bool is_private = sim_ranges_get(&vm->is_private, gpa, &until);
		if (is_private || until < gpa + (uint64_t)(to - from))
			return true;
	}
	return false;
}

bool sim_is_private_memory(const void *p, size_t len)
{
	bool found = false;

	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < ARRAY_LEN(vms); i++)
		found = found || (vms[i].is_used && vm_has_private_memory(
							    &vms[i], p, (const uint8_t *)p + len));
	(void)pthread_mutex_unlock(&lock);
	return found;
}
