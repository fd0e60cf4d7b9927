#include "attest/cmw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cbor.h"
#include "attest/json_in.h"
#include "base/b64.h"

/* A CBOR tag for each content format: TN(0), and how many formats there are (RFC 9277, 4.3). */
#define TAG_FORMAT_0 1668546817u
#define FORMATS      65025u
#define DEPTH        4u /* collections in collections */
#define TYPE_ENTRY   "__cmwc_t"
#define TSM_REPORT   "application/vnd.veraison.tsm-report"

void cmw_done(struct cmw *c)
{
	free(c->decoded);
	*c = (struct cmw){ 0 };
}

static MUST_USE int record_new(
	struct cmw *c, const char *name, const char *type, struct cmw_record **ret, struct why *why)
{
	struct cmw_record *r = &c->at[c->n];

	if (c->n == ARRAY_LEN(c->at))
		return why_set(why, -EMSGSIZE, "CMW: more than %zu records", c->n);
	if (strlen(name) >= sizeof r->name || strlen(type) >= sizeof r->type || type[0] == '\0')
		return why_set(why, -EBADMSG, "CMW: a name or type that is empty or too long");
	memcpy(r->name, name, strlen(name) + 1);
	memcpy(r->type, type, strlen(type) + 1);
	*ret = r;
	c->n++;
	return 0;
}

/* "a/b"; too long is refused with the record. */
static void name_join(const char *above, const char *name, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s%s%s", above, above[0] != '\0' ? "/" : "", name);
}

/* --- CBOR -------------------------------------------------------------------------------------- */

static MUST_USE int cbor_record(struct cmw *c, const char *name, const struct cbor *type,
	const struct cbor *value, const struct cbor *indicator, struct why *why)
{
	struct cmw_record *r = NULL;
	char text[sizeof r->type + 1];
	int64_t bits = 0;

	if (type->type == CBOR_UINT || type->type == CBOR_TAG)
		(void)snprintf(text, sizeof text, "content format %llu",
			(unsigned long long)(type->type == CBOR_TAG ? type->n - TAG_FORMAT_0
								    : type->n));
	else
		cbor_text(type, text, sizeof text);
	if (value->type != CBOR_BYTES ||
		(indicator != NULL && (!cbor_int(indicator, &bits) || bits < 1 || bits > 15)))
		return why_set(why, -EBADMSG, "CMW: a record is not [type, bytes, indicator]");
	int err = record_new(c, name, text, &r, why);
	if (err < 0)
		return err;
	r->value = (struct attest_blob){ value->p, value->len };
	r->indicator = (uint8_t)bits;
	return 0;
}

static MUST_USE int cbor_read(
	struct cmw *c, const char *name, const struct cbor *x, unsigned int depth, struct why *why)
{
	struct cbor type, value, indicator;
	int err = 0;

	if (x->type == CBOR_TAG && x->n >= TAG_FORMAT_0 && x->n - TAG_FORMAT_0 < FORMATS &&
		cbor_at(x, 0, &value))
		return cbor_record(c, name, x, &value, NULL, why);
	if (x->type == CBOR_ARRAY && (x->n == 2 || x->n == 3) && cbor_at(x, 0, &type) &&
		cbor_at(x, 1, &value))
		return cbor_record(
			c, name, &type, &value, cbor_at(x, 2, &indicator) ? &indicator : NULL, why);
	if (x->type != CBOR_MAP || depth == 0)
		return why_set(why, -EBADMSG, "CMW: neither record nor collection");
	struct cbor_iter it = cbor_items(x);
	while (err == 0 && cbor_next(&it, &type) && cbor_next(&it, &value)) {
		char own[sizeof c->at[0].name + 1], joined[2 * sizeof own];
		int64_t n = 0;
		if (cbor_int(&type, &n))
			(void)snprintf(own, sizeof own, "%lld", (long long)n);
		else
			cbor_text(&type, own, sizeof own);
		name_join(name, own, joined, sizeof joined);
		if (strcmp(own, TYPE_ENTRY) != 0)
			err = cbor_read(c, joined, &value, depth - 1, why);
	}
	return err;
}

/* --- JSON -------------------------------------------------------------------------------------- */

/* base64url as the draft wants it, or base 64 as tsm-reports have it. */
static MUST_USE int text_decode(
	struct cmw *c, const char *text, struct attest_blob *ret, struct why *why)
{
	size_t len = 0;

	if (text == NULL || (b64url_parse(text, strlen(text), c->decoded + c->used,
				     c->size - c->used, &len) < 0 &&
				    b64_parse(text, strlen(text), c->decoded + c->used,
					    c->size - c->used, &len) < 0))
		return why_set(why, -EBADMSG, "CMW: a value that is no base64url");
	*ret = (struct attest_blob){ c->decoded + c->used, len };
	c->used += len;
	return 0;
}

static MUST_USE int json_read(
	struct cmw *c, const char *name, json_t *j, unsigned int depth, struct why *why)
{
	const char *own = NULL;
	json_t *below = NULL;
	struct cmw_record *r = NULL;
	int err = 0;

	if (json_is_array(j) && json_is_string(json_array_get(j, 0))) {
		const json_t *bits = json_array_get(j, 2);
		json_int_t indicator = json_integer_value(bits);
		if (json_array_size(j) > 3 || (bits != NULL && (indicator < 1 || indicator > 15)))
			return why_set(
				why, -EBADMSG, "CMW: a record is not [type, value, indicator]");
		err = record_new(c, name, json_string_value(json_array_get(j, 0)), &r, why);
		if (err < 0)
			return err;
		r->indicator = (uint8_t)indicator;
		return text_decode(c, json_string_value(json_array_get(j, 1)), &r->value, why);
	}
	if (!json_is_object(j) || depth == 0)
		return why_set(why, -EBADMSG, "CMW: neither record nor collection");
	json_object_foreach(j, own, below)
	{
		char joined[2 * sizeof r->name];
		name_join(name, own, joined, sizeof joined);
		if (err == 0 && strcmp(own, TYPE_ENTRY) != 0)
			err = json_read(c, joined, below, depth - 1, why);
	}
	return err;
}

static MUST_USE int json_text_read(struct cmw *c, const uint8_t *bytes, size_t len, struct why *why)
{
	AUTO(json_in) json_t *j = NULL;
	int err = json_in_parse_any(bytes, len, &j, why);

	if (err < 0)
		return err;
	/* Values are shorter than their text, and what is inside a tsm-report again. */
	c->size = 2 * len;
	c->decoded = malloc(c->size);
	return c->decoded == NULL ? -ENOMEM : json_read(c, "", j, DEPTH, why);
}

int cmw_parse(const uint8_t *bytes, size_t len, struct cmw *ret, struct why *why)
{
	struct cbor x;
	int err = 0;

	if (len > 0 && (bytes[0] == '[' || bytes[0] == '{'))
		err = json_text_read(ret, bytes, len, why);
	else if ((err = cbor_parse(bytes, len, &x, why)) == 0)
		err = cbor_read(ret, "", &x, DEPTH, why);
	if (err == 0 && ret->n == 0)
		err = why_set(why, -EBADMSG, "CMW: a collection without records");
	if (err < 0)
		cmw_done(ret);
	return err;
}

/* --- evidence ---------------------------------------------------------------------------------- */

/* configfs-tsm's attributes by name. */
static MUST_USE int tsm_cbor(
	const struct cmw_record *r, struct attest_blob *ret, struct attest_blob *ret_table)
{
	struct cbor map, name, value;

	if (cbor_parse(r->value.p, r->value.len, &map, NULL) < 0 || map.type != CBOR_MAP)
		return -EBADMSG;
	struct cbor_iter it = cbor_items(&map);
	while (cbor_next(&it, &name) && cbor_next(&it, &value)) {
		char text[16];
		cbor_text(&name, text, sizeof text);
		if (value.type == CBOR_BYTES && strcmp(text, "outblob") == 0)
			*ret = (struct attest_blob){ value.p, value.len };
		if (value.type == CBOR_BYTES && strcmp(text, "auxblob") == 0)
			*ret_table = (struct attest_blob){ value.p, value.len };
	}
	return ret->len > 0 ? 0 : -EBADMSG;
}

static MUST_USE int tsm_json(struct cmw *c, const struct cmw_record *r, struct attest_blob *ret,
	struct attest_blob *ret_table)
{
	AUTO(json_in) json_t *j = NULL;

	/* In a wrapper of CBOR there is no room yet; once is enough. */
	if (c->decoded == NULL) {
		c->size = r->value.len;
		c->decoded = malloc(c->size + 1);
	}
	if (c->decoded == NULL || json_in_parse(r->value.p, r->value.len, &j, NULL) < 0)
		return -EBADMSG;
	const char *aux = json_string_value(json_object_get(j, "auxblob"));
	int err = text_decode(c, json_string_value(json_object_get(j, "outblob")), ret, NULL);
	if (err == 0 && aux != NULL)
		err = text_decode(c, aux, ret_table, NULL);
	return err;
}

int cmw_find_evidence(
	struct cmw *c, struct attest_blob *ret, struct attest_blob *ret_table, struct why *why)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct cmw_record *r = &c->at[i];
		struct attest_blob found = { 0 }, table = { 0 };
		int err = 0;
		if (r->indicator != 0 && (r->indicator & CMW_EVIDENCE) == 0)
			continue;
		if (strcmp(r->type, TSM_REPORT "+cbor") == 0)
			err = tsm_cbor(r, &found, &table);
		else if (strcmp(r->type, TSM_REPORT "+json") == 0)
			err = tsm_json(c, r, &found, &table);
		else if (attest_recognise_bare(r->value.p, r->value.len) != EVIDENCE_UNKNOWN)
			found = r->value;
		if (err < 0 || found.len == 0)
			continue;
		*ret = found;
		*ret_table = table;
		return 0;
	}
	return why_set(why, -ENOENT, "CMW: none of its %zu records is evidence we know", c->n);
}
