#include "vmm/virtio/vu_msg.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fd.h"

union fd_control {
	struct cmsghdr align;
	uint8_t buf[CMSG_SPACE(LIMIT_MEM_REGIONS * sizeof(int))];
};

void vu_msg_init(struct vu_msg *m)
{
	m->request = 0;
	m->flags = 0;
	m->len = 0;
	m->n_fds = 0;
	m->have = 0;
}

void vu_msg_done(struct vu_msg *m)
{
	for (unsigned int i = 0; i < m->n_fds; i++)
		fd_drop(&m->fds[i]);
	m->n_fds = 0;
}

int vu_msg_take_fd(struct vu_msg *m, unsigned int i)
{
	return i < m->n_fds ? fd_take(&m->fds[i]) : -1;
}

static void fds_attach(struct msghdr *mh, union fd_control *control, const int *fds, unsigned int n)
{
	mh->msg_control = control->buf;
	mh->msg_controllen = CMSG_SPACE(n * sizeof(int));
	struct cmsghdr *cm = CMSG_FIRSTHDR(mh);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
}

int vu_send(int sock, uint32_t request, uint32_t flags, const void *payload, size_t len,
	const int *fds, unsigned int n_fds)
{
	uint8_t raw[sizeof(struct vu_hdr) + VU_PAYLOAD_MAX];
	union fd_control control = { 0 };

	if (len > VU_PAYLOAD_MAX || n_fds > LIMIT_MEM_REGIONS)
		return -EMSGSIZE;
	struct vu_hdr hdr = { le32_of(request), le32_of(flags), le32_of((uint32_t)len) };
	memcpy(raw, &hdr, sizeof hdr);
	if (len > 0)
		memcpy(raw + sizeof hdr, payload, len);
	struct iovec iov = { .iov_base = raw, .iov_len = sizeof hdr + len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (n_fds > 0)
		fds_attach(&mh, &control, fds, n_fds);
	/* A message is far smaller than a socket's buffer: it goes in one piece or not at all; a peer
	 * that does not read cannot hold us. */
	ssize_t n;
	do
		n = sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
	return (size_t)n == iov.iov_len ? 0 : -EPIPE;
}

/* Collect every descriptor that came, so that none leaks whatever else is wrong. */
static void fds_collect(struct vu_msg *m, struct msghdr *mh)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm != NULL; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(cm) + i * sizeof fd, sizeof fd);
			if (m->n_fds < ARRAY_LEN(m->fds))
				m->fds[m->n_fds++] = fd;
			else
				(void)close(fd);
		}
	}
}

/* Receive at most want bytes. Descriptors may come with the first byte of a message only. */
static MUST_USE int piece_recv(int sock, struct vu_msg *m, uint8_t *at, size_t want)
{
	struct iovec iov = { .iov_base = at, .iov_len = want };
	union fd_control control = { 0 };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof control.buf };
	unsigned int fds_before = m->n_fds;
	ssize_t n;

	do
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	fds_collect(m, &mh);
	if ((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
		(m->have > 0 && m->n_fds > fds_before))
		return -EBADMSG;
	if (n == 0)
		return -EPIPE;
	m->have += (size_t)n;
	return 0;
}

static MUST_USE int hdr_parse(struct vu_msg *m)
{
	struct vu_hdr hdr;

	memcpy(&hdr, m->raw, sizeof hdr);
	m->request = le32_get(hdr.request);
	m->flags = le32_get(hdr.flags);
	m->len = le32_get(hdr.size);
	if ((m->flags & VU_VERSION_MASK) != VU_VERSION ||
		(m->flags & ~(VU_VERSION_MASK | VU_REPLY | VU_NEED_REPLY)) != 0 ||
		m->len > VU_PAYLOAD_MAX)
		return -EBADMSG;
	return 0;
}

int vu_recv_step(int sock, struct vu_msg *m)
{
	const size_t hdr_len = sizeof m->raw;

	for (;;) {
		int err;
		if (m->have < hdr_len) {
			err = piece_recv(sock, m, m->raw + m->have, hdr_len - m->have);
			if (err == 0 && m->have == hdr_len)
				err = hdr_parse(m);
		} else {
			size_t at = m->have - hdr_len;
			if (at == m->len)
				return 0;
			err = piece_recv(sock, m, m->buf + at, m->len - at);
		}
		if (err < 0) {
			if (err != -EAGAIN)
				vu_msg_done(m);
			return err;
		}
	}
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int vu_recv(int sock, struct vu_msg *m, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;

	for (;;) {
		int err = vu_recv_step(sock, m);
		if (err != -EAGAIN)
			return err;
		struct pollfd p = { .fd = sock, .events = POLLIN };
		int64_t left = end - now_ms();
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (n == 0) {
			vu_msg_done(m);
			return -ETIMEDOUT;
		}
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

int vu_tell(int sock, enum vu_request request, const void *payload, size_t len, const int *fds,
	unsigned int n_fds, struct why *why)
{
	int err = vu_send(sock, request, VU_VERSION, payload, len, fds, n_fds);

	if (err < 0)
		return why_set(why, err, "vhost-user request %d: cannot send", (int)request);
	return 0;
}

/* The acknowledgement of REPLY_ACK: u64, 0 is yes. */
static MUST_USE int ack_check(enum vu_request request, const struct vu_msg *m, struct why *why)
{
	struct vu_u64 ack;

	if (m->len != sizeof ack)
		return why_set(why, -EBADMSG, "vhost-user request %d: acknowledgement of %u bytes",
			(int)request, m->len);
	memcpy(&ack, m->buf, sizeof ack);
	if (le64_get(ack.v) != 0)
		return why_set(why, -EREMOTEIO, "vhost-user request %d: the device refused (%llu)",
			(int)request, (unsigned long long)le64_get(ack.v));
	return 0;
}

int vu_call(int sock, enum vu_request request, const void *payload, size_t len, const int *fds,
	unsigned int n_fds, void *ret, size_t ret_len, struct why *why)
{
	AUTO(vu_msg) struct vu_msg m = { 0 };
	uint32_t flags = VU_VERSION | (ret == NULL ? VU_NEED_REPLY : 0);

	int err = vu_send(sock, request, flags, payload, len, fds, n_fds);
	if (err < 0)
		return why_set(why, err, "vhost-user request %d: cannot send", (int)request);
	err = vu_recv(sock, &m, LIMIT_VU_REPLY_MS);
	if (err < 0)
		return why_set(
			why, err, "vhost-user request %d: no answer from the device", (int)request);
	if (m.request != request || m.flags != (VU_VERSION | VU_REPLY) || m.n_fds != 0)
		return why_set(why, -EBADMSG,
			"vhost-user request %d: answer to %u, flags %#x, %u fds", (int)request,
			m.request, m.flags, m.n_fds);
	if (ret == NULL)
		return ack_check(request, &m, why);
	if (m.len != ret_len)
		return why_set(why, -EBADMSG, "vhost-user request %d: answer of %u bytes, want %zu",
			(int)request, m.len, ret_len);
	memcpy(ret, m.buf, ret_len);
	return 0;
}
