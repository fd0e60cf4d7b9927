#include "attest/snp_signature.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#define NUMBER_USED 48u /* of 72 bytes: P-384 */

/* R or S: little-endian, bytes 48 to 71 zero; libcrypto checks 1 <= x < n. */
static MUST_USE int number_read(
	const uint8_t b[SNP_SIG_NUMBER_BYTES], const char *name, BIGNUM **ret, struct why *why)
{
	for (size_t i = NUMBER_USED; i < SNP_SIG_NUMBER_BYTES; i++)
		if (b[i] != 0)
			return why_set(why, -EKEYREJECTED,
				"%s of the signature is longer than 384 bits", name);
	*ret = BN_lebin2bn(b, NUMBER_USED, NULL);
	return *ret == NULL ? -ENOMEM : 0;
}

/* The pair as DER, for EVP. Takes r and s. */
static MUST_USE int der_make(BIGNUM *r, BIGNUM *s, unsigned char **ret, size_t *ret_len)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();

	if (sig == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
		ECDSA_SIG_free(sig);
		BN_free(r);
		BN_free(s);
		return -ENOMEM;
	}
	int len = i2d_ECDSA_SIG(sig, ret);
	ECDSA_SIG_free(sig);
	if (len <= 0)
		return -ENOMEM;
	*ret_len = (size_t)len;
	return 0;
}

static MUST_USE int der_of_report(
	const struct snp_report *report, unsigned char **ret, size_t *ret_len, struct why *why)
{
	BIGNUM *r = NULL, *s = NULL;
	int err = number_read(report->sig_r, "R", &r, why);

	if (err == 0)
		err = number_read(report->sig_s, "S", &s, why);
	if (err == 0 && (BN_is_zero(r) || BN_is_zero(s)))
		err = why_set(
			why, -EKEYREJECTED, "the report is not signed: its signature is zero");
	if (err < 0) {
		BN_free(r);
		BN_free(s);
		return err;
	}
	return der_make(r, s, ret, ret_len);
}

int snp_signature_verify(const struct snp_report *report, const uint8_t raw[SNP_REPORT_BYTES],
	X509 *leaf, struct why *why)
{
	unsigned char *der = NULL;
	size_t der_len = 0;

	if (!report->sig_tail_is_zero)
		return why_set(why, -EKEYREJECTED, "bytes behind S of the signature are not zero");
	int err = der_of_report(report, &der, &der_len, why);
	if (err < 0)
		return err;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *key = X509_get0_pubkey(leaf);
	bool ok = ctx != NULL && key != NULL &&
		  EVP_DigestVerifyInit_ex(ctx, NULL, "SHA2-384", NULL, NULL, key, NULL) == 1 &&
		  EVP_DigestVerify(ctx, der, der_len, raw, SNP_REPORT_SIGNED) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	ERR_clear_error();
	return ok ? 0
		  : why_set(why, -EKEYREJECTED,
			    "the signature does not fit the key of the certificate: another key "
			    "signed, or "
			    "the report was changed");
}
