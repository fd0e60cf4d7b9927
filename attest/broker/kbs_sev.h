/*
 * kbs_sev: what the guest owner's broker and a SEV or SEV-ES guest agree on: where in the secret table
 *          of a launch a key is found (kvm-cvm-abi.md, 2.12).
 *
 * Trust:   the path is a policy's; the guest reads a table that its firmware decrypted.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"

#define KBS_SEV_GUID_TEXT 36u

/*
 * The GUID of the key at path ("repository/type/tag"): the first 16 bytes of SHA-256 over
 * "casemate sev secret", a zero byte and the path, with version 8 and variant of RFC 9562. text is how
 * Linux names its file in /sys/kernel/security/secrets/coco, raw how it stands in the table. -EIO.
 */
MUST_USE int kbs_sev_guid(
	const char *path, char ret_text[KBS_SEV_GUID_TEXT + 1], uint8_t ret_raw[16]);
