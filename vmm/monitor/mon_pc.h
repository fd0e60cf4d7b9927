/*
 * mon_pc: the firmware machine (docs/launch.md): what a distribution's OVMF needs beside the
 *         devices of the direct-boot machine, and no more: the bridges and the timer it knows, its
 *         configuration store, clock, debug port, and for plain guests its flash.
 *
 * Trust:   the guest writes everything as it likes; the files may be hostile and are read once.
 * Owns:    copies of the files, which the configuration store serves.
 * Threads: the loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "vmm/monitor/mon_acpi.h"
#include "vmm/monitor/mon_bus.h"
#include "vmm/monitor/mon_debug.h"
#include "vmm/monitor/mon_file.h"
#include "vmm/monitor/mon_flash.h"
#include "vmm/monitor/mon_fwcfg.h"
#include "vmm/monitor/mon_kvm.h"
#include "vmm/monitor/mon_memory.h"
#include "vmm/monitor/mon_pci.h"
#include "vmm/monitor/mon_pm.h"
#include "vmm/monitor/mon_rtc.h"

#define PC_E820_BYTES (MEMORY_RANGES_MAX * 20u)

/* Descriptors are borrowed for the call. */
struct pc_config {
	unsigned int vcpus;
	bool is_protected; /* firmware is launched as RAM by others; no flash, no copying into RAM */
	const char *cmdline;
	struct mon_file firmware, kernel, initrd;
	int vars_fd;
	void (*end)(void *owner, enum ended_how how); /* the guest wants to be off or reset */
	void *owner;
};

struct pc {
	bool is_open;
	struct pm pm;
	struct rtc rtc;
	struct debug debug;
	struct fwcfg fwcfg;
	struct flash flash;
	struct acpi_files acpi;
	uint8_t e820[PC_E820_BYTES];
	uint8_t *kernel, *initrd;
	size_t kernel_len, initrd_len;
	char cmdline[LIMIT_CMDLINE_BYTES];
};

/* First address of PCI memory: above RAM, where OVMF's i440FX driver begins to place BARs. */
uint32_t mon_pc_window_start(const struct mon_memory *memory);

/*
 * Put the machine's parts on the bus and PCI bus. -EBADMSG, -EMSGSIZE with why: a file that we do
 * not take. Release with mon_pc_close(), also after a
 * failure and if it was never opened (all zero).
 */
MUST_USE int mon_pc_open(struct pc *ret, const struct pc_config *config, struct bus *bus,
	struct pci *pci, struct mon_kvm *kvm, const struct mon_memory *memory, struct why *why);
void mon_pc_close(struct pc *pc);
