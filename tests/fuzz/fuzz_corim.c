/* Reaches: corim_parse() of all its forms, the digests and the comparison of AMD's profile, printing. */
#include "attest/corim.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t report[1184];
	static const struct jws_trust nobody;
	static struct corim doc;
	static struct verdict v;
	static uint8_t text[1u << 20];
	uint8_t digests[4][48];
	struct wr w = wr_of(text, sizeof text);
	size_t left = 0;

	doc = (struct corim){ 0 };
	if (corim_parse(data, size, &nobody, &doc, NULL) < 0)
		return 0;
	verdict_init(&v, EVIDENCE_SNP);
	(void)corim_snp_digests(&doc, report, digests, 4);
	(void)corim_snp_appraise(&doc, report, &v, &left);
	int err = corim_print_text(&doc, &w, NULL);
	if (err == 0)
		err = corim_print_json(&doc, &w, NULL);
	(void)err;
	return 0;
}
