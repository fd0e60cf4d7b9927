/*
 * cmd_show_tpm: `attest show` of what a TPM makes and what is measured into it: quotes, boot logs (CCEL
 *               too), IMA lists, HCL reports.
 *
 * Trust:   none in the bytes; nothing is verified, and what an event's digest proves is said.
 * Owns:    nothing.
 * Threads: the command's.
 */
#pragma once

#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/why.h"
#include "base/wr.h"

/* -ENOENT: the bytes are nothing of a TPM's; -EBADMSG with why. */
MUST_USE int cmd_show_tpm(
	struct attest_blob blob, bool as_json, const char *schema, struct wr *w, struct why *why);
