/*
 * cbor: CBOR (RFC 8949) read in place: a document is checked whole, then walked. Deterministic
 *       encoding is demanded (4.2.1) but for the order of names: definite lengths, shortest
 *       numbers; depth and pairs bounded, no name twice.
 *
 * Trust:   none in the bytes.
 * Owns:    nothing; items point into the bytes that were parsed.
 * Threads: any.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/rd.h"
#include "base/why.h"

enum cbor_type {
	CBOR_UINT, /* the major types, in their order */
	CBOR_NINT,
	CBOR_BYTES,
	CBOR_TEXT,
	CBOR_ARRAY,
	CBOR_MAP,
	CBOR_TAG,
	CBOR_SIMPLE, /* n: 20 false, 21 true, 22 null; floating-point numbers, not looked into */
};

struct cbor {
	enum cbor_type type;
	uint64_t n;       /* value; for a NINT -1 - n; items, pairs; the tag's number */
	const uint8_t *p; /* what is inside: a string's bytes, the items of the others */
	size_t len;
	const uint8_t *raw; /* the whole item as it came */
	size_t raw_len;
};

/* One document that fills the bytes. -EBADMSG with why and offset. */
MUST_USE int cbor_parse(const void *buf, size_t len, struct cbor *ret, struct why *why);

/* The items of an array, names and values of a map by turns, the item a tag is on; else nothing. */
struct cbor_iter {
	struct rd r;
	uint64_t left;
};
struct cbor_iter cbor_items(const struct cbor *c);
bool cbor_next(struct cbor_iter *it, struct cbor *ret);

/* The item at an index of an array (or below a tag: 0); false: there is none. */
bool cbor_at(const struct cbor *c, size_t index, struct cbor *ret);

/* The value of a map's number or text; false: there is none, or it is no map. */
bool cbor_get(const struct cbor *map, int64_t name, struct cbor *ret);

/* The number, if it is one and fits. */
bool cbor_int(const struct cbor *c, int64_t *ret);

/* Into *inner what the tag is on: true when it is that tag. */
bool cbor_untag(const struct cbor *c, uint64_t tag, struct cbor *inner);

/* A text's bytes, printable, as a string; cut when longer. "" for another type. */
void cbor_text(const struct cbor *c, char *ret, size_t size);

/*
 * As JSON: numbers as names become their digits, bytes base64url or (for people) hexadecimal, tags
 * fall away, numbers beyond 63 bits become text. -EBADMSG with why for what JSON cannot hold; -ENOMEM.
 */
enum cbor_bytes { CBOR_AS_B64URL, CBOR_AS_HEX };
MUST_USE int cbor_to_json(
	const struct cbor *c, enum cbor_bytes bytes, json_t **ret, struct why *why);

struct wr;
/* A head: the first bytes of an item (type and value or count). */
void cbor_put(struct wr *w, enum cbor_type type, uint64_t n);
