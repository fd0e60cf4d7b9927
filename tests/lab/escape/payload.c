/*
 * The hostile code: linked into copies of our programs in tests/lab/escape/bin only, over the
 * linker's --wrap. It waits for its moment (order.when), tells descriptor 2 what it tries and what
 * came of it, and ends the process, or lies on (live attempts).
 */
#include "tests/lab/escape/payload.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "tests/lab/escape/attempt.h"
#include "tests/lab/escape/lie.h"
#include "tests/lab/escape/order.h"

/* In .data, not .rodata and not zero: it has a place in the file. */
volatile struct order order = { .mark = ORDER_MARK, .when = WHEN_NEVER };

/* One write(2), no buffer of a library: the harness finds a line whole or not at all. */
static void say(const char *word, long value)
{
	char line[64];
	int n = snprintf(line, sizeof line, "escape: %s %u %ld\n", word, order.attempt, value);
	ssize_t done = write(STDERR_FILENO, line, (size_t)n);

	(void)done;
}

static void attempt_run(void)
{
	const struct attempt *a = &attempts[order.attempt];

	say("try", 0);
	long got = a->run != NULL ? a->run()
				  : attempt_call(a->nr, a->arg[0], a->arg[1], a->arg[2], a->arg[3],
					    a->arg[4], a->arg[5]);
	say("end", got);
	(void)syscall(SYS_exit_group, 0);
}

void payload_taken_over(enum order_when when)
{
	static atomic_flag is_taken = ATOMIC_FLAG_INIT;

	if (order.when != (uint32_t)when || order.attempt >= (order.is_live ? n_lies : n_attempts))
		return;
	if (atomic_flag_test_and_set(&is_taken))
		return;
	if (order.is_live == 0)
		attempt_run();
	say("try", 0);
	lies[order.attempt].run();
	say("end", 0);
}

/* What the lie makes of a message; the program believes that it sent its own. */
static ssize_t lie_send(int fd, const struct msghdr *mh, int flags)
{
	static atomic_uint n;
	const struct lie *l = &lies[order.attempt];
	uint32_t request = UINT32_MAX;

	if (mh->msg_iov[0].iov_len >= sizeof request)
		memcpy(&request, mh->msg_iov[0].iov_base, sizeof request);
	if (l->request != LIE_ANY_REQUEST && l->request != request)
		return __real_sendmsg(fd, mh, flags);
	if (order.step != 0 && atomic_fetch_add(&n, 1) + 1 != order.step)
		return __real_sendmsg(fd, mh, flags);
	say("try", (long)request);
	ssize_t sent = l->send(fd, mh, flags);
	say("end", sent);
	return sent;
}

__typeof__(sandbox_enter) __real_sandbox_enter, __wrap_sandbox_enter;
__typeof__(child_send_ready) __real_child_send_ready, __wrap_child_send_ready;
__typeof__(epoll_wait) __real_epoll_wait, __wrap_epoll_wait;

__typeof__(sendmsg) __wrap_sendmsg;

static atomic_bool is_ready;
static atomic_uint turns;

int __wrap_sandbox_enter(enum role role, struct why *why)
{
	int err = __real_sandbox_enter(role, why);

	if (err == 0)
		payload_taken_over(WHEN_ENTERED);
	return err;
}

int __wrap_child_send_ready(struct chan *c)
{
	payload_taken_over(WHEN_READY);
	int err = __real_child_send_ready(c);
	atomic_store(&is_ready, true);
	return err;
}

int __wrap_epoll_wait(int fd, struct epoll_event *ev, int n, int timeout_ms)
{
	if (order.when == WHEN_LOOP && atomic_load(&is_ready) &&
		atomic_fetch_add(&turns, 1) >= order.loop_turn)
		payload_taken_over(WHEN_LOOP);
	return __real_epoll_wait(fd, ev, n, timeout_ms);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *mh, int flags)
{
	if (fd == SPAWN_FD_CHAN)
		lie_note_sent(mh);
	if (fd != SPAWN_FD_CHAN && order.when == WHEN_MESSAGE && order.attempt < n_lies)
		return lie_send(fd, mh, flags);
	return __real_sendmsg(fd, mh, flags);
}
