/*
 * broker_answer: the key-broker protocol from the server's side (attestation.md 12.1), without the
 *                network: a request in, a reply out.
 *
 *   POST /kbs/v0/auth                       -> challenge, session cookie
 *   POST /kbs/v0/attest                     -> verdict
 *   GET  /kbs/v0/resource/REPOSITORY/TYPE/TAG -> JWE
 *
 * Trust:   none in a request. A reply's detail tells the one who asked why: it quotes only what he
 *          sent, the policy he named and the verdict on it.
 * Owns:    sessions, store, ledger link, scratch space of the judge.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/broker/broker_judge.h"
#include "attest/broker/broker_ledger.h"
#include "attest/broker/broker_session.h"
#include "attest/broker/broker_store.h"
#include "base/cdefs.h"

struct broker {
	struct store store;
	struct judge judge;
	struct sessions sessions;
	struct broker_ledger ledger;
	unsigned int n_evidence_proven; /* kept in this run, LIMIT_BROKER_EVIDENCE each */
	unsigned int n_evidence_refused;
};

enum broker_method { BROKER_GET, BROKER_POST, BROKER_METHOD_COUNT };

struct broker_request {
	enum broker_method method;
	const char *path;   /* as sent, with a query if there is one */
	const char *cookie; /* the Cookie header, NULL: none */
	const void *body;
	size_t body_len;
	uint64_t now_ms; /* CLOCK_MONOTONIC */
	int64_t now;     /* seconds since 1970 */
};

#define BROKER_COOKIE_MAX 160

struct broker_reply {
	int status;
	char *body; /* JSON, for kbs_text_free(); NULL when memory is short */
	char set_cookie[BROKER_COOKIE_MAX]; /* empty: none */
};

/* Answer; there is always a status. */
void broker_answer(struct broker *b, const struct broker_request *rq, struct broker_reply *ret);
