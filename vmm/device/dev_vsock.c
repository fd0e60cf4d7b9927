#include "vmm/device/dev_vsock.h"

#include <errno.h>
#include <linux/virtio_vsock.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "vmm/device/dev_link.h"
#include "vmm/super/sup_proto.h"

enum { RX, TX, EVENT, N_QUEUES }; /* 5.10.2; we have no event to tell */

#define CID_HOST     2u
#define CID_MIN      3u
#define CID_MAX      0xfffffffeu
#define SHUTDOWN_ALL ((uint32_t)(VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND))

/* Packet header. virtio 1.2, 5.10.6. */
struct wire_vsock {
	le64 src_cid;
	le64 dst_cid;
	le32 src_port;
	le32 dst_port;
	le32 len; /* of the payload behind the header */
	le16 type;
	le16 op;
	le32 flags;
	le32 buf_alloc;
	le32 fwd_cnt;
};
WIRE_SIZE(struct wire_vsock, 44);
WIRE_AT(struct wire_vsock, type, 28);

/* ---- streams --------------------------------------------------------------------------------- */

/* Have the socket in the loop for these events, or not at all: a hung-up socket in the loop would
 * fire for ever. */
static void stream_watch(struct stream *s, uint32_t events)
{
	struct loop *loop = s->dev->back.loop;

	if (events == s->watched)
		return;
	if (events == 0)
		loop_del(loop, &s->sock);
	else if ((s->watched == 0 ? loop_add(loop, &s->sock, events)
				  : loop_mod(loop, &s->sock, events)) < 0)
		events = 0; /* out of kernel memory: the stream stands still */
	s->watched = events;
}

static void stream_close_sock(struct stream *s)
{
	if (s->sock.fd >= 0)
		stream_watch(s, 0);
	fd_drop(&s->sock.fd);
}

/* Without a word to the guest. A question that is still open keeps the row until its answer. */
static void stream_drop(struct stream *s)
{
	stream_close_sock(s);
	s->say = 0;
	s->state = s->state == STREAM_ASKED || s->state == STREAM_DROPPED ? STREAM_DROPPED
									  : STREAM_FREE;
}

/* Tell the guest that it is over; then the row is free. */
static void stream_reset(struct stream *s)
{
	stream_close_sock(s);
	s->say = STREAM_SAY_RESET;
	s->state = STREAM_CLOSING;
}

static bool stream_is_known(const struct stream *s)
{
	return s->state == STREAM_ASKED || s->state == STREAM_OPEN || s->state == STREAM_CLOSING;
}

static struct stream *stream_find(struct dev_vsock *d, uint32_t guest_port, uint32_t host_port)
{
	for (unsigned int i = 0; i < LIMIT_VSOCK_STREAMS; i++) {
		struct stream *s = &d->streams[i];
		if (stream_is_known(s) && s->guest_port == guest_port && s->host_port == host_port)
			return s;
	}
	return NULL;
}

static struct stream *stream_find_free(struct dev_vsock *d)
{
	for (unsigned int i = 0; i < LIMIT_VSOCK_STREAMS; i++)
		if (d->streams[i].state == STREAM_FREE)
			return &d->streams[i];
	return NULL;
}

static uint32_t stream_waiting(const struct stream *s) /* bytes in buf[] */
{
	return s->received - s->forwarded;
}

/* What may be sent to the guest now (5.10.6.3). A guest whose counters lie gets nothing. */
static uint32_t stream_credit(const struct stream *s)
{
	uint32_t in_flight = s->sent - s->guest_forwarded;

	return in_flight < s->guest_room ? s->guest_room - in_flight : 0;
}

static bool stream_wants_input(const struct stream *s)
{
	return s->state == STREAM_OPEN && !s->is_host_ended && !s->is_readable &&
	       (s->shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV) == 0;
}

static void stream_rewatch(struct stream *s)
{
	if (s->state == STREAM_OPEN)
		stream_watch(s, (stream_wants_input(s) ? EPOLLIN : 0u) |
					(stream_waiting(s) > 0 ? EPOLLOUT : 0u));
}

/* The guest sends no more, and all it sent is out: the socket's reader may know. */
static void stream_settle(struct stream *s)
{
	if (stream_waiting(s) > 0 || (s->shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND) == 0)
		return;
	if ((s->shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV) != 0)
		stream_reset(s); /* 5.10.6.5: both directions closed, answered by RST */
	else if (s->is_host_ended)
		s->say |= STREAM_SAY_SHUTDOWN; /* now for both directions */
	else
		(void)shutdown(s->sock.fd, SHUT_WR);
}

/* Write what waits, as far as the socket takes it. */
static void stream_forward(struct stream *s)
{
	while (stream_waiting(s) > 0) {
		uint32_t at = s->forwarded % LIMIT_VSOCK_BYTES;
		uint32_t len = MIN(stream_waiting(s), LIMIT_VSOCK_BYTES - at);
		ssize_t n = send(s->sock.fd, s->buf + at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			stream_reset(s); /* the service is gone */
			return;
		}
		s->forwarded += (uint32_t)n;
	}
	if (s->forwarded - s->told >= LIMIT_VSOCK_BYTES / 2)
		s->say |= STREAM_SAY_CREDIT;
	stream_settle(s);
	stream_rewatch(s);
}

/* ---- to the guest ---------------------------------------------------------------------------- */

static struct wire_vsock packet_of(
	const struct dev_vsock *d, uint32_t guest_port, uint32_t host_port, enum virtio_vsock_op op)
{
	return (struct wire_vsock){
		.src_cid = le64_of(CID_HOST),
		.dst_cid = le64_of(d->setup.cid),
		.src_port = le32_of(host_port),
		.dst_port = le32_of(guest_port),
		.type = le16_of(VIRTIO_VSOCK_TYPE_STREAM),
		.op = le16_of((uint16_t)op),
	};
}

/* A packet of a stream tells the guest our credit as well. */
static struct wire_vsock packet_of_stream(struct stream *s, enum virtio_vsock_op op)
{
	struct wire_vsock w = packet_of(s->dev, s->guest_port, s->host_port, op);

	w.buf_alloc = le32_of(LIMIT_VSOCK_BYTES);
	w.fwd_cnt = le32_of(s->forwarded);
	s->told = s->forwarded;
	s->say &= ~STREAM_SAY_CREDIT;
	return w;
}

/* The buffer to fill, or NULL. One that cannot hold a header breaks the ring. */
static const struct chain *buffer_take(struct dev_vsock *d)
{
	const struct chain *c = vu_back_take_chain(&d->back, RX);

	if (c == NULL || c->write_len >= sizeof(struct wire_vsock))
		return c;
	vu_back_break(&d->back, RX, -EBADMSG);
	return NULL;
}

static MUST_USE bool packet_send(struct dev_vsock *d, const struct wire_vsock *w)
{
	const struct chain *c = buffer_take(d);

	if (c == NULL)
		return false;
	if (chain_write(&d->back.mem, c, 0, w, sizeof *w) < 0) {
		vu_back_break(&d->back, RX, -EFAULT);
		return false;
	}
	vu_back_give_chain(&d->back, RX, (uint32_t)sizeof *w + le32_get(w->len));
	return true;
}

static MUST_USE bool resets_send(struct dev_vsock *d)
{
	while (d->n_resets > 0) {
		const struct reset *r = &d->resets[0];
		struct wire_vsock w =
			packet_of(d, r->guest_port, r->host_port, VIRTIO_VSOCK_OP_RST);
		if (!packet_send(d, &w))
			return false;
		d->n_resets--;
		memmove(&d->resets[0], &d->resets[1], d->n_resets * sizeof d->resets[0]);
	}
	return true;
}

/* What to say, in the order in which it must be said. Data goes before CREDIT's and SHUTDOWN's. */
static MUST_USE bool stream_say(struct stream *s, uint32_t what)
{
	static const struct {
		uint32_t say;
		enum virtio_vsock_op op;
	} order[] = {
		{ STREAM_SAY_RESET, VIRTIO_VSOCK_OP_RST },
		{ STREAM_SAY_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE },
		{ STREAM_SAY_CREDIT, VIRTIO_VSOCK_OP_CREDIT_UPDATE },
		{ STREAM_SAY_SHUTDOWN, VIRTIO_VSOCK_OP_SHUTDOWN },
	};

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		if ((s->say & what & order[i].say) == 0)
			continue;
		if (buffer_take(s->dev) == NULL)
			return false; /* before the packet is made: making it counts as saying it */
		struct wire_vsock w = packet_of_stream(s, order[i].op);
		if (order[i].say == STREAM_SAY_SHUTDOWN)
			w.flags = le32_of((s->shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0
						  ? SHUTDOWN_ALL
						  : VIRTIO_VSOCK_SHUTDOWN_SEND);
		if (!packet_send(s->dev, &w))
			return false;
		s->say &= ~order[i].say;
		if (order[i].say == STREAM_SAY_RESET) {
			s->say = 0;
			s->state = STREAM_FREE;
			return true;
		}
	}
	return true;
}

/* Read the socket straight into the guest's buffer, behind the header. */
static MUST_USE bool data_send(struct stream *s)
{
	struct dev_vsock *d = s->dev;
	struct iovec iov[LIMIT_CHAIN_SEGS];
	unsigned int n_iov;
	const struct chain *c = buffer_take(d);

	if (c == NULL)
		return false;
	uint32_t room = c->write_len - (uint32_t)sizeof(struct wire_vsock);
	uint32_t len = MIN(MIN(stream_credit(s), room), LIMIT_VSOCK_BYTES);
	if (len == 0 ||
		chain_map(&d->back.mem, c, true, sizeof(struct wire_vsock), len, iov, &n_iov) < 0) {
		vu_back_break(&d->back, RX, -EBADMSG);
		return false;
	}
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = n_iov };
	ssize_t n = recvmsg(s->sock.fd, &mh, MSG_DONTWAIT);
	if (n < 0 && errno == EINTR)
		return true; /* once more */
	if (n < 0 && errno != EAGAIN) {
		stream_reset(s);
		return true;
	}
	if (n <= 0) {
		s->is_readable = false;
		if (n < 0)
			return true;
		s->is_host_ended = true;
		s->say |= STREAM_SAY_SHUTDOWN;
		stream_settle(s);
		return true;
	}
	struct wire_vsock w = packet_of_stream(s, VIRTIO_VSOCK_OP_RW);
	w.len = le32_of((uint32_t)n);
	s->sent += (uint32_t)n;
	return packet_send(d, &w);
}

/* One packet of one stream, or several small ones. False: the guest has no more buffers. */
static MUST_USE bool stream_step(struct stream *s)
{
	if (!stream_say(s, STREAM_SAY_RESET | STREAM_SAY_RESPONSE | STREAM_SAY_CREDIT))
		return false;
	if (s->state == STREAM_OPEN && s->is_readable && stream_credit(s) > 0 &&
		(s->shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV) == 0 && !data_send(s))
		return false;
	if (!stream_say(s, STREAM_SAY_RESET | STREAM_SAY_SHUTDOWN))
		return false;
	stream_rewatch(s);
	return true;
}

static bool stream_has_work(const struct stream *s)
{
	return s->say != 0 || (s->state == STREAM_OPEN && s->is_readable && stream_credit(s) > 0 &&
				      (s->shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV) == 0);
}

/* Fill the guest's buffers: refusals first, then the streams by turns. */
static void buffers_fill(struct dev_vsock *d)
{
	bool has_room = resets_send(d);
	unsigned int idle = 0;
	unsigned int turn = 0;

	while (has_room && idle < LIMIT_VSOCK_STREAMS && turn < LIMIT_VU_TURN) {
		struct stream *s = &d->streams[d->next_stream];
		idle = stream_has_work(s) ? 0 : idle + 1;
		if (idle == 0) {
			has_room = stream_step(s);
			turn++;
		}
		if (has_room)
			d->next_stream = (d->next_stream + 1) % LIMIT_VSOCK_STREAMS;
	}
	vu_back_tell(&d->back, RX);
	if (turn == LIMIT_VU_TURN)
		vu_back_kick(&d->back, RX); /* there may be more: after the loop saw to others */
}

static void rx_fill(struct vu_back *b)
{
	struct dev_vsock *d = CONTAINER_OF(b, struct dev_vsock, back);
	bool was_full = d->n_resets == LIMIT_VSOCK_RESETS;

	buffers_fill(d);
	if (was_full && d->n_resets < LIMIT_VSOCK_RESETS)
		vu_back_resume(b, TX);
}

static void sock_fire(struct src *src, uint32_t events)
{
	struct stream *s = CONTAINER_OF(src, struct stream, sock);

	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		s->is_readable = true;
	stream_forward(s);
	rx_fill(&s->dev->back);
	stream_rewatch(s);
}

/* ---- from the guest -------------------------------------------------------------------------- */

/* A packet, copied out: its header, and where its payload is. */
struct packet {
	uint32_t guest_port;
	uint32_t host_port;
	uint32_t len;
	uint32_t flags;
	uint32_t buf_alloc;
	uint32_t fwd_cnt;
	const struct chain *chain;
};

/* 0, or -EAGAIN: no place to remember the refusal, the packet must wait. */
static MUST_USE int packet_refuse(struct dev_vsock *d, const struct packet *p)
{
	if (d->n_resets == LIMIT_VSOCK_RESETS)
		return -EAGAIN;
	d->resets[d->n_resets++] = (struct reset){ p->guest_port, p->host_port };
	return 0;
}

/* The same for a packet that does not suit its stream, which ends. */
static MUST_USE int stream_refuse(struct dev_vsock *d, struct stream *s, const struct packet *p)
{
	if (s->state == STREAM_ASKED) { /* the row must wait for the supervisor's answer */
		int err = packet_refuse(d, p);
		if (err == 0)
			stream_drop(s);
		return err;
	}
	stream_reset(s);
	return 0;
}

static MUST_USE int port_find(const struct dev_vsock *d, uint32_t port, uint32_t *ret_index)
{
	for (uint32_t i = 0; i < d->setup.n_ports; i++) {
		if (d->setup.ports[i] != port)
			continue;
		*ret_index = i;
		return 0;
	}
	return -ENOENT;
}

/* Ask the supervisor for a socket to the service; its answer comes with the cookie. */
static MUST_USE int service_ask(struct dev_vsock *d, uint32_t index, uint32_t cookie)
{
	struct wire_connect ask = { le32_of(index), le32_of(cookie) };

	return chan_send(d->chan, SUP_MSG_CONNECT, &ask, sizeof ask, NULL, 0);
}

static int on_request(struct dev_vsock *d, struct stream *known, const struct packet *p)
{
	struct stream *s = stream_find_free(d);
	uint32_t index;

	if (known != NULL)
		return stream_refuse(d, known, p); /* a second request ends a living stream */
	if (s == NULL || port_find(d, p->host_port, &index) < 0 ||
		service_ask(d, index, d->next_cookie) < 0)
		return packet_refuse(d, p);
	s->state = STREAM_ASKED;
	s->cookie = d->next_cookie++;
	s->guest_port = p->guest_port;
	s->host_port = p->host_port;
	s->say = 0;
	s->shutdown = 0;
	s->is_readable = false;
	s->is_host_ended = false;
	s->received = s->forwarded = s->told = s->sent = 0;
	s->guest_room = p->buf_alloc;
	s->guest_forwarded = p->fwd_cnt;
	return 0;
}

static int on_reset(struct dev_vsock *d, struct stream *s, const struct packet *p)
{
	stream_drop(s);
	return 0;
}

static int on_shutdown(struct dev_vsock *d, struct stream *s, const struct packet *p)
{
	if (s->state != STREAM_OPEN)
		return stream_refuse(d, s, p);
	s->shutdown |= p->flags & SHUTDOWN_ALL;
	stream_settle(s);
	stream_rewatch(s);
	return 0;
}

/* Bytes of the stream. More than we gave credit for ends it. */
static int on_data(struct dev_vsock *d, struct stream *s, const struct packet *p)
{
	const uint32_t hdr = sizeof(struct wire_vsock);

	if (s->state != STREAM_OPEN || p->len > LIMIT_VSOCK_BYTES - stream_waiting(s) ||
		(s->shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0)
		return stream_refuse(d, s, p);
	uint32_t at = s->received % LIMIT_VSOCK_BYTES;
	uint32_t first = MIN(p->len, LIMIT_VSOCK_BYTES - at);
	int err = chain_read(&d->back.mem, p->chain, hdr, s->buf + at, first);
	if (err == 0)
		err = chain_read(&d->back.mem, p->chain, hdr + first, s->buf, p->len - first);
	if (err < 0)
		return err;
	s->received += p->len;
	stream_forward(s);
	return 0;
}

static int on_credit_update(struct dev_vsock *d, struct stream *s, const struct packet *p)
{
	return 0; /* every packet brings the counters */
}

static int on_credit_request(struct dev_vsock *d, struct stream *s, const struct packet *p)
{
	if (s->state == STREAM_OPEN)
		s->say |= STREAM_SAY_CREDIT;
	return 0;
}

/* Operations (5.10.6, table). RESPONSE answers requests of the host; we make none. */
static int (*const operations[])(struct dev_vsock *, struct stream *, const struct packet *) = {
	[VIRTIO_VSOCK_OP_REQUEST] = on_request,
	[VIRTIO_VSOCK_OP_RST] = on_reset,
	[VIRTIO_VSOCK_OP_SHUTDOWN] = on_shutdown,
	[VIRTIO_VSOCK_OP_RW] = on_data,
	[VIRTIO_VSOCK_OP_CREDIT_UPDATE] = on_credit_update,
	[VIRTIO_VSOCK_OP_CREDIT_REQUEST] = on_credit_request,
};

static MUST_USE int packet_serve(
	struct dev_vsock *d, uint16_t op, bool is_stream_type, const struct packet *p)
{
	struct stream *s = stream_find(d, p->guest_port, p->host_port);
	bool is_known = is_stream_type && op < ARRAY_LEN(operations) && operations[op] != NULL;

	if (op == VIRTIO_VSOCK_OP_RST && s == NULL)
		return 0; /* nothing to end, and never an answer to a refusal */
	/* 5.10.6.2: unknown types and operations, and streams nobody knows, get RST. */
	if (!is_known || (s == NULL && op != VIRTIO_VSOCK_OP_REQUEST))
		return s != NULL ? stream_refuse(d, s, p) : packet_refuse(d, p);
	if (s != NULL) {
		s->guest_room = p->buf_alloc;
		s->guest_forwarded = p->fwd_cnt;
	}
	return operations[op](d, s, p);
}

static int tx_serve(struct vu_back *b, const struct chain *c, uint32_t *ret_len)
{
	struct dev_vsock *d = CONTAINER_OF(b, struct dev_vsock, back);
	struct wire_vsock w;

	int err = chain_read(&b->mem, c, 0, &w, sizeof w);
	if (err < 0)
		return err; /* no header: the driver is broken */
	struct packet p = {
		.guest_port = le32_get(w.src_port),
		.host_port = le32_get(w.dst_port),
		.len = le32_get(w.len),
		.flags = le32_get(w.flags),
		.buf_alloc = le32_get(w.buf_alloc),
		.fwd_cnt = le32_get(w.fwd_cnt),
		.chain = c,
	};
	if (p.len > c->read_len - sizeof w)
		return -EBADMSG;
	/* 5.10.6.2: packets from somebody else's context id are dropped; we are nobody's router. */
	if (le64_get(w.src_cid) != d->setup.cid || le64_get(w.dst_cid) != CID_HOST)
		return 0;
	err = packet_serve(d, le16_get(w.op), le16_get(w.type) == VIRTIO_VSOCK_TYPE_STREAM, &p);
	if (err == 0 || err == -EAGAIN)
		buffers_fill(d);
	if (err == -EAGAIN && d->n_resets < LIMIT_VSOCK_RESETS)
		err = packet_refuse(d, &p); /* a buffer came free after all */
	return err;
}

static void vsock_stop(struct vu_back *b, unsigned int queue)
{
	struct dev_vsock *d = CONTAINER_OF(b, struct dev_vsock, back);

	for (unsigned int i = 0; i < LIMIT_VSOCK_STREAMS; i++)
		stream_drop(&d->streams[i]);
	d->n_resets = 0;
}

/* ---- from the supervisor --------------------------------------------------------------------- */

static int on_connected(void *owner, struct msg *m)
{
	struct dev_vsock *d = owner;
	struct wire_connected w;

	memcpy(&w, m->buf, sizeof w);
	if ((le32_get(w.err) == 0) != (m->n_fds == 1))
		return -EBADMSG;
	for (unsigned int i = 0; i < LIMIT_VSOCK_STREAMS; i++) {
		struct stream *s = &d->streams[i];
		if (s->cookie != le32_get(w.cookie) ||
			(s->state != STREAM_ASKED && s->state != STREAM_DROPPED))
			continue;
		if (s->state == STREAM_DROPPED) {
			s->state = STREAM_FREE; /* the descriptor is closed with the message */
			return 0;
		}
		if (m->n_fds == 0) {
			stream_reset(s);
		} else {
			s->sock.fd = msg_take_fd(m, 0);
			s->state = STREAM_OPEN;
			s->say = STREAM_SAY_RESPONSE;
			stream_rewatch(s);
		}
		rx_fill(&d->back);
		return 0;
	}
	return -EPROTO; /* an answer to no question */
}

const struct rule dev_vsock_rules[] = {
	[SUP_MSG_CONNECTED] = { IN(0), 8, 8, 0, 1, false, on_connected },
};
const size_t dev_vsock_n_rules = ARRAY_LEN(dev_vsock_rules);

/* ---- open and close -------------------------------------------------------------------------- */

static const struct vu_ops vsock_ops = {
	.n_queues = N_QUEUES,
	.queues = { [RX] = { .fill = rx_fill }, [TX] = { .serve = tx_serve } },
	.stop = vsock_stop,
};

int dev_vsock_open(struct dev_vsock *d, struct loop *loop, int sock, struct chan *chan,
	const struct dev_vsock_setup *setup, struct why *why)
{
	AUTO(fd) int sock_fd = sock;
	le64 config = le64_of(setup->cid); /* 5.10.4 */

	if (setup->cid < CID_MIN || setup->cid > CID_MAX || setup->n_ports > LIMIT_VSOCK_PORTS)
		return why_set(why, -EINVAL, "context id %llu with %u ports makes no sense",
			(unsigned long long)setup->cid, setup->n_ports);
	d->setup = *setup;
	d->chan = chan;
	for (unsigned int i = 0; i < LIMIT_VSOCK_STREAMS; i++) {
		d->streams[i].dev = d;
		d->streams[i].sock = (struct src){ .fd = -1, .fire = sock_fire };
	}
	return vu_back_open(
		&d->back, loop, fd_take(&sock_fd), &vsock_ops, 0, &config, sizeof config, why);
}

void dev_vsock_close(struct dev_vsock *d)
{
	if (d->back.ops == NULL)
		return;
	for (unsigned int i = 0; i < LIMIT_VSOCK_STREAMS; i++)
		stream_drop(&d->streams[i]);
	vu_back_close(&d->back);
}

/* ---- the process ----------------------------------------------------------------------------- */

static MUST_USE int vsock_open(
	struct dev_vsock *dev, struct loop *loop, struct chan *chan, struct why *why)
{
	struct wire_vsock_config config;
	struct dev_vsock_setup setup = { 0 };

	memcpy(&config, chan->in->buf, sizeof config);
	setup.cid = le64_get(config.cid);
	setup.n_ports = le32_get(config.n_ports); /* judged by dev_vsock_open() */
	for (unsigned int i = 0; i < LIMIT_VSOCK_PORTS; i++)
		setup.ports[i] = le32_get(config.ports[i]);
	return dev_vsock_open(dev, loop, msg_take_fd(chan->in, 0), chan, &setup, why);
}

int dev_vsock_run(struct dev_vsock *dev)
{
	struct loop loop = { .epoll_fd = -1 };
	struct chan chan = { .fd = -1 };
	struct dev_link link;
	struct why why = { 0 };

	int err = child_start(ROLE_DEV_VSOCK, &chan, &why);
	if (err == 0)
		err = child_recv_config(&chan, sizeof(struct wire_vsock_config),
			sizeof(struct wire_vsock_config), 1, 1, &why);
	if (err == 0)
		err = loop_open(&loop);
	if (err == 0)
		err = vsock_open(dev, &loop, &chan, &why);
	if (err == 0)
		err = dev_link_open(&link, &loop, &chan, dev_vsock_rules, dev_vsock_n_rules, dev);
	if (err == 0)
		err = sandbox_enter(ROLE_DEV_VSOCK, &why);
	if (err == 0)
		err = child_send_ready(&chan);
	if (err == 0)
		err = loop_run(&loop);
	dev_vsock_close(dev);
	loop_close(&loop);
	return child_end(&chan, err, &why);
}
