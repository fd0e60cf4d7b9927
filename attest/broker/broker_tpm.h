/*
 * broker_tpm: 32 bytes that only this machine's TPM gives back: sealed under its owner's storage key
 *             (TPM 2.0 Library, Part 3: CreatePrimary, Create, Load, Unseal; no stack of libraries).
 *
 *   Whoever may use this TPM may unseal: it protects a disk that leaves the machine. No PCR is bound,
 *   and a probe on the bus sees the bytes.
 *
 * Trust:   the TPM is the operator's; its answers are parsed strictly.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/secret.h"
#include "base/why.h"

/* TPM2B_PRIVATE and TPM2B_PUBLIC of a sealed object. */
#define TPM_SEALED_MAX 1024u

/*
 * device: /dev/tpmrm0. ret has TPM_SEALED_MAX bytes. -EIO: no TPM, or it refuses, with why.
 */
MUST_USE int tpm_seal(const char *device, const struct secret *secret, uint8_t *ret,
	size_t *ret_len, struct why *why);
MUST_USE int tpm_unseal(
	const char *device, const uint8_t *sealed, size_t len, struct secret *ret, struct why *why);
