/*
 * Reaches tpm_evidence_parse() (JSON, protobuf, bare), tpm_quote_parse(), tpm_pcrs_parse(),
 * tpm_key_load() (PEM, DER, TPMT_PUBLIC) and the whole verdict of what is evidence. An input that
 * begins with 'K' is a key (u16 length, big-endian) and its signature: tpm_signature_verify().
 */
#include <stdlib.h>

#include "attest/evidence.h"
#include "attest/tpm_evidence.h"
#include "attest/tpm_key.h"
#include "base/rd.h"
#include "tests/fuzz/fuzz.h"

static void signature_check(struct attest_blob b)
{
	static const uint8_t signed_bytes[] = { 'c', 'a', 's', 'e', 'm', 'a', 't', 'e' };
	struct rd r = rd_of(b.p, b.len);
	AUTO(tpm_key) struct tpm_key key = { 0 };
	const struct tpm_alg *hash = NULL;

	rd_skip(&r, 1);
	size_t len = rd_be16(&r);
	const struct attest_blob public = { rd_bytes(&r, len), len };
	const struct attest_blob signature = { r.at, r.left };

	if (rd_check(&r) < 0 || tpm_key_load(&key, public, NULL) < 0)
		return;
	if (tpm_signature_verify(&key, signature,
		    (struct attest_blob){ signed_bytes, sizeof signed_bytes }, 32, &hash,
		    NULL) == 0 &&
		hash == NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct verdict verdict; /* large */
	struct attest_blob b = { data, size };
	struct attest_inputs in = { .kind = EVIDENCE_TPM, .evidence = b, .at = 1768435200 };
	AUTO(tpm_key) struct tpm_key key = { 0 };
	struct tpm_pcrs pcrs;

	if (size > 0 && data[0] == 'K')
		signature_check(b);
	int err = tpm_key_load(&key, b, NULL);
	if (err == 0)
		err = tpm_key_check_ak(&key, NULL);
	err = tpm_pcrs_parse(&pcrs, b, NULL);
	(void)err;
	/* A signature, a key and values of whatever follows the first 200 bytes. */
	if (size > 200) {
		in.tpm.signature = (struct attest_blob){ data + 200, size - 200 };
		in.tpm.ak = in.tpm.pcrs = in.tpm.signature;
	}
	if (tpm_evidence_recognise(b))
		err = attest_verify(&in, &verdict, NULL);
	return 0;
}
