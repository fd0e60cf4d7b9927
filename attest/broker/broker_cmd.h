/*
 * broker_cmd: casemate-broker's commands: serve, secret, policy, sev-session, store (casemate-broker(8)).
 *
 * Trust:   argv is the operator's.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

/* Each takes the command line from its verb on and returns the exit status. */
int broker_cmd_serve(int argc, char **argv);
int broker_cmd_secret(int argc, char **argv);
int broker_cmd_policy(int argc, char **argv);
int broker_cmd_sev_session(int argc, char **argv);
int broker_cmd_store(int argc, char **argv);
