#include "base/chan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

union fd_control {
	struct cmsghdr align;
	uint8_t buf[CMSG_SPACE(LIMIT_CHAN_FDS * sizeof(int))];
};

int chan_pair(int ret_fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0 ? -errno : 0;
}

int chan_open(struct chan *ret, int fd)
{
	struct msg *in = malloc(sizeof *in);

	if (in == NULL)
		return -ENOMEM;
	in->n_fds = 0;
	*ret = (struct chan){ .fd = fd, .in = in };
	return 0;
}

void chan_close(struct chan *c)
{
	if (c->in != NULL)
		msg_drop_fds(c->in);
	free(c->in);
	c->in = NULL;
	fd_drop(&c->fd);
}

int chan_send(struct chan *c, uint16_t type, const void *payload, size_t len, const int *fds,
	unsigned int n_fds)
{
	struct chan_hdr hdr = { .type = le16_of(type), .len = le32_of((uint32_t)len) };
	struct iovec iov[2] = {
		{ .iov_base = &hdr, .iov_len = sizeof hdr },
		{ .iov_base = (void *)(uintptr_t)payload, .iov_len = len }, /* sendmsg only reads */
	};
	union fd_control control = { 0 };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = len > 0 ? 2 : 1 };

	if (c->fd < 0)
		return -EPIPE;
	if (len > LIMIT_CHAN_MSG_BYTES || n_fds > LIMIT_CHAN_FDS)
		return -EMSGSIZE;
	if (n_fds > 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, n_fds * sizeof(int));
	}
	for (;;) {
		if (sendmsg(c->fd, &mh, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
	}
}

/* Collect every descriptor that came, so that none leaks whatever else is wrong. */
static void fds_collect(struct msg *m, struct msghdr *mh)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm != NULL; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(cm) + i * sizeof fd, sizeof fd);
			if (m->n_fds < LIMIT_CHAN_FDS)
				m->fds[m->n_fds++] = fd;
			else
				(void)close(fd);
		}
	}
}

int chan_recv(struct chan *c, bool is_waiting)
{
	struct msg *m = c->in;
	struct chan_hdr hdr = { 0 };
	struct iovec iov[2] = {
		{ .iov_base = &hdr, .iov_len = sizeof hdr },
		{ .iov_base = m != NULL ? m->buf : NULL, .iov_len = LIMIT_CHAN_MSG_BYTES },
	};
	union fd_control control = { 0 };
	struct msghdr mh = { .msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.buf,
		.msg_controllen = sizeof control.buf };
	ssize_t n;

	if (c->fd < 0 || m == NULL)
		return -EPIPE;
	msg_drop_fds(m);
	/* A peer that ended with our message unread: told once, before what it said itself is. */
	do
		n = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC | (is_waiting ? 0 : MSG_DONTWAIT));
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return -errno;
	fds_collect(m, &mh);
	if (n == 0) { /* the end, or a packet of nothing, which may have brought descriptors */
		msg_drop_fds(m);
		return -EPIPE;
	}
	if ((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || (size_t)n < sizeof hdr ||
		le16_get(hdr.zero) != 0 || le32_get(hdr.len) != (size_t)n - sizeof hdr) {
		msg_drop_fds(m);
		return -EBADMSG;
	}
	m->type = le16_get(hdr.type);
	m->len = le32_get(hdr.len);
	return 0;
}

static MUST_USE int msg_check(
	const struct chan *c, const struct rule *rules, size_t n_rules, unsigned int state)
{
	const struct msg *m = c->in;

	if (m->type >= n_rules || m->type >= CHAN_TYPES_MAX || rules[m->type].take == NULL)
		return -EBADMSG;
	const struct rule *r = &rules[m->type];
	if (m->len < r->min_len || m->len > r->max_len || m->n_fds < r->min_fds ||
		m->n_fds > r->max_fds)
		return -EBADMSG;
	if ((r->states & IN(state)) == 0 || (r->is_once && (c->once_seen & IN(m->type)) != 0))
		return -EPROTO;
	return 0;
}

int chan_dispatch(
	struct chan *c, const struct rule *rules, size_t n_rules, unsigned int state, void *owner)
{
	int err = msg_check(c, rules, n_rules, state);

	if (err == 0) {
		c->once_seen |= IN(c->in->type);
		err = rules[c->in->type].take(owner, c->in);
	}
	if (c->in != NULL)
		msg_drop_fds(c->in);
	return err;
}

int chan_step(struct chan *c, bool is_waiting, const struct rule *rules, size_t n_rules,
	unsigned int state, void *owner)
{
	int err = chan_recv(c, is_waiting);

	return err < 0 ? err : chan_dispatch(c, rules, n_rules, state, owner);
}

int msg_take_fd(struct msg *m, unsigned int i)
{
	return i < m->n_fds ? fd_take(&m->fds[i]) : -1;
}

void msg_drop_fds(struct msg *m)
{
	for (unsigned int i = 0; i < m->n_fds; i++)
		fd_drop(&m->fds[i]);
	m->n_fds = 0;
}
