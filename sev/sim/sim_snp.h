/*
 * sim_snp: SEV-SNP: KVM_MEMORY_ENCRYPT_OP of its VMs: INIT2 and the launch. ABI 2.3 to 2.11, 7.2.
 *
 * Trust:   the arguments are the monitor's; pointers other than NULL are believed.
 * Owns:    struct sim_snp, from the kind's create() to its release().
 * Threads: one at a time.
 */
#pragma once

#include "base/cdefs.h"
#include "sev/sim/sim_vm.h"

/* Firmware's guest context. ABI 2.6. */
enum sim_guest_state {
	SIM_GUEST_NONE, /* no context yet: before LAUNCH_START */
	SIM_GUEST_LAUNCH,
	SIM_GUEST_RUNNING,
	SIM_GUEST_BROKEN, /* FINISH failed after the VMSAs were taken */
};

struct sim_snp {
	bool is_init;      /* INIT2 */
	bool has_certs;    /* SNP_ENABLE_REQ_CERTS */
	uint64_t features; /* SEV_FEATURES of the VMSAs */
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
	uint64_t n_messages[4];          /* sequence numbers under each VMPCK */
};
