/*
 * tile: how a ledger lies in its folder (C2SP tlog-tiles): 256 hashes a tile, 256 entries a
 *       bundle, and the arithmetic of which file holds which hash.
 *
 *         checkpoint                      signed head
 *         vkey                            the signer's verifier key, one line
 *         tile/<L>/<N>[.p/<W>]            hashes of level L: 32 bytes each
 *         tile/entries/<N>[.p/<W>]        entries, each behind a big-endian u16 length
 *
 *       N is written in groups of three digits, x001/x234/067; W is the width of a tile that is
 *       not full yet. A partial tile is never changed: each size of the ledger has its own, and
 *       they go only when the full tile is there.
 *
 * Trust:   none in the files; lengths are checked, contents are judged by whoever asked.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/ledger/merkle.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

#define TILE_WIDTH 256u
/* Levels of hash tiles that LIMIT_LEDGER_ENTRIES (256 to the third, less one) entries need. */
#define TILE_LEVELS 3u
/* In place of a level: the bundles of entries. */
#define TILE_ENTRIES TILE_LEVELS
/* "tile/entries/x065/535.p/255" and its zero. */
#define TILE_PATH_MAX 40u
/* The longest bundle of that many entries, and one byte that shows when a file is longer. */
#define TILE_BUNDLE_ROOM(width) ((size_t)(width) * (2 + LIMIT_LEDGER_ENTRY_BYTES) + 1)
#define TILE_BUNDLE_MAX         TILE_BUNDLE_ROOM(TILE_WIDTH)

#define LEDGER_CHECKPOINT       "checkpoint"
#define LEDGER_VKEY             "vkey"

/* The rightmost tile of each level, full hashes only; widths follow from the ledger's size. */
struct tile_edge {
	struct merkle_hash at[TILE_LEVELS][TILE_WIDTH];
};

/* Hashes (or entries) of a ledger of that size in tile `index` of a level: 0 to 256. */
unsigned int tile_get_width(uint64_t size, unsigned int level, uint64_t index);

/* Path of a tile of that width, relative to the ledger's folder. width 256: the full tile. */
void tile_print_path(
	char ret[TILE_PATH_MAX], unsigned int level, uint64_t index, unsigned int width);

/* Root of a ledger of that size from its right edge (RFC 9162, 2.1.1). */
MUST_USE int tile_hash_root(const struct tile_edge *edge, uint64_t size, struct merkle_hash *ret);

/*
 * Open the file of a tile of at least that width: the partial one, or else the full one that took
 * its place. ret_path names the file that was opened; ret_width is what it must hold. -ENOENT and
 * other errors of openat(2), with why.
 */
MUST_USE int tile_open(int dir_fd, unsigned int level, uint64_t index, unsigned int width,
	int *ret_fd, unsigned int *ret_width, char ret_path[TILE_PATH_MAX], struct why *why);

/* Read the first `width` hashes of a tile. -EBADMSG when the file has another length. */
MUST_USE int tile_read(int dir_fd, unsigned int level, uint64_t index, unsigned int width,
	struct merkle_hash *ret, char ret_path[TILE_PATH_MAX], struct why *why);

/* One entry within a bundle. */
struct tile_entry {
	const uint8_t *at;
	size_t len;
	size_t offset; /* of the entry's bytes in the bundle */
};

/*
 * Read a bundle of `width` entries into buf (TILE_BUNDLE_ROOM(width) bytes) and find them. The
 * entries point into buf. *ret_n is how many were found before anything was wrong, also on failure.
 * -EBADMSG: a length beyond the limit or the end of the file, or bytes left over.
 */
MUST_USE int tile_read_bundle(int dir_fd, uint64_t index, unsigned int width, uint8_t *buf,
	struct tile_entry ret[TILE_WIDTH], unsigned int *ret_n, char ret_path[TILE_PATH_MAX],
	struct why *why);

/*
 * Inclusion path of an entry in a ledger of that size, from its tiles (RFC 9162, 2.1.3.1), leaf
 * side first. index must be below size.
 */
MUST_USE int tile_read_path(int dir_fd, uint64_t index, uint64_t size,
	struct merkle_hash ret[MERKLE_PATH_MAX], size_t *ret_n, struct why *why);
