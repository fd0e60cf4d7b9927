/*
 * dsse: signing envelopes (DSSE 1.0.2) and the in-toto statement a verdict becomes in one
 *       (docs/attestation.md, "Results").
 *
 * Trust:   none in envelopes.
 * Owns:    a dsse its payload.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "attest/ear.h"
#include "attest/jws.h"
#include "base/cdefs.h"
#include "base/why.h"

#define DSSE_IN_TOTO      "application/vnd.in-toto+json"
#define STATEMENT_TYPE    "https://in-toto.io/Statement/v1"
#define STATEMENT_VERDICT "https://casemate.example/attestation/verdict/v1"

struct dsse {
	char type[128];
	uint8_t *payload;
	size_t payload_len;
	enum jws_alg alg;
	char signer[JWK_KID_MAX];
	bool is_verified;
};

static inline void dsse_auto(struct dsse *s)
{
	free(s->payload);
}

/* One signature by key over payload of that type, as JSON text; free() it. */
MUST_USE int dsse_print(const struct jwk *key, const char *type, const void *payload, size_t len,
	char **ret, struct why *why);

/*
 * Read an envelope; of its signatures one by a trusted key is enough (a keyid decides nothing). Errors
 * as jws_verify().
 */
MUST_USE int dsse_verify(const uint8_t *text, size_t len, const struct jws_trust *trust,
	struct dsse *ret, struct why *why);

/*
 * The verdict as a statement about the evidence (its bytes: o->raw_evidence, which have to be
 * given), in an envelope. Uses developer, build, issued_at, expires, policy_id and key of the
 * options. Errors as ear_print().
 */
MUST_USE int dsse_print_verdict(
	const struct verdict *v, const struct ear_options *o, char **ret, struct why *why);
