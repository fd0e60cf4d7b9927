/*
 * test_proto: what tests/proc/test_sandbox asks of its child, sandbox_child.
 *
 * Trust:   both are tests.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"
#include "base/le.h"

#define TEST_MSG_RESULT 16 /* child -> test: struct wire_result */

struct wire_result {
	le32 value; /* a count, an errno, an id: what the action says */
};
WIRE_SIZE(struct wire_result, 4);
