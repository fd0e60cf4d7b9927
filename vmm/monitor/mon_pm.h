/*
 * mon_pm: what makes OVMF take the machine for a PC it knows: the ids of an i440FX host bridge, of
 *         a PIIX3 ISA bridge and of a PIIX4 power function, and of the latter, at fixed ports, the
 *         control register that switches off and the 24-bit timer (ACPI 6.4, 4.8.3; Intel 82371AB
 *         data sheet, chapter 7). OVMF's own reset and switch-off come this way, and so do those
 *         of a kernel that asks it.
 *
 * Trust:   the guest writes configuration space as it likes; only interrupt routing is kept, and
 *          it has no effect: all functions of the machine send messages.
 * Owns:    nothing.
 * Threads: the loop thread.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "vmm/monitor/mon_bus.h"
#include "vmm/monitor/mon_pci.h"
#include "vmm/super/sup_proto.h"

#define PM_BASE    0xb000u       /* where OVMF would put it itself */
#define PM_CONTROL (PM_BASE + 4) /* 16 bits */
#define PM_TIMER   (PM_BASE + 8) /* 32 bits */

struct pm {
	struct pci_func isa;
	struct pci_func power;
	struct bus_dev ports;
	uint16_t control;
	void (*end)(void *owner, enum ended_how how);
	void *owner;
};

/*
 * Rename the host bridge, put the functions into slot 1 and the ports on the bus; end() is called
 * when the guest wants to be off or reset.
 */
MUST_USE int mon_pm_init(struct pm *pm, struct bus *bus, struct pci *pci,
	void (*end)(void *owner, enum ended_how how), void *owner);

/* The timer's value that many nanoseconds after it started: 3.579545 MHz, 24 bits. */
uint32_t mon_pm_ticks(uint64_t seconds, uint32_t nanoseconds);
