#include "sandbox/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/stage.h"

#define NAMESPACES                                                                                 \
	(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)
#define ATTR_EXEC       "/proc/thread-self/attr/exec"
#define ATTR_SOCKCREATE "/proc/thread-self/attr/sockcreate"
#define XATTR_LABEL     "security.selinux"
#define EXEC_FAILED     126 /* exit status of a child that never became its program */

/* What the child needs between clone and exec; made before, so that it only makes calls. */
struct order {
	const struct role_row *row;
	int fds[SPAWN_FD_CHAN + ROLE_FDS_MAX]; /* 0, 1, 2, channel, then the caller's */
	unsigned int n_fds;
	int binary;
	int go;       /* read end: one byte when the id maps are written */
	int go_write; /* the parent's end, closed by the child */
	uint32_t uid; /* inside the namespace and outside: the same number */
	uint32_t gid;
	bool is_root; /* the parent may drop groups and give any id */
	const struct spawn_place *place;
	const char *step; /* what was tried last */
	const char *of;   /* and with what; NULL: nothing */
};

/* One write: the kernel takes such a text whole. */
static MUST_USE int text_write(const char *path, const char *text)
{
	AUTO(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* ---- the child, between clone and exec: a copy of the parent, in its own namespaces ---------- */

static MUST_USE int child_wait(struct order *o)
{
	char go = 0;

	o->step = "wait for the id map";
	(void)close(o->go_write);
	return read(o->go, &go, 1) == 1 ? 0 : -EPIPE;
}

static MUST_USE int child_become(struct order *o)
{
	o->step = "change ids";
	if (o->is_root && setgroups(0, NULL) < 0)
		return -errno;
	if (setresgid(o->gid, o->gid, o->gid) < 0 || setresuid(o->uid, o->uid, o->uid) < 0)
		return -errno;
	o->step = "leave the terminal";
	return setsid() < 0 ? -errno : 0;
}

/*
 * The three capabilities (over its own namespaces only) that the sandbox stages need, carried
 * over exec by a process that is uid 0 in no namespace: the ambient set.
 */
static MUST_USE int child_keep_caps(struct order *o)
{
	static const unsigned int keep[] = { CAP_SYS_ADMIN, CAP_SETPCAP, CAP_SYS_RESOURCE };
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = { 0 };

	o->step = "keep capabilities for the sandbox";
	for (size_t i = 0; i < ARRAY_LEN(keep); i++)
		sets[0].permitted |= 1u << keep[i];
	sets[0].effective = sets[0].permitted;
	sets[0].inheritable = sets[0].permitted;
	if (syscall(SYS_capset, &hdr, sets) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(keep); i++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, keep[i], 0, 0) < 0)
			return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* First out of the way of the low numbers, then to their places; all else closes at exec. */
static MUST_USE int child_place_fds(struct order *o, int *ret_chan)
{
	int high[ARRAY_LEN(o->fds)];

	o->step = "place descriptors";
	for (unsigned int i = 0; i < o->n_fds; i++) {
		high[i] = fcntl(o->fds[i], F_DUPFD_CLOEXEC, (int)o->n_fds);
		if (high[i] < 0)
			return -errno;
	}
	int binary = fcntl(o->binary, F_DUPFD_CLOEXEC, (int)o->n_fds);
	if (binary < 0)
		return -errno;
	o->binary = binary;
	*ret_chan = high[SPAWN_FD_CHAN]; /* its old number may be another's from here on */
	for (unsigned int i = 0; i < o->n_fds; i++)
		if (dup2(high[i], (int)i) < 0)
			return -errno;
	return syscall(SYS_close_range, o->n_fds, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */) < 0
		       ? -errno
		       : 0;
}

/* What the program may map, from its first instruction on; stage_rlimit() makes soft = hard of it. */
static MUST_USE int child_limit(struct order *o)
{
	uint64_t max = role_max_address_bytes(o->row, o->place->guest_bytes);
	struct rlimit now;

	o->step = "limit its address space";
	if (getrlimit(RLIMIT_AS, &now) < 0)
		return -errno;
	now.rlim_max = MIN(max, now.rlim_max);
	now.rlim_cur = now.rlim_max;
	return setrlimit(RLIMIT_AS, &now) < 0 ? -errno : 0;
}

/* The SELinux context of the next exec; the kernel asks the loaded policy here and again there. */
static MUST_USE int child_label(struct order *o)
{
	if (o->place->label == NULL)
		return 0;
	o->step = "set the label";
	o->of = o->place->label;
	int err = text_write(ATTR_EXEC, o->place->label);
	o->step = err < 0 ? o->step : "execute the program with the label";
	return err;
}

static MUST_USE int child_signals(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

/* The only way this comes back is a failure, told to the parent the way every child tells it. */
static NORETURN void child_main(struct order *o)
{
	struct wire_failed failed = { 0 };
	struct chan chan = { .fd = o->fds[SPAWN_FD_CHAN] };

	int err = child_wait(o);
	if (err == 0)
		err = child_become(o);
	if (err == 0)
		err = child_keep_caps(o);
	if (err == 0)
		err = child_limit(o);
	if (err == 0)
		err = child_signals();
	if (err == 0)
		err = child_place_fds(o, &chan.fd);
	if (err == 0)
		err = child_label(o); /* last: what is said of a failed exec names it */
	if (err == 0) {
		const char *argv[] = { o->row->binary, NULL };
		const char *envp[] = { NULL };
		if (o->of == NULL)
			o->step = "execute the program";
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)syscall(SYS_execveat, o->binary, "", argv, envp, AT_EMPTY_PATH);
		err = -errno;
	}
	failed.err = le32_of((uint32_t)-err);
	(void)snprintf(failed.text, sizeof failed.text, "%s: cannot %s%s%s: %s%s", o->row->binary,
		o->step, o->of != NULL ? " " : "", o->of != NULL ? o->of : "",
		strerrordesc_np(-err),
		o->of == NULL ? "" : " (casemate-selinux(8); the denial is in the audit log)");
	err = chan_send(&chan, SUP_MSG_FAILED, &failed, sizeof failed, NULL, 0);
	_exit(EXEC_FAILED);
}

/* ---- the parent ------------------------------------------------------------------------------ */

static MUST_USE int proc_write(pid_t pid, const char *file, const char *text)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	return text_write(path, text);
}

static MUST_USE int ids_map(pid_t pid, const struct order *o, struct why *why)
{
	char map[64];
	int err = o->is_root ? 0 : proc_write(pid, "setgroups", "deny");

	(void)snprintf(map, sizeof map, "%u %u 1\n", o->uid, o->uid);
	if (err == 0)
		err = proc_write(pid, "uid_map", map);
	(void)snprintf(map, sizeof map, "%u %u 1\n", o->gid, o->gid);
	if (err == 0)
		err = proc_write(pid, "gid_map", map);
	return err < 0 ? why_set(why, err, "cannot give uid %u, gid %u to %s: %s", o->uid, o->gid,
				 o->row->binary, strerrordesc_np(-err))
		       : 0;
}

/* Whose ids: our own when we are nobody special, the folder's owner, or a pair of its own. */
static MUST_USE int ids_choose(struct order *o, struct why *why)
{
	static unsigned int slot;
	struct stat st;

	o->is_root = geteuid() == 0;
	o->uid = geteuid();
	o->gid = getegid();
	if (!o->is_root)
		return 0;
	o->uid = o->place->uid != 0 ? o->place->uid : ids_pick(slot++);
	o->gid = o->place->uid != 0 ? o->place->gid : o->uid;
	for (unsigned int i = 0; i < role_count_fds(o->row); i++) {
		if (o->row->fds[i] != ROLE_FD_FOLDER || (o->row->flags & ROLE_RUNS_AS_OWNER) == 0)
			continue;
		if (fstat(o->fds[SPAWN_FD_CHAN + i], &st) < 0)
			return why_set(why, -errno, "cannot see who owns the folder of %s",
				o->row->binary);
		o->uid = st.st_uid;
		o->gid = st.st_gid;
	}
	return ids_is_mapped(o->uid) && ids_is_mapped(o->gid)
		       ? 0
		       : why_set(why, -EPERM,
				 "uid %u is not to be had in this container: run as a user of it, "
				 "or give the container more ids",
				 o->uid);
}

static MUST_USE int order_clone(const struct order *o, struct spawn_child *c, struct why *why)
{
	struct order copy = *o;
	int cgroup = o->place->cgroup_fd;
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | NAMESPACES |
			 ((o->row->flags & ROLE_HAS_NETWORK) == 0 ? CLONE_NEWNET : 0) |
			 (cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)&c->pidfd,
		.exit_signal = SIGCHLD,
	};
	if (cgroup >= 0)
		args.cgroup = (unsigned int)cgroup;
	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0)
		child_main(&copy);
	if (pid < 0)
		return why_set(why, errno == ENOMEM || errno == EAGAIN ? -errno : -EPERM,
			"cannot start %s in namespaces of its own: %s; allow them with sysctl "
			"user.max_user_namespaces and, where it exists, "
			"kernel.unprivileged_userns_clone=1",
			o->row->binary,
			errno == ENOSPC ? "their limit is reached" : strerrordesc_np(errno));
	c->pid = (pid_t)pid;
	return 0;
}

/* The channel, made with the guest's label: a process of another guest may not use it. */
static MUST_USE int chan_make(const char *label, int ret_chan[2], struct why *why)
{
	int err = label != NULL ? text_write(ATTR_SOCKCREATE, label) : 0;

	if (err < 0)
		return why_set(why, err, "cannot make sockets labelled %s: %s", label,
			strerrordesc_np(-err));
	err = chan_pair(ret_chan);
	if (label != NULL && text_write(ATTR_SOCKCREATE, "\n") < 0)
		return why_set(why, -EIO, "cannot make sockets with our own label again");
	return err < 0 ? why_set(why, err, "cannot make a channel: %s", strerrordesc_np(-err)) : 0;
}

/* Channel and log pipe; our ends never block. */
static MUST_USE int pipes_open(struct spawn_child *c, const struct spawn_place *place,
	int *ret_chan, int *ret_log, struct why *why)
{
	int chan[2] = { -1, -1 };
	int log[2] = { -1, -1 };
	int err = chan_make(place->socket_label, chan, why);

	c->chan_fd = chan[0];
	*ret_chan = chan[1];
	if (err < 0)
		return err;
	if (pipe2(log, O_CLOEXEC) < 0)
		return why_set(why, -errno, "cannot make a pipe: %s", strerrordesc_np(errno));
	c->log_fd = log[0];
	*ret_log = log[1];
	/* A pipe has its maker's whole range, which a process of one guest has not. */
	if (place->socket_label != NULL && fsetxattr(log[1], XATTR_LABEL, place->socket_label,
						   strlen(place->socket_label) + 1, 0) < 0)
		return why_set(why, -errno, "cannot label a pipe %s: %s", place->socket_label,
			strerrordesc_np(errno));
	if (fcntl(chan[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(log[0], F_SETFL, O_NONBLOCK) < 0)
		return why_set(why, -errno, "fcntl: %s", strerrordesc_np(errno));
	return 0;
}

static MUST_USE int order_start(struct order *o, struct spawn_child *c, struct why *why)
{
	int go[2];

	if (pipe2(go, O_CLOEXEC) < 0)
		return why_set(why, -errno, "cannot make a pipe: %s", strerrordesc_np(errno));
	AUTO(fd) int go_read = go[0];
	AUTO(fd) int go_write = go[1];
	o->go = go_read;
	o->go_write = go_write;
	int err = order_clone(o, c, why);
	if (err == 0)
		err = ids_map(c->pid, o, why);
	if (err == 0)
		err = fd_write_all(go_write, "g", 1);
	return err;
}

int spawn_start(enum role role, const int *fds, unsigned int n_fds, const struct spawn_place *place,
	struct spawn_child *ret, struct why *why)
{
	static const struct spawn_place none = SPAWN_PLACE_NONE;
	const struct role_row *row = role_get(role);
	AUTO(spawn) struct spawn_child c = SPAWN_CHILD_NONE;
	struct order o = { .row = row,
		.n_fds = SPAWN_FD_CHAN + 1 + n_fds,
		.place = place != NULL ? place : &none };

	if (n_fds + 1 != role_count_fds(row))
		return why_set(why, -EBADF, "%s: %u descriptors are given, its row has %u",
			row->binary, n_fds + 1, role_count_fds(row));
	AUTO(fd) int binary = -1;
	int err = spawn_open_binary(row->binary, &binary, NULL, 0, why);
	if (err < 0)
		return err;
	AUTO(fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return why_set(why, -errno, "cannot open /dev/null: %s", strerrordesc_np(errno));
	AUTO(fd) int child_chan = -1;
	AUTO(fd) int child_log = -1;
	err = pipes_open(&c, o.place, &child_chan, &child_log, why);
	if (err < 0)
		return err;
	c.role = role;
	o.binary = binary;
	o.fds[0] = o.fds[1] = null;
	o.fds[2] = child_log;
	o.fds[SPAWN_FD_CHAN] = child_chan;
	for (unsigned int i = 0; i < n_fds; i++)
		o.fds[SPAWN_FD_CHAN + 1 + i] = fds[i];
	err = ids_choose(&o, why);
	if (err == 0)
		err = order_start(&o, &c, why);
	if (err < 0)
		return err;
	c.uid = o.uid;
	c.gid = o.gid;
	*ret = c;
	c = SPAWN_CHILD_NONE;
	return 0;
}

int spawn_send_config(
	struct chan *c, const void *config, size_t len, const int *fds, unsigned int n_fds)
{
	int err = chan_send(c, SUP_MSG_CONFIG, config, len, fds, n_fds);

	return err == -EPIPE ? 0 : err;
}

int spawn_reap(struct spawn_child *c, struct spawn_end *ret)
{
	siginfo_t si = { 0 };

	if (c->pid == 0)
		return -ECHILD;
	if (waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOHANG) < 0)
		return -errno;
	if (si.si_pid == 0)
		return -EAGAIN;
	c->pid = 0;
	*ret = (struct spawn_end){ .is_signal = si.si_code != CLD_EXITED, .status = si.si_status };
	return 0;
}

int spawn_wait_end(struct spawn_child *c, struct spawn_end *ret)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	return poll(&p, 1, SPAWN_ENDING_MS) == 1 ? spawn_reap(c, ret) : -EAGAIN;
}

void spawn_kill(struct spawn_child *c)
{
	siginfo_t si;

	if (c->pid != 0) {
		(void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
		while (waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED) < 0 && errno == EINTR)
			;
		c->pid = 0;
	}
	fd_drop(&c->pidfd);
	fd_drop(&c->chan_fd);
	fd_drop(&c->log_fd);
}

void spawn_print_end(const struct spawn_end *end, char *ret, size_t size)
{
	if (!end->is_signal)
		(void)snprintf(ret, size, "ended with status %d", end->status);
	else if (end->status == SIGSYS)
		(void)snprintf(ret, size,
			"was killed by its seccomp filter (SIGSYS): it made a system call that is "
			"not on its "
			"list; the kernel's log names it (journalctl -k or dmesg, \"type=1326 ... "
			"syscall=\")");
	else
		/* A pid 1 ignores its own SIGABRT; abort() then ends it with a trapping instruction. */
		(void)snprintf(ret, size, "was killed by signal %d (SIG%s%s)", end->status,
			sigabbrev_np(end->status) != NULL ? sigabbrev_np(end->status) : "?",
			end->status == SIGSEGV ? ", or a failed assertion" : "");
}
