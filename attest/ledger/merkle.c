#include "attest/ledger/merkle.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "base/limits.h"

/* clang-format off */
const struct merkle_hash merkle_empty = { {
	0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
	0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
} };
/* clang-format on */

static MUST_USE int sha256(const void *bytes, size_t len, struct merkle_hash *ret)
{
	struct merkle_hash h;

	if (EVP_Digest(bytes, len, h.b, NULL, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	*ret = h;
	return 0;
}

int merkle_hash_leaf(const void *entry, size_t len, struct merkle_hash *ret)
{
	uint8_t buf[1 + LIMIT_LEDGER_ENTRY_BYTES];

	if (len > LIMIT_LEDGER_ENTRY_BYTES)
		return -EMSGSIZE;
	buf[0] = 0;
	if (len > 0)
		memcpy(buf + 1, entry, len);
	return sha256(buf, 1 + len, ret);
}

int merkle_hash_node(
	const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *ret)
{
	uint8_t buf[1 + 2 * MERKLE_HASH_BYTES];

	buf[0] = 1;
	memcpy(buf + 1, left->b, MERKLE_HASH_BYTES);
	memcpy(buf + 1 + MERKLE_HASH_BYTES, right->b, MERKLE_HASH_BYTES);
	return sha256(buf, sizeof buf, ret);
}

int merkle_hash_perfect(const struct merkle_hash *at, size_t n, struct merkle_hash *ret)
{
	struct merkle_hash row[128];

	assert(n >= 1 && n <= 256 && (n & (n - 1)) == 0);
	if (n == 1) {
		*ret = at[0];
		return 0;
	}
	for (size_t width = n / 2; width >= 1; width /= 2) {
		const struct merkle_hash *below = width == n / 2 ? at : row;
		for (size_t i = 0; i < width; i++) {
			int err = merkle_hash_node(&below[2 * i], &below[2 * i + 1], &row[i]);
			if (err < 0)
				return err;
		}
	}
	*ret = row[0];
	return 0;
}

int merkle_verify_inclusion(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
	const struct merkle_hash *path, size_t n_path, const struct merkle_hash *root)
{
	struct merkle_hash r = *leaf;

	if (index >= size)
		return -EKEYREJECTED;
	uint64_t fn = index;
	uint64_t sn = size - 1;
	for (size_t i = 0; i < n_path; i++) {
		if (sn == 0)
			return -EKEYREJECTED;
		bool is_right = (fn & 1) != 0 || fn == sn;
		int err = is_right ? merkle_hash_node(&path[i], &r, &r)
				   : merkle_hash_node(&r, &path[i], &r);
		if (err < 0)
			return err;
		while (is_right && (fn & 1) == 0 && fn != 0) {
			fn >>= 1;
			sn >>= 1;
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && memcmp(r.b, root->b, sizeof r.b) == 0 ? 0 : -EKEYREJECTED;
}
