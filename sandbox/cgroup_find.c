#include "sandbox/cgroup_find.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/cgroup.h"

#define MOUNTS_MAX (1u << 20) /* a host of a thousand containers has some ten thousand mounts */
#define OWN_MAX    8192u      /* a line for each hierarchy; paths are short */

const struct cgroup_controller cgroup_controllers[CGROUP_CONTROLLERS] = {
	{ CGROUP_HAS_MEMORY, "memory" },
	{ CGROUP_HAS_PIDS, "pids" },
	{ CGROUP_HAS_CPU, "cpu" },
	{ CGROUP_HAS_IO, "io" },
};

static void text_auto(uint8_t **text)
{
	free(*text);
}

/* ---- parsing --------------------------------------------------------------------------------- */

/* Take a word off the front of *at; NULL when there is none. */
static char *word_take(char **at)
{
	char *word = strsep(at, " ");

	return word != NULL && *word != 0 ? word : NULL;
}

/* The kernel writes space, tab, newline and backslash in a path as \ooo. proc(5). */
static MUST_USE int path_unescape(const char *from, char *ret, size_t size)
{
	size_t n = 0;

	while (*from != 0) {
		char c = *from++;
		if (c == '\\') {
			if (from[0] < '0' || from[0] > '3' || from[1] < '0' || from[1] > '7' ||
				from[2] < '0' || from[2] > '7')
				return -EBADMSG;
			c = (char)((from[0] - '0') << 6 | (from[1] - '0') << 3 | (from[2] - '0'));
			from += 3;
		}
		if (n + 1 >= size)
			return -EMSGSIZE;
		ret[n++] = c;
	}
	ret[n] = 0;
	return 0;
}

/* 36 35 98:0 /root /point rw,noatime master:1 - type source options. proc(5). */
static MUST_USE int mount_parse(char *line, struct cgroup_mount *ret)
{
	struct cgroup_mount m = { 0 };
	char *type = strstr(line, " - ");
	char *words[5];

	if (type == NULL)
		return -EBADMSG;
	*type = 0;
	type += 3;
	if (strncmp(type, "cgroup2 ", 8) != 0)
		return -ENODEV;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		words[i] = word_take(&line);
		if (words[i] == NULL)
			return -EBADMSG;
	}
	int err = path_unescape(words[3], m.root, sizeof m.root);
	if (err == 0)
		err = path_unescape(words[4], m.point, sizeof m.point);
	if (err == 0)
		*ret = m;
	return err;
}

int cgroup_parse_mounts(char *text, struct cgroup_mount *ret)
{
	for (char *line = strsep(&text, "\n"); line != NULL; line = strsep(&text, "\n"))
		if (mount_parse(line, ret) == 0)
			return 0;
	return -ENODEV;
}

int cgroup_parse_own(char *text, char ret[LIMIT_PATH_BYTES])
{
	for (char *line = strsep(&text, "\n"); line != NULL; line = strsep(&text, "\n")) {
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		if (strlen(line + 3) >= LIMIT_PATH_BYTES)
			return -EMSGSIZE;
		(void)snprintf(ret, LIMIT_PATH_BYTES, "%s", line + 3);
		return 0;
	}
	return -ENODEV;
}

/* A path without "/casemate/supervisor-N" at its end. */
static void path_cut_self(char *path)
{
	static const char ours[] = "/" CGROUP_FOLDER "/" CGROUP_SELF;
	char *at = strstr(path, ours);

	if (at != NULL && strchr(at + sizeof ours - 1, '/') == NULL)
		*at = 0;
}

const char *cgroup_path_below(const struct cgroup_mount *m, char *path)
{
	size_t root = strcmp(m->root, "/") == 0 ? 0 : strlen(m->root);

	if (strncmp(path, m->root, root) != 0 || (path[root] != '/' && path[root] != 0))
		return NULL;
	path_cut_self(path + root);
	path += root;
	while (*path == '/')
		path++;
	return *path != 0 ? path : ".";
}

/* ---- looking --------------------------------------------------------------------------------- */

int cgroup_read(int dir, const char *file, char *ret, size_t size)
{
	AUTO(fd) int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n < 0)
		return -errno;
	ret[n] = 0;
	return 0;
}

uint32_t cgroup_read_controllers(int dir, const char *file)
{
	char text[256];
	char *at = text;
	uint32_t has = 0;

	if (cgroup_read(dir, file, text, sizeof text) < 0)
		return 0;
	for (char *word = strsep(&at, " \n"); word != NULL; word = strsep(&at, " \n"))
		for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
			if (strcmp(word, cgroup_controllers[i].name) == 0)
				has |= cgroup_controllers[i].bit;
	return has;
}

static MUST_USE int mount_find(struct cgroup_mount *ret, struct why *why)
{
	AUTO(text) uint8_t *text = NULL;
	size_t len = 0;
	int err = fd_read_path("/proc/self/mountinfo", MOUNTS_MAX, &text, &len, why);

	if (err < 0)
		return err;
	return cgroup_parse_mounts((char *)text, ret) == 0
		       ? 0
		       : why_set(why, -ENODEV,
				 "no cgroup v2 is mounted here: boot with "
				 "systemd.unified_cgroup_hierarchy=1, or "
				 "mount -t cgroup2 none /sys/fs/cgroup");
}

static MUST_USE int own_find(char ret[LIMIT_PATH_BYTES], struct why *why)
{
	AUTO(text) uint8_t *text = NULL;
	size_t len = 0;
	int err = fd_read_path("/proc/self/cgroup", OWN_MAX, &text, &len, why);

	if (err < 0)
		return err;
	err = cgroup_parse_own((char *)text, ret);
	return err < 0 ? why_set(why, -ENODEV,
				 "/proc/self/cgroup has no line 0::, which is cgroup v2's: boot "
				 "with systemd.unified_cgroup_hierarchy=1")
		       : 0;
}

static MUST_USE int mount_open(const struct cgroup_mount *m, int *ret, struct why *why)
{
	struct statfs fs;
	AUTO(fd) int fd = open(m->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return why_set(why, -ENODEV, "cgroup v2: cannot open %s: %s", m->point,
			strerrordesc_np(errno));
	if (fstatfs(fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return why_set(why, -ENODEV,
			"cgroup v2 is mounted at %s, and something else over it", m->point);
	*ret = fd_take(&fd);
	return 0;
}

/* With the controllers at cgroup v1 there is a second hierarchy, which can limit nothing. */
static MUST_USE int controllers_check(int top, const struct cgroup_mount *m, struct why *why)
{
	if (cgroup_read_controllers(top, "cgroup.controllers") != 0)
		return 0;
	return why_set(why, -ENODEV,
		"cgroup v2 at %s has no controllers, for cgroup v1 has them (a hybrid hierarchy): "
		"boot with systemd.unified_cgroup_hierarchy=1",
		m->point);
}

static MUST_USE int below_open(int top, const char *path, int *ret)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, top, path, &how, sizeof how);

	if (fd < 0)
		return -errno;
	*ret = (int)fd;
	return 0;
}

/* May we make folders in it, and put processes there? */
static MUST_USE int place_check(int fd, const char *path, struct why *why)
{
	if (faccessat(fd, ".", W_OK, AT_EACCESS) == 0 &&
		faccessat(fd, "cgroup.procs", W_OK, AT_EACCESS) == 0 &&
		faccessat(fd, "cgroup.subtree_control", W_OK, AT_EACCESS) == 0)
		return 0;
	if (errno == EROFS)
		return why_set(why, -ENODEV,
			"cgroup v2 is mounted read-only here (a container?): give the container a "
			"cgroup of its own that it may write to");
	if (geteuid() == 0)
		return why_set(why, -ENODEV, "the cgroup %s/ is not ours to change: %s", path,
			strerrordesc_np(errno));
	return why_set(why, -ENODEV,
		"the cgroup %s/ is not delegated to this user: start it with systemd-run --user "
		"--scope -p Delegate=yes casemate ...",
		path);
}

int cgroup_find(struct cgroup_place *ret, struct why *why)
{
	AUTO(cgroup_place) struct cgroup_place p = CGROUP_PLACE_NONE;
	struct cgroup_mount m = { 0 };
	const char *below = ".";

	int err = mount_find(&m, why);
	if (err < 0)
		return err;
	AUTO(fd) int top = -1;
	err = mount_open(&m, &top, why);
	if (err == 0)
		err = controllers_check(top, &m, why);
	if (err < 0)
		return err;
	(void)snprintf(p.path, sizeof p.path, "%s", m.root);
	if (geteuid() != 0) {
		err = own_find(p.path, why);
		if (err < 0)
			return err;
		below = cgroup_path_below(&m, p.path);
		if (below == NULL)
			return why_set(why, -ENODEV,
				"our own cgroup, %s, is not below the one mounted at %s (%s)",
				p.path, m.point, m.root);
	}
	err = below_open(top, below, &p.fd);
	if (err < 0)
		return why_set(why, -ENODEV, "cgroup v2: cannot open %s below %s: %s", below,
			m.point, strerrordesc_np(-err));
	if (strcmp(p.path, "/") == 0)
		p.path[0] = 0;
	/* The real root alone has no type. Linux admin-guide/cgroup-v2, "cgroup.type". */
	p.is_root = faccessat(p.fd, "cgroup.type", F_OK, 0) < 0;
	err = place_check(p.fd, p.path, why);
	if (err < 0)
		return err;
	*ret = p;
	p.fd = -1;
	return 0;
}
