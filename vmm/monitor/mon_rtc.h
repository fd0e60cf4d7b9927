/*
 * mon_rtc: the clock and the configuration bytes behind ports 0x70 and 0x71 (MC146818A data sheet).
 *          The clock shows the host's time, UTC, in BCD and 24-hour form; nothing can be written.
 *
 * Trust:   the guest writes ports as it likes; only the index is kept.
 * Owns:    nothing.
 * Threads: the loop thread.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "vmm/monitor/mon_bus.h"

#define RTC_PORT  0x70u
#define RTC_BYTES 128u

struct rtc {
	struct bus_dev dev;
	uint8_t index;
	uint8_t bytes[RTC_BYTES];
};

/* A date of the Gregorian calendar; month and day from 1, weekday 1 is Sunday. */
struct rtc_civil {
	uint32_t year;
	uint8_t month, day, weekday, hour, minute, second;
};

/* Put the ports on the bus; the bytes tell the sizes of RAM below and above 4 GiB. */
MUST_USE int mon_rtc_init(struct rtc *rtc, struct bus *bus, uint64_t low_bytes, uint64_t high_bytes,
	unsigned int vcpus);

/* The date of a POSIX time (seconds since 1970, before the year 10000). */
struct rtc_civil mon_rtc_civil(uint64_t unix_seconds);

/* Show this time from now on, until the guest looks again. */
void mon_rtc_set(struct rtc *rtc, uint64_t unix_seconds);
