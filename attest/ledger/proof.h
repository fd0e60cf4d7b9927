/*
 * proof: one entry of a ledger with everything that proves it (C2SP tlog-proof): a text file
 *
 *          c2sp.org/tlog-proof@v1
 *          extra <the entry, base 64>
 *          index <number>
 *          <hash, base 64>           one line a step, from the leaf to the root
 *
 *          <checkpoint>
 *
 *        Checked with nothing but the file and the signer's verifier key.
 *
 * Trust:   none in the file; the entry in it counts only once its hash leads to the signed root.
 * Owns:    nothing; plain values.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/ledger/checkpoint.h"
#include "attest/ledger/entry.h"
#include "attest/ledger/merkle.h"
#include "attest/ledger/note.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "base/wr.h"

struct proof {
	uint64_t index;
	struct entry entry;
	struct checkpoint head;
	size_t entry_len;
	uint8_t entry_bytes[LIMIT_LEDGER_ENTRY_BYTES];
};

/*
 * Check a proof that `key` must have signed. 0: the entry is the index-th of the ledger; *ret is
 * then filled. -EBADMSG: not such a file (why names line or byte); -EKEYREJECTED: the signature is
 * missing or wrong, or the hashes do not lead to the signed root.
 */
MUST_USE int proof_verify(const void *bytes, size_t len, const struct note_key *key,
	struct proof *ret, struct why *why);

/*
 * Write the proof of entry `index` of the ledger in the folder, whose head `key` signed; it is
 * verified before it is returned. -ERANGE: the ledger has no such entry; else the errors of
 * ledger_read_head(), and -EKEYREJECTED or -EBADMSG for a damaged ledger.
 */
MUST_USE int proof_make(
	int dir_fd, const struct note_key *key, uint64_t index, struct wr *w, struct why *why);
