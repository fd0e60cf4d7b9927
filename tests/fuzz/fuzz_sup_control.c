/*
 * The files that say which guests run, and the three verbs that read them, as if somebody else wrote
 * them: sup_cmd_list(), sup_cmd_show(), sup_cmd_stop() with names and files from the input.
 * Reaches entry_path(), entry_read(), is_whole(), is_whole_process(), every way to print them.
 *
 * Locks, pidfds and signals are exchanged by the linker. A line with a byte that a terminal would obey,
 * JSON that is none, a file opened outside the folder, a signal to another process than the one that
 * holds the lock, and a descriptor that is left are findings.
 *
 * Input: u8 flags (low two bits: the verb; 4: --json, --force; 8: nobody holds the lock; 16: another does
 * at the second look; 32: the folder is others' too; 64: the file is named as the guest), u8 length
 * of the guest's name, the name, then the file. A file of 8 bytes and more that begins with "casemate"
 * is filled up with zeros to a whole one.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/rd.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/guard.h"
#include "vmm/super/sup_control.h"

#define SOMEBODY    12345 /* uid of the tests when they are root's: root's folder is the host's own */
#define HOLDER      4242
#define FDS_COUNTED 256

enum flag {
	FLAG_VERB = 3,
	FLAG_OPTION = 4,
	FLAG_DEAD = 8,
	FLAG_CHANGES = 16,
	FLAG_OPEN = 32,
	FLAG_NAMED = 64,
};

static struct {
	bool is_on;
	uint8_t flags;
	unsigned int looks; /* at the lock */
	int pidfd;
	pid_t pid; /* pidfd's */
} run;

static char top[] = "/tmp/casemate-fuzz-XXXXXX";
static char folder[64]; /* of the guests' files */

/* ---- what the linker exchanges ---------------------------------------------------------------- */

uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

uid_t __wrap_geteuid(void)
{
	uid_t uid = __real_geteuid();

	return uid == 0 ? SOMEBODY : uid;
}

int __wrap_open64(const char *path, int flags, ...)
{
	size_t len = strlen(folder);

	if (run.is_on && (strncmp(path, folder, len) != 0 || path[len] != '/' ||
				 strchr(path + len + 1, '/') != NULL ||
				 strcmp(path + len, "/..") == 0 || (flags & O_NOFOLLOW) == 0))
		finding("a file outside the folder");
	return __real_open64(path, flags, 0600);
}

int __wrap_fcntl64(int fd, int command, ...)
{
	va_list ap;

	va_start(ap, command);
	struct flock *lock = va_arg(ap, struct flock *);
	va_end(ap);
	if (!run.is_on || command != F_GETLK)
		return __real_fcntl64(fd, command, lock);
	lock->l_type = (run.flags & FLAG_DEAD) != 0 ? F_UNLCK : F_WRLCK;
	lock->l_pid = HOLDER + ((run.flags & FLAG_CHANGES) != 0 && run.looks > 0);
	run.looks++;
	return 0;
}

/* Hands on six arguments, however many there are, as the C library's own does. */
__attribute__((no_sanitize("address"))) long __wrap_syscall(long number, ...)
{
	long args[6];
	va_list ap;

	va_start(ap, number);
	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		args[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_pidfd_open) {
		run.pid = (pid_t)args[0];
		run.pidfd = eventfd(1, EFD_CLOEXEC); /* readable: it has ended */
		return run.pidfd;
	}
	if (number != SYS_pidfd_send_signal)
		return __real_syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
	if ((int)args[0] != run.pidfd || run.pid != HOLDER || (run.flags & FLAG_CHANGES) != 0)
		finding("a signal to a process that is not the supervisor");
	return 0;
}

/* ---- what people and programs see --------------------------------------------------------------- */

static void text_check(const char *text, size_t len, bool is_json)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != '\n' && (text[i] < 0x20 || text[i] > 0x7e))
			finding("a byte that a terminal would obey");
	if (!is_json || len == 0)
		return;
	/* Of 64 bits without a sign, too. */
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	if (j == NULL)
		finding("JSON that is none");
	json_decref(j);
}

/* ---- one input ---------------------------------------------------------------------------------- */

static void folder_make(void)
{
	if (mkdtemp(top) == NULL || chmod(top, 0711) < 0)
		finding("no folder to test");
	(void)snprintf(folder, sizeof folder, "%s/casemate", top);
	if (setenv("XDG_RUNTIME_DIR", top, 1) < 0 || mkdir(folder, 0700) < 0 ||
		(__real_geteuid() == 0 && chown(folder, SOMEBODY, SOMEBODY) < 0))
		finding("no folder to test");
}

static void folder_remove(void)
{
	(void)rmdir(folder);
	(void)rmdir(top);
}

/* As entry_path() would name it, or plainly. */
static void file_write(const char *name, const uint8_t *data, size_t len, char ret[PATH_MAX])
{
	struct wire_guest whole = { 0 };

	(void)snprintf(ret, PATH_MAX, "%s/%s", folder, (run.flags & FLAG_NAMED) != 0 ? name : "g");
	for (char *p = ret + strlen(folder) + 1; *p != 0; p++)
		if (*p == '/')
			*p = '+';
	int fd = __real_open64(ret, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return; /* a name that no file has */
	if (len >= 8 && memcmp(data, "casemate", 8) == 0 && len < sizeof whole &&
		ftruncate(fd, sizeof whole) < 0)
		finding("no file to test");
	if (fd_pwrite_all(fd, data, len, 0) < 0)
		finding("no file to test");
	(void)close(fd);
}

static void verb_run(char *name)
{
	static int (*const verbs[])(int, char **) = { sup_cmd_list, sup_cmd_show, sup_cmd_stop };
	static const char *const options[] = { "--json", "--json", "--force" };
	unsigned int verb = (run.flags & FLAG_VERB) % 3;
	bool has_option = (run.flags & FLAG_OPTION) != 0;
	char verb_name[] = "verb";
	char option[8];
	char *argv[4] = { verb_name };
	int argc = 1;
	char *out = NULL;
	char *err = NULL;
	size_t out_len = 0;
	size_t err_len = 0;
	FILE *const real[2] = { stdout, stderr };

	(void)snprintf(option, sizeof option, "%s", options[verb]);
	if (has_option)
		argv[argc++] = option;
	if (verb > 0)
		argv[argc++] = name;
	stdout = open_memstream(&out, &out_len);
	stderr = open_memstream(&err, &err_len);
	if (stdout == NULL || stderr == NULL)
		abort();
	run.is_on = true;
	(void)verbs[verb](argc, argv);
	run.is_on = false;
	(void)fclose(stdout);
	(void)fclose(stderr);
	stdout = real[0];
	stderr = real[1];
	/* A name with a dash is an option: --help is no JSON. */
	text_check(out, out_len, has_option && verb < 2 && (verb == 0 || name[0] != '-'));
	text_check(err, err_len, false);
	free(out);
	free(err);
}

static unsigned int fds_count(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < FDS_COUNTED; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_of(data, size);
	char name[256] = "";
	char path[PATH_MAX];

	if (folder[0] == 0) {
		folder_make();
		(void)atexit(folder_remove);
	}
	unsigned int before = fds_count();
	run.flags = rd_u8(&r);
	run.looks = 0;
	run.pidfd = -1;
	size_t len = rd_u8(&r); /* MIN() asks twice */
	rd_copy(&r, name, MIN(len, r.left));
	len = r.left;
	file_write(name, rd_bytes(&r, len), len, path);
	if (chmod(folder, (run.flags & FLAG_OPEN) != 0 ? 0755 : 0700) < 0)
		finding("no folder to test");
	verb_run(name);
	(void)unlink(path);
	if (fds_count() != before)
		finding("a descriptor leaked, or one that was not theirs is closed");
	return 0;
}
