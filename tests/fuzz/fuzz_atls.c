/* Reaches atls_parse_value() in its three forms (the first byte says which), and the claims in it. */
#include "attest/atls.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct atls a = { 0 };
	struct why why = { 0 };

	if (size > 0 && atls_parse_value((enum atls_form)(data[0] % ATLS_FORM_COUNT), data + 1,
				size - 1, &a, &why) == 0)
		(void)attest_recognise_bare(a.evidence.p, a.evidence.len);
	atls_done(&a);
	return 0;
}
