/*
 * endorse_cmd: what the two programs for endorsements have in common: casemate-attest, which has no
 *              network, and casemate-endorse, which fetches.
 *
 * Trust:   the command line and the environment are the caller's own.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stddef.h>

#include "base/cdefs.h"
#include "base/why.h"

#define ENDORSE_PROGRAM "casemate-endorse"
#define ENDORSE_FETCH_ABOUT                                                                        \
	"Fetch endorsements from the vendors or a mirror; the only command with a network."
#define ENDORSE_CACHE_HELP "the cache; otherwise ~/.cache/casemate/endorsements"

/*
 * The cache: given, or $XDG_CACHE_HOME/casemate/endorsements, or ~/.cache/casemate/endorsements; for
 * root /var/lib/casemate/endorsements: what was carried in by hand cannot be made again, as a cache can.
 */
MUST_USE int endorse_cache_path(const char *given, char *ret, size_t size, struct why *why);
