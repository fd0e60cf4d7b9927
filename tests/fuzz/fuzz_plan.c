/*
 * Reaches: plan_check, on the bytes a captured policy reader might send to the supervisor.
 *
 * Input: a plan as it is, or, shorter, what is not zero in it: records of u16 offset, u16 length, bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/rd.h"
#include "policy/plan.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire_plan plan;

	if (size > sizeof plan)
		return 0;
	memset(&plan, 0, sizeof plan);
	if (size == sizeof plan)
		memcpy(&plan, data, sizeof plan);
	for (struct rd r = rd_of(data, size < sizeof plan ? size : 0); r.left > 4;) {
		uint16_t at = rd_le16(&r);
		uint16_t len = rd_le16(&r);
		if (num_fits(at, len, sizeof plan) && len <= r.left)
			rd_copy(&r, (uint8_t *)&plan + at, len);
	}
	struct why why = { 0 };
	if (plan_check(&plan, &why) < 0 && why.text[0] == 0)
		abort();
	return 0;
}
