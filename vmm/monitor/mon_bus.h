/*
 * mon_bus: which device answers at an I/O port or a guest-physical address.
 *
 * Trust:   address, length and value come from the guest. Lengths are 1, 2 or 4 at ports; 1 to 8 in
 *          memory, at any address: KVM cuts an access where a page ends.
 * Owns:    nothing; devices belong to their modules.
 * Threads: the loop thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

enum bus_space { BUS_IO, BUS_MMIO, BUS_SPACE_COUNT };

struct bus_dev {
	/* offset is within the range; accesses never cross its end. */
	uint64_t (*read)(struct bus_dev *dev, uint64_t offset, unsigned int len);
	void (*write)(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v);
	/* n bytes read one after another at offset, as "rep insb" does; NULL: by read(), one by one. */
	void (*read_bytes)(struct bus_dev *dev, uint64_t offset, uint8_t *ret, size_t n);
};

#define BUS_RANGES_MAX 40 /* 12 functions with two memory ranges, ports of the machine */

struct bus_range {
	enum bus_space space;
	uint64_t base;
	uint64_t size;
	struct bus_dev *dev;
};

struct bus {
	unsigned int n;
	struct bus_range ranges[BUS_RANGES_MAX];
};

/* -EEXIST when the range overlaps another, -ENOSPC when the table is full, -ERANGE when it wraps. */
MUST_USE int bus_add(
	struct bus *bus, enum bus_space space, uint64_t base, uint64_t size, struct bus_dev *dev);

/* Take the device's range that starts at base off the bus; nothing happens if it is not there. */
void bus_del(struct bus *bus, enum bus_space space, uint64_t base, const struct bus_dev *dev);

/* All ones where nobody answers. */
uint64_t bus_read(struct bus *bus, enum bus_space space, uint64_t at, unsigned int len);

/* The same place n times, a byte each. */
void bus_read_bytes(struct bus *bus, enum bus_space space, uint64_t at, uint8_t *ret, size_t n);

/* Ignored where nobody answers. */
void bus_write(struct bus *bus, enum bus_space space, uint64_t at, unsigned int len, uint64_t v);
