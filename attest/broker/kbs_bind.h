/*
 * kbs_bind: what ties a nonce and a guest's key to its evidence (attestation.md 12.2, 12.3).
 *
 * Trust:   the key comes from whoever talks to the broker; only the report gives it meaning.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

#define KBS_REPORT_DATA_BYTES 64u

/*
 * Is this a public key we seal to: EC on P-256, P-384 or P-521 with "ECDH-ES+A256KW", or RSA of 2048
 * to 4096 bits with "RSA-OAEP-256"? Every member is a short string of printable ASCII, so that the
 * sorted compact text is the canonical one of RFC 8785; a private member is refused. -EBADMSG, or
 * -EPROTONOSUPPORT for an algorithm that is not ours (RSA1_5), with why.
 */
MUST_USE int kbs_key_check(const json_t *jwk, struct why *why);

/*
 * REPORT_DATA for this nonce (as it stands in the JSON) and this key: SHA-384 over the canonical
 * {"additional-evidence": "", "nonce", "tee-pubkey"}, filled up with zeros.
 */
MUST_USE int kbs_bind_report_data(
	const char *nonce, const json_t *jwk, uint8_t ret[KBS_REPORT_DATA_BYTES]);
