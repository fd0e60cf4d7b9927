/*
 * predict: the launch digest a policy will produce, from the files it names.
 *
 * Trust:   the policy is the caller's; the files may be anything and must match its digests.
 * Owns:    nothing; the result is a plain value.
 * Threads: any.
 */
#pragma once

#include "attest/digest_boot.h"
#include "base/cdefs.h"
#include "base/why.h"

struct policy;

/*
 * Predict the launch digest of a policy with measured direct boot (docs/launch.md): load the kernel
 * and the initial ramdisk it names (relative names: below folder), demand the SHA-384 the policy
 * gives for each, and compute. Errors: of open(2) for files, -EBADMSG for a kernel that cannot be
 * booted that way, -EACCES when a file is not the one the policy names, -EOPNOTSUPP when the policy
 * asks for no SNP guest.
 */
PUBLIC MUST_USE int attest_predict_snp(const struct policy *policy, const char *folder,
	struct boot_digest *ret, struct why *why);

/*
 * The same with parts replaced, for "what if": a member of instead that is not zero (NULL) is taken
 * in place of the policy's; replaced files need not match the policy's digests.
 */
PUBLIC MUST_USE int attest_predict_snp_with(const struct policy *policy, const char *folder,
	const struct boot_inputs *instead, struct boot_digest *ret, struct why *why);
