#include "tests/sim/tdxkit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/limits.h"
#include "sev/fw.h"
#include "sev/sim/sim_guest_port.h"

#define TRIES_MAX 10000 /* QEMU's patience: ABI 4.3 */

/* A test program without its machine has nothing to say. */
static void must(bool is_true)
{
	if (!is_true)
		abort();
}

void tdxkit_init(struct tdxkit *k, uint32_t quote_version)
{
	static struct sim_tdx_minted made[2];
	struct sim_tdx_minted *m = &made[quote_version == 5];

	if (m->bytes[0] == NULL)
		must(sim_tdx_mint(m, quote_version, NULL) == 0);
	*k = (struct tdxkit){ .minted = m, .kvm_fd = -1, .sev_fd = -1, .vm = -1, .gmem = -1 };
	k->platform.tdx = m->platform;
}

static void file_make(struct tdxkit *k)
{
	static uint8_t file[LIMIT_SIM_PLATFORM_BYTES];
	size_t len = 0;

	must(sim_platform_print(&k->platform, file, sizeof file, &len) == 0);
	k->sev_fd = memfd_create("platform", MFD_CLOEXEC);
	must(k->sev_fd >= 0 && fd_pwrite_all(k->sev_fd, file, len, 0) == 0);
}

int tdxkit_open_kvm(struct tdxkit *k, int kvm_fd, struct why *why)
{
	file_make(k);
	sim_set_host(NULL);
	k->kvm_fd = kvm_fd;
	k->is_real = true;
	return fw_open(k->kvm_fd, k->sev_fd, why);
}

int tdxkit_open(struct tdxkit *k, struct why *why)
{
	file_make(k);
	sim_set_host(&fake_kvm);
	k->kvm_fd = fake_kvm_open();
	return fw_open(k->kvm_fd, k->sev_fd, why);
}

void tdxkit_done(struct tdxkit *k)
{
	for (unsigned int i = 0; i < k->n_vcpus; i++)
		fw_close(k->vcpu[i]);
	fw_close(k->gmem);
	fw_close(k->vm);
	if (k->ram != NULL)
		(void)munmap(k->ram, TDXKIT_RAM_BYTES + TDXKIT_ROM_BYTES);
	fd_drop(&k->sev_fd);
	if (k->kvm_fd >= 0)
		fake_kvm.close(k->kvm_fd);
	k->kvm_fd = -1;
}

int tdxkit_vm(struct tdxkit *k)
{
	int fd = fw_ioctl_int(k->kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_TDX);

	if (fd >= 0)
		k->vm = fd;
	return fd < 0 ? fd : 0;
}

int tdxkit_cap(const struct tdxkit *k, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	return fw_ioctl(k->vm, KVM_ENABLE_CAP, &c);
}

int tdxkit_op(struct tdxkit *k, int fd, uint32_t id, uint32_t flags, const void *data)
{
	k->cmd = (struct abi_tdx_cmd){ .id = id, .flags = flags, .data = (uintptr_t)data };
	return fw_ioctl(fd, ABI_MEMORY_ENCRYPT_OP, &k->cmd);
}

struct tdxkit_init tdxkit_init_arg(void)
{
	struct tdxkit_init a = {
		.head = { .attributes = ABI_TDX_ATTR_SEPT_VE_DISABLE, .xfam = 0xE7, .nent = 1 },
		.entries = { { .function = 0x80000008, .eax = 48u << 16 } },
	};

	memset(a.head.mrconfigid, 0xC1, sizeof a.head.mrconfigid);
	memset(a.head.mrowner, 0xC2, sizeof a.head.mrowner);
	memset(a.head.mrownerconfig, 0xC3, sizeof a.head.mrownerconfig);
	return a;
}

int tdxkit_init_vm(struct tdxkit *k, const struct tdxkit_init *arg)
{
	int err = -EAGAIN;

	for (int i = 0; i < TRIES_MAX && err == -EAGAIN; i++)
		err = tdxkit_op(k, k->vm, ABI_TDX_INIT_VM, 0, arg);
	return err;
}

int tdxkit_attributes(const struct tdxkit *k, uint64_t gpa, uint64_t size, bool is_private)
{
	struct abi_attributes a = {
		.address = gpa,
		.size = size,
		.attributes = is_private ? ABI_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	return fw_ioctl(k->vm, ABI_SET_MEMORY_ATTRIBUTES, &a);
}

static MUST_USE int slot_add(
	const struct tdxkit *k, uint32_t slot, uint64_t gpa, uint64_t size, uint64_t offset)
{
	struct abi_region2 r = {
		.slot = slot,
		.flags = ABI_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)(k->ram + offset),
		.guest_memfd_offset = offset,
		.guest_memfd = (uint32_t)k->gmem,
	};
	int err = fw_ioctl(k->vm, ABI_SET_USER_MEMORY_REGION2, &r);

	return err < 0 ? err : tdxkit_attributes(k, gpa, size, true);
}

int tdxkit_memory(struct tdxkit *k)
{
	struct abi_guest_memfd g = { .size = TDXKIT_RAM_BYTES + TDXKIT_ROM_BYTES };
	void *p = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	k->ram = p;
	k->rom = k->ram + TDXKIT_RAM_BYTES;
	k->gmem = fw_ioctl(k->vm, ABI_CREATE_GUEST_MEMFD, &g);
	if (k->gmem < 0)
		return k->gmem;
	int err = slot_add(k, 0, TDXKIT_RAM_GPA, TDXKIT_RAM_BYTES, 0);
	return err < 0 ? err : slot_add(k, 1, TDXKIT_ROM_GPA, TDXKIT_ROM_BYTES, TDXKIT_RAM_BYTES);
}

int tdxkit_vcpu(struct tdxkit *k)
{
	int fd = fw_ioctl_int(k->vm, KVM_CREATE_VCPU, k->n_vcpus);

	if (fd < 0)
		return fd;
	must(k->n_vcpus < TDXKIT_VCPUS_MAX);
	if (k->n_vcpus == 0)
		must(fw_map_run(fd, (size_t)fw_ioctl_int(k->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0),
			     &k->run) == 0);
	k->vcpu[k->n_vcpus++] = fd;
	return 0;
}

int tdxkit_cpuid(const struct tdxkit *k, unsigned int vcpu, bool has_x2apic)
{
	static union {
		struct kvm_cpuid2 head;
		uint8_t room[sizeof(struct kvm_cpuid2) + 256 * sizeof(struct kvm_cpuid_entry2)];
	} table;
	union fake_cpuid fake;

	fake_kvm_cpuid(&fake);
	memcpy(table.room, fake.room, sizeof fake);
	if (k->is_real) {
		table.head.nent = 256;
		must(fw_ioctl(k->kvm_fd, KVM_GET_SUPPORTED_CPUID, &table.head) == 0);
	}
	for (uint32_t i = 0; i < table.head.nent; i++)
		if (table.head.entries[i].function == 1) {
			table.head.entries[i].ecx &= ~(1u << 21);
			table.head.entries[i].ecx |= has_x2apic ? 1u << 21 : 0;
		}
	return fw_ioctl(k->vcpu[vcpu], KVM_SET_CPUID2, &table.head);
}

int tdxkit_region(struct tdxkit *k, uint64_t gpa, uint64_t pages, uint8_t byte, bool is_measured)
{
	size_t len = (size_t)pages * 4096;
	uint8_t *source = aligned_alloc(4096, len);
	int err = -EAGAIN;

	must(source != NULL);
	memset(source, byte, len);
	struct abi_tdx_mem_region r = { (uintptr_t)source, gpa, pages };
	for (int i = 0; i < TRIES_MAX && (err == -EAGAIN || err == -EBUSY || err == -EINTR); i++)
		err = tdxkit_op(k, k->vcpu[0], ABI_TDX_INIT_MEM_REGION,
			is_measured ? ABI_TDX_MEASURE_REGION : 0, &r);
	must(err != 0 || r.nr_pages == 0);
	free(source);
	return err;
}

int tdxkit_launch(struct tdxkit *k)
{
	struct tdxkit_init arg = tdxkit_init_arg();
	int err = tdxkit_vm(k);

	if (err == 0)
		err = tdxkit_cap(k, KVM_CAP_SPLIT_IRQCHIP, 24);
	if (err == 0)
		err = tdxkit_cap(k, ABI_CAP_EXIT_HYPERCALL, 1u << ABI_HC_MAP_GPA_RANGE);
	if (err == 0)
		err = tdxkit_init_vm(k, &arg);
	if (err == 0)
		err = tdxkit_memory(k);
	if (err == 0)
		err = tdxkit_vcpu(k);
	if (err == 0)
		err = tdxkit_cpuid(k, 0, true);
	if (err == 0)
		err = tdxkit_op(k, k->vcpu[0], ABI_TDX_INIT_VCPU, 0, NULL);
	if (err == 0)
		err = tdxkit_region(k, 0xFFFFF000, 1, 0xF4, true);
	if (err == 0)
		err = tdxkit_region(k, 0x809000, 1, 0, false);
	return err == 0 ? tdxkit_op(k, k->vm, ABI_TDX_FINALIZE_VM, 0, NULL) : err;
}

/* --- the guest -------------------------------------------------------------------------------- */

/* One access to a port, as the guest makes them one after the other. */
struct access {
	uint16_t port;
	bool is_in;
	uint8_t *at;
	uint32_t count;
};

static struct {
	struct access access[8];
	unsigned int n, i;
	uint32_t data_offset;
} script;

/* KVM completes an IN on the next KVM_RUN, so the bytes are taken when the guest runs again. */
static int guest_step(struct kvm_run *run, void *owner)
{
	uint8_t *io = (uint8_t *)run + script.data_offset;

	(void)owner;
	if (script.i > 0 && script.access[script.i - 1].is_in)
		memcpy(script.access[script.i - 1].at, io, script.access[script.i - 1].count);
	if (script.i == script.n) {
		run->exit_reason = KVM_EXIT_HLT;
		return 0;
	}
	const struct access *a = &script.access[script.i++];
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = a->is_in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = 1;
	run->io.port = a->port;
	run->io.count = a->count;
	run->io.data_offset = script.data_offset;
	if (!a->is_in)
		memcpy(io, a->at, a->count);
	return 0;
}

static void say(uint16_t port, bool is_in, void *at, size_t count)
{
	must(script.n < ARRAY_LEN(script.access));
	script.access[script.n++] = (struct access){ port, is_in, at, (uint32_t)count };
}

static void script_begin(void)
{
	script.n = script.i = 0;
	script.data_offset = 4096;
	fake_kvm_set_guest(guest_step, NULL);
}

int tdxkit_ask(struct tdxkit *k, uint8_t command, const void *bytes, size_t len)
{
	static uint8_t begin = SIM_CMD_BEGIN, last, copy[256];

	must(len <= sizeof copy);
	last = command;
	if (len > 0)
		memcpy(copy, bytes, len);
	script_begin();
	say(SIM_PORT_CONTROL, false, &begin, 1);
	if (len > 0)
		say(SIM_PORT_DATA, false, copy, len);
	say(SIM_PORT_CONTROL, false, &last, 1);
	return fw_run(k->vcpu[0]);
}

int tdxkit_ask_numbers(struct tdxkit *k, uint8_t command, const uint64_t *numbers, size_t n)
{
	return tdxkit_ask(k, command, numbers, n * sizeof *numbers);
}

int tdxkit_answer(struct tdxkit *k, uint64_t *ret_status, void *buf, size_t size, uint32_t *ret_len)
{
	static uint8_t bytes[2048], state;
	le64 status;
	le32 len;

	script_begin();
	say(SIM_PORT_CONTROL, true, &state, 1);
	say(SIM_PORT_DATA, true, (uint8_t *)&status, sizeof status);
	say(SIM_PORT_DATA, true, (uint8_t *)&len, sizeof len);
	int err = fw_run(k->vcpu[0]);
	if (err < 0)
		return err;
	if (script.i < script.n || k->run->exit_reason != KVM_EXIT_HLT)
		return -EAGAIN;
	must(state == SIM_STATE_READY && le32_get(len) <= sizeof bytes);
	script_begin();
	say(SIM_PORT_DATA, true, bytes, sizeof bytes);
	err = fw_run(k->vcpu[0]);
	must(err == 0);
	*ret_status = le64_get(status);
	if (ret_len != NULL)
		*ret_len = le32_get(len);
	if (buf != NULL)
		memcpy(buf, bytes, MIN(size, sizeof bytes));
	return 0;
}

struct abi_exit_tdx *tdxkit_exit(const struct tdxkit *k)
{
	return (void *)((uint8_t *)k->run + ABI_RUN_UNION_AT);
}
