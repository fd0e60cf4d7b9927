/*
 * tdxkit: what tests of simulated trust domains need around them: a minted Intel machine, the fake
 *         KVM, a TD driven request by request as KVM documents them, memory, and a guest that talks
 *         through the guest port.
 *
 * Trust:   tests only.
 * Owns:    struct tdxkit owns everything in it.
 * Threads: one.
 */
#pragma once

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "sev/abi_kvm.h"
#include "sev/abi_tdx.h"
#include "sev/sim/sim_platform.h"
#include "sev/sim/sim_tdx_mint.h"
#include "tests/sim/fake_kvm.h"

#define TDXKIT_RAM_BYTES (8u << 20) /* at TDXKIT_RAM_GPA */
#define TDXKIT_RAM_GPA   0x800000ull
#define TDXKIT_ROM_BYTES (1u << 20) /* the last below 4 GiB, where firmware lies */
#define TDXKIT_ROM_GPA   0xFFF00000ull
#define TDXKIT_VCPUS_MAX 4u

/* Entries for INIT_VM, behind its head. */
struct tdxkit_init {
	struct abi_tdx_init_vm head;
	struct abi_tdx_cpuid entries[16];
};

struct tdxkit {
	struct sim_platform platform; /* its TDX part is a copy: the bytes are shared */
	const struct sim_tdx_minted *minted;
	bool is_real; /* over the machine's KVM */
	int kvm_fd;
	int sev_fd;
	int vm;
	int gmem;
	uint8_t *ram;
	uint8_t *rom;
	int vcpu[TDXKIT_VCPUS_MAX];
	unsigned int n_vcpus;
	struct kvm_run *run;    /* of vCPU 0 */
	struct abi_tdx_cmd cmd; /* the last command, as it came back */
};

/* A machine whose values the caller may change; minted once a process and quote version. */
void tdxkit_init(struct tdxkit *k, uint32_t quote_version);
/* Write the platform file and open the seam over the fake KVM. */
MUST_USE int tdxkit_open(struct tdxkit *k, struct why *why);
/* The same over the machine's own KVM; takes the descriptor. */
MUST_USE int tdxkit_open_kvm(struct tdxkit *k, int kvm_fd, struct why *why);
void tdxkit_done(struct tdxkit *k);

/* KVM_CREATE_VM of type 5 into k->vm: 0 or -errno. */
MUST_USE int tdxkit_vm(struct tdxkit *k);
/* KVM_ENABLE_CAP on the VM. */
MUST_USE int tdxkit_cap(const struct tdxkit *k, uint32_t cap, uint64_t arg);
/* KVM_MEMORY_ENCRYPT_OP on fd; k->cmd is what came back. */
MUST_USE int tdxkit_op(struct tdxkit *k, int fd, uint32_t id, uint32_t flags, const void *data);
/* What INIT_VM takes: SEPT_VE_DISABLE, XFAM 0xE7, an address width of 48. */
struct tdxkit_init tdxkit_init_arg(void);
/* INIT_VM, tried again while there is no entropy. */
MUST_USE int tdxkit_init_vm(struct tdxkit *k, const struct tdxkit_init *arg);
/* RAM and ROM as slots with private memory, marked private. */
MUST_USE int tdxkit_memory(struct tdxkit *k);
MUST_USE int tdxkit_attributes(
	const struct tdxkit *k, uint64_t gpa, uint64_t size, bool is_private);
/* KVM_CREATE_VCPU: 0 or -errno; the first one's run page is mapped. */
MUST_USE int tdxkit_vcpu(struct tdxkit *k);
MUST_USE int tdxkit_cpuid(const struct tdxkit *k, unsigned int vcpu, bool has_x2apic);
/* INIT_MEM_REGION of pages filled with byte, tried again until all are in. */
MUST_USE int tdxkit_region(
	struct tdxkit *k, uint64_t gpa, uint64_t pages, uint8_t byte, bool is_measured);
/* Everything up to and with FINALIZE_VM: one vCPU, the pages of vector V5. */
MUST_USE int tdxkit_launch(struct tdxkit *k);

/*
 * Run vCPU 0 as a guest that sends bytes and the command to the guest port, then halts:
 * fw_run()'s result, k->run holds the exit.
 */
MUST_USE int tdxkit_ask(struct tdxkit *k, uint8_t command, const void *bytes, size_t len);
/* The same with numbers, ended by the first that does not fit: n of them. */
MUST_USE int tdxkit_ask_numbers(
	struct tdxkit *k, uint8_t command, const uint64_t *numbers, size_t n);
/*
 * Run on to the guest's answer: status, and at most size bytes of it. fw_run()'s result; -EAGAIN:
 * the guest did not get one, another exit is in k->run.
 */
MUST_USE int tdxkit_answer(
	struct tdxkit *k, uint64_t *ret_status, void *buf, size_t size, uint32_t *ret_len);

/* The exit's part for TDX in k->run. */
struct abi_exit_tdx *tdxkit_exit(const struct tdxkit *k);
