/*
 * What only protected guests can do: page states, certificates, processors (SNP), TDVMCALLs and quotes
 * (TDX). The exits that they make are made through the simulated processor's port.
 */
#include "sev/sim/sim_guest_port.h"
#include "tests/vm/hostile/hostile.h"

#define PLACE       (BUFFERS + 4 * MIB) /* pages that change hands */
#define QUOTE       (BUFFERS + 16 * MIB)
#define QUOTE_BYTES 0x4000ull
#define QUOTE_GOOD  (BUFFERS + 20 * MIB) /* of works_quote(): late answers go to QUOTE */

/* ---- the port ----------------------------------------------------------------------------------- */

static void sim_send(uint8_t command, const void *bytes, uint32_t n)
{
	port_out(SIM_PORT_CONTROL, 1, SIM_CMD_BEGIN);
	port_out_string(SIM_PORT_DATA, 1, bytes, n);
	port_out(SIM_PORT_CONTROL, 1, command);
}

uint32_t snp_ask(uint8_t command, const void *bytes, uint32_t n)
{
	uint32_t v;

	sim_send(command, bytes, n);
	port_in_string(SIM_PORT_DATA, 1, &v, sizeof v);
	return v;
}

uint64_t td_ask(uint8_t command, const void *bytes, uint32_t n)
{
	uint64_t v;

	sim_send(command, bytes, n);
	port_in_string(SIM_PORT_DATA, 1, &v, sizeof v);
	return v;
}

/* ---- SNP: pages change hands --------------------------------------------------------------------- */

static uint32_t convert(uint64_t gpa, uint64_t pages, uint64_t attributes)
{
	const uint64_t args[] = { gpa, pages, attributes };

	return snp_ask(SIM_CMD_CONVERT, args, sizeof args);
}

void private_conversions(const struct attack *a)
{
	static const uint64_t counts[] = { 0, 1, 2, 0x1000, 0xfffffffffffff, 0x10000000000000,
		0xffffffffffffffff };

	for (unsigned int i = 0; i < ARRAY_LEN(counts); i++)
		for (unsigned int k = 0; k < 2; k++) {
			if (convert(BEYOND, counts[i], k << 4) == 0 && counts[i] != 0)
				fail("memory that is not there was converted");
			if (convert(RAM_BYTES - PAGE, counts[i], k << 4) == 0 && counts[i] > 1)
				fail("more memory than there is was converted");
			if (convert(BUFFERS + 8, counts[i], k << 4) == 0 && counts[i] != 0)
				fail("half a page was converted");
			if (convert(0xfffffffffffff000, counts[i], k << 4) == 0 && counts[i] != 0)
				fail("memory at the end of the address space was converted");
			if (convert(devices[0].common, counts[i], k << 4) == 0 && counts[i] != 0)
				fail("registers were converted");
		}
	for (uint64_t i = 0; i < 20 * rounds; i++)
		(void)convert(PLACE + PAGE * random_below(64), 1 + random_below(64), random_next());
	for (uint64_t i = 0; i < 8 * rounds; i++) {
		uint64_t at = random_address() & ~(PAGE - 1);
		if (at > RAM_BYTES)
			(void)convert(at, random_next(), random_next());
	}
}

/* More often than sev/guest.c bears: it is refused from then on, and another one is not. */
void private_again(const struct attack *a)
{
	uint32_t ret = 0;

	(void)convert(PLACE, 1, 0);
	for (unsigned int i = 0; i < 1100; i++)
		ret = convert(PLACE, 1, 0);
	if (ret == 0)
		fail("the same conversion is taken for ever");
	if (convert(PLACE + PAGE, 1, 0) != 0 || convert(PLACE, 1, 16) != 0)
		fail("no other conversion is taken either");
}

static uint32_t convert_here(uint64_t gpa, uint64_t pages, bool is_to_private)
{
	return convert(gpa, pages, is_to_private ? 16 : 0);
}

static uint32_t td_map(uint64_t gpa, uint64_t pages, bool is_to_private)
{
	const uint64_t args[] = { gpa, pages * PAGE, is_to_private };

	return td_ask(SIM_CMD_TD_MAP, args, sizeof args) != 0;
}

/* Rings and buffers go to and fro while the device works on them; converted pages are empty. */
static void change_in_flight(uint32_t (*change)(uint64_t gpa, uint64_t pages, bool is_to_private))
{
	struct device *d = device_of(BLK, 0);

	for (uint64_t i = 0; i < 4 * rounds; i++) {
		(void)device_start(d, F_INDIRECT);
		memset((void *)(BUFFERS - 2 * PAGE), 0, 16);
		desc_set(&d->q[0], 0, BUFFERS - 2 * PAGE, 16, D_NEXT, 1);
		desc_set(&d->q[0], 1, BUFFERS, 256 * PAGE, D_NEXT | D_WRITE, 2);
		desc_set(&d->q[0], 2, BUFFERS - 2 * PAGE + 16, 1, D_WRITE, 0);
		for (unsigned int n = 0; n < QUEUE_SIZE; n++)
			queue_offer(&d->q[0], 0);
		device_kick(d, 0);
		if (change(BUFFERS + PAGE * random_below(128), 128, i % 2 != 0) != 0)
			fail("buffers cannot change hands");
		(void)change((uint64_t)d->q[0].avail & ~(PAGE - 1), 1, i % 2 != 0);
		device_kick(d, 0);
		(void)change((uint64_t)d->q[0].desc, 16, i % 2 == 0);
		device_kick(d, 0);
	}
}

void private_in_flight(const struct attack *a)
{
	change_in_flight(convert_here);
}

static void convert_place(void)
{
	(void)convert(PLACE + PAGE * (tsc() & 31), 1 + (tsc() >> 5 & 31), tsc() >> 10 & 16);
}

/* The port's conversation is one for both: what arrives is nonsense as well. */
void private_race(const struct attack *a)
{
	race_start(convert_place);
	for (uint64_t i = 0; i < 20 * rounds; i++)
		(void)convert(PLACE + PAGE * random_below(32), 1 + random_below(32),
			random_below(2) << 4);
	race_stop();
}

static uint32_t touch(uint64_t gpa, bool is_private)
{
	const struct __attribute__((packed)) {
		uint64_t gpa;
		uint8_t is_private;
	} bytes = { gpa, is_private };

	return snp_ask(SIM_CMD_TOUCH, &bytes, sizeof bytes);
}

/* Accesses that make KVM ask for a conversion: granted, wherever memory is. */
void private_touches(const struct attack *a)
{
	for (uint64_t i = 0; i < 30 * rounds; i++)
		if (touch(PLACE + random_below(64 * PAGE), random_below(2) != 0) != 0)
			fail("an access did not come to its end");
	if (touch(RAM_BYTES - 1, false) != 0 || touch(RAM_BYTES - 1, true) != 0)
		fail("the last byte cannot be touched");
}

/* Certificates, please: to pages that are not there, to all of them. */
void private_guest_requests(const struct attack *a)
{
	static const uint64_t places[] = { 0, BEYOND, RAM_BYTES - PAGE, 0xfffffffffffff000, PLACE,
		PLACE + 8, 1 };
	static const uint64_t pages[] = { 0, 1, 4, 0x100000, 0xffffffffffffffff };
	uint64_t request[12 + 2] = { 0 };

	for (unsigned int i = 0; i < ARRAY_LEN(places); i++)
		for (unsigned int k = 0; k < ARRAY_LEN(pages); k++) {
			request[12] = places[i];
			request[13] = pages[k];
			(void)snp_ask(SIM_CMD_EXTENDED, request, sizeof request);
		}
	(void)convert(PLACE, 64, 0);
	for (uint64_t i = 0; i < 4 * rounds; i++) {
		request[12] = PLACE + PAGE * random_below(64);
		request[13] = 1 + random_below(8);
		(void)snp_ask(SIM_CMD_EXTENDED, request, sizeof request);
	}
}

void snp_create(uint32_t apic_id, uint32_t request, uint64_t features, uint64_t vmsa)
{
	const struct __attribute__((packed)) {
		uint32_t apic_id, request;
		uint64_t features, vmsa;
	} bytes = { apic_id, request, features, vmsa };

	(void)snp_ask(SIM_CMD_CREATE_AP, &bytes, sizeof bytes);
}

/* Processors that are not there, requests that are none: the two that run go on. */
void private_processors(const struct attack *a)
{
	for (uint32_t i = 0; i < 64; i++) {
		snp_create(i == 0 ? 0xffffffff : 2 + i, i % 4, 1, PLACE);
		snp_create(i % 2, 3 + i * 0x1000001, 1, PLACE);
		snp_create(
			i % 2, 1, ~(1ull << i), PLACE); /* features that it was not launched with */
		snp_create(i % 2, 1, 1, PLACE + 1 + 8 * i);     /* no page */
		snp_create(i % 2, 1, 1, 0xffffffffffe00000ull); /* 2 MiB: refused (ABI 3.3) */
	}
}

/* ---- TDX: MapGPA --------------------------------------------------------------------------------- */

void td_maps(const struct attack *a)
{
	static const uint64_t places[] = { 1, PLACE + 8, RAM_BYTES - PAGE, RAM_BYTES, BEYOND, APIC,
		0xfffff000, 0x100000000, 0x7ffffffff000, 0xfffffffffffff000 };
	static const uint64_t lengths[] = { 0, 1, PAGE + 1, 2 * PAGE, 1ull << 40, 1ull << 51,
		0xfffffffffffff000, 0xffffffffffffffff };
	uint64_t args[3];

	for (unsigned int i = 0; i < ARRAY_LEN(places); i++)
		for (unsigned int k = 0; k < ARRAY_LEN(lengths); k++)
			for (args[2] = 0; args[2] < 2; args[2]++) {
				args[0] = places[i];
				args[1] = lengths[k];
				/* Registers may be called shared: they are. */
				if (td_ask(SIM_CMD_TD_MAP, args, sizeof args) == 0 && args[2] == 1)
					fail("what is no memory was made private");
			}
	for (uint64_t i = 0; i < 20 * rounds; i++)
		if (td_map(PLACE + PAGE * random_below(1024), 1 + random_below(1024),
			    random_below(2) != 0) != 0)
			fail("memory cannot change hands");
}

void td_in_flight(const struct attack *a)
{
	change_in_flight(td_map);
}

/* ---- TDX: quotes --------------------------------------------------------------------------------- */

/* The GHCI's buffer: version, status, length in, length out; then the bytes. */
struct quote {
	volatile uint64_t version, status;
	volatile uint32_t in_len, out_len;
	volatile uint8_t data[];
};

enum { CALL_DONE = 0, CALL_RETRY = 1, REPORT = 1024 };
#define QUOTE_IN_FLIGHT 0xffffffffffffffffull

static struct quote *quote_at(uint64_t at)
{
	struct quote *q = (struct quote *)at;

	q->version = 1;
	q->status = 0x1234;
	q->in_len = REPORT;
	q->out_len = 0;
	return q;
}

static uint64_t quote_ask(uint64_t at, uint64_t bytes)
{
	const uint64_t args[] = { at, bytes };

	return td_ask(SIM_CMD_TD_QUOTE, args, sizeof args);
}

static bool quote_wait(const struct quote *q)
{
	uint64_t from = tsc();

	while (q->status == QUOTE_IN_FLIGHT && tsc() - from < 10 * PATIENCE)
		__asm__ volatile("pause");
	return q->status != QUOTE_IN_FLIGHT;
}

/* What quotes are for: a report of the module's, and the service's quote of it. */
bool works_quote(void)
{
	static const uint8_t nothing[64];
	uint64_t from = tsc();
	struct quote *q = (struct quote *)QUOTE_GOOD;
	uint32_t len;
	uint64_t ret;

	if (td_map(QUOTE_GOOD, QUOTE_BYTES / PAGE, false) != 0 ||
		td_ask(SIM_CMD_TD_REPORT, nothing, sizeof nothing) != 0)
		return false;
	port_in_string(SIM_PORT_DATA, 1, &len, sizeof len);
	port_in_string(SIM_PORT_DATA, 1, (void *)(uintptr_t)q->data, REPORT);
	(void)quote_at(QUOTE_GOOD);
	while ((ret = quote_ask(QUOTE_GOOD, QUOTE_BYTES)) == CALL_RETRY &&
		tsc() - from < 10 * PATIENCE)
		pause_for(PATIENCE / 64); /* those of the last attack are not through yet */
	return len == REPORT && ret == CALL_DONE && quote_wait(q) && q->status == 0 &&
	       q->out_len > REPORT;
}

void td_quote_places(const struct attack *a)
{
	static const struct {
		uint64_t at, bytes;
	} bad[] = { { QUOTE, 0 }, { QUOTE + 8, PAGE }, { QUOTE, PAGE + 8 }, { QUOTE, 1 << 20 },
		{ QUOTE, 0xfffffffffffff000 }, { QUOTE - PAGE, 2 * PAGE }, { BEYOND, PAGE },
		{ RAM_BYTES - PAGE, 2 * PAGE }, { RAM_BYTES, PAGE }, { APIC, PAGE },
		{ 0xfffff000, PAGE }, { 0xfffffffffffff000, 2 * PAGE },
		{ 1ull << 51 | QUOTE, PAGE }, { 0x7ffffffff000, PAGE } };

	(void)td_map(QUOTE - PAGE, 1, true);
	(void)td_map(QUOTE, 512, false);
	(void)quote_at(QUOTE);
	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++)
		if (quote_ask(bad[i].at, bad[i].bytes) < 2)
			fail("a quote was taken on for no buffer");
	if (((struct quote *)QUOTE)->status != 0x1234)
		fail("a buffer that was refused was written to");
}

void td_quote_headers(const struct attack *a)
{
	static const uint32_t lengths[] = { 0, 1, REPORT - 1, REPORT + 1, QUOTE_BYTES - 24,
		QUOTE_BYTES - 23, 0x7fffffff, 0xffffffff };

	(void)td_map(QUOTE, 4, false);
	for (unsigned int i = 0; i < ARRAY_LEN(lengths); i++) {
		struct quote *q = quote_at(QUOTE);
		q->in_len = lengths[i];
		q->out_len = ~lengths[i];
		uint64_t ret = quote_ask(QUOTE, QUOTE_BYTES);
		if (ret == CALL_DONE && (lengths[i] > QUOTE_BYTES - 24 || !quote_wait(q)))
			fail("a length that is none was taken, or never answered");
	}
	for (unsigned int i = 0; i < 64; i++) {
		struct quote *q = quote_at(QUOTE);
		q->version = i == 0 ? 0 : 1 + (1ull << i);
		if (quote_ask(QUOTE, QUOTE_BYTES) < 2)
			fail("a version that is none was taken");
	}
	for (uint64_t i = 0; i < 4 * rounds; i++) { /* no report: the service says no */
		struct quote *q = quote_at(QUOTE);
		for (unsigned int n = 0; n < REPORT; n++)
			q->data[n] = (uint8_t)random_next();
		if (quote_ask(QUOTE, QUOTE_BYTES) == CALL_DONE &&
			(!quote_wait(q) || q->status == 0))
			fail("noise was quoted");
	}
}

static void quote_change(void)
{
	struct quote *q = (struct quote *)QUOTE;

	q->version ^= 1;
	q->in_len ^= 0xffffffff ^ REPORT;
	q->status = tsc();
	q->out_len = (uint32_t)tsc();
	q->data[tsc() & 1023] ^= 1;
	q->in_len = REPORT;
	q->version = 1;
}

/* Header and report change while they are read, while they wait, while the quote is written. */
void td_quote_race(const struct attack *a)
{
	(void)td_map(QUOTE, 4, false);
	(void)quote_at(QUOTE);
	race_start(quote_change);
	for (uint64_t i = 0; i < 20 * rounds; i++) {
		(void)quote_ask(QUOTE, QUOTE_BYTES);
		pause_for(PATIENCE / 256);
	}
	race_stop();
}

/* The buffer becomes private memory while its quote is made: nobody writes to it any more. */
void td_quote_taken_back(const struct attack *a)
{
	for (uint64_t i = 0; i < 2 * rounds; i++) {
		(void)td_map(QUOTE, 4, false);
		struct quote *q = quote_at(QUOTE);
		uint64_t ret = quote_ask(QUOTE, QUOTE_BYTES);
		bool was_in_flight = q->status == QUOTE_IN_FLIGHT;
		if (td_map(QUOTE + i % 4 * PAGE, 4 - i % 4, true) != 0)
			fail("a buffer cannot be taken back");
		uint64_t from = QUOTE + i % 4 * PAGE;
		memset((void *)from, 0xee, QUOTE + QUOTE_BYTES - from);
		pause_for(PATIENCE / 4);
		for (uint64_t at = from; at < QUOTE + QUOTE_BYTES; at++)
			if (*(volatile uint8_t *)at != 0xee)
				fail("private memory was written to");
		if (ret == CALL_DONE && !was_in_flight)
			fail("the quote was made before it could be taken back");
	}
}

/* More at once than are served, on buffers of their own, then on one. */
void td_quote_flood(const struct attack *a)
{
	unsigned int n_taken = 0, n_put_off = 0;

	(void)td_map(QUOTE, 512, false);
	for (unsigned int i = 0; i < 128; i++) {
		uint64_t at = QUOTE + i % 64 * 2 * PAGE;
		if (i < 64)
			(void)quote_at(at);
		((struct quote *)at)->version = 1;
		((struct quote *)at)->in_len = REPORT;
		uint64_t ret = quote_ask(i < 64 ? at : QUOTE, (1 + i % 2) * PAGE);
		n_taken += ret == CALL_DONE;
		n_put_off += ret == CALL_RETRY;
		if (ret != CALL_DONE && ret != CALL_RETRY)
			fail("one of many requests was answered with something else");
	}
	if (n_taken == 0 || n_put_off == 0)
		fail("there is no limit, or nothing below it");
	for (unsigned int i = 0; i < 64; i++)
		if (!quote_wait((struct quote *)(QUOTE + i * 2 * PAGE)))
			fail("a quote is in flight for ever");
}

/* Buffers over one another: each write may be the header of another. */
void td_quote_overlaps(const struct attack *a)
{
	(void)td_map(QUOTE, 64, false);
	for (uint64_t i = 0; i < 12; i++) {
		uint64_t at = QUOTE + i * PAGE;
		(void)quote_at(at);
		(void)quote_ask(at, (1 + i % 8) * PAGE);
	}
	pause_for(PATIENCE / 8);
}

/* ---- TDX: the rest ------------------------------------------------------------------------------- */

static uint64_t vector_ask(uint64_t vector)
{
	return td_ask(SIM_CMD_TD_NOTIFY, &vector, sizeof vector);
}

/* Every vector; then quotes, whose interrupts come to a guest that takes none. */
void td_vectors(const struct attack *a)
{
	for (uint64_t v = 0; v < 300; v++)
		if ((vector_ask(v) == 0) != (v >= 32 && v < 256))
			fail("a vector was taken, or refused");
	for (unsigned int i = 8; i < 64; i++)
		if (vector_ask(0x40 | 1ull << i) == 0)
			fail("a vector of many bits was taken");
	for (uint64_t v = 0; v < 3; v++) {
		(void)vector_ask(v == 0 ? 32 : 254 + v - 1);
		(void)works_quote();
	}
}

/* Every leaf, and calls with bytes too few, too many, and of no command. */
void td_calls(const struct attack *a)
{
	uint64_t noise[40];

	for (uint64_t leaf = 0; leaf < 64; leaf++) {
		(void)td_ask(SIM_CMD_TD_INFO, &leaf, sizeof leaf);
		noise[0] = 1ull << leaf;
		(void)td_ask(SIM_CMD_TD_INFO, noise, 8);
	}
	for (uint64_t i = 0; i < 60 * rounds; i++) {
		uint8_t command = (uint8_t)(SIM_CMD_TD_QUERY + random_below(32));
		uint32_t n = random_below(sizeof noise);
		for (unsigned int k = 0; k < ARRAY_LEN(noise); k++)
			noise[k] = random_below(4) == 0 ? random_next() : random_below(512);
		if (command == SIM_CMD_TD_FATAL || command == SIM_CMD_TD_TOUCH ||
			command == SIM_CMD_TD_MAP) /* an end, or our own pages */
			n = 7;
		(void)td_ask(command, noise, n);
	}
}
