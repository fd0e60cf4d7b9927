#include "attest/ledger/note.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/opts.h"

#define ED25519_TYPE      0x01u /* C2SP signed-note, signature types */
#define ED25519_SIG_BYTES 64u
#define SIG_BYTES         (4 + ED25519_SIG_BYTES)
#define EM_DASH           "\xe2\x80\x94" /* U+2014 */

static inline void pkey_auto(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static inline void md_ctx_auto(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}

static inline void bio_auto(BIO **p)
{
	BIO_free(*p);
}

/* --- keys ---------------------------------------------------------------------------------- */

static bool name_is_good(const char *name, size_t len)
{
	if (len == 0 || len >= LIMIT_NAME_BYTES)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= 0x20 || name[i] > 0x7e || name[i] == '+')
			return false;
	return true;
}

int note_check_name(const char *name, struct why *why)
{
	if (name_is_good(name, strlen(name)))
		return 0;
	return why_set(why, -EBADMSG,
		"\"%.100s\" cannot name a ledger: want 1 to %u printable characters without space "
		"or plus",
		name, LIMIT_NAME_BYTES - 1);
}

/* C2SP signed-note: key ID = SHA-256(name || 0x0a || type || public key)[:4]. */
static MUST_USE int key_make_id(struct note_key *key)
{
	uint8_t buf[LIMIT_NAME_BYTES + 2 + sizeof key->pub];
	struct wr w = wr_of(buf, sizeof buf);
	uint8_t digest[32];

	wr_str(&w, key->name);
	wr_u8(&w, '\n');
	wr_u8(&w, ED25519_TYPE);
	wr_copy(&w, key->pub, sizeof key->pub);
	if (EVP_Digest(buf, w.len, digest, NULL, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	memcpy(key->id, digest, sizeof key->id);
	return 0;
}

int note_key_parse(const char *vkey, size_t len, struct note_key *ret, struct why *why)
{
	struct note_key key = { 0 };
	uint8_t id[4];
	uint8_t material[1 + sizeof key.pub];
	size_t n_material = 0;
	char hex[9] = "";

	if (len > 0 && vkey[len - 1] == '\n')
		len--;
	const char *plus = memchr(vkey, '+', len);
	if (plus == NULL || !name_is_good(vkey, (size_t)(plus - vkey)))
		return why_set(why, -EBADMSG, "verifier key: want name+id+key (C2SP signed-note)");
	memcpy(key.name, vkey, (size_t)(plus - vkey));
	size_t rest = len - (size_t)(plus - vkey) - 1;
	if (rest < 9 || plus[9] != '+')
		return why_set(why, -EBADMSG,
			"verifier key: want 8 hex digits and a plus at byte %zu",
			(size_t)(plus - vkey) + 1);
	memcpy(hex, plus + 1, 8);
	for (size_t i = 0; i < 8; i++)
		if (hex[i] >= 'A' && hex[i] <= 'F')
			return why_set(why, -EBADMSG, "verifier key: the id is not in lower case");
	if (opts_parse_hex(hex, id, sizeof id) < 0)
		return why_set(why, -EBADMSG, "verifier key: the id is not hexadecimal");
	if (b64_parse(plus + 10, rest - 9, material, sizeof material, &n_material) < 0 ||
		n_material != sizeof material)
		return why_set(why, -EBADMSG, "verifier key: want base 64 of 33 bytes");
	if (material[0] != ED25519_TYPE)
		return why_set(why, -EBADMSG, "verifier key: type 0x%02x, want 0x01 (Ed25519)",
			material[0]);
	memcpy(key.pub, material + 1, sizeof key.pub);
	int err = key_make_id(&key);
	if (err < 0)
		return err;
	if (memcmp(key.id, id, sizeof id) != 0)
		return why_set(
			why, -EBADMSG, "verifier key: the id is not the one of name and key");
	*ret = key;
	return 0;
}

void note_key_print(const struct note_key *key, struct wr *w)
{
	uint8_t material[1 + sizeof key->pub];

	material[0] = ED25519_TYPE;
	memcpy(material + 1, key->pub, sizeof key->pub);
	wr_str(w, key->name);
	wr_u8(w, '+');
	wr_hex(w, key->id, sizeof key->id);
	wr_u8(w, '+');
	b64_print(w, material, sizeof material);
}

/* There is nobody to ask for a pass phrase, and no terminal to ask at. */
static int phrase_refuse(char *buf, int size, int is_writing, void *user)
{
	return -1;
}

static MUST_USE int self_test(const struct note_signer *signer)
{
	uint8_t buf[256];
	struct wr w = wr_of(buf, sizeof buf);
	size_t text_len = 0;
	int err = note_sign(signer, "test\n", 5, &w);

	return err < 0 ? err : note_verify(buf, w.len, &signer->key, &text_len, NULL);
}

int note_signer_parse(
	const void *pem, size_t len, const char *name, struct note_signer *ret, struct why *why)
{
	AUTO(note_signer) struct note_signer s = { 0 };
	uint8_t seed[32];
	size_t n_seed = sizeof seed;
	size_t n_pub = sizeof s.key.pub;

	int err = note_check_name(name, why);
	if (err < 0)
		return err;
	memcpy(s.key.name, name, strlen(name));
	AUTO(bio) BIO *bio = len <= LIMIT_SECRET_BYTES ? BIO_new_mem_buf(pem, (int)len) : NULL;
	AUTO(pkey)
	EVP_PKEY *pkey =
		bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, phrase_refuse, NULL) : NULL;
	if (pkey == NULL || EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519)
		return why_set(why, -EBADMSG,
			"not an unencrypted Ed25519 private key in PEM (casemate-ledger init makes "
			"one)");
	if (EVP_PKEY_get_raw_private_key(pkey, seed, &n_seed) != 1 ||
		EVP_PKEY_get_raw_public_key(pkey, s.key.pub, &n_pub) != 1)
		return why_set(why, -ENOMEM, "cannot unpack the private key");
	err = secret_init_copy(&s.seed, seed, sizeof seed);
	OPENSSL_cleanse(seed, sizeof seed);
	if (err == 0)
		err = key_make_id(&s.key);
	if (err == 0)
		err = self_test(&s);
	if (err < 0)
		return why_set(why, err, "the private key does not work");
	ret->key = s.key;
	ret->seed = secret_take(&s.seed);
	return 0;
}

void note_signer_done(struct note_signer *signer)
{
	secret_done(&signer->seed);
}

int note_make_pem(struct secret *ret, struct why *why)
{
	AUTO(pkey) EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	AUTO(bio) BIO *bio = BIO_new(BIO_s_secmem());
	char *text = NULL;

	if (pkey == NULL || bio == NULL ||
		PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1)
		return why_set(why, -ENOMEM, "cannot make an Ed25519 key");
	long len = BIO_get_mem_data(bio, &text);
	if (len <= 0)
		return why_set(why, -ENOMEM, "cannot make an Ed25519 key");
	return secret_init_copy(ret, text, (size_t)len);
}

/* --- signing ------------------------------------------------------------------------------- */

int note_sign(const struct note_signer *signer, const char *text, size_t len, struct wr *w)
{
	uint8_t sig[SIG_BYTES];
	size_t n_sig = ED25519_SIG_BYTES;
	AUTO(pkey)
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_ED25519, NULL, signer->seed.p, signer->seed.len);
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (pkey == NULL || ctx == NULL || EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) != 1 ||
		EVP_DigestSign(ctx, sig + 4, &n_sig, (const uint8_t *)text, len) != 1 ||
		n_sig != ED25519_SIG_BYTES)
		return -ENOMEM;
	memcpy(sig, signer->key.id, 4);
	wr_copy(w, text, len);
	wr_printf(w, "\n" EM_DASH " %s ", signer->key.name);
	b64_print(w, sig, sizeof sig);
	wr_u8(w, '\n');
	return wr_check(w);
}

static MUST_USE int signature_verify(
	const struct note_key *key, const uint8_t *sig, const uint8_t *text, size_t len)
{
	AUTO(pkey)
	EVP_PKEY *pkey =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->pub, sizeof key->pub);
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (pkey == NULL || ctx == NULL || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) != 1)
		return -ENOMEM;
	return EVP_DigestVerify(ctx, sig, ED25519_SIG_BYTES, text, len) == 1 ? 0 : -EKEYREJECTED;
}

/* --- reading ------------------------------------------------------------------------------- */

struct sig_line {
	const char *name;
	size_t name_len;
	const char *sig;
	size_t sig_len;
};

/* "— name base64\n" at the start of p; 0 and the line's length with its newline. */
static MUST_USE int sig_line_parse(
	const char *p, size_t left, struct sig_line *ret, size_t *ret_len)
{
	static const char start[] = EM_DASH " ";
	size_t n_start = sizeof start - 1;
	const char *end = memchr(p, '\n', left);

	if (end == NULL || (size_t)(end - p) < n_start || memcmp(p, start, n_start) != 0)
		return -EBADMSG;
	const char *name = p + n_start;
	const char *space = memchr(name, ' ', (size_t)(end - name));
	if (space == NULL || space == name)
		return -EBADMSG;
	for (const char *c = name; c < end; c++)
		if (*c < 0x20 || *c > 0x7e || (*c == '+' && c < space))
			return -EBADMSG;
	*ret = (struct sig_line){
		.name = name,
		.name_len = (size_t)(space - name),
		.sig = space + 1,
		.sig_len = (size_t)(end - space) - 1,
	};
	*ret_len = (size_t)(end - p) + 1;
	return 0;
}

/* Where the text ends: behind the newline before the last empty line. 0 when there is none. */
static size_t text_find_end(const char *p, size_t len)
{
	for (size_t i = len; i >= 2; i--)
		if (p[i - 2] == '\n' && p[i - 1] == '\n')
			return i - 1;
	return 0;
}

/*
 * One signature line against the key: 1 when it is the key's and holds, 0 when it is another's.
 * A line that names the key and does not hold spoils the note (C2SP signed-note, Signatures).
 */
static MUST_USE int sig_line_verify(
	const struct sig_line *line, const struct note_key *key, const char *text, size_t text_len)
{
	uint8_t sig[4096]; /* the largest signature type there is: ML-DSA-44, 2420 bytes */
	size_t n = 0;

	if (b64_parse(line->sig, line->sig_len, sig, sizeof sig, &n) < 0 || n <= sizeof key->id)
		return -EBADMSG;
	if (line->name_len != strlen(key->name) ||
		memcmp(line->name, key->name, line->name_len) != 0 ||
		memcmp(sig, key->id, sizeof key->id) != 0)
		return 0;
	if (n != SIG_BYTES)
		return -EKEYREJECTED;
	int err = signature_verify(key, sig + 4, (const uint8_t *)text, text_len);
	return err < 0 ? err : 1;
}

int note_verify(const void *note, size_t len, const struct note_key *key, size_t *ret_text_len,
	struct why *why)
{
	const char *p = note;
	bool is_signed = false;
	unsigned int n_lines = 0;

	if (len > LIMIT_LEDGER_NOTE_BYTES)
		return why_set(why, -EBADMSG, "signed note: longer than %u bytes",
			LIMIT_LEDGER_NOTE_BYTES);
	size_t text_len = text_find_end(p, len);
	if (text_len == 0)
		return why_set(why, -EBADMSG, "signed note: no empty line before the signatures");
	for (size_t i = 0; i < text_len; i++)
		if (p[i] != '\n' && (p[i] < 0x20 || p[i] > 0x7e))
			return why_set(why, -EBADMSG, "signed note: byte %zu is not printable", i);
	for (size_t at = text_len + 1; at < len;) {
		struct sig_line line = { 0 };
		size_t line_len = 0;
		int err = sig_line_parse(p + at, len - at, &line, &line_len);
		if (err == 0)
			err = sig_line_verify(&line, key, p, text_len);
		if (err == -EBADMSG)
			return why_set(why, err, "signed note: byte %zu: not a signature line", at);
		if (err == -EKEYREJECTED)
			return why_set(why, err, "the signature of %s is wrong", key->name);
		if (err < 0)
			return err;
		is_signed |= err == 1;
		at += line_len;
		if (++n_lines > LIMIT_LEDGER_SIGNATURES)
			return why_set(why, -EBADMSG, "signed note: more than %u signatures",
				LIMIT_LEDGER_SIGNATURES);
	}
	if (n_lines == 0)
		return why_set(why, -EBADMSG, "signed note: no signature");
	if (!is_signed)
		return why_set(why, -EKEYREJECTED,
			"not signed by %s with key %02x%02x%02x%02x: the signer has another name "
			"or key",
			key->name, key->id[0], key->id[1], key->id[2], key->id[3]);
	*ret_text_len = text_len;
	return 0;
}
