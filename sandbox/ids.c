#include <errno.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/stage.h"

#define IDS_NOBODY 65534u

static bool is_mapped_in(const char *path, uint32_t id)
{
	uint8_t *text = NULL;
	size_t len = 0;
	bool is_found = false;

	if (fd_read_path(path, 65536, &text, &len, NULL) < 0)
		return false;
	for (char *line = (char *)text; line != NULL && *line != 0;) {
		unsigned long long first = 0;
		unsigned long long count = 0;
		if (sscanf(line, "%llu %*u %llu", &first, &count) == 2)
			is_found = is_found || (id >= first && id - first < count);
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	free(text);
	return is_found;
}

bool ids_is_mapped(uint32_t id)
{
	return is_mapped_in("/proc/self/uid_map", id) && is_mapped_in("/proc/self/gid_map", id);
}

uint32_t ids_pick(unsigned int slot)
{
	/* Process ids stay below 2^22 (PID_MAX_LIMIT), so every running supervisor has 32 of its own. */
	uint32_t group = (uint32_t)getpid() & 0x3fffffu;
	uint32_t id = IDS_FIRST + group * IDS_PER_GROUP + slot % IDS_PER_GROUP;

	return ids_is_mapped(id) ? id : IDS_NOBODY; /* root of a container with few ids */
}

int stage_ids(const struct role_row *row, struct why *why)
{
	if ((row->flags & ROLE_IS_SELF_STARTED) == 0 || geteuid() != 0)
		return 0; /* the parent did it; or there is nothing to give away */
	uint32_t id = ids_pick(0);
	if (!ids_is_mapped(id))
		return why_set(why, -EPERM,
			"sandbox of %s, ids: no unprivileged uid is mapped here", row->name);
	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return why_set(why, -errno, "sandbox of %s, ids: cannot become uid %u: %s",
			row->name, id, strerrordesc_np(errno));
	/* The kernel made us undumpable, and /proc/self/uid_map root's; stage_ns() must write it. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return why_set(why, -errno, "sandbox of %s, ids: prctl: %s", row->name,
			strerrordesc_np(errno));
	return 0;
}
