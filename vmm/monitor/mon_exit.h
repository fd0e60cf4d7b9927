/*
 * mon_exit: what an exit of a vCPU means: port and memory accesses go to the bus, page-state
 *           changes to sev/guest.h, requests for certificates and quotes to their modules;
 *           everything else ends the guest, in words that say why.
 *
 * Trust:   every number in the run page was chosen by the guest.
 * Owns:    nothing.
 * Threads: the loop thread, while the vCPU waits.
 */
#pragma once

#include <linux/kvm.h>

#include "sev/guest.h"
#include "vmm/monitor/mon_bus.h"
#include "vmm/monitor/mon_certs.h"
#include "vmm/monitor/mon_memory.h"
#include "vmm/monitor/mon_quote.h"
#include "vmm/monitor/mon_vcpu.h"

struct exit_ops {
	struct bus *bus;
	struct guest *guest;
	const struct mon_memory *memory;
	struct certs *certs;
	struct quotes *quotes;
	void (*crash)(void *owner, const char *text); /* the guest cannot go on */
	void *owner;
};

/*
 * Serve the exit in *v->run, after v->run_err, and fill in what the vCPU reads back. An exit that
 * must be completed before the guest goes on sets v->is_completing: the vCPU comes back at once.
 */
void mon_exit_serve(const struct exit_ops *ops, struct vcpu *v);
