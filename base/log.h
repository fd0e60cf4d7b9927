/*
 * log: one line per event to standard error, at four levels (style rule 49). Only programs log;
 *      libraries return errors.
 *
 * Trust:   arguments may hold outside bytes; what is not printable ASCII becomes '?'.
 * Owns:    nothing; descriptor 2 belongs to the process.
 * Threads: any; a line is one write(2).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

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

/*
 * May a line be written once more about something that outsiders can make happen as often as they
 * like? Counts in *count, a cause's own, from 0: yes the first LOG_EACH times, then at 8, 16, 32 ...
 */
#define LOG_EACH 4u
bool log_is_due(uint64_t *count);

/* A line about such a cause; what stands in one place of the source is one cause. */
#define log_warn_seldom(...)                                                                       \
	do {                                                                                       \
		static uint64_t log_count_;                                                        \
		if (log_is_due(&log_count_))                                                       \
			log_warn(__VA_ARGS__);                                                     \
	} while (0)

#define log_err(...)   log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
