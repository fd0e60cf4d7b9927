/*
 * owner_url: https://HOST[:PORT][/PATH] of a broker taken apart; nothing of a URL is passed over: what has
 *            no use here is refused.
 *
 * Trust:   the URL is the policy's text, printable ASCII.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

struct owner_url {
	char host[256]; /* a name, an IPv4 address, or an IPv6 address in brackets */
	char port[8];   /* 443 when none is written */
	char url[2 *
		 LIMIT_PATH_BYTES]; /* what is asked: the PATH without its last slashes, then ours */
};

/* path: what stands behind the URL, with its slash. -EINVAL with why: no URL that we take. */
MUST_USE int owner_url_parse(
	const char *text, const char *path, struct owner_url *ret, struct why *why);
