#include "sev/sim/sim_session.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/wr.h"
#include "sev/fw_error.h"

#define KDF_TEXT_MAX      64u
#define TAG_SECRET        0x01u
#define TAG_MEASURE       0x04u
#define SECRET_COMPRESSED 1u
#define CURRENT_VERSION   1u

/* SP 800-108, counter mode, one block: i, label, 0, context, L; all numbers little-endian. */
static void key_derive(const struct sim_crypto *c, const uint8_t *key, size_t key_len,
	const char *label, const uint8_t *context, size_t context_len, uint8_t ret[SIM_AES_BYTES])
{
	uint8_t text[KDF_TEXT_MAX];
	uint8_t out[SIM_SHA256_BYTES];
	struct wr w = wr_of(text, sizeof text);

	wr_le32(&w, 1);
	wr_copy(&w, label, strlen(label) + 1); /* its end is the 0 between */
	if (context_len > 0)
		wr_copy(&w, context, context_len);
	wr_le32(&w, SIM_AES_BYTES * 8);
	sim_hmac(c, key, key_len, text, w.len, out);
	memcpy(ret, out, SIM_AES_BYTES);
	explicit_bzero(out, sizeof out);
}

static bool is_mac(const struct sim_crypto *c, const uint8_t key[SIM_AES_BYTES], const void *p,
	size_t len, const uint8_t want[SIM_SHA256_BYTES])
{
	uint8_t mac[SIM_SHA256_BYTES];

	sim_hmac(c, key, SIM_AES_BYTES, p, len, mac);
	return memcmp(mac, want, sizeof mac) == 0; /* a simulator has no secrets to keep */
}

static bool is_dh_cert(const struct sim_sev_cert *dh)
{
	return le32_get(dh->version) == CURRENT_VERSION && le32_get(dh->usage) == SIM_USAGE_PDH &&
	       (le32_get(dh->algo) == SIM_ALGO_ECDH_SHA256 ||
		       le32_get(dh->algo) == SIM_ALGO_ECDH_SHA384);
}

uint32_t sim_session_open(const struct sim_crypto *c, const struct sim_identity *id,
	const struct sim_sev_cert *dh, const struct sim_session_blob *s, uint32_t policy,
	struct sim_transport *ret)
{
	uint8_t z[SIM_EC_BYTES], master[SIM_AES_BYTES], kek[SIM_AES_BYTES], kik[SIM_AES_BYTES];
	uint8_t keys[sizeof s->wrap_tk];
	const le32 policy_bytes = le32_of(policy);

	if (!is_dh_cert(dh) || sim_ec_derive(id->key[SIM_CERT_PDH], &dh->key, z) < 0)
		return FW_INVALID_CERTIFICATE;
	key_derive(c, z, sizeof z, "sev-master-secret", s->nonce, sizeof s->nonce, master);
	key_derive(c, master, sizeof master, "sev-kek", NULL, 0, kek);
	key_derive(c, master, sizeof master, "sev-kik", NULL, 0, kik);
	if (!is_mac(c, kik, s->wrap_tk, sizeof s->wrap_tk, s->wrap_mac))
		return FW_BAD_MEASUREMENT;
	memcpy(keys, s->wrap_tk, sizeof keys);
	sim_aes_ctr(c, kek, s->wrap_iv, keys, sizeof keys);
	if (!is_mac(c, keys + SIM_AES_BYTES, &policy_bytes, sizeof policy_bytes, s->policy_mac))
		return FW_BAD_MEASUREMENT;
	memcpy(ret->tek, keys, SIM_AES_BYTES);
	memcpy(ret->tik, keys + SIM_AES_BYTES, SIM_AES_BYTES);
	return FW_SUCCESS;
}

void sim_session_measure(const struct sim_crypto *c, const uint8_t tik[SIM_AES_BYTES],
	const struct sim_measured *m, uint8_t ret[SIM_SHA256_BYTES])
{
	uint8_t text[56];
	struct wr w = wr_of(text, sizeof text);

	wr_u8(&w, TAG_MEASURE);
	wr_copy(&w, m->api, sizeof m->api);
	wr_le32(&w, m->policy);
	wr_copy(&w, m->digest, sizeof m->digest);
	wr_copy(&w, m->nonce, sizeof m->nonce);
	sim_hmac(c, tik, SIM_AES_BYTES, text, w.len, ret);
}

uint32_t sim_session_secret(const struct sim_crypto *c, const struct sim_transport *keys,
	const uint8_t measure[SIM_SHA256_BYTES], const struct sim_secret_header *h, uint8_t *p,
	uint32_t len)
{
	static uint8_t text[1 + 4 + 16 + 4 + 4 + LIMIT_SIM_BLOB_BYTES + SIM_SHA256_BYTES];
	struct wr w = wr_of(text, sizeof text);

	if ((le32_get(h->flags) & SECRET_COMPRESSED) != 0)
		return FW_UNSUPPORTED;
	wr_u8(&w, TAG_SECRET);
	wr_copy(&w, &h->flags, sizeof h->flags);
	wr_copy(&w, h->iv, sizeof h->iv);
	wr_le32(&w, len); /* in the guest, and on the way: equal */
	wr_le32(&w, len);
	wr_copy(&w, p, len);
	wr_copy(&w, measure, SIM_SHA256_BYTES);
	if (wr_check(&w) < 0 || !is_mac(c, keys->tik, text, w.len, h->mac))
		return FW_BAD_MEASUREMENT;
	sim_aes_ctr(c, keys->tek, h->iv, p, len);
	return FW_SUCCESS;
}
