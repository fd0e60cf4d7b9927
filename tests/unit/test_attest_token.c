/*
 * Tokens: those of the collection (argument; skipped without), our own back again, and every way to
 * make one wrong that a verifier has fallen for.
 */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/cbor.h"
#include "attest/dsse.h"
#include "attest/ear.h"
#include "attest/json_in.h"
#include "attest/token.h"
#include "base/b64.h"
#include "base/fd.h"
#include "tests/unit/cm.h"

#define NOW 1790000000 /* 2026-09-21 */

static const char *vectors;

static struct {
	struct jwk es256, es384, eddsa, other; /* private */
	struct jwk_set trusted;                /* public halves of the first three */
} keys;

static void key_make(const char *type, const char *group, struct jwk *ret)
{
	EVP_PKEY *k = group != NULL ? EVP_PKEY_Q_keygen(NULL, NULL, type, group)
				    : EVP_PKEY_Q_keygen(NULL, NULL, type);
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem = NULL;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, k, NULL, NULL, 0, NULL, NULL), 1);
	long len = BIO_get_mem_data(bio, &pem);
	assert_int_equal(jwk_load_private(ret, (uint8_t *)pem, (size_t)len, NULL), 0);
	BIO_free(bio);
	EVP_PKEY_free(k);
}

static void key_trust(const struct jwk *k)
{
	char *text = NULL;

	assert_int_equal(jwk_print_set(k, &text, NULL), 0);
	assert_int_equal(jwk_set_add(&keys.trusted, (uint8_t *)text, strlen(text), NULL), 0);
	free(text);
}

static int keys_make(void **state)
{
	key_make("EC", "P-256", &keys.es256);
	key_make("EC", "P-384", &keys.es384);
	key_make("ED25519", NULL, &keys.eddsa);
	key_make("EC", "P-256", &keys.other);
	key_trust(&keys.es256);
	key_trust(&keys.es384);
	key_trust(&keys.eddsa);
	return 0;
}

static int keys_free(void **state)
{
	jwk_done(&keys.es256);
	jwk_done(&keys.es384);
	jwk_done(&keys.eddsa);
	jwk_done(&keys.other);
	jwk_set_done(&keys.trusted);
	return 0;
}

/* --- helpers ----------------------------------------------------------------------------------- */

static struct token t; /* large */

static int judge(
	const void *bytes, size_t len, const struct jws_trust *trust, struct attest_blob nonce)
{
	struct token_inputs in = { { bytes, len }, *trust, nonce };
	struct why why = { 0 };

	t = (struct token){ 0 };
	int err = token_verify(&in, &t, &why);
	assert_true(err == 0 || why.text[0] != '\0' || err == -ENOMEM);
	return err;
}

static int judge_text(const char *text)
{
	struct jws_trust trust = { .keys = &keys.trusted, .at = NOW };

	return judge(text, strlen(text), &trust, (struct attest_blob){ 0 });
}

/* header.payload.signature of whatever is given, signed as the key's algorithm wants. */
static char *token_make(const char *header, const char *payload, const struct jwk *key)
{
	size_t size = 2 * (strlen(header) + strlen(payload)) + 512, sig_len = 0;
	char *text = malloc(size);
	struct wr w = wr_of(text, size);
	uint8_t sig[JWS_SIGNATURE_MAX];

	b64url_print(&w, header, strlen(header));
	wr_u8(&w, '.');
	b64url_print(&w, payload, strlen(payload));
	assert_int_equal(jws_sign_raw(key, key->alg, text, w.len, sig, &sig_len), 0);
	wr_u8(&w, '.');
	b64url_print(&w, sig, sig_len);
	assert_int_equal(wr_end_str(&w), 0);
	return text;
}

static void verdict_make(struct verdict *v, enum trust_class trust, enum verdict_status measurement)
{
	verdict_init(v, EVIDENCE_SNP);
	v->trust = trust;
	verdict_set(v, ROW_SIGNATURE, VERDICT_AFFIRMING, "", "", "%s", "");
	verdict_set(v, ROW_CHAIN, VERDICT_AFFIRMING, "", "", "%s", "");
	verdict_set(v, ROW_DEBUG, VERDICT_AFFIRMING, "", "", "%s", "");
	verdict_set(v, ROW_REPORT_DATA, VERDICT_AFFIRMING, "", "", "%s", "");
	verdict_set(v, ROW_MEASUREMENT, measurement, "", "", "a \"quoted\" why");
	claims_add_bytes(&v->claims, "report_data", "0123456789", 10);
	claims_add_bytes(&v->claims, "host_data", "abcd", 4);
	claims_add_bool(&v->claims, "policy_debug_allowed", false);
	verdict_close(v, 0);
}

static struct ear_options options(enum ear_form form, const struct jwk *key)
{
	return (struct ear_options){ .form = form,
		.issued_at = NOW,
		.expires = NOW + 300,
		.policy_id = "policy:test",
		.key = key };
}

static const char *row_of(enum token_row_id r)
{
	return verdict_status_name(t.rows[r].status);
}

/* --- the vector -------------------------------------------------------------------------------- */

static void every_row_that_does_not_hold_shows_in_the_vector(void **state)
{
	static struct verdict v;
	int8_t vector[EAR_CLAIM_COUNT];

	for (enum verdict_row_id r = 0; r < ROW_COUNT; r++)
		for (enum verdict_status s = VERDICT_AFFIRMING; s < VERDICT_STATUS_COUNT; s++) {
			enum verdict_status worst = VERDICT_NONE;
			verdict_init(&v, EVIDENCE_SNP);
			v.trust = TRUST_HARDWARE;
			verdict_set(&v, r, s, "", "", "%s", "");
			verdict_close(&v, 0);
			ear_vector(&v, vector);
			for (enum ear_claim c = 0; c < EAR_CLAIM_COUNT; c++)
				worst = MAX(worst, ear_tier(vector[c]));
			assert_int_equal(worst, s);
			assert_int_equal(ear_status(&v, vector), s);
		}
}

static void the_worst_row_of_a_claim_counts(void **state)
{
	static struct verdict v;
	int8_t vector[EAR_CLAIM_COUNT];

	verdict_make(&v, TRUST_HARDWARE, VERDICT_AFFIRMING);
	verdict_set(&v, ROW_TCB, VERDICT_WARNING, "", "", "%s", "");
	verdict_set(&v, ROW_SIGNATURE, VERDICT_CONTRAINDICATED, "", "", "%s", "");
	verdict_close(&v, 0);
	ear_vector(&v, vector);
	assert_int_equal(vector[EAR_HARDWARE], 99);
	assert_int_equal(vector[EAR_EXECUTABLES], 3);
	assert_int_equal(vector[EAR_STORAGE], 0);
}

static void a_simulated_root_claims_no_hardware(void **state)
{
	static struct verdict v;
	int8_t vector[EAR_CLAIM_COUNT];

	verdict_make(&v, TRUST_SIMULATED, VERDICT_AFFIRMING);
	ear_vector(&v, vector);
	assert_int_equal(vector[EAR_HARDWARE], 0);
	assert_int_equal(vector[EAR_RUNTIME], 0);
	assert_int_equal(vector[EAR_EXECUTABLES], 3);
	verdict_set(&v, ROW_SIGNATURE, VERDICT_CONTRAINDICATED, "", "", "%s", "");
	ear_vector(&v, vector);
	assert_int_equal(vector[EAR_HARDWARE], 99);
}

static void tiers_are_those_of_the_specification(void **state)
{
	static const struct {
		int value;
		enum verdict_status tier;
	} rows[] = { { -128, VERDICT_CONTRAINDICATED }, { -97, VERDICT_CONTRAINDICATED },
		{ -96, VERDICT_WARNING }, { -33, VERDICT_WARNING }, { -32, VERDICT_AFFIRMING },
		{ -2, VERDICT_AFFIRMING }, { -1, VERDICT_NONE }, { 0, VERDICT_NONE },
		{ 1, VERDICT_NONE }, { 2, VERDICT_AFFIRMING }, { 31, VERDICT_AFFIRMING },
		{ 32, VERDICT_WARNING }, { 95, VERDICT_WARNING }, { 96, VERDICT_CONTRAINDICATED },
		{ 127, VERDICT_CONTRAINDICATED } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(ear_tier(rows[i].value), rows[i].tier);
}

/* --- written and read -------------------------------------------------------------------------- */

static void what_is_written_is_read(void **state)
{
	static struct verdict v;
	const struct jwk *all[] = { &keys.es256, &keys.es384, &keys.eddsa };
	static const enum verdict_status statuses[] = { VERDICT_AFFIRMING, VERDICT_WARNING,
		VERDICT_CONTRAINDICATED };

	for (size_t s = 0; s < ARRAY_LEN(statuses); s++)
		for (size_t k = 0; k < ARRAY_LEN(all); k++)
			for (int form = 0; form <= EAR_FORM_COUNT; form++) {
				struct ear_options o = options((enum ear_form)form, all[k]);
				char *text = NULL;
				verdict_make(&v, TRUST_HARDWARE, statuses[s]);
				o.raw_evidence = (struct attest_blob){ (const uint8_t *)"abc", 3 };
				int err = form == EAR_FORM_COUNT
						  ? dsse_print_verdict(&v, &o, &text, NULL)
						  : ear_print(&v, &o, &text, NULL);
				assert_int_equal(err, 0);
				assert_int_equal(judge_text(text), 0);
				assert_int_equal(t.overall, statuses[s]);
				assert_string_equal(row_of(TOKEN_ROW_SIGNATURE), "affirming");
				assert_string_equal(row_of(TOKEN_ROW_VECTOR), "affirming");
				token_done(&t);
				free(text);
			}
}

static void a_token_for_coco_carries_the_key_and_the_claims(void **state)
{
	static struct verdict v;
	struct ear_options o = options(EAR_TRUSTEE, &keys.es384);
	char *text = NULL;

	o.tee_pubkey = "{\"kty\":\"EC\",\"alg\":\"ECDH-ES+A256KW\"}";
	o.runtime_data = "{\"nonce\":\"abc\"}";
	verdict_make(&v, TRUST_HARDWARE, VERDICT_AFFIRMING);
	assert_int_equal(ear_print(&v, &o, &text, NULL), 0);
	assert_int_equal(judge_text(text), 0);
	const json_t *annotated =
		json_object_get(json_object_get(json_object_get(t.body, "submods"), "cpu0"),
			"ear.veraison.annotated-evidence");
	const json_t *runtime = json_object_get(annotated, "runtime_data_claims");
	assert_non_null(json_object_get(json_object_get(runtime, "tee-pubkey"), "kty"));
	assert_string_equal(json_string_value(json_object_get(runtime, "nonce")), "abc");
	assert_string_equal(json_string_value(json_object_get(annotated, "report_data")),
		"30313233343536373839");
	assert_true(json_is_false(
		json_object_get(json_object_get(annotated, "snp"), "policy_debug_allowed")));
	assert_true(json_is_null(json_object_get(annotated, "init_data_claims")));
	token_done(&t);
	free(text);
}

static void options_that_make_no_token_are_refused(void **state)
{
	static struct verdict v;
	char *text = NULL;

	verdict_make(&v, TRUST_HARDWARE, VERDICT_AFFIRMING);
	struct ear_options o = options(EAR_TRUSTEE, &keys.es256);
	o.tee_pubkey = "{\"kty\":";
	assert_int_equal(ear_print(&v, &o, &text, NULL), -EINVAL);
	o = options(EAR_DRAFT, NULL);
	assert_int_equal(ear_print(&v, &o, &text, NULL), -EINVAL);
	o = options(EAR_DRAFT, &keys.es256);
	o.nonce = (struct attest_blob){ (const uint8_t *)"short", 5 };
	assert_int_equal(ear_print(&v, &o, &text, NULL), -EINVAL);
	o = options(EAR_DRAFT, &keys.es256);
	o.expires = NOW;
	assert_int_equal(ear_print(&v, &o, &text, NULL), -EINVAL);
	o = options(EAR_DRAFT, &keys.es256);
	assert_int_equal(dsse_print_verdict(&v, &o, &text, NULL), -EINVAL);
}

static void a_nonce_is_compared(void **state)
{
	static struct verdict v;
	struct jws_trust trust = { .keys = &keys.trusted, .at = NOW };
	struct ear_options o = options(EAR_DRAFT, &keys.es256);
	struct attest_blob asked = { (const uint8_t *)"0123456789abcdef", 16 };
	static const struct {
		const char *sent;
		enum verdict_status want;
	} rows[] = { { "0123456789abcdef", VERDICT_AFFIRMING },
		{ "0123456789abcdeg", VERDICT_CONTRAINDICATED },
		{ "0123456789abcde", VERDICT_CONTRAINDICATED }, { "", VERDICT_CONTRAINDICATED } };

	verdict_make(&v, TRUST_HARDWARE, VERDICT_AFFIRMING);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *text = NULL;
		o.nonce =
			(struct attest_blob){ (const uint8_t *)rows[i].sent, strlen(rows[i].sent) };
		assert_int_equal(ear_print(&v, &o, &text, NULL), 0);
		assert_int_equal(judge(text, strlen(text), &trust, asked), 0);
		assert_int_equal(t.rows[TOKEN_ROW_NONCE].status, rows[i].want);
		assert_int_equal(t.overall, rows[i].want);
		token_done(&t);
		free(text);
	}
}

static void a_token_has_its_time(void **state)
{
	static struct verdict v;
	struct ear_options o = options(EAR_VERAISON, &keys.eddsa);
	char *text = NULL;
	static const struct {
		int64_t at;
		enum verdict_status want;
	} rows[] = { { NOW, VERDICT_AFFIRMING }, { NOW - 60, VERDICT_AFFIRMING },
		{ NOW - 61, VERDICT_CONTRAINDICATED }, { NOW + 299, VERDICT_AFFIRMING },
		{ NOW + 300, VERDICT_CONTRAINDICATED }, { 1, VERDICT_CONTRAINDICATED } };

	verdict_make(&v, TRUST_HARDWARE, VERDICT_AFFIRMING);
	assert_int_equal(ear_print(&v, &o, &text, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jws_trust trust = { .keys = &keys.trusted, .at = rows[i].at };
		assert_int_equal(judge(text, strlen(text), &trust, (struct attest_blob){ 0 }), 0);
		assert_int_equal(t.rows[TOKEN_ROW_TIME].status, rows[i].want);
		assert_int_equal(t.overall, rows[i].want);
		token_done(&t);
	}
	free(text);
}

/* --- headers, keys ----------------------------------------------------------------------------- */

#define GOOD_CLAIMS                                                                                \
	"{\"eat_profile\":\"tag:ietf.org,2026:rats/ear#03\",\"iat\":1790000000,"                   \
	"\"submods\":{\"cpu0\":{\"ear_status\":\"affirming\"}}}"

static void headers_that_bring_their_own_rules_are_refused(void **state)
{
	static const char *const headers[] = {
		"{\"alg\":\"none\"}",
		"{\"alg\":\"None\"}",
		"{\"alg\":\"HS256\"}",
		"{\"alg\":\"es256\"}",
		"{\"alg\":256}",
		"{}",
		"{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}",
		"{\"alg\":\"ES256\",\"crit\":[]}",
		"{\"alg\":\"ES256\",\"kid\":7}",
		"{\"alg\":\"ES256\",\"kid\":\"nobody\"}",
		"{\"alg\":\"ES384\"}",
		"{\"alg\":\"PS256\"}",
		"{\"alg\":\"EdDSA\"}",
		"{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\"}}",
		"{\"alg\":\"ES256\",\"jwk\":null}",
	};

	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		char *text = token_make(headers[i], GOOD_CLAIMS, &keys.es256);
		assert_int_equal(judge_text(text), 0);
		assert_string_equal(row_of(TOKEN_ROW_SIGNATURE), "contraindicated");
		assert_int_equal(t.overall, VERDICT_CONTRAINDICATED);
		token_done(&t);
		free(text);
	}
	char *text = token_make("{\"alg\":\"ES256\"}", GOOD_CLAIMS, &keys.es256);
	assert_int_equal(judge_text(text), 0);
	assert_int_equal(t.overall, VERDICT_AFFIRMING);
	token_done(&t);
	free(text);
}

/* The header with the public half of a key as "jwk". */
static char *header_with_jwk(const struct jwk *k)
{
	char *set = NULL, *text = NULL;
	AUTO(json_in) json_t *j = NULL;

	assert_int_equal(jwk_print_set(k, &set, NULL), 0);
	assert_int_equal(json_in_parse(set, strlen(set), &j, NULL), 0);
	json_t *key = json_array_get(json_object_get(j, "keys"), 0);
	json_t *header = json_pack("{s:s, s:O}", "alg", "ES256", "jwk", key);
	text = json_dumps(header, 0);
	json_decref(header);
	free(set);
	return text;
}

static void a_key_in_the_header_counts_only_where_it_is_trusted(void **state)
{
	const struct jwk *all[] = { &keys.es256, &keys.other };

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		char *header = header_with_jwk(all[i]);
		char *text = token_make(header, GOOD_CLAIMS, all[i]);
		assert_int_equal(judge_text(text), 0);
		assert_int_equal(t.overall, i == 0 ? VERDICT_AFFIRMING : VERDICT_CONTRAINDICATED);
		token_done(&t);
		free(text);
		/* The trusted key in the header, the signature another's. */
		text = token_make(header, GOOD_CLAIMS, all[1 - i]);
		assert_int_equal(judge_text(text), 0);
		assert_int_equal(t.overall, VERDICT_CONTRAINDICATED);
		token_done(&t);
		free(text);
		free(header);
	}
}

static X509 *cert_make(
	const char *cn, EVP_PKEY *key, const char *issuer, EVP_PKEY *signer, bool is_ca)
{
	X509 *x = X509_new();
	X509V3_CTX ctx;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 5);
	ASN1_TIME_set(X509_getm_notBefore(x), NOW - 1000);
	ASN1_TIME_set(X509_getm_notAfter(x), NOW + 1000);
	X509_NAME_add_entry_by_txt(
		X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0);
	X509_NAME_add_entry_by_txt(
		X509_get_issuer_name(x), "CN", MBSTRING_ASC, (const uint8_t *)issuer, -1, -1, 0);
	X509_set_pubkey(x, key);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(
		NULL, &ctx, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	assert_true(X509_sign(x, signer, EVP_sha256()) > 0);
	return x;
}

static void a_chain_in_the_header_has_to_end_in_a_root(void **state)
{
	static struct verdict v;
	AUTO(cert_store) struct cert_store chain = { 0 };
	AUTO(cert_store) struct cert_store roots = { 0 };
	AUTO(cert_store) struct cert_store strangers = { 0 };
	EVP_PKEY *ca = keys.es384.key, *other = keys.other.key;
	X509 *root = cert_make("root", ca, "root", ca, true);
	X509 *stranger = cert_make("root", other, "root", other, true);
	X509 *leaf = cert_make("signer", keys.es256.key, "root", ca, false);
	char *text = NULL;

	assert_int_equal(cert_store_add_x509(&chain, leaf, NULL), 0);
	assert_int_equal(cert_store_add_x509(&roots, root, NULL), 0);
	assert_int_equal(cert_store_add_x509(&strangers, stranger, NULL), 0);
	verdict_make(&v, TRUST_HARDWARE, VERDICT_AFFIRMING);
	struct ear_options o = options(EAR_TRUSTEE, &keys.es256);
	o.expires = 0;
	o.x5c = &chain;
	assert_int_equal(ear_print(&v, &o, &text, NULL), 0);
	const struct {
		const struct cert_store *roots;
		time_t at;
		enum verdict_status want;
	} rows[] = { { &roots, NOW, VERDICT_AFFIRMING },
		{ &strangers, NOW, VERDICT_CONTRAINDICATED },
		{ &roots, NOW + 1001, VERDICT_CONTRAINDICATED } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jws_trust trust = { .roots = rows[i].roots, .at = rows[i].at };
		assert_int_equal(judge(text, strlen(text), &trust, (struct attest_blob){ 0 }), 0);
		assert_int_equal(t.rows[TOKEN_ROW_SIGNATURE].status, rows[i].want);
		token_done(&t);
	}
	free(text);
	/* The chain certifies es256, another key signed. */
	o.key = &keys.other;
	assert_int_equal(ear_print(&v, &o, &text, NULL), 0);
	struct jws_trust trust = { .roots = &roots, .at = NOW };
	assert_int_equal(judge(text, strlen(text), &trust, (struct attest_blob){ 0 }), 0);
	assert_string_equal(row_of(TOKEN_ROW_SIGNATURE), "contraindicated");
	token_done(&t);
	free(text);
	/* Roots, and a token without a chain. */
	o.x5c = NULL;
	assert_int_equal(ear_print(&v, &o, &text, NULL), 0);
	assert_int_equal(judge(text, strlen(text), &trust, (struct attest_blob){ 0 }), 0);
	assert_string_equal(row_of(TOKEN_ROW_SIGNATURE), "contraindicated");
	token_done(&t);
	free(text);
	/* A leaf for something else. */
	static const struct {
		const char *usage;
		enum verdict_status want;
	} usages[] = { { "critical,digitalSignature,keyAgreement", VERDICT_AFFIRMING },
		{ "critical,keyAgreement", VERDICT_CONTRAINDICATED } };
	for (size_t i = 0; i < ARRAY_LEN(usages); i++) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, usages[i].usage);
		X509_EXTENSION_free(
			X509_delete_ext(leaf, X509_get_ext_by_NID(leaf, NID_key_usage, -1)));
		X509_add_ext(leaf, e, -1);
		X509_EXTENSION_free(e);
		assert_true(X509_sign(leaf, ca, EVP_sha256()) > 0);
		o.key = &keys.es256;
		o.x5c = &chain;
		assert_int_equal(ear_print(&v, &o, &text, NULL), 0);
		assert_int_equal(judge(text, strlen(text), &trust, (struct attest_blob){ 0 }), 0);
		assert_int_equal(t.rows[TOKEN_ROW_SIGNATURE].status, usages[i].want);
		token_done(&t);
		free(text);
	}
	X509_free(root);
	X509_free(stranger);
	X509_free(leaf);
}

static void without_keys_nothing_is_affirmed(void **state)
{
	struct jws_trust nobody = { .at = NOW };
	char *text = token_make("{\"alg\":\"ES256\"}", GOOD_CLAIMS, &keys.es256);

	assert_int_equal(judge(text, strlen(text), &nobody, (struct attest_blob){ 0 }), 0);
	assert_int_equal(t.rows[TOKEN_ROW_SIGNATURE].status, VERDICT_NONE);
	assert_int_equal(t.overall, VERDICT_NONE);
	token_done(&t);
	free(text);
}

/* 32 bytes in base64url. */
#define ZEROS "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""

static void keys_that_are_none_are_refused(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}",
		"{\"kty\":\"oct\",\"k\":\"AAAA\"}", "{\"kty\":\"EC\",\"crv\":\"P-256\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
		("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":" ZEROS ",\"y\":" ZEROS "}"),
		"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}",
		("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":" ZEROS "}"),
		"{\"kty\":\"RSA\",\"n\":\"sgut\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}",
		"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "{\"keys\":[1]}",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"{\"kty\":\"EC\",\"kty\":\"EC\"}" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO(jwk_set) struct jwk_set set = { 0 };
		struct why why = { 0 };
		assert_true(
			jwk_set_add(&set, (const uint8_t *)texts[i], strlen(texts[i]), &why) < 0);
		assert_true(why.text[0] != '\0');
		assert_int_equal(set.n, 0);
	}
	struct jwk k = { 0 };
	assert_int_equal(jwk_load_private(&k, (const uint8_t *)"x", 1, NULL), -EBADMSG);
}

static void a_set_passes_over_keys_for_other_purposes(void **state)
{
	AUTO(jwk_set) struct jwk_set set = { 0 };
	char *text = NULL, all[1024];

	assert_int_equal(jwk_print_set(&keys.eddsa, &text, NULL), 0);
	(void)snprintf(all, sizeof all,
		"{\"keys\":[{\"kty\":\"oct\"},{\"kty\":\"EC\",\"use\":\"enc\"},"
		"{\"kty\":\"EC\",\"alg\":\"ECDH-ES\"},%s",
		strchr(text, '[') + 1);
	assert_int_equal(jwk_set_add(&set, (uint8_t *)all, strlen(all), NULL), 0);
	assert_int_equal(set.n, 1);
	assert_int_equal(set.at[0].alg, JWS_EDDSA);
	free(text);
}

/* Azure publishes its keys as certificates alone. */
static void a_key_may_be_a_certificate_alone(void **state)
{
	X509 *x = cert_make("k", keys.es256.key, "k", keys.es256.key, true);
	uint8_t *der = NULL;
	int der_len = i2d_X509(x, &der);
	char *set = NULL, b64[2048], text[4096];
	struct wr w = wr_of(b64, sizeof b64);
	static const struct {
		const char *form; /* around the certificate */
		int want;
	} rows[] = {
		{ "{\"kty\":\"EC\",\"kid\":\"k+=\",\"x5c\":[\"%s\"]}", 0 },
		{ "{\"kty\":\"RSA\",\"x5c\":[\"%s\"]}", -EBADMSG },
		{ "{\"kty\":\"EC\",\"x5c\":[\"AAAA%s\"]}", -EBADMSG },
		{ "{\"kty\":\"EC\",\"x5c\":[],\"y\":\"%s\"}", -EBADMSG },
	};

	b64_print(&w, der, (size_t)der_len);
	assert_int_equal(wr_end_str(&w), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(jwk_set) struct jwk_set got = { 0 };
		char *percent = strstr(rows[i].form, "%s");
		(void)snprintf(text, sizeof text, "%.*s%s%s", (int)(percent - rows[i].form),
			rows[i].form, b64, percent + 2);
		assert_int_equal(
			jwk_set_add(&got, (uint8_t *)text, strlen(text), NULL), rows[i].want);
		if (rows[i].want == 0)
			assert_int_equal(EVP_PKEY_eq(got.at[0].key, keys.es256.key), 1);
	}
	/* Beside members of another key it is a contradiction. */
	AUTO(jwk_set) struct jwk_set got = { 0 };
	const struct jwk *both[] = { &keys.es256, &keys.other };
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		assert_int_equal(jwk_print_set(both[i], &set, NULL), 0);
		*strrchr(set, ']') = '\0'; /* of the list, then of the key */
		*strrchr(set, '}') = '\0';
		(void)snprintf(text, sizeof text, "%s,\"x5c\":[\"%s\"]}]}", set, b64);
		assert_int_equal(jwk_set_add(&got, (uint8_t *)text, strlen(text), NULL),
			i == 0 ? 0 : -EBADMSG);
		free(set);
	}
	OPENSSL_free(der);
	X509_free(x);
}

/* --- claims ------------------------------------------------------------------------------------ */

#define P "{\"eat_profile\":\"tag:ietf.org,2026:rats/ear#03\","
#define S "\"submods\":{\"cpu0\":{\"ear_status\":"

static void claims_that_make_no_sense_are_named(void **state)
{
	static const struct {
		const char *claims;
		enum token_row_id row;
		enum verdict_status want;
	} rows[] = {
		{ P S "\"affirming\"}}}", TOKEN_ROW_TIME, VERDICT_CONTRAINDICATED },
		{ P "\"iat\":\"now\"," S "\"affirming\"}}}", TOKEN_ROW_TIME,
			VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1e300," S "\"affirming\"}}}", TOKEN_ROW_TIME,
			VERDICT_CONTRAINDICATED },
		{ P "\"iat\":-5," S "\"affirming\"}}}", TOKEN_ROW_TIME, VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000.5," S "\"affirming\"}}}", TOKEN_ROW_TIME,
			VERDICT_AFFIRMING },
		{ P "\"iat\":1790000000,\"exp\":\"never\"," S "\"affirming\"}}}", TOKEN_ROW_TIME,
			VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000,\"exp\":null," S "\"affirming\"}}}", TOKEN_ROW_TIME,
			VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000,\"nbf\":1790009999," S "\"affirming\"}}}", TOKEN_ROW_TIME,
			VERDICT_CONTRAINDICATED },
		{ "{\"iat\":1790000000," S "\"affirming\"}}}", TOKEN_ROW_PROFILE,
			VERDICT_CONTRAINDICATED },
		{ "{\"eat_profile\":7,\"iat\":1790000000," S "\"affirming\"}}}", TOKEN_ROW_PROFILE,
			VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000," S "2}}}", TOKEN_ROW_RESULT, VERDICT_AFFIRMING },
		{ P "\"iat\":1790000000," S "32}}}", TOKEN_ROW_RESULT, VERDICT_WARNING },
		{ P "\"iat\":1790000000," S "96}}}", TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000," S "3}}}", TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000," S "\"fine\"}}}", TOKEN_ROW_RESULT,
			VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000," S "null}}}", TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000," S "\"none\"}}}", TOKEN_ROW_RESULT, VERDICT_NONE },
		{ P "\"iat\":1790000000,\"submods\":[]}", TOKEN_ROW_RESULT,
			VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000,\"submods\":{}}", TOKEN_ROW_RESULT,
			VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000,\"submods\":{\"a\":7}}", TOKEN_ROW_RESULT,
			VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000,\"submods\":{\"a\":{\"ear.status\":\"affirming\"}}}",
			TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000,\"submods\":{\"a\":{\"ear_status\":2},\"b\":{\"ear_"
		    "status\":32}}}",
			TOKEN_ROW_RESULT, VERDICT_WARNING },
		{ P "\"iat\":1790000000,\"submods\":{\"a\":{\"ear_status\":2},\"b\":{\"ear_"
		    "status\":0}}}",
			TOKEN_ROW_RESULT, VERDICT_NONE },
#define A P "\"iat\":1790000000," S "2,\"ear_veraison_key_attestation\":"
		{ A "{\"akpub\":\"MCowBQYDK2VwAyEA11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}}"
		    "}}",
			TOKEN_ROW_RESULT, VERDICT_AFFIRMING },
		{ A "{\"akpub\":\"MCowBQYDK2VwAyEA11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ\"}}}}",
			TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ A "{\"akpub\":\"\"}}}}", TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ A "{\"akpub\":7}}}}", TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ A "{}}}}", TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ A "null}}}", TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		/* a level below, that nobody judges */
		{ P "\"iat\":1790000000," S "2,\"submods\":{\"a\":{\"ear_status\":96}}}}}",
			TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
#define Z                                                                                          \
	"\"iat\":1790000000,\"x-ms-attestation-type\":\"azurevm\",\"x-ms-isolation-tee\":{\"x-ms-" \
	"attestation-type\":\"sevsnpvm\",\"x-ms-compliance-status\":\"azure-compliant-cvm\""
#define D ",\"x-ms-sevsnpvm-is-debuggable\":"
		{ "{" Z D "false}}", TOKEN_ROW_RESULT, VERDICT_AFFIRMING },
		{ "{" Z D "true}}", TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ "{" Z D "\"true\"}}", TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ "{" Z "}}", TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ "{\"eat_profile\":7," Z D "false}}", TOKEN_ROW_PROFILE, VERDICT_CONTRAINDICATED },
#define V P "\"iat\":1790000000," S "2,\"ear_trustworthiness_vector\":"
		{ V "{\"hardware\":2}}}}", TOKEN_ROW_VECTOR, VERDICT_AFFIRMING },
		{ V "[]}}}", TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED },
		{ V "{\"hardware\":32}}}}", TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED },
		{ V "{\"hardware\":-97}}}}", TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED },
		{ V "{\"hardware\":128}}}}", TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED },
		{ V "{\"hardware\":-129}}}}", TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED },
		{ V "{\"hardware\":2.0}}}}", TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED },
		{ V "{\"hardware\":\"2\"}}}}", TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED },
		{ V "{\"something-new\":96}}}}", TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000,\"eat_nonce\":\"abc\"," S "2}}}", TOKEN_ROW_NONCE,
			VERDICT_CONTRAINDICATED },
		{ P "\"iat\":1790000000,\"eat_nonce\":[\"abcdefghijkl\",7]," S "2}}}",
			TOKEN_ROW_NONCE, VERDICT_CONTRAINDICATED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *text = token_make("{\"alg\":\"ES256\"}", rows[i].claims, &keys.es256);
		assert_int_equal(judge_text(text), 0);
		assert_string_equal(row_of(TOKEN_ROW_SIGNATURE), "affirming");
		if (t.rows[rows[i].row].status != rows[i].want)
			fail_msg("claims %zu: %s", i, rows[i].claims);
		assert_int_equal(t.overall, rows[i].want);
		token_done(&t);
		free(text);
	}
}

static void what_is_no_token_is_no_verdict(void **state)
{
	static const char *const texts[] = { "", ".", "..", "...", "a.b.c", "abc", "{}",
		"{\"payload\":1}", "{\"payloadType\":\"x\",\"payload\":\"AAAA\",\"signatures\":[]}",
		"{\"payloadType\":\"x\",\"payload\":\"!\",\"signatures\":[{}]}", "\n", "\xd2",
		"\x84" };
	static const char *const claims[] = { "", "[]", "{", "7", "{\"a\":1}x", "{\"a\":1,\"a\":1}",
		"{\"iat\":99999999999999999999}", "{\"a\":\"\\u0000\"}",
		"{\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(judge_text(texts[i]), -EBADMSG);
	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		char *text = token_make("{\"alg\":\"ES256\"}", claims[i], &keys.es256);
		assert_int_equal(judge_text(text), -EBADMSG);
		free(text);
	}
	static uint8_t large[LIMIT_TOKEN_BYTES + 1];
	struct jws_trust trust = { .keys = &keys.trusted, .at = NOW };
	assert_int_equal(judge(large, sizeof large, &trust, (struct attest_blob){ 0 }), -EMSGSIZE);
}

static void no_changed_character_is_unseen(void **state)
{
	static struct verdict v;
	struct ear_options o = options(EAR_DRAFT, &keys.es256);
	struct jws_trust trust = { .keys = &keys.trusted, .at = NOW };
	char *text = NULL;

	verdict_make(&v, TRUST_HARDWARE, VERDICT_AFFIRMING);
	assert_int_equal(ear_print(&v, &o, &text, NULL), 0);
	size_t len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		for (unsigned int bit = 1; bit < 256; bit <<= 1) {
			text[i] = (char)(text[i] ^ (char)bit);
			if (judge(text, len, &trust, (struct attest_blob){ 0 }) == 0) {
				assert_int_equal(t.overall, VERDICT_CONTRAINDICATED);
				token_done(&t);
			}
			text[i] = (char)(text[i] ^ (char)bit);
		}
		if (judge(text, i, &trust, (struct attest_blob){ 0 }) == 0) {
			assert_int_not_equal(t.overall, VERDICT_AFFIRMING);
			token_done(&t);
		}
	}
	free(text);
}

/* --- envelopes --------------------------------------------------------------------------------- */

static char *envelope(const char *statement, const struct jwk *key, const char *type)
{
	char *text = NULL;

	assert_int_equal(dsse_print(key, type, statement, strlen(statement), &text, NULL), 0);
	return text;
}

#define STATEMENT(type, predicate, subject, verdict, row)                                          \
	"{\"_type\":\"" type "\",\"subject\":" subject ",\"predicateType\":\"" predicate           \
	"\",\"predicate\":{\"timeVerified\":\"2026-09-21T00:00:00Z\",\"verdict\":{\"verdict\":"    \
	"\"" verdict "\",\"rows\":[{\"status\":\"" row "\"}]}}}"
#define SUBJECT "[{\"name\":\"evidence\",\"digest\":{\"sha256\":\"00\"}}]"

static void statements_are_judged(void **state)
{
	static const struct {
		const char *text;
		int err;
		enum token_row_id row;
		enum verdict_status want;
	} rows[] = {
		{ STATEMENT(STATEMENT_TYPE, STATEMENT_VERDICT, SUBJECT, "affirming", "affirming"),
			0, TOKEN_ROW_RESULT, VERDICT_AFFIRMING },
		{ STATEMENT(STATEMENT_TYPE, STATEMENT_VERDICT, SUBJECT, "affirming", "warning"), 0,
			TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED },
		{ STATEMENT(STATEMENT_TYPE, STATEMENT_VERDICT, SUBJECT, "warning", "warning"), 0,
			TOKEN_ROW_RESULT, VERDICT_WARNING },
		{ STATEMENT(STATEMENT_TYPE, STATEMENT_VERDICT, SUBJECT, "great", "affirming"), 0,
			TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ STATEMENT(STATEMENT_TYPE, STATEMENT_VERDICT, "[]", "affirming", "affirming"), 0,
			TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ STATEMENT(STATEMENT_TYPE, STATEMENT_VERDICT,
			  "[{\"digest\":{\"sha256\":\"00\"}},{}]", "affirming", "affirming"),
			0, TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED },
		{ STATEMENT(
			  STATEMENT_TYPE, "https://slsa.dev/x", SUBJECT, "affirming", "affirming"),
			0, TOKEN_ROW_PROFILE, VERDICT_CONTRAINDICATED },
		{ STATEMENT("https://in-toto.io/Statement/v0.1", STATEMENT_VERDICT, SUBJECT,
			  "affirming", "affirming"),
			-EBADMSG, TOKEN_ROW_RESULT, VERDICT_NONE },
		{ "{}", -EBADMSG, TOKEN_ROW_RESULT, VERDICT_NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *text = envelope(rows[i].text, &keys.es256, DSSE_IN_TOTO);
		assert_int_equal(judge_text(text), rows[i].err);
		if (rows[i].err == 0) {
			assert_int_equal(t.rows[rows[i].row].status, rows[i].want);
			assert_int_equal(t.overall, rows[i].want);
		}
		token_done(&t);
		free(text);
	}
	char *text = envelope(rows[0].text, &keys.es256, "text/plain");
	assert_int_equal(judge_text(text), -EBADMSG);
	free(text);
	static struct jwk_set none;
	X509 *root = X509_new();
	struct cert_store roots = { .n = 1, .at = { root } };
	struct jws_trust by_chain = { .keys = &none, .roots = &roots, .at = NOW };
	text = envelope(rows[0].text, &keys.es256, DSSE_IN_TOTO);
	assert_int_equal(judge(text, strlen(text), &by_chain, (struct attest_blob){ 0 }), 0);
	assert_string_equal(row_of(TOKEN_ROW_SIGNATURE), "contraindicated");
	token_done(&t);
	X509_free(root);
	free(text);
	text = envelope(rows[0].text, &keys.other, DSSE_IN_TOTO);
	assert_int_equal(judge_text(text), 0);
	assert_string_equal(row_of(TOKEN_ROW_SIGNATURE), "contraindicated");
	token_done(&t);
	free(text);
}

static void of_several_signatures_one_trusted_is_enough(void **state)
{
	char *text = envelope(
		STATEMENT(STATEMENT_TYPE, STATEMENT_VERDICT, SUBJECT, "affirming", "affirming"),
		&keys.eddsa, DSSE_IN_TOTO);
	AUTO(json_in) json_t *j = NULL;

	assert_int_equal(json_in_parse(text, strlen(text), &j, NULL), 0);
	json_t *sigs = json_object_get(j, "signatures");
	assert_int_equal(json_array_insert_new(
				 sigs, 0, json_pack("{s:s, s:s}", "keyid", "x", "sig", "AAAA")),
		0);
	json_object_set_new(json_array_get(sigs, 1), "keyid", json_string("a lie"));
	free(text);
	text = json_dumps(j, 0);
	assert_int_equal(judge_text(text), 0);
	assert_int_equal(t.overall, VERDICT_AFFIRMING);
	token_done(&t);
	free(text);
	/* The type is signed, too. */
	json_object_set_new(j, "payloadType", json_string("application/vnd.in-toto+json "));
	text = json_dumps(j, 0);
	assert_true(judge_text(text) < 0 || t.overall == VERDICT_CONTRAINDICATED);
	token_done(&t);
	free(text);
}

/* --- COSE -------------------------------------------------------------------------------------- */

static void bytes_put(struct wr *w, const void *bytes, size_t len)
{
	cbor_put(w, CBOR_BYTES, len);
	wr_copy(w, bytes, len);
}

/* A COSE_Sign1 with these headers, CBOR, around a claims set; signed as ES256 wants it. */
static size_t cose_make(const char *protected, size_t n_protected, const void *unprotected,
	size_t n_unprotected, uint8_t *ret, size_t size)
{
	/* {265: profile, 6: 1790000000, 266: {"cpu0": {1000: 2}}} */
	static const char claims[] = "\xa3\x19\x01\x09\x78\x1dtag:ietf.org,2026:rats/ear#03\x06\x1a"
				     "\x6a\xb1\x3b\x80\x19\x01\x0a\xa1\x64"
				     "cpu0\xa1\x19\x03\xe8\x02";
	uint8_t tbs[512], sig[JWS_SIGNATURE_MAX];
	struct wr signed_ = wr_of(tbs, sizeof tbs), w = wr_of(ret, size);
	size_t sig_len = 0;

	cbor_put(&signed_, CBOR_ARRAY, 4);
	cbor_put(&signed_, CBOR_TEXT, 10);
	wr_str(&signed_, "Signature1");
	bytes_put(&signed_, protected, n_protected);
	bytes_put(&signed_, "", 0);
	bytes_put(&signed_, claims, sizeof claims - 1);
	assert_int_equal(jws_sign_raw(&keys.es256, JWS_ES256, tbs, signed_.len, sig, &sig_len), 0);
	cbor_put(&w, CBOR_TAG, 18);
	cbor_put(&w, CBOR_ARRAY, 4);
	bytes_put(&w, protected, n_protected);
	wr_copy(&w, unprotected, n_unprotected);
	bytes_put(&w, claims, sizeof claims - 1);
	bytes_put(&w, sig, sig_len);
	assert_int_equal(wr_check(&w), 0);
	return w.len;
}

static void headers_of_cose_are_judged(void **state)
{
#define H(text) text, sizeof text - 1
	static const struct {
		const char *protected;
		size_t n_protected;
		const char *unprotected;
		size_t n_unprotected;
		int want; /* of the signature, or an error */
	} rows[] = {
		{ H("\xa1\x01\x26"), H("\xa0"), VERDICT_AFFIRMING },
		{ H(""), H("\xa1\x01\x26"), VERDICT_CONTRAINDICATED },
		{ H("\xa0"), H("\xa0"), VERDICT_CONTRAINDICATED },
		{ H("\xa1\x01\x27"), H("\xa0"), VERDICT_CONTRAINDICATED }, /* EdDSA */
		{ H("\xa1\x01\x05"), H("\xa0"), VERDICT_CONTRAINDICATED }, /* HMAC */
		{ H("\xa1\x01\x65\x45S256"), H("\xa0"), VERDICT_CONTRAINDICATED },
		{ H("\xa2\x01\x26\x02\x81\x0a"), H("\xa0"), VERDICT_CONTRAINDICATED }, /* crit */
		{ H("\xa1\x01\x26"), H("\xa1\x02\x81\x0a"), VERDICT_CONTRAINDICATED },
		{ H("\xa1\x01\x26"), H("\xa1\x01\x26"), VERDICT_CONTRAINDICATED }, /* twice */
		{ H("\xa1\x01\x26"), H("\xa1\x04\x42\xff\x00"), VERDICT_CONTRAINDICATED }, /* kid */
		{ H("\xa1\x01\x26"), H("\xa1\x04\x61x"), VERDICT_CONTRAINDICATED },
		{ H("\xa1\x01"), H("\xa0"), -EBADMSG },
		{ H("\xa1\x01\x26"), H("\x80"), -EBADMSG },
	};
#undef H
	struct jws_trust trust = { .keys = &keys.trusted, .at = NOW };
	uint8_t bytes[1024];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = cose_make(rows[i].protected, rows[i].n_protected, rows[i].unprotected,
			rows[i].n_unprotected, bytes, sizeof bytes);
		int err = judge(bytes, len, &trust, (struct attest_blob){ 0 });
		if (err != (rows[i].want < 0 ? rows[i].want : 0) ||
			(err == 0 && (int)t.overall != rows[i].want))
			fail_msg("header %zu: %d, %s", i, err, verdict_status_name(t.overall));
		token_done(&t);
	}
}

static void a_chain_in_cose_has_to_end_in_a_root(void **state)
{
	EVP_PKEY *ca = keys.es384.key;
	X509 *root = cert_make("root", ca, "root", ca, true);
	X509 *leaf = cert_make("signer", keys.es256.key, "root", ca, false);
	AUTO(cert_store) struct cert_store roots = { 0 };
	struct jws_trust trust = { .roots = &roots, .at = NOW };
	uint8_t *der = NULL, headers[2048], bytes[4096];
	int der_len = i2d_X509(leaf, &der);
	/* One certificate; a list of it; a list with a byte too many; an empty list; no bytes. */
	static const int want[] = { VERDICT_AFFIRMING, VERDICT_AFFIRMING, VERDICT_CONTRAINDICATED,
		VERDICT_CONTRAINDICATED, VERDICT_CONTRAINDICATED };

	assert_int_equal(cert_store_add_x509(&roots, root, NULL), 0);
	for (int i = 0; i < (int)ARRAY_LEN(want); i++) {
		struct wr w = wr_of(headers, sizeof headers);
		cbor_put(&w, CBOR_MAP, 1);
		cbor_put(&w, CBOR_UINT, 33);
		if (i == 1 || i == 2)
			cbor_put(&w, CBOR_ARRAY, 1);
		if (i == 3)
			cbor_put(&w, CBOR_ARRAY, 0);
		else if (i == 4)
			cbor_put(&w, CBOR_UINT, 7);
		else
			bytes_put(&w, der, (size_t)der_len - (i == 2));
		size_t len = cose_make("\xa1\x01\x26", 3, headers, w.len, bytes, sizeof bytes);
		assert_int_equal(judge(bytes, len, &trust, (struct attest_blob){ 0 }), 0);
		assert_int_equal(t.overall, want[i]);
		token_done(&t);
	}
	OPENSSL_free(der);
	X509_free(root);
	X509_free(leaf);
}

/* --- the collection ---------------------------------------------------------------------------- */

#define R "rats-synthetic/"
static const struct {
	const char *file;
	enum token_row_id row;
	int want; /* verdict_status, or -EBADMSG */
	int64_t at;
} files[] = {
	{ R "ear-draft.es256.jwt", TOKEN_ROW_RESULT, VERDICT_AFFIRMING, 0 },
	{ R "ear-draft.es384.jwt", TOKEN_ROW_RESULT, VERDICT_AFFIRMING, 0 },
	{ R "ear-draft.ps256.jwt", TOKEN_ROW_RESULT, VERDICT_AFFIRMING, 0 },
	{ R "ear-draft.eddsa.jwt", TOKEN_ROW_RESULT, VERDICT_AFFIRMING, 0 },
	{ R "ear-veraison2023.es256.jwt", TOKEN_ROW_RESULT, VERDICT_AFFIRMING, 0 },
	{ R "ear-trustee2024.es256.jwt", TOKEN_ROW_RESULT, VERDICT_WARNING, 0 },
	{ "kbs-synthetic/token.jwt", TOKEN_ROW_RESULT, VERDICT_WARNING, 0 },
	{ R "ear.es256.cwt", TOKEN_ROW_RESULT, VERDICT_AFFIRMING, 0 },
	{ R "ear.es384.cwt", TOKEN_ROW_RESULT, VERDICT_AFFIRMING, 0 },
	{ R "ear-cwt61.cwt", TOKEN_ROW_RESULT, VERDICT_AFFIRMING, 0 },
	{ R "ear-untagged.cwt", TOKEN_ROW_RESULT, VERDICT_AFFIRMING, 0 },
	{ R "bad-alg-confusion.jwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-alg-none.jwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-crit.jwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-der-signature.jwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-jwk-in-header.jwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-otherkey.jwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-payload-edited.jwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-unknown-kid.jwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-expired.jwt", TOKEN_ROW_TIME, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-iat-future.jwt", TOKEN_ROW_TIME, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-profile.jwt", TOKEN_ROW_PROFILE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-no-submods.jwt", TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-status-inconsistent.jwt", TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-vector-range.jwt", TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-alg-unprotected.cwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-otherkey.cwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-sig.cwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 0 },
	{ R "bad-base64-padding.jwt", TOKEN_ROW_COUNT, -EBADMSG, 0 },
	{ R "bad-duplicate-claim.jwt", TOKEN_ROW_COUNT, -EBADMSG, 0 },
	{ R "bad-two-parts.jwt", TOKEN_ROW_COUNT, -EBADMSG, 0 },
	{ R "bad-indefinite-bomb.cwt", TOKEN_ROW_COUNT, -EBADMSG, 0 },
	{ R "bad-nesting.cwt", TOKEN_ROW_COUNT, -EBADMSG, 0 },
	{ R "bad-truncated.cwt", TOKEN_ROW_COUNT, -EBADMSG, 0 },
	/* Azure's: its key is not among those, and it is long over. */
	{ "tokens/azure-maa-snp.jwt", TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, 1680180000 },
	{ "tokens/azure-maa-snp.jwt", TOKEN_ROW_TIME, VERDICT_CONTRAINDICATED, 0 },
};

static struct attest_blob file_read(const char *name)
{
	char path[512];
	uint8_t *p = NULL;
	size_t len = 0;

	(void)snprintf(path, sizeof path, "%s/docs/%s", vectors, name);
	assert_int_equal(fd_read_path(path, LIMIT_EVIDENCE_BYTES, &p, &len, NULL), 0);
	return (struct attest_blob){ p, len };
}

static bool has_vectors(void)
{
	struct stat st;

	return vectors != NULL && stat(vectors, &st) == 0;
}

static void blob_free(struct attest_blob b)
{
	free((void *)(uintptr_t)b.p);
}

static void the_collection_is_judged_as_its_manifest_says(void **state)
{
	AUTO(jwk_set) struct jwk_set set = { 0 };

	if (!has_vectors())
		skip();
	struct attest_blob jwks = file_read(R "jwks.json");
	assert_int_equal(jwk_set_add(&set, jwks.p, jwks.len, NULL), 0);
	assert_int_equal(set.n, 4);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct attest_blob b = file_read(files[i].file);
		struct jws_trust trust = { .keys = &set,
			.at = files[i].at != 0 ? files[i].at : NOW };
		int err = judge(b.p, b.len, &trust, (struct attest_blob){ 0 });
		if (err != (files[i].want < 0 ? files[i].want : 0))
			fail_msg("%s: %d", files[i].file, err);
		if (err == 0 && ((int)t.overall != files[i].want ||
					(int)t.rows[files[i].row].status != files[i].want))
			fail_msg("%s: %s", files[i].file, verdict_status_name(t.overall));
		token_done(&t);
		blob_free(b);
	}
	blob_free(jwks);
}

static void no_changed_bit_of_a_cwt_is_unseen(void **state)
{
	AUTO(jwk_set) struct jwk_set set = { 0 };

	if (!has_vectors())
		skip();
	struct attest_blob jwks = file_read(R "jwks.json"), b = file_read(R "ear-cwt61.cwt");
	assert_int_equal(jwk_set_add(&set, jwks.p, jwks.len, NULL), 0);
	struct jws_trust trust = { .keys = &set, .at = NOW };
	uint8_t *bytes = (uint8_t *)(uintptr_t)b.p;
	for (size_t i = 0; i < 8 * b.len; i++) {
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		/* Tags (3 bytes) and the unprotected header with the kid (7) are not signed. */
		bool is_signed = i / 8 >= 3 && (i / 8 < 8 || i / 8 >= 15);
		if (judge(bytes, b.len, &trust, (struct attest_blob){ 0 }) == 0 && is_signed)
			assert_int_equal(t.overall, VERDICT_CONTRAINDICATED);
		token_done(&t);
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t len = 0; len < b.len; len++)
		assert_int_equal(judge(bytes, len, &trust, (struct attest_blob){ 0 }), -EBADMSG);
	blob_free(jwks);
	blob_free(b);
}

static void a_real_token_of_azure_is_read(void **state)
{
	struct jws_trust nobody = { .at = 1680180000 };

	if (!has_vectors())
		skip();
	struct attest_blob b = file_read("tokens/azure-maa-snp.jwt");
	assert_int_equal(judge(b.p, b.len, &nobody, (struct attest_blob){ 0 }), 0);
	assert_int_equal(t.overall, VERDICT_NONE);
	assert_int_equal(t.rows[TOKEN_ROW_RESULT].status, VERDICT_AFFIRMING);
	assert_non_null(claims_find(&t.claims, "measurement"));
	token_done(&t);
	blob_free(b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_that_does_not_hold_shows_in_the_vector),
		cmocka_unit_test(the_worst_row_of_a_claim_counts),
		cmocka_unit_test(a_simulated_root_claims_no_hardware),
		cmocka_unit_test(tiers_are_those_of_the_specification),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_token_for_coco_carries_the_key_and_the_claims),
		cmocka_unit_test(options_that_make_no_token_are_refused),
		cmocka_unit_test(a_nonce_is_compared),
		cmocka_unit_test(a_token_has_its_time),
		cmocka_unit_test(headers_that_bring_their_own_rules_are_refused),
		cmocka_unit_test(a_key_in_the_header_counts_only_where_it_is_trusted),
		cmocka_unit_test(a_chain_in_the_header_has_to_end_in_a_root),
		cmocka_unit_test(without_keys_nothing_is_affirmed),
		cmocka_unit_test(keys_that_are_none_are_refused),
		cmocka_unit_test(a_set_passes_over_keys_for_other_purposes),
		cmocka_unit_test(a_key_may_be_a_certificate_alone),
		cmocka_unit_test(claims_that_make_no_sense_are_named),
		cmocka_unit_test(what_is_no_token_is_no_verdict),
		cmocka_unit_test(no_changed_character_is_unseen),
		cmocka_unit_test(statements_are_judged),
		cmocka_unit_test(of_several_signatures_one_trusted_is_enough),
		cmocka_unit_test(headers_of_cose_are_judged),
		cmocka_unit_test(a_chain_in_cose_has_to_end_in_a_root),
		cmocka_unit_test(the_collection_is_judged_as_its_manifest_says),
		cmocka_unit_test(no_changed_bit_of_a_cwt_is_unseen),
		cmocka_unit_test(a_real_token_of_azure_is_read),
	};

	vectors = argc > 1 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, keys_make, keys_free);
}
