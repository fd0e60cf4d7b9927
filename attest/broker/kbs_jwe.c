#include "attest/broker/kbs_jwe.h"

#include <errno.h>
#include <jose/b64.h>
#include <jose/jwe.h>
#include <jose/jwk.h>
#include <jose/openssl.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "attest/broker/kbs_json.h"
#include "base/limits.h"

#define CEK_BYTES    32u  /* A256GCM */
#define RSA_NEW_BITS 3072 /* of our own RSA keys: as strong as P-256 */
#define RSA_BYTES    512u /* the largest modulus of kbs_key_check() */

static void pkey_auto(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void pkey_ctx_auto(EVP_PKEY_CTX **p)
{
	EVP_PKEY_CTX_free(*p);
}

int kbs_key_make(const char *kind, json_t **ret_private, json_t **ret_public, struct why *why)
{
	bool is_rsa = strcmp(kind, "RSA") == 0;
	AUTO(kbs_json)
	json_t *made = is_rsa ? json_pack("{s:s,s:i}", "kty", "RSA", "bits", RSA_NEW_BITS)
			      : json_pack("{s:s,s:s}", "kty", "EC", "crv", kind);

	if (made == NULL || !jose_jwk_gen(NULL, made))
		return why_set(why, -EIO, "cannot make a %s key", kind);
	/* Only what RFC 7517 and 7518 say a public key is: no key_ops, which peers hash differently. */
	json_t *public_key =
		is_rsa ? json_pack("{s:s,s:s,s:O,s:O}", "kty", "RSA", "alg", "RSA-OAEP-256", "n",
				 json_object_get(made, "n"), "e", json_object_get(made, "e"))
		       : json_pack("{s:s,s:s,s:s,s:O,s:O}", "kty", "EC", "crv", kind, "alg",
				 "ECDH-ES+A256KW", "x", json_object_get(made, "x"), "y",
				 json_object_get(made, "y"));
	json_t *private_key = public_key != NULL ? json_copy(public_key) : NULL;
	static const char *const members[] = { "d", "p", "q", "dp", "dq", "qi" };
	int failed = private_key == NULL;
	for (size_t i = 0; i < ARRAY_LEN(members) && !failed; i++)
		if (json_object_get(made, members[i]) != NULL)
			failed = json_object_set(
				private_key, members[i], json_object_get(made, members[i]));
	if (failed) {
		json_decref(public_key);
		json_decref(private_key);
		return -ENOMEM;
	}

	*ret_public = public_key;
	*ret_private = private_key;
	return 0;
}

int kbs_key_new(json_t **ret_private, json_t **ret_public, struct why *why)
{
	return kbs_key_make("P-384", ret_private, ret_public, why);
}

/*
 * libjose puts epk into the unprotected header; the protocol wants it protected, and the header is
 * encoded only when the content is encrypted, so it can still move.
 */
static MUST_USE int epk_protect(json_t *jwe)
{
	json_t *epk = json_object_get(json_object_get(jwe, "header"), "epk");

	if (epk != NULL && json_object_set(json_object_get(jwe, "protected"), "epk", epk) < 0)
		return -ENOMEM;
	(void)json_object_del(jwe, "header");
	return 0;
}

/*
 * RSA-OAEP-256 (RFC 7518 4.3): OAEP with SHA-256 for both the label and MGF1. Done here because
 * libjose 11 leaves it out when it is built against OpenSSL 3. RSA1_5 (4.2) where the key says so:
 * whoever passes such a key wants it; our agent makes none.
 */
typedef int (*rsa_fn)(EVP_PKEY_CTX *, unsigned char *, size_t *, const unsigned char *, size_t);

static MUST_USE int rsa_apply(const json_t *key, int (*init)(EVP_PKEY_CTX *), rsa_fn apply,
	const uint8_t *in, size_t in_len, uint8_t ret[RSA_BYTES], size_t *ret_len)
{
	AUTO(pkey) EVP_PKEY *pkey = jose_openssl_jwk_to_EVP_PKEY(NULL, key);
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = pkey != NULL ? EVP_PKEY_CTX_new(pkey, NULL) : NULL;
	const char *alg = json_string_value(json_object_get(key, "alg"));
	bool is_old = alg != NULL && strcmp(alg, "RSA1_5") == 0;
	size_t len = RSA_BYTES;

	if (ctx == NULL || EVP_PKEY_get_size(pkey) > (int)RSA_BYTES || init(ctx) != 1 ||
		EVP_PKEY_CTX_set_rsa_padding(
			ctx, is_old ? RSA_PKCS1_PADDING : RSA_PKCS1_OAEP_PADDING) != 1)
		return -EKEYREJECTED;
	if (!is_old && (EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) != 1 ||
			       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) != 1))
		return -EKEYREJECTED;
	if (apply(ctx, ret, &len, in, in_len) != 1)
		return -EKEYREJECTED;
	*ret_len = len;
	return 0;
}

static bool key_is_rsa(const json_t *key)
{
	const char *kty = json_string_value(json_object_get(key, "kty"));

	return kty != NULL && strcmp(kty, "RSA") == 0;
}

/* Make the content key as a JWK and put it, wrapped, into the JWE. */
static MUST_USE int rsa_wrap(json_t *jwe, const json_t *key, json_t *cek)
{
	uint8_t raw[CEK_BYTES];
	uint8_t wrapped[RSA_BYTES];
	size_t len = 0;

	if (RAND_priv_bytes(raw, sizeof raw) != 1)
		return -EIO;
	int err = rsa_apply(
		key, EVP_PKEY_encrypt_init, EVP_PKEY_encrypt, raw, sizeof raw, wrapped, &len);
	if (err == 0 &&
		(json_object_set_new(cek, "kty", json_string("oct")) < 0 ||
			json_object_set_new(cek, "k", jose_b64_enc(raw, sizeof raw)) < 0 ||
			json_object_set_new(jwe, "encrypted_key", jose_b64_enc(wrapped, len)) < 0))
		err = -ENOMEM;
	explicit_bzero(raw, sizeof raw);
	return err;
}

static void *rsa_open(const json_t *jwe, const json_t *key, size_t *ret_len)
{
	uint8_t wrapped[RSA_BYTES];
	uint8_t raw[RSA_BYTES];
	size_t len = 0;
	size_t wrapped_len = jose_b64_dec(json_object_get(jwe, "encrypted_key"), NULL, 0);

	if (wrapped_len > sizeof wrapped ||
		jose_b64_dec(json_object_get(jwe, "encrypted_key"), wrapped, sizeof wrapped) ==
			SIZE_MAX ||
		rsa_apply(key, EVP_PKEY_decrypt_init, EVP_PKEY_decrypt, wrapped, wrapped_len, raw,
			&len) < 0)
		return NULL;
	AUTO(kbs_json)
	json_t *cek = len == CEK_BYTES
			      ? json_pack("{s:s,s:o}", "kty", "oct", "k", jose_b64_enc(raw, len))
			      : NULL;
	explicit_bzero(raw, sizeof raw);
	return cek != NULL ? jose_jwe_dec_cek(NULL, jwe, cek, ret_len) : NULL;
}

int kbs_jwe_seal(const struct secret *secret, const json_t *public_key, char **ret, struct why *why)
{
	json_t *key = (json_t *)(uintptr_t)public_key;
	AUTO(kbs_json) json_t *cek = json_object();
	AUTO(kbs_json)
	json_t *jwe = json_pack(
		"{s:{s:O,s:s}}", "protected", "alg", json_object_get(key, "alg"), "enc", "A256GCM");
	AUTO(kbs_json) json_t *recipient = json_object();

	if (cek == NULL || jwe == NULL || recipient == NULL)
		return -ENOMEM;
	int err = 0;
	if (key_is_rsa(key))
		err = rsa_wrap(jwe, key, cek);
	else if (!jose_jwe_enc_jwk(NULL, jwe, recipient, key, cek))
		err = -EBADMSG;
	if (err == 0)
		err = epk_protect(jwe);
	if (err < 0)
		return why_set(why, err, "tee-pubkey: cannot be sealed to");
	if (!jose_jwe_enc_cek(NULL, jwe, cek, secret->p, secret->len))
		return why_set(why, -EIO, "cannot seal the secret");
	return kbs_json_print(jwe, ret);
}

/* Decode the protected header and judge every member of it. */
static MUST_USE int header_check(const json_t *jwe, const json_t *key, struct why *why)
{
	AUTO(kbs_json) json_t *header = jose_b64_dec_load(json_object_get(jwe, "protected"));
	const char *name;
	json_t *value;

	if (!json_is_object(header))
		return why_set(why, -EBADMSG, "JWE: the protected header is not a JSON object");
	json_object_foreach(header, name, value)
	{
		bool is_ours = strcmp(name, "alg") == 0 || strcmp(name, "enc") == 0 ||
			       strcmp(name, "epk") == 0;
		if (!is_ours)
			return why_set(why, -EPROTONOSUPPORT,
				"JWE: header \"%.20s\"; want alg, enc and epk only", name);
	}
	const char *alg = json_string_value(json_object_get(header, "alg"));
	const char *enc = json_string_value(json_object_get(header, "enc"));
	const char *want = json_string_value(json_object_get(key, "alg"));
	if (alg == NULL || want == NULL || strcmp(alg, want) != 0)
		return why_set(why, -EPROTONOSUPPORT, "JWE: alg %.20s, want %s",
			alg != NULL ? alg : "missing", want != NULL ? want : "a key with alg");
	if (enc == NULL || strcmp(enc, "A256GCM") != 0)
		return why_set(why, -EPROTONOSUPPORT, "JWE: enc %.20s, want A256GCM",
			enc != NULL ? enc : "missing");
	return 0;
}

/* The members of a flattened JWE with one recipient and no unprotected header. */
static MUST_USE int members_check(json_t *jwe, struct why *why)
{
	static const char *const names[] = { "protected", "encrypted_key", "iv", "ciphertext",
		"tag" };

	if (json_is_null(json_object_get(jwe, "aad"))) /* how some servers say "none" */
		(void)json_object_del(jwe, "aad");
	size_t want = ARRAY_LEN(names) + (json_object_get(jwe, "aad") != NULL ? 1 : 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!json_is_string(json_object_get(jwe, names[i])))
			return why_set(why, -EBADMSG, "JWE: \"%s\": want a string", names[i]);
	if (json_object_size(jwe) != want)
		return why_set(why, -EBADMSG, "JWE: members beyond those of RFC 7516, 7.2.2");
	return 0;
}

int kbs_jwe_open(const void *body, size_t len, const json_t *private_key, struct secret *ret,
	struct why *why)
{
	AUTO(kbs_json) json_t *jwe = NULL;
	size_t plain_len = 0;

	int err = kbs_json_load(body, len, &jwe, why);
	if (err == 0)
		err = members_check(jwe, why);
	if (err == 0)
		err = header_check(jwe, private_key, why);
	if (err < 0)
		return err;
	/* GCM with libjose's buffered output: nothing comes back unless the tag is right. */
	void *plain = key_is_rsa(private_key)
			      ? rsa_open(jwe, private_key, &plain_len)
			      : jose_jwe_dec(NULL, jwe, NULL, private_key, &plain_len);
	if (plain == NULL)
		return why_set(
			why, -EKEYREJECTED, "JWE: not sealed to this key, or changed on the way");
	err = plain_len > 0 ? secret_init_copy(ret, plain, plain_len) : -EBADMSG;
	explicit_bzero(plain, plain_len);
	free(plain);
	return err < 0 ? why_set(why, err, "JWE: secret of %zu bytes, want 1 to %u", plain_len,
				 LIMIT_SECRET_BYTES)
		       : 0;
}
