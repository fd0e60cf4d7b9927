#include <errno.h>

#include "attest/evidence.h"

int attest_verify_sev(const struct attest_inputs *in, struct verdict *ret, struct why *why)
{
	(void)in;
	(void)ret;
	return why_set(why, -EPROTONOSUPPORT, "sev evidence is not supported in this version");
}
