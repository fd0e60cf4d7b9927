/*
 * sup_cmd: the verbs of the front door: those the supervisor owns, and those it hands to the
 *          program that owns them.
 *
 * Trust:   argv comes from whoever runs casemate.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"
#include "base/why.h"

/* Run the verb in argv[1]; returns an exit status (or does not, where another program owns it). */
int sup_cmd_run(int argc, char **argv);

/* After opts_parse(): 0 when --help was printed (err > 0), else print why; EXIT_USAGE. */
int sup_cmd_usage(int err, const struct why *why);

/* Print why on standard error; the exit status that belongs to err. */
int sup_cmd_fail(int err, const struct why *why);
