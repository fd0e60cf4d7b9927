#include "vmm/monitor/mon_bus.h"

#include <errno.h>
#include <stdbool.h>

#include "base/num.h"

static struct bus_range *bus_find(struct bus *bus, enum bus_space space, uint64_t at, uint64_t len)
{
	for (unsigned int i = 0; i < bus->n; i++) {
		struct bus_range *r = &bus->ranges[i];
		if (r->space == space && at >= r->base && num_fits(at - r->base, len, r->size))
			return r;
	}
	return NULL;
}

static bool range_overlaps(const struct bus_range *r, uint64_t base, uint64_t size)
{
	return base < r->base ? size > r->base - base : r->size > base - r->base;
}

int bus_add(
	struct bus *bus, enum bus_space space, uint64_t base, uint64_t size, struct bus_dev *dev)
{
	uint64_t end;

	if (size == 0 || num_add(&end, base, size - 1) < 0)
		return -ERANGE;
	if (bus->n == BUS_RANGES_MAX)
		return -ENOSPC;
	for (unsigned int i = 0; i < bus->n; i++)
		if (bus->ranges[i].space == space && range_overlaps(&bus->ranges[i], base, size))
			return -EEXIST;
	bus->ranges[bus->n++] = (struct bus_range){ space, base, size, dev };
	return 0;
}

void bus_del(struct bus *bus, enum bus_space space, uint64_t base, const struct bus_dev *dev)
{
	for (unsigned int i = 0; i < bus->n; i++) {
		struct bus_range *r = &bus->ranges[i];
		if (r->space == space && r->base == base && r->dev == dev) {
			*r = bus->ranges[--bus->n];
			return;
		}
	}
}

uint64_t bus_read(struct bus *bus, enum bus_space space, uint64_t at, unsigned int len)
{
	struct bus_range *r = bus_find(bus, space, at, len);

	return r != NULL ? r->dev->read(r->dev, at - r->base, len) : ~(uint64_t)0;
}

void bus_read_bytes(struct bus *bus, enum bus_space space, uint64_t at, uint8_t *ret, size_t n)
{
	struct bus_range *r = bus_find(bus, space, at, 1);

	if (r != NULL && r->dev->read_bytes != NULL) {
		r->dev->read_bytes(r->dev, at - r->base, ret, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		ret[i] = r != NULL ? (uint8_t)r->dev->read(r->dev, at - r->base, 1) : 0xff;
}

void bus_write(struct bus *bus, enum bus_space space, uint64_t at, unsigned int len, uint64_t v)
{
	struct bus_range *r = bus_find(bus, space, at, len);

	if (r != NULL)
		r->dev->write(r->dev, at - r->base, len, v);
}
