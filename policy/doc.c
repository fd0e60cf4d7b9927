#include "policy/doc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULE_TEXT "POL-001"
/* Of a long file name the end is what tells files apart; the cause must fit beside it. */
#define NAME_SHOWN 120u

void doc_place(const struct doc *doc, size_t at, unsigned int *ret_line, unsigned int *ret_column)
{
	unsigned int line = 1, column = 1;

	for (size_t i = 0; i < at && i < doc->len; i++) {
		column++;
		if (doc->text[i] == '\n') {
			line++;
			column = 1;
		}
	}
	*ret_line = line;
	*ret_column = column;
}

int doc_fail(struct doc *doc, size_t at, const char *rule, int err, struct why *why,
	const char *fmt, ...)
{
	char cause[WHY_TEXT_MAX];
	unsigned int line, column;
	size_t name_len = strlen(doc->filename);
	const char *name = doc->filename;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(cause, sizeof cause, fmt, ap);
	va_end(ap);
	if (name_len > NAME_SHOWN)
		name += name_len - NAME_SHOWN;
	doc->fail_at = at;
	doc->fail_rule = rule;
	doc_place(doc, at, &line, &column);
	return why_set(why, err, "%s%s:%u:%u: %s", name == doc->filename ? "" : "...", name, line,
		column, cause);
}

/* --- characters ------------------------------------------------------------------------------ */

/* Length of the UTF-8 sequence at p, 0 when it is not one (RFC 3629, section 4). */
static size_t utf8_len(const uint8_t *p, size_t left)
{
	static const struct {
		uint8_t first, last; /* of the lead byte */
		uint8_t low, high;   /* of the second byte */
		uint8_t len;
	} rows[] = {
		{ 0x00, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (p[0] < rows[i].first || p[0] > rows[i].last)
			continue;
		if (rows[i].len > left)
			return 0;
		if (rows[i].len > 1 && (p[1] < rows[i].low || p[1] > rows[i].high))
			return 0;
		for (size_t k = 2; k < rows[i].len; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

static MUST_USE int chars_check(struct doc *d, struct why *why)
{
	const uint8_t *p = (const uint8_t *)d->text;

	if (d->len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		return doc_fail(d, 0, RULE_TEXT, -EBADMSG, why,
			"the file starts with a byte order mark; save it as UTF-8 without one");
	for (size_t i = 0; i < d->len;) {
		size_t n = utf8_len(p + i, d->len - i);
		if (n == 0)
			return doc_fail(
				d, i, RULE_TEXT, -EBADMSG, why, "byte 0x%02x is not UTF-8", p[i]);
		if (p[i] == '\r')
			return doc_fail(d, i, RULE_TEXT, -EBADMSG, why,
				"carriage return; end lines with a line feed alone");
		if ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') || p[i] == 0x7f)
			return doc_fail(
				d, i, RULE_TEXT, -EBADMSG, why, "control character 0x%02x", p[i]);
		i += n;
	}
	return 0;
}

/* Blank every comment, so that offsets stay what the author sees. Strings are left alone. */
static void comments_blank(struct doc *d)
{
	bool is_text = false;

	for (size_t i = 0; i < d->len; i++) {
		char c = d->text[i];
		if (is_text) {
			if (c == '\\' && i + 1 < d->len)
				i++;
			else if (c == '"' || c == '\n') /* a string does not cross lines */
				is_text = false;
		} else if (c == '"') {
			is_text = true;
		} else if (c == '/' && i + 1 < d->len && d->text[i + 1] == '/') {
			d->has_comments = true;
			while (i < d->len && d->text[i] != '\n')
				d->text[i++] = ' ';
		}
	}
}

/* --- the index ------------------------------------------------------------------------------- */

struct scan {
	struct doc *doc;
	size_t at;
	struct why *why;
};

#define FAIL(s, where, ...) doc_fail((s)->doc, (where), RULE_TEXT, -EBADMSG, (s)->why, __VA_ARGS__)

/* The text ends with a zero byte, which is none of the characters anybody waits for. */
static char look(const struct scan *s)
{
	return s->doc->text[s->at];
}

static void blanks_skip(struct scan *s)
{
	while (look(s) == ' ' || look(s) == '\t' || look(s) == '\n')
		s->at++;
}

static MUST_USE int unexpected(struct scan *s, const char *want)
{
	if (s->at >= s->doc->len)
		return FAIL(s, s->at, "the file ends where %s should be", want);
	if (look(s) == '/')
		return FAIL(s, s->at, "a comment starts with // and ends with the line");
	if (look(s) < 0)
		return FAIL(s, s->at, "expected %s, not a character outside ASCII", want);
	return FAIL(s, s->at, "expected %s, found '%c'", want, look(s));
}

/* Step over a string; jansson judges its escapes. */
static MUST_USE int text_scan(struct scan *s, bool is_key)
{
	size_t start = s->at++;

	for (; s->at < s->doc->len && look(s) != '"'; s->at++) {
		if (look(s) == '\n' || look(s) == '\t')
			return FAIL(s, s->at, "a string must end on the line it starts on%s",
				look(s) == '\t' ? "; write a tab as \\t" : "");
		if (look(s) != '\\')
			continue;
		if (is_key)
			return FAIL(s, s->at, "a key has no escapes");
		s->at++;
	}
	if (s->at >= s->doc->len)
		return FAIL(s, start, "the string that starts here has no end");
	s->at++;
	return 0;
}

static MUST_USE int number_scan(struct scan *s)
{
	size_t start = s->at;

	if (look(s) == '-')
		s->at++;
	size_t first = s->at;
	while (look(s) >= '0' && look(s) <= '9')
		s->at++;
	size_t n = s->at - first;
	if (n == 0)
		return unexpected(s, "a digit");
	if (look(s) == '.' || look(s) == 'e' || look(s) == 'E')
		return FAIL(s, start, "numbers are integers");
	if (look(s) == 'x' || look(s) == 'X')
		return FAIL(s, start, "write a mask as a string: \"0x...\"");
	if (n > 1 && s->doc->text[first] == '0')
		return FAIL(s, start, "a number does not start with 0");
	if (n > 18) /* fits any signed 64-bit integer */
		return FAIL(
			s, start, "a number has at most 18 digits; masks are strings: \"0x...\"");
	return 0;
}

static MUST_USE int word_scan(struct scan *s)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strncmp(s->doc->text + s->at, words[i], strlen(words[i])) == 0) {
			s->at += strlen(words[i]);
			return 0;
		}
	}
	return unexpected(s, "a value");
}

static MUST_USE int value_scan(struct scan *s, uint32_t parent, uint32_t *link, size_t key_at,
	size_t key_len, unsigned int depth);

static MUST_USE int key_scan(struct scan *s, uint32_t object, size_t *ret_at, size_t *ret_len)
{
	if (look(s) != '"')
		return unexpected(s, "a key in quotes");
	size_t at = s->at + 1;
	int err = text_scan(s, true);
	if (err < 0)
		return err;
	size_t len = s->at - 1 - at;
	if (len == 0)
		return FAIL(s, at - 1, "a key is empty");
	uint32_t twin = doc_member(s->doc, object, s->doc->text + at, len);
	if (twin != DOC_NONE) {
		unsigned int line, column;
		doc_place(s->doc, s->doc->values[twin].key_at - 1, &line, &column);
		return FAIL(s, at - 1, "duplicate key \"%.*s\", first at line %u",
			(int)MIN(len, 60u), s->doc->text + at, line);
	}
	blanks_skip(s);
	if (look(s) != ':')
		return unexpected(s, "':'");
	s->at++;
	blanks_skip(s);
	*ret_at = at;
	*ret_len = len;
	return 0;
}

/* Members or elements up to the closing bracket. */
static MUST_USE int inside_scan(struct scan *s, uint32_t self, unsigned int depth)
{
	struct doc *d = s->doc;
	bool is_object = d->values[self].type == DOC_OBJECT;
	char close = is_object ? '}' : ']';
	uint32_t last = DOC_NONE;

	s->at++;
	blanks_skip(s);
	if (look(s) == close) {
		s->at++;
		return 0;
	}
	for (;;) {
		size_t key_at = 0, key_len = 0;
		if (d->values[self].n == LIMIT_POLICY_MEMBERS)
			return FAIL(s, s->at, "more than %u entries in one %s",
				LIMIT_POLICY_MEMBERS, is_object ? "object" : "list");
		int err = is_object ? key_scan(s, self, &key_at, &key_len) : 0;
		uint32_t here = d->n_values;
		if (err == 0)
			err = value_scan(s, self, last == DOC_NONE ? NULL : &d->values[last].next,
				key_at, key_len, depth + 1);
		if (err < 0)
			return err;
		last = here;
		blanks_skip(s);
		if (look(s) == close) {
			s->at++;
			return 0;
		}
		if (look(s) != ',')
			return unexpected(s, is_object ? "',' or '}'" : "',' or ']'");
		s->at++;
		blanks_skip(s);
		if (look(s) == close)
			return FAIL(s, s->at, "a comma before '%c'", close);
	}
}

static int value_scan(struct scan *s, uint32_t parent, uint32_t *link, size_t key_at,
	size_t key_len, unsigned int depth)
{
	struct doc *d = s->doc;
	uint32_t self = d->n_values;
	int err;

	if (depth > LIMIT_POLICY_DEPTH)
		return FAIL(s, s->at, "more than %u objects and lists inside one another",
			LIMIT_POLICY_DEPTH);
	if (self == LIMIT_POLICY_VALUES)
		return FAIL(s, s->at, "more than %u values in one file", LIMIT_POLICY_VALUES);
	struct doc_value *v = &d->values[self];
	*v = (struct doc_value){ .key_at = (uint32_t)key_at,
		.key_len = (uint32_t)key_len,
		.at = (uint32_t)s->at,
		.parent = parent,
		.next = DOC_NONE };
	d->n_values++;
	if (link != NULL)
		*link = self;
	if (parent != DOC_NONE)
		d->values[parent].n++;

	char c = look(s);
	if (c == '{' || c == '[') {
		v->type = c == '{' ? DOC_OBJECT : DOC_LIST;
		err = inside_scan(s, self, depth);
	} else if (c == '"') {
		v->type = DOC_TEXT;
		err = text_scan(s, false);
	} else if (c == '-' || (c >= '0' && c <= '9')) {
		v->type = DOC_NUMBER;
		err = number_scan(s);
	} else {
		v->type = DOC_WORD;
		err = word_scan(s);
	}
	v->end = (uint32_t)s->at;
	return err;
}

static MUST_USE int index_scan(struct doc *d, struct why *why)
{
	struct scan s = { .doc = d, .why = why };

	blanks_skip(&s);
	if (look(&s) != '{')
		return unexpected(&s, "'{'");
	int err = value_scan(&s, DOC_NONE, NULL, 0, 0, 1);
	if (err < 0)
		return err;
	blanks_skip(&s);
	if (s.at != d->len)
		return FAIL(&s, s.at, "nothing may follow the closing '}'");
	return 0;
}

/* --- the document ---------------------------------------------------------------------------- */

int doc_open(struct doc *ret, const void *bytes, size_t len, const char *filename, struct why *why)
{
	json_error_t e = { 0 };

	*ret = (struct doc){ .filename = filename, .fail_rule = RULE_TEXT };
	if (len > LIMIT_POLICY_BYTES)
		return doc_fail(ret, 0, RULE_TEXT, -EMSGSIZE, why,
			"%zu bytes; a policy has at most %u", len, LIMIT_POLICY_BYTES);
	ret->text = malloc(len + 1);
	ret->values = calloc(LIMIT_POLICY_VALUES, sizeof *ret->values);
	if (ret->text == NULL || ret->values == NULL)
		return -ENOMEM;
	if (len > 0)
		memcpy(ret->text, bytes, len);
	ret->text[len] = 0;
	ret->len = len;
	int err = chars_check(ret, why);
	if (err < 0)
		return err;
	comments_blank(ret);
	err = index_scan(ret, why);
	if (err < 0)
		return err;
	ret->root = json_loadb(ret->text, ret->len, JSON_REJECT_DUPLICATES, &e);
	if (ret->root == NULL)
		return doc_fail(ret, e.position > 0 ? (size_t)e.position - 1 : 0, RULE_TEXT,
			-EBADMSG, why, "%s", e.text);
	return 0;
}

void doc_close(struct doc *doc)
{
	if (doc->root != NULL)
		json_decref(doc->root);
	free(doc->values);
	free(doc->text);
	*doc = (struct doc){ .filename = "" };
}

uint32_t doc_member(const struct doc *doc, uint32_t object, const char *key, size_t key_len)
{
	const struct doc_value *v = &doc->values[object];

	if (v->type != DOC_OBJECT || v->n == 0)
		return DOC_NONE;
	for (uint32_t i = object + 1; i != DOC_NONE; i = doc->values[i].next)
		if (doc->values[i].key_len == key_len &&
			memcmp(doc->text + doc->values[i].key_at, key, key_len) == 0)
			return i;
	return DOC_NONE;
}

static uint32_t element_find(const struct doc *doc, uint32_t list, unsigned long index)
{
	const struct doc_value *v = &doc->values[list];
	uint32_t i = list + 1;

	if (v->type != DOC_LIST || index >= v->n)
		return DOC_NONE;
	while (index-- > 0)
		i = doc->values[i].next;
	return i;
}

/* Walk as far as the path leads; *ret_is_whole: to its end. */
static uint32_t path_walk(const struct doc *doc, const char *path, bool *ret_is_whole)
{
	uint32_t at = 0;

	*ret_is_whole = false;
	while (*path != 0) {
		uint32_t next;
		size_t used;
		if (*path == '[') {
			char *end = NULL;
			next = element_find(doc, at, strtoul(path + 1, &end, 10));
			used = (size_t)(end - path) + 1;
		} else {
			path += *path == '.' ? 1 : 0;
			used = strcspn(path, ".[");
			next = doc_member(doc, at, path, used);
		}
		if (next == DOC_NONE)
			return at;
		at = next;
		path += used;
	}
	*ret_is_whole = true;
	return at;
}

uint32_t doc_find(const struct doc *doc, const char *path)
{
	bool is_whole;
	uint32_t at = path_walk(doc, path, &is_whole);

	return is_whole ? at : DOC_NONE;
}

uint32_t doc_find_near(const struct doc *doc, const char *path)
{
	bool is_whole;

	return path_walk(doc, path, &is_whole);
}

void doc_print_path(const struct doc *doc, uint32_t value, char *ret, size_t ret_size)
{
	uint32_t chain[LIMIT_POLICY_DEPTH + 1];
	unsigned int n = 0;
	size_t len = 0;

	ret[0] = 0;
	for (uint32_t at = value; doc->values[at].parent != DOC_NONE && n < ARRAY_LEN(chain);
		at = doc->values[at].parent)
		chain[n++] = at;
	while (n-- > 0 && len < ret_size) {
		const struct doc_value *v = &doc->values[chain[n]];
		unsigned int index = 0;
		int put;
		for (uint32_t i = v->parent + 1; i != chain[n]; i = doc->values[i].next)
			index++;
		if (v->key_len > 0)
			put = snprintf(ret + len, ret_size - len, "%s%.*s", len > 0 ? "." : "",
				(int)MIN(v->key_len, 40u), doc->text + v->key_at);
		else
			put = snprintf(ret + len, ret_size - len, "[%u]", index);
		len += put > 0 ? (size_t)put : 0;
	}
}
