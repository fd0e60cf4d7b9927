/* Reaches: jwk_set_add() of JWK, JWK sets and PEM, jwk_parse() of every key type, jwk_load_private(). */
#include <stdlib.h>
#include <string.h>

#include "attest/jwk.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jwk_set set;
	struct jwk k = { 0 };

	if (jwk_set_add(&set, data, size, NULL) == 0 && set.n == 0)
		abort();
	jwk_set_done(&set);
	/* libcrypto's decoders take milliseconds to refuse: only what asks for them. */
	if (memmem(data, size, "PRIVATE KEY", 11) != NULL &&
		jwk_load_private(&k, data, size, NULL) == 0)
		jwk_done(&k);
	return 0;
}
