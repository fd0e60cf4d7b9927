/* Reaches: token_verify() of JWT and DSSE, jws_verify() with its header's key and chain, the judges
 * of EAR, Azure's tokens and statements. Whoever has no key affirms nothing. */
#include <stdlib.h>

#include "attest/token.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct token token;
	static uint8_t text[65536];
	struct token_inputs in = { { data, size }, { .at = 1790000000 },
		{ (const uint8_t *)"01234567", 8 } };
	struct wr w = wr_of(text, sizeof text);

	token = (struct token){ 0 };
	if (token_verify(&in, &token, NULL) < 0)
		return 0;
	if (token.overall == VERDICT_AFFIRMING)
		abort();
	token_print_json(&token, &w);
	token_print_text(&token, &w);
	token_done(&token);
	return 0;
}
