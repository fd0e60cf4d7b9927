#include "attest/tdx_appraise.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/appraise_row.h"
#include "attest/eventlog.h"
#include "policy/policy.h"

#define DAY_S 86400

/* The policy's part for TDs; NULL: there is none, and row policy says why. */
static const struct policy_tdx *tdx_of(const struct policy *p)
{
	return p != NULL && p->tee.type == POLICY_TEE_TDX && p->tee.has_tdx ? &p->tee.tdx : NULL;
}

/* --- attributes ------------------------------------------------------------------------------- */

static void attributes_row(
	const struct tdx_quote *q, const struct attest_inputs *in, struct verdict *v)
{
	const struct policy *p = in->policy;
	uint64_t is = le64_get(q->body.td_attributes), xfam = le64_get(q->body.xfam);
	const struct policy_tdx *t = tdx_of(p);
	char want[ROW_TEXT_MAX] = "", got[ROW_TEXT_MAX];

	(void)snprintf(got, sizeof got, "TDATTRIBUTES 0x%llx XFAM 0x%llx", (unsigned long long)is,
		(unsigned long long)xfam);
	if (t != NULL)
		(void)snprintf(want, sizeof want, "TDATTRIBUTES require 0x%llx forbid 0x%llx",
			(unsigned long long)t->attributes_require,
			(unsigned long long)t->attributes_forbid);
	row_policy_itself(v, p, POLICY_TEE_TDX, in->at);
	if ((xfam & 3) != 3)
		verdict_set(v, ROW_POLICY, VERDICT_CONTRAINDICATED, "", got,
			"XFAM is malformed: x87 and SSE (bits 0 and 1) must be on");
	if (t == NULL)
		verdict_set(v, ROW_POLICY, p == NULL ? VERDICT_NONE : VERDICT_CONTRAINDICATED, "",
			got, p == NULL ? "no policy was given" : "the policy has no part for TDX");
	else if ((is & t->attributes_require) != t->attributes_require)
		verdict_set(v, ROW_POLICY, VERDICT_CONTRAINDICATED, want, got,
			"TD attribute bit %d is off; the policy requires it",
			__builtin_ctzll(t->attributes_require & ~is));
	else if ((is & t->attributes_forbid) != 0)
		verdict_set(v, ROW_POLICY, VERDICT_CONTRAINDICATED, want, got,
			"TD attribute bit %d is on; the policy forbids it",
			__builtin_ctzll(t->attributes_forbid & is));
	else if (t->has_xfam && t->xfam != xfam)
		verdict_set(v, ROW_POLICY, VERDICT_CONTRAINDICATED, row_word(want, t->xfam), got,
			"XFAM is another than the policy's: the TD has other processor features");
	else
		verdict_set(v, ROW_POLICY, VERDICT_AFFIRMING, want, got, "%s", "");
}

static void bit_rows(const struct tdx_quote *q, const struct policy *p, struct verdict *v)
{
	const struct policy_tdx *t = tdx_of(p);
	uint64_t is = le64_get(q->body.td_attributes);

	row_bit(v, ROW_DEBUG, (is & TDX_ATTR_TUD) != 0, p, t != NULL && t->debug,
		"the TD is under debug (TDATTRIBUTES.TUD): the host may read its memory");
	row_bit(v, ROW_MIGRATION, (is & TDX_ATTR_MIGRATABLE) != 0, p,
		t != NULL && t->attributes.migratable != POLICY_FORBID,
		"a migration TD may take the guest to another machine");
}

/* --- digests ---------------------------------------------------------------------------------- */

static bool digests_have(const struct policy_digest *list, uint64_t n, const uint8_t is[48])
{
	for (uint64_t i = 0; i < n; i++)
		if (memcmp(list[i].sha384, is, sizeof list[i].sha384) == 0)
			return true;
	return false;
}

/* One of a list; an empty one asks for nothing. Is it answered with yes? */
static void listed_row(struct verdict *v, enum verdict_row_id row, const char *name,
	const struct policy_digest *list, uint64_t n, const uint8_t is[48])
{
	char want[ROW_TEXT_MAX], got[ROW_TEXT_MAX];

	if (n == 0)
		return;
	row_hex(want, list[0].sha384, sizeof list[0].sha384);
	row_hex(got, is, 48);
	if (digests_have(list, n, is))
		verdict_set(v, row, VERDICT_AFFIRMING, got, got, "%s", "");
	else
		verdict_set(v, row, VERDICT_CONTRAINDICATED, want, got,
			"%s is none of the %llu that the policy lists", name,
			(unsigned long long)n);
}

static void register_rows(
	const struct tdx_quote *q, const struct attest_inputs *in, struct verdict *v)
{
	const struct policy_tdx *t = tdx_of(in->policy);

	row_measurement(v, in, q->body.mrtd,
		"MRTD differs: the TD was built from another firmware image, or by another VMM's "
		"order of pages");
	for (size_t i = 0; t != NULL && i < ARRAY_LEN(t->rtmr); i++) {
		char name[] = "RTMR0";
		name[4] = (char)('0' + i);
		listed_row(v, ROW_RTMR, name, t->rtmr[i].at, t->rtmr[i].n, q->body.rtmr[i]);
	}
	if (v->rows[ROW_RTMR].status == VERDICT_NONE)
		verdict_set(v, ROW_RTMR, VERDICT_NONE, "", "", "no expected registers were given");
	if (t != NULL)
		listed_row(v, ROW_MODULE, "MRSEAM (the TDX module)", t->mrseam, t->n_mrseam,
			q->body.mrseam);
}

static void owner_row(const struct tdx_quote *q, const struct policy_tdx *t, struct verdict *v)
{
	row_equal(v, ROW_OWNER, t != NULL && t->has_mrowner ? t->mrowner : NULL, q->body.mrowner,
		48, "no owner was asked for", "MROWNER differs: another owner's TD");
	row_equal(v, ROW_OWNER, t != NULL && t->has_mrownerconfig ? t->mrownerconfig : NULL,
		q->body.mrownerconfig, 48, "no owner was asked for",
		"MROWNERCONFIG differs: another configuration of the owner's");
}

static void data_rows(const struct tdx_quote *q, const struct attest_inputs *in, struct verdict *v)
{
	const uint8_t *host = in->host_data;
	uint8_t config[48] = { 0 };

	if (host == NULL && in->policy != NULL)
		host = in->policy->hash;
	if (host != NULL)
		memcpy(config, host, 32);
	row_equal(v, ROW_REPORT_DATA, in->report_data, q->body.report_data, 64,
		"no expected report data was given",
		"report data differ: the quote was made for another nonce or key");
	row_equal(v, ROW_HOST_DATA, host == NULL ? NULL : config, q->body.mrconfigid, 48,
		"no policy was given",
		"MRCONFIGID differs: the TD was launched with another policy than this one");
}

/* --- platform --------------------------------------------------------------------------------- */

static void piid_row(const struct tdx_pck *pck, const struct policy *p, struct verdict *v)
{
	const struct policy_tdx *t = tdx_of(p);
	uint8_t chip[64] = { 0 };
	char got[ROW_TEXT_MAX] = "";

	if (!pck->has_piid) {
		bool is_asked = (t != NULL && t->n_piids > 0) ||
				(p != NULL && p->tee.endorsements.n_deny_chips > 0);
		verdict_set(v, ROW_CHIP_ID, is_asked ? VERDICT_CONTRAINDICATED : VERDICT_NONE,
			is_asked ? "a platform of the policy's" : "", "",
			"the PCK certificate names no platform instance%s",
			is_asked ? ", the policy lists or denies some" : "");
		return;
	}
	memcpy(chip, pck->piid, sizeof pck->piid);
	row_chip_denied(v, p, chip);
	row_hex(got, pck->piid, sizeof pck->piid);
	if (t == NULL || t->n_piids == 0) {
		verdict_set(v, ROW_CHIP_ID, VERDICT_NONE, "", got, "no platform was asked for");
		return;
	}
	for (uint64_t i = 0; i < t->n_piids; i++)
		if (memcmp(t->piids[i].id, pck->piid, sizeof pck->piid) == 0)
			verdict_set(v, ROW_CHIP_ID, VERDICT_AFFIRMING, got, got, "%s", "");
	if (v->rows[ROW_CHIP_ID].status == VERDICT_NONE)
		verdict_set(v, ROW_CHIP_ID, VERDICT_CONTRAINDICATED,
			"one of the policy's platforms", got,
			"the policy does not name this platform instance");
}

/* Flags of the PCK certificate against the policy's demands. */
static void platform_row(const struct tdx_pck *pck, const struct policy_tdx *t, struct verdict *v)
{
	const struct {
		const char *name;
		bool is_on;
		enum policy_demand demand;
	} flags[] = {
		{ "smtEnabled", pck->smt, t == NULL ? POLICY_ANY : t->smt },
		{ "cachedKeys", pck->cached_keys, t == NULL ? POLICY_ANY : t->cached_keys },
		{ "dynamicPlatform", pck->dynamic_platform,
			t == NULL ? POLICY_ANY : t->dynamic_platform },
	};
	char got[ROW_TEXT_MAX] = "not said";
	bool is_asked = false;

	if (pck->has_configuration)
		(void)snprintf(got, sizeof got, "smtEnabled %d cachedKeys %d dynamicPlatform %d",
			pck->smt, pck->cached_keys, pck->dynamic_platform);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		bool want = flags[i].demand == POLICY_REQUIRE;
		if (flags[i].demand == POLICY_ANY)
			continue;
		is_asked = true;
		if (!pck->has_configuration || flags[i].is_on != want)
			verdict_set(v, ROW_PLATFORM_INFO, VERDICT_CONTRAINDICATED, "", got,
				"the policy %s %s, the PCK certificate %s",
				want ? "requires" : "forbids", flags[i].name,
				!pck->has_configuration ? "does not say"
				: want                  ? "says that it is off"
							: "says that it is on");
	}
	verdict_set(v, ROW_PLATFORM_INFO, is_asked ? VERDICT_AFFIRMING : VERDICT_NONE, "", got,
		"%s", is_asked ? "" : "no policy asks for it");
}

/* --- event log (8.4) -------------------------------------------------------------------------- */

/* Registers that firmware and loader extend before the system runs; it may extend the others. */
#define RTMRS_OF_BOOT 2u

/*
 * Why a register is not what the log replays to: found in a prefix of the log (then the event behind it
 * is named), or in none. True: it may only have been extended after the log was taken.
 */
static bool difference_explain(
	struct attest_blob blob, uint32_t reg, const uint8_t want[48], char *ret, size_t size)
{
	const struct tpm_alg *alg = tpm_alg_find(TPM_ALG_SHA384);
	uint8_t value[TPM_DIGEST_MAX] = { 0 };
	size_t last = 0, after = 0;
	struct eventlog log;
	struct eventlog_event e;
	bool is_past = memcmp(value, want, 48) == 0, is_found = is_past;

	if (eventlog_open(&log, blob, NULL) < 0)
		return false;
	while (eventlog_next(&log, &e, NULL) == 0) {
		const uint8_t *digest = eventlog_digest_of(&e, TPM_ALG_SHA384);
		if (e.reg != reg || e.type == EVENT_NO_ACTION || digest == NULL)
			continue;
		last = e.index;
		if (is_past)
			after = e.index;
		if (tpm_extend(alg, value, digest) < 0)
			return false;
		is_past = memcmp(value, want, 48) == 0;
		is_found = is_found || is_past;
	}
	if (is_found)
		(void)snprintf(ret, size, "event %zu of the log is not in the register", after);
	else if (reg > RTMRS_OF_BOOT)
		(void)snprintf(ret, size,
			"it was extended by the running system after the log's last event of it "
			"(%zu)",
			last);
	else
		(void)snprintf(ret, size,
			"no event of the log up to its last of this register (%zu) leads there: "
			"one was "
			"left out, changed or added",
			last);
	return !is_found && reg > RTMRS_OF_BOOT;
}

static void registers_compare(struct attest_blob log, const struct eventlog_replay *r,
	const struct tdx_quote *q, struct verdict *v)
{
	char want[ROW_TEXT_MAX], got[ROW_TEXT_MAX];

	for (uint32_t i = 0; i < 4; i++) {
		char text[VERDICT_WHY_MAX / 2] = "the log cannot be read again";
		if (memcmp(r->value[i + 1], q->body.rtmr[i], 48) == 0)
			continue;
		bool is_later = difference_explain(log, i + 1, q->body.rtmr[i], text, sizeof text);
		verdict_set(v, ROW_EVENT_LOG, is_later ? VERDICT_WARNING : VERDICT_CONTRAINDICATED,
			row_hex(want, q->body.rtmr[i], 48), row_hex(got, r->value[i + 1], 48),
			"RTMR%u differs from the quote's: %s", i, text);
	}
}

static void event_log_row(
	const struct tdx_quote *q, const struct attest_inputs *in, struct verdict *v)
{
	for (size_t i = 0; i < in->n_event_logs; i++) {
		struct eventlog_replay r;
		struct why why = { 0 };
		char text[ROW_TEXT_MAX];
		int err =
			eventlog_replay(in->event_logs[i], TPM_ALG_SHA384, EVENTLOG_CCEL, &r, &why);
		if (err < 0) {
			verdict_set(v, ROW_EVENT_LOG, VERDICT_CONTRAINDICATED, "", "", "%s",
				why_text(&why, err));
			continue;
		}
		registers_compare(in->event_logs[i], &r, q, v);
		if (r.problem.text[0] != '\0')
			verdict_set(v, ROW_EVENT_LOG, VERDICT_CONTRAINDICATED, "", "", "%s",
				r.problem.text);
		(void)snprintf(text, sizeof text, "%zu events", r.n_events);
		verdict_set(v, ROW_EVENT_LOG, VERDICT_AFFIRMING, "", text, "%s", "");
	}
	if (in->n_event_logs == 0)
		verdict_set(v, ROW_EVENT_LOG, VERDICT_NONE, "", "", "no event log was given");
}

void tdx_appraise(const struct tdx_quote *q, const struct tdx_pck *pck,
	const struct attest_inputs *in, struct verdict *v)
{
	const struct policy_tdx *t = tdx_of(in->policy);

	attributes_row(q, in, v);
	bit_rows(q, in->policy, v);
	register_rows(q, in, v);
	owner_row(q, t, v);
	data_rows(q, in, v);
	event_log_row(q, in, v);
	if (pck == NULL)
		return;
	piid_row(pck, in->policy, v);
	platform_row(pck, t, v);
}

/* --- TCB -------------------------------------------------------------------------------------- */

/* Intel's status: the policy's word for it, and what it is worth without a policy. */
static const struct {
	enum policy_tdx_status word;
	enum verdict_status plain;
	const char *text;
} statuses[TDX_TCB_STATUS_COUNT] = {
	[TDX_TCB_UP_TO_DATE] = { POLICY_TDX_UP_TO_DATE, VERDICT_AFFIRMING, "" },
	[TDX_TCB_SW_HARDENING_NEEDED] = { POLICY_TDX_SW_HARDENING_NEEDED, VERDICT_WARNING,
		"safe only with software that mitigates the advisories" },
	[TDX_TCB_CONFIGURATION_NEEDED] = { POLICY_TDX_CONFIGURATION_NEEDED, VERDICT_WARNING,
		"the host's firmware has to be configured otherwise" },
	[TDX_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = { POLICY_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED,
		VERDICT_WARNING,
		"the host's firmware has to be configured otherwise, and software to mitigate the "
		"advisories" },
	[TDX_TCB_TD_RELAUNCH_ADVISED] = { POLICY_TDX_TD_RELAUNCH_ADVISED, VERDICT_WARNING,
		"the TDX module was updated under the running TD: launch the TD anew" },
	[TDX_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = { POLICY_TDX_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
		VERDICT_WARNING,
		"the TDX module was updated under the running TD: configure the host's firmware "
		"and launch the TD anew" },
	[TDX_TCB_OUT_OF_DATE] = { POLICY_TDX_OUT_OF_DATE, VERDICT_CONTRAINDICATED,
		"the host's firmware, TDX module or quoting enclave has to be updated" },
	[TDX_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = { POLICY_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
		VERDICT_CONTRAINDICATED,
		"the host's firmware, TDX module or quoting enclave has to be updated and "
		"configured" },
	[TDX_TCB_REVOKED] = { POLICY_TDX_STATUS_COUNT, VERDICT_CONTRAINDICATED,
		"Intel revoked this TCB level: nothing is to be trusted to it" },
	[TDX_TCB_NOT_SUPPORTED] = { POLICY_TDX_STATUS_COUNT, VERDICT_CONTRAINDICATED,
		"the platform is below every level of Intel's TCB info or QE identity" },
	[TDX_TCB_QE_MISMATCH] = { POLICY_TDX_STATUS_COUNT, VERDICT_CONTRAINDICATED,
		"the quoting enclave is not Intel's for TDs (row qe): it has no level" },
	[TDX_TCB_MODULE_MISMATCH] = { POLICY_TDX_STATUS_COUNT, VERDICT_CONTRAINDICATED,
		"the TDX module is not one that the TCB info names (row module): it has no level" },
};

/* NULL: the policy accepts the level; else why not. */
static const char *policy_fault(
	const struct tdx_tcb *t, const struct policy_tdx_tcb *p, time_t at, const char **ret_denied)
{
	uint64_t bit = statuses[t->status].word < POLICY_TDX_STATUS_COUNT
			       ? 1ull << statuses[t->status].word
			       : 0;
	uint64_t accept = p->accept == 0 ? 1ull << POLICY_TDX_UP_TO_DATE : p->accept;
	bool in_grace = p->has_grace && (p->grace.status & bit) != 0 && at >= t->date &&
			(uint64_t)(at - t->date) / DAY_S < p->grace.days;

	for (size_t i = 0; i < t->n_advisories; i++)
		for (uint64_t k = 0; k < p->n_deny; k++)
			if (strcmp(t->advisories[i], p->deny[k].id) == 0) {
				*ret_denied = t->advisories[i];
				return "an advisory of the policy's deny list is open: ";
			}
	if (p->has_min_date && t->date < p->min_date)
		return "the level's TCB date is before the policy's min_tcb_date";
	if (t->eval_number < p->min_eval_number)
		return "the collateral's evaluation number is below the policy's minimum: fetch "
		       "newer collateral";
	if ((accept & bit) == 0 && !in_grace)
		return statuses[t->status].text[0] != '\0'
			       ? statuses[t->status].text
			       : "the policy does not accept this status";
	return NULL;
}

static void tcb_row(
	const struct tdx_tcb *t, const struct policy_tdx *p, time_t at, struct verdict *v)
{
	const char *got = tdx_tcb_status_name(t->status), *denied = "";
	char ids[VERDICT_WHY_MAX / 2];
	const char *fault =
		p == NULL ? statuses[t->status].text : policy_fault(t, &p->tcb, at, &denied);
	enum verdict_status status = statuses[t->status].plain;

	if (p != NULL)
		status = fault == NULL ? VERDICT_AFFIRMING : VERDICT_CONTRAINDICATED;
	tdx_tcb_print_advisories(t, ids, sizeof ids);
	verdict_set(v, ROW_TCB, status, p == NULL ? "UpToDate" : "a status the policy accepts", got,
		"%s%s%s%s", fault == NULL ? "" : fault, denied,
		ids[0] == '\0'                      ? ""
		: fault == NULL || fault[0] == '\0' ? "advisories: "
						    : "; advisories: ",
		ids);
}

/* An enclave or a module that is the right one may still have no acceptable level. */
static void part_row(struct verdict *v, enum verdict_row_id row, enum tdx_tcb_status s,
	const struct why *mismatch, const char *what)
{
	const char *got = tdx_tcb_status_name(s);

	if (mismatch->text[0] != '\0')
		verdict_set(v, row, VERDICT_CONTRAINDICATED, "", got, "%s", mismatch->text);
	else if (s >= TDX_TCB_REVOKED)
		verdict_set(v, row, VERDICT_CONTRAINDICATED, "", got,
			"the %s's version is revoked or below every level", what);
	else
		verdict_set(v, row, VERDICT_AFFIRMING, "", got, "%s", "");
}

void tdx_appraise_tcb(const struct tdx_tcb *t, const struct policy *p, time_t at, struct verdict *v)
{
	tcb_row(t, tdx_of(p), at, v);
	part_row(v, ROW_MODULE, t->module, &t->module_why, "TDX module");
	part_row(v, ROW_QE, t->qe, &t->qe_why, "quoting enclave");
}
