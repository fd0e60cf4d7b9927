/* (list, system call, arguments) -> verdict, for every list: judged by the filters that ship. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sha256.h"
#include "sandbox/role.h"
#include "sandbox/seccomp_filter.h"
#include "sandbox/seccomp_table.h"
#include "tests/unit/cm.h"

#define ALLOW    SECCOMP_RET_ALLOW
#define DIE      SECCOMP_RET_KILL_PROCESS
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))
#define CALLS    600 /* more than any kernel has */

/* Classic BPF as far as seccomp allows it and libseccomp uses it. */
static uint32_t filter_judge(const struct seccomp_filter *f, const struct seccomp_data *data)
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

struct verdict {
	int nr;
	uint64_t args[6];
	uint32_t want;
};

static uint32_t verdict_of(const struct seccomp_filter *f, int nr, const uint64_t args[6])
{
	struct seccomp_data d = { .nr = nr, .arch = AUDIT_ARCH_X86_64 };

	memcpy(d.args, args, sizeof d.args);
	return filter_judge(f, &d);
}

static void verdict_must(
	const struct seccomp_filter *f, int nr, const uint64_t args[6], uint32_t want)
{
	uint32_t got = verdict_of(f, nr, args);

	if (got != want)
		fail_msg("%s: call %d (%#lx, %#lx, %#lx, %#lx): %#x, want %#x", f->name, nr,
			(long)args[0], (long)args[1], (long)args[2], (long)args[3], got, want);
}

static void verdicts_hold(const struct seccomp_filter *f, const struct verdict *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		verdict_must(f, rows[i].nr, rows[i].args, rows[i].want);
}

static const struct seccomp_filter *filter_of(enum role role)
{
	return role_get(role)->filter;
}

/* The filters of all roles and kinds of thread; returns how many. */
static size_t filters_list(const struct seccomp_filter *ret[2 * ROLE_COUNT])
{
	size_t n = 0;

	for (int role = 0; role < ROLE_COUNT; role++) {
		ret[n++] = role_get((enum role)role)->filter;
		if (role_get((enum role)role)->thread_filter != NULL)
			ret[n++] = role_get((enum role)role)->thread_filter;
	}
	return n;
}

/* The same without programs of another make, whose list cannot promise what ours do. */
static size_t own_filters_list(const struct seccomp_filter *ret[2 * ROLE_COUNT])
{
	size_t n = filters_list(ret);

	for (size_t i = 0; i < n; i++)
		if (ret[i] == filter_of(ROLE_FOREIGN))
			ret[i] = ret[--n];
	return n;
}

/* --- the filters against their lists ----------------------------------------------------------- */

static const struct seccomp_table *table_of(const struct seccomp_filter *f)
{
	for (size_t i = 0; i < seccomp_n_tables; i++)
		if (strcmp(seccomp_tables[i].name, f->name) == 0)
			return &seccomp_tables[i];
	fail_msg("no list %s", f->name);
	return NULL;
}

static bool row_takes(const struct seccomp_row *row, int nr, const uint64_t args[6])
{
	if (row->nr != nr)
		return false;
	for (unsigned int i = 0; i < row->n_conds; i++)
		if ((args[row->conds[i].arg] & row->conds[i].mask) != row->conds[i].value)
			return false;
	return true;
}

/* What the list says, read as its comment says it is to be read. */
static uint32_t list_judge(const struct seccomp_table *t, int nr, const uint64_t args[6])
{
	if (nr == SYS_getppid)
		return ERRNO(SECCOMP_CANARY_ERRNO);
	for (size_t i = 0; i < t->n_rows; i++)
		if (row_takes(&t->rows[i], nr, args))
			return t->rows[i].err == 0 ? ALLOW : ERRNO(t->rows[i].err);
	return DIE;
}

/* Each rule with its own values passes; with any one bit of any argument changed, as the list says. */
static void every_rule_is_compiled_as_it_reads(void **state)
{
	const struct seccomp_filter *filters[2 * ROLE_COUNT];
	size_t n_killed = 0;

	for (size_t n = filters_list(filters); n > 0; n--) {
		const struct seccomp_filter *f = filters[n - 1];
		const struct seccomp_table *t = table_of(f);
		assert_int_equal(f->n_rules, t->n_rows);
		for (size_t i = 0; i < t->n_rows; i++) {
			const struct seccomp_row *row = &t->rows[i];
			uint64_t args[6] = { 0 };
			for (unsigned int c = 0; c < row->n_conds; c++)
				args[row->conds[c].arg] = row->conds[c].value;
			verdict_must(f, row->nr, args, row->err == 0 ? ALLOW : ERRNO(row->err));
			for (unsigned int bit = 0; bit < 6 * 64; bit++) {
				args[bit / 64] ^= 1ull << bit % 64;
				uint32_t want = list_judge(t, row->nr, args);
				verdict_must(f, row->nr, args, want);
				n_killed += want == DIE;
				args[bit / 64] ^= 1ull << bit % 64;
			}
		}
	}
	assert_true(n_killed > 1000); /* the judged arguments were judged */
}

/* Whatever the list does not name is killed: every number, also beyond the kernel's, also x32. */
static void every_other_call_is_killed(void **state)
{
	const struct seccomp_filter *filters[2 * ROLE_COUNT];
	const uint64_t none[6] = { 0 };

	for (size_t n = filters_list(filters); n > 0; n--) {
		const struct seccomp_filter *f = filters[n - 1];
		for (int nr = 0; nr < CALLS; nr++) {
			verdict_must(f, nr, none, list_judge(table_of(f), nr, none));
			verdict_must(f, 0x40000000 + nr, none, DIE);
		}
		verdict_must(f, -1, none, DIE);
	}
}

static void foreign_architectures_are_killed(void **state)
{
	static const uint32_t archs[] = { AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 0 };
	const struct seccomp_filter *filters[2 * ROLE_COUNT];

	for (size_t n = filters_list(filters); n > 0; n--)
		for (size_t i = 0; i < ARRAY_LEN(archs); i++)
			for (int nr = 0; nr < CALLS; nr++) {
				struct seccomp_data d = { .nr = nr, .arch = archs[i] };
				assert_int_equal(filter_judge(filters[n - 1], &d), DIE);
			}
}

/* The digest that a receipt carries is of the instructions that are loaded. */
static void digests_are_of_the_code(void **state)
{
	const struct seccomp_filter *filters[2 * ROLE_COUNT];
	uint8_t digest[SHA256_BYTES];

	for (size_t n = filters_list(filters); n > 0; n--) {
		const struct seccomp_filter *f = filters[n - 1];
		sha256(f->code, f->n * sizeof f->code[0], digest);
		assert_memory_equal(digest, f->sha256, sizeof digest);
	}
}

/* --- what no list may say ----------------------------------------------------------------------- */

static void every_role_shuts_the_same_doors(void **state)
{
	static const int shut[] = { SYS_execve, SYS_execveat, SYS_fork, SYS_vfork, SYS_clone,
		SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
		SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsmount, SYS_mount_setattr,
		SYS_ptrace, SYS_bpf, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
		SYS_userfaultfd, SYS_perf_event_open, SYS_keyctl, SYS_add_key, SYS_request_key,
		SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise,
		SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_pidfd_getfd, SYS_init_module,
		SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load,
		SYS_reboot, SYS_kill, SYS_tkill, SYS_rt_sigqueueinfo, SYS_setuid, SYS_setresuid,
		SYS_setgroups, SYS_personality, SYS_memfd_create, SYS_memfd_secret, SYS_open,
		SYS_creat, SYS_symlink, SYS_link, SYS_mknod, SYS_bind, SYS_listen, SYS_socketpair,
		SYS_seccomp, SYS_setrlimit, SYS_prlimit64, SYS_iopl, SYS_ioperm, SYS_modify_ldt,
		SYS_arch_prctl, SYS_vmsplice, SYS_splice, SYS_io_setup, SYS_kcmp, SYS_acct,
		SYS_swapon, SYS_quotactl, SYS_fanotify_init, SYS_pkey_mprotect,
		SYS_remap_file_pages, SYS_sethostname, SYS_clock_settime, SYS_settimeofday,
		SYS_shmget, SYS_mq_open, SYS_chmod, SYS_fchmod, SYS_chown, SYS_fchown,
		SYS_setxattr };
	const struct verdict rows[] = {
		{ SYS_getppid, { 0 }, ERRNO(SECCOMP_CANARY_ERRNO) },
		{ SYS_write, { 0 }, ALLOW },
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE }, DIE },
		{ SYS_mmap, { 0, 4096, 0xffffffff00000000 | PROT_EXEC, MAP_PRIVATE }, DIE },
		{ SYS_futex, { 0, 6 /* FUTEX_LOCK_PI */ }, DIE },
		{ SYS_mmap, { 0, 4096, PROT_READ, MAP_SHARED }, DIE },
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED }, DIE },
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE }, DIE },
		{ SYS_mprotect, { 0, 4096, PROT_EXEC }, DIE },
		{ SYS_mprotect, { 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC }, DIE },
		{ SYS_clone, { CLONE_NEWUSER }, DIE },
		{ SYS_clone, { 0x3d0f00 }, DIE }, /* a thread */
		{ SYS_tgkill, { 1, 1, SIGKILL }, DIE },
		{ SYS_ioctl, { 0, 0x5412 }, DIE },     /* TIOCSTI */
		{ SYS_ioctl, { 0, 0x541c }, DIE },     /* TIOCLINUX */
		{ SYS_ioctl, { 0, 0x400454ca }, DIE }, /* TUNSETIFF */
		{ SYS_ioctl, { 0, KVM_CREATE_VM }, DIE },
		{ SYS_prctl, { PR_SET_DUMPABLE, 1 }, DIE },
		{ SYS_prctl, { PR_SET_MM }, DIE },
		{ SYS_fcntl, { 0, F_SETOWN }, DIE },
		{ SYS_fcntl, { 0, F_SETSIG }, DIE },
		{ SYS_fcntl, { 0, F_SETPIPE_SZ }, DIE },
		{ SYS_madvise, { 0, 4096, 25 }, DIE },  /* MADV_COLLAPSE */
		{ SYS_madvise, { 0, 4096, 100 }, DIE }, /* MADV_HWPOISON */
		{ SYS_socket, { AF_NETLINK, SOCK_RAW, 0 }, DIE },
		{ SYS_socket, { AF_PACKET, SOCK_RAW, 0 }, DIE },
		{ SYS_socket, { AF_ALG, SOCK_SEQPACKET, 0 }, DIE },
		{ SYS_setsockopt, { 3, SOL_SOCKET, SO_ATTACH_FILTER }, DIE },
		{ SYS_setsockopt, { 3, SOL_SOCKET, SO_BINDTODEVICE }, DIE },
	};
	const struct seccomp_filter *filters[2 * ROLE_COUNT];
	const uint64_t none[6] = { 0 };

	for (size_t n = own_filters_list(filters); n > 0; n--) {
		for (size_t i = 0; i < ARRAY_LEN(shut); i++)
			verdict_must(filters[n - 1], shut[i], none, DIE);
		verdicts_hold(filters[n - 1], rows, ARRAY_LEN(rows));
	}
}

/* What becomes another program has a wide list of its own; these doors it shuts all the same. */
static void programs_of_another_make_shut_the_worst_doors(void **state)
{
	static const int shut[] = { SYS_execve, SYS_fork, SYS_vfork, SYS_unshare, SYS_setns,
		SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_move_mount, SYS_open_tree,
		SYS_fsopen, SYS_fsmount, SYS_mount_setattr, SYS_ptrace, SYS_bpf, SYS_io_uring_enter,
		SYS_io_uring_register, SYS_perf_event_open, SYS_keyctl, SYS_add_key,
		SYS_request_key, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise,
		SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_pidfd_getfd, SYS_init_module,
		SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load,
		SYS_reboot, SYS_kill, SYS_tkill, SYS_rt_sigqueueinfo, SYS_setuid, SYS_setresuid,
		SYS_setgroups, SYS_personality, SYS_memfd_create, SYS_socket, SYS_socketpair,
		SYS_bind, SYS_connect, SYS_seccomp, SYS_setrlimit, SYS_iopl, SYS_ioperm,
		SYS_modify_ldt, SYS_mknod, SYS_symlink, SYS_link, SYS_chmod, SYS_chown,
		SYS_setxattr, SYS_clock_settime, SYS_sethostname, SYS_shmget, SYS_mq_open,
		SYS_quotactl, SYS_swapon, SYS_acct, SYS_pkey_mprotect, SYS_remap_file_pages,
		SYS_landlock_restrict_self };
	const struct verdict rows[] = {
		{ SYS_getppid, { 0 }, ERRNO(SECCOMP_CANARY_ERRNO) },
		{ SYS_userfaultfd, { 0 }, ERRNO(ENOSYS) },
		{ SYS_io_uring_setup, { 0 }, ERRNO(ENOSYS) },
		{ SYS_clone3, { 0 }, ERRNO(ENOSYS) },
		{ SYS_clone, { 0x3d0f00 }, ALLOW }, /* a thread */
		{ SYS_clone, { CLONE_NEWUSER }, DIE },
		{ SYS_clone, { 0x3d0f00 | CLONE_NEWNS }, DIE },
		{ SYS_clone, { CLONE_NEWNET | SIGCHLD }, DIE },
		{ SYS_execveat, { 5, 0, 0, 0, AT_EMPTY_PATH }, ALLOW },
		{ SYS_execveat, { 5, 0, 0, 0, 0 }, DIE },
		{ SYS_execveat, { 5, 0, 0, 0, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW }, DIE },
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 5 }, ALLOW },
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 5 }, ALLOW },
		{ SYS_mmap, { 0, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE, 5 }, DIE },
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC }, DIE },
		{ SYS_mprotect, { 0, 4096, PROT_READ }, ALLOW },
		{ SYS_mprotect, { 0, 4096, PROT_READ | PROT_EXEC }, DIE },
		{ SYS_prlimit64, { 0, 3, 0 }, ALLOW },
		{ SYS_prlimit64, { 0, 3, 0x1000 }, DIE },
		{ SYS_prctl, { PR_SET_NAME }, ALLOW },
		{ SYS_prctl, { PR_SET_DUMPABLE, 1 }, DIE },
		{ SYS_prctl, { PR_SET_PDEATHSIG, 0 }, DIE }, /* it ends with its supervisor */
		{ SYS_prctl, { PR_SET_MM }, DIE },
		{ SYS_ioctl, { 0, 0x5412 }, DIE },     /* TIOCSTI */
		{ SYS_ioctl, { 0, 0x400454ca }, DIE }, /* TUNSETIFF */
		{ SYS_ioctl, { 0, KVM_CREATE_VM }, DIE },
		{ SYS_fcntl, { 0, F_SETOWN }, DIE },
		{ SYS_fallocate, { 5, 0 }, DIE }, /* may not grow the file */
		{ SYS_tgkill, { 1, 1, SIGKILL }, DIE },
		{ SYS_setsockopt, { 3, SOL_SOCKET, SO_ATTACH_FILTER }, DIE },
		{ SYS_unlink, { 0 }, ERRNO(EROFS) },
	};
	const struct seccomp_filter *f = filter_of(ROLE_FOREIGN);
	const uint64_t none[6] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(shut); i++)
		verdict_must(f, shut[i], none, DIE);
	verdicts_hold(f, rows, ARRAY_LEN(rows));
}

/* What a process needs to live, to say why it dies, and to die. */
static void loop_threads_can_live(void **state)
{
	const struct verdict rows[] = {
		{ SYS_sendmsg, { 0 }, ALLOW },
		{ SYS_close, { 0 }, ALLOW },
		{ SYS_brk, { 0 }, ALLOW },
		{ SYS_exit_group, { 0 }, ALLOW },
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS },
			ALLOW },
		{ SYS_tgkill, { 1, 1, SIGABRT }, ALLOW },
	};

	for (int role = 0; role < ROLE_COUNT; role++)
		verdicts_hold(filter_of((enum role)role), rows, ARRAY_LEN(rows));
}

static void files_are_for_roles_with_folders(void **state)
{
	const struct verdict rows[] = {
		{ SYS_openat, { 0 }, DIE },
		{ SYS_openat2, { 0 }, DIE },
		{ SYS_unlinkat, { 0 }, DIE },
		{ SYS_unlink, { 0 }, DIE },
		{ SYS_renameat, { 0 }, DIE },
		{ SYS_mkdirat, { 0 }, DIE },
		{ SYS_getdents64, { 0 }, DIE },
	};
	const struct seccomp_filter *filters[2 * ROLE_COUNT];

	for (size_t n = own_filters_list(filters); n > 0; n--) {
		const struct seccomp_filter *f = filters[n - 1];
		if (f != filter_of(ROLE_LEDGER) && f != filter_of(ROLE_BROKER) &&
			f != filter_of(ROLE_SUPER) && f != filter_of(ROLE_READER) &&
			f != filter_of(ROLE_TEST))
			verdicts_hold(f, rows, ARRAY_LEN(rows));
	}
	for (int role = 0; role < ROLE_COUNT; role++) {
		bool has_folder = role == ROLE_FOREIGN; /* its loader finds libraries */
		for (unsigned int i = 0; i < ROLE_FDS_MAX; i++)
			has_folder |= role_get((enum role)role)->fds[i] == ROLE_FD_FOLDER;
		if (!has_folder && role != ROLE_BROKER && role != ROLE_SUPER && role != ROLE_READER)
			verdict_must(
				filter_of((enum role)role), SYS_openat, (uint64_t[6]){ 0 }, DIE);
	}
}

/* --- role by role --------------------------------------------------------------------------------- */

/* It reads files, says what is in them, and that is all. */
static void the_brokers_reader_opens_to_read(void **state)
{
	const uint64_t at = (uint64_t)AT_FDCWD;
	const struct verdict rows[] = {
		{ SYS_openat, { at, 0, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK }, ALLOW },
		{ SYS_openat, { at, 0, O_WRONLY }, DIE },
		{ SYS_openat, { at, 0, O_RDWR }, DIE },
		{ SYS_openat, { at, 0, O_RDONLY | O_TRUNC }, DIE },
		{ SYS_openat, { at, 0, O_RDWR | O_TMPFILE }, DIE },
		{ SYS_openat2, { at }, DIE },
		{ SYS_read, { 3 }, ALLOW },
		{ SYS_recvmsg, { 3 }, DIE },
		{ SYS_socket, { AF_UNIX, SOCK_STREAM, 0 }, DIE },
		{ SYS_unlinkat, { at }, DIE },
		{ SYS_getdents64, { 4 }, DIE },
		{ SYS_ftruncate, { 4 }, DIE },
		{ SYS_pwrite64, { 4 }, DIE },
	};

	verdicts_hold(filter_of(ROLE_READER), rows, ARRAY_LEN(rows));
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
		{ SYS_socket, { AF_PACKET, type, IPPROTO_TCP }, DIE },
		{ SYS_socket, { AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP }, DIE },
		{ SYS_socket, { AF_INET, SOCK_STREAM, IPPROTO_TCP }, DIE },
		{ SYS_socket, { AF_INET, type, IPPROTO_SCTP }, DIE },
		{ SYS_setsockopt, { 3, IPPROTO_TCP, TCP_NODELAY }, ALLOW },
		{ SYS_connect, { 3 }, ALLOW },
		{ SYS_accept4, { 3 }, DIE },
	};
	static const enum role others[] = { ROLE_POLICY, ROLE_LEDGER, ROLE_MONITOR,
		ROLE_MONITOR_SIM, ROLE_DEV_BLK, ROLE_DEV_CONSOLE, ROLE_DEV_RNG, ROLE_DEV_VSOCK,
		ROLE_QUOTE, ROLE_BROKER };
	const struct verdict none[] = {
		{ SYS_socket, { AF_UNIX, type, 0 }, DIE },
		{ SYS_socket, { AF_INET, type, IPPROTO_TCP }, DIE },
		{ SYS_connect, { 3 }, DIE },
	};

	verdicts_hold(filter_of(ROLE_OWNER), rows, ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		verdicts_hold(filter_of(others[i]), none, ARRAY_LEN(none));
}

/* KVM_RUN is for vCPU threads, which can do nothing else; the loop thread cannot do it. */
static void guests_run_on_their_own_threads(void **state)
{
	static const enum role monitors[] = { ROLE_MONITOR, ROLE_MONITOR_SIM };
	const struct verdict loop[] = {
		{ SYS_ioctl, { 5, KVM_RUN }, DIE },
		{ SYS_ioctl, { 5, KVM_IRQFD }, ALLOW },
		{ SYS_ioctl, { 5, 0xffffffff00000000 | KVM_IRQFD },
			ALLOW }, /* the kernel reads 32 bits */
		{ SYS_ioctl, { 5, KVM_CREATE_VCPU }, DIE },
		{ SYS_ioctl, { 5, KVM_SET_REGS }, DIE },
		{ SYS_ioctl, { 5, BLKDISCARD }, DIE },
	};
	const struct verdict vcpu[] = {
		{ SYS_ioctl, { 5, KVM_RUN }, ALLOW },
		{ SYS_ioctl, { 5, KVM_IRQFD }, DIE },
		{ SYS_ioctl, { 5, KVM_MEMORY_ENCRYPT_OP }, DIE },
		{ SYS_ioctl, { 5, 0x4020aed2 }, DIE }, /* KVM_SET_MEMORY_ATTRIBUTES */
		{ SYS_ioctl, { 5, KVM_SET_USER_MEMORY_REGION }, DIE },
		{ SYS_recvmsg, { 3 }, DIE },
		{ SYS_sendmsg, { 3 }, DIE },
		{ SYS_close, { 3 }, DIE },
		{ SYS_epoll_ctl, { 3 }, DIE },
		{ SYS_pread64, { 3 }, DIE },
		{ SYS_tgkill, { 1, 1, SIGUSR1 }, DIE },
		{ SYS_tgkill, { 1, 1, SIGABRT }, DIE },
	};

	/* The simulated processor allocates there; what ships does not. */
	const struct verdict ships[] = {
		{ SYS_mmap, { 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS }, DIE },
		{ SYS_munmap, { 0 }, DIE },
		{ SYS_mprotect, { 0, 4096, PROT_READ }, DIE },
		{ SYS_brk, { 0 }, DIE },
		{ SYS_getrandom, { 0 }, DIE },
	};

	verdicts_hold(role_get(ROLE_MONITOR)->thread_filter, ships, ARRAY_LEN(ships));
	for (size_t i = 0; i < ARRAY_LEN(monitors); i++) {
		verdicts_hold(filter_of(monitors[i]), loop, ARRAY_LEN(loop));
		verdicts_hold(role_get(monitors[i])->thread_filter, vcpu, ARRAY_LEN(vcpu));
	}
	for (int role = 0; role < ROLE_COUNT; role++)
		verdict_must(
			filter_of((enum role)role), SYS_ioctl, (uint64_t[6]){ 5, KVM_RUN }, DIE);
}

static void only_devices_map_guest_memory(void **state)
{
	static const enum role devices[] = { ROLE_DEV_BLK, ROLE_DEV_CONSOLE, ROLE_DEV_RNG,
		ROLE_DEV_VSOCK };
	const uint64_t guest = MAP_SHARED | MAP_NORESERVE;
	const struct verdict rows[] = {
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, guest, 5 }, ALLOW },
		{ SYS_mmap, { 0, 4096, PROT_READ, guest, 5 }, DIE },
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, guest, 5 }, DIE },
		{ SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, guest | MAP_FIXED, 5 }, DIE },
	};
	const struct seccomp_filter *filters[2 * ROLE_COUNT];

	for (size_t n = own_filters_list(filters); n > 0; n--) {
		bool is_device = false;
		for (size_t i = 0; i < ARRAY_LEN(devices); i++)
			is_device |= filters[n - 1] == filter_of(devices[i]);
		if (is_device)
			verdicts_hold(filters[n - 1], rows, ARRAY_LEN(rows));
		else
			verdict_must(filters[n - 1], SYS_mmap, rows[0].args, DIE);
	}
}

static void only_the_disk_may_discard(void **state)
{
	const struct verdict rows[] = {
		{ SYS_ioctl, { 5, BLKDISCARD }, DIE },
		{ SYS_fallocate, { 5, 3 }, DIE },
		{ SYS_pwritev2, { 5 }, DIE },
	};
	const struct verdict disk[] = {
		{ SYS_ioctl, { 5, BLKDISCARD }, ALLOW }, { SYS_fallocate, { 5, 3 }, ALLOW },
		{ SYS_fallocate, { 5, 0 }, DIE }, /* may not grow the file */
	};

	verdicts_hold(filter_of(ROLE_DEV_RNG), rows, ARRAY_LEN(rows));
	verdicts_hold(filter_of(ROLE_DEV_CONSOLE), rows, ARRAY_LEN(rows));
	verdicts_hold(filter_of(ROLE_DEV_VSOCK), rows, ARRAY_LEN(rows));
	verdicts_hold(filter_of(ROLE_DEV_BLK), disk, ARRAY_LEN(disk));
}

/* The eventfds of a device are one open file with the monitor's: their flags are not to change. */
static void devices_change_no_flags(void **state)
{
	static const enum role devices[] = { ROLE_DEV_BLK, ROLE_DEV_CONSOLE, ROLE_DEV_RNG,
		ROLE_DEV_VSOCK };
	const struct verdict rows[] = {
		{ SYS_fcntl, { 5, F_GETFL }, ALLOW },
		{ SYS_fcntl, { 5, F_SETFL, 0 }, DIE },
		{ SYS_fcntl, { 5, F_DUPFD_CLOEXEC, 0 }, DIE },
	};

	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		verdicts_hold(filter_of(devices[i]), rows, ARRAY_LEN(rows));
}

static void policy_reader_only_reads(void **state)
{
	const struct verdict rows[] = {
		{ SYS_pread64, { 4 }, DIE },
		{ SYS_lseek, { 4 }, DIE },
		{ SYS_newfstatat, { 4 }, DIE },
		{ SYS_fstat, { 4 }, DIE },
	};

	verdicts_hold(filter_of(ROLE_POLICY), rows, ARRAY_LEN(rows));
}

/* It ends children, by descriptor and for good, and connects to what a policy names; it starts none. */
static void the_supervisor_only_watches(void **state)
{
	const uint64_t type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	const struct verdict rows[] = {
		{ SYS_pidfd_send_signal, { 5, SIGKILL }, ALLOW },
		{ SYS_pidfd_send_signal, { 5, SIGTERM }, ALLOW },
		{ SYS_pidfd_send_signal, { 5, SIGSTOP }, DIE },
		{ SYS_pidfd_open, { 1 }, DIE },
		{ SYS_waitid, { 3 /* P_PIDFD */, 5 }, ALLOW },
		{ SYS_waitid, { 0 /* P_ALL */ }, DIE },
		{ SYS_wait4, { 0 }, DIE },
		{ SYS_socket, { AF_UNIX, type, 0 }, ALLOW },
		{ SYS_socket, { AF_VSOCK, type, 0 }, ALLOW },
		{ SYS_socket, { AF_UNIX, SOCK_DGRAM, 0 }, DIE },
		{ SYS_socket, { AF_INET, type, IPPROTO_TCP }, DIE },
		{ SYS_openat, { 0, 0, O_WRONLY | O_CLOEXEC }, ALLOW },
		{ SYS_openat, { 0, 0, O_WRONLY | O_CREAT }, DIE },
		{ SYS_openat, { 0, 0, O_WRONLY | O_TMPFILE }, DIE },
		{ SYS_clone3, { 0 }, DIE },
		{ SYS_capset, { 0 }, DIE },
		{ SYS_setxattr, { 0 }, DIE },
		{ SYS_mkdirat, { 0 }, DIE },
		{ SYS_renameat, { 0 }, DIE },
	};

	verdicts_hold(filter_of(ROLE_SUPER), rows, ARRAY_LEN(rows));
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

	verdicts_hold(filter_of(ROLE_TEST), rows, ARRAY_LEN(rows));
}

/* --- the interpreter above against the kernel's --------------------------------------------------- */

/* The child's end when it makes one call under a filter: 0, the errno it got, or 1000 + its signal. */
static int kernel_judge(const struct seccomp_filter *f, int nr, const uint64_t args[6])
{
	const struct sock_fprog program = { .len = f->n,
		.filter = (struct sock_filter *)(uintptr_t)f->code };
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
			_exit(255);
		long ret = syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]);
		long end = verdict_of(f, SYS_exit, (uint64_t[6]){ 0 }) == ALLOW ? SYS_exit
										: SYS_exit_group;
		syscall(end, ret < 0 ? errno & 0x7f : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void the_kernel_agrees(void **state)
{
	static const uint64_t bad = (uint64_t)-1;
	const struct {
		const struct seccomp_filter *f;
		struct verdict v;
	} rows[] = {
		{ role_get(ROLE_MONITOR)->thread_filter, { SYS_ioctl, { bad, KVM_RUN }, ALLOW } },
		{ role_get(ROLE_MONITOR)->thread_filter, { SYS_ioctl, { bad, KVM_IRQFD }, DIE } },
		{ role_get(ROLE_MONITOR)->thread_filter, { SYS_close, { bad }, DIE } },
		{ filter_of(ROLE_MONITOR), { SYS_ioctl, { bad, KVM_RUN }, DIE } },
		{ filter_of(ROLE_MONITOR), { SYS_ioctl, { bad, KVM_IRQFD }, ALLOW } },
		{ filter_of(ROLE_DEV_BLK), { SYS_fallocate, { bad, 3 }, ALLOW } },
		{ filter_of(ROLE_DEV_BLK), { SYS_fallocate, { bad, 0 }, DIE } },
		{ filter_of(ROLE_DEV_BLK), { SYS_fcntl, { bad, F_GETFL }, ALLOW } },
		{ filter_of(ROLE_DEV_BLK), { SYS_fcntl, { bad, F_SETFL }, DIE } },
		{ filter_of(ROLE_SUPER), { SYS_pidfd_send_signal, { bad, SIGKILL }, ALLOW } },
		{ filter_of(ROLE_SUPER), { SYS_pidfd_send_signal, { bad, SIGTERM }, ALLOW } },
		{ filter_of(ROLE_SUPER), { SYS_pidfd_send_signal, { bad, SIGSTOP }, DIE } },
		{ filter_of(ROLE_SUPER), { SYS_execve, { 0 }, DIE } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct verdict *v = &rows[i].v;
		verdicts_hold(rows[i].f, v, 1);
		int got = kernel_judge(rows[i].f, v->nr, v->args);
		int want = v->want == DIE ? 1000 + SIGSYS : EBADF;
		if (got != want)
			fail_msg("%s: call %d: %d, want %d", rows[i].f->name, v->nr, got, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_is_compiled_as_it_reads),
		cmocka_unit_test(every_other_call_is_killed),
		cmocka_unit_test(foreign_architectures_are_killed),
		cmocka_unit_test(digests_are_of_the_code),
		cmocka_unit_test(every_role_shuts_the_same_doors),
		cmocka_unit_test(programs_of_another_make_shut_the_worst_doors),
		cmocka_unit_test(loop_threads_can_live),
		cmocka_unit_test(files_are_for_roles_with_folders),
		cmocka_unit_test(the_brokers_reader_opens_to_read),
		cmocka_unit_test(owner_opens_tcp_alone),
		cmocka_unit_test(guests_run_on_their_own_threads),
		cmocka_unit_test(only_devices_map_guest_memory),
		cmocka_unit_test(only_the_disk_may_discard),
		cmocka_unit_test(devices_change_no_flags),
		cmocka_unit_test(policy_reader_only_reads),
		cmocka_unit_test(the_supervisor_only_watches),
		cmocka_unit_test(every_kind_of_rule_is_compiled),
		cmocka_unit_test(the_kernel_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
