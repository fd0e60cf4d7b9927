#include "attest/endorse/endorse_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/endorse/endorse_store.h"
#include "attest/json_out.h"
#include "base/limits.h"

#define SCHEMA "casemate.attest.endorsements/1"

struct row {
	const char *name;
	struct endorse_item item; /* when it is one */
	struct why why;           /* otherwise */
};

struct list {
	struct endorse_names names;
	struct row *rows;
	size_t n_wrong;
	time_t at;
};

static void list_auto(struct list *l)
{
	free(l->rows);
	endorse_names_done(&l->names);
}

static const struct row *row_find(
	const struct list *l, const struct endorse_item *of, const char *rest)
{
	char name[ENDORSE_NAME_MAX];

	(void)snprintf(name, sizeof name, "%.*s%s", (int)of->realm_len, of->name, rest);
	for (size_t low = 0, high = l->names.n; low < high;) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(name, l->rows[mid].name);
		if (order == 0)
			return l->rows[mid].why.text[0] == '\0' ? &l->rows[mid] : NULL;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static const char *state_of(const struct list *l, const struct row *r)
{
	if (r->why.text[0] != '\0')
		return "wrong";
	if (r->item.issued > l->at)
		return "not yet";
	return r->item.good_until > l->at ? "good" : "expired";
}

/* --- platforms -------------------------------------------------------------------------------- */

static bool row_is_platform(const struct row *r)
{
	return r->why.text[0] == '\0' &&
	       (r->item.kind == ENDORSE_VCEK || r->item.kind == ENDORSE_VLEK ||
		       r->item.kind == ENDORSE_TCB_INFO);
}

struct until {
	time_t time;
	const char *missing; /* NULL: nothing */
};

static void until_add(struct until *u, const struct row *r, const char *what)
{
	if (r == NULL)
		u->missing = u->missing == NULL ? what : u->missing;
	else if (r->item.good_until < u->time)
		u->time = r->item.good_until;
}

/* The earliest date of all that a platform's verification uses. */
static struct until until_of(const struct list *l, const struct row *r)
{
	const struct endorse_item *i = &r->item;
	struct until u = { .time = i->good_until };
	char name[ENDORSE_NAME_MAX];

	if (i->kind != ENDORSE_TCB_INFO) {
		const char *product = i->name + i->realm_len + strlen("snp/");
		(void)snprintf(name, sizeof name, "snp/%.*s/crl%s.der", (int)strcspn(product, "/"),
			product, i->kind == ENDORSE_VLEK ? "_vlek" : "");
		const struct row *crl = row_find(l, i, name);
		if (crl == NULL && i->kind == ENDORSE_VLEK) {
			(void)snprintf(name, sizeof name, "snp/%.*s/crl.der",
				(int)strcspn(product, "/"), product);
			crl = row_find(l, i, name);
		}
		until_add(&u, crl, "CRL");
		return u;
	}
	const struct row *platform = row_find(l, i, "tdx/pck_crl_platform.der");
	const struct row *processor = row_find(l, i, "tdx/pck_crl_processor.der");
	until_add(&u, row_find(l, i, "tdx/qe_identity.json"), "QE identity");
	until_add(&u, row_find(l, i, "tdx/tcb_signing.der"), "TCB signing certificate");
	until_add(&u, row_find(l, i, "tdx/root_ca_crl.der"), "root CRL");
	until_add(&u, platform != NULL ? platform : processor, "PCK CRL");
	if (processor != NULL)
		until_add(&u, processor, "");
	return u;
}

/* --- out -------------------------------------------------------------------------------------- */

static void row_json(const struct list *l, const struct row *r, struct wr *w)
{
	char issued[ENDORSE_TIME_MAX], until[ENDORSE_TIME_MAX];
	bool is_item = r->why.text[0] == '\0';

	endorse_time_print(r->item.issued, issued);
	endorse_time_print(r->item.good_until, until);
	json_open(w, NULL, '{');
	json_text(w, "name", r->name);
	json_text(w, "state", state_of(l, r));
	json_text_or_null(w, "kind", is_item ? endorse_kind_name(r->item.kind) : "");
	json_text_or_null(w, "for", r->item.about);
	json_text_or_null(w, "trust_class",
		!is_item              ? ""
		: r->item.is_hardware ? "hardware"
				      : "simulated");
	json_text_or_null(w, "issued", is_item ? issued : "");
	json_text_or_null(w, "good_until", is_item ? until : "");
	json_text_or_null(w, "why", r->why.text);
	json_close(w, '}');
}

static void platform_json(const struct list *l, const struct row *r, struct wr *w)
{
	struct until u = until_of(l, r);
	char text[ENDORSE_TIME_MAX];

	endorse_time_print(u.time, text);
	json_open(w, NULL, '{');
	json_text(w, "platform", r->item.about);
	json_text(w, "name", r->name);
	json_text(w, "good_until", text);
	json_bool(w, "expired", u.time <= l->at);
	json_text_or_null(w, "missing", u.missing == NULL ? "" : u.missing);
	json_close(w, '}');
}

static void list_json(const struct list *l, struct wr *w)
{
	char at[ENDORSE_TIME_MAX];

	endorse_time_print(l->at, at);
	json_open(w, NULL, '{');
	json_text(w, "schema", SCHEMA);
	json_text(w, "at", at);
	json_open(w, "items", '[');
	for (size_t i = 0; i < l->names.n; i++)
		row_json(l, &l->rows[i], w);
	json_close(w, ']');
	json_open(w, "platforms", '[');
	for (size_t i = 0; i < l->names.n; i++)
		if (row_is_platform(&l->rows[i]))
			platform_json(l, &l->rows[i], w);
	json_close(w, ']');
	json_close(w, '}');
}

static void list_text(const struct list *l, struct wr *w)
{
	char issued[ENDORSE_TIME_MAX], until[ENDORSE_TIME_MAX];

	for (size_t i = 0; i < l->names.n; i++) {
		const struct row *r = &l->rows[i];
		endorse_time_print(r->item.issued, issued);
		endorse_time_print(r->item.good_until, until);
		if (r->why.text[0] != '\0')
			wr_printf(w, "%-8s %s: %s; verify passes it over\n", state_of(l, r),
				r->name, r->why.text);
		else
			wr_printf(w, "%-8s %.10s to %.10s  %-11s  %s%s\n", state_of(l, r), issued,
				until, endorse_kind_name(r->item.kind), r->item.about,
				r->item.is_hardware ? "" : " (simulated)");
	}
	for (size_t i = 0; i < l->names.n; i++) {
		const struct row *r = &l->rows[i];
		if (!row_is_platform(r))
			continue;
		struct until u = until_of(l, r);
		endorse_time_print(u.time, until);
		wr_printf(w, "%s: %s %s%s%s\n", r->item.about,
			u.time > l->at ? "good until" : "EXPIRED since", until,
			u.missing == NULL ? "" : ", but without a ",
			u.missing == NULL ? "" : u.missing);
	}
	if (l->names.n == 0)
		wr_str(w, "the cache is empty\n");
}

/* Longest: a name and a reason twice escaped, in JSON. */
#define ROW_TEXT_MAX (2u * (ENDORSE_NAME_MAX + ENDORSE_ABOUT_MAX) + 2u * WHY_TEXT_MAX + 1024u)

int endorse_list_print(int fd, const struct endorse_trust *t, time_t at, bool as_json, struct wr *w,
	struct why *why)
{
	AUTO(list) struct list l = { .at = at };
	int err = endorse_store_names(fd, &l.names, why);

	if (err < 0)
		return err;
	l.rows = calloc(l.names.n + 1, sizeof *l.rows);
	size_t size = (l.names.n + 1) * ROW_TEXT_MAX;
	uint8_t *buf = malloc(size);
	if (l.rows == NULL || buf == NULL) {
		free(buf);
		return -ENOMEM;
	}
	for (size_t i = 0; i < l.names.n; i++) {
		struct row *r = &l.rows[i];
		uint8_t *p = NULL;
		size_t len = 0;
		r->name = l.names.at[i];
		if (endorse_store_get(fd, t, r->name, &p, &len, &r->item, &r->why) < 0)
			(void)why_set(&r->why, 0, "it cannot be used");
		free(p);
	}
	*w = wr_of(buf, size);
	if (as_json)
		list_json(&l, w);
	else
		list_text(&l, w);
	return 0;
}
