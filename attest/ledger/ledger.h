/*
 * ledger: append entries to a ledger's folder so that they stay (tile.h has the layout).
 *
 *         Order of an append: entry bundle, hash tiles (each a new file, written and synced, and
 *         its folder synced), then the checkpoint (new file, synced, renamed, folder synced). The
 *         rename is the moment the entry exists: whatever interrupts before it leaves the old
 *         ledger, whole, and files nobody refers to, which the next open removes.
 *
 *         Writers take turns: each append holds flock(2) on the folder and first reads what
 *         another writer may have added. Readers need no lock.
 *
 * Trust:   the folder's files are judged before they are built upon: signature, right edge of the
 *          tree, entries of the last bundle. Entries come from processes of ours.
 * Owns:    the signer. The folder's descriptor stays the caller's and must outlive the ledger.
 * Threads: one.
 */
#pragma once

#include <stdint.h>

#include "attest/ledger/checkpoint.h"
#include "attest/ledger/entry.h"
#include "attest/ledger/note.h"
#include "base/cdefs.h"
#include "base/why.h"

struct ledger;

/* How long an append waits for another writer to finish its own. */
#define LEDGER_LOCK_WAIT_MS 2000u

/*
 * Make an empty ledger in an existing folder: vkey, then a checkpoint of size 0. -EEXIST when
 * there is a ledger already (nothing is changed), or an error of the disk.
 */
MUST_USE int ledger_init(int dir_fd, const struct note_signer *signer, struct why *why);

/*
 * Open for appending and clear up what an interrupted writer left. Takes the signer in any case;
 * its name is the ledger's origin. -ENOENT: no ledger there; -EBADMSG, -EKEYREJECTED: its end is
 * damaged or signed by another key; -EBUSY: another writer kept the lock. Free with ledger_close().
 */
MUST_USE int ledger_open(
	int dir_fd, struct note_signer *signer, struct ledger **ret, struct why *why);
void ledger_close(struct ledger *l);

static inline void ledger_auto(struct ledger **l)
{
	ledger_close(*l);
}

/*
 * Append one entry; 0 when it is on the disk, and then its index. After an error the ledger is as
 * before and the call may be repeated: -ENOSPC and other errors of the disk, -EFBIG: the ledger
 * has LIMIT_LEDGER_ENTRIES entries, -EBUSY, and the errors of ledger_open() when another writer's
 * work is damaged. One exception: when the folder cannot be synced after the rename, the entry may
 * be there all the same.
 */
MUST_USE int ledger_append(
	struct ledger *l, const struct entry *entry, uint64_t *ret_index, struct why *why);

/* Entries so far. */
uint64_t ledger_get_size(const struct ledger *l);
