/*
 * sup_log: the lines children write to descriptor 2, prefixed, escaped and rate-limited, on our
 *          standard error.
 *
 * Trust:   none: a child may be a guest's victim and write anything, as fast as it can.
 * Owns:    nothing; the pipe is the child's record's.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/log.h"

/* Lines a second a child may write in the long run, and at once; its start-up needs a few. */
#define SUP_LOG_LINES_PER_S 10u
#define SUP_LOG_BURST       100u

struct sup_log {
	const char *label;
	char line[LIMIT_LOG_LINE_BYTES];
	unsigned int len;
	unsigned int budget;   /* lines that may still be printed */
	uint64_t filled_at_ms; /* when the budget was last added to */
	unsigned int dropped;
	uint64_t asked; /* warnings of our own */
};

/* Lines above this level ("error: ", "warning: ", "info: ", "debug: ") are not printed. */
void sup_log_set_level(enum log_level level);

struct sup_log sup_log_of(const char *label);

enum sup_log_read {
	SUP_LOG_MORE,  /* something was there */
	SUP_LOG_EMPTY, /* nothing now */
	SUP_LOG_ENDED, /* nobody writes any more */
};

/* Read a piece of what is in the pipe (non-blocking) and print whole lines. */
enum sup_log_read sup_log_read(struct sup_log *log, int fd);

/*
 * A warning of our own about something this child asked for: out of its budget, like its lines, and
 * rarer the more there are (log_is_due), for a guest can have its device process ask.
 */
void sup_log_warn(struct sup_log *log, const char *fmt, ...) PRINTF(2, 3);
