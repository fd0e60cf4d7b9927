/*
 * json_in: JSON from outside into a tree, bounded before it is parsed: length, depth, no name twice.
 *
 * Trust:   none in the text.
 * Owns:    nothing; the tree is the caller's, json_decref().
 * Threads: any.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/cdefs.h"
#include "base/why.h"

static inline void json_in_auto(json_t **j)
{
	json_decref(*j);
}

/*
 * An object in len bytes, at most LIMIT_JSON_DEPTH deep. -EBADMSG with line and column; -EMSGSIZE
 * beyond LIMIT_EVIDENCE_BYTES; -ENOMEM.
 */
MUST_USE int json_in_parse(const void *text, size_t len, json_t **ret, struct why *why);

/* The same for an array or an object. */
MUST_USE int json_in_parse_any(const void *text, size_t len, json_t **ret, struct why *why);

/* How deep brackets outside strings go; whether they match is the parser's business. */
size_t json_in_depth(const char *text, size_t len);
