#include "tests/vm/hostile/kit.h"

#define SERIAL     0x3f8
#define AP_PAGE    0x2000ull /* where the second vCPU begins */
#define CMDLINE    0x8000ull /* docs/launch.md; with firmware it is copied there */
#define LINE_BYTES 160u

/* ---- instructions ------------------------------------------------------------------------------ */

void port_out(uint16_t port, unsigned int len, uint32_t v)
{
	if (len == 1)
		__asm__ volatile("outb %b0, %1" : : "a"(v), "Nd"(port));
	else if (len == 2)
		__asm__ volatile("outw %w0, %1" : : "a"(v), "Nd"(port));
	else
		__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

uint32_t port_in(uint16_t port, unsigned int len)
{
	uint32_t v = 0;

	if (len == 1)
		__asm__ volatile("inb %1, %b0" : "+a"(v) : "Nd"(port));
	else if (len == 2)
		__asm__ volatile("inw %1, %w0" : "+a"(v) : "Nd"(port));
	else
		__asm__ volatile("inl %1, %0" : "+a"(v) : "Nd"(port));
	return v;
}

void port_out_string(uint16_t port, unsigned int len, const void *buf, uint32_t n)
{
	uint64_t count = n;

	if (len == 1)
		__asm__ volatile("rep outsb" : "+S"(buf), "+c"(count) : "d"(port) : "memory");
	else if (len == 2)
		__asm__ volatile("rep outsw" : "+S"(buf), "+c"(count) : "d"(port) : "memory");
	else
		__asm__ volatile("rep outsl" : "+S"(buf), "+c"(count) : "d"(port) : "memory");
}

void port_in_string(uint16_t port, unsigned int len, void *buf, uint32_t n)
{
	uint64_t count = n;

	if (len == 1)
		__asm__ volatile("rep insb" : "+D"(buf), "+c"(count) : "d"(port) : "memory");
	else if (len == 2)
		__asm__ volatile("rep insw" : "+D"(buf), "+c"(count) : "d"(port) : "memory");
	else
		__asm__ volatile("rep insl" : "+D"(buf), "+c"(count) : "d"(port) : "memory");
}

void mmio_out(uint64_t at, unsigned int len, uint64_t v)
{
	if (len == 1)
		__asm__ volatile("movb %b0, (%1)" : : "r"(v), "r"(at) : "memory");
	else if (len == 2)
		__asm__ volatile("movw %w0, (%1)" : : "r"(v), "r"(at) : "memory");
	else if (len == 4)
		__asm__ volatile("movl %k0, (%1)" : : "r"(v), "r"(at) : "memory");
	else
		__asm__ volatile("movq %0, (%1)" : : "r"(v), "r"(at) : "memory");
}

uint64_t mmio_in(uint64_t at, unsigned int len)
{
	uint64_t v = 0;

	if (len == 1)
		__asm__ volatile("movb (%1), %b0" : "+r"(v) : "r"(at) : "memory");
	else if (len == 2)
		__asm__ volatile("movw (%1), %w0" : "+r"(v) : "r"(at) : "memory");
	else if (len == 4)
		__asm__ volatile("movl (%1), %k0" : "+r"(v) : "r"(at) : "memory");
	else
		__asm__ volatile("movq (%1), %0" : "+r"(v) : "r"(at) : "memory");
	return v;
}

uint64_t tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

void pause_for(uint64_t ticks)
{
	for (uint64_t from = tsc(); tsc() - from < ticks;)
		__asm__ volatile("pause");
}

void barrier(void)
{
	__asm__ volatile("mfence" ::: "memory");
}

void *memset(void *to, int v, size_t n)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(v) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
	return to;
}

/* ---- random numbers ---------------------------------------------------------------------------- */

uint64_t random_state;

/* splitmix64 */
uint64_t random_next(void)
{
	uint64_t v = random_state += 0x9e3779b97f4a7c15ull;

	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

uint32_t random_below(uint32_t n)
{
	return (uint32_t)((random_next() >> 32) * n >> 32);
}

uint32_t thin = 1;

bool thinned(void)
{
	return thin > 1 && random_below(thin) != 0;
}

uint64_t random_address(void)
{
	static const uint64_t places[] = { BUFFERS, RINGS, RAM_BYTES - 64, RAM_BYTES, BEYOND, HOLE,
		0xc0000000, 0xc0003000, 0xfec00000, APIC, 0xfffff000, 0x100000000,
		0x7ffffffffffff000, 0xfffffffffffff000, 0, 0x80 };

	return places[random_below(ARRAY_LEN(places))] + random_below(128);
}

unsigned int random_width(void)
{
	return 1u << random_below(4);
}

/* ---- the host ---------------------------------------------------------------------------------- */

bool has_firmware;
static char line[LINE_BYTES];
static uint32_t line_len;

static void line_send(void)
{
	struct device *console = device_of(CONSOLE, 0);
	uint64_t buf = BUFFERS - PAGE;

	if (console == NULL) {
		port_out_string(SERIAL, 1, line, line_len);
	} else if (device_start(console, 0)) {
		memcpy((void *)buf, line, line_len);
		desc_set(&console->q[1], 0, buf, line_len, 0, 0);
		(void)device_do(console, 1, 0, NULL);
	}
	line_len = 0;
}

void say(const char *text)
{
	for (; *text != '\0'; text++) {
		line[line_len++] = *text;
		if (*text == '\n' || line_len == LINE_BYTES)
			line_send();
	}
}

void say_number(uint64_t v)
{
	char digits[21] = { 0 };
	unsigned int at = sizeof digits - 1;

	do
		digits[--at] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	say(digits + at);
}

void say_hex(uint64_t v)
{
	char digits[19] = { 0 };
	unsigned int at = sizeof digits - 1;

	do
		digits[--at] = "0123456789abcdef"[v % 16];
	while ((v /= 16) != 0);
	say("0x");
	say(digits + at);
}

bool host_called(void)
{
	if ((port_in(SERIAL + 5, 1) & 1) == 0)
		return false;
	(void)port_in(SERIAL, 1);
	return true;
}

/* Is this word of the command line NAME=..? What is behind it. */
static const char *option_find(const char *name)
{
	for (const char *at = (const char *)CMDLINE; *at != '\0';) {
		const char *n = name;
		while (*n != '\0' && *at == *n)
			at++, n++;
		if (*n == '\0' && *at == '=')
			return at + 1;
		while (*at != '\0' && *at++ != ' ')
			;
	}
	return NULL;
}

uint64_t option(const char *name, uint64_t none)
{
	const char *at = option_find(name);
	uint64_t v = 0;

	if (at == NULL || *at < '0' || *at > '9')
		return none;
	for (; *at >= '0' && *at <= '9'; at++)
		v = v * 10 + (uint64_t)(*at - '0');
	return v;
}

void halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void power_off(void)
{
	port_out(0x600, 1, 0x20 | 5 << 2); /* docs/launch.md: SLP_EN, SLP_TYP 5 */
	halt();
}

/* ---- PCI --------------------------------------------------------------------------------------- */

static void pci_select(unsigned int func, unsigned int at)
{
	port_out(0xcf8, 4, 0x80000000u | func << 8 | (at & 0xfc));
}

uint32_t pci_in(unsigned int func, unsigned int at, unsigned int len)
{
	pci_select(func, at);
	return port_in((uint16_t)(0xcfc + (at & 3)), len);
}

void pci_out(unsigned int func, unsigned int at, unsigned int len, uint32_t v)
{
	pci_select(func, at);
	port_out((uint16_t)(0xcfc + (at & 3)), len, v);
}

/* ---- virtio ------------------------------------------------------------------------------------ */

struct device devices[DEVICES_MAX];
unsigned int n_devices;

/* 4.1.4: the structures by their vendor capabilities; all are in BAR 0. */
static void device_read_caps(struct device *d)
{
	uint64_t *const at[] = { NULL, &d->common, &d->notify, &d->isr, &d->config };

	for (unsigned int cap = pci_in(d->func, 0x34, 1); cap != 0;
		cap = pci_in(d->func, cap + 1, 1)) {
		unsigned int type = pci_in(d->func, cap + 3, 1);
		if (pci_in(d->func, cap, 1) == 9 && type != 0 && type < ARRAY_LEN(at))
			*at[type] = d->bars[0] + pci_in(d->func, cap + 8, 4);
	}
}

static void queues_find(struct device *d)
{
	unsigned int n = (unsigned int)(d - devices);

	d->n_queues = (unsigned int)mmio_in(d->common + C_NUM_QUEUES, 2);
	for (unsigned int i = 0; i < d->n_queues; i++) {
		uint64_t at = RINGS + (4 * n + i) * 0x10000;
		d->q[i].desc = (volatile struct desc *)at;
		d->q[i].avail = (volatile uint16_t *)(at + 0x4000);
		d->q[i].used = (volatile uint16_t *)(at + 0x8000);
	}
}

void devices_find(void)
{
	for (unsigned int func = 0; func < 256 && n_devices < DEVICES_MAX; func++) {
		uint32_t id = pci_in(func, 0, 4);
		if ((id & 0xffff) != 0x1af4 || id >> 16 < 0x1040)
			continue;
		struct device *d = &devices[n_devices++];
		d->type = (uint16_t)((id >> 16) - 0x1040);
		d->func = func;
		for (unsigned int i = 0; i < 2; i++)
			d->bars[i] = pci_in(func, 0x10 + 4 * i, 4) & ~15u;
		device_read_caps(d);
		device_home(d);
		queues_find(d);
		d->is_read_only = d->type == BLK && (device_features(d) & 1u << 5) != 0;
	}
}

struct device *device_of(uint16_t type, unsigned int n)
{
	for (unsigned int i = 0; i < n_devices; i++)
		if (devices[i].type == type && n-- == 0)
			return &devices[i];
	return NULL;
}

void devices_home(void)
{
	for (unsigned int n = 0; n < n_devices; n++) /* none may be where another belongs */
		pci_out(devices[n].func, 4, 2, 0);
	for (unsigned int n = 0; n < n_devices; n++)
		device_home(&devices[n]);
}

void device_home(struct device *d)
{
	pci_out(d->func, 4, 2, 0);
	for (unsigned int i = 0; i < 2; i++)
		pci_out(d->func, 0x10 + 4 * i, 4, d->bars[i]);
	for (unsigned int cap = pci_in(d->func, 0x34, 1); cap != 0;
		cap = pci_in(d->func, cap + 1, 1))
		if (pci_in(d->func, cap, 1) == 0x11)
			pci_out(d->func, cap + 2, 2, 0);
	pci_out(d->func, 4, 2, 6); /* memory, bus master */
}

uint64_t device_features(struct device *d)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < 2; i++) {
		mmio_out(d->common + C_DEVICE_FEATURE_SELECT, 4, i);
		v |= mmio_in(d->common + C_DEVICE_FEATURE, 4) << 32 * i;
	}
	return v;
}

uint8_t device_status(struct device *d)
{
	return (uint8_t)mmio_in(d->common + C_STATUS, 1);
}

void device_set_status(struct device *d, uint8_t status)
{
	mmio_out(d->common + C_STATUS, 1, status);
}

bool device_agree(struct device *d, uint64_t features)
{
	device_set_status(d, 0);
	device_set_status(d, S_ACKNOWLEDGE | S_DRIVER);
	for (unsigned int i = 0; i < 2; i++) {
		mmio_out(d->common + C_DRIVER_FEATURE_SELECT, 4, i);
		mmio_out(d->common + C_DRIVER_FEATURE, 4, features >> 32 * i);
	}
	device_set_status(d, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK);
	return (device_status(d) & S_FEATURES_OK) != 0;
}

void queue_clear(struct device *d, unsigned int i, uint16_t size)
{
	struct queue *q = &d->q[i];

	q->size = size;
	q->seen = 0;
	memset((void *)(uintptr_t)q->desc, 0, 16 * QUEUE_SIZE);
	memset((void *)(uintptr_t)q->avail, 0, 6 + 2 * QUEUE_SIZE);
	memset((void *)(uintptr_t)q->used, 0, 6 + 8 * QUEUE_SIZE);
}

void queue_place(struct device *d, unsigned int i, uint16_t size, uint64_t desc, uint64_t driver,
	uint64_t device)
{
	const uint64_t addresses[] = { desc, driver, device };

	mmio_out(d->common + C_QUEUE_SELECT, 2, i);
	mmio_out(d->common + C_QUEUE_SIZE, 2, size);
	for (unsigned int a = 0; a < ARRAY_LEN(addresses); a++) {
		mmio_out(d->common + C_QUEUE_DESC + 8 * a, 4, addresses[a]);
		mmio_out(d->common + C_QUEUE_DESC + 8 * a + 4, 4, addresses[a] >> 32);
	}
	mmio_out(d->common + C_QUEUE_ENABLE, 2, 1);
}

bool device_start(struct device *d, uint64_t features)
{
	if (!device_agree(d, features | F_ALWAYS))
		return false;
	for (unsigned int i = 0; i < d->n_queues; i++) {
		struct queue *q = &d->q[i];
		queue_clear(d, i, QUEUE_SIZE);
		queue_place(
			d, i, q->size, (uint64_t)q->desc, (uint64_t)q->avail, (uint64_t)q->used);
	}
	device_set_status(d, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	return (device_status(d) & (S_DRIVER_OK | S_NEEDS_RESET)) == S_DRIVER_OK;
}

void device_kick(struct device *d, unsigned int i)
{
	mmio_out(d->notify + 4 * i, 2, i);
}

void desc_set(
	struct queue *q, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	q->desc[i].addr = addr;
	q->desc[i].len = len;
	q->desc[i].flags = flags;
	q->desc[i].next = next;
}

void queue_offer(struct queue *q, uint16_t head)
{
	uint16_t at = q->avail[1];

	q->avail[2 + at % QUEUE_SIZE] = head;
	barrier();
	q->avail[1] = (uint16_t)(at + 1);
	barrier();
}

enum outcome device_wait(struct device *d, unsigned int i)
{
	struct queue *q = &d->q[i];
	uint64_t from = tsc();

	for (unsigned int n = 0; tsc() - from < PATIENCE; n++) {
		if (q->used[1] != q->seen) {
			q->seen++;
			return USED;
		}
		if (n % 256 == 255 && (device_status(d) & S_NEEDS_RESET) != 0)
			return BROKE;
		__asm__ volatile("pause");
	}
	return SILENT;
}

enum outcome device_do(struct device *d, unsigned int i, uint16_t head, uint32_t *ret_len)
{
	struct queue *q = &d->q[i];

	queue_offer(q, head);
	device_kick(d, i);
	enum outcome o = device_wait(d, i);
	if (o == USED && ret_len != NULL) {
		unsigned int at = 2 + 4 * ((q->seen - 1u) % QUEUE_SIZE);
		*ret_len = (uint32_t)q->used[at + 2] | (uint32_t)q->used[at + 3] << 16;
	}
	return o;
}

uint8_t blk_do(struct device *d, uint32_t type, uint64_t sector, uint64_t buf, uint32_t n)
{
	struct queue *q = &d->q[0];
	volatile uint32_t *hdr = (volatile uint32_t *)(BUFFERS - 2 * PAGE);
	volatile uint8_t *status = (volatile uint8_t *)(BUFFERS - 2 * PAGE + 16);

	hdr[0] = type;
	hdr[1] = 0;
	hdr[2] = (uint32_t)sector;
	hdr[3] = (uint32_t)(sector >> 32);
	*status = 0xff;
	desc_set(q, 0, (uint64_t)hdr, 16, D_NEXT, n > 0 ? 1 : 2);
	desc_set(q, 1, buf, n, (uint16_t)(D_NEXT | (type == 0 || type == 8 ? D_WRITE : 0)), 2);
	desc_set(q, 2, (uint64_t)status, 1, D_WRITE, 0);
	(void)device_do(d, 0, 0, NULL);
	return *status;
}

/* ---- the second vCPU --------------------------------------------------------------------------- */

extern const uint8_t ap_start[], ap_end[];
static volatile bool ap_runs;
static void (*volatile ap_step)(void);
static volatile bool ap_is_stepping;

void guest_ap(void);
void guest_ap(void)
{
	ap_runs = true;
	for (;;) {
		ap_is_stepping = true;
		barrier();
		void (*step)(void) = ap_step;
		if (step != NULL)
			step();
		ap_is_stepping = false;
		barrier();
		if (step == NULL)
			for (unsigned int i = 0; i < 64; i++)
				__asm__ volatile("pause");
	}
}

/* INIT, then SIPI with the page's number. APM volume 2, 16.5. */
bool race_init(void)
{
	uint64_t from = tsc();

	memcpy((void *)AP_PAGE, ap_start, (size_t)(ap_end - ap_start));
	mmio_out(APIC + 0xf0, 4, 0x1ff); /* spurious vector, APIC enabled */
	for (unsigned int i = 0; i < 2; i++) {
		mmio_out(APIC + 0x310, 4, 1u << 24);
		mmio_out(APIC + 0x300, 4, i == 0 ? 0x4500 : 0x4600 | AP_PAGE >> 12);
	}
	while (!ap_runs && tsc() - from < PATIENCE)
		__asm__ volatile("pause");
	return ap_runs;
}

void race_start(void (*step)(void))
{
	ap_step = step;
	barrier();
}

void race_stop(void)
{
	ap_step = NULL;
	barrier();
	while (ap_is_stepping)
		__asm__ volatile("pause");
}
