/*
 * quote_proto: messages between a monitor and casemate-quote, over a base/chan socket pair
 *              (SOCK_SEQPACKET): the TD's report goes out, a quote or the reason why not comes back.
 *
 * Trust:   either side checks lengths; the report is the guest's, the quote the quoting service's.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"

/* A TDREPORT. ABI 4.7. */
#define QUOTE_REPORT_BYTES 1024u

enum quote_msg {
	QUOTE_MSG_REQUEST = 16, /* monitor -> quote: struct wire_quote_request */
	QUOTE_MSG_ANSWER = 17,  /* quote -> monitor: struct wire_quote_answer, then the quote */
};

/* At most LIMIT_QUOTE_PENDING without an answer; more are answered with EAGAIN. */
struct wire_quote_request {
	le32 cookie; /* comes back in the answer */
	uint8_t report[QUOTE_REPORT_BYTES];
};
WIRE_SIZE(struct wire_quote_request, 1028);

/*
 * Answers come in any order, one a request. err is a positive errno: 0: the quote follows, 1 to
 * LIMIT_QUOTE_BYTES bytes; ENOTCONN: no quoting service; ETIMEDOUT: it did not answer in time;
 * EREMOTEIO: it refused; EBADMSG: what it sent is no answer; EAGAIN: too many at once.
 */
struct wire_quote_answer {
	le32 cookie;
	le32 err;
};
WIRE_SIZE(struct wire_quote_answer, 8);
