/*
 * schema: the launch policy's keys as one table. It drives the reader, the published JSON Schema
 *         and `policy explain --fields`; a key exists because it has a row here.
 *
 * Trust:   the table is ours; the values read by it are not.
 * Owns:    nothing.
 * Threads: any; everything is const.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "policy/doc.h"
#include "policy/policy.h"

enum field_kind {
	FIELD_TEXT,             /* char[max + 1], in the given form */
	FIELD_NUMBER,           /* uint64_t from min to max */
	FIELD_BOOL,             /* bool */
	FIELD_CHOICE,           /* 32-bit enum: the index of the word */
	FIELD_FIXED,            /* words[0] is the only value; not stored */
	FIELD_SET,              /* list of words -> uint64_t, bit i for word i */
	FIELD_DIGEST,           /* "sha256:..." or "sha384:...", or bare hex, into max bytes */
	FIELD_HEX,              /* min to max bytes as hex digits, zeros behind */
	FIELD_MASK,             /* "0x..." -> uint64_t, no bit beside those of max */
	FIELD_TIME,             /* RFC 3339 in Z -> int64_t */
	FIELD_DAY,              /* "2027-01-31" -> int64_t, the second after that day */
	FIELD_OBJECT,           /* child; its rows count from `at` */
	FIELD_CHOICE_OR_OBJECT, /* a word, or child and the index behind the words */
	FIELD_LIST, /* `element` min to max times, `stride` bytes each; uint64_t count at `count` */
	FIELD_EMPTY, /* a list that this version wants empty */
	FIELD_LATER, /* recognised, and refused in this version */
	FIELD_KIND_COUNT
};

/* What a text may look like. */
enum text_form {
	FORM_SENTENCE, /* UTF-8 without control characters */
	FORM_LINE,     /* printable ASCII */
	FORM_PATH,     /* printable ASCII, not empty */
	FORM_ID,       /* a-z 0-9 - */
	FORM_NAME,     /* namespace/id */
	FORM_KBS,      /* kbs:... */
	FORM_RULE,     /* ABC-001 */
	FORM_ADVISORY, /* INTEL-SA-00001 */
	FORM_HTTPS,    /* https://... */
	FORM_QUOTING,  /* a path, or vsock:CID:PORT */
	FORM_CPU,      /* host, or a model of base/cpu_model.h */
	FORM_LABEL,    /* auto, required, off, or s0:cA,cB */
	FORM_COUNT
};

#define FIELD_REQUIRED    0x1u
#define FIELD_NULLABLE    0x2u  /* null is the same as not written */
#define FIELD_ENDS        0x4u  /* FIELD_HEX: exactly min or exactly max bytes */
#define FIELD_OR_16       0x8u  /* FIELD_HEX with FIELD_ENDS: or 16 */
#define FIELD_OR_32       0x10u /* FIELD_DIGEST: or "sha256:..." in the first 32 bytes */
#define FIELD_OR_ONE      0x20u /* FIELD_LIST: or its one object without the list */

#define SCHEMA_TIME_BYTES 21 /* with its zero */

struct schema;

struct field {
	const char *key;
	enum field_kind kind;
	enum text_form form;
	unsigned int flags;
	size_t at;     /* offset in the enclosing struct */
	size_t has;    /* offset of a bool, plus one; 0: none */
	size_t count;  /* FIELD_LIST: offset of the uint64_t count */
	size_t stride; /* FIELD_LIST: bytes an element */
	uint64_t min;
	uint64_t max;
	uint64_t
		otherwise; /* FIELD_NUMBER, FIELD_BOOL, FIELD_CHOICE: the value when it is not written */
	const char *const *words; /* ends with NULL */
	const char *const *later; /* words that this version refuses by name; may be NULL */
	const char *const *never; /* words that no version will take; may be NULL */
	const struct schema *child;
	const struct field *element;
	const char *doc; /* for people: one sentence or two, with the unit */
};

struct schema {
	const struct field *fields;
	size_t n;
};

extern const struct schema policy_schema;

/* What a form looks like, for messages and as a regular expression (ECMA 262) for the schema. */
struct form_row {
	const char *what;
	const char *pattern;
};
extern const struct form_row form_rows[FORM_COUNT];

/* Fill *ret (zeroed by the caller) from the document by the table; -EBADMSG, -ERANGE, -EPROTONOSUPPORT. */
MUST_USE int schema_read(struct doc *doc, struct policy *ret, struct why *why);

/* doc_fail() with the value's path in front of the cause. */
int schema_fail(struct doc *doc, uint32_t value, const char *rule, int err, struct why *why,
	const char *fmt, ...) PRINTF(6, 7);

/* The published JSON Schema (draft-07) as a new reference, or NULL when memory is short. */
json_t *schema_publish(void);

/*
 * Seconds since 1970 of "2026-11-01T00:00:00Z" (or, is_day, the end of "2026-11-01"). -EBADMSG:
 * another form; -ERANGE: no such day or time, or outside 1970 to 9999.
 */
MUST_USE int schema_parse_time(const char *text, bool is_day, int64_t *ret);

/*
 * The reverse: "2026-11-01T00:00:00Z", or "?" outside 1970 to 9999. Not gmtime_r(3), which reads
 * the time zone's file: inside the sandbox that ends the process.
 */
void schema_print_time(int64_t t, char ret[SCHEMA_TIME_BYTES]);

/* Call fn for every row, depth first, with its path ("devices.disk[].id"). */
void schema_walk(void (*fn)(const char *path, const struct field *field, void *owner), void *owner);
