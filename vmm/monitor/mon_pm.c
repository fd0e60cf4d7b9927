#include "vmm/monitor/mon_pm.h"

#include <time.h>

#define INTEL       0x8086u
#define I440FX_HOST 0x1237u
#define PIIX3_ISA   0x7000u
#define PIIX4_POWER 0x7113u
#define ISA_SLOT    1u
#define ISA_COMMAND 0x7u  /* ports, memory, bus master */
#define PIRQ_ROUTES 0x60u /* four bytes: which ISA interrupt a PCI pin drives */
#define POWER_PMBA  0x40u /* port base; bit 0 says that it is a port */
#define POWER_MISC  0x80u /* bit 0: the ports at PMBA answer */
/* Bits of the control register: what OVMF writes to switch a PIIX4 off is type 0. */
#define CONTROL_SLP_EN  0x2000u
#define CONTROL_SLP_TYP 0x1c00u
#define TIMER_HZ        3579545u
#define TIMER_MASK      0xffffffu
#define NS_PER_SEC      1000000000u

uint32_t mon_pm_ticks(uint64_t seconds, uint32_t nanoseconds)
{
	return (uint32_t)(seconds * TIMER_HZ + (uint64_t)nanoseconds * TIMER_HZ / NS_PER_SEC) &
	       TIMER_MASK;
}

static uint64_t ports_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	const struct pm *pm = CONTAINER_OF(dev, struct pm, ports);
	struct timespec t = { 0 };

	if (offset == 0 && len == 2)
		return pm->control;
	if (offset != PM_TIMER - PM_CONTROL || len != 4)
		return ~(uint64_t)0;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return mon_pm_ticks((uint64_t)t.tv_sec, (uint32_t)t.tv_nsec);
}

static void ports_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v)
{
	struct pm *pm = CONTAINER_OF(dev, struct pm, ports);

	if (offset != 0 || len != 2)
		return;
	pm->control = (uint16_t)(v & ~(uint64_t)CONTROL_SLP_EN);
	if ((v & CONTROL_SLP_EN) != 0 && (v & CONTROL_SLP_TYP) == 0)
		pm->end(pm->owner, ENDED_OFF);
}

static void reset_asked(void *owner)
{
	struct pm *pm = owner;

	pm->end(pm->owner, ENDED_RESET);
}

int mon_pm_init(struct pm *pm, struct bus *bus, struct pci *pci,
	void (*end)(void *owner, enum ended_how how), void *owner)
{
	pci_func_init(&pci->bridge, INTEL, I440FX_HOST, 0x060000, 0);
	pci_func_init(&pm->isa, INTEL, PIIX3_ISA, 0x060100, 0);
	pm->isa.config[PCI_HEADER_TYPE] = PCI_HEADER_MULTI;
	/* Decoding: else OVMF does not look for the serial port behind it. */
	pm->isa.config[PCI_COMMAND] = pm->isa.writable[PCI_COMMAND] = ISA_COMMAND;
	for (unsigned int i = 0; i < 4; i++) {
		pm->isa.config[PIRQ_ROUTES + i] = 0x80; /* none */
		pm->isa.writable[PIRQ_ROUTES + i] = 0xff;
	}
	/* Set up and read-only: firmware that finds it so leaves it so. */
	pci_func_init(&pm->power, INTEL, PIIX4_POWER, 0x068000, 0);
	pci_put32(pm->power.config, POWER_PMBA, PM_BASE | 1);
	pm->power.config[POWER_MISC] = 1;
	mon_pci_put(pci, ISA_SLOT, 0, &pm->isa);
	mon_pci_put(pci, ISA_SLOT, 3, &pm->power);
	pm->ports = (struct bus_dev){ ports_read, ports_write };
	pm->end = end;
	pm->owner = owner;
	pci->reset = reset_asked;
	pci->owner = pm;
	return bus_add(bus, BUS_IO, PM_CONTROL, PM_TIMER + 4 - PM_CONTROL, &pm->ports);
}
