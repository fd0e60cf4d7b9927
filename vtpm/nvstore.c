#include "vtpm/nvstore.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto/aead.h"
#include "base/fd.h"
#include "base/le.h"
#include "base/limits.h"

#define VERSION    1u
#define SLOT_BYTES (sizeof(struct slot_header) + AEAD_SEALED(LIMIT_VTPM_STATE_BYTES))

static const uint8_t magic[16] = "casemate-vtpm";

struct slot_header {
	uint8_t magic[16];
	le32 version;
	le32 len; /* of the sealed bytes behind */
	le64 generation;
	le64 run;
	uint8_t instance[NVSTORE_INSTANCE_BYTES];
	uint8_t guest[NVSTORE_DIGEST_BYTES];
	uint8_t key_id[8];
	uint8_t previous[NVSTORE_DIGEST_BYTES];
};
WIRE_SIZE(struct slot_header, 128);
_Static_assert(SLOT_BYTES <= NVSTORE_SLOT_BYTES, "the largest state fits into a slot");

static uint64_t offset_of(uint64_t generation)
{
	return generation % 2 * NVSTORE_SLOT_BYTES;
}

/* HMAC-SHA256 of the given key over a name and the instance. */
static MUST_USE int key_derive(
	const struct secret *key, const char *name, const uint8_t *instance, uint8_t ret[32])
{
	uint8_t text[64] = { 0 };
	size_t len = strlen(name);

	memcpy(text, name, len);
	memcpy(text + len, instance, NVSTORE_INSTANCE_BYTES);
	return HMAC(EVP_sha256(), key->p, (int)key->len, text, len + NVSTORE_INSTANCE_BYTES, ret,
		       NULL) != NULL
		       ? 0
		       : -EIO;
}

static MUST_USE int keys_make(struct nvstore *s, const struct secret *key)
{
	uint8_t id[32];

	int err = secret_init(&s->key, AEAD_KEY_BYTES);
	if (err == 0)
		err = key_derive(key, "casemate vtpm state key 1", s->mark.instance, s->key.p);
	if (err == 0)
		err = key_derive(key, "casemate vtpm state key id 1", s->mark.instance, id);
	if (err == 0)
		memcpy(s->key_id, id, sizeof s->key_id);
	return err;
}

static MUST_USE int digest_make(const void *buf, size_t len, uint8_t ret[NVSTORE_DIGEST_BYTES])
{
	return EVP_Digest(buf, len, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

/* The digest of the slot in s->slot, whose sealed part has len bytes. */
static MUST_USE int slot_digest(const struct nvstore *s, size_t len, uint8_t *ret)
{
	uint8_t text[sizeof(struct slot_header) + AEAD_TAG_BYTES];

	memcpy(text, s->slot, sizeof(struct slot_header));
	memcpy(text + sizeof(struct slot_header),
		s->slot + sizeof(struct slot_header) + len - AEAD_TAG_BYTES, AEAD_TAG_BYTES);
	return digest_make(text, sizeof text, ret);
}

static MUST_USE int store_init(struct nvstore *ret, int fd, const char *guest)
{
	*ret = NVSTORE_NONE;
	ret->fd = fd;
	ret->state = malloc(LIMIT_VTPM_STATE_BYTES);
	ret->slot = malloc(SLOT_BYTES);
	return ret->state == NULL || ret->slot == NULL
		       ? -ENOMEM
		       : digest_make(guest, strlen(guest), ret->guest);
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* What one slot is to whoever opens the file. */
enum slot_kind {
	SLOT_EMPTY, /* zeros, or not in the file */
	SLOT_TORN,  /* bytes that are no slot */
	SLOT_LATER, /* of a version that we do not know */
	SLOT_FOREIGN,
	SLOT_LOCKED, /* by another key */
	SLOT_WHOLE,
};

/* Header and sealed bytes at the offset into s->slot, as many as there are: *ret_len. */
static MUST_USE int slot_read(struct nvstore *s, uint64_t offset, size_t *ret_len)
{
	size_t at = 0;
	ssize_t n = 1;

	memset(s->slot, 0, SLOT_BYTES);
	while (at < SLOT_BYTES && n != 0) {
		n = pread(s->fd, s->slot + at, SLOT_BYTES - at, (off_t)(offset + at));
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	*ret_len = at;
	return 0;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= p[i];
	return any == 0;
}

/* Open the slot in s->slot, there of it; with SLOT_WHOLE mark, state and len are its own. */
static enum slot_kind slot_judge(
	struct nvstore *s, const struct secret *key, unsigned int index, size_t there, int *ret_err)
{
	struct slot_header h;
	size_t len;

	if (is_zero(s->slot, SLOT_BYTES))
		return SLOT_EMPTY;
	memcpy(&h, s->slot, sizeof h);
	len = le32_get(h.len);
	if (memcmp(h.magic, magic, sizeof magic) != 0)
		return SLOT_TORN;
	if (there < sizeof h)
		return SLOT_TORN;
	if (le32_get(h.version) > VERSION)
		return SLOT_LATER;
	if (le32_get(h.version) != VERSION || len <= AEAD_SEALED(0) || len > there - sizeof h ||
		le64_get(h.generation) % 2 != index)
		return SLOT_TORN;
	if (memcmp(h.guest, s->guest, sizeof h.guest) != 0)
		return SLOT_FOREIGN;
	memcpy(s->mark.instance, h.instance, sizeof h.instance);
	*ret_err = keys_make(s, key);
	if (*ret_err < 0)
		return SLOT_TORN;
	if (memcmp(h.key_id, s->key_id, sizeof h.key_id) != 0)
		return SLOT_LOCKED;
	int err = aead_open(s->key.p, &h, sizeof h, s->slot + sizeof h, len, s->state);
	if (err == 0)
		err = slot_digest(s, len, s->mark.digest);
	if (err < 0)
		return SLOT_TORN;
	s->len = len - AEAD_SEALED(0);
	s->mark.generation = le64_get(h.generation);
	s->mark.run = le64_get(h.run);
	return SLOT_WHOLE;
}

/* Read and judge one slot into a store of its own. */
static MUST_USE int slot_open(struct nvstore *ret, int fd, const struct secret *key,
	const char *guest, unsigned int index, enum slot_kind *ret_kind)
{
	size_t there;

	int err = store_init(ret, fd, guest);
	if (err == 0)
		err = slot_read(ret, index * NVSTORE_SLOT_BYTES, &there);
	if (err == 0)
		*ret_kind = slot_judge(ret, key, index, there, &err);
	return err;
}

static int kinds_say(const enum slot_kind kinds[2], struct why *why)
{
	static const struct {
		int err;
		const char *text;
	} says[] = {
		[SLOT_EMPTY] = { -ENODATA, "holds no state" },
		[SLOT_TORN] = { -EBADMSG, "is damaged: neither of its slots is whole" },
		[SLOT_LATER] = { -ENOTSUP, "was written by a later version" },
		[SLOT_FOREIGN] = { -EXDEV, "is another guest's" },
		[SLOT_LOCKED] = { -EKEYREJECTED, "was encrypted with another key" },
	};
	enum slot_kind worst = kinds[0] > kinds[1] ? kinds[0] : kinds[1];

	return why_set(why, says[worst].err, "the TPM's state file %s", says[worst].text);
}

int nvstore_open(
	struct nvstore *ret, int fd, const struct secret *key, const char *guest, struct why *why)
{
	AUTO(nvstore) struct nvstore a = NVSTORE_NONE;
	AUTO(nvstore) struct nvstore b = NVSTORE_NONE;
	enum slot_kind kinds[2] = { SLOT_EMPTY, SLOT_EMPTY };

	*ret = NVSTORE_NONE;
	int err = slot_open(&a, fd, key, guest, 0, &kinds[0]);
	if (err == 0)
		err = slot_open(&b, fd, key, guest, 1, &kinds[1]);
	if (err < 0)
		return why_set(
			why, err, "the TPM's state file cannot be read: %s", strerrordesc_np(-err));
	if (kinds[0] != SLOT_WHOLE && kinds[1] != SLOT_WHOLE)
		return kinds_say(kinds, why);
	if (kinds[0] == kinds[1] &&
		memcmp(a.mark.instance, b.mark.instance, sizeof a.mark.instance) != 0)
		return why_set(why, -EBADMSG, "the TPM's state file has slots of two TPMs");
	bool is_b = kinds[0] != SLOT_WHOLE ||
		    (kinds[1] == SLOT_WHOLE && b.mark.generation > a.mark.generation);
	struct nvstore *newest = is_b ? &b : &a;
	newest->has_torn = kinds[is_b ? 0 : 1] != SLOT_WHOLE && kinds[is_b ? 0 : 1] != SLOT_EMPTY;
	*ret = *newest;
	*newest = NVSTORE_NONE;
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------------ */

int nvstore_create(
	struct nvstore *ret, int fd, const struct secret *key, const char *guest, struct why *why)
{
	AUTO(nvstore) struct nvstore s = NVSTORE_NONE;
	struct stat st;

	*ret = NVSTORE_NONE;
	if (fstat(fd, &st) < 0)
		return why_set(why, -errno, "the TPM's state file: %s", strerrordesc_np(errno));
	if (st.st_size != 0)
		return why_set(why, -EEXIST, "the TPM's state file is not empty");
	int err = store_init(&s, fd, guest);
	if (err == 0 && RAND_bytes(s.mark.instance, sizeof s.mark.instance) != 1)
		err = -EIO;
	if (err == 0)
		err = keys_make(&s, key);
	if (err < 0)
		return err;
	*ret = s;
	s = NVSTORE_NONE;
	return 0;
}

/* The slot of the next mark in s->slot; its length. */
static MUST_USE int slot_print(struct nvstore *s, const void *state, size_t len, bool is_new_run,
	struct nvstore_mark *ret_mark)
{
	struct slot_header h = { 0 };

	*ret_mark = s->mark;
	ret_mark->generation++;
	ret_mark->run += is_new_run;
	memcpy(h.magic, magic, sizeof h.magic);
	h.version = le32_of(VERSION);
	h.len = le32_of((uint32_t)AEAD_SEALED(len));
	h.generation = le64_of(ret_mark->generation);
	h.run = le64_of(ret_mark->run);
	memcpy(h.instance, s->mark.instance, sizeof h.instance);
	memcpy(h.guest, s->guest, sizeof h.guest);
	memcpy(h.key_id, s->key_id, sizeof h.key_id);
	memcpy(h.previous, s->mark.digest, sizeof h.previous);
	memcpy(s->slot, &h, sizeof h);
	int err = aead_seal(s->key.p, &h, sizeof h, state, len, s->slot + sizeof h);
	return err < 0 ? err : slot_digest(s, AEAD_SEALED(len), ret_mark->digest);
}

int nvstore_save(struct nvstore *s, const void *state, size_t len, bool is_new_run)
{
	struct nvstore_mark mark;

	if (s->is_dead)
		return -EROFS;
	if (len == 0 || len > LIMIT_VTPM_STATE_BYTES)
		return -EMSGSIZE;
	int err = slot_print(s, state, len, is_new_run, &mark);
	if (err == 0)
		err = fd_pwrite_all(s->fd, s->slot, sizeof(struct slot_header) + AEAD_SEALED(len),
			offset_of(mark.generation));
	if (err == 0 && fdatasync(s->fd) < 0)
		err = -errno;
	/* What reached the disk is not known: a further save could overwrite the only whole slot. */
	if (err < 0) {
		s->is_dead = true;
		return err;
	}
	s->mark = mark;
	memmove(s->state, state, len);
	s->len = len;
	return 0;
}

void nvstore_close(struct nvstore *s)
{
	secret_done(&s->key);
	if (s->state != NULL)
		explicit_bzero(s->state, LIMIT_VTPM_STATE_BYTES);
	free(s->state);
	free(s->slot);
	*s = NVSTORE_NONE;
}
