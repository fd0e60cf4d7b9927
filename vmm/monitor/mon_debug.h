/*
 * mon_debug: port 0x402, where firmware writes what it has to say: whole lines go into our log, so
 *            many a second and no more.
 *
 * Trust:   the bytes are the guest's; the log makes them printable, and their rate is bounded.
 * Owns:    nothing.
 * Threads: the loop thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "vmm/monitor/mon_bus.h"

#define DEBUG_PORT       0x402u
#define DEBUG_LINE_BYTES 200u

struct debug {
	struct bus_dev dev;
	size_t len;
	char line[DEBUG_LINE_BYTES + 1];
	uint64_t allowance; /* lines that may be said now */
	uint64_t second;    /* when it was last added to */
	uint64_t dropped;   /* lines since the last that was said */
	void (*say)(void *owner, const char *line);
	void *owner;
};

/* Put the port on the bus; say() gets each line without its end. */
MUST_USE int mon_debug_init(
	struct debug *d, struct bus *bus, void (*say)(void *owner, const char *line), void *owner);

/* A byte of the guest's at this time (seconds of any clock that does not go back). */
void mon_debug_put(struct debug *d, char c, uint64_t now);
