#include "attest/cert.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "attest/cert_table.h"
#include "attest/vendor.h"

#define RSA_BITS 4096 /* attestation.md, 2.1 */
#define PSS_SALT 48

void cert_store_done(struct cert_store *s)
{
	for (size_t i = 0; i < s->n; i++)
		X509_free(s->at[i]);
	for (size_t i = 0; i < s->n_crls; i++)
		X509_CRL_free(s->crls[i]);
	*s = (struct cert_store){ 0 };
}

int cert_store_add_x509(struct cert_store *s, X509 *x, struct why *why)
{
	if (s->n == ARRAY_LEN(s->at))
		return why_set(why, -EMSGSIZE, "more than %zu certificates", s->n);
	if (X509_up_ref(x) != 1)
		return -ENOMEM;
	s->at[s->n++] = x;
	return 0;
}

/* Takes x. */
static MUST_USE int store_give_x509(struct cert_store *s, X509 *x, struct why *why)
{
	int err = cert_store_add_x509(s, x, why);

	X509_free(x);
	return err;
}

/* Takes crl. */
static MUST_USE int store_give_crl(struct cert_store *s, X509_CRL *crl, struct why *why)
{
	if (s->n_crls == ARRAY_LEN(s->crls)) {
		X509_CRL_free(crl);
		return why_set(why, -EMSGSIZE, "more than %zu CRLs", s->n_crls);
	}
	s->crls[s->n_crls++] = crl;
	return 0;
}

/* One DER object that fills the bytes: a certificate, else a CRL. */
static MUST_USE int der_add(struct cert_store *s, const uint8_t *buf, size_t len, struct why *why)
{
	const unsigned char *at = buf;
	X509 *known = vendor_find_der(buf, len);

	if (known != NULL)
		return cert_store_add_x509(s, known, why);
	X509 *x = d2i_X509(NULL, &at, (long)len);

	if (x != NULL && at == buf + len)
		return store_give_x509(s, x, why);
	X509_free(x);

	at = buf;
	X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)len);
	ERR_clear_error();
	if (crl != NULL && at == buf + len)
		return store_give_crl(s, crl, why);
	X509_CRL_free(crl);
	return why_set(
		why, -EBADMSG, "%zu bytes that are neither a DER certificate nor a DER CRL", len);
}

static MUST_USE int pem_object_add(
	struct cert_store *s, const char *name, const uint8_t *buf, long len, struct why *why)
{
	if (strcmp(name, PEM_STRING_X509) != 0 && strcmp(name, PEM_STRING_X509_CRL) != 0)
		return why_set(why, -EBADMSG, "PEM block '%s', want a certificate or a CRL", name);
	return der_add(s, buf, (size_t)len, why);
}

static MUST_USE int pem_add(struct cert_store *s, const uint8_t *buf, size_t len, struct why *why)
{
	BIO *bio = BIO_new_mem_buf(buf, (int)len);
	size_t n = 0;
	int err = bio == NULL ? -ENOMEM : 0;

	while (err == 0) {
		char *name = NULL, *header = NULL;
		unsigned char *der = NULL;
		long der_len = 0;
		if (PEM_read_bio(bio, &name, &header, &der, &der_len) != 1) {
			bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
			if (!is_end || n == 0)
				err = why_set(why, -EBADMSG, "PEM block %zu cannot be read", n + 1);
			break;
		}
		err = pem_object_add(s, name, der, der_len, why);
		n++;
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(der);
	}
	ERR_clear_error();
	BIO_free(bio);
	return err;
}

/* Text up to the first PEM line: a table that holds PEM blobs does not start that way. */
static bool bytes_are_pem(const uint8_t *buf, size_t len)
{
	const uint8_t *begin = len == 0 ? NULL : memmem(buf, len, "-----BEGIN ", 11);

	if (begin == NULL)
		return false;
	for (const uint8_t *p = buf; p < begin; p++)
		if ((*p < ' ' || *p > '~') && *p != '\n' && *p != '\r' && *p != '\t')
			return false;
	return true;
}

static MUST_USE int pem_or_der_add(
	struct cert_store *s, const uint8_t *buf, size_t len, struct why *why)
{
	return bytes_are_pem(buf, len) ? pem_add(s, buf, len, why) : der_add(s, buf, len, why);
}

static MUST_USE int table_add(struct cert_store *s, const uint8_t *buf, size_t len, struct why *why)
{
	struct cert_table t = { 0 };
	int err = cert_table_parse(&t, buf, len, why);

	for (size_t i = 0; i < t.n && err == 0; i++) {
		const struct cert_table_entry *e = &t.at[i];
		if (e->kind == CERT_TABLE_OTHER)
			continue;
		err = pem_or_der_add(s, e->p, e->len, why);
		if (err < 0)
			return why_prefix(why, err, "certificate table, %s at byte %zu",
				cert_table_kind_name(e->kind), e->offset);
	}
	return err;
}

int cert_store_add(struct cert_store *s, const uint8_t *buf, size_t len, struct why *why)
{
	if (len > LIMIT_CERT_BLOB_BYTES)
		return why_set(why, -EMSGSIZE, "certificates: %zu bytes, at most %u", len,
			LIMIT_CERT_BLOB_BYTES);
	if (len > 0 && buf[0] == 0x30) /* DER: a SEQUENCE; no defined GUID starts with it */
		return der_add(s, buf, len, why);
	if (bytes_are_pem(buf, len))
		return pem_add(s, buf, len, why);
	return table_add(s, buf, len, why);
}

void cert_name_cn(const X509_NAME *name, char ret[CERT_NAME_MAX])
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	const ASN1_STRING *cn =
		at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	size_t n = 0;

	for (int i = 0; cn != NULL && i < ASN1_STRING_length(cn) && n < CERT_NAME_MAX - 1; i++) {
		unsigned char c = ASN1_STRING_get0_data(cn)[i];
		ret[n++] = c >= ' ' && c <= '~' ? (char)c : '?';
	}
	ret[n] = '\0';
}

void cert_subject_cn(const X509 *x, char ret[CERT_NAME_MAX])
{
	cert_name_cn(X509_get_subject_name(x), ret);
}

void cert_issuer_cn(const X509 *x, char ret[CERT_NAME_MAX])
{
	cert_name_cn(X509_get_issuer_name(x), ret);
}

int cert_sha256(const X509 *x, uint8_t ret[32])
{
	return X509_digest(x, EVP_sha256(), ret, NULL) == 1 ? 0 : -EIO;
}

int cert_spki_sha256(const X509 *x, uint8_t ret[32])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);

	if (len <= 0)
		return -EIO;
	int ok = EVP_Digest(der, (size_t)len, ret, NULL, EVP_sha256(), NULL);
	OPENSSL_free(der);
	return ok == 1 ? 0 : -EIO;
}

static int algorithm_nid(const X509_ALGOR *a)
{
	const ASN1_OBJECT *oid = NULL;

	if (a == NULL)
		return NID_undef;
	X509_ALGOR_get0(&oid, NULL, NULL, a);
	return OBJ_obj2nid(oid);
}

static bool pss_mask_is_sha384(const X509_ALGOR *mask)
{
	if (algorithm_nid(mask) != NID_mgf1)
		return false;
	X509_ALGOR *hash = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR), mask->parameter);
	bool ok = algorithm_nid(hash) == NID_sha384;
	X509_ALGOR_free(hash);
	return ok;
}

/* An absent number is the default of RFC 4055: salt 20, trailer 1. */
static bool number_is(const ASN1_INTEGER *i, long want, long when_absent)
{
	int64_t v = when_absent;

	return (i == NULL || ASN1_INTEGER_get_int64(&v, i) == 1) && v == want;
}

static bool algorithm_is_pss_sha384(const X509_ALGOR *a)
{
	if (algorithm_nid(a) != NID_rsassaPss)
		return false;
	RSA_PSS_PARAMS *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), a->parameter);
	bool ok = p != NULL && algorithm_nid(p->hashAlgorithm) == NID_sha384 &&
		  pss_mask_is_sha384(p->maskGenAlgorithm) &&
		  number_is(p->saltLength, PSS_SALT, 20) && number_is(p->trailerField, 1, 1);
	RSA_PSS_PARAMS_free(p);
	ERR_clear_error();
	return ok;
}

static bool algorithm_is_ecdsa_sha256(const X509_ALGOR *a)
{
	return algorithm_nid(a) == NID_ecdsa_with_SHA256;
}

static bool key_is_rsa4096(EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) == RSA_BITS;
}

static bool key_is_on(EVP_PKEY *key, const char *curve)
{
	char group[32] = "";

	bool ok = key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
		  EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
		  strcmp(group, curve) == 0;
	ERR_clear_error();
	return ok;
}

static bool key_is_p256(EVP_PKEY *key)
{
	return key_is_on(key, "prime256v1");
}

/* The key check is also what keeps a stranger's certificate from choosing how long this takes. */
static const struct {
	bool (*algorithm_is_right)(const X509_ALGOR *);
	const char *algorithm;
	bool (*key_is_right)(EVP_PKEY *);
	const char *key;
} rules_of[CERT_RULES_COUNT] = {
	[CERT_AMD] = { algorithm_is_pss_sha384,
		"RSASSA-PSS, SHA-384, MGF1-SHA-384, salt 48 (AMD 57230)", key_is_rsa4096,
		"RSA-4096" },
	[CERT_INTEL] = { algorithm_is_ecdsa_sha256, "ECDSA, SHA-256 (Intel SGX PKI)", key_is_p256,
		"on P-256" },
};

/* libcrypto itself demands that the algorithm inside and outside the signed part agree. */
static MUST_USE int algorithm_check(
	enum cert_rules rules, const X509_ALGOR *a, const char *what, struct why *why)
{
	if (rules_of[rules].algorithm_is_right(a))
		return 0;
	return why_set(
		why, -EKEYREJECTED, "%s is not signed with %s", what, rules_of[rules].algorithm);
}

static MUST_USE int key_check(enum cert_rules rules, const X509 *x, struct why *why)
{
	char cn[CERT_NAME_MAX];
	EVP_PKEY *key = X509_get0_pubkey(x);

	if (key != NULL && rules_of[rules].key_is_right(key))
		return 0;
	cert_subject_cn(x, cn);
	return why_set(why, -EKEYREJECTED, "the key of %s is not %s", cn, rules_of[rules].key);
}

int cert_verify_issued_by(enum cert_rules rules, X509 *child, X509 *issuer, struct why *why)
{
	char child_cn[CERT_NAME_MAX], issuer_cn[CERT_NAME_MAX];
	const X509_ALGOR *algo = NULL;

	if (X509_NAME_cmp(X509_get_issuer_name(child), X509_get_subject_name(issuer)) != 0)
		return -ENOENT;
	cert_subject_cn(child, child_cn);
	cert_subject_cn(issuer, issuer_cn);
	X509_get0_signature(NULL, &algo, child);
	int err = algorithm_check(rules, algo, child_cn, why);
	if (err == 0)
		err = key_check(rules, issuer, why);
	if (err < 0)
		return err;
	bool ok = X509_verify(child, X509_get0_pubkey(issuer)) == 1;
	ERR_clear_error();
	if (!ok)
		return why_set(why, -EKEYREJECTED, "the signature of %s does not fit the key of %s",
			child_cn, issuer_cn);
	return 0;
}

int cert_check_ca_of(enum cert_rules rules, X509 *x, struct why *why)
{
	char cn[CERT_NAME_MAX];
	int err = key_check(rules, x, why);

	if (err < 0)
		return err;
	cert_subject_cn(x, cn);
	if ((X509_get_key_usage(x) & KU_KEY_CERT_SIGN) == 0)
		return why_set(why, -EKEYREJECTED, "%s may not sign certificates (keyUsage)", cn);
	if (X509_check_ca(x) != 1)
		return why_set(why, -EKEYREJECTED, "%s is not a CA (basicConstraints)", cn);
	return 0;
}

bool cert_allows_cas_below(X509 *x, long n)
{
	long limit = X509_get_pathlen(x);

	return limit < 0 || n <= limit;
}

int cert_check_time(const X509 *x, time_t at, struct why *why)
{
	char cn[CERT_NAME_MAX];

	cert_subject_cn(x, cn);
	if (X509_cmp_time(X509_get0_notBefore(x), &at) >= 0)
		return why_set(why, -EKEYREJECTED, "%s is not yet valid at the time asked for", cn);
	if (X509_cmp_time(X509_get0_notAfter(x), &at) <= 0)
		return why_set(why, -EKEYREJECTED, "%s has expired at the time asked for", cn);
	return 0;
}

bool cert_is_p384(X509 *x)
{
	return key_is_on(X509_get0_pubkey(x), "secp384r1");
}

bool cert_is_p256(X509 *x)
{
	return key_is_p256(X509_get0_pubkey(x));
}

int crl_verify_by(enum cert_rules rules, X509_CRL *crl, X509 *issuer, time_t at, struct why *why)
{
	const X509_ALGOR *algo = NULL;

	if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) != 0)
		return -ENOENT;
	X509_CRL_get0_signature(crl, NULL, &algo);
	int err = algorithm_check(rules, algo, "the CRL", why);
	if (err < 0)
		return err;
	bool ok = X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1;
	ERR_clear_error();
	if (!ok)
		return why_set(why, -EKEYREJECTED,
			"the CRL's signature does not fit the key of its issuer");
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
	if (X509_cmp_time(X509_CRL_get0_lastUpdate(crl), &at) >= 0)
		return why_set(why, -ESTALE, "the CRL is younger than the time asked for");
	if (next == NULL)
		return why_set(why, -ESTALE, "the CRL does not say how long it holds");
	if (X509_cmp_time(next, &at) <= 0) {
		struct tm tm = { 0 };
		(void)ASN1_TIME_to_tm(next, &tm);
		return why_set(why, -ESTALE,
			"the CRL expired on %04d-%02d-%02d, before the time asked for",
			tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	}
	return 0;
}

bool crl_lists(X509_CRL *crl, X509 *x)
{
	X509_REVOKED *row = NULL;

	/* 2 is removeFromCRL, which a full CRL cannot hold: treated as listed. */
	return X509_CRL_get0_by_serial(crl, &row, X509_get_serialNumber(x)) != 0;
}
