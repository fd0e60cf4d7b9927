#include "attest/broker/broker_server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_jwe.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#define LISTENERS_MAX 2u
#define BACKLOG       64
#define LOG_CHUNK     512

struct server {
	struct broker *broker;
	struct event_base *base;
	struct evhttp *http;
	SSL_CTX *tls;
	struct evconnlistener *listeners[LISTENERS_MAX];
	size_t n_listeners;
	unsigned int n_conns;
};

/* One connection; lives as long as its SSL object, whose ex_data it is. */
struct conn {
	struct server *server;
	struct bufferevent *bev;
	struct event *deadline;
};

static int conn_index = -1;

/* --- sockets ----------------------------------------------------------------------------------- */

/* A socket file nobody answers on is left over; one that is answered is somebody's. */
static MUST_USE int stale_remove(const struct sockaddr_un *sa, struct why *why)
{
	AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (lstat(sa->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return why_set(why, -EADDRINUSE, "%s is there and is no socket", sa->sun_path);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)sa, sizeof *sa) == 0)
		return why_set(why, -EADDRINUSE, "%s is served already", sa->sun_path);
	return unlink(sa->sun_path) < 0
		       ? why_set(why, -errno, "cannot remove the stale %s", sa->sun_path)
		       : 0;
}

static MUST_USE int unix_listen(const char *path, int *ret, struct why *why)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof sa.sun_path)
		return why_set(why, -ENAMETOOLONG, "listen: \"%s\" is longer than %zu bytes", path,
			sizeof sa.sun_path - 1);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	int err = stale_remove(&sa, why);
	if (err < 0)
		return err;
	AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Anybody may ask; what he gets depends on what he proves. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || chmod(path, 0666) < 0 ||
		listen(fd, BACKLOG) < 0) {
		err = -errno;
		return why_set(why, err, "cannot listen on %s: %s", path, strerrordesc_np(-err));
	}
	*ret = fd_take(&fd);
	return 0;
}

static MUST_USE int tcp_listen(const char *address, int *ret, struct why *why)
{
	struct sockaddr_storage sa = { 0 };
	int len = sizeof sa;
	int on = 1;

	if (evutil_parse_sockaddr_port(address, (struct sockaddr *)&sa, &len) < 0)
		return why_set(why, -EBADMSG,
			"listen_tcp: want ADDRESS:PORT in numbers, not \"%s\"", address);
	AUTO(fd) int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
		bind(fd, (struct sockaddr *)&sa, (socklen_t)len) < 0 || listen(fd, BACKLOG) < 0) {
		int err = -errno;
		return why_set(why, err, "cannot listen on %s: %s", address, strerrordesc_np(-err));
	}
	*ret = fd_take(&fd);
	return 0;
}

static MUST_USE int listener_add(struct server *s, int fd)
{
	struct evconnlistener *l = evconnlistener_new(
		s->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);

	if (l == NULL || evhttp_bind_listener(s->http, l) == NULL)
		return -ENOMEM;
	s->listeners[s->n_listeners++] = l;
	return 0;
}

/* --- connections ------------------------------------------------------------------------------- */

/* No place free: leave the rest in the backlog. */
static void listeners_set(struct server *s, bool is_on)
{
	for (size_t i = 0; i < s->n_listeners; i++)
		(void)(is_on ? evconnlistener_enable(s->listeners[i])
			     : evconnlistener_disable(s->listeners[i]));
}

static void conn_late(evutil_socket_t fd, short what, void *arg)
{
	const struct conn *c = arg;

	(void)shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
}

/* OpenSSL calls this when the connection's SSL object ends, however that comes about. */
static void conn_end(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct conn *c = ptr;

	if (c == NULL)
		return;
	event_free(c->deadline);
	if (c->server->n_conns-- == LIMIT_KBS_CONNECTIONS)
		listeners_set(c->server, true);
	free(c);
}

/*
 * libevent asks for the connection's bufferevent. It would go on without TLS if it got NULL, so
 * there is no way back from here: without memory for a connection the process ends.
 */
static struct bufferevent *conn_open(struct event_base *base, void *arg)
{
	static const struct timeval life = { .tv_sec = LIMIT_KBS_CONNECTION_MS / 1000 };
	struct server *s = arg;
	struct conn *c = calloc(1, sizeof *c);
	SSL *ssl = SSL_new(s->tls);

	if (c == NULL || ssl == NULL)
		abort();
	c->server = s;
	c->bev = bufferevent_openssl_socket_new(
		base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	c->deadline = event_new(base, -1, EV_TIMEOUT, conn_late, c);
	if (c->bev == NULL || c->deadline == NULL || event_add(c->deadline, &life) < 0 ||
		SSL_set_ex_data(ssl, conn_index, c) != 1)
		abort();
	if (++s->n_conns == LIMIT_KBS_CONNECTIONS)
		listeners_set(s, false);
	return c->bev;
}

static void reply_send(struct evhttp_request *rq, struct broker_reply *r)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(rq);
	struct evbuffer *out = evhttp_request_get_output_buffer(rq);

	(void)evhttp_add_header(headers, "Content-Type", "application/json");
	(void)evhttp_add_header(headers, "Cache-Control", "no-store");
	if (r->set_cookie[0] != '\0')
		(void)evhttp_add_header(headers, "Set-Cookie", r->set_cookie);
	if (r->body == NULL || evbuffer_add(out, r->body, strlen(r->body)) < 0)
		r->status = 500;
	kbs_text_free(r->body);
	evhttp_send_reply(rq, r->status, NULL, NULL);
}

static void request_take(struct evhttp_request *rq, void *arg)
{
	struct server *s = arg;
	struct evbuffer *in = evhttp_request_get_input_buffer(rq);
	struct timespec t = { 0 };
	struct broker_reply reply;
	struct broker_request r = {
		.method = evhttp_request_get_command(rq) == EVHTTP_REQ_POST ? BROKER_POST
									    : BROKER_GET,
		.path = evhttp_request_get_uri(rq),
		.cookie = evhttp_find_header(evhttp_request_get_input_headers(rq), "Cookie"),
		.body_len = evbuffer_get_length(in),
		.body = evbuffer_pullup(in, -1),
		.now = time(NULL),
	};

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	r.now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	if (r.body == NULL)
		r.body = "";
	broker_answer(s->broker, &r, &reply);
	reply_send(rq, &reply);
}

/* --- start ------------------------------------------------------------------------------------- */

static MUST_USE int tls_open(struct server *s, const struct server_config *config, struct why *why)
{
	/* The system's OpenSSL configuration is not ours: the same settings everywhere. */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return -ENOMEM;
	s->tls = SSL_CTX_new(TLS_server_method());
	conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, conn_end);
	if (s->tls == NULL || conn_index < 0)
		return -ENOMEM;
	(void)SSL_CTX_set_session_cache_mode(s->tls, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_options(s->tls, SSL_OP_NO_TICKET);
	if (SSL_CTX_set_min_proto_version(s->tls, TLS1_3_VERSION) != 1 ||
		SSL_CTX_set_num_tickets(s->tls, 0) != 1)
		return why_set(why, -EIO, "cannot demand TLS 1.3");
	if (SSL_CTX_use_certificate_chain_file(s->tls, config->certificate) != 1)
		return why_set(why, -EBADMSG, "%s: not a PEM certificate chain that can be read",
			config->certificate);
	if (SSL_CTX_use_PrivateKey_file(s->tls, config->key, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_check_private_key(s->tls) != 1)
		return why_set(why, -EBADMSG, "%s: not the PEM private key of %s", config->key,
			config->certificate);
	return 0;
}

/* Run each piece of cryptography once: what it loads or seeds, it does here and not later. */
static MUST_USE int crypto_prime(struct why *why)
{
	AUTO(kbs_json) json_t *key = NULL;
	AUTO(kbs_json) json_t *pub = NULL;
	AUTO(kbs_text) char *jwe = NULL;
	AUTO(secret) struct secret in = { 0 };
	AUTO(secret) struct secret out = { 0 };

	int err = kbs_key_new(&key, &pub, why);
	if (err == 0)
		err = secret_init(&in, 32);
	if (err == 0)
		err = kbs_jwe_seal(&in, pub, &jwe, why);
	if (err == 0)
		err = kbs_jwe_open(jwe, strlen(jwe), key, &out, why);
	if (err == 0 && !secret_equal(in.p, out.p, 32))
		err = why_set(why, -EIO, "self-test of JWE failed");
	tzset();
	return err;
}

static void stop_fire(evutil_socket_t fd, short what, void *arg)
{
	(void)event_base_loopbreak(arg);
}

/* The writer's own log lines, passed on. */
static void log_fire(evutil_socket_t fd, short what, void *arg)
{
	char chunk[LOG_CHUNK];
	ssize_t n = read(fd, chunk, sizeof chunk - 1);

	if (n > 0) {
		chunk[n] = '\0';
		for (char *at = chunk; at != NULL && *at != '\0';) {
			char *line = strsep(&at, "\n");
			if (line[0] != '\0')
				log_warn("ledger: %s", line);
		}
	} else if (n == 0) {
		(void)event_del(arg);
		log_err("the ledger writer has ended: nothing will be released");
	}
}

static MUST_USE int event_watch(
	struct server *s, int fd, short what, event_callback_fn fire, void *arg)
{
	struct event *e = event_new(s->base, fd, (short)(what | EV_PERSIST), fire,
		arg != NULL ? arg : event_self_cbarg());

	return e == NULL || event_add(e, NULL) < 0 ? -ENOMEM : 0;
}

static MUST_USE int http_open(struct server *s)
{
	struct event_config *config = event_config_new();

	if (config == NULL)
		return -ENOMEM;
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	s->base = event_base_new_with_config(config);
	event_config_free(config);
	s->http = s->base != NULL ? evhttp_new(s->base) : NULL;
	if (s->http == NULL)
		return -ENOMEM;
	evhttp_set_max_headers_size(s->http, LIMIT_KBS_HEADER_BYTES);
	evhttp_set_max_body_size(s->http, LIMIT_KBS_BODY_BYTES);
	evhttp_set_timeout(s->http, LIMIT_KBS_SILENCE_MS / 1000);
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
	evhttp_set_bevcb(s->http, conn_open, s);
	evhttp_set_gencb(s->http, request_take, s);
	return 0;
}

static MUST_USE int sockets_open(
	struct server *s, const struct server_config *config, struct why *why)
{
	AUTO(fd) int unix_fd = -1;
	AUTO(fd) int tcp_fd = -1;
	int err = 0;

	if (config->unix_path == NULL && config->tcp == NULL)
		return why_set(why, -EBADMSG,
			"the configuration has neither \"listen\" nor \"listen_tcp\"");
	if (config->unix_path != NULL)
		err = unix_listen(config->unix_path, &unix_fd, why);
	if (err == 0 && unix_fd >= 0)
		err = listener_add(s, fd_take(&unix_fd));
	if (err == 0 && config->tcp != NULL)
		err = tcp_listen(config->tcp, &tcp_fd, why);
	if (err == 0 && tcp_fd >= 0)
		err = listener_add(s, fd_take(&tcp_fd));
	return err;
}

int server_open(const struct server_config *config, struct broker *broker, struct server **ret,
	struct why *why)
{
	struct server *s = calloc(1, sizeof *s);

	if (s == NULL)
		return -ENOMEM;
	s->broker = broker;
	(void)signal(SIGPIPE, SIG_IGN);
	int err = tls_open(s, config, why);
	if (err == 0)
		err = crypto_prime(why);
	if (err == 0)
		err = http_open(s);
	if (err == 0)
		err = event_watch(s, SIGTERM, EV_SIGNAL, stop_fire, s->base);
	if (err == 0)
		err = event_watch(s, SIGINT, EV_SIGNAL, stop_fire, s->base);
	if (err == 0 && broker->ledger.child.log_fd >= 0)
		err = event_watch(s, broker->ledger.child.log_fd, EV_READ, log_fire, NULL);
	if (err == 0)
		err = sockets_open(s, config, why);
	ERR_clear_error();
	if (err < 0)
		return err; /* the process ends with it */

	*ret = s;
	return 0;
}

int server_run(struct server *s)
{
	return event_base_dispatch(s->base) < 0 ? -EIO : 0;
}
