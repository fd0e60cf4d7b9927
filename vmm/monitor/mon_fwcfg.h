/*
 * mon_fwcfg: the configuration store that guest firmware reads: numbered items through a selector
 *            and a data port, and for plain guests by copying into RAM on command (QEMU,
 *            docs/specs/fw_cfg). Nothing can be written.
 *
 * Trust:   selector, offsets and every command in RAM are the guest's; a command is copied once,
 *          judged, and its range checked against RAM.
 * Owns:    nothing; items outlive it.
 * Threads: the loop thread; mon_fwcfg_serve() on any vCPU's. Items stay as they are once a vCPU runs,
 *          the cursor is one atomic word.
 */
#pragma once

#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "vmm/monitor/mon_bus.h"
#include "vmm/monitor/mon_memory.h"

#define FWCFG_PORT          0x510u
#define FWCFG_ITEMS_MAX     24u
#define FWCFG_NAME_BYTES    56u
#define FWCFG_DIR_ENTRY     64u
#define FWCFG_COMMAND_BYTES 16u

/* Items with fixed numbers. */
enum fwcfg_key {
	FWCFG_SIGNATURE = 0x00,
	FWCFG_ID = 0x01,
	FWCFG_VCPUS = 0x05,
	FWCFG_KERNEL_SIZE = 0x08,
	FWCFG_INITRD_SIZE = 0x0b,
	FWCFG_VCPUS_MAX = 0x0f,
	FWCFG_KERNEL = 0x11,
	FWCFG_INITRD = 0x12,
	FWCFG_CMDLINE_SIZE = 0x14,
	FWCFG_CMDLINE = 0x15,
	FWCFG_SETUP_SIZE = 0x17,
	FWCFG_SETUP = 0x18,
	FWCFG_DIR = 0x19,
	FWCFG_FIRST_FILE = 0x20,
};

struct fwcfg_item {
	uint16_t key;
	const uint8_t *bytes; /* NULL: the number */
	size_t len;
	uint8_t number[4];
};

struct fwcfg {
	struct bus_dev dev;
	const struct mon_memory *memory; /* NULL: no commands in RAM */
	_Atomic uint64_t cursor;         /* the selected item's key, and 48 bits of offset in it */
	uint64_t command;                /* address of one, as far as written */
	unsigned int n_items, n_files;
	struct fwcfg_item items[FWCFG_ITEMS_MAX];
	uint8_t dir[4 + FWCFG_ITEMS_MAX * FWCFG_DIR_ENTRY];
};

/*
 * Put the ports on the bus. memory: where commands may copy to; NULL for guests whose RAM we
 * cannot write, which then read byte by byte.
 */
MUST_USE int mon_fwcfg_init(struct fwcfg *f, struct bus *bus, const struct mon_memory *memory);

/*
 * On a vCPU's thread: is its exit a read of the data port? Then it is answered and true; any other is
 * for the loop thread. A firmware that may not use "rep" has an exit for each byte of a kernel, and
 * the way to the loop thread and back would be most of it.
 */
bool mon_fwcfg_serve(struct fwcfg *f, struct kvm_run *run);

/* An item of bytes, which stay the caller's; a number, little-endian, 2 or 4 bytes. */
void mon_fwcfg_add(struct fwcfg *f, uint16_t key, const void *bytes, size_t len);
void mon_fwcfg_add_number(struct fwcfg *f, uint16_t key, unsigned int len, uint32_t v);

/* A file: its name, shorter than FWCFG_NAME_BYTES, goes into the directory. */
void mon_fwcfg_add_file(struct fwcfg *f, const char *name, const void *bytes, size_t len);
