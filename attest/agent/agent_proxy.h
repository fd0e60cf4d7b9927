/*
 * agent_proxy: TLS 1.3 on one side, a plain stream on the other, for programs that know nothing of
 *              attested certificates. A process a connection.
 *
 * Trust:   none in either peer's bytes, which are only copied; who the TLS peer is was the
 *          handshake's matter.
 * Owns:    the listening socket, the children.
 * Threads: one.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

#include "attest/agent/agent_settings.h"
#include "base/cdefs.h"
#include "base/why.h"

struct agent_proxy {
	struct agent_broker listen, to; /* only the addresses in them are used */
	bool is_server;                 /* TLS towards whoever connects; else towards `to` */
	/* The context for the next connection, borrowed from its owner; -errno ends the proxy. */
	int (*get_tls)(void *owner, SSL_CTX **ret, struct why *why);
	void *owner;
};

/* Serve until a signal ends the process, or something of ours fails. */
MUST_USE int agent_proxy_run(const struct agent_proxy *p, struct why *why);
