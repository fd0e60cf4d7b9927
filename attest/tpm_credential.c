#include "attest/tpm_credential.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>

#include "attest/ecdsa.h"
#include "attest/tpm_alg.h"
#include "base/rd.h"
#include "base/wr.h"

#define HASH_BYTES   32u
#define AES_BYTES    16u
#define POINT_BYTES  32u /* P-256 */
#define TPM_NAME_MAX (2u + TPM_DIGEST_MAX)

/* KDFa, one block: HMAC(key, counter || label || 0 || context || bits); so many bytes of it. */
static MUST_USE int kdfa(const uint8_t *key, size_t key_len, const char *label,
	const uint8_t *context, size_t context_len, size_t len, uint8_t *ret)
{
	uint8_t buf[16 + TPM_NAME_MAX + 16], block[HASH_BYTES];
	struct wr w = wr_of(buf, sizeof buf);
	unsigned int n = 0;

	wr_be32(&w, 1);
	wr_copy(&w, label, strlen(label) + 1);
	wr_copy(&w, context, context_len);
	wr_be32(&w, (uint32_t)len * 8);
	bool ok = wr_check(&w) == 0 &&
		  HMAC(EVP_sha256(), key, (int)key_len, buf, w.len, block, &n) != NULL;
	if (ok)
		memcpy(ret, block, len);
	OPENSSL_cleanse(block, sizeof block);
	return ok ? 0 : -EIO;
}

/* KDFe, one block: SHA-256(counter || Z || label || 0 || PartyU || PartyV). */
static MUST_USE int kdfe(const uint8_t *z, const char *label, const uint8_t *u, const uint8_t *v,
	uint8_t ret[HASH_BYTES])
{
	static const uint8_t counter[4] = { 0, 0, 0, 1 };
	const struct tpm_part parts[] = { { counter, sizeof counter }, { z, POINT_BYTES },
		{ label, strlen(label) + 1 }, { u, POINT_BYTES }, { v, POINT_BYTES } };

	return tpm_hash(tpm_alg_find(TPM_ALG_SHA256), parts, ARRAY_LEN(parts), ret);
}

static MUST_USE int cfb(const uint8_t key[AES_BYTES], bool encrypt, uint8_t *buf, size_t len)
{
	static const uint8_t iv[AES_BYTES];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;
	bool ok = ctx != NULL &&
		  EVP_CipherInit_ex(ctx, EVP_aes_128_cfb128(), NULL, key, iv, encrypt) == 1 &&
		  EVP_CipherUpdate(ctx, buf, &n, buf, (int)len) == 1 && (size_t)n == len;

	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

/* Keys of one seed, and the HMAC over what was encrypted and the name. */
struct keys {
	uint8_t storage[AES_BYTES], integrity[HASH_BYTES];
};

static void keys_auto(struct keys *k)
{
	OPENSSL_cleanse(k, sizeof *k);
}

static MUST_USE int keys_derive(const uint8_t *seed, size_t seed_len, const uint8_t *name,
	size_t name_len, struct keys *ret)
{
	int err =
		kdfa(seed, seed_len, "STORAGE", name, name_len, sizeof ret->storage, ret->storage);

	return err < 0 ? err
		       : kdfa(seed, seed_len, "INTEGRITY", NULL, 0, sizeof ret->integrity,
				 ret->integrity);
}

static MUST_USE int outer_hmac(const struct keys *k, const uint8_t *identity, size_t len,
	const uint8_t *name, size_t name_len, uint8_t ret[HASH_BYTES])
{
	uint8_t buf[2 + TPM_CREDENTIAL_SECRET_MAX + TPM_NAME_MAX];
	struct wr w = wr_of(buf, sizeof buf);
	unsigned int n = 0;

	wr_copy(&w, identity, len);
	wr_copy(&w, name, name_len);
	return wr_check(&w) == 0 && HMAC(EVP_sha256(), k->integrity, sizeof k->integrity, buf,
					    w.len, ret, &n) != NULL
		       ? 0
		       : -EIO;
}

int tpm_credential_seal(const uint8_t *seed, size_t seed_len, const uint8_t *name, size_t name_len,
	const uint8_t *secret, size_t secret_len, struct tpm_credential *ret)
{
	AUTO(keys) struct keys k = { 0 };
	uint8_t identity[2 + TPM_CREDENTIAL_SECRET_MAX], mac[HASH_BYTES];
	struct wr in = wr_of(identity, sizeof identity);
	struct wr out = wr_of(ret->id_object, sizeof ret->id_object);

	if (secret_len == 0 || secret_len > TPM_CREDENTIAL_SECRET_MAX || name_len < 2 ||
		name_len > TPM_NAME_MAX)
		return -EINVAL;
	wr_be16(&in, (uint16_t)secret_len);
	wr_copy(&in, secret, secret_len);
	int err = keys_derive(seed, seed_len, name, name_len, &k);
	if (err == 0)
		err = cfb(k.storage, /* encrypt= */ true, identity, in.len);
	if (err == 0)
		err = outer_hmac(&k, identity, in.len, name, name_len, mac);
	if (err < 0) {
		OPENSSL_cleanse(identity, sizeof identity);
		return err;
	}
	wr_be16(&out, (uint16_t)(2 + sizeof mac + in.len));
	wr_be16(&out, sizeof mac);
	wr_copy(&out, mac, sizeof mac);
	wr_copy(&out, identity, in.len);
	ret->id_object_len = out.len;
	return wr_check(&out);
}

/* --- the seed ----------------------------------------------------------------------------------- */

/* RSA-OAEP with SHA-256 and the label "IDENTITY", its NUL included. */
static MUST_USE int oaep(
	EVP_PKEY *ek, bool encrypt, const uint8_t *in, size_t in_len, uint8_t *ret, size_t *ret_len)
{
	static const char label[] = "IDENTITY";
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ek, NULL);
	void *copy = OPENSSL_memdup(label, sizeof label);
	bool ok = ctx != NULL && copy != NULL &&
		  (encrypt ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx)) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
		  EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 &&
		  EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1;

	if (ok && EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, sizeof label) == 1)
		copy = NULL; /* the context owns it */
	else
		ok = false;
	ok = ok && (encrypt ? EVP_PKEY_encrypt(ctx, ret, ret_len, in, in_len)
			    : EVP_PKEY_decrypt(ctx, ret, ret_len, in, in_len)) == 1;
	OPENSSL_free(copy);
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : -EKEYREJECTED;
}

/* x and y of a P-256 key. */
static MUST_USE int point_of(EVP_PKEY *key, uint8_t ret[2][POINT_BYTES])
{
	static const char *const names[] = { OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y };

	for (size_t i = 0; i < 2; i++) {
		BIGNUM *n = NULL;
		bool ok = EVP_PKEY_get_bn_param(key, names[i], &n) == 1 &&
			  BN_bn2binpad(n, ret[i], POINT_BYTES) == (int)POINT_BYTES;
		BN_free(n);
		if (!ok)
			return -EOPNOTSUPP;
	}
	return 0;
}

static MUST_USE int ecdh(EVP_PKEY *own, EVP_PKEY *peer, uint8_t z[POINT_BYTES])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	size_t len = POINT_BYTES;
	bool ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
		  EVP_PKEY_derive_set_peer(ctx, peer) == 1 && EVP_PKEY_derive(ctx, z, &len) == 1 &&
		  len == POINT_BYTES;

	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : -EIO;
}

/* The seed that own's private key and peer share; ephemeral and ek: the x of those keys. */
static MUST_USE int seed_agree(EVP_PKEY *own, EVP_PKEY *peer, const uint8_t *ephemeral_x,
	const uint8_t *ek_x, uint8_t seed[HASH_BYTES])
{
	uint8_t z[POINT_BYTES];
	int err = ecdh(own, peer, z);

	if (err == 0)
		err = kdfe(z, "IDENTITY", ephemeral_x, ek_x, seed);
	OPENSSL_cleanse(z, sizeof z);
	return err;
}

static MUST_USE int seed_make_ecc(
	EVP_PKEY *ek, uint8_t seed[HASH_BYTES], struct tpm_credential *ret)
{
	uint8_t ours[2][POINT_BYTES], theirs[2][POINT_BYTES];
	EVP_PKEY *ephemeral = EVP_EC_gen("P-256");
	struct wr w = wr_of(ret->seed, sizeof ret->seed);
	int err = ephemeral == NULL ? -EIO : point_of(ek, theirs);

	if (err == 0)
		err = point_of(ephemeral, ours);
	if (err == 0)
		err = seed_agree(ephemeral, ek, ours[0], theirs[0], seed);
	EVP_PKEY_free(ephemeral);
	if (err < 0)
		return err;
	wr_be16(&w, 2 * (2 + POINT_BYTES));
	for (size_t i = 0; i < 2; i++) {
		wr_be16(&w, POINT_BYTES);
		wr_copy(&w, ours[i], POINT_BYTES);
	}
	ret->seed_len = w.len;
	return 0;
}

static MUST_USE int seed_make_rsa(EVP_PKEY *ek, uint8_t seed[AES_BYTES], struct tpm_credential *ret)
{
	size_t len = sizeof ret->seed - 2;

	if (RAND_bytes(seed, AES_BYTES) != 1)
		return -EIO;
	int err = oaep(ek, /* encrypt= */ true, seed, AES_BYTES, ret->seed + 2, &len);
	ret->seed[0] = (uint8_t)(len >> 8);
	ret->seed[1] = (uint8_t)len;
	ret->seed_len = len + 2;
	return err;
}

static bool is_p256(const EVP_PKEY *key)
{
	char group[32] = "";

	return EVP_PKEY_is_a(key, "EC") == 1 &&
	       EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
	       (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0);
}

int tpm_credential_make(EVP_PKEY *ek, const uint8_t *name, size_t name_len, const uint8_t *secret,
	size_t secret_len, struct tpm_credential *ret, struct why *why)
{
	bool is_rsa = EVP_PKEY_is_a(ek, "RSA") == 1;
	uint8_t seed[HASH_BYTES];
	struct tpm_credential c = { 0 };

	if (!is_rsa && !is_p256(ek))
		return why_set(why, -EOPNOTSUPP, "the endorsement key is neither RSA nor P-256");
	int err = is_rsa ? seed_make_rsa(ek, seed, &c) : seed_make_ecc(ek, seed, &c);
	if (err == 0)
		err = tpm_credential_seal(seed, is_rsa ? AES_BYTES : HASH_BYTES, name, name_len,
			secret, secret_len, &c);
	OPENSSL_cleanse(seed, sizeof seed);
	if (err < 0)
		return why_set(why, err, "the credential cannot be made for this key");
	*ret = c;
	return 0;
}

/* --- opening ------------------------------------------------------------------------------------ */

static MUST_USE int seed_open_ecc(EVP_PKEY *ek, struct rd *r, uint8_t seed[HASH_BYTES])
{
	uint8_t theirs[2][POINT_BYTES], own[2][POINT_BYTES];
	EVP_PKEY *ephemeral = NULL;

	for (size_t i = 0; i < 2; i++) {
		if (rd_be16(r) != POINT_BYTES)
			return -EBADMSG;
		rd_copy(r, theirs[i], POINT_BYTES);
	}
	if (rd_end(r) < 0)
		return -EBADMSG;
	int err = ecdsa_key(theirs[0], theirs[1], POINT_BYTES, &ephemeral);
	if (err == 0)
		err = point_of(ek, own);
	if (err == 0)
		err = seed_agree(ek, ephemeral, theirs[0], own[0], seed);
	EVP_PKEY_free(ephemeral);
	return err;
}

static MUST_USE int seed_open(
	EVP_PKEY *ek, const struct tpm_credential *c, uint8_t seed[HASH_BYTES], size_t *ret_len)
{
	struct rd r = rd_of(c->seed, c->seed_len);
	uint8_t plain[TPM_CREDENTIAL_SEED_MAX];
	size_t len = sizeof plain;

	uint16_t size = rd_be16(&r);
	if (size != r.left)
		return -EBADMSG;
	*ret_len = HASH_BYTES;
	if (is_p256(ek))
		return seed_open_ecc(ek, &r, seed);
	*ret_len = AES_BYTES;
	int err = oaep(ek, /* encrypt= */ false, r.at, r.left, plain, &len);
	if (err == 0 && len != AES_BYTES)
		err = -EKEYREJECTED;
	if (err == 0)
		memcpy(seed, plain, AES_BYTES);
	OPENSSL_cleanse(plain, sizeof plain);
	return err;
}

int tpm_credential_open(EVP_PKEY *ek, const uint8_t *name, size_t name_len,
	const struct tpm_credential *c, uint8_t ret[TPM_CREDENTIAL_SECRET_MAX], size_t *ret_len,
	struct why *why)
{
	AUTO(keys) struct keys k = { 0 };
	uint8_t seed[HASH_BYTES], want[HASH_BYTES], mac[HASH_BYTES];
	uint8_t identity[2 + TPM_CREDENTIAL_SECRET_MAX];
	struct rd r = rd_of(c->id_object, c->id_object_len);
	size_t seed_len = 0;
	uint16_t size = rd_be16(&r);
	bool is_whole = size == r.left && rd_be16(&r) == HASH_BYTES;

	rd_copy(&r, mac, sizeof mac);
	size_t len = r.left;
	if (rd_check(&r) < 0 || !is_whole || len < 3 || len > sizeof identity)
		return why_set(why, -EBADMSG, "credential: malformed");
	rd_copy(&r, identity, len);
	int err = seed_open(ek, c, seed, &seed_len);
	if (err == 0)
		err = keys_derive(seed, seed_len, name, name_len, &k);
	if (err == 0)
		err = outer_hmac(&k, identity, len, name, name_len, want);
	if (err == 0 && CRYPTO_memcmp(want, mac, sizeof mac) != 0)
		err = why_set(why, -EKEYREJECTED,
			"credential: its HMAC is wrong: for another key, or changed");
	if (err == 0)
		err = cfb(k.storage, /* encrypt= */ false, identity, len);
	size_t secret_len = (size_t)identity[0] << 8 | identity[1];
	if (err == 0 && secret_len != len - 2)
		err = -EBADMSG;
	if (err == 0) {
		memcpy(ret, identity + 2, secret_len);
		*ret_len = secret_len;
	}
	OPENSSL_cleanse(seed, sizeof seed);
	OPENSSL_cleanse(identity, sizeof identity);
	return err < 0 ? why_set(why, err, "credential: cannot be opened") : 0;
}
