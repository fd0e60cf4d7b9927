/*
 * jwk: keys that sign and check tokens: PEM, certificates, JSON web keys and sets of them (RFC 7517,
 *      RFC 8037).
 *
 * Trust:   none in the bytes; the caller says by loading a key that it trusts it.
 * Owns:    a jwk its key, a jwk_set its keys.
 * Threads: any; one set, one thread while it is filled.
 */
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

/* Signature algorithms (RFC 7518, 3.1; RFC 8037, 3.1; COSE: RFC 9053). */
enum jws_alg {
	JWS_ES256,
	JWS_ES384,
	JWS_ES512,
	JWS_EDDSA,
	JWS_PS256,
	JWS_PS384,
	JWS_RS256,
	JWS_RS384,
	JWS_ALG_COUNT
};

#define JWK_KID_MAX 128

struct jwk {
	EVP_PKEY *key;
	char kid[JWK_KID_MAX]; /* "": the key has no name of its own (PEM) */
	/* What the key's owner says it is for; JWS_ALG_COUNT: everything its type allows. */
	enum jws_alg alg;
};

struct jwk_set {
	size_t n;
	struct jwk at[LIMIT_TOKEN_KEYS];
};

void jwk_done(struct jwk *k);
void jwk_set_done(struct jwk_set *s);

static inline void jwk_auto(struct jwk *k)
{
	jwk_done(k);
}

static inline void jwk_set_auto(struct jwk_set *s)
{
	jwk_set_done(s);
}

/* "ES256"; never NULL. */
const char *jws_alg_name(enum jws_alg alg);
/* -ENOENT for a name that is none of ours, "none" among them. */
MUST_USE int jws_alg_parse(const char *name, enum jws_alg *ret);
/* May a key of this type and size be used with it? */
bool jws_alg_fits(enum jws_alg alg, const EVP_PKEY *key);

/*
 * Public keys that the caller trusts: PEM (public keys, certificates: their keys), a JWK, a JWK set.
 * Keys of a set that are for something else or of an unknown type are passed over. -EBADMSG with why
 * when it cannot be read or no key to check signatures with is in it; -EMSGSIZE; -ENOMEM.
 */
MUST_USE int jwk_set_add(struct jwk_set *s, const uint8_t *buf, size_t len, struct why *why);

/*
 * A private key to sign with, PEM without a phrase: P-256 (ES256), P-384 (ES384) or Ed25519
 * (EdDSA), whose algorithm is set. Its kid is its RFC 7638 thumbprint. -EBADMSG; -EOPNOTSUPP for
 * another kind of key. The bytes remain the caller's, to be wiped.
 */
MUST_USE int jwk_load_private(struct jwk *ret, const uint8_t *pem, size_t len, struct why *why);

/* One JWK in JSON into a public key; the kid and alg it names are taken over. -EBADMSG, -EOPNOTSUPP. */
struct json_t;
MUST_USE int jwk_parse(struct jwk *ret, const struct json_t *j, struct why *why);

/*
 * The public half as a JWK set of one key, JSON text, for those who check (free() it). -EOPNOTSUPP
 * for an RSA key; -ENOMEM.
 */
MUST_USE int jwk_print_set(const struct jwk *k, char **ret, struct why *why);
