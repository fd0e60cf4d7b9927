#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/chan.h"
#include "tests/unit/cm.h"

enum { T_HELLO = 1, T_FILE = 2, T_COUNT };
enum { S_NEW, S_READY };

static int taken;
static int taken_fd;

static int on_hello(void *owner, struct msg *m)
{
	taken++;
	return 0;
}

static int on_file(void *owner, struct msg *m)
{
	taken_fd = msg_take_fd(m, 0);
	return 0;
}

static const struct rule rules[T_COUNT] = {
	[T_HELLO] = { IN(S_NEW), 4, 8, 0, 0, true, on_hello },
	[T_FILE] = { IN(S_NEW) | IN(S_READY), 0, 0, 1, 1, false, on_file },
};

struct pair {
	struct chan a;
	struct chan b;
};

static int pair_open(void **state)
{
	static struct pair p;
	int fds[2];

	taken = 0;
	taken_fd = -1;
	if (chan_pair(fds) < 0 || chan_open(&p.a, fds[0]) < 0 || chan_open(&p.b, fds[1]) < 0)
		return -1;
	*state = &p;
	return 0;
}

static int pair_close(void **state)
{
	struct pair *p = *state;

	chan_close(&p->a);
	chan_close(&p->b);
	return 0;
}

static void message_arrives_at_its_row(void **state)
{
	struct pair *p = *state;

	assert_int_equal(chan_send(&p->a, T_HELLO, "abcd", 4, NULL, 0), 0);
	assert_int_equal(chan_step(&p->b, false, rules, T_COUNT, S_NEW, NULL), 0);
	assert_int_equal(taken, 1);
	assert_int_equal(chan_step(&p->b, false, rules, T_COUNT, S_NEW, NULL), -EAGAIN);
}

static void message_out_of_state_or_twice_is_refused(void **state)
{
	struct pair *p = *state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(chan_send(&p->a, T_HELLO, "abcd", 4, NULL, 0), 0);
	assert_int_equal(chan_step(&p->b, false, rules, T_COUNT, S_READY, NULL), -EPROTO);
	assert_int_equal(chan_step(&p->b, false, rules, T_COUNT, S_NEW, NULL), 0);
	assert_int_equal(chan_step(&p->b, false, rules, T_COUNT, S_NEW, NULL), -EPROTO);
	assert_int_equal(taken, 1);
}

static void lengths_and_unknown_types_are_refused(void **state)
{
	struct pair *p = *state;
	const struct {
		uint16_t type;
		size_t len;
	} bad[] = { { T_HELLO, 3 }, { T_HELLO, 9 }, { 0, 4 }, { T_COUNT, 4 }, { 60000, 4 } };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(
			chan_send(&p->a, bad[i].type, "123456789", bad[i].len, NULL, 0), 0);
		assert_int_equal(chan_step(&p->b, false, rules, T_COUNT, S_NEW, NULL), -EBADMSG);
	}
	assert_int_equal(taken, 0);
}

static void descriptor_arrives_close_on_exec(void **state)
{
	struct pair *p = *state;
	int fd = STDERR_FILENO;

	assert_int_equal(chan_send(&p->a, T_FILE, NULL, 0, &fd, 1), 0);
	assert_int_equal(chan_step(&p->b, false, rules, T_COUNT, S_NEW, NULL), 0);
	assert_true(taken_fd > 2);
	assert_int_equal(fcntl(taken_fd, F_GETFD), FD_CLOEXEC);
	close(taken_fd);
}

static void stray_descriptors_are_closed(void **state)
{
	struct pair *p = *state;
	int fd = STDERR_FILENO;
	int before = dup(2);

	close(before);
	assert_int_equal(chan_send(&p->a, T_HELLO, "abcd", 4, &fd, 1), 0);
	assert_int_equal(chan_step(&p->b, false, rules, T_COUNT, S_NEW, NULL), -EBADMSG);
	int after = dup(2);
	assert_int_equal(after, before);
	close(after);
}

static void raw_packets_with_a_wrong_header_are_refused(void **state)
{
	struct pair *p = *state;
	const uint8_t bad[][12] = {
		{ 1, 0, 0, 0, 5, 0, 0, 0, 1, 2, 3, 4 }, /* length says 5, 4 came */
		{ 1, 0, 1, 0, 4, 0, 0, 0, 1, 2, 3, 4 }, /* reserved not zero */
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(send(p->a.fd, bad[i], sizeof bad[i], 0), (int)sizeof bad[i]);
		assert_int_equal(chan_recv(&p->b, false), -EBADMSG);
	}
	assert_int_equal(send(p->a.fd, bad[0], 3, 0), 3);
	assert_int_equal(chan_recv(&p->b, false), -EBADMSG);
}

static void empty_packet_leaves_no_descriptor(void **state)
{
	struct pair *p = *state;
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr mh = { .msg_control = control.buf, .msg_controllen = sizeof control.buf };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	int before = dup(0);

	assert_true(before >= 0 && close(before) == 0);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &p->a.fd, sizeof(int));
	assert_int_equal(sendmsg(p->a.fd, &mh, 0), 0);
	assert_int_equal(chan_recv(&p->b, false), -EPIPE);
	int after = dup(0);
	assert_int_equal(after, before);
	(void)close(after);
}

static void closed_peer_is_told_apart(void **state)
{
	struct pair *p = *state;

	chan_close(&p->a);
	assert_int_equal(chan_recv(&p->b, true), -EPIPE);
	assert_int_equal(chan_send(&p->b, T_HELLO, "abcd", 4, NULL, 0), -EPIPE);
}

/* The kernel tells a reset, because something of ours was not read, before what came. */
static void last_words_of_a_peer_that_did_not_read_arrive(void **state)
{
	struct pair *p = *state;

	assert_int_equal(chan_send(&p->b, T_HELLO, "abcd", 4, NULL, 0), 0);
	assert_int_equal(chan_send(&p->a, T_HELLO, "last", 4, NULL, 0), 0);
	chan_close(&p->a);
	assert_int_equal(chan_recv(&p->b, false), 0);
	assert_int_equal(p->b.in->type, T_HELLO);
	assert_memory_equal(p->b.in->buf, "last", 4);
	assert_int_equal(chan_recv(&p->b, false), -EPIPE);
}

static void peer_that_did_not_read_and_said_nothing_is_gone(void **state)
{
	struct pair *p = *state;

	assert_int_equal(chan_send(&p->b, T_HELLO, "abcd", 4, NULL, 0), 0);
	chan_close(&p->a);
	assert_int_equal(chan_recv(&p->b, true), -EPIPE);
	assert_int_equal(chan_recv(&p->b, false), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(message_arrives_at_its_row, pair_open, pair_close),
		cmocka_unit_test_setup_teardown(
			message_out_of_state_or_twice_is_refused, pair_open, pair_close),
		cmocka_unit_test_setup_teardown(
			lengths_and_unknown_types_are_refused, pair_open, pair_close),
		cmocka_unit_test_setup_teardown(
			descriptor_arrives_close_on_exec, pair_open, pair_close),
		cmocka_unit_test_setup_teardown(
			stray_descriptors_are_closed, pair_open, pair_close),
		cmocka_unit_test_setup_teardown(
			raw_packets_with_a_wrong_header_are_refused, pair_open, pair_close),
		cmocka_unit_test_setup_teardown(
			empty_packet_leaves_no_descriptor, pair_open, pair_close),
		cmocka_unit_test_setup_teardown(closed_peer_is_told_apart, pair_open, pair_close),
		cmocka_unit_test_setup_teardown(
			last_words_of_a_peer_that_did_not_read_arrive, pair_open, pair_close),
		cmocka_unit_test_setup_teardown(
			peer_that_did_not_read_and_said_nothing_is_gone, pair_open, pair_close),
	};

	return cmocka_run_group_tests_name("chan", tests, NULL, NULL);
}
