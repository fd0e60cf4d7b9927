#include "policy/fmt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/wr.h"

#define WIDTH       100u /* what fits stands on one line */
#define INDENT_STEP 2u

struct fmt {
	const struct doc *doc;
	const char *bytes; /* as written, comments included */
	struct wr out;
	size_t line_at; /* where the current line of out starts */
};

static void line_new(struct fmt *f, unsigned int depth)
{
	wr_u8(&f->out, '\n');
	f->line_at = f->out.len;
	for (unsigned int i = 0; i < depth * INDENT_STEP; i++)
		wr_u8(&f->out, ' ');
}

/* The next comment in [at, end), a gap between values; its length without blanks at its end. */
static size_t comment_find(const struct fmt *f, size_t at, size_t end, size_t *ret_len)
{
	for (; at + 1 < end; at++) {
		if (f->bytes[at] != '/' || f->bytes[at + 1] != '/')
			continue;
		size_t len = 0;
		while (at + len < f->doc->len && f->bytes[at + len] != '\n')
			len++;
		while (f->bytes[at + len - 1] == ' ' || f->bytes[at + len - 1] == '\t')
			len--;
		*ret_len = len;
		return at;
	}
	return end;
}

static bool has_newline(const struct fmt *f, size_t at, size_t end)
{
	return memchr(f->bytes + at, '\n', end - at) != NULL;
}

/* Is there an empty line in the gap, before its first comment or its end? */
static bool has_empty_line(const struct fmt *f, size_t at, size_t end)
{
	unsigned int n = 0;

	for (; at < end && n < 2; at++) {
		if (f->bytes[at] == '\n')
			n++;
		else if (f->bytes[at] != ' ' && f->bytes[at] != '\t' && f->bytes[at] != ',')
			n = 0;
	}
	return n >= 2;
}

/* A comment that stands on the line where the value before the gap ended. Returns the rest. */
static size_t trailing_put(struct fmt *f, size_t at, size_t end)
{
	size_t len = 0;
	size_t c = comment_find(f, at, end, &len);

	if (c == end || has_newline(f, at, c))
		return at;
	wr_u8(&f->out, ' ');
	wr_copy(&f->out, f->bytes + c, len);
	return c + len;
}

/* The other comments of a gap, each on a line of its own in front of what follows. */
static void comments_put(struct fmt *f, size_t at, size_t end, unsigned int depth)
{
	size_t len = 0;

	for (;;) {
		size_t c = comment_find(f, at, end, &len);
		if (c == end)
			return;
		if (has_empty_line(f, at, c))
			wr_u8(&f->out, '\n');
		line_new(f, depth);
		wr_copy(&f->out, f->bytes + c, len);
		at = c + len;
	}
}

static size_t last_comment_end(const struct fmt *f, size_t at, size_t end)
{
	size_t len = 0;

	for (size_t c; (c = comment_find(f, at, end, &len)) != end;)
		at = c + len;
	return at;
}

static void key_put(struct fmt *f, const struct doc_value *v)
{
	if (v->key_len == 0)
		return;
	wr_copy(&f->out, f->doc->text + v->key_at - 1, v->key_len + 2);
	wr_str(&f->out, ": ");
}

static bool is_branch(const struct doc_value *v)
{
	return v->type == DOC_OBJECT || v->type == DOC_LIST;
}

/* The value on one line, as many bytes as that takes. */
static void flat_put(struct fmt *f, uint32_t value)
{
	const struct doc_value *v = &f->doc->values[value];

	if (!is_branch(v)) {
		wr_copy(&f->out, f->doc->text + v->at, v->end - v->at);
		return;
	}
	wr_u8(&f->out, v->type == DOC_OBJECT ? '{' : '[');
	for (uint32_t i = v->n > 0 ? value + 1 : DOC_NONE; i != DOC_NONE;) {
		key_put(f, &f->doc->values[i]);
		flat_put(f, i);
		i = f->doc->values[i].next;
		if (i != DOC_NONE)
			wr_str(&f->out, ", ");
	}
	wr_u8(&f->out, v->type == DOC_OBJECT ? '}' : ']');
}

/* Values inside a list or object that holds comments are broken up down to the comment. */
static bool has_comment(const struct fmt *f, size_t at, size_t end)
{
	for (; at + 1 < end; at++)
		if (f->bytes[at] == '/' && f->doc->text[at] == ' ')
			return true;
	return false;
}

static void value_put(struct fmt *f, uint32_t value, unsigned int depth);

static void tree_put(struct fmt *f, uint32_t value, unsigned int depth)
{
	const struct doc_value *v = &f->doc->values[value];
	size_t gap = v->at + 1;

	wr_u8(&f->out, v->type == DOC_OBJECT ? '{' : '[');
	for (uint32_t i = v->n > 0 ? value + 1 : DOC_NONE; i != DOC_NONE;) {
		const struct doc_value *c = &f->doc->values[i];
		size_t start = c->key_len > 0 ? c->key_at - 1 : c->at;
		bool is_first = i == value + 1;
		comments_put(f, gap, start, depth + 1);
		if (!is_first && has_empty_line(f, last_comment_end(f, gap, start), start))
			wr_u8(&f->out, '\n');
		if (c->key_len > 0)
			comments_put(f, c->key_at + c->key_len + 1, c->at, depth + 1);
		line_new(f, depth + 1);
		key_put(f, c);
		value_put(f, i, depth + 1);
		i = c->next;
		if (i != DOC_NONE)
			wr_u8(&f->out, ',');
		size_t next = i == DOC_NONE                   ? v->end - 1
			      : f->doc->values[i].key_len > 0 ? f->doc->values[i].key_at - 1
							      : f->doc->values[i].at;
		gap = trailing_put(f, c->end, next);
	}
	comments_put(f, gap, v->end - 1, depth + 1);
	line_new(f, depth);
	wr_u8(&f->out, v->type == DOC_OBJECT ? '}' : ']');
}

static void value_put(struct fmt *f, uint32_t value, unsigned int depth)
{
	const struct doc_value *v = &f->doc->values[value];
	struct wr before = f->out;

	if (!is_branch(v) || (!has_comment(f, v->at, v->end) && value != 0)) {
		flat_put(f, value);
		/* One column for the comma that may follow. */
		if (!is_branch(v) || v->n == 0 || f->out.len - f->line_at + 1 <= WIDTH)
			return;
		f->out = before;
	}
	tree_put(f, value, depth);
}

int fmt_print(const struct doc *doc, const uint8_t *bytes, uint8_t **ret, size_t *ret_len)
{
	/* Each value can cost a line of full indentation and a comma; comments too. */
	size_t size = doc->len * 2 +
		      (LIMIT_POLICY_VALUES + (size_t)1) * (LIMIT_POLICY_DEPTH * INDENT_STEP + 4);
	uint8_t *buf = malloc(size);
	struct fmt f = { .doc = doc, .bytes = (const char *)bytes, .out = wr_of(buf, size) };
	const struct doc_value *top = &doc->values[0];

	if (buf == NULL)
		return -ENOMEM;
	for (size_t at = 0, len = 0, c; (c = comment_find(&f, at, top->at, &len)) != top->at;
		at = c + len) {
		if (at > 0 && has_empty_line(&f, at, c))
			wr_u8(&f.out, '\n');
		wr_copy(&f.out, bytes + c, len);
		wr_u8(&f.out, '\n');
	}
	f.line_at = f.out.len;
	value_put(&f, 0, 0);
	size_t rest = trailing_put(&f, top->end, doc->len);
	comments_put(&f, rest, doc->len, 0);
	wr_u8(&f.out, '\n');
	if (wr_check(&f.out) < 0) {
		free(buf);
		return -ENOMEM;
	}
	*ret = buf;
	*ret_len = f.out.len;
	return 0;
}
