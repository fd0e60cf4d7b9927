#include "sandbox/foreign_jail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/receipt.h"
#include "sandbox/sandbox.h"
#include "sandbox/stage.h"

#define TREE_INODES "nr_inodes=4096,nr_blocks=64,mode=0755"

/* ---- the new root ---------------------------------------------------------------------------- */

/* Below the new root: the folders above path, made where they are not there. */
static MUST_USE int folders_make(const char *path)
{
	char copy[sizeof STAGE_NEW_ROOT + LIMIT_PATH_BYTES];

	(void)snprintf(copy, sizeof copy, "%s%s", STAGE_NEW_ROOT, path);
	for (char *c = copy + sizeof STAGE_NEW_ROOT; *c != 0; c++) {
		if (*c != '/')
			continue;
		*c = 0;
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*c = '/';
	}
	return 0;
}

/* An empty file or folder where the host's is to be seen. */
static MUST_USE int place_make(const char *at, bool is_folder)
{
	if (is_folder)
		return mkdir(at, 0755) < 0 && errno != EEXIST ? -errno : 0;
	AUTO(fd) int fd = open(at, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
	return fd < 0 ? -errno : 0;
}

/* A path may lead elsewhere by now: it is the file of that descriptor, or none. */
static MUST_USE int file_check(const char *path, int fd, struct stat *ret)
{
	struct stat st;

	if (stat(path, ret) < 0)
		return -errno;
	bool is_null = S_ISCHR(ret->st_mode) && ret->st_rdev == makedev(1, 3);
	if (!S_ISREG(ret->st_mode) && !S_ISDIR(ret->st_mode) && !S_ISBLK(ret->st_mode) && !is_null)
		return -EINVAL;
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == ret->st_dev && st.st_ino == ret->st_ino ? 0 : -ESTALE;
}

static bool is_device(const struct stat *st)
{
	return S_ISBLK(st->st_mode) || S_ISCHR(st->st_mode);
}

/* The host's file at its place: no set-user-id, no device but itself, read-only unless it is a disk. */
static MUST_USE int file_bind(const struct foreign_file *f)
{
	const char *from = f->from != NULL ? f->from : f->path;
	char at[sizeof STAGE_NEW_ROOT + LIMIT_PATH_BYTES];
	struct stat st;
	int err = file_check(from, f->fd, &st);

	if (err == 0)
		err = folders_make(f->path);
	(void)snprintf(at, sizeof at, "%s%s", STAGE_NEW_ROOT, f->path);
	if (err == 0)
		err = place_make(at, S_ISDIR(st.st_mode));
	if (err < 0)
		return err;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID |
					       (is_device(&st) ? 0 : MOUNT_ATTR_NODEV) |
					       (f->may_write ? 0 : MOUNT_ATTR_RDONLY) |
					       (f->fd >= 0 ? MOUNT_ATTR_NOEXEC : 0) };
	if (mount(from, at, NULL, MS_BIND | MS_REC, NULL) < 0 ||
		mount_setattr(AT_FDCWD, at, AT_RECURSIVE, &attr, sizeof attr) < 0)
		return -errno;
	return file_check(at, f->fd, &st);
}

static MUST_USE int root_change(const struct foreign_files *f, struct why *why)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("casemate", STAGE_NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			TREE_INODES) < 0)
		return why_set(why, -errno, "cannot mount a new root: %s", strerrordesc_np(errno));
	for (unsigned int i = 0; i < f->n; i++) {
		int err = file_bind(&f->file[i]);
		if (err < 0)
			return why_set(why, err, "cannot bring %s into the new root: %s",
				f->file[i].path, strerrordesc_np(-err));
	}
	if (mount_setattr(AT_FDCWD, STAGE_NEW_ROOT, 0, &attr, sizeof attr) < 0)
		return why_set(why, -errno, "cannot make the new root read-only: %s",
			strerrordesc_np(errno));
	int err = stage_ns_pivot();
	return err < 0 ? why_set(why, err, "cannot change to the new root: %s",
				 strerrordesc_np(-err))
		       : 0;
}

static bool is_first_part(const struct foreign_files *f, const char *name)
{
	size_t len = strlen(name);

	for (unsigned int i = 0; i < f->n; i++)
		if (strncmp(f->file[i].path + 1, name, len) == 0 &&
			(f->file[i].path[1 + len] == '/' || f->file[i].path[1 + len] == 0))
			return true;
	return false;
}

/* Proof: `/` holds the beginnings of our paths, and takes nothing. */
static MUST_USE int root_check(const struct foreign_files *f, struct why *why)
{
	DIR *d = opendir("/");
	bool is_ours = true;

	if (d == NULL)
		return why_set(why, -errno, "the new root cannot be read");
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		is_ours = is_ours && (e->d_name[0] == '.' || is_first_part(f, e->d_name));
	(void)closedir(d);
	if (!is_ours)
		return why_set(why, -EPERM, "the new root holds what it should not");
	if (mkdir("/canary", 0700) == 0 || errno != EROFS)
		return why_set(why, -EPERM, "the new root is not read-only");
	for (unsigned int i = 0; i < f->n; i++)
		if (!f->file[i].may_write &&
			(faccessat(AT_FDCWD, f->file[i].path, W_OK, AT_EACCESS) == 0 ||
				(errno != EROFS && errno != EACCES)))
			return why_set(why, -EPERM, "%s could be written to", f->file[i].path);
	receipt_hold(RECEIPT_ROOT_RO);
	return 0;
}

/* A crash must not hand guest memory to whoever takes cores; unlike "not dumpable" this outlives exec. */
static MUST_USE int core_forbid(struct why *why)
{
	AUTO(fd) int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		return why_set(why, -errno, "cannot keep memory out of core dumps: %s",
			strerrordesc_np(errno));
	return 0;
}

int foreign_jail_enter(const struct foreign_files *f, int *ret_fd, struct why *why)
{
	const struct role_row *row = role_get(ROLE_FOREIGN);
	int err = core_forbid(why);

	if (err == 0)
		err = stage_ns_forbid(why);
	if (err == 0)
		err = receipt_look(row, why);
	if (err == 0)
		err = root_change(f, why);
	if (err == 0)
		err = root_check(f, why);
	if (err == 0 && sethostname("casemate", 8) < 0)
		err = why_set(why, -errno, "sethostname: %s", strerrordesc_np(errno));
	if (err == 0)
		err = stage_caps(why);
	if (err == 0)
		err = stage_rlimit(row, why);
	if (err < 0)
		return err;
	AUTO(fd) int program = open(f->file[0].path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (program < 0)
		return why_set(why, -errno, "cannot open %s in the new root: %s", f->file[0].path,
			strerrordesc_np(errno));
	struct stage_file files[LIMIT_FOREIGN_PATHS];
	for (unsigned int i = 0; i < f->n; i++)
		files[i] = (struct stage_file){ .path = f->file[i].path,
			.may_exec = f->file[i].may_exec,
			.may_write = f->file[i].may_write };
	err = stage_landlock_files(row, files, f->n, why);
	if (err < 0)
		return err;
	sandbox_note_prepared();
	*ret_fd = fd_take(&program);
	return 0;
}
