#include "tests/unit/tdx_maker.h"

#include <assert.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/wr.h"

#define YEAR (365 * TDX_DAY)

static struct attest_blob blob_copy(const void *p, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);

	assert(copy != NULL);
	memcpy(copy, p, len);
	return (struct attest_blob){ copy, len };
}

/* --- the SGX extension ------------------------------------------------------------------------ */

struct der {
	size_t len;
	uint8_t b[1024];
};

static void der_put(struct der *d, uint8_t tag, const void *p, size_t len)
{
	d->b[d->len++] = tag;
	if (len >= 0x100)
		d->b[d->len++] = 0x82, d->b[d->len++] = (uint8_t)(len >> 8);
	else if (len >= 0x80)
		d->b[d->len++] = 0x81;
	d->b[d->len++] = (uint8_t)len;
	memcpy(d->b + d->len, p, len);
	d->len += len;
}

static void field_put(struct der *d, uint8_t a, uint8_t b, uint8_t tag, const void *p, size_t len)
{
	uint8_t oid[11] = { 0x2A, 0x86, 0x48, 0x86, 0xF8, 0x4D, 0x01, 0x0D, 0x01, a, b };
	struct der row = { 0 };

	der_put(&row, 6, oid, b == 0 ? 10 : 11);
	der_put(&row, tag, p, len);
	der_put(d, 0x30, row.b, row.len);
}

static void number_put(struct der *d, uint8_t a, uint8_t b, uint32_t v, enum tdx_ext_fault fault)
{
	uint8_t bytes[4] = { 0 };
	size_t n = 0;

	if (v > 0xFFFF)
		bytes[n++] = (uint8_t)(v >> 16);
	if (v > 0x7FFF && v <= 0xFFFF)
		bytes[n++] = 0;
	if (v > 0xFF)
		bytes[n++] = (uint8_t)(v >> 8);
	if ((v > 0x7F && v <= 0xFF) || fault == EXT_OVERLONG_NUMBER)
		bytes[n++] = 0;
	bytes[n++] = fault == EXT_NEGATIVE_NUMBER ? 0xFF : (uint8_t)v;
	field_put(d, a, b, fault == EXT_WRONG_TAG ? 4 : 2, bytes, n);
}

static struct der tcb_make(const struct tdx_pck *p, enum tdx_ext_fault fault)
{
	struct der d = { 0 };

	for (uint8_t i = 1; i <= 16; i++) {
		bool is_it = i == 3;
		if (is_it && fault == EXT_MISSING_FIELD)
			continue;
		number_put(&d, 2, i, is_it && fault == EXT_HUGE_NUMBER ? 0x10000 : p->svn[i - 1],
			is_it ? fault : EXT_RIGHT);
		if (is_it && fault == EXT_FIELD_TWICE)
			number_put(&d, 2, i, p->svn[i - 1], EXT_RIGHT);
	}
	number_put(&d, 2, 17, p->pcesvn, EXT_RIGHT);
	field_put(&d, 2, 18, 4, p->cpusvn, 16);
	if (fault == EXT_UNKNOWN_FIELD)
		number_put(&d, 2, 19, 1, EXT_RIGHT);
	return d;
}

static struct der extension_make(const struct tdx_pck *p, enum tdx_ext_fault fault)
{
	const uint8_t yes = 0xFF, no = 0;
	struct der fields = { 0 }, tcb = tcb_make(p, fault), flags = { 0 }, all = { 0 };

	field_put(&fields, 1, 0, 4, p->ppid, 16);
	field_put(&fields, 2, 0, 0x30, tcb.b, tcb.len);
	field_put(&fields, 3, 0, 4, p->pceid, fault == EXT_SHORT_OCTETS ? 1 : 2);
	field_put(&fields, 4, 0, 4, p->fmspc, 6);
	field_put(&fields, 5, 0, 10, &p->sgx_type, 1);
	if (p->has_piid)
		field_put(&fields, 6, 0, 4, p->piid, 16);
	if (p->has_configuration) {
		field_put(&flags, 7, 1, 1, p->dynamic_platform ? &yes : &no, 1);
		field_put(&flags, 7, 2, 1, p->cached_keys ? &yes : &no, 1);
		field_put(&flags, 7, 3, 1, p->smt ? &yes : &no, 1);
		field_put(&fields, 7, 0, 0x30, flags.b, flags.len);
	}
	der_put(&all, 0x30, fields.b, fields.len);
	if (fault == EXT_TRAILING)
		all.b[all.len++] = 0;
	if (fault == EXT_OVERLONG_LENGTH) {
		struct der longer = { .len = 2, .b = { 0x30, 0x83 } };
		longer.b[longer.len++] = 0;
		memcpy(longer.b + longer.len, all.b + 2, all.len - 2);
		longer.len += all.len - 2;
		return longer;
	}
	return all;
}

/* --- certificates and CRLs -------------------------------------------------------------------- */

static void name_set(X509_NAME *n, const char *cn)
{
	assert(X509_NAME_add_entry_by_txt(
		       n, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0) == 1);
}

static void ext_add(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert(e != NULL && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

static void sgx_add(X509 *x, const struct der *d)
{
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *oid = OBJ_txt2obj("1.2.840.113741.1.13.1", 1);

	assert(ASN1_OCTET_STRING_set(s, d->b, (int)d->len) == 1);
	X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, s);
	assert(e != NULL && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
	ASN1_OBJECT_free(oid);
	ASN1_OCTET_STRING_free(s);
}

X509 *tdx_maker_cert(const struct tdx_maker_cert *o)
{
	static long serial = 1000;
	X509 *x = X509_new();

	assert(x != NULL && X509_set_version(x, X509_VERSION_3) == 1);
	assert(ASN1_INTEGER_set(X509_get_serialNumber(x), serial++) == 1);
	name_set(X509_get_subject_name(x), o->subject);
	name_set(X509_get_issuer_name(x), o->issuer);
	(void)ASN1_TIME_set(X509_getm_notBefore(x), o->from != 0 ? o->from : TDX_NOW - YEAR);
	(void)ASN1_TIME_set(X509_getm_notAfter(x), o->to != 0 ? o->to : TDX_NOW + YEAR);
	assert(X509_set_pubkey(x, o->key) == 1);
	ext_add(x, NID_basic_constraints, o->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	ext_add(x, NID_key_usage,
		o->is_ca && !o->is_no_cert_sign ? "critical,keyCertSign,cRLSign"
						: "critical,digitalSignature");
	if (o->pck != NULL && o->fault != EXT_ABSENT) {
		struct der d = extension_make(o->pck, o->fault);
		sgx_add(x, &d);
	}
	assert(X509_sign(x, o->signer,
		       EVP_get_digestbyname(o->digest == NULL ? "SHA256" : o->digest)) > 0);
	return x;
}

struct attest_blob tdx_maker_crl(
	const char *issuer, EVP_PKEY *signer, X509 *revoked, time_t from, time_t to)
{
	X509_CRL *crl = X509_CRL_new();
	X509_NAME *name = X509_NAME_new();
	ASN1_TIME *t = ASN1_TIME_new();
	unsigned char *der = NULL;

	name_set(name, issuer);
	assert(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		X509_CRL_set_issuer_name(crl, name) == 1);
	(void)ASN1_TIME_set(t, from);
	assert(X509_CRL_set1_lastUpdate(crl, t) == 1);
	if (revoked != NULL) {
		X509_REVOKED *r = X509_REVOKED_new();
		assert(X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked)) == 1 &&
			X509_REVOKED_set_revocationDate(r, t) == 1 &&
			X509_CRL_add0_revoked(crl, r) == 1);
	}
	(void)ASN1_TIME_set(t, to);
	assert(X509_CRL_set1_nextUpdate(crl, t) == 1);
	assert(X509_CRL_sign(crl, signer, EVP_sha256()) > 0);
	int len = i2d_X509_CRL(crl, &der);
	assert(len > 0);
	struct attest_blob ret = blob_copy(der, (size_t)len);
	OPENSSL_free(der);
	ASN1_TIME_free(t);
	X509_NAME_free(name);
	X509_CRL_free(crl);
	return ret;
}

struct attest_blob tdx_maker_pem(X509 *const *certs, size_t n)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p = NULL;

	for (size_t i = 0; i < n; i++)
		assert(PEM_write_bio_X509(bio, certs[i]) == 1);
	long len = BIO_get_mem_data(bio, &p);
	struct attest_blob ret = blob_copy(p, (size_t)len);
	BIO_free(bio);
	return ret;
}

struct attest_blob tdx_maker_der(X509 *x)
{
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);

	assert(len > 0);
	struct attest_blob ret = blob_copy(der, (size_t)len);
	OPENSSL_free(der);
	return ret;
}

/* --- the platform ----------------------------------------------------------------------------- */

struct tdx_pck tdx_maker_platform(void)
{
	struct tdx_pck p = { .pcesvn = 11,
		.sgx_type = 1,
		.has_piid = true,
		.has_configuration = true,
		.smt = true,
		.cached_keys = true };

	memset(p.ppid, 0x11, sizeof p.ppid);
	memset(p.cpusvn, 0x22, sizeof p.cpusvn);
	memset(p.piid, 0x33, sizeof p.piid);
	memcpy(p.fmspc, (const uint8_t[]){ 0x00, 0xA0, 0xB1, 0xC2, 0xD3, 0xE4 }, 6);
	for (size_t i = 0; i < 16; i++)
		p.svn[i] = i == 0 ? 200 : 5; /* two bytes in DER */
	return p;
}

void tdx_maker_init(struct tdx_maker *m)
{
	struct tdx_pck platform = tdx_maker_platform();
	EVP_PKEY **keys[] = { &m->root_key, &m->ca_key, &m->pck_key, &m->tcb_key, &m->ak,
		&m->other };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		*keys[i] = EVP_EC_gen("P-256");
		assert(*keys[i] != NULL);
	}
	m->p384 = EVP_EC_gen("P-384");
	m->root = tdx_maker_cert(&(struct tdx_maker_cert){ .subject = "Intel SGX Root CA",
		.issuer = "Intel SGX Root CA",
		.key = m->root_key,
		.signer = m->root_key,
		.is_ca = true });
	m->ca = tdx_maker_cert(&(struct tdx_maker_cert){ .subject = "Intel SGX PCK Platform CA",
		.issuer = "Intel SGX Root CA",
		.key = m->ca_key,
		.signer = m->root_key,
		.is_ca = true });
	m->pck = tdx_maker_cert(&(struct tdx_maker_cert){ .subject = "Intel SGX PCK Certificate",
		.issuer = "Intel SGX PCK Platform CA",
		.key = m->pck_key,
		.signer = m->ca_key,
		.pck = &platform });
	m->tcb = tdx_maker_cert(&(struct tdx_maker_cert){ .subject = "Intel SGX TCB Signing",
		.issuer = "Intel SGX Root CA",
		.key = m->tcb_key,
		.signer = m->root_key });
}

void tdx_maker_done(struct tdx_maker *m)
{
	EVP_PKEY *keys[] = { m->root_key, m->ca_key, m->pck_key, m->tcb_key, m->ak, m->other,
		m->p384 };
	X509 *certs[] = { m->root, m->ca, m->pck, m->tcb };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		EVP_PKEY_free(keys[i]);
	for (size_t i = 0; i < ARRAY_LEN(certs); i++)
		X509_free(certs[i]);
}

/* --- documents -------------------------------------------------------------------------------- */

void tdx_maker_sign(EVP_PKEY *key, const void *data, size_t len, uint8_t ret[64])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char der[160];
	const unsigned char *at = der;
	size_t der_len = sizeof der;

	assert(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1);
	assert(EVP_DigestSign(ctx, der, &der_len, data, len) == 1);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
	assert(sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, 32) == 32 &&
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + 32, 32) == 32);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
}

struct attest_blob tdx_maker_doc(const char *member, const char *body, EVP_PKEY *signer)
{
	uint8_t signature[64];
	char hex[129], *text = NULL;

	tdx_maker_sign(signer, body, strlen(body), signature);
	wr_hex_str(hex, sizeof hex, signature, sizeof signature);
	int len = asprintf(&text, "{\"%s\":%s,\"signature\":\"%s\"}", member, body, hex);
	assert(len > 0);
	return (struct attest_blob){ (const uint8_t *)text, (size_t)len };
}

struct tdx_maker_info tdx_maker_right(void)
{
	return (struct tdx_maker_info){ .id = "TDX",
		.fmspc = "00a0b1c2d3e4",
		.pceid = "0000",
		.issued = "2026-09-01T00:00:00Z",
		.next = "2026-10-01T00:00:00Z",
		.status = "UpToDate",
		.advisories = "",
		.version = 3,
		.eval_number = 19 };
}

#define ZERO48                                                                                     \
	"0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
	"00000000"
#define MODULE                                                                                     \
	"\"mrsigner\":\"" ZERO48                                                                   \
	"\",\"attributes\":\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\""

static void components_print(char *ret, size_t size, unsigned int first, unsigned int rest)
{
	int n = snprintf(ret, size, "[{\"svn\":%u}", first);

	for (size_t i = 1; i < 16; i++)
		n += snprintf(ret + n, size - (size_t)n, ",{\"svn\":%u}", rest);
	(void)snprintf(ret + n, size - (size_t)n, "]");
}

static char *level_print(unsigned int sgx, unsigned int pcesvn, unsigned int tdx, const char *date,
	const char *status, const char *advisories)
{
	char a[512], b[512], *ret = NULL;

	components_print(a, sizeof a, sgx, MIN(sgx, 5));
	components_print(b, sizeof b, tdx, 0);
	assert(asprintf(&ret,
		       "{\"tcb\":{\"sgxtcbcomponents\":%s,\"pcesvn\":%u,\"tdxtcbcomponents\":%s},"
		       "\"tcbDate\":\"%s\",\"tcbStatus\":\"%s\"%s%s%s}",
		       a, pcesvn, b, date, status,
		       advisories[0] == '\0' ? "" : ",\"advisoryIDs\":[", advisories,
		       advisories[0] == '\0' ? "" : "]") > 0);
	return ret;
}

char *tdx_maker_tcb_info(const struct tdx_maker_info *o)
{
	char *ret = NULL,
	     *now = level_print(200, 11, 5, "2026-03-11T00:00:00Z", o->status, o->advisories),
	     *old = level_print(3, 5, 2, "2024-03-13T00:00:00Z", "OutOfDate",
		     "\"INTEL-SA-00837\",\"INTEL-SA-00615\"");

	assert(asprintf(&ret,
		       "{\"id\":\"%s\",\"version\":%u,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
		       "\"fmspc\":\"%s\",\"pceId\":\"%s\",\"tcbType\":0,"
		       "\"tcbEvaluationDataNumber\":%u,\"tdxModule\":{" MODULE "},"
		       "\"tdxModuleIdentities\":[{\"id\":\"TDX_03\"," MODULE ",\"tcbLevels\":["
		       "{\"tcb\":{\"isvsvn\":3},\"tcbDate\":\"2025-05-14T00:00:00Z\",\"tcbStatus\":"
		       "\"UpToDate\"},"
		       "{\"tcb\":{\"isvsvn\":2},\"tcbDate\":\"2023-05-14T00:00:00Z\",\"tcbStatus\":"
		       "\"Revoked\"}]}],"
		       "\"tcbLevels\":[%s,%s]}",
		       o->id, o->version, o->issued, o->next, o->fmspc, o->pceid, o->eval_number,
		       now, old) > 0);
	free(now);
	free(old);
	return ret;
}

char *tdx_maker_qe_identity(const struct tdx_maker_info *o)
{
	char *ret = NULL;

	assert(asprintf(&ret,
		       "{\"id\":\"%s\",\"version\":%u,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
		       "\"tcbEvaluationDataNumber\":%u,\"miscselect\":\"00000000\","
		       "\"miscselectMask\":\"FFFFFFFF\","
		       "\"attributes\":\"11000000000000000000000000000000\","
		       "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":"
		       "\"4444444444444444444444444444444444444444444444444444444444444444\","
		       "\"isvprodid\":2,\"tcbLevels\":["
		       "{\"tcb\":{\"isvsvn\":4},\"tcbDate\":\"2025-03-13T00:00:00Z\",\"tcbStatus\":"
		       "\"%s\"},"
		       "{\"tcb\":{\"isvsvn\":2},\"tcbDate\":\"2022-03-13T00:00:00Z\",\"tcbStatus\":"
		       "\"Revoked\"}]}",
		       strcmp(o->id, "TDX") == 0 ? "TD_QE" : o->id, o->version - 1, o->issued,
		       o->next, o->eval_number, o->status) > 0);
	return ret;
}

/* --- quotes ----------------------------------------------------------------------------------- */

struct tdx_maker_quote tdx_maker_td(void)
{
	struct tdx_maker_quote o = { .version = 4,
		.body_type = TDX_BODY_1_0,
		.cert_type = TDX_CERT_CHAIN,
		.qe = { .isvprodid = le16_of(2), .isvsvn = le16_of(4), .attributes = { 0x11 } } };

	memset(o.qe.mrsigner, 0x44, sizeof o.qe.mrsigner);
	o.body.tee_tcb_svn[0] = 5;
	o.body.tee_tcb_svn2[0] = 5;
	o.body.td_attributes.b[3] = 0x10; /* SEPT_VE_DISABLE */
	o.body.xfam.b[0] = 0xE7;
	memset(o.body.mrseam, 0x51, 48);
	memset(o.body.mrtd, 0x52, 48);
	for (size_t i = 0; i < 4; i++)
		memset(o.body.rtmr[i], (int)(0x60 + i), 48);
	memset(o.body.report_data, 0x70, 64);
	return o;
}

static void key_print(EVP_PKEY *key, uint8_t ret[64])
{
	unsigned char point[65];
	size_t len = 0;

	assert(EVP_PKEY_get_octet_string_param(key, "pub", point, sizeof point, &len) == 1 &&
		len == 65);
	memcpy(ret, point + 1, 64);
}

static struct attest_blob cert_data(const struct tdx_maker *m, const struct tdx_maker_quote *o)
{
	static const size_t sizes[8] = { [1] = 36, [2] = 276, [3] = 404, [7] = 50 };
	const uint8_t zeros[404] = { 0 };
	X509 *const chain[] = { m->pck, m->ca, m->root };

	if (o->cert.len > 0)
		return blob_copy(o->cert.p, o->cert.len);
	if (o->cert_type == TDX_CERT_CHAIN)
		return tdx_maker_pem(chain, 3);
	if (o->cert_type == TDX_CERT_PCK_LEAF)
		return tdx_maker_der(m->pck);
	return blob_copy(zeros, o->cert_type < 8 ? sizes[o->cert_type] : 0);
}

struct attest_blob tdx_maker_make(const struct tdx_maker *m, const struct tdx_maker_quote *o)
{
	static const uint8_t vendor[] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94,
		0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
	static const uint16_t sizes[] = {
		[TDX_BODY_1_0] = 584, [TDX_BODY_1_5] = 648, [TDX_BODY_1_5_EXTENDED] = 885
	};
	uint8_t bytes[16384], auth[32], key[64], other[64], signature[64];
	struct attest_blob cert = cert_data(m, o);
	struct tdx_qe_report qe = o->qe;
	struct wr w = wr_of(bytes, sizeof bytes);
	EVP_PKEY *ak = o->ak == NULL ? m->ak : o->ak;

	for (uint8_t i = 0; i < sizeof auth; i++)
		auth[i] = i;
	key_print(ak, key);
	key_print(m->other, other);
	wr_le16(&w, o->version);
	wr_le16(&w, 2);
	wr_le32(&w, 0x81);
	wr_zero(&w, 4);
	wr_copy(&w, vendor, sizeof vendor);
	wr_zero(&w, 20);
	if (o->version == 5) {
		wr_le16(&w, o->body_type);
		wr_le32(&w, sizes[o->body_type]);
	}
	wr_copy(&w, &o->body, sizes[o->body_type]);
	tdx_maker_sign(ak, bytes, w.len, signature);
	wr_le32(&w, (uint32_t)(134 + 384 + 64 + 2 + sizeof auth + 6 + cert.len));
	wr_copy(&w, signature, 64);
	wr_copy(&w, key, 64);
	wr_le16(&w, 6);
	wr_le32(&w, (uint32_t)(384 + 64 + 2 + sizeof auth + 6 + cert.len));
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	assert(EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
		EVP_DigestUpdate(md, o->is_unbound ? other : key, 64) == 1 &&
		EVP_DigestUpdate(md, auth, sizeof auth) == 1 &&
		EVP_DigestFinal_ex(md, qe.report_data, NULL) == 1);
	EVP_MD_CTX_free(md);
	wr_copy(&w, &qe, sizeof qe);
	tdx_maker_sign(o->pck == NULL ? m->pck_key : o->pck, &qe, sizeof qe, signature);
	wr_copy(&w, signature, 64);
	wr_le16(&w, sizeof auth);
	wr_copy(&w, auth, sizeof auth);
	wr_le16(&w, o->cert_type);
	wr_le32(&w, (uint32_t)cert.len);
	wr_copy(&w, cert.p, cert.len);
	wr_zero(&w, o->n_trailing);
	assert(wr_check(&w) == 0);
	free((void *)(uintptr_t)cert.p);
	return blob_copy(bytes, w.len);
}
