#include "tests/fuzz/device.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "sandbox/sandbox.h"
#include "tests/fuzz/guard.h"
#include "vmm/super/sup_proto.h"

#define RECORDS_MAX 200
#define STEPS_MAX   400 /* of the loop after a record: a ring that feeds itself goes on later */
#define SEND_FDS    16u
#define SMALL_RAM   0x10000u
#define FDS_COUNTED 256

enum { FLAG_CONFIG = 1, FLAG_RAW = 2, FLAG_INDIRECT = 4, FLAG_EVENT = 8 };

/* Descriptors that a message may bring. */
enum { FD_EVENT, FD_MEMORY, FD_SMALL, FD_UNSEALED, FD_BLOCKING, FD_NULL, FD_KICK, FD_SOCKET, FD_N };

static struct {
	const struct device_fuzz *d;
	struct front front;
	struct chan super;
	int child_fd; /* until the process takes it */
	struct loop *loop;
	struct rd in;
	unsigned int flags;
	int fds[FD_N];
	uint32_t last_at, last_len; /* of guest memory that a record wrote */
	bool is_racing;
} run;

/* ---- what the linker exchanges ---------------------------------------------------------------- */

int __wrap_child_start(enum role role, struct chan *ret, struct why *why);
int __wrap_sandbox_enter(enum role role, struct why *why);
int __wrap_loop_run(struct loop *loop);

int __wrap_child_start(enum role role, struct chan *ret, struct why *why)
{
	return chan_open(ret, fd_take(&run.child_fd));
}

int __wrap_sandbox_enter(enum role role, struct why *why)
{
	return 0;
}

/* ---- descriptors ------------------------------------------------------------------------------ */

static unsigned int fds_count(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < FDS_COUNTED; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int memory_make(off_t size, int seals)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, size) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0)
		finding("no process to test");
	return fd;
}

static void fds_make(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		finding("no process to test");
	(void)close(pair[1]);
	run.fds[FD_EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	run.fds[FD_MEMORY] = fcntl(run.front.mem_fd, F_DUPFD_CLOEXEC, 0);
	run.fds[FD_SMALL] = memory_make(SMALL_RAM, F_SEAL_SHRINK);
	run.fds[FD_UNSEALED] = memory_make(SMALL_RAM, 0);
	run.fds[FD_BLOCKING] = eventfd(0, EFD_CLOEXEC);
	run.fds[FD_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	run.fds[FD_KICK] = fcntl(run.front.q[0].kick, F_DUPFD_CLOEXEC, 0);
	run.fds[FD_SOCKET] = pair[0];
}

/* Send bytes with descriptors; low four bits of which: how many, the others: the first. */
static void bytes_send(int sock, const void *buf, size_t len, uint8_t which)
{
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(SEND_FDS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	unsigned int n = which & 15;
	int fds[SEND_FDS];

	for (unsigned int i = 0; i < n; i++)
		fds[i] = run.fds[((which >> 4) + (n > 4 ? i : 0)) % FD_N];
	if (n > 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
		*cm = (struct cmsghdr){ CMSG_LEN(n * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	}
	if (sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* the relation is over, or its answers fill the socket */
}

static void answers_drop(void)
{
	uint8_t buf[4096];

	while (recv(run.front.sock, buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
	while (chan_recv(&run.super, false) == 0)
		if (run.d->hear != NULL)
			run.d->hear(run.super.in);
}

/* ---- the guest -------------------------------------------------------------------------------- */

static void memory_flip(void)
{
	for (uint32_t i = 0; run.is_racing && i < run.last_len; i++)
		run.front.ram[run.last_at + i] ^= 0xffu;
}

void device_settle(void)
{
	struct pollfd p = { .fd = run.loop->epoll_fd, .events = POLLIN };

	for (int i = 0; i < STEPS_MAX && !run.loop->is_stopped && poll(&p, 1, 0) == 1; i++) {
		if (loop_step(run.loop, 0) < 0)
			finding("no process to test");
		memory_flip();
	}
}

static void memory_write(struct rd *r)
{
	uint32_t at = rd_le16(r);
	uint8_t buf[256];

	at |= (uint32_t)rd_u8(r) << 16;
	uint8_t len = rd_u8(r);
	size_t n = MIN((size_t)len, r->left);
	rd_copy(r, buf, n);
	run.last_at = at % (FRONT_RAM - sizeof buf);
	run.last_len = (uint32_t)n;
	memcpy(run.front.ram + run.last_at, buf, n);
}

static unsigned int queue_read(struct rd *r)
{
	return rd_u8(r) % run.d->n_queues;
}

static void desc_write(struct rd *r)
{
	unsigned int q = queue_read(r);
	uint8_t i = rd_u8(r);
	uint32_t at = rd_le32(r);
	uint32_t len = rd_le32(r);
	uint8_t flags = rd_u8(r);

	/* Most of them into memory: the top bit says that it is meant as it stands. */
	uint64_t gpa = (at & 1u << 31) != 0 ? (uint64_t)at << 12 : FRONT_GPA + at % FRONT_RAM;
	front_put_desc(&run.front, q, i % FRONT_SIZE, gpa, len, flags, rd_u8(r));
}

/* Buffers of a chain lie in a window of the queue's own, one behind the other. */
static void chain_offer(struct rd *r)
{
	unsigned int q = queue_read(r);
	unsigned int n = rd_u8(r) % 4 + 1;
	uint32_t at = FRONT_DATA + q * 0x40000u +
		      run.front.q[q].offered % 8u * 0x8000u; /* of 4 x up to 32 KiB, overlapping */
	struct buf bufs[4];
	uint8_t buf[256];

	for (unsigned int i = 0; i < n; i++) {
		uint16_t word = rd_le16(r);
		bufs[i] = (struct buf){ at, word & 0x7fffu, (word & 0x8000u) != 0 };
		at += MAX(bufs[i].len, 16u);
	}
	size_t len = rd_u8(r); /* MIN() asks twice */

	len = MIN(len, r->left);
	rd_copy(r, buf, len);
	memcpy(run.front.ram + bufs[0].at, buf, len);
	run.last_at = bufs[0].at;
	run.last_len = (uint32_t)len;
	(void)front_offer(&run.front, q, bufs, n);
	(void)eventfd_write(run.front.q[q].kick, 1);
}

/* A driver takes its buffers back and gives them again, as they were. */
static void used_take(struct rd *r)
{
	unsigned int q = queue_read(r);
	uint16_t head;
	uint32_t len;

	for (unsigned int i = 0; i < FRONT_SIZE && front_wait(&run.front, q, 0, &head, &len) == 0 &&
				 head < FRONT_SIZE;
		i++)
		front_put_head(&run.front, q, head);
	(void)eventfd_write(run.front.q[q].kick, 1);
}

/* ---- monitor and supervisor ------------------------------------------------------------------- */

static uint32_t request_len(uint8_t request)
{
	static const uint16_t lens[VU_REQUEST_COUNT] = {
		[VU_SET_FEATURES] = 8,
		[VU_SET_MEM_TABLE] = VU_MEM_TABLE_BYTES(1),
		[VU_SET_VRING_NUM] = 8,
		[VU_SET_VRING_ADDR] = 40,
		[VU_SET_VRING_BASE] = 8,
		[VU_GET_VRING_BASE] = 8,
		[VU_SET_VRING_KICK] = 8,
		[VU_SET_VRING_CALL] = 8,
		[VU_SET_VRING_ERR] = 8,
		[VU_SET_PROTOCOL_FEATURES] = 8,
		[VU_SET_VRING_ENABLE] = 8,
		[VU_GET_CONFIG] = 12 + 60,
		[VU_SET_CONFIG] = 12 + 4,
	};

	return request < VU_REQUEST_COUNT ? lens[request] : 0;
}

static void message_send(struct rd *r)
{
	uint8_t request = rd_u8(r);
	uint8_t which = rd_u8(r);
	uint32_t len = rd_u8(r);
	uint8_t msg[sizeof(struct vu_hdr) + 256] = { 0 };
	uint32_t flags = VU_VERSION | ((request & 0x80) != 0 ? VU_NEED_REPLY : 0);

	request &= 0x7f;
	if (len == 255)
		len = request_len(request);
	struct vu_hdr hdr = { le32_of(request), le32_of(flags), le32_of(len) };
	memcpy(msg, &hdr, sizeof hdr);
	rd_copy(r, msg + sizeof hdr, MIN((size_t)len, r->left));
	bytes_send(run.front.sock, msg, sizeof hdr + len, which);
}

static void raw_send(struct rd *r)
{
	uint8_t which = rd_u8(r);
	size_t len = rd_u8(r); /* MIN() asks twice */

	len = MIN(len, r->left);
	const uint8_t *bytes = rd_bytes(r, len);

	if (bytes != NULL)
		bytes_send(run.front.sock, bytes, len, which);
}

static void super_send(struct rd *r)
{
	uint8_t type = rd_u8(r);
	uint8_t which = rd_u8(r);
	size_t len = rd_u8(r); /* MIN() asks twice */

	len = MIN(len, r->left);
	uint8_t msg[sizeof(struct chan_hdr) + 256];
	struct chan_hdr hdr = { le16_of(type & 0x7f), le16_of(type >> 7), le32_of((uint32_t)len) };

	memcpy(msg, &hdr, sizeof hdr);
	rd_copy(r, msg + sizeof hdr, len);
	if (run.super.fd >= 0)
		bytes_send(run.super.fd, msg, sizeof hdr + len, which);
}

static void agree(void)
{
	uint64_t f = ((run.flags & FLAG_INDIRECT) != 0 ? VRING_F_INDIRECT : 0) |
		     ((run.flags & FLAG_EVENT) != 0 ? VRING_F_EVENT_IDX : 0);

	if (front_run(&run.front, f, run.d->n_queues) < 0)
		answers_drop(); /* the process is free to refuse what came before */
}

static void queue_change(struct rd *r)
{
	uint8_t byte = rd_u8(r);
	unsigned int q = (byte & 0x7fu) % run.d->n_queues;
	uint16_t base = 0;
	int err;

	if ((byte & 0x80) != 0) {
		err = front_stop_queue(&run.front, q, &base);
		if (err == 0)
			run.front.q[q].taken = run.front.q[q].offered = base;
	} else {
		err = front_start_queue(&run.front, q);
	}
	if (err < 0)
		answers_drop();
}

/* ---- the script ------------------------------------------------------------------------------- */

static void record_run(struct rd *r)
{
	uint8_t what = rd_u8(r);

	run.is_racing = (what & 0x40) != 0;
	switch ((what & 15) % DEVICE_RECORD_COUNT) {
	case DEVICE_MEMORY:
		memory_write(r);
		break;
	case DEVICE_DESC:
		desc_write(r);
		break;
	case DEVICE_HEAD: {
		unsigned int q = queue_read(r);
		front_put_head(&run.front, q, rd_u8(r));
		(void)eventfd_write(run.front.q[q].kick, 1);
		break;
	}
	case DEVICE_OFFER:
		chain_offer(r);
		break;
	case DEVICE_INDEX: {
		unsigned int q = queue_read(r);
		le16 index = le16_of(rd_le16(r));
		memcpy(run.front.ram + FRONT_AVAIL(q) + 2, &index, sizeof index);
		run.front.q[q].offered = le16_get(index);
		break;
	}
	case DEVICE_KICK:
		(void)eventfd_write(run.front.q[queue_read(r)].kick, 1);
		break;
	case DEVICE_MESSAGE:
		message_send(r);
		break;
	case DEVICE_BYTES:
		raw_send(r);
		break;
	case DEVICE_QUEUE:
		queue_change(r);
		break;
	case DEVICE_SUPER:
		super_send(r);
		break;
	case DEVICE_OWN:
		if (run.d->act != NULL)
			run.d->act(&run.front, &run.super, r);
		break;
	case DEVICE_AGREE:
		agree();
		break;
	default:
		used_take(r);
		break;
	}
	if ((what & 0x80) == 0)
		device_settle();
	answers_drop();
}

/* The process is ready and would serve: now everybody does what the input says. */
int __wrap_loop_run(struct loop *loop)
{
	run.loop = run.front.loop = loop;
	if ((run.flags & FLAG_RAW) == 0)
		agree();
	answers_drop();
	for (int i = 0; i < RECORDS_MAX && run.in.left > 0 && !loop->is_stopped; i++)
		record_run(&run.in);
	run.is_racing = false;
	/* The end of the monitor must be its end. */
	fd_drop(&run.front.sock);
	for (int i = 0; i < 8 && !loop->is_stopped; i++)
		device_settle();
	if (!loop->is_stopped)
		finding("it lives on without its monitor");
	return loop->result;
}

static void config_send(void)
{
	uint8_t config[256] = { 0 };
	int fds[4] = { -1, -1, -1, -1 };
	unsigned int n = 1 + run.d->config(config, fds + 1);

	if (front_open(&run.front, NULL, &fds[0]) < 0)
		finding("no process to test");
	if ((run.flags & FLAG_CONFIG) != 0)
		rd_copy(&run.in, config, MIN(run.d->config_len, run.in.left));
	if (chan_send(&run.super, SUP_MSG_CONFIG, config, run.d->config_len, fds, n) < 0)
		finding("no process to test");
	for (unsigned int i = 0; i < n; i++)
		fd_drop(&fds[i]);
}

void device_fuzz(const struct device_fuzz *d, const uint8_t *data, size_t size)
{
	unsigned int before = fds_count();
	int chans[2];

	log_set_level(LOG_LEVEL_ERR);
	memset(&run, 0, sizeof run);
	run.d = d;
	run.in = rd_of(data, size);
	run.flags = rd_u8(&run.in);
	if (chan_pair(chans) < 0 || chan_open(&run.super, chans[0]) < 0)
		finding("no process to test");
	run.child_fd = chans[1];
	config_send();
	fds_make();
	(void)d->run();
	chan_close(&run.super);
	front_close(&run.front);
	for (unsigned int i = 0; i < FD_N; i++)
		fd_drop(&run.fds[i]);
	if (d->end != NULL)
		d->end();
	if (fds_count() != before)
		finding("a descriptor leaked, or one that was not theirs is closed");
	if (guard_count() != 0)
		finding("a mapping leaked");
}
