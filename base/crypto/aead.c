#include "base/crypto/aead.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <string.h>

static void cipher_auto(EVP_CIPHER_CTX **c)
{
	EVP_CIPHER_CTX_free(*c);
}

static MUST_USE int gcm_apply(bool is_sealing, const uint8_t *key, const uint8_t *nonce,
	const void *extra, size_t extra_len, const uint8_t *in, size_t len, uint8_t *out,
	uint8_t *tag)
{
	AUTO(cipher) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;

	if (len > INT32_MAX || extra_len > INT32_MAX)
		return -EMSGSIZE;
	if (c == NULL ||
		EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, is_sealing) != 1 ||
		EVP_CipherUpdate(c, NULL, &n, extra, (int)extra_len) != 1 ||
		EVP_CipherUpdate(c, out, &n, in, (int)len) != 1)
		return -EIO;
	if (!is_sealing && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, AEAD_TAG_BYTES, tag) != 1)
		return -EIO;
	if (EVP_CipherFinal_ex(c, out + n, &n) != 1)
		return is_sealing ? -EIO : -EKEYREJECTED;
	return !is_sealing || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, AEAD_TAG_BYTES, tag) == 1
		       ? 0
		       : -EIO;
}

int aead_seal(const uint8_t key[AEAD_KEY_BYTES], const void *extra, size_t extra_len,
	const void *plain, size_t len, uint8_t *ret)
{
	if (RAND_bytes(ret, AEAD_NONCE_BYTES) != 1)
		return -EIO;
	return gcm_apply(true, key, ret, extra, extra_len, plain, len, ret + AEAD_NONCE_BYTES,
		ret + AEAD_NONCE_BYTES + len);
}

int aead_open(const uint8_t key[AEAD_KEY_BYTES], const void *extra, size_t extra_len,
	const uint8_t *sealed, size_t sealed_len, uint8_t *ret)
{
	uint8_t tag[AEAD_TAG_BYTES];

	if (sealed_len < AEAD_SEALED(0))
		return -EKEYREJECTED;
	size_t len = sealed_len - AEAD_SEALED(0);
	memcpy(tag, sealed + sealed_len - sizeof tag, sizeof tag);
	int err = gcm_apply(
		false, key, sealed, extra, extra_len, sealed + AEAD_NONCE_BYTES, len, ret, tag);
	if (err < 0)
		explicit_bzero(ret, len);
	return err;
}
