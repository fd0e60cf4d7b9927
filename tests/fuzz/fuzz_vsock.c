/*
 * Packets of a guest, answers of a supervisor and bytes of a service into dev_vsock: tx_serve and
 * every operation, stream_forward, stream_say, data_send, resets_send, on_connected, vsock_stop.
 *
 * Input: records that begin with a u8: 0 guest packet (44 bytes of header, u8 payload length; the
 * context ids are put right unless bit 7 is set), 1 connect the oldest question, 2 refuse it,
 * 3 the service writes (u8 length), 4 the service reads, 5 it closes, 6 the device is reset.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/rd.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/vu_front.h"
#include "vmm/device/dev_link.h"
#include "vmm/device/dev_vsock.h"
#include "vmm/super/sup_proto.h"

enum { RX, TX };

#define RECORDS_MAX 64
#define AT_TX       FRONT_DATA
#define AT_RX       (FRONT_DATA + 0x1000)
#define RX_ROOM     512u
#define RX_N        8u

struct world {
	struct front f;
	struct dev_vsock dev;
	struct loop loop;
	struct dev_link link;
	struct chan super;
	struct chan child;
	struct why why;
	int service;
};

static void buffers_offer(struct world *w)
{
	for (unsigned int i = 0; i < RX_N; i++) {
		const struct buf b = { AT_RX + i * RX_ROOM, RX_ROOM, true };
		(void)front_offer(&w->f, RX, &b, 1);
	}
	front_kick(&w->f, RX);
}

/* Take what the device gave back, and offer the same room again. */
static void guest_read(struct world *w)
{
	uint16_t head;
	uint32_t len;

	for (unsigned int i = 0; i < RX_N && front_wait(&w->f, RX, 0, &head, &len) == 0; i++) {
		const struct buf b = { AT_RX + (head % RX_N) * RX_ROOM, RX_ROOM, true };
		if (len < 44 || len > RX_ROOM)
			abort();
		(void)front_offer(&w->f, RX, &b, 1);
	}
	front_kick(&w->f, RX);
}

static void guest_send(struct world *w, struct rd *r, bool is_raw)
{
	static const uint8_t cids[16] = { 7, 0, 0, 0, 0, 0, 0, 0, 2 };
	uint8_t hdr[44];
	uint32_t len;

	rd_copy(r, hdr, sizeof hdr);
	const struct buf bufs[2] = { { AT_TX, sizeof hdr, false },
		{ AT_TX + 64, rd_u8(r), false } };
	if (!is_raw)
		memcpy(hdr, cids, sizeof cids);
	memcpy(w->f.ram + AT_TX, hdr, sizeof hdr);
	(void)front_offer(&w->f, TX, bufs, bufs[1].len > 0 ? 2 : 1);
	front_kick(&w->f, TX);
	while (front_wait(&w->f, TX, 0, NULL, &len) == 0)
		;
}

static void super_answer(struct world *w, bool is_yes)
{
	struct wire_connected answer = { .err = le32_of(is_yes ? 0 : 111) };
	int pair[2] = { -1, -1 };

	if (chan_recv(&w->super, false) < 0 || w->super.in->type != SUP_MSG_CONNECT)
		return;
	memcpy(&answer.cookie, w->super.in->buf + 4, sizeof answer.cookie);
	if (is_yes && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	if (chan_send(&w->super, SUP_MSG_CONNECTED, &answer, sizeof answer, pair, is_yes ? 1 : 0) <
		0)
		abort();
	if (is_yes) {
		(void)close(pair[0]);
		fd_drop(&w->service);
		w->service = pair[1];
	}
}

static void device_reset(struct world *w)
{
	uint16_t base;

	for (unsigned int q = 0; q < 2; q++) {
		if (front_stop_queue(&w->f, q, &base) < 0)
			return;
		memset(w->f.ram + FRONT_AVAIL(q), 0, 0x2000);
		w->f.q[q].offered = w->f.q[q].taken = 0;
		if (front_start_queue(&w->f, q) < 0)
			return;
	}
	buffers_offer(w);
}

static void record_run(struct world *w, struct rd *r)
{
	uint8_t buf[256] = { 0 };
	uint8_t kind = rd_u8(r);

	switch (kind & 7) {
	case 0:
		guest_send(w, r, (kind & 0x80) != 0);
		break;
	case 1:
	case 2:
		super_answer(w, (kind & 7) == 1);
		break;
	case 3:
		if (w->service >= 0 && send(w->service, buf, rd_u8(r), MSG_NOSIGNAL) < 0)
			fd_drop(&w->service);
		break;
	case 4:
		if (w->service >= 0 && recv(w->service, buf, sizeof buf, 0) == 0)
			fd_drop(&w->service);
		break;
	case 5:
		fd_drop(&w->service);
		break;
	case 6:
		device_reset(w);
		break;
	default:
		break;
	}
	guest_read(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;
	struct world *w = &world;
	const struct dev_vsock_setup setup = { .cid = 7, .n_ports = 1, .ports = { 9000 } };
	struct rd r = rd_of(data, size);
	int chans[2];
	int sock = -1;

	log_set_level(LOG_LEVEL_ERR);
	memset(w, 0, sizeof *w);
	w->service = -1;
	if (chan_pair(chans) < 0 || chan_open(&w->super, chans[0]) < 0 ||
		chan_open(&w->child, chans[1]) < 0 || loop_open(&w->loop) < 0 ||
		front_open(&w->f, &w->loop, &sock) < 0 ||
		dev_vsock_open(&w->dev, &w->loop, sock, &w->child, &setup, &w->why) < 0 ||
		dev_link_open(&w->link, &w->loop, &w->child, dev_vsock_rules, dev_vsock_n_rules,
			&w->dev) < 0 ||
		front_run(&w->f, VRING_F_INDIRECT, 2) < 0)
		abort();
	buffers_offer(w);
	for (int i = 0; i < RECORDS_MAX && r.left > 0 && rd_check(&r) == 0; i++)
		record_run(w, &r);
	if (w->loop.is_stopped)
		abort(); /* no guest and no service may end the process */
	dev_vsock_close(&w->dev);
	front_close(&w->f);
	loop_close(&w->loop);
	chan_close(&w->super);
	chan_close(&w->child);
	fd_drop(&w->service);
	return 0;
}
