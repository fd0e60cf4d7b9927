#include "attest/atls.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cbor.h"
#include "attest/cert.h"
#include "base/limits.h"
#include "base/rd.h"
#include "base/secret.h"

#define REPORT_DATA_BYTES 64u

/* Numbers of the IANA registry "Named Information Hash Algorithm" that claims use (13). */
static const struct {
	uint64_t id;
	const char *name;
	size_t size;
} hashes[] = {
	{ 1, "SHA2-256", 32 },
	{ 7, "SHA2-384", 48 },
	{ 8, "SHA2-512", 64 },
};

void atls_done(struct atls *a)
{
	X509_free(a->cert);
	a->cert = NULL;
	cmw_done(&a->wrapper);
}

bool atls_recognise(const uint8_t *bytes, size_t len)
{
	static const char pem[] = "-----BEGIN CERTIFICATE-----";

	if (len <= sizeof pem)
		return false;
	if (bytes[0] == 0x30 && bytes[1] == 0x82)
		return true;
	/* Text before it is a comment; a quote and evidence in JSON hold a chain, too. */
	const uint8_t *at = memmem(bytes, MIN(len, 4096), pem, sizeof pem - 1);
	return at != NULL && bytes[0] != '{' && memchr(bytes, 0, (size_t)(at - bytes)) == NULL;
}

/* --- the extension's value --------------------------------------------------------------------- */

static bool bytes_at(const struct cbor *array, size_t index, struct attest_blob *ret)
{
	struct cbor c;

	if (!cbor_at(array, index, &c) || c.type != CBOR_BYTES)
		return false;
	*ret = (struct attest_blob){ c.p, c.len };
	return true;
}

static bool text_is(const struct cbor *c, const char *text)
{
	return c->type == CBOR_TEXT && c->len == strlen(text) && memcmp(c->p, text, c->len) == 0;
}

/* The claims buffer: {"pubkey-hash": << [algorithm, hash] >>, ? "nonce": bytes}; others are skipped. */
static MUST_USE int claims_parse(struct atls *a, struct why *why)
{
	struct cbor map, name, value, hash;
	int64_t alg = -1;

	int err = cbor_parse(a->claims.p, a->claims.len, &map, why);
	if (err < 0 || map.type != CBOR_MAP)
		return why_prefix(why, -EBADMSG, "claims buffer");
	struct cbor_iter it = cbor_items(&map);
	while (cbor_next(&it, &name) && cbor_next(&it, &value)) {
		bool is_key = text_is(&name, "pubkey-hash");
		if (!is_key && !text_is(&name, "nonce"))
			continue;
		if (value.type != CBOR_BYTES)
			return why_set(why, -EBADMSG, "claims buffer: want byte strings");
		if (!is_key) {
			a->nonce = (struct attest_blob){ value.p, value.len };
			continue;
		}
		if (cbor_parse(value.p, value.len, &hash, why) < 0 || hash.type != CBOR_ARRAY ||
			hash.n != 2 || !cbor_at(&hash, 0, &name) || !cbor_int(&name, &alg) ||
			!bytes_at(&hash, 1, &a->key_hash))
			return why_set(why, -EBADMSG,
				"claims buffer: pubkey-hash is not [algorithm, hash]");
	}
	a->hash_alg = (uint64_t)alg;
	return a->key_hash.p != NULL
		       ? 0
		       : why_set(why, -EBADMSG, "claims buffer: no pubkey-hash: it names no key");
}

/* [evidence, claims buffer] and, of ours, a certificate table. */
static MUST_USE int pair_parse(const struct cbor *c, size_t n_max, struct atls *a, struct why *why)
{
	if (c->type != CBOR_ARRAY || c->n < 2 || c->n > n_max || !bytes_at(c, 0, &a->evidence) ||
		!bytes_at(c, 1, &a->claims) || (c->n == 3 && !bytes_at(c, 2, &a->table)))
		return why_set(
			why, -EBADMSG, "evidence is not an array of report and claims buffer");
	return claims_parse(a, why);
}

/* A conceptual message wrapper: a record of our own type, or else evidence that has no claims. */
static MUST_USE int wrapper_parse(const uint8_t *buf, size_t len, struct atls *a, struct why *why)
{
	struct cbor pair;
	int err = cmw_parse(buf, len, &a->wrapper, why);

	if (err < 0)
		return err;
	for (size_t i = 0; i < a->wrapper.n; i++) {
		const struct cmw_record *r = &a->wrapper.at[i];
		if (strcmp(r->type, ATLS_CMW_TYPE) != 0)
			continue;
		err = cbor_parse(r->value.p, r->value.len, &pair, why);
		return err < 0 ? why_prefix(why, err, "CMW") : pair_parse(&pair, 3, a, why);
	}
	return cmw_find_evidence(&a->wrapper, &a->evidence, &a->table, NULL) == 0
		       ? 0
		       : why_set(why, -EPROTONOSUPPORT,
				 "CMW: type \"%s\"; want " ATLS_CMW_TYPE " or " ATLS_TSM_TYPE,
				 a->wrapper.at[0].type);
}

static MUST_USE int dice_parse(const uint8_t *buf, size_t len, struct atls *a, struct why *why)
{
	struct cbor c, inner;
	int err = cbor_parse(buf, len, &c, why);

	if (err < 0)
		return err;
	if (cbor_untag(&c, ATLS_TAG_QUOTE, &inner))
		return pair_parse(&inner, 2, a, why);
	if (c.type == CBOR_TAG && (c.n == ATLS_TAG_REPORT || c.n == ATLS_TAG_SGX_LEGACY))
		return why_set(why, -EPROTONOSUPPORT,
			"CBOR tag %u is a report that only its own machine can verify; want a "
			"quote (tag %u)",
			(unsigned int)c.n, ATLS_TAG_QUOTE);
	if (c.type == CBOR_TAG)
		return why_set(why, -EPROTONOSUPPORT, "CBOR tag %llu; want %u",
			(unsigned long long)c.n, ATLS_TAG_QUOTE);
	return wrapper_parse(buf, len, a, why);
}

/* CMW ::= CHOICE { json UTF8String, cbor OCTET STRING } */
static MUST_USE int der_cmw_parse(const uint8_t *buf, size_t len, struct atls *a, struct why *why)
{
	const unsigned char *at = buf;
	long inner_len = 0;
	int tag = 0, class = 0;

	int flags = ASN1_get_object(&at, &inner_len, &tag, &class, (long)len);
	if (flags != 0 || class != V_ASN1_UNIVERSAL || at + inner_len != buf + len ||
		(tag != V_ASN1_OCTET_STRING && tag != V_ASN1_UTF8STRING))
		return why_set(why, -EBADMSG, "CMW: not one OCTET STRING or UTF8String");
	return wrapper_parse(at, (size_t)inner_len, a, why);
}

int atls_parse_value(
	enum atls_form form, const uint8_t *buf, size_t len, struct atls *ret, struct why *why)
{
	switch (form) {
	case ATLS_DICE:
		return dice_parse(buf, len, ret, why);
	case ATLS_CMW:
		return der_cmw_parse(buf, len, ret, why);
	case ATLS_INTEL:
		ret->evidence = (struct attest_blob){ buf, len };
		return 0;
	case ATLS_FORM_COUNT:
		break;
	}
	return -EINVAL;
}

/* --- the certificate --------------------------------------------------------------------------- */

/* Contents of the OIDs; Intel's is encoded oddly, with a head of its own inside (13). */
static const struct {
	const char *name;
	uint8_t len;
	uint8_t der[12];
} oids[ATLS_FORM_COUNT] = {
	[ATLS_DICE] = { ATLS_OID_DICE, 6, { 0x67, 0x81, 0x05, 0x05, 0x04, 0x09 } },
	[ATLS_CMW] = { ATLS_OID_CMW, 8, { 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x23 } },
	[ATLS_INTEL] = { "Intel's OID", 11,
		{ 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x8a, 0x39, 0x06 } },
};

static bool extension_is(X509_EXTENSION *e, enum atls_form form)
{
	const ASN1_OBJECT *o = X509_EXTENSION_get_object(e);

	return OBJ_length(o) == oids[form].len &&
	       memcmp(OBJ_get0_data(o), oids[form].der, oids[form].len) == 0;
}

/* The extension of this form: -ENOENT when there is none, -EBADMSG for two. */
static MUST_USE int extension_find(
	X509 *cert, enum atls_form form, struct attest_blob *ret, struct why *why)
{
	X509_EXTENSION *found = NULL;

	for (int i = 0; i < X509_get_ext_count(cert); i++) {
		X509_EXTENSION *e = X509_get_ext(cert, i);
		if (!extension_is(e, form))
			continue;
		if (found != NULL)
			return why_set(why, -EBADMSG, "certificate: extension %s is there twice",
				oids[form].name);
		found = e;
	}
	if (found == NULL)
		return -ENOENT;
	const ASN1_OCTET_STRING *s = X509_EXTENSION_get_data(found);
	*ret = (struct attest_blob){ ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s) };
	return 0;
}

/* The forms in order of what they say: claims first, the bare quote last. Each at most once. */
static MUST_USE int evidence_find(struct atls *a, struct why *why)
{
	struct attest_blob value[ATLS_FORM_COUNT] = { 0 };
	enum atls_form best = ATLS_FORM_COUNT;

	for (enum atls_form f = 0; f < ATLS_FORM_COUNT; f++) {
		int err = extension_find(a->cert, f, &value[f], why);
		if (err < 0 && err != -ENOENT)
			return err;
		if (err == 0 && best == ATLS_FORM_COUNT)
			best = f;
	}
	if (best == ATLS_FORM_COUNT)
		return why_set(why, -EBADMSG,
			"a certificate without evidence: no extension " ATLS_OID_DICE
			", " ATLS_OID_CMW " or Intel's");
	int err = atls_parse_value(best, value[best].p, value[best].len, a, why);
	return err < 0 ? why_prefix(why, err, "certificate: extension %s", oids[best].name) : 0;
}

int atls_open(struct attest_blob blob, struct atls *ret, struct why *why)
{
	AUTO(cert_store) struct cert_store s = { 0 };
	AUTO(atls) struct atls a = { 0 };

	int err = cert_store_add(&s, blob.p, blob.len, why);
	if (err < 0)
		return err;
	if (s.n == 0)
		return why_set(why, -EBADMSG, "no certificate in it");
	if (X509_up_ref(s.at[0]) != 1)
		return -ENOMEM;
	a.cert = s.at[0]; /* what follows it are its issuers */
	err = evidence_find(&a, why);
	if (err < 0)
		return err;

	*ret = a;
	a = (struct atls){ 0 };
	return 0;
}

/* --- the verdict ------------------------------------------------------------------------------- */

/* Hash of the certificate's SubjectPublicKeyInfo; the number of bytes, 0 when it cannot be had. */
static size_t key_hash(X509 *cert, const char *alg, uint8_t ret[REPORT_DATA_BYTES])
{
	unsigned char *der = NULL;
	size_t size = 0;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	if (len <= 0 || EVP_Q_digest(NULL, alg, NULL, der, (size_t)len, ret, &size) != 1)
		size = 0;
	OPENSSL_free(der);
	return size;
}

/*
 * What the evidence must say. Without claims it is a hash of the key, whichever of the three is in
 * the evidence: the inner verdict still compares the field itself.
 */
static MUST_USE int report_data_expect(const struct atls *a, uint8_t ret[REPORT_DATA_BYTES])
{
	size_t size = 0;

	memset(ret, 0, REPORT_DATA_BYTES);
	if (a->claims.p != NULL)
		return EVP_Q_digest(
			       NULL, "SHA2-256", NULL, a->claims.p, a->claims.len, ret, &size) == 1
			       ? 0
			       : -EIO;
	for (size_t i = ARRAY_LEN(hashes); i > 0; i--) {
		memset(ret, 0, REPORT_DATA_BYTES);
		size = key_hash(a->cert, hashes[i - 1].name, ret);
		if (size == 0)
			return -EIO;
		if (memmem(a->evidence.p, a->evidence.len, ret, REPORT_DATA_BYTES) != NULL)
			return 0;
	}
	return 0; /* none: the last, SHA-256 */
}

/* Is it the key that the claims name? */
static bool key_is_claimed(const struct atls *a, uint8_t hash[REPORT_DATA_BYTES], size_t *ret_len)
{
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
		if (a->hash_alg == hashes[i].id) {
			*ret_len = key_hash(a->cert, hashes[i].name, hash);
			return *ret_len == hashes[i].size && a->key_hash.len == *ret_len &&
			       secret_equal(hash, a->key_hash.p, *ret_len);
		}
	return false;
}

static void key_row(const struct atls *a, struct verdict *v)
{
	uint8_t hash[REPORT_DATA_BYTES] = { 0 };
	char want[2 * REPORT_DATA_BYTES + 1] = "", have[2 * REPORT_DATA_BYTES + 1] = "";
	size_t len = 0;

	if (a->claims.p == NULL) {
		/* The report data row has compared the key itself. */
		len = key_hash(a->cert, "SHA2-256", hash);
		wr_hex_str(have, sizeof have, hash, len);
	} else {
		bool is_claimed = key_is_claimed(a, hash, &len);
		wr_hex_str(want, sizeof want, a->key_hash.p, MIN(a->key_hash.len, sizeof hash));
		wr_hex_str(have, sizeof have, hash, len);
		if (!is_claimed) {
			verdict_set(v, ROW_BINDING, VERDICT_CONTRAINDICATED, want, have,
				len == 0 ? "the claims name the key by a hash algorithm we do not "
					   "know"
					 : "the evidence speaks for another key than the "
					   "certificate's");
			return;
		}
	}
	if (v->rows[ROW_REPORT_DATA].status != VERDICT_AFFIRMING)
		verdict_set(v, ROW_BINDING, VERDICT_CONTRAINDICATED, want, have,
			"the report data is not the hash of the certificate's %s: the evidence was "
			"made for something else",
			a->claims.p != NULL ? "claims" : "key");
	else
		verdict_set(v, ROW_BINDING, VERDICT_AFFIRMING, want, have, "%s", "");
}

static void certificate_row(const struct atls *a, time_t at, struct verdict *v)
{
	struct why why = { 0 };
	EVP_PKEY *key = X509_get0_pubkey(a->cert);

	if (key == NULL || X509_verify(a->cert, key) != 1)
		verdict_set(v, ROW_BINDING, VERDICT_CONTRAINDICATED, "", "",
			"the certificate is not signed with its own key");
	if (cert_check_time(a->cert, at, &why) < 0)
		verdict_set(v, ROW_BINDING, VERDICT_CONTRAINDICATED, "", "", "%s", why.text);
}

/* The nonce that was asked for, zeros behind, as everywhere. */
static void nonce_row(const struct atls *a, const uint8_t *asked, struct verdict *v)
{
	uint8_t nonce[REPORT_DATA_BYTES] = { 0 };
	char want[2 * REPORT_DATA_BYTES + 1], have[2 * REPORT_DATA_BYTES + 1];

	if (asked == NULL)
		return;
	memcpy(nonce, a->nonce.len > 0 ? a->nonce.p : nonce, MIN(a->nonce.len, sizeof nonce));
	if (a->nonce.len > 0 && a->nonce.len <= sizeof nonce &&
		secret_equal(nonce, asked, sizeof nonce))
		return;
	wr_hex_str(want, sizeof want, asked, sizeof nonce);
	wr_hex_str(have, sizeof have, a->nonce.p, MIN(a->nonce.len, sizeof nonce));
	verdict_set(v, ROW_REPORT_DATA, VERDICT_CONTRAINDICATED, want, have,
		a->nonce.len == 0 ? "the certificate's claims have no nonce"
				  : "the certificate was made for another nonce");
}

/* Another machine's evidence is named, for a person who expected one of ours. */
static MUST_USE int kind_find(const struct atls *a, enum evidence_kind *ret, struct why *why)
{
	struct rd r = rd_of(a->evidence.p, a->evidence.len);
	uint16_t version = rd_le16(&r);

	*ret = attest_recognise_bare(a->evidence.p, a->evidence.len);
	if (*ret == EVIDENCE_SNP || *ret == EVIDENCE_TDX)
		return 0;
	rd_skip(&r, 2);
	if (rd_le32(&r) == 0 && version == 3 && a->evidence.len > 432)
		return why_set(why, -EPROTONOSUPPORT,
			"certificate: its evidence is an SGX quote (version 3), for an enclave: "
			"neither a TDX quote nor an SEV-SNP report");
	return why_set(why, -EPROTONOSUPPORT,
		"certificate: %zu bytes of evidence that are neither a TDX quote nor an SEV-SNP "
		"report",
		a->evidence.len);
}

enum evidence_kind atls_kind(const uint8_t *bytes, size_t len)
{
	AUTO(atls) struct atls a = { 0 };
	enum evidence_kind kind = EVIDENCE_UNKNOWN;

	if (atls_open((struct attest_blob){ bytes, len }, &a, NULL) < 0 ||
		kind_find(&a, &kind, NULL) < 0)
		return EVIDENCE_UNKNOWN;
	return kind;
}

int atls_verify(const struct attest_inputs *in, struct verdict *ret, struct why *why)
{
	AUTO(atls) struct atls a = { 0 };
	struct attest_inputs inner = *in;
	uint8_t expected[REPORT_DATA_BYTES];

	int err = atls_open(in->evidence, &a, why);
	if (err == 0)
		err = kind_find(&a, &inner.kind, why);
	if (err == 0)
		err = report_data_expect(&a, expected);
	if (err < 0)
		return err;
	struct attest_blob *certs = calloc(in->n_certs + 1, sizeof *certs);
	if (certs == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < in->n_certs; i++)
		certs[i] = in->certs[i];
	certs[in->n_certs] = a.table;
	inner.certs = certs;
	inner.n_certs = in->n_certs + (a.table.len > 0 ? 1 : 0);
	inner.evidence = a.evidence;
	inner.report_data = expected;
	inner.report_data_len = sizeof expected;
	inner.required_rows = in->required_rows & ~ROW_BIT(ROW_BINDING);
	err = inner.kind == EVIDENCE_SNP ? attest_verify_snp(&inner, ret, why)
					 : attest_verify_tdx(&inner, ret, why);
	free(certs);
	if (err < 0)
		return why_prefix(why, err, "certificate");
	certificate_row(&a, in->at, ret);
	key_row(&a, ret);
	nonce_row(&a, in->report_data, ret);
	verdict_close(ret, in->required_rows);
	return 0;
}
