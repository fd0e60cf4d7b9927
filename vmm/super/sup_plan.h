/*
 * sup_plan: have the policy reader turn a policy file into a plan, and show a plan to a person.
 *
 * Trust:   the reader parsed a hostile file and may be its victim: its answer is a fixed-size
 *          message, checked again with plan_check().
 * Owns:    nothing that outlives a call; the reader has ended when sup_plan_read() returns.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "policy/plan.h"
#include "vmm/super/sup_confine.h"

/*
 * Start casemate-policy with the policy file alone and wait for its plan, at most 30 s. name: the
 * file's name for messages. Errors: those of the reader; -ETIMEDOUT; -EREMOTEIO when it broke.
 */
MUST_USE int sup_plan_read(int policy_fd, const char *name, struct wire_plan *ret, struct why *why);

/*
 * Every process with its descriptors and sandbox, every file with its flags, limits and labels, and the
 * walls this host cannot give, on stdout.
 */
void sup_plan_print(const struct wire_plan *plan, const struct confine_gaps *gaps,
	const char *policy, const char *simulator, bool is_json);
