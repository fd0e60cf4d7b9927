/*
 * endorse_store: the cache: a folder in which every item lies under the name that follows from what it
 *                is (docs/attestation.md, "Endorsements").
 *
 * Trust:   none in the folder's files: each is judged again when it is read, one that is not what its
 *          name says counts as absent. Who may write there can withhold, not forge.
 * Owns:    nothing; the folder's descriptor is the caller's.
 * Threads: any; programs that write wait for each other (endorse_store_lock()), readers see whole files.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/endorse/endorse_item.h"
#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/why.h"

/* Open the folder; made with its parents when may_create. -EIO and others with why. */
MUST_USE int endorse_store_open(const char *path, bool may_create, int *ret_fd, struct why *why);

/*
 * Wait until no other program writes to the folder, and keep others waiting until fd is closed. Where
 * the file system has no locks they may get into each other's way.
 */
void endorse_store_lock(int fd);

/* Take the cache's own CA certificates as candidates: of the pinned roots, and of t->roots. */
void endorse_store_load_cas(int fd, struct endorse_trust *t);

enum endorse_outcome { ENDORSE_STORED, ENDORSE_SAME, ENDORSE_OLDER };

/*
 * Judge an item and keep it, unless one as new is there already. hint: the name it had elsewhere, "" for
 * none; taken only where two names fit. Errors as endorse_judge(), or of writing.
 */
MUST_USE int endorse_store_put(int fd, const struct endorse_trust *t, const char *hint,
	const uint8_t *buf, size_t len, struct endorse_item *ret, enum endorse_outcome *ret_outcome,
	struct why *why);

/*
 * Read the item of that name and judge it: 0 with fresh memory the caller frees; -ENOENT when there is
 * none, -EBADMSG or -EKEYREJECTED with why for a file that is something else.
 */
MUST_USE int endorse_store_get(int fd, const struct endorse_trust *t, const char *name,
	uint8_t **ret, size_t *ret_len, struct endorse_item *ret_item, struct why *why);

/* Names of all files, sorted; free with endorse_names_done(). -EMSGSIZE beyond LIMIT_ENDORSE_FILES. */
struct endorse_names {
	size_t n;
	char **at;
};
void endorse_names_done(struct endorse_names *n);
static inline void endorse_names_auto(struct endorse_names *n)
{
	endorse_names_done(n);
}
MUST_USE int endorse_store_names(int fd, struct endorse_names *ret, struct why *why);

/* Takes ownership of p. */
typedef int (*endorse_give_fn)(
	void *arg, const struct endorse_item *item, uint8_t *p, size_t len, struct why *why);

/*
 * What the cache has for this evidence: certificates of its chip and TCB, their chain and CRLs, or the
 * collateral of its FMSPC. Names follow from the evidence; no folder is searched. Files that are not
 * what they should be are passed over. 0, or what give answered.
 */
MUST_USE int endorse_store_pick(int fd, const struct endorse_trust *t, struct attest_blob evidence,
	endorse_give_fn give, void *arg, struct why *why);
