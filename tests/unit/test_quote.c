/* The quoting helper: the service's messages, and the queue, in this process. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/wr.h"
#include "tests/unit/cm.h"
#include "vmm/quote/quote.h"
#include "vmm/super/sup_proto.h"

/* ---- messages --------------------------------------------------------------------------------- */

struct answer {
	uint8_t bytes[QGS_FRAME_BYTES + QGS_ANSWER_MAX + 8];
	size_t len; /* with the frame */
};

/* What a service sends; each field as given. */
struct said {
	uint32_t frame, type, size, code, id_len, quote_len;
	uint16_t major, minor;
	size_t n; /* bytes of quote that follow */
};

static struct said said_of(size_t n)
{
	uint32_t len = (uint32_t)(24 + n);

	return (struct said){ .frame = len,
		.type = 1,
		.size = len,
		.major = 1,
		.minor = 1,
		.quote_len = (uint32_t)n,
		.n = n };
}

static void answer_print(const struct said *s, struct answer *a)
{
	struct wr w = wr_of(a->bytes, sizeof a->bytes);

	wr_be32(&w, s->frame);
	wr_le16(&w, s->major);
	wr_le16(&w, s->minor);
	wr_le32(&w, s->type);
	wr_le32(&w, s->size);
	wr_le32(&w, s->code);
	wr_le32(&w, s->id_len);
	wr_le32(&w, s->quote_len);
	for (size_t i = 0; i < s->n; i++)
		wr_u8(&w, (uint8_t)(i * 7));
	assert_int_equal(wr_check(&w), 0);
	a->len = w.len;
}

static int said_parse(const struct said *s, const uint8_t **ret, size_t *ret_len)
{
	static struct answer a;
	size_t len = 0;

	answer_print(s, &a);
	int err = qgs_parse_frame(a.bytes, &len, NULL);
	if (err < 0)
		return err;
	if (len != a.len - QGS_FRAME_BYTES)
		return -ENODATA;
	return qgs_parse_answer(a.bytes + QGS_FRAME_BYTES, len, ret, ret_len, NULL);
}

static void request_is_what_the_service_reads(void **state)
{
	uint8_t report[QUOTE_REPORT_BYTES];
	uint8_t got[QGS_REQUEST_BYTES];
	static const uint8_t head[] = { 0, 0, 0x04, 0x18, 1, 0, 1, 0, 0, 0, 0, 0, 0x18, 0x04, 0, 0,
		0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0, 0 };

	for (size_t i = 0; i < sizeof report; i++)
		report[i] = (uint8_t)(i * 3);
	qgs_print_request(report, got);
	assert_int_equal(sizeof got, 1052);
	assert_memory_equal(got, head, sizeof head);
	assert_memory_equal(got + sizeof head, report, sizeof report);
}

static void answer_gives_its_quote(void **state)
{
	static const size_t lens[] = { 1, 48, 5006, LIMIT_QUOTE_BYTES };

	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		const struct said s = said_of(lens[i]);
		const uint8_t *quote = NULL;
		size_t len = 0;
		assert_int_equal(said_parse(&s, &quote, &len), 0);
		assert_int_equal(len, lens[i]);
		assert_int_equal(quote[len - 1], (uint8_t)((len - 1) * 7));
	}
}

static void answer_with_one_wrong_field_is_refused(void **state)
{
	const struct said good = said_of(100);
	struct said bad[12];
	const uint8_t *quote = NULL;
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = good;
	bad[0].major = 2;
	bad[1].minor = 0;
	bad[2].type = 0; /* a request */
	bad[3].type = 5; /* another answer */
	bad[4].size++;
	bad[5].size--;
	bad[6].id_len = 16;
	bad[7].quote_len++;
	bad[8].quote_len--; /* a byte behind the quote */
	bad[9].quote_len = 0xfffffff0;
	bad[10].frame = LIMIT_QUOTE_BYTES + 25;
	bad[11].frame = 15;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(said_parse(&bad[i], &quote, &len), -EBADMSG);
	struct said none = said_of(0);
	assert_int_equal(said_parse(&none, &quote, &len), -EBADMSG);
	assert_null(quote);
}

static void service_that_refuses_is_quoted(void **state)
{
	struct said s = said_of(0);
	struct why why = { 0 };
	struct answer a;
	const uint8_t *quote = NULL;
	size_t len = 0;

	s.code = 0x12003;
	answer_print(&s, &a);
	assert_int_equal(qgs_parse_answer(a.bytes + 4, a.len - 4, &quote, &len, &why), -EREMOTEIO);
	assert_non_null(strstr(why.text, "0x12003: invalid parameter"));
	/* A header alone is how some errors look. */
	s.size = 16;
	answer_print(&s, &a);
	assert_int_equal(qgs_parse_answer(a.bytes + 4, 16, &quote, &len, NULL), -EREMOTEIO);
	assert_int_equal(qgs_parse_answer(a.bytes + 4, 15, &quote, &len, NULL), -EBADMSG);
}

/* ---- the queue: the test is supervisor, monitor and service ------------------------------------ */

struct stage {
	struct loop loop;
	struct quote q;
	struct chan super, monitor; /* our ends */
	struct chan child;          /* the process's end of the supervisor's channel */
};

static struct stage st;

static int stage_open(void **state)
{
	int super[2], monitor[2];

	st = (struct stage){ .q = QUOTE_NONE };
	if (chan_pair(super) < 0 || chan_pair(monitor) < 0 || loop_open(&st.loop) < 0 ||
		chan_open(&st.super, super[0]) < 0 || chan_open(&st.child, super[1]) < 0 ||
		chan_open(&st.monitor, monitor[0]) < 0)
		return -1;
	return quote_open(&st.q, &st.loop, &st.child, monitor[1]);
}

static int stage_close(void **state)
{
	quote_close(&st.q);
	chan_close(&st.child);
	chan_close(&st.super);
	chan_close(&st.monitor);
	loop_close(&st.loop);
	return 0;
}

static void steps(unsigned int n)
{
	while (n-- > 0)
		assert_int_equal(loop_step(&st.loop, 20), 0);
}

static void ask(uint32_t cookie)
{
	struct wire_quote_request rq = { .cookie = le32_of(cookie) };

	memset(rq.report, (int)cookie, sizeof rq.report);
	assert_int_equal(chan_send(&st.monitor, QUOTE_MSG_REQUEST, &rq, sizeof rq, NULL, 0), 0);
	steps(1);
}

/* The supervisor was asked for a connection: connect, or not. Returns the service's end. */
static int connect_answer(int err)
{
	struct wire_connect want;
	int pair[2] = { -1, -1 };

	assert_int_equal(chan_recv(&st.super, false), 0);
	assert_int_equal(st.super.in->type, SUP_MSG_CONNECT);
	assert_int_equal(st.super.in->len, sizeof want);
	memcpy(&want, st.super.in->buf, sizeof want);
	assert_int_equal(le32_get(want.index), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	const struct wire_connected answer = { want.cookie, le32_of((uint32_t)err) };
	assert_int_equal(chan_send(&st.super, SUP_MSG_CONNECTED, &answer, sizeof answer, &pair[1],
				 err == 0 ? 1 : 0),
		0);
	(void)close(pair[1]);
	if (err != 0)
		fd_drop(&pair[0]);
	steps(2);
	return pair[0];
}

/* The request is whole and has this report. */
static void service_reads(int service, uint32_t cookie)
{
	uint8_t got[QGS_REQUEST_BYTES];

	assert_int_equal(recv(service, got, sizeof got, MSG_WAITALL), sizeof got);
	assert_int_equal(got[sizeof got - 1], cookie);
}

static void service_says(int service, const struct said *s)
{
	static struct answer a;

	answer_print(s, &a);
	assert_int_equal(send(service, a.bytes, a.len, MSG_NOSIGNAL), a.len);
	steps(2);
}

/* The monitor has this answer; returns the length of the quote. */
static size_t answered(uint32_t cookie, int err)
{
	struct wire_quote_answer a;

	assert_int_equal(chan_recv(&st.monitor, false), 0);
	assert_int_equal(st.monitor.in->type, QUOTE_MSG_ANSWER);
	memcpy(&a, st.monitor.in->buf, sizeof a);
	assert_int_equal(le32_get(a.cookie), cookie);
	assert_int_equal(le32_get(a.err), err);
	return st.monitor.in->len - sizeof a;
}

static void nothing_is_said(struct chan *c)
{
	assert_int_equal(chan_recv(c, false), -EAGAIN);
}

static void quote_reaches_the_monitor(void **state)
{
	const struct said s = said_of(5006);

	ask(7);
	AUTO(fd) int service = connect_answer(0);
	service_reads(service, 7);
	service_says(service, &s);
	assert_int_equal(answered(7, 0), 5006);
	/* One connection a quote. */
	uint8_t byte;
	assert_int_equal(recv(service, &byte, 1, MSG_DONTWAIT), 0);
	assert_false(st.loop.is_stopped);
}

static void answer_may_come_in_pieces(void **state)
{
	const struct said s = said_of(700);
	static struct answer a;

	ask(1);
	AUTO(fd) int service = connect_answer(0);
	answer_print(&s, &a);
	for (size_t i = 0; i < a.len; i++) {
		assert_int_equal(send(service, a.bytes + i, 1, MSG_NOSIGNAL), 1);
		if (i % 50 < 4)
			steps(1);
	}
	steps(1);
	assert_int_equal(answered(1, 0), 700);
}

static void bytes_behind_the_answer_are_not_read(void **state)
{
	const struct said s = said_of(700);

	ask(1);
	AUTO(fd) int service = connect_answer(0);
	static struct answer a;
	answer_print(&s, &a);
	assert_int_equal(send(service, a.bytes, a.len + 4, MSG_NOSIGNAL), a.len + 4);
	steps(2);
	assert_int_equal(answered(1, 0), 700);
	nothing_is_said(&st.monitor);
}

static void failures_are_told_apart(void **state)
{
	struct said refusal = said_of(0);
	struct said wrong = said_of(10);

	refusal.code = 0x12002;
	wrong.major = 9;
	ask(1);
	assert_int_equal(connect_answer(ECONNREFUSED), -1);
	assert_int_equal(answered(1, ENOTCONN), 0);
	ask(2);
	AUTO(fd) int second = connect_answer(0);
	service_says(second, &refusal);
	assert_int_equal(answered(2, EREMOTEIO), 0);
	ask(3);
	AUTO(fd) int third = connect_answer(0);
	service_says(third, &wrong);
	assert_int_equal(answered(3, EBADMSG), 0);
	ask(4);
	AUTO(fd) int fourth = connect_answer(0);
	service_reads(fourth, 4);
	fd_drop(&fourth); /* hangs up */
	steps(1);
	assert_int_equal(answered(4, EBADMSG), 0);
	ask(5);
	AUTO(fd) int fifth = connect_answer(0);
	const uint8_t huge[4] = { 0x7f, 0xff, 0xff, 0xff };
	assert_int_equal(send(fifth, huge, sizeof huge, MSG_NOSIGNAL), sizeof huge);
	steps(2);
	assert_int_equal(answered(5, EBADMSG), 0);
	assert_false(st.loop.is_stopped);
}

static void requests_wait_for_one_another(void **state)
{
	const struct said s = said_of(20);

	for (uint32_t i = 0; i < LIMIT_QUOTE_PENDING; i++)
		ask(100 + i);
	ask(200);
	assert_int_equal(answered(200, EAGAIN), 0);
	for (uint32_t i = 0; i < LIMIT_QUOTE_PENDING; i++) {
		AUTO(fd) int service = connect_answer(0);
		nothing_is_said(&st.super); /* no second connection meanwhile */
		service_reads(service, 100 + i);
		service_says(service, &s);
		assert_int_equal(answered(100 + i, 0), 20);
	}
	nothing_is_said(&st.super);
	ask(220); /* there is room again */
	AUTO(fd) int last = connect_answer(0);
	service_reads(last, 220);
}

/* As if the time-out had passed for the oldest. */
static void time_passes(void)
{
	st.q.queue[0].deadline_ms = 1;
	assert_int_equal(loop_timer_arm(st.q.timer.fd, 1), 0);
	(void)poll(NULL, 0, 5);
	steps(1);
}

static void silent_service_is_given_up(void **state)
{
	const struct said s = said_of(20);

	ask(1);
	ask(2);
	AUTO(fd) int service = connect_answer(0);
	service_reads(service, 1);
	time_passes();
	assert_int_equal(answered(1, ETIMEDOUT), 0);
	/* Its late answer is nobody's. */
	AUTO(fd) int second = connect_answer(0);
	service_reads(second, 2);
	service_says(second, &s);
	assert_int_equal(answered(2, 0), 20);
	nothing_is_said(&st.monitor);
}

static void late_connection_serves_who_waits_now(void **state)
{
	const struct said s = said_of(20);

	ask(1);
	time_passes(); /* before the supervisor answered */
	assert_int_equal(answered(1, ETIMEDOUT), 0);
	ask(2);
	AUTO(fd) int service = connect_answer(0); /* asked for 1, once */
	nothing_is_said(&st.super);
	service_reads(service, 2);
	service_says(service, &s);
	assert_int_equal(answered(2, 0), 20);
	/* And with nobody waiting it is closed. */
	ask(3);
	time_passes();
	assert_int_equal(answered(3, ETIMEDOUT), 0);
	AUTO(fd) int unused = connect_answer(0);
	uint8_t byte;
	assert_int_equal(recv(unused, &byte, 1, MSG_DONTWAIT), 0);
}

static void broken_rule_ends_it(void **state)
{
	const struct wire_connected unasked = { le32_of(1), le32_of(0) };

	assert_int_equal(
		chan_send(&st.super, SUP_MSG_CONNECTED, &unasked, sizeof unasked, NULL, 0), 0);
	steps(1);
	assert_true(st.loop.is_stopped);
	assert_int_equal(st.loop.result, -EPROTO);
}

static void short_request_ends_it(void **state)
{
	const uint8_t bytes[1027] = { 0 };

	assert_int_equal(
		chan_send(&st.monitor, QUOTE_MSG_REQUEST, bytes, sizeof bytes, NULL, 0), 0);
	steps(1);
	assert_true(st.loop.is_stopped);
	assert_int_equal(st.loop.result, -EBADMSG);
}

static void end_of_either_peer_is_no_failure(void **state)
{
	chan_close(&st.monitor);
	steps(1);
	assert_true(st.loop.is_stopped);
	assert_int_equal(st.loop.result, 0);
}

#define STAGED(f) cmocka_unit_test_setup_teardown(f, stage_open, stage_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_is_what_the_service_reads),
		cmocka_unit_test(answer_gives_its_quote),
		cmocka_unit_test(answer_with_one_wrong_field_is_refused),
		cmocka_unit_test(service_that_refuses_is_quoted),
		STAGED(quote_reaches_the_monitor),
		STAGED(answer_may_come_in_pieces),
		STAGED(bytes_behind_the_answer_are_not_read),
		STAGED(failures_are_told_apart),
		STAGED(requests_wait_for_one_another),
		STAGED(silent_service_is_given_up),
		STAGED(late_connection_serves_who_waits_now),
		STAGED(broken_rule_ends_it),
		STAGED(short_request_ends_it),
		STAGED(end_of_either_peer_is_no_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
