/*
 * launch: which step of a measured launch is legal when (style rule 47). The firmware has the last
 *         word; these tables have the first, so that a step out of order gets a plain answer.
 *
 * Trust:   the caller is trusted to be wrong only by mistake.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include "base/cdefs.h"
#include "base/why.h"

/* SEV and SEV-ES stop at a measurement that somebody else judges; the others do not. */
enum launch_flow { LAUNCH_FLOW_PAGES, LAUNCH_FLOW_SEV, LAUNCH_FLOW_COUNT };

enum launch_state {
	LAUNCH_NEW,      /* the VM exists: memory, vCPUs and registers may be set */
	LAUNCH_OPEN,     /* started: pages may be measured; vCPUs and registers may be set */
	LAUNCH_MEASURED, /* SEV: the measurement is out, waiting for the owner's secret, or none */
	LAUNCH_RUNNING,  /* finished: vCPUs may run, memory may be converted */
	LAUNCH_DEAD,     /* a step that cannot be repeated failed: only guest_close() is left */
	LAUNCH_STATE_COUNT
};

enum launch_step {
	STEP_ADD_MEMORY,
	STEP_SET_PRIVATE,
	STEP_INIT_VCPU,
	STEP_START,
	STEP_MEASURE,
	STEP_READ_MEASUREMENT,
	STEP_PUT_SECRET,
	STEP_FINISH,
	STEP_CONVERT,
	LAUNCH_STEP_COUNT
};

/* 0; -EPROTO when the step is not legal in this state; -ENOTCONN when the guest is dead. */
MUST_USE int launch_check(
	enum launch_flow flow, enum launch_state state, enum launch_step step, struct why *why);

/* The state after a step that was legal and succeeded. */
enum launch_state launch_next(
	enum launch_flow flow, enum launch_state state, enum launch_step step);
