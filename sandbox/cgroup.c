#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/cgroup_find.h"

#define WEIGHT_MAX 10000u   /* Linux admin-guide/cgroup-v2: cpu.weight, io.weight */
#define CPU_PERIOD 100000ul /* microseconds; the kernel's own, and a hundredth of it is a percent */
#define POLL_MS    50

/* ---- files of a folder ----------------------------------------------------------------------- */

static MUST_USE int file_write(int dir, const char *file, const char *text)
{
	AUTO(fd) int fd = openat(dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* Switch them on for the folders in this one, each by itself: which are on now. */
static uint32_t controllers_enable(int dir, uint32_t wanted)
{
	uint32_t on = 0;

	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		char text[16];
		if ((wanted & cgroup_controllers[i].bit) == 0)
			continue;
		(void)snprintf(text, sizeof text, "+%s", cgroup_controllers[i].name);
		if (file_write(dir, "cgroup.subtree_control", text) == 0)
			on |= cgroup_controllers[i].bit;
	}
	return on;
}

static MUST_USE int folder_open(int dir, const char *name, int *ret)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* Call fn for each folder in this one. */
static void folders_each(int dir, void (*fn)(int dir, const char *name))
{
	int fd = -1;

	if (folder_open(dir, ".", &fd) < 0)
		return;
	DIR *d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return;
	}
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			fn(dir, e->d_name);
	(void)closedir(d);
}

/* ---- the end of a folder --------------------------------------------------------------------- */

/* Until no process is left in it, but not for ever: one may hang in the kernel. */
static void folder_wait(int dir)
{
	AUTO(fd) int events = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	for (int left = LIMIT_CGROUP_KILL_MS; events >= 0 && left > 0; left -= POLL_MS) {
		char text[128];
		struct pollfd p = { .fd = events, .events = POLLPRI };
		ssize_t n = pread(events, text, sizeof text - 1, 0);
		if (n < 0)
			return;
		text[n] = 0;
		if (strstr(text, "populated 0") != NULL)
			return;
		(void)poll(&p, 1, POLL_MS);
	}
}

static void leaf_remove(int dir, const char *name)
{
	(void)unlinkat(dir, name, AT_REMOVEDIR);
}

/* Kill what is in a guest's folder, remove its leaves and it. What stays, the next run removes. */
static void guest_remove(int base, const char *name, int dir)
{
	if (file_write(dir, "cgroup.kill", "1") == 0)
		folder_wait(dir);
	folders_each(dir, leaf_remove);
	(void)unlinkat(base, name, AT_REMOVEDIR);
}

/* Whoever holds the lock of a folder lives; pids come again, and are others in other namespaces. */
static void leftover_remove(int base, const char *name)
{
	AUTO(fd) int dir = -1;
	bool is_guest = strchr(name, '.') != NULL; /* cgroup_find.h: whatever it begins with */

	if (!is_guest && strncmp(name, CGROUP_SELF, strlen(CGROUP_SELF)) == 0) {
		leaf_remove(base, name); /* refused while the supervisor lives */
		return;
	}
	if (folder_open(base, name, &dir) < 0 || flock(dir, LOCK_EX | LOCK_NB) < 0)
		return;
	guest_remove(base, name, dir);
}

/* ---- the folder of all guests ---------------------------------------------------------------- */

/* Private: who could open a folder could hold its lock. */
static MUST_USE int base_open(const struct cgroup_place *p, int *ret, struct why *why)
{
	struct stat st;
	AUTO(fd) int fd = -1;

	int err = mkdirat(p->fd, CGROUP_FOLDER, 0700) < 0 && errno != EEXIST ? -errno : 0;
	if (err == 0)
		err = folder_open(p->fd, CGROUP_FOLDER, &fd);
	if (err < 0)
		return why_set(why, -ENODEV, "cannot make the cgroup %s/" CGROUP_FOLDER ": %s",
			p->path, strerrordesc_np(-err));
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return why_set(why, -ENODEV,
			"the cgroup %s/" CGROUP_FOLDER
			" is not ours alone: end what runs in it and remove it (rmdir)",
			p->path);
	err = fd_lock(fd, LIMIT_CGROUP_LOCK_MS);
	if (err == -EBUSY)
		return why_set(why, err,
			"another supervisor has held the cgroup %s/" CGROUP_FOLDER
			" for %u seconds; if it hangs, end it and try again",
			p->path, LIMIT_CGROUP_LOCK_MS / 1000);
	if (err < 0)
		return why_set(why, err, "cannot lock the cgroup %s/" CGROUP_FOLDER ": %s", p->path,
			strerrordesc_np(-err));
	*ret = fd_take(&fd);
	return 0;
}

/* A folder whose controllers are on has no processes: ourselves to a folder of our own. */
static void self_move(int base)
{
	char name[32];
	AUTO(fd) int dir = -1;

	(void)snprintf(name, sizeof name, CGROUP_SELF "%d", (int)getpid());
	if (mkdirat(base, name, 0700) < 0 && errno != EEXIST)
		return;
	if (folder_open(base, name, &dir) < 0 || file_write(dir, "cgroup.procs", "0") < 0)
		leaf_remove(base, name);
}

/* Is a process in the folder itself, other than this one (0: any)? If it cannot be seen: yes. */
static bool has_processes(int dir, pid_t but)
{
	char text[64];
	char one[16];

	(void)snprintf(one, sizeof one, "%d\n", (int)but);
	return cgroup_read(dir, "cgroup.procs", text, sizeof text) < 0 ||
	       (text[0] != 0 && (but == 0 || strcmp(text, one) != 0));
}

/*
 * Which controllers the guests' folders can have: on from the place down to them. But for the real
 * root, a folder with processes must not have any: memory and io would be refused, pids and cpu make
 * the folder threaded, and no process could be put below it any more (Linux admin-guide/cgroup-v2,
 * "Threads").
 */
static uint32_t controllers_bring(const struct cgroup_place *p, int base)
{
	if (!p->is_root) {
		if (has_processes(p->fd, getpid()))
			return 0;
		self_move(base);
		if (has_processes(p->fd, 0))
			return 0;
	}
	uint32_t on =
		controllers_enable(p->fd, cgroup_read_controllers(p->fd, "cgroup.controllers"));
	return controllers_enable(base, on);
}

/* ---- a guest --------------------------------------------------------------------------------- */

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static void name_make(struct cgroup *g, const char *guest)
{
	char name[sizeof g->name - 16];

	(void)snprintf(name, sizeof name, "%s", guest);
	for (char *c = name; *c != 0; c++)
		if (!is_name_char(*c))
			*c = '_';
	(void)snprintf(g->name, sizeof g->name, "%s.%d", name, (int)getpid());
}

static MUST_USE int guest_make(struct cgroup *g, const struct cgroup_place *p, struct why *why)
{
	int err = mkdirat(g->base, g->name, 0700) < 0 ? -errno : 0;

	if (err == 0) {
		err = folder_open(g->base, g->name, &g->fd);
		if (err < 0)
			leaf_remove(g->base, g->name);
	}
	if (err == 0 && flock(g->fd, LOCK_EX | LOCK_NB) < 0)
		err = -errno;
	if (err < 0)
		return why_set(why, err, "cannot make the cgroup %s/" CGROUP_FOLDER "/%s: %s",
			p->path, g->name, strerrordesc_np(-err));
	int n = snprintf(g->path, sizeof g->path, "%s/" CGROUP_FOLDER "/%s", p->path, g->name);
	if (n < 0 || (size_t)n >= sizeof g->path)
		return why_set(
			why, -ENAMETOOLONG, "the path of the cgroup %s is too long", g->name);
	g->controllers = controllers_enable(g->fd, g->controllers);
	/* A kernel may have the controller and no weights. */
	if (faccessat(g->fd, "io.weight", F_OK, 0) < 0)
		g->controllers &= ~CGROUP_HAS_IO;
	/* When memory of the guest as a whole is gone, the guest goes as a whole. */
	err = (g->controllers & CGROUP_HAS_MEMORY) != 0 ? file_write(g->fd, "memory.oom.group", "1")
							: 0;
	return err < 0 ? why_set(why, err, "cannot write memory.oom.group of the cgroup %s: %s",
				 g->path, strerrordesc_np(-err))
		       : 0;
}

int cgroup_open(struct cgroup *ret, const char *guest, struct why *why)
{
	AUTO(cgroup) struct cgroup g = CGROUP_NONE;
	AUTO(cgroup_place) struct cgroup_place p = CGROUP_PLACE_NONE;

	int err = cgroup_find(&p, why);
	if (err == 0)
		err = base_open(&p, &g.base, why);
	if (err < 0)
		return err;
	folders_each(g.base, leftover_remove);
	name_make(&g, guest);
	g.controllers = controllers_bring(&p, g.base);
	err = guest_make(&g, &p, why);
	if (err == 0 && flock(g.base, LOCK_UN) < 0)
		err = -errno;
	if (err < 0)
		return err;
	*ret = g;
	g = CGROUP_NONE;
	return 0;
}

int cgroup_probe(uint32_t *ret_controllers, struct why *why)
{
	AUTO(cgroup_place) struct cgroup_place p = CGROUP_PLACE_NONE;

	int err = cgroup_find(&p, why);
	if (err < 0)
		return err;
	*ret_controllers = cgroup_read_controllers(p.fd, "cgroup.controllers");
	if (!p.is_root && has_processes(p.fd, getpid()))
		*ret_controllers = 0; /* they could not be switched on */
	return 0;
}

/* ---- limits ---------------------------------------------------------------------------------- */

static MUST_USE int limits_check(const struct cgroup_limits *l, struct why *why)
{
	if (l->cpu_weight > WEIGHT_MAX || l->io_weight > WEIGHT_MAX)
		return why_set(why, -ERANGE, "weights of a cgroup are 1 to %u, not %u", WEIGHT_MAX,
			MAX(l->cpu_weight, l->io_weight));
	return 0;
}

static MUST_USE int limits_write(const struct cgroup *g, int dir, const char *of,
	const struct cgroup_limits *l, struct why *why)
{
	const struct {
		uint32_t controller;
		const char *file, *before, *after;
		uint64_t value; /* 0: as it is */
	} lines[] = {
		{ CGROUP_HAS_MEMORY, "memory.max", "", "", l->memory_bytes },
		{ CGROUP_HAS_PIDS, "pids.max", "", "", l->pids },
		{ CGROUP_HAS_CPU, "cpu.weight", "", "", l->cpu_weight },
		{ CGROUP_HAS_CPU, "cpu.max", "", " 100000", l->cpu_percent * (CPU_PERIOD / 100) },
		{ CGROUP_HAS_IO, "io.weight", "default ", "", l->io_weight },
	};
	int err = limits_check(l, why);

	for (size_t i = 0; err == 0 && i < ARRAY_LEN(lines); i++) {
		char text[64];
		if (lines[i].value == 0 || (g->controllers & lines[i].controller) == 0)
			continue;
		(void)snprintf(text, sizeof text, "%s%llu%s", lines[i].before,
			(unsigned long long)lines[i].value, lines[i].after);
		err = file_write(dir, lines[i].file, text);
		if (err < 0)
			(void)why_set(why, err, "cannot set %s of the cgroup %s to %s: %s",
				lines[i].file, of, text, strerrordesc_np(-err));
	}
	/* What was a secret in memory stays out of swap; a kernel without swap has no such file. */
	if (err == 0 && (g->controllers & CGROUP_HAS_MEMORY) != 0) {
		err = file_write(dir, "memory.swap.max", "0");
		err = err == -ENOENT ? 0 : err;
		if (err < 0)
			(void)why_set(why, err, "cannot set memory.swap.max of the cgroup %s: %s",
				of, strerrordesc_np(-err));
	}
	return err;
}

int cgroup_limit(struct cgroup *g, const struct cgroup_limits *limits, struct why *why)
{
	return limits_write(g, g->fd, g->name, limits, why);
}

int cgroup_add(struct cgroup *g, const char *leaf, const struct cgroup_limits *limits, int *ret_fd,
	struct why *why)
{
	AUTO(fd) int fd = -1;

	for (const char *c = leaf; *c != 0; c++)
		if (!is_name_char(*c))
			return why_set(why, -EINVAL, "%s is no name for a cgroup", leaf);
	int err = mkdirat(g->fd, leaf, 0700) < 0 ? -errno : 0;
	if (err == 0)
		err = folder_open(g->fd, leaf, &fd);
	if (err < 0)
		return why_set(why, err, "cannot make the cgroup %s/%s: %s", g->path, leaf,
			strerrordesc_np(-err));
	err = limits_write(g, fd, leaf, limits, why);
	if (err < 0) {
		leaf_remove(g->fd, leaf);
		return err;
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

bool cgroup_was_oom(const struct cgroup *g, const char *leaf)
{
	AUTO(fd) int dir = -1;
	char text[512];
	char *at = text;

	if (g->fd < 0 || folder_open(g->fd, leaf, &dir) < 0 ||
		cgroup_read(dir, "memory.events", text, sizeof text) < 0)
		return false;
	for (char *line = strsep(&at, "\n"); line != NULL; line = strsep(&at, "\n"))
		if (strncmp(line, "oom_kill ", 9) == 0)
			return strcmp(line + 9, "0") != 0;
	return false;
}

void cgroup_close(struct cgroup *g)
{
	if (g->fd >= 0)
		guest_remove(g->base, g->name, g->fd);
	fd_drop(&g->fd);
	fd_drop(&g->base);
}
