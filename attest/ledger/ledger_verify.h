/*
 * ledger_verify: reads a whole ledger and holds it against its signed head: every entry, every
 *                tile, every partial tile that is still there.
 *
 * Trust:   none in the folder. A key the caller got elsewhere says whose ledger it is; the key in
 *          the folder only says that the folder agrees with itself.
 * Owns:    nothing; the folder's descriptor is the caller's. Nothing is changed, no lock taken.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attest/ledger/checkpoint.h"
#include "attest/ledger/entry.h"
#include "attest/ledger/note.h"
#include "attest/ledger/tile.h"
#include "base/cdefs.h"
#include "base/why.h"
#include "base/wr.h"

/* What was found; filled as far as reading came, also when the answer is no. */
struct ledger_report {
	struct note_key key; /* the one the checkpoint was verified with */
	struct checkpoint head;
	bool is_head_good;  /* key and head hold */
	bool is_unfinished; /* files of an interrupted append lie there; no harm */
	/* Of the trouble, where it has such a place: */
	char file[TILE_PATH_MAX]; /* "" for none */
	bool has_offset;
	uint64_t offset; /* byte within the file */
	bool has_entry;
	uint64_t entry; /* index */
};

/* Called for each entry in order, once its hash agrees with the tile; bytes are its canonical form. */
typedef void (*ledger_entry_fn)(
	void *owner, uint64_t index, const struct entry *entry, const struct tile_entry *bytes);

/*
 * Read the verifier key in the folder. -ENOENT: no ledger there; -EBADMSG: damaged.
 */
MUST_USE int ledger_read_vkey(int dir_fd, struct note_key *ret, struct why *why);

/*
 * Read the checkpoint and verify it. Its bytes go to ret_bytes too, which may be NULL. Errors of
 * checkpoint_parse(), -ENOENT.
 */
MUST_USE int ledger_read_head(int dir_fd, const struct note_key *key, struct checkpoint *ret,
	struct wr *ret_bytes, struct why *why);

/*
 * Verify everything. key may be NULL: the folder's own is used. take may be NULL.
 * 0; -EKEYREJECTED: something is not what was signed; -EBADMSG: something is malformed; -ENOENT
 * and other errors: something cannot be read. why names entry, file and byte where there are such.
 */
MUST_USE int ledger_verify(int dir_fd, const struct note_key *key, ledger_entry_fn take,
	void *owner, struct ledger_report *ret, struct why *why);
