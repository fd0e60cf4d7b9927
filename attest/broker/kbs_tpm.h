/*
 * kbs_tpm: a TPM's commands, marshalled by hand, which is less than the code to call a stack of
 *          libraries for a handful of them (TPM 2.0 Library, Part 1, 18; Part 3).
 *
 * Trust:   the answers are anybody's: length and code are checked here, the rest by the caller.
 * Owns:    the device's descriptor; AUTO(tpm) closes it and wipes the messages.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cdefs.h"
#include "base/fd.h"
#include "base/rd.h"
#include "base/why.h"
#include "base/wr.h"

#define TPM_MESSAGE_BYTES 4096u /* TPM2_MAX_COMMAND_SIZE, and of responses */

struct tpm {
	int fd;
	uint8_t command[TPM_MESSAGE_BYTES];
	uint8_t answer[TPM_MESSAGE_BYTES];
};

static inline void tpm_auto(struct tpm *t)
{
	fd_auto(&t->fd);
	explicit_bzero(t, sizeof *t);
}

/* A command's header, its handle (0: none), with is_authorised an empty password; parameters follow. */
struct wr tpm_begin(struct tpm *t, uint32_t code, uint32_t handle, bool is_authorised);

/*
 * Send it, again while the TPM says "not now"; *ret is what stands behind the answer's header, until
 * the next command. -EREMOTEIO: no answer, or a refusal; -EBADMSG, -EMSGSIZE.
 */
MUST_USE int tpm_send(struct tpm *t, struct wr *w, struct rd *ret, struct why *why);
