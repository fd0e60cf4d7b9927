#include "sev/launch.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>

#define NO LAUNCH_STATE_COUNT

/* clang-format off */
/* Which step is legal when, and what comes next. SNP: ABI 2.6, 2.15.
 *                     ADD_MEMORY   SET_PRIVATE  START        MEASURE      FINISH          CONVERT */
static const uint8_t next[LAUNCH_STATE_COUNT][LAUNCH_STEP_COUNT] = {
	[LAUNCH_NEW]     = { LAUNCH_NEW,  LAUNCH_NEW,  LAUNCH_OPEN, NO,          NO,             NO },
	[LAUNCH_OPEN]    = { NO,          LAUNCH_OPEN, NO,          LAUNCH_OPEN, LAUNCH_RUNNING, NO },
	[LAUNCH_RUNNING] = { NO,          NO,          NO,          NO,          NO,             LAUNCH_RUNNING },
	[LAUNCH_DEAD]    = { NO,          NO,          NO,          NO,          NO,             NO },
};
/* clang-format on */

static const char *const state_names[LAUNCH_STATE_COUNT] = {
	[LAUNCH_NEW] = "new",
	[LAUNCH_OPEN] = "being measured",
	[LAUNCH_RUNNING] = "launched",
	[LAUNCH_DEAD] = "dead",
};

static const char *const step_names[LAUNCH_STEP_COUNT] = {
	[STEP_ADD_MEMORY] = "add memory",
	[STEP_SET_PRIVATE] = "make memory private",
	[STEP_START] = "start the launch",
	[STEP_MEASURE] = "measure a page",
	[STEP_FINISH] = "finish the launch",
	[STEP_CONVERT] = "convert memory",
};

int launch_check(enum launch_state state, enum launch_step step, struct why *why)
{
	assert(state < LAUNCH_STATE_COUNT && step < LAUNCH_STEP_COUNT);
	if (state == LAUNCH_DEAD)
		return why_set(
			why, -ENOTCONN, "cannot %s: the launch failed before", step_names[step]);
	if (next[state][step] == NO)
		return why_set(why, -EPROTO, "cannot %s: the guest is %s", step_names[step],
			state_names[state]);
	return 0;
}

enum launch_state launch_next(enum launch_state state, enum launch_step step)
{
	assert(state < LAUNCH_STATE_COUNT && step < LAUNCH_STEP_COUNT && next[state][step] != NO);
	return next[state][step];
}
