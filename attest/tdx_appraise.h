/*
 * tdx_appraise: judges what a verified quote says against a launch policy and expected values, and
 *               its boot log against its registers (attestation.md, 6.2, 7.3 step 14, 8.4).
 *
 * Trust:   whether the quote is genuine is judged elsewhere; policy and expected values are the
 *          caller's; event logs are the host's.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include "attest/evidence.h"
#include "attest/tdx_pck.h"
#include "attest/tdx_quote.h"
#include "attest/tdx_tcb.h"
#include "attest/verdict.h"

/*
 * Set the rows debug, migration, policy, measurement, rtmr, owner, report_data, host_data and
 * event_log, and what the policy says of the module; pck (NULL: none): chip_id, product and
 * platform_info.
 */
void tdx_appraise(const struct tdx_quote *q, const struct tdx_pck *pck,
	const struct attest_inputs *in, struct verdict *v);

/* Set the rows tcb, module and qe by what the collateral says. */
void tdx_appraise_tcb(
	const struct tdx_tcb *t, const struct policy *p, time_t at, struct verdict *v);
