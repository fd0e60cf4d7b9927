/*
 * sim_sev: SEV and SEV-ES: KVM_MEMORY_ENCRYPT_OP of their VMs. ABI 2.3 to 2.5, 2.12, 7.2.1 to 7.2.6.
 *
 *          Simulated guests run unencrypted. LAUNCH_UPDATE_DATA and LAUNCH_SECRET nevertheless leave
 *          scrambled bytes in the monitor's memory, as on real hardware (a key stream that depends
 *          on the guest's key and the address); LAUNCH_FINISH takes the scrambling away again, so
 *          that the guest finds plain bytes. What was written over meanwhile becomes garbage, and so
 *          does what was encrypted twice.
 *
 * Trust:   the arguments are the monitor's; pointers other than NULL are believed; certificates,
 *          sessions and secrets are the owner's.
 * Owns:    struct sim_sev, from the kind's create() to its release().
 * Threads: one at a time.
 */
#pragma once

#include "base/cdefs.h"
#include "sev/sim/sim_session.h"
#include "sev/sim/sim_vm.h"

/* GUEST_STATUS.state. ABI 2.5. */
enum sim_sev_state {
	SIM_SEV_INVALID, /* before LAUNCH_START */
	SIM_SEV_UPDATE,
	SIM_SEV_SECRET,
	SIM_SEV_RUNNING,
};

struct sim_sev_region {
	uint64_t addr;
	uint64_t size;
};

struct sim_sev {
	enum sim_asid class;
	bool is_init;
	bool is_legacy;    /* SEV_INIT or SEV_ES_INIT on a default VM */
	uint64_t features; /* SEV_FEATURES of the VMSAs */
	struct sim_sev_region region[LIMIT_SIM_SLOTS];
	uint64_t locked_bytes;

	enum sim_sev_state state;
	uint32_t handle;
	uint32_t policy;
	uint8_t key[SIM_AES_BYTES]; /* of the memory */
	struct sim_transport transport;
	void *sha; /* the launch digest; NULL before LAUNCH_START */
	uint8_t measure[SIM_SHA256_BYTES];
	struct sim_ranges encrypted; /* addresses of the monitor */

	struct sim_sev *next; /* guests of the firmware, for shared keys */
};

/* An encryption command on a default VM, which SEV_INIT and SEV_ES_INIT make one of ours. */
MUST_USE int sim_sev_legacy_command(struct sim_vm *vm, struct abi_sev_cmd *cmd);
