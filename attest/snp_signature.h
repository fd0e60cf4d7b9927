/*
 * snp_signature: the signature of an SNP report under a leaf certificate's key (attestation.md, 3,
 *                step 7, and 15).
 *
 * Trust:   none in the report; the key is judged elsewhere.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <openssl/x509.h>
#include <stdint.h>

#include "attest/snp_report.h"
#include "base/cdefs.h"
#include "base/why.h"

/*
 * Does ECDSA P-384 with SHA-384 over the first SNP_REPORT_SIGNED raw bytes hold? 0, -EKEYREJECTED
 * with why, -ENOMEM. Bytes of the signature field that no signature covers must be zero.
 */
MUST_USE int snp_signature_verify(const struct snp_report *report,
	const uint8_t raw[SNP_REPORT_BYTES], X509 *leaf, struct why *why);
