#include "attest/ledger/ledger_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

/* One walk over a ledger. */
struct walk {
	int dir_fd;
	uint64_t size;
	ledger_entry_fn take;
	void *owner;
	struct ledger_report *report;
	struct why *why;
	struct tile_edge edge; /* recomputed from the entries alone */
	uint8_t *bundle;       /* room for the widest bundle there is */
	uint8_t *partial;      /* the same for older versions of a tile or bundle */
	struct tile_entry entries[TILE_WIDTH];
	struct merkle_hash tile[TILE_WIDTH]; /* level 0 as found in the file */
	bool is_entry_wrong; /* an entry differs from its leaf hash: judged at the end */
	struct ledger_report entry_report; /* only its place */
};

static void place_set(struct ledger_report *r, const char *file, uint64_t offset)
{
	memset(r->file, 0, sizeof r->file);
	memcpy(r->file, file, MIN(strlen(file), sizeof r->file - 1));
	r->has_offset = true;
	r->offset = offset;
}

/* "12 entries" of trouble are one cause: the first place stays. */
static void place_copy(struct ledger_report *to, const struct ledger_report *from)
{
	memcpy(to->file, from->file, sizeof to->file);
	to->has_offset = from->has_offset;
	to->offset = from->offset;
	to->has_entry = from->has_entry;
	to->entry = from->entry;
}

static MUST_USE int small_file_read(
	int dir_fd, const char *path, size_t max, uint8_t *ret, size_t *ret_len, struct why *why)
{
	AUTO(fd)
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	size_t len = 0;

	if (fd < 0 && errno == ENOENT && strcmp(path, LEDGER_VKEY) == 0)
		return why_set(why, -ENOENT,
			"no ledger there: no file \"%s\" (make one with casemate-ledger init)",
			path);
	if (fd < 0) {
		int err = -errno;
		return why_set(why, err, "cannot open %s: %s", path, strerrordesc_np(-err));
	}
	while (len < max) {
		ssize_t n = pread(fd, ret + len, max - len, (off_t)len);
		if (n < 0) {
			int err = -errno;
			return why_set(why, err, "cannot read %s: %s", path, strerrordesc_np(-err));
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

int ledger_read_vkey(int dir_fd, struct note_key *ret, struct why *why)
{
	uint8_t buf[NOTE_VKEY_MAX + 2];
	size_t len = 0;
	int err = small_file_read(dir_fd, LEDGER_VKEY, sizeof buf, buf, &len, why);

	if (err < 0)
		return err;
	if (len == 0 || buf[len - 1] != '\n')
		return why_set(why, -EBADMSG, "vkey: want one line");
	err = note_key_parse((const char *)buf, len, ret, why);
	return err < 0 ? why_prefix(why, err, LEDGER_VKEY) : 0;
}

int ledger_read_head(int dir_fd, const struct note_key *key, struct checkpoint *ret,
	struct wr *ret_bytes, struct why *why)
{
	uint8_t buf[CHECKPOINT_MAX];
	size_t len = 0;
	struct wr w;
	char start[CHECKPOINT_MAX];
	struct checkpoint cp = { 0 };

	int err = small_file_read(dir_fd, LEDGER_CHECKPOINT, sizeof buf, buf, &len, why);
	if (err < 0)
		return err;
	if (len == sizeof buf)
		return why_set(why, -EBADMSG, "checkpoint is longer than ours are");
	err = checkpoint_parse(buf, len, key, &cp, why);
	if (err < 0)
		return why_prefix(why, err, LEDGER_CHECKPOINT);
	/* Ours has three lines and one signature: nothing in the file escapes the signature. */
	w = wr_of(start, sizeof start);
	wr_printf(&w, "%s\n%llu\n", cp.origin, (unsigned long long)cp.size);
	b64_print(&w, cp.root.b, sizeof cp.root.b);
	wr_printf(&w, "\n\n\xe2\x80\x94 %s ", key->name);
	if (wr_check(&w) < 0 || len != w.len + B64_TEXT_LEN(68) + 1 ||
		memcmp(buf, start, w.len) != 0)
		return why_set(
			why, -EBADMSG, "checkpoint: more than three lines and one signature");
	if (ret_bytes != NULL)
		wr_copy(ret_bytes, buf, len);
	*ret = cp;
	return 0;
}

/* --- entries ------------------------------------------------------------------------------- */

static MUST_USE int entry_check(struct walk *w, uint64_t index, const struct tile_entry *e,
	const struct merkle_hash *want, const char *path)
{
	struct entry entry;
	struct merkle_hash leaf;

	int err = merkle_hash_leaf(e->at, e->len, &leaf);
	if (err < 0)
		return err;
	w->edge.at[0][index % TILE_WIDTH] = leaf;
	if (memcmp(&leaf, want, sizeof leaf) != 0) {
		if (w->is_entry_wrong)
			return 0;
		w->is_entry_wrong = true;
		place_set(&w->entry_report, path, e->offset);
		w->entry_report.has_entry = true;
		w->entry_report.entry = index;
		return 0;
	}
	err = entry_parse(e->at, e->len, &entry, w->why);
	if (err < 0) {
		place_set(w->report, path, e->offset);
		w->report->has_entry = true;
		w->report->entry = index;
		return why_prefix(w->why, err, "entry %llu (%s, byte %zu)",
			(unsigned long long)index, path, e->offset);
	}
	if (w->take != NULL && !w->is_entry_wrong)
		w->take(w->owner, index, &entry, e);
	return 0;
}

/* The first entry that differs from its leaf hash is the cause; later trouble follows from it. */
static MUST_USE int entry_blame(struct walk *w, const char *judgement)
{
	const struct ledger_report *r = &w->entry_report;

	why_clear(w->why);
	place_copy(w->report, r);
	return why_set(w->why, -EKEYREJECTED, "entry %llu (%s, byte %llu) %s",
		(unsigned long long)r->entry, r->file, (unsigned long long)r->offset, judgement);
}

/* --- tiles --------------------------------------------------------------------------------- */

/* Older, narrower versions of a tile or bundle must be its beginning. */
static MUST_USE int partials_check(struct walk *w, unsigned int level, uint64_t index,
	unsigned int width, const uint8_t *want, const size_t *want_len)
{
	char path[TILE_PATH_MAX];
	struct stat st;

	tile_print_path(path, level, index, 1);
	*strrchr(path, '/') = 0;
	if (fstatat(w->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* none left */
	for (unsigned int i = 1; i < width; i++) {
		size_t len = 0;
		size_t at = 0;
		tile_print_path(path, level, index, i);
		int err = small_file_read(
			w->dir_fd, path, want_len[i - 1] + 1, w->partial, &len, w->why);
		if (err == -ENOENT) {
			why_clear(w->why);
			continue;
		}
		if (err < 0)
			return err;
		while (at < len && at < want_len[i - 1] && w->partial[at] == want[at])
			at++;
		if (at != want_len[i - 1] || len != at) {
			place_set(w->report, path, at);
			return why_set(w->why, -EKEYREJECTED,
				"%s, byte %zu: differs from the same part of the signed ledger",
				path, at);
		}
	}
	return 0;
}

static MUST_USE int tile_partials_check(
	struct walk *w, unsigned int level, uint64_t index, unsigned int width)
{
	size_t len[TILE_WIDTH];

	for (unsigned int i = 0; i < width; i++)
		len[i] = (i + 1) * sizeof(struct merkle_hash);
	return partials_check(w, level, index, width, (const uint8_t *)w->edge.at[level], len);
}

static MUST_USE int bundle_partials_check(struct walk *w, uint64_t index, unsigned int width)
{
	size_t len[TILE_WIDTH];

	for (unsigned int i = 0; i < width; i++)
		len[i] = w->entries[i].offset + w->entries[i].len;
	return partials_check(w, TILE_ENTRIES, index, width, w->bundle, len);
}

/* A tile above level 0 against what the entries say. */
static MUST_USE int upper_tile_check(struct walk *w, unsigned int level, uint64_t index)
{
	struct merkle_hash found[TILE_WIDTH];
	const uint8_t *is = (const uint8_t *)found;
	const uint8_t *want = (const uint8_t *)w->edge.at[level];
	char path[TILE_PATH_MAX];
	unsigned int width = tile_get_width(w->size, level, index);

	int err = tile_read(w->dir_fd, level, index, width, found, path, w->why);
	if (err < 0)
		return err;
	for (size_t i = 0; i < width * sizeof found[0]; i++) {
		if (is[i] != want[i]) {
			place_set(w->report, path, i);
			return why_set(w->why, -EKEYREJECTED,
				"%s, byte %zu: not the hash of the entries", path, i);
		}
	}
	return tile_partials_check(w, level, index, width);
}

/* A full tile's root is a hash of the level above, which may be full in turn. */
static MUST_USE int full_tile_carry(struct walk *w, uint64_t index)
{
	for (unsigned int level = 0; level + 1 < TILE_LEVELS; level++) {
		struct merkle_hash *above = w->edge.at[level + 1];
		int err = merkle_hash_perfect(
			w->edge.at[level], TILE_WIDTH, &above[index % TILE_WIDTH]);
		bool is_full = index % TILE_WIDTH == TILE_WIDTH - 1;
		index /= TILE_WIDTH;
		if (err == 0 && is_full)
			err = upper_tile_check(w, level + 1, index);
		if (err < 0 || !is_full)
			return err;
	}
	return 0;
}

/* One bundle of entries and the tile of their hashes. */
static MUST_USE int bundle_check(struct walk *w, uint64_t index)
{
	unsigned int width = tile_get_width(w->size, 0, index);
	char tile_path[TILE_PATH_MAX];
	char path[TILE_PATH_MAX];
	unsigned int n = 0;

	int err = tile_read(w->dir_fd, 0, index, width, w->tile, tile_path, w->why);
	if (err < 0)
		return err;
	int framing =
		tile_read_bundle(w->dir_fd, index, width, w->bundle, w->entries, &n, path, w->why);
	for (unsigned int i = 0; i < n && err == 0; i++)
		err = entry_check(w, index * TILE_WIDTH + i, &w->entries[i], &w->tile[i], path);
	if (err == 0)
		err = framing;
	if (err == 0 && !w->is_entry_wrong)
		err = tile_partials_check(w, 0, index, width);
	if (err == 0 && !w->is_entry_wrong)
		err = bundle_partials_check(w, index, width);
	if (err == 0 && width == TILE_WIDTH)
		err = full_tile_carry(w, index);
	return err;
}

/* --- the whole ------------------------------------------------------------------------------ */

static MUST_USE int root_check(struct walk *w, const struct checkpoint *head)
{
	struct merkle_hash root;

	int err = tile_hash_root(&w->edge, w->size, &root);
	if (err < 0)
		return err;
	bool is_root_good = memcmp(&root, &head->root, sizeof root) == 0;
	if (w->is_entry_wrong && !is_root_good)
		return entry_blame(w, "is not what was signed");
	if (w->is_entry_wrong) {
		/* The entries are what was signed, so it is the tile that lies. */
		uint64_t index = w->entry_report.entry;
		char path[TILE_PATH_MAX];
		unsigned int width = tile_get_width(w->size, 0, index / TILE_WIDTH);
		tile_print_path(path, 0, index / TILE_WIDTH, width);
		place_set(w->report, path, index % TILE_WIDTH * sizeof root);
		w->report->has_entry = true;
		w->report->entry = index;
		return why_set(w->why, -EKEYREJECTED,
			"%s, byte %llu: the hash of entry %llu is damaged; the entry is what was "
			"signed",
			path, (unsigned long long)w->report->offset, (unsigned long long)index);
	}
	if (!is_root_good) {
		place_set(w->report, LEDGER_CHECKPOINT, 0);
		w->report->has_offset = false;
		return why_set(w->why, -EKEYREJECTED,
			"entries and tiles agree with one another, but not with the signed root");
	}
	return 0;
}

static MUST_USE int walk_run(struct walk *w, const struct checkpoint *head)
{
	uint64_t n_bundles = (w->size + TILE_WIDTH - 1) / TILE_WIDTH;
	int err = 0;

	for (uint64_t i = 0; i < n_bundles && err == 0; i++)
		err = bundle_check(w, i);
	for (unsigned int level = 1; level < TILE_LEVELS && err == 0; level++) {
		uint64_t index = w->size >> (8 * (level + 1));
		if (tile_get_width(w->size, level, index) > 0)
			err = upper_tile_check(w, level, index);
	}
	/* An entry that was changed also spoils framing and the tiles above: name the entry. */
	if (err < 0 && w->is_entry_wrong)
		return entry_blame(w, "does not agree with its hash in the tree");
	return err < 0 ? err : root_check(w, head);
}

/* Does something lie where the next append will write? */
static bool unfinished_find(int dir_fd, uint64_t size)
{
	char path[TILE_PATH_MAX];
	uint64_t index = size / TILE_WIDTH;
	unsigned int width = tile_get_width(size + 1, 0, index);

	tile_print_path(path, TILE_ENTRIES, index, width);
	return faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       faccessat(dir_fd, LEDGER_CHECKPOINT ".new", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static MUST_USE int head_verify(
	int dir_fd, const struct note_key *key, struct ledger_report *r, struct why *why)
{
	struct note_key own = { 0 };

	place_set(r, LEDGER_VKEY, 0);
	r->has_offset = false;
	int err = ledger_read_vkey(dir_fd, &own, why);
	if (err < 0)
		return err;
	if (key != NULL && (strcmp(key->name, own.name) != 0 ||
				   memcmp(key->pub, own.pub, sizeof own.pub) != 0))
		return why_set(why, -EKEYREJECTED,
			"vkey: the ledger of %s with key %02x%02x%02x%02x, not the one asked for",
			own.name, own.id[0], own.id[1], own.id[2], own.id[3]);
	r->key = own;
	place_set(r, LEDGER_CHECKPOINT, 0);
	r->has_offset = false;
	err = ledger_read_head(dir_fd, &own, &r->head, NULL, why);
	if (err < 0)
		return err;
	r->is_head_good = true;
	memset(r->file, 0, sizeof r->file);
	return 0;
}

static void walk_auto(struct walk **w)
{
	if (*w == NULL)
		return;
	free((*w)->bundle);
	free((*w)->partial);
	free(*w);
}

int ledger_verify(int dir_fd, const struct note_key *key, ledger_entry_fn take, void *owner,
	struct ledger_report *ret, struct why *why)
{
	struct why local = { 0 };

	*ret = (struct ledger_report){ 0 };
	int err = head_verify(dir_fd, key, ret, why);
	if (err < 0)
		return err;
	AUTO(walk) struct walk *w = calloc(1, sizeof *w);
	if (w == NULL)
		return -ENOMEM;
	*w = (struct walk){ .dir_fd = dir_fd,
		.size = ret->head.size,
		.take = take,
		.owner = owner,
		.report = ret,
		.why = why != NULL ? why : &local };
	size_t room = TILE_BUNDLE_ROOM(MIN(w->size, (uint64_t)TILE_WIDTH));
	w->bundle = malloc(room);
	w->partial = malloc(room);
	if (w->bundle == NULL || w->partial == NULL)
		return -ENOMEM;
	err = walk_run(w, &ret->head);
	if (err == 0)
		ret->is_unfinished = unfinished_find(dir_fd, ret->head.size);
	return err;
}
