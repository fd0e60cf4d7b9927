/*
 * why: one sentence for a person about what went wrong (style rule 17). Filled where the cause
 *      is known, kept by the first who fills it, never allocated.
 *
 * Trust:   arguments may hold outside bytes; the text is escaped when it is set.
 * Owns:    nothing; the storage is the caller's.
 * Threads: any; one why belongs to one thread.
 */
#pragma once

#include <stdarg.h>

#include "base/cdefs.h"

#define WHY_TEXT_MAX 400 /* a log line (rule 49) holds it whole */

struct why {
	char text[WHY_TEXT_MAX];
};

/*
 * Say why and pass the error on: `return why_set(why, -errno, "cannot open %s", path);`
 * why may be NULL. A text that is already there stays: the first cause is the best one.
 * Bytes outside printable ASCII are replaced by '?'. Returns err.
 */
int why_set(struct why *why, int err, const char *fmt, ...) PRINTF(3, 4);

/* Put "prefix: " in front of the text that is there. Returns err. */
int why_prefix(struct why *why, int err, const char *fmt, ...) PRINTF(3, 4);

/* Forget the text, before a second try. */
void why_clear(struct why *why);

/* The text, or the error's own description when there is none; never NULL. */
const char *why_text(const struct why *why, int err);
