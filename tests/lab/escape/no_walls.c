/* A program without any wall but its label: for copies that show what SELinux holds by itself. */
#include "sandbox/stage.h"

__typeof__(stage_ids) __wrap_stage_ids;
__typeof__(stage_ns) __wrap_stage_ns;
__typeof__(stage_caps) __wrap_stage_caps;
__typeof__(stage_rlimit) __wrap_stage_rlimit;
__typeof__(stage_landlock) __wrap_stage_landlock;

int __wrap_stage_ids(const struct role_row *row, struct why *why)
{
	return 0;
}

int __wrap_stage_ns(const struct role_row *row, struct why *why)
{
	return 0;
}

int __wrap_stage_caps(struct why *why)
{
	return 0;
}

int __wrap_stage_rlimit(const struct role_row *row, struct why *why)
{
	return 0;
}

int __wrap_stage_landlock(const struct role_row *row, struct why *why)
{
	return 0;
}
