/*
 * diff: what changed from one policy to another, key by key, and whether it lets more happen or less.
 *
 * Trust:   both documents were read by the schema; texts of theirs are printed as JSON.
 * Owns:    nothing; plain values (a report is large: static or heap).
 * Threads: any.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cdefs.h"
#include "base/wr.h"

enum diff_way {
	DIFF_SAME,
	DIFF_STRICTER,
	DIFF_LOOSER,
	DIFF_MIXED, /* stricter here, looser there, or things that do not compare */
	DIFF_OTHER, /* of one change: neither; of all: only such */
	DIFF_NOTE,  /* says something about the policy, and demands nothing */
	DIFF_WAY_COUNT
};

#define DIFF_CHANGES_MAX 256u
#define DIFF_TEXT_BYTES  64u

struct diff_change {
	char path[96];
	enum diff_way way;
	char from[DIFF_TEXT_BYTES], to[DIFF_TEXT_BYTES]; /* JSON, cut; empty: not there */
};

struct diff_report {
	size_t n;
	bool is_cut; /* there were more changes; overall counts them all */
	enum diff_way overall;
	struct diff_change at[DIFF_CHANGES_MAX];
};

/* Compare two documents (struct doc's root) that policy_parse_doc() accepted. */
void diff_compare(const json_t *from, const json_t *to, struct diff_report *ret);

/* "same", "stricter", ...; never NULL. */
const char *diff_way_name(enum diff_way way);

/* For people, a line a change; as one JSON object (a new reference, NULL: no memory). */
void diff_print(const struct diff_report *report, struct wr *w);
json_t *diff_json(const struct diff_report *report);
