/* What a host may send for a SEV launch: must reach broker_sev_answer() as far as the store, which knows
 * nothing: what lies behind needs a session's key. */
#include <stdio.h>
#include <stdlib.h>

#include "attest/broker/broker_sev.h"
#include "attest/broker/kbs_json.h"
#include "tests/fuzz/fuzz.h"

static struct broker *broker_new(void)
{
	static struct broker b;
	char folder[] = "/tmp/casemate-fuzz-XXXXXX", command[64];

	b.store = STORE_NONE;
	b.ledger = BROKER_LEDGER_NONE;
	if (mkdtemp(folder) == NULL || store_open(folder, NULL, &b.store, NULL) < 0)
		abort();
	(void)snprintf(command, sizeof command, "rm -rf %s", folder); /* its descriptors stay */
	return system(command) == 0 ? &b : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct broker *b;
	struct broker_reply reply = { 0 };
	const struct broker_request rq = { .method = BROKER_POST,
		.path = BROKER_SEV_PATH,
		.body = data,
		.body_len = size,
		.now = 1700000000 };

	if (b == NULL)
		b = broker_new();
	broker_sev_answer(b, &rq, &reply);
	if (reply.status < 400)
		abort();
	kbs_text_free(reply.body);
	return 0;
}
