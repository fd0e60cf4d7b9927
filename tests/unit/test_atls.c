/*
 * Attested TLS: certificates as the agent makes them, on an SNP platform of the test's own, and what
 * a verifier must not take; certificates of others where they lie beside the source tree.
 */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/agent/agent_tls.h"
#include "attest/atls.h"
#include "attest/cbor.h"
#include "base/b64.h"
#include "base/fd.h"
#include "tests/unit/cm.h"
#include "tests/unit/snp_maker.h"

#define VECTORS     SOURCE_ROOT "/../shared/vectors/docs/"
#define QUOTE       SOURCE_ROOT "/../shared/vectors/tdx/v4-azure-automata/quote.bin"
#define TCB_MILAN   0xDB18000000000004u
#define REPORT_DATA 0x50
#define HOUR        3600

static struct maker maker;
static struct attest_blob ark, ask, vcek;
static const uint8_t nonce[20] = "asked by a verifier";

static int setup(void **state)
{
	struct maker_ca ca = { .subject = "ARK-Milan", .issuer = "ARK-Milan", .pathlen = 1 };
	struct maker_leaf leaf = { .tcb = TCB_MILAN };
	X509 *x;

	maker_init(&maker);
	ca.key = ca.signer = maker.ark;
	x = maker_ca(&ca);
	ark = maker_der(x);
	X509_free(x);
	ca.subject = "SEV-Milan";
	ca.key = maker.ask;
	ca.pathlen = 0;
	x = maker_ca(&ca);
	ask = maker_der(x);
	X509_free(x);
	memset(leaf.hwid, 0xC1, sizeof leaf.hwid);
	x = maker_leaf(&maker, &leaf);
	vcek = maker_der(x);
	X509_free(x);
	return 0;
}

static int teardown(void **state)
{
	const struct attest_blob *blobs[] = { &ark, &ask, &vcek };

	for (size_t i = 0; i < ARRAY_LEN(blobs); i++)
		free((void *)(uintptr_t)blobs[i]->p);
	maker_done(&maker);
	return 0;
}

/* The host's table: VCEK and ASK, in a page as kernels give it. */
static void table_put(struct ev_evidence *e)
{
	static const uint8_t guids[2][16] = {
		{ 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b,
			0xe8, 0xac, 0xcd },
		{ 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3,
			0x27, 0xc7, 0x82 },
	};
	const struct attest_blob *blobs[2] = { &vcek, &ask };
	size_t at = 72;

	e->table_len = 16384;
	for (size_t i = 0; i < 2; i++) {
		memcpy(e->table + 24 * i, guids[i], 16);
		maker_put32(e->table + 24 * i + 16, (uint32_t)at);
		maker_put32(e->table + 24 * i + 20, (uint32_t)blobs[i]->len);
		memcpy(e->table + at, blobs[i]->p, blobs[i]->len);
		at += blobs[i]->len;
	}
}

/* --- one certificate --------------------------------------------------------------------------- */

struct fixture {
	EVP_PKEY *key;
	struct agent_tls_spec spec;
	struct agent_tls_claims claims;
	uint8_t report_data[EV_REPORT_DATA_BYTES];
	struct ev_evidence evidence;
	X509 *cert;
	uint8_t *der;
	struct attest_inputs in;
	uint8_t asked[64];
	struct verdict v;
	struct why why;
};

static struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->key = EVP_EC_gen("P-384");
	assert_non_null(f->key);
	f->spec = (struct agent_tls_spec){ .name = "guest.example",
		.nonce = nonce,
		.nonce_len = sizeof nonce,
		.life_s = HOUR,
		.now = MAKER_NOW };
	f->in = (struct attest_inputs){
		.roots = &ark, .n_roots = 1, .at = MAKER_NOW, .report_data = f->asked
	};
	memcpy(f->asked, nonce, sizeof nonce);
	assert_int_equal(agent_tls_claim(f->key, &f->spec, &f->claims, f->report_data), 0);
	table_put(&f->evidence);
	return f;
}

static void fixture_free(struct fixture *f)
{
	X509_free(f->cert);
	EVP_PKEY_free(f->key);
	OPENSSL_free(f->der);
	free(f);
}

/* A report that says what f->report_data says, in the certificate. */
static void certify(struct fixture *f)
{
	f->evidence.kind = EV_SNP;
	f->evidence.len = SNP_REPORT_BYTES;
	maker_report(f->evidence.bytes, 3);
	memcpy(f->evidence.bytes + REPORT_DATA, f->report_data, sizeof f->report_data);
	maker_sign(f->evidence.bytes, maker.leaf);
	int err = agent_tls_certify(f->key, &f->claims, &f->evidence, &f->spec, &f->cert, &f->why);
	if (err < 0)
		fail_msg("%s", f->why.text);
}

static int verify(struct fixture *f)
{
	OPENSSL_free(f->der);
	f->der = NULL;
	int len = i2d_X509(f->cert, &f->der);
	assert_true(len > 0);
	f->in.evidence = (struct attest_blob){ f->der, (size_t)len };
	why_clear(&f->why);
	return attest_verify(&f->in, &f->v, &f->why);
}

static void expect(struct fixture *f, enum verdict_row_id row, const char *part)
{
	if (verify(f) < 0)
		fail_msg("no verdict: %s", f->why.text);
	assert_int_equal(f->v.overall, VERDICT_CONTRAINDICATED);
	if (f->v.rows[row].status != VERDICT_CONTRAINDICATED ||
		strstr(f->v.rows[row].why, part) == NULL)
		fail_msg("row %s: %s (%s), want \"%s\"", verdict_row_name(row),
			verdict_status_name(f->v.rows[row].status), f->v.rows[row].why, part);
}

static void expect_error(struct fixture *f, int err, const char *part)
{
	int got = verify(f);

	if (got != err || strstr(f->why.text, part) == NULL)
		fail_msg("%d (%s), want %d and \"%s\"", got, f->why.text, err, part);
}

/* The value of the extension, replaced; the certificate is signed again. */
static void value_replace(struct fixture *f, const char *oid_text, const void *value, size_t len)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(ATLS_OID_DICE, 1);
	int at = X509_get_ext_by_OBJ(f->cert, oid, -1);

	if (at >= 0)
		X509_EXTENSION_free(X509_delete_ext(f->cert, at));
	ASN1_OBJECT_free(oid);
	oid = OBJ_txt2obj(oid_text, 1);
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	(void)ASN1_OCTET_STRING_set(s, value, (int)len);
	X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, s);
	assert_int_equal(X509_add_ext(f->cert, e, -1), 1);
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(s);
	ASN1_OBJECT_free(oid);
	assert_true(X509_sign(f->cert, f->key, EVP_sha384()) > 0);
}

/* [report, claims], as a CMW record, or under a tag (0: none), or as it is (-1). */
static size_t value_make(const struct fixture *f, const char *type, int64_t tag, uint8_t *ret)
{
	static uint8_t inner[8192];
	struct wr in = wr_of(inner, sizeof inner), w = wr_of(ret, 8192);

	cbor_put(&in, CBOR_ARRAY, 2);
	cbor_put(&in, CBOR_BYTES, f->evidence.len);
	wr_copy(&in, f->evidence.bytes, f->evidence.len);
	cbor_put(&in, CBOR_BYTES, f->claims.len);
	wr_copy(&in, f->claims.bytes, f->claims.len);
	if (type != NULL) {
		cbor_put(&w, CBOR_ARRAY, 2);
		cbor_put(&w, CBOR_TEXT, strlen(type));
		wr_str(&w, type);
		cbor_put(&w, CBOR_BYTES, in.len);
	} else if (tag > 0) {
		cbor_put(&w, CBOR_TAG, (uint64_t)tag);
	}
	wr_copy(&w, inner, in.len);
	assert_int_equal(wr_check(&w), 0);
	return w.len;
}

/* --- what holds -------------------------------------------------------------------------------- */

static void a_fresh_certificate_is_affirmed(void **state)
{
	struct fixture *f = fixture_new();

	certify(f);
	f->in.required_rows = ROW_BIT(ROW_BINDING) | ROW_BIT(ROW_REPORT_DATA);
	if (verify(f) < 0)
		fail_msg("no verdict: %s", f->why.text);
	assert_int_equal(f->v.kind, EVIDENCE_SNP);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	assert_int_equal(f->v.rows[ROW_BINDING].status, VERDICT_AFFIRMING);
	assert_int_equal(f->v.rows[ROW_CHAIN].status, VERDICT_AFFIRMING);
	assert_int_equal(attest_recognise(f->in.evidence.p, f->in.evidence.len), EVIDENCE_SNP);
	/* The table is cut to what is used: a certificate is no place for pages of zeros. */
	assert_true(f->in.evidence.len < 8192);
	f->in.report_data = NULL; /* nobody asked for a nonce */
	assert_int_equal(verify(f), 0);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	fixture_free(f);
}

static void pem_is_read_as_well(void **state)
{
	struct fixture *f = fixture_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	certify(f);
	assert_int_equal(PEM_write_bio_X509(bio, f->cert), 1);
	long len = BIO_get_mem_data(bio, &text);
	f->in.evidence = (struct attest_blob){ (uint8_t *)text, (size_t)len };
	assert_int_equal(attest_verify(&f->in, &f->v, &f->why), 0);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	BIO_free(bio);
	fixture_free(f);
}

static void other_wrappings_are_affirmed(void **state)
{
	static uint8_t value[8200], der[8200];
	struct fixture *f = fixture_new();
	struct attest_blob certs[2] = { vcek, ask };

	f->in.certs = certs;
	f->in.n_certs = 2;
	certify(f);
	/* A record in id-pe-cmw, an OCTET STRING. */
	size_t len = value_make(f, ATLS_CMW_TYPE, 0, value);
	unsigned char *at = der;
	ASN1_put_object(&at, 0, (int)len, V_ASN1_OCTET_STRING, V_ASN1_UNIVERSAL);
	memcpy(at, value, len);
	value_replace(f, ATLS_OID_CMW, der, (size_t)(at - der) + len);
	assert_int_equal(verify(f), 0);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	fixture_free(f);
}

/* The same record in JSON, in a UTF8String. */
static void a_wrapper_in_json_is_affirmed(void **state)
{
	static uint8_t value[8192], der[16384];
	static char text[16384];
	struct fixture *f = fixture_new();
	struct attest_blob certs[2] = { vcek, ask };
	struct wr w = wr_of(text, sizeof text);

	f->in.certs = certs;
	f->in.n_certs = 2;
	certify(f);
	size_t len = value_make(f, NULL, 0, value);
	wr_str(&w, "[\"" ATLS_CMW_TYPE "\",\"");
	b64url_print(&w, value, len);
	wr_str(&w, "\",4]");
	assert_int_equal(wr_end_str(&w), 0);
	unsigned char *at = der;
	ASN1_put_object(&at, 0, (int)strlen(text), V_ASN1_UTF8STRING, V_ASN1_UNIVERSAL);
	memcpy(at, text, strlen(text));
	value_replace(f, ATLS_OID_CMW, der, (size_t)(at - der) + strlen(text));
	assert_int_equal(verify(f), 0);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	fixture_free(f);
}

/* A TDX quote in Intel's tag is judged as one; a real one was not made for this key. */
static void a_quote_of_another_purpose_is_refused(void **state)
{
	static uint8_t value[32768];
	struct fixture *f = fixture_new();
	struct wr w = wr_of(value, sizeof value);
	uint8_t *bytes = NULL;
	size_t len = 0;

	if (fd_read_path(QUOTE, 16384, &bytes, &len, NULL) < 0) {
		fixture_free(f);
		skip();
	}
	certify(f);
	cbor_put(&w, CBOR_TAG, ATLS_TAG_QUOTE);
	cbor_put(&w, CBOR_ARRAY, 2);
	cbor_put(&w, CBOR_BYTES, len);
	wr_copy(&w, bytes, len);
	cbor_put(&w, CBOR_BYTES, f->claims.len);
	wr_copy(&w, f->claims.bytes, f->claims.len);
	value_replace(f, ATLS_OID_DICE, value, w.len);
	expect(f, ROW_BINDING, "made for something else");
	assert_int_equal(f->v.kind, EVIDENCE_TDX);
	assert_int_equal(f->v.rows[ROW_SIGNATURE].status, VERDICT_AFFIRMING);
	assert_int_equal(f->v.rows[ROW_REPORT_DATA].status, VERDICT_CONTRAINDICATED);
	free(bytes);
	fixture_free(f);
}

/* Evidence without claims: the report data is the hash of the key. */
static void a_bare_tsm_report_names_the_key_itself(void **state)
{
	static uint8_t value[8192], inner[8192];
	struct fixture *f = fixture_new();
	struct attest_blob certs[2] = { vcek, ask };
	unsigned char *spki = NULL;
	int len = i2d_PUBKEY(f->key, &spki);
	size_t size = 0;

	f->in.certs = certs;
	f->in.n_certs = 2;
	f->in.report_data = NULL;
	memset(f->report_data, 0, sizeof f->report_data);
	assert_int_equal(
		EVP_Q_digest(NULL, "SHA2-384", NULL, spki, (size_t)len, f->report_data, &size), 1);
	OPENSSL_free(spki);
	certify(f);
	for (int i = 0; i < 2; i++) {
		struct wr in = wr_of(inner, sizeof inner), w = wr_of(value, sizeof value);
		cbor_put(&in, CBOR_MAP, 1);
		cbor_put(&in, CBOR_TEXT, 7);
		wr_str(&in, "outblob");
		cbor_put(&in, CBOR_BYTES, f->evidence.len);
		wr_copy(&in, f->evidence.bytes, f->evidence.len);
		cbor_put(&w, CBOR_ARRAY, 2);
		cbor_put(&w, CBOR_TEXT, strlen(ATLS_TSM_TYPE "+cbor"));
		wr_str(&w, ATLS_TSM_TYPE "+cbor");
		cbor_put(&w, CBOR_BYTES, in.len);
		wr_copy(&w, inner, in.len);
		value_replace(f, ATLS_OID_DICE, value, w.len);
		if (i == 0) {
			assert_int_equal(verify(f), 0);
			assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
			assert_int_equal(f->v.rows[ROW_BINDING].status, VERDICT_AFFIRMING);
			/* It has no nonce either. */
			f->in.report_data = f->asked;
			expect(f, ROW_REPORT_DATA, "no nonce");
			f->in.report_data = NULL;
			/* Another key around the same report. */
			EVP_PKEY_free(f->key);
			f->key = EVP_EC_gen("P-384");
			assert_int_equal(X509_set_pubkey(f->cert, f->key), 1);
		} else {
			expect(f, ROW_BINDING, "hash of the certificate's key");
			assert_int_equal(
				f->v.rows[ROW_REPORT_DATA].status, VERDICT_CONTRAINDICATED);
		}
	}
	fixture_free(f);
}

/* --- what does not ----------------------------------------------------------------------------- */

static void another_key_is_refused(void **state)
{
	struct fixture *f = fixture_new();

	certify(f);
	EVP_PKEY_free(f->key);
	f->key = EVP_EC_gen("P-384");
	assert_int_equal(X509_set_pubkey(f->cert, f->key), 1);
	assert_true(X509_sign(f->cert, f->key, EVP_sha384()) > 0);
	expect(f, ROW_BINDING, "another key");
	/* Everything else holds: it is genuine evidence, of somebody else's key. */
	assert_int_equal(f->v.rows[ROW_SIGNATURE].status, VERDICT_AFFIRMING);
	assert_int_equal(f->v.rows[ROW_REPORT_DATA].status, VERDICT_AFFIRMING);
	fixture_free(f);
}

static void a_signature_of_another_is_refused(void **state)
{
	struct fixture *f = fixture_new();
	EVP_PKEY *other = EVP_EC_gen("P-384");

	certify(f);
	assert_true(X509_sign(f->cert, other, EVP_sha384()) > 0);
	expect(f, ROW_BINDING, "not signed with its own key");
	EVP_PKEY_free(other);
	fixture_free(f);
}

static void another_nonce_is_refused(void **state)
{
	struct fixture *f = fixture_new();

	certify(f);
	f->asked[0] ^= 1;
	expect(f, ROW_REPORT_DATA, "another nonce");
	f->asked[0] ^= 1;
	f->asked[40] = 1;
	expect(f, ROW_REPORT_DATA, "another nonce");
	fixture_free(f);
	f = fixture_new();
	f->spec.nonce_len = 0;
	assert_int_equal(agent_tls_claim(f->key, &f->spec, &f->claims, f->report_data), 0);
	certify(f);
	expect(f, ROW_REPORT_DATA, "no nonce");
	fixture_free(f);
}

static void a_certificate_of_another_time_is_refused(void **state)
{
	struct fixture *f = fixture_new();

	certify(f);
	f->in.at = MAKER_NOW + HOUR + 1;
	expect(f, ROW_BINDING, "");
	print_message("# %s\n", f->v.rows[ROW_BINDING].why);
	f->in.at = MAKER_NOW - HOUR;
	expect(f, ROW_BINDING, "");
	fixture_free(f);
}

static void edited_claims_are_refused(void **state)
{
	struct fixture *f = fixture_new();

	f->claims.bytes[10] ^= 1; /* in the nonce: the report's data is of the old claims */
	f->asked[3] ^= 1;
	certify(f);
	expect(f, ROW_BINDING, "hash of the certificate's claims");
	assert_int_equal(f->v.rows[ROW_REPORT_DATA].status, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void claims_that_name_no_key_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *part;
	} bad[] = {
		{ "\xa0", 1, "no pubkey-hash" },
		{ "\xa1\x65nonce\x41x", 9, "no pubkey-hash" },
		{ "\xa1\x65nonce\x61x", 9, "byte strings" },
		{ "\xa1\x6bpubkey-hash\x41\x80", 15, "not [algorithm, hash]" },
		{ "\xa1\x6bpubkey-hash\x43\x82\x07\x07", 17, "not [algorithm, hash]" },
		{ "\xa2\x65nonce\x41x\x65nonce\x41x", 17, "claims buffer" },
		{ "\x80", 1, "claims buffer" },
		{ "\xa0\x00", 2, "claims buffer" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct fixture *f = fixture_new();
		memcpy(f->claims.bytes, bad[i].bytes, bad[i].len);
		f->claims.len = bad[i].len;
		certify(f);
		expect_error(f, -EBADMSG, bad[i].part);
		fixture_free(f);
	}
	/* A hash that is none we know, or too short for its name. */
	for (int i = 0; i < 2; i++) {
		struct fixture *f = fixture_new();
		uint8_t *at = memmem(f->claims.bytes, f->claims.len, "\x82\x07\x58\x30", 4);
		assert_non_null(at);
		at[1] = i == 0 ? 6 : 8;
		size_t size = 0;
		memset(f->report_data, 0, sizeof f->report_data);
		assert_int_equal(EVP_Q_digest(NULL, "SHA2-256", NULL, f->claims.bytes,
					 f->claims.len, f->report_data, &size),
			1);
		certify(f);
		expect(f, ROW_BINDING, i == 0 ? "do not know" : "another key");
		fixture_free(f);
	}
}

static void the_extension_may_be_there_once(void **state)
{
	struct fixture *f = fixture_new();

	certify(f);
	X509_EXTENSION *e = NULL;
	for (int i = 0; i < X509_get_ext_count(f->cert); i++)
		e = X509_get_ext(f->cert, i);
	assert_int_equal(X509_add_ext(f->cert, e, -1), 1);
	assert_true(X509_sign(f->cert, f->key, EVP_sha384()) > 0);
	expect_error(f, -EBADMSG, "twice");
	fixture_free(f);
}

static void other_tags_types_and_shapes_are_refused(void **state)
{
	static const struct {
		const char *type;
		int64_t tag;
		int err;
		const char *part;
	} bad[] = {
		{ NULL, 60001, -EPROTONOSUPPORT, "only its own machine" },
		{ NULL, 60002, -EPROTONOSUPPORT, "only its own machine" },
		{ NULL, 60003, -EPROTONOSUPPORT, "CBOR tag 60003" },
		{ NULL, 0, -EBADMSG, "CMW" },
		{ "application/eat+cwt", 0, -EPROTONOSUPPORT, "application/eat+cwt" },
		{ ATLS_TSM_TYPE "+cbor", 0, -EPROTONOSUPPORT, "tsm-report+cbor" },
	};
	static uint8_t value[8192];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct fixture *f = fixture_new();
		certify(f);
		size_t len = value_make(f, bad[i].type, bad[i].tag, value);
		value_replace(f, ATLS_OID_DICE, value, len);
		expect_error(f, bad[i].err, bad[i].part);
		/* Anything behind it, and anything less. */
		value_replace(f, ATLS_OID_DICE, value, len + 1);
		assert_true(verify(f) < 0);
		value_replace(f, ATLS_OID_DICE, value, len - 1);
		assert_true(verify(f) < 0);
		fixture_free(f);
	}
}

static void an_ordinary_certificate_is_no_evidence(void **state)
{
	struct fixture *f = fixture_new();

	f->in.evidence = ark;
	assert_int_equal(attest_verify(&f->in, &f->v, &f->why), -EBADMSG);
	assert_non_null(strstr(f->why.text, "certificate without evidence"));
	assert_int_equal(attest_recognise(ark.p, ark.len), EVIDENCE_UNKNOWN);
	fixture_free(f);
}

/* A changed byte of the certificate is found by its own signature, or by the report's. */
static void any_flipped_bit_is_found(void **state)
{
	struct fixture *f = fixture_new();

	certify(f);
	assert_int_equal(verify(f), 0);
	for (size_t i = 0; i < f->in.evidence.len; i += 7) {
		struct why why = { 0 };
		f->der[i] ^= (uint8_t)(1u << (i % 8));
		int err = attest_verify(&f->in, &f->v, &why);
		if (err == 0 && f->v.overall != VERDICT_CONTRAINDICATED)
			fail_msg("byte %zu: affirmed", i);
		f->der[i] ^= (uint8_t)(1u << (i % 8));
	}
	assert_int_equal(attest_verify(&f->in, &f->v, NULL), 0);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	fixture_free(f);
}

/* --- certificates of others -------------------------------------------------------------------- */

static bool vector_load(const char *name, struct attest_blob *ret, uint8_t **bytes)
{
	char path[512];

	(void)snprintf(path, sizeof path, VECTORS "%s", name);
	return fd_read_path(path, 65536, bytes, &ret->len, NULL) == 0 && (ret->p = *bytes) != NULL;
}

static void gramines_certificate_is_an_enclaves(void **state)
{
	AUTO(atls) struct atls a = { 0 };
	uint8_t *bytes = NULL;
	uint8_t hash[64] = { 0 };
	size_t size = 0;
	struct attest_inputs in = { .at = MAKER_NOW };
	struct verdict v;
	struct why why = { 0 };

	if (!vector_load("ra-tls/gramine-cert.pem", &in.evidence, &bytes))
		skip();
	assert_int_equal(atls_open(in.evidence, &a, &why), 0);
	/* The claims are what the quote's report data says, and name the key. */
	assert_int_equal(
		EVP_Q_digest(NULL, "SHA2-256", NULL, a.claims.p, a.claims.len, hash, &size), 1);
	assert_memory_equal(hash, a.evidence.p + 48 + 320, sizeof hash);
	assert_true(a.key_hash.len >= 32);
	assert_int_equal(attest_verify(&in, &v, &why), -EPROTONOSUPPORT);
	assert_non_null(strstr(why.text, "SGX quote"));
	print_message("# %s\n", why.text);
	free(bytes);
}

static void a_cmw_of_other_things_is_named(void **state)
{
	uint8_t *bytes = NULL;
	struct attest_inputs in = { .at = MAKER_NOW };
	struct verdict v;
	struct why why = { 0 };

	if (!vector_load("cmw/x509-cert+cbor-cmw.der", &in.evidence, &bytes))
		skip();
	assert_int_equal(attest_verify(&in, &v, &why), -EPROTONOSUPPORT);
	assert_non_null(strstr(why.text, "application/rim+cose"));
	print_message("# %s\n", why.text);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fresh_certificate_is_affirmed),
		cmocka_unit_test(pem_is_read_as_well),
		cmocka_unit_test(other_wrappings_are_affirmed),
		cmocka_unit_test(a_wrapper_in_json_is_affirmed),
		cmocka_unit_test(a_quote_of_another_purpose_is_refused),
		cmocka_unit_test(a_bare_tsm_report_names_the_key_itself),
		cmocka_unit_test(another_key_is_refused),
		cmocka_unit_test(a_signature_of_another_is_refused),
		cmocka_unit_test(another_nonce_is_refused),
		cmocka_unit_test(a_certificate_of_another_time_is_refused),
		cmocka_unit_test(edited_claims_are_refused),
		cmocka_unit_test(claims_that_name_no_key_are_refused),
		cmocka_unit_test(the_extension_may_be_there_once),
		cmocka_unit_test(other_tags_types_and_shapes_are_refused),
		cmocka_unit_test(an_ordinary_certificate_is_no_evidence),
		cmocka_unit_test(any_flipped_bit_is_found),
		cmocka_unit_test(gramines_certificate_is_an_enclaves),
		cmocka_unit_test(a_cmw_of_other_things_is_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
