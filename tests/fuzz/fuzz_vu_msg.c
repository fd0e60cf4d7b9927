/*
 * A stream of vhost-user bytes with descriptors into a back end: vu_recv_step, every row of
 * vu_back's table, region_map, event_check, vring_start; and no descriptor may leak.
 *
 * Input: pieces of { u8 descriptors (low 2 bits: how many, next 2: which), u8 length, bytes }.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/device/vu_back.h"

#define PIECES_MAX 64

static int zero_serve(struct vu_back *b, const struct chain *c, uint32_t *ret_len)
{
	*ret_len = 1;
	return chain_write(&b->mem, c, 0, "", 1);
}

static const struct vu_ops ops = { .n_queues = 2, .queues = { { .serve = zero_serve } } };

static int lowest_free_fd(void)
{
	int fd = dup(0);

	(void)close(fd);
	return fd;
}

static void piece_send(int sock, const uint8_t *buf, size_t len, int fd, unsigned int n_fds)
{
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(4 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (uint8_t *)(uintptr_t)buf, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	const int fds[4] = { fd, fd, fd, fd };

	if (n_fds > 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, n_fds * sizeof(int));
	}
	if (sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* the relation is over, or its answers fill the socket */
}

/* What the back end answers must be read, or it could not answer on. */
static void answers_drop(int sock)
{
	uint8_t buf[4096];

	while (recv(sock, buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
}

static void back_run(struct loop *loop)
{
	for (int i = 0; i < 100 && !loop->is_stopped; i++) {
		struct pollfd p = { .fd = loop->epoll_fd, .events = POLLIN };
		if (poll(&p, 1, 0) != 1)
			return;
		if (loop_step(loop, 0) < 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vu_back back;
	struct why why = { 0 };
	struct loop loop;
	int socks[2];
	int fds[4];
	int before = lowest_free_fd();

	log_set_level(LOG_LEVEL_ERR);
	memset(&back, 0, sizeof back);
	fds[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[1] = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	fds[2] = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	fds[3] = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (ftruncate(fds[1], 65536) < 0 || fcntl(fds[1], F_ADD_SEALS, F_SEAL_SHRINK) < 0 ||
		ftruncate(fds[2], 65536) < 0 || loop_open(&loop) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0 ||
		vu_back_open(&back, &loop, socks[1], &ops, 0, "config", 6, &why) < 0)
		abort();
	for (int i = 0; i < PIECES_MAX && size > 2 && !loop.is_stopped; i++) {
		size_t len = MIN(data[1], size - 2);
		piece_send(socks[0], data + 2, len, fds[data[0] >> 2 & 3], data[0] & 3);
		back_run(&loop);
		answers_drop(socks[0]);
		data += 2 + len;
		size -= 2 + len;
	}
	(void)close(socks[0]);
	back_run(&loop);
	if (!loop.is_stopped)
		abort(); /* the end of the front end must end it */
	vu_back_close(&back);
	loop_close(&loop);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		(void)close(fds[i]);
	if (lowest_free_fd() != before)
		abort(); /* a descriptor leaked */
	return 0;
}
