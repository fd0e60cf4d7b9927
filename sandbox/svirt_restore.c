#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "sandbox/svirt_priv.h"

static const struct journal_object *object_find(
	const struct journal *j, uint64_t device, uint64_t inode)
{
	for (unsigned int i = 0; i < j->n_objects; i++)
		if (j->objects[i].device == device && j->objects[i].inode == inode)
			return &j->objects[i];
	return NULL;
}

int svirt_find_user(
	int folder, const char *own, uint64_t device, uint64_t inode, struct svirt_user *ret)
{
	struct journal_file f = { .fd = -1 };
	struct journals list;
	int err = journals_list(folder, own, &list);

	if (err < 0)
		return err;
	ret->use = SVIRT_USE_NONE;
	while (ret->use != SVIRT_USE_ALIVE && (err = journals_next(&list, &f)) > 0) {
		const struct journal_object *o = object_find(&f.is, device, inode);
		if (o == NULL)
			continue;
		/* One that has ended restored what it could: like one that is dead. */
		ret->use = f.is_alive && !f.is.is_ended ? SVIRT_USE_ALIVE : SVIRT_USE_DEAD;
		ret->was = *o;
		memcpy(ret->guest, f.is.guest, sizeof ret->guest);
	}
	journals_close(&list, &f);
	return err < 0 ? err : 0;
}

/* Does another running guest use this content? Then its end is the time. */
static MUST_USE int is_shared(
	const struct svirt_restore *r, const struct journal_object *o, bool *ret)
{
	struct svirt_user user = { .use = SVIRT_USE_NONE };
	int err = 0;

	if (o->object == SVIRT_CONTENT)
		err = svirt_find_user(r->folder, r->name, o->device, o->inode, &user);
	*ret = user.use == SVIRT_USE_ALIVE;
	return err;
}

int svirt_restore_fd(const struct svirt_restore *r, const struct journal_object *o, int fd)
{
	char label[LIMIT_LABEL_BYTES];
	bool is_used = false;

	int err = r->os->read_label(fd, label);
	if (err == -EOPNOTSUPP)
		return 0;
	if (err == 0)
		err = is_shared(r, o, &is_used);
	if (err < 0)
		return err;
	if (is_used || strcmp(label, o->old_label) == 0)
		return 0;
	if (strcmp(label, o->new_label) != 0) {
		log_warn("%s: labelled %s by somebody else; it stays so", o->path, label);
		return 0;
	}
	err = r->os->write_label(fd, o->old_label);
	return err < 0 ? err : 1;
}

/* The object itself, not what may have taken its place; nothing is opened that was not asked first. */
static MUST_USE int object_open(
	const struct svirt_restore *r, const struct journal_object *o, int *ret_fd)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	char link[64];
	struct stat st;
	AUTO(fd) int at = (int)syscall(SYS_openat2, AT_FDCWD, o->path, &how, sizeof how);

	if (at < 0 || fstat(at, &st) < 0)
		return errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
	/* After another boot a device may have another number. */
	if (st.st_ino != o->inode || (st.st_dev != o->device && r->is_same_boot) ||
		!(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode)))
		return -ENOENT;
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", at);
	int fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int svirt_restore_path(const struct svirt_restore *r, const struct journal_object *o)
{
	AUTO(fd) int fd = -1;
	int err = object_open(r, o, &fd);

	if (err == -ENOENT) {
		log_info("%s: no longer what was labelled; left alone", o->path);
		return 0;
	}
	if (err < 0)
		return err;
	int changed = svirt_restore_fd(r, o, fd);
	return changed > 0 && fsync(fd) < 0 ? -errno : changed;
}

/* All objects of a dead supervisor, the last first. Number of those that could not be done. */
static unsigned int journal_restore(
	const struct svirt_os *os, int folder, const struct journal_file *f, unsigned int *restored)
{
	char boot[JOURNAL_BOOT_BYTES + 1];
	unsigned int n_failed = 0;

	journal_read_boot(boot);
	struct svirt_restore r = { os, folder, f->name, strcmp(boot, f->is.boot) == 0 };
	for (unsigned int i = f->is.n_objects; i-- > 0;) {
		const struct journal_object *o = &f->is.objects[i];
		int err = svirt_restore_path(&r, o);
		if (err > 0)
			(*restored)++;
		if (err >= 0)
			continue;
		n_failed++;
		log_warn("%s: cannot get back its label %s: %s", o->path, o->old_label,
			strerrordesc_np(-err));
	}
	return n_failed;
}

int svirt_restore_dead(const struct svirt_os *os, int folder, unsigned int *ret_restored)
{
	struct journal_file f = { .fd = -1 };
	struct journals list;
	int err = journals_list(folder, NULL, &list);

	*ret_restored = 0;
	if (err < 0)
		return err;
	while ((err = journals_next(&list, &f)) > 0) {
		if (f.is_alive)
			continue;
		unsigned int n_failed = journal_restore(os, folder, &f, ret_restored);
		if (n_failed == 0 && f.is.n_damaged == 0) {
			if (unlinkat(folder, f.name, 0) < 0)
				log_warn("cannot remove the label journal %s: %s", f.name,
					strerrordesc_np(errno));
			continue;
		}
		log_warn("labels of guest \"%s\" (%s): %u could not be restored, %u records are "
			 "damaged; its pair stays reserved",
			f.is.guest, f.name, n_failed, f.is.n_damaged);
	}
	journals_close(&list, &f);
	return err;
}
