/*
 * endorse_fetch: one GET at a vendor's service or a mirror, bounded in size, time and redirects. Only
 *                casemate-endorse links it.
 *
 * Trust:   none in the answer; TLS keeps others from withholding it unseen, no more. No proxy but the
 *          one that is named, no credentials, no cookies.
 * Owns:    a struct endorse_answer owns its body; a struct endorse_fetch its connection.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/endorse/endorse_need.h"
#include "base/cdefs.h"
#include "base/why.h"

struct endorse_fetch;

struct endorse_fetch_options {
	const char *from; /* a mirror's base; http:// where it says so itself; NULL: the vendors */
	const char *ca_file; /* PEM, of a mirror's certificate authority; NULL: the system's */
	const char *proxy;   /* NULL: none, whatever the environment says */
	long timeout_s;      /* of one request */
	long wait_s;         /* the longest pause a service may ask for in all (429, Retry-After) */
};

struct endorse_answer {
	uint8_t *body;
	size_t len;
	char *chain; /* PEM, decoded from the header; NULL: none */
};
void endorse_answer_done(struct endorse_answer *a);
static inline void endorse_answer_auto(struct endorse_answer *a)
{
	endorse_answer_done(a);
}

/* -EINVAL with why for a mirror's address that is none, -EIO when libcurl takes no options. */
MUST_USE int endorse_fetch_open(
	const struct endorse_fetch_options *o, struct endorse_fetch **ret, struct why *why);
void endorse_fetch_close(struct endorse_fetch *f);
static inline void endorse_fetch_auto(struct endorse_fetch **f)
{
	endorse_fetch_close(*f);
}

/*
 * Fetch. 0; -ENOENT: the service has no such thing (404); -EMSGSIZE: an answer beyond the limits;
 * -EBADMSG: a chain header that cannot be decoded; -EHOSTUNREACH: everything else, why says what.
 */
MUST_USE int endorse_fetch_get(struct endorse_fetch *f, const struct endorse_url *url,
	struct endorse_answer *ret, struct why *why);
