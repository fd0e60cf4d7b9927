/*
 * nvstore: a TPM's permanent state in one file: encrypted, authenticated, bound to its guest, with a
 *          generation that only rises.
 *
 *   Two slots. A save writes the one that does not hold the newest state, and waits for the disk; a
 *   crash at any instant leaves the other one whole. A slot (integers little-endian):
 *
 *     0 magic[16] "casemate-vtpm"   16 version u32 (1)   20 length u32 of the sealed bytes
 *     24 generation u64   32 run u64   40 instance[16]   56 guest[32]   88 key id[8]
 *     96 previous[32]   128 sealed bytes (base/crypto/aead.h), vouching for 0 to 127
 *
 *   generation: rises by one a save. run: rises by one each time the TPM is started. instance: random,
 *   made with the state. guest: SHA-256 of the guest's name. previous: the digest of the slot that this
 *   one followed. A slot's digest is SHA-256 of its first 128 bytes and its tag. Encryption key and key
 *   id are HMAC-SHA256 of the key that is given, over their name and the instance: one key may serve
 *   many guests.
 *
 * Trust:   the file is hostile: a torn, changed, foreign or older one is told apart and refused. What
 *          no file can tell, that it is an older copy of itself, is for an anchor outside the host:
 *          there is none yet.
 * Owns:    its key and the newest state; not the descriptor.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/secret.h"
#include "base/why.h"

#define NVSTORE_KEY_BYTES      32u
#define NVSTORE_INSTANCE_BYTES 16u
#define NVSTORE_DIGEST_BYTES   32u
/* A slot's room in the file; a whole number of pages of any file system. */
#define NVSTORE_SLOT_BYTES (512u << 10)

/* Where a state stands in its own history: what an anchor remembers. */
struct nvstore_mark {
	uint8_t instance[NVSTORE_INSTANCE_BYTES];
	uint64_t run;
	uint64_t generation;
	uint8_t digest[NVSTORE_DIGEST_BYTES]; /* of the newest slot */
};

struct nvstore {
	int fd;            /* the caller's */
	struct secret key; /* that encrypts */
	uint8_t key_id[8];
	uint8_t guest[NVSTORE_DIGEST_BYTES];
	struct nvstore_mark mark;
	uint8_t *state; /* the newest, as saved: LIMIT_VTPM_STATE_BYTES of room */
	size_t len;     /* of it; 0: none yet */
	uint8_t *slot;  /* as it is read and written */
	bool has_torn;  /* the other slot held bytes that are no slot: a crash, or damage */
	bool is_dead;   /* a save failed: nothing is saved any more */
};

#define NVSTORE_NONE ((struct nvstore){ .fd = -1 })

/*
 * Begin a new state in an empty file: a new instance, nothing saved yet. key: NVSTORE_KEY_BYTES.
 * guest: its name. -EEXIST: the file is not empty; errors of fstat(2) and libcrypto (-EIO).
 */
MUST_USE int nvstore_create(
	struct nvstore *ret, int fd, const struct secret *key, const char *guest, struct why *why);

/*
 * Read the newest whole slot; ret->state is the state. Errors, all with why: -ENODATA: the file is
 * empty; -EKEYREJECTED: another key made it; -EXDEV: another guest's; -ENOTSUP: a later version;
 * -EBADMSG: neither slot is whole (truncated or changed); -EIO: it cannot be read.
 */
MUST_USE int nvstore_open(
	struct nvstore *ret, int fd, const struct secret *key, const char *guest, struct why *why);

/*
 * Save len bytes (1 to LIMIT_VTPM_STATE_BYTES) as the next generation; when it returns 0 they are on
 * the disk. is_new_run: the TPM was started again. An error (of pwrite(2), fdatasync(2), -EMSGSIZE)
 * leaves what was saved before whole, and the store dead: every later call gives -EROFS.
 */
MUST_USE int nvstore_save(struct nvstore *s, const void *state, size_t len, bool is_new_run);

void nvstore_close(struct nvstore *s);

static inline void nvstore_auto(struct nvstore *s)
{
	nvstore_close(s);
}
