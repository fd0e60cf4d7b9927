#include "tests/sim/scn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cdefs.h"
#include "base/fd.h"

#define FILE_BYTES_MAX 65536
#define ERRNO_MAX      133

_Noreturn void scn_bad(const char *what)
{
	fprintf(stderr, "scenario: %s\n", what);
	exit(2);
}

/* "-EPROTO" */
static int errno_parse(const char *name)
{
	for (int e = 1; e <= ERRNO_MAX; e++) {
		const char *have = strerrorname_np(e);
		if (have != NULL && name[0] == '-' && strcmp(have, name + 1) == 0)
			return -e;
	}
	scn_bad(name);
}

const char *scn_text(const struct scn_line *l, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 1; i < l->n; i++)
		if (strncmp(l->word[i], key, len) == 0 && l->word[i][len] == '=')
			return l->word[i] + len + 1;
	return NULL;
}

bool scn_is(const struct scn_line *l, const char *key, const char *value)
{
	const char *text = scn_text(l, key);

	return text != NULL && strcmp(text, value) == 0;
}

bool scn_has(const struct scn_line *l, const char *word)
{
	for (size_t i = 1; i < l->n; i++)
		if (strcmp(l->word[i], word) == 0)
			return true;
	return false;
}

uint64_t scn_number(const struct scn_line *l, const char *key, uint64_t otherwise)
{
	const char *text = scn_text(l, key);
	char *end = NULL;

	if (text == NULL)
		return otherwise;
	uint64_t v = strtoull(text, &end, 0);
	if (end == text || *end != 0)
		scn_bad(text);
	return v;
}

static void line_parse(char *text, struct scn_line *ret)
{
	char *save = NULL;

	*ret = (struct scn_line){ 0 };
	text[strcspn(text, "#")] = 0;
	for (char *w = strtok_r(text, " \t", &save); w != NULL; w = strtok_r(NULL, " \t", &save)) {
		if (strcmp(w, "expect") == 0 && (w = strtok_r(NULL, " \t", &save)) != NULL)
			ret->expect = errno_parse(w);
		else if (w != NULL && strcmp(w, "says") == 0)
			ret->says = strtok_r(NULL, " \t", &save);
		else if (w != NULL && ret->n < SCN_WORDS_MAX)
			ret->word[ret->n++] = w;
		else
			scn_bad("a line is malformed");
	}
}

/* 0: as promised. */
static int line_run(const struct scn_program *p, void *world, const struct scn_line *l,
	const char *path, unsigned int at)
{
	struct why *why = p->why(world);

	why_clear(why);
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->steps[i].name, l->word[0]) != 0 || l->n < p->steps[i].min_words)
			continue;
		int err = p->steps[i].run(world, l);
		if (err == l->expect && (l->says == NULL || strstr(why->text, l->says) != NULL))
			return 0;
		printf("# %s:%u: %s gave %d (%s), want %d\n", path, at, l->word[0], err,
			why_text(why, err), l->expect);
		return 1;
	}
	scn_bad(l->word[0]);
}

static int file_run(const struct scn_program *p, const char *path)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	unsigned int at = 0;
	int failed = 0;

	if (fd_read_path(path, FILE_BYTES_MAX, &bytes, &len, NULL) < 0)
		scn_bad(path);
	void *world = p->begin();
	char *rest = (char *)bytes;
	while (failed == 0 && rest != NULL) {
		struct scn_line l;
		char *text = strsep(&rest, "\n");
		at++;
		line_parse(text, &l);
		if (l.n > 0)
			failed = line_run(p, world, &l, path, at);
	}
	p->end(world);
	free(bytes);
	return failed;
}

int scn_main(const struct scn_program *p, int argc, char **argv)
{
	int failed = 0;

	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		const char *slash = strrchr(argv[i], '/');
		int is_bad = file_run(p, argv[i]);
		printf("%sok %d - %s\n", is_bad ? "not " : "", i, slash ? slash + 1 : argv[i]);
		failed |= is_bad;
	}
	return failed;
}
