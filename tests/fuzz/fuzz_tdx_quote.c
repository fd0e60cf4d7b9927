/* Reaches tdx_quote_parse(), cert_store_add(), tdx_pck_parse() and the claims of a quote. */
#include "attest/tdx_evidence.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct claims claims;

	claims.n = 0;
	if (tdx_evidence_claims((struct attest_blob){ data, size }, &claims, NULL) < 0)
		return 0;
	return 0;
}
