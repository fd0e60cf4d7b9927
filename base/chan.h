/*
 * chan: messages between two of our processes over a SOCK_SEQPACKET socket pair, with their
 *       descriptors. One packet is one message; there is no partial read.
 *
 *       Header (8 bytes): type u16, zero u16, length u32 (of the payload), little-endian.
 *
 * Trust:   the peer may be hostile: it may have been a guest's victim. Every message is checked
 *          against the receiver's table of rules before a handler sees it.
 * Owns:    the socket given to chan_open().
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"

struct chan_hdr {
	le16 type;
	le16 zero;
	le32 len;
};
WIRE_SIZE(struct chan_hdr, 8);

#define CHAN_TYPES_MAX 32u
#define IN(state)      (1u << (state))

/* One received message. The descriptors belong to the message until msg_take_fd(). */
struct msg {
	uint16_t type;
	uint32_t len;
	unsigned int n_fds;
	int fds[LIMIT_CHAN_FDS];
	uint8_t buf[LIMIT_CHAN_MSG_BYTES];
};

/*
 * A row of the receiver's table: in which states the message is allowed (a mask of IN(x)), its
 * shortest and longest payload, the number of descriptors, whether only once, and who takes it.
 * The handler returns 0 or an error that ends the relation.
 */
struct rule {
	uint32_t states;
	uint32_t min_len;
	uint32_t max_len;
	uint8_t min_fds;
	uint8_t max_fds;
	bool is_once;
	int (*take)(void *owner, struct msg *m);
};

struct chan {
	int fd;             /* -1 when dead */
	uint32_t once_seen; /* bit per type */
	struct msg *in;     /* receive buffer */
};

/* Make a connected pair of SOCK_SEQPACKET|CLOEXEC sockets. */
MUST_USE int chan_pair(int ret_fds[2]);

/* Take the socket and allocate the receive buffer. Release with chan_close(). */
MUST_USE int chan_open(struct chan *ret, int fd);
void chan_close(struct chan *c);

/*
 * Send one message with n_fds descriptors (kept by the caller). -EPIPE when the peer is gone,
 * -EAGAIN when its queue is full on a non-blocking socket, -EMSGSIZE when longer than the limit.
 */
MUST_USE int chan_send(struct chan *c, uint16_t type, const void *payload, size_t len,
	const int *fds, unsigned int n_fds);

/*
 * Receive one message into c->in, unchecked but for header, length and truncation. The
 * descriptors are CLOEXEC. 0; -EAGAIN: nothing there (non-blocking use: pass is_waiting false);
 * -EPIPE: the peer is gone and all it sent was received; -EBADMSG: malformed (descriptors closed).
 */
MUST_USE int chan_recv(struct chan *c, bool is_waiting);

/*
 * Judge the message in c->in by the table and hand it to its row; closes descriptors that the
 * handler did not take. state is the receiver's current state. -EBADMSG: unknown type, wrong
 * length or number of descriptors; -EPROTO: not in this state, or twice; else the handler's error.
 */
MUST_USE int chan_dispatch(
	struct chan *c, const struct rule *rules, size_t n_rules, unsigned int state, void *owner);

/* Receive one message and dispatch it. */
MUST_USE int chan_step(struct chan *c, bool is_waiting, const struct rule *rules, size_t n_rules,
	unsigned int state, void *owner);

/* Take descriptor i out of the message; -1 when there is none. The caller owns it. */
int msg_take_fd(struct msg *m, unsigned int i);

/* Close the descriptors that are left in the message. */
void msg_drop_fds(struct msg *m);
