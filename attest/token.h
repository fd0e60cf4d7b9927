/*
 * token: reads and judges signed attestation results: EAR as JWT and CWT, Azure's tokens, in-toto
 *        statements in a DSSE envelope (attestation.md, 11.1, 14.4; docs/attestation.md, "Results").
 *
 * Trust:   none in the token; keys and roots are the caller's.
 * Owns:    a token the claims it decoded.
 * Threads: any; one token belongs to one thread.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/evidence.h"
#include "attest/jws.h"
#include "attest/verdict.h"
#include "base/cdefs.h"
#include "base/why.h"
#include "base/wr.h"

enum token_form { TOKEN_JWT, TOKEN_CWT, TOKEN_DSSE, TOKEN_FORM_COUNT };

#define TOKEN_ROWS(X)                                                                              \
	X(SIGNATURE, "signature") /* algorithm, key, signature */                                  \
	X(TIME, "time")           /* issued, not before, expires */                                \
	X(ISSUER, "issuer")       /* who issued it is one of those asked for */                    \
	X(PROFILE, "profile")     /* whose words it speaks */                                      \
	X(NONCE, "nonce")         /* the value the verifier asked for */                           \
	X(VECTOR, "vector")       /* the claims, and that the status agrees with them */           \
	X(RESULT, "result")       /* what it says: the worst of its appraisals */

enum token_row_id {
#define TOKEN_ROW_ID(id, name) TOKEN_ROW_##id,
	TOKEN_ROWS(TOKEN_ROW_ID)
#undef TOKEN_ROW_ID
		TOKEN_ROW_COUNT
};

struct token {
	enum token_form form;
	/* The worst row; NONE when nothing is wrong but the signature was not judged or no result given. */
	enum verdict_status overall;
	struct verdict_row rows[TOKEN_ROW_COUNT];
	struct claims claims;
	json_t *body; /* the claims set; of a CWT with its numbers as names */
};

void token_done(struct token *t);

static inline void token_auto(struct token *t)
{
	token_done(t);
}

struct token_inputs {
	struct attest_blob bytes;
	struct jws_trust trust;   /* trust.at: the time everything is judged at */
	struct attest_blob nonce; /* what eat_nonce has to be; len 0: not asked */
	/* One of these has to be iss, in a statement the verifier's id; n 0: not asked. Keys of a
	 * service sign for all who use it, and each of them says there what is good. */
	const char *const *issuers;
	size_t n_issuers;
};

/*
 * Read and judge one. 0 with every row, whatever they say; -EBADMSG, -EMSGSIZE with why for bytes
 * that are no token; -ENOMEM.
 */
MUST_USE int token_verify(const struct token_inputs *in, struct token *ret, struct why *why);

/* Rows and claims; schema "casemate.attest.token/1". */
void token_print_json(const struct token *t, struct wr *w);
void token_print_text(const struct token *t, struct wr *w);

/* Set a row, printf-like; a worse status replaces what is there. For token's own files. */
void token_set(struct token *t, enum token_row_id row, enum verdict_status status,
	const char *expected, const char *actual, const char *why, ...) PRINTF(6, 7);

/* The rows time, profile, nonce, vector, result of a claims set: EAR in three spellings, Azure. */
void token_judge_ear(const struct token_inputs *in, bool is_cbor, struct token *t);

/* Those of a statement of ours; -EBADMSG for an envelope's payload that is none. */
MUST_USE int token_judge_statement(
	const struct token_inputs *in, const char *payload_type, struct token *t, struct why *why);

/* The row issuer; NULL: the token names none. */
void token_judge_issuer(const struct token_inputs *in, struct token *t, const char *issuer);

/* The row time, for seconds since 1970; 0: not said. */
void token_judge_time(
	struct token *t, time_t at, int64_t issued, int64_t not_before, int64_t expires);
