#include "sev/sim/sim_crypto.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define P384_BYTES  48
#define DER_SIG_MAX 128 /* an ECDSA P-384 signature in DER has at most 104 bytes */

static bool bytes_are_zero(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= p[i];
	return any == 0;
}

static bool key_is_certified(EVP_PKEY *key, struct sim_bytes der)
{
	const unsigned char *p = der.p;
	X509 *cert = d2i_X509(NULL, &p, (long)der.len);
	bool is_same = cert != NULL && p == der.p + der.len &&
		       EVP_PKEY_eq(X509_get0_pubkey(cert), key) == 1;

	X509_free(cert);
	return is_same;
}

int sim_crypto_init(struct sim_crypto *ret, const struct sim_platform *p, struct why *why)
{
	const unsigned char *der = p->blob[SIM_BLOB_KEY].p;
	struct sim_crypto c = { 0 };
	struct snp_signature sig;
	uint8_t digest[SNP_DIGEST_BYTES];

	c.sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL);
	c.vcek = d2i_AutoPrivateKey(NULL, &der, (long)p->blob[SIM_BLOB_KEY].len);
	if (c.sha384 == NULL || c.vcek == NULL || EVP_PKEY_get_bits(c.vcek) != 384 ||
		!EVP_PKEY_is_a(c.vcek, "EC") || !key_is_certified(c.vcek, p->blob[SIM_BLOB_VCEK])) {
		sim_crypto_done(&c);
		return why_set(why, -EBADMSG,
			"platform file: no P-384 key that belongs to the VCEK certificate");
	}
	/* Once now, so that libcrypto has everything loaded and seeded when the sandbox closes. */
	sim_sha384(&c, "casemate", 8, digest);
	int err = sim_sign(&c, digest, sizeof digest, &sig);
	if (err < 0) {
		sim_crypto_done(&c);
		return why_set(why, err, "libcrypto cannot sign with ECDSA P-384");
	}
	*ret = c;
	return 0;
}

void sim_crypto_done(struct sim_crypto *c)
{
	EVP_MD_free(c->sha384);
	EVP_PKEY_free(c->vcek);
	*c = (struct sim_crypto){ 0 };
}

void sim_sha384(
	const struct sim_crypto *c, const void *p, size_t len, uint8_t ret[SNP_DIGEST_BYTES])
{
	if (EVP_Digest(p, len, ret, NULL, c->sha384, NULL) != 1)
		abort();
}

/* Big number to 72 little-endian bytes, and back. */
static MUST_USE int num_write(const BIGNUM *n, uint8_t ret[SNP_NUM_BYTES])
{
	return BN_bn2lebinpad(n, ret, SNP_NUM_BYTES) == (int)SNP_NUM_BYTES ? 0 : -EIO;
}

int sim_sign(const struct sim_crypto *c, const void *p, size_t len, struct snp_signature *ret)
{
	uint8_t der[DER_SIG_MAX];
	size_t der_len = sizeof der;
	struct snp_signature out = { 0 };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int err = -EIO;

	if (ctx != NULL &&
		EVP_DigestSignInit_ex(ctx, NULL, "SHA2-384", NULL, NULL, c->vcek, NULL) == 1 &&
		EVP_DigestSign(ctx, der, &der_len, p, len) == 1) {
		const unsigned char *at = der;
		ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
		if (sig != NULL) {
			err = num_write(ECDSA_SIG_get0_r(sig), out.r);
			if (err == 0)
				err = num_write(ECDSA_SIG_get0_s(sig), out.s);
		}
		ECDSA_SIG_free(sig);
	}
	EVP_MD_CTX_free(ctx);
	if (err == 0)
		*ret = out;
	return err;
}

static void reversed(uint8_t *to, const uint8_t *from)
{
	for (size_t i = 0; i < P384_BYTES; i++)
		to[i] = from[P384_BYTES - 1 - i];
}

/* NULL unless it is a point of P-384 and the rest is zero. */
static EVP_PKEY *key_load(const struct snp_public_key *k)
{
	uint8_t point[1 + 2 * P384_BYTES] = { 0x04 };
	char group[] = "P-384";
	EVP_PKEY *key = NULL;

	if (le32_get(k->curve) != SNP_CURVE_P384 || !bytes_are_zero(k->zero, sizeof k->zero) ||
		!bytes_are_zero(k->qx + P384_BYTES, SNP_NUM_BYTES - P384_BYTES) ||
		!bytes_are_zero(k->qy + P384_BYTES, SNP_NUM_BYTES - P384_BYTES))
		return NULL;
	reversed(point + 1, k->qx);
	reversed(point + 1 + P384_BYTES, k->qy);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* DER of the signature; 0 when it is none. */
static size_t sig_load(const struct snp_signature *s, uint8_t der[DER_SIG_MAX])
{
	ECDSA_SIG *sig = NULL;
	BIGNUM *rn = BN_lebin2bn(s->r, P384_BYTES, NULL);
	BIGNUM *sn = BN_lebin2bn(s->s, P384_BYTES, NULL);
	unsigned char *at = der;
	int len = 0;

	if (bytes_are_zero(s->r + P384_BYTES, SNP_NUM_BYTES - P384_BYTES) &&
		bytes_are_zero(s->s + P384_BYTES, SNP_NUM_BYTES - P384_BYTES) &&
		bytes_are_zero(s->zero, sizeof s->zero) && rn != NULL && sn != NULL)
		sig = ECDSA_SIG_new();
	if (sig != NULL && ECDSA_SIG_set0(sig, rn, sn) == 1) {
		rn = NULL; /* the signature owns them now */
		sn = NULL;
		len = i2d_ECDSA_SIG(sig, &at);
	}
	BN_free(rn);
	BN_free(sn);
	ECDSA_SIG_free(sig);
	return len > 0 ? (size_t)len : 0;
}

bool sim_is_signed(const struct snp_public_key *key, const struct snp_signature *sig, const void *p,
	size_t len)
{
	uint8_t der[DER_SIG_MAX];
	size_t der_len = sig_load(sig, der);
	EVP_PKEY *k = key_load(key);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool is_good = der_len > 0 && k != NULL && ctx != NULL &&
		       EVP_DigestVerifyInit_ex(ctx, NULL, "SHA2-384", NULL, NULL, k, NULL) == 1 &&
		       EVP_DigestVerify(ctx, der, der_len, p, len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return is_good;
}

int sim_random(void *ret, size_t len)
{
	return RAND_bytes(ret, (int)len) == 1 ? 0 : -EIO;
}
