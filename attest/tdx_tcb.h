/*
 * tdx_tcb: the status of a TD's platform by Intel's TCB info and QE identity (attestation.md, 7.3,
 *          steps 5 to 13).
 *
 * Trust:   the documents are genuine: their signatures were verified before.
 * Owns:    nothing; advisories point into the documents.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "attest/tdx_collateral.h"
#include "attest/tdx_pck.h"
#include "attest/tdx_quote.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

/* Intel's names, from good to bad; the last two are ours: no level can be asked for. */
#define TDX_TCB_STATUSES(X)                                                                        \
	X(UP_TO_DATE, "UpToDate")                                                                  \
	X(SW_HARDENING_NEEDED, "SWHardeningNeeded")                                                \
	X(CONFIGURATION_NEEDED, "ConfigurationNeeded")                                             \
	X(CONFIGURATION_AND_SW_HARDENING_NEEDED, "ConfigurationAndSWHardeningNeeded")              \
	X(TD_RELAUNCH_ADVISED, "TDRelaunchAdvised")                                                \
	X(TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED, "TDRelaunchAdvisedConfigurationNeeded")        \
	X(OUT_OF_DATE, "OutOfDate")                                                                \
	X(OUT_OF_DATE_CONFIGURATION_NEEDED, "OutOfDateConfigurationNeeded")                        \
	X(REVOKED, "Revoked")                                                                      \
	X(NOT_SUPPORTED, "NotSupported")                                                           \
	X(QE_MISMATCH, "QeIdentityMismatch")                                                       \
	X(MODULE_MISMATCH, "TdxModuleMismatch")

enum tdx_tcb_status {
#define TDX_TCB_STATUS_ID(id, name) TDX_TCB_##id,
	TDX_TCB_STATUSES(TDX_TCB_STATUS_ID)
#undef TDX_TCB_STATUS_ID
		TDX_TCB_STATUS_COUNT
};

/* Never NULL. */
const char *tdx_tcb_status_name(enum tdx_tcb_status s);

struct tdx_tcb {
	enum tdx_tcb_status status;
	enum tdx_tcb_status platform, module, qe; /* what it was made of, for the TD as launched */
	bool has_current;
	enum tdx_tcb_status launched, current; /* body 1.5: by TEE_TCB_SVN, by TEE_TCB_SVN2 */
	time_t date;                           /* of the oldest level; 0: there is none */
	uint32_t eval_number;                  /* the lower one */
	char module_id[8];                     /* "TDX_03"; "" for TDX 1.0 */
	struct why module_why, qe_why;         /* why it is not the one of the documents */
	size_t n_advisories;
	const char *advisories[LIMIT_TDX_ADVISORIES];
};

/*
 * Evaluate. The caller has compared FMSPC and PCEID. -EBADMSG: a document does not have the form it
 * should; -EMSGSIZE: too many advisories.
 */
MUST_USE int tdx_tcb_evaluate(const struct tdx_doc *tcb_info, const struct tdx_doc *qe_identity,
	const struct tdx_pck *pck, const struct tdx_quote *q, struct tdx_tcb *ret, struct why *why);

/* "INTEL-SA-00837,INTEL-SA-00960", in order; always terminated, cut when it does not fit. */
void tdx_tcb_print_advisories(const struct tdx_tcb *t, char *ret, size_t size);
