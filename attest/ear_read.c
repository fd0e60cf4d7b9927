/* Reads what ear.c and others write: token_judge_ear() of token.h. */
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "attest/ear.h"
#include "attest/token.h"
#include "base/b64.h"
#include "base/limits.h"
#include "base/wr.h"

/* The names of one thing: the draft's, Veraison's and CoCo's, the CBOR label (attestation.md, 11.1). */
enum name {
	ISSUER,
	EXP,
	NBF,
	IAT,
	NONCE,
	PROFILE,
	SUBMODS,
	VERIFIER,
	DEVELOPER,
	BUILD,
	STATUS,
	VECTOR,
	KEY_ATTESTATION,
	AKPUB,
	NAME_COUNT
};
static const char *const names[NAME_COUNT][3] = {
	[ISSUER] = { "iss", "iss", "1" },
	[EXP] = { "exp", "exp", "4" },
	[NBF] = { "nbf", "nbf", "5" },
	[IAT] = { "iat", "iat", "6" },
	[NONCE] = { "eat_nonce", "eat_nonce", "10" },
	[PROFILE] = { "eat_profile", "eat_profile", "265" },
	[SUBMODS] = { "submods", "submods", "266" },
	[VERIFIER] = { "ear_verifier_id", "ear.verifier-id", "1004" },
	[DEVELOPER] = { "developer", "developer", "0" },
	[BUILD] = { "build", "build", "1" },
	[STATUS] = { "ear_status", "ear.status", "1000" },
	[VECTOR] = { "ear_trustworthiness_vector", "ear.trustworthiness-vector", "1001" },
	[KEY_ATTESTATION] = { "ear_veraison_key_attestation", "ear.veraison.key-attestation",
		"-70002" },
	[AKPUB] = { "akpub", "akpub", "akpub" },
};

/* What the judges share. */
struct ear_in {
	const struct token_inputs *in;
	struct token *t;
	unsigned int spelling; /* column of names */
};

static const json_t *get(const struct ear_in *e, const json_t *j, enum name n)
{
	return json_object_get(j, names[n][e->spelling]);
}

static void text_claim(struct token *t, const char *name, const json_t *j)
{
	char text[200];
	const char *s = json_string_value(j);

	if (s == NULL)
		return;
	(void)snprintf(text, sizeof text, "%s", s);
	claims_add_text(&t->claims, name, text);
}

/* --- time, nonce ------------------------------------------------------------------------------- */

/* Seconds since 1970; 0 when it is not there. A value that is none is a bad token. */
static int64_t seconds(const struct ear_in *e, enum name n)
{
	const json_t *j = get(e, e->t->body, n);

	if (j == NULL)
		return 0;
	if (json_is_integer(j) && json_integer_value(j) > 0)
		return json_integer_value(j);
	if (json_is_real(j) && json_real_value(j) >= 1 && json_real_value(j) < 1e15)
		return (int64_t)json_real_value(j);
	token_set(e->t, TOKEN_ROW_TIME, VERDICT_CONTRAINDICATED, "", "", "%s is no time",
		names[n][0]);
	return 0;
}

static void time_judge(const struct ear_in *e)
{
	token_judge_time(e->t, e->in->trust.at, seconds(e, IAT), seconds(e, NBF), seconds(e, EXP));
}

/* One nonce: 8 to 64 bytes, base64url or text; returns whether it is the one asked for. */
static bool nonce_judge_one(const struct ear_in *e, const json_t *j)
{
	const char *text = json_string_value(j);
	uint8_t bytes[EAR_NONCE_MAX];
	size_t len = 0;

	if (text == NULL || strlen(text) < EAR_NONCE_MIN ||
		strlen(text) > EAR_NONCE_MAX * 4 / 3 + 2) {
		token_set(e->t, TOKEN_ROW_NONCE, VERDICT_CONTRAINDICATED, "",
			text != NULL ? text : "", "eat_nonce is no text of 8 to 87 characters");
		return false;
	}
	/* Text that is no base64url stands for itself. */
	if (b64url_parse(text, strlen(text), bytes, sizeof bytes, &len) < 0)
		len = 0;
	const struct attest_blob *want = &e->in->nonce;
	if (want->len == 0)
		return false;
	return (len == want->len && memcmp(bytes, want->p, len) == 0) ||
	       (strlen(text) == want->len && memcmp(text, want->p, want->len) == 0);
}

static void nonce_judge(const struct ear_in *e, const json_t *nonce)
{
	char want[VERDICT_VALUE_MAX];
	bool is_found = false;

	for (size_t i = 0; i < json_array_size(nonce); i++)
		is_found |= nonce_judge_one(e, json_array_get(nonce, i));
	if (nonce != NULL && !json_is_array(nonce))
		is_found = nonce_judge_one(e, nonce);
	if (e->in->nonce.len == 0)
		return;
	wr_hex_str(want, sizeof want, e->in->nonce.p, e->in->nonce.len);
	if (is_found)
		token_set(e->t, TOKEN_ROW_NONCE, VERDICT_AFFIRMING, want, want, "%s", "");
	else
		token_set(e->t, TOKEN_ROW_NONCE, VERDICT_CONTRAINDICATED, want, "",
			nonce == NULL ? "the token carries no nonce"
				      : "the token was made for another nonce");
}

/* --- appraisals -------------------------------------------------------------------------------- */

/* A status: its number or its name. */
static bool status_read(const json_t *j, enum verdict_status *ret)
{
	static const int numbers[VERDICT_STATUS_COUNT] = { 0, 2, 32, 96 };
	const char *text = json_string_value(j);

	for (enum verdict_status s = VERDICT_NONE; s < VERDICT_STATUS_COUNT; s++) {
		if ((text != NULL && strcmp(text, verdict_status_name(s)) == 0) ||
			(json_is_integer(j) && json_integer_value(j) == numbers[s])) {
			*ret = s;
			return true;
		}
	}
	return false;
}

static const char *claim_shown(const char *name)
{
	bool is_number = name[0] >= '0' && name[0] < '0' + EAR_CLAIM_COUNT && name[1] == '\0';

	return is_number ? ear_claim_name((enum ear_claim)(name[0] - '0')) : name;
}

/* Each claim an int8, none in a worse tier than the status. Tiers are the same for all claims, so
 * one that is not known counts, too. */
static void vector_judge(
	const struct ear_in *e, const char *submod, json_t *vector, enum verdict_status status)
{
	const char *name = NULL;
	json_t *j = NULL;

	if (vector == NULL)
		return;
	if (!json_is_object(vector)) {
		token_set(e->t, TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED, "", "",
			"%.60s: the trustworthiness vector is no map", submod);
		return;
	}
	json_object_foreach(vector, name, j)
	{
		json_int_t v = json_integer_value(j);
		const char *shown = claim_shown(name);
		if (!json_is_integer(j) || v < INT8_MIN || v > INT8_MAX) {
			token_set(e->t, TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED, "", "",
				"%.60s: %.60s is no number from -128 to 127", submod, shown);
			continue;
		}
		if (ear_tier((int)v) > status)
			token_set(e->t, TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED,
				verdict_status_name(ear_tier((int)v)), verdict_status_name(status),
				"%.60s: the status is better than its claim %.60s (%d)", submod,
				shown, (int)v);
	}
	token_set(e->t, TOKEN_ROW_VECTOR, VERDICT_AFFIRMING, "", "", "%s", "");
}

/* Veraison's: the key that the guest was shown to hold, SubjectPublicKeyInfo (11.1). */
static bool is_key_attestation(const struct ear_in *e, const json_t *j)
{
	const json_t *akpub = get(e, j, AKPUB);
	uint8_t der[LIMIT_TOKEN_AKPUB_BYTES];
	const unsigned char *at = der;
	size_t len = 0;

	if (akpub == NULL || b64url_parse(json_string_value(akpub), json_string_length(akpub), der,
				     sizeof der, &len) < 0)
		return false;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)len);
	EVP_PKEY_free(key);
	return key != NULL && at == der + len;
}

static enum verdict_status appraisal_judge(
	const struct ear_in *e, const char *submod, const json_t *appraisal)
{
	enum verdict_status status = VERDICT_CONTRAINDICATED;

	if (!status_read(get(e, appraisal, STATUS), &status)) {
		token_set(e->t, TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED, "", "",
			"%.60s has no status, or one that is not known", submod);
		return VERDICT_CONTRAINDICATED;
	}
	vector_judge(e, submod, json_object_get(appraisal, names[VECTOR][e->spelling]), status);
	if (get(e, appraisal, SUBMODS) != NULL) /* EAR has one level; nobody would judge a second */
		token_set(e->t, TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED, "", "",
			"%.60s holds appraisals of its own", submod);
	const json_t *attested = get(e, appraisal, KEY_ATTESTATION);
	if (attested != NULL && !is_key_attestation(e, attested))
		token_set(e->t, TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED, "akpub", "",
			"%.60s: the key attestation holds no public key", submod);
	if (status >= VERDICT_WARNING)
		token_set(e->t, TOKEN_ROW_RESULT, status, "", verdict_status_name(status),
			"%.60s was appraised as %s", submod, verdict_status_name(status));
	return status;
}

static void submods_judge(const struct ear_in *e, json_t *submods)
{
	const char *name = NULL;
	json_t *j = NULL;
	bool is_any_silent = false;

	if (json_object_size(submods) == 0) {
		token_set(e->t, TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED, "", "",
			"the token appraises nothing: submods is missing or empty");
		return;
	}
	json_object_foreach(submods, name, j)
	{
		is_any_silent |= appraisal_judge(e, name, j) == VERDICT_NONE;
	}
	/* One that says nothing is no yes. */
	if (!is_any_silent)
		token_set(e->t, TOKEN_ROW_RESULT, VERDICT_AFFIRMING, "", "affirming", "%s", "");
}

static void ear_judge(struct ear_in *e, const char *profile)
{
	enum ear_form form = EAR_DRAFT;

	while (form < EAR_FORM_COUNT && strcmp(ear_profile(form), profile) != 0)
		form++;
	text_claim(e->t, "profile", get(e, e->t->body, PROFILE));
	if (form == EAR_FORM_COUNT) {
		token_set(e->t, TOKEN_ROW_PROFILE, VERDICT_CONTRAINDICATED, ear_profile(EAR_DRAFT),
			profile, "the token's profile is not known");
		form = EAR_DRAFT;
	}
	token_set(e->t, TOKEN_ROW_PROFILE, VERDICT_AFFIRMING, "", profile, "%s", "");
	if (e->spelling != 2)
		e->spelling = form != EAR_DRAFT;
	const json_t *verifier = get(e, e->t->body, VERIFIER);
	text_claim(e->t, "verifier_developer", get(e, verifier, DEVELOPER));
	text_claim(e->t, "verifier_build", get(e, verifier, BUILD));
	submods_judge(e, json_object_get(e->t->body, names[SUBMODS][e->spelling]));
	nonce_judge(e, get(e, e->t->body, NONCE));
}

/* --- Azure (attestation.md, 14.4) -------------------------------------------------------------- */

static void azure_judge(const struct ear_in *e)
{
	static const char *const shown[][2] = {
		{ "x-ms-sevsnpvm-launchmeasurement", "measurement" },
		{ "x-ms-sevsnpvm-hostdata", "host_data" },
		{ "x-ms-sevsnpvm-reportdata", "report_data" },
	};
	const json_t *tee = json_object_get(e->t->body, "x-ms-isolation-tee");
	const char *status = json_string_value(json_object_get(tee, "x-ms-compliance-status"));
	const json_t *client =
		json_object_get(json_object_get(e->t->body, "x-ms-runtime"), "client-payload");
	const char *type = json_string_value(json_object_get(tee, "x-ms-attestation-type"));
	bool is_snp = type != NULL && strcmp(type, "sevsnpvm") == 0;
	const json_t *debug = json_object_get(
		tee, is_snp ? "x-ms-sevsnpvm-is-debuggable" : "tdx_td_attributes_debug");

	token_set(e->t, TOKEN_ROW_PROFILE, VERDICT_AFFIRMING, "", "Azure attestation", "%s", "");
	text_claim(e->t, "tee", json_object_get(tee, "x-ms-attestation-type"));
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		text_claim(e->t, shown[i][1], json_object_get(tee, shown[i][0]));
	if (status == NULL || strcmp(status, "azure-compliant-cvm") != 0)
		token_set(e->t, TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED, "azure-compliant-cvm",
			status != NULL ? status : "", "not found to be a confidential VM");
	else if (json_is_true(debug))
		token_set(e->t, TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED, "", "debuggable",
			"the host may read the guest's memory");
	else if (!json_is_false(debug))
		token_set(e->t, TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED, "not debuggable", "",
			"the token does not say whether the host may read the guest's memory");
	else
		token_set(e->t, TOKEN_ROW_RESULT, VERDICT_AFFIRMING, "", status, "%s", "");
	nonce_judge(e, json_object_get(client, "nonce"));
}

void token_judge_ear(const struct token_inputs *in, bool is_cbor, struct token *t)
{
	struct ear_in e = { .in = in, .t = t, .spelling = is_cbor ? 2 : 0 };
	const char *profile = json_string_value(get(&e, t->body, PROFILE));

	time_judge(&e);
	text_claim(t, "issuer", get(&e, t->body, ISSUER));
	token_judge_issuer(in, t, json_string_value(get(&e, t->body, ISSUER)));
	if (get(&e, t->body, PROFILE) == NULL && !is_cbor &&
		json_object_get(t->body, "x-ms-attestation-type") != NULL)
		azure_judge(&e);
	else
		ear_judge(&e, profile != NULL ? profile : "");
}
