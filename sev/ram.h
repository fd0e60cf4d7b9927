/*
 * ram: the guest's memory regions and what is known about each of their pages: measured or not,
 *      private or shared. (KVM has no call to ask for attributes: ABI 1.5.)
 *
 * Trust:   addresses and lengths may come from the guest.
 * Owns:    the bitmaps. Mappings and descriptors in a region belong to others.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"

/* One bit a page of a region. */
struct bits {
	uint64_t *word;
};

struct ram_region {
	uint32_t slot;
	uint64_t gpa;
	uint64_t size;
	uint8_t *host; /* shared view */
	int gmem_fd;   /* private view, -1 for none; offset 0 is gpa */
	struct bits measured;
	struct bits is_private;
};

struct ram {
	size_t n;
	struct ram_region region[LIMIT_SEV_SLOTS];
};

/*
 * Add a region. -EINVAL: not page-aligned, empty or wraps; -EEXIST: overlaps another or the slot
 * is used; -ENOSPC: too many. *ret is borrowed from ram.
 */
MUST_USE int ram_add(struct ram *ram, uint32_t slot, uint64_t gpa, uint64_t size, void *host,
	struct ram_region **ret);

/* Forget the region added last (its set-up failed). */
void ram_drop_last(struct ram *ram);

void ram_done(struct ram *ram);

/* The region that holds gpa, or NULL. */
struct ram_region *ram_find(struct ram *ram, uint64_t gpa);

/* Is every byte of [gpa, gpa + len) in some region? */
bool ram_holds(struct ram *ram, uint64_t gpa, uint64_t len);

/* Is any byte of [gpa, gpa + len) in some region? */
bool ram_touches(const struct ram *ram, uint64_t gpa, uint64_t len);

/* Bits of pages [first, first + n). */
void bits_set(struct bits *b, uint64_t first, uint64_t n, bool value);
bool bits_get(const struct bits *b, uint64_t at);
/* The first page in the range whose bit is value; first + n when there is none. */
uint64_t bits_find(const struct bits *b, uint64_t first, uint64_t n, bool value);
