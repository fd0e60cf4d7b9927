#include "base/why.h"

#include <stdio.h>
#include <string.h>

static void why_escape(char *text)
{
	for (; *text != 0; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

int why_set(struct why *why, int err, const char *fmt, ...)
{
	va_list ap;

	if (why == NULL || why->text[0] != 0)
		return err;
	va_start(ap, fmt);
	(void)vsnprintf(why->text, sizeof why->text, fmt, ap);
	va_end(ap);
	why_escape(why->text);
	return err;
}

int why_prefix(struct why *why, int err, const char *fmt, ...)
{
	struct why old;
	va_list ap;

	if (why == NULL)
		return err;
	old = *why;
	va_start(ap, fmt);
	(void)vsnprintf(why->text, sizeof why->text, fmt, ap);
	va_end(ap);
	size_t len = strlen(why->text);
	(void)snprintf(why->text + len, sizeof why->text - len, ": %s", why_text(&old, err));
	why_escape(why->text);
	return err;
}

void why_clear(struct why *why)
{
	if (why != NULL)
		why->text[0] = 0;
}

const char *why_text(const struct why *why, int err)
{
	if (why != NULL && why->text[0] != 0)
		return why->text;
	const char *s = strerrordesc_np(-err);
	return s != NULL ? s : "unknown error";
}
