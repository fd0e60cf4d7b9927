#include "vmm/super/sup_log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
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

/* Who reads our standard error may stand still; the guest's supervisor may not. */
static bool is_stderr_ready(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) != 0;
}

static bool budget_take(struct sup_log *log)
{
	uint64_t now = now_ms();
	uint64_t more = (now - log->filled_at_ms) * SUP_LOG_LINES_PER_S / 1000;

	if (more > 0) {
		log->budget = (unsigned int)MIN((uint64_t)SUP_LOG_BURST, log->budget + more);
		log->filled_at_ms = now;
	}
	if (log->budget == 0 || !is_stderr_ready()) {
		log->dropped++;
		return false;
	}
	log->budget--;
	return true;
}

static bool is_wanted(const char *line)
{
	static const char *const names[LOG_LEVEL_COUNT] = {
		"error: ", "warning: ", "info: ", "debug: "
	};

	for (int i = 0; i < LOG_LEVEL_COUNT; i++)
		if (strncmp(line, names[i], strlen(names[i])) == 0)
			return i <= (int)max_level;
	return true; /* what is not one of our lines is a library's cry */
}

/* Whatever the text is, one printable line leaves here. */
static void text_print(struct sup_log *log, const char *text)
{
	char out[LIMIT_LOG_LINE_BYTES + 96];

	if (!is_wanted(text) || !budget_take(log))
		return;
	int n = log->dropped > 0 ? snprintf(out, sizeof out, "%s: (%u lines dropped) %s\n",
					   log->label, log->dropped, text)
				 : snprintf(out, sizeof out, "%s: %s\n", log->label, text);
	log->dropped = 0;
	for (int i = 0; i + 1 < MIN(n, (int)sizeof out); i++)
		if (out[i] < 0x20 || out[i] > 0x7e)
			out[i] = '?';
	ssize_t done = write(STDERR_FILENO, out, MIN((size_t)n, sizeof out - 1));
	(void)done; /* nobody is left to tell */
}

static void line_print(struct sup_log *log)
{
	log->line[MIN(log->len, sizeof log->line - 1)] = 0;
	if (log->len > 0)
		text_print(log, log->line);
}

void sup_log_warn(struct sup_log *log, const char *fmt, ...)
{
	char text[LIMIT_LOG_LINE_BYTES];
	va_list ap;
	int head = snprintf(text, sizeof text, "warning: ");

	if (!log_is_due(&log->asked))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text + head, sizeof text - (size_t)head, fmt, ap);
	va_end(ap);
	text_print(log, text);
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
