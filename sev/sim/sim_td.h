/*
 * sim_td: one simulated trust domain: what KVM keeps of it and what the TDX module does with it, as
 *         functions over a struct. Nothing here knows of descriptors, memory slots or KVM_RUN:
 *         that is sim_tdx.c. KVM's three states of a TD and the module's operating states 0 to 2
 *         go together (ABI 4.1, 4.13).
 *
 * Trust:   arguments are the monitor's; report data and RTMR extensions the guest's.
 * Owns:    struct sim_td owns the digest stream.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "sev/abi_tdx.h"
#include "sev/sim/sim_ranges.h"
#include "sev/sim/sim_tdx_crypto.h"
#include "sev/sim/sim_tdx_platform.h"

enum sim_td_state {
	SIM_TD_UNINITIALIZED, /* INIT_VM is to come: no vCPU may be created */
	SIM_TD_INITIALIZED,   /* vCPUs and initial pages are added */
	SIM_TD_RUNNABLE,      /* FINALIZE_VM was done */
};

/* What a TD's VMM may choose of CPUID: one leaf. ABI 4.2. */
struct sim_td_leaf {
	uint32_t function;
	uint32_t index; /* when has_index */
	bool has_index;
	uint32_t may[4]; /* eax, ebx, ecx, edx: the configurable bits */
};

#define SIM_TD_LEAVES 8u

extern const struct sim_td_leaf sim_td_leaves[SIM_TD_LEAVES];

struct sim_td {
	enum sim_td_state state;
	const struct sim_tdx_platform *platform;
	struct sim_tdx_script *script;
	const struct sim_tdx_crypto *crypto;
	uint32_t no_entropy; /* INIT_VM attempts that still find none */
	uint64_t attributes;
	uint64_t xfam;
	uint8_t mrconfigid[ABI_TDX_ID_BYTES];
	uint8_t mrowner[ABI_TDX_ID_BYTES];
	uint8_t mrownerconfig[ABI_TDX_ID_BYTES];
	unsigned int gpa_bits;            /* 48 or 52; the shared bit is the one below */
	uint32_t cpuid[SIM_TD_LEAVES][4]; /* as configured */
	unsigned int n_init_vcpus;
	bool is_dead;             /* the module or KVM gave the TD up: every later call is EIO */
	struct sim_ranges *added; /* borrowed: pages of PAGE.ADD, and those the guest accepted */
	void *mrtd_stream;        /* EVP_MD_CTX; NULL when there is no TD yet */
	uint8_t mrtd[TDX_DIGEST_BYTES];
	uint8_t rtmr[TDX_RTMRS][TDX_DIGEST_BYTES];
};

/* Everything is borrowed for the TD's life; added is empty. */
void sim_td_init(struct sim_td *td, const struct sim_tdx_platform *p, struct sim_tdx_script *script,
	const struct sim_tdx_crypto *crypto, struct sim_ranges *added);
void sim_td_done(struct sim_td *td);

/*
 * CAPABILITIES: fill *ret and entries (room for ret->nent of them, which becomes what is used).
 * -E2BIG without the number that would do. ABI 4.2.
 */
MUST_USE int sim_td_capabilities(const struct sim_tdx_platform *p, struct abi_tdx_capabilities *ret,
	struct abi_tdx_cpuid *entries);

/*
 * INIT_VM with arg->nent entries; has_key: a key identifier is free. *ret_hw_error is the module's
 * word when it refused. -EINVAL, -E2BIG, -EAGAIN, -ENOSPC, -EIO as ABI 4.3 has them.
 */
MUST_USE int sim_td_init_vm(struct sim_td *td, const struct abi_tdx_init_vm *arg,
	const struct abi_tdx_cpuid *entries, bool has_key, uint64_t *ret_hw_error);

/* KVM_CREATE_VCPU. -EIO before INIT_VM and after FINALIZE, -EINVAL without split irqchip. ABI 4.4. */
MUST_USE int sim_td_create_vcpu(const struct sim_td *td, bool has_split_irqchip);

/* May a command of a vCPU be given now? -EINVAL before INIT_VM and after FINALIZE. ABI 4.1. */
MUST_USE int sim_td_vcpu_command(const struct sim_td *td);

/* INIT_VCPU of a vCPU that is not initialised yet; its CPUID has x2APIC or not. ABI 4.4. */
MUST_USE int sim_td_init_vcpu(struct sim_td *td, bool has_x2apic);

/*
 * GET_CPUID: the CPU's table (host, n_host entries) with the bits that may be configured as they
 * were; *n is the room and then the number. -E2BIG: less room than *n says then. ABI 4.1, 4.3.
 */
MUST_USE int sim_td_get_cpuid(const struct sim_td *td, const struct abi_tdx_cpuid *host,
	uint32_t n_host, struct abi_tdx_cpuid *entries, uint32_t *n);

/* Is gpa below the shared bit, and len bytes behind it too? */
bool sim_td_is_private_range(const struct sim_td *td, uint64_t gpa, uint64_t len);

/*
 * TDH.MEM.PAGE.ADD of one page and, if measured, its 16 TDH.MR.EXTEND: the module's status word, 0
 * for success. A refused ADD changes neither the digest nor the set of pages; after a refused
 * EXTEND the page is there, and its first chunks are measured (ABI 4.7, 4.13).
 */
MUST_USE uint64_t sim_td_add_page(
	struct sim_td *td, uint64_t gpa, const uint8_t page[4096], bool is_measured);

/* FINALIZE_VM: -EINVAL, -EBUSY, or -EIO with *ret_hw_error and the TD dead. ABI 4.6. */
MUST_USE int sim_td_finalize(struct sim_td *td, uint64_t *ret_hw_error);

/* TDG.MEM.PAGE.ACCEPT of whole pages, after FINALIZE. -ENOMEM. */
MUST_USE int sim_td_accept(struct sim_td *td, uint64_t gpa, uint64_t len);

/* The host took private pages away (conversion, hole): they would have to be accepted anew. */
void sim_td_forget(struct sim_td *td, uint64_t gpa, uint64_t len);

/* MRTD as it is so far. */
void sim_td_digest(const struct sim_td *td, uint8_t ret[TDX_DIGEST_BYTES]);

/* TDG.MR.RTMR.EXTEND. -EINVAL: no such register. */
MUST_USE int sim_td_extend(
	struct sim_td *td, uint32_t index, const uint8_t digest[TDX_DIGEST_BYTES]);

/* TDG.MR.REPORT, with its MAC. -EINVAL: not running; -EIO: libcrypto failed. ABI 4.7. */
MUST_USE int sim_td_report(const struct sim_td *td,
	const uint8_t report_data[TDX_REPORT_DATA_BYTES], struct tdx_report *ret);

/* Was this report made on this machine, with hashes that are those of its parts? */
bool sim_td_is_report(const struct sim_tdx_platform *p, const struct sim_tdx_crypto *c,
	const struct tdx_report *r);
