/*
 * What an administrator may send: the first byte chooses the request, the rest is its body: must reach
 * every row of broker_admin.c and the store behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/broker/broker_admin.h"
#include "attest/broker/broker_db.h"
#include "attest/broker/kbs_json.h"
#include "tests/fuzz/fuzz.h"

static struct broker *broker_new(void)
{
	static struct broker b;
	char folder[] = "/tmp/casemate-fuzz-XXXXXX", command[64];

	b.store = STORE_NONE;
	b.ledger = BROKER_LEDGER_NONE;
	b.config.tenants = calloc(1, sizeof *b.config.tenants);
	b.config.n_tenants = b.config.tenants[0].n_pins = 1;
	b.config.tenants[0].pins[0].may_write = true;
	if (mkdtemp(folder) == NULL || store_open(folder, NULL, &b.store, NULL) < 0)
		abort();
	(void)snprintf(command, sizeof command, "rm -rf %s", folder); /* its descriptors stay */
	return system(command) == 0 && db_script(b.store.db,
					       "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF",
					       NULL) == 0
		       ? &b
		       : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		enum broker_method method;
		const char *path;
	} rows[] = {
		{ BROKER_POST, "/kbs/v0/launch-policy" },
		{ BROKER_POST, "/kbs/v0/launch-policy/revoke" },
		{ BROKER_POST, "/kbs/v0/launch-policy/minimum" },
		{ BROKER_POST, "/kbs/v0/resource/a/b/c" },
		{ BROKER_DELETE, "/kbs/v0/resource/a/b/c" },
		{ BROKER_GET, "/kbs/v0/launch-policy" },
		{ BROKER_GET, "/kbs/v0/resources" },
		{ BROKER_GET, "/metrics" },
		{ BROKER_POST, "/kbs/v0/sev-session" },
		{ BROKER_POST, "/kbs/v0/sev-session/release" },
		{ BROKER_GET, "/kbs/v0/sev-session" },
	};
	static const uint8_t spki[32];
	static struct broker *b;
	struct broker_reply reply;

	if (b == NULL)
		b = broker_new();
	if (b == NULL || size == 0)
		return 0;
	const struct broker_request rq = {
		.method = rows[data[0] % ARRAY_LEN(rows)].method,
		.path = rows[data[0] % ARRAY_LEN(rows)].path,
		.body = data + 1,
		.body_len = size - 1,
	};
	broker_admin_answer(b, &rq, spki, &reply);
	kbs_text_free(reply.body);
	return 0;
}
