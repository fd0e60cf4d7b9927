/*
 * The whole of casemate-dev-vsock (device.h): dev_vsock_run(), every operation, credit, resets, the
 * supervisor's answers, services that come and go. fuzz_vsock does the same with a guest that keeps
 * its rings in order. Its own records: u8 what:
 *
 *	0 packet: u8 operation, u8 guest's port, u8 host's port, u16 length, u8 flags, u32 room, u32
 *	  forwarded        1 the oldest question is answered with a socket      2 with an errno
 *	3 a service writes (u8 which, u8 length x 64)     4 it reads     5 it goes     6 it writes no more
 *	7 room for packets: u8 how many, u16 bytes
 */
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/fuzz/device.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/device/dev_vsock.h"
#include "vmm/super/sup_proto.h"

#define SERVICES  8u
#define QUESTIONS 64u
#define GUEST     7u
#define AT_TX     (FRONT_DATA + 0x200000u)
#define AT_RX     (FRONT_DATA + 0x240000u)
#define RX_STRIDE 0x1000u

static int services[SERVICES];
static struct wire_connect questions[QUESTIONS];
static unsigned int n_questions;
static unsigned int n_offered;

static int vsock_run(void)
{
	static struct dev_vsock dev;

	memset(&dev, 0, sizeof dev);
	return dev_vsock_run(&dev);
}

static unsigned int vsock_config(uint8_t *ret_config, int *ret_fds)
{
	const struct wire_vsock_config config = { .cid = le64_of(GUEST),
		.n_ports = le32_of(2),
		.ports = { le32_of(9000), le32_of(9001) } };

	for (unsigned int i = 0; i < SERVICES; i++)
		services[i] = -1;
	n_questions = n_offered = 0;
	memcpy(ret_config, &config, sizeof config);
	return 0;
}

static void vsock_hear(const struct msg *m)
{
	if (m->type != SUP_MSG_CONNECT)
		return;
	if (m->len != sizeof questions[0])
		abort();
	if (n_questions < QUESTIONS)
		memcpy(&questions[n_questions++], m->buf, sizeof questions[0]);
}

static void packet_send(struct front *f, struct rd *r)
{
	struct virtio_vsock_hdr h = {
		.src_cid = GUEST, .dst_cid = 2, .type = VIRTIO_VSOCK_TYPE_STREAM
	};
	uint8_t op = rd_u8(r);

	h.op = op % 9;
	h.src_port = 1 + rd_u8(r) % 4u;
	h.dst_port = 9000 + rd_u8(r) % 3u;
	uint32_t len = rd_le16(r) & 0x7fff;
	h.flags = rd_u8(r) & 3;
	h.buf_alloc = rd_le32(r);
	h.fwd_cnt = rd_le32(r);
	h.len = (op & 0x80) != 0 ? len + 1 : len;
	const struct buf bufs[2] = { { AT_TX, sizeof h, false },
		{ AT_TX + 64, len, (op & 0x40) != 0 } };
	memcpy(f->ram + AT_TX, &h, sizeof h);
	(void)front_offer(f, 1, bufs, len > 0 ? 2 : 1);
	(void)eventfd_write(f->q[1].kick, 1);
}

static void question_answer(struct chan *super, bool is_yes)
{
	struct wire_connected answer = { .err = le32_of(is_yes ? 0 : 111) };
	int pair[2] = { -1, -1 };
	unsigned int i = 0;

	if (n_questions == 0)
		return;
	answer.cookie = questions[0].cookie;
	memmove(questions, questions + 1, --n_questions * sizeof questions[0]);
	while (i < SERVICES - 1 && services[i] >= 0)
		i++;
	fd_drop(&services[i]);
	if (is_yes && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	services[i] = pair[1];
	if (chan_send(super, SUP_MSG_CONNECTED, &answer, sizeof answer, pair, is_yes ? 1 : 0) < 0)
		abort(); /* the process runs, and reads */
	fd_drop(&pair[0]);
}

static void room_offer(struct front *f, struct rd *r)
{
	unsigned int n = rd_u8(r) % 16u + 1;
	uint32_t len = rd_le16(r) % RX_STRIDE;

	for (unsigned int i = 0; i < n; i++) {
		const struct buf b = { AT_RX + n_offered++ % 64u * RX_STRIDE, len, true };
		(void)front_offer(f, 0, &b, 1);
	}
	(void)eventfd_write(f->q[0].kick, 1);
}

static void service_act(uint8_t what, struct rd *r)
{
	static uint8_t buf[16384];
	int *s = &services[rd_u8(r) % SERVICES];
	size_t len = 64u * rd_u8(r);

	if (*s < 0)
		return;
	if (what == 3 && send(*s, buf, len, MSG_NOSIGNAL) < 0)
		return; /* full, or the other end is gone */
	if (what == 4 && recv(*s, buf, len, 0) < 0)
		return;
	if (what == 5)
		fd_drop(s);
	if (what == 6)
		(void)shutdown(*s, SHUT_WR);
}

static void vsock_act(struct front *f, struct chan *super, struct rd *r)
{
	uint8_t what = rd_u8(r) & 7;

	if (what == 0)
		packet_send(f, r);
	else if (what < 3)
		question_answer(super, what == 1);
	else if (what == 7)
		room_offer(f, r);
	else
		service_act(what, r);
}

static void vsock_end(void)
{
	for (unsigned int i = 0; i < SERVICES; i++)
		fd_drop(&services[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct device_fuzz d = { .run = vsock_run,
		.n_queues = 3,
		.config_len = sizeof(struct wire_vsock_config),
		.config = vsock_config,
		.act = vsock_act,
		.hear = vsock_hear,
		.end = vsock_end };

	device_fuzz(&d, data, size);
	return 0;
}
