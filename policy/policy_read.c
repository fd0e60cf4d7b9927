/* policy_read: what commands need: the call that opens a file, and exit statuses. Not in libattest. */
#include <stdlib.h>

#include "base/fd.h"
#include "base/opts.h"
#include "policy/policy.h"

int policy_read(const char *path, struct policy *ret, struct why *why)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	int err = fd_read_path(path, LIMIT_POLICY_BYTES, &bytes, &len, why);

	if (err == 0)
		err = policy_parse(bytes, len, path, ret, why);
	free(bytes);
	return err;
}

int policy_exit_status(int err)
{
	return opts_exit_status(err);
}
