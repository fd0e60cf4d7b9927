/* Reaches: cmw_parse() of JSON and CBOR, records, tags and collections, and the evidence in them. */
#include <stdlib.h>

#include "attest/cmw.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cmw c;
	struct attest_blob evidence = { 0 }, table = { 0 };

	if (cmw_parse(data, size, &c, NULL) < 0)
		return 0;
	if (cmw_find_evidence(&c, &evidence, &table, NULL) == 0 && evidence.len == 0)
		abort();
	cmw_done(&c);
	return 0;
}
