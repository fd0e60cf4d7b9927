/* Reaches attest_check_certs(), sev_certs_add(), sev_cert_key(), sev_chain_verify() and the verdict. */
#include "attest/evidence.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct verdict verdict;
	const struct attest_blob blob = { data, size };
	const struct attest_inputs in = { .kind = EVIDENCE_SEV,
		.evidence = blob,
		.certs = &blob,
		.n_certs = 1,
		.roots = &blob,
		.n_roots = 1 };
	size_t n;

	(void)!attest_check_certs(blob, &n, NULL);
	(void)!attest_verify(&in, &verdict, NULL);
	return 0;
}
