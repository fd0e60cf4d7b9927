#include "sev/sim/sim_crypto.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

static bool key_is_certified(EVP_PKEY *key, struct sim_bytes der)
{
	const unsigned char *p = der.p;
	X509 *cert = d2i_X509(NULL, &p, (long)der.len);
	bool is_same = cert != NULL && p == der.p + der.len &&
		       EVP_PKEY_eq(X509_get0_pubkey(cert), key) == 1;

	X509_free(cert);
	return is_same;
}

/* What the simulator needs works once now, so that everything is loaded when the sandbox closes. */
static MUST_USE int crypto_try(const struct sim_crypto *c)
{
	struct snp_signature sig;
	uint8_t digest[SNP_DIGEST_BYTES];
	uint8_t block[16] = { 0 };

	sim_sha384(c, "casemate", 8, digest);
	sim_hmac(c, digest, 16, digest, 16, digest);
	sim_aes_ctr(c, digest, block, block, sizeof block);
	return sim_sign(c, digest, sizeof digest, &sig);
}

int sim_crypto_init(struct sim_crypto *ret, const struct sim_platform *p, struct why *why)
{
	const unsigned char *der = p->blob[SIM_BLOB_KEY].p;
	struct sim_crypto c = { 0 };

	c.sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	c.sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL);
	c.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	c.aes_ctr = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
	c.aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	c.vcek = d2i_AutoPrivateKey(NULL, &der, (long)p->blob[SIM_BLOB_KEY].len);
	if (c.sha256 == NULL || c.sha384 == NULL || c.hmac == NULL || c.aes_ctr == NULL ||
		c.aes_gcm == NULL || c.vcek == NULL || EVP_PKEY_get_bits(c.vcek) != 384 ||
		!EVP_PKEY_is_a(c.vcek, "EC") || !key_is_certified(c.vcek, p->blob[SIM_BLOB_VCEK])) {
		sim_crypto_done(&c);
		return why_set(why, -EBADMSG,
			"platform file: no P-384 key that belongs to the VCEK certificate");
	}
	int err = crypto_try(&c);
	if (err < 0) {
		sim_crypto_done(&c);
		return why_set(why, err, "libcrypto cannot sign with ECDSA P-384");
	}
	*ret = c;
	return 0;
}

void sim_crypto_done(struct sim_crypto *c)
{
	EVP_MD_free(c->sha256);
	EVP_MD_free(c->sha384);
	EVP_MAC_free(c->hmac);
	EVP_CIPHER_free(c->aes_ctr);
	EVP_CIPHER_free(c->aes_gcm);
	EVP_PKEY_free(c->vcek);
	*c = (struct sim_crypto){ 0 };
}

/* What init() has tried does not fail later but for a lack of memory. */
static void must(bool is_true)
{
	if (!is_true)
		abort();
}

void sim_sha384(
	const struct sim_crypto *c, const void *p, size_t len, uint8_t ret[SNP_DIGEST_BYTES])
{
	must(EVP_Digest(p, len, ret, NULL, c->sha384, NULL) == 1);
}

void *sim_sha256_new(const struct sim_crypto *c)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(ctx != NULL && EVP_DigestInit_ex2(ctx, c->sha256, NULL) == 1);
	return ctx;
}

void sim_sha256_add(void *sha, const void *p, size_t len)
{
	must(EVP_DigestUpdate(sha, p, len) == 1);
}

void sim_sha256_get(const void *sha, uint8_t ret[SIM_SHA256_BYTES])
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();

	must(copy != NULL && EVP_MD_CTX_copy_ex(copy, sha) == 1 &&
		EVP_DigestFinal_ex(copy, ret, NULL) == 1);
	EVP_MD_CTX_free(copy);
}

void sim_sha256_free(void *sha)
{
	EVP_MD_CTX_free(sha);
}

void sim_hmac(const struct sim_crypto *c, const uint8_t *key, size_t key_len, const void *p,
	size_t len, uint8_t ret[SIM_SHA256_BYTES])
{
	char name[] = "SHA2-256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(c->hmac);
	size_t n = 0;

	must(ctx != NULL && EVP_MAC_init(ctx, key, key_len, params) == 1 &&
		EVP_MAC_update(ctx, p, len) == 1 &&
		EVP_MAC_final(ctx, ret, &n, SIM_SHA256_BYTES) == 1);
	EVP_MAC_CTX_free(ctx);
}

void sim_aes_ctr(const struct sim_crypto *c, const uint8_t key[SIM_AES_BYTES],
	const uint8_t iv[SIM_AES_BYTES], uint8_t *p, size_t len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	must(ctx != NULL && EVP_EncryptInit_ex2(ctx, c->aes_ctr, key, iv, NULL) == 1);
	for (size_t at = 0; at < len;) { /* libcrypto counts in int */
		int part = (int)MIN(len - at, (size_t)1 << 30);
		int n = 0;
		must(EVP_EncryptUpdate(ctx, p + at, &n, p + at, part) == 1 && n == part);
		at += (size_t)part;
	}
	EVP_CIPHER_CTX_free(ctx);
}

bool sim_aes_gcm(const struct sim_crypto *c, bool is_seal, const struct sim_gcm *g, uint8_t *p,
	size_t len, uint8_t tag[SIM_AES_BYTES])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;

	must(ctx != NULL &&
		EVP_CipherInit_ex2(ctx, c->aes_gcm, g->key, g->iv, is_seal, NULL) == 1 &&
		EVP_CipherUpdate(ctx, NULL, &n, g->aad, (int)g->aad_len) == 1 &&
		EVP_CipherUpdate(ctx, p, &n, p, (int)len) == 1);
	bool is_good = (is_seal || EVP_CIPHER_CTX_ctrl(
					   ctx, EVP_CTRL_AEAD_SET_TAG, SIM_AES_BYTES, tag) == 1) &&
		       EVP_CipherFinal_ex(ctx, p + len, &n) == 1 &&
		       (!is_seal || EVP_CIPHER_CTX_ctrl(
					    ctx, EVP_CTRL_AEAD_GET_TAG, SIM_AES_BYTES, tag) == 1);
	EVP_CIPHER_CTX_free(ctx);
	return is_good;
}

int sim_sign(const struct sim_crypto *c, const void *p, size_t len, struct snp_signature *ret)
{
	return sim_ec_sign(c->vcek, SIM_SHA384, p, len, ret);
}

bool sim_is_signed(const struct snp_public_key *key, const struct snp_signature *sig, const void *p,
	size_t len)
{
	return sim_ec_verify(key, sig, SIM_SHA384, p, len);
}

int sim_random(void *ret, size_t len)
{
	return RAND_bytes(ret, (int)len) == 1 ? 0 : -EIO;
}
