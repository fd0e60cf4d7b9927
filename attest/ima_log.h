/*
 * ima_log: the kernel's list of measured files, its ASCII form: template hashes recomputed, the
 *          register replayed over the prefix that a quote covers (attestation.md, 9.7).
 *
 * Trust:   none in the text: the host wrote it. A file's line is proven when its template hash is that
 *          of the line and the register's quoted value is reached behind it.
 * Owns:    nothing; entries point into the list.
 * Threads: any.
 */
#pragma once

#include "attest/evidence.h"
#include "attest/tpm_alg.h"
#include "base/cdefs.h"
#include "base/why.h"

#define IMA_PCR           10u
#define IMA_TEMPLATE_MAX  24
#define IMA_PATH_TEXT_MAX 128

struct ima_replay {
	size_t n_lines, n_violations;
	size_t n_covered; /* lines behind which the register had the wanted value; 0: never */
	/* The register after all lines; the second as kernels before 5.8 extend banks other than SHA-1:
	 * with the SHA-1 and zeros. */
	uint8_t value[TPM_DIGEST_MAX], padded[TPM_DIGEST_MAX];
	size_t bad_line; /* from 1: the first whose template hash is not that of its fields; 0: none */
	/* The first line, when it is boot_aggregate's; alg NULL: it is not. */
	const struct tpm_alg *aggregate_alg;
	uint8_t aggregate[TPM_DIGEST_MAX];
};

/* Does the text look like one? */
bool ima_recognise(struct attest_blob list);

/*
 * Replay a list in this bank towards the wanted value (alg->size bytes; NULL: none). -EBADMSG with
 * the line: malformed, an unknown template, another register than PCR 10; -EMSGSIZE; -ENOMEM; -EIO.
 */
MUST_USE int ima_replay(struct attest_blob list, const struct tpm_alg *alg, const uint8_t *want,
	struct ima_replay *ret, struct why *why);

/* One line of the list, for people. */
struct ima_line {
	uint32_t pcr;
	uint8_t hash[TPM_DIGEST_MAX]; /* template hash */
	size_t hash_len;
	char template[IMA_TEMPLATE_MAX];
	char digest[160];                 /* "sha256:..." as it stands */
	char path[IMA_PATH_TEXT_MAX];     /* cut, printable */
	bool is_violation, is_recomputed; /* template hash all zero; that of the fields */
};

/* Call take for every line in turn. Errors as above. */
MUST_USE int ima_walk(struct attest_blob list,
	void (*take)(const struct ima_line *line, void *user), void *user, struct why *why);
