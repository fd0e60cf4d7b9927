/*
 * quote_proto: messages between a monitor and casemate-quote, over a base/chan socket pair
 *              (SOCK_SEQPACKET): the TD's report goes out, a quote or the reason why not comes back.
 *
 *              Between the supervisor and casemate-quote (ROLE_QUOTE): CONFIG is empty and brings one
 *              descriptor, the other end of the monitor's pair (chan_pair(); MON_FD_QUOTE). A quote
 *              needs a connection of its own to the service (ABI 4.11), which the supervisor makes
 *              as it does for dev-vsock: SUP_MSG_CONNECT with index 0 asks, SUP_MSG_CONNECTED
 *              answers with a connected stream socket or an errno. At most one is asked for at a
 *              time. READY comes before the first connection; the end of the monitor's channel
 *              ends the process with status 0, as STOP does.
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
