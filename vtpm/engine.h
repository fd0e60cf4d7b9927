/*
 * engine: libtpms behind six calls: one TPM 2.0 in this process, its permanent state in an nvstore.
 *
 *   libtpms stores from within the command that changes its state; the command is answered only when
 *   the state is on the disk. When it cannot be stored, the TPM is in failure mode until the next
 *   engine_start(): every command is answered with TPM_RC_FAILURE.
 *
 * Trust:   commands are a guest's, checked by tpm_cmd_check() first; state is the nvstore's, which
 *          vouches for it.
 * Owns:    libtpms' globals: one engine a process.
 * Threads: one; engine_cancel() from a signal handler of that thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "vtpm/nvstore.h"

/*
 * Before the sandbox, once: a descriptor for what libtpms prints when it fails, the command that made it
 * fail with all its secrets: /dev/null. Errors of open(2).
 */
MUST_USE int engine_open(void);

/*
 * Power on; the new run is stored at once. may_make: a store without a state gets a new TPM; otherwise
 * that is -ENODATA: a guest's identity is never replaced silently. The store must outlive the engine.
 * -EBADMSG: the engine does not take this state; -EIO: it could not be stored.
 */
MUST_USE int engine_start(struct nvstore *store, bool may_make, struct why *why);

/*
 * Execute a command of len bytes at a locality (0 to 4). *ret is the response, *ret_len bytes
 * (TPM_HEADER_BYTES to TPM_BUFFER_BYTES), the engine's until the next call. A command that
 * tpm_cmd_check() refuses is answered without it. -EIO: the engine gave no response.
 */
MUST_USE int engine_run(
	uint8_t locality, const uint8_t *cmd, size_t len, const uint8_t **ret, size_t *ret_len);

/* The command that runs now is to end early, with TPM_RC_CANCELED where the engine can. */
void engine_cancel(void);

/* Did a store fail? Then nothing but engine_stop() makes sense. */
bool engine_has_failed(void);

/* Power off: what is volatile is lost. */
void engine_stop(void);
