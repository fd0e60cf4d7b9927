/*
 * mon_exit: what an exit of a vCPU means: port and memory accesses go to the bus, page-state
 *           changes to sev/guest.h, everything else ends the guest.
 *
 * Trust:   every number in the run page was chosen by the guest.
 * Owns:    nothing.
 * Threads: the loop thread, while the vCPU waits.
 */
#pragma once

#include <linux/kvm.h>

#include "sev/guest.h"
#include "vmm/monitor/mon_bus.h"

struct exit_ops {
	struct bus *bus;
	struct guest *guest;
	void (*crash)(void *owner, const char *text); /* the guest cannot go on */
	void *owner;
};

/* Serve the exit in *run; run_err is what fw_run() returned. Fills in what the vCPU reads back. */
void mon_exit_serve(
	const struct exit_ops *ops, unsigned int vcpu, struct kvm_run *run, int run_err);
