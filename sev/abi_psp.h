/*
 * abi_psp: what /dev/sev answers that Debian 12's <linux/psp-sev.h> does not have yet. Own names,
 *          as in abi_kvm.h. ("ABI n.m" in comments: docs/specs.md, "KVM confidential-VM ABI".)
 *
 * Trust:   structs and numbers only.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"

/* Commands of ABI_SEV_ISSUE_CMD. ABI 2.1. */
#define ABI_PSP_PLATFORM_STATUS     1u
#define ABI_PSP_SNP_PLATFORM_STATUS 9u

/* PLATFORM_STATUS. ABI 2.1. */
struct abi_psp_status {
	uint8_t api_major;
	uint8_t api_minor;
	uint8_t state; /* 0 uninitialised, 1 initialised, 2 with guests */
	le32 flags;
	uint8_t build;
	le32 guest_count;
};
WIRE_SIZE(struct abi_psp_status, 12);
WIRE_AT(struct abi_psp_status, guest_count, 8);

#define ABI_PSP_FLAG_ES 0x100u /* initialised for SEV-ES */

/* SNP_PLATFORM_STATUS. ABI 2.1. */
struct abi_psp_snp_status {
	uint8_t api_major;
	uint8_t api_minor;
	uint8_t state;  /* 0 uninitialised, 1 initialised */
	uint8_t is_rmp; /* bit 0: the RMP is initialised */
	le32 build;
	le32 flags;
	le32 guest_count;
	uint8_t current_tcb[8];
	uint8_t reported_tcb[8];
};
WIRE_SIZE(struct abi_psp_snp_status, 32);
WIRE_AT(struct abi_psp_snp_status, flags, 8);
WIRE_AT(struct abi_psp_snp_status, current_tcb, 16);
