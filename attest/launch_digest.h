/*
 * launch_digest: the launch digest of every kind of guest from one description of its inputs, so
 *                that one input can be changed and another digest computed (what_changed.h).
 *
 * Trust:   images may be anything; lengths are bounded by base/limits.h.
 * Owns:    nothing; inputs are borrowed, results plain values.
 * Threads: any; one memo belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/digest_boot.h"
#include "attest/digest_ovmf.h"
#include "attest/measured.h"
#include "base/cdefs.h"
#include "base/why.h"

enum launch_kind {
	LAUNCH_SNP_DIRECT, /* casemate's measured direct boot (docs/launch.md) */
	LAUNCH_SNP,        /* from firmware, or from an IGVM file */
	LAUNCH_SEV,
	LAUNCH_SEV_ES,
	LAUNCH_TDX,       /* MRTD */
	LAUNCH_TDX_RTMR1, /* the register of boot loader and kernel */
	LAUNCH_TDX_RTMR2, /* of command line and ramdisk */
	LAUNCH_KIND_COUNT
};

struct launch_inputs {
	enum launch_kind kind;
	struct boot_inputs boot; /* kernel NULL: none; vmsa_features without SNPActive */
	const uint8_t *firmware; /* not with LAUNCH_SNP_DIRECT */
	size_t firmware_len;
	uint32_t cpu_signature; /* 0: the host's */
	enum digest_vmm vmm;
	bool is_two_pass; /* LAUNCH_TDX: sections are added whole, then extended */
};

/* Values that the same inputs may give, where firmware versions differ (rtmr.h). */
#define LAUNCH_VALUES_MAX 4u

struct launch_values {
	size_t n, len; /* len: 32 or 48 bytes each */
	struct {
		uint8_t digest[SHA384_BYTES];
		const char *when; /* a constant, for people; empty: always */
	} at[LAUNCH_VALUES_MAX];
};

/* What is kept from one computation to the next, for trying. Zero before first use. */
struct launch_memo {
	struct boot_memo boot;
	const uint8_t *firmware;
	struct ovmf ovmf; /* of firmware */
	bool has_ld, has_hashes;
	uint8_t ld[SHA384_BYTES]; /* SNP: after the firmware's pages */
	const uint8_t *kernel, *initrd;
	uint8_t kernel_sha256[32], initrd_sha256[32];
};

/*
 * The digest, or digests, of this launch; trace: what is measured is added there, NULL: nowhere. Errors
 * of boot_digest_compute(), ovmf_parse(), digest_ovmf_snp(), digest_mrtd(), rtmr_predict().
 */
MUST_USE int launch_digest_compute(const struct launch_inputs *in, struct launch_memo *memo,
	struct measured *trace, struct launch_values *ret, struct why *why);

/* "SNP launch digest", "MRTD", ...: what the kind's digest is, for people. */
const char *launch_kind_title(enum launch_kind kind);
