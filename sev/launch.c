#include "sev/launch.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>

#define NO LAUNCH_STATE_COUNT
#define D  LAUNCH_MEASURED
#define R  LAUNCH_RUNNING

/* clang-format off */
/* Which step is legal when, and what comes next. SEV: ABI 2.5; SNP: ABI 2.6; TDX: ABI 4.1; 2.15, 4.12.
 *                     ADD_MEMORY   SET_PRIVATE  INIT_VCPU    START        MEASURE      READ PUT FINISH CONVERT */
static const uint8_t next[LAUNCH_FLOW_COUNT][LAUNCH_STATE_COUNT][LAUNCH_STEP_COUNT] = {
	[LAUNCH_FLOW_PAGES] = {
	[LAUNCH_NEW]      = { LAUNCH_NEW,  LAUNCH_NEW,  LAUNCH_NEW,  LAUNCH_OPEN, NO,          NO,  NO, NO,    NO },
	[LAUNCH_OPEN]     = { NO,          LAUNCH_OPEN, LAUNCH_OPEN, NO,          LAUNCH_OPEN, NO,  NO, R,     NO },
	[LAUNCH_MEASURED] = { NO,          NO,          NO,          NO,          NO,          NO,  NO, NO,    NO },
	[LAUNCH_RUNNING]  = { NO,          NO,          NO,          NO,          NO,          NO,  NO, NO,    R  },
	[LAUNCH_DEAD]     = { NO,          NO,          NO,          NO,          NO,          NO,  NO, NO,    NO },
	},
	[LAUNCH_FLOW_SEV] = {
	[LAUNCH_NEW]      = { LAUNCH_NEW,  LAUNCH_NEW,  LAUNCH_NEW,  LAUNCH_OPEN, NO,          NO,  NO, NO,    NO },
	[LAUNCH_OPEN]     = { NO,          LAUNCH_OPEN, LAUNCH_OPEN, NO,          LAUNCH_OPEN, D,   NO, NO,    NO },
	[LAUNCH_MEASURED] = { NO,          NO,          NO,          NO,          NO,          NO,  D,  R,     NO },
	[LAUNCH_RUNNING]  = { NO,          NO,          NO,          NO,          NO,          NO,  NO, NO,    R  },
	[LAUNCH_DEAD]     = { NO,          NO,          NO,          NO,          NO,          NO,  NO, NO,    NO },
	},
};
/* clang-format on */

static const char *const state_names[LAUNCH_STATE_COUNT] = {
	[LAUNCH_NEW] = "new",
	[LAUNCH_OPEN] = "being measured",
	[LAUNCH_MEASURED] = "measured",
	[LAUNCH_RUNNING] = "launched",
	[LAUNCH_DEAD] = "dead",
};

static const char *const step_names[LAUNCH_STEP_COUNT] = {
	[STEP_ADD_MEMORY] = "add memory",
	[STEP_SET_PRIVATE] = "make memory private",
	[STEP_INIT_VCPU] = "prepare a vCPU",
	[STEP_START] = "start the launch",
	[STEP_MEASURE] = "measure a page",
	[STEP_READ_MEASUREMENT] = "read the measurement",
	[STEP_PUT_SECRET] = "put a secret",
	[STEP_FINISH] = "finish the launch",
	[STEP_CONVERT] = "convert memory",
};

int launch_check(
	enum launch_flow flow, enum launch_state state, enum launch_step step, struct why *why)
{
	assert(flow < LAUNCH_FLOW_COUNT && state < LAUNCH_STATE_COUNT && step < LAUNCH_STEP_COUNT);
	if (state == LAUNCH_DEAD)
		return why_set(
			why, -ENOTCONN, "cannot %s: the launch failed before", step_names[step]);
	if (next[flow][state][step] == NO)
		return why_set(why, -EPROTO, "cannot %s: the guest is %s", step_names[step],
			state_names[state]);
	return 0;
}

enum launch_state launch_next(enum launch_flow flow, enum launch_state state, enum launch_step step)
{
	assert(flow < LAUNCH_FLOW_COUNT && state < LAUNCH_STATE_COUNT && step < LAUNCH_STEP_COUNT);
	assert(next[flow][state][step] != NO);
	return next[flow][state][step];
}
