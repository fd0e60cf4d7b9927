/*
 * agent_kbs: the key-broker protocol from the guest's side: HTTPS with TLS 1.3 over vsock, a Unix
 *            socket or TCP, challenge, proof, secret (attestation.md, chapter 12).
 *
 * Trust:   the network and everything on it is the host's until the broker's certificate holds; the
 *          guest's clock is the host's too, so the certificate's dates are not judged: whoever built
 *          the measured image decided whom it trusts.
 * Owns:    a curl handle, the session's cookie and token, the last answer.
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/agent/agent_settings.h"
#include "attest/agent/ev.h"
#include "base/cdefs.h"
#include "base/secret.h"
#include "base/why.h"

#define AGENT_NONCE_MAX 128 /* characters; ours has 44 */

struct agent_kbs;

/*
 * Prepare, and connect where the transport is vsock (-EREMOTEIO). ca is PEM and must outlive the
 * client; with a pin in the settings it may be NULL. -EINVAL when neither is there. Release with
 * agent_kbs_close().
 */
MUST_USE int agent_kbs_open(const struct agent_broker *broker, const uint8_t *ca, size_t ca_len,
	struct agent_kbs **ret, struct why *why);
void agent_kbs_close(struct agent_kbs *k);
static inline void agent_kbs_auto(struct agent_kbs **k)
{
	agent_kbs_close(*k);
}

/*
 * Begin a session for this kind of evidence: the nonce, as it must be bound. A broker that does not
 * answer, or is busy, is asked again with growing pauses, broker->tries times. -EREMOTEIO: no
 * connection, wrong certificate, or the broker's no (its words are in why); -EPROTONOSUPPORT: it
 * speaks another version; -EBADMSG: not an answer of the protocol.
 */
MUST_USE int agent_kbs_challenge(struct agent_kbs *k, enum ev_kind kind,
	char ret_nonce[AGENT_NONCE_MAX + 1], struct why *why);

/*
 * Send the evidence for this nonce and public key; the token of the answer, if any, is kept.
 * -EACCES: refused, with the broker's reason.
 */
MUST_USE int agent_kbs_prove(struct agent_kbs *k, const char *nonce, json_t *public_key,
	const struct ev_evidence *evidence, struct why *why);

/*
 * Fetch a secret and open it: by the session's cookie, and where the broker does not know it, by
 * the token. -EACCES: refused. -EKEYREJECTED: not sealed to our key.
 */
MUST_USE int agent_kbs_fetch(struct agent_kbs *k, const char *path, const json_t *private_key,
	struct secret *ret, struct why *why);

/* Did the last answer say that nothing is proven (401)? A new proof may help, once. */
bool agent_kbs_is_unproven(const struct agent_kbs *k);

/* The token of the last proof; NULL: none. Borrowed. */
const char *agent_kbs_token(const struct agent_kbs *k);

/* The nonce in a challenge; for agent_kbs_challenge() and its fuzz target. -EBADMSG. */
MUST_USE int agent_kbs_parse_challenge(
	const void *body, size_t len, char ret_nonce[AGENT_NONCE_MAX + 1], struct why *why);
