/* The guest's kernel command line: must reach agent_settings_parse and agent_broker_parse. */
#include "attest/agent/agent_settings.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent_settings settings;

	(void)!agent_settings_parse((const char *)data, size, &settings, NULL);
	return 0;
}
