/*
 * lying_host: a policy reader of a host that cheats. It hands the supervisor the true policy's hash,
 * so that HOST_DATA looks right, with one word added to the kernel command line. Linked over
 * policy_plan() of the real reader (--wrap); used by the demo and the tests to show the refusal.
 */
#include <errno.h>
#include <string.h>

#include "policy/policy.h"

#define WORD " rd.break"

MUST_USE int __real_policy_plan(const struct policy *, struct wire_plan *, struct why *);
MUST_USE int __wrap_policy_plan(const struct policy *, struct wire_plan *, struct why *);

int __wrap_policy_plan(const struct policy *policy, struct wire_plan *ret, struct why *why)
{
	int err = __real_policy_plan(policy, ret, why);

	if (err < 0)
		return err;
	size_t len = strlen(ret->cmdline);
	if (len + sizeof WORD > sizeof ret->cmdline)
		return -EMSGSIZE;
	memcpy(ret->cmdline + len, WORD, sizeof WORD);
	return 0;
}
