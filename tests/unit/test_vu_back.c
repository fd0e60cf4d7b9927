/* The back-end half of vhost-user, served in this process, against well and badly behaved peers. */
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
#include "tests/unit/cm.h"
#include "tests/unit/vu_front.h"
#include "vmm/device/vu_back.h"

#define V1 (1ull << 32)

static uint64_t pong_work; /* bytes of it a request, beside its own */

/* A device of two queues: the first answers every request with "pong". */
static int pong_serve(struct vu_back *b, const struct chain *c, uint32_t *ret_len)
{
	*ret_len = 4;
	vu_back_spend(b, pong_work);
	return chain_write(&b->mem, c, 0, "pong", 4);
}

static const struct vu_ops pong_ops = { .n_queues = 2, .queues = { { .serve = pong_serve } } };

struct world {
	struct front f;
	struct vu_back b;
	struct loop loop;
	struct why why;
};

static struct world world;

static int world_open(void **state)
{
	struct world *w = &world;
	int sock = -1;

	memset(w, 0, sizeof *w);
	log_set_level(LOG_LEVEL_ERR); /* broken rings are what we want here */
	int err = loop_open(&w->loop);
	if (err == 0)
		err = front_open(&w->f, &w->loop, &sock);
	if (err == 0)
		err = vu_back_open(
			&w->b, &w->loop, sock, &pong_ops, 1, "configuration", 13, &w->why);
	*state = w;
	return err;
}

static int running_open(void **state)
{
	int err = world_open(state);

	return err < 0 ? err : front_run(&world.f, VRING_F_INDIRECT, 2);
}

static int world_close(void **state)
{
	struct world *w = *state;

	front_close(&w->f);
	vu_back_close(&w->b);
	loop_close(&w->loop);
	return 0;
}

/* Is the relation over, with an error and a reason? */
static bool is_ended(struct world *w)
{
	return w->b.state == VU_BACK_DEAD && w->loop.is_stopped && w->loop.result < 0 &&
	       w->why.text[0] != 0 && w->b.sock.fd < 0 && w->b.mem.n == 0;
}

/* Send a request, with need_reply; what comes of it is in the state. */
static void say(struct world *w, uint32_t request, const void *payload, size_t len, const int *fds,
	unsigned int n_fds)
{
	assert_int_equal(
		vu_send(w->f.sock, request, VU_VERSION | VU_NEED_REPLY, payload, len, fds, n_fds),
		0);
	for (int i = 0; i < 4 && !w->loop.is_stopped; i++)
		assert_int_equal(loop_step(&w->loop, 0), 0);
}

static void say_state(struct world *w, uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_state s = { le32_of(index), le32_of(num) };

	say(w, request, &s, sizeof s, NULL, 0);
}

static void say_event(struct world *w, uint32_t request, uint64_t word, int fd)
{
	struct vu_u64 v = { le64_of(word) };

	say(w, request, &v, sizeof v, &fd, fd >= 0 ? 1 : 0);
}

static void request_is_served(void **state)
{
	struct world *w = *state;
	const struct buf b = { FRONT_DATA, 4, true };

	assert_int_equal(front_do(&w->f, 0, &b, 1), 4);
	assert_memory_equal(w->f.ram + FRONT_DATA, "pong", 4);
	const uint64_t want = V1 | 1ull << 33 | 1ull << 30 | 1ull << 29 | 1ull << 28 | 1;
	assert_int_equal(w->f.features, want);
}

/* The order QEMU 7.2 uses (seen on the wire): CALL and ERR early, features twice. */
static void order_of_qemu_is_served(void **state)
{
	struct world *w = *state;
	struct front *f = &w->f;
	struct vu_u64 v;
	struct vu_u64 protocol = { le64_of(
		VU_PROTOCOL_REPLY_ACK | VU_PROTOCOL_CONFIG | VU_PROTOCOL_MQ) };
	struct vu_u64 features = { le64_of(V1 | 1ull << 30) };
	struct vu_u64 index = { le64_of(0) };
	struct vu_config config = { .size = le32_of(57) };
	struct vu_state s = { le32_of(0), le32_of(FRONT_SIZE) };
	struct vu_addr addr = { .index = le32_of(0),
		.desc = le64_of(FRONT_USER),
		.avail = le64_of(FRONT_USER + 0x1000),
		.used = le64_of(FRONT_USER + 0x2000) };
	const struct buf b = { FRONT_DATA, 4, true };

	assert_int_equal(front_call(f, VU_GET_FEATURES, NULL, 0, NULL, 0, &v, 8), 0);
	assert_int_equal(front_call(f, VU_GET_PROTOCOL_FEATURES, NULL, 0, NULL, 0, &v, 8), 0);
	assert_int_equal(
		vu_tell(f->sock, VU_SET_PROTOCOL_FEATURES, &protocol, 8, NULL, 0, NULL), 0);
	assert_int_equal(front_call(f, VU_GET_QUEUE_NUM, NULL, 0, NULL, 0, &v, 8), 0);
	assert_int_equal(le64_get(v.v), 2);
	assert_int_equal(vu_tell(f->sock, VU_SET_OWNER, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(front_call(f, VU_GET_FEATURES, NULL, 0, NULL, 0, &v, 8), 0);
	assert_int_equal(front_call(f, VU_SET_VRING_CALL, &index, 8, &f->q[0].call, 1, NULL, 0), 0);
	assert_int_equal(front_call(f, VU_SET_VRING_ERR, &index, 8, &f->q[0].err, 1, NULL, 0), 0);
	assert_int_equal(front_call(f, VU_GET_CONFIG, &config, VU_CONFIG_MSG_BYTES(57), NULL, 0,
				 &config, VU_CONFIG_MSG_BYTES(57)),
		0);
	assert_string_equal((const char *)config.payload, "configuration");
	assert_int_equal(front_call(f, VU_SET_FEATURES, &features, 8, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_call(f, VU_SET_VRING_CALL, &index, 8, &f->q[0].call, 1, NULL, 0), 0);
	assert_int_equal(front_call(f, VU_SET_FEATURES, &features, 8, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_give_memory(f), 0);
	assert_int_equal(front_call(f, VU_SET_VRING_NUM, &s, 8, NULL, 0, NULL, 0), 0);
	s.num = le32_of(0);
	assert_int_equal(front_call(f, VU_SET_VRING_BASE, &s, 8, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_call(f, VU_SET_VRING_ADDR, &addr, sizeof addr, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_call(f, VU_SET_VRING_KICK, &index, 8, &f->q[0].kick, 1, NULL, 0), 0);
	(void)front_offer(f, 0, &b, 1); /* not enabled yet: nothing happens */
	front_kick(f, 0);
	uint32_t len;
	assert_int_equal(front_wait(f, 0, 20, NULL, &len), -ETIMEDOUT);
	s.num = le32_of(1);
	assert_int_equal(front_call(f, VU_SET_VRING_ENABLE, &s, 8, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_wait(f, 0, FRONT_WAIT, NULL, &len), 0);
	s.num = le32_of(0);
	assert_int_equal(front_call(f, VU_SET_VRING_ENABLE, &s, 8, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_call(f, VU_GET_VRING_BASE, &s, 8, NULL, 0, &s, 8), 0);
	assert_int_equal(le32_get(s.num), 1);
}

static void front_end_without_protocol_features_is_served(void **state)
{
	struct world *w = *state;
	struct vu_u64 features = { le64_of(V1) }; /* not bit 30: rings are enabled from the start */
	struct vu_u64 index = { le64_of(0) };
	struct vu_state s = { le32_of(0), le32_of(FRONT_SIZE) };
	struct vu_region r = { le64_of(FRONT_GPA), le64_of(FRONT_RAM), le64_of(FRONT_USER),
		le64_of(0) };
	struct vu_mem_table t = { .n = le32_of(1), .at = { r } };
	struct vu_addr addr = { .index = le32_of(0),
		.desc = le64_of(FRONT_USER),
		.avail = le64_of(FRONT_USER + 0x1000),
		.used = le64_of(FRONT_USER + 0x2000) };
	const struct buf b = { FRONT_DATA, 4, true };
	struct vu_msg m;

	say(w, VU_SET_OWNER, NULL, 0, NULL, 0);
	say(w, VU_SET_FEATURES, &features, 8, NULL, 0);
	say(w, VU_SET_MEM_TABLE, &t, VU_MEM_TABLE_BYTES(1), &w->f.mem_fd, 1);
	say(w, VU_SET_VRING_NUM, &s, 8, NULL, 0);
	say(w, VU_SET_VRING_ADDR, &addr, sizeof addr, NULL, 0);
	say(w, VU_SET_VRING_CALL, &index, 8, &w->f.q[0].call, 1);
	say(w, VU_SET_VRING_KICK, &index, 8, &w->f.q[0].kick, 1);
	assert_int_equal(front_do(&w->f, 0, &b, 1), 4);
	vu_msg_init(&m);
	assert_int_equal(vu_recv_step(w->f.sock, &m), -EAGAIN); /* REPLY_ACK was not agreed */
}

static void config_beyond_its_end_reads_as_no(void **state)
{
	struct world *w = *state;
	struct vu_config c = { .offset = le32_of(250), .size = le32_of(7) };

	assert_int_equal(front_call(&w->f, VU_GET_CONFIG, &c, VU_CONFIG_MSG_BYTES(7), NULL, 0, &c,
				 VU_CONFIG_MSG_BYTES(0)),
		0);
	assert_int_equal(le32_get(c.size), 0);
	c = (struct vu_config){ .offset = le32_of(UINT32_MAX), .size = le32_of(7) };
	assert_int_equal(front_call(&w->f, VU_GET_CONFIG, &c, VU_CONFIG_MSG_BYTES(7), NULL, 0, &c,
				 VU_CONFIG_MSG_BYTES(0)),
		0);
}

static void new_call_descriptor_is_signalled_once(void **state)
{
	struct world *w = *state;
	AUTO(fd) int call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	eventfd_t n;

	say_event(w, VU_SET_VRING_CALL, 0, call);
	assert_int_equal(eventfd_read(call, &n), 0);
	assert_int_equal(n, 1);
	say_event(w, VU_SET_VRING_CALL, VU_INDEX_NO_FD, -1);
	assert_int_equal(w->b.q[0].call_fd, -1);
	assert_false(is_ended(w));
}

static void full_counter_stops_nobody(void **state)
{
	struct world *w = *state;
	AUTO(fd) int call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	say_event(w, VU_SET_VRING_CALL, 0, call);
	assert_int_equal(eventfd_write(call, UINT64_MAX - 2), 0);
	const struct buf b = { FRONT_DATA, 4, true };
	for (int i = 0; i < 3; i++)
		assert_int_equal(front_do(&w->f, 0, &b, 1), 4);
}

static void eventfd_that_blocks_is_refused(void **state)
{
	struct world *w = *state;
	AUTO(fd) int call = eventfd(0, EFD_CLOEXEC);

	say_event(w, VU_SET_VRING_CALL, 0, call);
	assert_true(is_ended(w));
	assert_int_equal(fcntl(call, F_GETFL) & O_NONBLOCK, 0); /* the flag is not ours to change */
}

static void reset_device_forgets_everything(void **state)
{
	struct world *w = *state;

	assert_int_equal(front_call(&w->f, VU_RESET_DEVICE, NULL, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(w->b.state, VU_BACK_OWNED);
	assert_int_equal(w->b.features, 0);
	assert_false(vring_is_running(&w->b.q[0].ring));
	memset(w->f.ram, 0, FRONT_DATA);
	assert_int_equal(front_run(&w->f, 0, 2), 0);
	const struct buf b = { FRONT_DATA, 4, true };
	assert_int_equal(front_do(&w->f, 0, &b, 1), 4);
}

static void ring_of_nonsense_breaks_and_the_relation_lives(void **state)
{
	static const struct {
		uint32_t size;
		uint64_t desc;
	} bad[] = {
		{ 0, FRONT_USER },
		{ 3, FRONT_USER },
		{ 512, FRONT_USER },
		{ UINT32_MAX, FRONT_USER },
		{ FRONT_SIZE, 0 },
		{ FRONT_SIZE, FRONT_GPA },
		{ FRONT_SIZE, FRONT_USER + 8 },
		{ FRONT_SIZE, FRONT_USER + FRONT_RAM - 16 },
		{ FRONT_SIZE, UINT64_MAX - 15 },
	};
	struct world *w = *state;
	struct vu_u64 index = { le64_of(0) };
	uint16_t base;
	eventfd_t n;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct vu_addr addr = { .index = le32_of(0),
			.desc = le64_of(bad[i].desc),
			.avail = le64_of(FRONT_USER + 0x1000),
			.used = le64_of(FRONT_USER + 0x2000) };
		assert_int_equal(front_stop_queue(&w->f, 0, &base), 0);
		say_state(w, VU_SET_VRING_NUM, 0, bad[i].size);
		say(w, VU_SET_VRING_ADDR, &addr, sizeof addr, NULL, 0);
		say(w, VU_SET_VRING_KICK, &index, 8, &w->f.q[0].kick, 1);
		assert_true(front_is_broken(&w->f, 0, 0));
		assert_int_equal(eventfd_read(w->f.q[0].err, &n), 0);
		assert_false(is_ended(w));
		struct vu_msg m;
		for (vu_msg_init(&m); vu_recv_step(w->f.sock, &m) == 0; vu_msg_init(&m))
			assert_int_equal(m.buf[0], 0);
	}
	assert_int_equal(front_stop_queue(&w->f, 0, &base), 0);
	memset(w->f.ram, 0, FRONT_DATA);
	assert_int_equal(front_start_queue(&w->f, 0), 0);
	const struct buf b = { FRONT_DATA, 4, true };
	assert_int_equal(front_do(&w->f, 0, &b, 1), 4);
}

/* ---- what ends the relation ------------------------------------------------------------------ */

/* Every request number with every length and number of descriptors that matter, in each state. */
static void wrong_shapes_end_it_or_change_nothing(void **state)
{
	static const size_t lens[] = { 0, 1, 7, 8, 9, 11, 12, 13, 39, 40, 41, 264, 268, 269, 272 };
	static const uint8_t payload[VU_PAYLOAD_MAX];
	int before = dup(0);

	close(before);
	for (uint32_t request = 0; request < 48; request++) {
		for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
			for (unsigned int n_fds = 0; n_fds < 3; n_fds++) {
				struct world *w;
				void *s = NULL;
				assert_int_equal(i % 2 == 0 ? world_open(&s) : running_open(&s), 0);
				w = s;
				const int fds[2] = { w->f.mem_fd, w->f.q[0].kick };
				say(w, request, payload, lens[i], fds, n_fds);
				assert_true(w->b.state != VU_BACK_DEAD || is_ended(w));
				if (request == 0 || request >= VU_REQUEST_COUNT || n_fds == 2)
					assert_true(is_ended(w));
				world_close(&s);
			}
		}
	}
	int after = dup(0);
	close(after);
	assert_int_equal(after, before); /* no descriptor leaked */
}

static void requests_before_their_time_end_it(void **state)
{
	struct world *w = *state;
	struct vu_u64 v = { le64_of(V1) };

	say(w, VU_SET_FEATURES, &v, sizeof v, NULL, 0); /* before SET_OWNER */
	assert_true(is_ended(w));
}

static void kick_before_features_ends_it(void **state)
{
	struct world *w = *state;

	say(w, VU_SET_OWNER, NULL, 0, NULL, 0);
	say_event(w, VU_SET_VRING_KICK, 0, w->f.q[0].kick);
	assert_true(is_ended(w));
}

static void replies_are_no_requests(void **state)
{
	struct world *w = *state;

	assert_int_equal(
		vu_send(w->f.sock, VU_GET_FEATURES, VU_VERSION | VU_REPLY, NULL, 0, NULL, 0), 0);
	assert_int_equal(loop_step(&w->loop, 0), 0);
	assert_true(is_ended(w));
}

static void features_not_offered_end_it(void **state)
{
	struct world *w = *state;
	struct vu_u64 v = { le64_of(V1 | 1ull << 40) };

	say(w, VU_SET_OWNER, NULL, 0, NULL, 0);
	say(w, VU_SET_FEATURES, &v, sizeof v, NULL, 0);
	assert_true(is_ended(w));
}

static void legacy_drivers_end_it(void **state)
{
	struct world *w = *state;
	struct vu_u64 v = { le64_of(0) };

	say(w, VU_SET_OWNER, NULL, 0, NULL, 0);
	say(w, VU_SET_FEATURES, &v, sizeof v, NULL, 0);
	assert_true(is_ended(w));
}

static void protocol_features_not_offered_end_it(void **state)
{
	struct world *w = *state;
	struct vu_u64 v = { le64_of(1ull << 11) };

	say(w, VU_SET_PROTOCOL_FEATURES, &v, sizeof v, NULL, 0);
	assert_true(is_ended(w));
}

static void new_features_while_running_end_it(void **state)
{
	struct world *w = *state;
	struct vu_u64 v = { le64_of(V1) };

	say(w, VU_SET_FEATURES, &v, sizeof v, NULL, 0);
	assert_true(is_ended(w));
}

static void geometry_while_running_ends_it(void **state)
{
	static const uint32_t requests[] = { VU_SET_VRING_NUM, VU_SET_VRING_BASE };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		say_state(w, requests[i], 0, 8);
		assert_true(is_ended(w));
		world_close(state);
		assert_int_equal(running_open(state), 0);
	}
	struct vu_addr addr = { 0 };
	say(w, VU_SET_VRING_ADDR, &addr, sizeof addr, NULL, 0);
	assert_true(is_ended(w));
}

static void memory_while_running_ends_it(void **state)
{
	struct world *w = *state;

	assert_int_equal(front_give_memory(&w->f), -EREMOTEIO);
	assert_true(is_ended(w));
}

static void queues_that_do_not_exist_end_it(void **state)
{
	struct world *w = *state;
	static const uint32_t states[] = { VU_SET_VRING_NUM, VU_SET_VRING_BASE, VU_GET_VRING_BASE,
		VU_SET_VRING_ENABLE };
	static const uint32_t events[] = { VU_SET_VRING_KICK, VU_SET_VRING_CALL, VU_SET_VRING_ERR };
	static const uint32_t bad[] = { 2, 4, 255, 256, UINT32_MAX };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		for (size_t j = 0; j < ARRAY_LEN(states); j++) {
			say_state(w, states[j], bad[i], 0);
			assert_true(is_ended(w));
			world_close(state);
			assert_int_equal(running_open(state), 0);
		}
		for (size_t j = 0; j < ARRAY_LEN(events); j++) {
			say_event(w, events[j], bad[i], w->f.q[0].kick);
			assert_true(is_ended(w));
			world_close(state);
			assert_int_equal(running_open(state), 0);
		}
	}
}

static void odd_values_end_it(void **state)
{
	struct world *w = *state;
	struct vu_addr addr = { .index = le32_of(0), .flags = le32_of(1) };

	say_state(w, VU_SET_VRING_ENABLE, 0, 2);
	assert_true(is_ended(w));
	world_close(state);
	assert_int_equal(world_open(state), 0);
	assert_int_equal(front_agree(&w->f, 0), 0);
	say_state(w, VU_SET_VRING_BASE, 0, 65536);
	assert_true(is_ended(w));
	world_close(state);
	assert_int_equal(world_open(state), 0);
	assert_int_equal(front_agree(&w->f, 0), 0);
	say(w, VU_SET_VRING_ADDR, &addr, sizeof addr, NULL, 0); /* a log we did not offer */
	assert_true(is_ended(w));
}

static void event_without_or_with_surplus_descriptor_ends_it(void **state)
{
	struct world *w = *state;

	say_event(w, VU_SET_VRING_CALL, 0, -1);
	assert_true(is_ended(w));
	world_close(state);
	assert_int_equal(running_open(state), 0);
	say_event(w, VU_SET_VRING_CALL, VU_INDEX_NO_FD, w->f.q[0].call);
	assert_true(is_ended(w));
}

static void descriptors_that_are_no_events_end_it(void **state)
{
	struct world *w = *state;
	int pipes[2];

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	const int bad[] = { pipes[0], pipes[1], w->f.mem_fd, w->f.sock };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(fd) int fd = dup(bad[i]);
		say_event(w, VU_SET_VRING_CALL, 0, fd);
		assert_true(is_ended(w));
		world_close(state);
		assert_int_equal(running_open(state), 0);
	}
	close(pipes[0]);
	close(pipes[1]);
}

/* An epoll descriptor looks like an eventfd until it is read. */
static void event_that_cannot_be_read_breaks_its_queue(void **state)
{
	struct world *w = *state;
	struct loop other;
	struct src src = { .fd = w->f.q[1].call };
	uint16_t base;

	assert_int_equal(loop_open(&other), 0);
	assert_int_equal(fcntl(other.epoll_fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(loop_add(&other, &src, 1), 0);
	assert_int_equal(eventfd_write(src.fd, 1), 0);
	assert_int_equal(front_stop_queue(&w->f, 0, &base), 0);
	say_event(w, VU_SET_VRING_KICK, 0, other.epoll_fd);
	assert_true(front_is_broken(&w->f, 0, 0));
	assert_false(is_ended(w));
	loop_close(&other);
}

static void polling_kicks_are_not_offered(void **state)
{
	struct world *w = *state;
	uint16_t base;

	assert_int_equal(front_stop_queue(&w->f, 0, &base), 0);
	say_event(w, VU_SET_VRING_KICK, VU_INDEX_NO_FD, -1);
	assert_true(is_ended(w));
}

static void second_kick_descriptor_while_running_ends_it(void **state)
{
	struct world *w = *state;

	say_event(w, VU_SET_VRING_KICK, 0, w->f.q[1].kick);
	assert_true(is_ended(w));
}

/* Memory tables: one region with the differences below. */
static void expect_memory_refused(
	void **state, const struct vu_mem_table *t, size_t len, const int *fds, unsigned int n_fds)
{
	assert_int_equal(world_open(state), 0);
	struct world *w = *state;
	assert_int_equal(front_agree(&w->f, 0), 0);
	say(w, VU_SET_MEM_TABLE, t, len, fds, n_fds);
	assert_true(is_ended(w));
	world_close(state);
}

static int memory_make(off_t size, unsigned int seals)
{
	int fd = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, size) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0)
		abort();
	return fd;
}

static void bad_memory_ends_it(void **state)
{
	AUTO(fd) int good = memory_make(1 << 20, F_SEAL_SHRINK);
	AUTO(fd) int unsealed = memory_make(1 << 20, F_SEAL_GROW);
	AUTO(fd) int event = eventfd(0, EFD_CLOEXEC);
	AUTO(fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO(fd) int read_only = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	const struct {
		struct vu_region r;
		int fd;
	} bad[] = {
		{ { le64_of(0), le64_of(4096), le64_of(0), le64_of(0) }, unsealed },
		{ { le64_of(0), le64_of(4096), le64_of(0), le64_of(0) }, event },
		{ { le64_of(0), le64_of(4096), le64_of(0), le64_of(0) }, null },
		{ { le64_of(0), le64_of(4096), le64_of(0), le64_of(0) }, read_only },
		{ { le64_of(0), le64_of(0), le64_of(0), le64_of(0) }, good },
		{ { le64_of(0), le64_of((1 << 20) + 4096), le64_of(0), le64_of(0) }, good },
		{ { le64_of(0), le64_of(1 << 20), le64_of(0), le64_of(4096) }, good },
		{ { le64_of(0), le64_of(4096), le64_of(0), le64_of(UINT64_MAX - 4095) }, good },
		{ { le64_of(0), le64_of(UINT64_MAX - 4095), le64_of(0), le64_of(8192) }, good },
		{ { le64_of(0), le64_of(4095), le64_of(0), le64_of(0) }, good },
		{ { le64_of(1), le64_of(4096), le64_of(0), le64_of(0) }, good },
		{ { le64_of(0), le64_of(4096), le64_of(16), le64_of(0) }, good },
		{ { le64_of(0), le64_of(4096), le64_of(0), le64_of(512) }, good },
		{ { le64_of(UINT64_MAX - 4095), le64_of(8192), le64_of(0), le64_of(0) }, good },
		{ { le64_of(0), le64_of(8192), le64_of(UINT64_MAX - 4095), le64_of(0) }, good },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct vu_mem_table t = { .n = le32_of(1), .at = { bad[i].r } };
		expect_memory_refused(state, &t, VU_MEM_TABLE_BYTES(1), &bad[i].fd, 1);
	}
	/* Overlap, and counts that do not agree. */
	const struct vu_region a = { le64_of(0), le64_of(8192), le64_of(0), le64_of(0) };
	const struct vu_region b = { le64_of(4096), le64_of(4096), le64_of(1 << 20), le64_of(0) };
	const int fds[3] = { good, good, good };
	struct vu_mem_table t = { .n = le32_of(2), .at = { a, b } };
	expect_memory_refused(state, &t, VU_MEM_TABLE_BYTES(2), fds, 2);
	expect_memory_refused(state, &t, VU_MEM_TABLE_BYTES(1), fds, 2);
	expect_memory_refused(state, &t, VU_MEM_TABLE_BYTES(2), fds, 1);
	expect_memory_refused(state, &t, VU_MEM_TABLE_BYTES(2), fds, 3);
	t.n = le32_of(0);
	expect_memory_refused(state, &t, VU_MEM_TABLE_BYTES(2), fds, 2);
	t.n = le32_of(9);
	expect_memory_refused(state, &t, sizeof t, fds, 2);
	t.n = le32_of(UINT32_MAX);
	expect_memory_refused(state, &t, VU_MEM_TABLE_BYTES(2), fds, 2);
}

static void half_a_message_holds_nothing_up(void **state)
{
	struct world *w = *state;
	const struct buf b = { FRONT_DATA, 4, true };

	assert_int_equal(send(w->f.sock, "\x01\x00\x00", 3, 0), 3);
	assert_int_equal(front_do(&w->f, 0, &b, 1), 4);
	close(w->f.sock);
	w->f.sock = -1;
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_step(&w->loop, 0), 0);
	assert_true(w->loop.is_stopped);
	assert_int_equal(w->loop.result, 0); /* the front end went away: no error of ours */
}

static uint16_t used_index(const struct front *f)
{
	le16 v;

	memcpy(&v, f->ram + FRONT_USED(0) + 2, sizeof v);
	return le16_get(v);
}

/* Long requests end a turn before its 32: the front end must be heard in time. */
static void turn_ends_by_bytes_as_well(void **state)
{
	struct world *w = *state;
	const struct buf bufs[] = { { FRONT_DATA, 3u << 20, false }, { FRONT_DATA, 4, true } };

	for (int i = 0; i < 20; i++)
		(void)front_offer(&w->f, 0, bufs, 2);
	assert_int_equal(eventfd_write(w->f.q[0].kick, 1), 0);
	assert_int_equal(loop_step(&w->loop, 0), 0);
	assert_int_equal(used_index(&w->f), LIMIT_VU_TURN_BYTES / (3u << 20) + 1);
	assert_int_equal(loop_step(&w->loop, 0), 0);
	assert_int_equal(used_index(&w->f), 20);
}

/* As short ones do that are work: a flush, zeros that have to be written. */
static void turn_ends_by_work_as_well(void **state)
{
	struct world *w = *state;
	const struct buf room = { FRONT_DATA, 4, true };

	pong_work = LIMIT_VU_TURN_BYTES / 4;
	for (int i = 0; i < 10; i++)
		(void)front_offer(&w->f, 0, &room, 1);
	assert_int_equal(eventfd_write(w->f.q[0].kick, 1), 0);
	for (int n = 4; n <= 12; n += 4) {
		assert_int_equal(loop_step(&w->loop, 0), 0);
		assert_int_equal(used_index(&w->f), MIN(n, 10));
	}
	pong_work = 0;
}

#define T(name)   cmocka_unit_test_setup_teardown(name, world_open, world_close)
#define RUN(name) cmocka_unit_test_setup_teardown(name, running_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(request_is_served),
		T(order_of_qemu_is_served),
		T(front_end_without_protocol_features_is_served),
		RUN(config_beyond_its_end_reads_as_no),
		RUN(new_call_descriptor_is_signalled_once),
		RUN(full_counter_stops_nobody),
		RUN(eventfd_that_blocks_is_refused),
		RUN(reset_device_forgets_everything),
		RUN(ring_of_nonsense_breaks_and_the_relation_lives),
		cmocka_unit_test(wrong_shapes_end_it_or_change_nothing),
		T(requests_before_their_time_end_it),
		T(kick_before_features_ends_it),
		T(replies_are_no_requests),
		T(features_not_offered_end_it),
		T(legacy_drivers_end_it),
		T(protocol_features_not_offered_end_it),
		RUN(new_features_while_running_end_it),
		RUN(geometry_while_running_ends_it),
		RUN(memory_while_running_ends_it),
		RUN(queues_that_do_not_exist_end_it),
		RUN(odd_values_end_it),
		RUN(event_without_or_with_surplus_descriptor_ends_it),
		RUN(descriptors_that_are_no_events_end_it),
		RUN(event_that_cannot_be_read_breaks_its_queue),
		RUN(polling_kicks_are_not_offered),
		RUN(second_kick_descriptor_while_running_ends_it),
		cmocka_unit_test(bad_memory_ends_it),
		RUN(half_a_message_holds_nothing_up),
		RUN(turn_ends_by_bytes_as_well),
		RUN(turn_ends_by_work_as_well),
	};

	return cmocka_run_group_tests_name("vu_back", tests, NULL, NULL);
}
