/*
 * Programs of other makes in the sandbox: a shell that looks around, and Debian's qemu-storage-daemon
 * that serves a disk over vhost-user to our own front end.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/virtio_blk.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/foreign.h"
#include "tests/unit/cm.h"
#include "tests/unit/vu_front.h"

#define SHELL      "/bin/dash"
#define QSD        "/usr/bin/qemu-storage-daemon"
#define WAIT_MS    20000
#define USER       4711u
#define DISK_BYTES (1u << 20)

static char folder[] = "/tmp/casemate-foreign-XXXXXX";
static char disk_path[sizeof folder + 8];
static char socket_path[sizeof folder + 8];
static bool is_rootless;

/* ---- a shell that says what it sees ---------------------------------------------------------- */

struct said {
	char text[4096];
	size_t len;
	struct spawn_end end;
	struct wire_receipt receipt;
};

/* Everything the program writes to its log, until it ends. */
static void end_wait(struct spawn_child *c, struct said *ret)
{
	struct pollfd p = { .fd = c->log_fd, .events = POLLIN };

	for (;;) {
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		ssize_t n = read(c->log_fd, ret->text + ret->len, sizeof ret->text - 1 - ret->len);
		if (n <= 0)
			break;
		ret->len += (size_t)n;
	}
	ret->text[ret->len] = 0;
	struct pollfd end = { .fd = c->pidfd, .events = POLLIN };
	assert_int_equal(poll(&end, 1, WAIT_MS), 1);
	assert_int_equal(spawn_reap(c, &ret->end), 0);
	spawn_kill(c);
}

static struct said shell_run_with(const struct foreign *base, const char *script)
{
	const char *const argv[] = { SHELL, "-c", script, NULL };
	struct foreign what = *base;
	struct spawn_child c = SPAWN_CHILD_NONE;
	struct said s = { 0 };
	struct why why = { 0 };

	if (access(SHELL, X_OK) < 0)
		skip();
	what.argv = argv;
	if (foreign_start(&what, NULL, NULL, &c, &s.receipt, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(c.chan_fd, -1);
	end_wait(&c, &s);
	return s;
}

static struct said shell_run(const char *script)
{
	return shell_run_with(&(struct foreign){ 0 }, script);
}

/* What the shell cannot do, it says "no" to, or is killed for by its filter. */
static void refused(const char *what)
{
	char script[512];

	(void)snprintf(
		script, sizeof script, "if %s; then echo yes >&2; else echo no >&2; fi", what);
	struct said s = shell_run(script);
	if (s.end.is_signal ? s.end.status != SIGSYS : strstr(s.text, "no\n") == NULL)
		fail_msg("%s: %s (signal %d, status %d)", what, s.text, s.end.is_signal,
			s.end.status);
}

static void program_runs_and_ends_by_itself(void **state)
{
	struct said s = shell_run("echo here >&2; exit 7");

	assert_string_equal(s.text, "here\n");
	assert_false(s.end.is_signal);
	assert_int_equal(s.end.status, 7);
}

static void receipt_holds_all_but_the_empty_root(void **state)
{
	struct said s = shell_run(":");

	assert_int_equal(le32_get(s.receipt.held) | RECEIPT_ROOT_EMPTY,
		receipt_must(ROLE_FOREIGN) | RECEIPT_ROOT_EMPTY);
	assert_int_equal(le32_get(s.receipt.held) & RECEIPT_ROOT_EMPTY, 0);
	assert_int_equal(le32_get(s.receipt.role), ROLE_FOREIGN);
	if (geteuid() == 0)
		assert_true(le32_get(s.receipt.uid) >= 65534);
}

static void program_has_no_environment_and_is_pid_1(void **state)
{
	struct said s = shell_run("echo \"$$ $HOME ${LD_LIBRARY_PATH-unset}\" >&2; umask >&2");

	assert_string_equal(s.text, "1  unset\n0077\n");
}

static void host_s_files_are_not_there(void **state)
{
	refused("read x </etc/passwd");
	refused("read x </proc/self/status");
	refused("read x </dev/zero");
	refused("cd /home");
	refused("cd /tmp");
	refused("test -e /proc");
	refused("test -e /sys");
	refused("test -e /etc");
}

static void its_own_files_are_there_and_read_only(void **state)
{
	struct said s = shell_run("test -r " SHELL " && test -r /lib/x86_64-linux-gnu/libc.so.6 "
				  "&& echo there >&2");

	assert_string_equal(s.text, "there\n");
	refused("echo x >/canary");
	refused("echo x >" SHELL);
	refused("echo x >>/lib/x86_64-linux-gnu/libc.so.6");
	refused("test -e /usr/bin/env");
}

static void other_programs_are_not_executed(void **state)
{
	static const char *const files[] = { "/bin/true", NULL };
	const struct foreign what = { .files = files };

	refused("/bin/true");
	/* not even where the file is to be seen: it may be read */
	struct said s = shell_run_with(&what, "test -r /bin/true && echo seen >&2; exec /bin/true");
	assert_non_null(strstr(s.text, "seen\n"));
	assert_true(s.end.is_signal || s.end.status != 0);
}

static void listed_files_may_be_read_and_nothing_else(void **state)
{
	static const char *const files[] = { "/etc/os-release", "/usr/share/doc/libc6", NULL };
	const struct foreign what = { .files = files };
	struct said s = shell_run_with(&what, "read x </etc/os-release && echo one >&2; test -d "
					      "/usr/share/doc/libc6 && echo two >&2;"
					      "{ echo x >>/etc/os-release; } 2>&- || echo three "
					      ">&2; test -e /etc/passwd || echo four >&2");

	assert_non_null(strstr(s.text, "one\n"));
	assert_non_null(strstr(s.text, "two\n"));
	assert_non_null(strstr(s.text, "four\n"));
	assert_null(strstr(s.text, "three\nx"));
}

static void descriptors_are_where_they_were_promised_and_no_others(void **state)
{
	int fds[2];
	int log[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(log, O_CLOEXEC), 0);
	const int given[] = { fds[0], log[1] };
	const struct foreign what = { .fds = given, .n_fds = 2 };
	assert_int_equal(write(fds[1], "word\n", 5), 5);
	/* a descriptor that is not open makes the shell's redirection fail */
	struct said s = shell_run_with(&what,
		"read x <&3; echo got $x >&2; echo back >&4;"
		"for i in 5 6 7 8 9; do (eval \"exec 2>&- <&$i\") && echo open $i >&2; done; :");
	char back[16] = "";
	assert_int_equal(read(log[0], back, sizeof back - 1), 5);
	assert_string_equal(back, "back\n");
	assert_string_equal(s.text, "got word\n");
	for (int i = 0; i < 2; i++) {
		(void)close(fds[i]);
		(void)close(log[i]);
	}
}

static void limits_are_hard(void **state)
{
	struct said s = shell_run("ulimit -Hc >&2; ulimit -Hn >&2; ulimit -Hl >&2");

	assert_string_equal(s.text, "0\n256\n0\n");
	refused("ulimit -n 300");
}

/* ---- starts that fail ------------------------------------------------------------------------ */

static void refused_start(const struct foreign *what, int want, const char *says)
{
	struct spawn_child c = SPAWN_CHILD_NONE;
	struct why why = { 0 };
	int err = foreign_start(what, NULL, NULL, &c, NULL, &why);

	if (err != want || strstr(why.text, says) == NULL)
		fail_msg("%d, want %d: \"%s\", want \"%s\"", err, want, why.text, says);
	assert_int_equal(c.pid, 0);
}

static void starts_that_make_no_sense_are_refused(void **state)
{
	static const char *const none[] = { NULL };
	static const char *const relative[] = { "dash", NULL };
	static const char *const missing[] = { "/usr/bin/no-such-program", NULL };
	static const char *const text[] = { "/etc/passwd", NULL };
	static const char *const shell[] = { SHELL, NULL };
	static const char *const dots[] = { "/usr/../etc/passwd", NULL };
	static const char *const gone[] = { "/etc/no-such-file", NULL };
	static const char *const device[] = { "/dev/zero", NULL };

	refused_start(&(struct foreign){ .argv = none }, -EINVAL, "whole path");
	refused_start(&(struct foreign){ .argv = relative }, -EINVAL, "whole path");
	refused_start(&(struct foreign){ .argv = missing }, -ENOENT, "no-such-program");
	refused_start(&(struct foreign){ .argv = text }, -EBADMSG, "not a program");
	refused_start(&(struct foreign){ .argv = shell, .files = dots }, -EINVAL, "plain path");
	refused_start(&(struct foreign){ .argv = shell, .files = gone }, -ENOENT, "no-such-file");
	refused_start(&(struct foreign){ .argv = shell, .files = device }, -EINVAL, "/dev/zero");
}

/* The path of a disk leads to another file than the one that was opened. */
static void a_bind_of_another_file_is_refused(void **state)
{
	static const char *const shell[] = { SHELL, NULL };
	AUTO(fd) int fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
	const struct foreign_bind bind = { .fd = fd, .from = "/etc/passwd", .at = "/disk" };
	const struct foreign_bind twice = { .fd = fd, .from = "/etc/hostname", .at = SHELL };

	assert_true(fd >= 0);
	refused_start(
		&(struct foreign){ .argv = shell, .binds = &bind, .n_binds = 1 }, -ESTALE, "/disk");
	refused_start(&(struct foreign){ .argv = shell, .binds = &twice, .n_binds = 1 }, -EEXIST,
		"there already");
}

static void too_much_is_refused(void **state)
{
	static const char *many[LIMIT_FOREIGN_ARGS + 2];
	int fds[LIMIT_CHAN_FDS + 1];
	static const char *const shell[] = { SHELL, NULL };

	for (size_t i = 0; i + 1 < ARRAY_LEN(many); i++)
		many[i] = SHELL;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = 0;
	refused_start(&(struct foreign){ .argv = many }, -EMSGSIZE, "too many");
	refused_start(&(struct foreign){ .argv = shell, .fds = fds, .n_fds = ARRAY_LEN(fds) },
		-EMSGSIZE, "too many");
}

/* ---- qemu-storage-daemon --------------------------------------------------------------------- */

struct served {
	struct spawn_child child;
	struct front f;
	int disk;
};

static int listener_make(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)unlink(socket_path);
	(void)snprintf(at.sun_path, sizeof at.sun_path, "%s", socket_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void disk_make(struct served *s)
{
	uint8_t sector[512];

	s->disk = open(disk_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(s->disk >= 0);
	for (unsigned int i = 0; i < DISK_BYTES / 512; i++) {
		memset(sector, (int)(i * 7 + 1), sizeof sector);
		assert_int_equal(pwrite(s->disk, sector, 512, (off_t)i * 512), 512);
	}
	if (geteuid() == 0)
		assert_int_equal(fchown(s->disk, USER, USER), 0);
}

static void daemon_start(struct served *s)
{
	static const char *const argv[] = { QSD, "--blockdev",
		"driver=file,node-name=d,filename=/disk", "--export",
		"type=vhost-user-blk,id=e,node-name=d,writable=on,addr.type=fd,addr.str=3", NULL };
	struct spawn_place place = SPAWN_PLACE_NONE;
	struct why why = { 0 };

	if (access(QSD, X_OK) < 0) {
		print_message("# no " QSD " (package qemu-system-common)\n");
		skip();
	}
	*s = (struct served){ .child = SPAWN_CHILD_NONE, .disk = -1 };
	disk_make(s);
	AUTO(fd) int listener = listener_make();
	const struct foreign_bind bind = {
		.fd = s->disk, .from = disk_path, .at = "/disk", .is_writable = true
	};
	const struct foreign what = {
		.argv = argv, .binds = &bind, .n_binds = 1, .fds = &listener, .n_fds = 1
	};
	if (geteuid() == 0)
		place.uid = place.gid = USER;
	place.guest_bytes = FRONT_RAM;
	if (foreign_start(&what, &place, NULL, &s->child, NULL, &why) < 0)
		fail_msg("%s", why.text);
}

/* A front end of its own, connected to the daemon. */
static void front_connect(struct served *s)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int unused = -1;

	assert_int_equal(front_open(&s->f, NULL, &unused), 0);
	(void)close(unused);
	(void)close(s->f.sock);
	s->f.sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(at.sun_path, sizeof at.sun_path, "%s", socket_path);
	assert_int_equal(connect(s->f.sock, (struct sockaddr *)&at, sizeof at), 0);
}

static void daemon_fail(struct served *s, const char *what, int err)
{
	struct said said = { 0 };
	struct pollfd p = { .fd = s->child.log_fd, .events = POLLIN };
	char end[256] = "runs";
	struct spawn_end e;

	if (poll(&p, 1, 1000) == 1 && read(s->child.log_fd, said.text, sizeof said.text - 1) < 0)
		said.text[0] = 0;
	if (spawn_reap(&s->child, &e) == 0)
		spawn_print_end(&e, end, sizeof end);
	fail_msg("%s: %d; the daemon %s; it says: %s", what, err, end, said.text);
}

static int request(struct served *s, uint32_t type, uint64_t sector, uint32_t len)
{
	struct virtio_blk_outhdr hdr = { .type = type, .sector = sector };
	const struct buf bufs[] = { { FRONT_DATA, sizeof hdr, false },
		{ FRONT_DATA + 0x1000, len, type == VIRTIO_BLK_T_IN },
		{ FRONT_DATA + 0x800, 1, true } };

	memcpy(s->f.ram + FRONT_DATA, &hdr, sizeof hdr);
	s->f.ram[FRONT_DATA + 0x800] = 0xff;
	int n = len > 0 ? front_do(&s->f, 0, bufs, 3)
			: front_do(&s->f, 0, (const struct buf[]){ bufs[0], bufs[2] }, 2);
	return n < 0 ? n : s->f.ram[FRONT_DATA + 0x800];
}

static void disk_use(struct served *s, uint8_t mark)
{
	uint8_t *data = s->f.ram + FRONT_DATA + 0x1000;
	uint8_t sector[512];

	int err = front_run(&s->f, 1ull << VIRTIO_BLK_F_FLUSH, 1);
	if (err < 0)
		daemon_fail(s, "handshake", err);
	err = request(s, VIRTIO_BLK_T_IN, 5, 4096);
	if (err != 0)
		daemon_fail(s, "read", err);
	for (unsigned int i = 0; i < 4096; i++)
		assert_int_equal(data[i], (uint8_t)((5 + i / 512) * 7 + 1));
	memset(data, mark, 512);
	assert_int_equal(request(s, VIRTIO_BLK_T_OUT, 100, 512), 0);
	assert_int_equal(request(s, VIRTIO_BLK_T_FLUSH, 0, 0), 0);
	assert_int_equal(pread(s->disk, sector, 512, 100 * 512), 512);
	assert_memory_equal(sector, data, 512);
}

static void served_end(struct served *s)
{
	front_close(&s->f);
	spawn_kill(&s->child);
	(void)close(s->disk);
	(void)unlink(disk_path);
	(void)unlink(socket_path);
}

static void daemon_serves_a_disk_from_inside_the_sandbox(void **state)
{
	struct served s;

	daemon_start(&s);
	front_connect(&s);
	disk_use(&s, 0xa5);
	/* the front end goes, another comes: the daemon has not noticed more than that */
	front_close(&s.f);
	front_connect(&s);
	disk_use(&s, 0x5a);
	served_end(&s);
}

/* In /proc, from outside: what the daemon was left with, now that it runs. */
static void daemon_runs_confined(void **state)
{
	static const char *const lines[] = { "\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n",
		"\nCapEff:\t0000000000000000\n", "\nCapBnd:\t0000000000000000\n",
		"\nCapAmb:\t0000000000000000\n" };
	struct served s;
	char path[64];
	char text[4096];

	daemon_start(&s);
	front_connect(&s);
	disk_use(&s, 0x11);
	(void)snprintf(path, sizeof path, "/proc/%d/status", s.child.pid);
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof text - 1);
	assert_true(n > 0);
	text[n] = 0;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (strstr(text, lines[i]) == NULL)
			fail_msg("not \"%s\" in %s", lines[i] + 1, text);
	(void)snprintf(path, sizeof path, "/proc/%d/coredump_filter", s.child.pid);
	AUTO(fd) int filter = open(path, O_RDONLY | O_CLOEXEC);
	n = filter < 0 ? 0 : read(filter, text, 8); /* not ours to read without root */
	if (geteuid() == 0)
		assert_memory_equal(text, "00000000", 8);
	served_end(&s);
}

/* ---- ------------------------------------------------------------------------------------------ */

static int paths_make(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL || chmod(folder, 0711) < 0)
		return -1;
	(void)snprintf(disk_path, sizeof disk_path, "%s/disk", folder);
	(void)snprintf(socket_path, sizeof socket_path, "%s/sock", folder);
	return 0;
}

static int paths_remove(void **state)
{
	(void)state;
	(void)unlink(disk_path); /* of a test that failed */
	(void)unlink(socket_path);
	return rmdir(folder);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(program_runs_and_ends_by_itself),
		cmocka_unit_test(receipt_holds_all_but_the_empty_root),
		cmocka_unit_test(program_has_no_environment_and_is_pid_1),
		cmocka_unit_test(host_s_files_are_not_there),
		cmocka_unit_test(its_own_files_are_there_and_read_only),
		cmocka_unit_test(other_programs_are_not_executed),
		cmocka_unit_test(listed_files_may_be_read_and_nothing_else),
		cmocka_unit_test(descriptors_are_where_they_were_promised_and_no_others),
		cmocka_unit_test(limits_are_hard),
		cmocka_unit_test(starts_that_make_no_sense_are_refused),
		cmocka_unit_test(a_bind_of_another_file_is_refused),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(daemon_serves_a_disk_from_inside_the_sandbox),
		cmocka_unit_test(daemon_runs_confined),
	};

	is_rootless = argc == 2 && strcmp(argv[1], "--rootless") == 0;
	if (is_rootless && geteuid() == 0 &&
		(setgroups(0, NULL) < 0 || setresgid(USER, USER, USER) < 0 ||
			setresuid(USER, USER, USER) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0))
		return 1;
	return cmocka_run_group_tests_name("foreign", tests, paths_make, paths_remove);
}
