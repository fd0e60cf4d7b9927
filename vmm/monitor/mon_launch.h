/*
 * mon_launch: the measured launch of docs/launch.md, step by step through sev/guest.h.
 *
 * Trust:   kernel and ramdisk are hostile files (mon_boot judges them).
 * Owns:    nothing after it returned.
 * Threads: the loop thread, before the vCPUs run.
 */
#pragma once

#include "base/cdefs.h"
#include "base/why.h"
#include "vmm/monitor/mon_kvm.h"
#include "vmm/super/sup_proto.h"

/*
 * Build, place and measure every page and finish the launch. ret says how much was measured and
 * how long the launch commands took. Errors are those of mon_boot_init() and sev/guest.h.
 */
MUST_USE int mon_launch(struct mon_kvm *kvm, const struct wire_mon_config *config, int kernel_fd,
	int initrd_fd, struct wire_launched *ret, struct why *why);
