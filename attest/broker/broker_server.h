/*
 * broker_server: HTTPS for broker_answer: TLS 1.3 only, bounded connections, bounded time.
 *
 * Trust:   anybody may connect.
 * Owns:    the sockets, the TLS context, the event loop of the process.
 * Threads: one.
 */
#pragma once

#include "attest/broker/broker_reload.h"
#include "base/cdefs.h"
#include "base/why.h"

struct server;

struct server_config {
	const char *unix_path;   /* NULL: none */
	const char *tcp;         /* "127.0.0.1:7001", "[::1]:7001"; NULL: none */
	const char *certificate; /* PEM, leaf first */
	const char *key;         /* PEM */
	/* The same for administrators: sockets (both NULL: none), and a CA for their certificates
	 * (NULL: the keys that tenants name are enough). */
	const char *admin_unix_path;
	const char *admin_tcp;
	const char *admin_ca;
	int notify_fd;         /* broker_notify.h */
	struct reader *reader; /* asked at SIGHUP, for config_path */
	const char *config_path;
};

/*
 * Bind, load, prime whatever is loaded lazily: after this nothing needs a file system. A stale
 * socket file is replaced, one that answers is -EADDRINUSE. The broker is borrowed.
 */
MUST_USE int server_open(const struct server_config *config, struct broker *broker,
	struct server **ret, struct why *why);

/* Release a server that has not run; NULL is fine. */
void server_close(struct server *s);

/* Serve until SIGTERM or SIGINT; SIGHUP: take over changed files. */
MUST_USE int server_run(struct server *s);
