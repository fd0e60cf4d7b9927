#include "tests/unit/vu_front.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/receipt.h"
#include "vmm/super/sup_proto.h"

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Let a back end in this process do everything it can. */
static void back_run(struct front *f)
{
	for (int i = 0; f->loop != NULL && i < 200; i++) {
		struct pollfd p = { .fd = f->loop->epoll_fd, .events = POLLIN };
		if (f->loop->is_stopped || poll(&p, 1, 0) <= 0 || loop_step(f->loop, 0) < 0)
			return;
	}
}

int front_open(struct front *f, struct loop *loop, int *ret_back_sock)
{
	int socks[2];

	*f = (struct front){ .child = SPAWN_CHILD_NONE,
		.chan = { .fd = -1 },
		.loop = loop,
		.sock = -1,
		.mem_fd = -1 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return -errno;
	f->sock = socks[0];
	*ret_back_sock = socks[1];
	f->mem_fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (f->mem_fd < 0 || ftruncate(f->mem_fd, FRONT_RAM) < 0 ||
		fcntl(f->mem_fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return -errno;
	f->ram = mmap(NULL, FRONT_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, f->mem_fd, 0);
	if (f->ram == MAP_FAILED)
		return -errno;
	for (unsigned int i = 0; i < FRONT_QUEUES; i++) {
		f->q[i].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		f->q[i].call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		f->q[i].err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	return 0;
}

/* READY, or FAILED with the reason. */
static MUST_USE int ready_wait(struct front *f, struct why *why)
{
	struct pollfd p = { .fd = f->chan.fd, .events = POLLIN };
	struct wire_failed failed;

	if (poll(&p, 1, FRONT_WAIT) <= 0)
		return why_set(why, -ETIMEDOUT, "no READY");
	int err = chan_recv(&f->chan, false);
	if (err < 0)
		return err;
	if (f->chan.in->type == SUP_MSG_READY) {
		struct receipt_want want = receipt_want_of(&f->child, 0);
		struct wire_receipt receipt;
		return receipt_verify(
			&f->child, &want, f->chan.in->buf, f->chan.in->len, &receipt, why);
	}
	if (f->chan.in->type != SUP_MSG_FAILED || f->chan.in->len != sizeof failed)
		return -EPROTO;
	memcpy(&failed, f->chan.in->buf, sizeof failed);
	failed.text[sizeof failed.text - 1] = 0;
	return why_set(why, -(int)le32_get(failed.err), "%s", failed.text);
}

int front_start(struct front *f, enum role role, const void *config, size_t len, const int *fds,
	unsigned int n_fds, struct why *why)
{
	int all[8] = { -1 };

	int err = front_open(f, NULL, &all[0]);
	AUTO(fd) int back_sock = all[0];
	if (n_fds > 0)
		memcpy(all + 1, fds, n_fds * sizeof(int));
	if (err == 0)
		err = spawn_start(role, NULL, 0, NULL, &f->child, why);
	if (err == 0)
		err = chan_open(&f->chan, fd_take(&f->child.chan_fd));
	if (err == 0)
		err = chan_send(&f->chan, SUP_MSG_CONFIG, config, len, all, n_fds + 1);
	return err < 0 ? err : ready_wait(f, why);
}

void front_close(struct front *f)
{
	for (unsigned int i = 0; i < FRONT_QUEUES; i++) {
		fd_drop(&f->q[i].kick);
		fd_drop(&f->q[i].call);
		fd_drop(&f->q[i].err);
	}
	chan_close(&f->chan);
	spawn_kill(&f->child);
	fd_drop(&f->sock);
	fd_drop(&f->mem_fd);
	if (f->ram != NULL && f->ram != MAP_FAILED)
		(void)munmap(f->ram, FRONT_RAM);
	f->ram = NULL;
}

int front_call(struct front *f, enum vu_request request, const void *payload, size_t len,
	const int *fds, unsigned int n_fds, void *ret, size_t ret_len)
{
	if (f->loop == NULL)
		return vu_call(f->sock, request, payload, len, fds, n_fds, ret, ret_len, NULL);
	/* In one process: send, let the other side run, and the answer is there. */
	AUTO(vu_msg) struct vu_msg m = { 0 };
	uint32_t flags = VU_VERSION | (ret == NULL ? VU_NEED_REPLY : 0);
	int err = vu_send(f->sock, request, flags, payload, len, fds, n_fds);
	back_run(f);
	if (err == 0)
		err = vu_recv(f->sock, &m, 0);
	if (err == 0 && m.len != (ret == NULL ? sizeof(struct vu_u64) : ret_len))
		err = -EBADMSG;
	if (err == 0 && ret != NULL)
		memcpy(ret, m.buf, ret_len);
	if (err == 0 && ret == NULL && (m.buf[0] | m.buf[1]) != 0)
		err = -EREMOTEIO;
	return err;
}

int front_agree(struct front *f, uint64_t features)
{
	struct vu_u64 v = { 0 };
	struct vu_u64 protocol = { le64_of(VU_PROTOCOL_REPLY_ACK | VU_PROTOCOL_CONFIG) };
	struct vu_u64 agreed = { le64_of(features | 1ull << 32 | VU_F_PROTOCOL_FEATURES) };

	int err = front_call(f, VU_GET_FEATURES, NULL, 0, NULL, 0, &v, sizeof v);
	if (err == 0)
		f->features = le64_get(v.v);
	if (err == 0)
		err = vu_tell(f->sock, VU_SET_PROTOCOL_FEATURES, &protocol, sizeof protocol, NULL,
			0, NULL);
	if (err == 0)
		err = front_call(f, VU_SET_OWNER, NULL, 0, NULL, 0, NULL, 0);
	if (err == 0)
		err = front_call(f, VU_SET_FEATURES, &agreed, sizeof agreed, NULL, 0, NULL, 0);
	return err;
}

int front_give_memory(struct front *f)
{
	struct vu_mem_table t = { .n = le32_of(1) };

	t.at[0] = (struct vu_region){ le64_of(FRONT_GPA), le64_of(FRONT_RAM), le64_of(FRONT_USER),
		le64_of(0) };
	return front_call(f, VU_SET_MEM_TABLE, &t, VU_MEM_TABLE_BYTES(1), &f->mem_fd, 1, NULL, 0);
}

int front_start_queue(struct front *f, unsigned int q)
{
	struct vu_state num = { le32_of(q), le32_of(FRONT_SIZE) };
	struct vu_state base = { le32_of(q), le32_of(f->q[q].taken) };
	struct vu_state enable = { le32_of(q), le32_of(1) };
	struct vu_u64 index = { le64_of(q) };
	struct vu_addr addr = {
		.index = le32_of(q),
		.desc = le64_of(FRONT_USER + FRONT_DESC(q)),
		.avail = le64_of(FRONT_USER + FRONT_AVAIL(q)),
		.used = le64_of(FRONT_USER + FRONT_USED(q)),
	};

	int err = front_call(f, VU_SET_VRING_NUM, &num, sizeof num, NULL, 0, NULL, 0);
	if (err == 0)
		err = front_call(f, VU_SET_VRING_BASE, &base, sizeof base, NULL, 0, NULL, 0);
	if (err == 0)
		err = front_call(f, VU_SET_VRING_ADDR, &addr, sizeof addr, NULL, 0, NULL, 0);
	if (err == 0)
		err = front_call(
			f, VU_SET_VRING_CALL, &index, sizeof index, &f->q[q].call, 1, NULL, 0);
	if (err == 0)
		err = front_call(
			f, VU_SET_VRING_ERR, &index, sizeof index, &f->q[q].err, 1, NULL, 0);
	if (err == 0)
		err = front_call(
			f, VU_SET_VRING_KICK, &index, sizeof index, &f->q[q].kick, 1, NULL, 0);
	if (err == 0)
		err = front_call(f, VU_SET_VRING_ENABLE, &enable, sizeof enable, NULL, 0, NULL, 0);
	return err;
}

int front_stop_queue(struct front *f, unsigned int q, uint16_t *ret_base)
{
	struct vu_state s = { le32_of(q), le32_of(0) };
	int err = front_call(f, VU_GET_VRING_BASE, &s, sizeof s, NULL, 0, &s, sizeof s);

	if (err == 0)
		*ret_base = (uint16_t)le32_get(s.num);
	return err;
}

int front_run(struct front *f, uint64_t features, unsigned int n)
{
	int err = front_agree(f, features);

	if (err == 0)
		err = front_give_memory(f);
	for (unsigned int q = 0; err == 0 && q < n; q++)
		err = front_start_queue(f, q);
	return err;
}

void front_put_desc(struct front *f, unsigned int q, uint16_t i, uint64_t gpa, uint32_t len,
	uint16_t flags, uint16_t next)
{
	struct wire_desc d = { le64_of(gpa), le32_of(len), le16_of(flags), le16_of(next) };

	memcpy(f->ram + FRONT_DESC(q) + 16u * i, &d, sizeof d);
}

static uint16_t *word(struct front *f, uint32_t at)
{
	return (uint16_t *)(void *)(f->ram + at);
}

void front_put_head(struct front *f, unsigned int q, uint16_t head)
{
	struct front_queue *fq = &f->q[q];

	*word(f, FRONT_AVAIL(q) + 4 + 2u * (fq->offered % FRONT_SIZE)) = head;
	fq->offered++;
	__atomic_store_n(word(f, FRONT_AVAIL(q) + 2), fq->offered, __ATOMIC_SEQ_CST);
}

uint16_t front_offer(struct front *f, unsigned int q, const struct buf *bufs, unsigned int n)
{
	struct front_queue *fq = &f->q[q];
	uint16_t head = (uint16_t)(fq->next_desc % FRONT_SIZE);

	for (unsigned int i = 0; i < n; i++) {
		uint16_t at = (uint16_t)(fq->next_desc++ % FRONT_SIZE);
		uint32_t flags = (bufs[i].device_writes ? VRING_DESC_WRITE : 0u) |
				 (i + 1 < n ? VRING_DESC_NEXT : 0u);
		front_put_desc(f, q, at, FRONT_GPA + bufs[i].at, bufs[i].len, (uint16_t)flags,
			(uint16_t)(fq->next_desc % FRONT_SIZE));
	}
	front_put_head(f, q, head);
	return head;
}

void front_kick(struct front *f, unsigned int q)
{
	(void)eventfd_write(f->q[q].kick, 1);
	back_run(f);
}

int front_wait(
	struct front *f, unsigned int q, int timeout_ms, uint16_t *ret_head, uint32_t *ret_len)
{
	struct front_queue *fq = &f->q[q];
	int64_t end = now_ms() + timeout_ms;

	for (;;) {
		eventfd_t n;
		back_run(f);
		if (__atomic_load_n(word(f, FRONT_USED(q) + 2), __ATOMIC_SEQ_CST) != fq->taken)
			break;
		struct pollfd p = { .fd = fq->call, .events = POLLIN };
		int64_t left = end - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		(void)poll(&p, 1, (int)MIN(left, f->loop != NULL ? 1 : 100));
		(void)eventfd_read(fq->call, &n);
	}
	const uint8_t *e = f->ram + FRONT_USED(q) + 4 + 8u * (fq->taken % FRONT_SIZE);
	struct {
		le32 id;
		le32 len;
	} used;
	memcpy(&used, e, sizeof used);
	fq->taken++;
	if (ret_head != NULL)
		*ret_head = (uint16_t)le32_get(used.id);
	*ret_len = le32_get(used.len);
	return 0;
}

int front_do(struct front *f, unsigned int q, const struct buf *bufs, unsigned int n)
{
	uint16_t head = front_offer(f, q, bufs, n);
	uint16_t got;
	uint32_t len;

	front_kick(f, q);
	int err = front_wait(f, q, FRONT_WAIT, &got, &len);
	if (err == 0 && got != head)
		err = -EBADMSG;
	return err < 0 ? err : (int)len;
}

bool front_is_broken(struct front *f, unsigned int q, int timeout_ms)
{
	struct pollfd p = { .fd = f->q[q].err, .events = POLLIN };

	back_run(f);
	return poll(&p, 1, timeout_ms) == 1;
}

int front_wait_end(struct front *f)
{
	struct pollfd p = { .fd = f->child.pidfd, .events = POLLIN };
	struct spawn_end end;

	if (poll(&p, 1, FRONT_WAIT) <= 0)
		return -ETIMEDOUT;
	int err = spawn_reap(&f->child, &end);
	return err < 0 ? err : end.status + (end.is_signal ? 128 : 0);
}
