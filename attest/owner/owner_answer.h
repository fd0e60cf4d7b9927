/*
 * owner_answer: the JSON that casemate-owner and the guest owner's broker exchange (broker_sev.h of
 *               attest/broker has the other end).
 *
 * Trust:   the broker is authenticated by TLS and still only believed what the supervisor's message can
 *          hold: lengths are checked, texts are escaped. The packet is firmware's to judge.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/owner/owner_proto.h"
#include "base/cdefs.h"
#include "base/why.h"

/* What stands behind the URL of CONFIG. */
#define OWNER_PATH        "/casemate/v0/sev/launch"
#define OWNER_REQUEST_MAX 1024u

/* The request for this launch as text of its own. session: SHA-256 of LAUNCH_START's session. */
MUST_USE int owner_print_request(const struct wire_owner_config *config,
	const struct wire_sev_measured *measured, const uint8_t session[32],
	char ret[OWNER_REQUEST_MAX]);

/* What a status means. */
enum owner_next {
	OWNER_DONE,    /* 200: the body is a packet */
	OWNER_WAIT,    /* 202, 425, 429, 502, 503, 504: ask again */
	OWNER_REFUSED, /* all others */
};
enum owner_next owner_judge_status(long status);

/* The packet in a 200's body. -EBADMSG with why. */
MUST_USE int owner_parse_packet(
	const void *body, size_t len, struct wire_sev_secret *ret, struct why *why);

/* Why the broker said no, or not yet: its own words where the body has any. */
void owner_parse_refusal(const void *body, size_t len, long status, struct why *why);
