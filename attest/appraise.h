/*
 * appraise: judges what a verified report says against a launch policy and expected values
 *           (attestation.md, 3, steps 8 and 9).
 *
 * Trust:   the report is judged here, whether it is genuine elsewhere; policy and expected values
 *          are the caller's.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include "attest/evidence.h"
#include "attest/snp_report.h"
#include "attest/tcb.h"
#include "attest/verdict.h"

/*
 * Set the rows debug, migration, policy, measurement, report_data, host_data, vmpl, platform_info,
 * id_key, author_key, and what the policy demands in product, tcb and chip_id. product is the one
 * the certificates (or, without a chain, the report) name.
 */
void appraise_snp(const struct snp_report *report, enum snp_product product,
	const struct attest_inputs *in, struct verdict *v);

/*
 * Is the provider that a VLEK names (NULL: the leaf is no VLEK) one of the policy's (NULL: none)? Sets
 * the row chip_id when it is not.
 */
void appraise_snp_provider(const char *csp_id, const struct policy *p, struct verdict *v);

/* List the fields of a report. */
void appraise_snp_claims(
	const struct snp_report *report, enum snp_product product, struct claims *c);

/* Does the policy (NULL: none) accept this trust class? Sets the row trust. */
void appraise_trust(enum trust_class trust, const struct policy *policy, struct verdict *v);
