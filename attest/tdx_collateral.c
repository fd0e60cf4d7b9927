#include "attest/tdx_collateral.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/ecdsa.h"
#include "attest/json_in.h"
#include "base/opts.h"

#define MEMBERS_MAX 16u /* a bundle has ten */

void tdx_collateral_done(struct tdx_collateral *c)
{
	for (size_t i = 0; i < c->n; i++) {
		json_decref(c->at[i].json);
		json_decref(c->at[i].text);
	}
	*c = (struct tdx_collateral){ 0 };
}

/* --- members of documents --------------------------------------------------------------------- */

bool tdx_json_hex(const json_t *o, const char *name, void *ret, size_t len)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text != NULL && opts_parse_hex(text, ret, len) == 0;
}

bool tdx_json_number(const json_t *o, const char *name, uint32_t max, uint32_t *ret)
{
	const json_t *j = json_object_get(o, name);
	json_int_t v = json_integer_value(j);

	if (!json_is_integer(j) || v < 0 || v > (json_int_t)max)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* "2025-06-19T10:16:03Z", nothing else. */
bool tdx_json_time(const json_t *o, const char *name, time_t *ret)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	const char *text = json_string_value(json_object_get(o, name));
	int v[6] = { 0 };

	if (text == NULL || strlen(text) != sizeof form - 1)
		return false;
	for (size_t i = 0, field = 0; i < sizeof form - 1; i++) {
		if (form[i] != 'd') {
			if (text[i] != form[i])
				return false;
			field++;
			continue;
		}
		if (text[i] < '0' || text[i] > '9')
			return false;
		v[field] = v[field] * 10 + (text[i] - '0');
	}
	struct tm tm = { .tm_year = v[0] - 1900,
		.tm_mon = v[1] - 1,
		.tm_mday = v[2],
		.tm_hour = v[3],
		.tm_min = v[4],
		.tm_sec = v[5] };
	*ret = timegm(&tm);
	return v[0] >= 1970 && tm.tm_mon == v[1] - 1 && tm.tm_mday == v[2] && v[3] < 24;
}

/* --- the outer object ------------------------------------------------------------------------- */

/* A member as it stands in the text: the value's bytes may be signed. */
struct member {
	const char *name, *value;
	size_t name_len, value_len;
};

struct scan {
	const char *at, *end;
};

static void space_skip(struct scan *s)
{
	while (s->at < s->end && memchr(" \t\r\n", *s->at, 4) != NULL)
		s->at++;
}

static bool char_take(struct scan *s, char c)
{
	space_skip(s);
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* Behind the closing quote of the string that was just opened. */
static bool string_skip(struct scan *s)
{
	for (; s->at < s->end; s->at++) {
		if (*s->at == '"') {
			s->at++;
			return true;
		}
		if (*s->at == '\\')
			s->at++;
	}
	s->at = s->end;
	return false;
}

/* An object or a string, by its brackets and quotes; what is inside is for the parser. */
static bool value_skip(struct scan *s)
{
	size_t depth = 0;

	do {
		if (s->at == s->end)
			return false;
		char c = *s->at++;
		if (c == '"' && !string_skip(s))
			return false;
		if (c == '{' || c == '[')
			depth++;
		if (c == '}' || c == ']') {
			if (depth == 0)
				return false;
			depth--;
		}
	} while (depth > 0);
	return true;
}

static bool member_take(struct scan *s, struct member *m)
{
	if (!char_take(s, '"'))
		return false;
	m->name = s->at;
	if (!string_skip(s))
		return false;
	m->name_len = (size_t)(s->at - m->name) - 1;
	if (!char_take(s, ':'))
		return false;
	space_skip(s);
	m->value = s->at;
	if (s->at == s->end || (*s->at != '{' && *s->at != '"') || !value_skip(s))
		return false;
	m->value_len = (size_t)(s->at - m->value);
	return true;
}

struct members {
	size_t n;
	struct member at[MEMBERS_MAX];
};

static const struct member *member_find(const struct members *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->at[i].name_len == strlen(name) &&
			memcmp(m->at[i].name, name, m->at[i].name_len) == 0)
			return &m->at[i];
	return NULL;
}

/* An object of strings and objects, no name twice, nothing behind it. */
static MUST_USE int members_scan(struct attest_blob blob, struct members *ret, struct why *why)
{
	struct scan s = { (const char *)blob.p, (const char *)blob.p + blob.len };
	bool ok = char_take(&s, '{');

	ret->n = 0;
	while (ok) {
		struct member m = { 0 };
		ok = ret->n < MEMBERS_MAX && member_take(&s, &m);
		for (size_t i = 0; ok && i < ret->n; i++)
			ok = ret->at[i].name_len != m.name_len ||
			     memcmp(ret->at[i].name, m.name, m.name_len) != 0;
		if (ok)
			ret->at[ret->n++] = m;
		if (!ok || !char_take(&s, ','))
			break;
	}
	ok = ok && char_take(&s, '}');
	space_skip(&s);
	if (!ok || s.at != s.end)
		return why_set(why, -EBADMSG,
			"collateral: JSON, byte %zu: want an object of up to %u objects and "
			"strings, no "
			"name twice",
			(size_t)(s.at - (const char *)blob.p), MEMBERS_MAX);
	return 0;
}

/* The string of a member, unescaped; NULL: missing or none. The caller's. */
static json_t *member_text(const struct member *m)
{
	json_t *j = m == NULL ? NULL : json_loadb(m->value, m->value_len, JSON_DECODE_ANY, NULL);

	if (json_is_string(j))
		return j;
	json_decref(j);
	return NULL;
}

/* --- certificates and CRLs ------------------------------------------------------------------------------------ */

int tdx_store_merge(struct cert_store *dst, struct cert_store *src, struct why *why)
{
	for (size_t i = 0; i < src->n; i++) {
		size_t k = 0;
		while (k < dst->n && X509_cmp(dst->at[k], src->at[i]) != 0)
			k++;
		int err = k < dst->n ? 0 : cert_store_add_x509(dst, src->at[i], why);
		if (err < 0)
			return err;
	}
	for (size_t i = 0; i < src->n_crls; i++) {
		size_t k = 0;
		while (k < dst->n_crls && X509_CRL_match(dst->crls[k], src->crls[i]) != 0)
			k++;
		if (k < dst->n_crls)
			continue;
		if (k == ARRAY_LEN(dst->crls))
			return why_set(why, -EMSGSIZE, "more than %zu CRLs", k);
		if (X509_CRL_up_ref(src->crls[i]) != 1)
			return -ENOMEM;
		dst->crls[dst->n_crls++] = src->crls[i];
	}
	return 0;
}

/* Digits and white space only, some of it digits: PCCS gives CRLs so. */
static bool bytes_are_hex(struct attest_blob blob)
{
	for (size_t i = 0; i < blob.len; i++)
		if (memchr("0123456789abcdefABCDEF \t\r\n", blob.p[i], 26) == NULL)
			return false;
	return blob.len > 0;
}

static MUST_USE int hex_add(struct cert_store *s, struct attest_blob blob, struct why *why)
{
	char *text = malloc(blob.len + 1);
	size_t n = 0;

	if (text == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < blob.len; i++)
		if (memchr(" \t\r\n", blob.p[i], 4) == NULL)
			text[n++] = (char)blob.p[i];
	text[n] = '\0';
	/* In place: a byte is never written behind the digits it is made of. */
	int err = n % 2 == 0 ? opts_parse_hex(text, text, n / 2) : -EBADMSG;
	err = err < 0 ? why_set(why, err, "a CRL in an odd number of hexadecimal digits")
		      : cert_store_add(s, (const uint8_t *)text, n / 2, why);
	free(text);
	return err;
}

static MUST_USE int certs_add(struct cert_store *store, struct attest_blob blob, struct why *why)
{
	AUTO(cert_store) struct cert_store s = { 0 };
	int err = bytes_are_hex(blob) ? hex_add(&s, blob, why)
				      : cert_store_add(&s, blob.p, blob.len, why);

	return err < 0 ? err : tdx_store_merge(store, &s, why);
}

/* --- signed documents ------------------------------------------------------------------------- */

static const struct {
	const char *name, *id, *member, *bundle_member, *bundle_signature;
	uint32_t min_version, max_version;
} kinds[TDX_DOC_KIND_COUNT] = {
	[TDX_DOC_TCB_INFO] = { "TCB info", "TDX", "tcbInfo", "tcb_info", "tcb_info_signature", 3,
		UINT16_MAX },
	[TDX_DOC_QE_IDENTITY] = { "QE identity", "TD_QE", "enclaveIdentity", "qe_identity",
		"qe_identity_signature", 2, 2 },
};

/* What is needed to choose among documents; the levels are read from the one that is chosen. */
static bool head_read(struct tdx_doc *d)
{
	const char *id = json_string_value(json_object_get(d->json, "id"));
	uint32_t version = 0;

	bool ok = id != NULL && tdx_json_number(d->json, "version", UINT16_MAX, &version) &&
		  tdx_json_time(d->json, "issueDate", &d->issued) &&
		  tdx_json_time(d->json, "nextUpdate", &d->next) &&
		  tdx_json_number(d->json, "tcbEvaluationDataNumber", INT32_MAX, &d->eval_number);
	if (ok && d->kind == TDX_DOC_TCB_INFO)
		ok = tdx_json_hex(d->json, "fmspc", d->fmspc, sizeof d->fmspc) &&
		     tdx_json_hex(d->json, "pceId", d->pceid, sizeof d->pceid);
	d->is_for_td = ok && strcmp(id, kinds[d->kind].id) == 0 &&
		       version >= kinds[d->kind].min_version &&
		       version <= kinds[d->kind].max_version;
	return ok;
}

/* Takes text. */
static MUST_USE int doc_give(struct tdx_collateral *c, enum tdx_doc_kind kind, json_t *text,
	const char *p, size_t len, const struct member *signature, struct why *why)
{
	struct tdx_doc d = { .kind = kind, .text = text, .p = (const uint8_t *)p, .len = len };
	json_t *hex = member_text(signature);
	int err = 0;

	if (c->n == LIMIT_TDX_DOCS)
		err = why_set(
			why, -EMSGSIZE, "more than %u TCB infos and QE identities", LIMIT_TDX_DOCS);
	else if (hex == NULL ||
		 opts_parse_hex(json_string_value(hex), d.signature, sizeof d.signature) < 0)
		err = why_set(why, -EBADMSG, "%s: its signature is not 128 hexadecimal digits",
			kinds[kind].name);
	if (err == 0) {
		err = json_in_parse(p, len, &d.json, why);
		if (err < 0)
			(void)why_prefix(why, err, "%s", kinds[kind].name);
	}
	if (err == 0 && !head_read(&d))
		err = why_set(why, -EBADMSG,
			"%s: id, version, dates, evaluation number or FMSPC missing or malformed",
			kinds[kind].name);
	json_decref(hex);
	if (err == 0) {
		c->at[c->n++] = d;
		return 0;
	}
	json_decref(d.json);
	json_decref(text);
	return err;
}

/* Chains and CRLs of a bundle are texts of their own. */
static MUST_USE int bundle_add(struct tdx_collateral *c, struct cert_store *store,
	const struct members *m, struct why *why)
{
	static const char *const others[] = { "pck_crl_issuer_chain", "root_ca_crl", "pck_crl",
		"tcb_info_issuer_chain", "qe_identity_issuer_chain", "pck_certificate_chain" };
	int err = 0;

	for (enum tdx_doc_kind k = 0; k < TDX_DOC_KIND_COUNT && err == 0; k++) {
		json_t *text = member_text(member_find(m, kinds[k].bundle_member));
		if (text == NULL)
			return why_set(why, -EBADMSG, "collateral bundle: no text '%s'",
				kinds[k].bundle_member);
		err = doc_give(c, k, text, json_string_value(text), json_string_length(text),
			member_find(m, kinds[k].bundle_signature), why);
	}
	for (size_t i = 0; i < ARRAY_LEN(others) && err == 0; i++) {
		json_t *text = member_text(member_find(m, others[i]));
		struct attest_blob blob = { (const uint8_t *)json_string_value(text),
			json_string_length(text) };
		if (blob.len > 0)
			err = certs_add(store, blob, why);
		json_decref(text);
		if (err < 0)
			(void)why_prefix(why, err, "collateral bundle, %s", others[i]);
	}
	return err;
}

static MUST_USE int json_add(struct tdx_collateral *c, struct cert_store *store,
	struct attest_blob blob, struct why *why)
{
	struct members m;
	int err = members_scan(blob, &m, why);

	if (err < 0)
		return err;
	if (member_find(&m, kinds[TDX_DOC_TCB_INFO].bundle_member) != NULL)
		return bundle_add(c, store, &m, why);
	for (enum tdx_doc_kind k = 0; k < TDX_DOC_KIND_COUNT; k++) {
		const struct member *body = member_find(&m, kinds[k].member);
		if (body == NULL || m.n != 2)
			continue;
		return doc_give(c, k, NULL, body->value, body->value_len,
			member_find(&m, "signature"), why);
	}
	return why_set(why, -EBADMSG,
		"collateral: JSON that is neither TCB info nor QE identity nor a bundle of them");
}

int tdx_collateral_add(struct tdx_collateral *c, struct cert_store *store, struct attest_blob blob,
	struct why *why)
{
	struct scan text = { (const char *)blob.p, (const char *)blob.p + blob.len };

	if (blob.len > LIMIT_CERT_BLOB_BYTES)
		return why_set(why, -EMSGSIZE, "collateral: %zu bytes, at most %u", blob.len,
			LIMIT_CERT_BLOB_BYTES);
	return char_take(&text, '{') ? json_add(c, store, blob, why) : certs_add(store, blob, why);
}

int tdx_doc_verify(const struct tdx_doc *d, EVP_PKEY *key)
{
	return ecdsa_verify(key, "SHA2-256", d->signature, 32, d->signature + 32, 32, d->p, d->len);
}
