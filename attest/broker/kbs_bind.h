/*
 * kbs_bind: what ties a nonce and a guest's key to its evidence (attestation.md 12.2, 12.3).
 *
 * Trust:   the key comes from whoever talks to the broker; only the report gives it meaning.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

#define KBS_REPORT_DATA_BYTES 64u
#define KBS_BOUND_BYTES       48u /* of them, a SHA-384 digest */

/*
 * Is this a public key we seal to: EC on P-256, P-384 or P-521 with "ECDH-ES+A256KW", or RSA of 2048
 * to 4096 bits with "RSA-OAEP-256", or with "RSA1_5" where the operator lets old agents use it? Every member is a short string of printable ASCII, so that the
 * sorted compact text is the canonical one of RFC 8785; a private member is refused. -EBADMSG, or
 * -EPROTONOSUPPORT for an algorithm that is not ours, with why.
 */
MUST_USE int kbs_key_check(const json_t *jwk, bool may_rsa1_5, struct why *why);

/*
 * REPORT_DATA for this nonce (as it stands in the JSON) and this key: SHA-384 over the canonical
 * {"additional-evidence": "", "nonce", "tee-pubkey"}, filled up with zeros.
 */
MUST_USE int kbs_bind_report_data(
	const char *nonce, const json_t *jwk, uint8_t ret[KBS_REPORT_DATA_BYTES]);

/* The same for a client that sends this text, of printable ASCII, as additional evidence. */
MUST_USE int kbs_bind_with(const char *additional, const char *nonce, const json_t *jwk,
	uint8_t ret[KBS_REPORT_DATA_BYTES]);
