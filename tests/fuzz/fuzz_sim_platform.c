/* Reaches sim_platform_parse() with every record, and sim_platform_print() of what was accepted. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "sev/sim/sim_platform.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[LIMIT_SIM_PLATFORM_BYTES];
	struct sim_platform p, again;
	size_t len = 0;

	if (sim_platform_parse(&p, data, size, NULL) < 0)
		return 0;
	/* What was read can be written, and reads the same. */
	if (sim_platform_print(&p, out, sizeof out, &len) < 0 || len != size ||
		sim_platform_parse(&again, out, len, NULL) < 0 ||
		memcmp(p.chip_id, again.chip_id, sizeof p.chip_id) != 0)
		abort();
	return 0;
}
