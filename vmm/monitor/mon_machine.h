/*
 * mon_machine: the monitor's one machine: its parts, what an exit means, and how it ends.
 *
 * Trust:   exits are the guest's; the supervisor is trusted, its messages are checked.
 * Owns:    everything the monitor holds.
 * Threads: the loop thread.
 */
#pragma once

#include <stdbool.h>

#include "base/chan.h"
#include "base/loop.h"
#include "sandbox/role.h"
#include "vmm/monitor/mon_bus.h"
#include "vmm/monitor/mon_certs.h"
#include "vmm/monitor/mon_kvm.h"
#include "vmm/monitor/mon_launch.h"
#include "vmm/monitor/mon_memory.h"
#include "vmm/monitor/mon_pc.h"
#include "vmm/monitor/mon_pci.h"
#include "vmm/monitor/mon_power.h"
#include "vmm/monitor/mon_quote.h"
#include "vmm/monitor/mon_serial.h"
#include "vmm/monitor/mon_vcpu.h"
#include "vmm/monitor/mon_virtio_pci.h"
#include "vmm/super/sup_proto.h"

enum machine_state { MACHINE_BUILT, MACHINE_READY, MACHINE_RUNNING, MACHINE_ENDED };

struct machine {
	enum role role; /* whose filters its threads load */
	enum machine_state state;
	struct loop loop;
	struct chan chan;
	struct src chan_src;
	struct wire_mon_config config;
	int fds[MON_FD_FIRST_DEVICE];
	unsigned int n_devices;
	struct mon_memory memory;
	struct launch launch;
	struct mon_kvm kvm;
	struct vcpus vcpus;
	struct bus bus;
	struct pci pci;
	bool has_firmware;
	struct pc pc; /* has_firmware */
	struct serial serial;
	struct mon_power power;
	struct certs certs;
	struct quotes quotes;
	struct vdev devices[LIMIT_DEVICES];
};

/*
 * Take CONFIG out of the channel's received message with its descriptors, and build the machine:
 * memory, devices, VM, vCPUs and their threads, which are in their sandbox then. Release with
 * machine_close(), also after a failure. Errors with why.
 */
MUST_USE int machine_open(struct machine *m, struct why *why);

/* Launch the guest (mon_launch.h) and tell the supervisor; no vCPU runs before GO. */
MUST_USE int machine_launch(struct machine *m, struct why *why);

/* READY, then serve until the machine has ended; ENDED has been sent. 0 or an error with why. */
MUST_USE int machine_run(struct machine *m, struct why *why);

void machine_close(struct machine *m);
