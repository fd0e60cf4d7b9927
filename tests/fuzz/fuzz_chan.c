/*
 * Reaches: chan_recv, chan_dispatch, msg_take_fd, msg_drop_fds, on packets as a child that is a
 *          guest's victim might send them: any bytes, up to three descriptors, in any order.
 *
 * Input: packets, each a byte for the number of descriptors, a byte for the length, the bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/chan.h"
#include "sandbox/child.h"
#include "tests/fuzz/fuzz.h"

static unsigned int state;

static int ready_take(void *owner, struct msg *m)
{
	state = 1;
	return 0;
}

static int failed_take(void *owner, struct msg *m)
{
	if (state != 1 || m->len < 4 || m->len > 40 || m->n_fds > 2)
		abort(); /* the table says otherwise */
	int fd = msg_take_fd(m, 0);
	return fd >= 0 && close(fd) < 0 ? -1 : 0;
}

static const struct rule rules[] = {
	[SUP_MSG_READY] = { IN(0), 0, 0, 0, 0, true, ready_take },
	[SUP_MSG_FAILED] = { IN(1), 4, 40, 0, 2, false, failed_take },
};

static void packet_send(int fd, const uint8_t *bytes, size_t len, unsigned int n_fds)
{
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[3] = { 0, 0, 0 };

	if (n_fds > 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
		*cm = (struct cmsghdr){ CMSG_LEN(n_fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(cm), fds, n_fds * sizeof(int));
	}
	if (sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return; /* the queue is full: what is in it is enough */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chan chan = { .fd = -1 };
	int pair[2];
	int err = 0;

	if (chan_pair(pair) < 0 || chan_open(&chan, pair[0]) < 0)
		abort();
	while (size >= 2 && size - 2 >= data[1]) {
		packet_send(pair[1], data + 2, data[1], data[0] % 4);
		size -= 2u + data[1];
		data += 2u + data[1];
	}
	state = 0;
	while (err == 0)
		err = chan_step(
			&chan, /* is_waiting= */ false, rules, ARRAY_LEN(rules), state, NULL);
	chan_close(&chan);
	(void)close(pair[1]);
	return 0;
}
