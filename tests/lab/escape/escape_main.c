/*
 * escape: every program of ours, taken over in its sandbox, tries every row of attempts[].
 *
 *   escape FOLDER [--rest] [--victim PID DISK SOCKET] [--only TEXT] [--jobs N] [--table FILE]
 *
 *   FOLDER     programs with the payload, this program beside them, and files for them to hold
 *              (escape.sh makes it)
 *   --labels   in the domains and with the categories of a guest (where SELinux enforces)
 *              and only the rows that the label refuses by itself (ATTEMPT_LABEL)
 *   --all      with --labels: all rows
 *   --ask      somebody else writes the orders into the programs: "order FILE WHEN ATTEMPT NAME"
 *              goes to standard output, a line must come from standard input
 *   --label    with --labels: the programs of FOLDER have no other wall: what the label holds.
 *              Its rows must come to EACCES or EPERM and end with the process that made them,
 *              [PID]; what others came to is a comment.
 *   --rest     the programs of FOLDER have no system call filter: what else holds
 *   --victim   a process, a disk and a socket of the guest next door
 *   --only     rows whose name or role has this text
 *
 *   escape --lies    the names of lies[], a line each, in order
 *
 * TAP on standard output, a test a role and attempt; then how many each wall stopped.
 */
#include <errno.h>
#include <fcntl.h>
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
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/lab/escape/attempt.h"
#include "tests/lab/escape/lie.h"
#include "tests/lab/escape/target.h"
#include "vmm/super/sup_proto.h"

#define WAIT_MS     10000
#define LOG_BYTES   8192
#define TARGETS_MAX 16
#define NOT_LABEL   (ATTEMPT_NOT_AS_ROOT | ATTEMPT_NOT_REST)

enum wall {
	WALL_FILTER,
	WALL_PRIVILEGE,
	WALL_PERMISSION,
	WALL_PLACE,
	WALL_LIMIT,
	WALL_OTHER,
	WALL_NONE_NEEDED, /* --rest: harmless, and only the filter's */
	WALL_SKIPPED,
	WALL_FELL,    /* it got what it wanted, or got in */
	WALL_NOT_RUN, /* nothing was proven */
	WALL_COUNT
};
static const char *const wall_names[WALL_COUNT] = { "filter", "privilege", "permission",
	"namespace", "limit", "other", "filter alone", "skipped", "NOT STOPPED", "NOT RUN" };

struct result {
	enum wall wall;
	pid_t pid; /* of the process that tried */
	char text[160];
};

static struct {
	const char *folder, *only, *table;
	bool is_rest, is_label, is_asking, has_labels, is_all;
	unsigned int jobs;
	struct order order;
} opts = { .jobs = 2, .order = { .mark = ORDER_MARK } };

/* The harness tries nothing: for the table's references alone. */
volatile struct order order = { .when = WHEN_NEVER };

ssize_t __real_sendmsg(int fd, const struct msghdr *mh, int flags)
{
	return -1;
}

static struct result (*results)[512]; /* [target][attempt], shared with the workers */

/* ---- what is known ---------------------------------------------------------------------------- */

/* What a role may do: its own files are its own to ruin. */
static const struct {
	const char *target, *attempt, *reason;
} exempt[] = {
	{ "broker", "shorten what is open", "its database's journal is its own" },
	{ "super", "shorten what is open", "its own entry among the guests that run" },
	{ "super", "is there a file /etc/passwd",
		"it stays in the host's namespaces; what it may open is little" },
};

/* --rest: what nothing but the filter stops in these roles. */
static const struct {
	const char *target, *attempt;
} filter_alone[] = {
	/* A program that a person starts has no process namespace of its own: it sees who is there. */
	{ "broker", "kill everybody" },
	{ "broker", "a pidfd of a process next door" },
	{ "broker", "processors next door" },
	{ "broker", "the session next door" },
	{ "broker", "the group next door" },
};

/* --label: what the domain of a role is there to do, and other walls keep in bounds. */
static const struct {
	const char *target, *attempt, *reason;
} domain_may[] = {
	{ "policy", "is there a file /etc/passwd", "it reads one file, whatever its type" },
	{ "policy", "is there a file /etc/passwd, with statx",
		"it reads one file, whatever its type" },
	{ "policy", "may I read /etc/passwd", "it reads one file, whatever its type" },
	{ "owner", "is there a file /etc/passwd", "names of hosts" },
	{ "owner", "is there a file /etc/passwd, with statx", "names of hosts" },
	{ "owner", "may I read /etc/passwd", "names of hosts" },
	{ "owner", "an IPv4 socket", "TCP to a broker, found by name" },
	{ "owner", "an IPv4 datagram socket", "TCP to a broker, found by name" },
	{ "owner", "an IPv6 socket", "TCP to a broker, found by name" },
	{ "owner", "a netlink socket", "TCP to a broker, found by name" },
	{ "super", "open /dev/kvm", "what it gives to guests" },
	{ "super", "open /dev/sev", "what it gives to guests" },
	{ "super", "open the disk of the guest next door", "what it gives to guests" },
	{ "super", "open the state of a TPM", "what it gives to guests" },
	{ "super", "open a disk of nobody's", "what it gives to guests" },
	{ "super", "open a kernel for guests", "what it gives to guests" },
	{ "super", "open a journal of labels", "its own files" },
	{ "super", "open who runs", "its own files" },
	{ "super", "open a log", "its own files" },
	{ "super", "open the variables of a process next door",
		"what a child says of itself is compared with /proc" },
	{ "super", "open the map of a process next door",
		"what a child says of itself is compared with /proc" },
	{ "super", "compare descriptors next door",
		"what a child says of itself is compared with /proc" },
	{ "super", "locks next door", "what a child says of itself is compared with /proc" },
	{ "super", "kill next door", "its children end by its signals" },
	{ "super", "tkill next door", "its children end by its signals" },
	{ "super", "kill its parent", "its children end by its signals" },
	{ "super", "is there a file /etc/passwd", "files of users: names, modes, places" },
	{ "super", "is there a file /etc/passwd, with statx",
		"files of users: names, modes, places" },
	{ "super", "may I read /etc/passwd", "files of users: names, modes, places" },
	{ "super", "open by handle", "files of users: names, modes, places" },
	{ "super", "size of the root file system", "files of users: names, modes, places" },
	{ "super", "change the folder to ..", "files of users: names, modes, places" },
	{ "super", "another domain for what it executes",
		"labels of its children and their sockets" },
	{ "super", "another label for sockets", "labels of its children and their sockets" },
	{ "super", "an IPv4 socket", "names of users and hosts" },
	{ "super", "an IPv4 datagram socket", "names of users and hosts" },
	{ "super", "an IPv6 socket", "names of users and hosts" },
	{ "super", "a netlink socket", "names of users and hosts" },
	{ "super", "add_key", "names of users and hosts" },
	{ "super", "a vsock socket", "the quoting service, ports of guests" },
	{ "super", "connect to an abstract socket", "the quoting service, ports of guests" },
	{ "super", "supplementary groups", "ids and limits of its children" },
	{ "super", "more processes", "ids and limits of its children" },
	{ "super", "more locked memory with setrlimit", "ids and limits of its children" },
	{ "super", "move its own program", "ids and limits of its children" },
	{ "super", "a message queue", "guest memory" },
	{ "super", "listen on its channel", "it has none, and what it has last is no file" },
	{ "super", "execute from a descriptor", "it has none, and what it has last is no file" },
};

static bool is_filter_alone(const struct target *t, const struct attempt *a)
{
	if ((a->flags & ATTEMPT_FILTER_ONLY) != 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(filter_alone); i++)
		if (strcmp(filter_alone[i].target, t->name) == 0 &&
			strcmp(filter_alone[i].attempt, a->name) == 0)
			return true;
	return false;
}

static const char *exempt_reason(const struct target *t, const struct attempt *a)
{
	for (size_t i = 0; opts.is_label && i < ARRAY_LEN(domain_may); i++)
		if (strcmp(domain_may[i].target, t->name) == 0 &&
			strcmp(domain_may[i].attempt, a->name) == 0)
			return domain_may[i].reason;
	for (size_t i = 0; i < ARRAY_LEN(exempt); i++)
		if (strcmp(exempt[i].target, t->name) == 0 &&
			strcmp(exempt[i].attempt, a->name) == 0)
			return exempt[i].reason;
	return NULL;
}

/* ---- one attempt ------------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Where the order is in the program's file: the mark is there once, or the copy is of no use. */
static off_t order_find(int fd)
{
	struct stat st;
	const size_t len = strlen(ORDER_MARK);

	if (fstat(fd, &st) < 0)
		return -1;
	const char *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return -1;
	const char *found = memmem(at, (size_t)st.st_size, ORDER_MARK, len);
	off_t ret = found != NULL ? found - at : -1;
	if (found != NULL &&
		memmem(found + 1, (size_t)(st.st_size - ret) - 1, ORDER_MARK, len) != NULL)
		ret = -1;
	(void)munmap((void *)(uintptr_t)at, (size_t)st.st_size);
	return ret;
}

/* A domain of ours may not write programs: somebody else does. */
static MUST_USE int order_ask(const struct target *t, const struct order *o)
{
	char line[8];

	printf("order %s %u %u %s\n", t->binary, o->when, o->attempt, o->victim_abstract + 1);
	(void)fflush(stdout);
	return fgets(line, sizeof line, stdin) != NULL ? 0 : -EPIPE;
}

static MUST_USE int order_give(const struct target *t, uint32_t when, uint32_t attempt)
{
	char path[512];
	struct order o = opts.order;

	o.when = when;
	o.attempt = attempt;
	(void)snprintf(path, sizeof path, "%s/%s", opts.folder, t->binary);
	if (opts.is_asking)
		return order_ask(t, &o);
	AUTO(fd) int fd = open(path, O_RDWR | O_CLOEXEC);
	for (int i = 0; fd < 0 && errno == ETXTBSY && i < 200; i++) {
		(void)poll(NULL, 0, 10); /* a helper of the last one is about to end */
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	off_t at = fd < 0 ? -1 : order_find(fd);
	if (at < 0)
		return -EIO;
	return pwrite(fd, &o, sizeof o, at) != sizeof o ? -EIO : 0;
}

/* What the parent would do with its words: a monitor that is ready is told to go. */
static void messages_take(struct target_run *r)
{
	while (r->chan.fd >= 0 && chan_recv(&r->chan, false) == 0)
		if (r->chan.in->type == SUP_MSG_READY && r->child.role == ROLE_MONITOR)
			(void)!chan_send(&r->chan, SUP_MSG_GO, NULL, 0, NULL, 0);
}

/* It says what came of its attempt: whether it ends by itself is of no interest. */
static bool is_told(const char *log)
{
	const char *end = strstr(log, "escape: end ");

	return end != NULL && strchr(end, '\n') != NULL;
}

/* Its log until its end, or until all is said: 0, or -ETIMEDOUT. */
static MUST_USE int log_collect(struct target_run *r, char log[LOG_BYTES], struct spawn_end *end)
{
	int64_t until = now_ms() + WAIT_MS;
	size_t len = 0;

	for (bool is_over = false; !is_over;) {
		struct pollfd p[3] = { { .fd = r->child.pidfd, .events = POLLIN },
			{ .fd = r->child.log_fd, .events = POLLIN },
			{ .fd = r->chan.fd, .events = POLLIN } };
		int64_t left = until - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		(void)poll(p, 3, (int)left);
		is_over = p[0].revents != 0 ||
			  is_told(log); /* before the log is read: then it is complete */
		if ((p[2].revents & (POLLHUP | POLLERR)) != 0)
			chan_close(&r->chan);
		else
			messages_take(r);
		ssize_t n;
		while ((n = read(r->child.log_fd, log + len, LOG_BYTES - 1 - len)) > 0)
			for (ssize_t i = 0; i < n; i++, len++)
				log[len] = (char)(log[len] == 0 ? '?' : log[len]);
		log[len] = 0;
		if (n == 0 && p[1].revents != 0)
			fd_drop(&r->child.log_fd);
	}
	int err = spawn_reap(&r->child, end);
	return err == -EAGAIN && is_told(log) ? 0 : err;
}

static enum wall wall_of(const struct attempt *a, int err)
{
	bool is_listed = err == EPERM || err == EACCES || (err == ENOSYS && !opts.is_label);

	for (unsigned int i = 0; i < ATTEMPT_ERRNOS && !opts.is_label; i++)
		is_listed |= a->errnos[i] == err;
	if (!is_listed)
		return WALL_FELL;
	switch (err) {
	case EPERM:
		return WALL_PRIVILEGE;
	case EACCES:
		return WALL_PERMISSION;
	case ENOENT:
	case EROFS:
	case ESRCH:
	case ECONNREFUSED:
		return WALL_PLACE;
	case EAGAIN:
	case ENOMEM:
	case EMFILE:
	case ENOSPC:
	case EUSERS:
	case EDQUOT:
		return WALL_LIMIT;
	default:
		return WALL_OTHER;
	}
}

static int victim = -1; /* the datagram socket of the guest next door */

static bool is_heard(void)
{
	char byte;

	return recv(victim, &byte, 1, 0) >= 0;
}

static void judge_end(struct result *ret, const struct target *t, const struct attempt *a, long got)
{
	bool has_heard = is_heard();

	if (got >= 0 && (a->flags & ATTEMPT_HEARD) != 0 && !has_heard) {
		*ret = (struct result){ .wall = WALL_OTHER,
			.text = "it reached its own peer only" };
		return;
	}
	if (got < 0) {
		ret->wall = wall_of(a, (int)-got);
		(void)snprintf(ret->text, sizeof ret->text, "%s%s",
			ret->wall == WALL_FELL ? "let in: " : "", strerrorname_np((int)-got));
	} else {
		ret->wall = WALL_FELL;
		(void)snprintf(ret->text, sizeof ret->text, "it got what it wanted (%ld)", got);
	}
	if (ret->wall == WALL_FELL && opts.is_rest && is_filter_alone(t, a))
		ret->wall = WALL_NONE_NEEDED;
	if (ret->wall == WALL_FELL && opts.is_label && (a->flags & ATTEMPT_LABEL) == 0)
		ret->wall = WALL_NONE_NEEDED;
}

static void judge(struct result *ret, const struct target *t, const struct attempt *a,
	const char *log, const struct spawn_end *end)
{
	const char *tried = strstr(log, "escape: try ");
	const char *ended = tried != NULL ? strstr(tried, "escape: end ") : NULL;
	long got;

	*ret = (struct result){ .wall = WALL_NOT_RUN };
	if (tried == NULL) {
		(void)snprintf(ret->text, sizeof ret->text, "no attempt was made: %.*s",
			(int)strcspn(log, "\n"), log);
	} else if (ended != NULL && sscanf(ended, "escape: end %*u %ld", &got) == 1) {
		judge_end(ret, t, a, got);
	} else if (end->is_signal && end->status == SIGSYS) {
		ret->wall = WALL_FILTER;
		(void)snprintf(ret->text, sizeof ret->text, "killed by its filter");
	} else if (end->is_signal && (a->flags & ATTEMPT_MAY_DIE) != 0) {
		ret->wall = end->status == SIGKILL ? WALL_LIMIT : WALL_OTHER;
		(void)snprintf(
			ret->text, sizeof ret->text, "killed by SIG%s", sigabbrev_np(end->status));
	} else {
		spawn_print_end(end, ret->text, sizeof ret->text);
	}
}

static void attempt_make(const struct target *t, uint32_t i, struct result *ret)
{
	static char log[LOG_BYTES];
	struct target_run r = {
		.child = SPAWN_CHILD_NONE, .chan = { .fd = -1 }, .peers = { -1, -1 }
	};
	struct spawn_end end = { 0 };
	struct why why = { 0 };

	log[0] = 0;
	int err = order_give(t, t->when, i);
	if (err == 0)
		err = t->start(&r, &why);
	const pid_t pid = r.child.pid;
	if (err == 0)
		err = log_collect(&r, log, &end);
	target_end(&r);
	*ret = (struct result){ .wall = WALL_NOT_RUN };
	if (err == 0)
		judge(ret, t, &attempts[i], log, &end);
	else
		(void)snprintf(ret->text, sizeof ret->text, "%s", why_text(&why, err));
	ret->pid = pid;
}

/* ---- all of them ------------------------------------------------------------------------------ */

static bool is_wanted(const struct target *t, const struct attempt *a)
{
	if (opts.has_labels && !opts.is_all && (a->flags & ATTEMPT_LABEL) == 0)
		return false;
	return opts.only == NULL || strstr(t->name, opts.only) != NULL ||
	       strstr(a->name, opts.only) != NULL;
}

static bool is_refused(enum wall wall)
{
	return wall < WALL_SKIPPED;
}

static struct {
	unsigned int n, n_failed;
} tap;

/* A row a role and attempt; what a role has nothing to try with has no row. */
static void target_print(unsigned int t)
{
	for (size_t i = 0; i < n_attempts; i++) {
		const struct result *r = &results[t][i];
		const char *reason = exempt_reason(&targets[t], &attempts[i]);
		if (r->wall == WALL_SKIPPED && reason != NULL &&
			is_wanted(&targets[t], &attempts[i]))
			printf("ok %u - %s: %s # SKIP %s\n", ++tap.n, targets[t].name,
				attempts[i].name, reason);
		if (r->wall == WALL_SKIPPED)
			continue;
		if (r->wall == WALL_NONE_NEEDED && opts.is_label) {
			printf("# not the label's: %s: %s: %s\n", targets[t].name, attempts[i].name,
				r->text);
			continue;
		}
		bool is_ok = is_refused(r->wall);
		tap.n_failed += is_ok ? 0 : 1;
		printf("%s %u - %s: %s: %s (%s)", is_ok ? "ok" : "not ok", ++tap.n, targets[t].name,
			attempts[i].name, wall_names[r->wall], r->text);
		bool is_label = opts.is_label && (attempts[i].flags & ATTEMPT_LABEL) != 0;
		printf(is_label ? " [%d]\n" : "\n", (int)r->pid);
	}
}

static void target_try(unsigned int t)
{
	/* It stays a process of the host, in its namespaces: the filter is what it has. */
	bool is_whole = targets[t].role == ROLE_SUPER && opts.is_rest;
	/* It looks at its own receipt, and does not go on without its walls. */
	is_whole |= targets[t].role == ROLE_BROKER && opts.is_label;

	for (uint32_t i = 0; i < n_attempts; i++) {
		struct result *r = &results[t][i];
		*r = (struct result){ .wall = WALL_SKIPPED };
		bool is_its = (targets[t].has_disk || (attempts[i].flags & ATTEMPT_DISK) == 0) &&
			      (!opts.is_rest || (attempts[i].flags & ATTEMPT_NOT_REST) == 0) &&
			      (opts.has_labels || (attempts[i].flags & ATTEMPT_LABELLED) == 0) &&
			      (!opts.is_label || (attempts[i].flags & NOT_LABEL) == 0);
		if (exempt_reason(&targets[t], &attempts[i]) != NULL)
			continue;
		if (is_its && !is_whole && is_wanted(&targets[t], &attempts[i]))
			attempt_make(&targets[t], i, r);
	}
	if (opts.is_asking)
		target_print(t); /* one worker: this process */
	else
		(void)!order_give(&targets[t], WHEN_NEVER, 0);
}

/* Two targets of one program follow each other in one worker: each writes its order into the file. */
static void worker_run(unsigned int worker)
{
	unsigned int group = 0;

	for (unsigned int t = 0; t < n_targets; t++) {
		if (t > 0 && strcmp(targets[t].binary, targets[t - 1].binary) != 0)
			group++;
		if (group % opts.jobs == worker)
			target_try(t);
	}
}

static MUST_USE int workers_run(void)
{
	int failed = 0;

	for (unsigned int w = 0; w < opts.jobs; w++) {
		pid_t pid = fork();
		if (pid == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			worker_run(w);
			_exit(0);
		}
		if (pid < 0)
			return -errno;
	}
	for (int status; wait(&status) > 0;)
		failed |= status;
	return failed != 0 ? -ECHILD : 0;
}

/* Rows that a label cannot refuse, or need not: said by name. */
static void not_label_print(void)
{
	unsigned int column = 0;

	printf("#\n# not the label's to refuse, and not tried here:");
	for (size_t i = 0; i < n_attempts; i++) {
		if ((attempts[i].flags & ATTEMPT_LABEL) != 0)
			continue;
		printf("%s%s", column == 0 ? "\n#   " : "; ", attempts[i].name);
		column = column > 80 ? 0 : column + (unsigned int)strlen(attempts[i].name);
	}
	printf("\n");
}

static void totals_print(void)
{
	printf("#\n# %-14s %8s", "role", "attempts");
	for (int w = 0; w < WALL_COUNT; w++)
		if (w != WALL_SKIPPED)
			printf(" %12s", wall_names[w]);
	printf("\n");
	for (unsigned int t = 0; t < n_targets; t++) {
		unsigned int by[WALL_COUNT] = { 0 };
		for (size_t i = 0; i < n_attempts; i++)
			by[results[t][i].wall]++;
		printf("# %-14s %8zu", targets[t].name, n_attempts - by[WALL_SKIPPED]);
		for (int w = 0; w < WALL_COUNT; w++)
			if (w != WALL_SKIPPED)
				printf(" %12u", by[w]);
		printf("\n");
	}
}

static void table_write(void)
{
	FILE *f = opts.table != NULL ? fopen(opts.table, "we") : NULL;

	for (unsigned int t = 0; f != NULL && t < n_targets; t++)
		for (size_t i = 0; i < n_attempts; i++)
			if (results[t][i].wall != WALL_SKIPPED)
				(void)fprintf(f, "%s\t%s\t%s\t%s\t%s\n", targets[t].name,
					attempts[i].kind, attempts[i].name,
					wall_names[results[t][i].wall], results[t][i].text);
	if (f != NULL)
		(void)fclose(f);
}

/* Somebody is there when they call: an address that nobody has would be no refusal. */
static MUST_USE int victim_listen(int type, const char *path, size_t len, int *ret_fd)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	AUTO(fd) int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(at.sun_path, path, len);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, 64) < 0)
		return -errno;
	if (path[0] != 0 && chmod(path, 0666) < 0)
		return -errno;
	*ret_fd = fd_take(&fd);
	return 0;
}

static MUST_USE int options_parse(int argc, char **argv)
{
	if (argc < 2)
		return -EINVAL;
	opts.folder = argv[1];
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--rest") == 0) {
			opts.is_rest = true;
		} else if (strcmp(argv[i], "--label") == 0) {
			opts.is_label = true;
		} else if (strcmp(argv[i], "--labels") == 0) {
			opts.has_labels = true;
		} else if (strcmp(argv[i], "--all") == 0) {
			opts.is_all = true;
		} else if (strcmp(argv[i], "--ask") == 0) {
			opts.is_asking = true;
			opts.jobs = 1;
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			opts.only = argv[++i];
		} else if (strcmp(argv[i], "--table") == 0 && i + 1 < argc) {
			opts.table = argv[++i];
		} else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc) {
			opts.jobs = (unsigned int)atoi(argv[++i]);
		} else if (strcmp(argv[i], "--victim") == 0 && i + 3 < argc) {
			opts.order.victim_pid = atoi(argv[++i]);
			(void)snprintf(opts.order.victim_disk, sizeof opts.order.victim_disk, "%s",
				argv[++i]);
			(void)snprintf(opts.order.victim_socket, sizeof opts.order.victim_socket,
				"%s", argv[++i]);
		} else {
			return -EINVAL;
		}
	}
	return opts.jobs < 1 || opts.jobs > 16 || n_targets > TARGETS_MAX ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	AUTO(fd) int listener = -1;

	if (argc == 2 && strcmp(argv[1], "--lies") == 0) {
		for (size_t i = 0; i < n_lies; i++)
			printf("%s\n", lies[i].name);
		return 0;
	}
	int err = options_parse(argc, argv);
	if (err < 0) {
		fprintf(stderr, "usage: escape FOLDER [--rest] [--labels [--label] [--all] "
				"[--ask]] [--victim PID DISK SOCKET] [--only TEXT] "
				"[--jobs N] [--table FILE]\n");
		return 2;
	}
	_Static_assert(sizeof(struct order) < 512, "an order is small");
	results = mmap(NULL, sizeof *results * TARGETS_MAX, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED || n_attempts > ARRAY_LEN(*results))
		return 1;
	for (unsigned int t = 0; t < n_targets; t++)
		for (size_t i = 0; i < n_attempts; i++)
			results[t][i].wall = WALL_NOT_RUN;
	(void)signal(SIGPIPE, SIG_IGN);
	target_set_folder(opts.folder);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(opts.order.victim_abstract + 1, sizeof opts.order.victim_abstract - 1,
		"casemate-escape-%d", (int)getpid());
	err = victim_listen(SOCK_STREAM, opts.order.victim_abstract,
		sizeof opts.order.victim_abstract, &listener);
	/* A domain of ours makes no sockets in folders: with labels somebody else listens there. */
	if (err == 0 && opts.order.victim_socket[0] != 0 && !opts.has_labels)
		err = victim_listen(SOCK_DGRAM, opts.order.victim_socket,
			strlen(opts.order.victim_socket), &victim);
	struct why why = { 0 };
	if (err == 0 && opts.has_labels)
		err = target_use_labels(&why);
	if (err == 0)
		err = opts.jobs == 1 ? (worker_run(0), 0) : workers_run();
	target_drop_labels();
	if (err < 0)
		printf("# it failed: %s\n", why_text(&why, err));
	for (unsigned int t = 0; t < n_targets && !opts.is_asking; t++)
		target_print(t);
	printf("1..%u\n", tap.n);
	if (opts.is_label && !opts.is_all)
		not_label_print();
	totals_print();
	table_write();
	return tap.n == 0 || tap.n_failed > 0 || err < 0 ? 1 : 0;
}
