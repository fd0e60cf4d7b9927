/*
 * mon_front: the front end of vhost-user: what the monitor says to one device process.
 *
 * Trust:   the device process may be its guest's victim: lengths are exact, waits are bounded,
 *          and features, configuration and queue count are taken once, before the guest runs.
 * Owns:    the socket and the error event.
 * Threads: the loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/why.h"
#include "vmm/monitor/mon_memory.h"

#define FRONT_QUEUES_MAX     3u /* vsock has three, the others fewer */
#define FRONT_QUEUE_SIZE_MAX LIMIT_VRING_SIZE
#define FRONT_CONFIG_MAX     64u /* the longest of our devices: virtio-blk, 60 bytes */

struct front_events {
	void (*broke)(void *owner); /* a ring made no sense: the device needs a reset */
	void (*died)(void *owner);  /* the process is gone, or talks out of turn */
	void *owner;
};

struct front {
	struct src sock;
	struct src err;
	struct front_events events;
	uint32_t device_type;
	unsigned int n_queues;
	uint64_t offered;  /* by the process */
	uint64_t features; /* offered to the guest */
	unsigned int config_len;
	uint8_t config[FRONT_CONFIG_MAX];
};

struct front_queue {
	bool is_enabled;
	uint16_t size;
	uint64_t desc, driver, device; /* guest-physical */
	int kick_fd, call_fd;
};

/*
 * Agree with the device process behind fd (taken): features, configuration, guest memory. Waits
 * for its answers, LIMIT_VU_REPLY_MS each. -EPROTO with why when it lacks what we need. Release
 * with mon_front_close(), also after a failure.
 */
MUST_USE int mon_front_open(struct front *ret, uint32_t device_type, int fd,
	const struct mon_memory *memory, struct loop *loop, const struct front_events *events,
	struct why *why);
void mon_front_close(struct front *f, struct loop *loop);

/* May the guest's driver have these features: a subset of the offer, with what is mandatory? */
bool mon_front_takes(const struct front *f, uint64_t driver_features);

/* Hand over the queues and start them. Does not wait. An error means the process is lost. */
MUST_USE int mon_front_start(struct front *f, uint64_t driver_features,
	const struct front_queue queues[FRONT_QUEUES_MAX]);

/* Stop all queues; after it the device touches no ring. Waits, bounded. */
MUST_USE int mon_front_stop(struct front *f);
