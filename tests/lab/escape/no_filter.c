/* A program without its system call filter: for copies that show what the other walls hold. */
#include "sandbox/sandbox.h"
#include "sandbox/stage.h"

__typeof__(stage_seccomp) __wrap_stage_seccomp;
__typeof__(stage_calls) __real_stage_calls, __wrap_stage_calls;
__typeof__(sandbox_enter_thread) __wrap_sandbox_enter_thread;

int __wrap_stage_seccomp(const struct role_row *row, struct why *why)
{
	return 0;
}

/* The supervisor, which stays in the host's namespaces, has not much else. */
int __wrap_stage_calls(const struct role_row *row, bool may_connect, struct why *why)
{
	return role_of(row) == ROLE_SUPER ? __real_stage_calls(row, may_connect, why) : 0;
}

int __wrap_sandbox_enter_thread(enum role role, struct why *why)
{
	return 0;
}
