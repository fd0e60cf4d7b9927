/*
 * sim_vm: a simulated encrypted VM: what KVM and the firmware would know about it, in front of a
 *         plain VM of the KVM underneath. Memory slots, guest_memfd and memory attributes are here;
 *         the launch is in sim_snp.
 *
 *         Private and shared view of a page are one memory in the simulator (the slot's shared
 *         mapping), because its guests run unencrypted. What real hardware forgets is erased:
 *         a page that is converted, and at the end of the launch every private page that the
 *         launch did not add.
 *
 * Trust:   requests come from the monitor, conversions from its guest.
 * Owns:    ranges and the guest port's answer; descriptors are the monitor's.
 * Threads: one at a time (sim_fw.c holds its lock).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "sev/abi_kvm.h"
#include "sev/abi_snp.h"
#include "sev/sim/sim_cpuid.h"
#include "sev/sim/sim_crypto.h"
#include "sev/sim/sim_guest_port.h"
#include "sev/sim/sim_host.h"
#include "sev/sim/sim_platform.h"
#include "sev/sim/sim_ranges.h"

#define SIM_VCPUS_MAX 64u /* more than any monitor of ours asks for */

/* Firmware's guest context. ABI 2.6. */
enum sim_guest_state {
	SIM_GUEST_NONE, /* no context yet: before LAUNCH_START */
	SIM_GUEST_LAUNCH,
	SIM_GUEST_RUNNING,
	SIM_GUEST_BROKEN, /* FINISH failed after the VMSAs were taken */
};

struct sim_gmem {
	int fd; /* -1: unused or closed */
	uint64_t size;
};

struct sim_slot {
	bool is_used;
	uint32_t slot;
	uint64_t gpa;
	uint64_t size;
	uint8_t *host;
	struct sim_gmem *gmem; /* NULL: a plain slot */
	uint64_t gmem_offset;
};

struct sim_vcpu {
	int fd;            /* -1: unused or closed */
	bool is_protected; /* its VMSA was measured */
	bool has_run;
	bool has_hypercall; /* the last run ended in one whose ret is to be checked */
	struct kvm_run *run;
};

/* The guest's conversation with the firmware. sim_guest_port.h. */
struct sim_port {
	uint8_t state;
	uint32_t n_in;
	uint8_t in[SIM_REQUEST_BYTES];
	uint32_t n_out;
	uint32_t at_out;
	uint8_t out[4 + 4 + SIM_REPORT_BYTES + 4 + SIM_TABLE_BYTES_MAX];
};

/* What every VM of one simulator shares. */
struct sim_machine {
	const struct sim_host *host;
	int kvm_fd;
	int sev_fd;    /* -1: no secure processor, nothing but plain VMs */
	uint8_t *file; /* the platform file */
	size_t file_len;
	struct sim_platform platform;
	struct sim_crypto crypto;
	struct sim_cpuid_profile cpuid;
	uint32_t n_guests; /* ASIDs in use */
	uint64_t seed;     /* state of the generator of early stops */
};

struct sim_vm {
	bool is_used;
	struct sim_machine *m;
	int fd;              /* -1: closed, but vCPUs or guest_memfds are still open */
	bool is_init;        /* INIT2 */
	bool has_hypercalls; /* EXIT_HYPERCALL is on */
	uint64_t features;   /* SEV_FEATURES of the VMSAs */
	uint32_t n_vcpus;    /* in index order */
	struct sim_vcpu vcpu[SIM_VCPUS_MAX];
	struct sim_gmem gmem[LIMIT_SIM_GMEMS];
	struct sim_slot slot[LIMIT_SIM_GMEMS];
	struct sim_ranges is_private;
	struct sim_ranges added; /* pages of the launch */

	enum sim_guest_state state;
	uint64_t policy;
	uint8_t ld[SNP_DIGEST_BYTES];
	uint8_t host_data[32];
	bool has_id_block;
	bool has_author_key;
	bool is_vcek_disabled;
	struct snp_id_block id_block;
	uint8_t id_key_digest[SNP_DIGEST_BYTES];
	uint8_t author_key_digest[SNP_DIGEST_BYTES];
	uint8_t report_id[32];
	struct snp_secrets_page secrets; /* never in memory the monitor maps: ABI 7.2.18 */
	struct sim_port port;
};

/* ABI 1.3: an inert descriptor, or -errno. */
MUST_USE int sim_vm_create_gmem(struct sim_vm *vm, const struct abi_guest_memfd *arg);

/* ABI 1.4, 7.1.4, for both requests; the slot is passed on to the KVM underneath. */
MUST_USE int sim_vm_set_region(struct sim_vm *vm, const struct abi_region2 *arg);

/* ABI 1.5, 7.1.6. */
MUST_USE int sim_vm_set_attributes(struct sim_vm *vm, const struct abi_attributes *arg);

/* fallocate(PUNCH_HOLE|KEEP_SIZE) on a guest_memfd. ABI 1.3. */
MUST_USE int sim_vm_punch(struct sim_vm *vm, struct sim_gmem *gmem, uint64_t offset, uint64_t len);

/* The guest_memfd was closed: its slots lose their private memory (ABI 1.3). */
void sim_vm_close_gmem(struct sim_vm *vm, struct sim_gmem *gmem);

/* The slot with a guest_memfd that holds gpa, or NULL. */
struct sim_slot *sim_vm_find_slot(struct sim_vm *vm, uint64_t gpa);

/* Erase every private page that was not added: the guest would find it unvalidated. */
void sim_vm_erase_rest(struct sim_vm *vm);
