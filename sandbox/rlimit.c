#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/limits.h"
#include "sandbox/child.h"
#include "sandbox/stage.h"

/* <linux/prctl.h> since 6.3. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1ul
#define PR_GET_MDWE              66
#endif

/* A signal to a thread takes one: a kick for each vCPU, and some at the end. */
#define SIGNALS_MAX 64u

static MUST_USE int limit_set(__rlimit_resource_t what, rlim_t value)
{
	struct rlimit now;

	if (getrlimit(what, &now) < 0)
		return -errno;
	value = MIN(value, now.rlim_max); /* raising is not ours to do */
	struct rlimit to = { value, value };
	return setrlimit(what, &to) < 0 ? -errno : 0;
}

static rlim_t processes_max(const struct role_row *row)
{
	if ((row->flags & ROLE_IS_FOREIGN) != 0)
		return LIMIT_FOREIGN_THREADS;
	return (row->flags & ROLE_HAS_THREADS) != 0 ? LIMIT_VCPUS + 8 : 0;
}

/* Spawn set the hard limit of what it started, guest memory included. */
static rlim_t address_max(const struct role_row *row)
{
	return (row->flags & ROLE_IS_SELF_STARTED) != 0 ? role_max_address_bytes(row, 0)
							: RLIM_INFINITY;
}

static MUST_USE int limits_set(const struct role_row *row)
{
	const struct {
		__rlimit_resource_t what;
		rlim_t value;
	} limits[] = {
		{ RLIMIT_NOFILE, row->max_fds },
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_FSIZE, role_max_file_bytes(row) },
		{ RLIMIT_AS, address_max(row) },
		{ RLIMIT_NPROC, processes_max(row) },
		{ RLIMIT_MEMLOCK, row->max_locked_bytes },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_SIGPENDING, SIGNALS_MAX },
		{ RLIMIT_RTPRIO, 0 },
		{ RLIMIT_NICE, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		int err = limit_set(limits[i].what, limits[i].value);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Die when the parent dies. In a pid namespace getppid() is 0 either way: ask the channel. */
static MUST_USE int death_bind(void)
{
	struct pollfd chan = { .fd = SPAWN_FD_CHAN };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (poll(&chan, 1, 0) < 0)
		return -errno;
	return (chan.revents & POLLHUP) != 0 ? -EPIPE : 0;
}

bool mdwe_is_known(void)
{
	return prctl(PR_GET_MDWE, 0ul, 0ul, 0ul, 0ul) >= 0;
}

bool mdwe_is_on(void)
{
	return prctl(PR_GET_MDWE, 0ul, 0ul, 0ul, 0ul) == (int)PR_MDWE_REFUSE_EXEC_GAIN;
}

/* Beside the filter, which refuses PROT_EXEC where the kernel has nothing of its own for it. */
static MUST_USE int mdwe_enter(void)
{
	if (!mdwe_is_known())
		return 0;
	return prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0ul, 0ul, 0ul) < 0 ? -errno : 0;
}

int stage_rlimit(const struct role_row *row, struct why *why)
{
	int err = limits_set(row);

	if (err < 0)
		return why_set(
			why, err, "sandbox of %s, rlimit: %s", row->name, strerrordesc_np(-err));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return why_set(why, -errno, "sandbox of %s, rlimit: prctl: %s", row->name,
			strerrordesc_np(errno));
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE) != 0)
		return why_set(
			why, -EPERM, "sandbox of %s, rlimit: prctl had no effect", row->name);
	err = mdwe_enter();
	if (err < 0)
		return why_set(why, err,
			"sandbox of %s, rlimit: cannot forbid executable memory: %s", row->name,
			strerrordesc_np(-err));
	/* After every change of ids and capabilities: those clear the parent-death signal. */
	err = (row->flags & ROLE_IS_SELF_STARTED) != 0 ? 0 : death_bind();
	if (err < 0)
		return why_set(why, err, "sandbox of %s, rlimit: the parent is gone", row->name);
	return 0;
}
