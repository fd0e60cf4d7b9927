/*
 * snp_report: the SEV-SNP attestation report, decoded: ATTESTATION_REPORT of AMD 56860, versions
 *             2 to 5 (attestation.md, chapter 1).
 *
 * Trust:   none in the bytes; only length, version and reserved bytes are judged here.
 * Owns:    nothing; a plain value.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

#define SNP_REPORT_BYTES      1184u  /* 0x4A0 */
#define SNP_REPORT_SIGNED     0x2A0u /* the signature covers the bytes before it */
#define SNP_REPORT_DATA_BYTES 64u
#define SNP_MEASUREMENT_BYTES 48u
#define SNP_HOST_DATA_BYTES   32u
#define SNP_CHIP_ID_BYTES     64u
#define SNP_SIG_NUMBER_BYTES  72u /* R and S, little-endian, 48 used */
#define SNP_RESPONSE_HEADER   32u /* MSG_REPORT_RSP in front of the report (1.6) */

#define SNP_VMPL_HOST         0xFFFFFFFFu /* the host asked for the report (1.1) */

/* POLICY (1.2). */
#define SNP_POLICY_SMT               (1ull << 16)
#define SNP_POLICY_ONE               (1ull << 17) /* must be set */
#define SNP_POLICY_MIGRATE_MA        (1ull << 18)
#define SNP_POLICY_DEBUG             (1ull << 19)
#define SNP_POLICY_SINGLE_SOCKET     (1ull << 20)
#define SNP_POLICY_CXL_ALLOW         (1ull << 21)
#define SNP_POLICY_MEM_AES_256_XTS   (1ull << 22)
#define SNP_POLICY_RAPL_DIS          (1ull << 23)
#define SNP_POLICY_CIPHERTEXT_HIDING (1ull << 24)
#define SNP_POLICY_PAGE_SWAP_DISABLE (1ull << 25)
#define SNP_POLICY_RESERVED          (~0ull << 26)

/* PLATFORM_INFO (1.3). */
#define SNP_PLATFORM_SMT_EN            (1ull << 0)
#define SNP_PLATFORM_TSME_EN           (1ull << 1)
#define SNP_PLATFORM_ECC_EN            (1ull << 2)
#define SNP_PLATFORM_RAPL_DIS          (1ull << 3)
#define SNP_PLATFORM_CIPHERTEXT_HIDING (1ull << 4)
#define SNP_PLATFORM_ALIAS_CHECK       (1ull << 5)
#define SNP_PLATFORM_IOMMU_WRITE_SAFE  (1ull << 6)
#define SNP_PLATFORM_TIO_EN            (1ull << 7)

/* KEY_INFO (1.1). */
#define SNP_KEY_AUTHOR_KEY_EN (1u << 0)
#define SNP_KEY_MASK_CHIP_KEY (1u << 1)

enum snp_signing_key { SNP_KEY_VCEK = 0, SNP_KEY_VLEK = 1, SNP_KEY_NONE = 7 };

struct snp_fw_version {
	uint8_t major;
	uint8_t minor;
	uint8_t build;
};

struct snp_report {
	uint32_t version;
	uint32_t guest_svn;
	uint64_t policy;
	uint8_t family_id[16];
	uint8_t image_id[16];
	uint32_t vmpl;
	uint32_t signature_algo;
	uint64_t current_tcb; /* TCB_VERSION words: attest/tcb.h */
	uint64_t platform_info;
	uint32_t key_info;
	uint32_t signing_key; /* of key_info: enum snp_signing_key or a reserved number */
	uint8_t report_data[SNP_REPORT_DATA_BYTES];
	uint8_t measurement[SNP_MEASUREMENT_BYTES];
	uint8_t host_data[SNP_HOST_DATA_BYTES];
	uint8_t id_key_digest[48];
	uint8_t author_key_digest[48];
	uint8_t report_id[32];
	uint8_t report_id_ma[32];
	uint64_t reported_tcb;
	bool has_cpuid; /* version 3 and later */
	uint8_t cpuid_family;
	uint8_t cpuid_model;
	uint8_t cpuid_stepping;
	uint8_t chip_id[SNP_CHIP_ID_BYTES];
	uint64_t committed_tcb;
	struct snp_fw_version current;
	struct snp_fw_version committed;
	uint64_t launch_tcb;
	bool has_mit_vectors; /* version 5 */
	uint64_t launch_mit_vector;
	uint64_t current_mit_vector;
	uint8_t sig_r[SNP_SIG_NUMBER_BYTES];
	uint8_t sig_s[SNP_SIG_NUMBER_BYTES];
	bool sig_tail_is_zero; /* the 368 bytes after S, which no signature covers */
};

/*
 * Decode exactly SNP_REPORT_BYTES bytes. -EBADMSG for another length or a reserved byte that is
 * not zero, -EPROTONOSUPPORT for a version or signature algorithm that is not defined.
 */
PUBLIC MUST_USE int snp_report_parse(
	struct snp_report *ret, const void *buf, size_t len, struct why *why);
