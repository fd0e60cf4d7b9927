/*
 * cmd_refvalues: reference values from files: `attest refvalues show`, `attest verify --reference`.
 *
 * Trust:   files are what the caller named; with keys only what they signed counts.
 * Owns:    a refvalues its files and documents.
 * Threads: one.
 */
#pragma once

#include "attest/cmd.h"
#include "attest/corim.h"
#include "base/cdefs.h"
#include "base/opts.h"
#include "base/why.h"

int cmd_refvalues(int argc, char **argv);

struct refvalues {
	struct cmd_files files;
	size_t n;
	struct corim *docs[LIMIT_CORIM_FILES];
	size_t n_digests;
	uint8_t digests[LIMIT_CORIM_DIGESTS][48];
};

void cmd_refvalues_done(struct refvalues *r);

/*
 * Load CoRIM documents and what `measure --json` or `digest --json` printed; their launch digests
 * join in->digests.
 * keys: who must have signed them; n 0: whoever. -EBADMSG, -EKEYREJECTED, -ESTALE with why.
 */
MUST_USE int cmd_refvalues_load(struct refvalues *r, const struct opt_list *files,
	const struct opt_list *keys, struct attest_inputs *in, struct why *why);

/* Compare what else they say with the evidence, close the verdict again, and warn of what is left. */
void cmd_refvalues_appraise(
	const struct refvalues *r, const struct attest_inputs *in, struct verdict *v);
