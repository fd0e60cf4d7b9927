/* What sandbox_narrow() leaves a process: root's and an ordinary user's. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/sandbox.h"
#include "tests/unit/cm.h"

#define NOBODY     65534u
#define KEPT       (1ull << CAP_FOWNER | 1ull << CAP_DAC_OVERRIDE)
#define NOT_NARROW 200 /* exit status: sandbox_narrow() failed */

static char folder_path[] = "/tmp/casemate-narrow-XXXXXX";
static int folder = -1;
static pid_t folder_owner; /* this test itself: who a child must not reach */

/* What the child does once it is narrow; its result is the exit status. */
typedef int act_fn(int pipe_fd);

/* What may be done below the folder, and whether sockets may be made. */
struct left {
	uint32_t may;
	bool may_connect;
};
static const struct left all_left = { SANDBOX_MAY_READ | SANDBOX_MAY_WRITE | SANDBOX_MAY_REMOVE,
	true };

/* Run act() in a narrow child as this user; its pid, and the end of a pipe it may wait at. */
static pid_t child_start(uid_t uid, const struct left *left, act_fn *act, int *ret_pipe)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(ends[1]);
		if (uid != 0 && setresuid(uid, uid, uid) < 0)
			_exit(NOT_NARROW);
		const struct sandbox_folder below = { folder, left->may };
		const struct sandbox_keep keep = { KEPT, left->may_connect, &below, 1 };
		_exit(sandbox_narrow(ROLE_SUPER, &keep, NULL) < 0 ? NOT_NARROW : act(ends[0]));
	}
	(void)close(ends[0]);
	*ret_pipe = ends[1];
	return pid;
}

static int status_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int act_with(uid_t uid, const struct left *left, act_fn *act)
{
	int end = -1;
	pid_t pid = child_start(uid, left, act, &end);
	int status = status_of(pid);

	(void)close(end);
	return status;
}

static int act_as(uid_t uid, act_fn *act)
{
	return act_with(uid, &all_left, act);
}

static int waits(int pipe_fd)
{
	char byte;

	return read(pipe_fd, &byte, 1) == 0 ? 0 : 1;
}

static int answers_the_canary(int pipe_fd)
{
	return sandbox_check() == 0 ? 0 : 1;
}

static long open_path(int at, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags };

	return syscall(SYS_openat2, at, path, &how, sizeof how) < 0 ? errno : 0;
}

static int opens_below(int pipe_fd)
{
	return (int)open_path(folder, "file", O_RDWR | O_CLOEXEC);
}

static int reads(int pipe_fd)
{
	return (int)open_path(folder, "file", O_RDONLY | O_CLOEXEC);
}

static int lists(int pipe_fd)
{
	return (int)open_path(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int writes(int pipe_fd)
{
	return (int)open_path(folder, "file", O_WRONLY | O_CLOEXEC);
}

/* Not empty, and a folder: EACCES is Landlock's, the others the file system's. */
static int removes_folder(int pipe_fd)
{
	return unlinkat(folder, "full", AT_REMOVEDIR) < 0 ? errno : 0;
}

static int removes_file(int pipe_fd)
{
	return unlinkat(folder, "full", 0) < 0 ? errno : 0;
}

static int connects(int pipe_fd)
{
	int fd = (int)syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? errno : 0;
}

static int opens_elsewhere(int pipe_fd)
{
	return (int)open_path(AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static int finds_elsewhere(int pipe_fd)
{
	return (int)open_path(AT_FDCWD, "/etc/passwd", O_PATH | O_CLOEXEC);
}

static int forks(int pipe_fd)
{
	return (int)syscall(SYS_fork);
}

static int executes(int pipe_fd)
{
	return (int)syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static int aborts_another(int pipe_fd)
{
	return (int)syscall(SYS_tgkill, folder_owner, folder_owner, SIGABRT);
}

static int aborts(int pipe_fd)
{
	return (int)syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGABRT);
}

static int makes(int pipe_fd)
{
	return (int)syscall(SYS_openat, folder, "new", O_WRONLY | O_CREAT, 0600);
}

/* A hexadecimal or decimal field of /proc/PID/status. */
static uint64_t field_of(pid_t pid, const char *name, int base)
{
	char path[64];
	char text[8192];

	(void)snprintf(path, sizeof path, "/proc/%d/status", pid);
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof text - 1);
	assert_true(n > 0);
	text[n] = 0;
	const char *at = strstr(text, name);
	assert_non_null(at);
	return strtoull(at + strlen(name), NULL, base);
}

/* Wait until the child has its filter, which is the last that narrowing does. */
static void filter_await(pid_t pid)
{
	for (int i = 0; i < 1000 && field_of(pid, "\nSeccomp:", 10) != 2; i++)
		(void)usleep(10000);
}

static void capabilities_are_gone_but_the_kept(void **state)
{
	static const char *const sets[] = { "\nCapPrm:", "\nCapEff:", "\nCapBnd:" };
	int end = -1;
	pid_t pid = child_start(0, &all_left, waits, &end);

	filter_await(pid);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		assert_int_equal(field_of(pid, sets[i], 16), KEPT);
	assert_int_equal(field_of(pid, "\nCapInh:", 16), 0);
	assert_int_equal(field_of(pid, "\nCapAmb:", 16), 0);
	assert_int_equal(field_of(pid, "\nNoNewPrivs:", 10), 1);
	assert_int_equal(field_of(pid, "\nSeccomp:", 10), 2);
	(void)close(end);
	assert_int_equal(status_of(pid), 0);
}

static void ordinary_user_keeps_none(void **state)
{
	int end = -1;
	pid_t pid = child_start(NOBODY, &all_left, waits, &end);

	filter_await(pid);
	assert_int_equal(field_of(pid, "\nCapPrm:", 16), 0);
	assert_int_equal(field_of(pid, "\nNoNewPrivs:", 10), 1);
	assert_int_equal(field_of(pid, "\nSeccomp:", 10), 2);
	(void)close(end);
	assert_int_equal(status_of(pid), 0);
}

static void only_the_folder_is_left(void **state)
{
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
		skip();
	assert_int_equal(act_as(0, opens_below), 0);
	assert_int_equal(act_as(NOBODY, opens_below), 0);
	assert_int_equal(act_as(0, opens_elsewhere), EACCES);
	assert_int_equal(act_as(NOBODY, opens_elsewhere), EACCES);
	assert_int_equal(act_as(0, finds_elsewhere), 0); /* what a port's socket is found by */
}

static void a_folder_has_its_own_rights(void **state)
{
	static const struct {
		uint32_t may;
		int read, write, remove; /* what they give */
	} rows[] = {
		{ SANDBOX_MAY_READ, 0, EACCES, EACCES },
		{ SANDBOX_MAY_WRITE, EACCES, 0, EACCES },
		{ SANDBOX_MAY_REMOVE, EACCES, EACCES, 0 },
		{ SANDBOX_MAY_READ | SANDBOX_MAY_REMOVE, 0, EACCES, 0 },
	};

	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct left left = { .may = rows[i].may };
		assert_int_equal(act_with(0, &left, reads), rows[i].read);
		assert_int_equal(act_with(0, &left, lists), rows[i].read);
		assert_int_equal(act_with(0, &left, writes), rows[i].write);
		assert_int_equal(act_with(0, &left, removes_folder),
			rows[i].remove != 0 ? rows[i].remove : ENOTEMPTY);
		assert_int_equal(act_with(0, &left, removes_file),
			rows[i].remove != 0 ? rows[i].remove : EISDIR);
	}
}

static void who_needs_no_socket_gets_none(void **state)
{
	static const struct left none = { SANDBOX_MAY_READ, false };

	assert_int_equal(act_with(0, &all_left, connects), 0);
	assert_int_equal(act_with(0, &none, connects), 1000 + SIGSYS);
	assert_int_equal(act_with(NOBODY, &none, connects), 1000 + SIGSYS);
	assert_int_equal(act_with(0, &none, aborts_another), 1000 + SIGSYS);
	assert_int_equal(act_with(0, &none, answers_the_canary), 0);
}

static void nothing_is_started_or_made(void **state)
{
	static act_fn *const acts[] = { forks, executes, makes };

	assert_int_equal(act_as(0, answers_the_canary), 0);
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		assert_int_equal(act_as(0, acts[i]), 1000 + SIGSYS);
		assert_int_equal(act_as(NOBODY, acts[i]), 1000 + SIGSYS);
	}
}

static void its_signals_stay_with_it(void **state)
{
	assert_int_equal(act_as(0, aborts_another), 1000 + SIGSYS);
	assert_int_equal(act_as(NOBODY, aborts_another), 1000 + SIGSYS);
	assert_int_equal(act_as(0, aborts), 1000 + SIGABRT);
}

static int folder_make(void **state)
{
	folder_owner = getpid();
	if (mkdtemp(folder_path) == NULL || chmod(folder_path, 0755) < 0)
		return -1;
	folder = open(folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(folder, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int err = fchmod(fd, 0666);
	(void)close(fd);
	if (mkdirat(folder, "full", 0700) < 0 || mkdirat(folder, "full/sub", 0700) < 0)
		return -1;
	return folder < 0 ? -1 : err;
}

static int folder_remove(void **state)
{
	(void)unlinkat(folder, "file", 0);
	(void)unlinkat(folder, "full/sub", AT_REMOVEDIR);
	(void)unlinkat(folder, "full", AT_REMOVEDIR);
	(void)close(folder);
	return rmdir(folder_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_are_gone_but_the_kept),
		cmocka_unit_test(ordinary_user_keeps_none),
		cmocka_unit_test(only_the_folder_is_left),
		cmocka_unit_test(a_folder_has_its_own_rights),
		cmocka_unit_test(who_needs_no_socket_gets_none),
		cmocka_unit_test(nothing_is_started_or_made),
		cmocka_unit_test(its_signals_stay_with_it),
	};

	if (geteuid() != 0) {
		printf("1..0 # SKIP only root has something to give up\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
