/* The virtio console, the real program in its sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/unit/cm.h"
#include "tests/unit/vu_front.h"
#include "vmm/super/sup_proto.h"

enum { RX, TX };

struct console {
	struct front f;
	int out; /* our end: what the guest says */
	int in;  /* our end: what it hears */
};

static struct console console;

static int console_run(struct console *c, int out, int in)
{
	struct why why = { 0 };
	const int fds[2] = { out, in };

	int err = front_start(&c->f, ROLE_DEV_CONSOLE, NULL, 0, fds, 2, &why);
	if (err == 0)
		err = front_run(&c->f, VRING_F_INDIRECT, 2);
	if (err < 0)
		print_error("console: %d %s\n", err, why.text);
	return err;
}

static int pipes_start(void **state)
{
	int out[2], in[2];

	*state = &console;
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(in, O_CLOEXEC) < 0)
		return -1;
	console.out = out[0];
	console.in = in[1];
	int err = console_run(&console, out[1], in[0]);
	close(out[1]);
	close(in[0]);
	return err;
}

static int null_start(void **state)
{
	char path[] = "/tmp/casemate-test-console-XXXXXX";
	AUTO(fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	*state = &console;
	console.out = mkostemp(path, O_CLOEXEC);
	console.in = -1;
	(void)unlink(path);
	return console_run(&console, console.out, null);
}

static int console_stop(void **state)
{
	struct console *c = *state;

	front_close(&c->f);
	fd_drop(&c->out);
	fd_drop(&c->in);
	return 0;
}

static void expect_out(struct console *c, const void *want, size_t len)
{
	uint8_t back[8192];
	size_t have = 0;

	while (have < len) {
		struct pollfd p = { .fd = c->out, .events = POLLIN };
		assert_int_equal(poll(&p, 1, FRONT_WAIT), 1);
		ssize_t n = read(c->out, back + have, len - have);
		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_memory_equal(back, want, len);
}

static void output_arrives_in_order(void **state)
{
	struct console *c = *state;
	const struct buf one = { FRONT_DATA, 7, false };
	const struct buf two[] = { { FRONT_DATA + 16, 1, false }, { FRONT_DATA + 32, 5, false } };

	memcpy(c->f.ram + FRONT_DATA, "settled", 7);
	memcpy(c->f.ram + FRONT_DATA + 16, " ", 1);
	memcpy(c->f.ram + FRONT_DATA + 32, "42,00", 5);
	assert_int_equal(front_do(&c->f, TX, &one, 1), 0);
	assert_int_equal(front_do(&c->f, TX, two, 2), 0);
	expect_out(c, "settled 42,00", 13);
}

static void input_arrives(void **state)
{
	struct console *c = *state;
	const struct buf room = { FRONT_DATA, 64, true };
	uint32_t len;

	(void)front_offer(&c->f, RX, &room, 1);
	front_kick(&c->f, RX);
	assert_int_equal(front_wait(&c->f, RX, 50, NULL, &len), -ETIMEDOUT);
	assert_int_equal(write(c->in, "yes\n", 4), 4);
	assert_int_equal(front_wait(&c->f, RX, FRONT_WAIT, NULL, &len), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(c->f.ram + FRONT_DATA, "yes\n", 4);
}

static void input_waits_for_a_buffer(void **state)
{
	struct console *c = *state;
	const struct buf room = { FRONT_DATA, 3, true };
	uint32_t len;

	assert_int_equal(write(c->in, "abcdef", 6), 6);
	for (int i = 0; i < 2; i++) {
		(void)front_offer(&c->f, RX, &room, 1);
		front_kick(&c->f, RX);
		assert_int_equal(front_wait(&c->f, RX, FRONT_WAIT, NULL, &len), 0);
		assert_int_equal(len, 3);
		assert_memory_equal(c->f.ram + FRONT_DATA, i == 0 ? "abc" : "def", 3);
	}
}

static void end_of_input_leaves_output_alive(void **state)
{
	struct console *c = *state;
	const struct buf room = { FRONT_DATA, 64, true };
	const struct buf text = { FRONT_DATA + 64, 2, false };
	uint32_t len;

	fd_drop(&c->in);
	(void)front_offer(&c->f, RX, &room, 1);
	front_kick(&c->f, RX);
	assert_int_equal(front_wait(&c->f, RX, 50, NULL, &len), -ETIMEDOUT);
	memcpy(c->f.ram + FRONT_DATA + 64, "ok", 2);
	assert_int_equal(front_do(&c->f, TX, &text, 1), 0);
	expect_out(c, "ok", 2);
}

static void slow_reader_holds_the_guest_back_and_loses_nothing(void **state)
{
	struct console *c = *state;
	enum { N = 24, LEN = 8192 }; /* more than a pipe holds */
	uint32_t len;
	uint8_t want[LEN];
	int done = 0;

	for (uint32_t i = 0; i < N; i++) {
		const struct buf b = { FRONT_DATA + i * LEN, LEN, false };
		memset(c->f.ram + b.at, (int)(i + 1), LEN);
		(void)front_offer(&c->f, TX, &b, 1);
	}
	front_kick(&c->f, TX);
	while (front_wait(&c->f, TX, 200, NULL, &len) == 0)
		done++;
	assert_true(done > 0 && done < N);
	for (int i = 0; i < N; i++) {
		memset(want, i + 1, sizeof want);
		expect_out(c, want, sizeof want);
	}
	for (; done < N; done++)
		assert_int_equal(front_wait(&c->f, TX, FRONT_WAIT, NULL, &len), 0);
}

static void stuck_output_does_not_hold_the_supervisor(void **state)
{
	struct console *c = *state;

	for (uint32_t i = 0; i < 24; i++) {
		const struct buf b = { FRONT_DATA, 8192, false };
		(void)front_offer(&c->f, TX, &b, 1);
	}
	front_kick(&c->f, TX);
	assert_int_equal(chan_send(&c->f.chan, SUP_MSG_STOP, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_wait_end(&c->f), 0);
}

static void stuck_output_can_be_stopped_and_started(void **state)
{
	struct console *c = *state;
	uint16_t base = 0;
	uint8_t want[8192] = { 0 };

	for (uint32_t i = 0; i < 24; i++) {
		const struct buf b = { FRONT_DATA, 8192, false };
		(void)front_offer(&c->f, TX, &b, 1);
	}
	front_kick(&c->f, TX);
	usleep(100000);
	assert_int_equal(front_stop_queue(&c->f, TX, &base), 0);
	assert_true(base > 0 && base < 24); /* the one it was at is the guest's again */
	for (int i = 0; i < base; i++)
		expect_out(c, want, sizeof want);
}

static void reader_gone_drops_output(void **state)
{
	struct console *c = *state;
	const struct buf text = { FRONT_DATA, 100, false };

	fd_drop(&c->out);
	for (int i = 0; i < 5; i++)
		assert_int_equal(front_do(&c->f, TX, &text, 1), 0);
}

static void files_do_as_output_and_null_as_input(void **state)
{
	struct console *c = *state;
	const struct buf room = { FRONT_DATA + 64, 64, true };
	const struct buf text = { FRONT_DATA, 5, false };
	uint32_t len;
	char back[6] = { 0 };

	(void)front_offer(&c->f, RX, &room, 1);
	front_kick(&c->f, RX);
	assert_int_equal(front_wait(&c->f, RX, 50, NULL, &len), -ETIMEDOUT);
	memcpy(c->f.ram + FRONT_DATA, "hello", 5);
	assert_int_equal(front_do(&c->f, TX, &text, 1), 0);
	assert_int_equal(pread(c->out, back, 5, 0), 5);
	assert_string_equal(back, "hello");
}

/* More than a turn writes in one request: the rest follows by itself, once. */
static void output_longer_than_a_turn_is_written_whole(void **state)
{
	enum { SEG = 2u << 20, N = LIMIT_VU_TURN_BYTES / SEG + 1 };
	struct console *c = *state;
	struct buf bufs[N];

	for (unsigned int i = 0; i < N; i++)
		bufs[i] = (struct buf){ FRONT_DATA, SEG, false };
	assert_int_equal(front_do(&c->f, TX, bufs, N), 0);
	assert_int_equal(lseek(c->out, 0, SEEK_END), N * SEG);
}

static void readable_buffer_for_input_breaks_the_ring(void **state)
{
	struct console *c = *state;
	const struct buf bad = { FRONT_DATA, 64, false };

	assert_int_equal(write(c->in, "x", 1), 1);
	(void)front_offer(&c->f, RX, &bad, 1);
	front_kick(&c->f, RX);
	assert_true(front_is_broken(&c->f, RX, FRONT_WAIT));
	const struct buf text = { FRONT_DATA, 2, false };
	assert_int_equal(front_do(&c->f, TX, &text, 1), 0); /* the other queue lives */
}

#define T(name, start) cmocka_unit_test_setup_teardown(name, start, console_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(output_arrives_in_order, pipes_start),
		T(input_arrives, pipes_start),
		T(input_waits_for_a_buffer, pipes_start),
		T(end_of_input_leaves_output_alive, pipes_start),
		T(slow_reader_holds_the_guest_back_and_loses_nothing, pipes_start),
		T(stuck_output_does_not_hold_the_supervisor, pipes_start),
		T(stuck_output_can_be_stopped_and_started, pipes_start),
		T(reader_gone_drops_output, pipes_start),
		T(files_do_as_output_and_null_as_input, null_start),
		T(output_longer_than_a_turn_is_written_whole, null_start),
		T(readable_buffer_for_input_breaks_the_ring, pipes_start),
	};

	return cmocka_run_group_tests_name("dev_console", tests, NULL, NULL);
}
