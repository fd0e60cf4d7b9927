/* Reaches attest_recognise(), attest_parse_snp(), snp_report_parse() and the claims of a report. */
#include "attest/appraise.h"
#include "attest/evidence.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct claims claims;
	struct snp_report r;

	(void)attest_recognise(data, size);
	if (attest_parse_snp((struct attest_blob){ data, size }, &r, NULL) < 0)
		return 0;
	claims.n = 0;
	appraise_snp_claims(&r, snp_product_of_cpuid(r.cpuid_family, r.cpuid_model), &claims);
	return 0;
}
