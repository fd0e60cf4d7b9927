/*
 * owner_http: HTTPS to one broker: its name is resolved before the sandbox, requests go out after it.
 *
 * Trust:   none in the network: TLS 1.3, the issuer that CONFIG names, no redirects, no proxies, answers
 *          of at most LIMIT_OWNER_ANSWER_BYTES.
 * Owns:    libcurl's handles and the answer's bytes.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

struct owner_http;

/*
 * For POST requests to url and path behind it; ca: PEM, copied. Resolves the host's name, so before the
 * sandbox. -EINVAL with why: no URL that we take; -EHOSTUNREACH: the name has no address; -EBADMSG: no
 * certificate in ca.
 */
MUST_USE int owner_http_open(const char *url, const char *path, const void *ca, size_t ca_len,
	struct owner_http **ret, struct why *why);
void owner_http_close(struct owner_http *h);
static inline void owner_http_auto(struct owner_http **h)
{
	owner_http_close(*h);
}

/* Begin a request; body must live until it is over. Gives up after timeout_ms. */
MUST_USE int owner_http_start(
	struct owner_http *h, const char *body, uint32_t timeout_ms, struct why *why);

/* Abandon the request that was begun, if any. */
void owner_http_stop(struct owner_http *h);

/*
 * Go on until the request is over (*ret_is_over) or fd is readable. Only errors of our own: what the
 * network did is in the result.
 */
MUST_USE int owner_http_step(struct owner_http *h, int fd, bool *ret_is_over);

/* How a request ended. */
struct owner_result {
	long status;            /* 0: no answer; error says why */
	bool is_final;          /* asking again would not help */
	uint32_t retry_after_s; /* what the answer asks for; 0: nothing */
	const char *error;
	const uint8_t *body; /* the bytes stay until the next request */
	size_t len;
};
void owner_http_get(const struct owner_http *h, struct owner_result *ret);
