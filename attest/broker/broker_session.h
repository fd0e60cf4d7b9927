/*
 * broker_session: who is in the middle of proving what: a bounded table of short-lived sessions.
 *
 * Trust:   the session id is the only thing a client has to show; it is 256 random bits.
 * Owns:    each session its copy of the guest's public key.
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"

#define SESSION_ID_BYTES    32u
#define SESSION_NONCE_BYTES 32u
#define SESSION_NONCE_TEXT  44u /* base64 of the nonce */

/* Which fields may be read, which calls are allowed. */
enum session_state {
	SESSION_FREE,       /* nothing */
	SESSION_CHALLENGED, /* id, nonce; attest once */
	SESSION_SPENT,      /* the nonce was used and did not prove anything: only an end */
	SESSION_PROVEN,     /* everything; resources */
	SESSION_STATE_COUNT
};

/* What a verified report said. */
struct proof {
	uint8_t policy_hash[32];
	uint8_t launch_digest[48];
	uint8_t evidence_hash[32]; /* SHA-256 of the report */
	uint8_t report_id[32];     /* one a boot (attestation.md 1.1) */
	char guest[LIMIT_NAME_BYTES];
	uint64_t serial;
	bool is_tcb_met; /* min_tcb is in the policy, and the tcb row is affirming */
	bool is_debug_off;
};

struct session {
	enum session_state state;
	uint8_t id[SESSION_ID_BYTES];
	char nonce[SESSION_NONCE_TEXT + 1];
	uint64_t since_ms; /* when the nonce was made: no evidence for it is older */
	json_t *key;       /* the guest's, once proven */
	struct proof proof;
};

struct sessions {
	struct session at[LIMIT_KBS_SESSIONS];
};

/*
 * A fresh session with a nonce of its own. When the table is full, the oldest session that has not
 * proven anything makes room: a flood costs a guest its place only if it is all through within the
 * second between a challenge and its proof. NULL when all have proven something, or randomness fails.
 */
struct session *sessions_new(struct sessions *all, uint64_t now_ms);

/* The session of this id, NULL when there is none or it is too old. */
struct session *sessions_find(
	struct sessions *all, const uint8_t id[SESSION_ID_BYTES], uint64_t now_ms);

/* Forget what is too old. */
void sessions_expire(struct sessions *all, uint64_t now_ms);

/* Forget one. */
void session_drop(struct session *s);
