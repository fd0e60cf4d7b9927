#include "attest/jwk.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "attest/ecdsa.h"
#include "attest/json_in.h"
#include "attest/rsa_key.h"
#include "base/b64.h"
#include "base/wr.h"

#define RSA_BITS_MIN   2048 /* RFC 7518, 3.3 */
#define RSA_BITS_MAX   8192 /* a check takes 1 ms; more would only cost */
#define COORDINATE_MAX 66u  /* P-521 */

/* Key type and, for EC, its size: what an algorithm needs. */
static const struct {
	const char *name, *type;
	int bits; /* 0: any that was loaded */
} algs[JWS_ALG_COUNT] = {
	[JWS_ES256] = { "ES256", "EC", 256 },
	[JWS_ES384] = { "ES384", "EC", 384 },
	[JWS_ES512] = { "ES512", "EC", 521 },
	[JWS_EDDSA] = { "EdDSA", "ED25519", 0 },
	[JWS_PS256] = { "PS256", "RSA", 0 },
	[JWS_PS384] = { "PS384", "RSA", 0 },
	[JWS_RS256] = { "RS256", "RSA", 0 },
	[JWS_RS384] = { "RS384", "RSA", 0 },
};

static const struct {
	const char *crv;
	size_t len;
} curves[] = { { "P-256", 32 }, { "P-384", 48 }, { "P-521", 66 } };

const char *jws_alg_name(enum jws_alg alg)
{
	return alg < JWS_ALG_COUNT ? algs[alg].name : "any";
}

int jws_alg_parse(const char *name, enum jws_alg *ret)
{
	for (enum jws_alg a = 0; a < JWS_ALG_COUNT; a++) {
		if (strcmp(algs[a].name, name) != 0)
			continue;
		*ret = a;
		return 0;
	}
	return -ENOENT;
}

bool jws_alg_fits(enum jws_alg alg, const EVP_PKEY *key)
{
	return alg < JWS_ALG_COUNT && EVP_PKEY_is_a(key, algs[alg].type) &&
	       (algs[alg].bits == 0 || EVP_PKEY_get_bits(key) == algs[alg].bits);
}

void jwk_done(struct jwk *k)
{
	EVP_PKEY_free(k->key);
	*k = (struct jwk){ .alg = JWS_ALG_COUNT };
}

void jwk_set_done(struct jwk_set *s)
{
	while (s->n > 0)
		jwk_done(&s->at[--s->n]);
}

/* --- JSON -------------------------------------------------------------------------------------- */

static MUST_USE int member_bytes(const json_t *j, const char *name, uint8_t *ret, size_t max,
	size_t *ret_len, struct why *why)
{
	const char *text = json_string_value(json_object_get(j, name));

	if (text == NULL || b64url_parse(text, strlen(text), ret, max, ret_len) < 0)
		return why_set(why, -EBADMSG, "JWK: \"%s\" is no base64url of at most %zu bytes",
			name, max);
	return 0;
}

static MUST_USE int ec_parse(const json_t *j, EVP_PKEY **ret, struct why *why)
{
	const char *crv = json_string_value(json_object_get(j, "crv"));
	uint8_t x[COORDINATE_MAX], y[COORDINATE_MAX];
	size_t x_len = 0, y_len = 0, len = 0;

	for (size_t i = 0; i < ARRAY_LEN(curves) && crv != NULL; i++)
		if (strcmp(curves[i].crv, crv) == 0)
			len = curves[i].len;
	if (len == 0)
		return why_set(why, -EOPNOTSUPP, "JWK: curve '%.20s'", crv != NULL ? crv : "");
	int err = member_bytes(j, "x", x, sizeof x, &x_len, why);
	if (err == 0)
		err = member_bytes(j, "y", y, sizeof y, &y_len, why);
	if (err < 0)
		return err;
	if (x_len != len || y_len != len)
		return why_set(why, -EBADMSG, "JWK: coordinates of %zu and %zu bytes on %s", x_len,
			y_len, crv);
	err = ecdsa_key(x, y, len, ret);
	return err < 0 ? why_set(why, err == -ENOMEM ? err : -EBADMSG,
				 "JWK: the point is not on %s", crv)
		       : 0;
}

static MUST_USE int okp_parse(const json_t *j, EVP_PKEY **ret, struct why *why)
{
	const char *crv = json_string_value(json_object_get(j, "crv"));
	uint8_t x[32];
	size_t len = 0;

	if (crv == NULL || strcmp(crv, "Ed25519") != 0)
		return why_set(why, -EOPNOTSUPP, "JWK: curve '%.20s'", crv != NULL ? crv : "");
	int err = member_bytes(j, "x", x, sizeof x, &len, why);
	if (err < 0)
		return err;
	if (len != sizeof x)
		return why_set(why, -EBADMSG, "JWK: an Ed25519 key of %zu bytes", len);
	*ret = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, len);
	return *ret == NULL ? -ENOMEM : 0;
}

static MUST_USE int rsa_parse(const json_t *j, EVP_PKEY **ret, struct why *why)
{
	uint8_t n[RSA_BITS_MAX / 8], e[8];
	size_t n_len = 0, e_len = 0;
	int err = member_bytes(j, "n", n, sizeof n, &n_len, why);

	if (err == 0)
		err = member_bytes(j, "e", e, sizeof e, &e_len, why);
	if (err < 0)
		return err;
	err = rsa_key(n, n_len, e, e_len, ret);
	return err < 0 ? why_set(why, -EBADMSG, "JWK: no RSA key") : 0;
}

static MUST_USE int key_check(const EVP_PKEY *key, struct why *why)
{
	int bits = EVP_PKEY_get_bits(key);

	if (EVP_PKEY_is_a(key, "RSA") && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
		return why_set(why, -EOPNOTSUPP, "an RSA key of %d bits, want %d to %d", bits,
			RSA_BITS_MIN, RSA_BITS_MAX);
	for (enum jws_alg a = 0; a < JWS_ALG_COUNT; a++)
		if (jws_alg_fits(a, key))
			return 0;
	return why_set(why, -EOPNOTSUPP, "a key of a kind no token is signed with");
}

/* The key that x5c's first certificate certifies (RFC 7517, 4.7); NULL: none. */
static EVP_PKEY *x5c_key(const json_t *j)
{
	const char *text = json_string_value(json_array_get(json_object_get(j, "x5c"), 0));
	uint8_t der[8192];
	const uint8_t *at = der;
	size_t len = 0;
	X509 *x = text != NULL && b64_parse(text, strlen(text), der, sizeof der, &len) == 0
			  ? d2i_X509(NULL, &at, (long)len)
			  : NULL;
	EVP_PKEY *key = x != NULL ? X509_get_pubkey(x) : NULL;

	X509_free(x);
	ERR_clear_error();
	return key;
}

static const struct {
	const char *kty, *type, *member; /* type: libcrypto's name */
	int (*parse)(const json_t *, EVP_PKEY **, struct why *);
} types[] = {
	{ "EC", "EC", "x", ec_parse },
	{ "OKP", "ED25519", "x", okp_parse },
	{ "RSA", "RSA", "n", rsa_parse },
};

/*
 * From its members, or, where it has none, from its certificate, as Azure publishes its keys. With
 * both, the certificate has to be of this key.
 */
static MUST_USE int key_parse(const json_t *j, const char *kty, EVP_PKEY **ret, struct why *why)
{
	size_t i = 0;

	while (i < ARRAY_LEN(types) && strcmp(types[i].kty, kty) != 0)
		i++;
	if (i == ARRAY_LEN(types))
		return -EOPNOTSUPP;
	EVP_PKEY *certified = x5c_key(j);
	bool has_x5c = json_object_get(j, "x5c") != NULL,
	     has_member = json_object_get(j, types[i].member) != NULL;
	int err = has_member || !has_x5c ? types[i].parse(j, ret, why) : 0;
	if (err == 0 && has_x5c &&
		(certified == NULL || !EVP_PKEY_is_a(certified, types[i].type) ||
			(has_member && EVP_PKEY_eq(certified, *ret) != 1)))
		err = why_set(
			why, -EBADMSG, "JWK: x5c certifies another key, or is no certificate");
	if (err == 0 && !has_member) {
		*ret = certified;
		certified = NULL;
	}
	EVP_PKEY_free(certified);
	return err;
}

int jwk_parse(struct jwk *ret, const json_t *j, struct why *why)
{
	const char *kty = json_string_value(json_object_get(j, "kty"));
	const char *use = json_string_value(json_object_get(j, "use"));
	const char *alg = json_string_value(json_object_get(j, "alg"));
	const char *kid = json_string_value(json_object_get(j, "kid"));
	AUTO(jwk) struct jwk k = { .alg = JWS_ALG_COUNT };

	if (kty == NULL)
		return why_set(why, -EBADMSG, "JWK without a \"kty\"");
	if (use != NULL && strcmp(use, "sig") != 0)
		return why_set(why, -EOPNOTSUPP, "JWK for use '%.20s'", use);
	if (alg != NULL && jws_alg_parse(alg, &k.alg) < 0)
		return why_set(why, -EOPNOTSUPP, "JWK for algorithm '%.20s'", alg);
	if (kid != NULL && strlen(kid) >= sizeof k.kid)
		return why_set(why, -EBADMSG, "JWK: a kid of more than %d bytes", JWK_KID_MAX - 1);
	int err = key_parse(j, kty, &k.key, why);
	if (err == 0)
		err = key_check(k.key, why);
	if (err == 0 && k.alg != JWS_ALG_COUNT && !jws_alg_fits(k.alg, k.key))
		err = why_set(why, -EBADMSG, "JWK: the key is none for %s", algs[k.alg].name);
	if (err < 0)
		return why_set(why, err, "JWK of kind '%.20s'", kty);
	if (kid != NULL)
		memcpy(k.kid, kid, strlen(kid) + 1);
	*ret = k;
	k.key = NULL;
	return 0;
}

/* --- sets -------------------------------------------------------------------------------------- */

/* Takes the key of k. */
static MUST_USE int set_give(struct jwk_set *s, struct jwk *k, struct why *why)
{
	if (s->n == ARRAY_LEN(s->at)) {
		jwk_done(k);
		return why_set(why, -EMSGSIZE, "more than %zu keys", s->n);
	}
	s->at[s->n++] = *k;
	return 0;
}

static MUST_USE int json_add(struct jwk_set *s, const uint8_t *buf, size_t len, struct why *why)
{
	AUTO(json_in) json_t *root = NULL;
	size_t i = 0;
	json_t *j = NULL;
	int err = json_in_parse(buf, len, &root, why);

	if (err < 0)
		return err;
	json_t *keys = json_object_get(root, "keys");
	if (keys == NULL) {
		struct jwk k = { 0 };
		err = jwk_parse(&k, root, why);
		return err < 0 ? err : set_give(s, &k, why);
	}
	if (!json_is_array(keys))
		return why_set(why, -EBADMSG, "JWK set: \"keys\" is no array");
	json_array_foreach(keys, i, j)
	{
		struct jwk k = { 0 };
		struct why one = { 0 };
		err = jwk_parse(&k, j, &one);
		if (err == -EOPNOTSUPP) /* RFC 7517, 5: ignore what is not understood */
			continue;
		if (err < 0)
			return why_set(why, err, "key %zu: %s", i, one.text);
		err = set_give(s, &k, why);
		if (err < 0)
			return err;
	}
	return 0;
}

static EVP_PKEY *pem_key(const char *name, const uint8_t *der, long len)
{
	const uint8_t *at = der;

	if (strcmp(name, PEM_STRING_PUBLIC) == 0)
		return d2i_PUBKEY(NULL, &at, len);
	if (strcmp(name, PEM_STRING_X509) != 0)
		return NULL;
	X509 *x = d2i_X509(NULL, &at, len);
	EVP_PKEY *key = x != NULL ? X509_get_pubkey(x) : NULL;
	X509_free(x);
	return key;
}

static MUST_USE int pem_add(struct jwk_set *s, const uint8_t *buf, size_t len, struct why *why)
{
	BIO *bio = BIO_new_mem_buf(buf, (int)len);
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long der_len = 0;
	int err = bio == NULL ? -ENOMEM : 0;

	while (err == 0 && PEM_read_bio(bio, &name, &header, &der, &der_len) == 1) {
		struct jwk k = { .key = pem_key(name, der, der_len), .alg = JWS_ALG_COUNT };
		err = k.key == NULL
			      ? why_set(why, -EBADMSG,
					"PEM block '%.30s', want a public key or certificate", name)
			      : key_check(k.key, why);
		if (err == 0)
			err = set_give(s, &k, why);
		else
			jwk_done(&k);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(der);
	}
	BIO_free(bio);
	ERR_clear_error();
	return err;
}

int jwk_set_add(struct jwk_set *s, const uint8_t *buf, size_t len, struct why *why)
{
	size_t before = s->n, at = 0;

	if (len > LIMIT_EVIDENCE_BYTES)
		return why_set(
			why, -EMSGSIZE, "keys of %zu bytes, at most %u", len, LIMIT_EVIDENCE_BYTES);
	while (at < len &&
		(buf[at] == ' ' || buf[at] == '\n' || buf[at] == '\t' || buf[at] == '\r'))
		at++;
	int err =
		at < len && buf[at] == '{' ? json_add(s, buf, len, why) : pem_add(s, buf, len, why);
	if (err == 0 && s->n == before)
		err = why_set(why, -EBADMSG, "no key that checks signatures in it");
	return err;
}

/* --- our own ----------------------------------------------------------------------------------- */

/* The public members, in the order of their names: what RFC 7638 hashes. */
static MUST_USE int members_print(const struct jwk *k, struct wr *w)
{
	uint8_t bytes[1 + 2 * COORDINATE_MAX];
	size_t len = sizeof bytes;

	if (EVP_PKEY_is_a(k->key, "ED25519")) {
		if (EVP_PKEY_get_raw_public_key(k->key, bytes, &len) != 1)
			return -EIO;
		wr_str(w, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
		b64url_print(w, bytes, len);
		wr_str(w, "\"}");
		return wr_check(w);
	}
	if (!EVP_PKEY_is_a(k->key, "EC") ||
		EVP_PKEY_get_octet_string_param(
			k->key, OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof bytes, &len) != 1)
		return -EOPNOTSUPP;
	size_t half = len / 2;
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (curves[i].len == half)
			wr_printf(w, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"", curves[i].crv);
	b64url_print(w, bytes + 1, half);
	wr_str(w, "\",\"y\":\"");
	b64url_print(w, bytes + 1 + half, half);
	wr_str(w, "\"}");
	return wr_check(w);
}

static MUST_USE int thumbprint_set(struct jwk *k)
{
	uint8_t hash[32], text[512];
	struct wr w = wr_of(text, sizeof text), kid = wr_of(k->kid, sizeof k->kid);
	int err = members_print(k, &w);

	if (err < 0)
		return err;
	if (EVP_Digest(text, w.len, hash, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	b64url_print(&kid, hash, sizeof hash);
	return wr_end_str(&kid);
}

/* No phrase is asked for: keys of a service lie on its disk. */
static int phrase_refuse(char *buf, int size, int is_write, void *arg)
{
	(void)buf, (void)size, (void)is_write, (void)arg;
	return -1;
}

int jwk_load_private(struct jwk *ret, const uint8_t *pem, size_t len, struct why *why)
{
	static const enum jws_alg signing[] = { JWS_ES256, JWS_ES384, JWS_EDDSA };
	AUTO(jwk) struct jwk k = { .alg = JWS_ALG_COUNT };

	if (len > INT_MAX)
		return -EMSGSIZE;
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	k.key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, phrase_refuse, NULL) : NULL;
	BIO_free(bio);
	ERR_clear_error();
	if (k.key == NULL)
		return why_set(why, -EBADMSG, "no private key in PEM without a phrase");
	for (size_t i = 0; i < ARRAY_LEN(signing); i++)
		if (jws_alg_fits(signing[i], k.key))
			k.alg = signing[i];
	if (k.alg == JWS_ALG_COUNT)
		return why_set(why, -EOPNOTSUPP, "want a key on P-256 or P-384, or an Ed25519 key");
	int err = thumbprint_set(&k);
	if (err < 0)
		return why_set(why, err, "the key's public half cannot be read");
	*ret = k;
	k.key = NULL;
	return 0;
}

int jwk_print_set(const struct jwk *k, char **ret, struct why *why)
{
	uint8_t text[512];
	struct wr w = wr_of(text, sizeof text);
	int err = members_print(k, &w);

	if (err < 0)
		return why_set(why, err, "the key's public half cannot be printed");
	json_t *j = json_loadb((const char *)text, w.len, 0, NULL);
	json_t *set = json_pack("{s:[O]}", "keys", j);
	bool ok = set != NULL && json_object_set_new(j, "kid", json_string(k->kid)) == 0 &&
		  json_object_set_new(j, "alg", json_string(jws_alg_name(k->alg))) == 0 &&
		  json_object_set_new(j, "use", json_string("sig")) == 0;
	char *out = ok ? json_dumps(set, JSON_COMPACT) : NULL;
	json_decref(j);
	json_decref(set);
	if (out == NULL)
		return -ENOMEM;
	*ret = out;
	return 0;
}
