#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/role.h"
#include "sandbox/seccomp_build.h"
#include "tests/unit/cm.h"

#define CODE_MAX 4096u /* BPF_MAXINSNS */

struct filter {
	struct sock_filter code[CODE_MAX];
	size_t n;
};

static void filter_export(enum role role, struct filter *f)
{
	void *ctx = NULL;
	int fd = memfd_create("filter", MFD_CLOEXEC);

	assert_int_equal(seccomp_build(role_get(role)->syscalls, &ctx), 0);
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	seccomp_release(ctx);
	off_t size = lseek(fd, 0, SEEK_END);
	assert_true(size > 0 && (size_t)size <= sizeof f->code);
	assert_int_equal(fd_pread_all(fd, f->code, (size_t)size, 0), 0);
	f->n = (size_t)size / sizeof f->code[0];
	(void)close(fd);
}

/* Classic BPF as far as seccomp allows it and libseccomp uses it. */
static uint32_t filter_judge(const struct filter *f, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < f->n; pc++) {
		const struct sock_filter *i = &f->code[pc];
		bool is_met = false;
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			assert_int_equal(i->code, BPF_LD | BPF_W | BPF_ABS);
			assert_true(i->k + 4 <= sizeof *data);
			memcpy(&a, (const uint8_t *)data + i->k, 4);
			continue;
		case BPF_ALU:
			assert_int_equal(i->code, BPF_ALU | BPF_AND | BPF_K);
			a &= i->k;
			continue;
		case BPF_RET:
			return i->k;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA) {
				pc += i->k;
				continue;
			}
			is_met = BPF_OP(i->code) == BPF_JEQ   ? a == i->k
				 : BPF_OP(i->code) == BPF_JGT ? a > i->k
				 : BPF_OP(i->code) == BPF_JGE ? a >= i->k
							      : (a & i->k) != 0;
			pc += is_met ? i->jt : i->jf;
			continue;
		default:
			fail_msg("instruction %u", i->code);
		}
	}
	fail_msg("the filter has no end");
	return 0;
}

#define ALLOW    SECCOMP_RET_ALLOW
#define DIE      SECCOMP_RET_KILL_PROCESS
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))

struct verdict {
	int nr;
	uint64_t args[6];
	uint32_t want;
};

static void verdicts_hold(enum role role, const struct verdict *rows, size_t n)
{
	struct filter *f = calloc(1, sizeof *f);

	assert_non_null(f);
	filter_export(role, f);
	for (size_t i = 0; i < n; i++) {
		struct seccomp_data d = { .nr = rows[i].nr, .arch = AUDIT_ARCH_X86_64 };
		memcpy(d.args, rows[i].args, sizeof d.args);
		uint32_t got = filter_judge(f, &d);
		if (got != rows[i].want)
			fail_msg("%s: call %d (%#lx, %#lx, %#lx, %#lx): %#x, want %#x",
				role_get(role)->name, rows[i].nr, (long)d.args[0], (long)d.args[1],
				(long)d.args[2], (long)d.args[3], got, rows[i].want);
	}
	free(f);
}

/* True for every role: doors that are shut, calls that every process needs, the canary. */
static void every_role_shuts_the_same_doors(void **state)
{
	static const int shut[] = { SYS_execve, SYS_execveat, SYS_fork, SYS_vfork, SYS_clone,
		SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
		SYS_ptrace, SYS_bpf, SYS_io_uring_setup, SYS_userfaultfd, SYS_perf_event_open,
		SYS_keyctl, SYS_add_key, SYS_process_vm_readv, SYS_process_vm_writev,
		SYS_open_by_handle_at, SYS_pidfd_getfd, SYS_init_module, SYS_kexec_load, SYS_reboot,
		SYS_kill, SYS_setuid, SYS_capset, SYS_personality, SYS_memfd_create, SYS_open,
		SYS_creat, SYS_symlink, SYS_link, SYS_bind, SYS_listen, SYS_connect, SYS_seccomp,
		SYS_setrlimit, SYS_iopl, SYS_modify_ldt, SYS_vmsplice, SYS_io_setup, SYS_kcmp,
		SYS_acct };
	static const int base[] = { SYS_read, SYS_write, SYS_recvmsg, SYS_sendmsg, SYS_close,
		SYS_epoll_wait, SYS_futex, SYS_munmap, SYS_brk, SYS_exit_group };

	for (int role = 0; role < ROLE_COUNT; role++) {
		for (size_t i = 0; i < ARRAY_LEN(shut); i++)
			if (role != ROLE_OWNER || shut[i] != SYS_connect) /* it has a test below */
				verdicts_hold((enum role)role,
					&(struct verdict){ shut[i], { 0 }, DIE }, 1);
		for (size_t i = 0; i < ARRAY_LEN(base); i++)
			verdicts_hold(
				(enum role)role, &(struct verdict){ base[i], { 0 }, ALLOW }, 1);
		const struct verdict rows[] = {
			{ SYS_getppid, { 0 }, ERRNO(SECCOMP_CANARY_ERRNO) },
			{ SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE }, ALLOW },
			{ SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC }, DIE },
			{ SYS_mmap, { 0, 4096, 0xffffffff00000000 | PROT_EXEC }, DIE },
			{ SYS_mprotect, { 0, 4096, PROT_EXEC }, DIE },
			{ SYS_mprotect, { 0, 4096, PROT_READ }, ALLOW },
			{ SYS_tgkill, { 1, 1, SIGABRT }, ALLOW },
			{ SYS_tgkill, { 1, 1, SIGKILL }, DIE },
			{ SYS_ioctl, { 0, 0x5412 }, DIE }, /* TIOCSTI */
			{ SYS_prctl, { PR_SET_DUMPABLE, 1 }, DIE },
			{ 0x40000000 + SYS_read, { 0 }, DIE },
			{ 1000, { 0 }, DIE },
		};
		verdicts_hold((enum role)role, rows, ARRAY_LEN(rows));
	}
}

/* The one role with the host's network: TCP clients, and no other socket. */
static void owner_opens_tcp_alone(void **state)
{
	const uint64_t type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	const struct verdict rows[] = {
		{ SYS_socket, { AF_INET, type, IPPROTO_TCP }, ALLOW },
		{ SYS_socket, { AF_INET6, type, IPPROTO_TCP }, ALLOW },
		{ SYS_socket, { AF_UNIX, type, 0 }, DIE },
		{ SYS_socket, { AF_VSOCK, type, 0 }, DIE },
		{ SYS_socket, { AF_NETLINK, type, 0 }, DIE },
		{ SYS_socket, { AF_PACKET, type, IPPROTO_TCP }, DIE },
		{ SYS_socket, { AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP }, DIE },
		{ SYS_socket, { AF_INET, SOCK_STREAM, IPPROTO_TCP }, DIE },
		{ SYS_socket, { AF_INET, type, IPPROTO_SCTP }, DIE },
		{ SYS_setsockopt, { 3, IPPROTO_TCP, TCP_NODELAY }, ALLOW },
		{ SYS_setsockopt, { 3, SOL_SOCKET, SO_BINDTODEVICE }, DIE },
		{ SYS_connect, { 3 }, ALLOW },
		{ SYS_socketpair, { AF_UNIX, type, 0 }, DIE },
		{ SYS_accept4, { 3 }, DIE },
		{ SYS_openat, { 3 }, DIE },
	};
	const struct verdict quote[] = {
		{ SYS_socket, { AF_UNIX, type, 0 }, DIE },
		{ SYS_sendto, { 3 }, ALLOW },
		{ SYS_recvfrom, { 3 }, ALLOW },
		{ SYS_openat, { 3 }, DIE },
	};

	verdicts_hold(ROLE_OWNER, rows, ARRAY_LEN(rows));
	verdicts_hold(ROLE_QUOTE, quote, ARRAY_LEN(quote));
}

static void foreign_architecture_kills(void **state)
{
	struct filter *f = calloc(1, sizeof *f);
	struct seccomp_data d = { .nr = 20, .arch = AUDIT_ARCH_I386 };

	assert_non_null(f);
	filter_export(ROLE_TEST, f);
	assert_int_equal(filter_judge(f, &d), DIE);
	free(f);
}

static void sockets_and_files_are_for_those_who_need_them(void **state)
{
	static const enum role no_files[] = { ROLE_POLICY, ROLE_MONITOR, ROLE_DEV_BLK,
		ROLE_DEV_CONSOLE, ROLE_DEV_RNG, ROLE_DEV_VSOCK };
	const struct verdict rows[] = {
		{ SYS_openat, { 0 }, DIE },
		{ SYS_openat2, { 0 }, DIE },
		{ SYS_socket, { AF_UNIX, SOCK_STREAM }, DIE },
		{ SYS_socketpair, { AF_UNIX, SOCK_STREAM }, DIE },
		{ SYS_unlinkat, { 0 }, DIE },
	};

	for (size_t i = 0; i < ARRAY_LEN(no_files); i++)
		verdicts_hold(no_files[i], rows, ARRAY_LEN(rows));
	verdicts_hold(ROLE_LEDGER, rows + 2, 2);
	verdicts_hold(ROLE_BROKER, rows + 2, 2);
}

static void monitor_ioctls_are_judged_by_number(void **state)
{
	const struct verdict rows[] = {
		{ SYS_ioctl, { 5, KVM_RUN }, ALLOW },
		{ SYS_ioctl, { 5, 0xffffffff00000000 | KVM_RUN },
			ALLOW }, /* the kernel reads 32 bits */
		{ SYS_ioctl, { 5, KVM_CREATE_VM }, DIE },
		{ SYS_ioctl, { 5, KVM_CREATE_VCPU }, DIE },
		{ SYS_ioctl, { 5, BLKDISCARD }, DIE },
	};
	verdicts_hold(ROLE_MONITOR, rows, ARRAY_LEN(rows));
}

static void only_the_disk_may_discard(void **state)
{
	const struct verdict rows[] = {
		{ SYS_ioctl, { 5, BLKDISCARD }, DIE },
		{ SYS_fallocate, { 5, 3 }, DIE },
		{ SYS_pwritev2, { 5 }, DIE },
	};
	const struct verdict disk[] = {
		{ SYS_ioctl, { 5, BLKDISCARD }, ALLOW }, { SYS_ioctl, { 5, KVM_RUN }, DIE },
		{ SYS_fallocate, { 5, 3 }, ALLOW },
		{ SYS_fallocate, { 5, 0 }, DIE }, /* may not grow the file */
	};

	verdicts_hold(ROLE_DEV_RNG, rows, ARRAY_LEN(rows));
	verdicts_hold(ROLE_DEV_CONSOLE, rows, ARRAY_LEN(rows));
	verdicts_hold(ROLE_DEV_VSOCK, rows, ARRAY_LEN(rows));
	verdicts_hold(ROLE_DEV_BLK, disk, ARRAY_LEN(disk));
}

/* The eventfds of a device are one open file with the monitor's: their flags are not to change. */
static void devices_change_no_flags(void **state)
{
	static const enum role devices[] = { ROLE_DEV_BLK, ROLE_DEV_CONSOLE, ROLE_DEV_RNG,
		ROLE_DEV_VSOCK };
	const struct verdict rows[] = {
		{ SYS_fcntl, { 5, F_GETFL }, ALLOW },
		{ SYS_fcntl, { 5, F_SETFL, 0 }, DIE },
		{ SYS_fcntl, { 5, F_SETOWN }, DIE },
	};

	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		verdicts_hold(devices[i], rows, ARRAY_LEN(rows));
}

static void policy_reader_only_reads(void **state)
{
	const struct verdict rows[] = {
		{ SYS_pread64, { 4 }, DIE },
		{ SYS_lseek, { 4 }, DIE },
		{ SYS_newfstatat, { 4 }, DIE },
		{ SYS_fstat, { 4 }, DIE },
	};

	verdicts_hold(ROLE_POLICY, rows, ARRAY_LEN(rows));
}

static void every_kind_of_rule_is_compiled(void **state)
{
	const struct verdict rows[] = {
		{ SYS_openat, { 0, 0, O_RDONLY | O_CLOEXEC }, ALLOW },
		{ SYS_openat, { 0, 0, O_PATH | O_CLOEXEC }, DIE },
		{ SYS_socket, { AF_UNIX, SOCK_STREAM }, ALLOW },
		{ SYS_socket, { AF_UNIX, SOCK_DGRAM }, ALLOW },
		{ SYS_socket, { AF_UNIX, SOCK_SEQPACKET }, DIE },
		{ SYS_socket, { AF_INET, SOCK_STREAM }, DIE },
		{ SYS_ioctl, { 0, 0x5413 }, ALLOW },
		{ SYS_clone3, { 0 }, ERRNO(ENOSYS) },
	};
	verdicts_hold(ROLE_TEST, rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_role_shuts_the_same_doors),
		cmocka_unit_test(owner_opens_tcp_alone),
		cmocka_unit_test(foreign_architecture_kills),
		cmocka_unit_test(sockets_and_files_are_for_those_who_need_them),
		cmocka_unit_test(monitor_ioctls_are_judged_by_number),
		cmocka_unit_test(only_the_disk_may_discard),
		cmocka_unit_test(devices_change_no_flags),
		cmocka_unit_test(policy_reader_only_reads),
		cmocka_unit_test(every_kind_of_rule_is_compiled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
