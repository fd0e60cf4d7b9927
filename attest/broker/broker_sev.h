/*
 * broker_sev: the guest owner's side of SEV and SEV-ES launches: sessions the owner made offline, and
 *             the secret for a launch whose measurement holds (kvm-cvm-abi.md, 2.12).
 *
 *   POST /casemate/v0/sev/launch
 *     {"policy": HEX, "session": HEX, "measure": BASE64, "sev_policy": N, "api": [MAJOR, MINOR, BUILD],
 *      "vcpus": N}
 *   200 {"header": BASE64, "body": BASE64}    both empty: no key, the guest may run
 *   202 {"state": "held"}, Retry-After        it holds; the owner has to say yes
 *
 * Trust:   none in a request: it comes from the host. The MAC in "measure" needs the session's key,
 *          which only owner and firmware have; everything else of a request is under that MAC or is
 *          looked up.
 * Owns:    nothing; sessions are sealed secrets of the store.
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "attest/broker/broker_answer.h"
#include "attest/sev_session.h"
#include "base/cdefs.h"

#define BROKER_SEV_PATH      "/casemate/v0/sev/launch"

#define SEV_SESSION_HELD     0x1u /* a launch waits until broker_sev_release() */
#define SEV_SESSION_REUSABLE 0x2u /* for more than one launch; each measurement still counts once */

/* What is kept of a session. Everything but the keys is known to its host, too. */
struct sev_kept {
	uint32_t flags;           /* SEV_SESSION_* */
	uint8_t policy_hash[32];  /* the only policy it is for */
	const uint8_t *tek;       /* 16 bytes */
	const uint8_t *tik;       /* SEV_TIK_BYTES: the key, and the digest of its platform's PDH */
	struct attest_blob certs; /* of the platform, up to its root: one blob */
};

/* A session's name: SHA-256 of the 128 bytes that LAUNCH_START gets. -EIO. */
MUST_USE int broker_sev_id(const uint8_t session[SEV_SESSION_BYTES], uint8_t ret[32]);

/* Keep a session for a tenant's guests. -EMSGSIZE: too many certificates. */
MUST_USE int broker_sev_put(const struct store *s, const char *tenant, const uint8_t id[32],
	const struct sev_kept *kept, struct why *why);
/* Its launch is not held any more. -ENOENT: there is none. */
MUST_USE int broker_sev_release(
	const struct store *s, const char *tenant, const uint8_t id[32], struct why *why);
MUST_USE int broker_sev_remove(
	const struct store *s, const char *tenant, const uint8_t id[32], struct why *why);
/* The tenant's sessions as a JSON list of {session, policy, held, reusable}. */
MUST_USE int broker_sev_list(
	const struct store *s, const char *tenant, json_t **ret, struct why *why);

/* Answer a request to BROKER_SEV_PATH. */
void broker_sev_answer(struct broker *b, const struct broker_request *rq, struct broker_reply *ret);
