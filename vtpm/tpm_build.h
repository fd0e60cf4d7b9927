/*
 * tpm_build: the commands that casemate itself gives to a TPM: one buffer, filled field by field, then
 *            executed by the engine.
 *
 * Trust:   what is written is ours; the response is the engine's and read with bounds.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/rd.h"
#include "base/why.h"
#include "base/wr.h"
#include "vtpm/tpm_cmd.h"

/* Permanent handles. TPM part 2, 7.4. */
#define TPM_RH_OWNER       0x40000001u
#define TPM_RH_NULL        0x40000007u
#define TPM_RS_PW          0x40000009u
#define TPM_RH_ENDORSEMENT 0x4000000bu
#define TPM_RH_PLATFORM    0x4000000cu

struct tpm_build {
	uint8_t buf[TPM_BUFFER_BYTES];
	struct wr w;
	const struct tpm_cc_row *row;
};

/*
 * Begin a command of tpm_cmd's table with its handles, n_auths of which are authorised by an empty
 * password each. The parameters are written to b->w then. handles may be NULL for a command without.
 */
void tpm_build_begin(
	struct tpm_build *b, enum tpm_cc code, const uint32_t *handles, unsigned int n_auths);

/* A TPM2B: length and bytes. */
void tpm_build_2b(struct tpm_build *b, const void *buf, size_t len);

/* Leave room for the size of a TPM2B that holds a structure; its place, for tpm_build_close_2b(). */
size_t tpm_build_open_2b(struct tpm_build *b);
void tpm_build_close_2b(struct tpm_build *b, size_t at);

/*
 * Execute at locality 0. *ret_handle (may be NULL): the handle in the response of the commands that
 * answer with one. *ret: the parameters of the response, the engine's until the next command. 0;
 * -EMSGSIZE: the command does not fit; -EREMOTEIO: the TPM says no, *ret_rc (may be NULL) is its code
 * and why names command and code; -EBADMSG: its answer makes no sense; errors of engine_run().
 */
MUST_USE int tpm_build_run(struct tpm_build *b, uint32_t *ret_handle, struct rd *ret,
	uint32_t *ret_rc, struct why *why);

/* TPM2_Startup(CLEAR) or TPM2_Shutdown(CLEAR); as tpm_build_run(). */
MUST_USE int tpm_build_run_clear(enum tpm_cc code, uint32_t *ret_rc, struct why *why);
