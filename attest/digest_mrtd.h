/*
 * digest_mrtd: MRTD, the launch digest of a TDX guest, from its firmware image (attestation.md, 8.1;
 *              kvm-cvm-abi.md, 4.7).
 *
 * Trust:   the image may be anything.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attest/measured.h"
#include "attest/ovmf.h"
#include "attest/sha384.h"
#include "base/cdefs.h"
#include "base/why.h"

/*
 * Two orders are met: page by page (KVM since INIT_MEM_REGION, QEMU 9), or every section added whole
 * and then extended (older trees). Errors of tdvf_parse(); -EIO, -ENOMEM.
 */
MUST_USE int digest_mrtd(
	const struct ovmf *firmware, bool is_two_pass, uint8_t ret[SHA384_BYTES], struct why *why);

/* The same, with what is measured added to trace (NULL: nowhere). */
MUST_USE int digest_mrtd_trace(const struct ovmf *firmware, bool is_two_pass,
	struct measured *trace, uint8_t ret[SHA384_BYTES], struct why *why);
