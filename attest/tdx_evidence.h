/*
 * tdx_evidence: what a quote says, for people who look at one before they judge it.
 *
 * Trust:   none in the bytes, and nothing is verified.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include "attest/claims.h"
#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/why.h"

/* List the fields of a quote, and of the PCK certificate inside it if there is one. Errors as
 * attest_verify_tdx(). */
MUST_USE int tdx_evidence_claims(struct attest_blob blob, struct claims *ret, struct why *why);
