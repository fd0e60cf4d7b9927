#include "vmm/quote/quote.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "vmm/super/sup_proto.h"

static uint64_t now_ms(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the oldest request ---------------------------------------------------------------------- */

/* A monitor that does not read its answers is its own guest's loss; its rules bound their number. */
static void answer_send(struct quote *q, le32 cookie, int err, const uint8_t *quote, size_t len)
{
	static uint8_t msg[sizeof(struct wire_quote_answer) + LIMIT_QUOTE_BYTES];
	const struct wire_quote_answer hdr = { cookie, le32_of((uint32_t)-err) };

	memcpy(msg, &hdr, sizeof hdr);
	if (len > 0)
		memcpy(msg + sizeof hdr, quote, len);
	err = chan_send(&q->monitor, QUOTE_MSG_ANSWER, msg, sizeof hdr + len, NULL, 0);
	if (err < 0)
		loop_stop(q->loop, err == -EPIPE ? 0 : err);
}

static void service_close(struct quote *q)
{
	if (q->service.fd >= 0)
		loop_del(q->loop, &q->service);
	fd_drop(&q->service.fd);
}

/* Work on queue[0] if there is one and no connection is being made already. */
static void queue_step(struct quote *q)
{
	uint64_t now = now_ms();

	if (q->n == 0)
		return;
	uint64_t deadline = q->queue[0].deadline_ms;
	int err = loop_timer_arm(q->timer.fd, deadline > now ? deadline - now : 1);
	if (err == 0 && q->state == QUOTE_IDLE) {
		const struct wire_connect ask = { .cookie = le32_of(++q->serial) };
		err = chan_send(q->super, SUP_MSG_CONNECT, &ask, sizeof ask, NULL, 0);
		q->state = QUOTE_ASKED;
	}
	if (err < 0)
		loop_stop(q->loop, err == -EPIPE ? 0 : err);
}

/* queue[0] has its answer; the next, with a connection of its own. */
static void queue_drop(struct quote *q)
{
	service_close(q);
	if (q->state != QUOTE_ASKED)
		q->state = QUOTE_IDLE;
	q->n--;
	memmove(&q->queue[0], &q->queue[1], q->n * sizeof q->queue[0]);
	queue_step(q);
}

/* The guest can have that as often as it likes. */
static void queue_fail(struct quote *q, int err, const struct why *why)
{
	log_warn_seldom("%s", why_text(why, err));
	answer_send(q, q->queue[0].request.cookie, err, NULL, 0);
	queue_drop(q);
}

static void timer_fire(struct src *src, uint32_t events)
{
	struct quote *q = CONTAINER_OF(src, struct quote, timer);
	struct why why = { 0 };

	loop_timer_clear(src->fd);
	if (q->n == 0 || q->queue[0].deadline_ms > now_ms())
		return queue_step(q); /* it was for one that is answered */
	queue_fail(q,
		why_set(&why, -ETIMEDOUT, "quoting service: no quote within %d ms", LIMIT_QUOTE_MS),
		&why);
}

/* ---- the service ------------------------------------------------------------------------------ */

/* 1: all is out; 0: later. */
static MUST_USE int request_send(struct quote *q)
{
	while (q->done < sizeof q->request) {
		ssize_t n = send(q->service.fd, q->request + q->done, sizeof q->request - q->done,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		q->done += (size_t)n;
	}
	return 1;
}

/* 1: all is in; 0: later. Not a byte more than the frame says is read. */
static MUST_USE int answer_recv(struct quote *q, struct why *why)
{
	for (;;) {
		size_t want = QGS_FRAME_BYTES + q->len;
		while (q->done < want) {
			ssize_t n = recv(
				q->service.fd, q->answer + q->done, want - q->done, MSG_DONTWAIT);
			if (n < 0)
				return errno == EAGAIN ? 0 : -errno;
			if (n == 0)
				return why_set(why, -EBADMSG,
					"quoting service: it hung up after %zu bytes", q->done);
			q->done += (size_t)n;
		}
		if (q->len > 0)
			return 1;
		int err = qgs_parse_frame(q->answer, &q->len, why);
		if (err < 0)
			return err;
	}
}

/* What an error of the connection is to the monitor: quote_proto.h lists them. */
static int as_answer(int err)
{
	return err == -EBADMSG || err == -EREMOTEIO ? err : -ENOTCONN;
}

static void service_fire(struct src *src, uint32_t events)
{
	struct quote *q = CONTAINER_OF(src, struct quote, service);
	const uint8_t *quote = NULL;
	struct why why = { 0 };
	size_t len = 0;
	int err = q->state == QUOTE_SENDING ? request_send(q) : answer_recv(q, &why);

	if (err == 0)
		return;
	if (err == 1 && q->state == QUOTE_SENDING) {
		q->state = QUOTE_READING;
		q->done = 0;
		err = loop_mod(q->loop, src, EPOLLIN);
		if (err == 0)
			return;
	}
	if (err == 1)
		err = qgs_parse_answer(q->answer + QGS_FRAME_BYTES, q->len, &quote, &len, &why);
	if (err < 0) {
		(void)why_set(&why, err, "quoting service: %s", strerrordesc_np(-err));
		return queue_fail(q, as_answer(err), &why);
	}
	answer_send(q, q->queue[0].request.cookie, 0, quote, len);
	queue_drop(q);
}

/* ---- the supervisor --------------------------------------------------------------------------- */

static int stop_take(void *owner, struct msg *m)
{
	struct quote *q = owner;

	loop_stop(q->loop, 0);
	return 0;
}

/* A connection is not bound to a request: whichever is the oldest now gets it. */
static int connected_take(void *owner, struct msg *m)
{
	struct quote *q = owner;
	struct wire_connected got;
	struct why why = { 0 };

	memcpy(&got, m->buf, sizeof got);
	if (q->state != QUOTE_ASKED || le32_get(got.cookie) != q->serial ||
		(le32_get(got.err) == 0) != (m->n_fds == 1))
		return -EPROTO;
	q->state = QUOTE_IDLE;
	if (q->n == 0)
		return 0;    /* it came too late */
	if (m->n_fds == 0) { /* the supervisor has logged where and why */
		queue_fail(q,
			why_set(&why, -ENOTCONN, "quoting service: cannot be reached (errno %u)",
				le32_get(got.err)),
			&why);
		return 0;
	}
	q->service.fd = msg_take_fd(m, 0);
	q->state = QUOTE_SENDING;
	q->done = 0;
	q->len = 0;
	qgs_print_request(q->queue[0].request.report, q->request);
	return loop_add(q->loop, &q->service, EPOLLOUT);
}

#define CONNECTED_BYTES sizeof(struct wire_connected)

static const struct rule super_rules[] = {
	[SUP_MSG_STOP] = { IN(0), 0, 0, 0, 0, true, stop_take },
	[SUP_MSG_CONNECTED] = { IN(0), CONNECTED_BYTES, CONNECTED_BYTES, 0, 1, false,
		connected_take },
};

/* ---- the monitor ------------------------------------------------------------------------------ */

static int request_take(void *owner, struct msg *m)
{
	struct quote *q = owner;
	struct wire_quote_request request;

	memcpy(&request, m->buf, sizeof request);
	if (q->n == LIMIT_QUOTE_PENDING) {
		answer_send(q, request.cookie, -EAGAIN, NULL, 0);
		return 0;
	}
	q->queue[q->n].request = request;
	q->queue[q->n].deadline_ms = now_ms() + LIMIT_QUOTE_MS;
	if (q->n++ == 0)
		queue_step(q);
	return 0;
}

#define REQUEST_BYTES sizeof(struct wire_quote_request)

static const struct rule monitor_rules[] = {
	[QUOTE_MSG_REQUEST] = { IN(0), REQUEST_BYTES, REQUEST_BYTES, 0, 0, false, request_take },
};

static void chan_fire(struct quote *q, struct chan *c, const struct rule *rules, size_t n_rules)
{
	int err = chan_step(c, /* is_waiting= */ false, rules, n_rules, 0, q);

	if (err < 0 && err != -EAGAIN)
		loop_stop(q->loop, err == -EPIPE ? 0 : err);
}

static void super_fire(struct src *src, uint32_t events)
{
	struct quote *q = CONTAINER_OF(src, struct quote, super_src);

	chan_fire(q, q->super, super_rules, ARRAY_LEN(super_rules));
}

static void monitor_fire(struct src *src, uint32_t events)
{
	struct quote *q = CONTAINER_OF(src, struct quote, monitor_src);

	chan_fire(q, &q->monitor, monitor_rules, ARRAY_LEN(monitor_rules));
}

/* ---- all -------------------------------------------------------------------------------------- */

int quote_open(struct quote *q, struct loop *loop, struct chan *super, int monitor_fd)
{
	q->loop = loop;
	q->super = super;
	int err = chan_open(&q->monitor, monitor_fd);
	if (err == 0)
		err = loop_timer_open(&q->timer.fd);
	if (err < 0)
		return err;
	q->monitor_src = (struct src){ .fd = q->monitor.fd, .fire = monitor_fire };
	q->super_src = (struct src){ .fd = super->fd, .fire = super_fire };
	q->timer.fire = timer_fire;
	q->service.fire = service_fire;
	err = loop_add(loop, &q->monitor_src, EPOLLIN);
	if (err == 0)
		err = loop_add(loop, &q->super_src, EPOLLIN);
	return err < 0 ? err : loop_add(loop, &q->timer, EPOLLIN);
}

void quote_close(struct quote *q)
{
	fd_drop(&q->service.fd);
	fd_drop(&q->timer.fd);
	chan_close(&q->monitor);
}
