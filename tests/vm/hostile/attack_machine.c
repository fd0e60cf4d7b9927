/* PCI, ports, memory-mapped registers, firmware's devices, conversions of memory. */
#include "tests/vm/hostile/hostile.h"

#define PM_CONTROL 0xb004u /* vmm/monitor/mon_pm.h */
#define PM_TIMER   0xb008u
#define SLP_EN     0x2000u

/* ---- PCI ----------------------------------------------------------------------------------------- */

static void function_every_byte(unsigned int func)
{
	for (unsigned int at = 0; at < 256; at++) {
		if (thinned())
			continue;
		(void)pci_in(func, at, 1);
		pci_out(func, at, 1, (uint32_t)random_next());
		if (at % 2 == 0)
			pci_out(func, at, 2, (uint32_t)random_next());
		if (at % 4 == 0) {
			(void)pci_in(func, at, 4);
			pci_out(func, at, 4, (uint32_t)random_next());
		}
	}
}

void pci_every_byte(const struct attack *a)
{
	for (unsigned int func = 0; func < 256; func++)
		if (pci_in(func, 0, 2) != 0xffff || func == 255)
			function_every_byte(func);
}

void pci_address_port(const struct attack *a)
{
	for (uint64_t i = 0; i < 200 * rounds; i++) {
		uint16_t at = (uint16_t)(0xcf8 + random_below(8));
		unsigned int len = 1u << random_below(3);
		uint32_t v = (uint32_t)random_next();
		if (at == 0xcf9 && len == 1)
			v &= ~4u; /* that would be a reset */
		port_out(at, len, random_below(2) == 0 ? v : v & 0x8000ffff & ~4u);
		(void)port_in(at, len);
	}
	if ((pci_in(255, 0, 4) & pci_in(31 << 3, 0, 4)) != 0xffffffff)
		fail("a function that is not there answers");
}

void pci_bar_sizes(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++)
		for (unsigned int bar = 0; bar < 6; bar++) {
			unsigned int at = 0x10 + 4 * bar;
			pci_out(devices[n].func, at, 4, 0xffffffff);
			uint32_t mask = pci_in(devices[n].func, at, 4) & ~15u;
			if (bar < 2 && (mask == 0 || (~mask & (~mask + 1)) != 0))
				fail("a BAR's size is no power of two");
			if (bar >= 2 && mask != 0)
				fail("a BAR too many");
			for (unsigned int i = 0; i < 4; i++)
				pci_out(devices[n].func, at + i, 1, 0xff);
			pci_out(devices[n].func, at + 2, 2, 0x1234);
			pci_out(devices[n].func, at, 4, 0);
		}
}

void pci_bars_on_one_another(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		pci_out(devices[n].func, 0x10, 4, 0xd0000000);
		pci_out(devices[n].func, 0x14, 4, n % 2 == 0 ? 0xd0000000 : 0xd0002000);
		(void)mmio_in(0xd0000000 + C_STATUS, 4);
		mmio_out(0xd0000000 + C_STATUS, 1, 0);
		mmio_out(0xd0003000, 2, 0);
	}
	for (unsigned int n = 0; n < n_devices; n++) { /* and one where another was */
		device_home(&devices[n]);
		pci_out(devices[n].func, 0x10, 4, devices[(n + 1) % n_devices].bars[0]);
		pci_out(devices[n].func, 0x14, 4, devices[(n + 1) % n_devices].bars[1]);
		(void)mmio_in(devices[n].common, 4);
	}
}

void pci_bars_anywhere(const struct attack *a)
{
	static const uint32_t places[] = { 0, 0x1000, BUFFERS, RINGS, RAM_BYTES, RAM_BYTES - 0x2000,
		0x80000000, 0xbffff000, 0xfebff000, 0xfebfc000, 0xfec00000, APIC, 0xfeffd000,
		0xffff0000, 0xfffff000, 0xfffffff0 };

	for (unsigned int n = 0; n < n_devices; n++)
		for (unsigned int i = 0; i < 2 * ARRAY_LEN(places); i++) {
			uint32_t at = places[i / 2];
			pci_out(devices[n].func, i % 2 == 0 ? 0x10 : 0x14, 4, at);
			mmio_out(BUFFERS, 4, 0xabcd0000 + i);
			if (mmio_in(BUFFERS, 4) != 0xabcd0000 + i)
				fail("RAM is no longer RAM");
			if (at != APIC && at != 0xfec00000)
				(void)mmio_in(at + 0x14, 4);
		}
}

void pci_decoding_off(const struct attack *a)
{
	struct device *d = device_of(BLK, 0);

	for (uint64_t i = 0; d != NULL && i < 8 * rounds; i++) {
		(void)device_start(d, 0);
		desc_set(&d->q[0], 2, BUFFERS - 2 * PAGE + 16, 1, D_WRITE, 0);
		desc_set(&d->q[0], 1, BUFFERS, (uint32_t)MIB / 4, D_NEXT | D_WRITE, 2);
		desc_set(&d->q[0], 0, BUFFERS - 2 * PAGE, 16, D_NEXT, 1);
		memset((void *)(BUFFERS - 2 * PAGE), 0, 17);
		for (unsigned int k = 0; k < 16; k++)
			queue_offer(&d->q[0], 0);
		device_kick(d, 0);
		pci_out(d->func, 4, 2, 0);
		device_kick(d, 0);
		if (mmio_in(d->common + C_STATUS, 1) != 0xff)
			fail("it answers without decoding");
		pci_out(d->func, 4, 2, 6);
		d->q[0].seen = (uint16_t)(d->q[0].avail[1] - 1);
		if (device_status(d) == 0xff)
			fail("it does not answer with decoding");
	}
}

static struct device *volatile mover;

static void bar_move(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		mmio_out(mover->notify, 2, 0);
		(void)mmio_in(mover->common + C_STATUS, 1);
		mmio_out(0xd4003000 + 0x10000 * i, 2, 0);
		mmio_out(mover->bars[1] + 12, 4, 1);
	}
}

/* One vCPU uses the registers, the other moves them. */
void pci_bar_race(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		mover = &devices[n];
		(void)device_start(mover, 0);
		race_start(bar_move);
		for (uint64_t i = 0; i < 16 * rounds; i++) {
			pci_out(mover->func, 0x10, 4, (uint32_t)(0xd4000000 + 0x10000 * (i % 4)));
			pci_out(mover->func, 4, 2, (uint32_t)(i & 2));
			pci_out(mover->func, 0x14, 4,
				(uint32_t)(0xd4000000 + 0x10000 * (i % 5) + 0x4000));
			if (i % 8 == 7)
				device_home(mover);
		}
		race_stop();
		device_home(mover);
	}
}

/* ---- ports ----------------------------------------------------------------------------------------- */

/* Writing there may end us, configure PCI, or talk to a simulated processor: attacks of their own. */
static bool port_is_special(uint32_t port)
{
	return (port >= 0x5dd && port < 0x605) || (port >= 0xcf5 && port < 0xd00) ||
	       (port >= PM_CONTROL - 3 && port < PM_TIMER) || (port >= 0x3f5 && port < 0x400);
}

void ports_unknown(const struct attack *a)
{
	for (uint32_t port = 0; port < 0x10000; port += port < 0x800 ? 1 : 61)
		if (!port_is_special(port) && !thinned()) {
			(void)port_in((uint16_t)port, 1);
			(void)port_in((uint16_t)port, 4);
		}
	if (port_in(0x1234, 4) != 0xffffffff)
		fail("a port that is not there answers");
}

void ports_random(const struct attack *a)
{
	for (uint64_t i = 0; i < 500 * rounds; i++) {
		uint32_t port = random_below(random_below(2) == 0 ? 0x1000 : 0x10000);
		if (!port_is_special(port))
			port_out((uint16_t)port, 1u << random_below(3), (uint32_t)random_next());
	}
	(void)port_in(0xffff, 4); /* over the end */
	port_out(0xffff, 4, 0);
}

/* Everything but what is asked for switching off. */
void ports_power(const struct attack *a)
{
	for (uint64_t i = 0; i < 100 * rounds; i++) {
		unsigned int len = 1u << random_below(3);
		uint32_t v = (uint32_t)random_next();
		port_out(0x600, len, (v & 0x20) != 0 && (v >> 2 & 7) == 5 ? v ^ 0x20 : v);
		port_out(0x602, len, (v & 0xff) == 1 ? 0 : v);
		port_out(0x601, len, v);
		port_out(0x603, 1, v);
		port_out(0x604, 1, v);
		port_out(0x601, 4, 0x01010101);
		(void)port_in((uint16_t)(0x600 + i % 8), len);
	}
	port_out(0x604, 1, 0);
}

void ports_string(const struct attack *a)
{
	static const uint16_t ports[] = { 0x70, 0x71, 0x402, 0x510, 0x511, 0x514, 0x601, 0x603,
		0xcf8, 0xcfc, 0x80, 0x1234, PM_TIMER };

	memset((void *)BUFFERS, 0, 4 * PAGE);
	for (unsigned int i = 0; i < ARRAY_LEN(ports); i++)
		for (unsigned int len = 1; len <= 4; len *= 2) {
			port_in_string(ports[i], len, (void *)(BUFFERS + MIB + 1), 3000 / thin);
			port_out_string(
				ports[i], len, (const void *)(BUFFERS + 1), 800 / thin / thin);
		}
}

void serial_registers(const struct attack *a)
{
	for (uint64_t i = 0; i < 200 * rounds; i++) {
		uint16_t port = (uint16_t)(0x3f8 + random_below(8));
		if (port == 0x3f8)
			port_out(0x3fc, 1,
				0x10); /* loop-back: it comes back to us, not to the host */
		port_out(port, 1u << random_below(3), (uint32_t)random_next());
		(void)port_in(port, 1u << random_below(3));
	}
	port_out(0x3fb, 1, 3); /* no divisor latch */
	port_out(0x3fc, 1, 0x10);
	for (unsigned int i = 0; i < 600; i++)
		port_out(0x3f8, 1, i);
	port_out(0x3fa, 1, 2); /* empty */
	port_out(0x3fc, 1, 0);
	port_out(0x3f9, 1, 0);
}

/* Without an end of line, then with nothing else, then what terminals obey. */
void serial_flood(const struct attack *a)
{
	memset((void *)BUFFERS, 'x', 3000);
	memset((void *)(BUFFERS + PAGE), '\n', 400);
	port_out_string(0x3f8, 1, (void *)BUFFERS, 3000 / thin);
	port_out_string(0x3f8, 1, (void *)(BUFFERS + PAGE), 400);
	for (unsigned int i = 0; i < 256; i++)
		port_out(0x3f8, 1, i);
	port_out(0x3f8, 1, '\n');
}

/* ---- memory-mapped registers ------------------------------------------------------------------------- */

void mmio_holes(const struct attack *a)
{
	static const uint64_t places[] = { RAM_BYTES + MIB, 0x80000000, 0xbfffff00, HOLE,
		0xe0000000, 0xfebfff00, 0xfed00000, 0xfed40000, 0xfef00000 };

	for (unsigned int i = 0; i < ARRAY_LEN(places); i++)
		for (unsigned int at = 0; at < 16; at++)
			for (unsigned int len = 1; len <= 8; len *= 2) {
				if (thinned())
					continue;
				if (len == 4 && mmio_in(places[i] + at, 4) != 0xffffffff)
					fail("an address where nothing is answers");
				mmio_out(places[i] + at, len, random_next());
			}
	(void)mmio_in(HOLE + PAGE - 3, 8); /* over two pages */
	mmio_out(HOLE + PAGE - 3, 8, 1);
}

/* Accesses that begin in one range and end in another, or nowhere. */
void mmio_bar_ends(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++)
		for (unsigned int back = 1; back < 8; back++)
			for (unsigned int len = 2; len <= 8; len *= 2) {
				uint64_t ends[] = { devices[n].bars[0], devices[n].bars[0] + 0x1000,
					devices[n].bars[0] + 0x2000, devices[n].bars[0] + 0x3000,
					devices[n].bars[0] + 0x4000, devices[n].bars[1] + 0x1000 };
				for (unsigned int i = 0; i < ARRAY_LEN(ends); i++) {
					if (thinned())
						continue;
					(void)mmio_in(ends[i] - back, len);
					mmio_out(ends[i] - back, len, random_next());
				}
			}
}

/* Instructions that are no plain move: strings, exchanges, 16 bytes. */
void mmio_wide(const struct attack *a)
{
	uint64_t cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 0x600)); /* OSFXSR, OSXMMEXCPT */
	for (unsigned int n = 0; n < n_devices; n++) {
		uint64_t from = devices[n].common;
		void *to = (void *)BUFFERS;
		memcpy(to, (const void *)from, C_BYTES);
		memcpy((void *)(devices[n].config), to, 16);
		memset((void *)devices[n].config, 0xff, 100);
		__asm__ volatile("xchgl %%eax, (%0)"
				 :
				 : "r"(from + C_QUEUE_DESC)
				 : "eax", "memory");
		__asm__ volatile("lock orl $1, (%0)" : : "r"(from + C_QUEUE_DESC) : "memory");
		__asm__ volatile("movups (%0), %%xmm0; movups %%xmm0, (%0)"
				 :
				 : "r"(from + C_QUEUE_DESC)
				 : "memory");
		__asm__ volatile("movups (%0), %%xmm0; movups %%xmm0, (%0)"
				 :
				 : "r"(devices[n].bars[1] + 8)
				 : "memory");
	}
}

/* Fixed delivery only: the pins belong to devices that we use. */
void ioapic_nonsense(const struct attack *a)
{
	for (uint64_t i = 0; i < 100 * rounds; i++) {
		mmio_out(0xfec00000, random_width(), random_next());
		(void)mmio_in(0xfec00000 + random_below(0x20), random_width());
		mmio_out(0xfec00010, 4, random_next() & ~0x700ull);
		mmio_out(0xfec00000 + 0x20 + random_below(0xfd0), random_width(), random_next());
	}
	for (unsigned int pin = 0; pin < 24; pin++) {
		mmio_out(0xfec00000, 4, 0x10 + 2 * pin);
		mmio_out(0xfec00010, 4, 0x10000);
	}
}

/* ---- what firmware uses -------------------------------------------------------------------------------- */

void fwcfg_selectors(const struct attack *a)
{
	for (uint32_t key = 0; key < 0x10000; key += key < 0x80 ? 1 : 509) {
		port_out(0x510, 2, key);
		port_in_string(0x511, 1, (void *)BUFFERS, 16);
		(void)port_in(0x511, 4);
		port_out(0x511, 1, key);
	}
	for (uint64_t i = 0; i < 100 * rounds; i++) {
		uint16_t port = (uint16_t)(0x510 + random_below(12));
		if (port < 0x514)
			port_out(port, 1u << random_below(3), (uint32_t)random_next());
		(void)port_in(port, 1u << random_below(3));
	}
	port_out(0x510, 2, 0x19);
	for (unsigned int i = 0; i < 4; i++)
		port_in_string(0x511, 1, (void *)BUFFERS, 4000); /* far behind its end */
}

static void command_put(uint64_t at, uint32_t control, uint32_t len, uint64_t to)
{
	volatile uint32_t *c = (volatile uint32_t *)at;

	c[0] = __builtin_bswap32(control);
	c[1] = __builtin_bswap32(len);
	c[2] = __builtin_bswap32((uint32_t)(to >> 32));
	c[3] = __builtin_bswap32((uint32_t)to);
}

static void command_give(uint64_t at)
{
	port_out(0x514, 4, __builtin_bswap32((uint32_t)(at >> 32)));
	port_out(0x518, 4, __builtin_bswap32((uint32_t)at));
}

void fwcfg_commands(const struct attack *a)
{
	static const uint32_t lengths[] = { 0, 1, 4, 4096, 0x10000, 0x1000000, 0x7fffffff,
		0xffffffff };

	for (uint64_t i = 0; i < 60 * rounds; i++) {
		uint64_t at =
			random_below(3) == 0 ? random_address() : BUFFERS + random_below(4096);
		uint64_t to = random_below(2) == 0 ? random_address() : BUFFERS + MIB;
		if (to < BUFFERS) /* our rings may be hit, we may not */
			to = RINGS + 0x40000;
		if (at >= BUFFERS && at < RAM_BYTES - 16)
			command_put(at,
				(uint32_t)random_next() & (random_below(2) == 0 ? 0x1f : ~0u),
				lengths[random_below(ARRAY_LEN(lengths) - 3)], to);
		command_give(at);
	}
	for (unsigned int i = 0; i < ARRAY_LEN(lengths);
		i++) { /* the kernel item, then far too much of it */
		command_put(BUFFERS, 0x0011000a, lengths[i], BUFFERS + MIB);
		command_give(BUFFERS);
		command_put(BUFFERS, 0x0011000a, lengths[i], BUFFERS); /* over the command itself */
		command_give(BUFFERS);
		command_put(BUFFERS, 0x0011000a, lengths[i], RAM_BYTES - 1);
		command_give(BUFFERS);
	}
	command_put(BUFFERS, 0x00110010, 16, BUFFERS);
	command_give(BUFFERS);
	uint32_t after = *(volatile uint32_t *)BUFFERS;
	if (where == TD && after != __builtin_bswap32(0x00110010))
		fail("a command was taken where memory is the guest's own");
	if (where != TD && (after & 0x01000000) == 0)
		fail("an item was written to");
	port_out(0x518, 4, 0);
	command_give(RAM_BYTES - 8);
	command_give(0xfffffffffffffff8);
}

void fwcfg_far_skips(const struct attack *a)
{
	command_put(BUFFERS, 0x0011000c, 0xffffffff, 0);
	command_give(BUFFERS);
	for (unsigned int i = 0; i < 300; i++) {
		command_put(BUFFERS, 4, 0xffffffff, 0);
		command_give(BUFFERS);
		command_put(BUFFERS, 2, 16, BUFFERS + 64);
		command_give(BUFFERS);
		(void)port_in(0x511, 1);
	}
}

/* The variables' flash is below the code, which is below 4 GiB. */
static uint64_t flash_at(uint64_t *ret_bytes)
{
	*ret_bytes = option("vars", 65536);
	return 0x100000000 - option("code", 131072) - *ret_bytes;
}

void flash_sequences(const struct attack *a)
{
	static const uint8_t commands[] = { 0x10, 0x40, 0x20, 0xd0, 0x50, 0x70, 0xff, 0x90, 0x98,
		0xe8, 0x60, 0x01 };
	uint64_t bytes, at = flash_at(&bytes);

	for (uint64_t i = 0; i < 150 * rounds; i++) {
		uint64_t to = at + random_below((uint32_t)bytes - 8);
		uint64_t v = random_below(3) == 0 ? random_next()
						  : commands[random_below(ARRAY_LEN(commands))];
		mmio_out(to, random_width(), v);
		if (i % 4 == 0)
			(void)mmio_in(to, random_width());
	}
	mmio_out(at + bytes - 1, 8, 0x20); /* over its end */
	mmio_out(at - 1, 8, 0xd0);
	mmio_out(0xfffff000, 4, 0x20); /* the code is none */
	mmio_out(0xfffff000, 4, 0xd0);
	mmio_out(at, 1, 0x20);
	mmio_out(at, 1, 0xd0);
	mmio_out(at, 1, 0x10);
	mmio_out(at, 4, 0x12345678);
	mmio_out(at, 1, 0xff);
	if (mmio_in(at, 4) != 0x12345678)
		fail("the flash does not keep what is programmed");
	if (mmio_in(0xfffffff0, 4) == 0xffffffff)
		fail("the code was erased");
}

static void flash_flip(void)
{
	uint64_t bytes, at = flash_at(&bytes);

	mmio_out(at + 64, 1, 0x70);
	(void)mmio_in(at + 128, 4);
	mmio_out(at + 64, 1, 0xff);
	(void)mmio_in(at + 128, 8);
}

void flash_race(const struct attack *a)
{
	uint64_t bytes, at = flash_at(&bytes);

	race_start(flash_flip);
	for (uint64_t i = 0; i < 40 * rounds; i++) {
		mmio_out(at + 4096, 1, i % 2 == 0 ? 0x10 : 0x70);
		mmio_out(at + 4096, 4, i);
		(void)mmio_in(at + 4096, 8);
	}
	race_stop();
	mmio_out(at, 1, 0xff);
}

void debug_flood(const struct attack *a)
{
	memset((void *)BUFFERS, 'd', 4000);
	for (unsigned int i = 0; i < 4000; i += 4)
		*(uint8_t *)(BUFFERS + i) = '\n';
	for (unsigned int i = 0; i < 8; i++)
		port_out_string(0x402, 1, (void *)BUFFERS, 4000 / thin);
	for (unsigned int i = 0; i < 512; i++)
		port_out(0x402, 1, i);
	memset((void *)BUFFERS, 'e', 4000);
	port_out_string(0x402, 1, (void *)BUFFERS, 4000 / thin);
	port_out_string(0x402, 4, (void *)BUFFERS, 1000 / thin);
}

void rtc_nonsense(const struct attack *a)
{
	for (unsigned int i = 0; i < 512; i++) {
		port_out(0x70, 1, i);
		(void)port_in(0x71, 1);
		port_out(0x71, 1, (uint32_t)random_next());
		port_out(0x70, 1u << i % 3, (uint32_t)random_next());
		(void)port_in((uint16_t)(0x70 + i % 2), 1u << i % 3);
	}
}

void pm_nonsense(const struct attack *a)
{
	for (uint64_t i = 0; i < 100 * rounds; i++) {
		uint16_t port = (uint16_t)(0xb000 + random_below(16));
		uint32_t v = (uint32_t)random_next();
		port_out(port, 1u << random_below(3), port == PM_CONTROL ? v & ~SLP_EN : v);
		(void)port_in(port, 1u << random_below(3));
	}
}
