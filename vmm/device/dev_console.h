/*
 * dev_console: the virtio console (virtio 1.2, 5.3), port 0 only: what the guest transmits goes to
 *              one descriptor, what comes from another goes to the guest.
 *
 * Trust:   none in the rings; bytes in both directions are passed on unread.
 * Owns:    the back end with its socket, both descriptors.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>

#include "base/cdefs.h"
#include "base/loop.h"
#include "base/why.h"
#include "vmm/device/vu_back.h"

struct dev_console {
	struct vu_back back;
	struct src out;
	struct src in;
	uint32_t sent;       /* bytes of the present chain that went out */
	bool is_out_watched; /* waiting until the output takes more */
	bool is_in_watched;  /* waiting for input; only while the guest has buffers */
	bool is_out_broken;  /* nobody reads any more: bytes are dropped */
	bool is_in_ended;    /* no more input will come */
	uint8_t buf[LIMIT_CONSOLE_BYTES];
};

/*
 * Serve the device on the vhost-user socket; takes all three descriptors. Neither output nor input
 * is made non-blocking: the description may be shared with somebody's terminal. why must live as
 * long as d: the end of the relation is explained there.
 */
MUST_USE int dev_console_open(
	struct dev_console *d, struct loop *loop, int sock, int out, int in, struct why *why);
void dev_console_close(struct dev_console *d);

/*
 * The whole process, from the channel to the exit status, which is returned (style rule 5); dev is
 * zero. Started by the supervisor only.
 */
MUST_USE int dev_console_run(struct dev_console *dev);
