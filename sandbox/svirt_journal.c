#include "sandbox/svirt_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/rd.h"
#include "base/sha256.h"
#include "base/wr.h"
#include "sandbox/svirt_priv.h"

#define MAGIC       0x314c5343u /* "CSL1" */
#define SUM_AT      (JOURNAL_RECORD_BYTES - SHA256_BYTES)
#define RECORDS_MAX (LIMIT_SVIRT_OBJECTS + 2u) /* head, objects, end */

enum record_kind {
	RECORD_HEAD = 1,
	RECORD_OBJECT = 2,
	RECORD_END = 3,
};

/* ---- records --------------------------------------------------------------------------------- */

/* Text with zeros behind it, at least one. */
static void text_write(struct wr *w, const char *text, size_t size)
{
	size_t len = strnlen(text, size - 1);

	wr_copy(w, text, len);
	wr_zero(w, size - len);
}

static void text_read(struct rd *r, char *ret, size_t size)
{
	rd_copy(r, ret, size);
	size_t len = strnlen(ret, size);
	if (len == size)
		rd_fail(r);
	for (size_t i = len; i < size; i++)
		if (ret[i] != 0)
			rd_fail(r);
	ret[size - 1] = 0;
}

/* The first 16 bytes of every record; object 0 but in an object's. */
static struct wr record_begin(uint8_t buf[JOURNAL_RECORD_BYTES], enum record_kind kind)
{
	struct wr w = wr_of(buf, JOURNAL_RECORD_BYTES);

	wr_le32(&w, MAGIC);
	wr_le32(&w, JOURNAL_RECORD_BYTES);
	wr_le32(&w, kind);
	return w;
}

/* Checksum, append, wait for the disk. A record that did not arrive whole is cut off again. */
static MUST_USE int record_append(int fd, struct wr *w)
{
	uint8_t sum[SHA256_BYTES];
	struct stat st;

	wr_pad_to(w, SUM_AT);
	sha256(w->buf, SUM_AT, sum);
	wr_copy(w, sum, sizeof sum);
	if (wr_check(w) < 0)
		return -EMSGSIZE;
	if (fstat(fd, &st) < 0)
		return -errno;
	int err = fd_pwrite_all(fd, w->buf, w->len, (uint64_t)st.st_size);
	if (err == 0 && fdatasync(fd) < 0)
		err = -errno;
	if (err < 0 && ftruncate(fd, st.st_size) < 0)
		return -EIO;
	return err;
}

void journal_read_boot(char ret[JOURNAL_BOOT_BYTES + 1])
{
	AUTO(fd) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fd_pread_all(fd, ret, JOURNAL_BOOT_BYTES, 0) < 0)
		memset(ret, '0', JOURNAL_BOOT_BYTES);
	ret[JOURNAL_BOOT_BYTES] = 0;
}

int journal_write_head(int fd, const char *guest)
{
	uint8_t buf[JOURNAL_RECORD_BYTES];
	char boot[JOURNAL_BOOT_BYTES + 1];
	struct wr w = record_begin(buf, RECORD_HEAD);

	journal_read_boot(boot);
	wr_le32(&w, 0);
	text_write(&w, boot, sizeof boot);
	text_write(&w, guest, LIMIT_NAME_BYTES);
	return record_append(fd, &w);
}

int journal_write_object(int fd, const struct journal_object *o)
{
	uint8_t buf[JOURNAL_RECORD_BYTES];
	struct wr w = record_begin(buf, RECORD_OBJECT);

	wr_le32(&w, o->object);
	wr_le64(&w, o->device);
	wr_le64(&w, o->inode);
	text_write(&w, o->old_label, sizeof o->old_label);
	text_write(&w, o->new_label, sizeof o->new_label);
	text_write(&w, o->path, sizeof o->path);
	return record_append(fd, &w);
}

int journal_write_end(int fd)
{
	uint8_t buf[JOURNAL_RECORD_BYTES];
	struct wr w = record_begin(buf, RECORD_END);

	wr_le32(&w, 0);
	return record_append(fd, &w);
}

static MUST_USE int head_parse(struct rd *r, struct journal *j)
{
	char boot[sizeof j->boot];
	char guest[sizeof j->guest];

	rd_zero(r, 4);
	text_read(r, boot, sizeof boot);
	text_read(r, guest, sizeof guest);
	rd_zero(r, r->left);
	if (rd_end(r) < 0 || guest[0] == 0)
		return -EBADMSG;
	memcpy(j->boot, boot, sizeof boot);
	memcpy(j->guest, guest, sizeof guest);
	return 0;
}

static MUST_USE int object_parse(struct rd *r, struct journal *j)
{
	struct journal_object o = { 0 };
	uint32_t object = rd_le32(r);

	o.device = rd_le64(r);
	o.inode = rd_le64(r);
	text_read(r, o.old_label, sizeof o.old_label);
	text_read(r, o.new_label, sizeof o.new_label);
	text_read(r, o.path, sizeof o.path);
	rd_zero(r, r->left);
	if (rd_end(r) < 0 || object >= SVIRT_OBJECT_COUNT || o.old_label[0] == 0 ||
		o.new_label[0] == 0 || o.path[0] != '/' || j->n_objects == ARRAY_LEN(j->objects))
		return -EBADMSG;
	o.object = (enum svirt_object)object;
	j->objects[j->n_objects++] = o;
	return 0;
}

static MUST_USE int record_parse(const uint8_t *buf, struct journal *j)
{
	struct rd r = rd_of(buf, SUM_AT);
	uint8_t sum[SHA256_BYTES];

	sha256(buf, SUM_AT, sum);
	if (memcmp(sum, buf + SUM_AT, sizeof sum) != 0)
		return -EBADMSG;
	if (rd_le32(&r) != MAGIC || rd_le32(&r) != JOURNAL_RECORD_BYTES)
		return -EPROTONOSUPPORT;
	switch (rd_le32(&r)) {
	case RECORD_HEAD:
		return head_parse(&r, j);
	case RECORD_OBJECT:
		return object_parse(&r, j);
	case RECORD_END:
		rd_zero(&r, r.left);
		if (rd_end(&r) < 0)
			return -EBADMSG;
		j->is_ended = true;
		return 0;
	}
	return -EPROTONOSUPPORT;
}

void journal_parse(const void *buf, size_t len, struct journal *ret)
{
	struct journal *j = ret;
	size_t n = len / JOURNAL_RECORD_BYTES;

	memset(j, 0, sizeof *j);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *record = (const uint8_t *)buf + i * JOURNAL_RECORD_BYTES;
		if (record_parse(record, j) < 0 && (i + 1 < n || len % JOURNAL_RECORD_BYTES != 0))
			j->n_damaged++;
	}
}

/* ---- the folder ------------------------------------------------------------------------------ */

static MUST_USE int folder_make(const char *path)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (slash == NULL || (size_t)(slash - path) >= sizeof parent)
		return -ENAMETOOLONG;
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = 0;
	/* The parent is for everything of ours; what may be seen in it, its own folders say. */
	if (parent[0] != 0 && mkdir(parent, 0755) < 0 && errno != EEXIST)
		return -errno;
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int journals_open(const char *path, bool is_made, int *ret_folder, struct why *why)
{
	struct stat st;
	int err = is_made ? folder_make(path) : 0;

	if (err < 0)
		return why_set(why, err, "cannot make %s: %s", path, strerrordesc_np(-err));
	AUTO(fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return why_set(why, -errno, "cannot open %s: %s", path, strerrordesc_np(errno));
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return why_set(why, -EPERM,
			"%s must belong to uid %u and be for it alone (mode 0700)", path,
			geteuid());
	*ret_folder = fd_take(&fd);
	return 0;
}

int journals_lock(int folder, struct why *why)
{
	int err = fd_lock(folder, LIMIT_SVIRT_LOCK_MS);

	if (err == -EBUSY)
		return why_set(why, err,
			"another supervisor has been labelling for %u seconds; if it hangs "
			"(a dead disk or file server?), end it and try again",
			LIMIT_SVIRT_LOCK_MS / 1000);
	return err < 0 ? why_set(why, err, "cannot lock the folder of label journals: %s",
				 strerrordesc_np(-err))
		       : 0;
}

void journals_unlock(int folder)
{
	(void)flock(folder, LOCK_UN);
}

int journals_take(int folder, const char *name, const char *guest, int *ret, struct why *why)
{
	AUTO(fd)
	int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return why_set(errno == EEXIST ? NULL : why, -errno,
			"cannot make a label journal: %s", strerrordesc_np(errno));
	int err = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	if (err == 0)
		err = journal_write_head(fd, guest);
	if (err == 0 && fsync(folder) < 0)
		err = -errno;
	if (err < 0) {
		(void)unlinkat(folder, name, 0);
		return why_set(why, err, "cannot write a label journal: %s", strerrordesc_np(-err));
	}
	*ret = fd_take(&fd);
	return 0;
}

int journals_list(int folder, const char *own, struct journals *ret)
{
	AUTO(fd) int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	DIR *dir = fdopendir(fd);
	if (dir == NULL)
		return -errno;
	fd = -1; /* the stream's own now */
	*ret = (struct journals){ .dir = dir, .own = own };
	return 0;
}

/*
 * Its supervisor wrote it, and may have been taken over: a record that names another label than its
 * pair gives would have whoever restores relabel any file. It counts as damaged.
 */
static void objects_check(struct journal *j, const char *name)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < j->n_objects; i++)
		if (svirt_gives_label(j->objects[i].object, name, j->objects[i].new_label))
			j->objects[n++] = j->objects[i];
		else
			j->n_damaged++;
	j->n_objects = n;
}

/* Open, lock if nobody has, read. -ENOENT: it went away meanwhile. */
static MUST_USE int journal_open(int folder, const char *name, struct journal_file *ret)
{
	uint8_t buf[RECORDS_MAX * JOURNAL_RECORD_BYTES];
	struct stat st;
	AUTO(fd)
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOENT; /* none of ours */
	ret->is_alive = flock(fd, LOCK_EX | LOCK_NB) < 0;
	/* What is behind the longest that we write is no record of ours. */
	size_t len = MIN((size_t)st.st_size, sizeof buf);
	int err = fd_pread_all(fd, buf, len, 0);
	if (err < 0)
		return err;
	journal_parse(buf, len, &ret->is);
	objects_check(&ret->is, name);
	(void)snprintf(ret->name, sizeof ret->name, "%s", name);
	ret->fd = fd_take(&fd);
	return 0;
}

int journals_next(struct journals *list, struct journal_file *ret)
{
	struct mcs_pair pair;

	fd_drop(&ret->fd);
	for (;;) {
		errno = 0;
		const struct dirent *e = readdir(list->dir);
		if (e == NULL)
			return -errno;
		if (mcs_parse_name(e->d_name, &pair) < 0 ||
			(list->own != NULL && strcmp(e->d_name, list->own) == 0))
			continue;
		int err = journal_open(dirfd(list->dir), e->d_name, ret);
		if (err != -ENOENT)
			return err < 0 ? err : 1;
	}
}

void journals_close(struct journals *list, struct journal_file *f)
{
	fd_drop(&f->fd);
	(void)closedir(list->dir);
}
