#include "attest/cmd_companions.h"

#include "attest/eventlog.h"
#include "attest/hcl.h"
#include "attest/ima_log.h"
#include "attest/tdx_collateral.h"
#include "attest/tpm_key.h"
#include "attest/tpm_quote.h"

/* Is it a key, alone or in a certificate? */
static bool is_key(struct attest_blob b)
{
	AUTO(tpm_key) struct tpm_key k = { 0 };

	return tpm_key_load(&k, b, NULL) == 0;
}

/* A report whose variable data is what its TEE vouches for; else the first. */
static void hcl_take(struct attest_inputs *in, struct attest_blob b)
{
	struct hcl_report h;

	if (in->tpm.tee.len == 0 ||
		(hcl_parse(&h, in->tpm.tee, NULL) == 0 && hcl_check_variable(&h, NULL) < 0))
		in->tpm.tee = b;
}

/* Register values: those that were quoted, else the first. */
static void pcrs_find(struct attest_inputs *in, const struct attest_blob *blobs, size_t n,
	const struct tpm_quote *q, const struct tpm_alg *hash)
{
	static struct tpm_pcrs pcrs; /* large; one thread */

	for (size_t i = 0; i < n; i++) {
		pcrs.n = 0;
		if (tpm_pcrs_parse(&pcrs, blobs[i], NULL) < 0 || pcrs.n == 0)
			continue;
		bool fits = hash != NULL && tpm_quote_check_pcrs(q, hash, &pcrs, NULL) == 0;
		if (in->tpm.pcrs.len == 0 || fits)
			in->tpm.pcrs = blobs[i];
		if (fits)
			return;
	}
}

/* The key that signs: the one that was given, else the one that the TEE's report names. */
static MUST_USE int key_find(const struct attest_inputs *in, struct tpm_key *ret)
{
	struct hcl_report h;
	EVP_PKEY *key = NULL;

	if (in->tpm.ak.len > 0)
		return tpm_key_load(ret, in->tpm.ak, NULL);
	int err = hcl_parse(&h, in->tpm.tee, NULL);
	if (err == 0)
		err = hcl_ak(&h, &key, NULL);
	if (err == 0)
		err = tpm_key_of(ret, key, NULL);
	EVP_PKEY_free(key);
	return err;
}

/* What belongs to one quote, once the key is known. */
static void quote_parts_find(struct attest_inputs *in, const struct attest_blob *blobs, size_t n)
{
	AUTO(tpm_key) struct tpm_key k = { 0 };
	const struct tpm_alg *hash = NULL;
	bool has_pcrs = in->tpm.pcrs.len > 0;
	struct tpm_quote q;

	if (tpm_quote_parse(&q, in->evidence, NULL) < 0)
		return;
	if (key_find(in, &k) == 0)
		for (size_t i = 0; i < n && in->tpm.signature.len == 0; i++)
			if (tpm_signature_verify(
				    &k, blobs[i], in->evidence, q.digest.len, &hash, NULL) == 0)
				in->tpm.signature = blobs[i];
	if (!has_pcrs)
		pcrs_find(in, blobs, n, &q, hash);
}

static void take(struct attest_blob *place, struct attest_blob b)
{
	if (place->len == 0)
		*place = b;
}

/* Does the verifier of TDX quotes know what it is? */
static bool is_collateral(struct attest_blob b)
{
	AUTO(tdx_collateral) struct tdx_collateral c = { 0 };
	AUTO(cert_store) struct cert_store store = { 0 };

	return tdx_collateral_add(&c, &store, b, NULL) == 0;
}

void cmd_companions_find(struct attest_inputs *in, struct cmd_companions *lists)
{
	bool has_logs = in->n_event_logs > 0, has_ak = in->tpm.ak.len > 0,
	     has_tee = in->tpm.tee.len > 0;
	const struct attest_blob *blobs = in->collateral;
	size_t n = in->n_collateral, n_kept = 0;
	struct tpm_quote q;
	/* A container names its key; what lies beside it is of a TEE's quote, like its signers. */
	bool is_bare = tpm_quote_parse(&q, in->evidence, NULL) == 0;

	for (size_t i = 0; i < n; i++) {
		struct attest_blob b = blobs[i];
		bool is_told = true;
		if (hcl_recognise(b) && !has_tee)
			hcl_take(in, b);
		else if (ima_recognise(b))
			take(&in->tpm.ima, b);
		else if (attest_recognise_bare(b.p, b.len) == EVIDENCE_TDX)
			take(&in->tpm.tee_quote, b);
		else if (is_bare && is_key(b)) {
			in->tpm.is_ak_found |= in->tpm.ak.len == 0;
			take(&in->tpm.ak, b);
		} else if (eventlog_recognise(b) && lists->n_logs < ARRAY_LEN(lists->logs))
			lists->logs[lists->n_logs++] = b;
		else
			is_told = false;
		if (is_collateral(b) || (!is_told && lists->is_named[i]))
			lists->collateral[n_kept++] = b;
	}
	if (!has_logs)
		in->event_logs = lists->logs, in->n_event_logs = lists->n_logs;
	if (!has_ak && hcl_recognise(in->tpm.tee))
		in->tpm.ak = (struct attest_blob){ 0 }; /* the report names it itself */
	quote_parts_find(in, blobs, n);
	in->collateral = lists->collateral, in->n_collateral = n_kept;
}
