/*
 * broker_evidence: tee-evidence of the key-broker protocol, for every kind we judge (attestation.md,
 *                  10.1, 12.1, 12.4).
 *
 * Trust:   none in what is parsed.
 * Owns:    nothing; a plain value of fixed size (400 KiB: static or heap).
 * Threads: any.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/broker/kbs_snp.h"
#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

/* Names of the protocol; others are refused by name. */
enum broker_tee { TEE_SNP, TEE_TDX, TEE_AZ_SNP, TEE_AZ_TDX, TEE_TPM, TEE_COUNT };

const char *tee_name(enum broker_tee tee);
/* -EPROTONOSUPPORT with why that lists ours. */
MUST_USE int tee_parse(const char *name, enum broker_tee *ret, struct why *why);
/* Is it a TPM's quote? Such evidence has no HOST_DATA of its own. */
static inline bool tee_is_vtpm(enum broker_tee tee)
{
	return tee >= TEE_AZ_SNP;
}

struct evidence {
	enum broker_tee tee;
	struct kbs_snp snp; /* TEE_SNP: the report and what came with it */
	size_t len;         /* others: a TDX quote; a vTPM's JSON, compact */
	uint8_t bytes[LIMIT_KBS_BODY_BYTES];
	size_t log_len; /* TEE_TDX: the CCEL boot log; 0: none */
	uint8_t log[LIMIT_KBS_BODY_BYTES];
};

/* Parse primary_evidence for the tee of the session. -EBADMSG with why. */
MUST_USE int evidence_parse(
	const json_t *primary, enum broker_tee tee, struct evidence *ret, struct why *why);

/* The bytes that are judged: report, quote or JSON. */
struct attest_blob evidence_blob(const struct evidence *e);

/*
 * Digest of init-data's body by the algorithm it names (TOML `algorithm = "sha384"`, JSON
 * "algorithm"), filled up with zeros. -EBADMSG, -EPROTONOSUPPORT with why.
 */
MUST_USE int initdata_digest(const void *body, size_t len, uint8_t ret[64], struct why *why);
