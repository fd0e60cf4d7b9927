#include "attest/token.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cose.h"
#include "attest/dsse.h"
#include "attest/json_in.h"
#include "attest/json_out.h"

#define SKEW_S 60 /* clocks of two machines with NTP differ by less; RFC 7519, 4.1.4 */

static const char *const row_names[TOKEN_ROW_COUNT] = {
#define TOKEN_ROW_NAME(id, name) [TOKEN_ROW_##id] = name,
	TOKEN_ROWS(TOKEN_ROW_NAME)
#undef TOKEN_ROW_NAME
};

static const char *const form_names[TOKEN_FORM_COUNT] = {
	[TOKEN_JWT] = "jwt",
	[TOKEN_CWT] = "cwt",
	[TOKEN_DSSE] = "dsse",
};

void token_done(struct token *t)
{
	json_decref(t->body);
	t->body = NULL;
}

void token_set(struct token *t, enum token_row_id row, enum verdict_status status,
	const char *expected, const char *actual, const char *why, ...)
{
	char text[VERDICT_WHY_MAX];
	va_list ap;

	va_start(ap, why);
	(void)vsnprintf(text, sizeof text, why, ap);
	va_end(ap);
	verdict_row_set(&t->rows[row], status, expected, actual, text);
}

static void time_text(int64_t at, char ret[32])
{
	time_t t = (time_t)at;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(ret, 32, "%lld", (long long)at);
}

void token_judge_time(
	struct token *t, time_t at, int64_t issued, int64_t not_before, int64_t expires)
{
	char now[32], when[32];
	int64_t latest = (int64_t)at + SKEW_S;

	time_text(at, now);
	time_text(expires, when);
	if (expires != 0 && expires <= (int64_t)at)
		token_set(t, TOKEN_ROW_TIME, VERDICT_CONTRAINDICATED, now, when, "expired at %s",
			when);
	else if (expires != 0)
		token_set(t, TOKEN_ROW_TIME, VERDICT_AFFIRMING, now, when, "%s", "");
	else
		token_set(t, TOKEN_ROW_TIME, VERDICT_AFFIRMING, now, "", "it never expires");
	time_text(MAX(issued, not_before), when);
	if (MAX(issued, not_before) > latest)
		token_set(t, TOKEN_ROW_TIME, VERDICT_CONTRAINDICATED, now, when,
			"not valid yet: issued or valid from %s", when);
	if (issued == 0)
		token_set(t, TOKEN_ROW_TIME, VERDICT_CONTRAINDICATED, now, "",
			"it does not say when it was issued (iat)");
}

void token_judge_issuer(const struct token_inputs *in, struct token *t, const char *issuer)
{
	const char *actual = issuer != NULL ? issuer : "";

	for (size_t i = 0; i < in->n_issuers && issuer != NULL; i++)
		if (strcmp(in->issuers[i], actual) == 0) {
			token_set(t, TOKEN_ROW_ISSUER, VERDICT_AFFIRMING, "", actual, "%s", "");
			return;
		}
	if (in->n_issuers > 0)
		token_set(t, TOKEN_ROW_ISSUER, VERDICT_CONTRAINDICATED, in->issuers[0], actual,
			issuer != NULL ? "somebody else issued the token"
				       : "the token does not say who issued it");
	else
		token_set(t, TOKEN_ROW_ISSUER, VERDICT_NONE, "", actual, "not asked (--issuer)");
}

/* --- the three envelopes ----------------------------------------------------------------------- */

/* What a check of a signature came to, as the row. Errors that are no answer are passed on. */
static MUST_USE int signature_row(struct token *t, int err, bool is_verified, enum jws_alg alg,
	const char *signer, struct why *why)
{
	if (err < 0 && err != -EKEYREJECTED)
		return err;
	if (err < 0) {
		token_set(t, TOKEN_ROW_SIGNATURE, VERDICT_CONTRAINDICATED, "", "", "%s", why->text);
	} else if (is_verified) {
		claims_add_text(&t->claims, "signer", signer);
		token_set(
			t, TOKEN_ROW_SIGNATURE, VERDICT_AFFIRMING, "", jws_alg_name(alg), "%s", "");
	} else {
		token_set(t, TOKEN_ROW_SIGNATURE, VERDICT_NONE, "", jws_alg_name(alg),
			"not checked: no keys and no roots are given (--keys, --root)");
	}
	claims_add_text(&t->claims, "algorithm", err < 0 ? "" : jws_alg_name(alg));
	return 0;
}

static MUST_USE int jwt_read(const struct token_inputs *in, struct token *t, struct why *why)
{
	AUTO(jws) struct jws s = { 0 };
	struct why no = { 0 };
	int err = jws_verify((const char *)in->bytes.p, in->bytes.len, &in->trust, &s, &no);

	err = signature_row(t, err, s.is_verified, s.alg, s.signer, &no);
	if (err < 0)
		return why_set(why, err, "%s", no.text);
	err = json_in_parse(s.payload, s.payload_len, &t->body, why);
	if (err < 0)
		return why_prefix(why, err, "the token's claims");
	token_judge_ear(in, false, t);
	return 0;
}

static MUST_USE int cwt_read(const struct token_inputs *in, struct token *t, struct why *why)
{
	struct why no = { 0 };
	struct cose s = { 0 };
	struct cbor c;
	int err = cose_verify(in->bytes.p, in->bytes.len, &in->trust, &s, &no);

	err = signature_row(t, err, s.is_verified, s.alg, s.signer, &no);
	if (err < 0)
		return why_set(why, err, "%s", no.text);
	err = cbor_parse(s.payload, s.payload_len, &c, why);
	if (err == 0 && c.type != CBOR_MAP)
		err = why_set(why, -EBADMSG, "no map of claims");
	if (err == 0)
		err = cbor_to_json(&c, CBOR_AS_B64URL, &t->body, why);
	if (err < 0)
		return why_prefix(why, err, "the token's claims");
	token_judge_ear(in, true, t);
	return 0;
}

static MUST_USE int dsse_read(const struct token_inputs *in, struct token *t, struct why *why)
{
	AUTO(dsse) struct dsse s = { 0 };
	struct why no = { 0 };
	int err = dsse_verify(in->bytes.p, in->bytes.len, &in->trust, &s, &no);

	err = signature_row(t, err, s.is_verified, s.alg, s.signer, &no);
	if (err < 0)
		return why_set(why, err, "%s", no.text);
	err = json_in_parse(s.payload, s.payload_len, &t->body, why);
	return err < 0 ? why_prefix(why, err, "the statement")
		       : token_judge_statement(in, s.type, t, why);
}

/* Of the printable half of a byte: no CBOR that a token could be starts there. */
static bool is_text(uint8_t c)
{
	return c > ' ' && c <= '~';
}

int token_verify(const struct token_inputs *in, struct token *ret, struct why *why)
{
	struct token_inputs trimmed = *in;
	struct attest_blob *b = &trimmed.bytes;
	int err = -EBADMSG;

	if (b->len > LIMIT_TOKEN_BYTES)
		return why_set(why, -EMSGSIZE, "a token of %zu bytes, at most %u", b->len,
			LIMIT_TOKEN_BYTES);
	if (b->len > 0 && b->p[0] != '{' && !is_text(b->p[0])) {
		ret->form = TOKEN_CWT;
		err = cwt_read(&trimmed, ret, why);
	} else if (b->len > 0) {
		/* What an editor or echo puts behind a text. */
		while (b->p[b->len - 1] == '\n' || b->p[b->len - 1] == '\r')
			b->len--;
		ret->form = b->p[0] == '{' ? TOKEN_DSSE : TOKEN_JWT;
		err = ret->form == TOKEN_DSSE ? dsse_read(&trimmed, ret, why)
					      : jwt_read(&trimmed, ret, why);
	}
	if (err < 0) {
		token_done(ret);
		return why_set(why, err, "the file is empty");
	}
	for (enum token_row_id r = 0; r < TOKEN_ROW_COUNT; r++)
		ret->overall = MAX(ret->overall, ret->rows[r].status);
	/* What nobody signed, and what gives no result, affirms nothing. */
	if (ret->overall == VERDICT_AFFIRMING &&
		(ret->rows[TOKEN_ROW_SIGNATURE].status == VERDICT_NONE ||
			ret->rows[TOKEN_ROW_RESULT].status == VERDICT_NONE))
		ret->overall = VERDICT_NONE;
	return 0;
}

/* --- answers ----------------------------------------------------------------------------------- */

void token_print_json(const struct token *t, struct wr *w)
{
	char *body = json_dumps(t->body, JSON_COMPACT);

	json_open(w, NULL, '{');
	json_text(w, "schema", "casemate.attest.token/1");
	json_text(w, "verdict", verdict_status_name(t->overall));
	json_text(w, "form", form_names[t->form]);
	json_open(w, "rows", '[');
	for (enum token_row_id r = 0; r < TOKEN_ROW_COUNT; r++)
		verdict_row_print_json(row_names[r], &t->rows[r], w);
	json_close(w, ']');
	claims_print_json(&t->claims, "claims", w);
	wr_str(w, ", \"token\": ");
	wr_str(w, body != NULL ? body : "null");
	json_close(w, '}');
	free(body);
}

void token_print_text(const struct token *t, struct wr *w)
{
	for (enum token_row_id r = 0; r < TOKEN_ROW_COUNT; r++)
		verdict_row_print_text(row_names[r], &t->rows[r], w);
	claims_print_text(&t->claims, w);
	wr_printf(w, "verdict: %s (%s)\n", verdict_status_name(t->overall), form_names[t->form]);
}
