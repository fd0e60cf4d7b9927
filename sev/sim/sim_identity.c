#include "sev/sim/sim_identity.h"

#include <errno.h>
#include <string.h>

#include "base/rd.h"
#include "base/wr.h"
#include "sev/fw_error.h"

#define CERT_VERSION 1u

static const struct {
	uint32_t usage;
	uint32_t algo;
} kinds[SIM_CERT_COUNT] = {
	[SIM_CERT_CEK] = { SIM_USAGE_CEK, SIM_ALGO_ECDSA_SHA256 },
	[SIM_CERT_OCA] = { SIM_USAGE_OCA, SIM_ALGO_ECDSA_SHA256 },
	[SIM_CERT_PEK] = { SIM_USAGE_PEK, SIM_ALGO_ECDSA_SHA256 },
	[SIM_CERT_PDH] = { SIM_USAGE_PDH, SIM_ALGO_ECDH_SHA256 },
};

/* A new key and its certificate, unsigned. */
static MUST_USE int pair_make(struct sim_identity *id, enum sim_cert which, const uint8_t api[2])
{
	struct sim_sev_cert c = {
		.version = le32_of(CERT_VERSION),
		.api_major = api[0],
		.api_minor = api[1],
		.usage = le32_of(kinds[which].usage),
		.algo = le32_of(kinds[which].algo),
	};
	void *key = sim_ec_new();

	if (key == NULL || sim_ec_get(key, NULL, &c.key) < 0) {
		sim_ec_free(key);
		return -EIO;
	}
	for (size_t i = 0; i < ARRAY_LEN(c.sig); i++)
		c.sig[i].usage = le32_of(SIM_USAGE_NONE);
	sim_ec_free(id->key[which]);
	id->key[which] = key;
	id->cert[which] = c;
	return 0;
}

static MUST_USE int slot_sign(
	struct sim_identity *id, enum sim_cert which, unsigned int slot, enum sim_cert signer)
{
	struct sim_sev_cert *c = &id->cert[which];
	struct sim_sev_sig *s = &c->sig[slot];

	s->usage = le32_of(kinds[signer].usage);
	s->algo = le32_of(SIM_ALGO_ECDSA_SHA256);
	return sim_ec_sign(id->key[signer], SIM_SHA256, c, SIM_SEV_CERT_SIGNED, &s->ec);
}

int sim_identity_new_pdh(struct sim_identity *id)
{
	const uint8_t api[2] = { id->cert[SIM_CERT_CEK].api_major,
		id->cert[SIM_CERT_CEK].api_minor };
	int err = pair_make(id, SIM_CERT_PDH, api);

	return err == 0 ? slot_sign(id, SIM_CERT_PDH, 0, SIM_CERT_PEK) : err;
}

int sim_identity_new_pek(struct sim_identity *id)
{
	const uint8_t api[2] = { id->cert[SIM_CERT_CEK].api_major,
		id->cert[SIM_CERT_CEK].api_minor };
	int err = pair_make(id, SIM_CERT_OCA, api);

	id->is_owned = false;
	if (err == 0)
		err = slot_sign(id, SIM_CERT_OCA, 0, SIM_CERT_OCA);
	if (err == 0)
		err = pair_make(id, SIM_CERT_PEK, api);
	if (err == 0)
		err = slot_sign(id, SIM_CERT_PEK, 0, SIM_CERT_OCA);
	if (err == 0)
		err = slot_sign(id, SIM_CERT_PEK, 1, SIM_CERT_CEK);
	return err == 0 ? sim_identity_new_pdh(id) : err;
}

int sim_identity_make(struct sim_identity *ret, uint8_t api_major, uint8_t api_minor)
{
	struct sim_identity id = { 0 };
	const uint8_t api[2] = { api_major, api_minor };
	int err = pair_make(&id, SIM_CERT_CEK, api);

	if (err == 0)
		err = sim_identity_new_pek(&id);
	if (err < 0)
		sim_identity_done(&id);
	else
		*ret = id;
	return err;
}

void sim_identity_done(struct sim_identity *id)
{
	for (size_t i = 0; i < ARRAY_LEN(id->key); i++)
		sim_ec_free(id->key[i]);
	*id = (struct sim_identity){ 0 };
}

int sim_identity_load(
	struct sim_identity *ret, const uint8_t bytes[SIM_IDENTITY_BYTES], struct why *why)
{
	struct rd r = rd_of(bytes, SIM_IDENTITY_BYTES);
	struct sim_identity id = { 0 };
	bool is_good = true;

	for (size_t i = 0; i < SIM_CERT_COUNT; i++) {
		uint8_t scalar[SIM_EC_BYTES];
		rd_copy(&r, scalar, sizeof scalar);
		rd_copy(&r, &id.cert[i], sizeof id.cert[i]);
		id.key[i] = sim_ec_load(scalar, &id.cert[i].key);
		explicit_bzero(scalar, sizeof scalar);
		is_good = is_good && id.key[i] != NULL &&
			  le32_get(id.cert[i].usage) == kinds[i].usage;
	}
	if (rd_end(&r) < 0 || !is_good) {
		sim_identity_done(&id);
		return why_set(why, -EBADMSG,
			"platform file: keys and certificates for SEV do not belong together");
	}
	*ret = id;
	return 0;
}

int sim_identity_print(const struct sim_identity *id, uint8_t ret[SIM_IDENTITY_BYTES])
{
	struct wr w = wr_of(ret, SIM_IDENTITY_BYTES);

	for (size_t i = 0; i < SIM_CERT_COUNT; i++) {
		uint8_t scalar[SIM_EC_BYTES];
		struct snp_public_key key;
		if (sim_ec_get(id->key[i], scalar, &key) < 0)
			return -EIO;
		wr_copy(&w, scalar, sizeof scalar);
		wr_copy(&w, &id->cert[i], sizeof id->cert[i]);
		explicit_bzero(scalar, sizeof scalar);
	}
	return wr_check(&w);
}

void sim_identity_csr(const struct sim_identity *id, struct sim_sev_cert *ret)
{
	*ret = id->cert[SIM_CERT_PEK];
	memset(ret->sig, 0, sizeof ret->sig);
}

static bool cert_is(const struct sim_sev_cert *c, enum sim_cert which)
{
	return le32_get(c->version) == CERT_VERSION && le32_get(c->usage) == kinds[which].usage &&
	       (le32_get(c->algo) == SIM_ALGO_ECDSA_SHA256 ||
		       le32_get(c->algo) == SIM_ALGO_ECDSA_SHA384);
}

/* In either slot. */
static bool is_signed_by_oca(const struct sim_sev_cert *c, const struct sim_sev_cert *oca)
{
	for (size_t i = 0; i < ARRAY_LEN(c->sig); i++) {
		enum sim_hash hash =
			le32_get(c->sig[i].algo) == SIM_ALGO_ECDSA_SHA384 ? SIM_SHA384 : SIM_SHA256;
		if (le32_get(c->sig[i].usage) == SIM_USAGE_OCA &&
			sim_ec_verify(&oca->key, &c->sig[i].ec, hash, c, SIM_SEV_CERT_SIGNED))
			return true;
	}
	return false;
}

uint32_t sim_identity_import(
	struct sim_identity *id, const struct sim_sev_cert *pek, const struct sim_sev_cert *oca)
{
	if (id->is_owned)
		return FW_ALREADY_OWNED;
	if (!cert_is(pek, SIM_CERT_PEK) || !cert_is(oca, SIM_CERT_OCA) ||
		memcmp(&pek->key, &id->cert[SIM_CERT_PEK].key, sizeof pek->key) != 0)
		return FW_INVALID_CERTIFICATE;
	if (!is_signed_by_oca(oca, oca) || !is_signed_by_oca(pek, oca))
		return FW_BAD_SIGNATURE;
	id->is_owned = true;
	id->cert[SIM_CERT_OCA] = *oca;
	id->cert[SIM_CERT_PEK].sig[0] =
		pek->sig[le32_get(pek->sig[0].usage) == SIM_USAGE_OCA ? 0 : 1];
	sim_ec_free(id->key[SIM_CERT_OCA]);
	id->key[SIM_CERT_OCA] = NULL;
	return sim_identity_new_pdh(id) == 0 ? FW_SUCCESS : FW_HWSEV_RET_PLATFORM;
}

int sim_identity_sign(
	const struct sim_identity *id, const void *p, size_t len, struct snp_signature *ret)
{
	return sim_ec_sign(id->key[SIM_CERT_PEK], SIM_SHA256, p, len, ret);
}
