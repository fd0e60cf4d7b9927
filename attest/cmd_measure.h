/*
 * cmd_measure: what the two halves of `casemate measure` share: the launch as the policy describes
 *              it (cmd_measure.c), and how another differs from it (cmd_measure_diff.c).
 *
 * Trust:   the policy and its files are the caller's; what --diff is given may be anything.
 * Owns:    nothing; a struct launch owns the files it loaded.
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "attest/cmd.h"
#include "attest/launch_digest.h"
#include "attest/predict.h"
#include "attest/rtmr.h"
#include "policy/policy.h"

#define MEASURE_SCHEMA      "casemate.attest.measure/1"
#define MEASURE_SCHEMA_DIFF "casemate.attest.diff/1"

struct measure_args {
	const char *diff, *vmm, *cpu, *vcpus_is, *features, *event_log;
	struct opt_list kernels, initrds, cmdlines, vcpus, memories, firmwares;
	bool as_json, explain;
};

/* A runtime register of a TD: its values, or why there are none. */
struct measure_register {
	struct launch_values values; /* n 0: not predicted */
	struct why why;
};

/* The launch the policy describes. Large: static in cmd_measure(). */
struct launch {
	struct policy policy;
	struct predict_files files;
	struct launch_inputs in;
	struct launch_memo memo;
	struct launch_values values; /* of in.kind */
	struct measured trace;
	struct measure_register registers[3]; /* TDX: RTMR 0 to 2 */
	struct rtmr_log log;
	struct cmd_files event_log; /* TDX: one file, where one was given */
	char log_when[160];         /* what RTMR 0's value is, then */
};

/* The answer to --diff in w; *ret_equal: is it the same launch? */
MUST_USE int measure_diff(const struct measure_args *args, const struct launch *l, struct wr *w,
	bool *ret_equal, struct why *why);
