/*
 * snp_leaf: what a VCEK or VLEK certificate says beside its key: product, firmware levels, chip
 *           (extensions 1.3.6.1.4.1.3704.1.*; attestation.md, 2.2).
 *
 * Trust:   none: the certificate may be anybody's until its chain is verified.
 * Owns:    nothing; a plain value.
 * Threads: any.
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/snp_report.h"
#include "attest/tcb.h"
#include "base/cdefs.h"
#include "base/why.h"

#define SNP_SPL_COUNT 10u /* arcs .3.1 to .3.9, by number; row 0 is unused */

struct snp_leaf {
	enum snp_signing_key kind; /* VCEK or VLEK */
	enum snp_product product;  /* of productName, up to '-' */
	char product_name[32];
	bool has_spl[SNP_SPL_COUNT];
	uint8_t spl[SNP_SPL_COUNT];
	uint8_t hwid_raw[2 +
			 SNP_CHIP_ID_BYTES]; /* VCEK: hwID as it stands, see snp_leaf_hwid_is() */
	size_t hwid_raw_len;
	char csp_id[64]; /* VLEK */
};

/* Is this a VCEK or VLEK, or something that pretends to be one? By common name or extensions. */
bool snp_leaf_recognise(const X509 *x);

/* "VCEK", "VLEK", "none", "reserved". */
const char *snp_signing_key_name(uint32_t kind);

/*
 * Decode. -EBADMSG with why for an extension that is malformed, missing or there twice, a VCEK
 * with a cspID, a VLEK with a hwID, or a key that is not on P-384.
 */
MUST_USE int snp_leaf_parse(struct snp_leaf *ret, X509 *x, struct why *why);

/* The TCB_VERSION word the certificate speaks for; false when an extension of it is missing. */
bool snp_leaf_tcb(const struct snp_leaf *leaf, enum snp_product product, uint64_t *ret);

/* Is this the chip (CHIP_ID of a report) the certificate names? Raw form first, then wrapped. */
bool snp_leaf_hwid_is(const struct snp_leaf *leaf, enum snp_product product,
	const uint8_t chip_id[SNP_CHIP_ID_BYTES]);
