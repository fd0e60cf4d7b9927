/*
 * What a bearer may send: the bytes as a token, and as the claims of a token that our key has signed:
 * must reach jws_verify, claims_check, proof_parse, kbs_key_check.
 */
#include <stdlib.h>
#include <string.h>

#include "attest/broker/broker_token.h"
#include "attest/broker/kbs_json.h"
#include "attest/jws.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tokens_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tokens tokens;
	AUTO(kbs_json) json_t *key = NULL;
	AUTO(kbs_json) json_t *signed_key = NULL;
	struct proof proof;
	char *token = NULL;

	if (tokens.jwks == NULL && tokens_key_open(&tokens) < 0)
		abort();
	char *text = strndup((const char *)data, size);
	if (text != NULL)
		(void)!tokens_read(&tokens, text, 1790000000, &proof, &key, NULL);
	if (jws_sign(&tokens.key, "JWT", NULL, data, size, &token, NULL) == 0)
		(void)!tokens_read(&tokens, token, 1790000000, &proof, &signed_key, NULL);
	free(token);
	free(text);
	return 0;
}
