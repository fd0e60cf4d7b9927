#include <errno.h>

#include "attest/evidence.h"

int attest_verify_tdx(const struct attest_inputs *in, struct verdict *ret, struct why *why)
{
	(void)in;
	(void)ret;
	return why_set(why, -EPROTONOSUPPORT, "tdx evidence is not supported in this version");
}
