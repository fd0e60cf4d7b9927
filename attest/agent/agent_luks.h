/*
 * agent_luks: is this LUKS2 header one that keeps its promise? The header lies on a disk of the
 *             host's, and a header may say "cipher null", point at other areas or ask for a
 *             re-encryption: the right key would open it, and the data would be written in the clear.
 *
 * Trust:   none in the header; what passes here uses AES-XTS, or AES-XTS with HMAC, throughout.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cdefs.h"
#include "base/why.h"

/*
 * Judge the JSON of a LUKS2 header (as crypt_dump_json() gives it): one crypt segment, known
 * ciphers and integrity, plain key slots of the same cipher, no requirement. -EACCES with why, or
 * -EBADMSG when it is no such JSON. is_authenticated: there must be integrity.
 */
MUST_USE int agent_luks_check(const char *json, size_t len, bool is_authenticated, struct why *why);
