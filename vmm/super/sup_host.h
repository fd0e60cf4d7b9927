/*
 * sup_host: `casemate host check`: what this machine can do, with a fix beside every no.
 *
 * Trust:   the kernel's answers.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

/* The verb; returns an exit status: 0 only if `run` would work for the given --tee. */
int sup_cmd_host(int argc, char **argv);

/* `casemate host recover` (sup_recover.c): its word comes first in argv. */
int sup_cmd_recover(int argc, char **argv);
