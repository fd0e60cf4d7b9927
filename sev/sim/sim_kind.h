/*
 * sim_kind: what one kind of simulated VM does its own way, a row of functions a kind. sim_fw.c asks
 *           the kind first and does itself what the kind passes on (SIM_PASS): memory slots,
 *           guest_memfd, attributes, vCPU creation, EXIT_HYPERCALL, sealed registers, prefaulting;
 *           what nobody simulates goes to the KVM underneath.
 *
 * Trust:   requests come from the monitor, pointers other than NULL are believed.
 * Owns:    nothing; a kind's own state hangs in struct sim_vm, from create() to release().
 * Threads: one at a time (sim_fw.c holds its lock), in every function.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "sev/sim/sim_vm.h"

/* No values and no errnos: "as all kinds do", and "ask the KVM underneath" (without the lock). */
#define SIM_PASS     INT_MIN
#define SIM_BELOW    (INT_MIN + 1)

#define SIM_RUN_ON   1 /* run_end(): the exit is answered */
#define SIM_RUN_EXIT 1 /* run_check(): there is an exit already */

struct sim_kind {
	uint32_t vm_type; /* argument of KVM_CREATE_VM; ABI 1.2 */
	bool has_gmem;    /* guest_memfd and memory attributes */
	bool has_sealed; /* registers are sealed after the launch: no READONLY slots, no sync regs */

	/* Can this machine make one now? KVM_CREATE_VM and KVM_CAP_VM_TYPES. */
	bool (*is_offered)(const struct sim_machine *m);
	/* The VM underneath was made, vm is filled in: make the kind's own state. NULL: nothing. */
	MUST_USE int (*create)(struct sim_vm *vm);
	/* The last descriptor was closed: give back the key and the state. NULL: nothing. */
	void (*release)(struct sim_vm *vm);
	/*
	 * An ioctl of the VM, KVM_MEMORY_ENCRYPT_OP among them: a value, -errno, SIM_PASS
	 * or SIM_BELOW.
	 */
	MUST_USE int (*vm_ioctl)(struct sim_vm *vm, unsigned long request, unsigned long arg);
	/* An ioctl of a vCPU, likewise; must not wait for a vCPU that runs. NULL: pass all. */
	MUST_USE int (*vcpu_ioctl)(
		struct sim_vm *vm, struct sim_vcpu *vcpu, unsigned long request, unsigned long arg);
	/*
	 * Before each KVM_RUN: 0, the -errno that it gives, or SIM_RUN_EXIT: the next exit is in
	 * vcpu->run already, the vCPU does not run.
	 */
	MUST_USE int (*run_check)(struct sim_vm *vm, struct sim_vcpu *vcpu);
	/*
	 * After each exit (vcpu->run is mapped): SIM_RUN_ON if it is answered and the vCPU runs on; 0
	 * hands vcpu->run, changed or not, to the monitor, -errno does so as KVM_RUN's error. NULL:
	 * hand over all.
	 */
	MUST_USE int (*run_end)(struct sim_vm *vm, struct sim_vcpu *vcpu);
	/* The launch digest so far, zeros behind a shorter one. NULL: the kind has none. */
	void (*digest)(const struct sim_vm *vm, uint8_t ret[SNP_DIGEST_BYTES]);
};

extern const struct sim_kind sim_kind_plain; /* sim_plain.c: KVM_X86_DEFAULT_VM */
extern const struct sim_kind sim_kind_sev;   /* sim_sev.c, and the next two */
extern const struct sim_kind sim_kind_sev_es;
extern const struct sim_kind sim_kind_legacy; /* SEV_INIT, SEV_ES_INIT on a default VM */
extern const struct sim_kind sim_kind_snp;    /* sim_snp.c */
extern const struct sim_kind sim_kind_tdx;    /* sim_tdx.c */
