#include "attest/agent/agent_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define CHUNK_BYTES  16384u /* a TLS record */
#define CHILDREN_MAX 64u    /* connections at a time; the next waits in the backlog */
#define HANDSHAKE_S  10     /* for each read of it */
#define START_S      15     /* for all of it, and for the service's answer */
#define IDLE_MS      (10 * 60 * 1000)

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
	struct sockaddr_vm vm;
};

static void port_take(const char *text, char *ret_address, size_t size, in_port_t *ret_port)
{
	const char *colon = strrchr(text, ':'); /* agent_broker_parse() has seen it */
	bool is_v6 = text[0] == '[';

	(void)snprintf(ret_address, size, "%.*s", (int)(colon - text) - (is_v6 ? 2 : 0),
		text + (is_v6 ? 1 : 0));
	*ret_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
}

static socklen_t address_of(const struct agent_broker *b, union address *ret)
{
	char text[AGENT_PATH_MAX + 1];

	memset(ret, 0, sizeof *ret);
	if (b->unix_path[0] != '\0') {
		ret->local.sun_family = AF_UNIX;
		memcpy(ret->local.sun_path, b->unix_path, strlen(b->unix_path));
		return sizeof ret->local;
	}
	if (b->tcp[0] == '\0') {
		ret->vm.svm_family = AF_VSOCK;
		ret->vm.svm_cid = b->vsock_cid;
		ret->vm.svm_port = b->vsock_port;
		return sizeof ret->vm;
	}
	if (b->tcp[0] == '[') {
		ret->v6.sin6_family = AF_INET6;
		port_take(b->tcp, text, sizeof text, &ret->v6.sin6_port);
		(void)inet_pton(AF_INET6, text, &ret->v6.sin6_addr);
		return sizeof ret->v6;
	}
	ret->v4.sin_family = AF_INET;
	port_take(b->tcp, text, sizeof text, &ret->v4.sin_port);
	(void)inet_pton(AF_INET, text, &ret->v4.sin_addr);
	return sizeof ret->v4;
}

static MUST_USE int listen_at(const struct agent_broker *b, int *ret, struct why *why)
{
	union address a;
	socklen_t len = address_of(b, &a);
	AUTO(fd) int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd >= 0 && a.any.sa_family != AF_VSOCK)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, &a.any, len) < 0 || listen(fd, SOMAXCONN) < 0)
		return why_set(why, -errno, "cannot listen: %s", strerrordesc_np(errno));
	*ret = fd_take(&fd);
	return 0;
}

static MUST_USE int connect_to(const struct agent_broker *b, int *ret)
{
	union address a;
	socklen_t len = address_of(b, &a);
	AUTO(fd) int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, &a.any, len) < 0)
		return -errno;
	*ret = fd_take(&fd);
	return 0;
}

/* --- one connection ---------------------------------------------------------------------------- */

/* One direction: what was read and not yet written, and how far its end has come. */
struct flow {
	uint8_t buf[CHUNK_BYTES];
	size_t at, len;
	bool is_over, is_told; /* no more comes; the other side knows */
};

struct pair {
	SSL *ssl;
	int tls, plain;
	struct flow in, out; /* TLS to plain, plain to TLS */
	short tls_wants;     /* what OpenSSL waits for */
	bool has_moved;      /* anything, in the last step */
};

/* What an OpenSSL call that did not succeed waits for; false: the connection is broken. */
static bool tls_wait(struct pair *p, int n)
{
	switch (SSL_get_error(p->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		p->tls_wants |= POLLIN;
		return true;
	case SSL_ERROR_WANT_WRITE:
		p->tls_wants |= POLLOUT;
		return true;
	default:
		return false;
	}
}

static bool tls_read(struct pair *p)
{
	struct flow *f = &p->in;

	if (f->len > 0 || f->is_over)
		return true;
	ERR_clear_error(); /* SSL_get_error() looks at what others left there */
	int n = SSL_read(p->ssl, f->buf, (int)sizeof f->buf);
	if (n > 0) {
		f->at = 0;
		f->len = (size_t)n;
		p->has_moved = true;
		return true;
	}
	if (SSL_get_error(p->ssl, n) == SSL_ERROR_ZERO_RETURN) {
		f->is_over = p->has_moved = true;
		return true;
	}
	return tls_wait(p, n); /* an end without close_notify is a broken connection */
}

static bool tls_write(struct pair *p)
{
	struct flow *f = &p->out;

	if (f->len > 0) {
		ERR_clear_error();
		int n = SSL_write(p->ssl, f->buf + f->at, (int)f->len);
		if (n <= 0)
			return tls_wait(p, n);
		f->at += (size_t)n;
		f->len -= (size_t)n;
		p->has_moved = true;
	}
	if (f->len == 0 && f->is_over && !f->is_told) {
		ERR_clear_error();
		int n = SSL_shutdown(p->ssl);
		if (n < 0)
			return tls_wait(p, n);
		f->is_told = p->has_moved = true;
	}
	return true;
}

static bool plain_read(struct pair *p)
{
	struct flow *f = &p->out;

	if (f->len > 0 || f->is_over)
		return true;
	ssize_t n = read(p->plain, f->buf, sizeof f->buf);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	f->at = 0;
	f->len = (size_t)n;
	f->is_over = n == 0;
	p->has_moved = true;
	return true;
}

static bool plain_write(struct pair *p)
{
	struct flow *f = &p->in;

	if (f->len > 0) {
		ssize_t n = write(p->plain, f->buf + f->at, f->len);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		f->at += (size_t)n;
		f->len -= (size_t)n;
		p->has_moved = true;
	}
	if (f->len == 0 && f->is_over && !f->is_told) {
		(void)shutdown(p->plain, SHUT_WR);
		f->is_told = p->has_moved = true;
	}
	return true;
}

static bool pair_step(struct pair *p)
{
	p->tls_wants = 0;
	p->has_moved = false;
	return tls_read(p) && plain_write(p) && plain_read(p) && tls_write(p);
}

static bool is_over(const struct pair *p)
{
	return p->in.is_told && p->out.is_told;
}

static MUST_USE int pair_copy(struct pair *p)
{
	(void)fcntl(p->tls, F_SETFL, O_NONBLOCK);
	(void)fcntl(p->plain, F_SETFL, O_NONBLOCK);
	while (pair_step(p)) {
		if (is_over(p))
			return 0;
		if (p->has_moved)
			continue;
		struct pollfd fds[2] = {
			{ .fd = p->tls, .events = p->tls_wants },
			{ .fd = p->plain,
				.events = (short)((p->in.len > 0 ? POLLOUT : 0) |
						  (p->out.len == 0 && !p->out.is_over ? POLLIN
										      : 0)) },
		};
		for (size_t i = 0; i < ARRAY_LEN(fds); i++)
			if (fds[i].events == 0)
				fds[i].fd =
					-1; /* an end that is known already would wake us for ever */
		int n = poll(fds, ARRAY_LEN(fds), IDLE_MS);
		if (n == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return -EPIPE;
}

static MUST_USE int pair_open(struct pair *p, bool is_server, SSL_CTX *ctx, struct why *why)
{
	struct timeval limit = { .tv_sec = HANDSHAKE_S };

	(void)setsockopt(p->tls, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	(void)setsockopt(p->tls, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	p->ssl = SSL_new(ctx);
	if (p->ssl == NULL || SSL_set_fd(p->ssl, p->tls) != 1)
		return -ENOMEM;
	ERR_clear_error();
	if ((is_server ? SSL_accept(p->ssl) : SSL_connect(p->ssl)) == 1)
		return 0;
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	return why_set(why, -EPROTO, "TLS: %s", reason != NULL ? reason : "the peer went away");
}

static MUST_USE int connection_serve(
	const struct agent_proxy *proxy, int near, SSL_CTX *ctx, struct why *why)
{
	static struct pair p; /* large; one process, one connection */
	int far = -1;

	(void)alarm(START_S); /* a byte now and then would hold this place for ever */
	int err = proxy->is_server ? 0 : connect_to(&proxy->to, &far);
	p.tls = proxy->is_server ? near : far;
	if (err == 0)
		err = pair_open(&p, proxy->is_server, ctx, why);
	/* Nobody behind us hears of a peer before its handshake is done. */
	if (err == 0 && proxy->is_server)
		err = connect_to(&proxy->to, &far);
	p.plain = proxy->is_server ? far : near;
	(void)alarm(0);
	return err < 0 ? why_set(why, err, "cannot connect: %s", strerrordesc_np(-err))
		       : pair_copy(&p);
}

/* --- all of them ------------------------------------------------------------------------------- */

int agent_proxy_run(const struct agent_proxy *proxy, struct why *why)
{
	AUTO(fd) int listener = -1;
	unsigned int n = 0;
	int err = listen_at(&proxy->listen, &listener, why);

	(void)signal(SIGPIPE, SIG_IGN);
	while (err == 0) {
		SSL_CTX *ctx = NULL;
		while (n > 0 && waitpid(-1, NULL, n < CHILDREN_MAX ? WNOHANG : 0) > 0)
			n--;
		AUTO(fd) int near = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (near < 0 && errno != EINTR && errno != ECONNABORTED)
			return why_set(why, -errno, "accept: %s", strerrordesc_np(errno));
		if (near < 0)
			continue;
		err = proxy->get_tls(proxy->owner, &ctx, why);
		pid_t pid = err == 0 ? fork() : 0;
		if (err == 0 && pid == 0) {
			struct why child_why = { 0 };
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			int end = connection_serve(proxy, near, ctx, &child_why);
			if (child_why.text[0] != '\0')
				log_warn("connection: %s", why_text(&child_why, end));
			_exit(end < 0 ? 1 : 0);
		}
		if (pid > 0)
			n++;
	}
	return err;
}
