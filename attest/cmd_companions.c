#include "attest/cmd_companions.h"

#include "attest/eventlog.h"
#include "attest/hcl.h"
#include "attest/ima_log.h"
#include "attest/tpm_key.h"
#include "attest/tpm_quote.h"

/* Is it a key, alone or in a certificate? */
static bool is_key(struct attest_blob b)
{
	AUTO(tpm_key) struct tpm_key k = { 0 };

	return tpm_key_load(&k, b, NULL) == 0;
}

static bool is_pcrs(struct attest_blob b)
{
	static struct tpm_pcrs pcrs; /* large; one thread */

	pcrs.n = 0;
	return tpm_pcrs_parse(&pcrs, b, NULL) == 0 && pcrs.n > 0;
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

static void signature_find(struct attest_inputs *in, const struct attest_blob *blobs, size_t n)
{
	AUTO(tpm_key) struct tpm_key k = { 0 };
	const struct tpm_alg *hash;
	struct tpm_quote q;

	if (tpm_quote_parse(&q, in->evidence, NULL) < 0 || key_find(in, &k) < 0)
		return;
	for (size_t i = 0; i < n && in->tpm.signature.len == 0; i++)
		if (tpm_signature_verify(&k, blobs[i], in->evidence, q.digest.len, &hash, NULL) ==
			0)
			in->tpm.signature = blobs[i];
}

static void take(struct attest_blob *place, struct attest_blob b)
{
	if (place->len == 0)
		*place = b;
}

void cmd_companions_find(struct attest_inputs *in, const struct attest_blob *blobs, size_t n,
	struct attest_blob logs[CMD_LOGS_MAX])
{
	bool has_logs = in->n_event_logs > 0, has_ak = in->tpm.ak.len > 0;

	for (size_t i = 0; i < n; i++) {
		struct attest_blob b = blobs[i];
		if (hcl_recognise(b))
			take(&in->tpm.tee, b);
		else if (ima_recognise(b))
			take(&in->tpm.ima, b);
		else if (attest_recognise_bare(b.p, b.len) == EVIDENCE_TDX)
			take(&in->tpm.tee_quote, b);
		else if (is_key(b))
			take(&in->tpm.ak, b);
		else if (is_pcrs(b))
			take(&in->tpm.pcrs, b);
		else if (eventlog_recognise(b) && !has_logs && in->n_event_logs < CMD_LOGS_MAX) {
			logs[in->n_event_logs++] = b;
			in->event_logs = logs;
		}
	}
	if (!has_ak && hcl_recognise(in->tpm.tee))
		in->tpm.ak = (struct attest_blob){ 0 }; /* the report names it itself */
	if (in->tpm.signature.len == 0)
		signature_find(in, blobs, n);
}
