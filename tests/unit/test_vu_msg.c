#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/cm.h"
#include "vmm/virtio/vu_msg.h"

struct pair {
	int a;
	int b;
	struct vu_msg m;
};

static int pair_open(void **state)
{
	static struct pair p;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	p = (struct pair){ .a = fds[0], .b = fds[1] };
	vu_msg_init(&p.m);
	*state = &p;
	return 0;
}

static int pair_close(void **state)
{
	struct pair *p = *state;

	vu_msg_done(&p->m);
	close(p->a);
	close(p->b);
	return 0;
}

/* The lowest free descriptor: equal before and after means that nothing leaked. */
static int lowest_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void message_arrives_whole(void **state)
{
	struct pair *p = *state;
	struct vu_u64 v = { le64_of(0x123456789) };

	assert_int_equal(vu_recv_step(p->b, &p->m), -EAGAIN);
	assert_int_equal(vu_send(p->a, VU_SET_FEATURES, VU_VERSION, &v, sizeof v, NULL, 0), 0);
	assert_int_equal(vu_recv_step(p->b, &p->m), 0);
	assert_int_equal(p->m.request, VU_SET_FEATURES);
	assert_int_equal(p->m.len, 8);
	assert_memory_equal(p->m.buf, &v, sizeof v);
}

static void message_in_single_bytes_arrives(void **state)
{
	struct pair *p = *state;
	const uint8_t raw[20] = { VU_SET_FEATURES, 0, 0, 0, VU_VERSION, 0, 0, 0, 8, 0, 0, 0, 1, 2,
		3 };

	for (size_t i = 0; i < sizeof raw; i++) {
		assert_int_equal(vu_recv_step(p->b, &p->m), -EAGAIN);
		assert_int_equal(send(p->a, raw + i, 1, 0), 1);
	}
	assert_int_equal(vu_recv_step(p->b, &p->m), 0);
	assert_int_equal(p->m.len, 8);
	assert_int_equal(p->m.buf[2], 3);
}

static void two_messages_in_one_go_stay_two(void **state)
{
	struct pair *p = *state;

	assert_int_equal(vu_send(p->a, VU_SET_OWNER, VU_VERSION, NULL, 0, NULL, 0), 0);
	assert_int_equal(vu_send(p->a, VU_GET_FEATURES, VU_VERSION, NULL, 0, NULL, 0), 0);
	assert_int_equal(vu_recv_step(p->b, &p->m), 0);
	assert_int_equal(p->m.request, VU_SET_OWNER);
	vu_msg_init(&p->m);
	assert_int_equal(vu_recv_step(p->b, &p->m), 0);
	assert_int_equal(p->m.request, VU_GET_FEATURES);
}

static void descriptors_arrive_close_on_exec(void **state)
{
	struct pair *p = *state;
	const int fds[2] = { 1, 2 };

	assert_int_equal(vu_send(p->a, VU_SET_MEM_TABLE, VU_VERSION, "12345678", 8, fds, 2), 0);
	assert_int_equal(vu_recv_step(p->b, &p->m), 0);
	assert_int_equal(p->m.n_fds, 2);
	int fd = vu_msg_take_fd(&p->m, 1);
	assert_true(fd > 2);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(vu_msg_take_fd(&p->m, 1), -1);
	assert_int_equal(vu_msg_take_fd(&p->m, 2), -1);
	close(fd);
}

static void bad_headers_are_refused(void **state)
{
	struct pair *p = *state;
	const struct vu_hdr bad[] = {
		{ le32_of(1), le32_of(0), le32_of(0) },    /* no version */
		{ le32_of(1), le32_of(2), le32_of(0) },    /* another version */
		{ le32_of(1), le32_of(0x11), le32_of(0) }, /* unknown flag */
		{ le32_of(1), le32_of(0x80000001), le32_of(0) },
		{ le32_of(1), le32_of(1), le32_of(VU_PAYLOAD_MAX + 1) }, /* too long */
		{ le32_of(1), le32_of(1), le32_of(UINT32_MAX) },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int before = lowest_free();
		vu_msg_init(&p->m);
		assert_int_equal(send(p->a, &bad[i], sizeof bad[i], 0), (int)sizeof bad[i]);
		assert_int_equal(vu_recv_step(p->b, &p->m), -EBADMSG);
		assert_int_equal(lowest_free(), before);
	}
}

/* Send raw bytes with n descriptors. */
static void raw_send(int sock, const void *buf, size_t len, unsigned int n)
{
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(64 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	int fds[64] = { 0 };

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	assert_int_equal(sendmsg(sock, &mh, 0), (int)len);
}

static void too_many_descriptors_are_refused_and_closed(void **state)
{
	struct pair *p = *state;
	const struct vu_hdr hdr = { le32_of(5), le32_of(1), le32_of(0) };
	int before = lowest_free();

	raw_send(p->a, &hdr, sizeof hdr, LIMIT_MEM_REGIONS + 1);
	assert_int_equal(vu_recv_step(p->b, &p->m), -EBADMSG);
	assert_int_equal(p->m.n_fds, 0);
	assert_int_equal(lowest_free(), before);
}

static void descriptors_with_the_payload_are_refused_and_closed(void **state)
{
	struct pair *p = *state;
	const struct vu_hdr hdr = { le32_of(5), le32_of(1), le32_of(8) };
	int before = lowest_free();

	assert_int_equal(send(p->a, &hdr, sizeof hdr, 0), (int)sizeof hdr);
	assert_int_equal(vu_recv_step(p->b, &p->m), -EAGAIN);
	raw_send(p->a, "12345678", 8, 1);
	assert_int_equal(vu_recv_step(p->b, &p->m), -EBADMSG);
	assert_int_equal(lowest_free(), before);
}

static void peer_gone_is_told_apart_also_in_mid_message(void **state)
{
	struct pair *p = *state;
	const struct vu_hdr hdr = { le32_of(2), le32_of(1), le32_of(8) };

	assert_int_equal(send(p->a, &hdr, sizeof hdr, 0), (int)sizeof hdr);
	assert_int_equal(vu_recv_step(p->b, &p->m), -EAGAIN);
	close(p->a);
	assert_int_equal(vu_recv_step(p->b, &p->m), -EPIPE);
	assert_int_equal(vu_send(p->b, 1, VU_VERSION, NULL, 0, NULL, 0), -EPIPE);
	p->a = dup(0);
}

static void silence_times_out(void **state)
{
	struct pair *p = *state;

	assert_int_equal(vu_recv(p->b, &p->m, 20), -ETIMEDOUT);
	assert_int_equal(send(p->a, "x", 1, 0), 1);
	assert_int_equal(vu_recv(p->b, &p->m, 20), -ETIMEDOUT);
}

static void peer_that_does_not_read_holds_nobody(void **state)
{
	struct pair *p = *state;
	const struct vu_u64 v = { le64_of(1) };
	unsigned int n = 0;
	int err = 0;

	while (n < 100000 &&
		(err = vu_tell(p->a, VU_SET_FEATURES, &v, sizeof v, NULL, 0, NULL)) == 0)
		n++;
	assert_int_equal(err, -EAGAIN);
	for (unsigned int i = 0; i < n; i++) { /* what was sent is there, whole, and no more */
		assert_int_equal(vu_recv_step(p->b, &p->m), 0);
		assert_int_equal(p->m.len, sizeof v);
		vu_msg_init(&p->m);
	}
	assert_int_equal(vu_recv_step(p->b, &p->m), -EAGAIN);
}

static void oversize_is_not_sent(void **state)
{
	struct pair *p = *state;
	static const uint8_t big[VU_PAYLOAD_MAX + 1];
	static const int fds[LIMIT_MEM_REGIONS + 1];

	assert_int_equal(vu_send(p->a, 1, VU_VERSION, big, sizeof big, NULL, 0), -EMSGSIZE);
	assert_int_equal(
		vu_send(p->a, 1, VU_VERSION, NULL, 0, fds, LIMIT_MEM_REGIONS + 1), -EMSGSIZE);
}

/* The answer waits in the socket before the call is made: no second thread needed. */
static int call_with(struct pair *p, uint32_t request, uint32_t flags, const void *reply,
	size_t len, void *ret, size_t ret_len, struct why *why)
{
	assert_int_equal(vu_send(p->b, request, flags, reply, len, NULL, 0), 0);
	return vu_call(p->a, VU_GET_FEATURES, NULL, 0, NULL, 0, ret, ret_len, why);
}

static void call_gets_its_reply(void **state)
{
	struct pair *p = *state;
	const struct vu_u64 v = { le64_of(42) };
	const struct vu_u64 zero = { le64_of(0) };
	struct vu_u64 ret = { 0 };
	struct why why = { 0 };

	assert_int_equal(call_with(p, VU_GET_FEATURES, VU_VERSION | VU_REPLY, &v, sizeof v, &ret,
				 sizeof ret, &why),
		0);
	assert_int_equal(le64_get(ret.v), 42);
	assert_int_equal(vu_recv_step(p->b, &p->m), 0);
	assert_int_equal(p->m.flags, VU_VERSION); /* it has a reply: no acknowledgement asked */
	vu_msg_init(&p->m);

	assert_int_equal(call_with(p, VU_GET_FEATURES, VU_VERSION | VU_REPLY, &zero, sizeof zero,
				 NULL, 0, &why),
		0);
	assert_int_equal(vu_recv_step(p->b, &p->m), 0);
	assert_int_equal(p->m.flags, VU_VERSION | VU_NEED_REPLY);
	assert_int_equal(why.text[0], 0);
}

static void call_refuses_answers_that_do_not_fit(void **state)
{
	static const struct {
		uint32_t request;
		uint32_t flags;
		size_t len;
		bool is_ack;
		int err;
	} bad[] = {
		{ VU_GET_CONFIG, VU_VERSION | VU_REPLY, 8, false, -EBADMSG },
		{ VU_GET_FEATURES, VU_VERSION, 8, false, -EBADMSG },
		{ VU_GET_FEATURES, VU_VERSION | VU_REPLY | VU_NEED_REPLY, 8, false, -EBADMSG },
		{ VU_GET_FEATURES, VU_VERSION | VU_REPLY, 7, false, -EBADMSG },
		{ VU_GET_FEATURES, VU_VERSION | VU_REPLY, 9, false, -EBADMSG },
		{ VU_GET_FEATURES, VU_VERSION | VU_REPLY, 0, true, -EBADMSG },
		{ VU_GET_FEATURES, VU_VERSION | VU_REPLY, 8, true, -EREMOTEIO }, /* "no" */
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct pair *p = *state;
		struct vu_u64 ret = { 0 };
		struct why why = { 0 };
		int err = call_with(p, bad[i].request, bad[i].flags, "123456789", bad[i].len,
			bad[i].is_ack ? NULL : &ret, bad[i].is_ack ? 0 : sizeof ret, &why);
		assert_int_equal(err, bad[i].err);
		assert_int_equal(le64_get(ret.v), 0);
		assert_true(why.text[0] != 0);
		pair_close(state);
		pair_open(state);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(message_arrives_whole),
		T(message_in_single_bytes_arrives),
		T(two_messages_in_one_go_stay_two),
		T(descriptors_arrive_close_on_exec),
		T(bad_headers_are_refused),
		T(too_many_descriptors_are_refused_and_closed),
		T(descriptors_with_the_payload_are_refused_and_closed),
		T(peer_gone_is_told_apart_also_in_mid_message),
		T(silence_times_out),
		T(peer_that_does_not_read_holds_nobody),
		T(oversize_is_not_sent),
		T(call_gets_its_reply),
		T(call_refuses_answers_that_do_not_fit),
	};

	return cmocka_run_group_tests_name("vu_msg", tests, NULL, NULL);
}
