/*
 * merkle: the hash tree of a ledger (RFC 9162, section 2.1; the hashes of RFC 6962).
 *
 * Trust:   none in proofs; entries are bounded.
 * Owns:    nothing; hashes are plain values.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

#define MERKLE_HASH_BYTES 32u
/* Steps of an inclusion proof in the largest ledger (LIMIT_LEDGER_ENTRIES is 2 to the 24th). */
#define MERKLE_PATH_MAX 24u

struct merkle_hash {
	uint8_t b[MERKLE_HASH_BYTES];
};

/* SHA-256 of nothing: the root of a tree without entries (RFC 9162, 2.1.1). */
extern const struct merkle_hash merkle_empty;

/* SHA-256(0x00 || entry). -EMSGSIZE beyond LIMIT_LEDGER_ENTRY_BYTES, -ENOMEM. */
MUST_USE int merkle_hash_leaf(const void *entry, size_t len, struct merkle_hash *ret);

/* SHA-256(0x01 || left || right). -ENOMEM. ret may be one of the inputs. */
MUST_USE int merkle_hash_node(
	const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *ret);

/* Root over n hashes that are the complete bottom of a tree: n is a power of two, at most 256. */
MUST_USE int merkle_hash_perfect(const struct merkle_hash *at, size_t n, struct merkle_hash *ret);

/*
 * Does the path lead from the leaf at index to the root of a tree of that size (RFC 9162,
 * 2.1.3.2)? 0, -EKEYREJECTED when it does not, -ENOMEM.
 */
MUST_USE int merkle_verify_inclusion(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
	const struct merkle_hash *path, size_t n_path, const struct merkle_hash *root);
