/*
 * broker_answer: the key-broker protocol from the server's side (attestation.md 12.1), without the
 *                network: a request in, a reply out.
 *
 *   POST /kbs/v0/auth                       -> challenge, session cookie
 *   POST /kbs/v0/attest                     -> token
 *   GET  /kbs/v0/resource/REPOSITORY/TYPE/TAG -> JWE; by cookie or token
 *   GET  /.well-known/jwks.json             -> the key tokens are checked with
 *   POST /casemate/v0/sev/launch            -> a SEV launch's secret (broker_sev.h)
 *
 * Trust:   none in a request. A reply's detail tells the one who asked why: it quotes only what he
 *          sent, the policy he named and the verdict on it.
 * Owns:    sessions, store, ledger link, scratch space of the judge.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/broker/broker_config.h"
#include "attest/broker/broker_judge.h"
#include "attest/broker/broker_ledger.h"
#include "attest/broker/broker_rate.h"
#include "attest/broker/broker_reply.h"
#include "attest/broker/broker_session.h"
#include "attest/broker/broker_store.h"
#include "attest/broker/broker_token.h"
#include "base/cdefs.h"

struct broker {
	struct broker_config config;
	struct store store;
	struct judge judge;
	struct sessions sessions;
	struct tokens tokens;
	struct rate rate;
	struct metrics metrics;
	struct broker_ledger ledger;
	unsigned int n_evidence_proven; /* kept in this run, LIMIT_BROKER_EVIDENCE each */
	unsigned int n_evidence_refused;
};

enum broker_method { BROKER_GET, BROKER_POST, BROKER_DELETE, BROKER_METHOD_COUNT };

struct broker_request {
	enum broker_method method;
	const char *path;          /* as sent, with a query if there is one */
	const char *cookie;        /* the Cookie header, NULL: none */
	const char *authorization; /* likewise */
	const void *peer;          /* whom rates count it for; len 0: nobody */
	size_t peer_len;
	const void *body;
	size_t body_len;
	uint64_t now_ms; /* CLOCK_MONOTONIC */
	int64_t now;     /* seconds since 1970 */
};

/* Answer; there is always a status. */
void broker_answer(struct broker *b, const struct broker_request *rq, struct broker_reply *ret);
