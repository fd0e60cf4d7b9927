#include "attest/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

/* The longest answer: a token's claims, every byte a control character; a verdict is below 64 KiB. */
#define TEXT_BYTES (6 * LIMIT_TOKEN_BYTES + (1u << 18))

void cmd_files_done(struct cmd_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free((void *)(uintptr_t)f->at[i].p);
	f->n = 0;
}

int cmd_files_add(struct cmd_files *f, const char *path, size_t max, struct why *why)
{
	uint8_t *p = NULL;
	size_t len = 0;

	if (f->n == CMD_FILES_MAX)
		return why_set(why, -EMSGSIZE, "more than %d files", CMD_FILES_MAX);
	int err = fd_read_path(path, max, &p, &len, why);
	if (err < 0)
		return err;
	f->at[f->n++] = (struct attest_blob){ p, len };
	return 0;
}

int cmd_print(struct wr *w, int status)
{
	if (w->len > 0 && w->buf[w->len - 1] != '\n')
		wr_str(w, "\n");
	int err = wr_check(w);
	if (err == 0)
		err = fd_write_all(STDOUT_FILENO, w->buf, w->len);
	if (err < 0)
		log_err("cannot write the answer: %s", strerrordesc_np(-err));
	return err < 0 ? EXIT_OURS : status;
}

int cmd_fail(int status, int err, const struct why *why)
{
	log_err("%s", why_text(why, err));
	return status;
}

int cmd_text_open(struct wr *ret, struct why *why)
{
	uint8_t *buf = malloc(TEXT_BYTES);

	if (buf == NULL)
		return why_set(why, -ENOMEM, "out of memory");
	*ret = wr_of(buf, TEXT_BYTES);
	return 0;
}

int cmd_parse_time(const char *text, time_t *ret, struct why *why)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d" };

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, forms[i], &tm);
		if (end == NULL || *end != '\0')
			continue;
		*ret = timegm(&tm);
		return 0;
	}
	return why_set(why, -EINVAL, "--at: '%s' is no time like 2026-11-21T10:00:00Z", text);
}

int cmd_parse_word(const char *name, const char *text, uint64_t max, uint64_t *ret, struct why *why)
{
	char *end = NULL;

	errno = 0;
	unsigned long long v = strtoull(text, &end, 16);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || v > max)
		return why_set(why, -EINVAL, "--%s: '%s' is no hexadecimal number up to 0x%llx",
			name, text, (unsigned long long)max);
	*ret = v;
	return 0;
}

int cmd_folder_of(const char *path, char *ret, size_t size, struct why *why)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 1 : (size_t)(slash - path);

	if (slash == path)
		len = 1;
	if (len >= size)
		return why_set(why, -ENAMETOOLONG, "the path %s is too long", path);
	memcpy(ret, slash == NULL ? "." : path, len);
	ret[len] = '\0';
	return 0;
}
