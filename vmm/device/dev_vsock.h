/*
 * dev_vsock: the virtio socket device (virtio 1.2, 5.10): streams the guest opens to the host's
 *            context id 2, on the ports that CONFIG lists. For each the supervisor is asked for a
 *            connected Unix stream socket; this process can open none.
 *
 * Trust:   none in the rings, none in what the sockets bring; both are bounded by credit (5.10.6.3)
 *          and by limits.h. Bytes of a stream are passed on unread.
 * Owns:    the back end with its socket, the streams' sockets.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/chan.h"
#include "base/loop.h"
#include "base/why.h"
#include "vmm/device/vu_back.h"

/* What a stream has to tell the guest as soon as there is a buffer. */
#define STREAM_SAY_RESPONSE 0x1u
#define STREAM_SAY_CREDIT   0x2u
#define STREAM_SAY_SHUTDOWN 0x4u
#define STREAM_SAY_RESET    0x8u /* and then it is free */

enum stream_state {
	STREAM_FREE,
	STREAM_ASKED,   /* the supervisor was asked for a socket; guest's ports are valid */
	STREAM_DROPPED, /* the same, but the guest is not interested any more */
	STREAM_OPEN,    /* socket, buffers and counters are valid */
	STREAM_CLOSING, /* only STREAM_SAY_RESET is left to do; no socket */
};

struct stream {
	struct dev_vsock *dev;
	struct src sock;  /* fd -1: none */
	uint32_t watched; /* EPOLL* events it is in the loop for; 0: not in the loop */
	enum stream_state state;
	uint32_t cookie; /* of the question to the supervisor */
	uint32_t guest_port;
	uint32_t host_port;
	uint32_t say;       /* STREAM_SAY_* */
	uint32_t shutdown;  /* VIRTIO_VSOCK_SHUTDOWN_* that the guest said; never taken back */
	bool is_readable;   /* the socket may have bytes, or its end */
	bool is_host_ended; /* the socket's end was read */
	/* From the guest: counters run freely, modulo 2^32 (5.10.6.3). */
	uint32_t received;  /* bytes that came, in buf[] or gone */
	uint32_t forwarded; /* bytes that went to the socket: fwd_cnt */
	uint32_t told;      /* forwarded, when the guest was told last */
	/* To the guest. */
	uint32_t sent;                  /* bytes given to the guest */
	uint32_t guest_forwarded;       /* its fwd_cnt */
	uint32_t guest_room;            /* its buf_alloc */
	uint8_t buf[LIMIT_VSOCK_BYTES]; /* ring: byte n of the stream is buf[n % size] */
};

/* A refusal for ports that have no stream. */
struct reset {
	uint32_t guest_port;
	uint32_t host_port;
};

struct dev_vsock_setup {
	uint64_t cid; /* the guest's */
	uint32_t n_ports;
	uint32_t ports[LIMIT_VSOCK_PORTS];
};

struct dev_vsock {
	struct vu_back back;
	struct dev_vsock_setup setup;
	struct chan *chan; /* to the supervisor */
	uint32_t next_cookie;
	unsigned int next_stream; /* who may fill a buffer first: fair by turns */
	unsigned int n_resets;
	struct reset resets[LIMIT_VSOCK_RESETS]; /* [0] is the oldest */
	struct stream streams[LIMIT_VSOCK_STREAMS];
};

/* Rows for dev_link_open(); owner is the struct dev_vsock. */
extern const struct rule dev_vsock_rules[];
extern const size_t dev_vsock_n_rules;

/*
 * Serve the device on the vhost-user socket (taken); chan is the supervisor's, kept by the caller.
 * -EINVAL with why: a context id below 3 or above 0xfffffffe (5.10.4), too many ports. why must
 * live as long as d: the end of the relation is explained there.
 */
MUST_USE int dev_vsock_open(struct dev_vsock *d, struct loop *loop, int sock, struct chan *chan,
	const struct dev_vsock_setup *setup, struct why *why);
void dev_vsock_close(struct dev_vsock *d);

/*
 * The whole process, from the channel to the exit status, which is returned (style rule 5); dev is
 * zero. Started by the supervisor only.
 */
MUST_USE int dev_vsock_run(struct dev_vsock *dev);
