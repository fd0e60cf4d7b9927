/*
 * Only in builds with a sanitizer (meson, b_sanitize): what its run-time library does for itself once
 * the process is locked up. Its calls are in policy/seccomp/sanitizer.syscalls.
 */
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/stage.h"

/* The library's own names. */
const char *__asan_default_options(void);
int __lsan_is_turned_off(void);

static bool is_locked_up;

void stage_sanitizer(void)
{
	is_locked_up = true;
}

/*
 * A signal stack would be given back by a call that no list of ours allows; a process that dies of a
 * signal is to be seen to die of it.
 */
const char *__asan_default_options(void)
{
	return "use_sigaltstack=0:handle_segv=0:allocator_release_to_os_interval_ms=-1";
}

/*
 * The search for leaks at the end stops the process from a thread of its own, by ptrace(2): not in the
 * namespaces of a spawned process, nor behind a filter.
 */
int __lsan_is_turned_off(void)
{
	return is_locked_up;
}

/*
 * Before a call that does not return (abort, _exit) the library asks whether there is a signal stack.
 * The call is for no list; there is none (use_sigaltstack=0).
 */
int sigaltstack(const stack_t *restrict to, stack_t *restrict was)
{
	if (!is_locked_up || to != NULL)
		return (int)syscall(SYS_sigaltstack, to, was);
	*was = (stack_t){ .ss_flags = SS_DISABLE };
	return 0;
}
