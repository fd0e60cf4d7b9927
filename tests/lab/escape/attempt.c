#include "tests/lab/escape/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cdefs.h"
#include "tests/lab/escape/order.h"

#define FDS_PROBED 1024

long attempt_call(
	long nr, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f)
{
	long got = syscall(nr, a, b, c, d, e, f);

	return got < 0 ? -errno : got;
}

#define CALL_(nr, a, b, c, d, e, f, ...)                                                           \
	attempt_call(nr, (uintptr_t)(a), (uintptr_t)(b), (uintptr_t)(c), (uintptr_t)(d),           \
		(uintptr_t)(e), (uintptr_t)(f))
#define CALL(...) CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* Strings and structures that calls point to; the victim's are in the order. */
#define VICTIM_DISK ((const char *)(uintptr_t)order.victim_disk)

/* ---- small stories ---------------------------------------------------------------------------- */

/* Every descriptor there may be, with the same call: the first success, else the last error but
 * EBADF, which only says that there is none of that number. */
static long for_each_fd(long (*one)(int fd))
{
	long worst = -EBADF;

	for (int fd = 0; fd < FDS_PROBED; fd++) {
		long got = one(fd);
		if (got >= 0)
			return got;
		if (got != -EBADF)
			worst = got;
	}
	return worst;
}

static long shadow_below(int fd)
{
	return CALL(SYS_openat, fd, "../../../../../../../../etc/shadow", O_RDONLY);
}

static long disk_below(int fd)
{
	char path[sizeof order.victim_disk + 32] = "../../../../../../../..";

	(void)strcat(path, VICTIM_DISK);
	return CALL(SYS_openat, fd, path, O_RDWR);
}

static long change_to(int fd)
{
	return CALL(SYS_fchdir, fd);
}

static long execute(int fd)
{
	static char *const none[] = { NULL };

	return CALL(SYS_execveat, fd, "", none, none, AT_EMPTY_PATH);
}

static long map_executable(int fd)
{
	return CALL(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
}

static long kvm_create(int fd)
{
	return CALL(SYS_ioctl, fd, 0xae01 /* KVM_CREATE_VM */, 0);
}

static long terminal_type(int fd)
{
	static char c = 'x';

	return CALL(SYS_ioctl, fd, 0x5412 /* TIOCSTI */, &c);
}

static long tap_make(int fd)
{
	static char ifr[40] = "escape0";

	return CALL(SYS_ioctl, fd, 0x400454ca /* TUNSETIFF */, ifr);
}

static long join_namespace(int fd)
{
	return CALL(SYS_setns, fd, 0);
}

static long steal_from(int fd)
{
	return CALL(SYS_pidfd_getfd, fd, 0, 0);
}

static long signal_through(int fd)
{
	return CALL(SYS_pidfd_send_signal, fd, 0, 0, 0);
}

static long own_by_signal(int fd)
{
	return CALL(SYS_fcntl, fd, F_SETOWN, 1);
}

/* The kernel takes the flags and leaves the mode as it is: what counts is the mode. */
static long add_rights(int fd)
{
	long was = CALL(SYS_fcntl, fd, F_GETFL);
	long got = was < 0 ? was : CALL(SYS_fcntl, fd, F_SETFL, was | O_RDWR);
	long is = got < 0 ? got : CALL(SYS_fcntl, fd, F_GETFL);

	return is < 0 ? is : (is & O_ACCMODE) == (was & O_ACCMODE) ? -EBADF : 0;
}

static long shrink(int fd)
{
	return CALL(SYS_ftruncate, fd, 1);
}

#define EACH(name, one)                                                                            \
	static long name(void)                                                                     \
	{                                                                                          \
		return for_each_fd(one);                                                           \
	}
EACH(shadow_below_any, shadow_below)
EACH(disk_below_any, disk_below)
EACH(change_to_any, change_to)
EACH(execute_any, execute)
EACH(map_executable_any, map_executable)
EACH(kvm_create_any, kvm_create)
EACH(terminal_type_any, terminal_type)
EACH(tap_make_any, tap_make)
EACH(join_namespace_any, join_namespace)
EACH(steal_from_any, steal_from)
EACH(signal_through_any, signal_through)
EACH(own_by_signal_any, own_by_signal)
EACH(add_rights_any, add_rights)
EACH(shrink_any, shrink)

/* A child, if there is one, ends at once; the parent alone comes back. */
static long fork_by(long nr, uintptr_t a, uintptr_t b)
{
	long pid = attempt_call(nr, a, b, 0, 0, 0, 0);

	if (pid == 0)
		(void)syscall(SYS_exit_group, 0);
	return pid;
}

static long fork_old(void)
{
	return fork_by(SYS_fork, 0, 0);
}

static long fork_clone(void)
{
	return fork_by(SYS_clone, SIGCHLD, 0);
}

static long fork_namespaces(void)
{
	return fork_by(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0);
}

static long fork_clone3(void)
{
	static struct clone_args args = { .exit_signal = SIGCHLD };

	return fork_by(SYS_clone3, (uintptr_t)&args, sizeof args);
}

#define BOMB_FORKS 256

static long fork_bomb(void)
{
	for (int i = 0; i < BOMB_FORKS; i++) {
		long pid = attempt_call(SYS_fork, 0, 0, 0, 0, 0, 0);
		if (pid == 0) {
			struct timespec second = { .tv_sec = 1 };
			(void)syscall(SYS_nanosleep, &second, NULL);
			(void)syscall(SYS_exit_group, 0);
		}
		if (pid < 0)
			return pid;
	}
	return BOMB_FORKS;
}

#define BOMB_PIECE (16ul << 20)
#define BOMB_BYTES (1ul << 30)

/* Until it is refused, or killed by the limit of its cgroup. */
static long memory_bomb(void)
{
	for (unsigned long n = 0; n < BOMB_BYTES; n += BOMB_PIECE) {
		long at = CALL(SYS_mmap, 0, BOMB_PIECE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at < 0)
			return at;
		for (unsigned long i = 0; i < BOMB_PIECE; i += 4096)
			((volatile char *)at)[i] = 1;
	}
	return 0;
}

static long heap_bomb(void)
{
	long now = CALL(SYS_brk, 0);
	long want = now + (long)BOMB_BYTES;

	return CALL(SYS_brk, want) >= want ? 0 : -ENOMEM;
}

static long lock_memory(void)
{
	long at = CALL(SYS_mmap, 0, BOMB_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at < 0 ? at : CALL(SYS_mlock, at, BOMB_BYTES);
}

static long memfd_execute(void)
{
	static const char script[] = "#!/bin/sh\n";
	static char *const none[] = { NULL };
	long fd = CALL(SYS_memfd_create, "escape", 0);

	if (fd < 0)
		return fd;
	ssize_t n = write((int)fd, script, sizeof script - 1);
	(void)n;
	return CALL(SYS_execveat, fd, "", none, none, AT_EMPTY_PATH);
}

static uint8_t data_page[8192] __attribute__((aligned(4096))) = { 0xc3 };

static long socket_peer(const char *path, size_t len)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	long fd = CALL(SYS_socket, AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0)
		return fd;
	memcpy(to.sun_path, path, len);
	return CALL(SYS_connect, fd, &to, offsetof(struct sockaddr_un, sun_path) + len);
}

static long connect_path(void)
{
	const char *path = (const char *)(uintptr_t)order.victim_socket;

	return socket_peer(path, strlen(path) + 1);
}

static long connect_abstract(void)
{
	const char *name = (const char *)(uintptr_t)order.victim_abstract;

	return socket_peer(name, sizeof order.victim_abstract);
}

/* Sockets that exist, sent to where the guest next door listens. */
static long send_elsewhere(int fd)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = {
		.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &iov, .msg_iovlen = 1
	};

	memcpy(to.sun_path, (const char *)(uintptr_t)order.victim_socket, sizeof to.sun_path);
	return CALL(SYS_sendmsg, fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
}
EACH(send_elsewhere_any, send_elsewhere)

static long victim_memory(long nr)
{
	static char byte;
	struct iovec mine = { &byte, 1 };
	struct iovec theirs = { (void *)(uintptr_t)0x400000, 1 };

	return CALL(nr, order.victim_pid, &mine, 1, &theirs, 1, 0);
}

static long victim_read(void)
{
	return victim_memory(SYS_process_vm_readv);
}

static long victim_write(void)
{
	return victim_memory(SYS_process_vm_writev);
}

/* The one signal the filters let through, for abort(): to somebody else. */
static long victim_abort(void)
{
	return CALL(SYS_tgkill, order.victim_pid, order.victim_pid, SIGABRT);
}

#define VICTIM(name, nr, ...)                                                                      \
	static long name(void)                                                                     \
	{                                                                                          \
		return CALL(nr, __VA_ARGS__);                                                      \
	}
VICTIM(victim_attach, SYS_ptrace, PTRACE_SEIZE, order.victim_pid, 0, 0)
VICTIM(victim_kill, SYS_kill, order.victim_pid, 0)
VICTIM(victim_tkill, SYS_tkill, order.victim_pid, 0)
VICTIM(victim_pidfd, SYS_pidfd_open, order.victim_pid, 0)
VICTIM(victim_queue, SYS_rt_sigqueueinfo, order.victim_pid, SIGCONT, data_page)
VICTIM(victim_limits, SYS_prlimit64, order.victim_pid, RLIMIT_NOFILE, 0, data_page)
VICTIM(victim_affinity, SYS_sched_getaffinity, order.victim_pid, 128, data_page)
VICTIM(victim_robust, SYS_get_robust_list, order.victim_pid, data_page, data_page + 64)
VICTIM(victim_kcmp, SYS_kcmp, order.victim_pid, order.victim_pid, 0, 0, 0)
VICTIM(victim_pages, SYS_move_pages, order.victim_pid, 0, 0, 0, 0, 0)
VICTIM(victim_session, SYS_getsid, order.victim_pid)
VICTIM(victim_group, SYS_getpgid, order.victim_pid)
VICTIM(own_write, SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR)

/* What /proc has of the process next door. */
static long victim_open(const char *name, int flags)
{
	char path[64] = "/proc/";
	char digits[12];
	unsigned int n = sizeof digits;

	for (int pid = order.victim_pid; n > 0 && pid > 0; pid /= 10)
		digits[--n] = (char)('0' + pid % 10);
	(void)strncat(path, digits + n, sizeof digits - n);
	(void)strcat(path, name);
	return CALL(SYS_openat, AT_FDCWD, path, flags);
}

static long victim_mem(void)
{
	return victim_open("/mem", O_RDWR);
}

static long victim_environment(void)
{
	return victim_open("/environ", O_RDONLY);
}

static long victim_map(void)
{
	return victim_open("/maps", O_RDONLY);
}

/* Labels that the next program, file or socket would get; a domain entered without executing one. */
static long label_write(const char *path)
{
	static const char label[] = "unconfined_u:unconfined_r:unconfined_t:s0";
	long fd = CALL(SYS_openat, AT_FDCWD, path, O_RDWR);

	return fd < 0 ? fd : CALL(SYS_write, fd, label, sizeof label - 1);
}

static long label_current(void)
{
	return label_write("/proc/thread-self/attr/current");
}

static long label_exec(void)
{
	return label_write("/proc/thread-self/attr/exec");
}

static long label_file(void)
{
	return label_write("/proc/thread-self/attr/fscreate");
}

static long label_socket(void)
{
	return label_write("/proc/thread-self/attr/sockcreate");
}

/* Of its own ids and domain: nothing but the promise that nobody here traces is in the way. */
static long child_trace(void)
{
	long pid = CALL(SYS_fork);

	if (pid == 0) {
		struct timespec second = { .tv_sec = 1 };
		(void)syscall(SYS_nanosleep, &second, NULL);
		(void)syscall(SYS_exit_group, 0);
	}
	return pid < 0 ? pid : CALL(SYS_ptrace, PTRACE_SEIZE, pid, 0, 0);
}

/* Who started it has the ids of the program then: no capability is asked for. */
static long parent_kill(void)
{
	return CALL(SYS_kill, CALL(SYS_getppid), 0);
}

/* 32-bit calls of a 64-bit program: number 20 is getpid there. */
static long call_int80(void)
{
	long got;

	__asm__ volatile("int $0x80" : "=a"(got) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
	return got;
}

/* A filter of its own that lets everything through does not replace the one that is there. */
static long filter_replace(void)
{
	static struct {
		uint16_t code;
		uint8_t jt, jf;
		uint32_t k;
	} allow = { 6 /* BPF_RET | BPF_K */, 0, 0, 0x7fff0000 };
	static struct {
		uint16_t n;
		void *at;
	} program = { 1, &allow };

	return CALL(SYS_seccomp, 1 /* SECCOMP_SET_MODE_FILTER */, 0, &program);
}

static long caps_take(void)
{
	static struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	static struct __user_cap_data_struct all[2] = { { ~0u, ~0u, ~0u },
		{ 0x1ff, 0x1ff, 0x1ff } };

	return CALL(SYS_capset, &hdr, all);
}

static const struct rlimit64 unlimited = { RLIM64_INFINITY, RLIM64_INFINITY };

static long limit_raise(int what)
{
	return CALL(SYS_prlimit64, 0, what, &unlimited, 0);
}

static long limit_files(void)
{
	return limit_raise(RLIMIT_NOFILE);
}

static long limit_processes(void)
{
	return limit_raise(RLIMIT_NPROC);
}

static long limit_core(void)
{
	return limit_raise(RLIMIT_CORE);
}

/* Descriptors without end: copies of one that is there. */
static long descriptors_eat(void)
{
	for (int i = 0; i < 100000; i++) {
		long got = CALL(SYS_dup, 2);
		if (got < 0)
			return got;
	}
	return 0;
}

/* ---- its own disk, which the policy calls read-only ------------------------------------------- */

#define FIRST_OF_CONFIG 4 /* before it: /dev/null, the log, the channel */

static long disk_pwrite(int fd)
{
	return fd < FIRST_OF_CONFIG ? -EBADF : CALL(SYS_pwrite64, fd, "x", 1, 0);
}

static long disk_pwritev(int fd)
{
	static char byte = 'x';
	static struct iovec iov = { &byte, 1 };

	return fd < FIRST_OF_CONFIG ? -EBADF : CALL(SYS_pwritev, fd, &iov, 1, 0, 0);
}

/* Anonymous descriptors cannot be mapped, and guest memory is its own to write. */
static long disk_map(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || fcntl(fd, F_GET_SEALS) >= 0)
		return -EBADF;
	return CALL(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static long disk_punch(int fd)
{
	return CALL(SYS_fallocate, fd, 3, 0, 4096);
}

static long disk_zero(int fd)
{
	return CALL(SYS_fallocate, fd, 0x11, 0, 4096);
}

static long disk_discard(int fd)
{
	static uint64_t range[2] = { 0, 4096 };

	return CALL(SYS_ioctl, fd, 0x1277 /* BLKDISCARD */, range);
}

static long disk_reopen(int fd)
{
	char path[32] = "/proc/self/fd/xx";

	path[14] = (char)('0' + fd / 10 % 10);
	path[15] = (char)('0' + fd % 10);
	return CALL(SYS_openat, AT_FDCWD, path, O_RDWR);
}

EACH(disk_pwrite_any, disk_pwrite)
EACH(disk_pwritev_any, disk_pwritev)
EACH(disk_map_any, disk_map)
EACH(disk_punch_any, disk_punch)
EACH(disk_zero_any, disk_zero)
EACH(disk_discard_any, disk_discard)
EACH(disk_reopen_any, disk_reopen)

/* ---- the table -------------------------------------------------------------------------------- */

#define P(x) ((uintptr_t)(x))
#define CWD  ((uintptr_t)AT_FDCWD)
#define NONE ATTEMPT_FILTER_ONLY
#define HERE ATTEMPT_NOT_AS_ROOT
#define MAC  ATTEMPT_LABEL
#define OURS (ATTEMPT_LABEL | ATTEMPT_LABELLED)
/* There is no file of that name: the root is empty. */
#define NO_FILE                                                                                    \
	{                                                                                          \
		ENOENT, EROFS, ENOTDIR                                                             \
	}
/* There is no such process in its namespace. */
#define NO_PROCESS                                                                                 \
	{                                                                                          \
		ESRCH                                                                              \
	}
#define LIMITED                                                                                    \
	{                                                                                          \
		EAGAIN, ENOMEM, EMFILE                                                             \
	}
/* The kernel has no such sockets. */
#define NO_FAMILY                                                                                  \
	{                                                                                          \
		EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT                                     \
	}

static struct open_how how = { .flags = O_RDONLY };
static struct {
	unsigned int bytes;
	int type;
	uint8_t handle[128];
} handle = { 8, 1, { 2 } };
static struct iovec data_iov = { data_page, 4096 };
static struct sched_param realtime = { .sched_priority = 1 };
static struct timeval now = { .tv_sec = 1 };
static struct timespec now_ns = { .tv_sec = 1 };
static uint32_t sched_attr[14] = { 56, 1 /* SCHED_FIFO */, 0, 0, 0, 1 };
static uint64_t landlock[3];
static int pair[2];
static struct timex clock_set = { .modes = ADJ_OFFSET };
static uint32_t bpf_map[4] = { 2 /* an array */, 4, 4, 1 };
static uint8_t perf[128] = { 1, 0, 0, 0, 128 };

/* clang-format off */
const struct attempt attempts[] = {
	/* Files of the host, of the guest next door, of its own. */
	{ "files", "open /etc/shadow", MAC, SYS_openat, { CWD, P("/etc/shadow"), O_RDONLY }, NULL, NO_FILE },
	{ "files", "open /etc/shadow with open(2)", MAC, SYS_open, { P("/etc/shadow"), O_RDONLY }, NULL, NO_FILE },
	{ "files", "open /etc/shadow with openat2", MAC, SYS_openat2, { CWD, P("/etc/shadow"), P(&how), sizeof how }, NULL, NO_FILE },
	{ "files", "open /etc/shadow from every descriptor", 0, 0, { 0 }, shadow_below_any, { ENOENT, ENOTDIR, EBADF } },
	{ "files", "open the root folder", NONE, SYS_openat, { CWD, P("/"), O_RDONLY | O_DIRECTORY }, NULL, NO_FILE },
	{ "files", "open /proc/1/mem", MAC, SYS_openat, { CWD, P("/proc/1/mem"), O_RDWR }, NULL, NO_FILE },
	{ "files", "open /proc/self/mem", 0, 0, { 0 }, own_write, NO_FILE },
	{ "files", "open /proc/self/exe", 0, SYS_openat, { CWD, P("/proc/self/exe"), O_RDONLY }, NULL, NO_FILE },
	{ "files", "open /proc/sys/kernel/core_pattern", HERE, SYS_openat, { CWD, P("/proc/sys/kernel/core_pattern"), O_WRONLY }, NULL, NO_FILE },
	{ "files", "open /dev/kvm", MAC, SYS_openat, { CWD, P("/dev/kvm"), O_RDWR }, NULL, NO_FILE },
	{ "files", "open /dev/sev", MAC, SYS_openat, { CWD, P("/dev/sev"), O_RDWR }, NULL, { ENOENT, EROFS, ENOTDIR, ENXIO, ENODEV } },
	{ "files", "open /dev/mem", MAC, SYS_openat, { CWD, P("/dev/mem"), O_RDWR }, NULL, { ENOENT, EROFS, ENOTDIR, ENXIO, ENODEV } },
	{ "files", "open /dev/net/tun", MAC, SYS_openat, { CWD, P("/dev/net/tun"), O_RDWR }, NULL, { ENOENT, EROFS, ENOTDIR, ENXIO, ENODEV } },
	{ "files", "open /sys/kernel/uevent_helper", HERE, SYS_openat, { CWD, P("/sys/kernel/uevent_helper"), O_WRONLY }, NULL, NO_FILE },
	{ "files", "open the disk of the guest next door", MAC, SYS_openat, { CWD, P(&order.victim_disk), O_RDWR }, NULL, NO_FILE },
	{ "files", "open the memory of a process next door", MAC, 0, { 0 }, victim_mem, NO_FILE },
	{ "files", "open the variables of a process next door", MAC, 0, { 0 }, victim_environment, NO_FILE },
	{ "files", "open the map of a process next door", MAC, 0, { 0 }, victim_map, NO_FILE },
	{ "files", "open its own program to write", MAC, SYS_openat, { CWD, P("/proc/self/exe"), O_RDWR }, NULL, { ENOENT, EROFS, ENOTDIR, ETXTBSY } },
	{ "files", "open the state of a TPM", OURS, SYS_openat, { CWD, P("/var/lib/casemate/vtpm/escape"), O_RDWR }, NULL, NO_FILE },
	{ "files", "open a ledger's key", OURS, SYS_openat, { CWD, P("/var/lib/casemate/ledger/escape"), O_RDWR }, NULL, NO_FILE },
	{ "files", "open a disk of nobody's", OURS, SYS_openat, { CWD, P("/var/lib/casemate/images/escape"), O_RDWR }, NULL, NO_FILE },
	{ "files", "open a kernel for guests", OURS, SYS_openat, { CWD, P("/var/lib/casemate/boot/escape"), O_RDONLY }, NULL, NO_FILE },
	{ "files", "open a broker's store", OURS, SYS_openat, { CWD, P("/var/lib/casemate/broker/escape"), O_RDWR }, NULL, NO_FILE },
	{ "files", "open a journal of labels", OURS, SYS_openat, { CWD, P("/var/lib/casemate/escape"), O_RDWR }, NULL, NO_FILE },
	{ "files", "open a launch policy to write", OURS, SYS_openat, { CWD, P("/etc/casemate/escape"), O_RDWR }, NULL, NO_FILE },
	{ "files", "open who runs", OURS, SYS_openat, { CWD, P("/run/casemate/escape"), O_RDWR }, NULL, NO_FILE },
	{ "files", "open a log", OURS, SYS_openat, { CWD, P("/var/log/casemate/escape"), O_WRONLY }, NULL, NO_FILE },
	{ "files", "remove the state of a TPM", OURS, SYS_unlinkat, { CWD, P("/var/lib/casemate/vtpm/escape"), 0 }, NULL, NO_FILE },
	{ "files", "open the disk next door from every descriptor", 0, 0, { 0 }, disk_below_any, { ENOENT, ENOTDIR, EBADF } },
	{ "files", "make a file", MAC, SYS_openat, { CWD, P("/escape"), O_RDWR | O_CREAT, 0600 }, NULL, NO_FILE },
	{ "files", "make a file without a name", MAC, SYS_openat, { CWD, P("/"), O_RDWR | O_TMPFILE, 0600 }, NULL, { EROFS, EOPNOTSUPP } },
	{ "files", "make a folder", MAC, SYS_mkdirat, { CWD, P("/escape"), 0700 }, NULL, NO_FILE },
	{ "files", "make a device node", MAC, SYS_mknodat, { CWD, P("/escape"), S_IFBLK | 0600, 0x800 }, NULL, NO_FILE },
	{ "files", "make a symbolic link", MAC, SYS_symlinkat, { P("/etc/shadow"), CWD, P("/escape") }, NULL, NO_FILE },
	{ "files", "make a hard link", MAC, SYS_linkat, { CWD, P("/etc/shadow"), CWD, P("/escape"), 0 }, NULL, NO_FILE },
	{ "files", "rename", MAC, SYS_renameat2, { CWD, P("/etc"), CWD, P("/escape"), 1 }, NULL, NO_FILE },
	{ "files", "remove the disk next door", HERE, SYS_unlinkat, { CWD, P(&order.victim_disk), 0 }, NULL, NO_FILE },
	{ "files", "change the mode of the root folder", MAC, SYS_fchmodat, { CWD, P("/"), 0755 }, NULL, NO_FILE },
	{ "files", "change the owner of the root folder", MAC, SYS_fchownat, { CWD, P("/"), 0, 0, 0 }, NULL, { EROFS, EINVAL } },
	{ "files", "an extended attribute of the root folder", MAC, SYS_setxattr, { P("/"), P("trusted.escape"), P("x"), 1, 0 }, NULL, NO_FILE },
	{ "files", "is there a file /etc/passwd", MAC, SYS_newfstatat, { CWD, P("/etc/passwd"), P(data_page), 0 }, NULL, NO_FILE },
	{ "files", "is there a file /etc/passwd, with statx", MAC, SYS_statx, { CWD, P("/etc/passwd"), 0, 0xfff, P(data_page) }, NULL, NO_FILE },
	{ "files", "may I read /etc/passwd", MAC, SYS_faccessat, { CWD, P("/etc/passwd"), R_OK }, NULL, NO_FILE },
	{ "files", "read a link of /proc", 0, SYS_readlinkat, { CWD, P("/proc/self/exe"), P(data_page), 4096 }, NULL, NO_FILE },
	{ "files", "list the root folder", NONE, SYS_getdents64, { 0, P(data_page), 4096 }, NULL, { ENOTDIR } },
	{ "files", "size of the root file system", NONE | MAC, SYS_statfs, { P("/"), P(data_page) }, NULL, { 0 } },
	{ "files", "a handle of a file", 0, SYS_name_to_handle_at, { CWD, P("/etc/shadow"), P(&handle), P(pair), 0 }, NULL, NO_FILE },
	{ "files", "open by handle", MAC, SYS_open_by_handle_at, { 3, P(&handle), O_RDONLY }, NULL, { ESTALE, EBADF } },
	{ "files", "watch files with fanotify", MAC, SYS_fanotify_init, { FAN_CLASS_NOTIF, O_RDONLY }, NULL, { 0 } },
	{ "files", "watch files with inotify", NONE, SYS_inotify_init1, { 0 }, NULL, LIMITED },
	{ "files", "turn on process accounting", HERE, SYS_acct, { P("/escape") }, NULL, NO_FILE },
	{ "files", "quotas", 0, SYS_quotactl, { 0x80000300u /* Q_QUOTAOFF of users */, P("/"), 0, 0 }, NULL, { ENOENT, ENOTBLK } },
	{ "files", "write to what is open for reading only", 0, 0, { 0 }, add_rights_any, { EBADF, EINVAL } },
	{ "files", "shorten what is open", HERE, 0, { 0 }, shrink_any, { EBADF, EINVAL } },

	/* Where it is. */
	{ "places", "change the folder to ..", NONE | MAC, SYS_chdir, { P("..") }, NULL, { 0 } },
	{ "places", "change the folder to a descriptor", NONE, 0, { 0 }, change_to_any, { ENOTDIR, EBADF } },
	{ "places", "chroot", MAC, SYS_chroot, { P("/") }, NULL, { 0 } },
	{ "places", "pivot_root", HERE, SYS_pivot_root, { P("/"), P("/") }, NULL, { 0 } },
	{ "places", "mount", HERE, SYS_mount, { P("none"), P("/"), P("tmpfs"), 0, 0 }, NULL, { 0 } },
	{ "places", "mount proc", HERE, SYS_mount, { P("proc"), P("/"), P("proc"), 0, 0 }, NULL, { 0 } },
	{ "places", "make the root writable", HERE, SYS_mount, { 0, P("/"), 0, MS_REMOUNT | MS_BIND, 0 }, NULL, { 0 } },
	{ "places", "umount", HERE, SYS_umount2, { P("/"), MNT_DETACH }, NULL, { 0 } },
	{ "places", "fsopen", MAC, SYS_fsopen, { P("tmpfs"), 0 }, NULL, { 0 } },
	{ "places", "open_tree", MAC, SYS_open_tree, { CWD, P("/"), OPEN_TREE_CLONE }, NULL, { 0 } },
	{ "places", "move_mount", HERE, SYS_move_mount, { CWD, P("/"), CWD, P("/"), 0 }, NULL, { 0 } },
	{ "places", "mount_setattr", HERE, SYS_mount_setattr, { CWD, P("/"), 0, P(data_page), 32 }, NULL, { 0 } },
	{ "places", "leave its user namespace", 0, SYS_unshare, { CLONE_NEWUSER }, NULL, { ENOSPC, EUSERS, EINVAL /* of a process with threads */ } },
	{ "places", "leave its mount namespace", MAC, SYS_unshare, { CLONE_NEWNS }, NULL, { 0 } },
	{ "places", "leave its network namespace", MAC, SYS_unshare, { CLONE_NEWNET }, NULL, { 0 } },
	{ "places", "join a namespace by descriptor", 0, 0, { 0 }, join_namespace_any, { EINVAL, EBADF } },
	{ "places", "leave its cgroup", HERE, SYS_openat, { CWD, P("/sys/fs/cgroup/cgroup.procs"), O_WRONLY }, NULL, NO_FILE },
	{ "places", "leave its cgroup by namespace", MAC, SYS_unshare, { CLONE_NEWCGROUP }, NULL, { 0 } },

	/* Other processes. */
	{ "processes", "ptrace a process next door", MAC, 0, { 0 }, victim_attach, NO_PROCESS },
	{ "processes", "ptrace a child of its own", OURS, 0, { 0 }, child_trace, LIMITED },
	{ "processes", "kill its parent", OURS, 0, { 0 }, parent_kill, NO_PROCESS },
	{ "processes", "be traced", ATTEMPT_NOT_REST, SYS_ptrace, { PTRACE_TRACEME }, NULL, { 0 } },
	{ "processes", "read memory next door", MAC, 0, { 0 }, victim_read, NO_PROCESS },
	{ "processes", "write memory next door", MAC, 0, { 0 }, victim_write, NO_PROCESS },
	{ "processes", "kill next door", MAC, 0, { 0 }, victim_kill, NO_PROCESS },
	{ "processes", "tkill next door", MAC, 0, { 0 }, victim_tkill, NO_PROCESS },
	{ "processes", "abort next door", HERE, 0, { 0 }, victim_abort, NO_PROCESS },
	{ "processes", "kill process 1", NONE | MAC, SYS_kill, { 1, 0 }, NULL, NO_PROCESS },
	{ "processes", "kill everybody", HERE, SYS_kill, { P(-1), SIGCONT }, NULL, NO_PROCESS },
	{ "processes", "queue a signal next door", 0, 0, { 0 }, victim_queue, NO_PROCESS },
	{ "processes", "a pidfd of a process next door", 0, 0, { 0 }, victim_pidfd, NO_PROCESS },
	{ "processes", "signal through every descriptor", 0, 0, { 0 }, signal_through_any, { EBADF } },
	{ "processes", "take a descriptor from every descriptor", 0, 0, { 0 }, steal_from_any, { EBADF } },
	{ "processes", "signals by the owner of a descriptor", NONE, 0, { 0 }, own_by_signal_any, { EBADF, ESRCH, EINVAL } },
	{ "processes", "compare descriptors next door", MAC, 0, { 0 }, victim_kcmp, NO_PROCESS },
	{ "processes", "limits next door", MAC, 0, { 0 }, victim_limits, NO_PROCESS },
	{ "processes", "processors next door", MAC, 0, { 0 }, victim_affinity, NO_PROCESS },
	{ "processes", "locks next door", MAC, 0, { 0 }, victim_robust, NO_PROCESS },
	{ "processes", "pages next door", MAC, 0, { 0 }, victim_pages, NO_PROCESS },
	{ "processes", "the session next door", MAC, 0, { 0 }, victim_session, NO_PROCESS },
	{ "processes", "the group next door", MAC, 0, { 0 }, victim_group, NO_PROCESS },
	{ "processes", "fork", NONE, 0, { 0 }, fork_old, LIMITED },
	{ "processes", "clone", NONE, 0, { 0 }, fork_clone, LIMITED },
	{ "processes", "clone3", NONE, 0, { 0 }, fork_clone3, LIMITED },
	{ "processes", "clone into new namespaces", 0, 0, { 0 }, fork_namespaces, { EAGAIN, ENOSPC, EUSERS } },
	{ "processes", "fork bomb", HERE, 0, { 0 }, fork_bomb, LIMITED },
	{ "processes", "execute /bin/sh", MAC, SYS_execve, { P("/bin/sh"), P(pair), P(pair) }, NULL, { ENOENT, EFAULT } },
	{ "processes", "execute every descriptor", 0, 0, { 0 }, execute_any, { EBADF, ENOEXEC, EFAULT } },
	{ "processes", "execute a program in memory", MAC, 0, { 0 }, memfd_execute, { ENOEXEC, ENOENT } },
	{ "processes", "not to die with the parent", NONE, SYS_prctl, { PR_SET_PDEATHSIG, 0 }, NULL, { 0 } },

	/* Sockets. */
	{ "sockets", "an IPv4 socket", NONE | MAC, SYS_socket, { AF_INET, SOCK_STREAM, 0 }, NULL, NO_FAMILY },
	{ "sockets", "an IPv4 datagram socket", NONE | MAC, SYS_socket, { AF_INET, SOCK_DGRAM, 0 }, NULL, NO_FAMILY },
	{ "sockets", "a raw IPv4 socket", MAC, SYS_socket, { AF_INET, SOCK_RAW, 1 }, NULL, NO_FAMILY },
	{ "sockets", "an IPv6 socket", NONE | MAC, SYS_socket, { AF_INET6, SOCK_STREAM, 0 }, NULL, NO_FAMILY },
	{ "sockets", "a netlink socket", NONE | MAC, SYS_socket, { AF_NETLINK, SOCK_RAW, 0 }, NULL, NO_FAMILY },
	{ "sockets", "a packet socket", MAC, SYS_socket, { AF_PACKET, SOCK_RAW, 0x300 }, NULL, NO_FAMILY },
	{ "sockets", "a vsock socket", NONE | MAC, SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 }, NULL, NO_FAMILY },
	{ "sockets", "a UNIX socket", NONE, SYS_socket, { AF_UNIX, SOCK_STREAM, 0 }, NULL, NO_FAMILY },
	{ "sockets", "a socket of the kernel's ciphers", NONE | MAC, SYS_socket, { AF_ALG, SOCK_SEQPACKET, 0 }, NULL, NO_FAMILY },
	{ "sockets", "a Bluetooth socket", NONE | MAC, SYS_socket, { AF_BLUETOOTH, SOCK_RAW, 1 }, NULL, NO_FAMILY },
	{ "sockets", "an XDP socket", MAC, SYS_socket, { AF_XDP, SOCK_RAW, 0 }, NULL, NO_FAMILY },
	{ "sockets", "a CAN socket", NONE | MAC, SYS_socket, { AF_CAN, SOCK_RAW, 1 }, NULL, NO_FAMILY },
	{ "sockets", "a TIPC socket", NONE | MAC, SYS_socket, { AF_TIPC, SOCK_STREAM, 0 }, NULL, NO_FAMILY },
	{ "sockets", "a pair of sockets", NONE, SYS_socketpair, { AF_UNIX, SOCK_STREAM, 0, P(pair) }, NULL, LIMITED },
	{ "sockets", "connect to a socket next door", MAC, 0, { 0 }, connect_path, NO_FILE },
	{ "sockets", "connect to an abstract socket", MAC, 0, { 0 }, connect_abstract, { ECONNREFUSED } },
	{ "sockets", "send next door from every descriptor", ATTEMPT_HEARD, 0, { 0 }, send_elsewhere_any, { EBADF, ENOTSOCK, EISCONN, EOPNOTSUPP, EPIPE } },
	{ "sockets", "listen on its channel", MAC, SYS_listen, { 3, 1 }, NULL, { EINVAL, EOPNOTSUPP, EBADF, ENOTSOCK } },
	{ "sockets", "the peer of its channel", NONE, SYS_getsockopt, { 3, SOL_SOCKET, 77 /* SO_PEERPIDFD */, P(pair), P(&pair[1]) }, NULL, { ENOPROTOOPT, EINVAL, EBADF, ENOTSOCK } },

	/* Doors of the kernel. */
	{ "kernel", "io_uring", NONE | MAC, SYS_io_uring_setup, { 1, P(data_page) }, NULL, { ENOMEM } },
	{ "kernel", "asynchronous I/O", NONE, SYS_io_setup, { 1, P(data_page) }, NULL, { ENOMEM, EINVAL } },
	{ "kernel", "userfaultfd", NONE | MAC, SYS_userfaultfd, { 1 }, NULL, { 0 } },
	{ "kernel", "keyctl", NONE, SYS_keyctl, { 0, P(-3), 1 }, NULL, { ENOKEY } },
	{ "kernel", "add_key", NONE | MAC, SYS_add_key, { P("user"), P("escape"), P("x"), 1, P(-2) }, NULL, { EDQUOT } },
	{ "kernel", "request_key", 0, SYS_request_key, { P("user"), P("escape"), 0, 0 }, NULL, { ENOKEY } },
	{ "kernel", "bpf", NONE | MAC, SYS_bpf, { 0, P(bpf_map), sizeof bpf_map }, NULL, { 0 } },
	{ "kernel", "perf_event_open", MAC, SYS_perf_event_open, { P(perf), P(-1), 0, P(-1), 0 }, NULL, { ENOENT } },
	{ "kernel", "secret memory", NONE, SYS_memfd_secret, { 0 }, NULL, { 0 } },
	{ "kernel", "a file in memory", NONE, SYS_memfd_create, { P("escape"), 0 }, NULL, LIMITED },
	{ "kernel", "landlock rules of its own", NONE, SYS_landlock_create_ruleset, { P(landlock), 8, 0 }, NULL, { ENOMSG, EOPNOTSUPP } },
	{ "kernel", "a filter of its own", NONE, 0, { 0 }, filter_replace, { 0 } },
	{ "kernel", "strict seccomp instead of its filter", NONE, SYS_prctl, { PR_SET_SECCOMP, 1 }, NULL, { EINVAL } },
	{ "kernel", "a call of the x32 kind", ATTEMPT_MAY_DIE, 0x40000000 | SYS_getpid, { 0 }, NULL, { 0 } },
	{ "kernel", "a call of the 32-bit kind", NONE | ATTEMPT_MAY_DIE, 0, { 0 }, call_int80, { 0 } },
	{ "kernel", "a number no kernel has", ATTEMPT_MAY_DIE, 9999, { 0 }, NULL, { 0 } },
	{ "kernel", "vmsplice", NONE, SYS_vmsplice, { 2, P(&data_iov), 1, 0 }, NULL, { EBADF } },
	{ "kernel", "splice", NONE, SYS_splice, { 0, 0, 2, 0, 1, 0 }, NULL, { EBADF, EINVAL } },
	{ "kernel", "terminal input for somebody", 0, 0, { 0 }, terminal_type_any, { ENOTTY, EBADF, EINVAL } },
	{ "kernel", "a network device", 0, 0, { 0 }, tap_make_any, { ENOTTY, EBADF, EINVAL } },
	{ "kernel", "a virtual machine of its own", 0, 0, { 0 }, kvm_create_any, { ENOTTY, EBADF, EINVAL } },
	{ "kernel", "load a module", MAC, SYS_init_module, { P(data_page), 16, P("") }, NULL, { 0 } },
	{ "kernel", "load a module from a descriptor", MAC, SYS_finit_module, { 3, P(""), 0 }, NULL, { 0 } },
	{ "kernel", "unload a module", MAC, SYS_delete_module, { P("casemate_escape"), 0 }, NULL, { 0 } },
	{ "kernel", "load another kernel", HERE, SYS_kexec_load, { 0, 0, 0, 0 }, NULL, { 0 } },
	{ "kernel", "load another kernel from descriptors", HERE, SYS_kexec_file_load, { 3, 3, 0, P(""), 0 }, NULL, { 0 } },
	{ "kernel", "reboot", MAC, SYS_reboot, { 0xfee1dead, 0x28121969, RB_DISABLE_CAD }, NULL, { 0 } },
	{ "kernel", "swapon", MAC, SYS_swapon, { P("/escape"), 0 }, NULL, { 0 } },
	{ "kernel", "swapoff", MAC, SYS_swapoff, { P("/escape") }, NULL, { 0 } },
	{ "kernel", "the kernel's log", MAC, SYS_syslog, { 3, P(data_page), 4096 }, NULL, { 0 } },
	{ "kernel", "ports of the machine", MAC, SYS_iopl, { 3 }, NULL, { 0 } },
	{ "kernel", "ports of the machine, some", MAC, SYS_ioperm, { 0x3f8, 8, 1 }, NULL, { 0 } },
	{ "kernel", "a local descriptor table", NONE, SYS_modify_ldt, { 0, P(data_page), 16 }, NULL, { 0 } },
	{ "kernel", "another personality", NONE, SYS_personality, { 0x0400000 /* READ_IMPLIES_EXEC */ }, NULL, { 0 } },
	{ "kernel", "set the clock", HERE, SYS_settimeofday, { P(&now), 0 }, NULL, { 0 } },
	{ "kernel", "set the clock in nanoseconds", HERE, SYS_clock_settime, { 0, P(&now_ns) }, NULL, { 0 } },
	{ "kernel", "trim the clock", HERE, SYS_adjtimex, { P(&clock_set) }, NULL, { 0 } },
	{ "kernel", "another host name", HERE, SYS_sethostname, { P("escape"), 6 }, NULL, { 0 } },
	{ "kernel", "hang up the terminal", HERE, SYS_vhangup, { 0 }, NULL, { 0 } },

	/* Its own walls. */
	{ "walls", "become uid 0", 0, SYS_setuid, { 0 }, NULL, { EINVAL } },
	{ "walls", "become gid 0", 0, SYS_setgid, { 0 }, NULL, { EINVAL } },
	{ "walls", "become uid 0 threefold", 0, SYS_setresuid, { 0, 0, 0 }, NULL, { EINVAL } },
	{ "walls", "supplementary groups", MAC, SYS_setgroups, { 1, P(pair) }, NULL, { EINVAL } },
	{ "walls", "take all capabilities", 0, 0, { 0 }, caps_take, { 0 } },
	{ "walls", "raise an ambient capability", 0, SYS_prctl, { PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0 }, NULL, { 0 } },
	{ "walls", "keep capabilities", 0, SYS_prctl, { PR_SET_KEEPCAPS, 1 }, NULL, { 0 } },
	{ "walls", "other secure bits", 0, SYS_prctl, { PR_SET_SECUREBITS, 0 }, NULL, { 0 } },
	{ "walls", "new privileges again", 0, SYS_prctl, { PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0 }, NULL, { EINVAL } },
	{ "walls", "dumpable again", NONE, SYS_prctl, { PR_SET_DUMPABLE, 1 }, NULL, { 0 } },
	{ "walls", "let anybody trace it", NONE, SYS_prctl, { 0x59616d61 /* PR_SET_PTRACER */, P(-1) }, NULL, { EINVAL } },
	{ "walls", "writable memory that executes again", NONE, SYS_prctl, { 65 /* PR_SET_MDWE */, 0, 0, 0, 0 }, NULL, { EINVAL } },
	{ "walls", "move its own program", MAC, SYS_prctl, { 35 /* PR_SET_MM */, 8, 0, 0, 0 }, NULL, { EINVAL } },
	{ "walls", "another domain", MAC, 0, { 0 }, label_current, NO_FILE },
	{ "walls", "another domain for what it executes", MAC, 0, { 0 }, label_exec, NO_FILE },
	{ "walls", "another label for files", MAC, 0, { 0 }, label_file, NO_FILE },
	{ "walls", "another label for sockets", MAC, 0, { 0 }, label_socket, NO_FILE },
	{ "walls", "executable memory", NONE | MAC, SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, P(-1), 0 }, NULL, { 0 } },
	{ "walls", "writable executable memory", NONE | MAC, SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, P(-1), 0 }, NULL, { 0 } },
	{ "walls", "make data executable", NONE | MAC, SYS_mprotect, { P(data_page), 4096, PROT_READ | PROT_EXEC }, NULL, { 0 } },
	{ "walls", "make data executable with a key", NONE | MAC, SYS_pkey_mprotect, { P(data_page), 4096, PROT_READ | PROT_EXEC, P(-1) }, NULL, { 0 } },
	{ "walls", "execute from a descriptor", NONE | MAC, 0, { 0 }, map_executable_any, { EBADF, ENODEV } },
	{ "walls", "shared memory of System V, executable", NONE, SYS_shmat, { 0, 0, 0100000 /* SHM_EXEC */ }, NULL, { EINVAL } },

	/* Its limits. */
	{ "limits", "more descriptors", 0, 0, { 0 }, limit_files, { EINVAL } },
	{ "limits", "more processes", MAC, 0, { 0 }, limit_processes, { 0 } },
	{ "limits", "core dumps", 0, 0, { 0 }, limit_core, { 0 } },
	{ "limits", "more descriptors with setrlimit", 0, SYS_setrlimit, { RLIMIT_NOFILE, P(&unlimited) }, NULL, { 0 } },
	{ "limits", "more locked memory with setrlimit", MAC, SYS_setrlimit, { RLIMIT_MEMLOCK, P(&unlimited) }, NULL, { 0 } },
	{ "limits", "descriptors without end", NONE, 0, { 0 }, descriptors_eat, LIMITED },
	{ "limits", "memory without end", ATTEMPT_MAY_DIE | HERE, 0, { 0 }, memory_bomb, LIMITED },
	{ "limits", "heap without end", ATTEMPT_MAY_DIE | HERE, 0, { 0 }, heap_bomb, LIMITED },
	{ "limits", "locked memory without end", ATTEMPT_MAY_DIE | HERE, 0, { 0 }, lock_memory, LIMITED },
	{ "limits", "all its memory locked", ATTEMPT_MAY_DIE | HERE, SYS_mlockall, { 3 }, NULL, LIMITED },
	{ "limits", "real-time priority", MAC, SYS_sched_setscheduler, { 0, SCHED_FIFO, P(&realtime) }, NULL, { 0 } },
	{ "limits", "real-time priority with sched_setattr", MAC, SYS_sched_setattr, { 0, P(sched_attr), 0 }, NULL, { 0 } },
	{ "limits", "higher priority", MAC, SYS_setpriority, { PRIO_PROCESS, 0, P(-20) }, NULL, { 0 } },
	{ "limits", "real-time I/O priority", MAC, SYS_ioprio_set, { 1, 0, 1 << 13 }, NULL, { 0 } },
	{ "limits", "other processors", NONE | MAC, SYS_sched_setaffinity, { 0, 8, P(data_page) }, NULL, { 0 } },
	{ "limits", "other memory nodes", NONE, SYS_set_mempolicy, { 0, 0, 0 }, NULL, { 0 } },
	{ "limits", "shared memory of System V", NONE | MAC, SYS_shmget, { 0, 4096, 01600 }, NULL, { ENOSPC } },
	{ "limits", "a message queue", NONE | MAC, SYS_mq_open, { P("escape"), O_CREAT | O_RDWR, 0600, 0 }, NULL, { EMFILE, ENOSPC } },
	{ "limits", "timers without a descriptor", NONE, SYS_timer_create, { 1, 0, P(pair) }, NULL, LIMITED },

	/* Its own disk, which the policy calls read-only. */
	{ "disk", "write to its read-only disk", ATTEMPT_DISK, 0, { 0 }, disk_pwrite_any, { EBADF, ESPIPE, EINVAL } },
	{ "disk", "write pieces to its read-only disk", ATTEMPT_DISK, 0, { 0 }, disk_pwritev_any, { EBADF, ESPIPE, EINVAL } },
	{ "disk", "map its read-only disk for writing", ATTEMPT_DISK, 0, { 0 }, disk_map_any, { EBADF } },
	{ "disk", "punch a hole into its read-only disk", ATTEMPT_DISK, 0, { 0 }, disk_punch_any, { EBADF, ESPIPE, ENODEV, EOPNOTSUPP } },
	{ "disk", "zero its read-only disk", ATTEMPT_DISK, 0, { 0 }, disk_zero_any, { EBADF, ESPIPE, ENODEV, EOPNOTSUPP } },
	{ "disk", "discard its read-only disk", ATTEMPT_DISK, 0, { 0 }, disk_discard_any, { EBADF, ENOTTY, EINVAL } },
	{ "disk", "open its read-only disk again", ATTEMPT_DISK, 0, { 0 }, disk_reopen_any, NO_FILE },
};
/* clang-format on */
const size_t n_attempts = ARRAY_LEN(attempts);
