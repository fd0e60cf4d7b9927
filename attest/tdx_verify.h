/*
 * tdx_verify: judges a TDX quote for whoever found one: the command's own, or the tpm module for the
 *             quote that speaks for a TPM (attestation.md, 10.1).
 *
 * Trust:   quote, certificates and collateral may be anything; policy and expected values are the
 *          caller's.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include "attest/evidence.h"
#include "attest/verdict.h"
#include "base/cdefs.h"
#include "base/why.h"

/*
 * Judge the quote in blob with the certificates, collateral, policy and expected values of `in`: sets
 * rows and claims of v, which verdict_init() has seen, and does not close it. Errors as
 * attest_verify_tdx(); v is untouched then.
 */
MUST_USE int tdx_judge(const struct attest_inputs *in, struct attest_blob blob, struct verdict *v,
	struct why *why);

/* List the fields of a quote, and of the PCK certificate inside it if there is one; nothing is verified. */
MUST_USE int tdx_judge_claims(struct attest_blob blob, struct claims *ret, struct why *why);
