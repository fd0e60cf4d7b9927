#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/child.h"
#include "sandbox/receipt.h"
#include "sandbox/stage.h"

#define NEW_ROOT    STAGE_NEW_ROOT
#define FOLDER_NAME "/folder"
#define ROOT_FLAGS  (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define NAMESPACES_SELF                                                                            \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static MUST_USE int text_write(const char *path, const char *text)
{
	AUTO(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
}

/* The broker: namespaces by unshare(2), with the one mapping an unprivileged process may write. */
static MUST_USE int namespaces_enter(struct why *why)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(NAMESPACES_SELF) < 0)
		return why_set(why, -EPERM,
			"no user namespace (%s): allow them with sysctl user.max_user_namespaces "
			"and, where "
			"it exists, kernel.unprivileged_userns_clone=1",
			strerrordesc_np(errno));
	int err = text_write("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof map, "%u %u 1\n", uid, uid);
	if (err == 0)
		err = text_write("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof map, "%u %u 1\n", gid, gid);
	if (err == 0)
		err = text_write("/proc/self/gid_map", map);
	return err < 0 ? why_set(why, err, "cannot map uid %u: %s", uid, strerrordesc_np(-err)) : 0;
}

/*
 * Mount the role's folder below the new root and put that mount behind the same descriptor. The
 * path comes from /proc and may have been renamed meanwhile: device and inode must agree.
 */
static MUST_USE int folder_mount(int fd)
{
	char link[64];
	char path[PATH_MAX];
	struct stat had;
	struct stat got;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n < 0)
		return -errno;
	path[n] = 0;
	if (mount("casemate", NEW_ROOT, "tmpfs", ROOT_FLAGS, "nr_inodes=3,nr_blocks=1,mode=0755") <
		0)
		return -errno;
	if (mkdir(NEW_ROOT FOLDER_NAME, 0700) < 0)
		return -errno;
	if (mount(path, NEW_ROOT FOLDER_NAME, NULL, MS_BIND | MS_REC, NULL) < 0)
		return -errno;
	AUTO(fd) int new_fd = open(NEW_ROOT FOLDER_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (new_fd < 0 || fstat(fd, &had) < 0 || fstat(new_fd, &got) < 0)
		return -errno;
	if (had.st_dev != got.st_dev || had.st_ino != got.st_ino)
		return -ESTALE;
	return dup3(new_fd, fd, O_CLOEXEC) < 0 ? -errno : 0;
}

/* The folder's mount leaves the tree but lives on behind its descriptor: its ".." is itself. */
static MUST_USE int folder_hide(void)
{
	if (umount2(FOLDER_NAME, MNT_DETACH) < 0 || rmdir(FOLDER_NAME) < 0)
		return -errno;
	return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | ROOT_FLAGS, NULL) < 0
		       ? -errno
		       : 0;
}

static int folder_fd(const struct role_row *row)
{
	for (unsigned int i = 0; i < role_count_fds(row); i++)
		if (row->fds[i] == ROLE_FD_FOLDER)
			return SPAWN_FD_CHAN + (int)i;
	return -1;
}

int stage_ns_pivot(void)
{
	return chdir(NEW_ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
			       umount2(".", MNT_DETACH) < 0 || chdir("/") < 0
		       ? -errno
		       : 0;
}

static MUST_USE int root_change(const struct role_row *row)
{
	int folder = folder_fd(row);
	int err = 0;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	if (folder >= 0)
		err = folder_mount(folder);
	else if (mount("casemate", NEW_ROOT, "tmpfs", ROOT_FLAGS | MS_RDONLY,
			 "nr_inodes=2,nr_blocks=1,mode=0555") < 0)
		err = -errno;
	if (err < 0)
		return err;
	err = stage_ns_pivot();
	return err == 0 && folder >= 0 ? folder_hide() : err;
}

/* Proof: `/` holds nothing and takes nothing. */
static MUST_USE int root_check(struct why *why)
{
	DIR *d = opendir("/");
	unsigned int n = 0;

	if (d == NULL)
		return why_set(why, -errno, "the new root cannot be read");
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			n++;
	(void)closedir(d);
	if (n != 0)
		return why_set(why, -EPERM, "the new root is not empty");
	if (mkdir("/canary", 0700) == 0 || errno != EROFS)
		return why_set(why, -EPERM, "the new root is not read-only");
	receipt_hold(RECEIPT_ROOT_EMPTY | RECEIPT_ROOT_RO);
	return 0;
}

/* Nobody becomes root of a namespace below ours, filter or not; tried while we have every right. */
int stage_ns_forbid(struct why *why)
{
	int err = text_write("/proc/sys/user/max_user_namespaces", "0\n");

	if (err < 0)
		return why_set(why, err, "cannot forbid user namespaces below this one: %s",
			strerrordesc_np(-err));
	if (unshare(CLONE_NEWUSER) == 0)
		return why_set(why, -EPERM, "a user namespace below this one could be made");
	receipt_hold(RECEIPT_NO_USERNS);
	return 0;
}

int stage_ns(const struct role_row *row, struct why *why)
{
	int err = 0;

	if ((row->flags & ROLE_IS_SELF_STARTED) != 0)
		err = namespaces_enter(why);
	if (err == 0)
		err = stage_ns_forbid(why);
	if (err == 0)
		err = receipt_look(row, why);
	if (err == 0) {
		err = root_change(row);
		if (err < 0)
			(void)why_set(
				why, err, "cannot make an empty root: %s", strerrordesc_np(-err));
	}
	if (err == 0)
		err = root_check(why);
	if (err < 0)
		return why_prefix(why, err, "sandbox of %s, ns", row->name);
	/* The host's name is nobody's business in there. */
	if (sethostname("casemate", 8) < 0)
		return why_set(why, -errno, "sandbox of %s, ns: sethostname: %s", row->name,
			strerrordesc_np(errno));
	return 0;
}
