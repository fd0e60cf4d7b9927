/*
 * digest_ovmf: launch digests of guests that start in a firmware image: SEV-SNP, SEV-ES and SEV, as
 *              several VMMs launch them (attestation.md, 4.2 to 4.7).
 *
 * Trust:   firmware, kernel and initial ramdisk may be anything; lengths are bounded by base/limits.h.
 * Owns:    nothing; inputs are borrowed.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/digest_snp.h"
#include "attest/measured.h"
#include "attest/ovmf.h"
#include "base/cdefs.h"
#include "base/why.h"

/* Who launches: order of pages and state of the registers differ. */
enum digest_vmm {
	VMM_QEMU,
	VMM_EC2,      /* RDX 0x600, as sev-snp-measure has it */
	VMM_EC2_RDX0, /* RDX 0, as virtee/sev has it: both digests are published */
	VMM_GCE,
	VMM_KRUN,
	VMM_CASEMATE,         /* QEMU's order and registers; RDX is the policy's model, or 0 */
	VMM_CLOUD_HYPERVISOR, /* from an IGVM file only (attest/igvm.h) */
	VMM_COUNT
};

/* "qemu" ...; -EINVAL for another name. */
MUST_USE int digest_vmm_parse(const char *name, enum digest_vmm *ret);

/* The reverse, or "?". */
const char *digest_vmm_name(enum digest_vmm vmm);

struct ovmf_launch {
	const struct ovmf *firmware;
	/* SNP: the launch digest after the image's pages, where only its end is at hand; NULL: compute. */
	const uint8_t *firmware_ld;
	/* SNP under QEMU: an SVSM that starts first, below the firmware and vars_size bytes; NULL: none. */
	const struct ovmf *svsm;
	uint32_t vars_size;
	enum digest_vmm vmm;
	uint32_t vcpus;     /* 1 to LIMIT_DIGEST_VCPUS; SEV: not used */
	uint32_t signature; /* of the vCPU model (base/cpu_model.h), in RDX under QEMU */
	uint64_t features;  /* SEV_FEATURES: SNP 0x1 or more, SEV-ES 0 */
	/* A kernel that the firmware loads and whose hashes are measured; NULL: none. */
	const uint8_t *kernel, *initrd;
	size_t kernel_len, initrd_len;
	const char *cmdline; /* NULL: empty */
	/* Their SHA-256, where it is known; NULL: hash the files. */
	const uint8_t *kernel_sha256, *initrd_sha256;
	struct measured *trace; /* what is measured is added here; NULL: nowhere */
};

/* The state in which a vCPU of this launch starts. */
struct vmsa digest_vmsa(const struct ovmf_launch *l, bool is_bsp);

#define KERNEL_HASHES_BYTES 176u /* 168, padded to a multiple of 16 */

/* The table of hashes of kernel, ramdisk and command line (4.4). -EIO. */
MUST_USE int digest_kernel_hashes(const struct ovmf_launch *l, uint8_t ret[KERNEL_HASHES_BYTES]);

/*
 * The SEV-SNP launch digest. -EOPNOTSUPP with why for a launch that the firmware cannot do: a kernel
 * without a place for its hashes, no AP reset address; -ERANGE for vcpus; -EIO when libcrypto fails.
 */
MUST_USE int digest_ovmf_snp(
	const struct ovmf_launch *l, uint8_t ret[SHA384_BYTES], struct why *why);

/* The SEV or SEV-ES launch digest: SHA-256 of what is measured. Errors as above. */
MUST_USE int digest_sev(const struct ovmf_launch *l, bool is_es, uint8_t ret[32], struct why *why);
