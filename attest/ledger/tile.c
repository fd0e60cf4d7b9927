#include "attest/ledger/tile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/rd.h"
#include "base/wr.h"

unsigned int tile_get_width(uint64_t size, unsigned int level, uint64_t index)
{
	uint64_t hashes = size >> (8 * (level == TILE_ENTRIES ? 0 : level));

	if (hashes <= index * TILE_WIDTH)
		return 0;
	return (unsigned int)MIN(hashes - index * TILE_WIDTH, (uint64_t)TILE_WIDTH);
}

void tile_print_path(
	char ret[TILE_PATH_MAX], unsigned int level, uint64_t index, unsigned int width)
{
	struct wr w = wr_of(ret, TILE_PATH_MAX);

	assert(level <= TILE_ENTRIES && index < 1000000 && width >= 1 && width <= TILE_WIDTH);
	if (level == TILE_ENTRIES)
		wr_str(&w, "tile/entries/");
	else
		wr_printf(&w, "tile/%u/", level);
	if (index >= 1000)
		wr_printf(&w, "x%03u/", (unsigned int)(index / 1000));
	wr_printf(&w, "%03u", (unsigned int)(index % 1000));
	if (width < TILE_WIDTH)
		wr_printf(&w, ".p/%u", width);
	int err = wr_end_str(&w);
	assert(err == 0);
}

/* The complete subtrees of a ledger, from the right: bit b of level l's width is one of them. */
int tile_hash_root(const struct tile_edge *edge, uint64_t size, struct merkle_hash *ret)
{
	struct merkle_hash root = merkle_empty;
	bool is_first = true;

	for (unsigned int bit = 0; bit < 8 * TILE_LEVELS; bit++) {
		struct merkle_hash left;
		unsigned int level = bit / 8;
		unsigned int n = 1u << (bit % 8);
		unsigned int width = (unsigned int)(size >> (8 * level)) & (TILE_WIDTH - 1);
		if ((width & n) == 0)
			continue;
		int err = merkle_hash_perfect(&edge->at[level][width & ~(2 * n - 1)], n, &left);
		if (err == 0 && is_first)
			root = left;
		else if (err == 0)
			err = merkle_hash_node(&left, &root, &root);
		if (err < 0)
			return err;
		is_first = false;
	}
	*ret = root;
	return 0;
}

int tile_open(int dir_fd, unsigned int level, uint64_t index, unsigned int width, int *ret_fd,
	unsigned int *ret_width, char ret_path[TILE_PATH_MAX], struct why *why)
{
	static const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int err = 0;
	int fd;

	tile_print_path(ret_path, level, index, width);
	fd = openat(dir_fd, ret_path, flags);
	if (fd < 0 && errno == ENOENT && width < TILE_WIDTH) {
		char full[TILE_PATH_MAX];
		tile_print_path(full, level, index, TILE_WIDTH);
		fd = openat(dir_fd, full, flags);
		if (fd >= 0) {
			memcpy(ret_path, full, sizeof full);
			width = TILE_WIDTH;
		} else if (errno != ENOENT) {
			err = -errno;
		}
	}
	if (fd < 0) {
		err = err < 0 ? err : -errno;
		return why_set(why, err, "cannot open %s: %s", ret_path, strerrordesc_np(-err));
	}
	*ret_fd = fd;
	*ret_width = width;
	return 0;
}

int tile_read(int dir_fd, unsigned int level, uint64_t index, unsigned int width,
	struct merkle_hash *ret, char ret_path[TILE_PATH_MAX], struct why *why)
{
	AUTO(fd) int fd = -1;
	struct merkle_hash buf[TILE_WIDTH + 1];
	unsigned int found = 0;
	ssize_t n;

	int err = tile_open(dir_fd, level, index, width, &fd, &found, ret_path, why);
	if (err < 0)
		return err;
	n = pread(fd, buf, sizeof buf, 0);
	if (n < 0) {
		err = -errno;
		return why_set(why, err, "cannot read %s: %s", ret_path, strerrordesc_np(-err));
	}
	if ((size_t)n != found * sizeof buf[0])
		return why_set(why, -EBADMSG, "%s has %zd bytes, want %zu", ret_path, n,
			found * sizeof buf[0]);
	memcpy(ret, buf, width * sizeof buf[0]);
	return 0;
}

/* At most max bytes of a file; *ret_len is max when it has that many or more. */
static MUST_USE int file_read(int fd, uint8_t *buf, size_t max, size_t *ret_len)
{
	size_t len = 0;

	while (len < max) {
		ssize_t n = pread(fd, buf + len, max - len, (off_t)len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

int tile_read_bundle(int dir_fd, uint64_t index, unsigned int width, uint8_t *buf,
	struct tile_entry ret[TILE_WIDTH], unsigned int *ret_n, char ret_path[TILE_PATH_MAX],
	struct why *why)
{
	AUTO(fd) int fd = -1;
	unsigned int found = 0;
	size_t len = 0;
	unsigned int n = 0;

	*ret_n = 0;
	int err = tile_open(dir_fd, TILE_ENTRIES, index, width, &fd, &found, ret_path, why);
	if (err < 0)
		return err;
	err = file_read(fd, buf, TILE_BUNDLE_ROOM(width), &len);
	if (err < 0)
		return why_set(why, err, "cannot read %s: %s", ret_path, strerrordesc_np(-err));
	struct rd r = rd_of(buf, len);
	for (; n < width; n++) {
		size_t at = len - r.left;
		size_t entry_len = rd_be16(&r);
		const uint8_t *p =
			entry_len <= LIMIT_LEDGER_ENTRY_BYTES ? rd_bytes(&r, entry_len) : NULL;
		if (p == NULL)
			return why_set(why, -EBADMSG, "%s, byte %zu: no entry of at most %u bytes",
				ret_path, at, LIMIT_LEDGER_ENTRY_BYTES);
		ret[n] = (struct tile_entry){ .at = p, .len = entry_len, .offset = at + 2 };
		*ret_n = n + 1;
	}
	if (found == width && r.left != 0)
		return why_set(why, -EBADMSG, "%s, byte %zu: bytes behind the last of %u entries",
			ret_path, len - r.left, width);
	return 0;
}

/* Root of the 2^k entries from i * 2^k on, out of the tile that holds their hashes. */
static MUST_USE int subtree_read(int dir_fd, unsigned int k, uint64_t i, uint64_t size,
	struct merkle_hash *ret, struct why *why)
{
	struct merkle_hash tile[TILE_WIDTH];
	char path[TILE_PATH_MAX];
	unsigned int level = k / 8;
	uint64_t first = i << (k % 8);
	uint64_t index = first / TILE_WIDTH;

	int err = tile_read(
		dir_fd, level, index, tile_get_width(size, level, index), tile, path, why);
	return err < 0 ? err : merkle_hash_perfect(&tile[first % TILE_WIDTH], 1u << (k % 8), ret);
}

/* Largest k with 2^k < n, for n > 1. */
static unsigned int split_get(uint64_t n)
{
	return 63 - (unsigned int)__builtin_clzll(n - 1);
}

/* Root of entries [lo, hi), where lo is a multiple of the largest power of two below hi - lo. */
static MUST_USE int range_read(int dir_fd, uint64_t lo, uint64_t hi, uint64_t size,
	struct merkle_hash *ret, struct why *why)
{
	struct merkle_hash part[MERKLE_PATH_MAX];
	size_t n = 0;

	while (lo < hi) {
		unsigned int k = 63 - (unsigned int)__builtin_clzll(hi - lo);
		assert(n < ARRAY_LEN(part));
		int err = subtree_read(dir_fd, k, lo >> k, size, &part[n++], why);
		if (err < 0)
			return err;
		lo += 1ull << k;
	}
	while (n > 1) {
		int err = merkle_hash_node(&part[n - 2], &part[n - 1], &part[n - 2]);
		if (err < 0)
			return err;
		n--;
	}
	*ret = part[0];
	return 0;
}

int tile_read_path(int dir_fd, uint64_t index, uint64_t size,
	struct merkle_hash ret[MERKLE_PATH_MAX], size_t *ret_n, struct why *why)
{
	struct merkle_hash down[MERKLE_PATH_MAX];
	size_t n = 0;
	uint64_t lo = 0;
	uint64_t hi = size;

	assert(index < size && size <= LIMIT_LEDGER_ENTRIES);
	while (hi - lo > 1) {
		uint64_t mid = lo + (1ull << split_get(hi - lo));
		bool is_left = index < mid;
		int err = is_left ? range_read(dir_fd, mid, hi, size, &down[n], why)
				  : range_read(dir_fd, lo, mid, size, &down[n], why);
		if (err < 0)
			return err;
		n++;
		if (is_left)
			hi = mid;
		else
			lo = mid;
	}
	for (size_t i = 0; i < n; i++)
		ret[i] = down[n - 1 - i];
	*ret_n = n;
	return 0;
}
