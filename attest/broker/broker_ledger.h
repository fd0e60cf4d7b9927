/*
 * broker_ledger: the broker's own ledger writer: what was proven, refused and released is on the
 *                disk before anything happens because of it.
 *
 * Trust:   the writer is believed one thing: "this entry is durable".
 * Owns:    the writer's process, channel and log pipe.
 * Threads: one. Writing blocks until the entry is durable, LIMIT_KBS_LEDGER_MS at most.
 */
#pragma once

#include <stdint.h>

#include "attest/broker/broker_session.h"
#include "attest/ledger/ledger_proto.h"
#include "base/cdefs.h"
#include "base/chan.h"
#include "base/why.h"
#include "sandbox/spawn.h"

struct broker_ledger {
	struct spawn_child child;
	struct chan chan; /* chan.fd is -1 when the writer is gone */
	uint32_t cookie;  /* of the last entry */
	bool is_done;     /* its DONE has come */
	uint32_t done_err;
	struct why failure;      /* what the writer said when it did not start */
	uint64_t minute;         /* for the limit on refusals */
	unsigned int n_refusals; /* in this minute */
	unsigned int n_unwritten;
};

#define BROKER_LEDGER_NONE                                                                         \
	((struct broker_ledger){ .child = SPAWN_CHILD_NONE, .chan = { .fd = -1 } })

/*
 * Start casemate-ledger on this folder with this key (paths) and wait until it is ready. Before the
 * sandbox. Release with broker_ledger_stop().
 */
MUST_USE int broker_ledger_start(struct broker_ledger *l, const char *folder, const char *key,
	const char *origin, struct why *why);
void broker_ledger_stop(struct broker_ledger *l);

/* Write what was counted and not written, if anything: before the end. */
void broker_ledger_flush(struct broker_ledger *l);

/* Use a channel whose writer is ready; takes the descriptor. */
MUST_USE int broker_ledger_use(struct broker_ledger *l, int chan_fd);

/*
 * Append. 0: durable. -EPIPE: the writer is gone, or too slow, and stays gone. resource may be
 * NULL. Refusals beyond LIMIT_KBS_REFUSALS_MINUTE are counted, not written.
 */
MUST_USE int broker_ledger_write(struct broker_ledger *l, enum ledger_event event,
	const struct proof *proof, const char *resource, const char *text, struct why *why);
