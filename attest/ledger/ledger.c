#include "attest/ledger/ledger.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/ledger/ledger_priv.h"
#include "attest/ledger/tile.h"
#include "base/fd.h"
#include "base/wr.h"

#define CHECKPOINT_NEW LEDGER_CHECKPOINT ".new"
#define FILE_MODE      0644
#define FOLDER_MODE    0755

struct ledger {
	int dir_fd;
	const struct ledger_disk *disk;
	struct note_signer signer;
	uint64_t size;
	struct tile_edge edge; /* what lies beyond the widths of `size` is scratch */
	uint8_t *bundle;       /* the last, partial bundle; TILE_BUNDLE_MAX bytes of room */
	size_t bundle_len;
	uint8_t checkpoint[CHECKPOINT_MAX]; /* the file's bytes this state was read from */
	size_t checkpoint_len;
};

/* --- the disk ------------------------------------------------------------------------------ */

static int real_create(int dir_fd, const char *path, mode_t mode)
{
	return openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
}

static int real_rename(int dir_fd, const char *from, const char *to)
{
	return renameat(dir_fd, from, dir_fd, to);
}

const struct ledger_disk ledger_disk_real = {
	.create = real_create,
	.write = write,
	.fsync = fsync,
	.rename = real_rename,
	.mkdir = mkdirat,
	.unlink = unlinkat,
};

static MUST_USE int all_write(const struct ledger_disk *disk, int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = disk->write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The folder a path lies in, "." for a plain name. */
static void parent_print(char ret[TILE_PATH_MAX], const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) : 1;

	assert(len < TILE_PATH_MAX);
	memcpy(ret, slash != NULL ? path : ".", len);
	ret[len] = 0;
}

static MUST_USE int folder_sync(const struct ledger_disk *disk, int dir_fd, const char *path)
{
	AUTO(fd) int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || disk->fsync(fd) < 0 ? -errno : 0;
}

/* Make every folder above the file that is not there, and sync what names it. */
static MUST_USE int folders_make(const struct ledger_disk *disk, int dir_fd, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		char folder[TILE_PATH_MAX];
		char above[TILE_PATH_MAX];
		(void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
		if (disk->mkdir(dir_fd, folder, FOLDER_MODE) < 0) {
			if (errno != EEXIST)
				return -errno;
			continue;
		}
		parent_print(above, folder);
		int err = folder_sync(disk, dir_fd, above);
		if (err < 0)
			return err;
	}
	return 0;
}

/* A new file with these bytes, synced; not yet its folder. What had the name before is gone. */
static MUST_USE int file_write(
	const struct ledger_disk *disk, int dir_fd, const char *path, const void *buf, size_t len)
{
	if (disk->unlink(dir_fd, path, 0) < 0 && errno != ENOENT)
		return -errno;
	AUTO(fd) int fd = disk->create(dir_fd, path, FILE_MODE);
	if (fd < 0)
		return -errno;
	int err = all_write(disk, fd, buf, len);
	if (err == 0 && disk->fsync(fd) < 0)
		err = -errno;
	return err;
}

/* A tile or bundle, durable when this returns 0; removed again when it does not. */
static MUST_USE int tile_write(const struct ledger_disk *disk, int dir_fd, const char *path,
	const void *buf, size_t len, struct why *why)
{
	char folder[TILE_PATH_MAX];

	parent_print(folder, path);
	int err = folders_make(disk, dir_fd, path);
	if (err == 0)
		err = file_write(disk, dir_fd, path, buf, len);
	if (err == 0)
		err = folder_sync(disk, dir_fd, folder);
	if (err < 0) {
		(void)disk->unlink(dir_fd, path, 0);
		return why_set(why, err, "cannot write %s: %s", path, strerrordesc_np(-err));
	}
	return 0;
}

/*
 * Replace the checkpoint; a reader or a crash sees the old or the new one. *ret_is_placed tells,
 * also after a failure, whether the new one has the name.
 */
static MUST_USE int checkpoint_write(const struct ledger_disk *disk, int dir_fd, const void *buf,
	size_t len, bool *ret_is_placed, struct why *why)
{
	int err = file_write(disk, dir_fd, CHECKPOINT_NEW, buf, len);
	if (err == 0 && disk->rename(dir_fd, CHECKPOINT_NEW, LEDGER_CHECKPOINT) < 0)
		err = -errno;
	*ret_is_placed = err == 0;
	if (err == 0)
		err = folder_sync(disk, dir_fd, ".");
	else
		(void)disk->unlink(dir_fd, CHECKPOINT_NEW, 0);
	if (err < 0)
		return why_set(
			why, err, "cannot write %s: %s", LEDGER_CHECKPOINT, strerrordesc_np(-err));
	return 0;
}

/* --- the lock ------------------------------------------------------------------------------ */

/* Closing the descriptor gives the lock back. */
static MUST_USE int lock_take(int dir_fd, int *ret_fd, struct why *why)
{
	AUTO(fd) int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return why_set(why, -errno, "cannot open the ledger's folder");
	int err = fd_lock(fd, LEDGER_LOCK_WAIT_MS);
	if (err == -EBUSY)
		return why_set(why, err, "another writer keeps the ledger's lock");
	if (err < 0)
		return why_set(why, err, "cannot lock the ledger's folder");
	*ret_fd = fd_take(&fd);
	return 0;
}

/* --- reading what is there ------------------------------------------------------------------ */

/* The checkpoint's bytes; -ENOENT when there is no ledger. */
static MUST_USE int checkpoint_read(
	int dir_fd, uint8_t ret[CHECKPOINT_MAX], size_t *ret_len, struct why *why)
{
	AUTO(fd)
	int fd = openat(dir_fd, LEDGER_CHECKPOINT, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return why_set(why, -ENOENT,
			"no ledger there: no file \"checkpoint\" (make one with casemate-ledger "
			"init)");
	if (fd < 0)
		return why_set(why, -errno, "cannot open checkpoint");
	n = pread(fd, ret, CHECKPOINT_MAX, 0);
	if (n < 0)
		return why_set(why, -errno, "cannot read checkpoint");
	if (n == (ssize_t)CHECKPOINT_MAX)
		return why_set(why, -EBADMSG, "checkpoint is longer than ours are");
	*ret_len = (size_t)n;
	return 0;
}

/* The last, partial bundle: does it hold the entries whose hashes the tree has? */
static MUST_USE int bundle_load(struct ledger *l, uint64_t size, struct why *why)
{
	struct tile_entry at[TILE_WIDTH];
	char path[TILE_PATH_MAX];
	unsigned int n = 0;
	unsigned int width = (unsigned int)(size % TILE_WIDTH);

	l->bundle_len = 0;
	if (width == 0)
		return 0;
	int err =
		tile_read_bundle(l->dir_fd, size / TILE_WIDTH, width, l->bundle, at, &n, path, why);
	if (err < 0)
		return err;
	for (unsigned int i = 0; i < width; i++) {
		struct merkle_hash leaf;
		err = merkle_hash_leaf(at[i].at, at[i].len, &leaf);
		if (err < 0)
			return err;
		if (memcmp(&leaf, &l->edge.at[0][i], sizeof leaf) != 0)
			return why_set(why, -EKEYREJECTED,
				"%s, byte %zu: entry %llu is not what was signed", path,
				at[i].offset, (unsigned long long)(size - width + i));
	}
	l->bundle_len = at[width - 1].offset + at[width - 1].len;
	return 0;
}

/* Read the state that a checkpoint names. On failure the ledger's size stays what it was. */
static MUST_USE int state_load(struct ledger *l, const uint8_t *bytes, size_t len, struct why *why)
{
	struct checkpoint cp = { 0 };
	struct merkle_hash root;

	int err = checkpoint_parse(bytes, len, &l->signer.key, &cp, why);
	if (err < 0)
		return why_prefix(why, err, "checkpoint");
	l->checkpoint_len =
		0; /* from here on the state is neither; the next append reads it again */
	for (unsigned int level = 0; level < TILE_LEVELS && err == 0; level++) {
		char path[TILE_PATH_MAX];
		uint64_t index = cp.size >> (8 * (level + 1));
		unsigned int width = tile_get_width(cp.size, level, index);
		if (width > 0)
			err = tile_read(
				l->dir_fd, level, index, width, l->edge.at[level], path, why);
	}
	if (err == 0)
		err = tile_hash_root(&l->edge, cp.size, &root);
	if (err == 0 && memcmp(&root, &cp.root, sizeof root) != 0)
		err = why_set(why, -EKEYREJECTED,
			"the tiles of the ledger do not lead to the signed root (see "
			"casemate-ledger verify)");
	if (err == 0)
		err = bundle_load(l, cp.size, why);
	if (err < 0)
		return err;
	l->size = cp.size;
	memcpy(l->checkpoint, bytes, len);
	l->checkpoint_len = len;
	return 0;
}

/* With the lock held: catch up with what another writer did. */
static MUST_USE int state_refresh(struct ledger *l, struct why *why)
{
	uint8_t bytes[CHECKPOINT_MAX];
	size_t len = 0;
	int err = checkpoint_read(l->dir_fd, bytes, &len, why);

	if (err < 0)
		return err;
	if (l->checkpoint_len == len && len > 0 && memcmp(l->checkpoint, bytes, len) == 0)
		return 0;
	return state_load(l, bytes, len, why);
}

/* --- clearing up ---------------------------------------------------------------------------- */

/* Partial tiles have no reader left once the full tile is durable and signed (tlog-tiles). */
static void partials_remove(const struct ledger *l, unsigned int level, uint64_t index)
{
	char path[TILE_PATH_MAX];
	char folder[TILE_PATH_MAX];

	tile_print_path(path, level, index, 1);
	parent_print(folder, path);
	/* Mostly there is no such folder, and one call finds out. */
	if (l->disk->unlink(l->dir_fd, folder, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return;
	for (unsigned int width = 1; width < TILE_WIDTH; width++) {
		tile_print_path(path, level, index, width);
		(void)l->disk->unlink(l->dir_fd, path, 0);
	}
	(void)l->disk->unlink(l->dir_fd, folder, AT_REMOVEDIR);
}

/* After the ledger reached its size: which tiles did the last entry fill? */
static void full_tiles_tidy(const struct ledger *l)
{
	for (unsigned int level = 0; level < TILE_LEVELS; level++) {
		uint64_t hashes = l->size >> (8 * level);
		bool is_filled = l->size > 0 && (l->size & ((1ull << (8 * (level + 1))) - 1)) == 0;
		if (!is_filled)
			return;
		partials_remove(l, level, hashes / TILE_WIDTH - 1);
		if (level == 0)
			partials_remove(l, TILE_ENTRIES, hashes / TILE_WIDTH - 1);
	}
}

/* What an interrupted append left has the names the next append will use. */
static void unfinished_remove(const struct ledger *l)
{
	uint64_t next = l->size + 1;

	(void)l->disk->unlink(l->dir_fd, CHECKPOINT_NEW, 0);
	for (unsigned int level = 0; level <= TILE_ENTRIES; level++) {
		char path[TILE_PATH_MAX];
		uint64_t index = l->size >> (8 * (level == TILE_ENTRIES ? 1 : level + 1));
		unsigned int width = tile_get_width(next, level, index);
		if (width == 0 || width == tile_get_width(l->size, level, index))
			continue;
		tile_print_path(path, level, index, width);
		(void)l->disk->unlink(l->dir_fd, path, 0);
	}
}

/* --- opening -------------------------------------------------------------------------------- */

int ledger_init_disk(int dir_fd, const struct note_signer *signer, const struct ledger_disk *disk,
	struct why *why)
{
	AUTO(fd) int lock = -1;
	struct checkpoint cp = { .root = merkle_empty };
	uint8_t buf[CHECKPOINT_MAX];
	struct wr w = wr_of(buf, sizeof buf);

	int err = lock_take(dir_fd, &lock, why);
	if (err < 0)
		return err;
	if (faccessat(dir_fd, LEDGER_CHECKPOINT, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return why_set(why, -EEXIST, "there is a ledger already");
	note_key_print(&signer->key, &w);
	wr_u8(&w, '\n');
	err = wr_check(&w);
	if (err == 0)
		err = tile_write(disk, dir_fd, LEDGER_VKEY, buf, w.len, why);
	if (err < 0)
		return err;
	memcpy(cp.origin, signer->key.name, sizeof cp.origin);
	w = wr_of(buf, sizeof buf);
	bool is_placed = false;
	err = checkpoint_print(&cp, signer, &w);
	return err < 0 ? err : checkpoint_write(disk, dir_fd, buf, w.len, &is_placed, why);
}

int ledger_init(int dir_fd, const struct note_signer *signer, struct why *why)
{
	return ledger_init_disk(dir_fd, signer, &ledger_disk_real, why);
}

int ledger_open_disk(int dir_fd, struct note_signer *signer, const struct ledger_disk *disk,
	struct ledger **ret, struct why *why)
{
	AUTO(fd) int lock = -1;
	AUTO(ledger) struct ledger *l = calloc(1, sizeof *l);

	if (l == NULL) {
		note_signer_done(signer);
		return -ENOMEM;
	}
	l->dir_fd = dir_fd;
	l->disk = disk;
	l->signer.key = signer->key;
	l->signer.seed = secret_take(&signer->seed);
	l->bundle = calloc(1, TILE_BUNDLE_MAX);
	if (l->bundle == NULL)
		return -ENOMEM;
	int err = lock_take(dir_fd, &lock, why);
	if (err == 0)
		err = state_refresh(l, why);
	if (err < 0)
		return err;
	unfinished_remove(l);
	full_tiles_tidy(l);
	*ret = l;
	l = NULL;
	return 0;
}

int ledger_open(int dir_fd, struct note_signer *signer, struct ledger **ret, struct why *why)
{
	return ledger_open_disk(dir_fd, signer, &ledger_disk_real, ret, why);
}

void ledger_close(struct ledger *l)
{
	if (l == NULL)
		return;
	note_signer_done(&l->signer);
	free(l->bundle);
	free(l);
}

uint64_t ledger_get_size(const struct ledger *l)
{
	return l->size;
}

/* --- appending ------------------------------------------------------------------------------ */

/* The entry behind the others of its bundle, and the bundle as a new file. */
static MUST_USE int bundle_append(struct ledger *l, const void *bytes, size_t len, struct why *why)
{
	char path[TILE_PATH_MAX];
	struct wr w = wr_of(l->bundle + l->bundle_len, TILE_BUNDLE_MAX - l->bundle_len);

	wr_be16(&w, (uint16_t)len);
	wr_copy(&w, bytes, len);
	int err = wr_check(&w);
	if (err < 0)
		return err;
	tile_print_path(
		path, TILE_ENTRIES, l->size / TILE_WIDTH, (unsigned int)(l->size % TILE_WIDTH) + 1);
	return tile_write(l->disk, l->dir_fd, path, l->bundle, l->bundle_len + w.len, why);
}

/* The entry's hash into the tile of level 0, and a full tile's root into the level above. */
static MUST_USE int tiles_append(struct ledger *l, struct merkle_hash hash, struct why *why)
{
	for (unsigned int level = 0; level < TILE_LEVELS; level++) {
		struct merkle_hash *tile = l->edge.at[level];
		char path[TILE_PATH_MAX];
		uint64_t hashes = l->size >> (8 * level);
		unsigned int width = (unsigned int)(hashes % TILE_WIDTH) + 1;
		tile[width - 1] = hash;
		tile_print_path(path, level, hashes / TILE_WIDTH, width);
		int err = tile_write(l->disk, l->dir_fd, path, tile, width * sizeof *tile, why);
		if (err < 0)
			return err;
		if (width < TILE_WIDTH)
			return 0;
		err = merkle_hash_perfect(tile, TILE_WIDTH, &hash);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Sign the new head and let it take the old one's place: the entry exists. */
static MUST_USE int head_advance(struct ledger *l, bool *ret_is_placed, struct why *why)
{
	struct checkpoint cp = { .size = l->size + 1 };
	uint8_t buf[CHECKPOINT_MAX];
	struct wr w = wr_of(buf, sizeof buf);

	memcpy(cp.origin, l->signer.key.name, sizeof cp.origin);
	int err = tile_hash_root(&l->edge, cp.size, &cp.root);
	if (err == 0)
		err = checkpoint_print(&cp, &l->signer, &w);
	if (err == 0)
		err = checkpoint_write(l->disk, l->dir_fd, buf, w.len, ret_is_placed, why);
	if (err < 0)
		return err;
	memcpy(l->checkpoint, buf, w.len);
	l->checkpoint_len = w.len;
	return 0;
}

int ledger_append_bytes(
	struct ledger *l, const void *bytes, size_t len, uint64_t *ret_index, struct why *why)
{
	AUTO(fd) int lock = -1;
	struct merkle_hash leaf;
	bool is_placed = false;

	int err = merkle_hash_leaf(bytes, len, &leaf);
	if (err == 0)
		err = lock_take(l->dir_fd, &lock, why);
	if (err == 0)
		err = state_refresh(l, why);
	if (err < 0)
		return err;
	if (l->size >= LIMIT_LEDGER_ENTRIES)
		return why_set(why, -EFBIG, "the ledger is full: %u entries; begin a new one",
			LIMIT_LEDGER_ENTRIES);
	err = bundle_append(l, bytes, len, why);
	if (err == 0)
		err = tiles_append(l, leaf, why);
	if (err == 0)
		err = head_advance(l, &is_placed, why);
	if (err < 0 && !is_placed)
		unfinished_remove(l);
	if (err < 0)
		return err;
	l->bundle_len = (l->size + 1) % TILE_WIDTH == 0 ? 0 : l->bundle_len + 2 + len;
	*ret_index = l->size++;
	full_tiles_tidy(l);
	return 0;
}

int ledger_append(struct ledger *l, const struct entry *entry, uint64_t *ret_index, struct why *why)
{
	uint8_t bytes[LIMIT_LEDGER_ENTRY_BYTES];
	struct wr w = wr_of(bytes, sizeof bytes);
	int err = entry_print(entry, &w);

	return err < 0 ? err : ledger_append_bytes(l, bytes, w.len, ret_index, why);
}
