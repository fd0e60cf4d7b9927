/*
 * agent_cmd: what the agent does when it is not a guest's first program: fetch a secret, make
 *            evidence, make an attested certificate.
 *
 * Trust:   the command line is the caller's.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

/* Run the verb in argv[1]; the program's exit status (docs/man/casemate.1). */
int agent_cmd(int argc, char **argv);
