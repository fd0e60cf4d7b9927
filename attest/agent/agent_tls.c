#include "attest/agent/agent_tls.h"

#include <errno.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/atls.h"
#include "attest/cbor.h"
#include "attest/cert_table.h"
#include "base/wr.h"

#define SLACK_S        300  /* a peer's clock that is behind ours */
#define HASH_SHA384    7u   /* Named Information Hash Algorithm */
#define VALUE_OVERHEAD 256u /* heads, the type's name, claims aside */

static void bytes_put(struct wr *w, const void *bytes, size_t len)
{
	cbor_put(w, CBOR_BYTES, len);
	wr_copy(w, bytes, len);
}

static void text_put(struct wr *w, const char *text)
{
	cbor_put(w, CBOR_TEXT, strlen(text));
	wr_str(w, text);
}

/* << [7, SHA-384 of the SubjectPublicKeyInfo] >> */
static MUST_USE int key_hash_put(struct wr *w, EVP_PKEY *key)
{
	unsigned char *der = NULL;
	uint8_t hash[EVP_MAX_MD_SIZE], inner[64];
	struct wr in = wr_of(inner, sizeof inner);
	size_t size = 0;
	int len = i2d_PUBKEY(key, &der);
	int ok =
		len > 0 && EVP_Q_digest(NULL, "SHA2-384", NULL, der, (size_t)len, hash, &size) == 1;

	OPENSSL_free(der);
	if (!ok)
		return -EIO;
	cbor_put(&in, CBOR_ARRAY, 2);
	cbor_put(&in, CBOR_UINT, HASH_SHA384);
	bytes_put(&in, hash, size);
	text_put(w, "pubkey-hash");
	bytes_put(w, inner, in.len);
	return wr_check(&in);
}

int agent_tls_claim(EVP_PKEY *key, const struct agent_tls_spec *spec, struct agent_tls_claims *ret,
	uint8_t ret_report_data[EV_REPORT_DATA_BYTES])
{
	struct agent_tls_claims c = { 0 };
	struct wr w = wr_of(c.bytes, sizeof c.bytes);
	uint8_t hash[EV_REPORT_DATA_BYTES] = { 0 };
	size_t size = 0;

	cbor_put(&w, CBOR_MAP, spec->nonce_len > 0 ? 2 : 1);
	if (spec->nonce_len > 0) {
		text_put(&w, "nonce");
		bytes_put(&w, spec->nonce, spec->nonce_len);
	}
	int err = key_hash_put(&w, key);
	if (err == 0)
		err = wr_check(&w);
	if (err < 0)
		return err;
	c.len = w.len;
	if (EVP_Q_digest(NULL, "SHA2-256", NULL, c.bytes, c.len, hash, &size) != 1)
		return -EIO;

	memcpy(ret_report_data, hash, sizeof hash);
	*ret = c;
	return 0;
}

/* What of the table is used: kernels fill it up to a page, or to their buffer. */
static size_t table_len(const struct ev_evidence *e)
{
	struct cert_table t;
	size_t len = 0;

	if (cert_table_parse(&t, e->table, e->table_len, NULL) < 0)
		return 0; /* the peer may have the certificates itself */
	for (size_t i = 0; i < t.n; i++)
		len = MAX(len, t.at[i].offset + t.at[i].len);
	return len;
}

/* The extension's value: Intel's tag for a quote, a CMW record of our own type for a report. */
static void value_put(
	struct wr *w, const struct ev_evidence *e, const struct agent_tls_claims *claims)
{
	static uint8_t
		value[EV_REPORT_BYTES + EV_TABLE_BYTES + AGENT_TLS_CLAIMS_MAX + VALUE_OVERHEAD];
	struct wr inner = wr_of(value, sizeof value);
	size_t table = e->kind == EV_SNP ? table_len(e) : 0;
	struct wr *to = e->kind == EV_SNP ? &inner : w;

	if (e->kind == EV_TDX)
		cbor_put(w, CBOR_TAG, ATLS_TAG_QUOTE);
	cbor_put(to, CBOR_ARRAY, table > 0 ? 3 : 2);
	bytes_put(to, e->bytes, e->len);
	bytes_put(to, claims->bytes, claims->len);
	if (table > 0)
		bytes_put(to, e->table, table);
	if (e->kind == EV_TDX)
		return;
	cbor_put(w, CBOR_ARRAY, 3);
	text_put(w, ATLS_CMW_TYPE);
	bytes_put(w, value, inner.len);
	cbor_put(w, CBOR_UINT, CMW_EVIDENCE);
	if (wr_check(&inner) < 0)
		w->is_bad = true;
}

static MUST_USE int extension_add(X509 *cert, const uint8_t *value, size_t len)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(ATLS_OID_DICE, 1);
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	X509_EXTENSION *e = NULL;
	int ok = oid != NULL && s != NULL && ASN1_OCTET_STRING_set(s, value, (int)len) == 1 &&
		 (e = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, s)) != NULL &&
		 X509_add_ext(cert, e, -1) == 1;

	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(s);
	ASN1_OBJECT_free(oid);
	return ok ? 0 : -ENOMEM;
}

static MUST_USE int dns_name_add(X509 *cert, const char *name)
{
	char text[256];

	(void)snprintf(text, sizeof text, "DNS:%s", name);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
	int ok = e != NULL && X509_add_ext(cert, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok ? 0 : -EINVAL;
}

static MUST_USE int names_set(X509 *cert, EVP_PKEY *key, const struct agent_tls_spec *spec)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	time_t from = spec->now - SLACK_S, to = spec->now + (time_t)spec->life_s;
	uint8_t serial[16];
	BIGNUM *n = NULL;
	int ok = RAND_bytes(serial, sizeof serial) == 1;

	serial[0] = (serial[0] & 0x7Fu) | 0x40u; /* positive, and never short */
	ok = ok && (n = BN_bin2bn(serial, sizeof serial, NULL)) != NULL &&
	     BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL &&
	     X509_set_version(cert, X509_VERSION_3) == 1 &&
	     ASN1_TIME_set(X509_getm_notBefore(cert), from) != NULL &&
	     ASN1_TIME_set(X509_getm_notAfter(cert), to) != NULL &&
	     X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
		     (const unsigned char *)spec->name, -1, -1, 0) == 1 &&
	     X509_set_issuer_name(cert, subject) == 1 && X509_set_pubkey(cert, key) == 1;
	BN_free(n);
	return ok ? 0 : -EINVAL;
}

int agent_tls_certify(EVP_PKEY *key, const struct agent_tls_claims *claims,
	const struct ev_evidence *evidence, const struct agent_tls_spec *spec, X509 **ret,
	struct why *why)
{
	size_t size = EV_BYTES_MAX + EV_TABLE_BYTES + AGENT_TLS_CLAIMS_MAX + 2 * VALUE_OVERHEAD;
	AUTO(agent_tls_cert) X509 *cert = X509_new();
	uint8_t *value = malloc(size);
	struct wr w = wr_of(value, value != NULL ? size : 0);

	if (evidence->kind != EV_SNP && evidence->kind != EV_TDX) {
		free(value);
		return why_set(why, -EOPNOTSUPP,
			"a certificate carries an SEV-SNP report or a TDX quote, not a TPM's");
	}
	value_put(&w, evidence, claims);
	int err = cert == NULL || value == NULL ? -ENOMEM : wr_check(&w);
	if (err == 0)
		err = names_set(cert, key, spec);
	if (err == 0)
		err = dns_name_add(cert, spec->name);
	if (err == 0)
		err = extension_add(cert, value, w.len);
	free(value);
	if (err == 0 && X509_sign(cert, key, EVP_sha384()) <= 0)
		err = -EIO;
	if (err < 0)
		return why_set(why, err, "cannot make a certificate for \"%s\"", spec->name);

	*ret = cert;
	cert = NULL;
	return 0;
}

int agent_tls_make(const struct ev *ev, const struct agent_tls_spec *spec, EVP_PKEY **ret_key,
	X509 **ret_cert, struct why *why)
{
	AUTO(agent_tls_key) EVP_PKEY *key = EVP_EC_gen("P-384");
	struct ev_evidence *evidence = malloc(sizeof *evidence);
	struct agent_tls_claims claims;
	uint8_t report_data[EV_REPORT_DATA_BYTES];
	int err = key == NULL || evidence == NULL ? -ENOMEM : 0;

	if (err == 0)
		err = agent_tls_claim(key, spec, &claims, report_data);
	if (err == 0)
		err = ev_get(ev, report_data, evidence, why);
	if (err == 0)
		err = agent_tls_certify(key, &claims, evidence, spec, ret_cert, why);
	free(evidence);
	if (err == 0) {
		*ret_key = key;
		key = NULL;
	}
	return err;
}
