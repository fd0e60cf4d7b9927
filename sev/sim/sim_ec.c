#include "sev/sim/sim_ec.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#define DER_SIG_MAX 128 /* an ECDSA P-384 signature in DER has at most 104 bytes */

static const char *const hash_names[] = {
	[SIM_SHA256] = "SHA2-256",
	[SIM_SHA384] = "SHA2-384",
};

static bool bytes_are_zero(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= p[i];
	return any == 0;
}

/* --- keys ---------------------------------------------------------------------------------------- */

static void reversed(uint8_t *to, const uint8_t *from)
{
	for (size_t i = 0; i < SIM_EC_BYTES; i++)
		to[i] = from[SIM_EC_BYTES - 1 - i];
}

/* The point as SEC 1 has it; false unless the curve is right and the rest is zero. */
static bool point_read(const struct snp_public_key *k, uint8_t ret[1 + 2 * SIM_EC_BYTES])
{
	if (le32_get(k->curve) != SNP_CURVE_P384 || !bytes_are_zero(k->zero, sizeof k->zero) ||
		!bytes_are_zero(k->qx + SIM_EC_BYTES, SNP_NUM_BYTES - SIM_EC_BYTES) ||
		!bytes_are_zero(k->qy + SIM_EC_BYTES, SNP_NUM_BYTES - SIM_EC_BYTES))
		return false;
	ret[0] = 0x04;
	reversed(ret + 1, k->qx);
	reversed(ret + 1 + SIM_EC_BYTES, k->qy);
	return true;
}

/* A key pair, or (scalar NULL) a public key; NULL unless it is a point of P-384. */
static EVP_PKEY *key_load(const struct snp_public_key *k, const uint8_t *scalar)
{
	uint8_t point[1 + 2 * SIM_EC_BYTES];
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *d = scalar != NULL ? BN_bin2bn(scalar, SIM_EC_BYTES, NULL) : NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (bld != NULL && ctx != NULL && point_read(k, point) &&
		OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-384", 0) == 1 &&
		OSSL_PARAM_BLD_push_octet_string(
			bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1 &&
		(scalar == NULL || (d != NULL && OSSL_PARAM_BLD_push_BN(
							 bld, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1)))
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_clear_free(d);
	return key;
}

void *sim_ec_new(void)
{
	return EVP_EC_gen("P-384");
}

void *sim_ec_load(const uint8_t scalar[SIM_EC_BYTES], const struct snp_public_key *public)
{
	return key_load(public, scalar);
}

void sim_ec_free(void *key)
{
	EVP_PKEY_free(key);
}

/* A number of the key as bytes in the order asked for. */
static bool number_get(
	const EVP_PKEY *key, const char *name, bool is_little, uint8_t *ret, size_t len)
{
	BIGNUM *n = NULL;
	bool is_ok = EVP_PKEY_get_bn_param(key, name, &n) == 1 &&
		     (is_little ? BN_bn2lebinpad : BN_bn2binpad)(n, ret, (int)len) == (int)len;

	BN_clear_free(n);
	return is_ok;
}

int sim_ec_get(const void *key, uint8_t *ret_scalar, struct snp_public_key *ret)
{
	struct snp_public_key k = { .curve = le32_of(SNP_CURVE_P384) };

	if (!number_get(key, OSSL_PKEY_PARAM_EC_PUB_X, true, k.qx, sizeof k.qx) ||
		!number_get(key, OSSL_PKEY_PARAM_EC_PUB_Y, true, k.qy, sizeof k.qy))
		return -EIO;
	if (ret_scalar != NULL &&
		!number_get(key, OSSL_PKEY_PARAM_PRIV_KEY, false, ret_scalar, SIM_EC_BYTES))
		return -EIO;
	*ret = k;
	return 0;
}

int sim_ec_derive(const void *key, const struct snp_public_key *peer, uint8_t ret[SIM_EC_BYTES])
{
	EVP_PKEY *p = key_load(peer, NULL);
	EVP_PKEY *own = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	size_t len = SIM_EC_BYTES;

	memcpy(&own, &key, sizeof own); /* libcrypto's contexts take no const key */
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	bool is_ok = p != NULL && ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
		     EVP_PKEY_derive_set_peer(ctx, p) == 1 &&
		     EVP_PKEY_derive(ctx, ret, &len) == 1 && len == SIM_EC_BYTES;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(p);
	return is_ok ? 0 : -EIO;
}

/* --- signatures ------------------------------------------------------------------------------------ */

/* Big number to 72 little-endian bytes, and back. */
static MUST_USE int num_write(const BIGNUM *n, uint8_t ret[SNP_NUM_BYTES])
{
	return BN_bn2lebinpad(n, ret, SNP_NUM_BYTES) == (int)SNP_NUM_BYTES ? 0 : -EIO;
}

int sim_ec_sign(void *key, enum sim_hash hash, const void *p, size_t len, struct snp_signature *ret)
{
	uint8_t der[DER_SIG_MAX];
	size_t der_len = sizeof der;
	struct snp_signature out = { 0 };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int err = -EIO;

	if (ctx != NULL &&
		EVP_DigestSignInit_ex(ctx, NULL, hash_names[hash], NULL, NULL, key, NULL) == 1 &&
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

/* DER of the signature; 0 when it is none. */
static size_t sig_load(const struct snp_signature *s, uint8_t der[DER_SIG_MAX])
{
	ECDSA_SIG *sig = NULL;
	BIGNUM *rn = BN_lebin2bn(s->r, SIM_EC_BYTES, NULL);
	BIGNUM *sn = BN_lebin2bn(s->s, SIM_EC_BYTES, NULL);
	unsigned char *at = der;
	int len = 0;

	if (bytes_are_zero(s->r + SIM_EC_BYTES, SNP_NUM_BYTES - SIM_EC_BYTES) &&
		bytes_are_zero(s->s + SIM_EC_BYTES, SNP_NUM_BYTES - SIM_EC_BYTES) &&
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

bool sim_ec_verify(const struct snp_public_key *key, const struct snp_signature *sig,
	enum sim_hash hash, const void *p, size_t len)
{
	uint8_t der[DER_SIG_MAX];
	size_t der_len = sig_load(sig, der);
	EVP_PKEY *k = key_load(key, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool is_good =
		der_len > 0 && k != NULL && ctx != NULL &&
		EVP_DigestVerifyInit_ex(ctx, NULL, hash_names[hash], NULL, NULL, k, NULL) == 1 &&
		EVP_DigestVerify(ctx, der, der_len, p, len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return is_good;
}
