/* tpm_cmd: commands whose lengths contradict one another, and what our table says of each command. */
#include <string.h>

#include "base/wr.h"
#include "tests/unit/cm.h"
#include "vtpm/tpm_cmd.h"

struct cmd {
	uint8_t buf[TPM_BUFFER_BYTES + 16];
	struct wr w;
};

static void cmd_begin(struct cmd *c, uint16_t tag, uint32_t code)
{
	c->w = wr_of(c->buf, sizeof c->buf);
	wr_be16(&c->w, tag);
	wr_be32(&c->w, 0);
	wr_be32(&c->w, code);
}

static void cmd_handles(struct cmd *c, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		wr_be32(&c->w, 0x40000001 + i);
}

/* One password session with these attributes. */
static void cmd_session(struct cmd *c, uint8_t attributes)
{
	wr_be32(&c->w, 0x40000009);
	wr_be16(&c->w, 0);
	wr_u8(&c->w, attributes);
	wr_be16(&c->w, 0);
}

static uint32_t cmd_check(struct cmd *c)
{
	const struct tpm_cc_row *row = NULL;
	uint8_t size[4];
	struct wr w = wr_of(size, sizeof size);

	wr_be32(&w, (uint32_t)c->w.len);
	memcpy(c->buf + 2, size, sizeof size);
	uint32_t rc = tpm_cmd_check(c->buf, c->w.len, &row);
	assert_true((rc == TPM_RC_SUCCESS) == (row != NULL));
	return rc;
}

static void test_good_commands_pass(void **state)
{
	struct cmd c;

	cmd_begin(&c, TPM_ST_NO_SESSIONS, TPM_CC_STARTUP);
	wr_be16(&c.w, 0);
	assert_int_equal(cmd_check(&c), TPM_RC_SUCCESS);
	cmd_begin(&c, TPM_ST_SESSIONS, TPM_CC_PCR_EXTEND);
	cmd_handles(&c, 1);
	wr_be32(&c.w, 9);
	cmd_session(&c, 0);
	wr_zero(&c.w, 70);
	assert_int_equal(cmd_check(&c), TPM_RC_SUCCESS);
	cmd_begin(&c, TPM_ST_SESSIONS, TPM_CC_NV_WRITE);
	cmd_handles(&c, 2);
	wr_be32(&c.w, 27);
	for (int i = 0; i < 3; i++)
		cmd_session(&c, 0x21);
	wr_be16(&c.w, 4);
	wr_zero(&c.w, 6);
	assert_int_equal(cmd_check(&c), TPM_RC_SUCCESS);
	wr_zero(&c.w, TPM_BUFFER_BYTES - c.w.len);
	assert_int_equal(cmd_check(&c), TPM_RC_SUCCESS);
}

static void test_header_is_whole(void **state)
{
	const struct tpm_cc_row *row;
	struct cmd c;

	cmd_begin(&c, TPM_ST_NO_SESSIONS, TPM_CC_GET_RANDOM);
	assert_int_equal(cmd_check(&c), TPM_RC_SUCCESS);
	for (size_t len = 0; len < TPM_HEADER_BYTES; len++)
		assert_int_equal(tpm_cmd_check(c.buf, len, &row), TPM_RC_COMMAND_SIZE);
	assert_int_equal(tpm_cmd_check(c.buf, TPM_HEADER_BYTES + 1, &row), TPM_RC_COMMAND_SIZE);
	wr_zero(&c.w, TPM_BUFFER_BYTES + 1 - c.w.len);
	assert_int_equal(cmd_check(&c), TPM_RC_COMMAND_SIZE);
}

static void test_tags_and_codes(void **state)
{
	static const uint16_t tags[] = { 0, 0x00c1, 0x00c4, 0x8000, 0x8003, 0xffff };
	/* FieldUpgradeStart/Data, FirmwareRead, AC_*, ACT_SetTimeout, before and after all, TPM 1.2's, vendors'. */
	static const uint32_t codes[] = { 0, 0x11e, 0x123, 0x12f, 0x141, 0x179, 0x194, 0x195, 0x196,
		0x198, 0x19f, 0x20000000, 0x20000001, 0x2000011f, 0x10000144, 0xffffffff };
	struct cmd c;

	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		cmd_begin(&c, tags[i], TPM_CC_GET_RANDOM);
		assert_int_equal(cmd_check(&c), TPM_RC_BAD_TAG);
	}
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		cmd_begin(&c, TPM_ST_NO_SESSIONS, codes[i]);
		assert_int_equal(cmd_check(&c), TPM_RC_COMMAND_CODE);
	}
}

static void test_handles_have_to_be_there(void **state)
{
	struct cmd c;

	for (unsigned int n = 0; n < 2; n++) {
		cmd_begin(&c, TPM_ST_SESSIONS, TPM_CC_NV_WRITE);
		cmd_handles(&c, n);
		assert_int_equal(cmd_check(&c), TPM_RC_HANDLE_MISSING);
		wr_zero(&c.w, 3);
		assert_int_equal(cmd_check(&c), TPM_RC_HANDLE_MISSING);
	}
}

/* The size of the session area, and of what is in it. */
static void test_session_area(void **state)
{
	static const struct {
		uint32_t says;
		unsigned int sessions, extra;
	} bad[] = {
		{ 0, 0, 0 },
		{ 0, 1, 0 },
		{ 8, 1, 0 },
		{ 10, 1, 0 },
		{ 10, 1, 1 },
		{ 17, 2, 0 },
		{ 36, 4, 0 },
		{ 0xffffffff, 1, 0 },
		{ 0x80000009, 1, 0 },
	};
	struct cmd c;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cmd_begin(&c, TPM_ST_SESSIONS, TPM_CC_PCR_EXTEND);
		cmd_handles(&c, 1);
		wr_be32(&c.w, bad[i].says);
		for (unsigned int n = 0; n < bad[i].sessions; n++)
			cmd_session(&c, 0);
		wr_zero(&c.w, bad[i].extra);
		assert_int_equal(cmd_check(&c), TPM_RC_AUTHSIZE);
	}
	/* A nonce and an HMAC that are longer than the area, the latter by one. */
	for (int is_hmac = 0; is_hmac < 2; is_hmac++) {
		cmd_begin(&c, TPM_ST_SESSIONS, TPM_CC_PCR_EXTEND);
		cmd_handles(&c, 1);
		wr_be32(&c.w, 9);
		wr_be32(&c.w, 0x40000009);
		wr_be16(&c.w, is_hmac ? 0 : 4);
		wr_u8(&c.w, 0);
		wr_be16(&c.w, is_hmac ? 1 : 0);
		wr_zero(&c.w, 64);
		assert_int_equal(cmd_check(&c), TPM_RC_AUTHSIZE);
	}
}

/* CVE-2023-1017 and 1018: a parameter that is to be decrypted, without its size or longer than it is. */
static void test_encrypted_parameter_fits(void **state)
{
	static const struct {
		unsigned int there;
		uint16_t says;
		uint32_t rc;
	} cases[] = { { 0, 0, TPM_RC_SIZE_1 }, { 1, 0, TPM_RC_SIZE_1 }, { 2, 1, TPM_RC_SIZE_1 },
		{ 2, 0xffff, TPM_RC_SIZE_1 }, { 6, 5, TPM_RC_SIZE_1 }, { 6, 4, TPM_RC_SUCCESS },
		{ 2, 0, TPM_RC_SUCCESS } };
	struct cmd c;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cmd_begin(&c, TPM_ST_SESSIONS, TPM_CC_CREATE_PRIMARY);
		cmd_handles(&c, 1);
		wr_be32(&c.w, 9);
		cmd_session(&c, 0x20);
		if (cases[i].there >= 2)
			wr_be16(&c.w, cases[i].says);
		wr_zero(&c.w, cases[i].there >= 2 ? cases[i].there - 2 : cases[i].there);
		assert_int_equal(cmd_check(&c), cases[i].rc);
	}
	/* PCR_Extend has no such parameter. */
	cmd_begin(&c, TPM_ST_SESSIONS, TPM_CC_PCR_EXTEND);
	cmd_handles(&c, 1);
	wr_be32(&c.w, 9);
	cmd_session(&c, 0x20);
	wr_zero(&c.w, 70);
	assert_int_equal(cmd_check(&c), TPM_RC_ATTRIBUTES_1);
}

static void test_table_ascends(void **state)
{
	size_t n;
	const struct tpm_cc_row *rows = tpm_cc_rows(&n);

	assert_true(n > 100);
	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 || rows[i - 1].code < rows[i].code);
		assert_ptr_equal(tpm_cc_find(rows[i].code), &rows[i]);
		assert_true(rows[i].handles <= 3 && rows[i].name[0] != '\0');
	}
}

static void test_responses(void **state)
{
	uint8_t rsp[TPM_HEADER_BYTES];

	assert_int_equal(tpm_rsp_print(rsp, TPM_RC_COMMAND_CODE), sizeof rsp);
	assert_memory_equal(rsp, "\x80\x01\0\0\0\x0a\0\0\x01\x43", sizeof rsp);
	assert_int_equal(tpm_rsp_code(rsp, sizeof rsp), TPM_RC_COMMAND_CODE);
	assert_int_equal(tpm_rsp_code(rsp, sizeof rsp - 1), TPM_RC_FAILURE);
	assert_int_equal(tpm_rsp_print(rsp, TPM_RC_BAD_TAG), sizeof rsp);
	assert_memory_equal(rsp, "\x00\xc4\0\0\0\x0a\0\0\0\x1e", sizeof rsp);
	rsp[5] = 9;
	assert_int_equal(tpm_rsp_code(rsp, sizeof rsp), TPM_RC_FAILURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_commands_pass),
		cmocka_unit_test(test_header_is_whole),
		cmocka_unit_test(test_tags_and_codes),
		cmocka_unit_test(test_handles_have_to_be_there),
		cmocka_unit_test(test_session_area),
		cmocka_unit_test(test_encrypted_parameter_fits),
		cmocka_unit_test(test_table_ascends),
		cmocka_unit_test(test_responses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
