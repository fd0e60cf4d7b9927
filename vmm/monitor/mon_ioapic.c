#include "vmm/monitor/mon_ioapic.h"

#include <assert.h>

/* The window and what it shows. 82093AA, 3.1, 3.2. */
#define WINDOW_BYTES 0x1000u
#define IOREGSEL     0x00u
#define IOWIN        0x10u
#define REG_ID       0x00u
#define REG_VERSION  0x01u
#define REG_ARB      0x02u
#define REG_ENTRY    0x10u
#define VERSION      (0x11u | (IOAPIC_PINS - 1) << 16)

/* A redirection table entry. 82093AA, 3.2.4. */
#define ENTRY_VECTOR    0xffull
#define ENTRY_MODE      0x700ull  /* delivery mode */
#define ENTRY_LOGICAL   0x800ull  /* destination mode */
#define ENTRY_READ_ONLY 0x5000ull /* delivery status, remote IRR */
#define ENTRY_LEVEL     0x8000ull
#define ENTRY_MASKED    0x10000ull
#define ENTRY_DEST_AT   56u
#define MODE_EXTINT     0x700ull /* needs a PIC, which there is not */

/* The same as a message. Intel SDM 3A, 11.11. */
#define MSI_ADDRESS    0xfee00000ull
#define MSI_DEST_AT    12u
#define MSI_LOGICAL_AT 2u
#define MSI_ASSERT     0x4000u

static void pin_deliver(struct ioapic *a, unsigned int pin)
{
	uint64_t e = a->entry[pin];
	uint64_t logical = (e & ENTRY_LOGICAL) != 0;

	if ((e & ENTRY_MASKED) != 0 || (e & ENTRY_MODE) == MODE_EXTINT)
		return;
	a->signal(a->owner,
		MSI_ADDRESS | e >> ENTRY_DEST_AT << MSI_DEST_AT | logical << MSI_LOGICAL_AT,
		(uint32_t)(e & (ENTRY_VECTOR | ENTRY_MODE)) | MSI_ASSERT);
}

void mon_ioapic_set(struct ioapic *a, unsigned int pin, bool is_high)
{
	assert(pin < IOAPIC_PINS);
	bool is_rising = is_high && !a->is_high[pin];

	a->is_high[pin] = is_high;
	if (is_rising)
		pin_deliver(a, pin);
}

static uint32_t register_read(const struct ioapic *a)
{
	unsigned int at = a->select - REG_ENTRY;

	if (a->select == REG_VERSION)
		return VERSION;
	if (a->select == REG_ID || a->select == REG_ARB)
		return a->id;
	if (a->select < REG_ENTRY || at / 2 >= IOAPIC_PINS)
		return 0;
	return (uint32_t)(a->entry[at / 2] >> (at % 2 * 32));
}

static void entry_write(struct ioapic *a, unsigned int pin, bool is_upper, uint32_t v)
{
	uint64_t old = a->entry[pin];
	uint64_t new = is_upper ? (old & UINT32_MAX) | (uint64_t)v << 32
				: (old & ~(uint64_t)UINT32_MAX) | v;

	a->entry[pin] = (new & ~ENTRY_READ_ONLY);
	/* A level that was high while nobody listened is not lost; an edge is, as in hardware. */
	if ((old & ENTRY_MASKED) != 0 && (new &(ENTRY_MASKED | ENTRY_LEVEL)) == ENTRY_LEVEL &&
		a->is_high[pin])
		pin_deliver(a, pin);
}

static void register_write(struct ioapic *a, uint32_t v)
{
	unsigned int at = a->select - REG_ENTRY;

	if (a->select == REG_ID)
		a->id = v & 0x0f000000u;
	else if (a->select >= REG_ENTRY && at / 2 < IOAPIC_PINS)
		entry_write(a, at / 2, at % 2 == 1, v);
}

static uint64_t ioapic_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	const struct ioapic *a = CONTAINER_OF(dev, struct ioapic, dev);

	(void)len; /* registers are 32 bits wide; the bus cuts what it gives */
	if (offset == IOREGSEL)
		return a->select;
	return offset == IOWIN ? register_read(a) : 0;
}

static void ioapic_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v)
{
	struct ioapic *a = CONTAINER_OF(dev, struct ioapic, dev);

	if (offset == IOREGSEL)
		a->select = (uint8_t)v;
	else if (offset == IOWIN && len == 4)
		register_write(a, (uint32_t)v);
}

int mon_ioapic_init(struct ioapic *a, struct bus *bus,
	void (*signal)(void *owner, uint64_t address, uint32_t data), void *owner)
{
	*a = (struct ioapic){
		.dev = { ioapic_read, ioapic_write },
		.signal = signal,
		.owner = owner,
	};
	for (unsigned int i = 0; i < IOAPIC_PINS; i++)
		a->entry[i] = ENTRY_MASKED;
	return bus_add(bus, BUS_MMIO, IOAPIC_GPA, WINDOW_BYTES, &a->dev);
}
