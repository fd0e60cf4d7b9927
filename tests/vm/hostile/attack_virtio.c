/* Registers of the virtio transport, rings, resets, interrupts. virtio 1.2, chapters 2 and 4.1. */
#include "tests/vm/hostile/hostile.h"

#define MSIX_CAP 0x11u

/* ---- registers --------------------------------------------------------------------------------- */

/* Not the status alone: a write that happens to be a whole, valid start must not run wild rings. */
void common_every_register(const struct attack *a)
{
	for (unsigned int n = 0; n < n_devices; n++) {
		struct device *d = &devices[n];
		for (unsigned int len = 1; len <= 8; len *= 2)
			for (unsigned int at = 0; at < C_BYTES + 8; at++) {
				if (thinned())
					continue;
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
		for (unsigned int s = 0; s < 256; s += thin)
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
				if (thinned())
					continue;
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
				if (thinned())
					continue;
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
			if (thinned())
				continue;
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
					if (!thinned())
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
				if (thinned())
					continue;
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

static struct device *volatile victim;

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
