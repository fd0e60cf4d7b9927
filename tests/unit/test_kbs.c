/*
 * The key-broker protocol without a network: what both sides must agree on byte by byte; where the
 * examples of the protocol lie beside the source tree, those too.
 */
#include <errno.h>
#include <jose/jwk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/broker/kbs_bind.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_jwe.h"
#include "attest/broker/kbs_snp.h"
#include "base/fd.h"
#include "tests/unit/cm.h"

#define VECTORS SOURCE_ROOT "/../shared/vectors"
#define SECRET  "correct horse battery staple"

/* --- JSON ---------------------------------------------------------------------------------- */

static int load(const char *text)
{
	AUTO(kbs_json) json_t *j = NULL;

	return kbs_json_load(text, strlen(text), &j, NULL);
}

static void json_takes_an_object(void **state)
{
	assert_int_equal(load("{\"a\": [1, {\"b\": \"\\\"}{\"}]}"), 0);
}

static void json_refuses_what_is_not_one_clean_object(void **state)
{
	assert_int_equal(load("[]"), -EBADMSG);
	assert_int_equal(load("\"a\""), -EBADMSG);
	assert_int_equal(load(""), -EBADMSG);
	assert_int_equal(load("{\"a\": 1, \"a\": 2}"), -EBADMSG);
	assert_int_equal(load("{\"a\": 1} x"), -EBADMSG);
	assert_int_equal(load("{\"a\": NaN}"), -EBADMSG);
	assert_int_equal(load("{\"a\": \"\xff\"}"), -EBADMSG);
}

static void json_refuses_deep_nesting(void **state)
{
	/* The object and 15 lists in it are as deep as it may be; one more is too deep. */
	assert_int_equal(load("{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"), 0);
	assert_int_equal(load("{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"), -EBADMSG);
	assert_int_equal(load("{\"a\":[1],\"b\":[2],\"c\":{\"d\":[]}}"), 0);
}

static void json_refuses_a_long_body(void **state)
{
	static char text[LIMIT_KBS_BODY_BYTES + 2];

	memset(text, ' ', sizeof text - 1);
	text[0] = '{';
	text[LIMIT_KBS_BODY_BYTES] = '}';
	assert_int_equal(load(text), -EMSGSIZE);
}

/* --- keys and binding ------------------------------------------------------------------------ */

static int key_check_text(const char *text)
{
	AUTO(kbs_json) json_t *j = NULL;
	int err = kbs_json_load(text, strlen(text), &j, NULL);

	return err < 0 ? err : kbs_key_check(j, false, NULL);
}

#define X32 "6QdSp1q0WHVZOee_TqjVaYJ4Rwi09lmGMs_otptJ8Ag"

static void key_of_the_protocol_is_taken(void **state)
{
	assert_int_equal(
		key_check_text("{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\","
			       "\"x\":\"" X32 "\",\"y\":\"" X32 "\"}"),
		0);
}

static void key_refuses_other_forms(void **state)
{
	assert_int_equal(key_check_text("{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES\","
					"\"x\":\"" X32 "\",\"y\":\"" X32 "\"}"),
		-EPROTONOSUPPORT);
	assert_int_equal(key_check_text("{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"alg\":"
					"\"ECDH-ES+A256KW\",\"x\":\"" X32 "\",\"y\":\"" X32 "\"}"),
		-EPROTONOSUPPORT);
	assert_int_equal(
		key_check_text("{\"kty\":\"EC\",\"crv\":\"P-384\",\"alg\":\"ECDH-ES+A256KW\","
			       "\"x\":\"" X32 "\",\"y\":\"" X32 "\"}"),
		-EBADMSG);
	assert_int_equal(
		key_check_text("{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\","
			       "\"x\":\"" X32 "\",\"y\":\"" X32 "\",\"d\":\"" X32 "\"}"),
		-EBADMSG);
	assert_int_equal(
		key_check_text("{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\","
			       "\"x\":\"" X32 "\",\"y\":\"\\u00e9\"}"),
		-EBADMSG);
	assert_int_equal(key_check_text("{\"kty\":\"oct\",\"k\":\"AAAA\"}"), -EBADMSG);
	assert_int_equal(key_check_text("{\"kty\":\"oct\"}"), -EPROTONOSUPPORT);
	assert_int_equal(key_check_text("{}"), -EPROTONOSUPPORT);
	assert_int_equal(key_check_text("{\"kty\":\"RSA\",\"alg\":\"RSA1_5\",\"n\":\"AAAA\","
					"\"e\":\"AQAB\"}"),
		-EPROTONOSUPPORT);
	assert_int_equal(key_check_text("{\"kty\":\"RSA\",\"alg\":\"RSA-OAEP-256\",\"n\":\"AAAA\","
					"\"e\":\"AQAB\"}"),
		-EBADMSG);
}

static void report_data_depends_on_nonce_and_key(void **state)
{
	AUTO(kbs_json) json_t *key1 = NULL;
	AUTO(kbs_json) json_t *pub1 = NULL;
	AUTO(kbs_json) json_t *key2 = NULL;
	AUTO(kbs_json) json_t *pub2 = NULL;
	uint8_t a[64], b[64], c[64], d[64];
	static const uint8_t zero[16];

	assert_int_equal(kbs_key_new(&key1, &pub1, NULL), 0);
	assert_int_equal(kbs_key_new(&key2, &pub2, NULL), 0);
	assert_int_equal(kbs_key_check(pub1, false, NULL), 0);
	assert_int_equal(kbs_key_check(key1, false, NULL), -EBADMSG); /* private */
	assert_int_equal(kbs_bind_report_data("bm9uY2U=", pub1, a), 0);
	assert_int_equal(kbs_bind_report_data("bm9uY2U=", pub1, b), 0);
	assert_int_equal(kbs_bind_report_data("bm9uY2V=", pub1, c), 0);
	assert_int_equal(kbs_bind_report_data("bm9uY2U=", pub2, d), 0);
	assert_memory_equal(a, b, 64);
	assert_memory_not_equal(a, c, 48);
	assert_memory_not_equal(a, d, 48);
	assert_memory_equal(a + 48, zero, 16);
}

/* --- JWE ------------------------------------------------------------------------------------- */

struct sealed {
	json_t *key;
	json_t *pub;
	char *text;
};

static void sealed_make(struct sealed *s)
{
	AUTO(secret) struct secret secret = { 0 };

	assert_int_equal(kbs_key_new(&s->key, &s->pub, NULL), 0);
	assert_int_equal(secret_init_copy(&secret, SECRET, strlen(SECRET)), 0);
	assert_int_equal(kbs_jwe_seal(&secret, s->pub, &s->text, NULL), 0);
}

static void sealed_auto(struct sealed *s)
{
	json_decref(s->key);
	json_decref(s->pub);
	kbs_text_free(s->text);
}

static void jwe_opens_with_the_key_it_was_sealed_to(void **state)
{
	AUTO(sealed) struct sealed s = { 0 };
	AUTO(secret) struct secret out = { 0 };

	sealed_make(&s);
	assert_null(strstr(s.text, "\"header\"")); /* epk is protected */
	assert_int_equal(kbs_jwe_open(s.text, strlen(s.text), s.key, &out, NULL), 0);
	assert_int_equal(out.len, strlen(SECRET));
	assert_memory_equal(out.p, SECRET, out.len);
}

/* Foreign agents have RSA keys, or points that are on no curve. */
static void jwe_seals_to_rsa_and_refuses_bad_points(void **state)
{
	AUTO(kbs_json) json_t *key = json_pack("{s:s,s:i}", "kty", "RSA", "bits", 2048);
	AUTO(kbs_json)
	json_t *bad = json_pack("{s:s,s:s,s:s,s:s,s:s}", "kty", "EC", "crv", "P-256", "alg",
		"ECDH-ES+A256KW", "x", X32, "y", X32);
	AUTO(kbs_text) char *text = NULL;
	AUTO(secret) struct secret in = { 0 };
	AUTO(secret) struct secret out = { 0 };

	assert_true(jose_jwk_gen(NULL, key));
	(void)json_object_set_new(key, "alg", json_string("RSA-OAEP-256"));
	assert_int_equal(secret_init_copy(&in, SECRET, strlen(SECRET)), 0);
	assert_int_equal(kbs_jwe_seal(&in, key, &text, NULL), 0);
	assert_int_equal(kbs_jwe_open(text, strlen(text), key, &out, NULL), 0);
	assert_memory_equal(out.p, SECRET, strlen(SECRET));
	kbs_text_free(text);
	text = NULL;
	assert_int_equal(kbs_jwe_seal(&in, bad, &text, NULL), -EBADMSG);
	assert_null(text);
}

/* Every kind of key that an agent may have, and one that it may not. */
static void jwe_goes_with_every_kind_of_key(void **state)
{
	static const char *const kinds[] = { "P-256", "P-384", "P-521", "RSA" };
	AUTO(secret) struct secret in = { 0 };
	json_t *none = NULL;
	struct why why = { 0 };

	assert_int_equal(secret_init_copy(&in, SECRET, strlen(SECRET)), 0);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		AUTO(secret) struct secret out = { 0 };
		AUTO(sealed) struct sealed s = { 0 };
		assert_int_equal(kbs_key_make(kinds[i], &s.key, &s.pub, NULL), 0);
		assert_int_equal(kbs_jwe_seal(&in, s.pub, &s.text, NULL), 0);
		assert_int_equal(kbs_jwe_open(s.text, strlen(s.text), s.key, &out, NULL), 0);
		assert_memory_equal(out.p, SECRET, out.len);
	}
	assert_int_equal(kbs_key_make("P-999", &none, &none, &why), -EIO);
	assert_null(none);
	assert_non_null(strstr(why.text, "P-999"));
}

static void jwe_refuses_empty_and_endless_secrets(void **state)
{
	static uint8_t bytes[LIMIT_SECRET_BYTES + 1];
	AUTO(sealed) struct sealed s = { 0 };
	AUTO(secret) struct secret out = { 0 };
	struct secret in = { .p = bytes, .len = sizeof bytes };
	struct why why = { 0 };

	assert_int_equal(kbs_key_new(&s.key, &s.pub, NULL), 0);
	assert_int_equal(kbs_jwe_seal(&in, s.pub, &s.text, NULL), 0);
	assert_true(kbs_jwe_open(s.text, strlen(s.text), s.key, &out, &why) < 0);
	assert_null(out.p);
	assert_non_null(strstr(why.text, "16385 bytes, want 1 to 16384"));
	kbs_text_free(s.text);
	in.len = 0;
	assert_int_equal(kbs_jwe_seal(&in, s.pub, &s.text, NULL), 0);
	assert_true(kbs_jwe_open(s.text, strlen(s.text), s.key, &out, NULL) < 0);
	assert_null(out.p);
}

static void jwe_refuses_another_key(void **state)
{
	AUTO(sealed) struct sealed s = { 0 };
	AUTO(kbs_json) json_t *key = NULL;
	AUTO(kbs_json) json_t *pub = NULL;
	AUTO(secret) struct secret out = { 0 };

	sealed_make(&s);
	assert_int_equal(kbs_key_new(&key, &pub, NULL), 0);
	assert_int_equal(kbs_jwe_open(s.text, strlen(s.text), key, &out, NULL), -EKEYREJECTED);
	assert_null(out.p);
}

/* Change one character of every member in turn: nothing may come out. */
static void jwe_refuses_any_change(void **state)
{
	AUTO(sealed) struct sealed s = { 0 };
	static const char *const members[] = { "protected", "encrypted_key", "iv", "ciphertext",
		"tag" };

	sealed_make(&s);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		AUTO(secret) struct secret out = { 0 };
		char name[32];
		(void)snprintf(name, sizeof name, "\"%s\":\"", members[i]);
		char *at = strstr(s.text, name);
		assert_non_null(at);
		at += strlen(name) + 3;
		char old = *at;
		*at = old == 'A' ? 'B' : 'A';
		assert_true(kbs_jwe_open(s.text, strlen(s.text), s.key, &out, NULL) < 0);
		assert_null(out.p);
		*at = old;
	}
}

/* A member more, a member less, another algorithm, a compressed content, an unprotected header. */
static void jwe_refuses_other_shapes(void **state)
{
	AUTO(sealed) struct sealed s = { 0 };
	AUTO(secret) struct secret out = { 0 };
	AUTO(kbs_json) json_t *jwe = NULL;

	sealed_make(&s);
	assert_int_equal(kbs_json_load(s.text, strlen(s.text), &jwe, NULL), 0);
	static const struct {
		const char *name;
		const char *value; /* JSON, NULL: delete */
		int err;
	} rows[] = {
		{ "tag", NULL, -EBADMSG },
		{ "iv", "17", -EBADMSG },
		{ "header", "{\"epk\":{}}", -EBADMSG },
		{ "recipients", "[]", -EBADMSG },
		{ "protected", "\"!\"", -EBADMSG },
		{ "protected", "\"W10\"", -EBADMSG },         /* [] */
		{ "protected", "\"e30\"", -EPROTONOSUPPORT }, /* {} */
		/* {"alg":"ECDH-ES+A256KW","enc":"A256GCM","zip":"DEF"} */
		{ "protected",
			"\"eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJ6aXAiOiJERUYifQ"
			"\"",
			-EPROTONOSUPPORT },
		/* {"alg":"dir","enc":"A256GCM"} */
		{ "protected", "\"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0\"", -EPROTONOSUPPORT },
		/* {"alg":"ECDH-ES+A256KW","enc":"A128CBC-HS256"} */
		{ "protected", "\"eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkExMjhDQkMtSFMyNTYifQ\"",
			-EPROTONOSUPPORT },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(kbs_json) json_t *other = json_deep_copy(jwe);
		AUTO(kbs_text) char *text = NULL;
		if (rows[i].value == NULL)
			(void)json_object_del(other, rows[i].name);
		else
			(void)json_object_set_new(other, rows[i].name,
				json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
		assert_int_equal(kbs_json_print(other, &text), 0);
		assert_int_equal(kbs_jwe_open(text, strlen(text), s.key, &out, NULL), rows[i].err);
		assert_null(out.p);
	}
}

/* --- evidence -------------------------------------------------------------------------------- */

static void evidence_make(struct kbs_snp *e, uint8_t version, uint8_t family)
{
	static const uint8_t table[] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5,
		0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd, 48, 0, 0, 0, 3, 0, 0, 0,            /* VCEK */
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* end */
		'a', 'b', 'c' };

	memset(e, 0, sizeof *e);
	/* Every byte that a member names gets a value of its own; the rest is zero (1.1). */
	for (size_t i = 0; i < 0x1F8; i++)
		e->report[i] = (uint8_t)(i % 127 + 1);
	memset(e->report, 0, 0x10);
	e->report[0] = version;
	memset(e->report + 0x48, 0, 8);
	memset(e->report + 0x188, 0, 0x18);
	if (version >= 3)
		e->report[0x188] = family;
	e->report[0x1EB] = e->report[0x1EF] = 0;
	static const size_t tcbs[] = { 0x38, 0x180, 0x1E0, 0x1F0 };
	for (size_t i = 0; i < ARRAY_LEN(tcbs); i++)
		memset(e->report + tcbs[i] + (family >= 0x1A ? 4 : 2), 0, family >= 0x1A ? 3 : 4);
	if (version >= 5)
		memset(e->report + 0x1F8, 0x3f, 16);
	memset(e->report + 0x2A0, 0x77, 48);
	memset(e->report + 0x2E8, 0x78, 48);
	kbs_snp_add_table(e, table, sizeof table);
	assert_int_equal(e->n_certs, 1);
}

static void evidence_rebuilds_every_byte(void **state)
{
	static const struct {
		uint8_t version;
		uint8_t family;
	} rows[] = { { 2, 0x19 }, { 3, 0x19 }, { 3, 0x1A }, { 5, 0x1A } };
	static struct kbs_snp e, back;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		evidence_make(&e, rows[i].version, rows[i].family);
		AUTO(kbs_json) json_t *j = kbs_snp_print(&e);
		assert_non_null(j);
		assert_int_equal(kbs_snp_parse(j, &back, NULL), 0);
		assert_memory_equal(e.report, back.report, sizeof e.report);
		assert_int_equal(json_object_del(j, "report"), 0); /* as foreign agents send it */
		assert_int_equal(kbs_snp_parse(j, &back, NULL), 0);
		assert_memory_equal(e.report, back.report, sizeof e.report);
		assert_int_equal(back.n_certs, 1);
		assert_string_equal(back.certs[0].type, "VCEK");
		assert_memory_equal(back.bytes, "abc", 3);
	}
}

static void evidence_refuses_what_is_malformed(void **state)
{
	static struct kbs_snp e, back;
	static const struct {
		const char *path[2];
		const char *value; /* NULL: delete */
	} rows[] = {
		{ { "report" }, "\"AAAA\"" },
		{ { "report" }, "7" },
		{ { "cert_chain" }, "{}" },
		{ { "cert_chain" }, "[{\"cert_type\":\"VCEK\"}]" },
		{ { "cert_chain" }, "[{\"cert_type\":\"VCEK\",\"data\":[256]}]" },
		{ { "cert_chain" }, "[1]" },
		{ { "attestation_report", "measurement" }, "[]" },
		{ { "attestation_report", "measurement" }, NULL },
		{ { "attestation_report", "version" }, "4294967296" },
		{ { "attestation_report", "version" }, "-1" },
		{ { "attestation_report", "version" }, "2.0" },
		{ { "attestation_report", "current_tcb" }, "{}" },
		{ { "attestation_report", "current" }, "{\"major\":256,\"minor\":1,\"build\":1}" },
		{ { "attestation_report", "signature" }, "{\"r\":[],\"s\":[]}" },
		{ { "attestation_report" }, "[]" },
	};

	evidence_make(&e, 3, 0x19);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(kbs_json) json_t *j = kbs_snp_print(&e);
		json_t *in = j;
		const char *name = rows[i].path[0];
		if (strcmp(name, "report") != 0)
			(void)json_object_del(j, "report");
		if (rows[i].path[1] != NULL) {
			in = json_object_get(j, name);
			name = rows[i].path[1];
		}
		if (rows[i].value == NULL)
			(void)json_object_del(in, name);
		else
			(void)json_object_set_new(
				in, name, json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
		assert_int_equal(kbs_snp_parse(j, &back, NULL), -EBADMSG);
	}
}

/* The host made the table: entries that point outside, too many, none. */
static void evidence_ignores_a_bad_table(void **state)
{
	static struct kbs_snp e;
	uint8_t table[24 * 40];

	for (size_t i = 0; i < sizeof table; i++)
		table[i] = (uint8_t)(i * 31 + 1);
	e.n_certs = 0;
	kbs_snp_add_table(&e, table, sizeof table);
	assert_int_equal(e.n_certs, 0);
	kbs_snp_add_table(&e, table, 7);
	kbs_snp_add_table(&e, NULL, 0);
	assert_int_equal(e.n_certs, 0);
}

/* --- published examples ------------------------------------------------------------------------ */

static char *vector_read(const char *name, size_t *len)
{
	char path[1024];
	uint8_t *bytes = NULL;

	(void)snprintf(path, sizeof path, "%s/docs/kbs-synthetic/%s", VECTORS, name);
	if (access(path, R_OK) < 0)
		skip();
	assert_int_equal(fd_read_path(path, 65536, &bytes, len, NULL), 0);
	return (char *)bytes;
}

static json_t *vector_json(const char *name)
{
	size_t len = 0;
	char *text = vector_read(name, &len);
	json_t *j = NULL;

	assert_int_equal(kbs_json_load(text, len, &j, NULL), 0);
	free(text);
	return j;
}

static void examples_give_their_report_data(void **state)
{
	static const char *const names[] = { "ec256", "ec521", "rsa" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char file[64], hex[129];
		size_t len = 0;
		uint8_t data[64];
		(void)snprintf(file, sizeof file, "runtime-data-%s.json", names[i]);
		AUTO(kbs_json) json_t *j = vector_json(file);
		(void)snprintf(file, sizeof file, "runtime-data-%s.reportdata.hex", names[i]);
		char *want = vector_read(file, &len);
		const json_t *key = json_object_get(j, "tee-pubkey");
		assert_int_equal(kbs_key_check(key, false, NULL), 0);
		assert_int_equal(kbs_bind_report_data(
					 json_string_value(json_object_get(j, "nonce")), key, data),
			0);
		for (size_t b = 0; b < 64; b++)
			(void)snprintf(hex + 2 * b, 3, "%02x", data[b]);
		assert_memory_equal(hex, want, 128);
		free(want);
	}
}

static void examples_of_answers(void **state)
{
	static const struct {
		const char *file;
		const char *key;
		const char *alg;
		bool is_good;
	} rows[] = {
		{ "response-ecdh-ec256.json", "ec256", "ECDH-ES+A256KW", true },
		{ "response-ecdh-ec521.json", "ec521", "ECDH-ES+A256KW", true },
		{ "response-rsa-oaep-256.json", "rsa", "RSA-OAEP-256", true },
		{ "response-rsa1_5.json", "rsa", "RSA-OAEP-256", false },
		{ "response-rsa1_5.json", "rsa", "RSA1_5", true },
		{ "response-rsa-oaep-256.json", "rsa", "RSA1_5", false },
		{ "bad-response-tag.json", "rsa", "RSA-OAEP-256", false },
		{ "bad-response-protected.json", "rsa", "RSA-OAEP-256", false },
		{ "bad-response-epk-offcurve.json", "ec521", "ECDH-ES+A256KW", false },
		{ "response-ecdh-ec521.json", "ec256", "ECDH-ES+A256KW", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char file[64];
		size_t len = 0, plain_len = 0;
		AUTO(secret) struct secret out = { 0 };
		(void)snprintf(file, sizeof file, "tee-key-%s.private.jwk.json", rows[i].key);
		AUTO(kbs_json) json_t *key = vector_json(file);
		(void)json_object_set_new(key, "alg", json_string(rows[i].alg));
		char *text = vector_read(rows[i].file, &len);
		char *plain = vector_read("resource.plain", &plain_len);
		int err = kbs_jwe_open(text, len, key, &out, NULL);
		if (rows[i].is_good) {
			assert_int_equal(err, 0);
			assert_int_equal(out.len, plain_len);
			assert_memory_equal(out.p, plain, plain_len);
		} else {
			assert_true(err < 0);
			assert_null(out.p);
		}
		free(text);
		free(plain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_takes_an_object),
		cmocka_unit_test(json_refuses_what_is_not_one_clean_object),
		cmocka_unit_test(json_refuses_deep_nesting),
		cmocka_unit_test(json_refuses_a_long_body),
		cmocka_unit_test(key_of_the_protocol_is_taken),
		cmocka_unit_test(key_refuses_other_forms),
		cmocka_unit_test(report_data_depends_on_nonce_and_key),
		cmocka_unit_test(jwe_opens_with_the_key_it_was_sealed_to),
		cmocka_unit_test(jwe_seals_to_rsa_and_refuses_bad_points),
		cmocka_unit_test(jwe_goes_with_every_kind_of_key),
		cmocka_unit_test(jwe_refuses_empty_and_endless_secrets),
		cmocka_unit_test(jwe_refuses_another_key),
		cmocka_unit_test(jwe_refuses_any_change),
		cmocka_unit_test(jwe_refuses_other_shapes),
		cmocka_unit_test(evidence_rebuilds_every_byte),
		cmocka_unit_test(evidence_refuses_what_is_malformed),
		cmocka_unit_test(evidence_ignores_a_bad_table),
		cmocka_unit_test(examples_give_their_report_data),
		cmocka_unit_test(examples_of_answers),
	};

	kbs_json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
