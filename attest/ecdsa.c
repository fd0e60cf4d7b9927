#include "attest/ecdsa.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <string.h>

#define COORDINATE_MAX 66u /* P-521 */

static const char *group_of(size_t len)
{
	return len == 32 ? "prime256v1" : len == 48 ? "secp384r1" : len == 66 ? "secp521r1" : NULL;
}

int ecdsa_key(const uint8_t *x, const uint8_t *y, size_t len, EVP_PKEY **ret)
{
	uint8_t point[1 + 2 * COORDINATE_MAX] = { 0x04 }; /* uncompressed */
	const char *group = group_of(len);
	OSSL_PARAM params[3];
	EVP_PKEY *key = NULL;

	if (group == NULL)
		return -EINVAL;
	memcpy(point + 1, x, len);
	memcpy(point + 1 + len, y, len);
	params[0] = OSSL_PARAM_construct_utf8_string(
		OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * len);
	params[2] = OSSL_PARAM_construct_end();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	if (ctx == NULL)
		return -ENOMEM;
	bool ok = EVP_PKEY_fromdata_init(ctx) == 1 &&
		  EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	if (!ok)
		return -EKEYREJECTED;
	*ret = key;
	return 0;
}

static void reverse(uint8_t *dst, const uint8_t *src, size_t len)
{
	for (size_t i = 0; i < len; i++)
		dst[i] = src[len - 1 - i];
}

int ecdsa_key_le(const uint8_t *x, const uint8_t *y, size_t len, EVP_PKEY **ret)
{
	uint8_t bx[COORDINATE_MAX], by[COORDINATE_MAX];

	if (group_of(len) == NULL)
		return -EINVAL;
	reverse(bx, x, len);
	reverse(by, y, len);
	return ecdsa_key(bx, by, len, ret);
}

/* The pair as DER, for EVP; libcrypto checks 1 <= r, s < n. */
static int der_make(const uint8_t *r, size_t r_len, const uint8_t *s, size_t s_len, uint8_t **ret)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *br = BN_bin2bn(r, (int)r_len, NULL);
	BIGNUM *bs = BN_bin2bn(s, (int)s_len, NULL);
	int len = -1;

	if (sig != NULL && br != NULL && bs != NULL && ECDSA_SIG_set0(sig, br, bs) == 1) {
		br = bs = NULL;
		len = i2d_ECDSA_SIG(sig, ret);
	}
	BN_free(br);
	BN_free(bs);
	ECDSA_SIG_free(sig);
	return len;
}

int ecdsa_verify(EVP_PKEY *key, const char *digest, const uint8_t *r, size_t r_len,
	const uint8_t *s, size_t s_len, const void *data, size_t len)
{
	uint8_t *der = NULL;

	if (r_len > COORDINATE_MAX || s_len > COORDINATE_MAX || key == NULL ||
		!EVP_PKEY_is_a(key, "EC"))
		return -EKEYREJECTED;
	int der_len = der_make(r, r_len, s, s_len, &der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (der_len <= 0 || ctx == NULL) {
		OPENSSL_free(der);
		EVP_MD_CTX_free(ctx);
		return -ENOMEM;
	}
	bool ok = EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL) == 1 &&
		  EVP_DigestVerify(ctx, der, (size_t)der_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	ERR_clear_error();
	return ok ? 0 : -EKEYREJECTED;
}

int ecdsa_verify_le(EVP_PKEY *key, const char *digest, const uint8_t *r, const uint8_t *s, size_t n,
	const void *data, size_t len)
{
	uint8_t br[COORDINATE_MAX], bs[COORDINATE_MAX];

	if (n > COORDINATE_MAX)
		return -EKEYREJECTED;
	reverse(br, r, n);
	reverse(bs, s, n);
	return ecdsa_verify(key, digest, br, n, bs, n, data, len);
}
