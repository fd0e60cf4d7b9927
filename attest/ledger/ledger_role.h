/*
 * ledger_role: casemate-ledger as the ledger writer of a supervisor or broker.
 *
 * Trust:   the starter is trusted with what entries say, not with lengths. It can neither read
 *          nor change what is written: only append.
 * Owns:    the channel (descriptor 3), the ledger's folder (4), the signing key's file (5).
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"

#define LEDGER_FD_FOLDER 4
#define LEDGER_FD_KEY    5

/* Serve until STOP or until the starter is gone; returns the exit status. */
MUST_USE int ledger_serve(void);
