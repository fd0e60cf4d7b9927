/*
 * kbs_jwe: secrets sealed to a guest's key: JWE, flattened JSON, A256GCM (attestation.md 12.3).
 *
 * Trust:   kbs_jwe_open() reads what any server sent; kbs_jwe_seal() takes a key that
 *          kbs_key_check() has passed.
 * Owns:    nothing; keys are jansson values, made under kbs_json_init()'s wiping allocator.
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/cdefs.h"
#include "base/secret.h"
#include "base/why.h"

/* A fresh P-384 key for ECDH-ES+A256KW; the public half is what goes into tee-pubkey. */
MUST_USE int kbs_key_new(json_t **ret_private, json_t **ret_public, struct why *why);

/* The same of a kind: "P-256", "P-384", "P-521", or "RSA" (3072 bits, for RSA-OAEP-256). */
MUST_USE int kbs_key_make(
	const char *kind, json_t **ret_private, json_t **ret_public, struct why *why);

/* Seal to the public key; *ret is text for kbs_text_free(). -EBADMSG: the key is no point, no modulus. */
MUST_USE int kbs_jwe_seal(
	const struct secret *secret, const json_t *public_key, char **ret, struct why *why);

/*
 * Open with the private key. The protected header may hold alg (the key's own), enc A256GCM and epk,
 * nothing else; nothing unprotected counts. -EBADMSG malformed, -EPROTONOSUPPORT another algorithm,
 * -EKEYREJECTED when it is not for this key or was changed; with why.
 */
MUST_USE int kbs_jwe_open(const void *body, size_t len, const json_t *private_key,
	struct secret *ret, struct why *why);
