#include "attest/verdict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/json_out.h"

static const char *const row_names[ROW_COUNT] = {
#define ROW_NAME(id, name) [ROW_##id] = name,
	VERDICT_ROWS(ROW_NAME)
#undef ROW_NAME
};

static const char *const status_names[VERDICT_STATUS_COUNT] = {
	[VERDICT_NONE] = "none",
	[VERDICT_AFFIRMING] = "affirming",
	[VERDICT_WARNING] = "warning",
	[VERDICT_CONTRAINDICATED] = "contraindicated",
};

static const char *const trust_names[TRUST_CLASS_COUNT] = {
	[TRUST_HOST] = "host",
	[TRUST_SIMULATED] = "simulated",
	[TRUST_HARDWARE] = "hardware",
};

static const char *const kind_names[EVIDENCE_KIND_COUNT] = {
	[EVIDENCE_UNKNOWN] = "unknown",
	[EVIDENCE_SNP] = "snp",
	[EVIDENCE_TDX] = "tdx",
	[EVIDENCE_SEV] = "sev",
	[EVIDENCE_TPM] = "tpm",
};

const char *verdict_row_name(enum verdict_row_id row)
{
	return row < ROW_COUNT ? row_names[row] : "?";
}

const char *verdict_status_name(enum verdict_status status)
{
	return status < VERDICT_STATUS_COUNT ? status_names[status] : "?";
}

const char *trust_class_name(enum trust_class trust)
{
	return trust < TRUST_CLASS_COUNT ? trust_names[trust] : "?";
}

const char *evidence_kind_name(enum evidence_kind kind)
{
	return kind < EVIDENCE_KIND_COUNT ? kind_names[kind] : "?";
}

int verdict_row_parse(const char *name, enum verdict_row_id *ret)
{
	for (enum verdict_row_id r = 0; r < ROW_COUNT; r++) {
		if (strcmp(row_names[r], name) != 0)
			continue;
		*ret = r;
		return 0;
	}
	return -EINVAL;
}

void verdict_init(struct verdict *v, enum evidence_kind kind)
{
	memset(v, 0, sizeof *v);
	v->kind = kind;
}

static void text_set(char *dst, size_t size, const char *src)
{
	size_t n = 0;

	for (; src[n] != '\0' && n < size - 1; n++)
		dst[n] = src[n] >= ' ' && src[n] <= '~' ? src[n] : '?';
	dst[n] = '\0';
}

void verdict_row_set(struct verdict_row *r, enum verdict_status status, const char *expected,
	const char *actual, const char *why)
{
	bool is_set = r->status != VERDICT_NONE || r->why[0] != '\0' || r->actual[0] != '\0';

	if (is_set && status <= r->status)
		return;
	r->status = status;
	text_set(r->expected, sizeof r->expected, expected);
	text_set(r->actual, sizeof r->actual, actual);
	text_set(r->why, sizeof r->why, why);
}

void verdict_set(struct verdict *v, enum verdict_row_id row, enum verdict_status status,
	const char *expected, const char *actual, const char *why, ...)
{
	char text[VERDICT_WHY_MAX];
	va_list ap;

	va_start(ap, why);
	(void)vsnprintf(text, sizeof text, why, ap);
	va_end(ap);
	verdict_row_set(&v->rows[row], status, expected, actual, text);
}

void verdict_close(struct verdict *v, uint32_t required_rows)
{
	for (enum verdict_row_id r = 0; r < ROW_COUNT; r++) {
		struct verdict_row *row = &v->rows[r];
		if ((required_rows & ROW_BIT(r)) != 0 && row->status == VERDICT_NONE) {
			char why[VERDICT_WHY_MAX];
			text_set(why, sizeof why, row->why);
			row->status = VERDICT_CONTRAINDICATED;
			(void)snprintf(row->why, sizeof row->why,
				"required, but not answered%s%.300s", why[0] != '\0' ? ": " : "",
				why);
		}
		v->overall = MAX(v->overall, row->status);
	}
}

enum verdict_row_id verdict_worst_row(const struct verdict *v)
{
	enum verdict_row_id worst = 0;

	for (enum verdict_row_id r = 0; r < ROW_COUNT; r++)
		if (v->rows[r].status > v->rows[worst].status)
			worst = r;
	return worst;
}

void verdict_print_line(const struct verdict *v, char *ret, size_t size)
{
	enum verdict_row_id worst = verdict_worst_row(v);
	const struct verdict_row *row = &v->rows[worst];

	if (row->why[0] != '\0')
		(void)snprintf(ret, size, "%s: %s", row_names[worst], row->why);
	else
		(void)snprintf(ret, size, "%s: %s", row_names[worst], status_names[row->status]);
}

void verdict_row_print_json(const char *name, const struct verdict_row *row, struct wr *w)
{
	json_open(w, NULL, '{');
	json_text(w, "row", name);
	json_text(w, "status", status_names[row->status]);
	json_text_or_null(w, "expected", row->expected);
	json_text_or_null(w, "actual", row->actual);
	json_text(w, "why", row->why);
	json_close(w, '}');
}

void verdict_print_json(const struct verdict *v, struct wr *w)
{
	json_open(w, NULL, '{');
	json_text(w, "schema", "casemate.attest.verdict/1");
	json_text(w, "verdict", status_names[v->overall]);
	json_text(w, "trust_class", trust_names[v->trust]);
	json_text(w, "kind", kind_names[v->kind]);
	json_open(w, "rows", '[');
	for (enum verdict_row_id r = 0; r < ROW_COUNT; r++)
		verdict_row_print_json(row_names[r], &v->rows[r], w);
	json_close(w, ']');
	claims_print_json(&v->claims, "claims", w);
	json_close(w, '}');
}

/* Long values are cut for people: the first 16 digits tell digests apart. */
static void value_print(struct wr *w, const char *label, const char *value)
{
	size_t len = strlen(value);

	if (len == 0)
		return;
	bool is_cut = len > 48 && strchr(value, ' ') == NULL;
	wr_printf(w, "  %s %.*s%s", label, is_cut ? 16 : (int)len, value, is_cut ? "..." : "");
}

void verdict_row_print_text(const char *name, const struct verdict_row *row, struct wr *w)
{
	wr_printf(w, "%-14s %-16s", name, status_names[row->status]);
	value_print(w, "expected", row->expected);
	value_print(w, row->expected[0] != '\0' ? "found" : "", row->actual);
	if (row->why[0] != '\0')
		wr_printf(w, "\n               %s", row->why);
	wr_str(w, "\n");
}

void verdict_print_text(const struct verdict *v, struct wr *w)
{
	/* A row that nothing was said of belongs to another kind of evidence. */
	for (enum verdict_row_id r = 0; r < ROW_COUNT; r++)
		if (v->rows[r].status != VERDICT_NONE || v->rows[r].why[0] != '\0' ||
			v->rows[r].actual[0] != '\0')
			verdict_row_print_text(row_names[r], &v->rows[r], w);
	wr_printf(w, "verdict: %s (%s, trust class %s)\n", status_names[v->overall],
		kind_names[v->kind], trust_names[v->trust]);
}
