#include "attest/ear.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "attest/json_in.h"
#include "attest/jws.h"
#include "base/b64.h"
#include "base/wr.h"

#define VERDICT_TEXT 131072u /* the verdict as JSON: below 64 KiB */

static const char *const claim_names[EAR_CLAIM_COUNT] = {
#define EAR_CLAIM_NAME(id, name) [EAR_##id] = name,
	EAR_CLAIMS(EAR_CLAIM_NAME)
#undef EAR_CLAIM_NAME
};

static const char *const profiles[EAR_FORM_COUNT] = {
	[EAR_DRAFT] = "tag:ietf.org,2026:rats/ear#03",
	[EAR_VERAISON] = "tag:github.com,2023:veraison/ear",
	[EAR_TRUSTEE] = "tag:github.com,2024:confidential-containers/Trustee",
};

/*
 * What a row says in AR4SI's words. The numbers are the codes of attestation.md, 11.2: 2 is each
 * claim's "as it should be", executables' 3 "approved at boot", 32 the start of the warning tier
 * (executables' 33 "not recognised"), 96 that of the contraindicated one, 97 "not recognised", 99
 * "a signature or MAC is wrong".
 */
static const struct {
	int8_t claim, affirming, warning, contraindicated;
} meanings[ROW_COUNT] = {
	[ROW_SIGNATURE] = { EAR_HARDWARE, 2, 32, 99 },
	[ROW_CHAIN] = { EAR_HARDWARE, 2, 32, 97 },
	[ROW_TRUST] = { EAR_HARDWARE, 2, 32, 97 },
	[ROW_REVOCATION] = { EAR_HARDWARE, 2, 32, 96 },
	[ROW_PRODUCT] = { EAR_HARDWARE, 2, 32, 97 },
	[ROW_TCB] = { EAR_HARDWARE, 2, 32, 96 },
	[ROW_CHIP_ID] = { EAR_IDENTITY, 2, 32, 97 },
	[ROW_DEBUG] = { EAR_RUNTIME, 2, 32, 96 },
	[ROW_MIGRATION] = { EAR_CONFIGURATION, 2, 32, 96 },
	[ROW_POLICY] = { EAR_CONFIGURATION, 2, 32, 96 },
	[ROW_MEASUREMENT] = { EAR_EXECUTABLES, 3, 33, 96 },
	[ROW_REPORT_DATA] = { EAR_IDENTITY, 2, 32, 96 },
	[ROW_HOST_DATA] = { EAR_CONFIGURATION, 2, 32, 96 },
	[ROW_VMPL] = { EAR_CONFIGURATION, 2, 32, 96 },
	[ROW_PLATFORM_INFO] = { EAR_CONFIGURATION, 2, 32, 96 },
	[ROW_ID_KEY] = { EAR_EXECUTABLES, 3, 33, 96 },
	[ROW_AUTHOR_KEY] = { EAR_EXECUTABLES, 3, 33, 96 },
	[ROW_COLLATERAL] = { EAR_HARDWARE, 2, 32, 97 },
	[ROW_QE] = { EAR_HARDWARE, 2, 32, 97 },
	[ROW_MODULE] = { EAR_HARDWARE, 2, 32, 96 },
	[ROW_RTMR] = { EAR_EXECUTABLES, 3, 33, 96 },
	[ROW_OWNER] = { EAR_CONFIGURATION, 2, 32, 96 },
	[ROW_PCRS] = { EAR_EXECUTABLES, 3, 33, 96 },
	[ROW_EVENT_LOG] = { EAR_EXECUTABLES, 3, 33, 96 },
	[ROW_IMA] = { EAR_FILE_SYSTEM, 2, 32, 96 },
	[ROW_BINDING] = { EAR_IDENTITY, 2, 32, 96 },
};

const char *ear_claim_name(enum ear_claim claim)
{
	return claim < EAR_CLAIM_COUNT ? claim_names[claim] : "?";
}

const char *ear_profile(enum ear_form form)
{
	return form < EAR_FORM_COUNT ? profiles[form] : "?";
}

enum verdict_status ear_tier(int value)
{
	if (value >= -1 && value <= 1)
		return VERDICT_NONE;
	if (value >= -32 && value <= 31)
		return VERDICT_AFFIRMING;
	return value >= -96 && value <= 95 ? VERDICT_WARNING : VERDICT_CONTRAINDICATED;
}

void ear_vector(const struct verdict *v, int8_t ret[EAR_CLAIM_COUNT])
{
	memset(ret, 0, EAR_CLAIM_COUNT);
	for (enum verdict_row_id r = 0; r < ROW_COUNT; r++) {
		const int8_t values[VERDICT_STATUS_COUNT] = { 0, meanings[r].affirming,
			meanings[r].warning, meanings[r].contraindicated };
		int8_t value = values[v->rows[r].status];
		/* A simulated root speaks for no hardware: nothing good is said about any. */
		bool is_of_hardware =
			meanings[r].claim == EAR_HARDWARE || meanings[r].claim == EAR_RUNTIME;
		if (is_of_hardware && v->trust != TRUST_HARDWARE &&
			ear_tier(value) == VERDICT_AFFIRMING)
			continue;
		if (ear_tier(value) > ear_tier(ret[meanings[r].claim]))
			ret[meanings[r].claim] = value;
	}
}

enum verdict_status ear_status(const struct verdict *v, const int8_t vector[EAR_CLAIM_COUNT])
{
	enum verdict_status worst = v->overall;

	for (enum ear_claim c = 0; c < EAR_CLAIM_COUNT; c++)
		worst = MAX(worst, ear_tier(vector[c]));
	return worst;
}

/* --- the token --------------------------------------------------------------------------------- */

/* Names of the members, in the draft's spelling and in the dotted one. */
enum name { N_VERIFIER, N_RAW, N_STATUS, N_VECTOR, NAME_COUNT };
static const char *const names[2][NAME_COUNT] = {
	{ "ear_verifier_id", "ear_raw_evidence", "ear_status", "ear_trustworthiness_vector" },
	{ "ear.verifier-id", "ear.raw-evidence", "ear.status", "ear.trustworthiness-vector" },
};

static const char *name_of(const struct ear_options *o, enum name n)
{
	return names[o->form != EAR_DRAFT][n];
}

/* base64url as a JSON string; NULL without memory. */
static json_t *b64_json(struct attest_blob b)
{
	size_t size = B64_TEXT_LEN(b.len);
	char *text = malloc(size + 1);
	struct wr w = wr_of(text, text != NULL ? size : 0);

	b64url_print(&w, b.p, b.len);
	json_t *j = text != NULL ? json_stringn(text, w.len) : NULL;
	free(text);
	return j;
}

static json_t *vector_json(const struct ear_options *o, const int8_t v[EAR_CLAIM_COUNT])
{
	json_t *j = json_object();

	/* The draft leaves out what is not claimed; CoCo's policies read all eight. */
	for (enum ear_claim c = 0; c < EAR_CLAIM_COUNT; c++)
		if (v[c] != 0 || o->form == EAR_TRUSTEE)
			(void)json_object_set_new(j, claim_names[c], json_integer(v[c]));
	return j;
}

/* A JSON text of the caller's; nothing for NULL. */
static MUST_USE int option_json(const char *what, const char *text, json_t **ret, struct why *why)
{
	int err = text == NULL ? 0 : json_in_parse(text, strlen(text), ret, why);

	if (err == -EBADMSG)
		err = -EINVAL;
	return err < 0 ? why_prefix(why, err, "%s", what) : 0;
}

/* The claims as verdict prints them, as a tree. */
static MUST_USE int claims_json(const struct verdict *v, json_t **ret)
{
	char *text = malloc(VERDICT_TEXT);
	struct wr w = wr_of(text, text != NULL ? VERDICT_TEXT : 0);

	json_t *root = NULL;
	wr_str(&w, "{");
	claims_print_json(&v->claims, "claims", &w);
	wr_str(&w, "}");
	if (wr_check(&w) == 0)
		root = json_loadb(text, w.len, 0, NULL);
	free(text);
	*ret = json_incref(json_object_get(root, "claims"));
	json_decref(root);
	return *ret == NULL ? -ENOMEM : 0;
}

/* The claim as hexadecimal text; null when the evidence has none of that name. */
static json_t *claim_hex(const struct verdict *v, const char *name)
{
	const struct claim *c = claims_find(&v->claims, name);
	char text[2 * CLAIM_VALUE_MAX + 1];

	if (c == NULL || c->type != CLAIM_BYTES)
		return json_null();
	wr_hex_str(text, sizeof text, c->bytes, c->len);
	return json_string(text);
}

/* attestation.md, 12.5: {<tee>: claims, report_data, init_data, ..._claims}. */
static MUST_USE int annotated_add(const struct verdict *v, const struct ear_options *o,
	json_t *appraisal, json_t *root, struct why *why)
{
	AUTO(json_in) json_t *claims = NULL;
	AUTO(json_in) json_t *runtime = NULL;
	AUTO(json_in) json_t *init = NULL;
	AUTO(json_in) json_t *key = NULL;
	int err = option_json("runtime data", o->runtime_data, &runtime, why);

	if (err == 0)
		err = option_json("init data", o->init_data_claims, &init, why);
	if (err == 0)
		err = option_json("tee-pubkey", o->tee_pubkey, &key, why);
	if (err == 0)
		err = claims_json(v, &claims);
	if (err < 0)
		return err;
	if (key != NULL && runtime == NULL)
		runtime = json_object();
	if (key != NULL && (json_object_set(runtime, "tee-pubkey", key) < 0 ||
				   json_object_set(root, "tee-pubkey", key) < 0))
		return -ENOMEM;
	const char *init_data = v->kind == EVIDENCE_TDX ? "mr_config_id" : "host_data";
	json_t *j = json_pack("{s:O, s:o, s:o, s:O?, s:O?}",
		o->tee != NULL ? o->tee : evidence_kind_name(v->kind), claims, "report_data",
		claim_hex(v, "report_data"), "init_data", claim_hex(v, init_data),
		"runtime_data_claims", runtime, "init_data_claims", init);
	return json_object_set_new(appraisal, "ear.veraison.annotated-evidence", j) < 0 ? -ENOMEM
											: 0;
}

static json_t *appraisal_json(const struct verdict *v, const struct ear_options *o)
{
	int8_t vector[EAR_CLAIM_COUNT];
	const char *policy = o->policy_id != NULL ? o->policy_id : EAR_POLICY;
	json_t *j = json_object();

	ear_vector(v, vector);
	json_t *values = vector_json(o, vector);
	int err = json_object_set_new(
		j, name_of(o, N_STATUS), json_string(verdict_status_name(ear_status(v, vector))));
	/* An empty vector is none: a claim at least, says the draft. */
	if (json_object_size(values) > 0)
		err |= json_object_set(j, name_of(o, N_VECTOR), values);
	json_decref(values);
	if (o->form == EAR_DRAFT)
		err |= json_object_set_new(j, "ear_appraisal_policy_ids", json_pack("[s]", policy));
	else
		err |= json_object_set_new(j, "ear.appraisal-policy-id", json_string(policy));
	if (err < 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static MUST_USE int root_fill(
	const struct verdict *v, const struct ear_options *o, json_t *root, struct why *why)
{
	json_t *appraisal = appraisal_json(v, o);
	int err = json_object_set_new(root, "eat_profile", json_string(profiles[o->form]));

	err |= json_object_set_new(root, "iat", json_integer(o->issued_at));
	if (o->expires != 0)
		err |= json_object_set_new(root, "exp", json_integer(o->expires));
	if (o->issuer != NULL)
		err |= json_object_set_new(root, "iss", json_string(o->issuer));
	err |= json_object_set_new(root, name_of(o, N_VERIFIER),
		json_pack("{s:s, s:s}", "developer",
			o->developer != NULL ? o->developer : EAR_DEVELOPER, "build",
			o->build != NULL ? o->build : EAR_BUILD));
	if (o->raw_evidence.len > 0)
		err |= json_object_set_new(root, name_of(o, N_RAW), b64_json(o->raw_evidence));
	if (o->nonce.len > 0)
		err |= json_object_set_new(root, "eat_nonce", b64_json(o->nonce));
	err |= json_object_set_new(root, "submods",
		json_pack("{s:O}", o->submod != NULL ? o->submod : "cpu0", appraisal));
	if (err == 0 && o->form == EAR_TRUSTEE)
		err = annotated_add(v, o, appraisal, root, why);
	json_decref(appraisal);
	return err == -1 ? -ENOMEM : err;
}

int ear_print(const struct verdict *v, const struct ear_options *o, char **ret, struct why *why)
{
	AUTO(json_in) json_t *root = json_object();

	if (o->form >= EAR_FORM_COUNT || o->key == NULL || o->key->key == NULL)
		return why_set(why, -EINVAL, "a token wants a form and a key");
	if (o->nonce.len != 0 && (o->nonce.len < EAR_NONCE_MIN || o->nonce.len > EAR_NONCE_MAX))
		return why_set(why, -EINVAL, "a nonce of %zu bytes, want %u to %u", o->nonce.len,
			EAR_NONCE_MIN, EAR_NONCE_MAX);
	if (o->expires != 0 && o->expires <= o->issued_at)
		return why_set(why, -EINVAL, "the token would expire before it is issued");
	int err = root == NULL ? -ENOMEM : root_fill(v, o, root, why);
	if (err < 0)
		return err;
	char *text = json_dumps(root, JSON_COMPACT);
	if (text == NULL)
		return -ENOMEM;
	err = jws_sign(o->key, "JWT", o->x5c, text, strlen(text), ret, why);
	free(text);
	return err;
}
