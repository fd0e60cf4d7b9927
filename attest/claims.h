/*
 * claims: decoded fields of evidence as named values, for `claims` in the output and for whoever
 *         wants to look further than the verdict.
 *
 * Trust:   values are what the evidence says; whether it is to be believed is the verdict's matter.
 * Owns:    nothing; plain values of fixed size.
 * Threads: any; one list belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/wr.h"

enum claim_type { CLAIM_NUMBER, CLAIM_BOOL, CLAIM_BYTES, CLAIM_TEXT };

/* The longest value: the advisory ids of a TCB level that is some years old, 15 characters each. */
#define CLAIM_VALUE_MAX 512

struct claim {
	const char *name; /* static storage */
	enum claim_type type;
	uint64_t number;                /* or 0 and 1 for a CLAIM_BOOL */
	uint8_t bytes[CLAIM_VALUE_MAX]; /* or text, zero-terminated */
	size_t len;
};

/* The most a piece of evidence has: a TDX quote of version 5, its PCK certificate, its TCB. */
#define CLAIMS_MAX 96

struct claims {
	size_t n;
	struct claim at[CLAIMS_MAX];
};

/* Append; a full list drops the rest (CLAIMS_MAX is larger than any evidence we decode). */
void claims_add_number(struct claims *c, const char *name, uint64_t v);
void claims_add_bool(struct claims *c, const char *name, bool v);
void claims_add_bytes(struct claims *c, const char *name, const void *bytes, size_t len);
/* What is not printable ASCII becomes '?'. */
void claims_add_text(struct claims *c, const char *name, const char *text);

/* The claim of that name, or NULL. */
PUBLIC const struct claim *claims_find(const struct claims *c, const char *name);

/* Print "name": {"a": 1, ...}; a value of the object that is open. */
void claims_print_json(const struct claims *c, const char *name, struct wr *w);

/* One line a claim. */
void claims_print_text(const struct claims *c, struct wr *w);
