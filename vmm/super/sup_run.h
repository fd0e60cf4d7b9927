/*
 * sup_run: `casemate run`: policy, plan, files, processes, life, end, exit status.
 *
 * Trust:   see the modules it calls, in that order.
 * Owns:    everything of one guest, for the length of the call.
 * Threads: one.
 */
#pragma once

/* The verb; returns an exit status. */
int sup_cmd_launch(int argc, char **argv);
