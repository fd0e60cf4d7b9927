#include "tests/unit/snp_maker.h"

#include <assert.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/tcb.h"
#include "base/le.h"

#define YEAR (365 * 24 * 3600)

void maker_init(struct maker *m)
{
	m->ark = EVP_RSA_gen(4096);
	m->ask = EVP_RSA_gen(4096);
	m->leaf = EVP_EC_gen("P-384");
	m->other = EVP_EC_gen("P-384");
	assert(m->ark != NULL && m->ask != NULL && m->leaf != NULL && m->other != NULL);
}

void maker_done(struct maker *m)
{
	EVP_PKEY_free(m->ark);
	EVP_PKEY_free(m->ask);
	EVP_PKEY_free(m->leaf);
	EVP_PKEY_free(m->other);
}

/* --- certificates ----------------------------------------------------------------------------- */

static void name_set(X509_NAME *n, const char *cn)
{
	const unsigned char *org = (const unsigned char *)"Advanced Micro Devices";

	assert(X509_NAME_add_entry_by_txt(n, "O", MBSTRING_ASC, org, -1, -1, 0) == 1);
	assert(X509_NAME_add_entry_by_txt(
		       n, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0) == 1);
}

static X509 *cert_begin(
	const char *subject, const char *issuer, EVP_PKEY *key, time_t from, time_t to, long serial)
{
	X509 *x = X509_new();

	assert(x != NULL && X509_set_version(x, X509_VERSION_3) == 1);
	assert(ASN1_INTEGER_set(X509_get_serialNumber(x), serial) == 1);
	name_set(X509_get_subject_name(x), subject);
	name_set(X509_get_issuer_name(x), issuer);
	(void)ASN1_TIME_set(X509_getm_notBefore(x), from != 0 ? from : MAKER_NOW - YEAR);
	(void)ASN1_TIME_set(X509_getm_notAfter(x), to != 0 ? to : MAKER_NOW + YEAR);
	assert(X509_set_pubkey(x, key) == 1);
	return x;
}

static EVP_MD_CTX *signer_open(EVP_PKEY *signer, const char *digest, int salt, bool is_pkcs1)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p = NULL;
	const EVP_MD *md = EVP_get_digestbyname(digest == NULL ? "SHA384" : digest);

	assert(EVP_DigestSignInit(ctx, &p, md, NULL, signer) == 1);
	if (EVP_PKEY_get_base_id(signer) == EVP_PKEY_RSA && !is_pkcs1) {
		assert(EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1);
		assert(EVP_PKEY_CTX_set_rsa_pss_saltlen(p, salt == 0 ? 48 : salt) == 1);
	}
	return ctx;
}

static void ext_add(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert(e != NULL && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

X509 *maker_ca(const struct maker_ca *o)
{
	static long serial = 65536;
	X509 *x = cert_begin(o->subject, o->issuer, o->key, o->from, o->to, serial++);
	char constraints[64];

	if (o->pathlen >= 0)
		(void)snprintf(
			constraints, sizeof constraints, "critical,CA:TRUE,pathlen:%d", o->pathlen);
	else
		(void)snprintf(constraints, sizeof constraints, "critical,CA:TRUE");
	ext_add(x, NID_basic_constraints, o->is_no_ca ? "critical,CA:FALSE" : constraints);
	ext_add(x, NID_key_usage,
		o->is_no_cert_sign ? "critical,cRLSign" : "critical,keyCertSign,cRLSign");
	EVP_MD_CTX *ctx = signer_open(o->signer, o->digest, o->salt, o->is_pkcs1);
	assert(X509_sign_ctx(x, ctx) > 0);
	EVP_MD_CTX_free(ctx);
	return x;
}

/* An extension of AMD's arc with these raw bytes as its value. */
static void amd_ext_add(X509 *x, const char *arc, const void *value, size_t len)
{
	char oid[64];
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();

	(void)snprintf(oid, sizeof oid, "1.3.6.1.4.1.3704.1.%s", arc);
	ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
	assert(ASN1_OCTET_STRING_set(s, value, (int)len) == 1);
	X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, obj, 0, s);
	assert(e != NULL && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
	ASN1_OBJECT_free(obj);
	ASN1_OCTET_STRING_free(s);
}

static void ia5_add(X509 *x, const char *arc, const char *text)
{
	uint8_t b[66] = { 0x16, (uint8_t)strlen(text) };

	memcpy(b + 2, text, strlen(text));
	amd_ext_add(x, arc, b, strlen(text) + 2);
}

static void spl_add(X509 *x, uint8_t n, uint8_t v)
{
	const uint8_t one[] = { 2, 1, v }, two[] = { 2, 2, 0, v };
	char arc[8];

	(void)snprintf(arc, sizeof arc, "3.%u", n);
	if (v < 0x80)
		amd_ext_add(x, arc, one, sizeof one);
	else
		amd_ext_add(x, arc, two, sizeof two);
}

static void spls_add(X509 *x, const struct maker_leaf *o, enum snp_product product)
{
	const uint8_t *arcs = tcb_extension_arcs(product);
	const uint8_t over_long[] = { 2, 2, 0, 1 }, negative[] = { 2, 1, 0x81 };

	for (size_t i = 0; i < TCB_BYTES; i++) {
		bool is_bad = arcs[i] == 1 && o->bad_spl != 0;
		if (is_bad && o->bad_spl == 1)
			amd_ext_add(x, "3.1", over_long, sizeof over_long);
		else if (is_bad && o->bad_spl == 2)
			amd_ext_add(x, "3.1", negative, sizeof negative);
		else if (!is_bad || o->bad_spl == 3)
			spl_add(x, arcs[i], (uint8_t)(o->tcb >> (8 * i)));
		if (is_bad && o->bad_spl == 3)
			spl_add(x, arcs[i], (uint8_t)(o->tcb >> (8 * i)));
	}
}

static void hwid_add(X509 *x, const struct maker_leaf *o, enum snp_product product)
{
	size_t len = product == SNP_PRODUCT_TURIN ? 8 : 64;
	uint8_t wrapped[66] = { 4, (uint8_t)len };

	memcpy(wrapped + 2, o->hwid, len);
	if (o->hwid_form == HWID_RAW)
		amd_ext_add(x, "4", o->hwid, len);
	else if (o->hwid_form == HWID_WRAPPED)
		amd_ext_add(x, "4", wrapped, len + 2);
}

X509 *maker_leaf(const struct maker *m, const struct maker_leaf *o)
{
	const char *product = o->product == NULL ? "Milan" : o->product;
	enum snp_product p = snp_product_parse(product, strlen(product));
	const uint8_t version[] = { 2, 1, p == SNP_PRODUCT_TURIN };
	char issuer[64];

	(void)snprintf(issuer, sizeof issuer, "%s%s", o->is_vlek ? "SEV-VLEK-" : "SEV-", product);
	X509 *x = cert_begin(o->is_vlek ? "SEV-VLEK" : "SEV-VCEK", issuer,
		o->key == NULL ? m->leaf : o->key, o->from, o->to, 0);
	amd_ext_add(x, "1", version, sizeof version);
	ia5_add(x, "2", o->product_name == NULL ? product : o->product_name);
	spls_add(x, o, p);
	if (!o->is_vlek)
		hwid_add(x, o, p);
	if (o->is_vlek || o->has_both_ids)
		ia5_add(x, "5", "CN=csp.example");
	EVP_MD_CTX *ctx = signer_open(o->signer == NULL ? m->ask : o->signer, NULL, 0, false);
	assert(X509_sign_ctx(x, ctx) > 0);
	EVP_MD_CTX_free(ctx);
	return x;
}

struct attest_blob maker_der(X509 *x)
{
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);
	assert(len > 0);
	uint8_t *copy = malloc((size_t)len);

	assert(copy != NULL);
	memcpy(copy, der, (size_t)len);
	OPENSSL_free(der);
	return (struct attest_blob){ copy, (size_t)len };
}

X509_CRL *maker_crl(const struct maker *m, const char *issuer, EVP_PKEY *signer, X509 *revoked,
	time_t from, time_t to)
{
	X509_CRL *crl = X509_CRL_new();
	X509_NAME *name = X509_NAME_new();
	ASN1_TIME *t = ASN1_TIME_new();

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
	EVP_MD_CTX *ctx = signer_open(signer == NULL ? m->ark : signer, NULL, 0, false);
	assert(X509_CRL_sign_ctx(crl, ctx) > 0);
	EVP_MD_CTX_free(ctx);
	ASN1_TIME_free(t);
	X509_NAME_free(name);
	return crl;
}

/* --- reports ---------------------------------------------------------------------------------- */

void maker_put32(uint8_t *at, uint32_t v)
{
	le32 x = le32_of(v);

	memcpy(at, &x, sizeof x);
}

void maker_put64(uint8_t *at, uint64_t v)
{
	le64 x = le64_of(v);

	memcpy(at, &x, sizeof x);
}

void maker_report(uint8_t ret[SNP_REPORT_BYTES], uint32_t version)
{
	uint64_t tcb = 0xDB18000000000004; /* Milan: bootloader 4, tee 0, snp 24, microcode 219 */

	memset(ret, 0, SNP_REPORT_BYTES);
	maker_put32(ret + 0x000, version);
	maker_put64(ret + 0x008, 0x30000);
	maker_put32(ret + 0x034, 1);
	maker_put64(ret + 0x038, tcb);
	maker_put64(ret + 0x040, 0x25);
	memset(ret + 0x050, 0xD1, 64);
	memset(ret + 0x090, 0xD2, 48);
	memset(ret + 0x0C0, 0xD3, 32);
	memset(ret + 0x140, 0xD4, 32);
	memset(ret + 0x160, 0xFF, 32);
	maker_put64(ret + 0x180, tcb);
	if (version >= 3) {
		ret[0x188] = 0x19;
		ret[0x189] = 1;
		ret[0x18A] = 1;
	}
	memset(ret + 0x1A0, 0xC1, 64);
	maker_put64(ret + 0x1E0, tcb);
	const uint8_t firmware[] = { 7, 55, 1, 0, 7, 55, 1, 0 };
	memcpy(ret + 0x1E8, firmware, sizeof firmware);
	maker_put64(ret + 0x1F0, tcb);
	if (version >= 5) {
		maker_put64(ret + 0x1F8, 0x3F);
		maker_put64(ret + 0x200, 0x3F);
	}
}

void maker_sign(uint8_t report[SNP_REPORT_BYTES], EVP_PKEY *key)
{
	EVP_MD_CTX *ctx = signer_open(key, NULL, 0, false);
	unsigned char der[256];
	size_t len = sizeof der;
	const unsigned char *at = der;

	assert(EVP_DigestSign(ctx, der, &len, report, SNP_REPORT_SIGNED) == 1);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	memset(report + SNP_REPORT_SIGNED, 0, SNP_REPORT_BYTES - SNP_REPORT_SIGNED);
	assert(BN_bn2lebinpad(ECDSA_SIG_get0_r(sig), report + 0x2A0, 72) == 72);
	assert(BN_bn2lebinpad(ECDSA_SIG_get0_s(sig), report + 0x2E8, 72) == 72);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
}
