#include "attest/broker/broker_judge.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/sev_session.h"
#include "attest/snp_report.h"
#include "attest/tdx_quote.h"
#include "base/secret.h"
#include "base/wr.h"

#define SOURCE_PREFIX "kbs:///"

/* Rows that a relying party may never leave unasked. */
#define ROWS_ALL (ROW_BIT(ROW_SIGNATURE) | ROW_BIT(ROW_TRUST) | ROW_BIT(ROW_REPORT_DATA))
#define ROWS_TEE                                                                                   \
	(ROWS_ALL | ROW_BIT(ROW_CHAIN) | ROW_BIT(ROW_TCB) | ROW_BIT(ROW_DEBUG) |                   \
		ROW_BIT(ROW_MEASUREMENT))
#define ROWS_TDX (ROW_BIT(ROW_COLLATERAL) | ROW_BIT(ROW_QE) | ROW_BIT(ROW_MODULE))
#define ROWS_SEV                                                                                   \
	(ROW_BIT(ROW_SIGNATURE) | ROW_BIT(ROW_TRUST) | ROW_BIT(ROW_CHAIN) | ROW_BIT(ROW_TCB) |     \
		ROW_BIT(ROW_DEBUG) | ROW_BIT(ROW_MEASUREMENT) | ROW_BIT(ROW_POLICY) |              \
		ROW_BIT(ROW_OWNER))
#define ROWS_VTPM (ROW_BIT(ROW_PCRS) | ROW_BIT(ROW_BINDING))

static const struct {
	enum evidence_kind kind;
	enum policy_tee policy; /* what tee.type must be */
	uint32_t rows;
} tees[TEE_COUNT] = {
	[TEE_SNP] = { EVIDENCE_SNP, POLICY_TEE_SNP,
		ROWS_TEE | ROW_BIT(ROW_POLICY) | ROW_BIT(ROW_HOST_DATA) | ROW_BIT(ROW_VMPL) },
	[TEE_TDX] = { EVIDENCE_TDX, POLICY_TEE_TDX, ROWS_TEE | ROWS_TDX | ROW_BIT(ROW_HOST_DATA) },
	[TEE_AZ_SNP] = { EVIDENCE_TPM, POLICY_TEE_SNP, ROWS_TEE | ROWS_VTPM },
	[TEE_AZ_TDX] = { EVIDENCE_TPM, POLICY_TEE_TDX, ROWS_TEE | ROWS_TDX | ROWS_VTPM },
	[TEE_TPM] = { EVIDENCE_TPM, POLICY_TEE_NONE, ROWS_ALL | ROW_BIT(ROW_PCRS) },
};

void blobs_done(struct blobs *b)
{
	for (size_t i = 0; i < b->n; i++)
		free((void *)(uintptr_t)b->at[i].p);
	b->n = 0;
}

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
	if (err == 0)
		err = store_check_serial(store, p.tenant, j->policy.name, j->policy.serial, &cause);
	if (err < 0)
		return why_set(
			why, -EACCES, "host_data: the policy cannot be used: %s", cause.text);

	*ret = p;
	p = (struct store_policy){ 0 };
	return 0;
}

/* Evidence of another kind must not stand for what the policy asks. */
static MUST_USE int policy_check_tee(
	const struct policy *policy, enum broker_tee tee, struct why *why)
{
	if (policy->tee.type != tees[tee].policy)
		return why_set(why, -EACCES,
			"host_data: the policy cannot be used: it is not for %s guests",
			tee_name(tee));
	if (tee_is_vtpm(tee) && (!policy->tee.has_tpm || policy->tee.tpm.n_pcrs == 0))
		return why_set(why, -EACCES,
			"pcrs: the policy asks for no registers (tee.tpm.pcrs), and nothing else "
			"tells what a guest with a virtual TPM runs");
	return tee == TEE_TPM && policy->tee.tpm.n_aks == 0
		       ? why_set(why, -EACCES,
				 "chain: the policy names no key (tee.tpm.aks), and a TPM alone "
				 "proves nothing about its machine")
		       : 0;
}

/* --- what evidence says of itself ---------------------------------------------------------------- */

struct facts {
	uint8_t host_data[48]; /* HOST_DATA and zeros, or MRCONFIGID */
	size_t host_data_len;  /* of the field; 0: there is none */
};

static MUST_USE int facts_read(
	const struct evidence *e, struct facts *f, struct proof *proof, struct why *why)
{
	if (e->tee == TEE_SNP) {
		struct snp_report r;
		int err = snp_report_parse(&r, e->snp.report, sizeof e->snp.report, why);
		if (err < 0)
			return err;
		f->host_data_len = sizeof r.host_data;
		memcpy(f->host_data, r.host_data, sizeof r.host_data);
		memcpy(proof->launch_digest, r.measurement, sizeof proof->launch_digest);
		memcpy(proof->boot_id, r.report_id, sizeof proof->boot_id);
		proof->is_debug_off = (r.policy & SNP_POLICY_DEBUG) == 0;
	} else if (e->tee == TEE_TDX) {
		struct tdx_quote quote;
		int err = tdx_quote_parse(&quote, e->bytes, e->len, why);
		if (err < 0)
			return err;
		f->host_data_len = sizeof quote.body.mrconfigid;
		memcpy(f->host_data, quote.body.mrconfigid, sizeof f->host_data);
		memcpy(proof->launch_digest, quote.body.mrtd, sizeof proof->launch_digest);
		proof->is_debug_off = (le64_get(quote.body.td_attributes) & TDX_ATTR_TUD) == 0;
	}
	return 0;
}

/* Policy by host data: its hash, or what was put for this host data (init-data's digest). */
static MUST_USE int policy_find(const struct store *store, const struct judge_question *q,
	const struct facts *f, uint8_t ret_hash[32], bool *ret_is_own, struct why *why)
{
	static const uint8_t zero[16];

	*ret_is_own = true;
	if (f->host_data_len == 0) {
		if (q->policy_hash == NULL)
			return why_set(why, -EACCES,
				"host_data: this kind of evidence has none: name the policy, "
				"extra-params {\"id\": HASH}");
		memcpy(ret_hash, q->policy_hash, 32);
		return q->init_data == NULL
			       ? 0
			       : why_set(why, -EACCES,
					 "host_data: init-data is not compared for virtual TPMs");
	}
	if (q->init_data != NULL && memcmp(q->init_data, f->host_data, f->host_data_len) != 0)
		return why_set(why, -EACCES,
			"host_data: the digest of the init-data is not what the evidence carries");
	memcpy(ret_hash, f->host_data, 32);
	int err = memcmp(f->host_data + 32, zero, sizeof zero) == 0
			  ? store_find_policy(store, f->host_data, ret_hash, why)
			  : -ENOENT;
	*ret_is_own = memcmp(ret_hash, f->host_data, 32) == 0;
	return err == -ENOENT ? 0 : err;
}

/* --- judging ------------------------------------------------------------------------------------- */

/*
 * The host's certificates first: the one that fits the report is usually there. Its CRLs stay among
 * them: our own have to find room, and whoever set some wants every chain judged by one.
 */
static MUST_USE int evidence_verify(struct judge *j, const struct store_policy *p,
	const struct judge_question *q, const uint8_t *host_data, struct why *why)
{
	const struct evidence *e = &j->evidence;
	const struct attest_blob log = { e->log, e->log_len };
	struct attest_blob certs[LIMIT_KBS_CERTS + LIMIT_BROKER_BLOBS];
	struct attest_inputs in = {
		.kind = tees[e->tee].kind,
		.evidence = evidence_blob(e),
		.certs = certs,
		.roots = j->roots.at,
		.n_roots = j->roots.n,
		.crls = j->crls.at,
		.n_crls = j->crls.n,
		.collateral = j->collateral.at,
		.n_collateral = j->collateral.n,
		.event_logs = &log,
		.n_event_logs = e->log_len > 0 ? 1 : 0,
		.report_data = q->report_data,
		.report_data_len = q->report_data_len,
		.host_data = host_data,
		.digests = p->digests,
		.n_digests = p->n_digests,
		.policy = &j->policy,
		.required_rows = tees[e->tee].rows,
		.at = (time_t)q->now,
	};

	if (e->tee == TEE_SNP && j->crls.n > 0)
		in.required_rows |= ROW_BIT(ROW_REVOCATION);
	for (size_t i = 0; e->tee == TEE_SNP && i < e->snp.n_certs; i++)
		certs[in.n_certs++] = (struct attest_blob){ e->snp.bytes + e->snp.certs[i].offset,
			e->snp.certs[i].len };
	for (size_t i = 0; i < j->certs.n; i++)
		certs[in.n_certs++] = j->certs.at[i];
	return attest_verify(&in, &j->verdict, why);
}

/* The verdict must be whole and affirming, and this is the one place that says so. */
static MUST_USE int verdict_check(
	const struct judge *j, uint32_t needed, bool may_be_host, struct why *why)
{
	const struct verdict *v = &j->verdict;
	char line[VERDICT_WHY_MAX];

	bool is_trusted = v->trust == TRUST_HARDWARE ||
			  (v->trust == TRUST_SIMULATED && j->policy.tee.simulated) || may_be_host;
	if (v->overall != VERDICT_AFFIRMING) {
		verdict_print_line(v, line, sizeof line);
		return why_set(why, -EACCES, "%s", line);
	}
	if (!is_trusted)
		return why_set(why, -EACCES, "trust: class %s is not what the policy accepts",
			trust_class_name(v->trust));
	for (unsigned int row = 0; row < ROW_COUNT; row++)
		if ((needed & ROW_BIT(row)) != 0 && v->rows[row].status != VERDICT_AFFIRMING)
			return why_set(why, -EACCES, "%s: not affirming", verdict_row_name(row));
	return 0;
}

/*
 * What only a verified vTPM's evidence says: the TEE's launch digest, and its boot: the TPM's key and
 * how often it was reset.
 */
static MUST_USE int claims_take(const struct judge *j, struct proof *proof)
{
	const struct claims *c = &j->verdict.claims;
	const struct claim *digest = claims_find(c, "measurement");
	const struct claim *mrtd = claims_find(c, "mrtd");
	const struct claim *key = claims_find(c, "tpm_ak_sha256");
	const struct claim *resets = claims_find(c, "tpm_reset_count");
	uint8_t boot[32 + 8];
	struct wr w = wr_of(boot, sizeof boot);

	digest = digest != NULL ? digest : mrtd;
	if (digest != NULL && digest->len == sizeof proof->launch_digest)
		memcpy(proof->launch_digest, digest->bytes, digest->len);
	proof->is_debug_off = !j->policy.tee.snp.guest_policy.debug && !j->policy.tee.tdx.debug;
	if (key == NULL || key->len != 32 || resets == NULL)
		return 0;
	wr_copy(&w, key->bytes, 32);
	wr_le64(&w, resets->number);
	return EVP_Digest(boot, w.len, proof->boot_id, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

/* The policy, then the evidence against it; -EACCES from either. */
static MUST_USE int judge_all(struct judge *j, const struct store *store,
	const struct judge_question *q, const struct facts *f, struct proof *proof, struct why *why)
{
	AUTO(store_policy) struct store_policy p = { 0 };
	bool is_own = true;

	int err = policy_find(store, q, f, proof->policy_hash, &is_own, why);
	if (err == 0)
		err = judge_load_policy(j, store, proof->policy_hash, q->now, &p, why);
	if (err == 0)
		err = policy_check_tee(&j->policy, j->evidence.tee, why);
	if (err < 0)
		return err;
	(void)snprintf(proof->guest, sizeof proof->guest, "%s", j->policy.name);
	(void)snprintf(proof->tenant, sizeof proof->tenant, "%s", p.tenant);
	proof->serial = j->policy.serial;
	err = evidence_verify(j, &p, q, is_own ? NULL : f->host_data, why);
	if (err < 0)
		return err;
	j->is_genuine = j->verdict.rows[ROW_SIGNATURE].status == VERDICT_AFFIRMING &&
			j->verdict.rows[ROW_CHAIN].status == VERDICT_AFFIRMING;
	/* A bare TPM's key is one the policy names (policy_check_tee). */
	return verdict_check(j, tees[j->evidence.tee].rows, j->evidence.tee == TEE_TPM, why);
}

int judge_evidence(struct judge *j, const struct store *store, const struct judge_question *q,
	struct proof *ret, struct why *why)
{
	const struct attest_blob blob = evidence_blob(&j->evidence);
	struct facts f = { 0 };
	struct proof proof = { .since = ret->since };

	j->is_genuine = false;
	int err = facts_read(&j->evidence, &f, &proof, why);
	if (err < 0)
		return err == -EPROTONOSUPPORT ? err : -EBADMSG;
	if (EVP_Digest(blob.p, blob.len, proof.evidence_hash, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	err = judge_all(j, store, q, &f, &proof, why);
	if (err == 0) {
		bool has_tcb =
			j->policy.tee.type == POLICY_TEE_TDX || j->policy.tee.snp.n_min_tcbs > 0;
		proof.is_tcb_met = has_tcb && j->verdict.rows[ROW_TCB].status == VERDICT_AFFIRMING;
		if (tee_is_vtpm(j->evidence.tee))
			err = claims_take(j, &proof);
		proof.is_debug_off = proof.is_debug_off &&
				     j->verdict.rows[ROW_DEBUG].status == VERDICT_AFFIRMING;
	}
	if (err == 0 || err == -EACCES)
		*ret = proof;
	return err;
}

/* --- SEV launches -------------------------------------------------------------------------------- */

static void launch_prove(const struct judge *j, struct proof *proof)
{
	const struct policy_sev *sev = &j->policy.tee.sev;
	const struct claim *digest = claims_find(&j->verdict.claims, "measurement");
	const struct claim *debug = claims_find(&j->verdict.claims, "policy_debug_allowed");

	if (digest != NULL && digest->len <= sizeof proof->launch_digest)
		memcpy(proof->launch_digest, digest->bytes, digest->len);
	proof->is_debug_off = debug != NULL && debug->number == 0;
	proof->is_tcb_met = (sev->api_major | sev->api_minor | sev->build) != 0 &&
			    j->verdict.rows[ROW_TCB].status == VERDICT_AFFIRMING;
}

int judge_launch(struct judge *j, const struct store_policy *p, const struct judge_launch *launch,
	int64_t now, struct proof *ret, struct why *why)
{
	const struct attest_inputs in = {
		.kind = EVIDENCE_SEV,
		.evidence = { launch->measure, sizeof launch->measure },
		.certs = &launch->certs,
		.n_certs = 1,
		.roots = j->roots.at,
		.n_roots = j->roots.n,
		.sev = { .tik = { launch->tik, SEV_TIK_BYTES },
			.api_major = launch->api[0],
			.api_minor = launch->api[1],
			.build = launch->api[2],
			.policy = launch->policy_word },
		.digests = p->digests,
		.n_digests = p->n_digests,
		.policy = &j->policy,
		.required_rows = ROWS_SEV,
		.at = (time_t)now,
	};

	memcpy(ret->policy_hash, j->policy.hash, sizeof ret->policy_hash);
	(void)snprintf(ret->guest, sizeof ret->guest, "%s", j->policy.name);
	(void)snprintf(ret->tenant, sizeof ret->tenant, "%s", p->tenant);
	ret->serial = j->policy.serial;
	if (EVP_Digest(launch->measure, sizeof launch->measure, ret->evidence_hash, NULL,
		    EVP_sha256(), NULL) != 1)
		return -EIO;
	int err = attest_verify(&in, &j->verdict, why);
	if (err == 0)
		err = verdict_check(j, ROWS_SEV, false, why);
	if (err == 0)
		launch_prove(j, ret);
	return err;
}

/* --- releasing ------------------------------------------------------------------------------------ */

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
	if ((key->release.require & (POLICY_RELEASE_TCB | POLICY_RELEASE_ACCEPTED)) != 0 &&
		!proof->is_tcb_met)
		return why_set(why, -EACCES,
			"key %s wants tcb:>=min or tcb:accepted, and there is no min_tcb", key->id);
	if ((key->release.require & POLICY_RELEASE_DEBUG_OFF) != 0 && !proof->is_debug_off)
		return why_set(why, -EACCES, "key %s wants debug:off", key->id);
	static const uint8_t none[sizeof proof->boot_id];
	if (key->release.once_per_boot && secret_equal(proof->boot_id, none, sizeof none))
		return why_set(why, -EACCES,
			"key %s wants once_per_boot, and this evidence does not tell one boot from "
			"another",
			key->id);
	if (evidence_age_ms / 1000 >= key->release.max_age_s)
		return why_set(why, -EACCES, "key %s: the evidence is %llu s old, at most %llu",
			key->id, (unsigned long long)(evidence_age_ms / 1000),
			(unsigned long long)key->release.max_age_s);

	*ret = key;
	return 0;
}
