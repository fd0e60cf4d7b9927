#include "attest/endorse/endorse_cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int endorse_cache_path(const char *given, char *ret, size_t size, struct why *why)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n = -1;

	if (given != NULL)
		n = snprintf(ret, size, "%s", given);
	else if (geteuid() == 0)
		n = snprintf(ret, size, "/var/lib/casemate/endorsements");
	else if (xdg != NULL && xdg[0] == '/')
		n = snprintf(ret, size, "%s/casemate/endorsements", xdg);
	else if (home != NULL && home[0] == '/')
		n = snprintf(ret, size, "%s/.cache/casemate/endorsements", home);
	if (n <= 0 || (size_t)n >= size)
		return why_set(why, -EINVAL, "no cache: neither --cache nor HOME says where it is");
	return 0;
}
