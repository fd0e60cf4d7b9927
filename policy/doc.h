/*
 * doc: the text of a policy: JSON with // comments, in a strict profile (compliance-policy 3.2),
 *      with the place of every value, so that each message can name file, line and column.
 *
 *      The profile: UTF-8 without BOM, line feeds only, an object at the top, no duplicate keys, no
 *      escapes in keys, integers only, bounded in bytes, depth, values and members.
 *
 * Trust:   none in the bytes.
 * Owns:    a copy of the text, the index, the parsed tree; doc_close() releases them.
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

#define DOC_NONE UINT32_MAX

enum doc_type { DOC_OBJECT, DOC_LIST, DOC_TEXT, DOC_NUMBER, DOC_WORD };

/* One value; the first member or element of values[i] is values[i + 1]. Offsets are in the text. */
struct doc_value {
	uint32_t key_at;  /* first byte of the key, inside the quotes */
	uint32_t key_len; /* 0: no key (an element, or the top) */
	uint32_t at;      /* first byte of the value */
	uint32_t end;     /* one past its last byte */
	uint32_t parent;  /* DOC_NONE: the top */
	uint32_t next;    /* the next of the same parent, or DOC_NONE */
	uint32_t n;       /* members or elements */
	enum doc_type type;
	bool is_digest; /* the schema says: hex digits of a public value (set by the reader) */
};

struct doc {
	const char *filename;
	char *text; /* comments are blanks; zero-terminated */
	size_t len;
	bool has_comments;
	struct doc_value *values; /* values[0] is the top */
	uint32_t n_values;
	json_t *root;
	/* The first failure, for machines: its offset and the lint rule it breaks. */
	size_t fail_at;
	const char *fail_rule;
};

/*
 * Read the text. filename is kept, for messages. -EBADMSG with "file:line:column: cause";
 * -EMSGSIZE, -ENOMEM. On failure the doc holds what is needed for doc_place() of fail_at; close it
 * in any case.
 */
MUST_USE int doc_open(
	struct doc *ret, const void *bytes, size_t len, const char *filename, struct why *why);
void doc_close(struct doc *doc);

static inline void doc_auto(struct doc *doc)
{
	doc_close(doc);
}

/* Line and column (from 1, in bytes) of an offset. */
void doc_place(const struct doc *doc, size_t at, unsigned int *ret_line, unsigned int *ret_column);

/* The member of an object, or DOC_NONE. */
uint32_t doc_member(const struct doc *doc, uint32_t object, const char *key, size_t key_len);

/* "devices.disk[1].mode" -> its value, or DOC_NONE. */
uint32_t doc_find(const struct doc *doc, const char *path);

/* As doc_find(), but the nearest enclosing value that is there. */
uint32_t doc_find_near(const struct doc *doc, const char *path);

/* The path of a value, the reverse of doc_find(); cut when ret_size is too small. */
void doc_print_path(const struct doc *doc, uint32_t value, char *ret, size_t ret_size);

/* Say "file:line:column: cause" and keep the place and the rule ("POL-001"). Returns err. */
int doc_fail(struct doc *doc, size_t at, const char *rule, int err, struct why *why,
	const char *fmt, ...) PRINTF(6, 7);
