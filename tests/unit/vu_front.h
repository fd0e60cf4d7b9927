/*
 * vu_front: a front end and a guest driver in one, for tests of device processes: it starts the
 *           real program in its sandbox, or serves a back end in this process, shares memory with
 *           it and drives its rings.
 *
 * Trust:   the device under test may misbehave: every wait ends, in seconds.
 * Owns:    everything in the struct; front_close() releases it and ends the process.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chan.h"
#include "base/loop.h"
#include "sandbox/spawn.h"
#include "vmm/virtio/vring.h"
#include "vmm/virtio/vu_msg.h"

#define FRONT_RAM    (4u << 20)
#define FRONT_GPA    0x100000ull
#define FRONT_USER   0x7000000000ull /* not the guest address, so that mixing them up is seen */
#define FRONT_SIZE   64u             /* ring entries */
#define FRONT_DATA   0x10000u        /* offset in ram where buffers may lie */
#define FRONT_QUEUES 3u
#define FRONT_WAIT   5000 /* ms */

/* Offsets in ram of the areas of a ring. */
#define FRONT_DESC(q)  ((q)*0x4000u)
#define FRONT_AVAIL(q) ((q)*0x4000u + 0x1000u)
#define FRONT_USED(q)  ((q)*0x4000u + 0x2000u)

struct front_queue {
	int kick;
	int call;
	int err;
	uint16_t offered; /* chains */
	uint16_t taken;   /* used entries */
	uint16_t next_desc;
};

struct front {
	struct spawn_child child;
	struct chan chan;
	struct loop *loop; /* of a back end in this process; NULL: it is a child */
	int sock;
	int mem_fd;
	uint8_t *ram;
	uint64_t features; /* offered */
	struct front_queue q[FRONT_QUEUES];
};

/* One buffer: an offset in ram. */
struct buf {
	uint32_t at;
	uint32_t len;
	bool device_writes;
};

/*
 * Start a role's program with CONFIG of these bytes, and with the vhost-user socket followed by
 * fds. 0 when it says READY; else a negative errno, the program's own words in why.
 */
MUST_USE int front_start(struct front *f, enum role role, const void *config, size_t len,
	const int *fds, unsigned int n_fds, struct why *why);

/* Memory, events and our end of a socket; the other end is returned, for a back end in this
 * process that is served from loop. */
MUST_USE int front_open(struct front *f, struct loop *loop, int *ret_back_sock);
void front_close(struct front *f);

/* The whole handshake; the first n queues run afterwards with these features. */
MUST_USE int front_run(struct front *f, uint64_t features, unsigned int n);

/* Single steps of it. */
MUST_USE int front_agree(struct front *f, uint64_t features);
MUST_USE int front_give_memory(struct front *f);
MUST_USE int front_start_queue(struct front *f, unsigned int q);
MUST_USE int front_stop_queue(struct front *f, unsigned int q, uint16_t *ret_base);

/* Call, or tell and let a back end in this process serve it. */
MUST_USE int front_call(struct front *f, enum vu_request request, const void *payload, size_t len,
	const int *fds, unsigned int n_fds, void *ret, size_t ret_len);

/* Put a chain of buffers into a queue; returns its head. Without a kick. */
uint16_t front_offer(struct front *f, unsigned int q, const struct buf *bufs, unsigned int n);
void front_kick(struct front *f, unsigned int q);

/* Wait for the next used entry. 0, or -ETIMEDOUT after timeout_ms. */
MUST_USE int front_wait(
	struct front *f, unsigned int q, int timeout_ms, uint16_t *ret_head, uint32_t *ret_len);

/* Offer, kick, wait: the number of bytes the device wrote, or a negative errno. */
int front_do(struct front *f, unsigned int q, const struct buf *bufs, unsigned int n);

/* Did the device say that the queue is broken? Waits for it. */
bool front_is_broken(struct front *f, unsigned int q, int timeout_ms);

/* Write one descriptor by hand. */
void front_put_desc(struct front *f, unsigned int q, uint16_t i, uint64_t gpa, uint32_t len,
	uint16_t flags, uint16_t next);
void front_put_head(struct front *f, unsigned int q, uint16_t head);

/* Wait for the child's end: its exit status, 128 + signal, or -ETIMEDOUT. */
int front_wait_end(struct front *f);
