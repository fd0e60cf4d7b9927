/*
 * mon_pci: a PCI bus of one level: configuration mechanism 1, a host bridge at slot 0 (PCI Local
 *          Bus 3.0, chapter 6).
 *
 * Trust:   the guest writes configuration space as it likes; only the bits of the write mask
 *          change.
 * Owns:    nothing; functions belong to their modules.
 * Threads: the loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "vmm/monitor/mon_bus.h"

#define PCI_SLOTS        32u
#define PCI_CONFIG_BYTES 256u
#define PCI_BARS         2u
#define PCI_SLOT_FUNCS   8u
#define PCI_WINDOW_START 0xc0000000u /* memory window of the host bridge (docs/launch.md) */
#define PCI_WINDOW_END   0xfec00000u

#define PCI_COMMAND      0x04u
#define PCI_COMMAND_MEM  0x2u
#define PCI_HEADER_TYPE  0x0eu
#define PCI_HEADER_MULTI 0x80u
#define PCI_BAR0         0x10u
#define PCI_CAP_POINTER  0x34u

struct pci_func {
	uint8_t config[PCI_CONFIG_BYTES];
	uint8_t writable[PCI_CONFIG_BYTES]; /* mask: bits the guest may change */
	uint32_t bar_size[PCI_BARS];        /* power of two, 0: not there */
	uint32_t window_start;              /* the bus's; nothing answers below it */
	/* After a write to [at, at + len): the function takes notice (BARs moved, MSI-X enabled). */
	void (*wrote)(struct pci_func *f, unsigned int at, unsigned int len);
};

struct pci {
	struct bus_dev address_dev;
	struct bus_dev data_dev;
	uint32_t address;
	uint32_t window_start;
	struct pci_func *funcs[PCI_SLOTS * PCI_SLOT_FUNCS];
	struct pci_func bridge;
	void (*reset)(void *owner); /* the guest wrote "reset" to port 0xcf9; NULL: nobody cares */
	void *owner;
};

/* BARs decode in [window_start, PCI_WINDOW_END), where no RAM is. */
MUST_USE int mon_pci_init(struct pci *pci, struct bus *bus, uint32_t window_start);

/* Put a function where the machine's layout says; the place must be free. */
void mon_pci_put(struct pci *pci, unsigned int slot, unsigned int func, struct pci_func *f);

/* Put a function into the next free slot; -ENOSPC when there is none. */
MUST_USE int mon_pci_add(struct pci *pci, struct pci_func *f);

/* Fill in the head of configuration space; class is base, sub, interface. */
void pci_func_init(struct pci_func *f, uint16_t vendor, uint16_t device, uint32_t class_code,
	uint16_t subsystem);

/* A 32-bit memory BAR at this address. */
void pci_func_set_bar(struct pci_func *f, unsigned int bar, uint32_t base, uint32_t size);

/* Append a capability of len bytes (with its two head bytes) and return its offset. */
unsigned int pci_func_add_cap(struct pci_func *f, const void *cap, unsigned int len);

/* Where the BAR is now; false when memory decoding is off or it lies outside the window. */
bool pci_func_get_bar(const struct pci_func *f, unsigned int bar, uint64_t *ret_base);

uint32_t pci_get32(const struct pci_func *f, unsigned int at);
void pci_put32(uint8_t *p, unsigned int at, uint32_t v);
