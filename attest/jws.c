#include "attest/jws.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/ecdsa.h"
#include "attest/json_in.h"
#include "base/b64.h"
#include "base/wr.h"

#define AUTH_LEVEL 2 /* openssl's scale: RSA of 2048 bits and SHA-256 at least */

static const struct {
	const char *digest; /* NULL: the algorithm hashes by itself */
	size_t ec_len;      /* bytes of r, of s */
	bool is_pss;
} algs[JWS_ALG_COUNT] = {
	[JWS_ES256] = { "SHA2-256", 32, false },
	[JWS_ES384] = { "SHA2-384", 48, false },
	[JWS_ES512] = { "SHA2-512", 66, false },
	[JWS_EDDSA] = { NULL, 0, false },
	[JWS_PS256] = { "SHA2-256", 0, true },
	[JWS_PS384] = { "SHA2-384", 0, true },
	[JWS_RS256] = { "SHA2-256", 0, false },
	[JWS_RS384] = { "SHA2-384", 0, false },
};

/* --- raw signatures ---------------------------------------------------------------------------- */

static MUST_USE int ec_sig_split(
	const uint8_t *der, size_t der_len, size_t half, uint8_t *ret, size_t *ret_len)
{
	const unsigned char *at = der;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
	bool ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, (int)half) == (int)half &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + half, (int)half) == (int)half;

	ECDSA_SIG_free(sig);
	*ret_len = 2 * half;
	return ok ? 0 : -EIO;
}

int jws_sign_evp(const struct jwk *key, enum jws_alg alg, const void *bytes, size_t len,
	uint8_t *ret, size_t *ret_len)
{
	if (!jws_alg_fits(alg, key->key) || EVP_PKEY_is_a(key->key, "RSA"))
		return -EOPNOTSUPP;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL &&
		  EVP_DigestSignInit_ex(ctx, NULL, algs[alg].digest, NULL, NULL, key->key, NULL) ==
			  1 &&
		  EVP_DigestSign(ctx, ret, ret_len, bytes, len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : -EIO;
}

int jws_sign_raw(const struct jwk *key, enum jws_alg alg, const void *bytes, size_t len,
	uint8_t ret[JWS_SIGNATURE_MAX], size_t *ret_len)
{
	uint8_t der[JWS_SIGNATURE_MAX];
	size_t der_len = sizeof der;
	int err = jws_sign_evp(key, alg, bytes, len, der, &der_len);

	if (err < 0)
		return err;
	if (algs[alg].ec_len > 0)
		return ec_sig_split(der, der_len, algs[alg].ec_len, ret, ret_len);
	memcpy(ret, der, der_len);
	*ret_len = der_len;
	return 0;
}

int jws_verify_evp(EVP_PKEY *key, enum jws_alg alg, const void *bytes, size_t len,
	const uint8_t *sig, size_t sig_len)
{
	EVP_PKEY_CTX *kctx = NULL; /* the md context's own */

	if (!jws_alg_fits(alg, key))
		return -EKEYREJECTED;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL &&
		  EVP_DigestVerifyInit_ex(ctx, &kctx, algs[alg].digest, NULL, NULL, key, NULL) == 1;
	if (ok && algs[alg].is_pss) /* RFC 7518, 3.5: salt as long as the hash */
		ok = EVP_PKEY_CTX_set_rsa_padding(kctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(kctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	ok = ok && EVP_DigestVerify(ctx, sig, sig_len, bytes, len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : -EKEYREJECTED;
}

int jws_verify_raw(EVP_PKEY *key, enum jws_alg alg, const void *bytes, size_t len,
	const uint8_t *sig, size_t sig_len)
{
	size_t half = alg < JWS_ALG_COUNT ? algs[alg].ec_len : 0;

	if (!jws_alg_fits(alg, key) || (half > 0 && sig_len != 2 * half))
		return -EKEYREJECTED;
	return half == 0 ? jws_verify_evp(key, alg, bytes, len, sig, sig_len)
			 : ecdsa_verify(
				   key, algs[alg].digest, sig, half, sig + half, half, bytes, len);
}

/* --- which key --------------------------------------------------------------------------------- */

int jws_check(const struct jws_trust *t, const char *kid, const struct jws_message *m,
	char ret_signer[JWK_KID_MAX], struct why *why)
{
	const char *shown = kid != NULL ? kid : "";
	size_t n_named = 0, n_tried = 0;

	for (size_t i = 0; t->keys != NULL && i < t->keys->n; i++) {
		const struct jwk *k = &t->keys->at[i];
		if (kid != NULL && k->kid[0] != '\0' && strcmp(k->kid, kid) != 0)
			continue;
		n_named++;
		if (!jws_alg_fits(m->alg, k->key) || (k->alg != JWS_ALG_COUNT && k->alg != m->alg))
			continue;
		n_tried++;
		if (jws_verify_raw(k->key, m->alg, m->bytes, m->len, m->sig, m->sig_len) < 0)
			continue;
		(void)snprintf(ret_signer, JWK_KID_MAX, "%s",
			k->kid[0] != '\0' ? k->kid : "key without an id");
		return 0;
	}
	if (n_named == 0)
		return why_set(why, -EKEYREJECTED, "no key with the id '%.60s' is trusted", shown);
	if (n_tried == 0)
		return why_set(why, -EKEYREJECTED,
			"of the trusted keys for '%.60s' none is for algorithm %s", shown,
			jws_alg_name(m->alg));
	if (algs[m->alg].ec_len > 0 && m->sig_len != 2 * algs[m->alg].ec_len)
		return why_set(why, -EKEYREJECTED,
			"the signature has %zu bytes, want R and S of %zu bytes each", m->sig_len,
			algs[m->alg].ec_len);
	return why_set(why, -EKEYREJECTED,
		"the signature does not fit the bytes and the key '%.60s'", shown);
}

static MUST_USE int x5c_parse(const json_t *x5c, STACK_OF(X509) * ret, struct why *why)
{
	size_t i = 0;
	json_t *j = NULL;

	if (!json_is_array(x5c) || json_array_size(x5c) == 0 || json_array_size(x5c) > LIMIT_CERTS)
		return why_set(
			why, -EKEYREJECTED, "x5c is no list of 1 to %u certificates", LIMIT_CERTS);
	json_array_foreach(x5c, i, j)
	{
		const char *text = json_string_value(j);
		uint8_t der[8192];
		const uint8_t *at = der;
		size_t len = 0;
		X509 *x = text != NULL && b64_parse(text, strlen(text), der, sizeof der, &len) == 0
				  ? d2i_X509(NULL, &at, (long)len)
				  : NULL;
		if (x == NULL || at != der + len || sk_X509_push(ret, x) <= 0) {
			X509_free(x);
			return why_set(why, -EKEYREJECTED, "x5c: entry %zu is no certificate", i);
		}
	}
	return 0;
}

/* Leaf first, up to one of the roots, at that time. */
static MUST_USE int chain_verify(
	STACK_OF(X509) * chain, const struct cert_store *roots, time_t at, struct why *why)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = store != NULL && ctx != NULL;

	for (size_t i = 0; ok && i < roots->n; i++)
		ok = X509_STORE_add_cert(store, roots->at[i]) == 1;
	ok = ok && X509_STORE_CTX_init(ctx, store, sk_X509_value(chain, 0), chain) == 1;
	int err = ok ? 0 : -ENOMEM;
	if (ok) {
		X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
		X509_VERIFY_PARAM_set_time(p, at);
		X509_VERIFY_PARAM_set_auth_level(p, AUTH_LEVEL);
		(void)X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN);
		if (X509_verify_cert(ctx) != 1)
			err = why_set(why, -EKEYREJECTED, "the chain in x5c: %s",
				X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return err;
}

int jws_check_chain(const struct jws_trust *t, STACK_OF(X509) * chain, EVP_PKEY *key,
	const struct jws_message *m, char ret_signer[JWK_KID_MAX], struct why *why)
{
	X509 *leaf = sk_X509_value(chain, 0);
	int err = chain_verify(chain, t->roots, t->at, why);

	if (err < 0)
		return err;
	if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
		return why_set(why, -EKEYREJECTED, "the chain's leaf may not sign: its key usage");
	if (key != NULL && EVP_PKEY_eq(X509_get0_pubkey(leaf), key) != 1)
		return why_set(why, -EKEYREJECTED, "x5c certifies another key than the header's");
	if (jws_verify_raw(X509_get0_pubkey(leaf), m->alg, m->bytes, m->len, m->sig, m->sig_len) <
		0)
		return why_set(why, -EKEYREJECTED,
			"the signature does not fit the bytes and the key of the chain's leaf");
	char cn[CERT_NAME_MAX];
	cert_subject_cn(leaf, cn);
	(void)snprintf(ret_signer, JWK_KID_MAX, "%s", cn);
	return 0;
}

/* A key that came with the token, if somebody we trust vouches for it. */
static MUST_USE int carried_check(const struct jws_trust *t, const json_t *header,
	const struct jws_message *m, char signer[JWK_KID_MAX], struct why *why)
{
	const json_t *jwk = json_object_get(header, "jwk");
	const json_t *x5c = json_object_get(header, "x5c");
	AUTO(jwk) struct jwk own = { 0 };
	int err = jwk != NULL ? jwk_parse(&own, jwk, why) : 0;

	if (err < 0)
		return err == -ENOMEM ? err : why_prefix(why, -EKEYREJECTED, "the header's key");
	if (x5c == NULL)
		x5c = json_object_get(jwk, "x5c");
	if (x5c == NULL || t->roots == NULL || t->roots->n == 0) {
		for (size_t i = 0; own.key != NULL && t->keys != NULL && i < t->keys->n; i++) {
			struct jwk_set one = { .n = 1, .at = { t->keys->at[i] } };
			struct jws_trust only = { .keys = &one };
			if (EVP_PKEY_eq(t->keys->at[i].key, own.key) == 1)
				return jws_check(&only, NULL, m, signer, why);
		}
		return why_set(why, -EKEYREJECTED,
			"the token brings its own key, and nobody who is trusted vouches for it");
	}
	STACK_OF(X509) *chain = sk_X509_new_null();
	err = chain == NULL ? -ENOMEM : x5c_parse(x5c, chain, why);
	if (err == 0)
		err = jws_check_chain(t, chain, own.key, m, signer, why);
	sk_X509_pop_free(chain, X509_free);
	return err;
}

static MUST_USE int signature_check(
	const struct jws_trust *t, struct jws *s, const struct jws_message *m, struct why *why)
{
	bool has_roots = t->roots != NULL && t->roots->n > 0;
	const char *kid = json_string_value(json_object_get(s->header, "kid"));

	if (json_object_get(s->header, "jwk") != NULL ||
		(has_roots && json_object_get(s->header, "x5c") != NULL))
		return carried_check(t, s->header, m, s->signer, why);
	if (t->keys == NULL || t->keys->n == 0)
		return why_set(why, -EKEYREJECTED, "the token carries no chain to a root");
	return jws_check(t, kid, m, s->signer, why);
}

/* --- compact form ------------------------------------------------------------------------------ */

void jws_done(struct jws *s)
{
	json_decref(s->header);
	free(s->payload);
	*s = (struct jws){ 0 };
}

int jws_sign(const struct jwk *key, const char *typ, const struct cert_store *x5c,
	const void *payload, size_t len, char **ret, struct why *why)
{
	AUTO(json_in)
	json_t *header = json_pack(
		"{s:s, s:s, s:s}", "typ", typ, "alg", jws_alg_name(key->alg), "kid", key->kid);
	uint8_t sig[JWS_SIGNATURE_MAX];
	size_t sig_len = 0;

	if (x5c != NULL && x5c->n > 0)
		(void)json_object_set_new(header, "x5c", json_array());
	for (size_t i = 0; x5c != NULL && i < x5c->n; i++) {
		uint8_t *der = NULL;
		int der_len = i2d_X509(x5c->at[i], &der);
		size_t text_len = der_len > 0 ? B64_TEXT_LEN((size_t)der_len) : 0;
		char *text = malloc(text_len + 1);
		struct wr w = wr_of(text, text != NULL ? text_len : 0);
		b64_print(&w, der, der_len > 0 ? (size_t)der_len : 0);
		(void)json_array_append_new(json_object_get(header, "x5c"),
			json_stringn(text, text != NULL ? w.len : 0));
		free(text);
		OPENSSL_free(der);
	}
	char *head = json_dumps(header, JSON_COMPACT);
	size_t size = head == NULL ? 0
				   : B64_TEXT_LEN(strlen(head)) + B64_TEXT_LEN(len) +
					     B64_TEXT_LEN(JWS_SIGNATURE_MAX) + 3;
	char *out = malloc(size);
	struct wr w = wr_of(out, out != NULL ? size : 0);
	int err = head == NULL || out == NULL ? -ENOMEM : 0;
	if (err == 0) {
		b64url_print(&w, head, strlen(head));
		wr_u8(&w, '.');
		b64url_print(&w, payload, len);
		err = jws_sign_raw(key, key->alg, out, w.len, sig, &sig_len);
		if (err < 0)
			err = why_set(why, err, "the token cannot be signed");
	}
	free(head);
	if (err == 0) {
		wr_u8(&w, '.');
		b64url_print(&w, sig, sig_len);
		err = wr_end_str(&w);
	}
	if (err < 0) {
		free(out);
		return err;
	}
	*ret = out;
	return 0;
}

/* The header's own rules: RFC 7515, 4.1.11; RFC 8725, 3.1. */
static MUST_USE int header_check(struct jws *s, struct why *why)
{
	const char *alg = json_string_value(json_object_get(s->header, "alg"));
	json_t *kid = json_object_get(s->header, "kid");

	if (alg == NULL || jws_alg_parse(alg, &s->alg) < 0)
		return why_set(why, -EKEYREJECTED, "algorithm '%.20s' is not accepted",
			alg != NULL ? alg : "");
	if (json_object_get(s->header, "crit") != NULL)
		return why_set(why, -EKEYREJECTED,
			"the header makes parameters critical (crit) that are not known");
	if (kid != NULL && !json_is_string(kid))
		return why_set(why, -EKEYREJECTED, "the header's kid is no text");
	return 0;
}

int jws_verify(const char *text, size_t len, const struct jws_trust *trust, struct jws *ret,
	struct why *why)
{
	const char *dot1 = memchr(text, '.', len);
	const char *dot2 =
		dot1 != NULL ? memchr(dot1 + 1, '.', len - (size_t)(dot1 + 1 - text)) : NULL;
	uint8_t sig[JWS_SIGNATURE_MAX];
	size_t sig_len = 0, head_len = 0;

	if (len > LIMIT_TOKEN_BYTES)
		return why_set(
			why, -EMSGSIZE, "a token of %zu bytes, at most %u", len, LIMIT_TOKEN_BYTES);
	if (dot2 == NULL || memchr(dot2 + 1, '.', len - (size_t)(dot2 + 1 - text)) != NULL)
		return why_set(why, -EBADMSG, "a token has three parts with dots between");
	uint8_t *head = malloc(len);
	ret->payload = malloc(len);
	int err = head == NULL || ret->payload == NULL ? -ENOMEM : 0;
	if (err == 0 && (b64url_parse(text, (size_t)(dot1 - text), head, len, &head_len) < 0 ||
				b64url_parse(dot1 + 1, (size_t)(dot2 - dot1 - 1), ret->payload, len,
					&ret->payload_len) < 0 ||
				b64url_parse(dot2 + 1, len - (size_t)(dot2 + 1 - text), sig,
					sizeof sig, &sig_len) < 0))
		err = why_set(why, -EBADMSG, "a part of the token is no base64url without padding");
	if (err == 0) {
		err = json_in_parse(head, head_len, &ret->header, why);
		if (err < 0)
			err = why_prefix(why, err, "the token's header");
	}
	free(head);
	if (err == 0)
		err = header_check(ret, why);
	if (err < 0 || !jws_trust_is_any(trust))
		return err;
	struct jws_message m = { ret->alg, text, (size_t)(dot2 - text), sig, sig_len };
	err = signature_check(trust, ret, &m, why);
	ret->is_verified = err == 0;
	return err;
}
