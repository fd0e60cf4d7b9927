/*
 * log: one line per event to standard error, at four levels (style rule 49). Only programs log;
 *      libraries return errors.
 *
 * Trust:   arguments may hold outside bytes; what is not printable ASCII becomes '?'.
 * Owns:    nothing; descriptor 2 belongs to the process.
 * Threads: any; a line is one write(2).
 */
#pragma once

#include "base/cdefs.h"

enum log_level {
	LOG_LEVEL_ERR,   /* a person must act */
	LOG_LEVEL_WARN,  /* degraded */
	LOG_LEVEL_INFO,  /* once per life-cycle step */
	LOG_LEVEL_DEBUG, /* for us */
	LOG_LEVEL_COUNT
};

/* Lines above this level are dropped; LOG_LEVEL_INFO at start. Set before threads exist. */
void log_set_level(enum log_level level);

/* Put before every line, at most 31 bytes; the program's name. Set before threads exist. */
void log_set_name(const char *name);

void log_line(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#define log_err(...)   log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
