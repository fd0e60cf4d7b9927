#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/chan.h"
#include "base/fd.h"
#include "sandbox/child.h"
#include "sandbox/receipt.h"
#include "sandbox/spawn.h"
#include "tests/proc/test_proto.h"
#include "tests/unit/cm.h"

#define WAIT_MS 20000

static char folder[] = "/tmp/casemate-test-XXXXXX";
static char file_path[sizeof folder + 16];

/* What became of a child that was asked to do one thing. */
struct outcome {
	bool is_ready;
	bool is_failed; /* FAILED came; text says why */
	bool has_result;
	uint32_t value;
	int receipt_err; /* of READY's receipt, as a parent judges it */
	struct why receipt_why;
	struct wire_receipt receipt;
	struct wire_failed failed;
	struct spawn_end end;
};

static void files_open(int ret_fds[2])
{
	ret_fds[0] = open(file_path, O_RDONLY | O_CLOEXEC);
	ret_fds[1] = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(ret_fds[0] >= 0 && ret_fds[1] >= 0);
}

static struct spawn_place place_of_test = SPAWN_PLACE_NONE;

/* Read messages until the channel ends, then reap. */
static void outcome_wait(struct spawn_child *c, struct outcome *o)
{
	struct chan chan;

	assert_int_equal(chan_open(&chan, fd_take(&c->chan_fd)), 0);
	for (;;) {
		struct pollfd p = { .fd = chan.fd, .events = POLLIN };
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		int err = chan_recv(&chan, false);
		if (err == -EPIPE)
			break;
		assert_int_equal(err, 0);
		if (chan.in->type == SUP_MSG_READY) {
			struct receipt_want want = receipt_want_of(c, place_of_test.guest_bytes);
			o->is_ready = true;
			o->receipt_err = receipt_verify(
				c, &want, chan.in->buf, chan.in->len, &o->receipt, &o->receipt_why);
		}
		if (chan.in->type == SUP_MSG_FAILED) {
			o->is_failed = true;
			memcpy(&o->failed, chan.in->buf, sizeof o->failed);
		} else if (chan.in->type == TEST_MSG_RESULT) {
			struct wire_result r;
			memcpy(&r, chan.in->buf, sizeof r);
			o->has_result = true;
			o->value = le32_get(r.value);
		}
	}
	chan_close(&chan);
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(spawn_reap(c, &o->end), 0);
	spawn_kill(c);
}

static void config_send(int fd, const char *what)
{
	struct chan chan = { .fd = fd };

	assert_int_equal(chan_send(&chan, SUP_MSG_CONFIG, what, strlen(what), NULL, 0), 0);
}

static struct outcome child_run(const char *what)
{
	struct outcome o = { 0 };
	struct spawn_child c = SPAWN_CHILD_NONE;
	struct why why = { 0 };
	int fds[2];

	files_open(fds);
	if (spawn_start(ROLE_TEST, fds, 2, &place_of_test, &c, &why) < 0)
		fail_msg("%s", why.text);
	config_send(c.chan_fd, what);
	outcome_wait(&c, &o);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return o;
}

static uint32_t value_of(const char *what)
{
	struct outcome o = child_run(what);

	if (!o.has_result) {
		char end[256];
		spawn_print_end(&o.end, end, sizeof end);
		fail_msg("%s: no result; %s; %s", what, end, o.is_failed ? o.failed.text : "");
	}
	assert_true(o.is_ready);
	if (o.receipt_err < 0 && strcmp(what, "landlock") != 0)
		fail_msg("%s: %s", what, o.receipt_why.text);
	assert_false(o.end.is_signal);
	return o.value;
}

static void sandbox_shows_an_empty_read_only_root(void **state)
{
	assert_int_equal(value_of("count-root"), 0);
	assert_int_equal(value_of("open-passwd"), ENOENT);
	assert_int_equal(value_of("make-in-root"), EROFS);
}

static void sandbox_has_no_capability_and_no_way_to_one(void **state)
{
	assert_int_equal(value_of("count-caps"), 0);
	assert_int_equal(value_of("no-new-privs"), 1);
	assert_int_equal(value_of("dumpable"), 0);
}

static void sandbox_is_an_unprivileged_pid_1(void **state)
{
	assert_int_equal(value_of("pid"), 1);
	uint32_t uid = value_of("uid");
	assert_true(uid != 0);
	if (geteuid() == 0)
		assert_true(uid >= 65534);
	else
		assert_int_equal(uid, geteuid());
}

static void receipt_says_what_holds(void **state)
{
	struct outcome o = child_run("nothing");

	if (o.receipt_err < 0)
		fail_msg("%s", o.receipt_why.text);
	assert_int_equal(
		le32_get(o.receipt.held) & receipt_must(ROLE_TEST), receipt_must(ROLE_TEST));
	assert_int_equal(le32_get(o.receipt.n_fds), 6);
	assert_int_equal(le64_get(o.receipt.max_fds), role_get(ROLE_TEST)->max_fds);
	assert_true(le64_get(o.receipt.max_address_bytes) <=
		    role_max_address_bytes(role_get(ROLE_TEST), 0));
}

static void receipt_of_an_open_folder_of_the_host_is_refused(void **state)
{
	struct outcome o = child_run("landlock"); /* it opened /usr for itself */

	assert_true(o.is_ready);
	assert_int_equal(o.receipt_err, -EPERM);
	assert_non_null(strstr(o.receipt_why.text, "descriptors"));
}

static void sandbox_has_the_address_space_it_was_given(void **state)
{
	uint64_t own = role_max_address_bytes(role_get(ROLE_TEST), 0);

	if (own == UINT64_MAX) {
		skip(); /* a sanitizer's build */
		return;
	}
	assert_int_equal(value_of("malloc-much"), 1);
	place_of_test.guest_bytes = 1ull << 30;
	assert_int_equal(value_of("malloc-much"), 0);
	place_of_test.guest_bytes = 0;
}

static void sandbox_answers_the_canary(void **state)
{
	assert_int_equal(value_of("canary"), 1);
}

static void sandbox_lets_the_role_do_its_work(void **state)
{
	assert_int_equal(value_of("read-file"), 'c');
	assert_int_equal(value_of("malloc"), 0);
	assert_int_equal(value_of("socket-unix"), 0);
	assert_int_equal(value_of("clone3"), ENOSYS);
	assert_int_equal(value_of("ioctl-listed"), 0);
}

static void folder_can_be_used_and_not_left(void **state)
{
	assert_int_equal(value_of("folder-use"), 0);
	assert_int_equal(value_of("folder-escape"), 0);
}

static void folder_left_open_leads_nowhere_but_down(void **state)
{
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
		skip(); /* this kernel has no Landlock */
	assert_int_equal(value_of("landlock"), EACCES);
}

static void filter_kills_what_is_not_listed(void **state)
{
	static const char *const forbidden[] = { "open-o-path", "socket-inet", "socket-seqpacket",
		"execve", "execveat", "fork", "ptrace", "unshare", "setns", "mount", "chroot",
		"mmap-exec", "mprotect-exec", "ioctl-tiocsti", "fcntl-setfl", "prctl-other", "kill",
		"bpf", "io-uring", "userfaultfd", "keyctl", "process-vm-readv", "open-by-handle",
		"memfd", "prlimit", "x32", "int80" };

	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
		struct outcome o = child_run(forbidden[i]);
		if (!o.is_ready || o.has_result || !o.end.is_signal || o.end.status != SIGSYS)
			fail_msg("%s: ready %d, result %d, signal %d, status %d", forbidden[i],
				o.is_ready, o.has_result, o.end.is_signal, o.end.status);
	}
}

static void death_by_filter_says_so(void **state)
{
	struct outcome o = child_run("fork");
	char end[256];

	spawn_print_end(&o.end, end, sizeof end);
	assert_non_null(strstr(end, "seccomp"));
}

static void sandbox_refuses_threads_made_before(void **state)
{
	struct outcome o = child_run("thread-first");

	assert_true(o.is_failed && !o.is_ready);
	assert_non_null(strstr(o.failed.text, "threads"));
	assert_int_equal(le32_get(o.failed.err), EBUSY);
}

static void sandbox_refuses_to_be_entered_twice(void **state)
{
	struct outcome o = child_run("enter-twice");

	assert_true(!o.is_ready && !o.has_result);
}

/* Exec the child ourselves, with descriptors spawn would never leave. */
enum raw { RAW_EXTRA, RAW_MISSING, RAW_WRONG_KIND, RAW_ENVIRONMENT };

static struct outcome child_run_raw(enum raw raw)
{
	struct outcome o = { 0 };
	struct spawn_child c = SPAWN_CHILD_NONE;
	char path[4096];
	int pair[2];
	int fds[2];
	int binary = -1;

	files_open(fds);
	assert_int_equal(chan_pair(pair), 0);
	assert_int_equal(spawn_open_binary("sandbox-child", &binary, path, sizeof path, NULL), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char *argv[] = { path, NULL };
		char *env[] = { raw == RAW_ENVIRONMENT ? (char[]){ "LD_DEBUG=" } : NULL, NULL };
		int high[3];
		for (int i = 0; i < 3; i++)
			high[i] = fcntl(i == 0 ? pair[1] : fds[i - 1], F_DUPFD, 100);
		for (int i = 0; i < 3; i++)
			(void)dup2(high[i], 3 + i);
		if (raw == RAW_WRONG_KIND)
			(void)dup2(5, 4); /* a folder where a file belongs */
		(void)syscall(SYS_close_range, raw == RAW_MISSING ? 5 : 6, ~0u, 0);
		if (raw == RAW_EXTRA)
			(void)dup2(0, 17);
		(void)execve(path, argv, env);
		_exit(126);
	}
	(void)close(pair[1]);
	(void)close(binary);
	(void)close(fds[0]);
	(void)close(fds[1]);
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	c.pid = pid;
	c.chan_fd = pair[0];
	c.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	outcome_wait(&c, &o);
	return o;
}

static void start_refuses_a_descriptor_too_many(void **state)
{
	struct outcome o = child_run_raw(RAW_EXTRA);

	assert_true(o.is_failed);
	assert_non_null(strstr(o.failed.text, "descriptor 17"));
	assert_int_equal(o.end.status, 5);
}

static void start_refuses_a_missing_descriptor(void **state)
{
	struct outcome o = child_run_raw(RAW_MISSING);

	assert_true(o.is_failed);
	assert_non_null(strstr(o.failed.text, "descriptor 5 is missing"));
}

static void start_refuses_a_descriptor_of_another_kind(void **state)
{
	struct outcome o = child_run_raw(RAW_WRONG_KIND);

	assert_true(o.is_failed);
	assert_non_null(strstr(o.failed.text, "descriptor 4"));
}

static void start_refuses_an_environment(void **state)
{
	struct outcome o = child_run_raw(RAW_ENVIRONMENT);

	assert_true(o.is_failed);
	assert_non_null(strstr(o.failed.text, "environment"));
}

static void spawn_refuses_a_wrong_number_of_descriptors(void **state)
{
	struct spawn_child c = SPAWN_CHILD_NONE;
	struct why why = { 0 };
	int fd = 0;

	assert_int_equal(spawn_start(ROLE_TEST, &fd, 1, NULL, &c, &why), -EBADF);
	assert_int_equal(c.pid, 0);
}

static void spawn_says_which_program_is_missing(void **state)
{
	struct why why = { 0 };
	int fd = -1;

	assert_int_equal(spawn_open_binary("casemate-nothing", &fd, NULL, 0, &why), -ENOPKG);
	assert_non_null(strstr(why.text, "casemate-nothing"));
}

static void spawn_leaves_no_descriptor_behind(void **state)
{
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)close(before);
	(void)child_run("nothing");
	int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	(void)close(after);
	assert_int_equal(before, after);
}

/* kill -9 of the parent: the child, asleep in its sandbox, is gone within the time-out. */
static void no_child_survives_its_parent(void **state)
{
	int report[2];
	pid_t child = 0;

	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	pid_t parent = fork();
	if (parent == 0) {
		struct spawn_child c = SPAWN_CHILD_NONE;
		int fds[2];
		files_open(fds);
		if (spawn_start(ROLE_TEST, fds, 2, NULL, &c, NULL) < 0)
			_exit(1);
		config_send(c.chan_fd, "wait");
		struct pollfd p = { .fd = c.chan_fd, .events = POLLIN };
		(void)poll(&p, 1, WAIT_MS); /* READY */
		if (write(report[1], &c.pid, sizeof c.pid) != sizeof c.pid)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(report[1]);
	assert_int_equal(read(report[0], &child, sizeof child), sizeof child);
	(void)close(report[0]);
	int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	assert_true(pidfd >= 0);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	(void)close(pidfd);
}

static int group_setup(void **state)
{
	if (mkdtemp(folder) == NULL || chmod(folder, 0777) < 0)
		return -1;
	(void)snprintf(file_path, sizeof file_path, "%s/file", folder);
	int fd = open(file_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || fd_write_all(fd, "content", 7) < 0)
		return -1;
	return close(fd);
}

static int group_teardown(void **state)
{
	(void)unlink(file_path);
	return rmdir(folder);
}

/* --rootless: the same tests as an ordinary user. */
static bool rootless_become(void)
{
	return geteuid() == 0 && setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 &&
	       setresuid(65534, 65534, 65534) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sandbox_shows_an_empty_read_only_root),
		cmocka_unit_test(sandbox_has_no_capability_and_no_way_to_one),
		cmocka_unit_test(sandbox_is_an_unprivileged_pid_1),
		cmocka_unit_test(receipt_says_what_holds),
		cmocka_unit_test(receipt_of_an_open_folder_of_the_host_is_refused),
		cmocka_unit_test(sandbox_has_the_address_space_it_was_given),
		cmocka_unit_test(sandbox_answers_the_canary),
		cmocka_unit_test(sandbox_lets_the_role_do_its_work),
		cmocka_unit_test(folder_can_be_used_and_not_left),
		cmocka_unit_test(folder_left_open_leads_nowhere_but_down),
		cmocka_unit_test(filter_kills_what_is_not_listed),
		cmocka_unit_test(death_by_filter_says_so),
		cmocka_unit_test(sandbox_refuses_threads_made_before),
		cmocka_unit_test(sandbox_refuses_to_be_entered_twice),
		cmocka_unit_test(start_refuses_a_descriptor_too_many),
		cmocka_unit_test(start_refuses_a_missing_descriptor),
		cmocka_unit_test(start_refuses_a_descriptor_of_another_kind),
		cmocka_unit_test(start_refuses_an_environment),
		cmocka_unit_test(spawn_refuses_a_wrong_number_of_descriptors),
		cmocka_unit_test(spawn_says_which_program_is_missing),
		cmocka_unit_test(spawn_leaves_no_descriptor_behind),
		cmocka_unit_test(no_child_survives_its_parent),
	};

	if (argc > 1 && strcmp(argv[1], "--rootless") == 0 && !rootless_become()) {
		printf("1..0 # SKIP only root can become somebody else\n");
		return 0;
	}
	if (argc > 1) {
		int fd = -1;
		if (spawn_open_binary("sandbox-child", &fd, NULL, 0, NULL) < 0) {
			printf("1..0 # SKIP the build tree is closed to other users\n");
			return 0;
		}
		(void)close(fd);
	}
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
