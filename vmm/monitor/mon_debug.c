#include "vmm/monitor/mon_debug.h"

#include <stdio.h>
#include <time.h>

#include "base/limits.h"
#include "base/num.h"

#define DEBUG_PRESENT 0xe9u /* what firmware expects to read before it writes */

static void line_say(struct debug *d, uint64_t now)
{
	char text[48];

	d->allowance = MIN(d->allowance + (now - d->second) * LIMIT_DEBUG_LINES_PER_S,
		(uint64_t)LIMIT_DEBUG_LINES);
	d->second = now;
	if (d->allowance == 0) {
		d->dropped++;
		return;
	}
	d->allowance--;
	if (d->dropped > 0) {
		(void)snprintf(
			text, sizeof text, "(%llu lines dropped)", (unsigned long long)d->dropped);
		d->say(d->owner, text);
		d->dropped = 0;
	}
	d->say(d->owner, d->line);
}

void mon_debug_put(struct debug *d, char c, uint64_t now)
{
	if (c != '\n' && c != '\r' && c != 0)
		d->line[d->len++] = c;
	if (d->len == DEBUG_LINE_BYTES || (c == '\n' && d->len > 0)) {
		d->line[d->len] = 0;
		line_say(d, now);
		d->len = 0;
	}
}

static uint64_t debug_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	return DEBUG_PRESENT;
}

static void debug_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v)
{
	struct debug *d = CONTAINER_OF(dev, struct debug, dev);
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	mon_debug_put(d, (char)v, (uint64_t)t.tv_sec);
}

int mon_debug_init(
	struct debug *d, struct bus *bus, void (*say)(void *owner, const char *line), void *owner)
{
	*d = (struct debug){
		.dev = { debug_read, debug_write },
		.allowance = LIMIT_DEBUG_LINES,
		.say = say,
		.owner = owner,
	};
	return bus_add(bus, BUS_IO, DEBUG_PORT, 1, &d->dev);
}
