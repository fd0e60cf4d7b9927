#include "attest/id_block.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "attest/ecdsa.h"
#include "base/rd.h"

#define KEY_BYTES        0x404u
#define SIGNATURE_BYTES  512u
#define COORDINATE_BYTES 72u
#define P384_BYTES       48u
#define CURVE_P384       2u
#define ALGORITHM_P384   1u

/* 72 bytes little-endian of which a P-384 number uses 48. */
static const uint8_t *number_read(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, P384_BYTES);

	rd_zero(r, COORDINATE_BYTES - P384_BYTES);
	return p;
}

struct signed_part {
	const char *name; /* of the key */
	const uint8_t *key, *x, *y, *r, *s;
};

static void signature_read(struct rd *r, struct signed_part *p)
{
	p->r = number_read(r);
	p->s = number_read(r);
	rd_zero(r, SIGNATURE_BYTES - 2 * COORDINATE_BYTES);
}

static void key_read(struct rd *r, struct signed_part *p)
{
	p->key = r->at;
	if (rd_le32(r) != CURVE_P384)
		rd_fail(r);
	p->x = number_read(r);
	p->y = number_read(r);
	rd_zero(r, KEY_BYTES - 4 - 2 * COORDINATE_BYTES);
}

static MUST_USE int part_verify(
	const struct signed_part *p, const void *data, size_t len, struct why *why)
{
	EVP_PKEY *key = NULL;
	int err = ecdsa_key_le(p->x, p->y, P384_BYTES, &key);

	if (err == 0)
		err = ecdsa_verify_le(key, "SHA2-384", p->r, p->s, P384_BYTES, data, len);
	EVP_PKEY_free(key);
	if (err == -EKEYREJECTED)
		return why_set(why, err, "ID block: the %s key's signature does not hold", p->name);
	return err;
}

static MUST_USE int block_parse(
	const uint8_t block[ID_BLOCK_BYTES], struct id_block *ret, struct why *why)
{
	struct rd r = rd_of(block, ID_BLOCK_BYTES);

	rd_copy(&r, ret->ld, sizeof ret->ld);
	rd_copy(&r, ret->family_id, sizeof ret->family_id);
	rd_copy(&r, ret->image_id, sizeof ret->image_id);
	uint32_t version = rd_le32(&r);
	ret->guest_svn = rd_le32(&r);
	ret->policy = rd_le64(&r);
	if (version != 1)
		return why_set(why, -EBADMSG, "ID block: version %u, want 1", version);
	return 0;
}

/* An author key is optional: then its algorithm, signature and key are zero. */
static MUST_USE int auth_parse(const uint8_t auth[ID_AUTH_BYTES], struct signed_part *id,
	struct signed_part *author, bool *ret_has_author, struct why *why)
{
	struct rd r = rd_of(auth, ID_AUTH_BYTES);
	uint32_t id_algorithm = rd_le32(&r), author_algorithm = rd_le32(&r);

	rd_zero(&r, 0x40 - 8);
	signature_read(&r, id);
	key_read(&r, id);
	rd_zero(&r, 0x680 - 0x240 - KEY_BYTES);
	*ret_has_author = author_algorithm != 0;
	if (*ret_has_author) {
		signature_read(&r, author);
		key_read(&r, author);
	} else {
		rd_zero(&r, SIGNATURE_BYTES + KEY_BYTES);
	}
	rd_zero(&r, r.left);
	if (rd_end(&r) < 0 || id_algorithm != ALGORITHM_P384 ||
		(*ret_has_author && author_algorithm != ALGORITHM_P384))
		return why_set(why, -EBADMSG,
			"ID authentication page: want algorithm 1, keys on curve 2 (P-384) and "
			"zero "
			"padding");
	return 0;
}

int id_block_verify(const uint8_t block[ID_BLOCK_BYTES], const uint8_t auth[ID_AUTH_BYTES],
	struct id_block *ret, struct why *why)
{
	struct signed_part id = { .name = "ID" }, author = { .name = "author" };
	struct id_block b = { 0 };

	int err = block_parse(block, &b, why);
	if (err == 0)
		err = auth_parse(auth, &id, &author, &b.has_author, why);
	if (err == 0)
		err = part_verify(&id, block, ID_BLOCK_BYTES, why);
	if (err == 0)
		err = sha384_once(id.key, KEY_BYTES, b.id_key_digest);
	if (err == 0 && b.has_author)
		err = part_verify(&author, id.key, KEY_BYTES, why);
	if (err == 0 && b.has_author)
		err = sha384_once(author.key, KEY_BYTES, b.author_key_digest);
	if (err == 0)
		*ret = b;
	return err;
}
