/*
 * dev_rng: the virtio entropy device (virtio 1.2, 5.4): one queue of buffers to fill.
 *
 * Trust:   none in the ring.
 * Owns:    the back end with its socket.
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"
#include "base/loop.h"
#include "base/why.h"
#include "vmm/device/vu_back.h"

struct dev_rng {
	struct vu_back back;
};

/*
 * Serve the device on the vhost-user socket (taken). Release with dev_rng_close(). why must live as
 * long as d: the end of the relation is explained there.
 */
MUST_USE int dev_rng_open(struct dev_rng *d, struct loop *loop, int sock, struct why *why);
void dev_rng_close(struct dev_rng *d);

/*
 * The whole process, from the channel to the exit status, which is returned (style rule 5); dev is
 * zero. Started by the supervisor only.
 */
MUST_USE int dev_rng_run(struct dev_rng *dev);
