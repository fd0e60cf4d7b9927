#include "attest/sev_session.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/le.h"
#include "base/wr.h"

#define P384_BYTES 48u
#define SHARED_MAX 66u

/* --- MAC, cipher, key derivation --------------------------------------------------------------- */

static MUST_USE int mac(const uint8_t *key, size_t key_len, const void *data, size_t len,
	uint8_t ret[SEV_MAC_BYTES])
{
	unsigned int n = 0;

	if (HMAC(EVP_sha256(), key, (int)key_len, data, len, ret, &n) == NULL || n != SEV_MAC_BYTES)
		return -EIO;
	return 0;
}

/* AES-128-CTR; its own inverse. */
static MUST_USE int ctr(const uint8_t key[SEV_KEY_BYTES], const uint8_t iv[16], const uint8_t *in,
	size_t len, uint8_t *ret)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;

	if (ctx == NULL)
		return -ENOMEM;
	bool ok = EVP_EncryptInit_ex2(ctx, EVP_aes_128_ctr(), key, iv, NULL) == 1 &&
		  EVP_EncryptUpdate(ctx, ret, &n, in, (int)len) == 1 && (size_t)n == len;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

/* SP 800-108 in counter mode; 16 bytes are one block: 1, label, 0, context, 128. */
static MUST_USE int derive(const uint8_t *key, size_t key_len, const char *label,
	const uint8_t *context, size_t context_len, uint8_t ret[SEV_KEY_BYTES])
{
	uint8_t block[64], out[SEV_MAC_BYTES];
	struct wr w = wr_of(block, sizeof block);

	wr_le32(&w, 1);
	wr_str(&w, label);
	wr_u8(&w, 0);
	wr_copy(&w, context, context_len);
	wr_le32(&w, 8 * SEV_KEY_BYTES);
	int err = wr_check(&w) < 0 ? -EIO : mac(key, key_len, block, w.len, out);
	if (err == 0)
		memcpy(ret, out, SEV_KEY_BYTES);
	OPENSSL_cleanse(out, sizeof out);
	return err;
}

/* --- the session ------------------------------------------------------------------------------ */

int sev_session_wrap(const uint8_t *z, size_t z_len, const uint8_t nonce[16], const uint8_t iv[16],
	const uint8_t keys[2 * SEV_KEY_BYTES], uint32_t policy, uint8_t ret[SEV_SESSION_BYTES])
{
	uint8_t master[SEV_KEY_BYTES], kek[SEV_KEY_BYTES], kik[SEV_KEY_BYTES];
	uint8_t wrapped[2 * SEV_KEY_BYTES], wrap_mac[SEV_MAC_BYTES], policy_mac[SEV_MAC_BYTES];
	struct wr w = wr_of(ret, SEV_SESSION_BYTES);
	le32 word = le32_of(policy);

	int err = derive(z, z_len, "sev-master-secret", nonce, 16, master);
	if (err == 0)
		err = derive(master, sizeof master, "sev-kek", NULL, 0, kek);
	if (err == 0)
		err = derive(master, sizeof master, "sev-kik", NULL, 0, kik);
	if (err == 0)
		err = ctr(kek, iv, keys, sizeof wrapped, wrapped);
	if (err == 0)
		err = mac(kik, sizeof kik, wrapped, sizeof wrapped, wrap_mac);
	if (err == 0)
		err = mac(keys + SEV_KEY_BYTES, SEV_KEY_BYTES, &word, sizeof word, policy_mac);
	OPENSSL_cleanse(master, sizeof master);
	OPENSSL_cleanse(kek, sizeof kek);
	OPENSSL_cleanse(kik, sizeof kik);
	if (err < 0)
		return err;
	wr_copy(&w, nonce, 16);
	wr_copy(&w, wrapped, sizeof wrapped);
	wr_copy(&w, iv, 16);
	wr_copy(&w, wrap_mac, sizeof wrap_mac);
	wr_copy(&w, policy_mac, sizeof policy_mac);
	return wr_check(&w);
}

static void reverse_in(uint8_t *dst, const uint8_t *src, size_t len)
{
	for (size_t i = 0; i < len; i++)
		dst[i] = src[len - 1 - i];
}

/* The owner's public key as a PDH certificate; nobody signs it. */
static MUST_USE int godh_print(EVP_PKEY *own, uint8_t ret[SEV_CERT_BYTES])
{
	uint8_t point[1 + 2 * P384_BYTES], x[P384_BYTES], y[P384_BYTES];
	struct wr w = wr_of(ret, SEV_CERT_BYTES);
	size_t len = 0;

	if (EVP_PKEY_get_octet_string_param(
		    own, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &len) != 1 ||
		len != sizeof point)
		return -EIO;
	reverse_in(x, point + 1, P384_BYTES);
	reverse_in(y, point + 1 + P384_BYTES, P384_BYTES);
	wr_le32(&w, 1);
	wr_zero(&w, 4); /* API version: the owner has none */
	wr_le32(&w, SEV_USAGE_PDH);
	wr_le32(&w, SEV_ALGORITHM_ECDH_SHA256);
	wr_le32(&w, SEV_CURVE_P384);
	wr_copy(&w, x, sizeof x);
	wr_pad_to(&w, 20 + 72);
	wr_copy(&w, y, sizeof y);
	wr_pad_to(&w, SEV_CERT_SIGNED_BYTES);
	wr_le32(&w, SEV_USAGE_NONE);
	wr_pad_to(&w, SEV_CERT_SIGNED_BYTES + 520);
	wr_le32(&w, SEV_USAGE_NONE);
	wr_pad_to(&w, SEV_CERT_BYTES);
	return wr_check(&w);
}

static MUST_USE int agree(EVP_PKEY *own, EVP_PKEY *peer, uint8_t z[SHARED_MAX], size_t *ret_len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	size_t len = SHARED_MAX;

	if (ctx == NULL)
		return -ENOMEM;
	bool ok = EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
		  EVP_PKEY_derive(ctx, z, &len) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	*ret_len = len;
	return ok ? 0 : -EIO;
}

int sev_session_make(
	const struct sev_cert *pdh, uint32_t policy, struct sev_session *ret, struct why *why)
{
	AUTO(sev_session) struct sev_session s = { 0 };
	uint8_t drawn[32], z[SHARED_MAX];
	EVP_PKEY *peer = NULL;
	size_t z_len = 0;

	if (pdh->usage != SEV_USAGE_PDH || pdh->key_len != P384_BYTES ||
		sev_cert_key(pdh, &peer) < 0)
		return why_set(why, -EKEYREJECTED, "not a PDH certificate with a key on P-384");
	EVP_PKEY *own = EVP_EC_gen("P-384");
	int err = secret_init(&s.keys, 2 * SEV_KEY_BYTES);
	if (err == 0 && (own == NULL || RAND_bytes(drawn, sizeof drawn) != 1 ||
				RAND_priv_bytes(s.keys.p, (int)s.keys.len) != 1))
		err = -EIO;
	if (err == 0)
		err = agree(own, peer, z, &z_len);
	if (err == 0)
		err = sev_session_wrap(z, z_len, drawn, drawn + 16, s.keys.p, policy, s.blob);
	if (err == 0)
		err = godh_print(own, s.godh);
	if (err == 0)
		err = sev_cert_digest(pdh, s.pdh);
	OPENSSL_cleanse(z, sizeof z);
	EVP_PKEY_free(own);
	EVP_PKEY_free(peer);
	if (err < 0)
		return why_set(why, err, "the session's keys cannot be made");
	*ret = s;
	s.keys = (struct secret){ 0 };
	return 0;
}

/* --- measurement and secret -------------------------------------------------------------------- */

int sev_measure_mac(
	const uint8_t tik[SEV_KEY_BYTES], const struct sev_measured *m, uint8_t ret[SEV_MAC_BYTES])
{
	uint8_t text[56];
	struct wr w = wr_of(text, sizeof text);

	wr_u8(&w, 0x04);
	wr_u8(&w, m->api_major);
	wr_u8(&w, m->api_minor);
	wr_u8(&w, m->build);
	wr_le32(&w, m->policy);
	wr_copy(&w, m->digest, sizeof m->digest);
	wr_copy(&w, m->mnonce, sizeof m->mnonce);
	return wr_check(&w) < 0 ? -EIO : mac(tik, SEV_KEY_BYTES, text, w.len, ret);
}

/* GUID 1e74f542-71dd-4d66-963e-ef4287ff173b, length; entries likewise: a length counts its 20 bytes. */
int sev_secret_table(const struct sev_secret *entries, size_t n, uint8_t *ret, size_t size,
	size_t *ret_len, struct why *why)
{
	static const uint8_t guid[] = { 0x42, 0xf5, 0x74, 0x1e, 0xdd, 0x71, 0x66, 0x4d, 0x96, 0x3e,
		0xef, 0x42, 0x87, 0xff, 0x17, 0x3b };
	struct wr w = wr_of(ret, size);
	size_t total = 20;

	for (size_t i = 0; i < n; i++)
		total += entries[i].len < size ? 20 + entries[i].len : size;
	if (total > size)
		return why_set(why, -EMSGSIZE, "the secrets have more than %zu bytes", size);
	wr_copy(&w, guid, sizeof guid);
	wr_le32(&w, (uint32_t)total);
	for (size_t i = 0; i < n; i++) {
		wr_copy(&w, entries[i].guid, sizeof entries[i].guid);
		wr_le32(&w, (uint32_t)(20 + entries[i].len));
		wr_copy(&w, entries[i].p, entries[i].len);
	}
	wr_pad_to(&w, (total + 15) / 16 * 16);
	if (wr_check(&w) < 0)
		return why_set(why, -EMSGSIZE, "the secrets have more than %zu bytes", size);
	*ret_len = w.len;
	return 0;
}

int sev_secret_make(const struct secret *keys, const uint8_t measure[SEV_MAC_BYTES],
	const uint8_t *data, size_t len, uint8_t ret_header[SEV_SECRET_HEADER_BYTES],
	uint8_t *ret_data, struct why *why)
{
	uint8_t text[SEV_SECRET_MAX + 128], iv[16], sum[SEV_MAC_BYTES];
	struct wr w = wr_of(text, sizeof text);

	if (len == 0 || len % 16 != 0 || len > SEV_SECRET_MAX || keys->len != 2 * SEV_KEY_BYTES)
		return why_set(why, -ERANGE,
			"a launch secret has %zu bytes, want a multiple of 16 from 16 to %u", len,
			SEV_SECRET_MAX);
	int err = RAND_bytes(iv, sizeof iv) == 1 ? 0 : -EIO;
	if (err == 0)
		err = ctr(keys->p, iv, data, len, ret_data);
	wr_u8(&w, 0x01);
	wr_le32(&w, 0); /* flags: not compressed */
	wr_copy(&w, iv, sizeof iv);
	wr_le32(&w, (uint32_t)len); /* in the guest */
	wr_le32(&w, (uint32_t)len); /* on the way */
	wr_copy(&w, ret_data, len);
	wr_copy(&w, measure, SEV_MAC_BYTES);
	if (err == 0)
		err = wr_check(&w) < 0
			      ? -EIO
			      : mac(keys->p + SEV_KEY_BYTES, SEV_KEY_BYTES, text, w.len, sum);
	if (err < 0)
		return why_set(why, err, "the secret cannot be encrypted");
	struct wr head = wr_of(ret_header, SEV_SECRET_HEADER_BYTES);
	wr_le32(&head, 0);
	wr_copy(&head, iv, sizeof iv);
	wr_copy(&head, sum, sizeof sum);
	return wr_check(&head);
}
