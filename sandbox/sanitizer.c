/*
 * Only in builds with a sanitizer (meson, b_sanitize): what its run-time library does for itself once
 * the process is locked up. Its calls are in policy/seccomp/sanitizer.syscalls.
 */
#include <stdbool.h>

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
