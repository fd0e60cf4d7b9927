/*
 * casemate-quote, the real program in its sandbox; the test is supervisor, monitor and service.
 *
 *   test_quote_role                         the tests
 *   test_quote_role --ask SOCKET REPORT     the service is another; its quote goes to standard output,
 *                                           or "errno N" and status 1
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/opts.h"
#include "base/wr.h"
#include "sandbox/receipt.h"
#include "sandbox/spawn.h"
#include "tests/unit/cm.h"
#include "vmm/quote/qgs.h"
#include "vmm/super/sup_proto.h"

#define WAIT_MS 20000

static struct spawn_child child;
static struct chan super, monitor;

static int role_start(void **state)
{
	struct why why = { 0 };
	int pair[2] = { -1, -1 };

	child = SPAWN_CHILD_NONE;
	int err = spawn_start(ROLE_QUOTE, NULL, 0, NULL, &child, &why);
	if (err == 0)
		err = chan_open(&super, fd_take(&child.chan_fd));
	if (err == 0)
		err = chan_pair(pair);
	if (err == 0)
		err = chan_open(&monitor, pair[0]);
	if (err == 0)
		err = chan_send(&super, SUP_MSG_CONFIG, NULL, 0, &pair[1], 1);
	fd_drop(&pair[1]);
	if (err == 0)
		err = chan_recv(&super, true);
	while (err == -EAGAIN) {
		struct pollfd p = { .fd = super.fd, .events = POLLIN };
		err = poll(&p, 1, WAIT_MS) == 1 ? chan_recv(&super, false) : -ETIMEDOUT;
	}
	if (err == 0 && super.in->type == SUP_MSG_READY) {
		struct receipt_want want = receipt_want_of(&child, 0);
		struct wire_receipt receipt;
		err = receipt_verify(&child, &want, super.in->buf, super.in->len, &receipt, &why);
	}
	if (err < 0 || super.in->type != SUP_MSG_READY)
		print_error("quote: %d %s\n", err, why.text);
	return err < 0 || super.in->type != SUP_MSG_READY ? -1 : 0;
}

static int role_end(void **state)
{
	spawn_kill(&child);
	chan_close(&super);
	chan_close(&monitor);
	return 0;
}

static void message_wait(struct chan *c, uint16_t type)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(chan_recv(c, false), 0);
	assert_int_equal(c->in->type, type);
}

static void request_send(uint32_t cookie)
{
	const struct wire_quote_request rq = { .cookie = le32_of(cookie) };

	assert_int_equal(chan_send(&monitor, QUOTE_MSG_REQUEST, &rq, sizeof rq, NULL, 0), 0);
}

static void connect_give(int fd, int err)
{
	struct wire_connect want;

	message_wait(&super, SUP_MSG_CONNECT);
	memcpy(&want, super.in->buf, sizeof want);
	const struct wire_connected answer = { want.cookie, le32_of((uint32_t)err) };
	assert_int_equal(
		chan_send(&super, SUP_MSG_CONNECTED, &answer, sizeof answer, &fd, err == 0 ? 1 : 0),
		0);
}

static size_t answer_wait(uint32_t cookie, uint32_t err)
{
	struct wire_quote_answer a;

	message_wait(&monitor, QUOTE_MSG_ANSWER);
	memcpy(&a, monitor.in->buf, sizeof a);
	assert_int_equal(le32_get(a.cookie), cookie);
	assert_int_equal(le32_get(a.err), err);
	return monitor.in->len - sizeof a;
}

static void ends_with(int status)
{
	struct spawn_end end;
	struct pollfd p = { .fd = child.pidfd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(spawn_reap(&child, &end), 0);
	assert_false(end.is_signal);
	assert_int_equal(end.status, status);
}

/* A service that answers with a quote of this many bytes. */
static void quote_get(uint32_t cookie, size_t len)
{
	static uint8_t buf[QGS_FRAME_BYTES + QGS_ANSWER_MAX];
	struct wr w = wr_of(buf, sizeof buf);
	int pair[2];

	request_send(cookie);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	connect_give(pair[1], 0);
	(void)close(pair[1]);
	assert_int_equal(recv(pair[0], buf, QGS_REQUEST_BYTES, MSG_WAITALL), QGS_REQUEST_BYTES);
	wr_be32(&w, (uint32_t)(24 + len));
	wr_le16(&w, 1);
	wr_le16(&w, 1);
	wr_le32(&w, 1);
	wr_le32(&w, (uint32_t)(24 + len));
	wr_zero(&w, 8);
	wr_le32(&w, (uint32_t)len);
	wr_zero(&w, len);
	assert_int_equal(send(pair[0], buf, w.len, MSG_NOSIGNAL), w.len);
	assert_int_equal(answer_wait(cookie, 0), len);
	(void)close(pair[0]);
}

static void quotes_come_from_the_sandbox(void **state)
{
	quote_get(1, 5006);
	quote_get(2, LIMIT_QUOTE_BYTES);
	assert_int_equal(chan_send(&super, SUP_MSG_STOP, NULL, 0, NULL, 0), 0);
	ends_with(0);
}

static void missing_service_is_said(void **state)
{
	request_send(1);
	connect_give(-1, ENOENT);
	assert_int_equal(answer_wait(1, ENOTCONN), 0);
	quote_get(2, 100); /* it may be there later */
}

static void service_that_dies_is_said(void **state)
{
	int pair[2];

	request_send(1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	(void)close(pair[0]);
	connect_give(pair[1], 0);
	(void)close(pair[1]);
	assert_int_equal(answer_wait(1, ENOTCONN), 0);
	quote_get(2, 100);
}

static void end_of_the_monitor_ends_it(void **state)
{
	chan_close(&monitor);
	ends_with(0);
}

static void end_of_the_supervisor_ends_it(void **state)
{
	chan_close(&super);
	ends_with(0);
}

static void unknown_message_ends_it(void **state)
{
	assert_int_equal(chan_send(&monitor, QUOTE_MSG_ANSWER, NULL, 0, NULL, 0), 0);
	message_wait(&super, SUP_MSG_FAILED);
	ends_with(EXIT_OURS);
}

/* A connection as the supervisor makes it; -1: nobody listens. */
static int service_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static int quote_ask(const char *path, const char *report)
{
	struct wire_quote_request rq = { .cookie = le32_of(1) };
	struct wire_quote_answer a;
	uint8_t *bytes = NULL;
	size_t len = 0;
	int status = EXIT_YES;

	if (fd_read_path(report, sizeof rq.report, &bytes, &len, NULL) < 0 ||
		len != sizeof rq.report || role_start(NULL) != 0)
		return EXIT_INPUT;
	memcpy(rq.report, bytes, len);
	free(bytes);
	assert_int_equal(chan_send(&monitor, QUOTE_MSG_REQUEST, &rq, sizeof rq, NULL, 0), 0);
	int fd = service_connect(path);
	connect_give(fd, fd < 0 ? ECONNREFUSED : 0);
	fd_drop(&fd);
	message_wait(&monitor, QUOTE_MSG_ANSWER);
	memcpy(&a, monitor.in->buf, sizeof a);
	if (le32_get(a.err) != 0)
		status = printf("errno %u\n", le32_get(a.err)) < 0 ? EXIT_OURS : EXIT_NO;
	else if (fd_write_all(
			 STDOUT_FILENO, monitor.in->buf + sizeof a, monitor.in->len - sizeof a) < 0)
		status = EXIT_OURS;
	(void)role_end(NULL);
	return status;
}

#define STAGED(f) cmocka_unit_test_setup_teardown(f, role_start, role_end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		STAGED(quotes_come_from_the_sandbox),
		STAGED(missing_service_is_said),
		STAGED(service_that_dies_is_said),
		STAGED(end_of_the_monitor_ends_it),
		STAGED(end_of_the_supervisor_ends_it),
		STAGED(unknown_message_ends_it),
	};

	if (argc == 4 && strcmp(argv[1], "--ask") == 0)
		return quote_ask(argv[2], argv[3]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
