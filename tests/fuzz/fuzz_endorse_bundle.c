/*
 * Reaches endorse_split() (bundles, PEM, DER, certificate tables, collateral, a cloud's JSON) and, for
 * what it hands over, endorse_judge() and endorse_name_fits().
 */
#include "attest/endorse/endorse_bundle.h"
#include "attest/endorse/endorse_item.h"
#include "tests/fuzz/fuzz.h"

static int item_take(void *arg, const char *name, const uint8_t *buf, size_t len, struct why *why)
{
	struct endorse_trust *trust = arg;
	struct endorse_item item;

	endorse_trust_add_candidate(trust, buf, len);
	if (endorse_judge(trust, buf, len, &item, NULL) == 0)
		(void)endorse_name_fits(&item, name);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(endorse_trust) struct endorse_trust trust = { 0 };
	int err = endorse_split(data, size, item_take, &trust, NULL);

	(void)err;
	return 0;
}
