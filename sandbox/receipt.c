#include "sandbox/receipt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/child.h"
#include "sandbox/seccomp_filter.h"
#include "sandbox/spawn.h"
#include "sandbox/stage.h"

#define PROC_TEXT_MAX 65536u
#define FDS_TRACKED   1024u /* the most any row allows */

const char *const receipt_ns_names[RECEIPT_NS_COUNT] = { "user", "mnt", "pid", "net", "ipc", "uts",
	"cgroup" };

static const char *const bit_names[] = { "root-empty", "root-read-only", "no-capabilities",
	"securebits", "no-new-privs", "not-dumpable", "no-core", "landlock", "seccomp",
	"no-user-namespaces", "descriptors", "no-write-execute", "threads" };
_Static_assert((1u << ARRAY_LEN(bit_names)) - 1 == RECEIPT_ALL, "a name for each bit");

const char *receipt_bit_name(unsigned int bit)
{
	return bit < ARRAY_LEN(bit_names) ? bit_names[bit] : "?";
}

/* ---- the process itself ---------------------------------------------------------------------- */

static struct wire_receipt own;
static uint8_t config_fds[FDS_TRACKED / 8];

void receipt_hold(uint32_t bits)
{
	own.held = le32_of(le32_get(own.held) | bits);
}

void receipt_note_filter(const uint8_t sha256[32])
{
	memcpy(own.filter_sha256, sha256, sizeof own.filter_sha256);
}

void receipt_note_threads(uint32_t n_threads)
{
	own.n_threads = le32_of(n_threads);
}

void receipt_note_fds(const int *fds, unsigned int n_fds)
{
	for (unsigned int i = 0; i < n_fds; i++)
		if (fds[i] >= 0 && (unsigned int)fds[i] < FDS_TRACKED)
			config_fds[fds[i] / 8] |= (uint8_t)(1u << (fds[i] % 8));
}

const struct wire_receipt *receipt_get(void)
{
	return &own;
}

/* One line of a file in /proc, without its end and zeros behind it; "" when it cannot be read. */
static void line_read(const char *path, char *ret, size_t size)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	ret[n < 0 ? 0 : n] = 0;
	size_t len = strcspn(ret, "\n");
	memset(ret + len, 0, size - len);
}

/* A context has a user, a role and a type; what another security module writes there has not. */
static bool is_context(const char *text)
{
	const char *role = strchr(text, ':');

	return role != NULL && strchr(role + 1, ':') != NULL && strpbrk(text, " (/") == NULL;
}

static void label_read(const char *path, char ret[LIMIT_LABEL_BYTES])
{
	line_read(path, ret, LIMIT_LABEL_BYTES);
	if (!is_context(ret))
		memset(ret, 0, LIMIT_LABEL_BYTES);
}

/* The unified hierarchy's line, "0::/path". */
static void cgroup_read(const char *path, char ret[LIMIT_PATH_BYTES])
{
	uint8_t *text = NULL;
	size_t len = 0;

	ret[0] = 0;
	if (fd_read_path(path, PROC_TEXT_MAX, &text, &len, NULL) < 0)
		return;
	for (char *line = (char *)text; line != NULL && *line != 0;) {
		char *end = strchr(line, '\n');
		if (end != NULL)
			*end++ = 0;
		if (strncmp(line, "0::", 3) == 0)
			(void)snprintf(ret, LIMIT_PATH_BYTES, "%s", line + 3);
		line = end;
	}
	free(text);
}

/* The inode of a namespace link; 0: it cannot be seen. */
static uint64_t ns_inode(const char *proc, unsigned int ns)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/ns/%s", proc, receipt_ns_names[ns]);
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

/* Does the descriptor lead to something that has a name on the host? Sockets, pipes, events do not. */
static bool has_name(const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return st->st_nlink != 0; /* a memfd has none */
	return S_ISDIR(st->st_mode) || S_ISBLK(st->st_mode) || S_ISCHR(st->st_mode);
}

/* The row's, those CONFIG brought, and files on the file system of a folder of the row. */
static bool fd_is_known(const struct role_row *row, int fd, const struct stat *st)
{
	unsigned int n = role_count_fds(row);
	struct stat folder;

	if ((unsigned int)fd < SPAWN_FD_CHAN + n)
		return true;
	if ((unsigned int)fd < FDS_TRACKED && (config_fds[fd / 8] & 1u << (fd % 8)) != 0)
		return true;
	for (unsigned int i = 0; i < n; i++)
		if (row->fds[i] == ROLE_FD_FOLDER && fstat(SPAWN_FD_CHAN + (int)i, &folder) == 0 &&
			folder.st_dev == st->st_dev && S_ISREG(st->st_mode))
			return true;
	return false;
}

static MUST_USE int fds_look(const struct role_row *row, struct why *why)
{
	DIR *d = opendir("/proc/self/fd");
	uint32_t n_fds = 0;
	bool is_ours = true;

	if (d == NULL)
		return why_set(why, -errno, "cannot list /proc/self/fd");
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		struct stat st;
		int fd = atoi(e->d_name);
		if (e->d_name[0] == '.' || fd == dirfd(d))
			continue;
		n_fds++;
		is_ours = is_ours && fstat(fd, &st) == 0 &&
			  (!has_name(&st) || fd_is_known(row, fd, &st));
	}
	(void)closedir(d);
	own.n_fds = le32_of(n_fds);
	if (is_ours)
		receipt_hold(RECEIPT_FDS);
	return 0;
}

int receipt_look(const struct role_row *row, struct why *why)
{
	for (unsigned int i = 0; i < RECEIPT_NS_COUNT; i++)
		own.ns[i] = le64_of(ns_inode("/proc/self", i));
	label_read("/proc/self/attr/current", own.label);
	cgroup_read("/proc/self/cgroup", own.cgroup);
	return fds_look(row, why);
}

static uint64_t limit_of(__rlimit_resource_t what)
{
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

	return getrlimit(what, &r) < 0 ? UINT64_MAX : r.rlim_max;
}

/* The root was read a moment ago: what refuses now is Landlock. */
static bool root_is_refused(void)
{
	AUTO(fd) int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 && errno == EACCES;
}

void receipt_close(const struct role_row *row)
{
	own.version = le32_of(RECEIPT_VERSION);
	own.role = le32_of((uint32_t)role_of(row));
	own.landlock_abi = le32_of(landlock_abi());
	own.uid = le32_of(geteuid());
	own.gid = le32_of(getegid());
	if (le32_get(own.n_threads) == 0)
		own.n_threads = le32_of(1);
	own.max_fds = le64_of(limit_of(RLIMIT_NOFILE));
	own.max_file_bytes = le64_of(limit_of(RLIMIT_FSIZE));
	own.max_address_bytes = le64_of(limit_of(RLIMIT_AS));
	own.max_locked_bytes = le64_of(limit_of(RLIMIT_MEMLOCK));
	receipt_hold((caps_are_empty() ? RECEIPT_NO_CAPS : 0) |
		     (securebits_are_locked() ? RECEIPT_SECUREBITS : 0) |
		     (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? RECEIPT_NO_NEW_PRIVS : 0) |
		     (prctl(PR_GET_DUMPABLE) == 0 ? RECEIPT_NOT_DUMPABLE : 0) |
		     (limit_of(RLIMIT_CORE) == 0 ? RECEIPT_NO_CORE : 0) |
		     (root_is_refused() ? RECEIPT_LANDLOCK : 0) |
		     (mdwe_is_on() ? RECEIPT_NO_WX : 0));
}

/* ---- the parent ------------------------------------------------------------------------------ */

uint32_t receipt_must(enum role role)
{
	uint32_t must = RECEIPT_ALL;

	if (landlock_abi() == 0)
		must &= ~RECEIPT_LANDLOCK;
	if (!mdwe_is_known())
		must &= ~RECEIPT_NO_WX;
	if ((role_get(role)->flags & ROLE_IS_FOREIGN) != 0)
		must &= ~RECEIPT_ROOT_EMPTY; /* its root holds its files */
	if ((role_get(role)->flags & ROLE_IS_SELF_STARTED) != 0)
		must &= ~RECEIPT_FDS; /* it opens its own files, its row has none */
	return must;
}

struct receipt_want receipt_want_of(const struct spawn_child *c, uint64_t guest_bytes)
{
	struct receipt_want want = { .role = c->role,
		.held = receipt_must(c->role),
		.uid = c->uid,
		.gid = c->gid,
		.guest_bytes = guest_bytes };

	for (unsigned int i = 0; i < RECEIPT_NS_COUNT; i++)
		want.ns[i] = ns_inode("/proc/self", i);
	return want;
}

/* A child of a role without the network's namespace of its own is in ours. */
static bool ns_is_own(enum role role, unsigned int ns)
{
	return ns != RECEIPT_NS_NET || (role_get(role)->flags & ROLE_HAS_NETWORK) == 0;
}

static MUST_USE int held_check(
	const struct receipt_want *want, const struct wire_receipt *r, struct why *why)
{
	uint32_t missing = want->held & ~le32_get(r->held);
	char text[200] = "";
	size_t len = 0;

	if ((le32_get(r->held) & ~RECEIPT_ALL) != 0)
		return why_set(why, -EBADMSG, "%s: its receipt has unknown bits",
			role_get(want->role)->name);
	for (unsigned int i = 0; i < ARRAY_LEN(bit_names); i++)
		if ((missing & 1u << i) != 0 && len < sizeof text)
			len += (size_t)snprintf(text + len, sizeof text - len, "%s%s",
				len > 0 ? ", " : "", bit_names[i]);
	return missing != 0 ? why_set(why, -EPERM, "%s: its receipt lacks what must hold here: %s",
				      role_get(want->role)->name, text)
			    : 0;
}

static MUST_USE int ns_check(
	const struct receipt_want *want, const struct wire_receipt *r, struct why *why)
{
	for (unsigned int i = 0; i < RECEIPT_NS_COUNT; i++) {
		uint64_t got = le64_get(r->ns[i]);
		if (got == 0)
			return why_set(why, -EPERM, "%s: its receipt names no %s namespace",
				role_get(want->role)->name, receipt_ns_names[i]);
		if (want->ns[i] == 0)
			continue;
		if (ns_is_own(want->role, i) == (got == want->ns[i]))
			return why_set(why, -EPERM, "%s: %s namespace %llu, want %s (%llu)",
				role_get(want->role)->name, receipt_ns_names[i],
				(unsigned long long)got,
				ns_is_own(want->role, i) ? "another than ours" : "ours",
				(unsigned long long)want->ns[i]);
	}
	return 0;
}

static MUST_USE int limits_check(
	const struct receipt_want *want, const struct wire_receipt *r, struct why *why)
{
	const struct role_row *row = role_get(want->role);
	const struct {
		const char *name;
		le64 got;
		uint64_t max;
	} rows[] = {
		{ "RLIMIT_NOFILE", r->max_fds, row->max_fds },
		{ "RLIMIT_FSIZE", r->max_file_bytes, role_max_file_bytes(row) },
		{ "RLIMIT_AS", r->max_address_bytes,
			role_max_address_bytes(row, want->guest_bytes) },
		{ "RLIMIT_MEMLOCK", r->max_locked_bytes, row->max_locked_bytes },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (le64_get(rows[i].got) > rows[i].max)
			return why_set(why, -EPERM, "%s: %s %llu, want at most %llu", row->name,
				rows[i].name, (unsigned long long)le64_get(rows[i].got),
				(unsigned long long)rows[i].max);
	return le32_get(r->n_fds) > row->max_fds
		       ? why_set(why, -EPERM, "%s: %u descriptors, want at most %u", row->name,
				 le32_get(r->n_fds), row->max_fds)
		       : 0;
}

/*
 * A child that was born in its leaf has that as the root of its namespace, and sees "/"; what we see
 * in /proc/PID/cgroup decides. Else its namespace shows the cgroup from ours: "/../x" for a
 * leaf beside us. What is left without the leading "/.." must be the end of what was asked for.
 */
static bool cgroup_fits(const char *got, const char *want)
{
	if (strcmp(got, "/") == 0)
		return true;
	while (strncmp(got, "/..", 3) == 0 && (got[3] == '/' || got[3] == 0))
		got += 3;
	size_t n_got = strlen(got);
	size_t n_want = strlen(want);

	return n_got > 1 && n_got <= n_want && strcmp(want + (n_want - n_got), got) == 0;
}

static MUST_USE int place_check(
	const struct receipt_want *want, const struct wire_receipt *r, struct why *why)
{
	const char *name = role_get(want->role)->name;

	if (want->label != NULL && strcmp(want->label, r->label) != 0)
		return why_set(
			why, -EPERM, "%s: label \"%s\", want \"%s\"", name, r->label, want->label);
	if (want->cgroup != NULL && !cgroup_fits(r->cgroup, want->cgroup))
		return why_set(why, -EPERM, "%s: cgroup \"%s\", want \"%s\"", name, r->cgroup,
			want->cgroup);
	return 0;
}

/* The same build made its filters and ours. */
static MUST_USE int filter_check(
	const struct role_row *row, const struct wire_receipt *r, struct why *why)
{
	static const uint8_t zero[32];

	if (memcmp(r->filter_sha256, zero, sizeof zero) == 0)
		return why_set(why, -EPERM, "%s: its receipt names no filter", row->name);
	return memcmp(r->filter_sha256, row->filter->sha256, sizeof r->filter_sha256) != 0
		       ? why_set(why, -EPERM, "%s: its receipt names another filter than %s",
				 row->name, row->filter->name)
		       : 0;
}

/* A text, and zeros up to the end of its field. */
static bool is_padded(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	for (size_t i = len; i < size; i++)
		if (text[i] != 0)
			return false;
	return len < size;
}

int receipt_check(const struct receipt_want *want, const struct wire_receipt *r, struct why *why)
{
	const struct role_row *row = role_get(want->role);

	if (le32_get(r->version) != RECEIPT_VERSION)
		return why_set(why, -EBADMSG, "%s: its receipt has version %u, want %u", row->name,
			le32_get(r->version), RECEIPT_VERSION);
	if (!is_padded(r->label, sizeof r->label) || !is_padded(r->cgroup, sizeof r->cgroup))
		return why_set(why, -EBADMSG,
			"%s: a text of its receipt has no end, or more behind it", row->name);
	if (le32_get(r->role) != (uint32_t)want->role)
		return why_set(why, -EPERM, "%s: its receipt is of role %u, want %u", row->name,
			le32_get(r->role), (unsigned int)want->role);
	if (le32_get(r->uid) != want->uid || le32_get(r->gid) != want->gid)
		return why_set(why, -EPERM, "%s: uid %u and gid %u, want %u and %u", row->name,
			le32_get(r->uid), le32_get(r->gid), want->uid, want->gid);
	if (le32_get(r->n_threads) == 0 ||
		((row->flags & ROLE_HAS_THREADS) == 0 && le32_get(r->n_threads) != 1))
		return why_set(why, -EPERM, "%s: %u threads, want %s", row->name,
			le32_get(r->n_threads),
			(row->flags & ROLE_HAS_THREADS) != 0 ? "some" : "one");
	if ((want->held & RECEIPT_LANDLOCK) != 0 && le32_get(r->landlock_abi) == 0)
		return why_set(why, -EPERM, "%s: it found no Landlock, which is here", row->name);
	int err = filter_check(row, r, why);
	if (err == 0)
		err = held_check(want, r, why);
	if (err == 0)
		err = ns_check(want, r, why);
	if (err == 0)
		err = limits_check(want, r, why);
	return err < 0 ? err : place_check(want, r, why);
}

int receipt_check_apart(const struct wire_receipt *a, const struct wire_receipt *b, struct why *why)
{
	enum role role_a = (enum role)le32_get(a->role);
	enum role role_b = (enum role)le32_get(b->role);

	for (unsigned int i = 0; i < RECEIPT_NS_COUNT; i++)
		if (le64_get(a->ns[i]) == le64_get(b->ns[i]) && ns_is_own(role_a, i) &&
			ns_is_own(role_b, i))
			return why_set(why, -EPERM, "%s and %s share the %s namespace %llu",
				role_get(role_a)->name, role_get(role_b)->name, receipt_ns_names[i],
				(unsigned long long)le64_get(a->ns[i]));
	return 0;
}

/* ---- what the parent sees itself ------------------------------------------------------------- */

/* A field of /proc/PID/status; the value starts after its tab. NULL: there is none. */
static const char *status_find(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line != NULL && *line != 0;) {
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + (line[len + 1] == '\t');
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return NULL;
}

static MUST_USE int status_check(const char *text, const struct receipt_want *want,
	const struct wire_receipt *r, struct why *why)
{
	const struct {
		const char *field;
		int base;
		uint64_t want;
	} rows[] = {
		{ "Uid", 10, want->uid },
		{ "Gid", 10, want->gid },
		{ "CapInh", 16, 0 },
		{ "CapPrm", 16, 0 },
		{ "CapEff", 16, 0 },
		{ "CapBnd", 16, 0 },
		{ "CapAmb", 16, 0 },
		{ "NoNewPrivs", 10, 1 },
		{ "Seccomp", 10, 2 },
		{ "Threads", 10, le32_get(r->n_threads) },
	};
	/* Linux 6.13 counts KVM's worker for huge pages as a thread of whoever made the VM. */
	bool may_have_worker = (role_get(want->role)->flags & ROLE_HAS_THREADS) != 0;
	const char *state = status_find(text, "State");

	if (state != NULL && (state[0] == 'Z' || state[0] == 'X'))
		return 0; /* it has ended: nothing of it is left to see */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *value = status_find(text, rows[i].field);
		if (value == NULL)
			continue;
		uint64_t got = strtoull(value, NULL, rows[i].base);
		if (may_have_worker && i == ARRAY_LEN(rows) - 1 && got == rows[i].want + 1)
			continue;
		if (got != rows[i].want)
			return why_set(why, -EPERM, "%s: /proc/PID/status says %s %llu, want %llu",
				role_get(want->role)->name, rows[i].field, (unsigned long long)got,
				(unsigned long long)rows[i].want);
	}
	return 0;
}

static MUST_USE int process_check(
	const char *proc, const struct receipt_want *want, struct wire_receipt *r, struct why *why)
{
	const char *name = role_get(want->role)->name;
	char path[64];
	char label[LIMIT_LABEL_BYTES];
	char cgroup[LIMIT_PATH_BYTES] = ""; /* whole: all of it goes into the receipt */

	for (unsigned int i = 0; i < RECEIPT_NS_COUNT; i++) {
		uint64_t seen = ns_inode(proc, i);
		if (seen != 0 && seen != le64_get(r->ns[i]))
			return why_set(why, -EPERM, "%s: %s namespace %llu, its receipt says %llu",
				name, receipt_ns_names[i], (unsigned long long)seen,
				(unsigned long long)le64_get(r->ns[i]));
	}
	(void)snprintf(path, sizeof path, "%s/attr/current", proc);
	label_read(path, label);
	if (label[0] != 0 && strcmp(label, r->label) != 0)
		return why_set(why, -EPERM, "%s: label \"%s\", its receipt says \"%s\"", name,
			label, r->label);
	(void)snprintf(path, sizeof path, "%s/cgroup", proc);
	cgroup_read(path, cgroup);
	if (cgroup[0] == 0)
		return 0;
	if (want->cgroup != NULL && strcmp(cgroup, want->cgroup) != 0)
		return why_set(why, -EPERM, "%s: /proc/PID/cgroup says \"%s\", want \"%s\"", name,
			cgroup, want->cgroup);
	memcpy(r->cgroup, cgroup, sizeof r->cgroup);
	return 0;
}

/* Threads and namespaces of a process that ends go one after the other: that looks wrong, too. */
static bool is_ending(const struct spawn_child *c)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	return poll(&p, 1, SPAWN_ENDING_MS) == 1;
}

int receipt_verify(const struct spawn_child *c, const struct receipt_want *want, const void *bytes,
	size_t len, struct wire_receipt *ret, struct why *why)
{
	struct wire_receipt r;
	char proc[32];
	char path[64];
	uint8_t *text = NULL;
	size_t text_len = 0;

	if (len != sizeof r)
		return why_set(why, -EBADMSG, "%s: READY has %zu bytes, want a receipt of %zu",
			role_get(want->role)->name, len, sizeof r);
	memcpy(&r, bytes, sizeof r);
	int err = receipt_check(want, &r, why);
	if (err < 0)
		return err;
	(void)snprintf(proc, sizeof proc, "/proc/%d", (int)c->pid);
	(void)snprintf(path, sizeof path, "%s/status", proc);
	if (fd_read_path(path, PROC_TEXT_MAX, &text, &text_len, NULL) == 0)
		err = status_check((const char *)text, want, &r, why);
	free(text);
	if (err == 0)
		err = process_check(proc, want, &r, why);
	if (err == -EPERM && is_ending(c)) {
		why_clear(why);
		err = why_set(why, -ESRCH, "%s: it ended while its receipt was checked",
			role_get(want->role)->name);
	}
	if (err == 0)
		*ret = r;
	return err;
}
