#include "vmm/super/sup_log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level max_level = LOG_LEVEL_INFO;

void sup_log_set_level(enum log_level level)
{
	max_level = level;
}

struct sup_log sup_log_of(const char *label)
{
	return (struct sup_log){ .label = label, .budget = SUP_LOG_BURST };
}

static uint64_t now_ms(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool budget_take(struct sup_log *log)
{
	uint64_t now = now_ms();
	uint64_t more = (now - log->filled_at_ms) * SUP_LOG_LINES_PER_S / 1000;

	if (more > 0) {
		log->budget = (unsigned int)MIN((uint64_t)SUP_LOG_BURST, log->budget + more);
		log->filled_at_ms = now;
	}
	if (log->budget == 0) {
		log->dropped++;
		return false;
	}
	log->budget--;
	return true;
}

static bool is_wanted(const char *line)
{
	static const char *const names[LOG_LEVEL_COUNT] = { "error: ", "warning: ", "info: ",
		"debug: " };

	for (int i = 0; i < LOG_LEVEL_COUNT; i++)
		if (strncmp(line, names[i], strlen(names[i])) == 0)
			return i <= (int)max_level;
	return true; /* what is not one of our lines is a library's cry */
}

static void line_print(struct sup_log *log)
{
	char out[LIMIT_LOG_LINE_BYTES + 96];

	log->line[MIN(log->len, sizeof log->line - 1)] = 0;
	if (log->len == 0 || !is_wanted(log->line) || !budget_take(log))
		return;
	for (unsigned int i = 0; i < log->len && log->line[i] != 0; i++)
		if (log->line[i] < 0x20 || log->line[i] > 0x7e)
			log->line[i] = '?';
	int n = log->dropped > 0 ?
		snprintf(out, sizeof out, "%s: (%u lines dropped) %s\n", log->label, log->dropped,
			log->line) :
		snprintf(out, sizeof out, "%s: %s\n", log->label, log->line);
	log->dropped = 0;
	ssize_t done = write(STDERR_FILENO, out, MIN((size_t)n, sizeof out - 1));
	(void)done; /* nobody is left to tell */
}

static void byte_add(struct sup_log *log, char byte)
{
	if (byte == '\n') {
		line_print(log);
		log->len = 0;
	} else if (log->len < sizeof log->line - 1) { /* the rest of a longer line is dropped */
		log->line[log->len++] = byte == 0 ? '?' : byte;
	}
}

enum sup_log_read sup_log_read(struct sup_log *log, int fd)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof buf);

	for (ssize_t i = 0; i < n; i++)
		byte_add(log, buf[i]);
	if (n > 0)
		return SUP_LOG_MORE;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return SUP_LOG_EMPTY;
	if (log->len > 0)
		byte_add(log, '\n');
	return SUP_LOG_ENDED;
}
