/* Reaches: cbor_parse() and the walk, cose_verify() with a kid and a chain, cbor_to_json(). */
#include <stdlib.h>

#include "attest/cose.h"
#include "tests/fuzz/fuzz.h"

static const char key[] = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
			  "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jwk_set keys; /* made once, for good */
	struct cose cose = { 0 };
	struct cbor c;
	json_t *j = NULL;

	if (keys.n == 0 && jwk_set_add(&keys, (const uint8_t *)key, sizeof key - 1, NULL) < 0)
		abort();
	const struct jws_trust trust = { .keys = &keys };
	if (cose_verify(data, size, &trust, &cose, NULL) == 0 && !cose.is_verified)
		abort();
	if (cbor_parse(data, size, &c, NULL) == 0 && cbor_to_json(&c, CBOR_AS_HEX, &j, NULL) == 0)
		json_decref(j);
	return 0;
}
