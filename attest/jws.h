/*
 * jws: signatures in JSON's and COSE's raw form, and compact JSON web signatures (RFC 7515).
 *
 * Trust:   none in tokens; keys and roots are the caller's. A key that comes with a token counts
 *          only where a given key equals it or a chain to a given root vouches for it.
 * Owns:    a jws its header and payload.
 * Threads: any.
 */
#pragma once

#include <jansson.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "attest/cert.h"
#include "attest/jwk.h"
#include "base/cdefs.h"
#include "base/why.h"

/* ECDSA P-521: 132 bytes; RSA of 8192 bits: 1024. */
#define JWS_SIGNATURE_MAX 1024u

/* Sign with a private key; ECDSA as r || s. -EOPNOTSUPP for an algorithm that does not fit; -EIO. */
MUST_USE int jws_sign_raw(const struct jwk *key, enum jws_alg alg, const void *bytes, size_t len,
	uint8_t ret[JWS_SIGNATURE_MAX], size_t *ret_len);

/* 0 or -EKEYREJECTED, also when key and algorithm do not fit. */
MUST_USE int jws_verify_raw(EVP_PKEY *key, enum jws_alg alg, const void *bytes, size_t len,
	const uint8_t *sig, size_t sig_len);

/* The same in libcrypto's own form, ECDSA as DER: what DSSE carries. *ret_len: at first the size. */
MUST_USE int jws_sign_evp(const struct jwk *key, enum jws_alg alg, const void *bytes, size_t len,
	uint8_t *ret, size_t *ret_len);
MUST_USE int jws_verify_evp(EVP_PKEY *key, enum jws_alg alg, const void *bytes, size_t len,
	const uint8_t *sig, size_t sig_len);

/* Who is believed. Nothing at all: the signature is not judged (jws.is_verified stays false). */
struct jws_trust {
	const struct jwk_set *keys;     /* NULL: none */
	const struct cert_store *roots; /* for tokens that carry a chain; NULL: none */
	time_t at;                      /* chains are judged at this time */
};

static inline bool jws_trust_is_any(const struct jws_trust *t)
{
	return (t->keys != NULL && t->keys->n > 0) || (t->roots != NULL && t->roots->n > 0);
}

/* What was signed, and how. Borrowed. */
struct jws_message {
	enum jws_alg alg;
	const void *bytes;
	size_t len;
	const uint8_t *sig;
	size_t sig_len;
};

/*
 * Choose the key and check the signature; for JWT, COSE and DSSE. A kid names the keys that have it;
 * keys without a name are tried for any; a kid nobody has, where every key has a name, is refused.
 * 0 with the key's name, or -EKEYREJECTED with why.
 */
MUST_USE int jws_check(const struct jws_trust *t, const char *kid, const struct jws_message *m,
	char ret_signer[JWK_KID_MAX], struct why *why);

/*
 * The same with the key of a chain's leaf (first), when the chain ends in one of the roots at t->at
 * and the leaf's key usage, if it has one, is digitalSignature;
 * key, when not NULL, has to be that key. 0 with the leaf's common name, -EKEYREJECTED, -ENOMEM.
 */
MUST_USE int jws_check_chain(const struct jws_trust *t, STACK_OF(X509) * chain, EVP_PKEY *key,
	const struct jws_message *m, char ret_signer[JWK_KID_MAX], struct why *why);

struct jws {
	json_t *header;
	uint8_t *payload; /* the bytes that were signed, decoded */
	size_t payload_len;
	enum jws_alg alg;
	char signer[JWK_KID_MAX]; /* kid or subject that the signature was checked with */
	bool is_verified;
};

void jws_done(struct jws *s);

static inline void jws_auto(struct jws *s)
{
	jws_done(s);
}

/*
 * Compact form: header.payload.signature. `typ` ("JWT") and the x5c chain (leaf first, may be NULL)
 * go into the header. The text is the caller's, free(). -EOPNOTSUPP, -ENOMEM, -EIO.
 */
MUST_USE int jws_sign(const struct jwk *key, const char *typ, const struct cert_store *x5c,
	const void *payload, size_t len, char **ret, struct why *why);

/*
 * Read and check one. -EBADMSG, -EMSGSIZE: no compact JWS; -EKEYREJECTED with why: algorithm, key,
 * header or signature is not acceptable (ret is filled then as far as it was read; done() it).
 */
MUST_USE int jws_verify(const char *text, size_t len, const struct jws_trust *trust,
	struct jws *ret, struct why *why);
