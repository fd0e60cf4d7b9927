/*
 * hcl: Azure's report of its paravisor: a TEE's report and the data whose hash is in it, among them
 *      the vTPM's attestation key (attestation.md, 10.1).
 *
 * Trust:   none in the bytes; the TEE's report inside is judged elsewhere.
 * Owns:    nothing; a parsed report points into its bytes.
 * Threads: any.
 */
#pragma once

#include <openssl/evp.h>

#include "attest/claims.h"
#include "attest/evidence.h"
#include "attest/tpm_alg.h"
#include "base/cdefs.h"
#include "base/why.h"

#define HCL_HEADER_BYTES   32u
#define HCL_AREA_BYTES     1184u
#define HCL_TDREPORT_BYTES 1024u

struct hcl_report {
	uint32_t version;
	enum evidence_kind kind;    /* SNP or TDX */
	struct attest_blob tee;     /* SNP report, or TDREPORT */
	const uint8_t *report_data; /* 64 bytes, in the TEE's report */
	const struct tpm_alg *hash;
	struct attest_blob variable; /* JSON whose hash is in report_data */
};

bool hcl_recognise(struct attest_blob blob);

/* -EBADMSG, -EPROTONOSUPPORT with why. Zeros behind the variable data are padding. */
MUST_USE int hcl_parse(struct hcl_report *ret, struct attest_blob blob, struct why *why);

/* Is the variable data's hash the report data, zeros behind it? 0 or -EKEYREJECTED. */
MUST_USE int hcl_check_variable(const struct hcl_report *h, struct why *why);

/* The key HCLAkPub; the caller frees it with EVP_PKEY_free(). -EBADMSG with why. */
MUST_USE int hcl_ak(const struct hcl_report *h, EVP_PKEY **ret, struct why *why);

/* Does the TDX quote (only its body is looked at) speak for this TDREPORT? 0 or -EKEYREJECTED. */
MUST_USE int hcl_check_td_quote(
	const struct hcl_report *h, struct attest_blob quote, struct why *why);

/* What the report says, decoded. */
void hcl_claims(const struct hcl_report *h, struct claims *c);
