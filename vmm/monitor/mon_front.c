#include "vmm/monitor/mon_front.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "vmm/super/sup_proto.h"
#include "vmm/virtio/vu_msg.h"

#define F_VERSION_1       (1ull << 32)
#define F_ACCESS_PLATFORM (1ull << 33)
#define F_MANDATORY       (F_VERSION_1 | F_ACCESS_PLATFORM)
/* virtio 1.2, chapter 6: of the transport's bits (24 to 40) those that a back end may offer. */
#define F_INDIRECT  (1ull << 28)
#define F_EVENT_IDX (1ull << 29)
#define F_TRANSPORT 0x1ffff000000ull
/* What we have no message for (configuration that the guest writes), or one queue has no use for. */
#define F_BLK_CONFIG_WCE (1ull << 11)
#define F_BLK_MQ         (1ull << 12)

struct device_kind {
	unsigned int n_queues;
	unsigned int config_len;
	uint64_t hidden; /* features that the guest is not offered, whatever the process offers */
};

/* virtio 1.2, chapter 5: queues and configuration length of the devices we have. */
static const struct device_kind *device_kind(uint32_t type)
{
	static const struct device_kind blk = { 1, 60, F_BLK_CONFIG_WCE | F_BLK_MQ };
	static const struct device_kind console = { 2, 12, 0 };
	static const struct device_kind rng = { 1, 0, 0 };
	static const struct device_kind vsock = { 3, 8, 0 };

	switch (type) {
	case MON_DEVICE_BLK:
		return &blk;
	case MON_DEVICE_CONSOLE:
		return &console;
	case MON_DEVICE_RNG:
		return &rng;
	case MON_DEVICE_VSOCK:
		return &vsock;
	default:
		return NULL;
	}
}

/* The process never speaks first: anything readable outside a call is its end or a breach. */
static void sock_fire(struct src *src, uint32_t events)
{
	struct front *f = CONTAINER_OF(src, struct front, sock);

	f->events.died(f->events.owner);
}

/* Does not wait, though the descriptor may: a program of another make took O_NONBLOCK away, for it and
 * for us. */
static void err_clear(struct front *f)
{
	struct pollfd p = { .fd = f->err.fd, .events = POLLIN };
	eventfd_t n;

	if (poll(&p, 1, 0) == 1)
		(void)eventfd_read(f->err.fd, &n);
}

static void err_fire(struct src *src, uint32_t events)
{
	struct front *f = CONTAINER_OF(src, struct front, err);

	err_clear(f);
	f->events.broke(f->events.owner);
}

/*
 * What the guest is offered. That it must not assume to share its addresses with the device is for us
 * to say: the device sees guest-physical ones anyhow, and programs of other makes do not know the bit.
 */
static uint64_t features_filter(uint64_t offered, uint64_t hidden)
{
	uint64_t transport = F_VERSION_1 | F_ACCESS_PLATFORM | F_INDIRECT | F_EVENT_IDX;

	return (offered | F_ACCESS_PLATFORM) & ~hidden & (transport | ~F_TRANSPORT);
}

static MUST_USE int features_agree(struct front *f, uint64_t hidden, struct why *why)
{
	const uint64_t need = VU_PROTOCOL_REPLY_ACK | (f->config_len > 0 ? VU_PROTOCOL_CONFIG : 0);
	struct vu_u64 v;
	int err = vu_call(f->sock.fd, VU_GET_FEATURES, NULL, 0, NULL, 0, &v, sizeof v, why);

	if (err < 0)
		return err;
	f->offered = le64_get(v.v);
	if ((f->offered & F_VERSION_1) == 0 || (f->offered & VU_F_PROTOCOL_FEATURES) == 0)
		return why_set(why, -EPROTO, "offers features 0x%llx, lacks mandatory ones",
			(unsigned long long)f->offered);
	f->features = features_filter(f->offered, hidden);
	err = vu_call(f->sock.fd, VU_GET_PROTOCOL_FEATURES, NULL, 0, NULL, 0, &v, sizeof v, why);
	if (err < 0)
		return err;
	if ((le64_get(v.v) & need) != need)
		return why_set(why, -EPROTO, "lacks vhost-user protocol features");
	v.v = le64_of(need);
	return vu_tell(f->sock.fd, VU_SET_PROTOCOL_FEATURES, &v, sizeof v, NULL, 0, why);
}

static MUST_USE int config_read(struct front *f, struct why *why)
{
	struct vu_config c = { .size = le32_of(f->config_len) };
	struct vu_config reply;
	size_t len = VU_CONFIG_MSG_BYTES(f->config_len);

	if (f->config_len == 0)
		return 0;
	int err = vu_call(f->sock.fd, VU_GET_CONFIG, &c, len, NULL, 0, &reply, len, why);
	if (err < 0)
		return err;
	memcpy(f->config, reply.payload, f->config_len);
	return 0;
}

static MUST_USE int memory_give(struct front *f, const struct mon_memory *memory, struct why *why)
{
	struct vu_mem_table t = { .n = le32_of(memory->n) };
	int fds[MEMORY_RANGES_MAX];

	for (unsigned int i = 0; i < memory->n; i++) {
		const struct mem_range *r = &memory->ranges[i];
		t.at[i] = (struct vu_region){ le64_of(r->gpa), le64_of(r->size), le64_of(r->gpa),
			le64_of(r->offset) };
		fds[i] = memory->fd;
	}
	return vu_call(f->sock.fd, VU_SET_MEM_TABLE, &t, VU_MEM_TABLE_BYTES(memory->n), fds,
		memory->n, NULL, 0, why);
}

int mon_front_open(struct front *ret, uint32_t device_type, int fd, const struct mon_memory *memory,
	struct loop *loop, const struct front_events *events, struct why *why)
{
	const struct device_kind *kind = device_kind(device_type);

	*ret = (struct front){
		.sock = { fd, sock_fire },
		.err = { eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), err_fire },
		.events = *events,
		.device_type = device_type,
	};
	if (kind == NULL)
		return why_set(why, -EPROTO, "device type %u is none of ours", device_type);
	ret->n_queues = kind->n_queues;
	ret->config_len = kind->config_len;
	if (ret->err.fd < 0)
		return why_set(why, -EMFILE, "no descriptor for device errors");
	int err = vu_tell(fd, VU_SET_OWNER, NULL, 0, NULL, 0, why);
	if (err == 0)
		err = features_agree(ret, kind->hidden, why);
	if (err == 0)
		err = config_read(ret, why);
	if (err == 0)
		err = memory_give(ret, memory, why);
	if (err == 0)
		err = loop_add(loop, &ret->sock, EPOLLIN | EPOLLRDHUP);
	if (err == 0)
		err = loop_add(loop, &ret->err, EPOLLIN);
	return err < 0 ? why_prefix(why, err, "virtio device of type %u", device_type) : 0;
}

void mon_front_close(struct front *f, struct loop *loop)
{
	loop_del(loop, &f->sock);
	loop_del(loop, &f->err);
	fd_drop(&f->sock.fd);
	fd_drop(&f->err.fd);
}

bool mon_front_takes(const struct front *f, uint64_t driver_features)
{
	return (driver_features & ~f->features) == 0 &&
	       (driver_features & F_MANDATORY) == F_MANDATORY;
}

static MUST_USE int event_give(struct front *f, enum vu_request request, unsigned int i, int fd)
{
	struct vu_u64 v = { le64_of(i) };

	return vu_tell(f->sock.fd, request, &v, sizeof v, &fd, 1, NULL);
}

static MUST_USE int state_give(
	struct front *f, enum vu_request request, unsigned int i, uint32_t num)
{
	struct vu_state s = { le32_of(i), le32_of(num) };

	return vu_tell(f->sock.fd, request, &s, sizeof s, NULL, 0, NULL);
}

static MUST_USE int queue_start(struct front *f, unsigned int i, const struct front_queue *q)
{
	struct vu_addr a = { .index = le32_of(i),
		.desc = le64_of(q->desc),
		.used = le64_of(q->device),
		.avail = le64_of(q->driver) };
	int err = state_give(f, VU_SET_VRING_NUM, i, q->size);

	if (err == 0)
		err = state_give(f, VU_SET_VRING_BASE, i, 0);
	if (err == 0)
		err = vu_tell(f->sock.fd, VU_SET_VRING_ADDR, &a, sizeof a, NULL, 0, NULL);
	if (err == 0)
		err = event_give(f, VU_SET_VRING_CALL, i, q->call_fd);
	if (err == 0)
		err = event_give(f, VU_SET_VRING_ERR, i, f->err.fd);
	if (err == 0)
		err = event_give(f, VU_SET_VRING_KICK, i, q->kick_fd);
	return err == 0 ? state_give(f, VU_SET_VRING_ENABLE, i, 1) : err;
}

int mon_front_start(struct front *f, uint64_t driver_features,
	const struct front_queue queues[FRONT_QUEUES_MAX])
{
	struct vu_u64 v = { le64_of((driver_features | VU_F_PROTOCOL_FEATURES) & f->offered) };
	int err = vu_tell(f->sock.fd, VU_SET_FEATURES, &v, sizeof v, NULL, 0, NULL);

	for (unsigned int i = 0; err == 0 && i < f->n_queues; i++)
		if (queues[i].is_enabled)
			err = queue_start(f, i, &queues[i]);
	return err;
}

int mon_front_stop(struct front *f)
{
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < f->n_queues; i++) {
		struct vu_state s = { .index = le32_of(i) };
		struct vu_state reply;
		err = vu_call(f->sock.fd, VU_GET_VRING_BASE, &s, sizeof s, NULL, 0, &reply,
			sizeof reply, NULL);
	}
	err_clear(f); /* what broke is over; the next run is another */
	return err;
}
