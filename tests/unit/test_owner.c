/* What casemate-owner says to the owner's broker, and what it takes from it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/broker/kbs_json.h"
#include "attest/owner/owner_answer.h"
#include "base/b64.h"
#include "base/wr.h"
#include "tests/unit/cm.h"

static void request_is_what_the_broker_reads(void **state)
{
	struct wire_owner_config config = { .vcpus = le32_of(8) };
	struct wire_sev_measured m = {
		.policy = le32_of(0xffffffff), .api_major = 1, .api_minor = 55, .build = 255
	};
	uint8_t session[32];
	char text[OWNER_REQUEST_MAX];

	memset(config.policy_hash, 0xAB, sizeof config.policy_hash);
	memset(session, 0x01, sizeof session);
	memset(m.hmac, 0, sizeof m.hmac);
	memset(m.mnonce, 0xff, sizeof m.mnonce);
	assert_int_equal(owner_print_request(&config, &m, session, text), 0);
	assert_string_equal(text,
		"{\"policy\":\"abababababababababababababababababababababababababababababababab\","
		"\"session\":\"0101010101010101010101010101010101010101010101010101010101010101\","
		"\"measure\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD////////////////////"
		"/\",\"sev_policy\":4294967295,\"api\":[1,55,255],\"vcpus\":8}");
}

static void statuses_have_three_meanings(void **state)
{
	static const long later[] = { 202, 425, 429, 502, 503, 504 };
	static const long no[] = { 0, 100, 201, 204, 206, 301, 302, 400, 401, 403, 404, 418, 500,
		501, 999, -1 };

	assert_int_equal(owner_judge_status(200), OWNER_DONE);
	for (size_t i = 0; i < ARRAY_LEN(later); i++)
		assert_int_equal(owner_judge_status(later[i]), OWNER_WAIT);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_int_equal(owner_judge_status(no[i]), OWNER_REFUSED);
}

static struct wire_sev_secret secret;

/* A packet of these lengths, as the broker prints it. */
static int packet(size_t header_len, size_t body_len)
{
	static uint8_t bytes[LIMIT_SEV_SECRET_BYTES + 64];
	static char text[3 * sizeof bytes];
	struct wr w = wr_of(text, sizeof text);

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 5);
	wr_str(&w, "{\"header\":\"");
	b64_print(&w, bytes, header_len);
	wr_str(&w, "\",\"body\":\"");
	b64_print(&w, bytes + 1, body_len);
	wr_str(&w, "\"}");
	assert_int_equal(wr_end_str(&w), 0);
	memset(&secret, 0xEE, sizeof secret);
	return owner_parse_packet(text, strlen(text), &secret, NULL);
}

static void packets_are_taken_whole(void **state)
{
	static const size_t lens[] = { 16, 80, LIMIT_SEV_SECRET_BYTES };

	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		assert_int_equal(packet(52, lens[i]), 0);
		assert_int_equal(le32_get(secret.err), 0);
		assert_int_equal(le32_get(secret.len), lens[i]);
		assert_int_equal(secret.header[51], 255);
		assert_int_equal(secret.body[0], 5);
		assert_int_equal(secret.body[lens[i] - 1], (uint8_t)(lens[i] * 5));
	}
	assert_int_equal(packet(0, 0), 0); /* nothing released, the guest may run */
	assert_int_equal(le32_get(secret.len), 0);
}

static void packets_of_other_lengths_are_refused(void **state)
{
	static const size_t lens[][2] = { { 52, 0 }, { 0, 16 }, { 51, 16 }, { 53, 16 }, { 52, 15 },
		{ 52, 17 }, { 52, LIMIT_SEV_SECRET_BYTES + 16 } };

	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		assert_int_equal(packet(lens[i][0], lens[i][1]), -EBADMSG);
		assert_int_equal(le32_get(secret.err), 0xEEEEEEEE); /* untouched */
	}
}

static void answers_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = { "", "{}", "[]", "null", "{\"header\":\"\"}",
		"{\"body\":\"\"}", "{\"header\":1,\"body\":\"\"}",
		"{\"header\":\"\",\"body\":\"\"} x",
		"{\"header\":\"\",\"body\":\"\",\"body\":\"\"}", "{\"header\":\"A\",\"body\":\"\"}",
		"{\"header\":\"\",\"body\":\"AA=A\"}", "{\"header\":\"\",\"body\":{\"a\":\"\"}}" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct why why = { 0 };
		assert_int_equal(
			owner_parse_packet(bad[i], strlen(bad[i]), &secret, &why), -EBADMSG);
		assert_memory_equal(why.text, "the owner's answer: ", 20);
	}
}

static void refusals_are_told_in_the_brokers_words(void **state)
{
	static const struct {
		long status;
		const char *body, *want;
	} rows[] = {
		{ 403, "{\"detail\":\"because\"}", "the owner's broker says no (403): because" },
		{ 403, "{\"type\":\"x\",\"detail\":\"\"}",
			"the owner's broker says no (403): it gives no reason" },
		{ 500, "<html>\x1b[31m", "the owner's broker says no (500): it gives no reason" },
		{ 202, "{\"state\":\"held\"}", "the owner's broker says not yet (202): held" },
		{ 403, "{\"detail\":\"a\\u001b[31mb\\n\"}",
			"the owner's broker says no (403): a?[31mb?" },
		{ 403, "{\"detail\":[1]}", "the owner's broker says no (403): it gives no reason" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct why why = { 0 };
		owner_parse_refusal(rows[i].body, strlen(rows[i].body), rows[i].status, &why);
		assert_string_equal(why.text, rows[i].want);
	}
}

static int setup(void **state)
{
	kbs_json_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_is_what_the_broker_reads),
		cmocka_unit_test(statuses_have_three_meanings),
		cmocka_unit_test(packets_are_taken_whole),
		cmocka_unit_test(packets_of_other_lengths_are_refused),
		cmocka_unit_test(answers_that_are_none_are_refused),
		cmocka_unit_test(refusals_are_told_in_the_brokers_words),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
