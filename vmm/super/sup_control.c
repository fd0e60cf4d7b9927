#include "vmm/super/sup_control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/opts.h"
#include "vmm/super/sup_cmd.h"
#include "vmm/super/sup_json.h"

#define ENTRY_VERSION 2u
#define STOP_WAIT_MS  40000 /* the supervisor's own time-outs are within it */

static MUST_USE int folder_path(char *ret, size_t size)
{
	const char *runtime = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");
	int n = runtime != NULL && runtime[0] == '/'
			? snprintf(ret, size, "%s/casemate", runtime)
			: snprintf(ret, size, "/tmp/casemate-%u", geteuid());

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* The folder, made if need be: nobody else's, and closed to others. */
static MUST_USE int folder_open(char *path, size_t size, bool may_make, struct why *why)
{
	struct stat st;
	int err = folder_path(path, size);

	if (err < 0)
		return why_set(why, err, "the runtime folder's path is too long");
	if (may_make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return why_set(why, -EIO, "cannot make %s: %s", path, strerrordesc_np(errno));
	if (lstat(path, &st) < 0)
		return -ENOENT;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return why_set(why, -EIO,
			"%s is not a folder that only this user may enter: remove it", path);
	return 0;
}

/* A guest's file: its name, with '/' as '+', which no name contains. */
static MUST_USE int entry_path(
	const char *name, char *ret, size_t size, bool may_make, struct why *why)
{
	char folder[PATH_MAX];

	if (name[0] == 0 || name[0] == '.' || strlen(name) >= LIMIT_NAME_BYTES ||
		strchr(name, '+') != NULL)
		return why_set(why, -EINVAL, "\"%s\" is no name of a guest", name);
	int err = folder_open(folder, sizeof folder, may_make, why);
	if (err < 0)
		return err;
	int n = snprintf(ret, size, "%s/%s", folder, name);
	if (n < 0 || (size_t)n >= size)
		return why_set(why, -ENAMETOOLONG, "the path of %s is too long", name);
	for (char *p = ret + strlen(folder) + 1; *p != 0; p++)
		if (*p == '/')
			*p = '+';
	return 0;
}

/* Who holds the file's lock: its pid, or 0. A lock ends with its process, so it is never stale. */
static pid_t lock_holder(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

/* Lock the file that has this name; not one that was just unlinked under it. */
static MUST_USE int entry_lock(const char *path, int *ret_fd)
{
	struct stat st;
	struct stat named;
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	for (int tries = 0; tries < 10; tries++) {
		AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		if (fcntl(fd, F_SETLK, &lock) < 0)
			return errno == EACCES || errno == EAGAIN ? -EEXIST : -errno;
		if (fstat(fd, &st) == 0 && stat(path, &named) == 0 && st.st_ino == named.st_ino) {
			*ret_fd = fd_take(&fd);
			return 0;
		}
	}
	return -EBUSY;
}

int sup_entry_open(struct sup_entry *ret, const struct wire_plan *plan, const char *policy,
	bool is_simulated, struct why *why)
{
	struct sup_entry e = SUP_ENTRY_NONE;
	int err = entry_path(plan->name, e.path, sizeof e.path, true, why);

	if (err < 0)
		return err;
	err = entry_lock(e.path, &e.fd);
	if (err == -EEXIST)
		return why_set(why, err,
			"a guest named %s is running: choose another --name, or end it "
			"with casemate stop %s",
			plan->name, plan->name);
	if (err < 0)
		return why_set(why, err, "cannot write %s: %s", e.path, strerrordesc_np(-err));
	memcpy(e.guest.magic, "casemate", 8);
	e.guest.version = le32_of(ENTRY_VERSION);
	e.guest.tee = plan->tee;
	e.guest.vcpus = plan->vcpus;
	e.guest.memory_mib = plan->memory_mib;
	e.guest.serial = plan->serial;
	e.guest.started_s = le64_of((uint64_t)time(NULL));
	e.guest.is_simulated = le32_of(is_simulated);
	memcpy(e.guest.policy_hash, plan->policy_hash, sizeof e.guest.policy_hash);
	memcpy(e.guest.name, plan->name, sizeof e.guest.name);
	(void)snprintf(e.guest.policy, sizeof e.guest.policy, "%s", policy);
	*ret = e;
	sup_entry_set_state(ret, SUP_STARTING);
	return 0;
}

void sup_entry_set_state(struct sup_entry *e, enum sup_state state)
{
	e->guest.state = le32_of((uint32_t)state);
	if (e->fd >= 0 && fd_pwrite_all(e->fd, &e->guest, sizeof e->guest, 0) < 0)
		return; /* list shows less; the guest is not worse for it */
}

void sup_entry_set_processes(
	struct sup_entry *e, const struct wire_guest_process *processes, unsigned int n)
{
	if (e->fd < 0 || n > SUP_PROCESSES_MAX ||
		fd_pwrite_all(e->fd, processes, n * sizeof *processes, sizeof e->guest) < 0)
		return; /* show tells less; the guest is not worse for it */
	e->guest.n_processes = le32_of(n);
}

int sup_entry_open_folder(const struct sup_entry *e, int *ret_fd, struct why *why)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s", e->path);
	*strrchr(path, '/') = 0;
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return why_set(why, -errno, "cannot open %s: %s", path, strerrordesc_np(errno));
	*ret_fd = fd;
	return 0;
}

void sup_entry_close(struct sup_entry *e)
{
	if (e->fd < 0)
		return;
	(void)unlink(e->path);
	fd_drop(&e->fd);
}

static bool is_whole(const struct wire_guest *g)
{
	return memcmp(g->magic, "casemate", 8) == 0 && le32_get(g->version) == ENTRY_VERSION &&
	       le32_get(g->state) < SUP_STATE_COUNT &&
	       le32_get(g->n_processes) <= SUP_PROCESSES_MAX && g->name[sizeof g->name - 1] == 0 &&
	       g->policy[sizeof g->policy - 1] == 0;
}

static bool is_whole_process(const struct wire_guest_process *p)
{
	return p->label[sizeof p->label - 1] == 0 &&
	       le32_get(p->receipt.role) < (uint32_t)ROLE_COUNT &&
	       (le32_get(p->receipt.held) & ~RECEIPT_ALL) == 0 &&
	       p->receipt.label[sizeof p->receipt.label - 1] == 0 &&
	       p->receipt.cgroup[sizeof p->receipt.cgroup - 1] == 0;
}

/* Read a guest's file; its supervisor's pid, or 0 when it is dead (then the file is removed). */
static pid_t entry_read(const char *path, struct wire_guest *ret)
{
	AUTO(fd) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return 0;
	pid_t pid = lock_holder(fd);
	if (pid == 0) {
		int lock = -1;
		if (entry_lock(path, &lock) == 0) /* nobody took the name meanwhile */
			(void)unlink(path);
		fd_drop(&lock);
		return 0;
	}
	return fd_pread_all(fd, ret, sizeof *ret, 0) == 0 && is_whole(ret) ? pid : 0;
}

/* For a person: no byte that a terminal would obey. */
static void text_print(FILE *out, const char *text)
{
	for (; *text != 0; text++)
		(void)fputc(*text >= 0x20 && *text <= 0x7e ? *text : '?', out);
}

static void guest_print(const struct wire_guest *g, pid_t pid, bool is_json)
{
	static const char *const states[SUP_STATE_COUNT] = { "starting", "running" };
	char started[32] = "";
	time_t at = (time_t)le64_get(g->started_s);
	struct tm tm;
	const char *tee = plan_tee_name(le32_get(g->tee));

	if (gmtime_r(&at, &tm) != NULL)
		(void)strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (!is_json) {
		text_print(stdout, g->name);
		printf("%*s %-9s pid %-8d tee %s%s, %u vCPUs, %llu MiB, since %s\n",
			strlen(g->name) < 24 ? 24 - (int)strlen(g->name) : 0, "",
			states[le32_get(g->state)], (int)pid, tee,
			le32_get(g->is_simulated) != 0 ? " (simulated)" : "", le32_get(g->vcpus),
			(unsigned long long)le64_get(g->memory_mib), started);
		return;
	}
	printf("{\"name\": ");
	sup_json_text(stdout, g->name);
	printf(", \"state\": \"%s\", \"pid\": %d, \"tee\": \"%s\", \"simulated\": %s, \"vcpus\": "
	       "%u, "
	       "\"memory_mib\": %llu, \"started\": \"%s\", \"serial\": %llu, \"policy\": ",
		states[le32_get(g->state)], (int)pid, tee,
		le32_get(g->is_simulated) != 0 ? "true" : "false", le32_get(g->vcpus),
		(unsigned long long)le64_get(g->memory_mib), started,
		(unsigned long long)le64_get(g->serial));
	sup_json_text(stdout, g->policy);
	printf(", \"policy_hash\": ");
	sup_json_hex(stdout, g->policy_hash, sizeof g->policy_hash);
	printf("}");
}

int sup_cmd_list(int argc, char **argv)
{
	bool is_json = false;
	const struct opt options[] = {
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate list [--json]",
		"The guests of this user that run.", options, 0, 0 };
	char **args = NULL;
	size_t n_args = 0;
	struct why why = { 0 };
	char folder[PATH_MAX];
	unsigned int n = 0;
	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);

	if (err != 0)
		return sup_cmd_usage(err, &why);
	err = folder_open(folder, sizeof folder, false, &why);
	if (err < 0 && err != -ENOENT)
		return sup_cmd_fail(err, &why);
	DIR *d = err == 0 ? opendir(folder) : NULL;
	if (is_json)
		printf("{\"schema\": \"casemate/guests/1\", \"guests\": [");
	for (const struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
		char path[PATH_MAX + 256];
		struct wire_guest g;
		(void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		pid_t pid = e->d_name[0] != '.' ? entry_read(path, &g) : 0;
		if (pid == 0)
			continue;
		if (is_json && n > 0)
			printf(", ");
		guest_print(&g, pid, is_json);
		n++;
	}
	if (d != NULL)
		(void)closedir(d);
	if (is_json)
		printf("]}\n");
	else if (n == 0)
		printf("no guest is running\n");
	return EXIT_YES;
}

static void process_print(const struct wire_guest_process *p)
{
	const struct wire_receipt *r = &p->receipt;
	uint32_t missing = RECEIPT_ALL & ~le32_get(r->held);

	printf("  ");
	text_print(stdout, p->label);
	printf(": pid %u, uid %u, threads %u, filter ", le32_get(p->pid), le32_get(r->uid),
		le32_get(r->n_threads));
	for (size_t i = 0; i < 8; i++)
		printf("%02x", r->filter_sha256[i]);
	printf("\n    label ");
	text_print(stdout, r->label[0] != 0 ? r->label : "none");
	printf(", cgroup ");
	text_print(stdout, r->cgroup[0] != 0 ? r->cgroup : "none");
	printf("\n    %s", missing == 0 ? "every wall holds" : "not held:");
	for (unsigned int i = 0; 1u << i <= RECEIPT_ALL; i++)
		if ((missing & 1u << i) != 0)
			printf(" %s", receipt_bit_name(i));
	printf("\n");
}

static void process_print_json(const struct wire_guest_process *p)
{
	const struct wire_receipt *r = &p->receipt;
	uint32_t held = le32_get(r->held);
	const char *before = "";

	printf("{\"process\": ");
	sup_json_text(stdout, p->label);
	printf(", \"role\": \"%s\", \"pid\": %u, \"uid\": %u, \"gid\": %u, \"threads\": %u, "
	       "\"descriptors\": %u, \"landlock_abi\": %u, \"filter_sha256\": ",
		role_get((enum role)le32_get(r->role))->name, le32_get(p->pid), le32_get(r->uid),
		le32_get(r->gid), le32_get(r->n_threads), le32_get(r->n_fds),
		le32_get(r->landlock_abi));
	sup_json_hex(stdout, r->filter_sha256, sizeof r->filter_sha256);
	printf(", \"label\": ");
	sup_json_text(stdout, r->label);
	printf(", \"cgroup\": ");
	sup_json_text(stdout, r->cgroup);
	printf(", \"namespaces\": {");
	for (unsigned int i = 0; i < RECEIPT_NS_COUNT; i++)
		printf("%s\"%s\": %llu", i > 0 ? ", " : "", receipt_ns_names[i],
			(unsigned long long)le64_get(r->ns[i]));
	printf("}, \"limits\": {\"nofile\": %llu, \"fsize\": %llu, \"as\": %llu, "
	       "\"memlock\": %llu}, \"held\": [",
		(unsigned long long)le64_get(r->max_fds),
		(unsigned long long)le64_get(r->max_file_bytes),
		(unsigned long long)le64_get(r->max_address_bytes),
		(unsigned long long)le64_get(r->max_locked_bytes));
	for (unsigned int i = 0; 1u << i <= RECEIPT_ALL; i++)
		if ((held & 1u << i) != 0) {
			printf("%s\"%s\"", before, receipt_bit_name(i));
			before = ", ";
		}
	printf("]}");
}

/* The sandbox receipts of a guest, as far as its file has them. */
static void processes_print(const char *path, const struct wire_guest *g, bool is_json)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct wire_guest_process p;

	for (uint32_t i = 0; fd >= 0 && i < le32_get(g->n_processes); i++) {
		if (fd_pread_all(fd, &p, sizeof p, sizeof *g + i * sizeof p) < 0 ||
			!is_whole_process(&p))
			return;
		if (is_json && i > 0)
			printf(", ");
		if (is_json)
			process_print_json(&p);
		else
			process_print(&p);
	}
}

static int guest_missing(const char *name)
{
	fprintf(stderr, "casemate: no guest named ");
	text_print(stderr, name);
	fprintf(stderr, " is running; casemate list shows those that are\n");
	return EXIT_NO;
}

int sup_cmd_show(int argc, char **argv)
{
	bool is_json = false;
	const struct opt options[] = {
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate show NAME [--json]", "One guest that runs.",
		options, 1, 1 };
	char **args = NULL;
	size_t n_args = 0;
	struct why why = { 0 };
	char path[PATH_MAX];
	struct wire_guest g;
	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);

	if (err != 0)
		return sup_cmd_usage(err, &why);
	err = entry_path(args[0], path, sizeof path, false, &why);
	if (err < 0 && err != -ENOENT)
		return sup_cmd_fail(err, &why);
	pid_t pid = err == 0 ? entry_read(path, &g) : 0;
	if (pid == 0)
		return guest_missing(args[0]);
	if (is_json)
		printf("{\"schema\": \"casemate/guest/1\", \"guest\": ");
	guest_print(&g, pid, is_json);
	if (is_json) {
		printf(", \"sandbox\": [");
		processes_print(path, &g, is_json);
		printf("]}\n");
		return EXIT_YES;
	}
	printf("  policy ");
	text_print(stdout, g.policy);
	printf(", serial %llu, sha256 ", (unsigned long long)le64_get(g.serial));
	for (size_t i = 0; i < sizeof g.policy_hash; i++)
		printf("%02x", g.policy_hash[i]);
	printf("\n");
	processes_print(path, &g, is_json);
	return EXIT_YES;
}

/* The process that holds the lock, by descriptor, so that a reused pid is never signalled. */
static MUST_USE int supervisor_open(const char *path, int *ret_pidfd)
{
	struct wire_guest g;
	pid_t pid = entry_read(path, &g);

	if (pid == 0)
		return -ESRCH;
	AUTO(fd) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	if (entry_read(path, &g) != pid)
		return -ESRCH;
	*ret_pidfd = fd_take(&pidfd);
	return 0;
}

int sup_cmd_stop(int argc, char **argv)
{
	bool is_forced = false;
	const struct opt options[] = {
		{ "force", OPT_FLAG, &is_forced, NULL, "kill it; the ledger gets no last entry" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate stop NAME [--force]",
		"End a guest and wait until it is gone.", options, 1, 1 };
	char **args = NULL;
	size_t n_args = 0;
	struct why why = { 0 };
	char path[PATH_MAX];
	AUTO(fd) int pidfd = -1;
	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);

	if (err != 0)
		return sup_cmd_usage(err, &why);
	err = entry_path(args[0], path, sizeof path, false, &why);
	if (err < 0 && err != -ENOENT)
		return sup_cmd_fail(err, &why);
	if (err == 0)
		err = supervisor_open(path, &pidfd);
	if (err == -ESRCH || err == -ENOENT)
		return guest_missing(args[0]);
	if (err < 0)
		return sup_cmd_fail(
			why_set(&why, -EIO, "cannot reach %s: %s", args[0], strerrordesc_np(-err)),
			&why);
	if (syscall(SYS_pidfd_send_signal, pidfd, is_forced ? SIGKILL : SIGTERM, NULL, 0) < 0 &&
		errno != ESRCH)
		return sup_cmd_fail(why_set(&why, -EIO, "cannot signal %s: %s", args[0],
					    strerrordesc_np(errno)),
			&why);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	if (poll(&p, 1, STOP_WAIT_MS) != 1)
		return sup_cmd_fail(why_set(&why, -ETIMEDOUT,
					    "%s still runs after %d s: "
					    "casemate stop %s --force kills it",
					    args[0], STOP_WAIT_MS / 1000, args[0]),
			&why);
	if (is_forced) {
		struct wire_guest g;
		(void)entry_read(path, &g); /* removes what it left */
	}
	return EXIT_YES;
}
