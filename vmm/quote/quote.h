/*
 * quote: a monitor's requests for quotes, one after the other to the host's quoting service
 *        (vmm/quote/quote_proto.h says who sends what).
 *
 * Trust:   none in the monitor (a guest's victim perhaps), none in the service; the supervisor makes the
 *          connections.
 * Owns:    the monitor's channel, the connection at hand, the timer. The supervisor's channel stays
 *          main's.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/chan.h"
#include "base/limits.h"
#include "base/loop.h"
#include "vmm/quote/qgs.h"
#include "vmm/quote/quote_proto.h"

/* What becomes of queue[0]. */
enum quote_state {
	QUOTE_IDLE,  /* there is none; no connection */
	QUOTE_ASKED, /* the supervisor was asked for a connection and must answer; there may be none
	                * any more */
	QUOTE_SENDING, /* done bytes of the request are out */
	QUOTE_READING, /* done bytes of frame and answer are in */
};

struct quote {
	struct loop *loop;
	struct chan *super;
	struct chan monitor;
	struct src super_src, monitor_src, timer, service;
	enum quote_state state;
	unsigned int n; /* of queue, the oldest first */
	struct {
		uint64_t deadline_ms; /* CLOCK_MONOTONIC */
		struct wire_quote_request request;
	} queue[LIMIT_QUOTE_PENDING];
	uint32_t serial; /* of the connection asked for last */
	size_t done;
	size_t len; /* of the answer, behind its frame; 0: not known yet */
	uint8_t request[QGS_REQUEST_BYTES];
	uint8_t answer[QGS_FRAME_BYTES + QGS_ANSWER_MAX];
};

/* For storage before quote_open(). */
#define QUOTE_NONE                                                                                 \
	((struct quote){ .monitor = { .fd = -1 },                                                  \
		.monitor_src = { .fd = -1 },                                                       \
		.timer = { .fd = -1 },                                                             \
		.service = { .fd = -1 } })

/*
 * Serve the monitor at the other end of monitor_fd (taken). super stays the caller's; q must stay where
 * it is until quote_close(). The loop stops with 0 at STOP and when the supervisor or the monitor is
 * gone, with an error when either broke a rule.
 */
MUST_USE int quote_open(struct quote *q, struct loop *loop, struct chan *super, int monitor_fd);
void quote_close(struct quote *q);
