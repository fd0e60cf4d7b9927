/*
 * digest_snp: the SEV-SNP launch digest: a chain of PAGE_INFO hashes, and the VMSA pages that are
 *             part of it (attestation.md, 4.1 and 4.5; kvm-cvm-abi.md, 2.9 and 2.10).
 *
 * Trust:   page contents may be anything.
 * Owns:    a digest_snp owns its hash state.
 * Threads: one struct, one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/sha384.h"
#include "base/cdefs.h"
#include "base/num.h"

enum snp_page_type {
	SNP_PAGE_NORMAL = 1,
	SNP_PAGE_VMSA = 2,
	SNP_PAGE_ZERO = 3,
	SNP_PAGE_UNMEASURED = 4,
	SNP_PAGE_SECRETS = 5,
	SNP_PAGE_CPUID = 6,
};

/* "normal" ... "cpuid"; never NULL. */
const char *snp_page_type_name(uint8_t type);

/* Where every VMSA page is measured under KVM. */
#define SNP_VMSA_GPA 0xFFFFFFFFF000ull

struct digest_snp {
	struct sha384 sha;
	uint8_t ld[SHA384_BYTES]; /* the launch digest so far */
};

/* LD is 48 zero bytes. -ENOMEM. */
MUST_USE int digest_snp_init(struct digest_snp *ret);

void digest_snp_done(struct digest_snp *d);

static inline void digest_snp_auto(struct digest_snp *d)
{
	digest_snp_done(d);
}

/*
 * Add bytes at a page-aligned address as NORMAL or VMSA pages; the last page is filled up with
 * zeros. VMSA pages all have the address gpa. -EIO when libcrypto fails, -ERANGE beyond 2^52.
 */
MUST_USE int digest_snp_add(struct digest_snp *d, enum snp_page_type type, uint64_t gpa,
	const uint8_t *buf, size_t len);

/* Add n pages whose contents are not hashed: ZERO, UNMEASURED, SECRETS, CPUID. */
MUST_USE int digest_snp_add_empty(
	struct digest_snp *d, enum snp_page_type type, uint64_t gpa, size_t n_pages);

/* A segment register as the VMSA holds it. */
struct vmsa_seg {
	uint16_t selector;
	uint16_t attrib;
	uint32_t limit;
	uint64_t base;
};

/* The registers of a VMSA that are not zero in any launch we predict. */
struct vmsa {
	struct vmsa_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint64_t efer, cr4, cr0, dr7, dr6, rflags, rip, rsp, g_pat, rdx, rbp, rsi, sev_features,
		xcr0;
	uint32_t mxcsr;
	uint16_t fcw;
};

/*
 * The state after INIT as KVM and QEMU measure it, entered at a 32-bit reset address: CS base is
 * its upper half, RIP its lower (kvm-cvm-abi.md, 2.9).
 */
struct vmsa vmsa_reset(uint32_t reset_address, uint64_t sev_features);

/* Lay out the page; what struct vmsa does not hold is zero. */
void vmsa_print(const struct vmsa *v, uint8_t ret[PAGE_BYTES]);
