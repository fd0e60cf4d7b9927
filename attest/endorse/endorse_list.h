/*
 * endorse_list: what a cache holds, for a person or as JSON.
 *
 * Trust:   as endorse_store: every file is judged.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <time.h>

#include "attest/endorse/endorse_item.h"
#include "base/cdefs.h"
#include "base/why.h"
#include "base/wr.h"

/*
 * Write the list into fresh memory (w->buf, the caller's): every file with its dates, files that are
 * not what their name says with the reason, and for each platform until when all it needs is good.
 */
MUST_USE int endorse_list_print(int fd, const struct endorse_trust *t, time_t at, bool as_json,
	struct wr *w, struct why *why);
