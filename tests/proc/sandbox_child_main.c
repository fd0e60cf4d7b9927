/* A child of role "test": enters its sandbox, does one forbidden or allowed thing, reports. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "tests/proc/test_proto.h"

#define FD_FOLDER 5

static uint32_t err_of(long result)
{
	return result < 0 ? (uint32_t)errno : 0;
}

static uint32_t count_root(void)
{
	uint32_t n = 0;
	DIR *d = opendir("/");

	if (d == NULL)
		return errno == EACCES ? 0 : 1000; /* Landlock does not even let us look */
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		n++;
	return n - 2;
}

static uint32_t count_caps(void)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = { 0 };

	(void)syscall(SYS_capget, &hdr, sets);
	return (uint32_t)__builtin_popcount(
		sets[0].effective | sets[0].permitted | sets[1].effective | sets[1].permitted);
}

static uint32_t folder_escape(void)
{
	struct stat here;
	struct stat above;

	if (fstatat(FD_FOLDER, ".", &here, 0) < 0 || fstatat(FD_FOLDER, "../../..", &above, 0) < 0)
		return (uint32_t)errno;
	return here.st_ino == above.st_ino && here.st_dev == above.st_dev ? 0 : 1;
}

static uint32_t folder_use(void)
{
	int fd = openat(FD_FOLDER, "made-by-child", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "x", 1) != 1)
		return (uint32_t)errno;
	return err_of(unlinkat(FD_FOLDER, "made-by-child", 0));
}

/* A folder of the host that was open before: below it, but not above it. */
static int usr_fd = -1;

static uint32_t landlock_holds(void)
{
	int below = openat(usr_fd, "lib", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (below < 0)
		return (uint32_t)errno + 1000;
	return err_of(openat(usr_fd, "../etc/passwd", O_RDONLY | O_CLOEXEC));
}

static uint32_t file_read(void)
{
	char byte = 0;

	return pread(4, &byte, 1, 0) == 1 ? (uint32_t)byte : 1000;
}

static void int80(void)
{
	long nr = 20; /* getpid of the 32-bit table */

	__asm__ volatile("int $0x80" : "+a"(nr) : : "memory");
}

static uint32_t act(const char *what)
{
	char *const none[] = { NULL };

#define DO(name, expr)                                                                             \
	if (strcmp(what, name) == 0)                                                               \
	return (uint32_t)(expr)
	DO("nothing", 0);
	DO("count-root", count_root());
	DO("count-caps", count_caps());
	DO("dumpable", prctl(PR_GET_DUMPABLE));
	DO("no-new-privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	DO("uid", geteuid());
	DO("pid", getpid());
	DO("canary", sandbox_check() == 0);
	DO("read-file", file_read());
	DO("folder-use", folder_use());
	DO("folder-escape", folder_escape());
	DO("landlock", landlock_holds());
	DO("make-in-root", err_of(mkdirat(AT_FDCWD, "/x", 0700)));
	DO("open-passwd", err_of(open("/etc/passwd", O_RDONLY | O_CLOEXEC)));
	DO("socket-unix", err_of(socket(AF_UNIX, SOCK_STREAM, 0)));
	DO("ioctl-listed", err_of(ioctl(3, FIONREAD, &(int){ 0 })) == ENOSYS);
	DO("clone3", err_of(syscall(SYS_clone3, NULL, 0)));
	DO("malloc", malloc(8u << 20) == NULL);
	DO("malloc-much", malloc(512u << 20) == NULL);
	/* From here on everything kills. */
	DO("open-o-path", err_of(open("/", O_PATH | O_CLOEXEC)));
	DO("socket-inet", err_of(socket(AF_INET, SOCK_STREAM, 0)));
	DO("socket-seqpacket", err_of(socket(AF_UNIX, SOCK_SEQPACKET, 0)));
	DO("execve", err_of(execve("/bin/true", none, none)));
	DO("execveat", err_of(syscall(SYS_execveat, 4, "", none, none, AT_EMPTY_PATH)));
	DO("fork", err_of(fork()));
	DO("ptrace", err_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
	DO("unshare", err_of(unshare(CLONE_NEWUSER)));
	DO("setns", err_of(syscall(SYS_setns, 4, 0)));
	DO("mount", err_of(mount(NULL, "/", NULL, MS_REMOUNT, NULL)));
	DO("chroot", err_of(chroot("/")));
	DO("mmap-exec", err_of((long)(intptr_t)mmap(NULL, 4096, PROT_READ | PROT_EXEC,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
	DO("mprotect-exec", err_of(syscall(SYS_mprotect, 0, 0, PROT_EXEC)));
	DO("ioctl-tiocsti", err_of(ioctl(3, TIOCSTI, "x")));
	DO("fcntl-setfl", err_of(fcntl(3, F_SETFL, 0)));
	DO("prctl-other", err_of(prctl(PR_SET_NAME, "x")));
	DO("kill", err_of(syscall(SYS_kill, 1, 0)));
	DO("bpf", err_of(syscall(SYS_bpf, 0, NULL, 0)));
	DO("io-uring", err_of(syscall(SYS_io_uring_setup, 1, NULL)));
	DO("userfaultfd", err_of(syscall(SYS_userfaultfd, 0)));
	DO("keyctl", err_of(syscall(SYS_keyctl, 0, 0, 0, 0, 0)));
	DO("process-vm-readv", err_of(syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0)));
	DO("open-by-handle", err_of(syscall(SYS_open_by_handle_at, 3, NULL, 0)));
	DO("memfd", err_of(syscall(SYS_memfd_create, "x", 0)));
	DO("prlimit", err_of(syscall(SYS_prlimit64, 0, 0, NULL, NULL)));
	DO("x32", err_of(syscall(0x40000000 + SYS_read, 0, NULL, 0)));
	DO("int80", (int80(), 0));
	DO("wait", err_of(nanosleep(&(struct timespec){ .tv_sec = 1000 }, NULL)));
	return 0xffffffffu;
}

static void *thread_main(void *arg)
{
	(void)pause();
	return arg;
}

int main(int argc, char **argv)
{
	struct why why = { 0 };
	struct chan chan = { .fd = -1 };
	char what[64] = { 0 };
	pthread_t thread;

	(void)argv;
	if (!spawn_is_child(argc))
		return 2;
	int err = child_start(ROLE_TEST, &chan, &why);
	if (err == 0)
		err = child_recv_config(&chan, 1, sizeof what - 1, 0, 0, &why);
	if (err == 0)
		memcpy(what, chan.in->buf, chan.in->len);
	if (err == 0 && strcmp(what, "thread-first") == 0)
		err = -pthread_create(&thread, NULL, thread_main, NULL);
	if (err == 0 && strcmp(what, "landlock") == 0)
		usr_fd = open("/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (err == 0)
		err = sandbox_enter(ROLE_TEST, &why);
	if (err == 0 && strcmp(what, "enter-twice") == 0)
		err = sandbox_prepare(ROLE_TEST, &why);
	if (err == 0)
		err = child_send_ready(&chan);
	if (err == 0) {
		struct wire_result result = { .value = le32_of(act(what)) };
		err = chan_send(&chan, TEST_MSG_RESULT, &result, sizeof result, NULL, 0);
	}
	return child_end(&chan, err, &why);
}
