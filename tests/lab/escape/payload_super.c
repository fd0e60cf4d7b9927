/* The supervisor's way in: its guest is about to run, what it does not need any more is given up. */
#include "sandbox/sandbox.h"
#include "tests/lab/escape/payload.h"

__typeof__(sandbox_narrow) __real_sandbox_narrow, __wrap_sandbox_narrow;

int __wrap_sandbox_narrow(enum role role, const struct sandbox_keep *keep, struct why *why)
{
#ifdef ESCAPE_NO_NARROW /* of copies that have their label and nothing else */
	int err = 0;
#else
	int err = __real_sandbox_narrow(role, keep, why);
#endif

	if (err == 0)
		payload_taken_over(WHEN_ENTERED);
	return err;
}
