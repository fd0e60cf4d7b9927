/*
 * dev_link: a device process's end of the channel to the supervisor, while it serves.
 *
 * Trust:   the supervisor is trusted; its messages are checked by the table all the same.
 * Owns:    nothing; the channel stays main's.
 * Threads: one.
 */
#pragma once

#include <stddef.h>

#include "base/cdefs.h"
#include "base/chan.h"
#include "base/loop.h"

struct dev_link {
	struct src src;
	struct loop *loop;
	struct chan *chan;
	const struct rule *rules;
	size_t n_rules;
	void *owner;
};

/*
 * Watch the channel: STOP and the end of the channel stop the loop with 0, a message that breaks a
 * rule with an error. rules[] are the device's own rows (may be NULL) and go to owner; STOP is
 * never theirs. link must stay where it is.
 */
MUST_USE int dev_link_open(struct dev_link *link, struct loop *loop, struct chan *chan,
	const struct rule *rules, size_t n_rules, void *owner);
