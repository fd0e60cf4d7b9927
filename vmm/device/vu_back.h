/*
 * vu_back: the back-end half of vhost-user: one socket to the monitor, the guest memory it names,
 *          and the queues of one device, served from the process's loop.
 *
 * Trust:   the peer is our monitor and is checked all the same: a message that breaks a rule ends
 *          the relation. The rings hold whatever the guest wrote: a ring that makes no sense is
 *          broken, the front end is told through the error eventfd.
 * Owns:    the socket, the mappings, the kick, call and error descriptors.
 * Threads: one; every function must run on the thread that called vu_back_open().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/why.h"
#include "vmm/virtio/mem.h"
#include "vmm/virtio/vring.h"
#include "vmm/virtio/vu_msg.h"

struct vu_back;

/*
 * What a device does with one of its queues: one of the two, or neither (then what the guest puts
 * there stays there).
 */
struct vu_queue_ops {
	/*
	 * A request came. Serve it and say in *ret_len (0 before) how many bytes were written to the
	 * guest. 0: it is done; -EAGAIN: not yet, keep it until vu_back_resume(); any other error:
	 * it cannot even be answered, the ring is broken.
	 */
	int (*serve)(struct vu_back *b, const struct chain *c, uint32_t *ret_len);
	/* Buffers to fill came: take them with vu_back_take_chain(). */
	void (*fill)(struct vu_back *b);
};

struct vu_ops {
	unsigned int n_queues; /* 1 to LIMIT_VRINGS */
	struct vu_queue_ops queues[LIMIT_VRINGS];
	/* A queue was stopped: forget what belongs to it. May be NULL. */
	void (*stop)(struct vu_back *b, unsigned int queue);
};

enum vu_back_state {
	VU_BACK_FRESH,  /* nothing agreed */
	VU_BACK_OWNED,  /* SET_OWNER came */
	VU_BACK_AGREED, /* SET_FEATURES came: rings may start */
	VU_BACK_DEAD,   /* the relation is over */
};

struct vu_queue {
	struct vu_back *back;
	struct src kick; /* fd -1: none */
	int call_fd;
	int err_fd;
	bool is_enabled;
	bool is_watched; /* kick is in the loop */
	bool has_chain;  /* chain was taken and not given back */
	struct vring_setup setup;
	struct vring ring;
	struct chain chain;
};

struct vu_back {
	struct loop *loop;
	const struct vu_ops *ops;
	struct why *why; /* gets the reason when the relation ends with an error */
	struct src sock;
	enum vu_back_state state;
	uint64_t offered;  /* virtio features, VU_F_PROTOCOL_FEATURES included */
	uint64_t features; /* agreed */
	uint64_t protocol; /* protocol features agreed */
	uint32_t config_len;
	uint8_t config[VU_CONFIG_BYTES]; /* the device's configuration space */
	struct mem mem;
	uint64_t spent; /* bytes of work in this turn */
	struct vu_queue q[LIMIT_VRINGS];
	struct vu_msg msg;  /* being received */
	uint32_t reply_len; /* the reply of the request that is being served */
	uint8_t reply[VU_PAYLOAD_MAX];
};

/*
 * Serve the device on the socket (taken) from the loop. features: what the device offers beyond
 * VERSION_1, ACCESS_PLATFORM and the ring features, which are offered always. config: config_len
 * bytes of configuration space (copied). The relation's end stops the loop: with 0 when the front
 * end closed the socket, with an error when it broke a rule; the reason is then in why, which must
 * live as long as b (it may be NULL).
 */
MUST_USE int vu_back_open(struct vu_back *b, struct loop *loop, int sock, const struct vu_ops *ops,
	uint64_t features, const void *config, size_t config_len, struct why *why);
void vu_back_close(struct vu_back *b);

/*
 * Take the next chain of a queue: the one kept, or the next available one; NULL when there is none
 * (then the guest's next kick is asked for), when the queue does not run, or when it broke.
 */
const struct chain *vu_back_take_chain(struct vu_back *b, unsigned int queue);

/* Give the taken chain back with len bytes written; tell the guest later with vu_back_tell(). */
void vu_back_give_chain(struct vu_back *b, unsigned int queue, uint32_t len);

/* Interrupt the guest if it wants to know about what was given back. */
void vu_back_tell(struct vu_back *b, unsigned int queue);

/* Mark a queue broken and tell the front end. */
void vu_back_break(struct vu_back *b, unsigned int queue, int err);

/* Come back to a queue after the loop saw to everything else, as if the guest had kicked. */
void vu_back_kick(struct vu_back *b, unsigned int queue);

/* The request in hand was more work than the bytes of its chain: so many more. Ends the turn sooner. */
void vu_back_spend(struct vu_back *b, uint64_t bytes);

/* Serve a queue again whose request got -EAGAIN, or nothing when it does not run. */
void vu_back_resume(struct vu_back *b, unsigned int queue);
