#include "vmm/monitor/mon_pci.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/le.h"
#include "base/num.h"

#define PORT_ADDRESS    0xcf8u
#define PORT_DATA       0xcfcu
#define ADDRESS_ENABLE  0x80000000u
#define RESET_OFFSET    1u /* port 0xcf9 lies within the address; it is a byte */
#define RESET_CPU       0x4u
#define PCI_STATUS      0x06u
#define PCI_STATUS_CAPS 0x10u
#define CAPS_START      0x40u

uint32_t pci_get32(const struct pci_func *f, unsigned int at)
{
	le32 v;

	memcpy(&v, f->config + at, sizeof v);
	return le32_get(v);
}

void pci_put32(uint8_t *p, unsigned int at, uint32_t v)
{
	le32 x = le32_of(v);

	memcpy(p + at, &x, sizeof x);
}

static void pci_put16(uint8_t *p, unsigned int at, uint16_t v)
{
	le16 x = le16_of(v);

	memcpy(p + at, &x, sizeof x);
}

void pci_func_init(struct pci_func *f, uint16_t vendor, uint16_t device, uint32_t class_code,
	uint16_t subsystem)
{
	memset(f, 0, sizeof *f);
	pci_put16(f->config, 0x00, vendor);
	pci_put16(f->config, 0x02, device);
	pci_put32(f->config, 0x08, class_code << 8 | 1); /* revision 1 */
	pci_put16(f->config, 0x2c, vendor);
	pci_put16(f->config, 0x2e, subsystem);
	pci_put16(f->writable, PCI_COMMAND, 0x0406); /* memory, bus master, INTx disable */
	f->writable[0x0c] = 0xff;                    /* cache line size: kept, without effect */
	f->writable[0x3c] = 0xff;                    /* interrupt line: kept, without effect */
}

void pci_func_set_bar(struct pci_func *f, unsigned int bar, uint32_t base, uint32_t size)
{
	assert(bar < PCI_BARS && size >= 16 && (size & (size - 1)) == 0 &&
		(base & (size - 1)) == 0);
	f->bar_size[bar] = size;
	pci_put32(f->config, PCI_BAR0 + 4 * bar, base);
	pci_put32(f->writable, PCI_BAR0 + 4 * bar, ~(size - 1));
}

unsigned int pci_func_add_cap(struct pci_func *f, const void *cap, unsigned int len)
{
	unsigned int at = CAPS_START;
	uint8_t *link = &f->config[PCI_CAP_POINTER];

	while (*link != 0) {
		at = *link;
		link = &f->config[at + 1];
		at = (at + f->config[at + 2] + 3) &
		     ~3u; /* our capabilities carry their length there */
	}
	assert(len >= 4 && at + len <= PCI_CONFIG_BYTES);
	memcpy(f->config + at, cap, len);
	f->config[at + 1] = 0;
	*link = (uint8_t)at;
	f->config[PCI_STATUS] |= PCI_STATUS_CAPS;
	return at;
}

bool pci_func_get_bar(const struct pci_func *f, unsigned int bar, uint64_t *ret_base)
{
	uint64_t base = pci_get32(f, PCI_BAR0 + 4 * bar) & ~(uint64_t)15;

	if ((f->config[PCI_COMMAND] & PCI_COMMAND_MEM) == 0 || f->bar_size[bar] == 0 ||
		base < f->window_start || base > PCI_WINDOW_END - f->bar_size[bar])
		return false;
	*ret_base = base;
	return true;
}

static uint64_t address_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	const struct pci *pci = CONTAINER_OF(dev, struct pci, address_dev);

	return len == 4 ? pci->address : ~(uint64_t)0;
}

static void address_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v)
{
	struct pci *pci = CONTAINER_OF(dev, struct pci, address_dev);

	if (len == 4)
		pci->address = (uint32_t)v;
	else if (len == 1 && offset == RESET_OFFSET && (v & RESET_CPU) != 0 && pci->reset != NULL)
		pci->reset(pci->owner);
}

/* The function and register the address names; NULL: nobody there. */
static struct pci_func *pci_target(const struct pci *pci, uint64_t offset, unsigned int *ret_at)
{
	unsigned int bus = pci->address >> 16 & 0xff;

	if ((pci->address & ADDRESS_ENABLE) == 0 || bus != 0)
		return NULL;
	*ret_at = (pci->address & 0xfc) + (unsigned int)offset;
	return pci->funcs[pci->address >> 8 & 0xff];
}

static uint64_t data_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	const struct pci *pci = CONTAINER_OF(dev, struct pci, data_dev);
	unsigned int at;
	const struct pci_func *f = pci_target(pci, offset, &at);
	uint64_t v = 0;

	if (f == NULL || len > 4 || !num_fits(at, len, PCI_CONFIG_BYTES))
		return ~(uint64_t)0;
	for (unsigned int i = 0; i < len; i++)
		v |= (uint64_t)f->config[at + i] << (8 * i);
	return v;
}

static void data_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v)
{
	struct pci *pci = CONTAINER_OF(dev, struct pci, data_dev);
	unsigned int at;
	struct pci_func *f = pci_target(pci, offset, &at);

	if (f == NULL || len > 4 || !num_fits(at, len, PCI_CONFIG_BYTES))
		return;
	for (unsigned int i = 0; i < len; i++) {
		uint8_t mask = f->writable[at + i];
		uint8_t byte = (uint8_t)(v >> (8 * i));
		f->config[at + i] = (uint8_t)((f->config[at + i] & ~mask) | (byte & mask));
	}
	if (f->wrote != NULL)
		f->wrote(f, at, len);
}

int mon_pci_init(struct pci *pci, struct bus *bus, uint32_t window_start)
{
	memset(pci, 0, sizeof *pci);
	pci->address_dev = (struct bus_dev){ address_read, address_write };
	pci->data_dev = (struct bus_dev){ data_read, data_write };
	pci_func_init(&pci->bridge, 0x1af4, 0x0001, 0x060000, 0); /* a host bridge of no maker's */
	pci->window_start = window_start;
	mon_pci_put(pci, 0, 0, &pci->bridge);
	int err = bus_add(bus, BUS_IO, PORT_ADDRESS, 4, &pci->address_dev);
	if (err == 0)
		err = bus_add(bus, BUS_IO, PORT_DATA, 4, &pci->data_dev);
	return err;
}

void mon_pci_put(struct pci *pci, unsigned int slot, unsigned int func, struct pci_func *f)
{
	unsigned int at = slot * PCI_SLOT_FUNCS + func;

	assert(slot < PCI_SLOTS && func < PCI_SLOT_FUNCS && pci->funcs[at] == NULL);
	f->window_start = pci->window_start;
	pci->funcs[at] = f;
}

int mon_pci_add(struct pci *pci, struct pci_func *f)
{
	for (unsigned int i = 0; i < PCI_SLOTS; i++) {
		if (pci->funcs[i * PCI_SLOT_FUNCS] == NULL) {
			mon_pci_put(pci, i, 0, f);
			return 0;
		}
	}
	return -ENOSPC;
}
