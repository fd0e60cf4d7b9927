/*
 * mon_ioapic: an I/O APIC in our own process, for TDs: KVM gives them local APICs only, because an
 *             end of interrupt cannot be seen from outside (ABI 4.4). So every pin is delivered as an
 *             edge, whatever the guest asked for: one message when the line goes high.
 *             (Intel 82093AA, I/O APIC, 290566-001.)
 *
 * Trust:   every register write is the guest's.
 * Owns:    nothing.
 * Threads: the loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "vmm/monitor/mon_bus.h"

#define IOAPIC_GPA  0xfec00000u
#define IOAPIC_PINS 24u

struct ioapic {
	struct bus_dev dev;
	uint32_t id;
	uint8_t select;              /* which register the window shows */
	uint64_t entry[IOAPIC_PINS]; /* redirection table */
	bool is_high[IOAPIC_PINS];
	void (*signal)(void *owner, uint64_t address, uint32_t data); /* send this message */
	void *owner;
};

/* Put it on the bus, all pins masked. -EEXIST, -ENOSPC of bus_add(). */
MUST_USE int mon_ioapic_init(struct ioapic *a, struct bus *bus,
	void (*signal)(void *owner, uint64_t address, uint32_t data), void *owner);

/* Drive a pin, below IOAPIC_PINS. */
void mon_ioapic_set(struct ioapic *a, unsigned int pin, bool is_high);
