/* Reaches: plan_check, on the bytes a captured policy reader might send to the supervisor. */
#include <stdlib.h>
#include <string.h>

#include "policy/plan.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire_plan plan;

	if (size != sizeof plan)
		return 0;
	memcpy(&plan, data, sizeof plan);
	struct why why = { 0 };
	if (plan_check(&plan, &why) < 0 && why.text[0] == 0)
		abort();
	return 0;
}
