/*
 * Loaded into the lab's QEMU before it starts: mends one fault of its emulation (10.0, still in
 * 11.1) that ends the lab, not the guest.
 *
 * A nested guest that writes CR8 while its hypervisor waits for an interrupt window makes the
 * emulator raise a virtual interrupt without the lock that this wants, and it aborts itself:
 * "tcg_handle_interrupt: assertion failed: (bql_locked())". UEFI firmware writes CR8 at the end of
 * every interrupt. Here the lock is taken around it: the emulator finds its function by a pointer
 * in a class, which we replace as soon as its main loop runs. Where the names below are not found
 * nothing happens.
 */
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define CLASS_WORDS 32 /* of the class with the pointer; it has about 30 */

typedef void interrupt_fn(void *cpu, int mask);

static interrupt_fn *raise_unlocked;
static bool (*is_locked)(void);
static void (*lock)(const char *file, int line);
static void (*unlock)(void);

static void raise_locked(void *cpu, int mask)
{
	bool was_locked = is_locked();

	if (!was_locked)
		lock(__FILE__, __LINE__);
	raise_unlocked(cpu, mask);
	if (!was_locked)
		unlock();
}

static void mend(void)
{
	void *(*class_of)(const char *name) =
		(void *(*)(const char *))dlsym(RTLD_DEFAULT, "object_class_by_name");

	raise_unlocked = (interrupt_fn *)dlsym(RTLD_DEFAULT, "tcg_handle_interrupt");
	is_locked = (bool (*)(void))dlsym(RTLD_DEFAULT, "bql_locked");
	lock = (void (*)(const char *, int))dlsym(RTLD_DEFAULT, "bql_lock_impl");
	unlock = (void (*)(void))dlsym(RTLD_DEFAULT, "bql_unlock");
	if (!class_of || !raise_unlocked || !is_locked || !lock || !unlock)
		return;
	uintptr_t *words = class_of("tcg-accel-ops");
	for (int i = 0; words != NULL && i < CLASS_WORDS; i++)
		if (words[i] == (uintptr_t)raise_unlocked)
			words[i] = (uintptr_t)raise_locked;
}

/* The main loop's wait: everything is set up when it is called first. */
int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	static int (*real)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);

	if (real == NULL) {
		real = (int (*)(struct pollfd *, nfds_t, const struct timespec *,
			const sigset_t *))dlsym(RTLD_NEXT, "ppoll");
		mend();
	}
	return real(fds, n, timeout, mask);
}
