/*
 * sim_fault: the script of failures: "SNP_LAUNCH_UPDATE 3 INVALID_PAGE_STATE" makes the third
 *            firmware command of that kind fail with that status.
 *
 * Trust:   scripts are the test's.
 * Owns:    nothing.
 * Threads: one at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

/* Commands that can be made to fail; an UPDATE is counted page by page, as firmware sees it. */
/* clang-format off */
#define SIM_COMMAND(x) \
	x(SNP_LAUNCH_START) \
	x(SNP_LAUNCH_UPDATE) \
	x(SNP_LAUNCH_FINISH) \
	x(SNP_GUEST_REQUEST)
/* clang-format on */

#define SIM_COMMAND_ENUM(name) SIM_##name,
enum sim_command { SIM_COMMAND(SIM_COMMAND_ENUM) SIM_COMMAND_COUNT };
#undef SIM_COMMAND_ENUM

struct sim_fault {
	uint32_t command; /* enum sim_command */
	uint32_t nth;     /* 1 is the first */
	uint32_t status;  /* firmware status, not 0 */
};

struct sim_script {
	uint32_t n;
	struct sim_fault fault[LIMIT_SIM_FAULTS];
	uint32_t seen[SIM_COMMAND_COUNT];
};

/* Parse "COMMAND N STATUS", STATUS by name or as a number. -EINVAL with why. */
MUST_USE int sim_fault_parse(const char *text, struct sim_fault *ret, struct why *why);

/* Count one command; the status it is to fail with, or 0. */
uint32_t sim_script_step(struct sim_script *s, enum sim_command command);
