#include "attest/appraise_row.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "base/wr.h"

#define DIGEST_BYTES 48u

const char *row_hex(char ret[ROW_TEXT_MAX], const void *bytes, size_t len)
{
	wr_hex_str(ret, ROW_TEXT_MAX, bytes, len);
	return ret;
}

const char *row_word(char ret[ROW_TEXT_MAX], uint64_t v)
{
	(void)snprintf(ret, ROW_TEXT_MAX, "0x%llx", (unsigned long long)v);
	return ret;
}

bool row_is_zero(const void *bytes, size_t len)
{
	const uint8_t *b = bytes;
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= b[i];
	return any == 0;
}

void row_equal(struct verdict *v, enum verdict_row_id row, const void *expected, const void *actual,
	size_t len, const char *not_asked, const char *differs)
{
	char want[ROW_TEXT_MAX], got[ROW_TEXT_MAX];

	row_hex(got, actual, len);
	if (expected == NULL)
		verdict_set(v, row, VERDICT_NONE, "", got, "%s", not_asked);
	else if (secret_equal(expected, actual, len))
		verdict_set(v, row, VERDICT_AFFIRMING, row_hex(want, expected, len), got, "%s", "");
	else
		verdict_set(v, row, VERDICT_CONTRAINDICATED, row_hex(want, expected, len), got,
			"%s", differs);
}

void row_bit(struct verdict *v, enum verdict_row_id row, bool is_set, const struct policy *p,
	bool is_allowed, const char *meaning)
{
	const char *got = is_set ? "on" : "off", *want = "";

	if (p != NULL)
		want = is_allowed ? "any" : "off";
	if (!is_set)
		verdict_set(v, row, VERDICT_AFFIRMING, want, got, "%s", "");
	else if (p == NULL)
		verdict_set(v, row, VERDICT_WARNING, want, got, "%s", meaning);
	else if (is_allowed)
		verdict_set(
			v, row, VERDICT_AFFIRMING, want, got, "the policy allows it: %s", meaning);
	else
		verdict_set(v, row, VERDICT_CONTRAINDICATED, want, got, "%s; the policy forbids it",
			meaning);
}

static void measurement_denied(
	struct verdict *v, const struct policy_endorsements *e, const uint8_t actual[48])
{
	char got[ROW_TEXT_MAX];

	for (uint64_t i = 0; i < e->n_deny_digests; i++)
		if (memcmp(e->deny_digests[i].sha384, actual, DIGEST_BYTES) == 0)
			verdict_set(v, ROW_MEASUREMENT, VERDICT_CONTRAINDICATED, "",
				row_hex(got, actual, DIGEST_BYTES),
				"the policy's deny list names this launch digest");
}

void row_measurement(struct verdict *v, const struct attest_inputs *in, const uint8_t actual[48],
	const char *differs)
{
	const struct policy *p = in->policy;
	uint64_t n_own = p == NULL ? 0 : p->boot.n_launch_digests;
	size_t n = in->n_digests + n_own;
	const uint8_t *first = NULL;
	char want[ROW_TEXT_MAX], got[ROW_TEXT_MAX];

	if (p != NULL)
		measurement_denied(v, &p->tee.endorsements, actual);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *d = i < in->n_digests
					   ? in->digests[i]
					   : p->boot.launch_digests[i - in->n_digests].sha384;
		if (first == NULL || secret_equal(d, actual, DIGEST_BYTES))
			first = d;
	}
	if (n > 1 && !secret_equal(first, actual, DIGEST_BYTES))
		verdict_set(v, ROW_MEASUREMENT, VERDICT_CONTRAINDICATED,
			row_hex(want, first, DIGEST_BYTES), row_hex(got, actual, DIGEST_BYTES),
			"launch digest is none of the %zu expected ones; "
			"'casemate measure POLICY --diff' names the input that changed",
			n);
	if (n == 0 && p != NULL)
		verdict_set(v, ROW_MEASUREMENT, VERDICT_CONTRAINDICATED, "",
			row_hex(got, actual, DIGEST_BYTES),
			"the policy lists no launch digest and none was computed from its files");
	row_equal(v, ROW_MEASUREMENT, first, actual, DIGEST_BYTES,
		"no expected launch digest was given", differs);
}

void row_chip_denied(struct verdict *v, const struct policy *p, const uint8_t chip[64])
{
	char got[ROW_TEXT_MAX];

	for (uint64_t i = 0; p != NULL && i < p->tee.endorsements.n_deny_chips; i++)
		if (memcmp(p->tee.endorsements.deny_chips[i].id, chip, 64) == 0)
			verdict_set(v, ROW_CHIP_ID, VERDICT_CONTRAINDICATED, "",
				row_hex(got, chip, 64), "the policy's deny list names this chip");
}

void row_policy_itself(struct verdict *v, const struct policy *p, enum policy_tee type, time_t at)
{
	if (p == NULL)
		return;
	bool is_plain = type == POLICY_TEE_NONE && !policy_tee_proves(p->tee.type);
	if (p->tee.type != type && !is_plain)
		verdict_set(v, ROW_POLICY, VERDICT_CONTRAINDICATED, "another kind",
			evidence_kind_name(v->kind),
			"the launch policy is for another kind of guest (tee.type)");
	if (p->has_valid && at < p->valid.not_before)
		verdict_set(v, ROW_POLICY, VERDICT_CONTRAINDICATED, "", "",
			"the launch policy is not yet valid at the time asked for");
	if (p->has_valid && at > p->valid.not_after)
		verdict_set(v, ROW_POLICY, VERDICT_CONTRAINDICATED, "", "",
			"the launch policy has expired at the time asked for");
}
