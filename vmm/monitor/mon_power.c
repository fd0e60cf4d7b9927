#include "vmm/monitor/mon_power.h"

#define SLP_EN      0x20u
#define SLP_TYP(v)  (((v) >> 2) & 7u)
#define SLP_TYP_OFF 5u /* the DSDT's _S5 */

static uint64_t power_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	return offset == PORT_SLEEP_STATUS - PORT_SLEEP_CONTROL ? 0 : ~(uint64_t)0;
}

static void power_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v)
{
	struct mon_power *p = CONTAINER_OF(dev, struct mon_power, dev);

	switch (offset + PORT_SLEEP_CONTROL) {
	case PORT_SLEEP_CONTROL:
		if ((v & SLP_EN) != 0 && SLP_TYP(v) == SLP_TYP_OFF)
			p->end(p->owner, ENDED_OFF);
		break;
	case PORT_RESET:
		if ((v & 0xff) == RESET_VALUE)
			p->end(p->owner, ENDED_RESET);
		break;
	case PORT_WORKLOAD:
		p->workload_status = (uint8_t)v;
		break;
	default:
		break;
	}
}

int mon_power_init(struct mon_power *p, struct bus *bus,
	void (*end)(void *owner, enum ended_how how), void *owner)
{
	*p = (struct mon_power){
		.dev = { power_read, power_write },
		.workload_status = STATUS_NONE,
		.end = end,
		.owner = owner,
	};
	return bus_add(bus, BUS_IO, PORT_SLEEP_CONTROL, PORT_POWER_COUNT, &p->dev);
}
