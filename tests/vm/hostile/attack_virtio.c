/* Registers of the virtio transport, rings, resets, interrupts. virtio 1.2, chapters 2 and 4.1. */
#include "hostile.h"

#define MSIX_CAP 0x11u
#define SHORT    50000000ull         /* of the time stamp counter: tens of milliseconds */
#define TABLE    (BUFFERS + 8 * MIB) /* an indirect table */

/* The queues whose chains are served as they come. */
static const struct {
	uint16_t type;
	unsigned int queue;
} served[] = { { BLK, 0 }, { RNG, 0 }, { CONSOLE, 1 }, { VSOCK, 1 } };

static void pause_for(uint64_t ticks)
{
	for (uint64_t from = tsc(); tsc() - from < ticks;)
		__asm__ volatile("pause");
}

/* ---- registers --------------------------------------------------------------------------------- */

/* Not the status alone: a write that happens to be a whole, valid start must not run wild rings. */
void common_every_register(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		struct device *d = &devices[n];
		for (unsigned int len = 1; len <= 8; len *= 2)
			for (unsigned int at = 0; at < C_BYTES + 8; at++) {
				(void)mmio_in(d->common + at, len);
				mmio_out(d->common + at, len, random_next());
			}
		device_set_status(d, 0);
	}
}

void common_random(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++)
		for (uint64_t i = 0; i < 100 * rounds; i++) {
			unsigned int at = random_below(C_BYTES + 4);
			mmio_out(devices[n].common + at, random_width(),
				random_below(2) == 0 ? random_next() : random_below(300));
		}
}

void common_features(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		struct device *d = &devices[n];
		uint64_t offered = device_features(d);
		if (device_agree(d, ~0ull))
			fail("all features were taken");
		if (device_agree(d, 0) || device_agree(d, offered & 0xffffffff))
			fail("a driver without VERSION_1 was taken");
		for (unsigned int bit = 0; bit < 64; bit++)
			if ((offered >> bit & 1) == 0 && device_agree(d, F_ALWAYS | 1ull << bit))
				fail("a feature that was not offered was taken");
		for (unsigned int i = 0; i < 16; i++) {
			mmio_out(d->common + C_DEVICE_FEATURE_SELECT, 4, random_next());
			mmio_out(d->common + C_DRIVER_FEATURE_SELECT, 4, random_next() | 2);
			(void)mmio_in(d->common + C_DEVICE_FEATURE, 4);
			mmio_out(d->common + C_DRIVER_FEATURE, 4, random_next());
		}
		if (!device_start(d, 0))
			fail("does not start after it");
		mmio_out(d->common + C_DRIVER_FEATURE_SELECT, 4, 0);
		mmio_out(d->common + C_DRIVER_FEATURE, 4, 0xffffffff);
		if ((device_status(d) & (S_DRIVER_OK | S_NEEDS_RESET)) != S_DRIVER_OK)
			fail("features after DRIVER_OK stopped it");
	}
}

void common_status(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		struct device *d = &devices[n];
		device_set_status(d, 0);
		device_set_status(d, S_DRIVER_OK);
		if ((device_status(d) & S_DRIVER_OK) != 0)
			fail("it runs without FEATURES_OK");
		for (unsigned int s = 0; s < 256; s++)
			device_set_status(d, (uint8_t)s);
		for (uint64_t i = 0; i < 64 * rounds; i++)
			device_set_status(d, (uint8_t)random_next());
		device_set_status(d, 0);
		if (device_status(d) != 0)
			fail("a reset left a status");
	}
}

void other_registers(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		struct device *d = &devices[n];
		(void)device_start(d, 0);
		for (unsigned int len = 1; len <= 8; len *= 2)
			for (unsigned int at = 0; at < 72; at++) {
				(void)mmio_in(d->isr + at, len);
				mmio_out(d->isr + at, len, random_next());
				(void)mmio_in(d->config + at, len);
				mmio_out(d->config + at, len, random_next());
			}
		for (uint64_t i = 0; i < 64 * rounds; i++)
			mmio_out(d->bars[0] + random_below(0x3000) / 4 * 4 + 0x1000, random_width(),
				random_next());
	}
}

void notify_everywhere(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		struct device *d = &devices[n];
		(void)device_start(d, 0);
		for (unsigned int len = 1; len <= 8; len *= 2)
			for (unsigned int at = 0; at < 4 * QUEUES_MAX + 16; at++) {
				(void)mmio_in(d->notify + at, len);
				mmio_out(d->notify + at, len, random_next());
			}
		for (unsigned int at = 0x3000; at < 0x4000; at += 124)
			mmio_out(d->bars[0] + at, 4, 0xffffffff);
	}
}

/* ---- queues ------------------------------------------------------------------------------------ */

/* DRIVER_OK with the first queue as it was placed: it must not run. */
static void must_not_start(struct device *d, const char *what)
{
	device_set_status(d, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	device_kick(d, 0);
	if ((device_status(d) & S_NEEDS_RESET) == 0)
		fail(what);
}

void queue_sizes(const struct attack *a)
{
	static const uint16_t sizes[] = { 0, 3, 5, 255, 257, 512, 1024, 0x4000, 0x8000, 0xfffe,
		0xffff };

	for (unsigned int n = 0; n < n_devices; n++)
		for (unsigned int i = 0; i < ARRAY_LEN(sizes); i++) {
			struct device *d = &devices[n];
			(void)device_agree(d, F_ALWAYS);
			queue_place(d, 0, sizes[i], (uint64_t)d->q[0].desc, (uint64_t)d->q[0].avail,
				(uint64_t)d->q[0].used);
			must_not_start(d, "a queue of that size runs");
		}
}

void queue_addresses(const struct attack *a)
{
	static const uint64_t bad[] = { BEYOND, RAM_BYTES, RAM_BYTES - 16, 0xffffffffffffff00,
		0xfffffffffffff000, 0x7ffffffffffff000, 0xc0000000, 0xc0003000, 0xfec00000, APIC,
		0xfffff000, 0x100000000, 0xffffffff0, RINGS + 1, 1 };

	for (unsigned int n = 0; n < n_devices; n++)
		for (unsigned int i = 0; i < 3 * ARRAY_LEN(bad); i++) {
			struct device *d = &devices[n];
			uint64_t at[3] = { (uint64_t)d->q[0].desc, (uint64_t)d->q[0].avail,
				(uint64_t)d->q[0].used };
			at[i % 3] = bad[i / 3];
			(void)device_agree(d, F_ALWAYS);
			queue_place(d, 0, QUEUE_SIZE, at[0], at[1], at[2]);
			must_not_start(d, "a queue at that address runs");
		}
}

/* Rings on top of one another are within memory: the device may do what it likes with them. */
void queue_overlaps(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++)
		for (unsigned int i = 0; i < 4; i++) {
			struct device *d = &devices[n];
			uint64_t at = (uint64_t)d->q[0].desc;
			(void)device_agree(d, F_ALWAYS | F_INDIRECT | F_EVENT_IDX);
			for (unsigned int q = 0; q < d->n_queues; q++) {
				queue_clear(d, q, QUEUE_SIZE);
				queue_place(d, q, QUEUE_SIZE, at, at + 16 * (i & 1),
					at + 32 * (i >> 1));
			}
			device_set_status(
				d, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
			for (unsigned int k = 0; k < 32; k++) {
				*(volatile uint64_t *)(at + 8 * k) = random_next();
				device_kick(d, k % d->n_queues);
			}
		}
}

/* No field of a running queue changes, and the queue goes on as before. */
void queue_frozen(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		struct device *d = &devices[n];
		(void)device_start(d, 0);
		for (unsigned int i = 0; i < d->n_queues; i++) {
			uint64_t before[16], after[16];
			mmio_out(d->common + C_QUEUE_SELECT, 2, i);
			for (unsigned int at = C_QUEUE_SIZE, k = 0; at < C_BYTES; at += 4)
				before[k++] = mmio_in(d->common + at, 4);
			for (unsigned int len = 1; len <= 8; len *= 2)
				for (unsigned int at = C_QUEUE_SIZE; at < C_BYTES; at++)
					mmio_out(d->common + at, len, random_next());
			mmio_out(d->common + C_QUEUE_SELECT, 2, i);
			for (unsigned int at = C_QUEUE_SIZE, k = 0; at < C_BYTES; at += 4) {
				after[k] = mmio_in(d->common + at, 4);
				if (before[k] != after[k])
					fail("a register of a running queue changed");
				k++;
			}
		}
	}
}

void queue_select_far(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		struct device *d = &devices[n];
		(void)device_agree(d, F_ALWAYS);
		for (unsigned int i = 0; i < 32; i++) {
			mmio_out(d->common + C_QUEUE_SELECT, 2,
				i < 16 ? d->n_queues + i : random_next() | 0x100);
			for (unsigned int at = C_QUEUE_SIZE; at < C_BYTES; at += 4) {
				if (at != C_QUEUE_SIZE && mmio_in(d->common + at, 4) != 0)
					fail("a queue that is not there has registers");
				mmio_out(d->common + at, 4, random_next());
			}
			mmio_out(d->common + C_QUEUE_ENABLE, 2, 1);
		}
		device_set_status(d, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	}
}

/* ---- kicks and resets --------------------------------------------------------------------------- */

void kicks_before_start(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		device_set_status(&devices[n], 0);
		for (unsigned int i = 0; i < 500; i++)
			device_kick(&devices[n], i % QUEUES_MAX);
	}
}

static void kick_all(void)
{
	for (unsigned int n = 0; n < n_devices; n++)
		for (unsigned int i = 0; i < devices[n].n_queues; i++)
			device_kick(&devices[n], i);
}

void kicks_full_speed(const struct attack *a)
{
	struct device *d = device_of(BLK, 0);

	for (unsigned int n = 0; n < n_devices; n++)
		(void)device_start(&devices[n], 0);
	race_start(kick_all);
	for (unsigned int i = 0; i < 16 * rounds; i++) {
		kick_all();
		if (d != NULL && blk_do(d, 0, i, BUFFERS, 512) != 0)
			fail("a request between the kicks was not served");
	}
	race_stop();
}

static void blk_fill(struct device *d, unsigned int n)
{
	volatile uint32_t *hdr = (volatile uint32_t *)(BUFFERS - 2 * PAGE);

	hdr[0] = hdr[1] = hdr[2] = hdr[3] = 0;
	for (unsigned int i = 0; i < n; i++) {
		desc_set(&d->q[0], 3 * i, (uint64_t)hdr, 16, D_NEXT, (uint16_t)(3 * i + 1));
		desc_set(&d->q[0], 3 * i + 1, BUFFERS + MIB * (i % 8), 65536, D_NEXT | D_WRITE,
			(uint16_t)(3 * i + 2));
		desc_set(&d->q[0], 3 * i + 2, (uint64_t)hdr + 16, 1, D_WRITE, 0);
		queue_offer(&d->q[0], (uint16_t)(3 * i));
	}
	device_kick(d, 0);
}

void reset_in_flight(const struct attack *a)
{
	for (uint64_t i = 0; i < 8 * rounds; i++)
		for (unsigned int n = 0; n < n_devices; n++) {
			struct device *d = &devices[n];
			(void)device_start(d, 0);
			if (d->type == BLK)
				blk_fill(d, 80);
			for (unsigned int q = 0; q < d->n_queues; q++) {
				for (unsigned int k = 0; d->type != BLK && k < 64; k++) {
					desc_set(&d->q[q], k, BUFFERS + 65536, 4096,
						q == 1 ? 0 : D_WRITE, 0);
					queue_offer(&d->q[q], (uint16_t)k);
				}
				device_kick(d, q);
			}
			device_set_status(d, 0);
			uint16_t used = d->q[0].used[1];
			if (device_status(d) != 0)
				fail("a reset left a status");
			pause_for(random_below(1000));
			if (d->q[0].used[1] != used)
				fail("a ring was written after the reset");
		}
}

void reset_storm(const struct attack *a)
{
	for (uint64_t i = 0; i < 16 * rounds; i++)
		for (unsigned int n = 0; n < n_devices; n++) {
			(void)device_start(&devices[n], 0);
			device_set_status(&devices[n], 0);
		}
}

/* ---- interrupts --------------------------------------------------------------------------------- */

static void msix_control(struct device *d, uint16_t v)
{
	for (unsigned int cap = pci_in(d->func, 0x34, 1); cap != 0;
		cap = pci_in(d->func, cap + 1, 1))
		if (pci_in(d->func, cap, 1) == MSIX_CAP)
			pci_out(d->func, cap + 2, 2, v);
}

/* A message that reaches nobody or a vector that nobody waits for: interrupts are off. */
static void vector_nonsense(struct device *d, unsigned int i)
{
	static const uint32_t addresses[] = { 0, 0xfee00000, 0xfee01000, 0xfeeff00c, 0xfee00008,
		0xffffffff, 0xdeadbeef, 0x1000000 };
	uint64_t at = d->bars[1] + 16 * i;

	mmio_out(at, 4, addresses[random_below(ARRAY_LEN(addresses))]);
	mmio_out(at + 4, 4, random_below(2) == 0 ? 0 : random_next());
	mmio_out(at + 8, 4,
		random_next() & ~0x700ull); /* delivered as an interrupt, no INIT or SMI */
	mmio_out(at + 12, 4, random_next());
}

void msix_nonsense(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		struct device *d = &devices[n];
		(void)device_start(d, 0);
		for (unsigned int len = 1; len <= 8; len *= 2)
			for (unsigned int at = 0; at < 80; at++) {
				(void)mmio_in(d->bars[1] + at, len);
				if (at % 16 < 8 || len < 4)
					mmio_out(d->bars[1] + at, len, random_next() & ~0x700ull);
			}
		for (unsigned int at = 0x7f0; at < 0x840; at += 4)
			mmio_out(d->bars[1] + at, 8, random_next());
		for (uint64_t i = 0; i < 16 * rounds; i++) {
			msix_control(d, (uint16_t)(0x8000 | random_next()));
			vector_nonsense(d, random_below(6));
			for (unsigned int q = 0; q < 4; q++) {
				device_set_status(d, 0);
				mmio_out(d->common + C_QUEUE_SELECT, 2, q);
				mmio_out(d->common + C_QUEUE_VECTOR, 2, random_below(8));
				mmio_out(d->common + C_CONFIG_VECTOR, 2,
					random_below(2) == 0 ? random_below(6) : random_next());
			}
		}
		msix_control(d, 0);
	}
}

/* All vectors live at addresses of no meaning while requests are served. */
void msix_storm(const struct attack *a)
{
	struct device *d = device_of(BLK, 0);

	if (d == NULL)
		return;
	for (uint64_t i = 0; i < 8 * rounds; i++) {
		(void)device_agree(d, F_ALWAYS);
		queue_clear(d, 0, QUEUE_SIZE);
		mmio_out(d->common + C_CONFIG_VECTOR, 2, 1);
		mmio_out(d->common + C_QUEUE_SELECT, 2, 0);
		mmio_out(d->common + C_QUEUE_VECTOR, 2, 0);
		queue_place(d, 0, QUEUE_SIZE, (uint64_t)d->q[0].desc, (uint64_t)d->q[0].avail,
			(uint64_t)d->q[0].used);
		vector_nonsense(d, 0);
		vector_nonsense(d, 1);
		mmio_out(d->bars[1] + 12, 4, 0);
		mmio_out(d->bars[1] + 28, 4, 0);
		msix_control(d, 0x8000);
		device_set_status(d, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
		for (unsigned int k = 0; k < 4; k++) {
			if (blk_do(d, 0, k, BUFFERS, 512) != 0)
				fail("a request was not served");
			vector_nonsense(d, 0);
		}
		chain_self(&d->q[0]);
		(void)device_do(d, 0, 0, NULL); /* breaks: the configuration interrupt */
		msix_control(d, 0);
	}
}

static void msix_flip(void)
{
	struct device *d = device_of(BLK, 0);

	mmio_out(d->bars[1] + 12, 4, tsc() >> 8 & 1);
}

/* Vectors masked and unmasked by one vCPU while the other has requests served. */
void msix_race(const struct attack *a)
{
	struct device *d = device_of(BLK, 0);

	if (d == NULL)
		return;
	(void)device_agree(d, F_ALWAYS);
	queue_clear(d, 0, QUEUE_SIZE);
	mmio_out(d->common + C_QUEUE_SELECT, 2, 0);
	mmio_out(d->common + C_QUEUE_VECTOR, 2, 0);
	queue_place(d, 0, QUEUE_SIZE, (uint64_t)d->q[0].desc, (uint64_t)d->q[0].avail,
		(uint64_t)d->q[0].used);
	mmio_out(d->bars[1], 4, 0xfee00000);
	mmio_out(d->bars[1] + 4, 4, 0);
	mmio_out(d->bars[1] + 8, 4, 0x40);
	msix_control(d, 0x8000);
	device_set_status(d, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	race_start(msix_flip);
	for (unsigned int k = 0; k < 32 * rounds; k++)
		if (blk_do(d, 0, k % 64, BUFFERS, 512) != 0)
			fail("a request was not served");
	race_stop();
	msix_control(d, 0);
}

/* ---- rings: one bad chain ----------------------------------------------------------------------- */

void ring_try(const struct attack *a)
{
	for (unsigned int i = 0; i < ARRAY_LEN(served); i++)
		for (unsigned int n = 0; device_of(served[i].type, n) != NULL; n++) {
			struct device *d = device_of(served[i].type, n);
			(void)device_start(d, F_INDIRECT);
			a->build(&d->q[served[i].queue]);
			if (device_do(d, served[i].queue, 0, NULL) != BROKE &&
				a->expect == MUST_BREAK)
				fail("the queue is not broken");
		}
	for (unsigned int n = 0; n < n_devices; n++) /* and where buffers wait to be filled */
		if (devices[n].n_queues > 1) {
			(void)device_start(&devices[n], F_INDIRECT);
			a->build(&devices[n].q[0]);
			queue_offer(&devices[n].q[0], 0);
			device_kick(&devices[n], 0);
			pause_for(SHORT / 8);
		}
}

void chain_self(struct queue *q)
{
	desc_set(q, 0, BUFFERS, 16, D_NEXT, 0);
}

void chain_circle(struct queue *q)
{
	desc_set(q, 0, BUFFERS, 16, D_NEXT, 5);
	desc_set(q, 5, BUFFERS, 16, D_NEXT, 9);
	desc_set(q, 9, BUFFERS, 16, D_NEXT, 5);
}

void chain_next_far(struct queue *q)
{
	desc_set(q, 0, BUFFERS, 16, D_NEXT, 256);
	desc_set(q, 1, BUFFERS, 16, D_NEXT, 0xffff);
}

void chain_whole_table(struct queue *q)
{
	for (unsigned int i = 0; i < QUEUE_SIZE; i++)
		desc_set(q, i, BUFFERS + 16 * i, 16,
			(uint16_t)((i < 255 ? D_NEXT : 0) | (i > 127 ? D_WRITE : 0)),
			(uint16_t)(i + 1));
}

void chain_empty(struct queue *q)
{
	desc_set(q, 0, BUFFERS, 0, D_NEXT, 1);
	desc_set(q, 1, BUFFERS, 0, D_WRITE, 0);
}

void chain_4gib(struct queue *q)
{
	desc_set(q, 0, BUFFERS, 0xffffffff, D_NEXT, 1);
	desc_set(q, 1, BUFFERS, 0xffffffff, D_WRITE, 0);
}

/* 128 times 64 MiB, all of it within memory. */
void chain_more_than_4gib(struct queue *q)
{
	for (unsigned int i = 0; i < 128; i++)
		desc_set(q, i, BUFFERS, (uint32_t)(64 * MIB), (uint16_t)(D_NEXT | D_WRITE),
			(uint16_t)(i + 1));
	desc_set(q, 128, BUFFERS, 1, D_WRITE, 0);
}

void chain_outside(struct queue *q)
{
	desc_set(q, 0, BEYOND, 4096, D_NEXT, 1);
	desc_set(q, 1, BEYOND + PAGE, 4096, D_WRITE, 0);
}

void chain_wraps(struct queue *q)
{
	desc_set(q, 0, 0xfffffffffffffff0, 0x1000, D_NEXT, 1);
	desc_set(q, 1, 0xffffffffffffffff, 2, D_WRITE, 0);
}

void chain_crosses_end(struct queue *q)
{
	desc_set(q, 0, RAM_BYTES - 8, 16, D_NEXT, 1);
	desc_set(q, 1, RAM_BYTES - 8, 16, D_WRITE, 0);
}

void chain_in_registers(struct queue *q)
{
	desc_set(q, 0, devices[0].common, 16, D_NEXT, 1);
	desc_set(q, 1, APIC, 64, D_WRITE, 0);
}

void chain_write_first(struct queue *q)
{
	desc_set(q, 0, BUFFERS, 16, D_NEXT | D_WRITE, 1);
	desc_set(q, 1, BUFFERS + PAGE, 16, 0, 0);
}

void chain_all_writable(struct queue *q)
{
	for (unsigned int i = 0; i < 4; i++)
		desc_set(q, i, BUFFERS + 64 * i, 64, (uint16_t)(D_WRITE | (i < 3 ? D_NEXT : 0)),
			(uint16_t)(i + 1));
}

void chain_all_readable(struct queue *q)
{
	memset((void *)BUFFERS, 0, 256);
	for (unsigned int i = 0; i < 4; i++)
		desc_set(q, i, BUFFERS + 64 * i, 64, i < 3 ? D_NEXT : 0, (uint16_t)(i + 1));
}

void chain_flags(struct queue *q)
{
	desc_set(q, 0, BUFFERS, 16, 0xfff8 | D_NEXT, 1);
	desc_set(q, 1, BUFFERS, 16, 0xfff8 | D_WRITE, 0);
}

/* Data that the device writes becomes descriptors, indices, used entries. */
void chain_on_rings(struct queue *q)
{
	memset((void *)BUFFERS, 0, 16);
	desc_set(q, 0, BUFFERS, 16, D_NEXT, 1);
	desc_set(q, 1, (uint64_t)q->desc, 4096, D_NEXT | D_WRITE, 2);
	desc_set(q, 2, (uint64_t)q->avail, 512, D_NEXT | D_WRITE, 3);
	desc_set(q, 3, (uint64_t)q->used, 2049, D_WRITE, 0);
}

static volatile struct desc *table_at(uint64_t at)
{
	return (volatile struct desc *)at;
}

static void table_put(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	volatile struct desc *d = table_at(TABLE) + i;

	d->addr = addr;
	d->len = len;
	d->flags = flags;
	d->next = next;
}

void indirect_nested(struct queue *q)
{
	table_put(0, TABLE + 64, 16, D_INDIRECT, 0);
	table_put(4, BUFFERS, 16, 0, 0);
	desc_set(q, 0, TABLE, 16, D_INDIRECT, 0);
}

void indirect_next(struct queue *q)
{
	table_put(0, BUFFERS, 16, 0, 0);
	desc_set(q, 0, TABLE, 16, D_INDIRECT | D_NEXT, 1);
	desc_set(q, 1, BUFFERS, 16, D_WRITE, 0);
}

void indirect_odd_length(struct queue *q)
{
	table_put(0, BUFFERS, 16, 0, 0);
	desc_set(q, 0, TABLE, 17, D_INDIRECT, 0);
}

void indirect_empty(struct queue *q)
{
	desc_set(q, 0, TABLE, 0, D_INDIRECT, 0);
}

void indirect_too_long(struct queue *q)
{
	desc_set(q, 0, TABLE, 0xfffffff0, D_INDIRECT, 0);
}

void indirect_outside(struct queue *q)
{
	desc_set(q, 0, RAM_BYTES - 16, 32, D_INDIRECT, 0);
}

/* The specification asks for no alignment of the table; its bytes are what counts. */
void indirect_misaligned(struct queue *q)
{
	volatile uint8_t *at = (volatile uint8_t *)TABLE + 3;

	for (unsigned int i = 0; i < 48; i++)
		at[i] = (uint8_t)random_next();
	desc_set(q, 0, TABLE + 3, 48, D_INDIRECT, 0);
}

void indirect_self(struct queue *q)
{
	desc_set(q, 0, (uint64_t)q->desc, 256, D_INDIRECT, 0);
}

void indirect_loop(struct queue *q)
{
	table_put(0, BUFFERS, 16, D_NEXT, 1);
	table_put(1, BUFFERS, 16, D_NEXT, 0);
	desc_set(q, 0, TABLE, 32, D_INDIRECT, 0);
}

/* ---- rings: indices, events, anything ------------------------------------------------------------ */

void ring_index_jump(const struct attack *a)
{
	static const uint16_t jumps[] = { 257, 0x7fff, 0x8000, 0xffff, 1000 };

	for (unsigned int n = 0; n < n_devices; n++)
		for (unsigned int i = 0; i < ARRAY_LEN(jumps); i++) {
			struct device *d = &devices[n];
			unsigned int queue = d->n_queues > 1;
			(void)device_start(d, 0);
			d->q[queue].avail[1] = jumps[i];
			device_kick(d, queue);
			if (device_wait(d, queue) != BROKE)
				fail("the queue is not broken");
		}
}

void ring_head_far(const struct attack *a)
{
	static const uint16_t heads[] = { 256, 257, 0x8000, 0xffff };

	for (unsigned int n = 0; n < n_devices; n++)
		for (unsigned int i = 0; i < ARRAY_LEN(heads); i++) {
			struct device *d = &devices[n];
			unsigned int queue = d->n_queues > 1;
			(void)device_start(d, 0);
			if (device_do(d, queue, heads[i], NULL) != BROKE)
				fail("the queue is not broken");
		}
}

/* The used ring is the device's; what the guest writes there must not steer it. */
void ring_used_changed(const struct attack *a)
{
	struct device *d = device_of(BLK, 0);

	if (d == NULL)
		return;
	(void)device_start(d, 0);
	for (unsigned int i = 0; i < 32; i++) {
		for (unsigned int k = 0; k < 1024; k += 7)
			d->q[0].used[2 + k] = (uint16_t)random_next();
		d->q[0].used[1] = d->q[0].seen = (uint16_t)random_next();
		queue_offer(&d->q[0], 3);
		desc_set(&d->q[0], 3, BUFFERS, 16, 0,
			0); /* no status byte: breaks or not, as it likes */
		device_kick(d, 0);
		if (i % 4 == 3)
			(void)device_start(d, 0);
	}
}

void ring_events(const struct attack *a)
{
	for (uint64_t i = 0; i < 8 * rounds; i++) {
		struct device *d = device_of(BLK, 0);
		if (d == NULL)
			return;
		(void)device_start(d, F_EVENT_IDX);
		for (unsigned int k = 0; k < 8; k++) {
			d->q[0].avail[0] = (uint16_t)random_next();
			d->q[0].avail[2 + QUEUE_SIZE] = (uint16_t)random_next();
			d->q[0].used[0] = (uint16_t)random_next();
			d->q[0].used[2 + 4 * QUEUE_SIZE] = (uint16_t)random_next();
			if (blk_do(d, 0, 0, BUFFERS, 512) != 0)
				fail("a request was not served");
		}
	}
}

static void desc_random(volatile struct desc *d)
{
	d->addr = random_below(3) == 0 ? random_address() : BUFFERS + random_below(1 << 20);
	d->len = random_below(8) == 0 ? (uint32_t)random_next() : random_below(4096);
	d->flags = (uint16_t)(random_below(16) == 0  ? random_next()
			      : random_below(8) == 0 ? random_below(8)
						     : random_below(4));
	d->next = (uint16_t)(random_below(16) == 0 ? random_next() : random_below(QUEUE_SIZE));
}

void ring_random(const struct attack *a)
{
	for (uint64_t i = 0; i < 12 * rounds; i++)
		for (unsigned int n = 0; n < n_devices; n++) {
			struct device *d = &devices[n];
			(void)device_start(d, i % 2 == 0 ? F_INDIRECT : 0);
			for (unsigned int q = 0; q < d->n_queues; q++) {
				for (unsigned int k = 0; k < 24; k++)
					desc_random(&d->q[q].desc[random_below(QUEUE_SIZE)]);
				for (unsigned int k = 0; k < 1 + random_below(20); k++)
					queue_offer(&d->q[q], (uint16_t)random_below(QUEUE_SIZE));
				device_kick(d, q);
			}
			pause_for(random_below(SHORT / 64));
		}
}

/* Tables of random entries, with a header that a disk would understand in front. */
void ring_random_indirect(const struct attack *a)
{
	for (uint64_t i = 0; i < 12 * rounds; i++)
		for (unsigned int n = 0; n < ARRAY_LEN(served); n++) {
			struct device *d = device_of(served[n].type, 0);
			if (d == NULL)
				continue;
			(void)device_start(d, F_INDIRECT);
			uint32_t entries = 1 + random_below(20);
			for (unsigned int k = 0; k < entries; k++) {
				desc_random(table_at(TABLE) + k);
				if (random_below(4) != 0)
					(table_at(TABLE) + k)->flags =
						k + 1 < entries
							? D_NEXT | (k > entries / 2 ? D_WRITE : 0)
							: D_WRITE;
				(table_at(TABLE) + k)->next =
					(uint16_t)(random_below(8) == 0 ? random_next() : k + 1);
			}
			desc_set(&d->q[served[n].queue], 0, TABLE, 16 * entries, D_INDIRECT, 0);
			queue_offer(&d->q[served[n].queue], 0);
			device_kick(d, served[n].queue);
			pause_for(random_below(SHORT / 64));
		}
}

/* ---- two vCPUs ------------------------------------------------------------------------------------ */

static struct device *volatile victim;

/* The buffer of a chain is here, there, too long, nowhere, a table, the end, a loop: all the time. */
static void descriptors_flip(void)
{
	static const struct desc flips[] = {
		{ BUFFERS, 512, D_NEXT | D_WRITE, 2 },
		{ BEYOND, 512, D_NEXT | D_WRITE, 2 },
		{ BUFFERS, 0xffffffff, D_NEXT | D_WRITE, 2 },
		{ BUFFERS, 512, D_NEXT | D_WRITE, 1 },
		{ BUFFERS + 512, 1024, D_NEXT | D_WRITE, 2 },
		{ TABLE, 32, D_INDIRECT, 0 },
		{ RAM_BYTES - 1, 2, D_WRITE, 0 },
		{ BUFFERS, 512, 0, 0xffff },
	};
	volatile struct desc *d = &victim->q[0].desc[1];

	for (unsigned int i = 0; i < ARRAY_LEN(flips); i++) {
		d->len = flips[i].len;
		d->addr = flips[i].addr;
		d->next = flips[i].next;
		d->flags = flips[i].flags;
	}
}

static void blk_race(void (*step)(void), uint64_t features)
{
	volatile uint32_t *hdr = (volatile uint32_t *)(BUFFERS - 2 * PAGE);

	victim = device_of(BLK, 0);
	if (victim == NULL)
		return;
	struct queue *q = &victim->q[0];
	(void)device_start(victim, features);
	hdr[0] = hdr[1] = hdr[2] = hdr[3] = 0;
	table_put(0, (uint64_t)hdr, 16, D_NEXT, 1);
	table_put(1, BUFFERS, 512, D_NEXT | D_WRITE, 2);
	table_put(2, (uint64_t)hdr + 16, 1, D_WRITE, 0);
	race_start(step);
	for (uint64_t i = 0; i < 40 * rounds; i++) {
		if ((device_status(victim) & S_NEEDS_RESET) != 0)
			(void)device_start(victim, features);
		for (unsigned int k = 0; k < 8; k++) {
			desc_set(q, 0, (uint64_t)hdr, 16, D_NEXT, 1);
			desc_set(q, 2, (uint64_t)hdr + 16, 1, D_WRITE, 0);
			desc_set(q, 8, TABLE, 48, D_INDIRECT, 0);
			queue_offer(q, (uint16_t)(features == 0 ? 0 : 8));
		}
		device_kick(victim, 0);
		pause_for(SHORT / 100);
		if ((uint16_t)(q->avail[1] - q->used[1]) > QUEUE_SIZE / 2)
			(void)device_start(victim, features);
	}
	race_stop();
}

void race_descriptors(const struct attack *a)
{
	blk_race(descriptors_flip, 0);
}

static void table_flip(void)
{
	table_put(1, BUFFERS, 512, D_NEXT | D_WRITE, 2);
	table_put(1, BUFFERS, 512, D_NEXT | D_WRITE, 1);
	table_put(1, RAM_BYTES - 256, 512, D_NEXT | D_WRITE, 2);
	table_put(1, BUFFERS, 0xfffffe00, D_NEXT | D_WRITE, 2);
	table_put(0, BUFFERS - 2 * PAGE, 16, D_NEXT, 77);
	table_put(0, BUFFERS - 2 * PAGE, 16, D_NEXT, 1);
	victim->q[0].desc[8].len = 0x10000000;
	victim->q[0].desc[8].len = 48;
	victim->q[0].desc[8].addr = RAM_BYTES - 16;
	victim->q[0].desc[8].addr = TABLE;
}

void race_indirect(const struct attack *a)
{
	blk_race(table_flip, F_INDIRECT);
}

static void index_flip(void)
{
	volatile uint16_t *avail = victim->q[0].avail;
	uint16_t kept = avail[1];

	avail[1] = (uint16_t)(kept + 400);
	avail[2 + kept % QUEUE_SIZE] = 0xffff;
	avail[1] = (uint16_t)(kept - 1);
	avail[2 + kept % QUEUE_SIZE] = 0;
	avail[1] = kept;
	victim->q[0].used[1] = (uint16_t)tsc();
}

void race_index(const struct attack *a)
{
	blk_race(index_flip, 0);
}

/* One vCPU resets what the other just starts. */
static void status_flip(void)
{
	device_set_status(victim, 0);
	for (unsigned int i = 0; i < 200; i++)
		__asm__ volatile("pause");
}

void race_reset(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		victim = &devices[n];
		race_start(status_flip);
		for (uint64_t i = 0; i < 8 * rounds; i++) {
			(void)device_start(victim, 0);
			for (unsigned int q = 0; q < victim->n_queues; q++) {
				desc_set(&victim->q[q], 0, BUFFERS, 64, q == 1 ? 0 : D_WRITE, 0);
				queue_offer(&victim->q[q], 0);
				device_kick(victim, q);
			}
		}
		race_stop();
	}
}

/* Broken again and again: each time a line in somebody's log, if nobody counts. */
void broken_storm(const struct attack *a)
{
	for (uint64_t i = 0; i < 40 * rounds; i++)
		for (unsigned int n = 0; n < n_devices; n++) {
			struct device *d = &devices[n];
			(void)device_start(d, 0);
			chain_self(&d->q[d->n_queues > 1]);
			if (device_do(d, d->n_queues > 1, 0, NULL) != BROKE)
				fail("the queue is not broken");
		}
}
