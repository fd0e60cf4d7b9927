/*
 * ledger_cmd: the verbs of casemate-ledger for people: init, verify, list, prove, check-proof.
 *
 * Trust:   none in ledgers, proofs and keys named on the command line.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"

/* Run one verb; argv[1] is its name. Prints, and returns the exit status of the program. */
MUST_USE int ledger_cmd_run(int argc, char **argv);
