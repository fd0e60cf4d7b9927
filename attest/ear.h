/*
 * ear: a verdict as an attestation result (draft-ietf-rats-ear, draft-ietf-rats-ar4si; attestation.md,
 *      11.1, 11.2, 12.5): the trustworthiness vector, and the signed token in three spellings.
 *
 * Trust:   the verdict is ours; texts in the options are the caller's.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "attest/cert.h"
#include "attest/evidence.h"
#include "attest/jwk.h"
#include "attest/verdict.h"
#include "base/cdefs.h"
#include "base/why.h"

/* What stands where the options say nothing. */
#define EAR_DEVELOPER "https://casemate.example"
#define EAR_BUILD     "casemate " CASEMATE_VERSION
#define EAR_POLICY    "casemate:none"

/* Bytes of a nonce (attestation.md, 11.3). */
#define EAR_NONCE_MIN 8u
#define EAR_NONCE_MAX 64u

/* AR4SI's claims, in the order of their CBOR keys. */
#define EAR_CLAIMS(X)                                                                              \
	X(IDENTITY, "instance-identity")                                                           \
	X(CONFIGURATION, "configuration")                                                          \
	X(EXECUTABLES, "executables")                                                              \
	X(FILE_SYSTEM, "file-system")                                                              \
	X(HARDWARE, "hardware")                                                                    \
	X(RUNTIME, "runtime-opaque")                                                               \
	X(STORAGE, "storage-opaque")                                                               \
	X(SOURCED, "sourced-data")

enum ear_claim {
#define EAR_CLAIM_ID(id, name) EAR_##id,
	EAR_CLAIMS(EAR_CLAIM_ID)
#undef EAR_CLAIM_ID
		EAR_CLAIM_COUNT
};

enum ear_form {
	EAR_DRAFT,    /* tag:ietf.org,2026:rats/ear#03: ear_status */
	EAR_VERAISON, /* tag:github.com,2023:veraison/ear: ear.status */
	EAR_TRUSTEE,  /* tag:github.com,2024:confidential-containers/Trustee: CoCo's token */
	EAR_FORM_COUNT
};

struct ear_options {
	enum ear_form form;
	const char *developer, *build;   /* NULL: casemate's */
	const char *issuer;              /* iss; NULL: left out */
	time_t issued_at, expires;       /* expires 0: left out */
	struct attest_blob nonce;        /* eat_nonce, 8 to 64 bytes; len 0: left out */
	const char *submod;              /* NULL: "cpu0" */
	const char *policy_id;           /* NULL: EAR_POLICY */
	struct attest_blob raw_evidence; /* len 0: left out */
	const struct jwk *key;           /* private: jwk_load_private() */
	const struct cert_store *x5c;    /* its chain, leaf first; NULL: none */

	/* EAR_TRUSTEE alone: JSON texts, or NULL. */
	const char *tee;              /* name of the claims; NULL: the verdict's kind */
	const char *tee_pubkey;       /* an object, into runtime_data_claims and to the top */
	const char *runtime_data;     /* an object: runtime_data_claims (tee_pubkey is added) */
	const char *init_data_claims; /* an object */
};

/* Claim name; value -> tier, in verdict's words (attestation.md, 11.2). */
const char *ear_claim_name(enum ear_claim claim);
enum verdict_status ear_tier(int value);
const char *ear_profile(enum ear_form form);

/* The vector of a verdict (docs/attestation.md, "Results"); 0: no claim. */
void ear_vector(const struct verdict *v, int8_t ret[EAR_CLAIM_COUNT]);

/* No better than the verdict and no better than the worst claim. */
enum verdict_status ear_status(const struct verdict *v, const int8_t vector[EAR_CLAIM_COUNT]);

/*
 * The token: a JWT signed by o->key, text of the caller's to free(). -EINVAL with why for options
 * that make no token; -ENOMEM; -EIO when libcrypto fails.
 */
MUST_USE int ear_print(
	const struct verdict *v, const struct ear_options *o, char **ret, struct why *why);
