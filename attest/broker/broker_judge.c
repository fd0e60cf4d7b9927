#include "attest/broker/broker_judge.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "attest/snp_report.h"

#define SOURCE_PREFIX "kbs:///"

/* Rows that a relying party may never leave unasked. */
#define ROWS_NEEDED                                                                                \
	(ROW_BIT(ROW_SIGNATURE) | ROW_BIT(ROW_CHAIN) | ROW_BIT(ROW_TRUST) | ROW_BIT(ROW_TCB) |     \
		ROW_BIT(ROW_DEBUG) | ROW_BIT(ROW_POLICY) | ROW_BIT(ROW_MEASUREMENT) |              \
		ROW_BIT(ROW_REPORT_DATA) | ROW_BIT(ROW_HOST_DATA) | ROW_BIT(ROW_VMPL))

int judge_load_policy(struct judge *j, const struct store *store, const uint8_t hash[32],
	int64_t now, struct store_policy *ret, struct why *why)
{
	AUTO(store_policy) struct store_policy p = { 0 };
	struct why cause = { 0 };

	int err = store_read_policy(store, hash, &p, &cause);
	if (err < 0)
		return why_set(why, err == -ENOENT ? -EACCES : err, "host_data: %s", cause.text);
	if (p.is_revoked)
		return why_set(why, -EACCES, "host_data: this policy is revoked");
	err = policy_parse(p.bytes, p.len, "policy", &j->policy, &cause);
	if (err == 0)
		err = policy_check_time(&j->policy, now, &cause);
	if (err == 0 && j->policy.tee.type != POLICY_TEE_SNP)
		err = why_set(&cause, -EACCES, "it is not for SEV-SNP guests");
	if (err < 0)
		return why_set(
			why, -EACCES, "host_data: the policy cannot be used: %s", cause.text);

	*ret = p;
	p = (struct store_policy){ 0 };
	return 0;
}

/*
 * The host's certificates first: the one that fits the report is usually there. Its CRLs stay among
 * them: our own have to find room, and whoever set some wants every chain judged by one.
 */
static MUST_USE int report_verify(struct judge *j, const struct store_policy *p,
	const uint8_t report_data[64], int64_t now, struct why *why)
{
	const struct kbs_snp *e = &j->evidence;
	struct attest_blob certs[LIMIT_KBS_CERTS + LIMIT_BROKER_BLOBS];
	struct attest_inputs in = {
		.evidence = { e->report, sizeof e->report },
		.certs = certs,
		.roots = j->roots,
		.n_roots = j->n_roots,
		.crls = j->crls,
		.n_crls = j->n_crls,
		.report_data = report_data,
		.digests = p->digests,
		.n_digests = p->n_digests,
		.policy = &j->policy,
		.required_rows = ROWS_NEEDED | (j->n_crls > 0 ? ROW_BIT(ROW_REVOCATION) : 0),
		.at = (time_t)now,
	};

	for (size_t i = 0; i < e->n_certs; i++)
		certs[in.n_certs++] =
			(struct attest_blob){ e->bytes + e->certs[i].offset, e->certs[i].len };
	for (size_t i = 0; i < j->n_certs; i++)
		certs[in.n_certs++] = j->certs[i];
	return attest_verify_snp(&in, &j->verdict, why);
}

/* The verdict must be whole and affirming, and this is the one place that says so. */
static MUST_USE int verdict_check(const struct judge *j, struct why *why)
{
	const struct verdict *v = &j->verdict;
	char line[VERDICT_WHY_MAX];

	bool is_trusted = v->trust == TRUST_HARDWARE ||
			  (v->trust == TRUST_SIMULATED && j->policy.tee.simulated);
	if (v->overall != VERDICT_AFFIRMING) {
		verdict_print_line(v, line, sizeof line);
		return why_set(why, -EACCES, "%s", line);
	}
	if (!is_trusted)
		return why_set(why, -EACCES, "trust: class %s is not what the policy accepts",
			trust_class_name(v->trust));
	for (unsigned int row = 0; row < ROW_COUNT; row++)
		if ((ROWS_NEEDED & ROW_BIT(row)) != 0 && v->rows[row].status != VERDICT_AFFIRMING)
			return why_set(why, -EACCES, "%s: not affirming", verdict_row_name(row));
	return 0;
}

int judge_evidence(struct judge *j, const struct store *store, const uint8_t report_data[64],
	int64_t now, struct proof *ret, struct why *why)
{
	AUTO(store_policy) struct store_policy p = { 0 };
	struct snp_report report;
	struct proof proof = { 0 };

	j->is_genuine = false;
	int err = snp_report_parse(&report, j->evidence.report, sizeof j->evidence.report, why);
	if (err < 0)
		return -EBADMSG;
	if (EVP_Digest(j->evidence.report, sizeof j->evidence.report, proof.evidence_hash, NULL,
		    EVP_sha256(), NULL) != 1)
		return -EIO;
	memcpy(proof.policy_hash, report.host_data, sizeof proof.policy_hash);
	memcpy(proof.launch_digest, report.measurement, sizeof proof.launch_digest);
	memcpy(proof.report_id, report.report_id, sizeof proof.report_id);

	err = judge_load_policy(j, store, report.host_data, now, &p, why);
	if (err == 0) {
		(void)snprintf(proof.guest, sizeof proof.guest, "%s", j->policy.name);
		proof.serial = j->policy.serial;
		err = report_verify(j, &p, report_data, now, why);
	}
	j->is_genuine = err == 0 && j->verdict.rows[ROW_SIGNATURE].status == VERDICT_AFFIRMING &&
			j->verdict.rows[ROW_CHAIN].status == VERDICT_AFFIRMING;
	if (err == 0)
		err = verdict_check(j, why);
	if (err == 0) {
		proof.is_tcb_met = j->policy.tee.snp.has_min_tcb &&
				   j->verdict.rows[ROW_TCB].status == VERDICT_AFFIRMING;
		proof.is_debug_off = j->verdict.rows[ROW_DEBUG].status == VERDICT_AFFIRMING &&
				     (report.policy & SNP_POLICY_DEBUG) == 0;
	}
	if (err == 0 || err == -EACCES)
		*ret = proof;
	return err;
}

static const struct policy_key *key_find(const struct policy *policy, const char *path)
{
	for (size_t i = 0; i < policy->n_keys; i++) {
		const char *source = policy->keys[i].source;
		if (strncmp(source, SOURCE_PREFIX, strlen(SOURCE_PREFIX)) == 0 &&
			strcmp(source + strlen(SOURCE_PREFIX), path) == 0)
			return &policy->keys[i];
	}
	return NULL;
}

int judge_release(const struct judge *j, const struct proof *proof, const char *path,
	uint64_t evidence_age_ms, const struct policy_key **ret, struct why *why)
{
	const struct policy_key *key = key_find(&j->policy, path);

	if (key == NULL)
		return why_set(why, -EACCES,
			"the policy %s names no key with source " SOURCE_PREFIX "%s",
			j->policy.name, path);
	/* "attestation:affirming" and "policy:this" hold for every proven session. */
	if (!key->has_release)
		return why_set(
			why, -EACCES, "key %s: the policy says nothing about its release", key->id);
	if ((key->release.require & POLICY_RELEASE_TCB) != 0 && !proof->is_tcb_met)
		return why_set(
			why, -EACCES, "key %s wants tcb:>=min, and there is no min_tcb", key->id);
	if ((key->release.require & POLICY_RELEASE_DEBUG_OFF) != 0 && !proof->is_debug_off)
		return why_set(why, -EACCES, "key %s wants debug:off", key->id);
	if (evidence_age_ms / 1000 >= key->release.max_age_s)
		return why_set(why, -EACCES, "key %s: the evidence is %llu s old, at most %llu",
			key->id, (unsigned long long)(evidence_age_ms / 1000),
			(unsigned long long)key->release.max_age_s);

	*ret = key;
	return 0;
}
