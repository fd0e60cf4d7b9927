/*
 * agent_boot: what the first program of a guest does first and last: file systems of the kernel,
 *             console, modules; and switching off with a status.
 *
 * Trust:   the initramfs is measured.
 * Owns:    the machine.
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"
#include "base/why.h"

/* Mount /proc, /sys, /dev, /run and open the console as descriptors 0 to 2; no environment. */
MUST_USE int agent_boot_start(struct why *why);

/* Load what /etc/modules.load lists, a path a line, in that order; *ret is how many. */
MUST_USE int agent_boot_load_modules(unsigned int *ret, struct why *why);

/* Report the status at port 0x604 (docs/launch.md, "Ports") and switch off. Does not return. */
NORETURN void agent_boot_end(int status);
