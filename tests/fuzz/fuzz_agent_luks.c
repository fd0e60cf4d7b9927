/* A LUKS2 header on a disk of the host's: must reach agent_luks_check. */
#include "attest/agent/agent_luks.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)!agent_luks_check((const char *)data, size, true, NULL);
	(void)!agent_luks_check((const char *)data, size, false, NULL);
	return 0;
}
