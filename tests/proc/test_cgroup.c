/*
 * cgroups for real: limits that bite, leaves, ends, what dead supervisors leave, with and without
 * root. Needs cgroup v2 with controllers, and root; skipped elsewhere, but not with --lab (the lab
 * has them: tests/vm/cgroup.sh).
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/cgroup.h"
#include "sandbox/sandbox.h"
#include "sandbox/spawn.h"
#include "sandbox/stage.h"
#include "tests/unit/cm.h"

#define TOP     "/sys/fs/cgroup"
#define WAIT_MS 20000
#define MIB     (1ull << 20)
#define USER    4711u

static bool is_lab;

/* ---- kit ------------------------------------------------------------------------------------- */

static void need_cgroups(void)
{
	struct why why = { 0 };
	uint32_t has = 0;

	if (geteuid() == 0 && cgroup_probe(&has, &why) == 0 && has == CGROUP_HAS_ALL)
		return;
	if (is_lab)
		fail_msg("controllers 0x%x; %s", has, why.text);
	print_message("# %s\n", why.text[0] != 0 ? why.text : "no root, or not all controllers");
	skip();
}

static void open_or_fail(struct cgroup *g, const char *guest)
{
	struct why why = { 0 };

	if (cgroup_open(g, guest, &why) < 0)
		fail_msg("%s", why.text);
}

static int add_or_fail(struct cgroup *g, const char *leaf, const struct cgroup_limits *limits)
{
	struct why why = { 0 };
	int fd = -1;

	if (cgroup_add(g, leaf, limits, &fd, &why) < 0)
		fail_msg("%s", why.text);
	return fd;
}

static int leaf_with_limits(struct cgroup *g, const char *leaf, uint64_t mib, uint32_t pids)
{
	const struct cgroup_limits limits = { .memory_bytes = mib * MIB, .pids = pids };

	return add_or_fail(g, leaf, &limits);
}

/* A process born in a leaf that runs fn. */
static pid_t born_in(int leaf, int (*fn)(void))
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned int)leaf
	};
	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0) {
		(void)syscall(
			SYS_close_range, 3, ~0u, 0); /* as exec would: the lock is one of them */
		_exit(fn());
	}
	if (pid < 0)
		fail_msg("clone3 into a cgroup: %s", strerror(errno));
	return (pid_t)pid;
}

static int wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void text_of(const char *path, char *ret, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n < 0)
		fail_msg("%s: %s", path, strerror(errno));
	ret[n] = 0;
	(void)close(fd);
}

static void check_text(const struct cgroup *g, const char *file, const char *wanted)
{
	char path[LIMIT_PATH_BYTES + 128];
	char text[256];

	(void)snprintf(path, sizeof path, TOP "%s/%s", g->path, file);
	text_of(path, text, sizeof text);
	if (strcmp(text, wanted) != 0)
		fail_msg("%s is %s", path, text);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	(void)close(fd);
}

/* Run a test's part in a process of its own; a failed assertion there is a failure here. */
static void apart(void (*fn)(void))
{
	(void)fflush(stdout);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	int status = wait_for(pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("status 0x%x", status);
}

#define APART(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("# line %d: %s\n", __LINE__, #condition);                           \
			(void)fflush(stdout);                                                      \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* ---- what children do ------------------------------------------------------------------------ */

static int sleep_long(void)
{
	while (pause() < 0)
		;
	return 0;
}

static int eat_memory(void)
{
	for (int i = 0; i < 256; i++) {
		void *p =
			mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return 1;
		memset(p, 1, MIB);
	}
	return 0;
}

/* How many processes can be had at a time, up to 50. */
static int fork_many(void)
{
	int n = 0;

	while (n < 50) {
		pid_t pid = fork();
		if (pid == 0)
			return sleep_long();
		if (pid < 0)
			return errno == EAGAIN ? n : 100;
		n++;
	}
	return n;
}

/* ---- as root --------------------------------------------------------------------------------- */

static void probe_finds_all_controllers(void **state)
{
	uint32_t has = 0;

	need_cgroups();
	assert_int_equal(cgroup_probe(&has, NULL), 0);
	assert_int_equal(has, CGROUP_HAS_ALL);
	/* and made nothing */
	if (is_lab)
		assert_false(exists(TOP "/casemate"));
}

static void limits_are_written(void **state)
{
	static const struct cgroup_limits whole = { .memory_bytes = 512 * MIB, .cpu_weight = 50 };
	static const struct cgroup_limits part = { .memory_bytes = 64 * MIB,
		.pids = 3,
		.cpu_weight = 200,
		.cpu_percent = 150,
		.io_weight = 300 };
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;

	need_cgroups();
	open_or_fail(&g, "web");
	assert_int_equal(g.controllers, CGROUP_HAS_ALL);
	assert_int_equal(cgroup_limit(&g, &whole, NULL), 0);
	AUTO(fd) int leaf = add_or_fail(&g, "dev-blk-0", &part);
	check_text(&g, "memory.oom.group", "1\n");
	check_text(&g, "memory.max", "536870912\n");
	check_text(&g, "cpu.weight", "50\n");
	check_text(&g, "pids.max", "max\n");
	check_text(&g, "dev-blk-0/memory.max", "67108864\n");
	check_text(&g, "dev-blk-0/memory.swap.max", "0\n");
	check_text(&g, "dev-blk-0/pids.max", "3\n");
	check_text(&g, "dev-blk-0/cpu.weight", "200\n");
	check_text(&g, "dev-blk-0/cpu.max", "150000 100000\n");
	check_text(&g, "dev-blk-0/io.weight", "default 300\n");
}

static void each_process_has_a_leaf_of_its_own(void **state)
{
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;
	pid_t pids[2];

	need_cgroups();
	open_or_fail(&g, "web");
	for (int i = 0; i < 2; i++) {
		char name[16];
		char path[64];
		char text[1024];
		char wanted[1024];
		(void)snprintf(name, sizeof name, "leaf-%d", i);
		AUTO(fd) int leaf = leaf_with_limits(&g, name, 0, 4);
		pids[i] = born_in(leaf, sleep_long);
		(void)snprintf(path, sizeof path, "/proc/%d/cgroup", pids[i]);
		text_of(path, text, sizeof text);
		(void)snprintf(wanted, sizeof wanted, "0::%s/%s\n", g.path, name);
		assert_non_null(strstr(text, wanted));
	}
	/* and all of it ends with the guest */
	char path[LIMIT_PATH_BYTES + 32];
	(void)snprintf(path, sizeof path, TOP "%s", g.path);
	assert_true(exists(path));
	cgroup_close(&g);
	assert_false(exists(path));
	for (int i = 0; i < 2; i++) {
		int status = wait_for(pids[i]);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

/* The real thing: a program of ours, in its namespaces, through spawn. */
static void spawn_starts_a_role_in_its_leaf(void **state)
{
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;
	AUTO(spawn) struct spawn_child c = SPAWN_CHILD_NONE;
	struct why why = { 0 };
	struct spawn_place place = SPAWN_PLACE_NONE;
	char path[64];
	char text[1024];
	char wanted[1024];

	need_cgroups();
	open_or_fail(&g, "web");
	AUTO(fd) int leaf = leaf_with_limits(&g, "test", 64, 4);
	AUTO(fd) int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	AUTO(fd) int folder = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const int fds[] = { file, folder };
	place.cgroup_fd = leaf;
	if (spawn_start(ROLE_TEST, fds, 2, &place, &c, &why) < 0)
		fail_msg("%s", why.text);
	(void)snprintf(path, sizeof path, "/proc/%d/cgroup", c.pid);
	text_of(path, text, sizeof text);
	(void)snprintf(wanted, sizeof wanted, "0::%s/test\n", g.path);
	assert_non_null(strstr(text, wanted));
}

static void forks_are_refused_beyond_the_limit(void **state)
{
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;

	need_cgroups();
	open_or_fail(&g, "web");
	AUTO(fd) int leaf = leaf_with_limits(&g, "bomb", 0, 5);
	int status = wait_for(born_in(leaf, fork_many));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 4); /* and itself */
	assert_false(cgroup_was_oom(&g, "bomb"));
}

static void memory_beyond_the_limit_ends_that_process_alone(void **state)
{
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;

	need_cgroups();
	open_or_fail(&g, "web");
	AUTO(fd) int fat = leaf_with_limits(&g, "fat", 32, 0);
	AUTO(fd) int thin = leaf_with_limits(&g, "thin", 32, 0);
	pid_t neighbour = born_in(thin, sleep_long);
	int status = wait_for(born_in(fat, eat_memory));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(cgroup_was_oom(&g, "fat"));
	assert_false(cgroup_was_oom(&g, "thin"));
	assert_int_equal(waitpid(neighbour, &status, WNOHANG), 0);
	cgroup_close(&g);
	(void)wait_for(neighbour);
}

static void memory_beyond_the_guest_s_limit_ends_the_guest(void **state)
{
	static const struct cgroup_limits whole = { .memory_bytes = 48 * MIB };
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;

	need_cgroups();
	open_or_fail(&g, "web");
	assert_int_equal(cgroup_limit(&g, &whole, NULL), 0);
	AUTO(fd) int fat = leaf_with_limits(&g, "fat", 0, 0);
	AUTO(fd) int thin = leaf_with_limits(&g, "thin", 32, 0);
	pid_t neighbour = born_in(thin, sleep_long);
	int status = wait_for(born_in(fat, eat_memory));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	status = wait_for(neighbour);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(cgroup_was_oom(&g, "fat"));
}

static void a_kill_by_hand_is_not_called_out_of_memory(void **state)
{
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;

	need_cgroups();
	open_or_fail(&g, "web");
	AUTO(fd) int leaf = leaf_with_limits(&g, "leaf", 32, 0);
	pid_t pid = born_in(leaf, sleep_long);
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)wait_for(pid);
	assert_false(cgroup_was_oom(&g, "leaf"));
	assert_false(cgroup_was_oom(&g, "no-such-leaf"));
	cgroup_close(&g);
	assert_false(cgroup_was_oom(&g, "leaf"));
}

static void wrong_names_and_weights_are_refused(void **state)
{
	static const char *const names[] = { "a/b", "..", "memory.max", "cgroup.procs", "a b" };
	static const struct cgroup_limits none = { 0 };
	static const struct cgroup_limits heavy = { .cpu_weight = 10001 };
	static const struct cgroup_limits heavy_io = { .io_weight = 10001 };
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;
	struct why why = { 0 };
	char path[LIMIT_PATH_BYTES + 32];
	int fd = -1;

	need_cgroups();
	open_or_fail(&g, "../a b\n");
	(void)snprintf(path, sizeof path, "/casemate/___a_b_.%d", (int)getpid());
	assert_string_equal(g.path, path);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(cgroup_add(&g, names[i], &none, &fd, NULL), -EINVAL);
	assert_int_equal(cgroup_add(&g, "leaf", &heavy, &fd, &why), -ERANGE);
	assert_true(why.text[0] != 0);
	assert_int_equal(cgroup_limit(&g, &heavy_io, NULL), -ERANGE);
	assert_int_equal(fd, -1);
	/* what was refused left nothing; what is there is not made again */
	(void)snprintf(path, sizeof path, TOP "%s/leaf", g.path);
	assert_false(exists(path));
	AUTO(fd) int leaf = leaf_with_limits(&g, "leaf", 0, 0);
	assert_int_equal(cgroup_add(&g, "leaf", &none, &fd, NULL), -EEXIST);
}

/* A supervisor with one process in a leaf; writes its folder's path and that process's pid. */
static pid_t supervisor_start(int ret_pipe[2])
{
	assert_int_equal(pipe2(ret_pipe, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		static const struct cgroup_limits none = { 0 };
		struct cgroup g = CGROUP_NONE;
		char text[LIMIT_PATH_BYTES + 32] = "";
		int leaf = -1;
		if (cgroup_open(&g, "other", NULL) == 0 &&
			cgroup_add(&g, "leaf", &none, &leaf, NULL) == 0) {
			pid_t child = born_in(leaf, sleep_long);
			(void)snprintf(text, sizeof text, TOP "%s %d", g.path, (int)child);
		}
		(void)!write(ret_pipe[1], text, sizeof text);
		_exit(sleep_long());
	}
	return pid;
}

static void what_a_killed_supervisor_left_is_removed_by_the_next(void **state)
{
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;
	char text[LIMIT_PATH_BYTES + 32] = "";
	char path[LIMIT_PATH_BYTES] = "";
	int pipe_fds[2];
	int child = 0;

	need_cgroups();
	pid_t supervisor = supervisor_start(pipe_fds);
	assert_int_equal(read(pipe_fds[0], text, sizeof text), sizeof text);
	assert_int_equal(sscanf(text, "%511s %d", path, &child), 2);
	assert_true(exists(path));

	/* while it lives, the next one leaves it alone */
	open_or_fail(&g, "web");
	assert_true(exists(path));
	assert_int_equal(kill(child, 0), 0);
	cgroup_close(&g);
	assert_true(exists(path));

	assert_int_equal(kill(supervisor, SIGKILL), 0);
	(void)wait_for(supervisor);
	/* its process outlives it here: nobody told it to die with its parent; ours do */
	assert_true(exists(path));
	open_or_fail(&g, "web");
	assert_false(exists(path));
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
}

/* Its folder's name begins as that of a supervisor that moved; it is a guest's all the same. */
static void a_guest_may_be_called_as_a_supervisor_s_folder(void **state)
{
	static const char left[] = TOP "/casemate/supervisor-web.1";
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;

	need_cgroups();
	open_or_fail(&g, "web");
	cgroup_close(&g);
	assert_int_equal(mkdir(left, 0700), 0);
	assert_int_equal(mkdir(TOP "/casemate/supervisor-web.1/leaf", 0700), 0);
	open_or_fail(&g, "web");
	assert_false(exists(left));
}

/* As the supervisor does it: with few rights, behind its filter; its neighbour's folder is not its own. */
static void narrowed(const struct cgroup *neighbour)
{
	struct cgroup g = CGROUP_NONE;
	char kill_file[sizeof g.name + 16];
	bool has_landlock = landlock_abi() > 0;
	struct why why = { 0 };
	char path[LIMIT_PATH_BYTES + 32];

	open_or_fail(&g, "web");
	AUTO(fd) int leaf = leaf_with_limits(&g, "leaf", 32, 4);
	(void)born_in(leaf, sleep_long);
	(void)snprintf(path, sizeof path, TOP "%s", g.path);
	/* the parent looks whether it is gone: this process cannot any more */
	(void)!write(3, path, sizeof path);
	const struct sandbox_folder folders[] = { { g.fd, CGROUP_MAY },
		{ g.base, CGROUP_BASE_MAY } };
	const struct sandbox_keep keep = { .folders = folders, .n_folders = ARRAY_LEN(folders) };
	if (sandbox_narrow(ROLE_SUPER, &keep, &why) < 0)
		_exit(2);
	if (cgroup_was_oom(&g, "leaf"))
		_exit(3);
	(void)snprintf(kill_file, sizeof kill_file, "%s/cgroup.kill", neighbour->name);
	if (has_landlock &&
		(openat(g.base, kill_file, O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES))
		_exit(5);
	cgroup_close(&g);
}

static void the_supervisor_s_filter_lets_the_guest_s_cgroup_end(void **state)
{
	AUTO(cgroup) struct cgroup neighbour = CGROUP_NONE;
	char path[LIMIT_PATH_BYTES + 32] = "";
	int pipe_fds[2];

	need_cgroups();
	open_or_fail(&neighbour, "db");
	assert_int_equal(pipe(pipe_fds), 0);
	(void)fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (dup2(pipe_fds[1], 3) < 0)
			_exit(4);
		narrowed(&neighbour);
		_exit(0);
	}
	int status = wait_for(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(read(pipe_fds[0], path, sizeof path), sizeof path);
	assert_true(strncmp(path, TOP "/casemate/web.", 28) == 0);
	assert_false(exists(path));
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
}

static void folder_that_others_may_open_is_refused(void **state)
{
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;
	struct why why = { 0 };

	need_cgroups();
	open_or_fail(&g, "web");
	cgroup_close(&g);
	assert_int_equal(chmod(TOP "/casemate", 0755), 0);
	assert_int_equal(cgroup_open(&g, "web", &why), -ENODEV);
	assert_non_null(strstr(why.text, "not ours alone"));
	assert_int_equal(chmod(TOP "/casemate", 0700), 0);
	assert_int_equal(chown(TOP "/casemate", USER, USER), 0);
	assert_int_equal(cgroup_open(&g, "web", NULL), -ENODEV);
	assert_int_equal(chown(TOP "/casemate", 0, 0), 0);
	open_or_fail(&g, "web");
}

/* ---- without root ---------------------------------------------------------------------------- */

static void become_user(void)
{
	APART(setgroups(0, NULL) == 0 && setresgid(USER, USER, USER) == 0 &&
		setresuid(USER, USER, USER) == 0);
}

static void undelegated(void)
{
	struct why why = { 0 };
	struct cgroup g = CGROUP_NONE;
	uint32_t has = 0;

	become_user();
	APART(cgroup_probe(&has, &why) == -ENODEV);
	APART(strstr(why.text, "systemd-run --user --scope -p Delegate=yes") != NULL);
	APART(cgroup_open(&g, "web", NULL) == -ENODEV);
	APART(g.fd == -1);
}

static void without_delegation_the_fix_is_told(void **state)
{
	need_cgroups();
	apart(undelegated);
}

/* What a service manager does: a folder with its processes' file handed to the user. */
static void delegate(const char *name)
{
	static const char *const files[] = { "", "/cgroup.procs", "/cgroup.subtree_control",
		"/cgroup.threads" };
	char path[64];

	(void)snprintf(path, sizeof path, TOP "/%s", name);
	APART(mkdir(path, 0755) == 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof path, TOP "/%s%s", name, files[i]);
		APART(chown(path, USER, USER) == 0);
	}
	(void)snprintf(path, sizeof path, TOP "/%s/cgroup.procs", name);
	write_text(path, "0");
}

static void delegated(void)
{
	static const struct cgroup_limits few = { .pids = 5, .memory_bytes = 32 * MIB };
	struct cgroup g = CGROUP_NONE;
	struct why why = { 0 };
	uint32_t has = 0;
	char text[1024];
	char wanted[1024];
	int leaf = -1;

	delegate("user.scope");
	become_user();
	APART(cgroup_probe(&has, NULL) == 0 && has == CGROUP_HAS_ALL);
	if (cgroup_open(&g, "web", &why) < 0)
		printf("# %s\n", why.text);
	APART(g.fd >= 0 && g.controllers == CGROUP_HAS_ALL);
	APART(strncmp(g.path, "/user.scope/casemate/web.", 25) == 0);
	text_of("/proc/self/cgroup", text, sizeof text);
	(void)snprintf(
		wanted, sizeof wanted, "0::/user.scope/casemate/supervisor-%d\n", (int)getpid());
	APART(strstr(text, wanted) != NULL);
	APART(cgroup_add(&g, "bomb", &few, &leaf, NULL) == 0);
	int status = wait_for(born_in(leaf, fork_many));
	APART(WIFEXITED(status) && WEXITSTATUS(status) == 4);
	(void)close(leaf);
	APART(cgroup_add(&g, "fat", &few, &leaf, NULL) == 0);
	status = wait_for(born_in(leaf, eat_memory));
	APART(WIFSIGNALED(status) && cgroup_was_oom(&g, "fat"));
	/* from where it is now, it finds the same place again */
	APART(cgroup_probe(&has, NULL) == 0 && has == CGROUP_HAS_ALL);
	cgroup_close(&g);
	APART(cgroup_open(&g, "web", NULL) == 0 && g.controllers == CGROUP_HAS_ALL);
	APART(strncmp(g.path, "/user.scope/casemate/web.", 25) == 0);
	cgroup_close(&g);
}

/* A supervisor's own folder stays until the next run, or until the scope ends: here it ends. */
static void scope_remove(const char *path)
{
	char command[128];

	(void)snprintf(command, sizeof command, "find %s -depth -type d -exec rmdir {} +", path);
	assert_int_equal(system(command), 0);
}

static void with_delegation_a_user_has_it_all(void **state)
{
	char text[64];

	need_cgroups();
	apart(delegated);
	text_of(TOP "/user.scope/cgroup.events", text, sizeof text);
	assert_non_null(strstr(text, "populated 0"));
	scope_remove(TOP "/user.scope");
}

/* Somebody else sits in the folder: no controllers, yet a folder that can be killed. */
static void delegated_with_company(void)
{
	struct cgroup g = CGROUP_NONE;
	static const struct cgroup_limits few = { .pids = 5, .memory_bytes = 32 * MIB };
	uint32_t has = CGROUP_HAS_ALL;
	int leaf = -1;

	delegate("shared.scope");
	become_user();
	pid_t company = fork();
	if (company == 0)
		_exit(sleep_long());
	APART(company > 0);
	APART(cgroup_probe(&has, NULL) == 0 && has == 0);
	APART(cgroup_open(&g, "web", NULL) == 0 && g.controllers == 0);
	APART(cgroup_add(&g, "leaf", &few, &leaf, NULL) == 0);
	pid_t child = born_in(leaf, sleep_long);
	cgroup_close(&g);
	int status = wait_for(child);
	APART(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	APART(kill(company, SIGKILL) == 0);
	(void)wait_for(company);
}

static void controllers_that_cannot_be_had_are_told_not_fatal(void **state)
{
	need_cgroups();
	apart(delegated_with_company);
	scope_remove(TOP "/shared.scope");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_finds_all_controllers),
		cmocka_unit_test(limits_are_written),
		cmocka_unit_test(each_process_has_a_leaf_of_its_own),
		cmocka_unit_test(spawn_starts_a_role_in_its_leaf),
		cmocka_unit_test(forks_are_refused_beyond_the_limit),
		cmocka_unit_test(memory_beyond_the_limit_ends_that_process_alone),
		cmocka_unit_test(memory_beyond_the_guest_s_limit_ends_the_guest),
		cmocka_unit_test(a_kill_by_hand_is_not_called_out_of_memory),
		cmocka_unit_test(wrong_names_and_weights_are_refused),
		cmocka_unit_test(what_a_killed_supervisor_left_is_removed_by_the_next),
		cmocka_unit_test(a_guest_may_be_called_as_a_supervisor_s_folder),
		cmocka_unit_test(the_supervisor_s_filter_lets_the_guest_s_cgroup_end),
		cmocka_unit_test(folder_that_others_may_open_is_refused),
		cmocka_unit_test(without_delegation_the_fix_is_told),
		cmocka_unit_test(with_delegation_a_user_has_it_all),
		cmocka_unit_test(controllers_that_cannot_be_had_are_told_not_fatal),
	};

	is_lab = argc == 2 && strcmp(argv[1], "--lab") == 0;
	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
