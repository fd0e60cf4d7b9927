#include "sev/sim/sim_vlek.h"

#include <errno.h>
#include <string.h>

#include "sev/fw_error.h"

#define LABEL "casemate simulated VLEK"

struct plain_vlek {
	uint8_t scalar[SIM_EC_BYTES];
	uint8_t qx[SNP_NUM_BYTES];
	uint8_t qy[SNP_NUM_BYTES];
	uint8_t zero[384 - SIM_EC_BYTES - 2 * SNP_NUM_BYTES];
};
WIRE_SIZE(struct plain_vlek, sizeof((struct sim_hashstick *)0)->wrapped);

/* The first 32 bytes are the key. */
static void key_make(const struct sim_crypto *c, const uint8_t chip_id[SIM_CHIP_ID_BYTES],
	uint8_t ret[SNP_DIGEST_BYTES])
{
	uint8_t text[sizeof LABEL - 1 + SIM_CHIP_ID_BYTES];

	memcpy(text, LABEL, sizeof LABEL - 1);
	memcpy(text + sizeof LABEL - 1, chip_id, SIM_CHIP_ID_BYTES);
	sim_sha384(c, text, sizeof text, ret);
}

static MUST_USE bool blob_crypt(const struct sim_crypto *c, bool is_seal,
	const uint8_t chip_id[SIM_CHIP_ID_BYTES], struct sim_hashstick *h)
{
	uint8_t key[SNP_DIGEST_BYTES];
	const struct sim_gcm g = {
		.key = key,
		.iv = h->iv,
		.aad = h->tcb,
		.aad_len = sizeof h->tcb + sizeof h->zero_b,
	};

	key_make(c, chip_id, key);
	return sim_aes_gcm(c, is_seal, &g, h->wrapped, sizeof h->wrapped, h->tag);
}

int sim_vlek_wrap(const struct sim_crypto *c, const uint8_t chip_id[SIM_CHIP_ID_BYTES],
	const void *key, const uint8_t tcb[8], struct sim_hashstick *ret)
{
	struct sim_hashstick h = { 0 };
	struct plain_vlek plain = { 0 };
	struct snp_public_key public;
	int err = sim_ec_get(key, plain.scalar, &public);

	if (err == 0)
		err = sim_random(h.iv, sizeof h.iv);
	if (err < 0)
		return err;
	memcpy(plain.qx, public.qx, sizeof plain.qx);
	memcpy(plain.qy, public.qy, sizeof plain.qy);
	memcpy(h.wrapped, &plain, sizeof h.wrapped);
	memcpy(h.tcb, tcb, sizeof h.tcb);
	if (!blob_crypt(c, true, chip_id, &h))
		return -EIO;
	*ret = h;
	return 0;
}

uint32_t sim_vlek_open(const struct sim_crypto *c, const struct sim_platform *p,
	const struct sim_hashstick *h, void **ret)
{
	struct sim_hashstick copy = *h;
	struct plain_vlek plain;
	struct snp_public_key public = { .curve = le32_of(SNP_CURVE_P384) };

	if (memcmp(h->tcb, p->reported_tcb, sizeof h->tcb) != 0)
		return FW_BAD_SVN;
	if (!blob_crypt(c, false, p->chip_id, &copy))
		return FW_BAD_MEASUREMENT;
	memcpy(&plain, copy.wrapped, sizeof plain);
	memcpy(public.qx, plain.qx, sizeof public.qx);
	memcpy(public.qy, plain.qy, sizeof public.qy);
	void *key = sim_ec_load(plain.scalar, &public);
	explicit_bzero(&plain, sizeof plain);
	if (key == NULL)
		return FW_BAD_MEASUREMENT;
	*ret = key;
	return FW_SUCCESS;
}
