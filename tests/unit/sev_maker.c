#include "tests/unit/sev_maker.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#define NEED(x)                                                                                    \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void put_number(const EVP_PKEY *key, const char *name, uint8_t *p, int len)
{
	BIGNUM *n = NULL;

	NEED(EVP_PKEY_get_bn_param(key, name, &n) == 1);
	NEED(BN_bn2lebinpad(n, p, len) == len);
	BN_free(n);
}

/* --- certificates ----------------------------------------------------------------------------- */

static const struct {
	uint32_t usage, algorithm;
	enum maker_key signers[2]; /* MAKER_KEYS: none */
} kinds[MAKER_KEYS] = {
	[MAKER_ARK] = { 0, 0, { MAKER_ARK, MAKER_KEYS } },
	[MAKER_ASK] = { 0x13, 0, { MAKER_ARK, MAKER_KEYS } },
	[MAKER_CEK] = { 0x1004, 2, { MAKER_ASK, MAKER_KEYS } },
	[MAKER_OCA] = { 0x1001, 2, { MAKER_OCA, MAKER_KEYS } },
	[MAKER_PEK] = { 0x1002, 2, { MAKER_OCA, MAKER_CEK } },
	[MAKER_PDH] = { 0x1003, 3, { MAKER_PEK, MAKER_KEYS } },
};

static int is_amd(enum maker_key k)
{
	return k == MAKER_ARK || k == MAKER_ASK;
}

static void rsa_sign(const struct sev_maker *m, enum maker_key signer, const uint8_t *data,
	size_t data_len, uint8_t *ret)
{
	const EVP_MD *md = m->rsa_bits == 2048 ? EVP_sha256() : EVP_sha384();
	size_t len = m->rsa_bits / 8;
	uint8_t big[512];
	EVP_PKEY_CTX *params = NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	NEED(EVP_DigestSignInit(ctx, &params, md, NULL, m->keys[signer]) == 1);
	NEED(EVP_PKEY_CTX_set_rsa_padding(params, RSA_PKCS1_PSS_PADDING) == 1);
	NEED(EVP_PKEY_CTX_set_rsa_pss_saltlen(params, RSA_PSS_SALTLEN_DIGEST) == 1);
	NEED(EVP_DigestSign(ctx, big, &len, data, data_len) == 1 && len == m->rsa_bits / 8);
	EVP_MD_CTX_free(ctx);
	for (size_t i = 0; i < len; i++)
		ret[i] = big[len - 1 - i];
}

/* R and S, 72 bytes each, little-endian. */
static void ec_sign(EVP_PKEY *key, const EVP_MD *md, const uint8_t *data, size_t len, uint8_t *ret)
{
	uint8_t der[256];
	const uint8_t *at = der;
	size_t der_len = sizeof der;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	NEED(EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1);
	NEED(EVP_DigestSign(ctx, der, &der_len, data, len) == 1);
	EVP_MD_CTX_free(ctx);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
	NEED(sig != NULL && BN_bn2lebinpad(ECDSA_SIG_get0_r(sig), ret, 72) == 72 &&
		BN_bn2lebinpad(ECDSA_SIG_get0_s(sig), ret + 72, 72) == 72);
	ECDSA_SIG_free(sig);
}

void sev_maker_sign(struct sev_maker *m, enum maker_key which)
{
	uint8_t *cert = m->certs[which];
	size_t n = m->rsa_bits / 8;

	if (is_amd(which)) {
		rsa_sign(m, kinds[which].signers[0], cert, 64 + 2 * n, cert + 64 + 2 * n);
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		uint8_t *slot = cert + 1044 + 520 * i;
		enum maker_key signer = kinds[which].signers[i];
		memset(slot, 0, 520);
		put32(slot, signer == MAKER_KEYS ? 0x1000 : kinds[signer].usage);
		if (signer == MAKER_KEYS)
			continue;
		put32(slot + 4, signer != MAKER_ASK ? 2 : m->rsa_bits == 2048 ? 1 : 0x101);
		if (signer == MAKER_ASK)
			rsa_sign(m, signer, cert, 1044, slot + 8);
		else
			ec_sign(m->keys[signer], EVP_sha256(), cert, 1044, slot + 8);
	}
}

static void amd_make(struct sev_maker *m, enum maker_key which)
{
	uint8_t *cert = m->certs[which];
	size_t n = m->rsa_bits / 8;

	m->keys[which] = EVP_RSA_gen(m->rsa_bits);
	NEED(m->keys[which] != NULL);
	put32(cert, 1);
	memset(cert + 4, which == MAKER_ARK ? 0xA1 : 0xA2, 16);
	memset(cert + 20, 0xA1, 16);
	put32(cert + 36, kinds[which].usage);
	put32(cert + 56, m->rsa_bits);
	put32(cert + 60, m->rsa_bits);
	put_number(m->keys[which], OSSL_PKEY_PARAM_RSA_E, cert + 64, (int)n);
	put_number(m->keys[which], OSSL_PKEY_PARAM_RSA_N, cert + 64 + n, (int)n);
	m->len[which] = 64 + 3 * n;
}

static void platform_make(struct sev_maker *m, enum maker_key which)
{
	uint8_t *cert = m->certs[which];

	m->keys[which] = EVP_EC_gen("P-384");
	NEED(m->keys[which] != NULL);
	put32(cert, 1);
	cert[4] = 0, cert[5] = 22;
	put32(cert + 8, kinds[which].usage);
	put32(cert + 12, kinds[which].algorithm);
	put32(cert + 16, 2);
	put_number(m->keys[which], OSSL_PKEY_PARAM_EC_PUB_X, cert + 20, 72);
	put_number(m->keys[which], OSSL_PKEY_PARAM_EC_PUB_Y, cert + 92, 72);
	m->len[which] = MAKER_SEV_CERT;
}

void sev_maker_init(struct sev_maker *m, unsigned int rsa_bits)
{
	memset(m, 0, sizeof *m);
	m->rsa_bits = rsa_bits;
	for (enum maker_key k = 0; k < MAKER_KEYS; k++)
		(is_amd(k) ? amd_make : platform_make)(m, k);
	for (enum maker_key k = 0; k < MAKER_KEYS; k++)
		sev_maker_sign(m, k);
}

void sev_maker_done(struct sev_maker *m)
{
	for (enum maker_key k = 0; k < MAKER_KEYS; k++)
		EVP_PKEY_free(m->keys[k]);
}

/* --- the firmware's side ----------------------------------------------------------------------- */

static void hmac(
	const uint8_t *key, size_t key_len, const uint8_t *data, size_t len, uint8_t ret[32])
{
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(
					OSSL_MAC_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		OSSL_PARAM_construct_end() };
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	size_t n = 0;

	NEED(EVP_MAC_init(ctx, key, key_len, params) == 1);
	NEED(EVP_MAC_update(ctx, data, len) == 1 && EVP_MAC_final(ctx, ret, &n, 32) == 1);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

/* i || label || 00 || context || L */
static void kdf(const uint8_t *key, size_t key_len, const char *label, const uint8_t *context,
	size_t context_len, uint8_t ret[16])
{
	uint8_t text[64] = { 1, 0, 0, 0 }, out[32];
	size_t n = 4, label_len = strlen(label);

	memcpy(text + n, label, label_len);
	n += label_len + 1;
	if (context_len > 0)
		memcpy(text + n, context, context_len);
	n += context_len;
	put32(text + n, 128);
	hmac(key, key_len, text, n + 4, out);
	memcpy(ret, out, 16);
}

static void decrypt(
	const uint8_t *key, const uint8_t *iv, const uint8_t *in, size_t len, uint8_t *ret)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;

	NEED(EVP_DecryptInit_ex(ctx, EVP_aes_128_ctr(), NULL, key, iv) == 1);
	NEED(EVP_DecryptUpdate(ctx, ret, &n, in, (int)len) == 1 && (size_t)n == len);
	EVP_CIPHER_CTX_free(ctx);
}

static EVP_PKEY *owner_key(const uint8_t *godh)
{
	uint8_t point[97] = { 4 };
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);

	for (size_t i = 0; i < 48; i++) {
		point[1 + i] = godh[20 + 47 - i];
		point[49 + i] = godh[92 + 47 - i];
	}
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(
					"group", (char[]){ "secp384r1" }, 0),
		OSSL_PARAM_construct_octet_string("pub", point, sizeof point),
		OSSL_PARAM_construct_end() };
	NEED(EVP_PKEY_fromdata_init(ctx) == 1);
	NEED(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

int maker_session_open(const struct sev_maker *m, const uint8_t *godh, const uint8_t blob[128],
	uint32_t policy, uint8_t ret_tek[16], uint8_t ret_tik[16])
{
	uint8_t z[48], master[16], kek[16], kik[16], keys[32], mac[32], word[4];
	EVP_PKEY *peer = owner_key(godh);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(m->keys[MAKER_PDH], NULL);
	size_t len = sizeof z;

	NEED(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1);
	NEED(EVP_PKEY_derive(ctx, z, &len) == 1 && len == sizeof z);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	kdf(z, sizeof z, "sev-master-secret", blob, 16, master);
	kdf(master, 16, "sev-kek", NULL, 0, kek);
	kdf(master, 16, "sev-kik", NULL, 0, kik);
	hmac(kik, 16, blob + 16, 32, mac);
	if (memcmp(mac, blob + 64, 32) != 0)
		return -1;
	decrypt(kek, blob + 48, blob + 16, 32, keys);
	put32(word, policy);
	hmac(keys + 16, 16, word, 4, mac);
	if (memcmp(mac, blob + 96, 32) != 0)
		return -1;
	memcpy(ret_tek, keys, 16);
	memcpy(ret_tik, keys + 16, 16);
	return 0;
}

void maker_measure(const uint8_t tik[16], const uint8_t api[3], uint32_t policy,
	const uint8_t digest[32], uint8_t ret[48])
{
	uint8_t text[56] = { 4, api[0], api[1], api[2] };

	memset(ret + 32, 0x6E, 16);
	put32(text + 4, policy);
	memcpy(text + 8, digest, 32);
	memcpy(text + 40, ret + 32, 16);
	hmac(tik, 16, text, sizeof text, ret);
}

int maker_secret_open(const uint8_t tek[16], const uint8_t tik[16], const uint8_t measure[32],
	const uint8_t header[52], const uint8_t *data, size_t len, uint8_t *ret)
{
	uint8_t *text = malloc(61 + len), mac[32];

	NEED(text != NULL);
	text[0] = 1;
	memcpy(text + 1, header, 20); /* flags, iv */
	put32(text + 21, (uint32_t)len);
	put32(text + 25, (uint32_t)len);
	memcpy(text + 29, data, len);
	memcpy(text + 29 + len, measure, 32);
	hmac(tik, 16, text, 61 + len, mac);
	free(text);
	if (memcmp(mac, header + 20, 32) != 0)
		return -1;
	decrypt(tek, header + 4, data, len, ret);
	return 0;
}

/* --- ID blocks, firmware images ------------------------------------------------------------------ */

static void id_key_put(const EVP_PKEY *key, uint8_t *p)
{
	put32(p, 2);
	put_number(key, OSSL_PKEY_PARAM_EC_PUB_X, p + 4, 72);
	put_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, p + 76, 72);
}

void maker_id_block(uint8_t block[96], uint8_t auth[4096], int has_author)
{
	EVP_PKEY *id = EVP_EC_gen("P-384"), *author = EVP_EC_gen("P-384");

	put32(block + 0x50, 1);
	memset(auth, 0, 4096);
	put32(auth, 1);
	id_key_put(id, auth + 0x240);
	ec_sign(id, EVP_sha384(), block, 96, auth + 0x40);
	if (has_author) {
		put32(auth + 4, 1);
		id_key_put(author, auth + 0x880);
		ec_sign(author, EVP_sha384(), auth + 0x240, 0x404, auth + 0x680);
	}
	EVP_PKEY_free(id);
	EVP_PKEY_free(author);
}

/* Entries are put downwards from the end. */
static size_t entry_put(uint8_t *image, size_t at, const char *guid, const void *data, size_t len)
{
	uint8_t raw[16];

	for (size_t i = 0; i < 16; i++) {
		char digits[3] = { guid[2 * i], guid[2 * i + 1], 0 };
		raw[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	memcpy(image + at - 16, raw, 16);
	image[at - 18] = (uint8_t)(len + 18);
	image[at - 17] = (uint8_t)((len + 18) >> 8);
	if (len > 0)
		memcpy(image + at - 18 - len, data, len);
	return at - 18 - len;
}

static void metadata_put(const struct maker_firmware *f, uint8_t *p)
{
	memcpy(p, "ASEV", 4);
	put32(p + 4, (uint32_t)(16 + 12 * f->n_sections));
	put32(p + 8, 1);
	put32(p + 12, (uint32_t)f->n_sections);
	for (size_t i = 0; i < f->n_sections; i++)
		for (size_t k = 0; k < 3; k++)
			put32(p + 16 + 12 * i + 4 * k, f->sections[i][k]);
}

static void tdvf_put(const struct maker_firmware *f, uint8_t *p)
{
	static const size_t at[6] = { 0, 4, 8, 16, 24, 28 };

	memcpy(p, "TDVF", 4);
	put32(p + 4, (uint32_t)(16 + 32 * f->n_tdvf));
	put32(p + 8, 1);
	put32(p + 12, (uint32_t)f->n_tdvf);
	for (size_t i = 0; i < f->n_tdvf; i++) {
		memset(p + 16 + 32 * i, 0, 32);
		for (size_t k = 0; k < 6; k++)
			put32(p + 16 + 32 * i + at[k], f->tdvf[i][k]);
	}
}

void maker_firmware(const struct maker_firmware *f, uint8_t *image, size_t len)
{
	const uint32_t sev_back = 2048, tdx_back = 1024;
	uint8_t word[8] = { 0 };
	size_t end = len - 32, at = end - 18;

	for (size_t i = 0; i < len; i++)
		image[i] = (uint8_t)(i * 31 >> 3);
	put32(word, f->ap_reset);
	if (f->ap_reset != 0)
		at = entry_put(image, at, "de71f7007e1acb4f890e68c77e2fb44e", word, 4);
	put32(word, f->hashes_gpa);
	if (f->hashes_gpa != 0)
		at = entry_put(image, at, "1f3755723b3a044b927b1da6efa8d454", word, 8);
	put32(word, sev_back);
	if (f->n_sections > 0)
		at = entry_put(image, at, "666588dc4a989847a75e5585a7bf67cc", word, 4);
	put32(word, tdx_back);
	if (f->n_tdvf > 0)
		at = entry_put(image, at, "35657ae44a989847865e4685a7bf8ec2", word, 4);
	(void)entry_put(image, end, "de82b596b21ff745baeaa366c55a082d", NULL, 0);
	image[end - 18] = (uint8_t)(end - at);
	image[end - 17] = (uint8_t)((end - at) >> 8);
	if (f->n_sections > 0)
		metadata_put(f, image + len - sev_back);
	if (f->n_tdvf > 0)
		tdvf_put(f, image + len - tdx_back);
}
