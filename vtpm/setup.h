/*
 * setup: what a new TPM gets once, off the launch path: its register banks, endorsement keys, their
 *        certificates and the platform's (sandbox specification 4.3).
 *
 * Trust:   the engine is ours; the CA is the operator's.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "vtpm/ek.h"
#include "vtpm/nvstore.h"

/* Called before each step that takes a while; what is a word or two. */
typedef void setup_progress(void *owner, const char *what);

/*
 * Make a TPM in a store that has none yet and furnish it: banks SHA-256 and SHA-384, the keys of
 * ek.h at their handles, certificates at their indices, written and locked. When it fails, the store
 * holds an unfinished TPM: throw the file away. The engine is off afterwards. Errors of
 * engine_start(), tpm_build_run(), ek_certify().
 */
MUST_USE int setup_run(struct nvstore *store, const struct ek_ca *ca, const char *guest,
	setup_progress *progress, void *owner, struct why *why);

/* What an engine that runs, and was started up, says of its keys. */
struct setup_key {
	bool is_there;
	uint16_t public_len;
	uint8_t public[512]; /* TPMT_PUBLIC */
	uint16_t cert_len;   /* 0: none */
	uint8_t cert[EK_CERT_MAX];
};

/* Read the key of a kind and its certificate; is_there false: it has none. Errors of tpm_build_run(). */
MUST_USE int setup_read_key(enum ek_kind kind, struct setup_key *ret, struct why *why);
