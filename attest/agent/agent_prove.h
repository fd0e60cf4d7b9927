/*
 * agent_prove: from a source of evidence to a key in hand: challenge, report, proof, key; one line
 *              of the log a step.
 *
 * Trust:   see ev.h and agent_kbs.h.
 * Owns:    the source, the connection, the fresh key pair, the fetched key.
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/agent/agent_kbs.h"
#include "attest/agent/agent_settings.h"
#include "attest/agent/ev.h"
#include "base/cdefs.h"
#include "base/secret.h"
#include "base/why.h"

struct agent_prove {
	struct ev ev;
	struct agent_kbs *kbs;
	char nonce[AGENT_NONCE_MAX + 1];
	json_t *private_key;
	json_t *public_key;
	struct ev_evidence evidence;
	struct secret key;
};

/* Find the source of evidence (ev_open()); root NULL: "/". */
MUST_USE int agent_prove_find(
	struct agent_prove *p, const char *root, const struct agent_settings *s, struct why *why);

/* Connect and get a nonce; ca must outlive p (agent_kbs_open()). */
MUST_USE int agent_prove_challenge(struct agent_prove *p, const struct agent_settings *s,
	const uint8_t *ca, size_t ca_len, struct why *why);

/* A fresh key, and evidence for it and the nonce. */
MUST_USE int agent_prove_report(
	struct agent_prove *p, const struct agent_settings *s, struct why *why);

MUST_USE int agent_prove_send(struct agent_prove *p, struct why *why);

/* Fetch s->key into p->key; a session that the broker forgot is proven anew, once. */
MUST_USE int agent_prove_fetch(
	struct agent_prove *p, const struct agent_settings *s, struct why *why);

/* Wipe, disconnect; a zeroed or finished one is fine. */
void agent_prove_done(struct agent_prove *p);
