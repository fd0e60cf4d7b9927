/*
 * attempt: the table of what a taken-over process tries; one row a call or a small story.
 *
 * Trust:   runs inside the program under test as if its code had been replaced.
 * Owns:    nothing: the process ends after its attempt.
 * Threads: the one that was taken over.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ATTEMPT_ERRNOS 5

/* Nobody but the filter is asked: the call alone does no harm, or is everybody's right. */
#define ATTEMPT_FILTER_ONLY 0x1u
/* As root with every wall but the label gone, the call would change the machine: not tried there. */
#define ATTEMPT_NOT_AS_ROOT 0x2u
/* The kernel may end the process: SIGKILL (memory), SIGSEGV (calls of another kind). */
#define ATTEMPT_MAY_DIE 0x4u
/* Of a device process with a disk that is read-only. */
#define ATTEMPT_DISK 0x8u
/* The kernel may say yes and send it to the one peer there is: the victim's socket must be silent. */
#define ATTEMPT_HEARD 0x10u
/* Without the filter it would bind the harness instead: not tried there. */
#define ATTEMPT_NOT_REST 0x20u
/* SELinux refuses it by itself (policy/selinux/casemate.te), and says so in the kernel's log. */
#define ATTEMPT_LABEL 0x40u
/* Of what only a host with labels has (suite.py makes the files): not tried elsewhere. */
#define ATTEMPT_LABELLED 0x80u

struct attempt {
	const char *kind; /* "files": groups the table that is printed */
	const char *name; /* "open /etc/shadow" */
	uint32_t flags;   /* ATTEMPT_* */
	long nr;          /* one call with these arguments, */
	uintptr_t arg[6];
	long (*run)(void); /* or a function: >= 0 when it got what it wanted, else -errno */
	/* Beside EPERM, EACCES and ENOSYS: errors that a wall gives here. Others mean that the call was
	 * let in and found its arguments wrong. */
	int errnos[ATTEMPT_ERRNOS];
};

extern const struct attempt attempts[];
extern const size_t n_attempts;

/* A system call by number: the result, or -errno. */
long attempt_call(
	long nr, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f);
