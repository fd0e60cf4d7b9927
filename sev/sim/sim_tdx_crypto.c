#include "sev/sim/sim_tdx_crypto.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DER_SIG_MAX 80 /* a P-256 signature in DER */

static EVP_PKEY *key_load(struct sim_tdx_bytes der)
{
	const unsigned char *at = der.p;
	EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, (long)der.len);

	if (key != NULL && EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) == 256)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

/* Is the chain's first certificate this key's? */
static bool key_is_certified(const EVP_PKEY *key, struct sim_tdx_bytes pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509 *leaf = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool is_it = leaf != NULL && EVP_PKEY_eq(key, X509_get0_pubkey(leaf)) == 1;

	X509_free(leaf);
	BIO_free(bio);
	return is_it;
}

/* Once before the sandbox closes, so that libcrypto has everything loaded and seeded. */
static MUST_USE int all_try(const struct sim_tdx_crypto *c)
{
	static const uint8_t key[SIM_TDX_KEY_BYTES];
	uint8_t digest[TDX_DIGEST_BYTES], sig[SIM_TDX_SIG_BYTES];

	sim_tdx_sha384(c, key, sizeof key, NULL, 0, digest);
	sim_tdx_sha256(c, key, sizeof key, NULL, 0, digest);
	int err = sim_tdx_mac(key, digest, sizeof digest, digest);
	if (err == 0)
		err = sim_tdx_sign(c->ak, digest, sizeof digest, sig);
	return err;
}

int sim_tdx_crypto_init(
	struct sim_tdx_crypto *ret, const struct sim_tdx_platform *p, struct why *why)
{
	struct sim_tdx_crypto c = {
		.sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL),
		.sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL),
		.pck = key_load(p->blob[SIM_TDX_PCK_KEY]),
		.ak = key_load(p->blob[SIM_TDX_AK]),
	};

	if (c.sha256 == NULL || c.sha384 == NULL || c.pck == NULL || c.ak == NULL ||
		!key_is_certified(c.pck, p->blob[SIM_TDX_CHAIN])) {
		sim_tdx_crypto_done(&c);
		return why_set(why, -EBADMSG,
			"platform file: no P-256 keys, or none that belongs to the PCK "
			"certificate");
	}
	int err = all_try(&c);
	if (err < 0) {
		sim_tdx_crypto_done(&c);
		return why_set(why, err, "libcrypto cannot sign with ECDSA P-256");
	}
	*ret = c;
	return 0;
}

void sim_tdx_crypto_done(struct sim_tdx_crypto *c)
{
	EVP_MD_free(c->sha256);
	EVP_MD_free(c->sha384);
	EVP_PKEY_free(c->pck);
	EVP_PKEY_free(c->ak);
	*c = (struct sim_tdx_crypto){ 0 };
}

/* Aborts only on a libcrypto without SHA-2, which init() has excluded, or without memory. */
static void two_hash(
	const EVP_MD *md, const void *a, size_t a_len, const void *b, size_t b_len, uint8_t *ret)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL || EVP_DigestInit_ex(ctx, md, NULL) != 1 ||
		EVP_DigestUpdate(ctx, a, a_len) != 1 || EVP_DigestUpdate(ctx, b, b_len) != 1 ||
		EVP_DigestFinal_ex(ctx, ret, NULL) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
}

void sim_tdx_sha384(const struct sim_tdx_crypto *c, const void *a, size_t a_len, const void *b,
	size_t b_len, uint8_t ret[TDX_DIGEST_BYTES])
{
	two_hash(c->sha384, a, a_len, b, b_len, ret);
}

void sim_tdx_sha256(const struct sim_tdx_crypto *c, const void *a, size_t a_len, const void *b,
	size_t b_len, uint8_t ret[SIM_TDX_SHA256])
{
	two_hash(c->sha256, a, a_len, b, b_len, ret);
}

int sim_tdx_mac(const uint8_t key[SIM_TDX_KEY_BYTES], const void *p, size_t len,
	uint8_t ret[SIM_TDX_MAC_BYTES])
{
	uint8_t mac[SIM_TDX_MAC_BYTES];
	unsigned int mac_len = sizeof mac;

	if (HMAC(EVP_sha256(), key, (int)SIM_TDX_KEY_BYTES, p, len, mac, &mac_len) == NULL ||
		mac_len != sizeof mac)
		return -EIO;
	memcpy(ret, mac, sizeof mac);
	return 0;
}

int sim_tdx_sign(void *key, const void *p, size_t len, uint8_t ret[SIM_TDX_SIG_BYTES])
{
	uint8_t der[DER_SIG_MAX], out[SIM_TDX_SIG_BYTES];
	size_t der_len = sizeof der;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int err = -EIO;

	if (ctx != NULL &&
		EVP_DigestSignInit_ex(ctx, NULL, "SHA2-256", NULL, NULL, key, NULL) == 1 &&
		EVP_DigestSign(ctx, der, &der_len, p, len) == 1) {
		const unsigned char *at = der;
		ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
		if (sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32) == 32 &&
			BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32) == 32)
			err = 0;
		ECDSA_SIG_free(sig);
	}
	EVP_MD_CTX_free(ctx);
	if (err == 0)
		memcpy(ret, out, sizeof out);
	return err;
}

int sim_tdx_public(void *key, uint8_t ret[SIM_TDX_KEY_XY])
{
	uint8_t point[1 + SIM_TDX_KEY_XY];
	size_t len = 0;

	if (EVP_PKEY_get_octet_string_param(
		    key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &len) != 1 ||
		len != sizeof point || point[0] != 0x04)
		return -EIO;
	memcpy(ret, point + 1, SIM_TDX_KEY_XY);
	return 0;
}
