/*
 * ovmf_ours: would casemate run start this image? Other VMMs launch more than ours does, and their
 *            digests are computed all the same; a prediction for ours must not promise what the
 *            monitor refuses. The sentences are the monitor's (vmm/monitor/mon_fwimage.c), which
 *            shares no code with this; test_mon_fwimage compares both.
 *
 * Trust:   the image may be anything.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>

#include "attest/ovmf.h"

/*
 * For a guest of SEV-SNP, with encrypted registers (SEV-SNP, SEV-ES) or not, with a kernel or a disk.
 * 0, or -EOPNOTSUPP or -EBADMSG with why.
 */
MUST_USE int ovmf_check_amd(
	const struct ovmf *o, bool is_snp, bool is_es, bool has_kernel, struct why *why);

/* For a TD. As above, and -EPROTONOSUPPORT. */
MUST_USE int ovmf_check_td(const struct ovmf *o, struct why *why);
