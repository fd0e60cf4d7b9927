/*
 * simkit: what tests of sev and of the simulator need around them: a platform file, the fake KVM,
 *         guest memory, a vCPU in QEMU's reset state, ID blocks, a guest that asks for its report.
 *
 * Trust:   tests only.
 * Owns:    struct kit owns everything in it.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sev/abi_kvm.h"
#include "sev/abi_snp.h"
#include "sev/guest.h"
#include "sev/sim/sim_mint.h"
#include "tests/sim/fake_kvm.h"

struct kit {
	struct sim_minted minted; /* a copy: the bytes belong to kit_init() */
	int kvm_fd;
	int sev_fd;
	struct guest *guest;
	uint8_t *ram[4]; /* by slot */
	uint64_t ram_size[4];
	unsigned int n_ram;
	int vcpu[8];
	unsigned int n_vcpus;
	struct kvm_run *run;
};

/* A platform whose values the caller may change; its chain is made once a process, to be quick. */
void kit_init(struct kit *k, enum sim_product product, uint32_t report_version);

/* Write the platform file and open the seam over the fake KVM. */
MUST_USE int kit_open(struct kit *k, struct why *why);

/* Zeroed guest memory, as a shared mapping, in the guest's next slot. */
MUST_USE int kit_add_memory(struct kit *k, uint64_t gpa, uint64_t size, struct why *why);

/* A vCPU in the state QEMU gives its first one (ABI 2.9), with this RDX. Its descriptor or -errno. */
MUST_USE int kit_add_vcpu(struct kit *k, uint64_t rdx);

/* The same for a VM of the caller's own; the caller closes it. *ret_run is mapped for good. */
MUST_USE int kit_make_vcpu(
	int kvm_fd, int vm_fd, unsigned int id, uint64_t rdx, struct kvm_run **ret_run);

void kit_done(struct kit *k);

/* What the guest asked and what came back. */
struct kit_answer {
	uint32_t status;
	struct snp_report report;
	uint32_t table_len;
	uint8_t table[16384];
};

/* Run vCPU 0 as a guest that sends these len bytes through the guest port. fw_run()'s result. */
MUST_USE int kit_ask(struct kit *k, const void *request, size_t len, struct kit_answer *ret);

/* Is the report signed by the key in the platform's VCEK certificate? Plain OpenSSL. */
bool kit_is_signed(const struct kit *k, const struct snp_report *report);

/* An ID block for this launch, signed by a fresh ID key, that by a fresh author key. */
void kit_make_id(const uint8_t ld[48], uint64_t policy, struct snp_id_block *block,
	struct snp_id_auth *auth);
