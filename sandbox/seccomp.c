#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/receipt.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp_filter.h"
#include "sandbox/stage.h"

/* With SECCOMP_FILTER_FLAG_TSYNC the kernel names a thread that it could not bring in line. */
static MUST_USE int filter_load(const struct seccomp_filter *filter, unsigned int flags)
{
	const struct sock_fprog program = { .len = filter->n,
		.filter = (struct sock_filter *)(uintptr_t)filter->code }; /* only read */
#ifdef HAS_SANITIZER
	stage_sanitizer();
#endif
	long ret = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);

	return ret < 0 ? -errno : ret > 0 ? -EBUSY : 0;
}

static MUST_USE int filter_enter(const struct role_row *row, const struct seccomp_filter *filter,
	unsigned int flags, struct why *why)
{
	int err = filter_load(filter, flags);

	if (err < 0)
		return why_set(why, err, "sandbox of %s, seccomp: the kernel refused filter %s: %s",
			row->name, filter->name, strerrordesc_np(-err));
	err = sandbox_check();
	return err < 0 ? why_set(why, err, "sandbox of %s, seccomp: the canary call was not caught",
				 row->name)
		       : 0;
}

int sandbox_check(void)
{
	errno = 0;
	return syscall(SYS_getppid) == -1 && errno == SECCOMP_CANARY_ERRNO ? 0 : -EPERM;
}

#define NO_CALL UINT32_MAX

int stage_calls(const struct role_row *row, bool may_connect, struct why *why)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, may_connect ? NO_CALL : SYS_socket, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)getpid(), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = ARRAY_LEN(code), .filter = code };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) !=
			       0
		       ? why_set(why, -EPERM,
				 "sandbox of %s, seccomp: no filter for its signals and sockets",
				 row->name)
		       : 0;
}

int stage_seccomp(const struct role_row *row, struct why *why)
{
	/* Threads of another kind have a filter of their own, which this one must not add to. */
	bool is_for_all = row->thread_filter == NULL;
	int err = filter_enter(row, row->filter, is_for_all ? SECCOMP_FILTER_FLAG_TSYNC : 0, why);

	if (err < 0)
		return err;
	receipt_note_filter(row->filter->sha256);
	return 0;
}

int sandbox_enter_thread(enum role role, struct why *why)
{
	const struct role_row *row = role_get(role);

	return row->thread_filter != NULL
		       ? filter_enter(row, row->thread_filter, 0, why)
		       : why_set(why, -EINVAL, "%s has no further threads", row->name);
}
