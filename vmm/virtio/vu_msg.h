/*
 * vu_msg: one vhost-user message over a stream socket, with its descriptors; for both ends.
 *
 * Trust:   the peer may be hostile: lengths are bounded, descriptors are counted, close-on-exec
 *          and closed when nobody takes them.
 * Owns:    a received message owns its descriptors; the socket stays the caller's.
 * Threads: one per socket.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "vmm/virtio/vu_proto.h"

/* A message, or the part of it that has come so far. Start with vu_msg_init(). */
struct vu_msg {
	uint32_t request;
	uint32_t flags;
	uint32_t len; /* of the payload */
	unsigned int n_fds;
	int fds[LIMIT_MEM_REGIONS];
	size_t have; /* bytes of header and payload that came */
	uint8_t raw[sizeof(struct vu_hdr)];
	uint8_t buf[VU_PAYLOAD_MAX];
};

void vu_msg_init(struct vu_msg *m);

/* Close the descriptors nobody took. */
void vu_msg_done(struct vu_msg *m);

static inline void vu_msg_auto(struct vu_msg *m)
{
	vu_msg_done(m);
}

/* Take descriptor i; -1 when there is none. The caller owns it. */
int vu_msg_take_fd(struct vu_msg *m, unsigned int i);

/*
 * Send one message, without waiting. flags are VU_VERSION and what else applies; fds stay the
 * caller's. -EPIPE: the peer is gone; -EAGAIN: it did not read what was sent before, and nothing
 * was sent now (a half-sent message is -EPIPE); -EMSGSIZE: longer than the protocol allows.
 */
MUST_USE int vu_send(int sock, uint32_t request, uint32_t flags, const void *payload, size_t len,
	const int *fds, unsigned int n_fds);

/*
 * Receive what is there, without waiting. 0: the message is whole; -EAGAIN: not yet, call again
 * with the same m; -EPIPE: the peer is gone, also in mid-message; -EBADMSG: wrong version, too
 * long, too many or misplaced descriptors: drop the peer. A whole message must be finished with
 * vu_msg_done() and vu_msg_init() before the next.
 */
MUST_USE int vu_recv_step(int sock, struct vu_msg *m);

/* Receive one whole message, waiting at most timeout_ms; -ETIMEDOUT. m is as after init. */
MUST_USE int vu_recv(int sock, struct vu_msg *m, int timeout_ms);

/* The front end: a request that has no reply and wants none (before REPLY_ACK is agreed). Does not
 * wait: -EAGAIN is a back end that stands still. */
MUST_USE int vu_tell(int sock, enum vu_request request, const void *payload, size_t len,
	const int *fds, unsigned int n_fds, struct why *why);

/*
 * The front end: send a request and wait for its answer, LIMIT_VU_REPLY_MS at most.
 * With ret NULL: a request without a reply of its own; asks for the acknowledgement of REPLY_ACK
 * and -EREMOTEIO when the back end says no. Otherwise the reply must have exactly ret_len bytes
 * (-EBADMSG), which land in ret. -ETIMEDOUT, -EPIPE. After an error the relation is over: the
 * caller closes the socket.
 */
MUST_USE int vu_call(int sock, enum vu_request request, const void *payload, size_t len,
	const int *fds, unsigned int n_fds, void *ret, size_t ret_len, struct why *why);
