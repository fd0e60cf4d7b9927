/*
 * tpm_evidence: TPM quotes and what comes with them, out of the containers they travel in: bare
 *               TPMS_ATTEST, Azure's JSON (attestation.md, 10.1), key-broker agents' for a TPM
 *               outside a TEE ("tpm_quote", "ak_public"; 12.4), go-tpm-tools' protobuf (10.3); or
 *               no quote at all: an HCL report, a boot log, an IMA list by itself.
 *
 * Trust:   none in the bytes; keys and certificates in a container vouch for nothing.
 * Owns:    the bytes that were decoded.
 * Threads: one value, one thread.
 */
#pragma once

#include "attest/tpm_quote.h"

struct tpm_signed {
	struct attest_blob attest, signature;
	bool has_pcrs;
	struct tpm_pcrs pcrs;
};

/* Large (50 KiB): on the heap. */
struct tpm_evidence {
	size_t n; /* 0: no quote, but one of the last four */
	struct tpm_signed quotes[LIMIT_TPM_QUOTES];
	struct attest_blob ak;        /* TPMT_PUBLIC or certificate, or nothing */
	struct attest_blob tee;       /* HCL report */
	struct attest_blob tee_quote; /* TDX quote */
	struct attest_blob certs;     /* VCEK */
	struct attest_blob event_log;
	struct attest_blob ima;
	uint8_t *decoded;
	size_t used, size;
};

void tpm_evidence_free(struct tpm_evidence *e);

static inline void tpm_evidence_auto(struct tpm_evidence **e)
{
	tpm_evidence_free(*e);
}

/* Is it one of these? Looks at the first bytes, of JSON at the names in it. */
bool tpm_evidence_recognise(struct attest_blob blob);

/* The caller frees it. -EBADMSG, -EMSGSIZE with why; -ENOMEM. */
MUST_USE int tpm_evidence_parse(
	struct attest_blob blob, struct tpm_evidence **ret, struct why *why);
