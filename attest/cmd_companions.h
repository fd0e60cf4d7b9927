/*
 * cmd_companions: which file is what, of those that lie beside a TPM quote: its signature, the key,
 *                 register values, logs, the TEE's report.
 *
 * Trust:   none in the bytes; they are told apart here and judged by the verifier.
 * Owns:    nothing; inputs point into the blobs.
 * Threads: one.
 */
#pragma once

#include "attest/cmd.h"
#include "attest/evidence.h"

/* Lists that the inputs point into afterwards: a TPM has one boot log, an archive of boots some. */
struct cmd_companions {
	bool is_named[CMD_FILES_MAX]; /* in: by itself, not by its folder */
	size_t n_logs;
	struct attest_blob logs[4];
	struct attest_blob collateral[CMD_FILES_MAX];
};

/*
 * Fill in what in->tpm and in->event_logs lack from in->collateral; of several the one that fits: the
 * signature to quote and key, the values to the quoted digest, the report to its own data. For a
 * key that is found so nobody vouches. What is
 * collateral of a TDX quote stays in in->collateral, what is neither only where it was named.
 */
void cmd_companions_find(struct attest_inputs *in, struct cmd_companions *lists);
