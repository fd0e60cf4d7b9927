/*
 * Reaches what foreign bytes reach in the simulated secure processor: every command of the guest port
 * (sim_amd_port, sim_message, sim_report) with the monitor's answers to the exits, and the commands of
 * /dev/sev that take certificates and keys (sim_dev, sim_identity, sim_vlek, sim_ec), their pointers
 * replaced by buffers.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/rd.h"
#include "sev/fw.h"
#include "sev/sim/sim_guest_port.h"
#include "sev/sim/sim_identity.h"
#include "tests/fuzz/fuzz.h"
#include "tests/sim/simkit.h"

#define MEM_BYTES (1u << 20)

static struct world {
	struct kit kit;
	int vm, vcpu, gmem;
	struct kvm_run *run;
	uint8_t *mem;
	/* what the guest does */
	uint8_t command;
	const uint8_t *request;
	size_t n_request;
	unsigned int step;
} w;

static void must(bool is_true)
{
	if (!is_true)
		abort();
}

static int op(uint32_t id, void *arg)
{
	struct abi_sev_cmd cmd = {
		.id = id, .data = (uintptr_t)arg, .sev_fd = (uint32_t)w.kit.sev_fd
	};

	return fw_ioctl(w.vm, ABI_MEMORY_ENCRYPT_OP, &cmd);
}

/* One SNP guest, launched once for all inputs. */
static void world_make(void)
{
	struct abi_sev_init init = { 0 };
	struct abi_guest_memfd g = { .size = MEM_BYTES };
	struct abi_snp_start start = { .policy = 0x30000 };
	struct abi_snp_finish finish = { 0 };
	struct kvm_enable_cap cap = { .cap = ABI_CAP_EXIT_HYPERCALL,
		.args = { 1ull << ABI_HC_MAP_GPA_RANGE } };

	kit_init(&w.kit, SIM_MILAN, 3);
	must(kit_open(&w.kit, NULL) == 0);
	w.vm = fw_ioctl_int(w.kit.kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_SNP);
	must(w.vm >= 0 && op(ABI_SEV_INIT2, &init) == 0 &&
		op(ABI_SNP_ENABLE_REQ_CERTS, NULL) == 0 &&
		fw_ioctl(w.vm, KVM_ENABLE_CAP, &cap) == 0);
	w.mem = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	w.gmem = fw_ioctl(w.vm, ABI_CREATE_GUEST_MEMFD, &g);
	must(w.mem != MAP_FAILED && w.gmem >= 0);
	struct abi_region2 r = { .flags = ABI_MEM_GUEST_MEMFD,
		.memory_size = MEM_BYTES,
		.userspace_addr = (uintptr_t)w.mem,
		.guest_memfd = (uint32_t)w.gmem };
	struct abi_attributes a = { .size = MEM_BYTES, .attributes = ABI_MEMORY_ATTRIBUTE_PRIVATE };
	struct abi_snp_update secrets = {
		.gfn_start = 1, .uaddr = (uintptr_t)w.mem, .len = 4096, .type = SNP_PAGE_SECRETS
	};
	must(fw_ioctl(w.vm, ABI_SET_USER_MEMORY_REGION2, &r) == 0 &&
		fw_ioctl(w.vm, ABI_SET_MEMORY_ATTRIBUTES, &a) == 0);
	w.vcpu = kit_make_vcpu(w.kit.kvm_fd, w.vm, 0, 0, &w.run);
	must(w.vcpu >= 0 && op(ABI_SNP_LAUNCH_START, &start) == 0 &&
		op(ABI_SNP_LAUNCH_UPDATE, &secrets) == 0 &&
		op(ABI_SNP_LAUNCH_FINISH, &finish) == 0);
}

static int guest_step(struct kvm_run *run, void *owner)
{
	uint8_t *io = (uint8_t *)run + run->io.data_offset;
	uint64_t offset = run->io.data_offset;
	const struct {
		uint16_t port;
		uint8_t direction;
		uint32_t count;
	} rows[] = {
		{ SIM_PORT_CONTROL, KVM_EXIT_IO_OUT, 1 },
		{ SIM_PORT_DATA, KVM_EXIT_IO_OUT, (uint32_t)w.n_request },
		{ SIM_PORT_CONTROL, KVM_EXIT_IO_OUT, 1 },
		{ SIM_PORT_CONTROL, KVM_EXIT_IO_IN, 1 },
		{ SIM_PORT_DATA, KVM_EXIT_IO_IN, 4096 },
		{ SIM_PORT_DATA, KVM_EXIT_IO_IN, 4096 },
	};

	(void)owner;
	if (w.step >= ARRAY_LEN(rows)) {
		run->exit_reason = KVM_EXIT_HLT;
		return 0;
	}
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = rows[w.step].direction;
	run->io.size = 1;
	run->io.port = rows[w.step].port;
	run->io.count = rows[w.step].count;
	run->io.data_offset = offset;
	io[0] = w.step == 0 ? SIM_CMD_BEGIN : w.command;
	if (w.step == 1)
		memcpy(io, w.request, w.n_request);
	w.step++;
	return 0;
}

/* Command, the monitor's answer, the request. */
static void port_try(struct rd *r)
{
	uint64_t ret = rd_u8(r);
	unsigned int exits = 0;

	w.command = rd_u8(r);
	w.step = 0;
	w.n_request = MIN(r->left, (size_t)5000);
	w.request = rd_bytes(r, w.n_request);
	if (w.n_request == 0)
		return;
	fake_kvm_set_guest(guest_step, &w);
	for (int err = 0; exits < 8; exits++) {
		err = fw_run(w.vcpu);
		if (err == 0 && w.run->exit_reason == KVM_EXIT_HLT)
			break;
		struct abi_req_certs *e = (void *)((uint8_t *)w.run + ABI_RUN_UNION_AT);
		if (w.run->exit_reason == KVM_EXIT_HYPERCALL)
			w.run->hypercall.ret = exits > 2 ? 0 : ret;
		else if (w.run->exit_reason == ABI_EXIT_SNP_REQ_CERTS)
			e->ret = exits > 2 ? 0 : ret;
		else if (w.run->exit_reason == ABI_EXIT_MEMORY_FAULT) { /* as a monitor does */
			struct abi_memory_fault *f = (void *)e;
			struct abi_attributes a = {
				.address = f->gpa, .size = f->size, .attributes = f->flags
			};
			(void)!fw_ioctl(w.vm, ABI_SET_MEMORY_ATTRIBUTES, &a);
		}
	}
}

/* A command of /dev/sev: its numbers, and buffers that hold the rest. */
static void dev_try(struct rd *r)
{
	static uint8_t buf[2][16384];
	uint8_t arg[128] = { 0 };
	uint64_t addr = (uintptr_t)arg;
	struct abi_sev_issue issue = {
		.cmd = rd_u8(r) % 14u, .data_lo = (uint32_t)addr, .data_hi = (uint32_t)(addr >> 32)
	};
	uint32_t len = rd_le16(r);
	const uint64_t a = (uintptr_t)buf[0], b = (uintptr_t)buf[1];

	rd_copy(r, arg, MIN(r->left, (size_t)64));
	size_t n = MIN(r->left, sizeof buf);
	rd_copy(r, buf, n);
	switch (issue.cmd) {
	case 3:
	case 8:
		memcpy(arg, &a, 8);
		memcpy(arg + 8, &len, 4);
		break;
	case 5:
	case 6:
		memcpy(arg, &a, 8);
		memcpy(arg + 8, &len, 4);
		memcpy(arg + 12, &b, 8);
		memcpy(arg + 20, &len, 4);
		break;
	case 12:
		memcpy(arg + 8, &a, 8);
		break;
	default:
		break;
	}
	(void)!fw_ioctl(w.kit.sev_fd, ABI_SEV_ISSUE_CMD, &issue);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_of(data, size);

	if (w.mem == NULL)
		world_make();
	if (rd_u8(&r) % 2 == 0)
		port_try(&r);
	else
		dev_try(&r);
	return 0;
}
