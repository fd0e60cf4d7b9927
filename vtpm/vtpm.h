/*
 * vtpm: a TPM for one monitor (vtpm_proto.h says who sends what), between its channel and the engine.
 *
 *   One thread: while a command runs, nothing is read. What arrives meanwhile is a sign that nobody
 *   waits for the answer any more (the guest cancels it), and cancels the command by a
 *   signal; the message is read afterwards.
 *
 * Trust:   none in the monitor. The supervisor is trusted.
 * Owns:    the monitor's channel, the engine. The supervisor's channel stays main's, as the store.
 * Threads: one; one struct a process.
 */
#pragma once

#include <stdbool.h>

#include "base/cdefs.h"
#include "base/chan.h"
#include "base/loop.h"
#include "base/why.h"
#include "vtpm/nvstore.h"

enum vtpm_state {
	VTPM_FRESH, /* measurements or a first command */
	VTPM_MEASURED,
	VTPM_USED, /* the guest has given a command: no measurement any more */
};

struct vtpm {
	struct loop *loop;
	struct chan *super;
	struct chan monitor;
	struct src super_src, monitor_src;
	enum vtpm_state state;
	bool is_on;
	bool is_shut; /* the last command that the engine took was TPM2_Shutdown */
};

#define VTPM_NONE ((struct vtpm){ .monitor = { .fd = -1 }, .monitor_src = { .fd = -1 } })

/*
 * Take the channel at monitor_fd and have its messages cancel what runs. Before sandbox_enter():
 * it asks for signals, and opens /dev/null for libtpms. v must stay where it is until vtpm_close().
 */
MUST_USE int vtpm_open(struct vtpm *v, struct loop *loop, struct chan *super, int monitor_fd);

/* Power on with the state in store, which must outlive v. Errors of engine_start(). */
MUST_USE int vtpm_start(struct vtpm *v, struct nvstore *store, struct why *why);

/*
 * The loop stops with 0 at STOP and when the supervisor or the monitor is gone, with an error when
 * either broke a rule. Then, or after a failure: power off, with TPM2_Shutdown(CLEAR) where the guest
 * gave none, since its counters would else take that for an attack.
 */
void vtpm_close(struct vtpm *v);
