/* Requests of disks, random numbers, console and sockets. virtio 1.2, chapter 5. */
#include "tests/vm/hostile/hostile.h"

#define HDR    (BUFFERS - 2 * PAGE)
#define STATUS (HDR + 16)
#define SECTOR 512u

enum { T_IN, T_OUT, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_ZEROES = 13 };
enum {
	OP_REQUEST = 1,
	OP_RESPONSE,
	OP_RST,
	OP_SHUTDOWN,
	OP_RW,
	OP_CREDIT_UPDATE,
	OP_CREDIT_REQUEST
};
#define F_FLUSH   (1ull << 9)
#define F_DISCARD (1ull << 13)
#define F_ZEROES  (1ull << 14)

/* ---- disks ------------------------------------------------------------------------------------- */

static uint64_t blk_sectors_of(struct device *d)
{
	return mmio_in(d->config, 4) | mmio_in(d->config + 4, 4) << 32;
}

/* The header of a request at HDR, 0xff where its status will be. */
static void blk_header(uint32_t type, uint64_t sector)
{
	volatile uint32_t *hdr = (volatile uint32_t *)HDR;

	hdr[0] = type;
	hdr[1] = 0;
	hdr[2] = (uint32_t)sector;
	hdr[3] = (uint32_t)(sector >> 32);
	*(volatile uint8_t *)STATUS = 0xff;
}

/* A read-only disk says what the host wrote on it; on the other the last sector keeps what we write. */
bool works_blk(struct device *d)
{
	volatile uint64_t *p = (volatile uint64_t *)BUFFERS;
	uint64_t last = blk_sectors_of(d) - 1;
	uint64_t v = random_next();

	if (!device_start(d, 0))
		return false;
	if (d->is_read_only)
		return blk_do(d, T_IN, 0, BUFFERS, SECTOR) == 0 &&
		       p[0] == 0x454c4954534f48ull; /* HOSTILE */
	p[0] = p[63] = v;
	if (blk_do(d, T_OUT, last, BUFFERS, SECTOR) != 0)
		return false;
	p[0] = p[63] = 0;
	return blk_do(d, T_IN, last, BUFFERS, SECTOR) == 0 && p[0] == v && p[63] == v;
}

void blk_types(const struct attack *a)
{
	for (unsigned int n = 0; device_of(BLK, n) != NULL; n++) {
		struct device *d = device_of(BLK, n);
		(void)device_start(d, F_FLUSH);
		for (uint32_t t = 0; t < 40; t++)
			(void)blk_do(d, t, 8, BUFFERS, t % 2 == 0 ? 16 : SECTOR);
		for (uint64_t i = 0; i < 16 * rounds; i++)
			if (blk_do(d, (uint32_t)random_next() | 0x100, 0, BUFFERS, SECTOR) != 2)
				fail("an unknown request is not unsupported");
	}
}

void blk_sectors(const struct attack *a)
{
	for (unsigned int n = 0; device_of(BLK, n) != NULL; n++) {
		struct device *d = device_of(BLK, n);
		uint64_t end = blk_sectors_of(d);
		const uint64_t far[] = { end, end - 7, end + 1, 1ull << 55, (1ull << 55) - 1,
			1ull << 63, ~0ull, ~0ull - 7, ~0ull / SECTOR };
		(void)device_start(d, 0);
		for (unsigned int i = 0; i < ARRAY_LEN(far); i++)
			for (uint32_t type = T_IN; type <= T_OUT; type++)
				if (blk_do(d, type, far[i], BUFFERS, 8 * SECTOR) != 1)
					fail("sectors behind the disk's end are not an error");
	}
}

/* Header in bytes, status alone, status in front, no status, no header. */
void blk_framing(const struct attack *a)
{
	struct device *d = device_of(BLK, 0);
	struct queue *q = &d->q[0];

	(void)device_start(d, 0);
	blk_header(T_IN, 0);
	for (unsigned int i = 0; i < 16; i++)
		desc_set(q, i, HDR + i, 1, D_NEXT, (uint16_t)(i + 1));
	for (unsigned int i = 16; i < 200; i++)
		desc_set(q, i, BUFFERS + i, i == 199 ? 512 - 183 : 1, D_NEXT | D_WRITE,
			(uint16_t)(i + 1));
	desc_set(q, 200, STATUS, 1, D_WRITE, 0);
	if (device_do(d, 0, 0, NULL) != USED || *(volatile uint8_t *)STATUS != 0)
		fail("a request in 201 pieces was not served");
	desc_set(q, 0, HDR, 16, D_NEXT, 1);
	desc_set(q, 1, HDR, 1, D_WRITE, 0); /* the status over the header */
	if (device_do(d, 0, 0, NULL) != USED)
		fail("a read of nothing was not served");
	static const uint32_t headers[] = { 1, 4, 8, 15 };
	for (unsigned int i = 0; i < ARRAY_LEN(headers); i++) {
		desc_set(q, 0, HDR, headers[i], D_NEXT, 1);
		desc_set(q, 1, STATUS, 1, D_WRITE, 0);
		if (device_do(d, 0, 0, NULL) != BROKE)
			fail("a short header is believed");
		(void)device_start(d, 0);
	}
	desc_set(q, 0, HDR, 16, 0, 0);
	if (device_do(d, 0, 0, NULL) != BROKE)
		fail("a request without a status byte is served");
	(void)device_start(d, 0);
	desc_set(q, 0, STATUS, 1, D_WRITE, 0);
	if (device_do(d, 0, 0, NULL) != BROKE)
		fail("a request without a header is served");
}

void blk_lengths(const struct attack *a)
{
	static const uint32_t lengths[] = { 1, 511, 513, 1023, 4097, 65535, 0xfffffe00 };

	for (unsigned int n = 0; device_of(BLK, n) != NULL; n++) {
		struct device *d = device_of(BLK, n);
		for (unsigned int i = 0; i < ARRAY_LEN(lengths); i++)
			for (uint32_t type = T_IN; type <= T_OUT; type++) {
				(void)device_start(d, 0);
				if (blk_do(d, type, 0, BUFFERS, lengths[i]) == 0)
					fail("half a sector was moved");
			}
	}
}

void blk_read_only(const struct attack *a)
{
	struct device *d = device_of(BLK, 0);

	for (unsigned int n = 0; d != NULL && !d->is_read_only; n++)
		d = device_of(BLK, n);
	if (d == NULL)
		return;
	if (device_agree(d, F_ALWAYS | F_DISCARD) || device_agree(d, F_ALWAYS | F_ZEROES))
		fail("a read-only disk offers to discard");
	(void)device_start(d, F_FLUSH);
	memset((void *)BUFFERS, 0xee, 65536);
	for (unsigned int i = 0; i < 32; i++)
		if (blk_do(d, T_OUT, i, BUFFERS, SECTOR << i % 8) == 0)
			fail("a read-only disk was written");
	static const uint32_t types[] = { T_DISCARD, T_ZEROES, 14, 15, 16 };
	*(volatile uint64_t *)BUFFERS = 0;
	*(volatile uint32_t *)(BUFFERS + 8) = 8;
	*(volatile uint32_t *)(BUFFERS + 12) = 0;
	for (unsigned int i = 0; i < ARRAY_LEN(types); i++)
		if (blk_do(d, types[i], 0, BUFFERS, 16) == 0)
			fail("a read-only disk was changed");
	(void)blk_do(d, T_FLUSH, 0, 0, 0);
}

static void piece_put(unsigned int i, uint64_t sector, uint32_t n, uint32_t flags)
{
	volatile uint32_t *p = (volatile uint32_t *)(BUFFERS + 16 * i);

	p[0] = (uint32_t)sector;
	p[1] = (uint32_t)(sector >> 32);
	p[2] = n;
	p[3] = flags;
}

void blk_pieces(const struct attack *a)
{
	static const uint32_t counts[] = { 0, 1, 8, 32768, 32769, 0x7fffffff, 0xffffffff };
	static const uint32_t flags[] = { 0, 1, 2, 0xffffffff };
	struct device *d = device_of(BLK, 0);
	uint64_t end = blk_sectors_of(d);
	const uint64_t from[] = { 64, end - 1, end, ~0ull, 1ull << 55 };

	(void)device_start(d, device_features(d) & (F_FLUSH | F_DISCARD | F_ZEROES));
	for (unsigned int t = 0; t < 2; t++)
		for (unsigned int i = 0; i < ARRAY_LEN(counts); i++)
			for (unsigned int k = 0; k < ARRAY_LEN(from) * ARRAY_LEN(flags); k++) {
				if (thinned())
					continue;
				piece_put(0, from[k % ARRAY_LEN(from)], counts[i],
					flags[k / ARRAY_LEN(from)]);
				uint8_t s =
					blk_do(d, t == 0 ? T_DISCARD : T_ZEROES, 0, BUFFERS, 16);
				if (s == 0 && (counts[i] == 0 || counts[i] > 32768 ||
						      k % ARRAY_LEN(from) > 1))
					fail("a piece outside the disk was taken");
			}
	for (unsigned int i = 0; i < 64; i++)
		piece_put(i, 64, 8, 0);
	if (blk_do(d, T_ZEROES, 0, BUFFERS, 17 * 16) == 0 ||
		blk_do(d, T_ZEROES, 0, BUFFERS, 24) == 0 ||
		blk_do(d, T_ZEROES, 0, BUFFERS, 64 * 16) == 0)
		fail("too many pieces were taken");
	for (uint64_t i = 0; i < 16 * rounds; i++) {
		for (unsigned int k = 0; k < 16; k++)
			piece_put(
				k, random_below((uint32_t)end), random_below(16), random_below(3));
		(void)blk_do(d, random_below(2) == 0 ? T_DISCARD : T_ZEROES, random_next(), BUFFERS,
			16 * (1 + random_below(17)));
	}
}

void blk_flushes(const struct attack *a)
{
	struct device *d = device_of(BLK, 0);

	(void)device_start(d, F_FLUSH);
	blk_header(T_FLUSH, ~0ull);
	desc_set(&d->q[0], 0, HDR, 16, D_NEXT, 1);
	desc_set(&d->q[0], 1, STATUS, 1, D_WRITE, 0);
	for (unsigned int i = 0; i < 200; i++)
		queue_offer(&d->q[0], 0);
	device_kick(d, 0);
	for (unsigned int i = 0; i < 200; i++)
		if (device_wait(d, 0) != USED)
			fail("a flush was not answered");
}

/* The whole disk in one request, into the same megabyte again and again; many of them at once. */
void blk_whole_disk(const struct attack *a)
{
	struct device *d = device_of(BLK, 0);
	struct queue *q = &d->q[0];
	uint64_t megabytes = blk_sectors_of(d) * SECTOR / MIB;

	(void)device_start(d, 0);
	blk_header(T_IN, 0);
	desc_set(q, 0, HDR, 16, D_NEXT, 1);
	for (unsigned int i = 1; i <= megabytes; i++)
		desc_set(q, i, BUFFERS + MIB, (uint32_t)MIB, D_NEXT | D_WRITE, (uint16_t)(i + 1));
	desc_set(q, (unsigned int)megabytes + 1, STATUS, 1, D_WRITE, 0);
	for (unsigned int i = 0; i < 16; i++)
		queue_offer(q, 0);
	device_kick(d, 0);
	for (unsigned int i = 0; i < 16; i++)
		if (device_wait(d, 0) != USED)
			fail("a read of the whole disk was not served");
}

void blk_random(const struct attack *a)
{
	for (unsigned int n = 0; device_of(BLK, n) != NULL; n++)
		for (uint64_t i = 0; i < 60 * rounds; i++) {
			struct device *d = device_of(BLK, n);
			if (i % 8 == 0 &&
				!device_start(d, device_features(d) & random_next() & 0xffff))
				(void)device_start(d, 0);
			(void)blk_do(d, random_below(16),
				random_below(4) == 0 ? random_next() : random_below(4000),
				random_below(4) == 0 ? random_address() : BUFFERS,
				random_below(2) == 0 ? random_below(70000)
						     : SECTOR << random_below(8));
			if ((device_status(d) & S_NEEDS_RESET) != 0)
				(void)device_start(d, 0);
		}
}

/* A full ring of the longest requests of a kind; the device must let go of it in a few seconds. */
static void blk_slow(struct device *d, uint32_t type, unsigned int pieces)
{
	struct queue *q = &d->q[0];
	uint64_t megabytes = blk_sectors_of(d) * SECTOR / MIB;
	unsigned int n = type == T_FLUSH ? 0 : type == T_ZEROES ? 1 : (unsigned int)megabytes;
	uint16_t writes = type == T_IN ? D_WRITE : 0;

	(void)device_start(d, device_features(d) & (F_DISCARD | F_ZEROES));
	blk_header(type, 0);
	desc_set(q, 0, HDR, 16, D_NEXT, 1);
	for (unsigned int i = 1; i <= n; i++)
		desc_set(q, i, BUFFERS + MIB, type == T_ZEROES ? 16 * pieces : (uint32_t)MIB,
			D_NEXT | writes, (uint16_t)(i + 1));
	for (unsigned int i = 0; i < pieces; i++) {
		volatile uint64_t *p = (volatile uint64_t *)(BUFFERS + MIB + 16 * i);
		p[0] = 0;
		p[1] = MIN(32768u, (uint32_t)blk_sectors_of(d));
	}
	desc_set(q, n + 1, STATUS, 1, D_WRITE, 0);
	for (unsigned int i = 0; i < QUEUE_SIZE; i++)
		queue_offer(q, 0);
	device_kick(d, 0);
	if (device_wait(d, 0) != USED)
		fail("a long request was not served");
	device_set_status(d, 0);
	if (device_status(d) != 0)
		fail("a reset left a status");
}

void blk_slow_then_reset(const struct attack *a)
{
	struct device *d = device_of(BLK, 0);

	blk_slow(d, T_IN, 0);
	blk_slow(d, T_OUT, 0);
	blk_slow(d, T_FLUSH, 0);
	blk_slow(d, T_ZEROES, 1);
	blk_slow(d, T_ZEROES, 16);
}

/* ---- random numbers ------------------------------------------------------------------------------ */

bool works_rng(struct device *d)
{
	uint32_t len = 0;

	if (!device_start(d, 0))
		return false;
	desc_set(&d->q[0], 0, BUFFERS, 64, D_WRITE, 0);
	return device_do(d, 0, 0, &len) == USED && len >= 1 && len <= 64;
}

void rng_flood(const struct attack *a)
{
	struct device *d = device_of(RNG, 0);

	(void)device_start(d, 0);
	desc_set(&d->q[0], 0, BUFFERS, (uint32_t)(64 * MIB), D_WRITE, 0);
	for (uint64_t i = 0; i < 8 * rounds; i++) {
		for (unsigned int k = 0; k < QUEUE_SIZE; k++)
			queue_offer(&d->q[0], 0);
		device_kick(d, 0);
		for (unsigned int k = 0; k < QUEUE_SIZE; k++)
			if (device_wait(d, 0) != USED)
				fail("a request was not served");
	}
}

/* ---- console -------------------------------------------------------------------------------------- */

bool works_console(struct device *d)
{
	if (!device_start(d, 0))
		return false;
	*(volatile uint8_t *)BUFFERS = '\n';
	desc_set(&d->q[1], 0, BUFFERS, 1, 0, 0);
	return device_do(d, 1, 0, NULL) == USED;
}

void console_flood(const struct attack *a)
{
	struct device *d = device_of(CONSOLE, 0);

	(void)device_start(d, 0);
	memset((void *)BUFFERS, 'c', PAGE);
	for (unsigned int i = 0; i < 256; i++)
		*(uint8_t *)(BUFFERS + i) = (uint8_t)i;
	*(uint8_t *)(BUFFERS + PAGE - 1) = '\n';
	for (unsigned int k = 0; k < 64; k++) {
		desc_set(&d->q[1], k, BUFFERS, 1 + random_below(256), 0, 0);
		queue_offer(&d->q[1], (uint16_t)k);
	}
	device_kick(d, 1);
	for (unsigned int k = 0; k < 64; k++)
		if (device_wait(d, 1) != USED)
			fail("output was not taken");
	desc_set(&d->q[1], 0, BUFFERS, (uint32_t)(64 * MIB), D_WRITE,
		0); /* to be written by whom? */
	(void)device_do(d, 1, 0, NULL);
}

/* Almost 4 GiB of output in one chain, many times; given up in the middle. */
void console_slow_then_reset(const struct attack *a)
{
	struct device *d = device_of(CONSOLE, 0);

	(void)device_start(d, 0);
	for (unsigned int k = 0; k < 60; k++)
		desc_set(&d->q[1], k, BUFFERS, (uint32_t)(64 * MIB), k < 59 ? D_NEXT : 0,
			(uint16_t)(k + 1));
	queue_offer(&d->q[1], 0);
	device_kick(d, 1);
	pause_for(1000000000); /* the device is at it */
	device_set_status(d, 0);
}

void console_input(const struct attack *a)
{
	struct device *d = device_of(CONSOLE, 0);

	for (uint64_t i = 0; i < 8 * rounds; i++) {
		(void)device_start(d, 0);
		for (unsigned int k = 0; k < QUEUE_SIZE; k++) {
			desc_set(&d->q[0], k, random_below(8) == 0 ? random_address() : BUFFERS,
				random_below(64), (uint16_t)random_below(4),
				(uint16_t)random_below(QUEUE_SIZE));
			queue_offer(&d->q[0], (uint16_t)k);
		}
		device_kick(d, 0);
	}
}

/* ---- sockets -------------------------------------------------------------------------------------- */

/* 5.10.6 */
struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
};
#define HDR_BYTES 44u
#define PORT      7001u /* the policy's */
#define RX_BYTES  256u

static uint64_t cid_of(struct device *d)
{
	return mmio_in(d->config, 4);
}

static struct packet packet_of(struct device *d, uint16_t op, uint32_t port)
{
	return (struct packet){ cid_of(d), 2, port, PORT, 0, 1, op, 0, 65536, 0 };
}

static void rx_offer(struct device *d, unsigned int n, uint32_t bytes)
{
	for (unsigned int k = 0; k < n; k++) {
		desc_set(&d->q[0], k, BUFFERS + MIB + RX_BYTES * k, bytes, D_WRITE, 0);
		queue_offer(&d->q[0], (uint16_t)k);
	}
	device_kick(d, 0);
}

/* Queue a packet with so many bytes behind its header; kicks are the caller's. */
static void packet_put(struct device *d, const struct packet *p, uint32_t payload)
{
	unsigned int at = d->q[1].avail[1] % 128;
	uint64_t buf = BUFFERS + 65536 + 4096 * at;

	memcpy((void *)buf, p, HDR_BYTES);
	desc_set(&d->q[1], at, buf, HDR_BYTES + payload, 0, 0);
	queue_offer(&d->q[1], (uint16_t)at);
}

static enum outcome packet_send(struct device *d, const struct packet *p, uint32_t payload)
{
	packet_put(d, p, payload);
	device_kick(d, 1);
	return device_wait(d, 1);
}

/* The next packet from the device. */
static struct packet packet_recv(struct device *d)
{
	struct packet p = { 0 };
	struct queue *q = &d->q[0];
	uint16_t at = q->seen;

	if (device_wait(d, 0) == USED)
		memcpy(&p, (void *)(uintptr_t)q->desc[q->used[2 + 4 * (at % QUEUE_SIZE)]].addr,
			HDR_BYTES);
	return p;
}

bool works_vsock(struct device *d)
{
	if (!device_start(d, 0))
		return false;
	struct packet p = packet_of(d, OP_REQUEST, 1);
	rx_offer(d, 8, RX_BYTES);
	if (packet_send(d, &p, 0) != USED || packet_recv(d).op != OP_RESPONSE)
		return false;
	p.op = OP_RW;
	p.len = 16;
	if (packet_send(d, &p, 16) != USED)
		return false;
	p.op = OP_RST;
	p.len = 0;
	return packet_send(d, &p, 0) == USED;
}

void vsock_lengths(const struct attack *a)
{
	static const uint32_t claims[] = { 1, 17, 4096, 65536, 65537, 0x7fffffff, 0xffffffff,
		0xffffffd4 };
	struct device *d = device_of(VSOCK, 0);

	for (unsigned int i = 0; i < ARRAY_LEN(claims); i++) {
		struct packet p = packet_of(d, OP_RW, 1);
		(void)device_start(d, 0);
		p.len = claims[i];
		if (packet_send(d, &p, 0) != BROKE)
			fail("a length that the buffer does not have is believed");
	}
	for (uint32_t bytes = 1; bytes < HDR_BYTES; bytes += 6) {
		(void)device_start(d, 0);
		desc_set(&d->q[1], 0, BUFFERS, bytes, 0, 0);
		if (device_do(d, 1, 0, NULL) != BROKE)
			fail("half a header is believed");
	}
}

void vsock_operations(const struct attack *a)
{
	struct device *d = device_of(VSOCK, 0);

	(void)device_start(d, 0);
	rx_offer(d, 128, RX_BYTES);
	for (unsigned int op = 0; op < 48; op++) {
		struct packet p =
			packet_of(d, (uint16_t)(op < 24 ? op : random_next()), 1 + op % 3);
		p.type = (uint16_t)(op % 5 == 0 ? random_next() : 1);
		p.flags = (uint32_t)random_next();
		if (packet_send(d, &p, op % 7) == BROKE)
			fail("an operation broke the queue");
	}
}

void vsock_ports(const struct attack *a)
{
	struct device *d = device_of(VSOCK, 0);

	(void)device_start(d, 0);
	rx_offer(d, 200, RX_BYTES);
	for (uint32_t i = 0; i < 100; i++) {
		struct packet p = packet_of(d, OP_REQUEST, 10 + i);
		p.dst_port = i < 50 ? i : (uint32_t)random_next() | 0x10000;
		(void)packet_send(d, &p, 0);
		if (packet_recv(d).op != OP_RST)
			fail("a port that the policy does not name was not refused");
	}
}

void vsock_nobody(const struct attack *a)
{
	struct device *d = device_of(VSOCK, 0);

	for (uint64_t i = 0; i < 2 * rounds; i++) {
		(void)device_start(d, 0);
		rx_offer(d, 250, RX_BYTES);
		for (uint32_t k = 0; k < 200; k++) {
			struct packet p = packet_of(d, OP_REQUEST, k);
			p.dst_port = PORT + 1;
			(void)packet_send(d, &p, 0);
			if (packet_recv(d).op != OP_RST)
				fail("a connection to nobody was not refused");
		}
	}
}

void vsock_foreign(const struct attack *a)
{
	struct device *d = device_of(VSOCK, 0);

	(void)device_start(d, 0);
	rx_offer(d, 16, RX_BYTES);
	for (unsigned int i = 0; i < 64; i++) {
		struct packet p = packet_of(d, OP_REQUEST, 1);
		p.src_cid = i % 2 == 0 ? random_next() : i;
		p.dst_cid = i % 3 == 0 ? random_next() : 2 + i % 2;
		if (p.src_cid != cid_of(d) || p.dst_cid != 2)
			(void)packet_send(d, &p, 0);
	}
	if (d->q[0].used[1] != 0)
		fail("packets of somebody else are answered");
}

/* Counters that lie, more than we were given credit for. */
void vsock_credit(const struct attack *a)
{
	struct device *d = device_of(VSOCK, 0);

	for (uint64_t i = 0; i < 4 * rounds; i++) {
		(void)device_start(d, 0);
		struct packet p = packet_of(d, OP_REQUEST, (uint32_t)i + 1);
		rx_offer(d, 250, RX_BYTES);
		(void)packet_send(d, &p, 0);
		if (packet_recv(d).op != OP_RESPONSE)
			fail("no answer to a request");
		for (unsigned int k = 0; k < 60; k++) {
			p.op = (uint16_t)(k % 3 == 0   ? OP_CREDIT_UPDATE
					  : k % 3 == 1 ? OP_CREDIT_REQUEST
						       : OP_RW);
			p.buf_alloc =
				random_below(2) == 0 ? (uint32_t)random_next() : random_below(3);
			p.fwd_cnt = (uint32_t)random_next();
			p.len = p.op == OP_RW ? 4000 : 0;
			(void)packet_send(d, &p, p.len);
		}
	}
}

void vsock_connections(const struct attack *a)
{
	struct device *d = device_of(VSOCK, 0);

	(void)device_start(d, 0);
	for (uint32_t i = 0; i < 500 * rounds; i++) {
		struct packet p = packet_of(d, i % 4 == 3 ? OP_RST : OP_REQUEST, i / 2);
		if (i % 100 == 0) {
			(void)device_start(d, 0);
			rx_offer(d, 250, RX_BYTES);
		}
		packet_put(d, &p, 0);
		device_kick(d, 1);
		if (i % 64 == 63) { /* what was offered is taken before the table is used again */
			uint64_t from = tsc();
			while (d->q[1].used[1] != d->q[1].avail[1] && tsc() - from < 4000000000ull)
				__asm__ volatile("pause");
			if (d->q[1].used[1] != d->q[1].avail[1])
				fail("packets were not taken");
		}
	}
}

/* Answers pile up and nobody takes them. */
void vsock_no_buffers(const struct attack *a)
{
	struct device *d = device_of(VSOCK, 0);

	(void)device_start(d, 0);
	for (uint32_t i = 0; i < 120; i++) {
		struct packet p = packet_of(d, OP_REQUEST, i);
		p.dst_port = i % 2 == 0 ? PORT : 9;
		packet_put(d, &p, 0);
		device_kick(d, 1);
	}
	rx_offer(d, 200, RX_BYTES); /* now: each of them gets its answer */
	for (unsigned int i = 0; i < 120; i++)
		if (device_wait(d, 1) != USED)
			fail("a request was forgotten");
}

void vsock_small_buffers(const struct attack *a)
{
	struct device *d = device_of(VSOCK, 0);

	for (uint32_t bytes = 1; bytes <= HDR_BYTES; bytes += bytes < 40 ? 13 : 1) {
		struct packet p = packet_of(d, OP_REQUEST, bytes);
		(void)device_start(d, 0);
		rx_offer(d, 4, bytes);
		(void)packet_send(d, &p, 0);
		(void)packet_send(d, &p, 0);
	}
}

void vsock_random(const struct attack *a)
{
	struct device *d = device_of(VSOCK, 0);

	for (uint64_t i = 0; i < 200 * rounds; i++) {
		if (i % 32 == 0 || (device_status(d) & S_NEEDS_RESET) != 0) {
			(void)device_start(d, 0);
			rx_offer(d, 64, 1 + random_below(RX_BYTES));
		}
		struct packet p = packet_of(d, (uint16_t)random_below(9), random_below(4));
		p.flags = random_below(4);
		p.len = random_below(3) == 0 ? random_below(5000) : 0;
		p.buf_alloc = random_below(3) * 1000;
		p.fwd_cnt = random_below(2000);
		packet_put(d, &p, random_below(4) == 0 ? random_below(4000) : p.len % 4000);
		device_kick(d, 1);
		if (i % 16 == 15)
			(void)device_wait(d, 1);
	}
}

static struct packet *volatile flipped;

static void length_flip(void)
{
	for (unsigned int i = 0; i < 16; i++) {
		flipped->len = i % 2 == 0 ? 16 : 0xffffffff;
		flipped->op = (uint16_t)(i % 8);
		flipped->dst_port = i % 3 == 0 ? PORT : i;
	}
}

/* The header changes while it is read. */
void vsock_race(const struct attack *a)
{
	struct device *d = device_of(VSOCK, 0);
	struct packet p = packet_of(d, OP_REQUEST, 1);

	flipped = (struct packet *)(BUFFERS + 65536);
	memcpy((void *)flipped, &p, HDR_BYTES);
	race_start(length_flip);
	for (uint64_t i = 0; i < 40 * rounds; i++) {
		(void)device_start(d, 0);
		rx_offer(d, 64, RX_BYTES);
		for (unsigned int k = 0; k < 20; k++) {
			desc_set(&d->q[1], k, BUFFERS + 65536, HDR_BYTES + 16, 0, 0);
			queue_offer(&d->q[1], (uint16_t)k);
		}
		device_kick(d, 1);
		(void)device_wait(d, 1);
	}
	race_stop();
}
