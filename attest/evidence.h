/*
 * evidence: what a relying party calls: verify and appraise evidence.
 *
 * Trust:   evidence, certificates and CRLs come from the host and may be anything; the policy, the
 *          expected values and the roots are the caller's own.
 * Owns:    nothing; all inputs are borrowed for the call, outputs are plain values.
 * Threads: any; the functions share no state.
 */
#pragma once

#include <stdbool.h>
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

/* What accompanies a TPM quote (attestation.md, 9 and 10). All borrowed; len 0: not given. */
struct attest_tpm {
	struct attest_blob signature; /* TPMT_SIGNATURE, or a bare RSA signature */
	struct attest_blob ak; /* PEM or DER public key or certificate, TPM2B_PUBLIC, TPMT_PUBLIC */
	bool is_ak_found; /* the key lay beside the evidence: nobody vouches for it by giving it */
	struct attest_blob pcrs; /* JSON: bank, index and value; or tpm2-tools' structure */
	struct attest_blob ima;  /* the kernel's ASCII list */
	/* The TEE's report that speaks for the AK: an HCL report, an SVSM manifest, an SNP report or
	 * TDX quote. Without one the trust class is `host`. */
	struct attest_blob tee;
	struct attest_blob tee_quote; /* what proves it: HCL: TDX quote; SVSM: SNP report */
};

/* What an owner knows of a SEV or SEV-ES launch (attestation.md, 4.7 and 5). */
struct attest_sev {
	/* Transport integrity key, 16 bytes; then, if known, the 32 of sev_cert_digest() of the PDH that
	 * the session was made for. */
	struct attest_blob tik;
	uint8_t api_major, api_minor, build;
	uint32_t policy;
	const uint8_t *digest; /* 32 bytes: the expected launch digest; NULL: not asked */
};

struct attest_inputs {
	enum evidence_kind kind; /* EVIDENCE_UNKNOWN: what attest_recognise() says */
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

	/* TDX: TCB info, QE identity, their issuer chains, CRLs, or a bundle of them: JSON, PEM, DER, told
	 * apart by their bytes. Signatures give them meaning; what cannot be read counts as absent. */
	const struct attest_blob *collateral;
	size_t n_collateral;
	/* Boot logs: CCEL for a TDX quote, a TCG event log for a TPM quote. */
	const struct attest_blob *event_logs;
	size_t n_event_logs;
	struct attest_tpm tpm;
	struct attest_sev sev;

	/* What is asked for; NULL or 0: not asked, the row is `none`. */
	const uint8_t *report_data; /* 64 bytes, zeros behind; TPM: compared with extraData */
	size_t report_data_len;     /* TPM: how many of them were asked for */
	const uint8_t *
		host_data; /* 32 bytes (TDX: MRCONFIGID, zeros behind); the policy's hash when NULL and a policy is given */
	const uint8_t (*digests)[48]; /* acceptable launch digests, beside the policy's own list;
	                               * of a policy without one: attest_predict_launch() */
	size_t n_digests;
	const struct policy *policy;
	uint32_t required_rows; /* ROW_BIT(ROW_X): `none` is not good enough */

	time_t at; /* judge validity at this time, seconds since 1970 */
};

/*
 * Verify and appraise evidence of any kind: the call below for in->kind. 0 with a whole verdict,
 * whatever it says; -EBADMSG and -EPROTONOSUPPORT for bytes that are no evidence we know, -ENOMEM.
 */
PUBLIC MUST_USE int attest_verify(
	const struct attest_inputs *in, struct verdict *ret, struct why *why);

/*
 * Verify and appraise an SEV-SNP attestation report (attestation.md, chapters 1 to 3): 1184 bytes,
 * or 1216 with the 32-byte response header of MSG_REPORT_RSP in front.
 *
 * 0 with a whole verdict, whatever it says. Errors mean that there is no verdict: -EBADMSG and
 * -EPROTONOSUPPORT for bytes that are no report we know, -ENOMEM.
 */
PUBLIC MUST_USE int attest_verify_snp(
	const struct attest_inputs *in, struct verdict *ret, struct why *why);

/* A TDX quote, version 4 or 5, with what follows it in its buffer (attestation.md, 6 to 8). */
PUBLIC MUST_USE int attest_verify_tdx(
	const struct attest_inputs *in, struct verdict *ret, struct why *why);

/* The answer of LAUNCH_MEASURE: measurement and MNONCE, 48 bytes; the platform's certificates in
 * certs (attestation.md, 4.7 and 5). */
PUBLIC MUST_USE int attest_verify_sev(
	const struct attest_inputs *in, struct verdict *ret, struct why *why);

/* A TPMS_ATTEST of a quote, or evidence in JSON that holds one (attestation.md, 9 and 10). */
PUBLIC MUST_USE int attest_verify_tpm(
	const struct attest_inputs *in, struct verdict *ret, struct why *why);

/* Decode a report, with or without the response header; errors as attest_verify_snp(). */
PUBLIC MUST_USE int attest_parse_snp(
	struct attest_blob evidence, struct snp_report *ret, struct why *why);

/*
 * What the bytes are, by length and first fields; for a certificate what evidence it carries
 * (attested TLS, atls.h). EVIDENCE_UNKNOWN when nothing fits.
 */
PUBLIC enum evidence_kind attest_recognise(const uint8_t *bytes, size_t len);

/* The same, but a certificate is nothing we know. */
enum evidence_kind attest_recognise_bare(const uint8_t *bytes, size_t len);

/*
 * Can every certificate of this blob (PEM, DER, certificate table) be read? 0 with how many, or
 * -EBADMSG with why. For people who give a file and want to hear that it is not one.
 */
PUBLIC MUST_USE int attest_check_certs(struct attest_blob blob, size_t *ret_n, struct why *why);
