#include "vmm/super/sup_foreign.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/foreign.h"

/* Descriptors of a program, and where it finds its disk. */
#define FD_LISTENER FOREIGN_FD_FIRST
#define DISK_PATH   "/disk"

static const struct {
	const char *program;
	const char *packages;
} programs[PLAN_BACKEND_COUNT] = {
	[PLAN_BACKEND_QEMU_STORAGE_DAEMON] = { SUP_FOREIGN_QSD,
		"qemu-system-common (Debian) or qemu-img (Fedora)" },
};

const char *sup_foreign_program(uint32_t backend)
{
	return programs[backend].program;
}

/*
 * Such programs accept; ours are given a pair. The socket has a name for a moment, in a folder that only
 * we enter, so that nobody but us is ever in its queue.
 */
static MUST_USE int listener_make(int folder, uint32_t i, int *ret_listener, int *ret_front)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char name[32];

	(void)snprintf(name, sizeof name, ".%d-%u", (int)getpid(), i);
	(void)snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/%s", folder, name);
	AUTO(fd) int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO(fd) int front = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || front < 0)
		return -errno;
	(void)unlinkat(folder, name, 0); /* of a supervisor that had our pid, and was killed here */
	if (bind(listener, (const struct sockaddr *)&at, sizeof at) < 0)
		return -errno;
	int err = listen(listener, 1) < 0 ||
				  connect(front, (const struct sockaddr *)&at, sizeof at) < 0
			  ? -errno
			  : 0;
	if (unlinkat(folder, name, 0) < 0 && err == 0)
		err = -errno;
	if (err < 0)
		return err;
	*ret_listener = fd_take(&listener);
	*ret_front = fd_take(&front);
	return 0;
}

static MUST_USE int sockets_make(
	struct sup_guest *g, uint32_t i, int *ret_listener, int *ret_front, struct why *why)
{
	int err = svirt_sockets_begin(g->confine->svirt, why);

	if (err < 0)
		return err;
	err = listener_make(g->registry, i, ret_listener, ret_front);
	svirt_sockets_end(g->confine->svirt);
	return err < 0 ? why_set(why, err, "cannot make a device's socket: %s",
				 strerrordesc_np(-err))
		       : 0;
}

/* The program opens the image with its owner's ids, so these must be nobody's who may do more. */
static MUST_USE int image_look(
	const struct wire_plan_disk *d, int fd, struct stat *ret, struct why *why)
{
	const char *program = programs[le32_get(d->backend)].program;

	if (access(program, F_OK) < 0)
		return why_set(why, -ENODEV, "disk %s: %s is not there (%s): install %s", d->id,
			program, strerrordesc_np(errno), programs[le32_get(d->backend)].packages);
	if (fstat(fd, ret) < 0)
		return why_set(why, -errno, "disk %s: %s", d->id, strerrordesc_np(errno));
	if (!S_ISREG(ret->st_mode))
		return why_set(why, -EINVAL, "disk %s: %s serves image files only, and %s is none",
			d->id, program, d->path);
	if (geteuid() == 0 && (ret->st_uid == 0 || ret->st_gid == 0))
		return why_set(why, -EACCES,
			"disk %s: %s opens %s with the ids of its owner, and that is root: chown "
			"it to a user and a group that own nothing else",
			d->id, program, d->path);
	return 0;
}

/* What qemu-storage-daemon is told: the lock is ours (sup_open.c), and its second descriptor holds it. */
static MUST_USE int qsd_start(struct sup_guest *g, const struct wire_plan_disk *d,
	const struct foreign_bind *image, const struct stat *st, int listener, struct why *why)
{
	uint32_t flags = le32_get(d->flags);
	const int fds[] = { listener, image->fd };
	char blockdev[160], export[160];

	(void)snprintf(blockdev, sizeof blockdev,
		"driver=file,node-name=disk,filename=" DISK_PATH
		",locking=off,read-only=%s,discard=%s",
		image->is_writable ? "off" : "on",
		(flags & PLAN_DISK_DISCARD) != 0 ? "unmap" : "ignore");
	(void)snprintf(export, sizeof export,
		"type=vhost-user-blk,id=disk,node-name=disk,writable=%s,addr.type=fd,addr.str=%d",
		image->is_writable ? "on" : "off", FD_LISTENER);
	const char *const argv[] = { programs[PLAN_BACKEND_QEMU_STORAGE_DAEMON].program,
		"--blockdev", blockdev, "--export", export, NULL };
	const struct foreign what = {
		.argv = argv, .binds = image, .n_binds = 1, .fds = fds, .n_fds = ARRAY_LEN(fds)
	};
	bool is_root = geteuid() == 0;
	return sup_child_start_foreign(
		g, d->id, &what, is_root ? st->st_uid : 0, is_root ? st->st_gid : 0, why);
}

int sup_foreign_disk(struct sup_guest *g, uint32_t i, int *ret_front, struct why *why)
{
	const struct wire_plan_disk *d = &g->plan->disks[i];
	char link[64], path[LIMIT_PATH_BYTES];
	AUTO(fd) int listener = -1;
	AUTO(fd) int front = -1;
	struct stat st;
	int err = image_look(d, g->files->disks[i], &st, why);

	if (err < 0)
		return err;
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", g->files->disks[i]);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n < 0 || (size_t)n == sizeof path - 1)
		return why_set(why, -ENAMETOOLONG, "disk %s: its path cannot be had", d->id);
	path[n] = 0;
	const struct foreign_bind image = { .fd = g->files->disks[i],
		.from = path,
		.at = DISK_PATH,
		.is_writable = (le32_get(d->flags) & PLAN_DISK_READ_ONLY) == 0 };
	err = sockets_make(g, i, &listener, &front, why);
	if (err == 0)
		err = qsd_start(g, d, &image, &st, listener, why);
	if (err < 0)
		return err;
	*ret_front = fd_take(&front);
	return 0;
}
