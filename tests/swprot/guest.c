/*
 * guest: a program for a machine with private and shared memory, two vCPUs and one virtio disk.
 *
 * It makes pages private and shared again by KVM_HC_MAP_GPA_RANGE, keeps a pattern in a private
 * one, drives the disk with rings and buffers in shared ones, and says on the serial port what it
 * found: `swprot: ok NAME`, `swprot: FAIL NAME`. At `swprot: wait NAME` it waits for a byte there:
 * swprot_test.py looks at the host's side meanwhile. Ends with `swprot: done` and power off.
 *
 * virtio 1.2: 2.7 (split rings), 4.1 (PCI), 5.2 (block). KVM: Documentation/virt/kvm/x86/
 * hypercalls.rst.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB          0x100000ull
#define PAGE         4096ull

#define RING         0x2000000ull /* rings of the disk's queue, shared */
#define REQUEST      0x2001000ull /* request header and status byte, shared */
#define BUFFER       0x2002000ull /* data, shared */
#define SHARED       0x2003000ull /* a pattern that everyone may see */
#define PRIVATE      0x2010000ull /* a pattern that nobody else may see */
#define BULK         (64 * MIB)   /* memory that changes sides as a whole */
#define BULK_BYTES   (64 * MIB)
#define TWINS        0x6400000ull /* a page of each vCPU, side by side */
#define AP_PAGE      0x2000ull    /* where the second vCPU begins */
#define APIC         0xfee00000ull
#define ROUNDS       500u
#define BEYOND       0x80000000ull /* no memory there */

#define SEED_PRIVATE 0x5eed0001u
#define SEED_SHARED  0x5eed0002u
#define SEED_DISK    0x5eed0003u

/* ---- ports and the serial line ---------------------------------------------------------------- */

static void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static void out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static uint32_t in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static void say(const char *text)
{
	for (; *text != '\0'; text++)
		out8(0x3f8, (uint8_t)*text);
}

static void say_line(const char *kind, const char *name)
{
	say("swprot: ");
	say(kind);
	say(" ");
	say(name);
	say("\n");
}

static void check(bool is_ok, const char *name)
{
	say_line(is_ok ? "ok" : "FAIL", name);
}

static void wait_for_host(const char *name)
{
	say_line("wait", name);
	while ((in8(0x3fd) & 1) == 0) /* line status: data ready */
		;
	(void)in8(0x3f8);
}

static void power_off(void)
{
	say("swprot: done\n");
	out8(0x600, 0x20 | 5 << 2); /* docs/launch.md: SLP_EN, SLP_TYP 5 */
	for (;;)
		__asm__ volatile("hlt");
}

/* ---- memory that changes sides ----------------------------------------------------------------- */

/* KVM_HC_MAP_GPA_RANGE: 0, a negative error number of KVM's or a positive one of the monitor's. */
static int64_t convert(uint64_t gpa, uint64_t bytes, bool is_to_private)
{
	int64_t ret;

	__asm__ volatile(
		"vmmcall"
		: "=a"(ret)
		: "a"(12ull), "b"(gpa), "c"(bytes / PAGE), "d"(is_to_private ? 0x10ull : 0ull)
		: "memory");
	return ret;
}

static uint64_t pattern_at(uint32_t seed, uint64_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ull ^ (uint64_t)seed * 0xd1b54a32d192ed03ull;
}

static void pattern_write(uint64_t at, uint64_t bytes, uint32_t seed)
{
	volatile uint64_t *p = (volatile uint64_t *)at;

	for (uint64_t i = 0; i < bytes / 8; i++)
		p[i] = pattern_at(seed, i);
}

static bool pattern_is_at(uint64_t at, uint64_t bytes, uint32_t seed)
{
	const volatile uint64_t *p = (const volatile uint64_t *)at;

	for (uint64_t i = 0; i < bytes / 8; i++)
		if (p[i] != pattern_at(seed, i))
			return false;
	return true;
}

static bool is_zero(uint64_t at, uint64_t bytes)
{
	const volatile uint64_t *p = (const volatile uint64_t *)at;

	for (uint64_t i = 0; i < bytes / 8; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* One word a page: enough to have it. */
static void touch(uint64_t at, uint64_t bytes, uint64_t value)
{
	for (uint64_t i = 0; i < bytes; i += PAGE)
		*(volatile uint64_t *)(at + i) = value + i;
}

static bool is_touched(uint64_t at, uint64_t bytes, uint64_t value)
{
	for (uint64_t i = 0; i < bytes; i += PAGE)
		if (*(volatile uint64_t *)(at + i) != value + i)
			return false;
	return true;
}

/* ---- the disk ---------------------------------------------------------------------------------- */

struct disk {
	volatile uint8_t *common;
	volatile uint16_t *notify;
	uint16_t used;
};

static uint32_t pci_read(unsigned int slot, unsigned int at)
{
	out32(0xcf8, 0x80000000u | slot << 11 | (at & ~3u));
	return in32(0xcfc);
}

static void pci_write(unsigned int slot, unsigned int at, uint32_t v)
{
	out32(0xcf8, 0x80000000u | slot << 11 | at);
	out32(0xcfc, v);
}

static volatile uint8_t *bar_at(unsigned int slot, unsigned int cap)
{
	unsigned int bar = pci_read(slot, cap + 4) & 0xff;
	uint64_t base = pci_read(slot, 0x10 + 4 * bar) & ~15u;

	return (volatile uint8_t *)(base + pci_read(slot, cap + 8));
}

/* 4.1.4: the structures by their vendor capabilities. */
static bool disk_find(struct disk *d)
{
	uint32_t multiplier = 0;
	unsigned int slot = 0;

	while (slot < 32 && pci_read(slot, 0) != 0x10421af4u)
		slot++;
	if (slot == 32)
		return false;
	pci_write(slot, 4, pci_read(slot, 4) | 6); /* memory, bus master */
	for (unsigned int cap = pci_read(slot, 0x34) & 0xff; cap != 0;
		cap = pci_read(slot, cap) >> 8 & 0xff) {
		uint32_t head = pci_read(slot, cap);
		if ((head & 0xff) != 9)
			continue;
		if (head >> 24 == 1)
			d->common = bar_at(slot, cap);
		if (head >> 24 == 2) {
			d->notify = (volatile uint16_t *)bar_at(slot, cap);
			multiplier = pci_read(slot, cap + 16);
		}
	}
	(void)multiplier; /* queue 0: its notify offset times anything */
	return d->common != NULL && d->notify != NULL;
}

static void put64(volatile uint8_t *p, uint64_t v)
{
	*(volatile uint32_t *)p = (uint32_t)v;
	*(volatile uint32_t *)(p + 4) = (uint32_t)(v >> 32);
}

/* 3.1.1, with VERSION_1 and ACCESS_PLATFORM only; one queue of four. */
static bool disk_start(struct disk *d)
{
	volatile uint8_t *c = d->common;

	c[0x14] = 0;
	c[0x14] = 1;
	c[0x14] = 3;
	*(volatile uint32_t *)c = 1;
	if ((*(volatile uint32_t *)(c + 4) & 3) != 3) /* bits 32 and 33 */
		return false;
	*(volatile uint32_t *)(c + 8) = 0;
	*(volatile uint32_t *)(c + 12) = 0;
	*(volatile uint32_t *)(c + 8) = 1;
	*(volatile uint32_t *)(c + 12) = 3;
	c[0x14] = 11;
	if ((c[0x14] & 8) == 0)
		return false;
	*(volatile uint16_t *)(c + 0x16) = 0;
	*(volatile uint16_t *)(c + 0x18) = 4;
	put64(c + 0x20, RING);
	put64(c + 0x28, RING + 0x100);
	put64(c + 0x30, RING + 0x200);
	*(volatile uint16_t *)(c + 0x1c) = 1;
	c[0x14] = 15;
	return (c[0x14] & 0x40) == 0;
}

static void descriptor(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags)
{
	put64((volatile uint8_t *)(RING + 16 * i), addr);
	*(volatile uint32_t *)(RING + 16 * i + 8) = len;
	*(volatile uint16_t *)(RING + 16 * i + 12) = flags;
	*(volatile uint16_t *)(RING + 16 * i + 14) = (uint16_t)(i + 1);
}

/* One page to or from the disk; the status byte, 0xff if the device never answered. */
static unsigned int disk_do(struct disk *d, bool is_write, uint64_t sector, uint64_t at)
{
	volatile uint16_t *available = (volatile uint16_t *)(RING + 0x100);
	const volatile uint16_t *used = (const volatile uint16_t *)(RING + 0x200);
	volatile uint8_t *status = (volatile uint8_t *)(REQUEST + 16);

	put64((volatile uint8_t *)REQUEST, is_write ? 1 : 0);
	put64((volatile uint8_t *)REQUEST + 8, sector);
	*status = 0xff;
	descriptor(0, REQUEST, 16, 1);
	descriptor(1, at, PAGE, is_write ? 1 : 3);
	descriptor(2, REQUEST + 16, 1, 2);
	available[2 + d->used % 4] = 0;
	__asm__ volatile("mfence" ::: "memory");
	available[1] = ++d->used;
	__asm__ volatile("mfence" ::: "memory");
	*d->notify = 0;
	for (uint64_t tries = 0; tries < 100000000ull && used[1] != d->used; tries++)
		__asm__ volatile("pause");
	return *status;
}

/* ---- the story --------------------------------------------------------------------------------- */

static void private_page(void)
{
	touch(PRIVATE, PAGE, 1);
	check(convert(PRIVATE, PAGE, true) == 0, "a page becomes private");
	check(is_zero(PRIVATE, PAGE), "a page that became private is empty");
	pattern_write(PRIVATE, PAGE, SEED_PRIVATE);
	pattern_write(SHARED, PAGE, SEED_SHARED);
	check(pattern_is_at(PRIVATE, PAGE, SEED_PRIVATE), "a private page keeps what is written");
	wait_for_host("private");
}

static void refusals(void)
{
	check(convert(BEYOND, PAGE, true) != 0, "private memory where there is none is refused");
	check(convert(PRIVATE + 8, PAGE, true) != 0, "an address inside a page is refused");
	check(convert(PRIVATE, 0, true) != 0, "no pages at all is refused");
	check(convert(256 * MIB - PAGE, 2 * PAGE, true) != 0,
		"a range that leaves memory is refused");
	check(pattern_is_at(PRIVATE, PAGE, SEED_PRIVATE), "a refused request changes nothing");
}

static void disk(struct disk *d)
{
	check(disk_find(d), "the machine has a virtio disk");
	if (d->common == NULL || d->notify == NULL)
		power_off();
	check(disk_start(d), "the disk takes VERSION_1 and ACCESS_PLATFORM");
	check(disk_do(d, false, 0, BUFFER) == 0 && pattern_is_at(BUFFER, PAGE, SEED_DISK),
		"a shared page is read from the disk");
	pattern_write(BUFFER, PAGE, SEED_SHARED);
	check(disk_do(d, true, 8, BUFFER) == 0, "a shared page is written to the disk");
	/* Addresses of private pages: whatever the device does, it has not what is in them. */
	(void)disk_do(d, true, 16, PRIVATE);
	(void)disk_do(d, false, 0, PRIVATE);
	check(pattern_is_at(PRIVATE, PAGE, SEED_PRIVATE),
		"a device does not change a private page");
	touch(BUFFER, PAGE, 7);
	check(disk_do(d, false, 16, BUFFER) == 0 && !pattern_is_at(BUFFER, 16, SEED_PRIVATE),
		"a device does not read a private page");
	wait_for_host("disk");
}

static void back_and_forth(void)
{
	bool is_ok = true;

	check(convert(PRIVATE, PAGE, false) == 0, "a page becomes shared again");
	check(!pattern_is_at(PRIVATE, 16, SEED_PRIVATE), "what was in it is lost");
	check(convert(PRIVATE, PAGE, true) == 0 && !pattern_is_at(PRIVATE, 16, SEED_PRIVATE),
		"and does not come back");
	for (unsigned int i = 0; i < 64; i++)
		is_ok = is_ok && convert(PRIVATE, PAGE, i % 2 != 0) == 0;
	check(is_ok, "64 conversions of one page");
}

/* ---- two vCPUs at once --------------------------------------------------------------------------- */

extern const uint8_t ap_start[], ap_end[];
static volatile uint32_t ap_rounds; /* all ones: failed */
static volatile bool ap_may_go;

/* Private, written, read, shared, read: the page must be ours alone all the time. */
static bool round_is_ok(uint64_t page, uint64_t value)
{
	if (convert(page, PAGE, true) != 0)
		return false;
	touch(page, PAGE, value);
	if (!is_touched(page, PAGE, value) || convert(page, PAGE, false) != 0)
		return false;
	return !is_touched(page, PAGE, value);
}

void guest_ap(void);
void guest_ap(void)
{
	ap_rounds = 1;
	while (!ap_may_go)
		__asm__ volatile("pause");
	for (uint32_t i = 1; i <= ROUNDS && ap_rounds == i; i++)
		ap_rounds = round_is_ok(TWINS + PAGE, i << 8 | 1) ? i + 1 : ~0u;
	for (;;)
		__asm__ volatile("hlt");
}

/* INIT, then SIPI with the page's number. APM volume 2, 16.5. */
static void ap_wake(void)
{
	volatile uint8_t *to = (volatile uint8_t *)AP_PAGE;

	for (const uint8_t *from = ap_start; from < ap_end; from++)
		*to++ = *from;
	*(volatile uint32_t *)(APIC + 0xf0) = 0x1ff; /* spurious vector, APIC enabled */
	for (unsigned int i = 0; i < 2; i++) {
		*(volatile uint32_t *)(APIC + 0x310) = 1u << 24;
		*(volatile uint32_t *)(APIC + 0x300) = i == 0 ? 0x4500 : 0x4600 | AP_PAGE >> 12;
	}
	for (uint64_t tries = 0; tries < 100000000ull && ap_rounds == 0; tries++)
		__asm__ volatile("pause");
}

static void two_at_once(struct disk *d)
{
	bool is_ok = true;

	ap_wake();
	check(ap_rounds == 1, "the second vCPU runs");
	ap_may_go = true;
	for (uint32_t i = 1; i <= ROUNDS && is_ok; i++) {
		is_ok = round_is_ok(TWINS, i << 8);
		if (i % 50 == 0)
			is_ok = is_ok && disk_do(d, false, 0, BUFFER) == 0 &&
				pattern_is_at(BUFFER, PAGE, SEED_DISK);
	}
	check(is_ok, "500 rounds of conversions, and the disk, while another vCPU converts the "
		     "page beside");
	for (uint64_t tries = 0; tries < 100000000ull && ap_rounds <= ROUNDS; tries++)
		__asm__ volatile("pause");
	check(ap_rounds == ROUNDS + 1, "500 rounds of the other vCPU");
}

static void bulk(void)
{
	touch(BULK, BULK_BYTES, 1);
	wait_for_host("bulk shared");
	check(convert(BULK, BULK_BYTES, true) == 0, "64 MiB become private");
	touch(BULK, BULK_BYTES, 2);
	check(is_touched(BULK, BULK_BYTES, 2), "64 MiB of private memory are there");
	wait_for_host("bulk private");
	check(convert(BULK, BULK_BYTES, false) == 0, "64 MiB become shared");
	check(!is_touched(BULK, PAGE, 2), "what was in them is lost");
	wait_for_host("bulk given back");
	touch(BULK, BULK_BYTES, 3);
	check(is_touched(BULK, BULK_BYTES, 3), "64 MiB of shared memory are there");
}

void guest_main(void);
void guest_main(void)
{
	struct disk d = { 0 };

	say("swprot: start\n");
	private_page();
	refusals();
	disk(&d);
	back_and_forth();
	two_at_once(&d);
	bulk();
	power_off();
}
