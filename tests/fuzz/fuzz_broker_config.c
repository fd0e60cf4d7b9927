/*
 * The broker's configuration: must reach doc_open, object_read, tenants_read, pins_read, config_check,
 * broker_config_tenant.
 */
#include "attest/broker/broker_config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(broker_config) struct broker_config c = { 0 };
	const char *tenant;

	if (broker_config_parse("folder/config", data, size, &c, NULL) == 0) {
		(void)!broker_config_tenant(&c, "payments/api", "alpha", &tenant, NULL);
		(void)broker_config_differs(&c, &c);
	}
	return 0;
}
