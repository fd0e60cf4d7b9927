/* Reaches: token_verify() of JWT, CWT and DSSE, jws_verify() with its header's key and chain, the judges
 * of EAR, Azure's tokens and statements. Whoever has no key affirms nothing, nor does whoever signs
 * nothing. */
#include <stdlib.h>

#include "attest/token.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/trust.h"

static void judge(const struct token_inputs *in, bool is_trusting)
{
	static struct token token;
	static uint8_t text[65536];
	struct wr w = wr_of(text, sizeof text);

	token = (struct token){ 0 };
	if (token_verify(in, &token, NULL) < 0)
		return;
	if (token.overall == VERDICT_AFFIRMING &&
		(!is_trusting || token.rows[TOKEN_ROW_SIGNATURE].status != VERDICT_AFFIRMING))
		abort();
	token_print_json(&token, &w);
	token_print_text(&token, &w);
	token_done(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const issuers[] = { "fuzz", "https://casemate.example" };
	struct token_inputs in = { .bytes = { data, size },
		.trust = { .at = 1790000000 },
		.nonce = { (const uint8_t *)"01234567", 8 } };

	judge(&in, false);
	in.trust = *fuzz_trust();
	in.issuers = issuers;
	in.n_issuers = ARRAY_LEN(issuers);
	judge(&in, true);
	return 0;
}
