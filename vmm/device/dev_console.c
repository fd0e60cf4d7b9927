#include "vmm/device/dev_console.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "vmm/device/dev_link.h"

enum { RX, TX, N_QUEUES }; /* 5.3.2: port 0 receive, port 0 transmit */

/* A descriptor that cannot be watched (a file, /dev/null) is always ready. */
static bool fd_is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) != 0;
}

static void out_watch(struct dev_console *d, bool is_wanted)
{
	struct loop *loop = d->back.loop;

	if (is_wanted && !d->is_out_watched && loop_add(loop, &d->out, EPOLLOUT) < 0)
		d->is_out_broken = true; /* was not ready and cannot be waited for */
	if (!is_wanted && d->is_out_watched)
		loop_del(loop, &d->out);
	d->is_out_watched = is_wanted && !d->is_out_broken;
}

/* Write the next piece. 0: written or dropped; -EAGAIN: the output is full. */
static MUST_USE int piece_write(struct dev_console *d, const struct chain *c)
{
	size_t len = MIN(c->read_len - d->sent, sizeof d->buf);

	if (d->is_out_broken) {
		d->sent = c->read_len;
		return 0;
	}
	if (!fd_is_ready(d->out.fd, POLLOUT))
		return -EAGAIN;
	int err = chain_read(&d->back.mem, c, d->sent, d->buf, len);
	if (err < 0)
		return err;
	ssize_t n = write(d->out.fd, d->buf, len);
	if (n >= 0)
		d->sent += (uint32_t)n;
	else if (errno == EAGAIN)
		return -EAGAIN;
	else if (errno != EINTR)
		d->is_out_broken = true;
	return 0;
}

static int tx_serve(struct vu_back *b, const struct chain *c, uint32_t *ret_len)
{
	struct dev_console *d = CONTAINER_OF(b, struct dev_console, back);
	uint32_t from = d->sent;

	while (d->sent < c->read_len) {
		if (d->sent - from >= LIMIT_VU_TURN_BYTES) {
			vu_back_kick(b, TX); /* the rest after the loop saw to others */
			return -EAGAIN;
		}
		int err = piece_write(d, c);
		if (err == -EAGAIN)
			out_watch(d, true);
		if (err < 0)
			return err;
	}
	d->sent = 0;
	return 0;
}

static void out_fire(struct src *src, uint32_t events)
{
	struct dev_console *d = CONTAINER_OF(src, struct dev_console, out);

	out_watch(d, false);
	vu_back_resume(&d->back, TX);
}

static void in_watch(struct dev_console *d, bool is_wanted)
{
	struct loop *loop = d->back.loop;

	is_wanted = is_wanted && !d->is_in_ended;
	if (is_wanted && !d->is_in_watched && loop_add(loop, &d->in, EPOLLIN) < 0) {
		d->is_in_ended = true; /* /dev/null, a file: nothing to wait for */
		is_wanted = false;
	}
	if (!is_wanted && d->is_in_watched)
		loop_del(loop, &d->in);
	d->is_in_watched = is_wanted;
}

/* The guest has a buffer: look for input. */
static void rx_fill(struct vu_back *b)
{
	struct dev_console *d = CONTAINER_OF(b, struct dev_console, back);

	in_watch(d, vu_back_take_chain(b, RX) != NULL);
}

static void in_fire(struct src *src, uint32_t events)
{
	struct dev_console *d = CONTAINER_OF(src, struct dev_console, in);
	const struct chain *c = vu_back_take_chain(&d->back, RX);

	if (c == NULL) {
		in_watch(d, false);
		return;
	}
	if (c->write_len == 0) {
		vu_back_break(&d->back, RX, -EBADMSG);
		return;
	}
	ssize_t n = read(src->fd, d->buf, MIN(c->write_len, sizeof d->buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		d->is_in_ended = true;
		in_watch(d, false);
		return;
	}
	if (chain_write(&d->back.mem, c, 0, d->buf, (size_t)n) < 0) {
		vu_back_break(&d->back, RX, -EFAULT);
		return;
	}
	vu_back_give_chain(&d->back, RX, (uint32_t)n);
	vu_back_tell(&d->back, RX);
	rx_fill(&d->back);
}

static void console_stop(struct vu_back *b, unsigned int queue)
{
	struct dev_console *d = CONTAINER_OF(b, struct dev_console, back);

	if (queue == RX) {
		in_watch(d, false);
		return;
	}
	d->sent = 0;
	out_watch(d, false);
}

static const struct vu_ops console_ops = {
	.n_queues = N_QUEUES,
	.queues = { [RX] = { .fill = rx_fill }, [TX] = { .serve = tx_serve } },
	.stop = console_stop,
};

int dev_console_open(
	struct dev_console *d, struct loop *loop, int sock, int out, int in, struct why *why)
{
	d->out = (struct src){ .fd = out, .fire = out_fire };
	d->in = (struct src){ .fd = in, .fire = in_fire };
	return vu_back_open(&d->back, loop, sock, &console_ops, 0, NULL, 0, why);
}

void dev_console_close(struct dev_console *d)
{
	if (d->back.ops == NULL)
		return;
	vu_back_close(&d->back);
	fd_drop(&d->out.fd);
	fd_drop(&d->in.fd);
}

/* ---- the process ----------------------------------------------------------------------------- */

int dev_console_run(struct dev_console *dev)
{
	struct loop loop = { .epoll_fd = -1 };
	struct chan chan = { .fd = -1 };
	struct dev_link link;
	struct why why = { 0 };

	(void)signal(SIGPIPE, SIG_IGN); /* the reader of the output may go */
	int err = child_start(ROLE_DEV_CONSOLE, &chan, &why);
	if (err == 0)
		err = child_recv_config(&chan, 0, 0, 3, 3, &why);
	if (err == 0)
		err = loop_open(&loop);
	if (err == 0)
		err = dev_console_open(dev, &loop, msg_take_fd(chan.in, 0), msg_take_fd(chan.in, 1),
			msg_take_fd(chan.in, 2), &why);
	if (err == 0)
		err = dev_link_open(&link, &loop, &chan, NULL, 0, NULL);
	if (err == 0)
		err = sandbox_enter(ROLE_DEV_CONSOLE, &why);
	if (err == 0)
		err = child_send_ready(&chan);
	if (err == 0)
		err = loop_run(&loop);
	dev_console_close(dev);
	loop_close(&loop);
	return child_end(&chan, err, &why);
}
