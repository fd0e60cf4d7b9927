/*
 * child: the other end of spawn: what each program we start does first and last, and the messages
 *        that are the same for every role.
 *
 * Trust:   the parent is trusted; lengths and descriptors are checked all the same.
 * Owns:    the channel, once child_start() returned it.
 * Threads: one.
 *
 * A main in the order of style rule 5:
 *
 *	if (!spawn_is_child(argc))
 *		return usage();
 *	err = child_start(ROLE_DEV_RNG, &chan, &why);
 *	if (err == 0)
 *		err = child_recv_config(&chan, 0, 0, 1, 1, &why);     (then read chan.in)
 *	...
 *	if (err == 0)
 *		err = sandbox_enter(ROLE_DEV_RNG, &why);
 *	if (err == 0)
 *		err = child_send_ready(&chan);
 *	if (err == 0)
 *		err = loop_run(&loop);
 *	return child_end(&chan, err, &why);
 *
 * The end of the channel (-EPIPE of chan_recv, EPOLLHUP) means the parent is gone: end at once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/chan.h"
#include "base/le.h"
#include "base/why.h"
#include "sandbox/role.h"

/* Every child finds its channel here; 0 and 1 are /dev/null, 2 is the log pipe. */
#define SPAWN_FD_CHAN 3

/* The same for every role; a role's own types start at 16. */
enum child_msg {
	SUP_MSG_CONFIG =
		1, /* supervisor -> child: the role's struct, descriptors as the role says */
	SUP_MSG_READY = 2,  /* child -> supervisor: struct wire_receipt; sandboxed and serving */
	SUP_MSG_FAILED = 3, /* child -> supervisor: struct wire_failed, then the child ends */
	SUP_MSG_STOP = 4,   /* supervisor -> child: empty; drain and end with status 0 */
};

struct wire_failed {
	le32 err; /* positive errno */
	char text[400];
};
WIRE_SIZE(struct wire_failed, 404);

/*
 * Was this program started by spawn_start()? True when there are no arguments and descriptor 3 is
 * an AF_UNIX SOCK_SEQPACKET socket. Programs with a command line of their own ask this first.
 */
bool spawn_is_child(int argc);

/*
 * The channel, sandbox_start(), the name in the log. 0 or an error with why; in both cases the
 * channel in *ret is child_end()'s to close (initialise it with .fd = -1).
 */
MUST_USE int child_start(enum role role, struct chan *ret, struct why *why);

/*
 * Wait for CONFIG with a payload and a number of descriptors within these ranges; it is left in
 * c->in. -EPIPE when the parent went away, -EBADMSG or -EPROTO for anything but CONFIG.
 */
MUST_USE int child_recv_config(struct chan *c, uint32_t min_len, uint32_t max_len,
	unsigned int min_fds, unsigned int max_fds, struct why *why);

/* Tell the parent that this process is sandboxed (its receipt, receipt.h) and serves. */
MUST_USE int child_send_ready(struct chan *c);

/*
 * Last call of a child's main: after a failure tell the parent why (FAILED) and the log; close the
 * channel. Returns the exit status for main: 0 for err >= 0, else EXIT_OURS.
 */
MUST_USE int child_end(struct chan *c, int err, const struct why *why);
