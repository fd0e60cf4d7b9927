/*
 * plan_bits: words of a plan that processors and kernels define bit by bit (ABI 2.4, 2.7, 4.3):
 *            reserved bits, bits that must be set, bits that exclude each other. What a host
 *            supports of them is not known here; KVM and the firmware say.
 *
 * Trust:   the plan is hostile.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include "base/cdefs.h"
#include "base/why.h"
#include "policy/plan.h"

/*
 * The words that the plan's kind of guest has; of others plan_check() has seen that they are zero.
 * 0, or -EBADMSG with why, which begins with the word: whose it is says the caller.
 */
MUST_USE int plan_check_bits(const struct wire_plan *plan, struct why *why);
