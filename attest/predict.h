/*
 * predict: the launch digest a policy will produce, from the files it names.
 *
 * Trust:   the policy is the caller's; the files may be anything and must match its digests.
 * Owns:    nothing; the result is a plain value.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/digest_boot.h"
#include "attest/launch_digest.h"
#include "base/cdefs.h"
#include "base/why.h"

struct policy;

/*
 * Predict the launch digest of a policy of any kind, as casemate launches it: load what it names
 * (relative names: below folder), demand the SHA-384 the policy gives for each, and compute. SEV's and
 * SEV-ES's 32 bytes have zeros behind. Errors: of open(2) for files, -EBADMSG for a kernel or firmware
 * that cannot be started that way, -EACCES when a file is not the one the policy names, -EOPNOTSUPP
 * when nothing is measured, or the policy does not name what starts.
 */
PUBLIC MUST_USE int attest_predict_launch(const struct policy *policy, const char *folder,
	uint8_t ret[SHA384_BYTES], struct why *why);

/* The files of a policy, loaded and compared with its digests. */
struct predict_image {
	uint8_t *p; /* NULL: none */
	size_t len;
	bool is_mapped;
};

struct predict_files {
	struct predict_image firmware;
	struct predict_image kernel;
	struct predict_image initrd;
};

void predict_files_done(struct predict_files *f);

static inline void predict_files_auto(struct predict_files *f)
{
	predict_files_done(f);
}

/* Load any image; the caller frees it with predict_image_done(). */
MUST_USE int predict_image_load(
	const char *path, size_t max, struct predict_image *ret, struct why *why);
void predict_image_done(struct predict_image *image);

/*
 * Load the policy's firmware, kernel and ramdisk, compare each with its digest, and describe the
 * launch, of any kind; *ret_in points into *ret_files and the policy. Errors as attest_predict_launch().
 */
MUST_USE int predict_launch_load(const struct policy *policy, const char *folder,
	struct predict_files *ret_files, struct launch_inputs *ret_in, struct why *why);
