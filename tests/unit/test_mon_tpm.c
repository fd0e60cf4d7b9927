/* mon_tpm: what drivers do with the registers of both interfaces, in order and out of order. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/unit/cm.h"
#include "vmm/monitor/mon_tpm.h"

#define LOCALITY(n) (TPM_BASE + (n)*TPM_STRIDE)

static const uint8_t get_random[] = { 0x80, 0x01, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8 };
static const uint8_t answer[] = { 0x80, 0x01, 0, 0, 0, 20, 0, 0, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7,
	8 };

struct bench {
	struct bus bus;
	struct loop loop;
	struct tpm tpm;
	struct chan vtpm;
};

static void bench_open(struct bench *b, enum tpm_interface interface)
{
	int pair[2];

	memset(b, 0, sizeof *b);
	assert_int_equal(loop_open(&b->loop), 0);
	assert_int_equal(chan_pair(pair), 0);
	assert_int_equal(chan_open(&b->vtpm, pair[1]), 0);
	assert_int_equal(mon_tpm_open(&b->tpm, interface, pair[0], &b->loop, &b->bus, NULL), 0);
}

static int setup_crb(void **state)
{
	static struct bench b;

	bench_open(&b, TPM_CRB);
	*state = &b;
	return 0;
}

static int setup_fifo(void **state)
{
	static struct bench b;

	bench_open(&b, TPM_FIFO);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	mon_tpm_close(&b->tpm);
	chan_close(&b->vtpm);
	loop_close(&b->loop);
	return 0;
}

static uint32_t word_of(const uint8_t *p)
{
	le32 v;

	memcpy(&v, p, sizeof v);
	return le32_get(v);
}

static uint32_t rd(struct bench *b, uint64_t at)
{
	return (uint32_t)bus_read(&b->bus, BUS_MMIO, at, 4);
}

static void wr(struct bench *b, uint64_t at, uint32_t v)
{
	bus_write(&b->bus, BUS_MMIO, at, 4, v);
}

/* What casemate-vtpm got: its locality and the command's length; -1: nothing. */
static int got(struct bench *b, size_t *ret_len)
{
	if (chan_recv(&b->vtpm, false) < 0 || b->vtpm.in->type != VTPM_MSG_COMMAND)
		return -1;
	*ret_len = b->vtpm.in->len - sizeof(struct wire_vtpm_command);
	for (int i = 1; i < 4; i++)
		assert_int_equal(b->vtpm.in->buf[i], 0);
	return b->vtpm.in->buf[0];
}

static bool got_cancel(struct bench *b)
{
	return chan_recv(&b->vtpm, false) == 0 && b->vtpm.in->type == VTPM_MSG_CANCEL;
}

static void respond(struct bench *b, const void *bytes, size_t len)
{
	assert_int_equal(chan_send(&b->vtpm, VTPM_MSG_RESPONSE, bytes, len, NULL, 0), 0);
	assert_int_equal(loop_step(&b->loop, 1000), 0);
}

/* --- CRB ------------------------------------------------------------------------------------------ */

static void crb_ready(struct bench *b)
{
	wr(b, TPM_BASE + 0x08, 1);
	assert_int_equal(rd(b, TPM_BASE + 0x0c), 1);
	wr(b, TPM_BASE + 0x40, 1);
	assert_int_equal(rd(b, TPM_BASE + 0x40), 0);
	assert_int_equal(rd(b, TPM_BASE + 0x44), 0);
}

static void crb_fill(struct bench *b, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bus_write(&b->bus, BUS_MMIO, TPM_BASE + 0x80 + i, 1, bytes[i]);
}

/* A command that casemate-vtpm has now. */
static void crb_start(struct bench *b)
{
	size_t len;

	crb_ready(b);
	crb_fill(b, get_random, sizeof get_random);
	wr(b, TPM_BASE + 0x4c, 1);
	assert_int_equal(got(b, &len), 0);
}

static void test_crb_after_reset(void **state)
{
	struct bench *b = *state;

	assert_int_equal(bus_read(&b->bus, BUS_MMIO, TPM_BASE, 1), 0x81);
	assert_int_equal(rd(b, TPM_BASE + 0x0c), 0);
	assert_int_equal(rd(b, TPM_BASE + 0x14), 0); /* where FIFO has its capabilities */
	assert_int_equal(rd(b, TPM_BASE + 0x30), 0x25911);
	assert_int_equal(bus_read(&b->bus, BUS_MMIO, TPM_BASE + 0x34, 2), 0x1014);
	assert_int_equal(bus_read(&b->bus, BUS_MMIO, TPM_BASE + 0x36, 2), 1);
	assert_int_equal(rd(b, TPM_BASE + 0x44), 2);
	assert_int_equal(rd(b, TPM_BASE + 0x58), 0xf80);
	assert_int_equal(rd(b, TPM_BASE + 0x5c), 0xfed40080);
	assert_int_equal(rd(b, TPM_BASE + 0x60), 0);
	assert_int_equal(rd(b, TPM_BASE + 0x64), 0xf80);
	assert_int_equal(bus_read(&b->bus, BUS_MMIO, TPM_BASE + 0x68, 8), 0xfed40080);
	assert_int_equal(rd(b, LOCALITY(2) + 0x5c), 0xfed42080);
}

/* As Linux and OVMF do it: addresses and sizes are written too, and ignored. */
static void test_crb_command(void **state)
{
	struct bench *b = *state;
	size_t len;

	for (int i = 0; i < 3; i++) {
		crb_ready(b);
		assert_int_equal(bus_read(&b->bus, BUS_MMIO, TPM_BASE, 1), 0x83);
		wr(b, TPM_BASE + 0x5c, 0x1234);
		wr(b, TPM_BASE + 0x58, 0x10);
		crb_fill(b, get_random, sizeof get_random);
		wr(b, TPM_BASE + 0x4c, 1);
		assert_int_equal(rd(b, TPM_BASE + 0x4c), 1);
		assert_int_equal(got(b, &len), 0);
		assert_int_equal(len, sizeof get_random);
		assert_memory_equal(b->vtpm.in->buf + 4, get_random, len);
		assert_int_equal(rd(b, TPM_BASE + 0x80), 0xffffffff); /* not its to see now */
		crb_fill(b, answer, sizeof answer);                   /* nor to change */
		respond(b, answer, sizeof answer);
		assert_int_equal(rd(b, TPM_BASE + 0x4c), 0);
		for (size_t at = 0; at < sizeof answer; at += 4)
			assert_int_equal(rd(b, TPM_BASE + 0x80 + at), word_of(answer + at));
		assert_int_equal(
			bus_read(&b->bus, BUS_MMIO, TPM_BASE + 0x8a, 8), 0x0605040302010800);
		wr(b, TPM_BASE + 0x40, 2);
		assert_int_equal(rd(b, TPM_BASE + 0x44), 2);
		wr(b, TPM_BASE + 0x08, 2);
		assert_int_equal(bus_read(&b->bus, BUS_MMIO, TPM_BASE, 1), 0x81);
	}
}

/* Start without a locality, idle, twice; bytes outside the buffer and in the wrong state. */
static void test_crb_out_of_order(void **state)
{
	struct bench *b = *state;
	size_t len;

	wr(b, TPM_BASE + 0x4c, 1);
	wr(b, TPM_BASE + 0x40, 1); /* no locality yet */
	assert_int_equal(rd(b, TPM_BASE + 0x44), 2);
	wr(b, TPM_BASE + 0x08, 1);
	wr(b, TPM_BASE + 0x4c, 1); /* idle */
	assert_int_equal(rd(b, TPM_BASE + 0x4c), 0);
	crb_fill(b, get_random, sizeof get_random);
	wr(b, TPM_BASE + 0x40, 1);
	assert_int_equal(rd(b, TPM_BASE + 0x80), 0);
	assert_int_equal(got(b, &len), -1);
	wr(b, TPM_BASE + 0x48, 1); /* nothing to cancel */
	assert_int_equal(rd(b, TPM_BASE + 0x48), 0);
	crb_fill(b, get_random, sizeof get_random);
	wr(b, LOCALITY(1) + 0x4c, 1); /* another's start */
	assert_int_equal(got(b, &len), -1);
	wr(b, TPM_BASE + 0x4c, 1);
	wr(b, TPM_BASE + 0x4c, 1);
	wr(b, TPM_BASE + 0x40, 1);
	wr(b, TPM_BASE + 0x40, 2);
	assert_int_equal(got(b, &len), 0);
	assert_int_equal(got(b, &len), -1);
	assert_int_equal(rd(b, TPM_BASE + 0x4c), 1);
	bus_write(&b->bus, BUS_MMIO, TPM_BASE + 0xffe, 8, UINT64_MAX);
	respond(b, answer, sizeof answer);
	assert_int_equal(rd(b, TPM_BASE + 0x4c), 0);
	wr(b, TPM_BASE + 0x4c, 1); /* a response is no command */
	assert_int_equal(got(b, &len), -1);
}

/* Sizes that make no sense are cut to the buffer; the TPM says what it thinks of them. */
static void test_crb_sizes(void **state)
{
	static const struct {
		uint32_t says;
		size_t sent;
	} cases[] = { { 0, 10 }, { 9, 10 }, { 10, 10 }, { 11, 11 }, { 3968, 3968 }, { 3969, 3968 },
		{ 0xffffffff, 3968 } };
	struct bench *b = *state;
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t cmd[10] = { 0x80, 1, (uint8_t)(cases[i].says >> 24),
			(uint8_t)(cases[i].says >> 16), (uint8_t)(cases[i].says >> 8),
			(uint8_t)cases[i].says };
		crb_ready(b);
		crb_fill(b, cmd, sizeof cmd);
		wr(b, TPM_BASE + 0x4c, 1);
		assert_int_equal(got(b, &len), 0);
		assert_int_equal(len, cases[i].sent);
		respond(b, answer, sizeof answer);
	}
}

static void test_crb_cancel(void **state)
{
	struct bench *b = *state;

	crb_start(b);
	for (int i = 0; i < 3; i++)
		wr(b, TPM_BASE + 0x48, 1);
	assert_int_equal(rd(b, TPM_BASE + 0x48), 1);
	assert_true(got_cancel(b));
	assert_false(got_cancel(b)); /* once a command */
	respond(b, "\x80\x01\0\0\0\x0a\0\0\x09\x09", 10);
	assert_int_equal(rd(b, TPM_BASE + 0x48), 0);
	assert_int_equal(bus_read(&b->bus, BUS_MMIO, TPM_BASE + 0x88, 2), 0x0909);
}

static void test_crb_localities(void **state)
{
	struct bench *b = *state;
	size_t len;

	wr(b, LOCALITY(4) + 0x08, 1); /* no guest's */
	assert_int_equal(rd(b, LOCALITY(4) + 0x0c), 0);
	wr(b, LOCALITY(1) + 0x08, 1);
	assert_int_equal(rd(b, TPM_BASE), 0x87);
	wr(b, LOCALITY(0) + 0x08, 4); /* a lower one cannot seize */
	assert_int_equal(rd(b, LOCALITY(0) + 0x0c), 0);
	wr(b, LOCALITY(0) + 0x08, 1); /* it waits */
	wr(b, LOCALITY(1) + 0x40, 1);
	bus_write(&b->bus, BUS_MMIO, LOCALITY(1) + 0x80, 8, 0x0c0000000180);
	bus_write(&b->bus, BUS_MMIO, LOCALITY(1) + 0x88, 4, 0x08007b01);
	wr(b, LOCALITY(1) + 0x4c, 1);
	assert_int_equal(got(b, &len), 1);
	wr(b, LOCALITY(3) + 0x08, 4); /* seized in the middle of a command */
	assert_int_equal(rd(b, LOCALITY(1) + 0x0c), 2);
	assert_int_equal(rd(b, LOCALITY(3) + 0x0c), 1);
	assert_true(got_cancel(b));
	wr(b, LOCALITY(3) + 0x40, 1);
	assert_int_equal(rd(b, LOCALITY(3) + 0x40), 2); /* not yet */
	respond(b, answer, sizeof answer);              /* nobody's */
	assert_int_equal(rd(b, LOCALITY(3) + 0x40), 0);
	assert_int_equal(rd(b, LOCALITY(3) + 0x44), 2);
	wr(b, LOCALITY(3) + 0x40, 1);
	assert_int_equal(rd(b, LOCALITY(3) + 0x44), 0);
	wr(b, LOCALITY(3) + 0x08, 2);
	assert_int_equal(rd(b, LOCALITY(0) + 0x0c), 1); /* who waited */
	wr(b, LOCALITY(1) + 0x08, 1);
	assert_int_equal(rd(b, LOCALITY(1) + 0x0c), 0);
	wr(b, LOCALITY(1) + 0x08, 2); /* waits no more */
	wr(b, LOCALITY(0) + 0x08, 2);
	assert_int_equal(rd(b, TPM_BASE), 0x81);
}

/* --- FIFO ----------------------------------------------------------------------------------------- */

static uint8_t fifo_access(struct bench *b, unsigned int l)
{
	return (uint8_t)bus_read(&b->bus, BUS_MMIO, LOCALITY(l), 1);
}

static void fifo_ready(struct bench *b)
{
	bus_write(&b->bus, BUS_MMIO, TPM_BASE, 1, 0x02);
	assert_int_equal(fifo_access(b, 0), 0xa1);
	wr(b, TPM_BASE + 0x18, 0x40);
	assert_int_equal(rd(b, TPM_BASE + 0x18), 0x040f80c4);
}

static void test_fifo_after_reset(void **state)
{
	struct bench *b = *state;

	assert_int_equal(fifo_access(b, 0), 0x81);
	assert_int_equal(rd(b, TPM_BASE + 0x14), 0x30000600);
	assert_int_equal(rd(b, TPM_BASE + 0x18), 0xffffffff);
	assert_int_equal(rd(b, TPM_BASE + 0x30), 0x2100);
	assert_int_equal(rd(b, TPM_BASE + 0xf00), 0x00011014);
	assert_int_equal(bus_read(&b->bus, BUS_MMIO, TPM_BASE + 0xf04, 1), 1);
	assert_int_equal(bus_read(&b->bus, BUS_MMIO, TPM_BASE + 0x24, 1), 0xff);
}

/* All but the last byte, "expect" is still there, the last one, it is not: as Linux writes it. */
static void test_fifo_command(void **state)
{
	struct bench *b = *state;
	uint8_t seen[sizeof answer];
	size_t len;

	for (int i = 0; i < 3; i++) {
		fifo_ready(b);
		for (size_t at = 0; at < sizeof get_random - 4; at += 4)
			wr(b, TPM_BASE + (i == 0 ? 0x24 : 0x80), word_of(get_random + at));
		for (size_t at = sizeof get_random - 4; at < sizeof get_random; at++) {
			assert_int_equal(rd(b, TPM_BASE + 0x18) & 0x8, 0x8);
			wr(b, TPM_BASE + 0x18, 0x20); /* too early */
			bus_write(&b->bus, BUS_MMIO, TPM_BASE + 0x24, 1, get_random[at]);
		}
		assert_int_equal(rd(b, TPM_BASE + 0x18) & 0x8, 0);
		bus_write(&b->bus, BUS_MMIO, TPM_BASE + 0x24, 1, 0xee); /* one too many */
		assert_int_equal(got(b, &len), -1);
		wr(b, TPM_BASE + 0x18, 0x20);
		assert_int_equal(got(b, &len), 0);
		assert_int_equal(len, sizeof get_random);
		assert_memory_equal(b->vtpm.in->buf + 4, get_random, len);
		assert_int_equal(rd(b, TPM_BASE + 0x18) & 0x18, 0);
		respond(b, answer, sizeof answer);
		for (size_t at = 0; at < sizeof answer; at++) {
			assert_int_equal(rd(b, TPM_BASE + 0x18) >> 8 & 0xffff, sizeof answer - at);
			assert_int_equal(rd(b, TPM_BASE + 0x18) & 0x10, 0x10);
			seen[at] = (uint8_t)bus_read(&b->bus, BUS_MMIO, TPM_BASE + 0x24, 1);
			if (at == 5 && i == 0) { /* once more from the start */
				wr(b, TPM_BASE + 0x18, 0x02);
				at = SIZE_MAX;
				i = 1;
			}
		}
		assert_memory_equal(seen, answer, sizeof answer);
		assert_int_equal(rd(b, TPM_BASE + 0x18) & 0x10, 0);
		assert_int_equal(rd(b, TPM_BASE + 0x24), 0xffffffff);
		wr(b, TPM_BASE + 0x18, 0x40);
		bus_write(&b->bus, BUS_MMIO, TPM_BASE, 1, 0x20);
		assert_int_equal(fifo_access(b, 0), 0x81);
	}
}

static void test_fifo_abort_and_cancel(void **state)
{
	struct bench *b = *state;
	size_t len;

	fifo_ready(b);
	wr(b, TPM_BASE + 0x24, 0x01800000); /* half a header */
	wr(b, TPM_BASE + 0x18, 0x20);
	wr(b, TPM_BASE + 0x18, 0x40);
	assert_int_equal(rd(b, TPM_BASE + 0x18), 0x040f80c4);
	for (int is_abort = 0; is_abort < 2; is_abort++) {
		for (size_t i = 0; i < sizeof get_random; i++)
			bus_write(&b->bus, BUS_MMIO, TPM_BASE + 0x24, 1, get_random[i]);
		wr(b, TPM_BASE + 0x18, 0x20);
		assert_int_equal(got(b, &len), 0);
		if (is_abort)
			wr(b, TPM_BASE + 0x18, 0x40);
		else
			bus_write(&b->bus, BUS_MMIO, TPM_BASE + 0x1b, 1, 0x01);
		assert_true(got_cancel(b));
		assert_int_equal(rd(b, TPM_BASE + 0x18) & 0x50, 0);
		respond(b, answer, sizeof answer);
		assert_int_equal(rd(b, TPM_BASE + 0x18) & 0x50, is_abort ? 0x40 : 0x10);
		wr(b, TPM_BASE + 0x18, 0x40);
	}
}

/* A header that promises more than the buffer holds. */
static void test_fifo_too_long(void **state)
{
	struct bench *b = *state;
	size_t len;

	fifo_ready(b);
	for (size_t i = 0; i < 5000; i++)
		bus_write(&b->bus, BUS_MMIO, TPM_BASE + 0x24, 1, i == 2 ? 0xff : 0);
	assert_int_equal(rd(b, TPM_BASE + 0x18) & 0x8, 0);
	assert_int_equal(rd(b, TPM_BASE + 0x18) >> 8 & 0xffff, 0);
	wr(b, TPM_BASE + 0x18, 0x20);
	assert_int_equal(got(b, &len), 0);
	assert_int_equal(len, 3968);
}

static void test_fifo_localities(void **state)
{
	struct bench *b = *state;

	bus_write(&b->bus, BUS_MMIO, LOCALITY(1), 1, 0x02);
	bus_write(&b->bus, BUS_MMIO, LOCALITY(0), 1, 0x02);
	assert_int_equal(fifo_access(b, 0), 0x83);
	assert_int_equal(fifo_access(b, 1), 0xa5);
	bus_write(&b->bus, BUS_MMIO, LOCALITY(2), 1, 0x08);
	assert_int_equal(fifo_access(b, 1), 0x95);
	assert_int_equal(fifo_access(b, 2), 0xa5);
	bus_write(&b->bus, BUS_MMIO, LOCALITY(1), 1, 0x10);
	assert_int_equal(fifo_access(b, 1), 0x85);
	bus_write(&b->bus, BUS_MMIO, LOCALITY(2), 1, 0x20);
	assert_int_equal(fifo_access(b, 0), 0xa1);
	bus_write(&b->bus, BUS_MMIO, LOCALITY(4), 1, 0x0a);
	assert_int_equal(fifo_access(b, 4), 0x81);
	wr(b, LOCALITY(1) + 0x18, 0x40); /* not its turn */
	assert_int_equal(rd(b, TPM_BASE + 0x18) & 0x40, 0);
	assert_int_equal(rd(b, LOCALITY(1) + 0x18), 0xffffffff);
}

/* --- both ----------------------------------------------------------------------------------------- */

/* casemate-vtpm dies with a command: the guest gets a failure, and for every other one. */
static void test_death(void **state)
{
	struct bench *b = *state;

	crb_start(b);
	chan_close(&b->vtpm);
	assert_int_equal(loop_step(&b->loop, 1000), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rd(b, TPM_BASE + 0x4c), 0);
		assert_int_equal(rd(b, TPM_BASE + 0x44), 1);
		assert_int_equal(rd(b, TPM_BASE + 0x84), 0x00000a00);
		assert_int_equal(bus_read(&b->bus, BUS_MMIO, TPM_BASE + 0x88, 2), 0x0101);
		wr(b, TPM_BASE + 0x40, 1);
		crb_fill(b, get_random, sizeof get_random);
		wr(b, TPM_BASE + 0x4c, 1);
	}
}

/* A response that nobody asked for, one that is too short or long: casemate-vtpm is given up. */
static void test_bad_answers(void **state)
{
	static uint8_t big[VTPM_BUFFER_BYTES + 1];
	static const struct {
		uint16_t type;
		size_t len;
		bool is_asked;
	} bad[] = { { VTPM_MSG_RESPONSE, 20, false }, { VTPM_MSG_RESPONSE, 9, true },
		{ VTPM_MSG_RESPONSE, sizeof big, true }, { VTPM_MSG_MEASURED, 4, true },
		{ VTPM_MSG_COMMAND, 20, true } };
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct bench *b = *state;
		crb_ready(b);
		if (bad[i].is_asked) {
			wr(b, TPM_BASE + 0x4c, 1);
			assert_int_equal(got(b, &len), 0);
		}
		assert_int_equal(chan_send(&b->vtpm, bad[i].type, big, bad[i].len, NULL, 0), 0);
		assert_int_equal(loop_step(&b->loop, 1000), 0);
		assert_int_equal(rd(b, TPM_BASE + 0x44) & 1, 1);
		assert_int_equal(rd(b, TPM_BASE + 0x4c), 0);
		teardown(state);
		setup_crb(state);
	}
}

static void test_measure(void **state)
{
	struct bench *b = *state;
	struct wire_vtpm_measure m = { .pcr = le32_of(8), .sha256 = { 1 }, .sha384 = { 2 } };
	le32 rc = le32_of(0);
	struct why why = { 0 };

	assert_int_equal(chan_send(&b->vtpm, VTPM_MSG_MEASURED, &rc, sizeof rc, NULL, 0), 0);
	assert_int_equal(mon_tpm_measure(&b->tpm, &m, &why), 0);
	assert_int_equal(chan_recv(&b->vtpm, false), 0);
	assert_int_equal(b->vtpm.in->type, VTPM_MSG_MEASURE);
	assert_int_equal(b->vtpm.in->len, sizeof m);
	assert_memory_equal(b->vtpm.in->buf, &m, sizeof m);
	rc = le32_of(0x101);
	assert_int_equal(chan_send(&b->vtpm, VTPM_MSG_MEASURED, &rc, sizeof rc, NULL, 0), 0);
	assert_int_equal(mon_tpm_measure(&b->tpm, &m, &why), -EREMOTEIO);
	assert_non_null(strstr(why.text, "register 8: 0x101"));
	chan_close(&b->vtpm);
	assert_int_equal(mon_tpm_measure(&b->tpm, &m, NULL), -EPIPE);
}

#define CRB(name)  cmocka_unit_test_setup_teardown(name, setup_crb, teardown)
#define FIFO(name) cmocka_unit_test_setup_teardown(name, setup_fifo, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CRB(test_crb_after_reset),
		CRB(test_crb_command),
		CRB(test_crb_out_of_order),
		CRB(test_crb_sizes),
		CRB(test_crb_cancel),
		CRB(test_crb_localities),
		FIFO(test_fifo_after_reset),
		FIFO(test_fifo_command),
		FIFO(test_fifo_abort_and_cancel),
		FIFO(test_fifo_too_long),
		FIFO(test_fifo_localities),
		CRB(test_death),
		CRB(test_bad_answers),
		CRB(test_measure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
