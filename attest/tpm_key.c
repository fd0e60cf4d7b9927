#include "attest/tpm_key.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "attest/ecdsa.h"
#include "attest/rsa_key.h"
#include "base/rd.h"

#define ALG_RSA    0x0001u
#define ALG_NULL   0x0010u
#define ALG_RSASSA 0x0014u
#define ALG_RSAES  0x0015u
#define ALG_RSAPSS 0x0016u
#define ALG_ECDSA  0x0018u
#define ALG_ECDAA  0x001Au
#define ALG_ECC    0x0023u

void tpm_key_done(struct tpm_key *k)
{
	EVP_PKEY_free(k->key);
	X509_free(k->cert);
	cert_store_done(&k->chain);
	*k = (struct tpm_key){ 0 };
}

/* --- TPMT_PUBLIC -------------------------------------------------------------------------------- */

/* Step over TPMT_SYM_DEF_OBJECT, TPMT_*_SCHEME and the rest that has a null form. */
static void scheme_skip(struct rd *r, size_t details)
{
	uint16_t alg = rd_be16(r);

	if (alg == ALG_NULL || alg == ALG_RSAES)
		return;
	rd_skip(r, alg == ALG_ECDAA ? 4 : details);
}

static MUST_USE int rsa_read(struct rd *r, EVP_PKEY **ret)
{
	uint16_t bits = rd_be16(r);
	uint32_t exponent = rd_be32(r);
	size_t len = rd_be16(r);
	const uint8_t *n = rd_bytes(r, len);

	if (rd_end(r) < 0 || len != bits / 8u)
		return -EBADMSG;
	if (exponent == 0)
		exponent = 65537;
	const uint8_t e[] = { (uint8_t)(exponent >> 24), (uint8_t)(exponent >> 16),
		(uint8_t)(exponent >> 8), (uint8_t)exponent };
	return rsa_key(n, len, e, sizeof e, ret) < 0 ? -EBADMSG : 0;
}

static MUST_USE int ecc_read(struct rd *r, EVP_PKEY **ret)
{
	static const struct {
		uint16_t id;
		size_t bytes;
	} curves[] = { { 3, 32 }, { 4, 48 }, { 5, 66 } };
	uint8_t xy[2][66] = { 0 };
	uint16_t curve = rd_be16(r);
	size_t bytes = 0;

	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (curves[i].id == curve)
			bytes = curves[i].bytes;
	scheme_skip(r, 2);
	if (bytes == 0)
		return -EPROTONOSUPPORT;
	for (size_t i = 0; i < 2; i++) {
		size_t len = rd_be16(r);
		if (len > bytes)
			return -EBADMSG;
		rd_copy(r, xy[i] + bytes - len, len);
	}
	if (rd_end(r) < 0)
		return -EBADMSG;
	return ecdsa_key(xy[0], xy[1], bytes, ret);
}

/* TPMT_PUBLIC that fills the bytes (9.2). */
static MUST_USE int public_parse(struct tpm_key *k, const uint8_t *p, size_t len)
{
	struct rd r = rd_of(p, len);
	uint16_t type = rd_be16(&r);
	uint16_t name_alg = rd_be16(&r);
	const struct tpm_alg *alg = tpm_alg_find(name_alg);
	const struct tpm_part part = { p, len };
	int err;

	k->attributes = rd_be32(&r);
	rd_skip(&r, rd_be16(&r)); /* authPolicy */
	scheme_skip(&r, 4);       /* symmetric: key bits, mode */
	scheme_skip(&r, 2);
	if (rd_check(&r) < 0 || alg == NULL)
		return -EBADMSG;
	if (type != ALG_RSA && type != ALG_ECC)
		return -EPROTONOSUPPORT;
	err = type == ALG_RSA ? rsa_read(&r, &k->key) : ecc_read(&r, &k->key);
	if (err == 0)
		err = tpm_hash(alg, &part, 1, k->name + 2);
	k->name[0] = (uint8_t)(name_alg >> 8);
	k->name[1] = (uint8_t)name_alg;
	k->name_len = 2u + alg->size;
	k->has_attributes = err == 0;
	return err;
}

static MUST_USE int tpm_form_load(struct tpm_key *k, struct attest_blob b)
{
	struct rd r = rd_of(b.p, b.len);
	size_t size = rd_be16(&r);

	if (b.len > 2 && size == b.len - 2)
		return public_parse(k, b.p + 2, size);
	return public_parse(k, b.p, b.len);
}

/* --- PEM and DER -------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* A certificate, with the zeros that an NV index has behind it (10.1); NULL for anything else. */
static X509 *cert_read(const uint8_t *der, size_t len)
{
	const unsigned char *at = der;
	X509 *x = len > LIMIT_CERT_BLOB_BYTES ? NULL : d2i_X509(NULL, &at, (long)len);

	ERR_clear_error();
	if (x == NULL || is_zero(at, len - (size_t)(at - der)))
		return x;
	X509_free(x);
	return NULL;
}

static MUST_USE int der_load(struct tpm_key *k, const uint8_t *der, size_t len, struct why *why)
{
	const unsigned char *at = der;
	X509 *x = cert_read(der, len);

	if (x != NULL && k->key == NULL) {
		k->cert = x;
		k->key = X509_get_pubkey(x);
		return k->key == NULL ? -EPROTONOSUPPORT : 0;
	}
	if (x != NULL) {
		int err = cert_store_add_x509(&k->chain, x, why);
		X509_free(x);
		return err;
	}
	if (k->key != NULL)
		return -EBADMSG;
	k->key = d2i_PUBKEY(NULL, &at, (long)len);
	ERR_clear_error();
	return k->key == NULL || at != der + len ? -EBADMSG : 0;
}

static MUST_USE int pem_load(struct tpm_key *k, struct attest_blob b, struct why *why)
{
	BIO *bio = BIO_new_mem_buf(b.p, (int)b.len);
	int err = bio == NULL ? -ENOMEM : 0;

	while (err == 0) {
		char *name = NULL, *header = NULL;
		unsigned char *der = NULL;
		long len = 0;
		if (PEM_read_bio(bio, &name, &header, &der, &len) != 1) {
			if (k->key == NULL ||
				ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
				err = -EBADMSG;
			break;
		}
		err = der_load(k, der, (size_t)len, why);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(der);
	}
	BIO_free(bio);
	ERR_clear_error();
	return err;
}

/* --- keys --------------------------------------------------------------------------------------- */

static MUST_USE int key_check(struct tpm_key *k, struct why *why)
{
	unsigned char *der = NULL;
	int bits = EVP_PKEY_get_bits(k->key), len;
	bool is_rsa = EVP_PKEY_is_a(k->key, "RSA") == 1;

	if ((!is_rsa && EVP_PKEY_is_a(k->key, "EC") != 1) || bits < (is_rsa ? 2048 : 256) ||
		bits > (is_rsa ? 4096 : 521))
		return why_set(why, -EPROTONOSUPPORT,
			"a key of %d bits that is neither RSA (2048 to 4096) nor P-256, P-384 or "
			"P-521",
			bits);
	len = i2d_PUBKEY(k->key, &der);
	bool ok = len > 0 &&
		  EVP_Q_digest(NULL, "SHA2-256", NULL, der, (size_t)len, k->spki_sha256, NULL) == 1;
	OPENSSL_free(der);
	return ok ? 0 : -EIO;
}

int tpm_key_load(struct tpm_key *ret, struct attest_blob b, struct why *why)
{
	static const char pem[] = "-----BEGIN ";
	AUTO(tpm_key) struct tpm_key k = { 0 };
	int err;

	if (b.len > LIMIT_CERT_BLOB_BYTES)
		return why_set(
			why, -EMSGSIZE, "key: %zu bytes, at most %u", b.len, LIMIT_CERT_BLOB_BYTES);
	if (b.len > 0 && b.p[0] == 0x30)
		err = der_load(&k, b.p, b.len, why);
	else if (memmem(b.p, b.len, pem, sizeof pem - 1) != NULL)
		err = pem_load(&k, b, why);
	else
		err = tpm_form_load(&k, b);
	if (err == 0)
		err = key_check(&k, why);
	if (err < 0)
		return why_set(why, err,
			"%zu bytes that are no public key (PEM, DER, certificate, TPM2B_PUBLIC, "
			"TPMT_PUBLIC)",
			b.len);
	*ret = k;
	k = (struct tpm_key){ 0 };
	return 0;
}

int tpm_key_of(struct tpm_key *ret, EVP_PKEY *key, struct why *why)
{
	struct tpm_key k = { .key = key };
	int err = key_check(&k, why);

	if (err < 0)
		return err;
	if (EVP_PKEY_up_ref(key) != 1)
		return -ENOMEM;
	*ret = k;
	return 0;
}

int tpm_key_check_ak(const struct tpm_key *k, struct why *why)
{
	static const struct {
		uint32_t bit, want;
		const char *text;
	} rows[] = {
		{ TPM_RESTRICTED, TPM_RESTRICTED,
			"is not restricted: it may sign a forged TPMS_ATTEST" },
		{ TPM_FIXED_TPM, TPM_FIXED_TPM, "may leave its TPM (fixedTPM is off)" },
		{ TPM_FIXED_PARENT, TPM_FIXED_PARENT, "may leave its parent (fixedParent is off)" },
		{ TPM_SENSITIVE, TPM_SENSITIVE, "was not made by the TPM (sensitiveDataOrigin)" },
		{ TPM_SIGN, TPM_SIGN, "is no signing key" },
		{ TPM_DECRYPT, 0, "may decrypt too" },
	};

	for (size_t i = 0; k->has_attributes && i < ARRAY_LEN(rows); i++)
		if ((k->attributes & rows[i].bit) != rows[i].want)
			return why_set(why, -EKEYREJECTED, "the attestation key %s", rows[i].text);
	return 0;
}

/* --- signatures --------------------------------------------------------------------------------- */

static bool rsa_holds(EVP_PKEY *key, const struct tpm_alg *hash, int padding, int salt,
	struct attest_blob signature, struct attest_blob bytes)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	bool ok = ctx != NULL &&
		  EVP_DigestVerifyInit_ex(ctx, &pctx, hash->openssl, NULL, NULL, key, NULL) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(pctx, padding) == 1 &&
		  (padding != RSA_PKCS1_PSS_PADDING ||
			  EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt) == 1) &&
		  EVP_DigestVerify(ctx, signature.p, signature.len, bytes.p, bytes.len) == 1;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

struct signature {
	uint16_t scheme;
	const struct tpm_alg *hash;
	struct attest_blob first, second; /* RSA: first; ECDSA: r and s */
};

static struct attest_blob sized_read(struct rd *r)
{
	size_t len = rd_be16(r);

	return (struct attest_blob){ rd_bytes(r, len), len };
}

/* TPMT_SIGNATURE, or bare bytes as long as the RSA key. */
static MUST_USE int signature_parse(struct signature *ret, const struct tpm_key *k,
	struct attest_blob b, size_t digest_len, struct why *why)
{
	struct rd r = rd_of(b.p, b.len);
	struct signature s = { .scheme = rd_be16(&r) };
	uint16_t hash = rd_be16(&r);

	s.hash = tpm_alg_find(hash);
	s.first = sized_read(&r);
	if (s.scheme == ALG_ECDSA)
		s.second = sized_read(&r);
	if (rd_end(&r) < 0 && EVP_PKEY_is_a(k->key, "RSA") == 1 &&
		b.len == (size_t)EVP_PKEY_get_size(k->key)) {
		hash = digest_len == 32   ? TPM_ALG_SHA256
		       : digest_len == 48 ? TPM_ALG_SHA384
					  : TPM_ALG_SHA512;
		*ret = (struct signature){ ALG_RSASSA, tpm_alg_find(hash), b, { 0 } };
		return 0;
	}
	if (rd_end(&r) < 0)
		return why_set(why, -EBADMSG,
			"%zu bytes that are neither a TPMT_SIGNATURE nor a bare RSA signature of "
			"this key",
			b.len);
	if (s.hash == NULL || hash == TPM_ALG_SHA1 ||
		(s.scheme != ALG_RSASSA && s.scheme != ALG_RSAPSS && s.scheme != ALG_ECDSA))
		return why_set(why, -EPROTONOSUPPORT,
			"signature scheme 0x%04x with hash 0x%04x (%s) is not accepted", s.scheme,
			hash, tpm_alg_name(hash));
	*ret = s;
	return 0;
}

int tpm_signature_verify(const struct tpm_key *k, struct attest_blob signature,
	struct attest_blob bytes, size_t digest_len, const struct tpm_alg **ret_hash,
	struct why *why)
{
	bool is_rsa = EVP_PKEY_is_a(k->key, "RSA") == 1, ok;
	struct signature s = { 0 };
	int err = signature_parse(&s, k, signature, digest_len, why);

	if (err < 0)
		return err;
	if (is_rsa != (s.scheme != ALG_ECDSA))
		return why_set(why, -EKEYREJECTED,
			"the signature's scheme is not the attestation key's kind");
	if (s.scheme == ALG_ECDSA)
		ok = ecdsa_verify(k->key, s.hash->openssl, s.first.p, s.first.len, s.second.p,
			     s.second.len, bytes.p, bytes.len) == 0;
	else if (s.scheme == ALG_RSASSA)
		ok = rsa_holds(k->key, s.hash, RSA_PKCS1_PADDING, 0, s.first, bytes);
	else
		ok = rsa_holds(k->key, s.hash, RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST,
			     s.first, bytes) ||
		     rsa_holds(k->key, s.hash, RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_MAX, s.first,
			     bytes);
	if (!ok)
		return why_set(why, -EKEYREJECTED,
			"the signature does not fit the attestation key: the quote was changed or "
			"another key signed it");
	*ret_hash = s.hash;
	return 0;
}
