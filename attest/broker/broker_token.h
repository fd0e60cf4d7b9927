/*
 * broker_token: attestation tokens of our own: what a proven guest gets from /attest and shows as a
 *               bearer afterwards (attestation.md, 12.1, 12.5).
 *
 *   The token is CoCo's EAR; what a later release needs of the proof stands in its runtime data
 *   claims, under "casemate". The guest's key is in it, so a stolen token opens nothing.
 *
 * Trust:   only our own signature gives a token's content meaning.
 * Owns:    the signing key, the text of its public half.
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "attest/broker/broker_session.h"
#include "attest/jwk.h"
#include "attest/verdict.h"
#include "base/cdefs.h"
#include "base/why.h"

struct tokens {
	struct jwk key;
	struct jwk_set trusted; /* its public half */
	char *jwks;             /* the same as a JWK set, JSON; NULL: no tokens */
	const char *issuer;     /* NULL: none; borrowed */
	uint64_t duration_s;
};

/* key_path: PEM, P-256, P-384 or Ed25519; NULL: a fresh P-384 key, tokens of this run only. */
MUST_USE int tokens_open(struct tokens *t, const char *key_path, const char *issuer,
	uint64_t duration_s, struct why *why);
void tokens_close(struct tokens *t);

/* The token, for kbs_text_free(). key is the guest's public key. */
MUST_USE int tokens_print(const struct tokens *t, const struct verdict *v, const struct session *s,
	const json_t *key, int64_t now, char **ret, struct why *why);

/*
 * Verify a token of ours: 0 with the proof and the guest's key (a reference for the caller), else
 * -EACCES with why.
 */
MUST_USE int tokens_read(const struct tokens *t, const char *text, int64_t now, struct proof *ret,
	json_t **ret_key, struct why *why);
