/*
 * mon_flash: a plain guest's firmware and its variables below 4 GiB: the code a read-only memory
 *            slot, the variables a NOR flash with the part of Intel's command set (CFI command set
 *            1) that OVMF's driver uses. KVM serves reads of the array; while the status is to be
 *            read the slot is taken away.
 *
 * Trust:   addresses, lengths and commands are the guest's; the files' contents are for the guest.
 * Owns:    a copy of the code; a mapping of the variables' file. Whoever cuts that file short while
 *          the guest runs ends the guest.
 * Threads: the loop thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "vmm/monitor/mon_bus.h"
#include "vmm/monitor/mon_file.h"

#define FLASH_BLOCK_BYTES 4096u /* what one erase sets to ones */

struct flash_ops {
	/* Let the guest read size bytes at host as memory at gpa; host NULL: no longer. */
	int (*map)(void *owner, unsigned int slot, uint64_t gpa, size_t size, void *host);
	void *owner;
};

enum flash_mode { FLASH_ARRAY, FLASH_STATUS, FLASH_PROGRAM, FLASH_ERASE };

struct flash {
	struct bus_dev dev;
	struct flash_ops ops;
	uint8_t *code, *vars;
	size_t code_size, vars_size; /* vars_size 0: no variables */
	uint64_t vars_gpa;
	enum flash_mode mode;
	uint8_t status;
};

/*
 * Read the code, map the variables (both descriptors stay the caller's) and show them to the
 * guest, the code up to 4 GiB, the variables below it. -EBADMSG with why: a size that is no whole
 * pages, or none, or code that is not what the policy means.
 * Release with mon_flash_close(), also after a failure.
 */
MUST_USE int mon_flash_open(struct flash *ret, struct bus *bus, const struct mon_file *code,
	int vars_fd, const struct flash_ops *ops, struct why *why);
void mon_flash_close(struct flash *f);
