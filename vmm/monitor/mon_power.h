/*
 * mon_power: switch-off, reset and the workload's status (docs/launch.md, "Ports of the machine").
 *
 * Trust:   the guest writes what it likes; the status is its own word about itself.
 * Owns:    nothing.
 * Threads: the loop thread.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "vmm/monitor/mon_bus.h"
#include "vmm/super/sup_proto.h"

#define PORT_SLEEP_CONTROL 0x600u
#define PORT_SLEEP_STATUS  0x601u
#define PORT_RESET         0x602u
#define PORT_WORKLOAD      0x604u
#define PORT_POWER_COUNT   5u

#define RESET_VALUE        1u
#define STATUS_NONE        0xffffffffu

struct mon_power {
	struct bus_dev dev;
	uint32_t workload_status; /* STATUS_NONE until the agent reports */
	void (*end)(void *owner, enum ended_how how);
	void *owner;
};

/* Put the ports on the bus; end() is called when the guest wants to be off or reset. */
MUST_USE int mon_power_init(struct mon_power *p, struct bus *bus,
	void (*end)(void *owner, enum ended_how how), void *owner);
