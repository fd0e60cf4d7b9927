/*
 * Reaches tpm_evidence_parse() (JSON, protobuf, bare), tpm_quote_parse(), tpm_pcrs_parse(),
 * tpm_key_load() (PEM, DER, TPMT_PUBLIC) and the whole verdict of what is evidence.
 */
#include "attest/evidence.h"
#include "attest/tpm_evidence.h"
#include "attest/tpm_key.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct verdict verdict; /* large */
	struct attest_blob b = { data, size };
	struct attest_inputs in = { .kind = EVIDENCE_TPM, .evidence = b, .at = 1768435200 };
	AUTO(tpm_key) struct tpm_key key = { 0 };
	struct tpm_pcrs pcrs;

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
