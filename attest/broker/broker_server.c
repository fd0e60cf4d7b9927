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
#include <netinet/in.h>
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

#include "attest/broker/broker_admin.h"
#include "attest/broker/broker_notify.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_jwe.h"
#include "attest/cert.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#define LISTENERS_MAX 2u
#define EVENTS_MAX    4u /* three signals, the ledger writer's log */
#define BACKLOG       64
#define LOG_CHUNK     512

/* Guests' side or administrators': own sockets, own TLS settings. */
struct front {
	struct server *server;
	struct evhttp *http;
	SSL_CTX *tls;
	bool is_admin;
	struct evconnlistener *listeners[LISTENERS_MAX];
	size_t n_listeners;
	unsigned int n_conns; /* each front its own: strangers do not keep a revocation out */
};

struct server {
	struct broker *broker;
	struct server_config config;
	struct event_base *base;
	struct front guests, admins;
	struct event *events[EVENTS_MAX];
	size_t n_events;
};

/* One connection; lives as long as its SSL object, whose ex_data it is. */
struct conn {
	struct front *front;
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

static MUST_USE int unix_listen(const char *path, mode_t mode, int *ret, struct why *why)
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
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || chmod(path, mode) < 0 ||
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

static MUST_USE int listener_add(struct front *f, int fd)
{
	struct evconnlistener *l = evconnlistener_new(
		f->server->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);

	if (l == NULL || evhttp_bind_listener(f->http, l) == NULL) {
		if (l != NULL)
			evconnlistener_free(l);
		return -ENOMEM;
	}
	f->listeners[f->n_listeners++] = l;
	return 0;
}

/* --- connections ------------------------------------------------------------------------------- */

/* No place free: leave the rest in the backlog. */
static void listeners_set(struct front *f, bool is_on)
{
	for (size_t i = 0; i < f->n_listeners; i++)
		(void)(is_on ? evconnlistener_enable(f->listeners[i])
			     : evconnlistener_disable(f->listeners[i]));
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
	if (c->front->n_conns-- == LIMIT_KBS_CONNECTIONS)
		listeners_set(c->front, true);
	free(c);
}

/*
 * libevent asks for the connection's bufferevent. It would go on without TLS if it got NULL, so
 * there is no way back from here: without memory for a connection the process ends.
 */
static struct bufferevent *conn_open(struct event_base *base, void *arg)
{
	static const struct timeval life = { .tv_sec = LIMIT_KBS_CONNECTION_MS / 1000 };
	struct front *f = arg;
	struct conn *c = calloc(1, sizeof *c);
	SSL *ssl = SSL_new(f->tls);

	if (c == NULL || ssl == NULL)
		abort();
	c->front = f;
	c->bev = bufferevent_openssl_socket_new(
		base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	c->deadline = event_new(base, -1, EV_TIMEOUT, conn_late, c);
	if (c->bev == NULL || c->deadline == NULL || event_add(c->deadline, &life) < 0 ||
		SSL_set_ex_data(ssl, conn_index, c) != 1)
		abort();
	f->server->broker->metrics.n[METRIC_CONNECTIONS]++;
	if (++f->n_conns == LIMIT_KBS_CONNECTIONS)
		listeners_set(f, false);
	return c->bev;
}

static void reply_send(struct evhttp_request *rq, struct broker_reply *r)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(rq);
	struct evbuffer *out = evhttp_request_get_output_buffer(rq);

	(void)evhttp_add_header(headers, "Content-Type",
		r->is_text ? "text/plain; version=0.0.4" : "application/json");
	(void)evhttp_add_header(headers, "Cache-Control", "no-store");
	if (r->set_cookie[0] != '\0')
		(void)evhttp_add_header(headers, "Set-Cookie", r->set_cookie);
	if (r->retry_after_s != 0) {
		char seconds[16];
		(void)snprintf(seconds, sizeof seconds, "%u", r->retry_after_s);
		(void)evhttp_add_header(headers, "Retry-After", seconds);
	}
	if (r->body == NULL || evbuffer_add(out, r->body, strlen(r->body)) < 0)
		r->status = 500;
	kbs_text_free(r->body);
	evhttp_send_reply(rq, r->status, NULL, NULL);
}

/*
 * Whom to count a request for: an address without its port (of IPv6 the network, since hosts choose the
 * rest); on a Unix socket the process, which is one guest's device process.
 */
static size_t peer_of(struct evhttp_connection *c, uint8_t ret[8])
{
	const struct sockaddr *sa = evhttp_connection_get_addr(c);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(c));
	struct ucred cred = { 0 };
	socklen_t len = sizeof cred;

	if (sa != NULL && sa->sa_family == AF_INET) {
		memcpy(ret, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		return 4;
	}
	if (sa != NULL && sa->sa_family == AF_INET6) {
		const struct in6_addr *a =
			&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
		bool is_v4 = IN6_IS_ADDR_V4MAPPED(a); /* whose network is all of IPv4 */
		memcpy(ret, a->s6_addr + (is_v4 ? 12 : 0), is_v4 ? 4 : 8);
		return is_v4 ? 4 : 8;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return 0;
	memcpy(ret, &cred.pid, sizeof cred.pid);
	return sizeof cred.pid;
}

/* SHA-256 of the client's public key, which the handshake has proven. */
static MUST_USE int spki_of(struct evhttp_connection *c, uint8_t ret[32])
{
	SSL *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(c));
	X509 *x = ssl != NULL ? SSL_get1_peer_certificate(ssl) : NULL;
	int err = x != NULL ? cert_spki_sha256(x, ret) : -EACCES;

	X509_free(x);
	return err;
}

static void request_take(struct evhttp_request *rq, void *arg)
{
	struct front *f = arg;
	struct evbuffer *in = evhttp_request_get_input_buffer(rq);
	struct evkeyvalq *headers = evhttp_request_get_input_headers(rq);
	struct evhttp_connection *c = evhttp_request_get_connection(rq);
	enum evhttp_cmd_type command = evhttp_request_get_command(rq);
	struct timespec t = { 0 };
	uint8_t spki[32] = { 0 };
	uint8_t peer[8];
	struct broker_reply reply = { 0 };
	struct broker_request r = {
		.method = command == EVHTTP_REQ_POST     ? BROKER_POST
			  : command == EVHTTP_REQ_DELETE ? BROKER_DELETE
							 : BROKER_GET,
		.path = evhttp_request_get_uri(rq),
		.cookie = evhttp_find_header(headers, "Cookie"),
		.authorization = evhttp_find_header(headers, "Authorization"),
		.body_len = evbuffer_get_length(in),
		.body = evbuffer_pullup(in, -1),
		.now = time(NULL),
	};

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	r.now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	r.peer = peer;
	r.peer_len = peer_of(c, peer);
	if (r.body == NULL)
		r.body = "";
	if (!f->is_admin)
		broker_answer(f->server->broker, &r, &reply);
	else if (spki_of(c, spki) == 0)
		broker_admin_answer(f->server->broker, &r, spki, &reply);
	else
		reply_refuse(&reply, NO_PERMISSION, NULL);
	reply_send(rq, &reply);
}

/* --- start ------------------------------------------------------------------------------------- */

/* Any key will do here: which ones administer what is judged with each request. */
static int client_accept(int is_ok, X509_STORE_CTX *ctx)
{
	return 1;
}

/* Certificates of administrators: of a CA where one is given, else of any; a key is proven anyhow. */
static MUST_USE int clients_demand(SSL_CTX *tls, const char *ca, struct why *why)
{
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
		ca != NULL ? NULL : client_accept);
	return ca != NULL && SSL_CTX_load_verify_file(tls, ca) != 1
		       ? why_set(why, -EBADMSG, "%s: no PEM certificate that can be read", ca)
		       : 0;
}

static MUST_USE int tls_open(struct front *f, const struct server_config *config, struct why *why)
{
	f->tls = SSL_CTX_new(TLS_server_method());
	if (f->tls == NULL)
		return -ENOMEM;
	(void)SSL_CTX_set_session_cache_mode(f->tls, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_options(f->tls, SSL_OP_NO_TICKET);
	if (SSL_CTX_set_min_proto_version(f->tls, TLS1_3_VERSION) != 1 ||
		SSL_CTX_set_num_tickets(f->tls, 0) != 1)
		return why_set(why, -EIO, "cannot demand TLS 1.3");
	if (SSL_CTX_use_certificate_chain_file(f->tls, config->certificate) != 1)
		return why_set(why, -EBADMSG, "%s: not a PEM certificate chain that can be read",
			config->certificate);
	if (SSL_CTX_use_PrivateKey_file(f->tls, config->key, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_check_private_key(f->tls) != 1)
		return why_set(why, -EBADMSG, "%s: not the PEM private key of %s", config->key,
			config->certificate);
	return f->is_admin ? clients_demand(f->tls, config->admin_ca, why) : 0;
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

	if (e == NULL)
		return -ENOMEM;
	s->events[s->n_events++] = e;
	return event_add(e, NULL) < 0 ? -ENOMEM : 0;
}

/* The operator's files have changed; what does not work leaves everything as it is. */
static void reload_fire(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	struct metrics *m = &s->broker->metrics;
	struct why why = { 0 };

	notify_reloading(s->config.notify_fd);
	int err = files_reload(s->broker, s->config.reader, s->config.config_path, &why);
	m->n[err < 0 ? METRIC_RELOADS_FAILED : METRIC_RELOADS]++;
	if (err < 0)
		log_err("reload: %s; going on with what was there", why_text(&why, err));
	else
		log_info("reloaded: %zu roots, %zu certificates, %zu CRLs, %zu collateral, %zu "
			 "tenants",
			s->broker->judge.roots.n, s->broker->judge.certs.n, s->broker->judge.crls.n,
			s->broker->judge.collateral.n, s->broker->config.n_tenants - 1);
	notify_send(s->config.notify_fd, "READY=1");
}

static MUST_USE int base_open(struct server *s)
{
	struct event_config *config = event_config_new();

	if (config == NULL)
		return -ENOMEM;
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	s->base = event_base_new_with_config(config);
	event_config_free(config);
	return s->base == NULL ? -ENOMEM : 0;
}

static MUST_USE int http_open(struct front *f)
{
	f->http = evhttp_new(f->server->base);
	if (f->http == NULL)
		return -ENOMEM;
	evhttp_set_max_headers_size(f->http, LIMIT_KBS_HEADER_BYTES);
	evhttp_set_max_body_size(f->http, LIMIT_KBS_BODY_BYTES);
	evhttp_set_timeout(f->http, LIMIT_KBS_SILENCE_MS / 1000);
	evhttp_set_allowed_methods(
		f->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | (f->is_admin ? EVHTTP_REQ_DELETE : 0));
	evhttp_set_bevcb(f->http, conn_open, f);
	evhttp_set_gencb(f->http, request_take, f);
	return 0;
}

/* Anybody may ask for secrets: what he gets depends on what he proves. */
static MUST_USE int front_open(struct front *f, const struct server_config *config,
	const char *unix_path, const char *tcp, struct why *why)
{
	AUTO(fd) int unix_fd = -1;
	AUTO(fd) int tcp_fd = -1;

	int err = tls_open(f, config, why);
	if (err == 0)
		err = http_open(f);
	if (err == 0 && unix_path != NULL)
		err = unix_listen(unix_path, f->is_admin ? 0660 : 0666, &unix_fd, why);
	if (err == 0 && unix_fd >= 0)
		err = listener_add(f, fd_take(&unix_fd));
	if (err == 0 && tcp != NULL)
		err = tcp_listen(tcp, &tcp_fd, why);
	if (err == 0 && tcp_fd >= 0)
		err = listener_add(f, fd_take(&tcp_fd));
	return err;
}

static MUST_USE int fronts_open(struct server *s, struct why *why)
{
	const struct server_config *c = &s->config;

	if (c->unix_path == NULL && c->tcp == NULL)
		return why_set(why, -EBADMSG,
			"the configuration has neither \"listen\" nor \"listen_tcp\"");
	int err = front_open(&s->guests, c, c->unix_path, c->tcp, why);
	if (err == 0 && (c->admin_unix_path != NULL || c->admin_tcp != NULL))
		err = front_open(&s->admins, c, c->admin_unix_path, c->admin_tcp, why);
	return err;
}

int server_open(const struct server_config *config, struct broker *broker, struct server **ret,
	struct why *why)
{
	struct server *s = calloc(1, sizeof *s);

	if (s == NULL)
		return -ENOMEM;
	s->broker = broker;
	s->config = *config;
	s->guests.server = s->admins.server = s;
	s->admins.is_admin = true;
	(void)signal(SIGPIPE, SIG_IGN);
	/* The system's OpenSSL configuration is not ours: the same settings everywhere. */
	int err = OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 ? 0 : -ENOMEM;
	conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, conn_end);
	if (err == 0 && conn_index < 0)
		err = -ENOMEM;
	if (err == 0)
		err = crypto_prime(why);
	if (err == 0)
		err = base_open(s);
	if (err == 0)
		err = event_watch(s, SIGTERM, EV_SIGNAL, stop_fire, s->base);
	if (err == 0)
		err = event_watch(s, SIGINT, EV_SIGNAL, stop_fire, s->base);
	if (err == 0)
		err = event_watch(s, SIGHUP, EV_SIGNAL, reload_fire, s);
	if (err == 0 && broker->ledger.child.log_fd >= 0)
		err = event_watch(s, broker->ledger.child.log_fd, EV_READ, log_fire, NULL);
	if (err == 0)
		err = fronts_open(s, why);
	ERR_clear_error();
	if (err < 0) {
		server_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

static void front_close(struct front *f)
{
	if (f->http != NULL)
		evhttp_free(f->http); /* its listeners, too */
	SSL_CTX_free(f->tls);
}

void server_close(struct server *s)
{
	if (s == NULL)
		return;
	front_close(&s->guests);
	front_close(&s->admins);
	for (size_t i = 0; i < s->n_events; i++)
		event_free(s->events[i]);
	if (s->base != NULL)
		event_base_free(s->base);
	free(s);
}

int server_run(struct server *s)
{
	notify_send(s->config.notify_fd, "READY=1");
	int err = event_base_dispatch(s->base) < 0 ? -EIO : 0;
	notify_send(s->config.notify_fd, "STOPPING=1");
	return err;
}
