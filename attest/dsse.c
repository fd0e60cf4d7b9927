#include "attest/dsse.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attest/json_in.h"
#include "attest/token.h"
#include "base/b64.h"

#define VERDICT_TEXT 131072u /* the verdict as JSON: below 64 KiB */

/* Standard base 64, and URL-safe as some write it (DSSE, "Envelope"). */
static MUST_USE int either_b64_parse(const char *text, uint8_t **ret, size_t *ret_len)
{
	size_t len = strlen(text);
	uint8_t *buf = malloc(len + 1);

	if (buf == NULL)
		return -ENOMEM;
	int err = b64_parse(text, len, buf, len, ret_len);
	while (err < 0 && len > 0 && text[len - 1] == '=' && strlen(text) - len < 2)
		len--;
	if (err < 0)
		err = b64url_parse(text, len, buf, len, ret_len);
	if (err < 0) {
		free(buf);
		return -EBADMSG;
	}
	*ret = buf;
	return 0;
}

static char *b64_text(const void *bytes, size_t len)
{
	char *text = malloc(B64_TEXT_LEN(len) + 1);
	struct wr w = wr_of(text, text != NULL ? B64_TEXT_LEN(len) + 1 : 0);

	b64_print(&w, bytes, len);
	if (wr_end_str(&w) == 0)
		return text;
	free(text);
	return NULL;
}

/* PAE: what is signed. */
static MUST_USE int to_be_signed(
	const char *type, const void *payload, size_t len, uint8_t **ret, size_t *ret_len)
{
	size_t size = len + strlen(type) + 64;
	uint8_t *buf = malloc(size);
	struct wr w = wr_of(buf, buf != NULL ? size : 0);

	wr_printf(&w, "DSSEv1 %zu %s %zu ", strlen(type), type, len);
	wr_copy(&w, payload, len);
	if (wr_check(&w) < 0) {
		free(buf);
		return -ENOMEM;
	}
	*ret = buf;
	*ret_len = w.len;
	return 0;
}

int dsse_print(const struct jwk *key, const char *type, const void *payload, size_t len, char **ret,
	struct why *why)
{
	uint8_t sig[JWS_SIGNATURE_MAX], *bytes = NULL;
	size_t sig_len = sizeof sig, bytes_len = 0;
	int err = to_be_signed(type, payload, len, &bytes, &bytes_len);

	if (err == 0)
		err = jws_sign_evp(key, key->alg, bytes, bytes_len, sig, &sig_len);
	free(bytes);
	if (err < 0)
		return why_set(why, err, "the envelope cannot be signed");
	char *body = b64_text(payload, len), *sig_text = b64_text(sig, sig_len);
	AUTO(json_in)
	json_t *j = json_pack("{s:s, s:s, s:[{s:s, s:s}]}", "payloadType", type, "payload", body,
		"signatures", "keyid", key->kid, "sig", sig_text);
	free(body);
	free(sig_text);
	*ret = json_dumps(j, JSON_COMPACT);
	return *ret == NULL ? -ENOMEM : 0;
}

/* --- reading ----------------------------------------------------------------------------------- */

/* The algorithm nobody writes down: the one a key of this kind is used with. */
static enum jws_alg alg_of(const struct jwk *k)
{
	enum jws_alg a = k->alg == JWS_ALG_COUNT ? JWS_ES256 : k->alg;

	while (a < JWS_ALG_COUNT && !jws_alg_fits(a, k->key))
		a++;
	return a;
}

static MUST_USE int one_check(const json_t *sig, const struct jws_trust *t, const uint8_t *bytes,
	size_t len, struct dsse *s)
{
	const char *text = json_string_value(json_object_get(sig, "sig"));
	uint8_t *raw = NULL;
	size_t raw_len = 0;
	int err = text == NULL ? -EBADMSG : either_b64_parse(text, &raw, &raw_len);

	if (err < 0)
		return err;
	err = -EKEYREJECTED;
	for (size_t i = 0; i < t->keys->n && err < 0; i++) {
		const struct jwk *k = &t->keys->at[i];
		s->alg = alg_of(k);
		err = jws_verify_evp(k->key, s->alg, bytes, len, raw, raw_len);
		if (err == 0)
			(void)snprintf(s->signer, sizeof s->signer, "%s",
				k->kid[0] != '\0' ? k->kid : "key without an id");
	}
	free(raw);
	return err;
}

int dsse_verify(const uint8_t *text, size_t len, const struct jws_trust *trust, struct dsse *ret,
	struct why *why)
{
	AUTO(json_in) json_t *j = NULL;
	uint8_t *bytes = NULL;
	size_t bytes_len = 0;
	int err = json_in_parse(text, len, &j, why);

	if (err < 0)
		return err;
	const char *type = json_string_value(json_object_get(j, "payloadType"));
	const char *payload = json_string_value(json_object_get(j, "payload"));
	const json_t *sigs = json_object_get(j, "signatures");
	if (type == NULL || strlen(type) >= sizeof ret->type || payload == NULL ||
		json_array_size(sigs) == 0 || json_array_size(sigs) > LIMIT_TOKEN_KEYS)
		return why_set(why, -EBADMSG,
			"no DSSE envelope: want payloadType, payload and 1 to %u signatures",
			LIMIT_TOKEN_KEYS);
	err = either_b64_parse(payload, &ret->payload, &ret->payload_len);
	if (err < 0)
		return why_set(why, err, "the envelope's payload is no base 64");
	memcpy(ret->type, type, strlen(type) + 1);
	ret->alg = JWS_ALG_COUNT;
	if (trust->keys == NULL || trust->keys->n == 0)
		return !jws_trust_is_any(trust)
			       ? 0
			       : why_set(why, -EKEYREJECTED,
					 "an envelope carries no chain to a root: give its key");
	err = to_be_signed(type, ret->payload, ret->payload_len, &bytes, &bytes_len);
	if (err < 0)
		return err;
	err = -EKEYREJECTED;
	for (size_t i = 0; i < json_array_size(sigs) && err == -EKEYREJECTED; i++)
		err = one_check(json_array_get(sigs, i), trust, bytes, bytes_len, ret);
	free(bytes);
	ret->is_verified = err == 0;
	if (err == -EBADMSG)
		return why_set(why, err, "the envelope's signature is no base 64");
	return err < 0 ? why_set(why, err, "no signature of the envelope fits a trusted key") : 0;
}

/* --- the statement ----------------------------------------------------------------------------- */

static json_t *time_json(time_t at)
{
	char text[32];
	struct tm tm;

	if (gmtime_r(&at, &tm) == NULL ||
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return NULL;
	return json_string(text);
}

static MUST_USE int verdict_json(const struct verdict *v, json_t **ret)
{
	char *text = malloc(VERDICT_TEXT);
	struct wr w = wr_of(text, text != NULL ? VERDICT_TEXT : 0);

	verdict_print_json(v, &w);
	*ret = wr_check(&w) == 0 ? json_loadb(text, w.len, 0, NULL) : NULL;
	free(text);
	return *ret == NULL ? -ENOMEM : 0;
}

static json_t *subject_json(struct attest_blob evidence)
{
	static const char *const names[] = { "sha256", "sha384" };
	json_t *digests = json_object();

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint8_t hash[EVP_MAX_MD_SIZE];
		char text[2 * EVP_MAX_MD_SIZE + 1];
		size_t len = 0;
		if (EVP_Q_digest(NULL, names[i], NULL, evidence.p, evidence.len, hash, &len) != 1) {
			json_decref(digests);
			return NULL;
		}
		wr_hex_str(text, sizeof text, hash, len);
		(void)json_object_set_new(digests, names[i], json_string(text));
	}
	return json_pack("[{s:s, s:o}]", "name", "evidence", "digest", digests);
}

int dsse_print_verdict(
	const struct verdict *v, const struct ear_options *o, char **ret, struct why *why)
{
	AUTO(json_in) json_t *verdict = NULL;

	if (o->key == NULL || o->raw_evidence.len == 0)
		return why_set(
			why, -EINVAL, "a statement wants a key and the evidence it is about");
	int err = verdict_json(v, &verdict);
	if (err < 0)
		return err;
	AUTO(json_in)
	json_t *predicate = json_pack("{s:{s:s, s:s}, s:o, s:{s:s}, s:O}", "verifier", "id",
		o->developer != NULL ? o->developer : EAR_DEVELOPER, "version",
		o->build != NULL ? o->build : EAR_BUILD, "timeVerified", time_json(o->issued_at),
		"policy", "uri", o->policy_id != NULL ? o->policy_id : EAR_POLICY, "verdict",
		verdict);
	if (predicate != NULL && o->expires != 0)
		(void)json_object_set_new(predicate, "timeExpires", time_json(o->expires));
	AUTO(json_in)
	json_t *statement = json_pack("{s:s, s:o, s:s, s:O}", "_type", STATEMENT_TYPE, "subject",
		subject_json(o->raw_evidence), "predicateType", STATEMENT_VERDICT, "predicate",
		predicate);
	char *text = statement != NULL ? json_dumps(statement, JSON_COMPACT) : NULL;
	if (text == NULL)
		return -ENOMEM;
	err = dsse_print(o->key, DSSE_IN_TOTO, text, strlen(text), ret, why);
	free(text);
	return err;
}

/* RFC 3339 in UTC; 0 when it is none. */
static int64_t time_parse(const json_t *j)
{
	const char *text = json_string_value(j), *end = NULL;
	struct tm tm = { 0 };

	if (text != NULL)
		end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return end != NULL && *end == '\0' ? (int64_t)timegm(&tm) : 0;
}

static enum verdict_status status_parse(const json_t *j)
{
	const char *text = json_string_value(j);

	for (enum verdict_status s = VERDICT_NONE; text != NULL && s < VERDICT_STATUS_COUNT; s++)
		if (strcmp(verdict_status_name(s), text) == 0)
			return s;
	return VERDICT_STATUS_COUNT;
}

static void rows_judge(const json_t *verdict, struct token *t)
{
	const json_t *rows = json_object_get(verdict, "rows");
	enum verdict_status said = status_parse(json_object_get(verdict, "verdict"));
	enum verdict_status worst = VERDICT_NONE;
	bool is_known = said < VERDICT_STATUS_COUNT && json_array_size(rows) > 0;

	for (size_t i = 0; i < json_array_size(rows); i++) {
		enum verdict_status s =
			status_parse(json_object_get(json_array_get(rows, i), "status"));
		is_known = is_known && s < VERDICT_STATUS_COUNT;
		worst = MAX(worst, s);
	}
	if (!is_known) {
		token_set(t, TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED, "", "",
			"the statement's verdict has no rows or unknown words");
		return;
	}
	const char *name = verdict_status_name(said);
	const char *trust = json_string_value(json_object_get(verdict, "trust_class"));
	claims_add_text(&t->claims, "trust_class", trust != NULL ? trust : "");
	token_set(t, TOKEN_ROW_RESULT, said, "", name, "%s", "");
	if (said < worst)
		token_set(t, TOKEN_ROW_VECTOR, VERDICT_CONTRAINDICATED, verdict_status_name(worst),
			name, "the verdict is better than its worst row");
	else
		token_set(t, TOKEN_ROW_VECTOR, VERDICT_AFFIRMING, "", "", "%s", "");
}

int token_judge_statement(
	const struct token_inputs *in, const char *payload_type, struct token *t, struct why *why)
{
	const json_t *predicate = json_object_get(t->body, "predicate");
	const char *type = json_string_value(json_object_get(t->body, "_type"));
	const char *what = json_string_value(json_object_get(t->body, "predicateType"));
	const json_t *subject = json_array_get(json_object_get(t->body, "subject"), 0);
	const char *digest =
		json_string_value(json_object_get(json_object_get(subject, "digest"), "sha256"));

	if (strcmp(payload_type, DSSE_IN_TOTO) != 0 || type == NULL ||
		strcmp(type, STATEMENT_TYPE) != 0)
		return why_set(
			why, -EBADMSG, "the envelope holds no in-toto statement (version 1)");
	if (what == NULL || strcmp(what, STATEMENT_VERDICT) != 0)
		token_set(t, TOKEN_ROW_PROFILE, VERDICT_CONTRAINDICATED, STATEMENT_VERDICT,
			what != NULL ? what : "", "a predicate of an unknown type");
	else
		token_set(t, TOKEN_ROW_PROFILE, VERDICT_AFFIRMING, "", what, "%s", "");
	if (digest == NULL || json_array_size(json_object_get(t->body, "subject")) != 1)
		token_set(t, TOKEN_ROW_RESULT, VERDICT_CONTRAINDICATED, "", "",
			"the statement does not say which one piece of evidence it is about");
	else
		claims_add_text(&t->claims, "evidence_sha256", digest);
	const json_t *expires = json_object_get(predicate, "timeExpires");
	if (expires != NULL && time_parse(expires) == 0)
		token_set(t, TOKEN_ROW_TIME, VERDICT_CONTRAINDICATED, "", "",
			"timeExpires is no time");
	token_judge_time(t, in->trust.at, time_parse(json_object_get(predicate, "timeVerified")), 0,
		time_parse(expires));
	token_judge_issuer(in, t,
		json_string_value(json_object_get(json_object_get(predicate, "verifier"), "id")));
	rows_judge(json_object_get(predicate, "verdict"), t);
	if (in->nonce.len > 0)
		token_set(t, TOKEN_ROW_NONCE, VERDICT_CONTRAINDICATED, "", "",
			"a statement carries no nonce");
	return 0;
}
