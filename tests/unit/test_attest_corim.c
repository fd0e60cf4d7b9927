/*
 * CBOR, CoRIM and conceptual message wrappers: made here, wrong in one thing each; and those of the
 * collection (argument; skipped without).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/cbor.h"
#include "attest/cmw.h"
#include "attest/corim.h"
#include "attest/hex.h"
#include "base/b64.h"
#include "base/fd.h"
#include "base/wr.h"
#include "tests/unit/cm.h"

#define NOW 1790000000 /* 2026-09-21 */

static const char *vectors;
static const struct jws_trust nobody = { .at = NOW };

/* --- CBOR -------------------------------------------------------------------------------------- */

static size_t hex(const char *text, uint8_t *ret, size_t max)
{
	size_t len = 0;

	assert_int_equal(hex_parse(text, strlen(text), ret, max, &len), 0);
	return len;
}

static int parse_hex(const char *text, struct cbor *ret)
{
	static uint8_t buf[4096];
	struct why why = { 0 };
	size_t len = hex(text, buf, sizeof buf);
	int err = cbor_parse(buf, len, ret, &why);

	assert_true(err == 0 || why.text[0] != '\0');
	return err;
}

static void cbor_that_is_not_deterministic_or_bounded_is_refused(void **state)
{
	static const char *const texts[] = { "", "18", "1817", "190017", "1a00000017",
		"1b0000000000000017", "1c", "1f", "5f", "5f41004100ff", "7f", "9f00ff", "bf", "ff",
		"41", "5bffffffffffffffff", "9bffffffffffffffff", "bbffffffffffffffff",
		"bb8000000000000000", "82", "8200", "a1", "a100", "a200000000", "a2000100",
		"a200010002", "c0", "f8", "f820", "fc", "0000", "d9",
		"8181818181818181818181818181818181818100" };
	struct cbor c;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (parse_hex(texts[i], &c) != -EBADMSG)
			fail_msg("%s", texts[i]);
}

static void cbor_is_walked(void **state)
{
	struct cbor c, x, inner;
	char text[8];
	int64_t n = 0;

	/* {1: [h'0102', "ab", -3], "k": 61(true), -2: 1.5} */
	assert_int_equal(parse_hex("a3018342010262616222616bd83df521f93e00", &c), 0);
	assert_int_equal(c.type, CBOR_MAP);
	assert_true(cbor_get(&c, 1, &x));
	assert_int_equal(x.n, 3);
	assert_true(cbor_at(&x, 0, &inner));
	assert_int_equal(inner.len, 2);
	assert_true(cbor_at(&x, 1, &inner));
	cbor_text(&inner, text, sizeof text);
	assert_string_equal(text, "ab");
	assert_true(cbor_at(&x, 2, &inner));
	assert_true(cbor_int(&inner, &n));
	assert_int_equal(n, -3);
	assert_false(cbor_at(&x, 3, &inner));
	assert_true(cbor_get(&c, -2, &x));
	assert_false(cbor_get(&c, 2, &x));
	assert_false(cbor_get(&inner, 1, &x));
	assert_false(cbor_int(&c, &n));
}

static void cbor_becomes_json_or_is_refused(void **state)
{
	static const struct {
		const char *hex, *json;
	} rows[] = { { "a3018342010262616222616bd83df503f6",
			     "{\"1\":[\"0102\",\"ab\",-3],\"k\":true,\"3\":null}" },
		{ "811bffffffffffffffff", "[\"18446744073709551615\"]" }, { "81f93e00", NULL },
		{ "8161ff", NULL }, { "a18000", NULL }, { "a20100613100", NULL },
		{ "a14000", NULL } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = NULL;
		struct cbor c;
		assert_int_equal(parse_hex(rows[i].hex, &c), 0);
		int err = cbor_to_json(&c, CBOR_AS_HEX, &j, NULL);
		assert_int_equal(err, rows[i].json != NULL ? 0 : -EBADMSG);
		if (err == 0) {
			char *text = json_dumps(j, JSON_COMPACT);
			assert_string_equal(text, rows[i].json);
			free(text);
		}
		json_decref(j);
	}
}

/* --- CoRIM ------------------------------------------------------------------------------------- */

static uint8_t buf[65536];

static void text_put(struct wr *w, const char *text)
{
	cbor_put(w, CBOR_TEXT, strlen(text));
	wr_str(w, text);
}

static void bytes_put(struct wr *w, const void *bytes, size_t len)
{
	cbor_put(w, CBOR_BYTES, len);
	wr_copy(w, bytes, len);
}

/* What a measurement is to say: its key and its values, as CBOR in hexadecimal. */
struct measure {
	int key;
	const char *values;
};

/* A CoRIM of AMD's profile with these measurements in one environment; instance may be NULL. */
static size_t corim_make(
	const struct measure *m, size_t n, const uint8_t *instance, size_t instance_len)
{
	static uint8_t comid[32768], values[4096];
	struct wr w = wr_of(comid, sizeof comid), out = wr_of(buf, sizeof buf);

	cbor_put(&w, CBOR_MAP, 2);
	cbor_put(&w, CBOR_UINT, 1);
	cbor_put(&w, CBOR_MAP, 1);
	cbor_put(&w, CBOR_UINT, 0);
	text_put(&w, "tag");
	cbor_put(&w, CBOR_UINT, 4);
	cbor_put(&w, CBOR_MAP, 1);
	cbor_put(&w, CBOR_UINT, 0); /* reference triples */
	cbor_put(&w, CBOR_ARRAY, 1);
	cbor_put(&w, CBOR_ARRAY, 2);
	cbor_put(&w, CBOR_MAP, instance != NULL ? 2 : 1);
	cbor_put(&w, CBOR_UINT, 0);
	cbor_put(&w, CBOR_MAP, 1);
	cbor_put(&w, CBOR_UINT, 1);
	text_put(&w, "AMD");
	if (instance != NULL) {
		cbor_put(&w, CBOR_UINT, 1);
		cbor_put(&w, CBOR_TAG, 560);
		bytes_put(&w, instance, instance_len);
	}
	cbor_put(&w, CBOR_ARRAY, n);
	for (size_t i = 0; i < n; i++) {
		cbor_put(&w, CBOR_MAP, 2);
		cbor_put(&w, CBOR_UINT, 0);
		cbor_put(&w, CBOR_UINT, (uint64_t)m[i].key);
		cbor_put(&w, CBOR_UINT, 1);
		wr_copy(&w, values, hex(m[i].values, values, sizeof values));
	}
	assert_int_equal(wr_check(&w), 0);
	cbor_put(&out, CBOR_TAG, 501);
	cbor_put(&out, CBOR_MAP, 3);
	cbor_put(&out, CBOR_UINT, 0);
	text_put(&out, "id");
	cbor_put(&out, CBOR_UINT, 1);
	cbor_put(&out, CBOR_ARRAY, 1);
	cbor_put(&out, CBOR_TAG, 506);
	bytes_put(&out, comid, w.len);
	cbor_put(&out, CBOR_UINT, 3);
	cbor_put(&out, CBOR_TAG, 32);
	text_put(&out, CORIM_PROFILE_SNP);
	assert_int_equal(wr_check(&out), 0);
	return out.len;
}

static struct corim doc; /* large */

static int read_corim(const void *bytes, size_t len, const struct jws_trust *trust)
{
	struct why why = { 0 };

	memset(&doc, 0, sizeof doc);
	int err = corim_parse(bytes, len, trust, &doc, &why);
	assert_true(err == 0 || why.text[0] != '\0');
	return err;
}

#define SVN(n)     "a101d90228" n
#define MIN_SVN(n) "a101d90229" n
#define RAW(h)     "a104d90230" h
#define MASKED(h)  "a104d9023382" h

static void a_report_is_compared_with_reference_values(void **state)
{
	static const struct {
		struct measure m[2];
		size_t n;
		enum verdict_row_id row;
		enum verdict_status want;
		size_t left;
	} rows[] = {
		/* REPORTED_TCB 04 00 .. 05 08 in the report. */
		{ { { 647, SVN("1b0805000000000004") } }, 1, ROW_TCB, VERDICT_AFFIRMING, 0 },
		{ { { 647, SVN("1b0805000000000005") } }, 1, ROW_TCB, VERDICT_CONTRAINDICATED, 0 },
		{ { { 647, "a1011b0805000000000004" } }, 1, ROW_TCB, VERDICT_AFFIRMING, 0 },
		{ { { 647, MIN_SVN("1b0705000000000003") } }, 1, ROW_TCB, VERDICT_AFFIRMING, 0 },
		/* A higher microcode does not make up for a lower SNP firmware. */
		{ { { 647, MIN_SVN("1b0706000000000004") } }, 1, ROW_TCB, VERDICT_CONTRAINDICATED,
			0 },
		{ { { 647, SVN("1b0805000000000005") }, { 647, SVN("1b0805000000000004") } }, 2,
			ROW_TCB, VERDICT_AFFIRMING, 0 },
		{ { { 647, SVN("01") }, { 647, SVN("02") } }, 2, ROW_TCB, VERDICT_CONTRAINDICATED,
			0 },
		/* All fields of one measurement: the SVN is right, the raw value is not. */
		{ { { 647, "a201d902281b080500000000000404d90230480000000000000000" } }, 1, ROW_TCB,
			VERDICT_CONTRAINDICATED, 0 },
		{ { { 2, RAW("480000000000030000") } }, 1, ROW_POLICY, VERDICT_AFFIRMING, 0 },
		{ { { 2, RAW("480000000000000300") } }, 1, ROW_POLICY, VERDICT_CONTRAINDICATED, 0 },
		{ { { 2, RAW("4400030000") } }, 1, ROW_POLICY, VERDICT_CONTRAINDICATED, 0 },
		{ { { 2, MASKED("48000000000003ffff48ffffffffffff0000") } }, 1, ROW_POLICY,
			VERDICT_AFFIRMING, 0 },
		{ { { 2, MASKED("48000000000003ffff48ffffffffffff0001") } }, 1, ROW_POLICY,
			VERDICT_CONTRAINDICATED, 0 },
		{ { { 2, MASKED("48000000000003ffff41ff") } }, 1, ROW_POLICY,
			VERDICT_CONTRAINDICATED, 0 },
		{ { { 2, "a204d9023048000000000003ffff0548ffffffffffff0000" } }, 1, ROW_POLICY,
			VERDICT_AFFIRMING, 0 },
		{ { { 1, MIN_SVN("03") } }, 1, ROW_POLICY, VERDICT_AFFIRMING, 0 },
		{ { { 1, MIN_SVN("04") } }, 1, ROW_POLICY, VERDICT_CONTRAINDICATED, 0 },
		/* A mask without a bit asks for nothing, and makes up for nothing. */
		{ { { 2, "a204d9023048000000000003ffff05480000000000000000" } }, 1, ROW_POLICY,
			VERDICT_NONE, 1 },
		{ { { 2, MASKED("480000000000000000480000000000000000") },
			  { 2, MIN_SVN("1a00ffffff") } },
			2, ROW_POLICY, VERDICT_CONTRAINDICATED, 1 },
		/* What is not compared is counted: another key, another field, digests of no use. */
		{ { { 641, "a102818201582001010101010101010101010101010101010101010101010101010101"
			   "01010101" } },
			1, ROW_MEASUREMENT, VERDICT_NONE, 1 },
		{ { { 3330, "a100a1006131" } }, 1, ROW_TCB, VERDICT_NONE, 1 },
		{ { { 9999, SVN("01") } }, 1, ROW_TCB, VERDICT_NONE, 1 },
		{ { { 640, SVN("01") } }, 1, ROW_REPORT_DATA, VERDICT_NONE, 1 },
	};
	static struct verdict v;
	uint8_t report[1184] = { [0x04] = 3, [0x0a] = 3, [0x180] = 4, [0x186] = 5, [0x187] = 8 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t left = 0;
		assert_int_equal(
			read_corim(buf, corim_make(rows[i].m, rows[i].n, NULL, 0), &nobody), 0);
		verdict_init(&v, EVIDENCE_SNP);
		size_t n = corim_snp_appraise(&doc, report, &v, &left);
		assert_int_equal(n == 0, rows[i].want == VERDICT_NONE);
		if (v.rows[rows[i].row].status != rows[i].want || left != rows[i].left)
			fail_msg("row %zu: %s, %zu left", i,
				verdict_status_name(v.rows[rows[i].row].status), left);
	}
}

static void values_for_others_do_not_count(void **state)
{
	static const struct measure tcb = { 647, MIN_SVN("00") }, mask = { 647, "a10540" };
	static struct verdict v;
	const uint8_t report[1184] = { 0 }, other[64] = { 8 };
	size_t left = 0, len = corim_make(&tcb, 1, NULL, 0);
	char *vendor = memmem(buf, len, "AMD", 3);

	memcpy(vendor, "ARM", 3);
	assert_int_equal(read_corim(buf, len, &nobody), 0);
	assert_int_equal(corim_snp_appraise(&doc, report, &v, &left), 0);
	assert_int_equal(left, 1);
	memcpy(vendor, "AMD", 3);
	assert_int_equal(read_corim(buf, len, &nobody), 0);
	assert_int_equal(corim_snp_appraise(&doc, report, &v, &left), 1);
	assert_int_equal(left, 0);
	len = corim_make(&tcb, 1, other, sizeof other);
	assert_int_equal(read_corim(buf, len, &nobody), 0);
	assert_int_equal(corim_snp_appraise(&doc, report, &v, &left), 0);
	uint8_t *tag = memmem(buf, len, "\x01\xd9\x02\x30", 4); /* instance */
	tag[0] = 2;                                             /* group */
	assert_int_equal(read_corim(buf, len, &nobody), 0);
	assert_int_equal(corim_snp_appraise(&doc, report, &v, &left), 0);
	assert_int_equal(left, 1);
	assert_int_equal(read_corim(buf, corim_make(&mask, 1, NULL, 0), &nobody), -EBADMSG);
}

static void digests_are_taken_for_their_instance_alone(void **state)
{
	static const struct measure one = { 641,
		"a102818207583001010101010101010101010101010101010101010101010101010101010101010101"
		"0101010101010101010101010101" };
	static const struct measure sha256 = { 641,
		"a10281820158200101010101010101010101010101010101010101010101010101010101010101" };
	static const struct measure cut = { 641, "a1028182074101" };
	uint8_t digests[4][48], chip[64] = { 7 }, other[64] = { 8 }, digest[48];

	memset(digest, 1, sizeof digest);
	assert_int_equal(read_corim(buf, corim_make(&one, 1, NULL, 0), &nobody), 0);
	assert_int_equal(corim_snp_digests(&doc, NULL, digests, 4), 1);
	assert_memory_equal(digests[0], digest, sizeof digest);
	assert_int_equal(corim_snp_digests(&doc, NULL, digests, 0), 0);
	assert_int_equal(read_corim(buf, corim_make(&one, 1, chip, 64), &nobody), 0);
	assert_int_equal(corim_snp_digests(&doc, chip, digests, 4), 1);
	assert_int_equal(corim_snp_digests(&doc, other, digests, 4), 0);
	assert_int_equal(corim_snp_digests(&doc, NULL, digests, 4), 0);
	assert_int_equal(read_corim(buf, corim_make(&one, 1, digest, 48), &nobody), 0);
	assert_int_equal(corim_snp_digests(&doc, NULL, digests, 4), 1);
	assert_int_equal(read_corim(buf, corim_make(&one, 1, other, 48), &nobody), 0);
	assert_int_equal(corim_snp_digests(&doc, NULL, digests, 4), 0);
	assert_int_equal(read_corim(buf, corim_make(&one, 1, digest, 3), &nobody), 0);
	assert_int_equal(corim_snp_digests(&doc, chip, digests, 4), 0);
	assert_int_equal(read_corim(buf, corim_make(&sha256, 1, NULL, 0), &nobody), 0);
	assert_int_equal(corim_snp_digests(&doc, NULL, digests, 4), 0);
	assert_int_equal(read_corim(buf, corim_make(&cut, 1, NULL, 0), &nobody), 0);
	assert_int_equal(corim_snp_digests(&doc, NULL, digests, 4), 0);
}

static void documents_that_are_malformed_are_refused(void **state)
{
	static const char *const texts[] = { "00", "a0", "80", "d901f5a0", "d901f5a100626964",
		"d901f5a200626964018000", "d901f5a20062696401a0", "d901f5a200626964018100",
		"d901f5a2006269640181d901fa00", "d901f5a2006269640181d901fa4100",
		"d901f5a2006269640181d901fa42a000", "d9023ba0", "d9023ba10080",
		/* a CoMID: triples missing, empty; a triple without environment, without measurements */
		"a101a1006161", "a201a100616104a0", "a201a100616104a10000",
		"a201a100616104a1008100", "a201a100616104a1008181a0", "a201a100616104a1008182a080",
		"a201a100616104a1008182a100a080", "a201a100616104a1008182a100a101616180",
		"a201a100616104a1008182a100a101616181a0",
		"a201a100616104a1008182a100a101616181a101a0",
		"a201a100616104a1008182a100a101616181a101a1616100",
		/* validity that is no time */
		"d901f5a30062696401d80004a101", "d901f5a300626964018004a10100",
		/* COSE around nothing */
		"d284404040", "d28440a0f640", "d28440a04040", "84a0a04040", "d28441a0a04040" };
	uint8_t bytes[256];

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		size_t len = hex(texts[i], bytes, sizeof bytes);
		int err = read_corim(bytes, len, &nobody);
		if (err != -EBADMSG && err != -EKEYREJECTED)
			fail_msg("%s: %d", texts[i], err);
	}
}

static void what_is_not_used_is_counted(void **state)
{
	uint8_t bytes[256];
	/* comid: triples 1, 8 and 77 with one entry each. */
	size_t len = hex("a201a100616104a3018100088100184d8100", bytes, sizeof bytes);

	assert_int_equal(read_corim(bytes, len, &nobody), 0);
	assert_int_equal(doc.n, 0);
	assert_int_equal(doc.n_unsupported[1], 1);
	assert_int_equal(doc.n_unsupported[8], 1);
	assert_int_equal(doc.n_unsupported[CORIM_TRIPLES - 1], 1);
	/* corim with a CoSWID (505) */
	len = hex("d901f5a2006269640181d901f94100", bytes, sizeof bytes);
	assert_int_equal(read_corim(bytes, len, &nobody), 0);
	assert_int_equal(doc.n_other_tags, 1);
}

static void reference_values_have_their_time(void **state)
{
	uint8_t bytes[64];
	/* validity 2026-01-01 to 2027-01-01 */
	size_t len =
		hex("d901f5a300626964018004a200c11a6955b90001c11a6b36ec80", bytes, sizeof bytes);

	assert_int_equal(read_corim(bytes, len, &nobody), 0);
	assert_int_equal(corim_check_time(&doc, NOW, NULL), 0);
	assert_int_equal(corim_check_time(&doc, 1767225599, NULL), -ESTALE);
	assert_int_equal(corim_check_time(&doc, 1798761601, NULL), -ESTALE);
}

/* --- wrappers ---------------------------------------------------------------------------------- */

static int read_cmw(const void *bytes, size_t len, struct cmw *ret)
{
	struct why why = { 0 };
	int err = cmw_parse(bytes, len, ret, &why);

	assert_true(err == 0 || why.text[0] != '\0' || err == -ENOMEM);
	return err;
}

static void wrappers_that_are_malformed_are_refused(void **state)
{
	static const char *const json[] = { "[]", "{}", "[\"a\"]", "[\"\",\"AA\"]", "[\"a\",7]",
		"[\"a\",\"AA==\",0]", "[\"a\",\"AA\",16]", "[\"a\",\"AA\",4,4]", "[\"a\",\"A\"]",
		"[\"a\",\"!!\"]", "{\"x\":7}", "{\"x\":{}}",
		"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":[\"t\",\"AA\"]}}}}}",
		"{\"x\":[\"a\",\"AA\"],\"x\":[\"a\",\"AA\"]}", "[\"a\",\"AA\"]x" };
	static const char *const cbors[] = { "80", "8100", "8200", "820041", "82614100", "826040",
		"a0", "a1614100", "8361414000", "8361414010", "da6374710100", "da6374710000",
		"a16141a16141a16141a16141a1614182614140", "f6" };
	AUTO(cmw) struct cmw c = { 0 };
	uint8_t bytes[64];

	for (size_t i = 0; i < ARRAY_LEN(json); i++)
		if (read_cmw(json[i], strlen(json[i]), &c) != -EBADMSG)
			fail_msg("%s", json[i]);
	for (size_t i = 0; i < ARRAY_LEN(cbors); i++) {
		size_t len = hex(cbors[i], bytes, sizeof bytes);
		if (read_cmw(bytes, len, &c) != -EBADMSG)
			fail_msg("%s", cbors[i]);
	}
	/* one record more than there is room for */
	char many[1024] = "{";
	for (unsigned int i = 0; i <= LIMIT_CMW_RECORDS; i++)
		(void)snprintf(many + strlen(many), sizeof many - strlen(many),
			"%s\"%u\":[\"a\",\"AA\"]", i > 0 ? "," : "", i);
	(void)snprintf(many + strlen(many), sizeof many - strlen(many), "}");
	assert_int_equal(read_cmw(many, strlen(many), &c), -EMSGSIZE);
}

static void evidence_is_found_in_a_wrapper(void **state)
{
	static uint8_t report[1184] = { 2 };
	static uint8_t tsm[2048], wrapper[4096];
	struct wr w = wr_of(tsm, sizeof tsm), out = wr_of(wrapper, sizeof wrapper);
	AUTO(cmw) struct cmw c = { 0 };
	struct attest_blob evidence, table;

	/* {"n": {"r": [tsm-report, ..., 4], "x": ["other", h'']}} */
	cbor_put(&w, CBOR_MAP, 3);
	text_put(&w, "auxblob");
	bytes_put(&w, "aux", 3);
	text_put(&w, "outblob");
	bytes_put(&w, report, sizeof report);
	text_put(&w, "provider");
	text_put(&w, "sev_guest");
	cbor_put(&out, CBOR_MAP, 2);
	text_put(&out, "__cmwc_t");
	text_put(&out, "tag:example");
	text_put(&out, "n");
	cbor_put(&out, CBOR_MAP, 2);
	text_put(&out, "x");
	cbor_put(&out, CBOR_ARRAY, 2);
	text_put(&out, "other");
	bytes_put(&out, "", 0);
	text_put(&out, "r");
	cbor_put(&out, CBOR_ARRAY, 3);
	text_put(&out, "application/vnd.veraison.tsm-report+cbor");
	bytes_put(&out, tsm, w.len);
	cbor_put(&out, CBOR_UINT, CMW_EVIDENCE);
	assert_int_equal(wr_check(&out), 0);
	assert_int_equal(read_cmw(wrapper, out.len, &c), 0);
	assert_int_equal(c.n, 2);
	assert_string_equal(c.at[1].name, "n/r");
	assert_int_equal(cmw_find_evidence(&c, &evidence, &table, NULL), 0);
	assert_int_equal(evidence.len, sizeof report);
	assert_int_equal(table.len, 3);
	/* The same said to be a reference value is none. */
	wrapper[out.len - 1] = 1;
	cmw_done(&c);
	assert_int_equal(read_cmw(wrapper, out.len, &c), 0);
	assert_int_equal(cmw_find_evidence(&c, &evidence, &table, NULL), -ENOENT);
}

static void a_tsm_report_in_json_is_found(void **state)
{
	static uint8_t report[1184] = { 2 };
	static char inner[4096], text[8192];
	struct wr w = wr_of(inner, sizeof inner), out = wr_of(text, sizeof text);
	AUTO(cmw) struct cmw c = { 0 };
	struct attest_blob evidence, table;

	wr_str(&w, "{\"provider\":\"sev_guest\",\"auxblob\":\"YXV4\",\"outblob\":\"");
	b64_print(&w, report, sizeof report);
	wr_str(&w, "\"}");
	wr_str(&out, "[\"application/vnd.veraison.tsm-report+json\",\"");
	b64url_print(&out, inner, w.len);
	wr_str(&out, "\"]");
	assert_int_equal(wr_check(&out), 0);
	assert_int_equal(read_cmw(text, out.len, &c), 0);
	assert_int_equal(cmw_find_evidence(&c, &evidence, &table, NULL), 0);
	assert_int_equal(evidence.len, sizeof report);
	assert_memory_equal(table.p, "aux", 3);
}

/* --- the collection ---------------------------------------------------------------------------- */

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

static void the_collection_is_read(void **state)
{
	static const struct {
		const char *file;
		int want;
		size_t n;
	} rows[] = {
		{ "corim/corim/corim-1.cbor", 0, 2 },
		{ "corim/corim/corim-design-cd.cbor", 0, 6 },
		{ "corim/corim/corim-roles.cbor", 0, 1 },
		{ "corim/corim/unsigned-corim-with-extensions.cbor", 0, 6 },
		{ "corim/corim/unsigned-good-corim.cbor", 0, 3 },
		{ "corim/corim/signed-example-corim.cbor", 0, 6 },
		{ "trustee/unsigned-example-corim.cbor", 0, 6 },
		{ "corim/sevsnp/corim-sevsnp-valid.cbor", 0, 19 },
		{ "corim/sevsnp/corim-sevsnp-bad-refval-no-key.cbor", -EBADMSG, 0 },
		{ "corim/sevsnp/corim-sevsnp-bad-ta-no-vendor.cbor", -EBADMSG, 0 },
		{ "corim/tdx-profile/comid_qe_refval.cbor", 0, 6 },
		{ "corim/coev/ce-evidence.cbor", 0, 1 },
		{ "corim/coserv/rv-class-stateful.cbor", -EBADMSG, 0 },
		{ "rats-synthetic/corim-unsigned.cbor", 0, 1 },
	};

	if (!has_vectors())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static uint8_t text[262144];
		struct wr w = wr_of(text, sizeof text);
		struct attest_blob b = file_read(rows[i].file);
		int err = read_corim(b.p, b.len, &nobody);
		if (err != rows[i].want || (err == 0 && doc.n != rows[i].n))
			fail_msg("%s: %d, %zu values", rows[i].file, err, doc.n);
		if (err == 0) {
			assert_int_equal(corim_print_text(&doc, &w, NULL), 0);
			wr_str(&w, "{");
			assert_int_equal(corim_print_json(&doc, &w, NULL), 0);
			assert_int_equal(wr_check(&w), 0);
		}
		for (size_t len = 0; len < b.len; len++)
			assert_true(read_corim(b.p, len, &nobody) < 0);
		blob_free(b);
	}
}

static void signed_reference_values_want_their_signer(void **state)
{
	static const struct {
		const char *file;
		int want;
	} rows[] = { { "rats-synthetic/corim-signed.cbor", 0 },
		{ "rats-synthetic/bad-corim-edited.cbor", -EKEYREJECTED },
		{ "rats-synthetic/bad-corim-otherkey.cbor", -EKEYREJECTED } };
	AUTO(jwk_set) struct jwk_set set = { 0 };

	if (!has_vectors())
		skip();
	struct attest_blob jwks = file_read("rats-synthetic/jwks.json");
	assert_int_equal(jwk_set_add(&set, jwks.p, jwks.len, NULL), 0);
	struct jws_trust trust = { .keys = &set, .at = NOW };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct attest_blob b = file_read(rows[i].file);
		assert_int_equal(read_corim(b.p, b.len, &trust), rows[i].want);
		assert_int_equal(doc.is_verified, rows[i].want == 0);
		blob_free(b);
	}
	/* Every bit of the payload and the protected header is signed. */
	struct attest_blob b = file_read(rows[0].file);
	uint8_t *bytes = (uint8_t *)(uintptr_t)b.p;
	for (size_t i = 8; i < 8 * b.len; i++) {
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		int err = read_corim(bytes, b.len, &trust);
		assert_true(err == -EBADMSG || err == -EKEYREJECTED);
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	blob_free(b);
	blob_free(jwks);
}

static void wrappers_of_the_collection_are_read(void **state)
{
	static const char *const files[] = { "cmw/collection-ok.json",
		"cmw/collection-cbor-ok.cbor" };
	AUTO(cmw) struct cmw c = { 0 };
	struct attest_blob evidence, table;

	if (!has_vectors())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct attest_blob b = file_read(files[i]);
		assert_int_equal(read_cmw(b.p, b.len, &c), 0);
		assert_int_equal(c.n, i == 0 ? 2 : 3);
		assert_int_equal(cmw_find_evidence(&c, &evidence, &table, NULL), -ENOENT);
		cmw_done(&c);
		blob_free(b);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cbor_that_is_not_deterministic_or_bounded_is_refused),
		cmocka_unit_test(cbor_is_walked),
		cmocka_unit_test(cbor_becomes_json_or_is_refused),
		cmocka_unit_test(a_report_is_compared_with_reference_values),
		cmocka_unit_test(values_for_others_do_not_count),
		cmocka_unit_test(digests_are_taken_for_their_instance_alone),
		cmocka_unit_test(documents_that_are_malformed_are_refused),
		cmocka_unit_test(what_is_not_used_is_counted),
		cmocka_unit_test(reference_values_have_their_time),
		cmocka_unit_test(wrappers_that_are_malformed_are_refused),
		cmocka_unit_test(evidence_is_found_in_a_wrapper),
		cmocka_unit_test(a_tsm_report_in_json_is_found),
		cmocka_unit_test(the_collection_is_read),
		cmocka_unit_test(signed_reference_values_want_their_signer),
		cmocka_unit_test(wrappers_of_the_collection_are_read),
	};

	vectors = argc > 1 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
