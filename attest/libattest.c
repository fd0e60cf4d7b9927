#include "attest/libattest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/evidence.h"
#include "base/limits.h"
#include "policy/policy.h"

_Static_assert((int)ATTEST_NONE == (int)VERDICT_NONE, "status");
_Static_assert((int)ATTEST_CONTRAINDICATED == (int)VERDICT_CONTRAINDICATED, "status");
_Static_assert((int)ATTEST_STATUS_COUNT == (int)VERDICT_STATUS_COUNT, "status");

#define PIECES_MAX 64u

/* How often a part may be given, and how long it may be. */
static const struct {
	const char *name;
	size_t n;
	size_t min, max;
} parts[ATTEST_PART_COUNT] = {
	[ATTEST_EVIDENCE] = { "evidence", 1, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_CERTIFICATES] = { "certificates", PIECES_MAX, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_ROOT] = { "root", 16, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_CRL] = { "CRL", 16, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_COLLATERAL] = { "collateral", 32, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_EVENT_LOG] = { "event log", 4, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_TPM_SIGNATURE] = { "TPM signature", 1, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_TPM_AK] = { "attestation key", 1, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_TPM_PCRS] = { "PCRs", 1, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_TPM_IMA] = { "IMA list", 1, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_TPM_TEE] = { "TEE report", 1, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_TPM_TEE_QUOTE] = { "TEE quote", 1, 1, LIMIT_ATTEST_BYTES },
	[ATTEST_SEV_TIK] = { "TIK", 1, 16, 48 },
	[ATTEST_POLICY] = { "policy", 1, 1, LIMIT_POLICY_BYTES },
	[ATTEST_REPORT_DATA] = { "report data", 1, 1, SNP_REPORT_DATA_BYTES },
	[ATTEST_HOST_DATA] = { "host data", 1, SNP_HOST_DATA_BYTES, SNP_HOST_DATA_BYTES },
	[ATTEST_DIGEST] = { "launch digest", LIMIT_POLICY_DIGESTS, 32, SNP_MEASUREMENT_BYTES },
};

struct attest_request {
	struct {
		size_t n;
		struct attest_blob at[PIECES_MAX];
	} given[ATTEST_PART_COUNT];
	bool has_time;
	struct attest_inputs in; /* pointers are filled in by inputs_fill() */
	struct policy *policy;   /* NULL: none */
	uint8_t report_data[SNP_REPORT_DATA_BYTES];
	uint8_t digests[LIMIT_POLICY_DIGESTS][SNP_MEASUREMENT_BYTES];
	struct why why;
};

struct attest_result {
	struct verdict v;
	char line[VERDICT_WHY_MAX + 64];
	char *json;
};

#define JSON_BYTES (1u << 20) /* a verdict with all claims is below 64 KiB */

struct attest_request *attest_request_new(void)
{
	return calloc(1, sizeof(struct attest_request));
}

void attest_request_free(struct attest_request *r)
{
	for (size_t p = 0; r != NULL && p < ATTEST_PART_COUNT; p++)
		for (size_t i = 0; i < r->given[p].n; i++)
			free((void *)(uintptr_t)r->given[p].at[i].p);
	if (r != NULL)
		free(r->policy);
	free(r);
}

static MUST_USE int piece_check(struct attest_request *r, enum attest_part part, size_t len)
{
	if ((unsigned int)part >= ATTEST_PART_COUNT)
		return why_set(&r->why, -EINVAL, "there is no part %u", (unsigned int)part);
	if (len < parts[part].min || len > parts[part].max)
		return why_set(&r->why, -EINVAL, "%s: %zu bytes, want %zu to %zu", parts[part].name,
			len, parts[part].min, parts[part].max);
	bool is_either = part == ATTEST_DIGEST || part == ATTEST_SEV_TIK;
	if (is_either && len != parts[part].min && len != parts[part].max)
		return why_set(&r->why, -EINVAL, "%s: %zu bytes, want %zu or %zu", parts[part].name,
			len, parts[part].min, parts[part].max);
	/* A second digest of SEV's length would take the place of the first. */
	bool is_second = false;
	for (size_t i = 0; part == ATTEST_DIGEST && len == 32 && i < r->given[part].n; i++)
		is_second |= r->given[part].at[i].len == len;
	if (is_second)
		return why_set(&r->why, -EMSGSIZE, "launch digest: more than one of 32 bytes");
	if (r->given[part].n == parts[part].n)
		return why_set(&r->why, -EMSGSIZE, "%s: more than %zu were given", parts[part].name,
			parts[part].n);
	return 0;
}

static MUST_USE int policy_take(struct attest_request *r, const void *bytes, size_t len)
{
	struct policy *p = calloc(1, sizeof *p);

	if (p == NULL)
		return -ENOMEM;
	int err = policy_parse(bytes, len, "policy", p, &r->why);
	if (err < 0)
		free(p);
	else
		r->policy = p;
	return err;
}

int attest_request_add(
	struct attest_request *r, enum attest_part part, const void *bytes, size_t len)
{
	why_clear(&r->why);
	int err = piece_check(r, part, len);
	if (err < 0)
		return err;
	uint8_t *copy = malloc(len);
	if (copy == NULL)
		return why_set(&r->why, -ENOMEM, "out of memory");
	memcpy(copy, bytes, len);
	if (part == ATTEST_POLICY)
		err = policy_take(r, copy, len);
	if (err < 0) {
		free(copy);
		return err;
	}
	r->given[part].at[r->given[part].n++] = (struct attest_blob){ copy, len };
	return 0;
}

void attest_request_set_time(struct attest_request *r, int64_t seconds)
{
	r->in.at = (time_t)seconds;
	r->has_time = true;
}

int attest_request_set_kind(struct attest_request *r, const char *kind)
{
	why_clear(&r->why);
	for (enum evidence_kind k = EVIDENCE_SNP; k < EVIDENCE_KIND_COUNT; k++) {
		if (strcmp(kind, evidence_kind_name(k)) != 0)
			continue;
		r->in.kind = k;
		return 0;
	}
	return why_set(&r->why, -EINVAL, "there is no kind of evidence '%.40s'", kind);
}

void attest_request_set_sev(struct attest_request *r, uint8_t api_major, uint8_t api_minor,
	uint8_t build, uint32_t policy)
{
	r->in.sev.api_major = api_major;
	r->in.sev.api_minor = api_minor;
	r->in.sev.build = build;
	r->in.sev.policy = policy;
}

int attest_request_require(struct attest_request *r, const char *row)
{
	enum verdict_row_id id;

	why_clear(&r->why);
	if (verdict_row_parse(row, &id) < 0)
		return why_set(&r->why, -EINVAL, "there is no row '%.40s'", row);
	r->in.required_rows |= ROW_BIT(id);
	return 0;
}

const char *attest_request_error(const struct attest_request *r)
{
	return r->why.text;
}

/* The first piece of a part, or none. */
static struct attest_blob one(const struct attest_request *r, enum attest_part part)
{
	return r->given[part].n > 0 ? r->given[part].at[0] : (struct attest_blob){ 0 };
}

static void inputs_fill(struct attest_request *r)
{
	struct attest_inputs *in = &r->in;
	struct attest_blob data = one(r, ATTEST_REPORT_DATA);

	in->evidence = one(r, ATTEST_EVIDENCE);
	in->certs = r->given[ATTEST_CERTIFICATES].at;
	in->n_certs = r->given[ATTEST_CERTIFICATES].n;
	in->roots = r->given[ATTEST_ROOT].at;
	in->n_roots = r->given[ATTEST_ROOT].n;
	in->crls = r->given[ATTEST_CRL].at;
	in->n_crls = r->given[ATTEST_CRL].n;
	in->collateral = r->given[ATTEST_COLLATERAL].at;
	in->n_collateral = r->given[ATTEST_COLLATERAL].n;
	in->event_logs = r->given[ATTEST_EVENT_LOG].at;
	in->n_event_logs = r->given[ATTEST_EVENT_LOG].n;
	in->tpm.signature = one(r, ATTEST_TPM_SIGNATURE);
	in->tpm.ak = one(r, ATTEST_TPM_AK);
	in->tpm.pcrs = one(r, ATTEST_TPM_PCRS);
	in->tpm.ima = one(r, ATTEST_TPM_IMA);
	in->tpm.tee = one(r, ATTEST_TPM_TEE);
	in->tpm.tee_quote = one(r, ATTEST_TPM_TEE_QUOTE);
	in->sev.tik = one(r, ATTEST_SEV_TIK);
	in->host_data = one(r, ATTEST_HOST_DATA).p;
	in->policy = r->policy;
	memset(r->report_data, 0, sizeof r->report_data);
	if (data.len > 0)
		memcpy(r->report_data, data.p, data.len);
	in->report_data = data.len > 0 ? r->report_data : NULL;
	in->report_data_len = data.len;
	in->n_digests = 0;
	in->sev.digest = NULL;
	for (size_t i = 0; i < r->given[ATTEST_DIGEST].n; i++) {
		struct attest_blob d = r->given[ATTEST_DIGEST].at[i];
		if (d.len == SNP_MEASUREMENT_BYTES)
			memcpy(r->digests[in->n_digests++], d.p, d.len);
		else
			in->sev.digest = d.p;
	}
	in->digests = (const uint8_t(*)[SNP_MEASUREMENT_BYTES])r->digests;
}

static MUST_USE int result_print(struct attest_result *ret)
{
	ret->json = malloc(JSON_BYTES);
	if (ret->json == NULL)
		return -ENOMEM;
	struct wr w = wr_of(ret->json, JSON_BYTES);
	verdict_print_json(&ret->v, &w);
	verdict_print_line(&ret->v, ret->line, sizeof ret->line);
	int err = wr_end_str(&w);
	char *fit = err < 0 ? NULL : realloc(ret->json, w.len + 1);
	if (fit != NULL)
		ret->json = fit;
	return err;
}

int attest_request_verify(struct attest_request *r, struct attest_result **ret)
{
	why_clear(&r->why);
	if (r->given[ATTEST_EVIDENCE].n == 0)
		return why_set(&r->why, -EINVAL, "no evidence was given");
	if (!r->has_time)
		return why_set(&r->why, -EINVAL, "no time was given: there is no clock here");
	struct attest_result *result = calloc(1, sizeof *result);
	if (result == NULL)
		return why_set(&r->why, -ENOMEM, "out of memory");
	inputs_fill(r);
	int err = attest_verify(&r->in, &result->v, &r->why);
	if (err == 0)
		err = result_print(result);
	if (err < 0) {
		attest_result_free(result);
		return why_set(&r->why, err, "%s", why_text(&r->why, err));
	}
	*ret = result;
	return 0;
}

void attest_result_free(struct attest_result *result)
{
	if (result != NULL)
		free(result->json);
	free(result);
}

enum attest_status attest_result_status(const struct attest_result *result)
{
	return (enum attest_status)result->v.overall;
}

const char *attest_result_kind(const struct attest_result *result)
{
	return evidence_kind_name(result->v.kind);
}

const char *attest_result_trust(const struct attest_result *result)
{
	return trust_class_name(result->v.trust);
}

int attest_result_row(const struct attest_result *result, size_t index, struct attest_row *ret)
{
	if (index >= ROW_COUNT)
		return -ERANGE;
	const struct verdict_row *row = &result->v.rows[index];
	*ret = (struct attest_row){ .name = verdict_row_name((enum verdict_row_id)index),
		.status = (enum attest_status)row->status,
		.expected = row->expected,
		.actual = row->actual,
		.why = row->why };
	return 0;
}

int attest_result_find(const struct attest_result *result, const char *name, struct attest_row *ret)
{
	enum verdict_row_id id;
	int err = verdict_row_parse(name, &id);

	return err < 0 ? err : attest_result_row(result, id, ret);
}

const char *attest_result_line(const struct attest_result *result)
{
	return result->line;
}

const char *attest_result_json(const struct attest_result *result)
{
	return result->json;
}

const char *attest_status_name(enum attest_status status)
{
	return (unsigned int)status < ATTEST_STATUS_COUNT
		       ? verdict_status_name((enum verdict_status)status)
		       : "?";
}
