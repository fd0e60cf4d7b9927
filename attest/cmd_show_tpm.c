#include "attest/cmd_show_tpm.h"

#include <errno.h>
#include <stdio.h>

#include "attest/claims.h"
#include "attest/eventlog.h"
#include "attest/hcl.h"
#include "attest/ima_log.h"
#include "attest/json_out.h"
#include "attest/tpm_evidence.h"
#include "attest/tpm_quote.h"

struct shower {
	struct attest_blob blob;
	bool as_json;
	const char *schema;
	struct wr *w;
};

static void head(const struct shower *s, const char *kind, const char *title)
{
	if (!s->as_json) {
		wr_printf(s->w, "%s (decoded, not verified)\n", title);
		return;
	}
	json_open(s->w, NULL, '{');
	json_text(s->w, "schema", s->schema);
	json_text(s->w, "kind", kind);
}

static void claims_show(
	const struct shower *s, const char *kind, const char *title, const struct claims *c)
{
	head(s, kind, title);
	if (!s->as_json) {
		claims_print_text(c, s->w);
		return;
	}
	claims_print_json(c, "claims", s->w);
	json_close(s->w, '}');
}

/* --- quotes, HCL reports ------------------------------------------------------------------------ */

static MUST_USE int evidence_show(const struct shower *s, struct why *why)
{
	static struct claims claims; /* large; one thread, one call */
	AUTO(tpm_evidence) struct tpm_evidence *e = NULL;
	int err = tpm_evidence_parse(s->blob, &e, why);

	claims.n = 0;
	for (size_t i = 0; err == 0 && i < e->n; i++) {
		struct tpm_quote q;
		err = tpm_quote_parse(&q, e->quotes[i].attest, why);
		if (err == 0 && i == 0) /* the others are of other banks */
			tpm_quote_claims(&q, &claims);
	}
	if (err == 0)
		claims_add_number(&claims, "tpm_quotes", e->n);
	struct hcl_report h;
	if (err == 0 && e->tee.len > 0)
		err = hcl_parse(&h, e->tee, why);
	if (err == 0 && e->tee.len > 0)
		hcl_claims(&h, &claims);
	if (err < 0)
		return err;
	claims_show(s, "tpm", "TPM quote", &claims);
	return 0;
}

static MUST_USE int hcl_show(const struct shower *s, struct why *why)
{
	static struct claims claims; /* large; one thread, one call */
	struct hcl_report h;
	int err = hcl_parse(&h, s->blob, why);

	if (err < 0)
		return err;
	claims.n = 0;
	hcl_claims(&h, &claims);
	claims_add_bool(&claims, "hcl_data_is_bound", hcl_check_variable(&h, NULL) == 0);
	claims_show(s, "hcl-report", "HCL report", &claims);
	return 0;
}

/* --- boot logs ---------------------------------------------------------------------------------- */

#define EVENT_TEXT_MAX 160

static void event_show(
	const struct shower *s, const struct eventlog_event *e, enum eventlog_kind kind)
{
	static const char *const proofs[] = { "hearsay", "proven", "EDITED" };
	char reg[EVENTLOG_NAME_MAX], text[EVENT_TEXT_MAX];
	uint16_t alg = e->n_digests > 0 ? e->digests[e->n_digests - 1].alg : 0;
	const char *proof =
		e->type == EVENT_NO_ACTION ? "unmeasured" : proofs[eventlog_prove(e, alg)];

	eventlog_register_name(e->reg, kind, reg);
	eventlog_explain(e, text, sizeof text);
	if (!s->as_json) {
		wr_printf(s->w, "%4zu  %-7s %-34s %-10s %s\n", e->index, reg,
			eventlog_type_name(e->type), proof, text);
		return;
	}
	json_open(s->w, NULL, '{');
	json_number(s->w, "index", e->index);
	json_number(s->w, "offset", e->offset);
	json_text(s->w, "register", reg);
	json_number(s->w, "type", e->type);
	json_text(s->w, "type_name", eventlog_type_name(e->type));
	json_text(s->w, "data", proof);
	json_text(s->w, "text", text);
	json_open(s->w, "digests", '{');
	for (size_t i = 0; i < e->n_digests; i++)
		if (tpm_alg_find(e->digests[i].alg) != NULL)
			json_hex(s->w, tpm_alg_name(e->digests[i].alg), e->digests[i].p,
				tpm_alg_find(e->digests[i].alg)->size);
	json_close(s->w, '}');
	json_close(s->w, '}');
}

/* Where each register ends up, by the log. */
static void registers_show(const struct shower *s, const struct eventlog *log,
	struct attest_blob blob, enum eventlog_kind kind)
{
	struct eventlog_replay r;
	char reg[EVENTLOG_NAME_MAX], value[2 * TPM_DIGEST_MAX + 1];

	for (size_t i = 0; i < log->n_banks; i++) {
		if (eventlog_replay(blob, log->banks[i].alg, kind, &r, NULL) < 0)
			continue;
		if (s->as_json)
			json_open(s->w, r.alg->name, '{');
		for (uint32_t n = 0; n < EVENTLOG_REGISTERS; n++) {
			if ((r.present >> n & 1u) == 0)
				continue;
			eventlog_register_name(n, kind, reg);
			wr_hex_str(value, sizeof value, r.value[n], r.alg->size);
			if (s->as_json)
				json_text(s->w, reg, value);
			else
				wr_printf(s->w, "%-7s %-6s %s\n", reg, r.alg->name, value);
		}
		if (s->as_json)
			json_close(s->w, '}');
		else if (r.problem.text[0] != '\0')
			wr_printf(s->w, "%s: %s\n", r.alg->name, r.problem.text);
	}
}

static MUST_USE int boot_show(const struct shower *s, struct attest_blob blob, struct why *why)
{
	enum eventlog_kind kind = eventlog_guess_kind(blob);
	struct eventlog log;
	struct eventlog_event e;
	int err = eventlog_open(&log, blob, why);

	if (err < 0)
		return err;
	head(s, kind == EVENTLOG_CCEL ? "ccel" : "event-log",
		kind == EVENTLOG_CCEL ? "Boot log of a TD (CCEL)" : "Boot log of a TPM");
	if (s->as_json)
		json_open(s->w, "events", '[');
	while ((err = eventlog_next(&log, &e, why)) == 0)
		event_show(s, &e, kind);
	if (err != -ENODATA)
		return err;
	if (s->as_json) {
		json_close(s->w, ']');
		json_open(s->w, "registers", '{');
	}
	registers_show(s, &log, blob, kind);
	if (s->as_json) {
		json_close(s->w, '}');
		json_close(s->w, '}');
	}
	return 0;
}

/* Several boots in one blob: people see them all, JSON has the last one. */
static MUST_USE int log_show(const struct shower *s, struct why *why)
{
	struct attest_blob boots[LIMIT_EVENTLOG_BOOTS];
	size_t n = eventlog_split(s->blob, boots);
	int err = 0;

	for (size_t i = s->as_json ? n - 1 : 0; i < n && err == 0; i++)
		err = boot_show(s, boots[i], why);
	return err;
}

/* --- IMA ---------------------------------------------------------------------------------------- */

static void ima_line_show(const struct ima_line *l, void *user)
{
	const struct shower *s = user;
	const char *proof = l->is_violation ? "violation" : l->is_recomputed ? "hash ok" : "EDITED";

	if (!s->as_json) {
		wr_printf(s->w, "%-9s %-10s %.23s %s\n", proof, l->template, l->digest, l->path);
		return;
	}
	json_open(s->w, NULL, '{');
	json_number(s->w, "pcr", l->pcr);
	json_text(s->w, "template", l->template);
	json_text(s->w, "check", proof);
	json_hex(s->w, "template_hash", l->hash, l->hash_len);
	json_text(s->w, "digest", l->digest);
	json_text(s->w, "path", l->path);
	json_close(s->w, '}');
}

static MUST_USE int ima_show(struct shower *s, struct why *why)
{
	head(s, "ima", "IMA list");
	if (s->as_json)
		json_open(s->w, "lines", '[');
	int err = ima_walk(s->blob, ima_line_show, s, why);
	if (s->as_json) {
		json_close(s->w, ']');
		json_close(s->w, '}');
	}
	return err;
}

int cmd_show_tpm(
	struct attest_blob blob, bool as_json, const char *schema, struct wr *w, struct why *why)
{
	struct shower s = { blob, as_json, schema, w };
	struct attest_blob boots[LIMIT_EVENTLOG_BOOTS];

	if (hcl_recognise(blob))
		return hcl_show(&s, why);
	if (ima_recognise(blob))
		return ima_show(&s, why);
	if (eventlog_recognise(blob) || eventlog_split(blob, boots) > 1)
		return log_show(&s, why);
	return tpm_evidence_recognise(blob) ? evidence_show(&s, why) : -ENOENT;
}
