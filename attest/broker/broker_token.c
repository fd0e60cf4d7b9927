#include "attest/broker/broker_token.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "attest/broker/kbs_bind.h"
#include "attest/broker/kbs_json.h"
#include "attest/ear.h"
#include "attest/jws.h"
#include "base/b64.h"
#include "base/fd.h"
#include "base/opts.h"
#include "base/wr.h"

#define SUBMOD    "cpu0"
#define ANNOTATED "ear.veraison.annotated-evidence"
#define KEY_MAX   16384u /* a PEM file with comments */

/* --- the proof as JSON and back ------------------------------------------------------------------ */

static const struct {
	const char *name;
	size_t at;
	size_t len;
} digests[] = {
	{ "policy", offsetof(struct proof, policy_hash), 32 },
	{ "launch_digest", offsetof(struct proof, launch_digest), 48 },
	{ "evidence", offsetof(struct proof, evidence_hash), 32 },
	{ "boot", offsetof(struct proof, boot_id), 32 },
};

static json_t *proof_print(const struct proof *p)
{
	json_t *j = json_pack("{s:s,s:s,s:I,s:I,s:b,s:b}", "guest", p->guest, "tenant", p->tenant,
		"serial", (json_int_t)p->serial, "since", (json_int_t)p->since, "tcb_met",
		p->is_tcb_met, "debug_off", p->is_debug_off);

	for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
		char hex[2 * 48 + 1];
		wr_hex_str(hex, sizeof hex, (const uint8_t *)p + digests[i].at, digests[i].len);
		(void)json_object_set_new(j, digests[i].name, json_string(hex));
	}
	return j;
}

static MUST_USE int text_take(const json_t *j, const char *name, char *ret, size_t size)
{
	const char *text = kbs_json_text(j, name, size - 1, NULL);

	if (text == NULL)
		return -EBADMSG;
	(void)snprintf(ret, size, "%s", text);
	return 0;
}

static MUST_USE int proof_parse(const json_t *j, struct proof *p)
{
	uint64_t since = 0;
	int err = text_take(j, "guest", p->guest, sizeof p->guest);

	if (err == 0)
		err = text_take(j, "tenant", p->tenant, sizeof p->tenant);
	if (err == 0)
		err = kbs_json_number(j, "serial", INT64_MAX, &p->serial, NULL);
	if (err == 0)
		err = kbs_json_number(j, "since", INT64_MAX, &since, NULL);
	for (size_t i = 0; err == 0 && i < ARRAY_LEN(digests); i++) {
		const char *hex = kbs_json_text(j, digests[i].name, 96, NULL);
		err = hex == NULL
			      ? -EBADMSG
			      : opts_parse_hex(hex, (uint8_t *)p + digests[i].at, digests[i].len);
	}
	p->since = (int64_t)since;
	p->is_tcb_met = json_is_true(json_object_get(j, "tcb_met"));
	p->is_debug_off = json_is_true(json_object_get(j, "debug_off"));
	return err;
}

/* --- keys ---------------------------------------------------------------------------------------- */

static MUST_USE int key_make(struct jwk *ret, struct why *why)
{
	EVP_PKEY *key = EVP_EC_gen("P-384");
	BIO *bio = BIO_new(BIO_s_secmem());
	char *pem = NULL;
	int err = -EIO;

	if (bio == NULL)
		bio = BIO_new(BIO_s_mem());
	if (key != NULL && bio != NULL &&
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
		long len = BIO_get_mem_data(bio, &pem);
		err = jwk_load_private(ret, (const uint8_t *)pem, (size_t)len, why);
		explicit_bzero(pem, (size_t)len);
	}
	BIO_free(bio);
	EVP_PKEY_free(key);
	return err;
}

static MUST_USE int key_load(struct jwk *ret, const char *path, struct why *why)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	int err = fd_read_path(path, KEY_MAX, &bytes, &len, why);

	if (err == 0) {
		err = jwk_load_private(ret, bytes, len, why);
		explicit_bzero(bytes, len);
		if (err < 0)
			err = why_prefix(why, err, "%s", path);
	}
	free(bytes);
	return err;
}

int tokens_open(struct tokens *t, const char *key_path, const char *issuer, uint64_t duration_s,
	struct why *why)
{
	int err = key_path != NULL ? key_load(&t->key, key_path, why) : key_make(&t->key, why);

	if (err == 0)
		err = jwk_print_set(&t->key, &t->jwks, why);
	if (err == 0)
		err = jwk_set_add(&t->trusted, (const uint8_t *)t->jwks, strlen(t->jwks), why);
	t->issuer = issuer;
	t->duration_s = duration_s != 0 ? duration_s : LIMIT_KBS_SESSION_MS / 1000;
	if (err < 0)
		tokens_close(t);
	return err;
}

void tokens_close(struct tokens *t)
{
	jwk_done(&t->key);
	jwk_set_done(&t->trusted);
	free(t->jwks);
	*t = (struct tokens){ 0 };
}

/* --- tokens -------------------------------------------------------------------------------------- */

int tokens_print(const struct tokens *t, const struct verdict *v, const struct session *s,
	const json_t *key, int64_t now, char **ret, struct why *why)
{
	AUTO(kbs_text) char *key_text = NULL;
	AUTO(kbs_text) char *runtime_text = NULL;
	AUTO(kbs_json)
	json_t *runtime =
		json_pack("{s:s,s:o}", "nonce", s->nonce, "casemate", proof_print(&s->proof));
	char policy_id[2 * 32 + 1];
	struct ear_options o = {
		.form = EAR_TRUSTEE,
		.issuer = t->issuer,
		.issued_at = (time_t)now,
		.expires = (time_t)now + (time_t)t->duration_s,
		.submod = SUBMOD,
		.policy_id = policy_id,
		.key = &t->key,
		.tee = tee_name(s->tee),
	};

	wr_hex_str(policy_id, sizeof policy_id, s->proof.policy_hash, 32);
	int err = runtime == NULL ? -ENOMEM : kbs_json_print(runtime, &runtime_text);
	if (err == 0)
		err = kbs_json_print(key, &key_text);
	o.runtime_data = runtime_text;
	o.tee_pubkey = key_text;
	return err < 0 ? err : ear_print(v, &o, ret, why);
}

static MUST_USE int claims_check(
	const struct tokens *t, const json_t *claims, int64_t now, struct why *why)
{
	uint64_t expires = 0;
	const char *issuer = json_string_value(json_object_get(claims, "iss"));
	const char *profile = json_string_value(json_object_get(claims, "eat_profile"));

	if (profile == NULL || strcmp(profile, ear_profile(EAR_TRUSTEE)) != 0 ||
		(t->issuer != NULL && (issuer == NULL || strcmp(issuer, t->issuer) != 0)))
		return why_set(why, -EACCES, "the token is not one of this broker's");
	if (kbs_json_number(claims, "exp", INT64_MAX, &expires, NULL) < 0 ||
		now >= (int64_t)expires)
		return why_set(why, -EACCES, "the token has expired: start with auth");
	return 0;
}

int tokens_read(const struct tokens *t, const char *text, int64_t now, struct proof *ret,
	json_t **ret_key, struct why *why)
{
	const struct jws_trust trust = { .keys = &t->trusted, .at = (time_t)now };
	AUTO(jws) struct jws jws = { 0 };
	AUTO(kbs_json) json_t *claims = NULL;
	struct proof proof = { 0 };
	struct why cause = { 0 };

	int err = t->jwks == NULL ? -EACCES : jws_verify(text, strlen(text), &trust, &jws, &cause);
	if (err == 0 && !jws.is_verified)
		err = -EKEYREJECTED;
	if (err == 0)
		err = kbs_json_load(jws.payload, jws.payload_len, &claims, &cause);
	if (err < 0)
		return why_set(why, -EACCES, "the token is not one of this broker's: %s",
			why_text(&cause, err));
	err = claims_check(t, claims, now, why);
	if (err < 0)
		return err;
	const json_t *annotated = json_object_get(
		json_object_get(json_object_get(claims, "submods"), SUBMOD), ANNOTATED);
	const json_t *runtime = json_object_get(annotated, "runtime_data_claims");
	json_t *key = json_object_get(runtime, "tee-pubkey");
	if (proof_parse(json_object_get(runtime, "casemate"), &proof) < 0 ||
		kbs_key_check(key, true, NULL) < 0)
		return why_set(why, -EACCES, "the token is of another use: no proof in it");

	*ret = proof;
	*ret_key = json_incref(key);
	return 0;
}
