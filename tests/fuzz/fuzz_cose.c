/* Reaches: cbor_parse() and the walk, cose_verify() with a kid and a chain, cbor_to_json(). */
#include <stdlib.h>

#include "attest/cose.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cose cose = { 0 };
	struct cbor c;
	json_t *j = NULL;

	if (cose_verify(data, size, fuzz_trust(), &cose, NULL) == 0 && !cose.is_verified)
		abort();
	if (cbor_parse(data, size, &c, NULL) == 0 && cbor_to_json(&c, CBOR_AS_HEX, &j, NULL) == 0)
		json_decref(j);
	return 0;
}
