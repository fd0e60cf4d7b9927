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

__typeof__(sandbox_enter) __real_sandbox_enter, __wrap_sandbox_enter;
__typeof__(child_send_ready) __real_child_send_ready, __wrap_child_send_ready;
__typeof__(epoll_wait) __real_epoll_wait, __wrap_epoll_wait;

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
