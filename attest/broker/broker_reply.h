/*
 * broker_reply: what the broker answers: status, JSON, the protocol's error bodies; and the counters
 *               of what it answered (Prometheus text).
 *
 * Trust:   a reply's detail quotes what the one who asked sent; printed as JSON it stays a string.
 * Owns:    a reply its body, until the server has sent it.
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

#define BROKER_COOKIE_MAX 160

struct broker_reply {
	int status;
	char *body;                         /* for kbs_text_free(); NULL when memory is short */
	bool is_text;                       /* text/plain, not JSON */
	char set_cookie[BROKER_COOKIE_MAX]; /* empty: none */
	unsigned int retry_after_s;         /* 0: no such header */
};

/* Every way to say no. */
enum refusal {
	NO_PATH,
	NO_REQUEST,
	NO_VERSION,
	NO_TEE,
	NO_TOKEN,
	NO_SESSION,
	NO_PROOF,
	NO_PERMISSION,
	NO_RESOURCE,
	NO_ROOM,
	NO_LEDGER,
	NO_STORE,
	NO_LUCK,
	NO_HURRY,
	REFUSAL_COUNT
};

/* The answer is this JSON value (taken over; NULL: no memory). */
void reply_json(struct broker_reply *r, json_t *j);
void reply_refuse(struct broker_reply *r, enum refusal no, const struct why *why);
/* Which refusal an error of ours means to the client. */
enum refusal refusal_of(int err);
static inline void reply_error(struct broker_reply *r, int err, const struct why *why)
{
	reply_refuse(r, refusal_of(err), why);
}

/* --- counters ------------------------------------------------------------------------------------ */

enum metric {
	METRIC_CHALLENGES,
	METRIC_PROVEN,
	METRIC_REFUSED,
	METRIC_RELEASED,
	METRIC_NOT_RELEASED,
	METRIC_LIMITED,
	METRIC_ADMIN,
	METRIC_CONNECTIONS,
	METRIC_RELOADS,
	METRIC_RELOADS_FAILED,
	METRIC_COUNT
};

struct metrics {
	uint64_t n[METRIC_COUNT];
	uint64_t statuses[6]; /* replies by hundreds */
};

/* The text for a scraper; *ret for kbs_text_free(). sessions: open ones now. */
MUST_USE int metrics_print(const struct metrics *m, unsigned int sessions, char **ret);
