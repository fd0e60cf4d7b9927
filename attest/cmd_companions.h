/*
 * cmd_companions: which file is what, of those that lie beside a TPM quote: its signature, the key,
 *                 register values, logs, the TEE's report.
 *
 * Trust:   none in the bytes; they are told apart here and judged by the verifier.
 * Owns:    nothing; inputs point into the blobs.
 * Threads: one.
 */
#pragma once

#include "attest/evidence.h"

/*
 * Fill in what in->tpm and in->event_logs lack from these blobs, in their order; of several
 * signatures the one that fits the evidence and the key. A blob that is none of them is left alone.
 * logs is where event logs are listed: a TPM has one, an archive of boots some.
 */
#define CMD_LOGS_MAX 4u
void cmd_companions_find(struct attest_inputs *in, const struct attest_blob *blobs, size_t n,
	struct attest_blob logs[CMD_LOGS_MAX]);
