/* The socket device, the real program in its sandbox; the test is guest, supervisor and service. */
#include <errno.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/unit/cm.h"
#include "tests/unit/vu_front.h"
#include "vmm/super/sup_proto.h"

enum { RX, TX, EVENT };

#define GUEST   7u
#define HOST    2u
#define SERVICE 9000u
#define OTHER   9001u

#define AT_TX   FRONT_DATA              /* packets to send, 128 KiB each */
#define AT_RX   (FRONT_DATA + 0x100000) /* buffers to fill, RX_ROOM each */
#define RX_ROOM 4096u
#define RX_N    32u

struct packet {
	le64 src_cid;
	le64 dst_cid;
	le32 src_port;
	le32 dst_port;
	le32 len;
	le16 type;
	le16 op;
	le32 flags;
	le32 buf_alloc;
	le32 fwd_cnt;
};
WIRE_SIZE(struct packet, 44);

struct vsock {
	struct front f;
	uint32_t room;    /* what the guest says in buf_alloc */
	uint32_t fwd;     /* and in fwd_cnt */
	struct packet in; /* the last packet received */
	uint8_t data[RX_ROOM];
};

static struct vsock vsock;

static void buffer_offer(struct vsock *v, unsigned int i)
{
	const struct buf b = { AT_RX + i * RX_ROOM, RX_ROOM, true };

	(void)front_offer(&v->f, RX, &b, 1);
}

static int bare_start(void **state)
{
	struct wire_vsock_config config = { .cid = le64_of(GUEST),
		.n_ports = le32_of(2),
		.ports = { le32_of(SERVICE), le32_of(OTHER) } };
	struct why why = { 0 };

	*state = &vsock;
	vsock = (struct vsock){ .room = 65536 };
	int err = front_start(&vsock.f, ROLE_DEV_VSOCK, &config, sizeof config, NULL, 0, &why);
	if (err == 0)
		err = front_run(&vsock.f, VRING_F_INDIRECT, 3);
	if (err < 0)
		print_error("vsock: %d %s\n", err, why.text);
	return err;
}

static int vsock_start(void **state)
{
	int err = bare_start(state);

	for (unsigned int i = 0; i < RX_N; i++)
		buffer_offer(&vsock, i);
	front_kick(&vsock.f, RX);
	return err;
}

static int vsock_stop(void **state)
{
	struct vsock *v = *state;

	front_close(&v->f);
	return 0;
}

/* ---- the guest ------------------------------------------------------------------------------- */

static struct packet packet_of(
	struct vsock *v, uint32_t guest_port, uint32_t host_port, unsigned int op)
{
	return (struct packet){
		.src_cid = le64_of(GUEST),
		.dst_cid = le64_of(HOST),
		.src_port = le32_of(guest_port),
		.dst_port = le32_of(host_port),
		.type = le16_of(VIRTIO_VSOCK_TYPE_STREAM),
		.op = le16_of((uint16_t)op),
		.buf_alloc = le32_of(v->room),
		.fwd_cnt = le32_of(v->fwd),
	};
}

/* Send a packet; the device must give its buffer back. */
static void raw_send(struct vsock *v, const struct packet *p, const void *data, size_t len)
{
	const struct buf bufs[] = { { AT_TX, sizeof *p, false },
		{ AT_TX + 64, (uint32_t)len, false } };

	memcpy(v->f.ram + AT_TX, p, sizeof *p);
	if (len > 0)
		memcpy(v->f.ram + AT_TX + 64, data, len);
	assert_int_equal(front_do(&v->f, TX, bufs, len > 0 ? 2 : 1), 0);
}

static void guest_send(struct vsock *v, uint32_t guest_port, unsigned int op, uint32_t flags,
	const void *data, size_t len)
{
	struct packet p = packet_of(v, guest_port, SERVICE, op);

	p.flags = le32_of(flags);
	p.len = le32_of((uint32_t)len);
	raw_send(v, &p, data, len);
}

/* The next packet for the guest lands in v->in; false: none comes. */
static bool guest_recv_within(struct vsock *v, int timeout_ms)
{
	uint16_t head;
	uint32_t len;

	if (front_wait(&v->f, RX, timeout_ms, &head, &len) < 0)
		return false;
	struct wire_desc d;
	memcpy(&d, v->f.ram + FRONT_DESC(RX) + 16u * head, sizeof d);
	uint32_t at = (uint32_t)(le64_get(d.addr) - FRONT_GPA);
	assert_true(len >= sizeof v->in && len <= RX_ROOM);
	memcpy(&v->in, v->f.ram + at, sizeof v->in);
	assert_int_equal(le32_get(v->in.len), len - sizeof v->in);
	memcpy(v->data, v->f.ram + at + sizeof v->in, len - sizeof v->in);
	assert_int_equal(le64_get(v->in.src_cid), HOST);
	assert_int_equal(le64_get(v->in.dst_cid), GUEST);
	assert_int_equal(le16_get(v->in.type), VIRTIO_VSOCK_TYPE_STREAM);
	buffer_offer(v, (at - AT_RX) / RX_ROOM);
	front_kick(&v->f, RX);
	return true;
}

static void guest_expect(struct vsock *v, uint32_t guest_port, uint32_t host_port, unsigned int op)
{
	assert_true(guest_recv_within(v, FRONT_WAIT));
	assert_int_equal(le16_get(v->in.op), op);
	assert_int_equal(le32_get(v->in.dst_port), guest_port);
	assert_int_equal(le32_get(v->in.src_port), host_port);
}

static void guest_expect_nothing(struct vsock *v)
{
	assert_false(guest_recv_within(v, 50));
}

/* ---- the supervisor -------------------------------------------------------------------------- */

/* Read the question for a connection; returns its cookie. */
static le32 super_expect_ask(struct vsock *v, uint32_t index)
{
	struct pollfd p = { .fd = v->f.chan.fd, .events = POLLIN };
	struct wire_connect ask;

	assert_int_equal(poll(&p, 1, FRONT_WAIT), 1);
	assert_int_equal(chan_recv(&v->f.chan, false), 0);
	assert_int_equal(v->f.chan.in->type, SUP_MSG_CONNECT);
	assert_int_equal(v->f.chan.in->len, sizeof ask);
	memcpy(&ask, v->f.chan.in->buf, sizeof ask);
	assert_int_equal(le32_get(ask.index), index);
	return ask.cookie;
}

static bool super_is_asked(struct vsock *v)
{
	struct pollfd p = { .fd = v->f.chan.fd, .events = POLLIN };

	return poll(&p, 1, 50) == 1;
}

/* Answer with one end of a new pair; the other is returned. */
static int super_connect(struct vsock *v, le32 cookie)
{
	struct wire_connected w = { .cookie = cookie };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(chan_send(&v->f.chan, SUP_MSG_CONNECTED, &w, sizeof w, &pair[0], 1), 0);
	close(pair[0]);
	return pair[1];
}

static void super_refuse(struct vsock *v, le32 cookie)
{
	struct wire_connected w = { .cookie = cookie, .err = le32_of(ECONNREFUSED) };

	assert_int_equal(chan_send(&v->f.chan, SUP_MSG_CONNECTED, &w, sizeof w, NULL, 0), 0);
}

/* A stream from guest_port to SERVICE; returns the service's socket. */
static int stream_open(struct vsock *v, uint32_t guest_port)
{
	guest_send(v, guest_port, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	int service = super_connect(v, super_expect_ask(v, 0));
	guest_expect(v, guest_port, SERVICE, VIRTIO_VSOCK_OP_RESPONSE);
	assert_int_equal(le32_get(v->in.buf_alloc), LIMIT_VSOCK_BYTES);
	return service;
}

/* Is the stream gone without a trace: does it get a refusal? */
static void expect_unknown(struct vsock *v, uint32_t guest_port)
{
	guest_send(v, guest_port, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, NULL, 0);
	guest_expect(v, guest_port, SERVICE, VIRTIO_VSOCK_OP_RST);
}

/* ---- the service ----------------------------------------------------------------------------- */

static void service_expect(int fd, const void *want, size_t len)
{
	uint8_t back[8192];
	size_t have = 0;

	while (have < len) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		assert_int_equal(poll(&p, 1, FRONT_WAIT), 1);
		ssize_t n = read(fd, back + have, len - have);
		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_memory_equal(back, want, len);
}

static void service_expect_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	assert_int_equal(poll(&p, 1, FRONT_WAIT), 1);
	assert_int_equal(read(fd, &byte, 1), 0);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void config_has_the_context_id(void **state)
{
	struct vsock *v = *state;
	struct vu_config ask = { .size = le32_of(8) };
	struct vu_config got;
	le64 cid;

	assert_int_equal(front_call(&v->f, VU_GET_CONFIG, &ask, VU_CONFIG_MSG_BYTES(8), NULL, 0,
				 &got, VU_CONFIG_MSG_BYTES(8)),
		0);
	memcpy(&cid, got.payload, sizeof cid);
	assert_int_equal(le64_get(cid), GUEST);
}

static void bytes_go_both_ways(void **state)
{
	struct vsock *v = *state;
	AUTO(fd) int service = stream_open(v, 1234);

	guest_send(v, 1234, VIRTIO_VSOCK_OP_RW, 0, "release the key", 15);
	service_expect(service, "release the key", 15);
	assert_int_equal(write(service, "no", 2), 2);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(le32_get(v->in.len), 2);
	assert_memory_equal(v->data, "no", 2);
	assert_int_equal(le32_get(v->in.fwd_cnt), 15);
}

static void a_megabyte_is_echoed(void **state)
{
	struct vsock *v = *state;
	enum { LEN = 4000, N = 262 };
	AUTO(fd) int service = stream_open(v, 1234);
	uint8_t out[LEN];
	uint8_t back[LEN];
	uint32_t told = 0;

	v->room = 1u << 30;
	for (unsigned int i = 0; i < N; i++) {
		size_t have = 0;
		for (unsigned int j = 0; j < LEN; j++)
			out[j] = (uint8_t)(i * 31 + j);
		guest_send(v, 1234, VIRTIO_VSOCK_OP_RW, 0, out, LEN);
		service_expect(service, out, LEN);
		assert_int_equal(write(service, out, LEN), LEN);
		while (have < LEN) {
			assert_true(guest_recv_within(v, FRONT_WAIT));
			told = le32_get(v->in.fwd_cnt);
			if (le16_get(v->in.op) == VIRTIO_VSOCK_OP_CREDIT_UPDATE)
				continue;
			assert_int_equal(le16_get(v->in.op), VIRTIO_VSOCK_OP_RW);
			memcpy(back + have, v->data, le32_get(v->in.len));
			have += le32_get(v->in.len);
		}
		assert_memory_equal(out, back, LEN);
	}
	assert_int_equal(told, LEN * N);
}

static void second_port_is_asked_for_by_its_index(void **state)
{
	struct vsock *v = *state;
	struct packet p = packet_of(v, 5, OTHER, VIRTIO_VSOCK_OP_REQUEST);

	raw_send(v, &p, NULL, 0);
	AUTO(fd) int service = super_connect(v, super_expect_ask(v, 1));
	guest_expect(v, 5, OTHER, VIRTIO_VSOCK_OP_RESPONSE);
}

static void port_that_is_not_listed_is_refused_unasked(void **state)
{
	struct vsock *v = *state;
	struct packet p = packet_of(v, 5, 22, VIRTIO_VSOCK_OP_REQUEST);

	raw_send(v, &p, NULL, 0);
	guest_expect(v, 5, 22, VIRTIO_VSOCK_OP_RST);
	assert_false(super_is_asked(v));
}

static void service_that_is_down_gives_a_refusal(void **state)
{
	struct vsock *v = *state;

	guest_send(v, 5, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	super_refuse(v, super_expect_ask(v, 0));
	guest_expect(v, 5, SERVICE, VIRTIO_VSOCK_OP_RST);
	expect_unknown(v, 5);
}

static void guest_credit_holds_the_service_back(void **state)
{
	struct vsock *v = *state;

	v->room = 1000;
	AUTO(fd) int service = stream_open(v, 1234);
	uint8_t out[3000];
	memset(out, 0x5a, sizeof out);
	assert_int_equal(write(service, out, sizeof out), (int)sizeof out);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(le32_get(v->in.len), 1000);
	guest_expect_nothing(v);
	v->fwd = 600;
	guest_send(v, 1234, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(le32_get(v->in.len), 600);
	guest_expect_nothing(v);
	v->fwd = 1600;
	guest_send(v, 1234, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(le32_get(v->in.len), 1000);
	v->fwd = 2600;
	guest_send(v, 1234, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(le32_get(v->in.len), 400);
}

static void lie_about_credit_stops_the_stream_only(void **state)
{
	struct vsock *v = *state;

	AUTO(fd) int service = stream_open(v, 1234);
	v->fwd = 4711; /* bytes it never got */
	guest_send(v, 1234, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
	assert_int_equal(write(service, "x", 1), 1);
	guest_expect_nothing(v);
	v->fwd = 0;
	AUTO(fd) int second = stream_open(v, 1235);
	assert_int_equal(write(second, "y", 1), 1);
	guest_expect(v, 1235, SERVICE, VIRTIO_VSOCK_OP_RW);
}

/* Fill what the device gives credit for, past what the socket pair holds. */
static uint32_t guest_fill(struct vsock *v)
{
	static const uint8_t out[16384] = { 1 };
	uint32_t sent = 0;
	uint32_t fwd = 0;

	for (;;) {
		if (LIMIT_VSOCK_BYTES - (sent - fwd) < sizeof out) {
			/* Out of credit, as far as the guest knows. */
			if (!guest_recv_within(v, 100))
				return sent;
			assert_int_equal(le16_get(v->in.op), VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			fwd = le32_get(v->in.fwd_cnt);
			continue;
		}
		guest_send(v, 1234, VIRTIO_VSOCK_OP_RW, 0, out, sizeof out);
		sent += (uint32_t)sizeof out;
	}
}

static void slow_service_holds_the_guest_back_and_loses_nothing(void **state)
{
	struct vsock *v = *state;
	AUTO(fd) int service = stream_open(v, 1234);
	uint32_t sent = guest_fill(v);
	uint8_t back[65536];

	assert_true(sent >= LIMIT_VSOCK_BYTES);
	for (uint32_t got = 0; got < sent;) {
		struct pollfd p = { .fd = service, .events = POLLIN };
		assert_int_equal(poll(&p, 1, FRONT_WAIT), 1);
		ssize_t n = read(service, back, sizeof back);
		assert_true(n > 0);
		got += (uint32_t)n;
	}
	guest_send(v, 1234, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, NULL, 0);
	do
		assert_true(guest_recv_within(v, FRONT_WAIT));
	while (le32_get(v->in.fwd_cnt) != sent);
}

static void sending_without_credit_resets(void **state)
{
	struct vsock *v = *state;
	AUTO(fd) int service = stream_open(v, 1234);
	static const uint8_t out[LIMIT_VSOCK_BYTES];

	(void)guest_fill(v);
	guest_send(v, 1234, VIRTIO_VSOCK_OP_RW, 0, out, sizeof out);
	do
		assert_true(guest_recv_within(v, FRONT_WAIT));
	while (le16_get(v->in.op) == VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(le16_get(v->in.op), VIRTIO_VSOCK_OP_RST);
	expect_unknown(v, 1234);
}

static void packet_larger_than_any_credit_resets(void **state)
{
	struct vsock *v = *state;
	AUTO(fd) int service = stream_open(v, 1234);
	static const uint8_t out[LIMIT_VSOCK_BYTES + 1];

	guest_send(v, 1234, VIRTIO_VSOCK_OP_RW, 0, out, sizeof out);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RST);
	service_expect_end(service);
}

static void guest_half_close_reaches_the_service(void **state)
{
	struct vsock *v = *state;
	AUTO(fd) int service = stream_open(v, 1234);

	guest_send(v, 1234, VIRTIO_VSOCK_OP_RW, 0, "bye", 3);
	guest_send(v, 1234, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND, NULL, 0);
	service_expect(service, "bye", 3);
	service_expect_end(service);
	assert_int_equal(write(service, "still here", 10), 10);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RW);
	fd_drop(&service);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(le32_get(v->in.flags), 3);
	guest_send(v, 1234, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
	expect_unknown(v, 1234);
}

static void data_after_shutdown_resets(void **state)
{
	struct vsock *v = *state;
	AUTO(fd) int service = stream_open(v, 1234);

	guest_send(v, 1234, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND, NULL, 0);
	guest_send(v, 1234, VIRTIO_VSOCK_OP_RW, 0, "more", 4);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RST);
}

static void full_close_is_answered_after_the_last_byte(void **state)
{
	struct vsock *v = *state;
	AUTO(fd) int service = stream_open(v, 1234);
	uint32_t sent = guest_fill(v);
	uint8_t back[65536];

	guest_send(v, 1234, VIRTIO_VSOCK_OP_SHUTDOWN, 3, NULL, 0);
	guest_expect_nothing(v);
	for (uint32_t got = 0; got < sent;) {
		struct pollfd p = { .fd = service, .events = POLLIN };
		assert_int_equal(poll(&p, 1, FRONT_WAIT), 1);
		ssize_t n = read(service, back, sizeof back);
		assert_true(n > 0);
		got += (uint32_t)n;
	}
	service_expect_end(service);
	do
		assert_true(guest_recv_within(v, FRONT_WAIT));
	while (le16_get(v->in.op) == VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(le16_get(v->in.op), VIRTIO_VSOCK_OP_RST);
	expect_unknown(v, 1234);
}

static void service_end_reaches_the_guest(void **state)
{
	struct vsock *v = *state;
	AUTO(fd) int service = stream_open(v, 1234);

	assert_int_equal(write(service, "last", 4), 4);
	fd_drop(&service);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RW);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(le32_get(v->in.flags), VIRTIO_VSOCK_SHUTDOWN_SEND);
	guest_expect_nothing(v);
	/* The guest did not know yet: its bytes meet a closed socket. */
	guest_send(v, 1234, VIRTIO_VSOCK_OP_RW, 0, "x", 1);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RST);
}

static void guest_reset_closes_the_socket_and_is_not_answered(void **state)
{
	struct vsock *v = *state;
	AUTO(fd) int service = stream_open(v, 1234);

	guest_send(v, 1234, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
	service_expect_end(service);
	guest_expect_nothing(v);
	expect_unknown(v, 1234);
}

static void second_request_for_a_living_stream_resets(void **state)
{
	struct vsock *v = *state;
	AUTO(fd) int service = stream_open(v, 1234);

	guest_send(v, 1234, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RST);
	service_expect_end(service);
	assert_false(super_is_asked(v));
}

static void second_request_before_the_answer_resets(void **state)
{
	struct vsock *v = *state;

	guest_send(v, 1234, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	le32 cookie = super_expect_ask(v, 0);
	guest_send(v, 1234, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RST);
	AUTO(fd) int service = super_connect(v, cookie);
	service_expect_end(service); /* nobody wants it any more */
	AUTO(fd) int second = stream_open(v, 1234);
	guest_send(v, 1234, VIRTIO_VSOCK_OP_RW, 0, "ok", 2);
	service_expect(second, "ok", 2);
}

static void data_before_the_answer_resets(void **state)
{
	struct vsock *v = *state;

	guest_send(v, 1234, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	le32 cookie = super_expect_ask(v, 0);
	guest_send(v, 1234, VIRTIO_VSOCK_OP_RW, 0, "early", 5);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RST);
	super_refuse(v, cookie);
	guest_expect_nothing(v);
}

static void strange_packets_are_refused(void **state)
{
	static const uint16_t ops[] = { 0, VIRTIO_VSOCK_OP_RESPONSE, 8, 255, 65535 };
	struct vsock *v = *state;

	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		guest_send(v, 1234, ops[i], 0, NULL, 0);
		guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RST);
	}
	struct packet p = packet_of(v, 1234, SERVICE, VIRTIO_VSOCK_OP_REQUEST);
	p.type = le16_of(VIRTIO_VSOCK_TYPE_SEQPACKET);
	raw_send(v, &p, NULL, 0);
	guest_expect(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RST);
	assert_false(super_is_asked(v));
}

static void packets_of_others_are_dropped(void **state)
{
	struct vsock *v = *state;
	struct packet p = packet_of(v, 1234, SERVICE, VIRTIO_VSOCK_OP_REQUEST);

	p.src_cid = le64_of(GUEST + 1);
	raw_send(v, &p, NULL, 0);
	p = packet_of(v, 1234, SERVICE, VIRTIO_VSOCK_OP_REQUEST);
	p.dst_cid = le64_of(GUEST);
	raw_send(v, &p, NULL, 0);
	p.dst_cid = le64_of(1ull << 32 | HOST);
	raw_send(v, &p, NULL, 0);
	guest_expect_nothing(v);
	assert_false(super_is_asked(v));
}

static void too_many_streams_are_refused(void **state)
{
	struct vsock *v = *state;
	int service[LIMIT_VSOCK_STREAMS];

	for (unsigned int i = 0; i < LIMIT_VSOCK_STREAMS; i++)
		service[i] = stream_open(v, 100 + i);
	guest_send(v, 99, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	guest_expect(v, 99, SERVICE, VIRTIO_VSOCK_OP_RST);
	assert_false(super_is_asked(v));
	guest_send(v, 100, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
	AUTO(fd) int again = stream_open(v, 99);
	for (unsigned int i = 0; i < LIMIT_VSOCK_STREAMS; i++)
		close(service[i]);
}

static void questions_that_are_open_count_as_streams(void **state)
{
	struct vsock *v = *state;
	le32 cookie[LIMIT_VSOCK_STREAMS];

	/* Ask and give up, again and again: the supervisor must not be flooded. */
	for (unsigned int i = 0; i < LIMIT_VSOCK_STREAMS; i++) {
		guest_send(v, 100, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
		cookie[i] = super_expect_ask(v, 0);
		guest_send(v, 100, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
	}
	guest_send(v, 100, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	guest_expect(v, 100, SERVICE, VIRTIO_VSOCK_OP_RST);
	assert_false(super_is_asked(v));
	for (unsigned int i = 0; i < LIMIT_VSOCK_STREAMS; i++)
		super_refuse(v, cookie[i]);
	AUTO(fd) int service = stream_open(v, 100);
}

static void refusals_without_buffers_hold_the_guest_back(void **state)
{
	struct vsock *v = *state; /* no buffers were offered */
	struct packet p = packet_of(v, 1, SERVICE, VIRTIO_VSOCK_OP_RW);
	const struct buf b = { AT_TX, sizeof p, false };
	unsigned int served = 0;
	unsigned int refused = 0;
	uint32_t len;

	memcpy(v->f.ram + AT_TX, &p, sizeof p);
	for (unsigned int i = 0; i < 3; i++) {
		for (unsigned int j = 0; j < 32; j++)
			(void)front_offer(&v->f, TX, &b, 1);
		front_kick(&v->f, TX);
		while (front_wait(&v->f, TX, 50, NULL, &len) == 0)
			served++;
	}
	assert_int_equal(served, LIMIT_VSOCK_RESETS);
	for (unsigned int i = 0; i < RX_N; i++)
		buffer_offer(v, i);
	front_kick(&v->f, RX);
	while (guest_recv_within(v, 200)) {
		assert_int_equal(le16_get(v->in.op), VIRTIO_VSOCK_OP_RST);
		refused++;
	}
	assert_int_equal(refused, 96);
	while (front_wait(&v->f, TX, 50, NULL, &len) == 0)
		served++;
	assert_int_equal(served, 96);
}

static void length_beyond_the_buffer_breaks_the_ring(void **state)
{
	struct vsock *v = *state;
	struct packet p = packet_of(v, 1234, SERVICE, VIRTIO_VSOCK_OP_RW);
	const struct buf b = { AT_TX, sizeof p, false };

	p.len = le32_of(1);
	memcpy(v->f.ram + AT_TX, &p, sizeof p);
	(void)front_offer(&v->f, TX, &b, 1);
	front_kick(&v->f, TX);
	assert_true(front_is_broken(&v->f, TX, FRONT_WAIT));
}

static void short_header_breaks_the_ring(void **state)
{
	struct vsock *v = *state;
	const struct buf b = { AT_TX, 43, false };

	(void)front_offer(&v->f, TX, &b, 1);
	front_kick(&v->f, TX);
	assert_true(front_is_broken(&v->f, TX, FRONT_WAIT));
}

static void buffer_too_small_for_a_header_breaks_the_ring(void **state)
{
	struct vsock *v = *state; /* no buffers were offered */
	const struct buf b = { AT_RX, 43, true };

	(void)front_offer(&v->f, RX, &b, 1);
	guest_send(v, 1, VIRTIO_VSOCK_OP_RW, 0, NULL, 0);
	assert_true(front_is_broken(&v->f, RX, FRONT_WAIT));
}

static void reset_of_the_device_closes_every_stream(void **state)
{
	struct vsock *v = *state;
	AUTO(fd) int service = stream_open(v, 1234);
	uint16_t base;

	guest_send(v, 1235, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	le32 cookie = super_expect_ask(v, 0);
	for (unsigned int q = 0; q < 3; q++)
		assert_int_equal(front_stop_queue(&v->f, q, &base), 0);
	service_expect_end(service);
	memset(v->f.ram, 0, FRONT_DATA);
	for (unsigned int q = 0; q < 3; q++) {
		v->f.q[q].offered = v->f.q[q].taken = v->f.q[q].next_desc = 0;
		assert_int_equal(front_start_queue(&v->f, q), 0);
	}
	for (unsigned int i = 0; i < RX_N; i++)
		buffer_offer(v, i);
	front_kick(&v->f, RX);
	AUTO(fd) int late = super_connect(v, cookie); /* for the guest before the reset */
	service_expect_end(late);
	guest_expect_nothing(v);
	AUTO(fd) int fresh = stream_open(v, 1234);
	guest_send(v, 1234, VIRTIO_VSOCK_OP_RW, 0, "again", 5);
	service_expect(fresh, "again", 5);
}

static void answer_to_no_question_ends_the_process(void **state)
{
	struct vsock *v = *state;

	super_refuse(v, le32_of(4711));
	assert_int_equal(front_wait_end(&v->f), 5);
}

static void answer_without_its_descriptor_ends_the_process(void **state)
{
	struct vsock *v = *state;
	struct wire_connected w = { 0 };

	guest_send(v, 1234, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	w.cookie = super_expect_ask(v, 0);
	assert_int_equal(chan_send(&v->f.chan, SUP_MSG_CONNECTED, &w, sizeof w, NULL, 0), 0);
	assert_int_equal(front_wait_end(&v->f), 5);
}

static void configs_that_make_no_sense_are_refused(void **state)
{
	const struct wire_vsock_config bad[] = {
		{ .cid = le64_of(2) },
		{ .cid = le64_of(0) },
		{ .cid = le64_of(0xffffffff) },
		{ .cid = le64_of(1ull << 32 | 7) },
		{ .cid = le64_of(7), .n_ports = le32_of(LIMIT_VSOCK_PORTS + 1) },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct why why = { 0 };
		struct front f;
		assert_int_equal(
			front_start(&f, ROLE_DEV_VSOCK, &bad[i], sizeof bad[i], NULL, 0, &why),
			-EINVAL);
		assert_non_null(strstr(why.text, "context id"));
		front_close(&f);
	}
}

#define T(name)    cmocka_unit_test_setup_teardown(name, vsock_start, vsock_stop)
#define BARE(name) cmocka_unit_test_setup_teardown(name, bare_start, vsock_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(config_has_the_context_id),
		T(bytes_go_both_ways),
		T(a_megabyte_is_echoed),
		T(second_port_is_asked_for_by_its_index),
		T(port_that_is_not_listed_is_refused_unasked),
		T(service_that_is_down_gives_a_refusal),
		T(guest_credit_holds_the_service_back),
		T(lie_about_credit_stops_the_stream_only),
		T(slow_service_holds_the_guest_back_and_loses_nothing),
		T(sending_without_credit_resets),
		T(packet_larger_than_any_credit_resets),
		T(guest_half_close_reaches_the_service),
		T(data_after_shutdown_resets),
		T(full_close_is_answered_after_the_last_byte),
		T(service_end_reaches_the_guest),
		T(guest_reset_closes_the_socket_and_is_not_answered),
		T(second_request_for_a_living_stream_resets),
		T(second_request_before_the_answer_resets),
		T(data_before_the_answer_resets),
		T(strange_packets_are_refused),
		T(packets_of_others_are_dropped),
		T(too_many_streams_are_refused),
		T(questions_that_are_open_count_as_streams),
		BARE(refusals_without_buffers_hold_the_guest_back),
		T(length_beyond_the_buffer_breaks_the_ring),
		T(short_header_breaks_the_ring),
		BARE(buffer_too_small_for_a_header_breaks_the_ring),
		T(reset_of_the_device_closes_every_stream),
		T(answer_to_no_question_ends_the_process),
		T(answer_without_its_descriptor_ends_the_process),
		cmocka_unit_test(configs_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests_name("dev_vsock", tests, NULL, NULL);
}
