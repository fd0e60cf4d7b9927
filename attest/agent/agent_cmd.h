/*
 * agent_cmd: what the agent does when it is not a guest's first program: fetch a secret, make
 *            evidence, make an attested certificate.
 *
 * Trust:   the command line is the caller's.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include "base/opts.h"
#include "base/why.h"

/* Run the verb in argv[1]; the program's exit status (docs/man/casemate.1). */
int agent_cmd(int argc, char **argv);

/* For verbs: the exit status of an error, which is said; 0 is EXIT_YES. */
int agent_cmd_end(int err, const struct why *why);

/* Where evidence comes from, the same for every verb; NULL: not given. */
struct agent_cmd_source {
	const char *name;
	const char *root;
};

#define AGENT_CMD_SOURCE_OPTIONS(s)                                                                \
	{ "evidence", OPT_TEXT, &(s).name, "SOURCE",                                               \
		"configfs-tsm, sev-guest, tdx_guest, tpm: this one only" },                        \
	{                                                                                          \
		"sysroot", OPT_TEXT, &(s).root, "FOLDER", "look for its files below FOLDER"        \
	}

/* Of host names. */
#define AGENT_CMD_NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
