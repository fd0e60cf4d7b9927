/*
 * The whole of casemate-quote behind its CONFIG: a monitor that asks, a supervisor that connects or does
 * not, a quoting service that answers, stalls, hangs up or talks nonsense, each in any order.
 * Reaches quote_open(), both tables of rules, every state of queue[0], qgs_parse_*().
 *
 * Time is exchanged by the linker. An answer nobody asked for, a request that never gets one, a second
 * connection while one is being made, a process that outlives its monitor, and a descriptor that is
 * left are findings.
 *
 * Input: records; their first byte modulo RECORD_COUNT says what they are, 0x80: the next one comes before
 * the process runs. Numbers are little-endian.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/rd.h"
#include "base/wr.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/guard.h"
#include "vmm/quote/quote.h"
#include "vmm/super/sup_proto.h"

#define RECORDS_MAX 200
#define STEPS_MAX   100
#define FDS_COUNTED 256
#define FDS_MAX     3u

enum record {
	RECORD_REQUEST, /* u8 cookie: a monitor's good one */
	RECORD_MONITOR, /* u8 type, u8 descriptors, u16 length, bytes: a message */
	RECORD_SUPER,   /* the same */
	RECORD_CONNECT, /* u8 error: the good answer to the connection asked for last */
	RECORD_SAYS,    /* u8 length, bytes: the service sends these */
	RECORD_QUOTE,   /* u16 length: the service's good answer with a quote of it */
	RECORD_HANG_UP, /* the service */
	RECORD_LATE,    /* the oldest request's time is over */
	RECORD_RAW,     /* u8 whom (1: monitor), u8 length, bytes: a packet that is no message */
	RECORD_COUNT
};

static struct {
	bool is_on;
	struct loop loop;
	struct quote q;
	struct chan super, monitor; /* our ends */
	struct chan child;          /* the process's end of the supervisor's */
	int service;                /* our end; -1: none */
	uint64_t now_ms;
	unsigned int asked;    /* requests without an answer */
	unsigned int connects; /* connections asked for and not answered */
	le32 cookie;           /* of the last of them */
} run;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (!run.is_on)
		return __real_clock_gettime(clock, ret);
	run.now_ms++;
	*ret = (struct timespec){ (time_t)(run.now_ms / 1000),
		(long)(run.now_ms % 1000) * 1000000 };
	return 0;
}

/* ---- what the process says -------------------------------------------------------------------- */

static void answer_check(const struct msg *m)
{
	static const int known[] = { 0, ENOTCONN, ETIMEDOUT, EREMOTEIO, EBADMSG, EAGAIN };
	struct wire_quote_answer a;
	size_t i = 0;

	if (m->type != QUOTE_MSG_ANSWER || m->len < sizeof a || m->n_fds > 0)
		finding("a monitor gets what is no answer");
	memcpy(&a, m->buf, sizeof a);
	while (i < ARRAY_LEN(known) && le32_get(a.err) != (uint32_t)known[i])
		i++;
	size_t len = m->len - sizeof a;
	if (i == ARRAY_LEN(known) || (i == 0) != (len > 0) || len > LIMIT_QUOTE_BYTES)
		finding("an answer that quote_proto.h does not have");
	if (run.asked-- == 0)
		finding("an answer nobody asked for");
}

static void connect_check(const struct msg *m)
{
	struct wire_connect want;

	if (m->type != SUP_MSG_CONNECT || m->len != sizeof want || m->n_fds > 0)
		finding("a supervisor gets what is no request");
	memcpy(&want, m->buf, sizeof want);
	if (le32_get(want.index) != 0 || run.connects++ != 0)
		finding("a second connection while one is being made");
	run.cookie = want.cookie;
}

static void settle(void)
{
	struct pollfd p = { .fd = run.loop.epoll_fd, .events = POLLIN };

	for (int i = 0; i < STEPS_MAX && !run.loop.is_stopped && poll(&p, 1, 0) == 1; i++)
		if (loop_step(&run.loop, 0) < 0)
			finding("the loop fails");
	while (run.monitor.fd >= 0 && chan_recv(&run.monitor, false) == 0)
		answer_check(run.monitor.in);
	while (run.super.fd >= 0 && chan_recv(&run.super, false) == 0)
		connect_check(run.super.in);
}

/* ---- what it hears ---------------------------------------------------------------------------- */

static void message_send(struct chan *c, struct rd *r)
{
	static uint8_t bytes[LIMIT_CHAN_MSG_BYTES];
	const int fds[FDS_MAX] = { run.loop.epoll_fd, run.loop.epoll_fd, run.loop.epoll_fd };
	uint8_t type = rd_u8(r);
	unsigned int n_fds = rd_u8(r) % (FDS_MAX + 1);
	size_t len = rd_le16(r); /* MIN() asks twice */

	len = MIN(len, sizeof bytes);
	memset(bytes, 0, len);
	rd_copy(r, bytes, MIN(len, r->left));
	if (chan_send(c, type, bytes, len, fds, n_fds) < 0)
		return; /* full, or nobody listens any more */
	run.asked += c == &run.monitor && type == QUOTE_MSG_REQUEST;
	if (c == &run.super && type == SUP_MSG_CONNECTED && run.connects > 0)
		run.connects--; /* right or wrong: a wrong one ends it */
}

static void request_send(uint8_t cookie)
{
	struct wire_quote_request request = { .cookie = le32_of(cookie) };

	memset(request.report, cookie, sizeof request.report);
	if (chan_send(&run.monitor, QUOTE_MSG_REQUEST, &request, sizeof request, NULL, 0) == 0)
		run.asked++;
}

static void connected_send(uint8_t err)
{
	const struct wire_connected answer = { run.cookie, le32_of(err) };
	int pair[2] = { -1, -1 };

	if (run.connects == 0)
		return; /* RECORD_SUPER has the answers that nobody asked for */
	run.connects--;
	fd_drop(&run.service);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		finding("no process to test");
	if (chan_send(&run.super, SUP_MSG_CONNECTED, &answer, sizeof answer, &pair[1], err == 0) <
		0)
		run.connects = 0; /* it has ended */
	fd_drop(&pair[1]);
	run.service = pair[0];
}

static void service_send(const void *bytes, size_t len)
{
	if (run.service >= 0 && send(run.service, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* full, or closed already */
}

static void quote_send(uint32_t n)
{
	static uint8_t buf[QGS_FRAME_BYTES + QGS_ANSWER_MAX];
	uint32_t len = MIN(n, LIMIT_QUOTE_BYTES) + 24;
	struct wr w = wr_of(buf, sizeof buf);

	wr_be32(&w, len);
	wr_le16(&w, 1);
	wr_le16(&w, 1);
	wr_le32(&w, 1); /* GET_QUOTE's answer */
	wr_le32(&w, len);
	wr_le32(&w, 0);
	wr_le32(&w, 0);
	wr_le32(&w, len - 24);
	service_send(buf, QGS_FRAME_BYTES + len);
}

static void bytes_send(struct rd *r, uint8_t whom)
{
	size_t len = rd_u8(r); /* MIN() asks twice */

	len = MIN(len, r->left);
	const uint8_t *bytes = rd_bytes(r, len);
	const struct chan *c = whom == 1 ? &run.monitor : &run.super;

	if (bytes == NULL)
		return;
	if (whom > 1)
		service_send(bytes, len);
	else if (send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* full, or nobody listens any more */
}

/* ---- the script ------------------------------------------------------------------------------- */

static void time_pass(void)
{
	run.now_ms += LIMIT_QUOTE_MS;
	if (!run.loop.is_stopped)
		run.q.timer.fire(&run.q.timer, 0);
}

static void record_run(struct rd *r)
{
	uint8_t what = rd_u8(r);

	switch ((enum record)((what & 0x7f) % RECORD_COUNT)) {
	case RECORD_REQUEST:
		request_send(rd_u8(r));
		break;
	case RECORD_MONITOR:
		message_send(&run.monitor, r);
		break;
	case RECORD_SUPER:
		message_send(&run.super, r);
		break;
	case RECORD_CONNECT:
		connected_send(rd_u8(r));
		break;
	case RECORD_SAYS:
		bytes_send(r, 2);
		break;
	case RECORD_QUOTE:
		quote_send(rd_le16(r));
		break;
	case RECORD_HANG_UP:
		fd_drop(&run.service);
		break;
	case RECORD_LATE:
		time_pass();
		break;
	case RECORD_RAW:
	case RECORD_COUNT:
		bytes_send(r, rd_u8(r) & 1);
		break;
	}
	if ((what & 0x80) == 0)
		settle();
}

/* Whoever still waits is told that it was in vain; then the monitor goes, and the process with it. */
static void end_all(void)
{
	settle();
	for (unsigned int i = 0; i < 2 * LIMIT_QUOTE_PENDING && !run.loop.is_stopped; i++) {
		time_pass();
		settle();
	}
	if (!run.loop.is_stopped && run.asked > 0)
		finding("a request that gets no answer");
	chan_close(&run.monitor);
	settle();
	if (!run.loop.is_stopped)
		finding("it lives on without its monitor");
}

static unsigned int fds_count(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < FDS_COUNTED; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void process_make(void)
{
	int super[2];
	int monitor[2];

	if (chan_pair(super) < 0 || chan_pair(monitor) < 0 || loop_open(&run.loop) < 0 ||
		fcntl(super[0], F_SETFL, O_NONBLOCK) < 0 ||
		fcntl(monitor[0], F_SETFL, O_NONBLOCK) < 0 || chan_open(&run.super, super[0]) < 0 ||
		chan_open(&run.child, super[1]) < 0 || chan_open(&run.monitor, monitor[0]) < 0 ||
		quote_open(&run.q, &run.loop, &run.child, monitor[1]) < 0)
		finding("no process to test");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int before = fds_count();
	struct rd r = rd_of(data, size);

	log_set_level(LOG_LEVEL_ERR);
	memset(&run, 0, sizeof run);
	run.q = QUOTE_NONE;
	run.service = -1;
	run.is_on = true;
	process_make();
	for (int i = 0; i < RECORDS_MAX && r.left > 0 && !run.loop.is_stopped; i++)
		record_run(&r);
	end_all();
	quote_close(&run.q);
	chan_close(&run.child);
	chan_close(&run.super);
	loop_close(&run.loop);
	fd_drop(&run.service);
	run.is_on = false;
	if (fds_count() != before)
		finding("a descriptor leaked, or one that was not theirs is closed");
	return 0;
}
