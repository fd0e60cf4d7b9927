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

#include "attest/broker/broker_evidence.h"
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

/* What verified evidence said. */
struct proof {
	uint8_t policy_hash[32];
	uint8_t launch_digest[48];
	uint8_t evidence_hash[32]; /* SHA-256 of what was judged: report, quote, JSON */
	uint8_t boot_id[32]; /* one a boot (attestation.md 1.1, 9.1); zeros: it does not say */
	char guest[LIMIT_NAME_BYTES];
	char tenant[LIMIT_POLICY_LABEL_BYTES]; /* of the policy; "": none */
	uint64_t serial;
	int64_t since;   /* when its nonce was made, seconds since 1970 */
	bool is_tcb_met; /* the policy asks for a TCB, and the tcb row is affirming */
	bool is_debug_off;
};

struct session {
	enum session_state state;
	uint8_t id[SESSION_ID_BYTES];
	char nonce[SESSION_NONCE_TEXT + 1];
	uint64_t since_ms; /* when the nonce was made: no evidence for it is older */
	int64_t since;
	enum broker_tee tee;
	bool has_policy; /* the client named one (extra-params): for evidence without host data */
	uint8_t policy_hash[32];
	unsigned int n_requests;
	json_t *key; /* the guest's, once proven */
	struct proof proof;
};

struct sessions {
	struct session at[LIMIT_KBS_SESSIONS];
};

/*
 * A fresh session with a nonce of its own. When the table is full, the oldest session that has not
 * proven anything makes room: a flood costs a guest its place only if it is all through within the
 * second between a challenge and its proof. When all have proven something, the oldest goes: its token
 * still holds. NULL: randomness fails.
 */
struct session *sessions_new(struct sessions *all, uint64_t now_ms, int64_t now);

/* Of more than LIMIT_BROKER_SESSIONS_POLICY proven ones with s's policy, the oldest goes: one guest's
 * flood costs nobody else a place. */
void sessions_thin(struct sessions *all, const struct session *s);

/* The session of this id, NULL when there is none or it is too old. */
struct session *sessions_find(
	struct sessions *all, const uint8_t id[SESSION_ID_BYTES], uint64_t now_ms);

/* Forget what is too old. */
void sessions_expire(struct sessions *all, uint64_t now_ms);

/* Forget one. */
void session_drop(struct session *s);
