#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"

static enum log_level max_level = LOG_LEVEL_INFO;
static char program[32];

void log_set_level(enum log_level level)
{
	max_level = level;
}

void log_set_name(const char *name)
{
	(void)snprintf(program, sizeof program, "%s", name);
}

bool log_is_due(uint64_t *count)
{
	uint64_t n = __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);

	return n <= LOG_EACH || (n & (n - 1)) == 0;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const names[LOG_LEVEL_COUNT] = { "error", "warning", "info", "debug" };
	char line[LIMIT_LOG_LINE_BYTES + 1];
	va_list ap;

	if (level > max_level)
		return;
	int head = snprintf(line, sizeof line - 1, "%s%s%s: ", program, program[0] != 0 ? ": " : "",
		names[level]);
	va_start(ap, fmt);
	(void)vsnprintf(line + head, sizeof line - 1 - (size_t)head, fmt, ap);
	va_end(ap);
	size_t len = strlen(line);
	for (size_t i = 0; i < len; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			line[i] = '?';
	line[len++] = '\n';
	ssize_t n = write(STDERR_FILENO, line, len);
	(void)n; /* nobody is left to tell */
}
