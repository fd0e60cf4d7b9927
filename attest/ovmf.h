/*
 * ovmf: what a guest firmware image says of itself: the table of GUIDs at its end, SEV metadata, the
 *       TDVF descriptor (attestation.md, 4.3 and 8.1; kvm-cvm-abi.md, 2.13 and 4.8).
 *
 * Trust:   the image may be anything.
 * Owns:    nothing; a struct ovmf borrows the image.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

enum ovmf_section_type {
	OVMF_SNP_SEC_MEM = 1,
	OVMF_SNP_SECRETS = 2,
	OVMF_CPUID = 3,
	OVMF_SVSM_CAA = 4,
	OVMF_KERNEL_HASHES = 0x10,
};

struct ovmf_section {
	uint32_t gpa, size; /* whole pages */
	uint32_t type;
};

enum tdvf_section_type {
	TDVF_BFV,
	TDVF_CFV,
	TDVF_TD_HOB,
	TDVF_TEMP_MEM,
	TDVF_TYPE_MAX = 8, /* TD_PARAMS */
};

#define OVMF_HASHES_BYTES 176u /* what VMMs write there: 168, padded to 16 */

#define TDVF_EXTEND       0x1u /* TDH.MR.EXTEND its pages */
#define TDVF_PAGE_AUG     0x2u /* added later: not measured */

struct tdvf_section {
	uint32_t offset, raw_size; /* in the image; raw_size <= size */
	uint64_t gpa, size;        /* whole pages */
	uint32_t type, attributes;
};

struct ovmf {
	const uint8_t *image;
	size_t len; /* whole pages */
	uint64_t gpa;
	bool has_reset, has_hashes, has_metadata, has_secret, has_svsm, has_tdvf;
	bool is_shim;        /* td-shim: a TDVF descriptor that no table names */
	uint32_t ap_reset;   /* where SEV-ES APs start */
	uint32_t hashes_gpa; /* of the kernel hashes' table */
	uint32_t hashes_size;
	uint32_t secret_gpa, secret_size; /* of a SEV owner's secret */
	uint32_t svsm_entry; /* of an SVSM's image: where its vCPUs start, from its start */
	uint32_t tdvf_back;  /* of the TDVF descriptor, from the image's end */
	size_t n_sections;
	struct ovmf_section sections[LIMIT_FIRMWARE_SECTIONS];
};

/*
 * Read an image that ends at 4 GiB. One without a table is fine (then it has nothing); a table that
 * makes no sense is -EBADMSG, versions and types that are not known -EPROTONOSUPPORT, -EMSGSIZE beyond
 * LIMIT_FIRMWARE_*; why says what and where.
 */
MUST_USE int ovmf_parse(struct ovmf *ret, const uint8_t *image, size_t len, struct why *why);

/* Has it a section of this type? */
bool ovmf_has_section(const struct ovmf *o, enum ovmf_section_type type);

struct tdvf {
	size_t n;
	struct tdvf_section at[LIMIT_FIRMWARE_SECTIONS];
};

/* Its TDVF descriptor; errors as above, -EOPNOTSUPP without one. */
MUST_USE int tdvf_parse(struct tdvf *ret, const struct ovmf *o, struct why *why);
