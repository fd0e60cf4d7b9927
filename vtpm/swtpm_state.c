#include "vtpm/swtpm_state.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/limits.h"
#include "base/rd.h"
#include "base/wr.h"

#define VERSION        2u
#define VERSION_LEAST  1u
#define HEADER_BYTES   10u
#define FLAG_ENCRYPTED 0x01u
#define FLAG_MIGRATION 0x06u /* encrypted with a migration key; migration data */
#define FLAG_KEY_256   0x08u
#define HMAC_BYTES     32u
#define IV_BYTES       32u
#define PAD_BYTES      32u /* to a multiple of the key's length */

enum { TAG_PLAIN = 1, TAG_ENCRYPTED = 2, TAG_HMAC = 3, TAG_IV = 6, TAG_COUNT };

struct piece {
	const uint8_t *p;
	uint32_t len;
};

static void cipher_auto(EVP_CIPHER_CTX **c)
{
	EVP_CIPHER_CTX_free(*c);
}

static MUST_USE int hmac_make(
	const struct secret *key, struct piece text, struct piece iv, uint8_t ret[HMAC_BYTES])
{
	/* Both are in one file, but other pieces may be between them. */
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *c = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	char name[] = "SHA256";
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string("digest", name, 0),
		OSSL_PARAM_construct_end() };
	size_t len = 0;

	bool is_good = c != NULL && EVP_MAC_init(c, key->p, key->len, params) == 1 &&
		       EVP_MAC_update(c, text.p, text.len) == 1 &&
		       EVP_MAC_update(c, iv.p, iv.len) == 1 &&
		       EVP_MAC_final(c, ret, &len, HMAC_BYTES) == 1 && len == HMAC_BYTES;
	EVP_MAC_CTX_free(c);
	EVP_MAC_free(mac);
	return is_good ? 0 : -EIO;
}

/* AES-256-CBC of whole blocks. */
static MUST_USE int cbc_apply(bool is_sealing, const struct secret *key, const uint8_t *iv,
	const uint8_t *in, size_t len, uint8_t *ret)
{
	AUTO(cipher) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;

	return c != NULL &&
			       EVP_CipherInit_ex(
				       c, EVP_aes_256_cbc(), NULL, key->p, iv, is_sealing) == 1 &&
			       EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
			       EVP_CipherUpdate(c, ret, &n, in, (int)len) == 1 && (size_t)n == len
		       ? 0
		       : -EIO;
}

/* The length without the padding: 1 to PAD_BYTES bytes, each of which is their number. */
static MUST_USE int padding_cut(const uint8_t *p, size_t len, size_t *ret_len)
{
	uint8_t n = p[len - 1];

	if (n == 0 || n > PAD_BYTES || n >= len)
		return -EBADMSG;
	for (size_t i = len - n; i < len; i++)
		if (p[i] != n)
			return -EBADMSG;
	*ret_len = len - n;
	return 0;
}

/* --- reading ------------------------------------------------------------------------------------- */

/* Each kind once, each whole, nothing behind. */
static MUST_USE int pieces_read(struct rd *r, struct piece ret[TAG_COUNT])
{
	while (r->left > 0) {
		uint16_t tag = rd_be16(r);
		uint32_t len = rd_be32(r);
		const uint8_t *p = rd_bytes(r, len);
		if (rd_check(r) < 0 || tag >= TAG_COUNT || ret[tag].p != NULL || len == 0)
			return -EBADMSG;
		ret[tag] = (struct piece){ p, len };
	}
	return 0;
}

static MUST_USE int encrypted_open(const struct piece pieces[TAG_COUNT], const struct secret *key,
	uint8_t *ret, size_t *ret_len, struct why *why)
{
	struct piece text = pieces[TAG_ENCRYPTED], iv = pieces[TAG_IV];
	uint8_t hmac[HMAC_BYTES];

	if (key->len == 0)
		return why_set(why, -EKEYREJECTED, "swtpm's state is encrypted: its key is needed");
	if (text.p == NULL || pieces[TAG_HMAC].len != HMAC_BYTES || iv.len != IV_BYTES)
		return why_set(
			why, -ENOTSUP, "swtpm's state is encrypted in another way than AES-CBC");
	if (text.len > LIMIT_VTPM_STATE_BYTES || text.len % PAD_BYTES != 0)
		return why_set(why, -EBADMSG, "swtpm's state has no length of a state's");
	int err = hmac_make(key, text, iv, hmac);
	if (err < 0)
		return err;
	if (!secret_equal(hmac, pieces[TAG_HMAC].p, sizeof hmac))
		return why_set(why, -EKEYREJECTED, "swtpm's state has another key, or was changed");
	err = cbc_apply(false, key, iv.p, text.p, text.len, ret);
	if (err == 0)
		err = padding_cut(ret, text.len, ret_len);
	return err == -EBADMSG ? why_set(why, err, "swtpm's state is damaged") : err;
}

int swtpm_state_read(const uint8_t *file, size_t len, const struct secret *key, uint8_t *ret,
	size_t *ret_len, struct why *why)
{
	struct piece pieces[TAG_COUNT] = { 0 };
	struct rd r = rd_of(file, len);

	*ret_len = 0;
	uint8_t version = rd_u8(&r);
	uint8_t least = rd_u8(&r);
	uint16_t header = rd_be16(&r);
	uint16_t flags = rd_be16(&r);
	uint32_t total = rd_be32(&r);
	if (rd_check(&r) < 0 || version < VERSION_LEAST || header != HEADER_BYTES || total != len)
		return why_set(why, -EBADMSG, "this is no state of swtpm's");
	if (least > VERSION)
		return why_set(why, -ENOTSUP, "a later swtpm wrote this state");
	if ((flags & FLAG_MIGRATION) != 0)
		return why_set(
			why, -ENOTSUP, "this is a migration blob of swtpm's, not a state file");
	if (pieces_read(&r, pieces) < 0)
		return why_set(why, -EBADMSG, "swtpm's state is damaged");
	if ((flags & FLAG_ENCRYPTED) != 0 && (flags & FLAG_KEY_256) == 0)
		return why_set(why, -ENOTSUP,
			"swtpm's state has a key of 128 bits; only aes-256-cbc is read");
	if ((flags & FLAG_ENCRYPTED) != 0)
		return encrypted_open(pieces, key, ret, ret_len, why);
	struct piece plain = pieces[TAG_PLAIN];
	if (plain.p == NULL || plain.len > LIMIT_VTPM_STATE_BYTES)
		return why_set(why, -EBADMSG, "swtpm's state is %s",
			plain.p == NULL ? "damaged" : "too long");
	memcpy(ret, plain.p, plain.len);
	*ret_len = plain.len;
	return 0;
}

/* --- writing ------------------------------------------------------------------------------------- */

static void piece_print(struct wr *w, uint16_t tag, const uint8_t *p, size_t len)
{
	wr_be16(w, tag);
	wr_be32(w, (uint32_t)len);
	wr_copy(w, p, len);
}

/* The three pieces; the ciphertext is made where it belongs, behind its tag and length. */
static MUST_USE int encrypted_print(
	struct wr *w, const uint8_t *state, size_t len, const struct secret *key)
{
	uint8_t iv[IV_BYTES], hmac[HMAC_BYTES];
	uint8_t *text = w->buf + w->len + sizeof(uint16_t) + sizeof(uint32_t);
	uint8_t pad = (uint8_t)(PAD_BYTES - len % PAD_BYTES);
	size_t text_len = len + pad;

	if (RAND_bytes(iv, sizeof iv) != 1)
		return -EIO;
	memcpy(text, state, len);
	memset(text + len, pad, pad);
	int err = cbc_apply(true, key, iv, text, text_len, text);
	if (err == 0)
		err = hmac_make(key, (struct piece){ text, (uint32_t)text_len },
			(struct piece){ iv, sizeof iv }, hmac);
	if (err < 0)
		return err;
	wr_be16(w, TAG_ENCRYPTED);
	wr_be32(w, (uint32_t)text_len);
	w->len += text_len;
	piece_print(w, TAG_HMAC, hmac, sizeof hmac);
	piece_print(w, TAG_IV, iv, sizeof iv);
	return 0;
}

int swtpm_state_print(
	const uint8_t *state, size_t len, const struct secret *key, uint8_t *ret, size_t *ret_len)
{
	struct wr w = wr_of(ret, len + SWTPM_OVERHEAD_BYTES);
	struct wr total = wr_of(ret + 6, sizeof(uint32_t));
	uint16_t flags = 0;
	int err = 0;

	if (key->len > 0)
		flags = FLAG_ENCRYPTED | FLAG_KEY_256;
	wr_u8(&w, VERSION);
	wr_u8(&w, VERSION_LEAST);
	wr_be16(&w, HEADER_BYTES);
	wr_be16(&w, flags);
	wr_be32(&w, 0);
	if (key->len > 0)
		err = encrypted_print(&w, state, len, key);
	else
		piece_print(&w, TAG_PLAIN, state, len);
	if (err < 0)
		return err;
	wr_be32(&total, (uint32_t)w.len);
	*ret_len = w.len;
	return wr_check(&w);
}
