#include "attest/sev_cert.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "attest/ecdsa.h"
#include "attest/rsa_key.h"
#include "base/num.h"
#include "base/rd.h"

#define COORDINATE_BYTES 72u /* X, Y, R, S: little-endian, zeros above the curve's size */
#define KEY_BYTES        1028u
#define SIGNATURE_BYTES  512u
#define RSA_BYTES_MAX    512u
#define RSA_EXPONENT     65537u
#define KEY_ID_BYTES     16u

const char *sev_usage_name(uint32_t usage)
{
	static const struct {
		uint32_t usage;
		const char *name;
	} names[] = { { SEV_USAGE_ARK, "ARK" }, { SEV_USAGE_ASK, "ASK" }, { SEV_USAGE_OCA, "OCA" },
		{ SEV_USAGE_PEK, "PEK" }, { SEV_USAGE_PDH, "PDH" }, { SEV_USAGE_CEK, "CEK" } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].usage == usage)
			return names[i].name;
	return "?";
}

static bool is_platform_usage(uint32_t usage)
{
	return usage >= SEV_USAGE_OCA && usage <= SEV_USAGE_CEK;
}

static bool is_rsa_bits(uint32_t bits)
{
	return bits == 2048 || bits == 4096;
}

/* Version 1, two bytes of API, two of zero, the usage. */
static bool platform_recognise(const uint8_t *bytes, size_t len)
{
	struct rd r = rd_of(bytes, len);
	uint32_t version = rd_le32(&r);

	rd_skip(&r, 2);
	rd_zero(&r, 2);
	uint32_t usage = rd_le32(&r);
	return rd_check(&r) == 0 && version == 1 && is_platform_usage(usage);
}

static bool amd_recognise(const uint8_t *bytes, size_t len)
{
	struct rd r = rd_of(bytes, len);
	uint32_t version = rd_le32(&r);

	rd_skip(&r, 2 * KEY_ID_BYTES);
	uint32_t usage = rd_le32(&r);
	rd_zero(&r, 16);
	uint32_t exponent_bits = rd_le32(&r), modulus_bits = rd_le32(&r);
	return rd_check(&r) == 0 && version == 1 &&
	       (usage == SEV_USAGE_ARK || usage == SEV_USAGE_ASK) && is_rsa_bits(exponent_bits) &&
	       is_rsa_bits(modulus_bits);
}

bool sev_cert_recognise(const uint8_t *bytes, size_t len)
{
	return platform_recognise(bytes, len) || amd_recognise(bytes, len);
}

static MUST_USE int amd_parse(struct sev_cert *ret, struct rd *r, struct why *why)
{
	struct sev_cert c = { .raw = r->at, .is_amd = true };

	rd_skip(r, 4);
	c.key_id = rd_bytes(r, KEY_ID_BYTES);
	c.certifier = rd_bytes(r, KEY_ID_BYTES);
	c.usage = rd_le32(r);
	rd_skip(r, 16);
	size_t exponent_len = rd_le32(r) / 8;
	c.key_len = rd_le32(r) / 8; /* both 256 or 512: amd_recognise() */
	c.algorithm = c.key_len == 256 ? SEV_ALGORITHM_RSA_SHA256 : SEV_ALGORITHM_RSA_SHA384;
	uint32_t exponent = rd_le32(r);
	rd_zero(r, exponent_len - sizeof exponent);
	c.key = rd_bytes(r, c.key_len);
	c.signed_len = (size_t)(r->at - c.raw);
	c.signatures[0] =
		(struct sev_signature){ SEV_USAGE_ARK, c.algorithm, rd_bytes(r, c.key_len) };
	c.n_signatures = 1;
	if (rd_check(r) < 0 || exponent != RSA_EXPONENT)
		return why_set(why, -EBADMSG,
			"%s certificate: cut short or its exponent is not 65537 (want %zu bytes)",
			sev_usage_name(c.usage), 64 + exponent_len + 2 * c.key_len);
	c.len = (size_t)(r->at - c.raw);
	*ret = c;
	return 0;
}

/* How much of a signature's 512 bytes its algorithm uses; 0: an algorithm that makes none. */
static size_t signature_len(uint32_t algorithm)
{
	switch (algorithm) {
	case SEV_ALGORITHM_RSA_SHA256: /* by a Naples ASK, RSA-2048 */
		return 256;
	case SEV_ALGORITHM_RSA_SHA384:
		return 512;
	case SEV_ALGORITHM_ECDSA_SHA256:
	case SEV_ALGORITHM_ECDSA_SHA384:
		return 2 * COORDINATE_BYTES;
	default:
		return 0;
	}
}

static struct sev_signature signature_read(struct rd *r)
{
	struct sev_signature s = { 0 };

	s.usage = rd_le32(r);
	s.algorithm = rd_le32(r);
	s.p = r->at;
	size_t len = s.usage == SEV_USAGE_NONE ? 0 : signature_len(s.algorithm);
	if ((s.usage == SEV_USAGE_NONE) != (s.algorithm == 0) || (len == 0) != (s.algorithm == 0))
		rd_fail(r);
	rd_skip(r, len);
	rd_zero(r, SIGNATURE_BYTES - len);
	return s;
}

static MUST_USE int platform_parse(struct sev_cert *ret, struct rd *r, struct why *why)
{
	struct sev_cert c = {
		.raw = r->at, .len = SEV_CERT_BYTES, .signed_len = SEV_CERT_SIGNED_BYTES
	};

	rd_skip(r, 4);
	c.api_major = rd_u8(r);
	c.api_minor = rd_u8(r);
	rd_zero(r, 2);
	c.usage = rd_le32(r);
	c.algorithm = rd_le32(r);
	uint32_t curve = rd_le32(r);
	c.key = rd_bytes(r, 2 * COORDINATE_BYTES);
	rd_zero(r, KEY_BYTES - 4 - 2 * COORDINATE_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(c.signatures); i++) {
		c.signatures[c.n_signatures] = signature_read(r);
		c.n_signatures += c.signatures[c.n_signatures].usage != SEV_USAGE_NONE;
	}
	if (rd_check(r) < 0)
		return why_set(why, -EBADMSG,
			"%s certificate: want 2084 bytes, two signature slots of a known "
			"algorithm, zero "
			"padding",
			sev_usage_name(c.usage));
	if (curve != SEV_CURVE_P256 && curve != SEV_CURVE_P384)
		return why_set(why, -EPROTONOSUPPORT, "%s certificate: curve %u, want 1 or 2",
			sev_usage_name(c.usage), curve);
	c.key_len = curve == SEV_CURVE_P256 ? 32 : 48;
	*ret = c;
	return 0;
}

int sev_certs_add(struct sev_certs *ret, const uint8_t *bytes, size_t len, struct why *why)
{
	struct rd r = rd_of(bytes, len);

	if (len == 0)
		return why_set(why, -EBADMSG, "SEV certificates: no bytes");
	while (r.left > 0) {
		struct sev_cert c;
		int err = -EBADMSG;
		if (ret->n == ARRAY_LEN(ret->at))
			return why_set(why, -EMSGSIZE, "more than %zu SEV certificates",
				ARRAY_LEN(ret->at));
		if (platform_recognise(r.at, r.left))
			err = platform_parse(&c, &r, why);
		else if (amd_recognise(r.at, r.left))
			err = amd_parse(&c, &r, why);
		if (err < 0)
			return why_set(why, err, "byte %zu: no SEV certificate", len - r.left);
		ret->at[ret->n++] = c;
	}
	return 0;
}

/* --- keys ------------------------------------------------------------------------------------- */

/* AMD's numbers are little-endian, libcrypto's calls want the other order. */
static void reverse(uint8_t ret[RSA_BYTES_MAX], const uint8_t *number, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = number[len - 1 - i];
}

static bool is_padding_zero(const uint8_t *coordinate, size_t len)
{
	struct rd r = rd_of(coordinate + len, COORDINATE_BYTES - len);

	rd_zero(&r, COORDINATE_BYTES - len);
	return rd_end(&r) == 0;
}

int sev_cert_digest(const struct sev_cert *c, uint8_t ret[32])
{
	return EVP_Digest(c->raw, c->signed_len, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

int sev_cert_key(const struct sev_cert *c, EVP_PKEY **ret)
{
	const uint8_t *x = c->key, *y = c->key + COORDINATE_BYTES;

	if (c->is_amd) {
		static const uint8_t exponent[] = { 0x01, 0x00, 0x01 }; /* RSA_EXPONENT, checked */
		uint8_t n[RSA_BYTES_MAX];
		reverse(n, c->key, c->key_len);
		return rsa_key(n, c->key_len, exponent, sizeof exponent, ret);
	}
	if (!is_padding_zero(x, c->key_len) || !is_padding_zero(y, c->key_len))
		return -EKEYREJECTED;
	return ecdsa_key_le(x, y, c->key_len, ret);
}

/* --- signatures ------------------------------------------------------------------------------- */

/* RSASSA-PSS, MGF1 with the same digest, a salt as long as the digest. */
static MUST_USE int pss_verify(EVP_PKEY *key, const char *digest, int salt_len, const uint8_t *sig,
	size_t sig_len, const uint8_t *data, size_t len)
{
	uint8_t big_endian[RSA_BYTES_MAX];
	EVP_PKEY_CTX *params = NULL; /* the digest context's own */
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL)
		return -ENOMEM;
	reverse(big_endian, sig, sig_len);
	bool ok = EVP_DigestVerifyInit_ex(ctx, &params, digest, NULL, NULL, key, NULL) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(params, RSA_PKCS1_PSS_PADDING) == 1 &&
		  EVP_PKEY_CTX_set_rsa_pss_saltlen(params, salt_len) == 1 &&
		  EVP_DigestVerify(ctx, big_endian, sig_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : -EKEYREJECTED;
}

static MUST_USE int signature_verify(const struct sev_cert *child, const struct sev_signature *s,
	const struct sev_cert *issuer, EVP_PKEY *key)
{
	bool is_sha256 = s->algorithm == SEV_ALGORITHM_RSA_SHA256 ||
			 s->algorithm == SEV_ALGORITHM_ECDSA_SHA256;
	bool is_rsa = s->algorithm == SEV_ALGORITHM_RSA_SHA256 ||
		      s->algorithm == SEV_ALGORITHM_RSA_SHA384;
	const char *digest = is_sha256 ? "SHA2-256" : "SHA2-384";

	/* The key says which algorithm it signs with. */
	if (s->algorithm != issuer->algorithm || is_rsa != issuer->is_amd)
		return -EKEYREJECTED;
	if (is_rsa)
		return pss_verify(key, digest, is_sha256 ? 32 : 48, s->p, issuer->key_len,
			child->raw, child->signed_len);
	if (!is_padding_zero(s->p, issuer->key_len) ||
		!is_padding_zero(s->p + COORDINATE_BYTES, issuer->key_len))
		return -EKEYREJECTED;
	return ecdsa_verify_le(key, digest, s->p, s->p + COORDINATE_BYTES, issuer->key_len,
		child->raw, child->signed_len);
}

int sev_cert_verify(const struct sev_cert *child, const struct sev_cert *issuer, struct why *why)
{
	const struct sev_signature *s = NULL;
	EVP_PKEY *key = NULL;

	for (size_t i = 0; i < child->n_signatures && !child->is_amd; i++)
		if (child->signatures[i].usage == issuer->usage)
			s = &child->signatures[i];
	if (child->is_amd && issuer->is_amd && issuer->usage == SEV_USAGE_ARK &&
		memcmp(child->certifier, issuer->key_id, KEY_ID_BYTES) == 0)
		s = &child->signatures[0];
	if (s == NULL)
		return -ENOENT;
	int err = sev_cert_key(issuer, &key);
	if (err == 0)
		err = signature_verify(child, s, issuer, key);
	EVP_PKEY_free(key);
	if (err == -EKEYREJECTED)
		return why_set(why, err, "the %s's signature by the %s does not hold",
			sev_usage_name(child->usage), sev_usage_name(issuer->usage));
	return err;
}
