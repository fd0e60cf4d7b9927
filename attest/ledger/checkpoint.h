/*
 * checkpoint: the signed head of a ledger: its name, its size, its root (C2SP tlog-checkpoint).
 *
 * Trust:   none in the bytes; nothing is returned before the signature holds.
 * Owns:    nothing; plain values.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/ledger/merkle.h"
#include "attest/ledger/note.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "base/wr.h"

struct checkpoint {
	char origin[LIMIT_NAME_BYTES];
	uint64_t size;
	struct merkle_hash root;
};

/* Longest checkpoint that checkpoint_print() writes: two names, a number, a root, a signature. */
#define CHECKPOINT_MAX 512u

/*
 * Read a checkpoint that `key` signed. Its origin is the key's name. -EBADMSG: malformed (why
 * names the line or byte); -EKEYREJECTED: the signature is missing or wrong, or another origin.
 * Other signatures and extension lines are allowed and ignored.
 */
MUST_USE int checkpoint_parse(const void *bytes, size_t len, const struct note_key *key,
	struct checkpoint *ret, struct why *why);

/* Sign and write; the signer's name must be the origin. -EMSGSIZE: the writer is too small. */
MUST_USE int checkpoint_print(
	const struct checkpoint *cp, const struct note_signer *signer, struct wr *w);
