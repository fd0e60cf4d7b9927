/*
 * kbs_snp: SEV-SNP evidence as the key-broker protocol spells it (attestation.md 12.4): the report
 *          member by member, and raw besides; certificates as arrays of bytes.
 *
 * Trust:   none in what is parsed; the signature is judged elsewhere, over the rebuilt bytes.
 * Owns:    nothing; plain values.
 * Threads: any.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

#define KBS_SNP_REPORT_BYTES 1184u

struct kbs_snp_cert {
	const char *type; /* "VCEK", "VLEK", "ASK", "ARK", "CRL"; NULL for another */
	uint32_t offset;  /* into bytes */
	uint32_t len;
};

struct kbs_snp {
	uint8_t report[KBS_SNP_REPORT_BYTES];
	size_t n_certs;
	struct kbs_snp_cert certs[LIMIT_KBS_CERTS];
	size_t bytes_len;
	uint8_t bytes[LIMIT_KBS_CERT_BYTES];
};

/*
 * From primary_evidence. Without the raw "report" the bytes are rebuilt from attestation_report;
 * bytes that member names cannot express are zero, which the signature then judges. -EBADMSG.
 */
MUST_USE int kbs_snp_parse(const json_t *evidence, struct kbs_snp *ret, struct why *why);

/* The JSON value for a report and its certificates; NULL when memory is short. */
MUST_USE json_t *kbs_snp_print(const struct kbs_snp *snp);

/*
 * Fill in the certificates from a certificate table (attestation.md 1.7) as the host handed it to
 * the guest. A malformed table counts as none: the broker may have the certificates itself.
 */
void kbs_snp_add_table(struct kbs_snp *snp, const void *table, size_t len);
