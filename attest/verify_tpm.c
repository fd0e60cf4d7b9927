#include <errno.h>

#include "attest/evidence.h"

int attest_verify_tpm(const struct attest_inputs *in, struct verdict *ret, struct why *why)
{
	(void)in;
	(void)ret;
	return why_set(why, -EPROTONOSUPPORT, "tpm evidence is not supported in this version");
}
