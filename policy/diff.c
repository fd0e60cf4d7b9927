#include "policy/diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/schema.h"

#define PATH_BYTES 96u

/* How a value says more or less. A list that accepts is "any" when it is empty. */
enum rule {
	RULE_OTHER,
	RULE_NOTE,
	RULE_TRUE_LOOSER,
	RULE_TRUE_STRICTER,
	RULE_MORE_STRICTER, /* numbers */
	RULE_MORE_LOOSER,
	RULE_BITS_STRICTER, /* masks, sets of words: a bit more is a demand more */
	RULE_BITS_LOOSER,
	RULE_ACCEPTS, /* lists */
	RULE_DENIES,
	RULE_HAS_STRICTER, /* there: stricter; another value: neither */
	RULE_RANK,         /* words by ranks[] */
	RULE_LABEL,        /* off, auto, then what is required */
};

/* By path without numbers; a path that is not here, nor starts with one that ends in '.', is RULE_OTHER. */
/* clang-format off */
static const struct {
	const char *path;
	enum rule rule;
} rules[] = {
	{ "serial", RULE_NOTE }, { "name", RULE_NOTE }, { "change.", RULE_NOTE }, { "labels.", RULE_NOTE },
	{ "valid.not_before", RULE_OTHER }, { "valid.not_after", RULE_OTHER },
	{ "tee.type", RULE_RANK }, { "tee.simulated", RULE_TRUE_LOOSER },
	{ "tee.snp.product[]", RULE_ACCEPTS },
	{ "tee.snp.guest_policy.abi_major", RULE_MORE_STRICTER }, { "tee.snp.guest_policy.abi_minor", RULE_MORE_STRICTER },
	{ "tee.snp.guest_policy.smt", RULE_TRUE_LOOSER }, { "tee.snp.guest_policy.debug", RULE_TRUE_LOOSER },
	{ "tee.snp.guest_policy.migrate_ma", RULE_TRUE_LOOSER }, { "tee.snp.guest_policy.single_socket", RULE_TRUE_STRICTER },
	{ "tee.snp.min_tcb[].", RULE_MORE_STRICTER }, { "tee.snp.min_firmware.", RULE_MORE_STRICTER },
	{ "tee.snp.tcb_field", RULE_RANK }, { "tee.snp.chip_ids[]", RULE_ACCEPTS }, { "tee.snp.id_keys[]", RULE_ACCEPTS },
	{ "tee.snp.csp_ids[]", RULE_ACCEPTS }, { "tee.snp.author_key", RULE_HAS_STRICTER },
	{ "tee.snp.family_id", RULE_HAS_STRICTER }, { "tee.snp.image_id", RULE_HAS_STRICTER },
	{ "tee.snp.id_block.", RULE_HAS_STRICTER }, { "tee.snp.min_guest_svn", RULE_MORE_STRICTER },
	{ "tee.snp.mitigations", RULE_BITS_STRICTER },
	{ "tee.tdx.attributes.debug", RULE_TRUE_LOOSER }, { "tee.tdx.xfam", RULE_HAS_STRICTER },
	{ "tee.tdx.tcb.accept[]", RULE_BITS_LOOSER }, { "tee.tdx.tcb.grace.status[]", RULE_BITS_LOOSER },
	{ "tee.tdx.tcb.accept", RULE_BITS_LOOSER }, { "tee.tdx.tcb.grace.status", RULE_BITS_LOOSER },
	{ "tee.tdx.tcb.grace.days", RULE_MORE_LOOSER }, { "tee.tdx.tcb.advisories_deny[]", RULE_DENIES },
	{ "tee.tdx.tcb.min_eval_number", RULE_MORE_STRICTER }, { "tee.tdx.tcb.min_tcb_date", RULE_HAS_STRICTER },
	{ "tee.tdx.mrseam[]", RULE_ACCEPTS }, { "tee.tdx.rtmr.", RULE_ACCEPTS }, { "tee.tdx.mrowner", RULE_HAS_STRICTER },
	{ "tee.tdx.mrownerconfig", RULE_HAS_STRICTER }, { "tee.tdx.piids[]", RULE_ACCEPTS },
	{ "tee.sev.debug", RULE_TRUE_LOOSER }, { "tee.sev.migration", RULE_TRUE_LOOSER },
	{ "tee.sev.policy", RULE_BITS_STRICTER }, { "tee.sev.api_major", RULE_MORE_STRICTER },
	{ "tee.sev.api_minor", RULE_MORE_STRICTER }, { "tee.sev.build", RULE_MORE_STRICTER },
	{ "tee.sev.session.", RULE_HAS_STRICTER }, { "tee.sev.owner.url", RULE_HAS_STRICTER },
	{ "tee.sev.owner.ca", RULE_HAS_STRICTER },
	{ "tee.tpm.pcrs[].sha256[]", RULE_ACCEPTS }, { "tee.tpm.aks[]", RULE_ACCEPTS }, { "tee.tpm.event_log", RULE_TRUE_STRICTER },
	{ "tee.endorsements.max_age_days", RULE_OTHER }, { "tee.endorsements.crl", RULE_HAS_STRICTER },
	{ "tee.endorsements.deny_chips[]", RULE_DENIES }, { "tee.endorsements.deny_digests[]", RULE_DENIES },
	{ "boot.launch_digest[]", RULE_BITS_LOOSER }, { "boot.firmware.sha384", RULE_HAS_STRICTER },
	{ "boot.kernel.sha384", RULE_HAS_STRICTER }, { "boot.initrd.sha384", RULE_HAS_STRICTER },
	{ "devices.disk[].mode", RULE_RANK }, { "devices.disk[].discard", RULE_TRUE_LOOSER },
	{ "devices.disk[].integrity", RULE_RANK }, { "devices.console", RULE_RANK },
	{ "keys[].release.require[]", RULE_BITS_STRICTER }, { "keys[].release.require", RULE_BITS_STRICTER },
	{ "keys[].release.max_age_s", RULE_MORE_LOOSER }, { "keys[].release.once_per_boot", RULE_TRUE_STRICTER },
	{ "keys[].purpose", RULE_NOTE },
	{ "host.confinement", RULE_RANK }, { "host.landlock", RULE_TRUE_STRICTER },
	{ "host.mac_label.selinux", RULE_LABEL }, { "host.limits.cpu_percent", RULE_HAS_STRICTER },
	{ "host.limits.overhead_mib", RULE_MORE_LOOSER }, { "host.limits.", RULE_OTHER },
	{ "host.", RULE_NOTE }, { "runtime.", RULE_NOTE }, /* one value each: written or not */
	{ "audit.retain_days", RULE_MORE_STRICTER },
	{ "waivers[].reason", RULE_NOTE }, { "waivers[].approver", RULE_NOTE },
};

static const struct {
	const char *path, *word;
	int rank; /* more is stricter */
} ranks[] = {
	{ "tee.type", "none", 0 }, { "tee.type", "sw", 0 }, { "tee.type", "sev", 1 }, { "tee.type", "sev-es", 2 },
	{ "tee.type", "snp", 3 }, { "tee.type", "tdx", 3 },
	{ "tee.snp.tcb_field", "reported", 0 }, { "tee.snp.tcb_field", "current", 0 },
	{ "tee.snp.tcb_field", "launch", 1 }, { "tee.snp.tcb_field", "committed", 1 },
	{ "devices.disk[].mode", "rw", 0 }, { "devices.disk[].mode", "ro", 1 },
	{ "devices.disk[].integrity", "none", 0 }, { "devices.disk[].integrity", "luks2", 1 },
	{ "devices.disk[].integrity", "luks2-aead", 2 }, { "devices.disk[].integrity", "", 2 }, /* a verity root */
	{ "host.confinement", "available", 0 }, { "host.confinement", "strict", 1 },
	{ "devices.console", "serial", 0 }, { "devices.console", "virtio", 0 }, { "devices.console", "none", 1 },
};

/* Lists of objects: which key tells them apart, and what one more of them means. */
static const struct {
	const char *path, *key;
	enum diff_way more;
} lists[] = {
	{ "devices.disk[]", "id", DIFF_LOOSER }, { "devices.vsock.ports[]", "port", DIFF_LOOSER },
	{ "keys[]", "id", DIFF_LOOSER }, { "waivers[]", "rule", DIFF_LOOSER },
	{ "tee.snp.min_tcb[]", "product", DIFF_STRICTER }, { "tee.tpm.pcrs[]", "index", DIFF_STRICTER },
};
/* clang-format on */

static const char *const way_names[DIFF_WAY_COUNT] = {
	[DIFF_SAME] = "same",
	[DIFF_STRICTER] = "stricter",
	[DIFF_LOOSER] = "looser",
	[DIFF_MIXED] = "mixed",
	[DIFF_OTHER] = "other",
	[DIFF_NOTE] = "note",
};

const char *diff_way_name(enum diff_way way)
{
	return way < DIFF_WAY_COUNT ? way_names[way] : "?";
}

/* --- one value -------------------------------------------------------------------------------- */

static enum rule rule_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		size_t len = strlen(rules[i].path);
		bool is_prefix = rules[i].path[len - 1] == '.';
		if (is_prefix ? strncmp(path, rules[i].path, len) == 0
			      : strcmp(path, rules[i].path) == 0)
			return rules[i].rule;
	}
	return RULE_OTHER;
}

static enum diff_way by_order(int64_t from, int64_t to, bool is_more_stricter)
{
	if (from == to)
		return DIFF_SAME;
	return (to > from) == is_more_stricter ? DIFF_STRICTER : DIFF_LOOSER;
}

/* The word that counts: what is written, or what its absence means; "" for an object. */
static const char *word_of(const struct field *f, const json_t *j)
{
	if (j == NULL)
		return f->words[f->otherwise];
	return json_is_string(j) ? json_string_value(j) : "";
}

static int rank_of(const char *path, const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(ranks); i++)
		if (strcmp(ranks[i].path, path) == 0 && strcmp(ranks[i].word, word) == 0)
			return ranks[i].rank;
	return -1;
}

/* "any" is looser than either demand; those two do not compare. */
static enum diff_way demand_compare(const char *from, const char *to)
{
	if (strcmp(from, to) == 0)
		return DIFF_SAME;
	if (strcmp(from, "any") == 0)
		return DIFF_STRICTER;
	return strcmp(to, "any") == 0 ? DIFF_LOOSER : DIFF_OTHER;
}

static enum diff_way word_compare(
	const char *path, const struct field *f, const json_t *from, const json_t *to)
{
	const char *a = word_of(f, from), *b = word_of(f, to);

	if (strcmp(f->words[0], "any") == 0)
		return demand_compare(a, b);
	if (strcmp(a, b) == 0 && a[0] != 0)
		return DIFF_SAME;
	if (rule_of(path) != RULE_RANK || rank_of(path, a) == rank_of(path, b))
		return rule_of(path) == RULE_NOTE ? DIFF_NOTE : DIFF_OTHER;
	return by_order(rank_of(path, a), rank_of(path, b), true);
}

static int64_t number_of(const struct field *f, const json_t *j)
{
	return j == NULL ? (int64_t)f->otherwise : json_integer_value(j);
}

static bool bool_of(const struct field *f, const json_t *j)
{
	return j == NULL ? f->otherwise != 0 : json_is_true(j);
}

static uint64_t mask_of(const json_t *j)
{
	return json_is_string(j) ? strtoull(json_string_value(j), NULL, 0) : 0;
}

static bool list_has(const json_t *list, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), value))
			return true;
	return false;
}

static bool list_within(const json_t *part, const json_t *whole)
{
	for (size_t i = 0; i < json_array_size(part); i++)
		if (!list_has(whole, json_array_get(part, i)))
			return false;
	return true;
}

static enum diff_way list_compare(enum rule rule, const json_t *from, const json_t *to)
{
	bool is_fewer = list_within(to, from), is_more = list_within(from, to);
	bool accepts = rule == RULE_ACCEPTS || rule == RULE_BITS_LOOSER;

	if (is_fewer && is_more)
		return DIFF_SAME;
	if (rule == RULE_ACCEPTS && json_array_size(from) == 0)
		return DIFF_STRICTER;
	if (rule == RULE_ACCEPTS && json_array_size(to) == 0)
		return DIFF_LOOSER;
	if (rule == RULE_OTHER || rule == RULE_NOTE || (!is_fewer && !is_more))
		return rule == RULE_NOTE ? DIFF_NOTE : DIFF_OTHER;
	return is_fewer == accepts ? DIFF_STRICTER : DIFF_LOOSER;
}

static enum diff_way bits_compare(uint64_t from, uint64_t to)
{
	if (from == to)
		return DIFF_SAME;
	if ((from & ~to) != 0 && (to & ~from) != 0)
		return DIFF_OTHER;
	return (to & ~from) != 0 ? DIFF_STRICTER : DIFF_LOOSER;
}

static enum diff_way plain_compare(enum rule rule, const json_t *from, const json_t *to)
{
	if (from == to || (from != NULL && to != NULL && json_equal(from, to)))
		return DIFF_SAME;
	if (rule == RULE_HAS_STRICTER && (from == NULL || to == NULL))
		return from == NULL ? DIFF_STRICTER : DIFF_LOOSER;
	return rule == RULE_NOTE ? DIFF_NOTE : DIFF_OTHER;
}

/* host.mac_label.selinux: a static pair is required, like "required"; two ways of that are neither. */
static int label_rank(const json_t *j)
{
	const char *text = json_is_string(j) ? json_string_value(j) : "auto";

	if (strcmp(text, "off") == 0)
		return 0;
	return strcmp(text, "auto") == 0 ? 1 : 2;
}

static enum diff_way label_compare(const json_t *from, const json_t *to)
{
	if (label_rank(from) != label_rank(to))
		return by_order(label_rank(from), label_rank(to), true);
	return label_rank(from) < 2 ? DIFF_SAME : plain_compare(RULE_OTHER, from, to);
}

static enum diff_way value_compare(
	const char *path, const struct field *f, const json_t *from, const json_t *to)
{
	enum rule rule = rule_of(path);

	switch (f->kind) {
	case FIELD_CHOICE:
	case FIELD_CHOICE_OR_OBJECT:
		if (json_is_object(from) && json_is_object(to))
			return plain_compare(RULE_OTHER, from, to);
		return word_compare(path, f, from, to);
	case FIELD_BOOL:
		if (bool_of(f, from) == bool_of(f, to))
			return DIFF_SAME;
		return rule == RULE_TRUE_LOOSER || rule == RULE_TRUE_STRICTER
			       ? by_order(bool_of(f, from), bool_of(f, to),
					 rule == RULE_TRUE_STRICTER)
			       : DIFF_OTHER;
	case FIELD_NUMBER:
		if (number_of(f, from) == number_of(f, to))
			return DIFF_SAME;
		return rule == RULE_MORE_STRICTER || rule == RULE_MORE_LOOSER
			       ? by_order(number_of(f, from), number_of(f, to),
					 rule == RULE_MORE_STRICTER)
			       : plain_compare(rule, from, to);
	case FIELD_MASK:
		return rule == RULE_BITS_STRICTER ? bits_compare(mask_of(from), mask_of(to))
						  : plain_compare(rule, from, to);
	case FIELD_SET:
	case FIELD_LIST:
		return list_compare(rule, from, to);
	case FIELD_TEXT:
		if (rule == RULE_LABEL)
			return label_compare(from, to);
		break;
	case FIELD_FIXED:
	case FIELD_DIGEST:
	case FIELD_HEX:
	case FIELD_TIME:
	case FIELD_DAY:
	case FIELD_OBJECT:
	case FIELD_EMPTY:
	case FIELD_LATER:
	case FIELD_KIND_COUNT:
		break;
	}
	return plain_compare(rule, from, to);
}

/* --- the walk --------------------------------------------------------------------------------- */

static void overall_add(struct diff_report *r, enum diff_way way)
{
	if (way == DIFF_NOTE)
		way = r->overall == DIFF_SAME ? DIFF_NOTE : r->overall;
	else if (r->overall != DIFF_SAME && r->overall != DIFF_NOTE && r->overall != way)
		way = DIFF_MIXED;
	r->overall = way;
}

static void text_print(const json_t *j, char ret[DIFF_TEXT_BYTES])
{
	char *text = j == NULL ? NULL : json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT);

	(void)snprintf(ret, DIFF_TEXT_BYTES, "%s", text == NULL ? "" : text);
	if (text != NULL && strlen(text) >= DIFF_TEXT_BYTES)
		memcpy(ret + DIFF_TEXT_BYTES - 4, "...", 4);
	free(text);
}

static void change_add(struct diff_report *r, const char *path, enum diff_way way,
	const json_t *from, const json_t *to)
{
	if (way == DIFF_SAME)
		return;
	overall_add(r, way);
	if (r->n == DIFF_CHANGES_MAX) {
		r->is_cut = true;
		return;
	}
	struct diff_change *c = &r->at[r->n++];
	*c = (struct diff_change){ .way = way };
	(void)snprintf(c->path, sizeof c->path, "%s", path);
	text_print(from, c->from);
	text_print(to, c->to);
}

/* path: for rules, "keys[].id"; shown: for people, "keys[disk-kek].id". */
static void object_walk(struct diff_report *r, const struct schema *schema, const char *path,
	const char *shown, const json_t *from, const json_t *to);

static const json_t *row_find(const json_t *list, const char *key, const json_t *value)
{
	if (json_is_object(list)) /* FIELD_OR_ONE */
		return json_object_get(list, key) == value ||
				       (value != NULL &&
					       json_equal(json_object_get(list, key), value))
			       ? list
			       : NULL;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *row = json_array_get(list, i), *is = json_object_get(row, key);
		if (is == value || (is != NULL && value != NULL && json_equal(is, value)))
			return row;
	}
	return NULL;
}

static size_t rows_of(const json_t *list)
{
	return json_is_object(list) ? 1 : json_array_size(list);
}

static const json_t *row_at(const json_t *list, size_t i)
{
	return json_is_object(list) ? list : json_array_get(list, i);
}

/* Disks come to the guest in this order: the same ones in another are not the same machine. */
static bool is_reordered(const char *key, const json_t *from, const json_t *to)
{
	size_t n = rows_of(from);

	for (size_t i = 0; i < n && n == rows_of(to); i++)
		if (row_find(to, key, json_object_get(row_at(from, i), key)) != row_at(to, i))
			return true;
	return false;
}

static void rows_walk(struct diff_report *r, const struct field *f, const char *path,
	const char *shown, const json_t *from, const json_t *to)
{
	const char *key = NULL;
	enum diff_way more = DIFF_OTHER;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (strcmp(lists[i].path, path) == 0) {
			key = lists[i].key;
			more = lists[i].more;
		}
	if (key == NULL)
		return change_add(r, shown, plain_compare(RULE_OTHER, from, to), from, to);
	enum diff_way less = more == DIFF_LOOSER ? DIFF_STRICTER : DIFF_LOOSER;
	for (int side = 0; side < 2; side++) {
		const json_t *own = side == 0 ? from : to, *other = side == 0 ? to : from;
		for (size_t i = 0; i < rows_of(own); i++) {
			const json_t *row = row_at(own, i), *id = json_object_get(row, key);
			const json_t *match = row_find(other, key, id);
			char name[DIFF_TEXT_BYTES], at[PATH_BYTES];
			text_print(id, name);
			(void)snprintf(
				at, sizeof at, "%.*s[%s]", (int)strlen(shown) - 2, shown, name);
			if (match == NULL)
				change_add(r, at, side == 0 ? less : more, side == 0 ? row : NULL,
					side == 0 ? NULL : row);
			else if (side == 0)
				object_walk(r, f->element->child, path, at, row, match);
		}
	}
	if (strcmp(path, "devices.disk[]") == 0 && is_reordered(key, from, to))
		change_add(r, shown, DIFF_OTHER, from, to);
}

static void object_walk(struct diff_report *r, const struct schema *schema, const char *path,
	const char *shown, const json_t *from, const json_t *to)
{
	for (size_t i = 0; i < schema->n; i++) {
		const struct field *f = &schema->fields[i];
		const json_t *a = json_object_get(from, f->key), *b = json_object_get(to, f->key);
		const char *dot = path[0] != 0 ? "." : "";
		bool is_list = f->kind == FIELD_LIST;
		char at[PATH_BYTES], at_shown[PATH_BYTES];
		if (a == b || (a != NULL && b != NULL && json_equal(a, b)))
			continue;
		(void)snprintf(at, sizeof at, "%s%s%s%s", path, dot, f->key, is_list ? "[]" : "");
		(void)snprintf(at_shown, sizeof at_shown, "%s%s%s%s", shown, dot, f->key,
			is_list && f->element->child != NULL ? "[]" : "");
		if (f->kind == FIELD_OBJECT)
			object_walk(r, f->child, at, at_shown, a, b);
		else if (is_list && f->element->child != NULL)
			rows_walk(r, f, at, at_shown, a, b);
		else
			change_add(r, at_shown, value_compare(at, f, a, b), a, b);
	}
}

void diff_compare(const json_t *from, const json_t *to, struct diff_report *ret)
{
	*ret = (struct diff_report){ .overall = DIFF_SAME };
	object_walk(ret, &policy_schema, "", "", from, to);
}

/* --- printing --------------------------------------------------------------------------------- */

void diff_print(const struct diff_report *report, struct wr *w)
{
	for (size_t i = 0; i < report->n; i++) {
		const struct diff_change *c = &report->at[i];
		wr_printf(w, "%-9s %s: %s -> %s\n", diff_way_name(c->way), c->path,
			c->from[0] != 0 ? c->from : "(not written)",
			c->to[0] != 0 ? c->to : "(not written)");
	}
	if (report->is_cut)
		wr_str(w, "... and more\n");
	wr_printf(w, "%s\n", diff_way_name(report->overall));
}

json_t *diff_json(const struct diff_report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; i < report->n; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s}", "path", report->at[i].path, "way",
				      diff_way_name(report->at[i].way), "from", report->at[i].from,
				      "to", report->at[i].to));
	return json_pack("{s:s, s:s, s:b, s:o}", "schema", "casemate/policy-diff/1", "overall",
		diff_way_name(report->overall), "cut", report->is_cut, "changes", list);
}
