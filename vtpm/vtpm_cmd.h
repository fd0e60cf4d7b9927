/*
 * vtpm_cmd: casemate vtpm setup | show | reset: a guest's TPM, made and looked at while the guest does
 *           not run (casemate-vtpm(8)).
 *
 * Trust:   the command line is the operator's; a state file is hostile.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

/* argv[0] is the program; the exit status of main. */
int vtpm_cmd_run(int argc, char **argv);
