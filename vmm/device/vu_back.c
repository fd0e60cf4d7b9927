#include "vmm/device/vu_back.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"

#define FEATURES_ALWAYS                                                                            \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ACCESS_PLATFORM | VRING_F_INDIRECT |        \
		VRING_F_EVENT_IDX | VU_F_PROTOCOL_FEATURES)
#define PROTOCOL_OFFERED                                                                           \
	(VU_PROTOCOL_MQ | VU_PROTOCOL_REPLY_ACK | VU_PROTOCOL_CONFIG | VU_PROTOCOL_RESET_DEVICE)

/* ---- queues ---------------------------------------------------------------------------------- */

static void event_signal(int fd)
{
	const uint64_t one = 1;

	if (fd >= 0) {
		ssize_t n = write(fd, &one, sizeof one);
		(void)n; /* EAGAIN: the counter is full, so the other side has enough to wake up for */
	}
}

static bool queue_is_ready(const struct vu_queue *q)
{
	return vring_is_running(&q->ring) && q->is_enabled && q->kick.fd >= 0;
}

/* Watch the kick while the queue can run, and only then: nobody would read it otherwise. */
static MUST_USE int queue_watch(struct vu_queue *q)
{
	bool is_wanted = queue_is_ready(q);
	int err = 0;

	if (is_wanted && !q->is_watched)
		err = loop_add(q->back->loop, &q->kick, EPOLLIN);
	if (!is_wanted && q->is_watched)
		loop_del(q->back->loop, &q->kick);
	if (err == 0)
		q->is_watched = is_wanted;
	return err;
}

static unsigned int queue_index(const struct vu_queue *q)
{
	return (unsigned int)(q - q->back->q);
}

void vu_back_break(struct vu_back *b, unsigned int queue, int err)
{
	struct vu_queue *q = &b->q[queue];

	vring_break(&q->ring);
	q->has_chain = false;
	if (q->is_watched)
		loop_del(b->loop, &q->kick);
	q->is_watched = false;
	log_warn_seldom("queue %u is broken: %s", queue, strerrordesc_np(-err));
	event_signal(q->err_fd);
}

const struct chain *vu_back_take_chain(struct vu_back *b, unsigned int queue)
{
	struct vu_queue *q = &b->q[queue];

	if (!queue_is_ready(q))
		return NULL;
	if (q->has_chain)
		return &q->chain;
	int err = vring_pop_chain(&q->ring, &q->chain);
	if (err == -EAGAIN && vring_want_kicks(&q->ring, true))
		err = vring_pop_chain(&q->ring, &q->chain);
	if (err < 0) {
		if (err != -EAGAIN)
			vu_back_break(b, queue, err);
		return NULL;
	}
	q->has_chain = true;
	return &q->chain;
}

void vu_back_give_chain(struct vu_back *b, unsigned int queue, uint32_t len)
{
	struct vu_queue *q = &b->q[queue];

	assert(q->has_chain);
	q->has_chain = false;
	int err = vring_push_used(&q->ring, q->chain.head, len);
	if (err < 0)
		vu_back_break(b, queue, err);
}

void vu_back_tell(struct vu_back *b, unsigned int queue)
{
	if (vring_is_due(&b->q[queue].ring))
		event_signal(b->q[queue].call_fd);
}

void vu_back_spend(struct vu_back *b, uint64_t bytes)
{
	b->spent += bytes;
}

/*
 * Serve requests, LIMIT_VU_TURN of them, and fewer that are long: then the loop looks at the socket
 * and the channel, and comes back by a kick of our own.
 */
static void requests_serve(struct vu_queue *q)
{
	struct vu_back *b = q->back;
	unsigned int queue = queue_index(q);
	const struct chain *c = NULL;
	int err = 0;

	(void)vring_want_kicks(&q->ring, false);
	b->spent = 0;
	for (unsigned int n = 0; n < LIMIT_VU_TURN && b->spent < LIMIT_VU_TURN_BYTES; n++) {
		uint32_t len = 0;
		c = vu_back_take_chain(b, queue);
		if (c == NULL)
			break;
		err = b->ops->queues[queue].serve(b, c, &len);
		if (err < 0)
			break;
		vu_back_spend(b, (uint64_t)c->read_len + c->write_len);
		vu_back_give_chain(b, queue, len);
	}
	if (err < 0 && err != -EAGAIN)
		vu_back_break(b, queue, err);
	vu_back_tell(b, queue);
	if (c != NULL && err == 0)
		event_signal(q->kick.fd);
}

static void queue_serve(struct vu_queue *q)
{
	const struct vu_queue_ops *ops = &q->back->ops->queues[queue_index(q)];

	if (!queue_is_ready(q))
		return;
	if (ops->serve != NULL)
		requests_serve(q);
	else if (ops->fill != NULL)
		ops->fill(q->back);
}

void vu_back_kick(struct vu_back *b, unsigned int queue)
{
	event_signal(b->q[queue].kick.fd);
}

void vu_back_resume(struct vu_back *b, unsigned int queue)
{
	queue_serve(&b->q[queue]);
}

static void kick_fire(struct src *src, uint32_t events)
{
	struct vu_queue *q = CONTAINER_OF(src, struct vu_queue, kick);
	uint64_t kicks;
	ssize_t n = read(src->fd, &kicks, sizeof kicks);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n != (ssize_t)sizeof kicks) /* no eventfd after all */
		vu_back_break(q->back, queue_index(q), -EBADF);
	else
		queue_serve(q);
}

/* Stop a queue and forget its descriptors; returns the base to begin again with. */
static uint16_t queue_stop(struct vu_queue *q)
{
	if (q->is_watched)
		loop_del(q->back->loop, &q->kick);
	q->is_watched = false;
	uint16_t base = vring_stop(&q->ring);
	if (q->has_chain)
		base--; /* taken, never given back: the guest's again */
	q->has_chain = false;
	fd_drop(&q->kick.fd);
	fd_drop(&q->call_fd);
	if (q->back->ops->stop != NULL)
		q->back->ops->stop(q->back, queue_index(q));
	return base;
}

static bool is_any_running(const struct vu_back *b)
{
	for (unsigned int i = 0; i < b->ops->n_queues; i++)
		if (b->q[i].ring.mem != NULL)
			return true;
	return false;
}

static void device_stop(struct vu_back *b)
{
	for (unsigned int i = 0; i < b->ops->n_queues; i++) {
		(void)queue_stop(&b->q[i]);
		b->q[i].is_enabled = false;
		b->q[i].setup = (struct vring_setup){ 0 };
	}
}

/* ---- requests: 0, or an error that ends the relation ----------------------------------------- */

static MUST_USE int queue_find(struct vu_back *b, uint64_t index, struct vu_queue **ret)
{
	if (index >= b->ops->n_queues)
		return -ERANGE;
	*ret = &b->q[index];
	return 0;
}

/* As before, and it must not be running: its geometry is about to change. */
static MUST_USE int queue_find_stopped(struct vu_back *b, uint32_t index, struct vu_queue **ret)
{
	int err = queue_find(b, index, ret);

	return err == 0 && (*ret)->ring.mem != NULL ? -EBUSY : err;
}

static void reply_set(struct vu_back *b, const void *payload, size_t len)
{
	memcpy(b->reply, payload, len);
	b->reply_len = (uint32_t)len;
}

static void reply_u64(struct vu_back *b, uint64_t v)
{
	struct vu_u64 u = { le64_of(v) };

	reply_set(b, &u, sizeof u);
}

static uint64_t msg_u64(const struct vu_msg *m)
{
	struct vu_u64 u;

	memcpy(&u, m->buf, sizeof u);
	return le64_get(u.v);
}

static struct vu_state msg_state(const struct vu_msg *m)
{
	struct vu_state s;

	memcpy(&s, m->buf, sizeof s);
	return s;
}

static int on_get_features(struct vu_back *b, struct vu_msg *m)
{
	reply_u64(b, b->offered);
	return 0;
}

static int on_set_features(struct vu_back *b, struct vu_msg *m)
{
	uint64_t f = msg_u64(m);

	if ((f & ~b->offered) != 0 || (f & 1ull << VIRTIO_F_VERSION_1) == 0)
		return -EOPNOTSUPP;
	if (f != b->features && is_any_running(b))
		return -EBUSY;
	/* Without VU_F_PROTOCOL_FEATURES there is no SET_VRING_ENABLE: rings are enabled then. */
	if (b->state != VU_BACK_AGREED && (f & VU_F_PROTOCOL_FEATURES) == 0)
		for (unsigned int i = 0; i < b->ops->n_queues; i++)
			b->q[i].is_enabled = true;
	b->features = f;
	b->state = VU_BACK_AGREED;
	return 0;
}

static int on_get_protocol_features(struct vu_back *b, struct vu_msg *m)
{
	reply_u64(b, PROTOCOL_OFFERED);
	return 0;
}

static int on_set_protocol_features(struct vu_back *b, struct vu_msg *m)
{
	if ((msg_u64(m) & ~PROTOCOL_OFFERED) != 0)
		return -EOPNOTSUPP;
	b->protocol = msg_u64(m);
	return 0;
}

static int on_get_queue_num(struct vu_back *b, struct vu_msg *m)
{
	reply_u64(b, b->ops->n_queues);
	return 0;
}

static int on_set_owner(struct vu_back *b, struct vu_msg *m)
{
	b->state = MAX(b->state, VU_BACK_OWNED);
	return 0;
}

static int on_reset_owner(struct vu_back *b, struct vu_msg *m)
{
	return 0; /* deprecated: "back-ends should ignore it" */
}

static int on_reset_device(struct vu_back *b, struct vu_msg *m)
{
	device_stop(b);
	b->features = 0;
	b->state = VU_BACK_OWNED;
	return 0;
}

static void mem_unmap(struct vu_back *b)
{
	for (unsigned int i = 0; i < b->mem.n; i++)
		(void)munmap(b->mem.at[i].host, b->mem.at[i].size);
	b->mem.n = 0;
}

/* Memory that somebody else can cut short would kill us with SIGBUS: it must be sealed. */
static MUST_USE int region_check(int fd, uint64_t offset, uint64_t size)
{
	struct stat st;

	if (size == 0 || !num_is_aligned(size, PAGE_BYTES) || !num_is_aligned(offset, PAGE_BYTES))
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < 0 || !num_fits(offset, size, (uint64_t)st.st_size))
		return -EINVAL;
	int seals = fcntl(fd, F_GET_SEALS);
	return seals < 0 || (seals & F_SEAL_SHRINK) == 0 ? -EACCES : 0;
}

static MUST_USE int region_map(struct vu_back *b, const struct vu_region *wire, int fd)
{
	struct mem_region r = {
		.gpa = { le64_get(wire->gpa) },
		.size = le64_get(wire->size),
		.user = le64_get(wire->user),
	};
	uint64_t offset = le64_get(wire->offset);

	int err = num_is_aligned(r.gpa.v | r.user, PAGE_BYTES) ? 0 : -EINVAL;
	if (err == 0)
		err = region_check(fd, offset, r.size);
	if (err < 0)
		return err;
	void *at = mmap(NULL, r.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		(off_t)offset); /* below st_size, so it is no negative one */
	if (at == MAP_FAILED)
		return -errno;
	r.host = at;
	err = mem_add_region(&b->mem, &r);
	if (err < 0)
		(void)munmap(at, r.size);
	return err;
}

static int on_set_mem_table(struct vu_back *b, struct vu_msg *m)
{
	struct vu_mem_table t = { 0 };

	memcpy(&t, m->buf, m->len);
	uint32_t n = le32_get(t.n);
	if (n == 0 || n > LIMIT_MEM_REGIONS || m->len != VU_MEM_TABLE_BYTES(n) || m->n_fds != n)
		return -EBADMSG;
	if (is_any_running(b))
		return -EBUSY;
	mem_unmap(b);
	for (uint32_t i = 0; i < n; i++) {
		AUTO(fd) int fd = vu_msg_take_fd(m, i);
		int err = region_map(b, &t.at[i], fd);
		if (err < 0)
			return err;
	}
	return 0;
}

static int on_set_vring_num(struct vu_back *b, struct vu_msg *m)
{
	struct vu_state s = msg_state(m);
	struct vu_queue *q;
	int err = queue_find_stopped(b, le32_get(s.index), &q);

	if (err == 0)
		q->setup.size =
			le32_get(s.num); /* the guest chose it: judged when the ring starts */
	return err;
}

static int on_set_vring_base(struct vu_back *b, struct vu_msg *m)
{
	struct vu_state s = msg_state(m);
	struct vu_queue *q;
	int err = queue_find_stopped(b, le32_get(s.index), &q);

	if (err == 0)
		err = num_to_u16(&q->setup.base, le32_get(s.num));
	return err;
}

static int on_set_vring_addr(struct vu_back *b, struct vu_msg *m)
{
	struct vu_addr a;
	struct vu_queue *q;

	memcpy(&a, m->buf, sizeof a);
	int err = queue_find_stopped(b, le32_get(a.index), &q);
	if (err == 0 && le32_get(a.flags) != 0)
		err = -EOPNOTSUPP;
	if (err < 0)
		return err;
	q->setup.desc = le64_get(a.desc);
	q->setup.avail = le64_get(a.avail);
	q->setup.used = le64_get(a.used);
	return 0;
}

static int on_get_vring_base(struct vu_back *b, struct vu_msg *m)
{
	struct vu_state s = msg_state(m);
	struct vu_queue *q;
	int err = queue_find(b, le32_get(s.index), &q);

	if (err < 0)
		return err;
	s.num = le32_of(q->ring.mem != NULL ? queue_stop(q) : q->setup.base);
	reply_set(b, &s, sizeof s);
	return 0;
}

/*
 * An eventfd has no file type; pipes, sockets and files have one. Ours must never block. The flag
 * is the front end's as well (one open file): it is looked at, and no device process may change it.
 */
static MUST_USE int event_check(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != 0)
		return -EBADF;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	return (flags & O_NONBLOCK) == 0 ? -EINVAL : 0;
}

/* The descriptor of KICK, CALL, ERR, and the queue; *ret_fd is -1 when the message says "none". */
static MUST_USE int event_take(
	struct vu_back *b, struct vu_msg *m, struct vu_queue **ret_q, int *ret_fd)
{
	uint64_t word = msg_u64(m);
	bool has_fd = (word & VU_INDEX_NO_FD) == 0;

	if ((word & ~(VU_INDEX_MASK | VU_INDEX_NO_FD)) != 0 || has_fd != (m->n_fds == 1))
		return -EBADMSG;
	int err = queue_find(b, word & VU_INDEX_MASK, ret_q);
	if (err == 0 && has_fd)
		err = event_check(m->fds[0]);
	if (err == 0)
		*ret_fd = vu_msg_take_fd(m, 0);
	return err;
}

/* The last message of a ring's set-up: it starts here. */
static int on_set_vring_kick(struct vu_back *b, struct vu_msg *m)
{
	AUTO(fd) int fd = -1;
	struct vu_queue *q;

	int err = event_take(b, m, &q, &fd);
	if (err == 0 && fd < 0)
		err = -EOPNOTSUPP; /* "poll the ring": would burn a processor */
	if (err == 0 && q->ring.mem != NULL)
		err = -EBUSY;
	if (err < 0)
		return err;
	q->setup.has_indirect = (b->features & VRING_F_INDIRECT) != 0;
	q->setup.has_event_idx = (b->features & VRING_F_EVENT_IDX) != 0;
	err = vring_start(&q->ring, &b->mem, &q->setup);
	if (err < 0) {
		/* Size and addresses are the guest's choice: its ring is broken, the relation is not. */
		vu_back_break(b, queue_index(q), err);
		return 0;
	}
	fd_drop(&q->kick.fd);
	q->kick.fd = fd_take(&fd);
	err = queue_watch(q);
	if (err == 0)
		queue_serve(q); /* a kick may be older than the descriptor */
	return err;
}

static int on_set_vring_call(struct vu_back *b, struct vu_msg *m)
{
	AUTO(fd) int fd = -1;
	struct vu_queue *q;

	int err = event_take(b, m, &q, &fd);
	if (err < 0)
		return err;
	fd_drop(&q->call_fd);
	q->call_fd = fd_take(&fd);
	if (q->ring.mem != NULL)
		event_signal(q->call_fd); /* one may have been lost between the old and the new */
	return 0;
}

static int on_set_vring_err(struct vu_back *b, struct vu_msg *m)
{
	AUTO(fd) int fd = -1;
	struct vu_queue *q;

	int err = event_take(b, m, &q, &fd);
	if (err < 0)
		return err;
	fd_drop(&q->err_fd);
	q->err_fd = fd_take(&fd);
	return 0;
}

static int on_set_vring_enable(struct vu_back *b, struct vu_msg *m)
{
	struct vu_state s = msg_state(m);
	struct vu_queue *q;
	int err = queue_find(b, le32_get(s.index), &q);

	if (err == 0 && le32_get(s.num) > 1)
		err = -ERANGE;
	if (err < 0)
		return err;
	q->is_enabled = le32_get(s.num) == 1;
	err = queue_watch(q);
	if (err == 0)
		queue_serve(q);
	return err;
}

/* Bytes behind our configuration read as zero: front ends ask for the longest they know. */
static int on_get_config(struct vu_back *b, struct vu_msg *m)
{
	struct vu_config c = { 0 };

	memcpy(&c, m->buf, m->len);
	uint32_t at = le32_get(c.offset);
	uint32_t len = le32_get(c.size);
	if (m->len != VU_CONFIG_MSG_BYTES(len) || le32_get(c.flags) != 0)
		return -EBADMSG;
	if (!num_fits(at, len, sizeof c.payload)) {
		c.size = le32_of(0);
		reply_set(b, &c, VU_CONFIG_MSG_BYTES(0));
		return 0;
	}
	memcpy(c.payload, b->config + at, len); /* config[] is zero behind config_len */
	reply_set(b, &c, m->len);
	return 0;
}

static int on_set_config(struct vu_back *b, struct vu_msg *m)
{
	return -EOPNOTSUPP; /* no field of ours can be written */
}

/*
 * The whole attack surface of the socket. Each row: in which states, shortest and longest payload,
 * fewest and most descriptors, does it have a reply of its own, and who takes it.
 */
struct vu_rule {
	uint32_t states;
	uint32_t min_len;
	uint32_t max_len;
	uint8_t min_fds;
	uint8_t max_fds;
	bool has_reply;
	int (*take)(struct vu_back *b, struct vu_msg *m);
};

#define F     (1u << VU_BACK_FRESH)
#define O     (1u << VU_BACK_OWNED)
#define A     (1u << VU_BACK_AGREED)
#define TABLE sizeof(struct vu_mem_table)

/* clang-format off */
static const struct vu_rule rules[VU_REQUEST_COUNT] = {
	/*                              states     length      fds   reply  */
	[VU_GET_FEATURES]          = { F | O | A,  0,   0,     0, 0, true,  on_get_features },
	[VU_SET_FEATURES]          = {     O | A,  8,   8,     0, 0, false, on_set_features },
	[VU_SET_OWNER]             = { F | O | A,  0,   0,     0, 0, false, on_set_owner },
	[VU_RESET_OWNER]           = { F | O | A,  0,   0,     0, 0, false, on_reset_owner },
	[VU_SET_MEM_TABLE]         = {     O | A,  40,  TABLE, 1, LIMIT_MEM_REGIONS, false,
	                                                                    on_set_mem_table },
	[VU_SET_VRING_NUM]         = {     O | A,  8,   8,     0, 0, false, on_set_vring_num },
	[VU_SET_VRING_ADDR]        = {     O | A,  40,  40,    0, 0, false, on_set_vring_addr },
	[VU_SET_VRING_BASE]        = {     O | A,  8,   8,     0, 0, false, on_set_vring_base },
	[VU_GET_VRING_BASE]        = {     O | A,  8,   8,     0, 0, true,  on_get_vring_base },
	[VU_SET_VRING_KICK]        = {         A,  8,   8,     0, 1, false, on_set_vring_kick },
	[VU_SET_VRING_CALL]        = {     O | A,  8,   8,     0, 1, false, on_set_vring_call },
	[VU_SET_VRING_ERR]         = {     O | A,  8,   8,     0, 1, false, on_set_vring_err },
	[VU_GET_PROTOCOL_FEATURES] = { F | O | A,  0,   0,     0, 0, true,  on_get_protocol_features },
	[VU_SET_PROTOCOL_FEATURES] = { F | O | A,  8,   8,     0, 0, false, on_set_protocol_features },
	[VU_GET_QUEUE_NUM]         = { F | O | A,  0,   0,     0, 0, true,  on_get_queue_num },
	[VU_SET_VRING_ENABLE]      = {     O | A,  8,   8,     0, 0, false, on_set_vring_enable },
	[VU_GET_CONFIG]            = { F | O | A,  12,  268,   0, 0, true,  on_get_config },
	[VU_SET_CONFIG]            = {     O | A,  12,  268,   0, 0, false, on_set_config },
	[VU_RESET_DEVICE]          = {     O | A,  0,   0,     0, 0, false, on_reset_device },
};
/* clang-format on */

#undef F
#undef O
#undef A
#undef TABLE

static MUST_USE int msg_check(const struct vu_back *b, const struct vu_msg *m)
{
	if (m->request >= VU_REQUEST_COUNT || rules[m->request].take == NULL)
		return -EBADMSG;
	const struct vu_rule *r = &rules[m->request];
	if (m->len < r->min_len || m->len > r->max_len || m->n_fds < r->min_fds ||
		m->n_fds > r->max_fds || (m->flags & VU_REPLY) != 0)
		return -EBADMSG;
	return (r->states & 1u << b->state) == 0 ? -EPROTO : 0;
}

/* Answer: the request's own reply, or the acknowledgement that was asked for and agreed. */
static MUST_USE int msg_answer(struct vu_back *b, const struct vu_msg *m, int err)
{
	bool wants_ack =
		(m->flags & VU_NEED_REPLY) != 0 && (b->protocol & VU_PROTOCOL_REPLY_ACK) != 0;

	if (err == 0 && rules[m->request].has_reply)
		return vu_send(b->sock.fd, m->request, VU_VERSION | VU_REPLY, b->reply,
			b->reply_len, NULL, 0);
	if (!wants_ack)
		return 0;
	reply_u64(b, err < 0 ? (uint64_t)-err : 0);
	return vu_send(
		b->sock.fd, m->request, VU_VERSION | VU_REPLY, b->reply, b->reply_len, NULL, 0);
}

static MUST_USE int msg_serve(struct vu_back *b, struct vu_msg *m)
{
	int err = msg_check(b, m);

	if (err == 0)
		err = rules[m->request].take(b, m);
	int sent = msg_answer(b, m, err);
	if (err < 0)
		return why_set(b->why, err,
			"vhost-user request %u with %u bytes, %u descriptors: %s", m->request,
			m->len, m->n_fds, strerrordesc_np(-err));
	return sent;
}

static void relation_end(struct vu_back *b, int err)
{
	device_stop(b);
	mem_unmap(b);
	loop_del(b->loop, &b->sock);
	fd_drop(&b->sock.fd);
	b->state = VU_BACK_DEAD;
	loop_stop(b->loop, err == -EPIPE ? 0 : err);
}

static void sock_fire(struct src *src, uint32_t events)
{
	struct vu_back *b = CONTAINER_OF(src, struct vu_back, sock);
	int err = vu_recv_step(src->fd, &b->msg);

	if (err == -EAGAIN)
		return;
	if (err == 0) {
		err = msg_serve(b, &b->msg);
		vu_msg_done(&b->msg);
		vu_msg_init(&b->msg);
	}
	if (err < 0)
		relation_end(b, err);
}

int vu_back_open(struct vu_back *b, struct loop *loop, int sock, const struct vu_ops *ops,
	uint64_t features, const void *config, size_t config_len, struct why *why)
{
	assert(ops->n_queues > 0 && ops->n_queues <= LIMIT_VRINGS &&
		config_len <= sizeof b->config);
	*b = (struct vu_back){
		.loop = loop,
		.ops = ops,
		.why = why,
		.sock = { .fd = sock, .fire = sock_fire },
		.offered = features | FEATURES_ALWAYS,
		.config_len = (uint32_t)config_len,
	};
	if (config_len > 0)
		memcpy(b->config, config, config_len);
	vu_msg_init(&b->msg);
	for (unsigned int i = 0; i < LIMIT_VRINGS; i++)
		b->q[i] = (struct vu_queue){ .back = b,
			.kick = { .fd = -1, .fire = kick_fire },
			.call_fd = -1,
			.err_fd = -1 };
	int err = loop_add(loop, &b->sock, EPOLLIN);
	if (err < 0) {
		fd_drop(&b->sock.fd);
		return why_set(
			why, err, "cannot serve the vhost-user socket: %s", strerrordesc_np(-err));
	}
	return 0;
}

void vu_back_close(struct vu_back *b)
{
	if (b->ops == NULL)
		return; /* never opened */
	for (unsigned int i = 0; i < b->ops->n_queues; i++) {
		(void)queue_stop(&b->q[i]);
		fd_drop(&b->q[i].err_fd);
	}
	vu_msg_done(&b->msg);
	mem_unmap(b);
	loop_del(b->loop, &b->sock);
	fd_drop(&b->sock.fd);
}
