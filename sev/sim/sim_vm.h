/*
 * sim_vm: a simulated VM: what KVM would know about it, in front of a plain VM of the KVM
 *         underneath. Memory slots, guest_memfd and memory attributes are here; the launch is the
 *         business of its kind (sim_kind.h), which keeps a state of its own.
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
#include "sev/sim/sim_identity.h"
#include "sev/sim/sim_platform.h"
#include "sev/sim/sim_ranges.h"

#define SIM_VCPUS_MAX 64u /* more than any monitor of ours asks for */

struct sim_gmem {
	int fd; /* -1: unused or closed */
	uint64_t size;
};

struct sim_slot {
	bool is_used;
	uint32_t slot;
	uint64_t gpa;
	uint64_t size;
	uint32_t flags;
	uint8_t *host;
	struct sim_gmem *gmem; /* NULL: a plain slot */
	uint64_t gmem_offset;
};

/* What an AMD guest waits for, that the monitor is to do. */
enum sim_pending {
	SIM_PENDING_NOTHING,
	SIM_PENDING_CERTS,   /* KVM_EXIT_SNP_REQ_CERTS */
	SIM_PENDING_CONVERT, /* KVM_EXIT_HYPERCALL */
	SIM_PENDING_TOUCH,   /* KVM_EXIT_MEMORY_FAULT */
};

/* What an SNP vCPU runs with. */
enum sim_vmsa {
	SIM_VMSA_LAUNCHED, /* the one that was measured */
	SIM_VMSA_GUEST,    /* one the guest made, at vmsa_gpa */
	SIM_VMSA_NONE,     /* AP DESTROY */
};

struct sim_vcpu {
	int fd;            /* -1: unused or closed */
	bool is_debugged;  /* KVM_SET_GUEST_DEBUG is on */
	bool is_protected; /* its registers are sealed */
	bool has_run;
	bool has_hypercall; /* the last run ended in one whose ret is to be checked */
	struct kvm_run *run;
	enum sim_pending pending;
	uint64_t touch_gpa;
	bool touch_is_private;
	enum sim_vmsa vmsa;
	uint64_t vmsa_gpa;
};

/* The guest's conversation with the firmware. sim_guest_port.h. */
struct sim_port {
	uint8_t state;
	uint32_t n_in;
	uint8_t in[SIM_MESSAGE_MAX];
	uint32_t n_out;
	uint32_t at_out;
	uint8_t out[4 + 4 + SIM_REPORT_BYTES + 4 + SIM_TABLE_BYTES_MAX];
};

#define SIM_MASK_CHIP_ID  1u
#define SIM_MASK_CHIP_KEY 2u

enum sim_asid { SIM_ASID_SEV, SIM_ASID_ES, SIM_ASID_SNP, SIM_ASID_COUNT };

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
	struct sim_identity identity;
	uint64_t memlock_bytes;           /* of registered memory; UINT64_MAX: any */
	bool is_sev_reset;                /* FACTORY_RESET, and nothing since */
	void *vlek;                       /* the key that VLEK_LOAD brought, or NULL */
	uint32_t snp_masks;               /* SIM_MASK_... of SNP_SET_CONFIG */
	bool is_sev_writable;             /* sev_fd is open for writing */
	bool is_psp_dead;                 /* a command timed out: ABI 7.2.15 */
	uint32_t n_asids[SIM_ASID_COUNT]; /* in use */
	struct sim_sev *guests;           /* contexts of SEV and SEV-ES in the firmware */
	uint32_t n_handles;               /* given to them, ever */
	uint64_t seed;                    /* state of the generator of early stops */
};

/* struct kvm_pre_fault_memory. ABI 1.6. */
struct sim_prefault {
	uint64_t gpa;
	uint64_t size;
	uint64_t flags;
	uint64_t padding[5];
};
WIRE_SIZE(struct sim_prefault, 64);

struct sim_kind;

struct sim_vm {
	bool is_used;
	struct sim_machine *m;
	const struct sim_kind *kind;
	int fd;              /* -1: closed, but vCPUs or guest_memfds are still open */
	bool has_hypercalls; /* EXIT_HYPERCALL is on */
	bool is_launched;    /* the launch is over and was good: vCPUs may run */
	uint32_t n_vcpus;    /* in index order */
	struct sim_vcpu vcpu[SIM_VCPUS_MAX];
	struct sim_gmem gmem[LIMIT_SIM_GMEMS];
	struct sim_slot slot[LIMIT_SIM_SLOTS];
	struct sim_ranges is_private;
	struct sim_ranges added; /* pages of the launch */
	struct sim_port port;    /* of the kinds that use it */

	/* The state of its kind, from create() to release(); the others are NULL. */
	struct sim_snp *snp;
	struct sim_sev *sev;
	struct sim_tdx *tdx;
};

/* ABI 1.3: an inert descriptor, or -errno. */
MUST_USE int sim_vm_create_gmem(struct sim_vm *vm, const struct abi_guest_memfd *arg);

/* ABI 1.4, 7.1.4, for both requests; the slot is passed on to the KVM underneath. */
MUST_USE int sim_vm_set_region(struct sim_vm *vm, const struct abi_region2 *arg);

/* ABI 1.5, 7.1.6. */
MUST_USE int sim_vm_set_attributes(struct sim_vm *vm, const struct abi_attributes *arg);

/* ABI 1.6: KVM_PRE_FAULT_MEMORY: some pages, at random all of them. */
MUST_USE int sim_vm_prefault(struct sim_vm *vm, struct sim_prefault *arg);

/* fallocate(PUNCH_HOLE|KEEP_SIZE) on a guest_memfd. ABI 1.3. */
MUST_USE int sim_vm_punch(struct sim_vm *vm, struct sim_gmem *gmem, uint64_t offset, uint64_t len);

/* The guest_memfd was closed: its slots lose their private memory (ABI 1.3). */
void sim_vm_close_gmem(struct sim_vm *vm, struct sim_gmem *gmem);

/* The slot with a guest_memfd that holds gpa, or NULL. */
struct sim_slot *sim_vm_find_slot(struct sim_vm *vm, uint64_t gpa);

/* Erase every private page that was not added: the guest would find it unvalidated. */
void sim_vm_erase_rest(struct sim_vm *vm);
