#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

/*
 * One event a round: a handler may delete any other source, and with a single event nothing
 * stale can be waiting in an array. Our processes have few sources; the extra calls do not show.
 */
int loop_step(struct loop *loop, int timeout_ms)
{
	struct epoll_event ev;
	int n = epoll_wait(loop->epoll_fd, &ev, 1, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 1) {
		struct src *src = ev.data.ptr;
		src->fire(src, ev.events);
	}
	return 0;
}

int loop_open(struct loop *ret)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret = (struct loop){ .epoll_fd = fd };
	return 0;
}

void loop_close(struct loop *loop)
{
	if (loop->epoll_fd >= 0)
		(void)close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

static MUST_USE int loop_ctl(struct loop *loop, int op, struct src *src, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	return epoll_ctl(loop->epoll_fd, op, src->fd, &ev) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct src *src, uint32_t events)
{
	return loop_ctl(loop, EPOLL_CTL_ADD, src, events);
}

int loop_mod(struct loop *loop, struct src *src, uint32_t events)
{
	return loop_ctl(loop, EPOLL_CTL_MOD, src, events);
}

void loop_del(struct loop *loop, struct src *src)
{
	if (src->fd >= 0)
		(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, src->fd, NULL);
}

int loop_run(struct loop *loop)
{
	while (!loop->is_stopped) {
		int err = loop_step(loop, -1);
		if (err < 0)
			return err;
	}
	return loop->result;
}

void loop_stop(struct loop *loop, int result)
{
	if (!loop->is_stopped)
		loop->result = result;
	loop->is_stopped = true;
}

int loop_timer_open(int *ret_fd)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int loop_timer_arm(int fd, uint64_t timeout_ms)
{
	struct itimerspec spec = {
		.it_value = { .tv_sec = (time_t)(timeout_ms / 1000),
			.tv_nsec = (long)(timeout_ms % 1000) * 1000000 },
	};

	return timerfd_settime(fd, 0, &spec, NULL) < 0 ? -errno : 0;
}

void loop_timer_clear(int fd)
{
	uint64_t expired;
	ssize_t n = read(fd, &expired, sizeof expired);

	(void)n; /* EAGAIN: somebody re-armed it in between */
}

int loop_signal_open(const int *signals, size_t n, int *ret_fd)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		(void)sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}
