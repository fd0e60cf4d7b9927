/*
 * evidence: what a relying party calls: verify and appraise evidence.
 *
 * Trust:   evidence, certificates and CRLs come from the host and may be anything; the policy, the
 *          expected values and the roots are the caller's own.
 * Owns:    nothing; all inputs are borrowed for the call, outputs are plain values.
 * Threads: any; the functions share no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "attest/predict.h"
#include "attest/snp_report.h"
#include "attest/verdict.h"
#include "base/cdefs.h"
#include "base/why.h"

struct policy;

struct attest_blob {
	const uint8_t *p;
	size_t len;
};

struct attest_inputs {
	struct attest_blob evidence;

	/* Certificates: PEM (several in one blob are fine), DER, or a certificate table as the
	 * extended guest request returns it. Only signatures give them meaning. A blob that cannot be
	 * read counts as absent; the chain row says so. AMD's own ARK, ASK and ASVK are built in. */
	const struct attest_blob *certs;
	size_t n_certs;
	/* Extra trust roots, PEM or DER: trust class SIMULATED unless the root is a pinned one. */
	const struct attest_blob *roots;
	size_t n_roots;
	/* CRLs of the caller's, PEM or DER: one that cannot be taken is a warning in the revocation
	 * row. Those among the certificates are used as well, as far as there is room. */
	const struct attest_blob *crls;
	size_t n_crls;

	/* What is asked for; NULL or 0: not asked, the row is `none`. */
	const uint8_t *report_data; /* 64 bytes */
	const uint8_t *host_data; /* 32 bytes; the policy's hash when NULL and a policy is given */
	const uint8_t (*digests)[48]; /* acceptable launch digests, beside the policy's own list;
	                               * of a policy without one: attest_predict_snp() */
	size_t n_digests;
	const struct policy *policy;
	uint32_t required_rows; /* ROW_BIT(ROW_X): `none` is not good enough */

	time_t at; /* judge validity at this time, seconds since 1970 */
};

/*
 * Verify and appraise an SEV-SNP attestation report (attestation.md, chapters 1 to 3): 1184 bytes,
 * or 1216 with the 32-byte response header of MSG_REPORT_RSP in front.
 *
 * 0 with a whole verdict, whatever it says. Errors mean that there is no verdict: -EBADMSG and
 * -EPROTONOSUPPORT for bytes that are no report we know, -ENOMEM.
 */
PUBLIC MUST_USE int attest_verify_snp(
	const struct attest_inputs *in, struct verdict *ret, struct why *why);

/* Decode a report, with or without the response header; errors as attest_verify_snp(). */
PUBLIC MUST_USE int attest_parse_snp(
	struct attest_blob evidence, struct snp_report *ret, struct why *why);

/* What the bytes are, by length and first fields; EVIDENCE_UNKNOWN when nothing fits. */
PUBLIC enum evidence_kind attest_recognise(const uint8_t *bytes, size_t len);

/*
 * Can every certificate of this blob (PEM, DER, certificate table) be read? 0 with how many, or
 * -EBADMSG with why. For people who give a file and want to hear that it is not one.
 */
PUBLIC MUST_USE int attest_check_certs(struct attest_blob blob, size_t *ret_n, struct why *why);
