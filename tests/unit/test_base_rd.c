#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/opts.h"
#include "base/rd.h"
#include "base/secret.h"
#include "base/why.h"
#include "base/wr.h"
#include "tests/unit/cm.h"

static void reader_reads_both_byte_orders(void **state)
{
	const uint8_t b[] = { 1, 2, 3, 4, 1, 2, 3, 4 };
	struct rd r = rd_of(b, sizeof b);

	assert_int_equal(rd_le32(&r), 0x04030201);
	assert_int_equal(rd_be32(&r), 0x01020304);
	assert_int_equal(rd_end(&r), 0);
}

static void reader_refuses_trailing_bytes(void **state)
{
	const uint8_t b[] = { 1, 2, 3 };
	struct rd r = rd_of(b, sizeof b);

	(void)rd_le16(&r);
	assert_int_equal(rd_check(&r), 0);
	assert_int_equal(rd_end(&r), -EBADMSG);
}

static void reader_gives_zero_after_a_failure(void **state)
{
	const uint8_t b[] = { 1, 2, 3 };
	struct rd r = rd_of(b, sizeof b);

	assert_int_equal(rd_le32(&r), 0);
	assert_int_equal(rd_u8(&r), 0);
	assert_null(rd_bytes(&r, 1));
	assert_int_equal(rd_check(&r), -EBADMSG);
}

static void reader_refuses_padding_that_is_not_zero(void **state)
{
	const uint8_t b[] = { 0, 0, 1 };
	struct rd r = rd_of(b, sizeof b);

	rd_zero(&r, 2);
	assert_int_equal(rd_check(&r), 0);
	rd_zero(&r, 1);
	assert_int_equal(rd_check(&r), -EBADMSG);
}

static void sub_reader_stays_in_its_bounds(void **state)
{
	const uint8_t b[] = { 1, 2, 3, 4 };
	struct rd r = rd_of(b, sizeof b);
	struct rd s = rd_sub(&r, 2);

	assert_int_equal(rd_le16(&s), 0x0201);
	assert_int_equal(rd_u8(&s), 0);
	assert_int_equal(rd_check(&s), -EBADMSG);
	assert_int_equal(rd_le16(&r), 0x0403);
	s = rd_sub(&r, 1);
	assert_int_equal(rd_check(&s), -EBADMSG);
}

static void writer_refuses_what_does_not_fit(void **state)
{
	uint8_t b[5] = { 0 };
	struct wr w = wr_of(b, sizeof b);

	wr_be32(&w, 0x01020304);
	wr_le16(&w, 5);
	assert_int_equal(wr_check(&w), -EMSGSIZE);
	assert_int_equal(w.len, 4);
	assert_memory_equal(b, "\1\2\3\4\0", 5);
}

static void writer_ends_text_with_a_zero(void **state)
{
	char b[4];
	struct wr w = wr_of(b, sizeof b);

	wr_hex(&w, "\xab", 1);
	assert_int_equal(wr_end_str(&w), 0);
	assert_string_equal(b, "ab");
	wr_str(&w, "cd");
	assert_int_equal(wr_end_str(&w), -EMSGSIZE);
}

static void arithmetic_that_wraps_is_refused(void **state)
{
	uint64_t v = 7;

	assert_int_equal(num_add(&v, UINT64_MAX, 1), -EOVERFLOW);
	assert_int_equal(num_mul(&v, UINT64_MAX / 2, 3), -EOVERFLOW);
	assert_int_equal(num_sub(&v, 1, 2), -EOVERFLOW);
	assert_int_equal(num_align_up(&v, UINT64_MAX - 1, 4096), -EOVERFLOW);
	assert_int_equal(v, 7);
	assert_int_equal(num_align_up(&v, 4097, 4096), 0);
	assert_int_equal(v, 8192);
	assert_false(num_fits(8, UINT64_MAX, 16));
	assert_true(num_fits(8, 8, 16));
}

static void first_cause_stays(void **state)
{
	struct why why = { 0 };

	assert_int_equal(why_set(&why, -EIO, "first %d\n", 1), -EIO);
	assert_int_equal(why_set(&why, -EPERM, "second"), -EPERM);
	assert_string_equal(why.text, "first 1?");
	assert_int_equal(why_prefix(&why, -EIO, "while %s", "testing"), -EIO);
	assert_string_equal(why.text, "while testing: first 1?");
	assert_int_equal(why_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void secrets_compare_and_are_bounded(void **state)
{
	struct secret s = { 0 };

	assert_int_equal(secret_init(&s, 0), -ERANGE);
	assert_int_equal(secret_init(&s, (size_t)1 << 20), -ERANGE);
	assert_int_equal(secret_init_copy(&s, "key", 3), 0);
	assert_true(secret_equal(s.p, "key", 3));
	assert_false(secret_equal(s.p, "kez", 3));
	secret_done(&s);
	assert_null(s.p);
}

static void options_are_read_by_table(void **state)
{
	bool flag = false;
	const char *text = NULL;
	struct opt_list list = { 0 };
	const struct opt options[] = {
		{ "flag", OPT_FLAG, &flag, NULL, "a flag" },
		{ "text", OPT_TEXT, &text, "T", "a text" },
		{ "list", OPT_LIST, &list, "L", "a list" },
		{ 0 },
	};
	const struct opt_spec spec = { "x FILE", "test", options, 1, 1 };
	char *argv[] = { (char[]){ "x" }, (char[]){ "--flag" }, (char[]){ "--text=a" },
		(char[]){ "--list" }, (char[]){ "b" }, (char[]){ "file" }, NULL };
	char **args;
	size_t n;

	assert_int_equal(opts_parse(&spec, 6, argv, &args, &n, NULL), 0);
	assert_true(flag);
	assert_string_equal(text, "a");
	assert_int_equal(list.n, 1);
	assert_int_equal(n, 1);
	assert_string_equal(args[0], "file");
}

static void options_refuse_what_the_table_does_not_know(void **state)
{
	bool flag = false;
	const struct opt options[] = { { "flag", OPT_FLAG, &flag, NULL, "a flag" }, { 0 } };
	const struct opt_spec spec = { "x", "test", options, 0, 0 };
	char *cases[][3] = {
		{ (char[]){ "x" }, (char[]){ "--flog" }, NULL },
		{ (char[]){ "x" }, (char[]){ "--flag=1" }, NULL },
		{ (char[]){ "x" }, (char[]){ "stray" }, NULL },
		{ (char[]){ "x" }, (char[]){ "-f" }, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct why why = { 0 };
		char **args;
		size_t n;
		assert_int_equal(opts_parse(&spec, 2, cases[i], &args, &n, &why), -EINVAL);
		assert_true(why.text[0] != 0);
	}
	assert_false(flag);
}

static void hex_wants_the_exact_length(void **state)
{
	uint8_t b[2] = { 9, 9 };

	assert_int_equal(opts_parse_hex("abc", b, 2), -EBADMSG);
	assert_int_equal(opts_parse_hex("abcg", b, 2), -EBADMSG);
	assert_int_equal(b[0], 9);
	assert_int_equal(opts_parse_hex("aBcd", b, 2), 0);
	assert_int_equal(b[1], 0xcd);
}

static void lines_that_outsiders_cause_become_rare(void **state)
{
	uint64_t count = 0;
	unsigned int n = 0;

	for (unsigned int i = 0; i < LOG_EACH; i++)
		assert_true(log_is_due(&count));
	assert_false(log_is_due(&count));
	for (unsigned int i = 0; i < 1000000; i++)
		n += log_is_due(&count);
	assert_int_equal(n, 17); /* 8, 16 ... 524288 */
}

static void a_lock_is_waited_for_and_given_up(void **state)
{
	AUTO(fd) int holder = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	char path[64];

	assert_true(holder >= 0);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", holder);
	AUTO(fd) int other = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(other >= 0);
	assert_int_equal(fd_lock(holder, 0), 0);
	assert_int_equal(fd_lock(other, 0), -EBUSY);
	assert_int_equal(fd_lock(other, 20), -EBUSY);
	assert_int_equal(flock(holder, LOCK_UN), 0);
	assert_int_equal(fd_lock(other, 0), 0);
	assert_int_equal(fd_lock(-1, 0), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_reads_both_byte_orders),
		cmocka_unit_test(lines_that_outsiders_cause_become_rare),
		cmocka_unit_test(reader_refuses_trailing_bytes),
		cmocka_unit_test(reader_gives_zero_after_a_failure),
		cmocka_unit_test(reader_refuses_padding_that_is_not_zero),
		cmocka_unit_test(sub_reader_stays_in_its_bounds),
		cmocka_unit_test(writer_refuses_what_does_not_fit),
		cmocka_unit_test(writer_ends_text_with_a_zero),
		cmocka_unit_test(arithmetic_that_wraps_is_refused),
		cmocka_unit_test(first_cause_stays),
		cmocka_unit_test(secrets_compare_and_are_bounded),
		cmocka_unit_test(options_are_read_by_table),
		cmocka_unit_test(options_refuse_what_the_table_does_not_know),
		cmocka_unit_test(hex_wants_the_exact_length),
		cmocka_unit_test(a_lock_is_waited_for_and_given_up),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
