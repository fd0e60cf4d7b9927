/* Reaches hcl_parse() and what reads its parts, svsm_find(). */
#include "attest/hcl.h"
#include "attest/svsm.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct claims claims; /* large */
	struct attest_blob b = { data, size }, found;
	struct hcl_report h;
	EVP_PKEY *key = NULL;

	int err = svsm_recognise(b) ? svsm_find(b, svsm_guid_vtpm, &found, NULL) : 0;
	if (!hcl_recognise(b) || hcl_parse(&h, b, NULL) < 0)
		return 0;
	claims.n = 0;
	hcl_claims(&h, &claims);
	err = hcl_check_variable(&h, NULL);
	if (err == 0)
		err = hcl_check_td_quote(&h, b, NULL);
	if (hcl_ak(&h, &key, NULL) == 0)
		EVP_PKEY_free(key);
	return 0;
}
