/*
 * pe: the Authenticode digest of a PE image, which firmware measures before it starts one (UEFI
 *     Secure Boot's and TCG's; edk2's order of its parts).
 *
 * Trust:   the image may be anything.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/sha384.h"
#include "base/cdefs.h"
#include "base/why.h"

/*
 * SHA-384 over headers without checksum and certificate directory, sections by their place in the
 * file, and what follows them but for the certificates. -EBADMSG: no PE image, or parts outside it.
 */
MUST_USE int pe_authenticode(
	const uint8_t *image, size_t len, uint8_t ret[SHA384_BYTES], struct why *why);
