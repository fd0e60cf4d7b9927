/* Rings: bad chains, bad indices, and what changes while it is read. virtio 1.2, 2.7. */
#include "tests/vm/hostile/hostile.h"

#define SHORT 50000000ull         /* of the time stamp counter: tens of milliseconds */
#define TABLE (BUFFERS + 8 * MIB) /* an indirect table */

/* The queues whose chains are served as they come. */
static const struct {
	uint16_t type;
	unsigned int queue;
} served[] = { { BLK, 0 }, { RNG, 0 }, { CONSOLE, 1 }, { VSOCK, 1 } };

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
