/*
 * svsm: Coconut SVSM's manifest of services, which its SNP report binds (attestation.md, 10.2). No
 *       real one is public: tested with made-up ones only.
 *
 * Trust:   none in the bytes; the SNP report is judged elsewhere.
 * Owns:    nothing; services point into the manifest.
 * Threads: any.
 */
#pragma once

#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/why.h"

/* GUIDs as bytes: the first three groups little-endian. */
extern const uint8_t svsm_guid_vtpm[16], svsm_guid_uefi_mm[16];

bool svsm_recognise(struct attest_blob manifest);

/*
 * The service's own manifest (vTPM, version 0: TPMT_PUBLIC of the EK). -EBADMSG: the manifest is
 * malformed, or has the service twice; -ENOENT: it has no such service.
 */
MUST_USE int svsm_find(struct attest_blob manifest, const uint8_t guid[16], struct attest_blob *ret,
	struct why *why);

/* Is report_data (64 bytes) SHA-512(nonce || manifest)? 0 or -EKEYREJECTED. */
MUST_USE int svsm_check_binding(const uint8_t report_data[64], struct attest_blob nonce,
	struct attest_blob manifest, struct why *why);
