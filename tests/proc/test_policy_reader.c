/* casemate-policy as the supervisor starts it: in its sandbox, one file in, one answer out. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/chan.h"
#include "base/fd.h"
#include "base/opts.h"
#include "policy/policy.h"
#include "sandbox/child.h"
#include "sandbox/receipt.h"
#include "sandbox/spawn.h"
#include "tests/unit/cm.h"

#define WAIT_MS     20000
#define PAYMENTS    SOURCE_ROOT "/policy/examples/payments.policy.jsonc"
#define IMAGING     SOURCE_ROOT "/policy/examples/imaging.policy.jsonc"
#define DEVELOPMENT SOURCE_ROOT "/policy/examples/development.policy.jsonc"

struct answer {
	uint16_t type; /* 0: none came */
	struct wire_plan plan;
	struct wire_failed failed;
	struct spawn_end end;
};
static struct answer answer;

/* Start the reader on an open file, send these CONFIG bytes, wait for its answer and its end. */
static void reader_run(int file, const void *config, size_t len)
{
	struct spawn_child c = SPAWN_CHILD_NONE;
	struct why why = { 0 };
	struct chan chan;

	memset(&answer, 0, sizeof answer);
	if (spawn_start(ROLE_POLICY, &file, 1, NULL, &c, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(chan_open(&chan, fd_take(&c.chan_fd)), 0);
	assert_int_equal(chan_send(&chan, SUP_MSG_CONFIG, config, len, NULL, 0), 0);
	for (;;) {
		struct pollfd p = { .fd = chan.fd, .events = POLLIN };
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		int err = chan_recv(&chan, false);
		if (err == -EPIPE)
			break;
		assert_int_equal(err, 0);
		if (chan.in->type == SUP_MSG_READY) {
			struct receipt_want want = receipt_want_of(&c, 0);
			struct wire_receipt receipt;
			assert_int_equal(answer.type, 0); /* before it read a byte of the file */
			if (receipt_verify(&c, &want, chan.in->buf, chan.in->len, &receipt, &why) <
				0)
				fail_msg("%s", why.text);
			continue;
		}
		assert_int_equal(answer.type, 0); /* one answer only */
		answer.type = chan.in->type;
		if (answer.type == PLAN_MSG_PLAN && chan.in->len == sizeof answer.plan)
			memcpy(&answer.plan, chan.in->buf, sizeof answer.plan);
		if (answer.type == SUP_MSG_FAILED && chan.in->len == sizeof answer.failed)
			memcpy(&answer.failed, chan.in->buf, sizeof answer.failed);
	}
	chan_close(&chan);
	struct pollfd p = { .fd = c.pidfd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(spawn_reap(&c, &answer.end), 0);
	spawn_kill(&c);
	if (answer.end.is_signal) {
		char text[256];
		spawn_print_end(&answer.end, text, sizeof text);
		fail_msg("%s", text);
	}
	(void)close(file);
}

static void path_run(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	reader_run(fd, "p.jsonc", sizeof "p.jsonc");
}

/* A policy file with these bytes, open for reading only. */
static int file_of(const void *bytes, size_t len)
{
	char path[] = "/tmp/casemate-test-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, bytes, len), 0);
	int ro = open(path, O_RDONLY | O_CLOEXEC);
	(void)close(fd);
	(void)unlink(path);
	assert_true(ro >= 0);
	return ro;
}

static void text_run(const char *text)
{
	reader_run(file_of(text, strlen(text)), "p.jsonc", sizeof "p.jsonc");
}

static void reader_answers_with_the_plan_of_the_library(void **state)
{
	static struct policy policy;
	static struct wire_plan want;

	assert_int_equal(policy_read(DEVELOPMENT, &policy, NULL), 0);
	assert_int_equal(policy_plan(&policy, &want, NULL), 0);
	path_run(DEVELOPMENT);
	if (answer.type == SUP_MSG_FAILED)
		fail_msg("%s", answer.failed.text);
	assert_int_equal(answer.type, PLAN_MSG_PLAN);
	assert_int_equal(answer.end.status, 0);
	assert_int_equal(plan_check(&answer.plan, NULL), 0);
	assert_memory_equal(&answer.plan, &want, sizeof want);
}

static void reader_refuses_a_policy_outside_its_validity(void **state)
{
	size_t len = 0;
	uint8_t *bytes = NULL;

	assert_int_equal(fd_read_path(PAYMENTS, LIMIT_POLICY_BYTES, &bytes, &len, NULL), 0);
	memcpy(strstr((char *)bytes, "2026-11-01"), "2001-11-01", 10);
	memcpy(strstr((char *)bytes, "2027-10-31"), "2002-10-31", 10);
	text_run((char *)bytes);
	free(bytes);
	assert_int_equal(answer.type, SUP_MSG_FAILED);
	assert_int_equal(le32_get(answer.failed.err), EACCES);
	assert_non_null(strstr(answer.failed.text, "was valid until 2002-10-31T23:59:59Z"));
}

static void reader_names_file_line_and_column_of_what_is_wrong(void **state)
{
	text_run("{\n  \"oops\": 1\n}");
	assert_int_equal(answer.type, SUP_MSG_FAILED);
	assert_int_equal(le32_get(answer.failed.err), EBADMSG);
	assert_string_equal(answer.failed.text,
		"p.jsonc:2:3: unknown key \"oops\"; keys of your own start with x-");
	assert_int_not_equal(answer.end.status, 0);
	text_run("{\"tee\": {\"type\": \"sgx\"}}");
	assert_int_equal(answer.type, SUP_MSG_FAILED);
	assert_int_equal(opts_exit_status(-(int)le32_get(answer.failed.err)), EXIT_INPUT);
}

/* The policy is right, and appraises evidence; it does not say in which firmware a TD starts. */
static void reader_refuses_to_launch_without_firmware(void **state)
{
	size_t len = 0;
	uint8_t *bytes = NULL;

	assert_int_equal(fd_read_path(IMAGING, LIMIT_POLICY_BYTES, &bytes, &len, NULL), 0);
	memcpy(strstr((char *)bytes, "2026-11-10"), "2001-11-10", 10);
	memcpy(strstr((char *)bytes, "2027-02-10"), "2037-02-10", 10);
	memcpy(strstr((char *)bytes, "\"firmware\""), "\"x-rmware\"", 10);
	reader_run(file_of((char *)bytes, len), "p.jsonc", sizeof "p.jsonc");
	free(bytes);
	assert_int_equal(answer.type, SUP_MSG_FAILED);
	assert_int_equal(le32_get(answer.failed.err), EBADMSG);
	assert_non_null(strstr(answer.failed.text, "can only appraise evidence"));
	assert_int_equal(opts_exit_status(-(int)le32_get(answer.failed.err)), EXIT_INPUT);
}

static void reader_refuses_every_broken_file_without_dying(void **state)
{
	static char big[LIMIT_POLICY_BYTES + 1];
	static const char *const texts[] = { "", "{", "\xff", "[[[[", "{\"a\":1,\"a\":2}", "null" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		text_run(texts[i]);
		assert_int_equal(answer.type, SUP_MSG_FAILED);
		assert_memory_equal(answer.failed.text, "p.jsonc:1:", 10);
	}
	memset(big, '{', sizeof big);
	reader_run(file_of(big, sizeof big), "p.jsonc", sizeof "p.jsonc");
	assert_int_equal(answer.type, SUP_MSG_FAILED);
	assert_int_equal(le32_get(answer.failed.err), EMSGSIZE);
	memset(big, '[', sizeof big);
	reader_run(file_of(big, sizeof big - 1), "p.jsonc", sizeof "p.jsonc");
	assert_int_equal(answer.type, SUP_MSG_FAILED);
}

static void reader_refuses_a_config_that_is_no_file_name(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} configs[] = {
		{ "", 0 }, { "a", 1 }, /* not terminated */
		{ "a\0b", 4 },         /* terminated twice */
	};

	for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
		int fd = open(DEVELOPMENT, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		reader_run(fd, configs[i].bytes, configs[i].len);
		assert_int_equal(answer.type, SUP_MSG_FAILED);
		assert_non_null(strstr(answer.failed.text, "CONFIG"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_answers_with_the_plan_of_the_library),
		cmocka_unit_test(reader_refuses_a_policy_outside_its_validity),
		cmocka_unit_test(reader_names_file_line_and_column_of_what_is_wrong),
		cmocka_unit_test(reader_refuses_to_launch_without_firmware),
		cmocka_unit_test(reader_refuses_every_broken_file_without_dying),
		cmocka_unit_test(reader_refuses_a_config_that_is_no_file_name),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("policy_reader", tests, NULL, NULL);
}
