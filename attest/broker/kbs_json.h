/*
 * kbs_json: JSON of the key-broker protocol: bounded, duplicate-free, wiped when it is freed.
 *
 * Trust:   none in the bytes.
 * Owns:    nothing; values follow jansson's reference counts.
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

static inline void kbs_json_auto(json_t **j)
{
	json_decref(*j);
}

/* For text that jansson or kbs_* allocated: wiped, then freed. NULL is fine. */
void kbs_text_free(char *text);
static inline void kbs_text_auto(char **text)
{
	kbs_text_free(*text);
}

/*
 * Once, before any other use of JSON and before the sandbox: keys travel through JSON here, so
 * jansson gets an allocator that wipes what it frees; its hash is seeded while /dev exists.
 */
void kbs_json_init(void);

/*
 * One JSON object of at most LIMIT_KBS_BODY_BYTES: no duplicate member, no trailing byte, nested at
 * most LIMIT_KBS_JSON_DEPTH deep. -EMSGSIZE, or -EBADMSG with why naming line and column.
 */
MUST_USE int kbs_json_load(const void *buf, size_t len, json_t **ret, struct why *why);

/* The compact text with sorted names, in fresh memory for kbs_text_free(). */
MUST_USE int kbs_json_print(const json_t *j, char **ret);

/* A member that is a string of 0 to max bytes; NULL with why when it is not. Borrowed from obj. */
const char *kbs_json_text(const json_t *obj, const char *name, size_t max, struct why *why);

/* A member that is an integer within [0, max]; -EBADMSG with why. */
MUST_USE int kbs_json_number(
	const json_t *obj, const char *name, uint64_t max, uint64_t *ret, struct why *why);

/* An array of exactly len numbers 0 to 255. -EBADMSG. */
MUST_USE int kbs_json_bytes(const json_t *array, uint8_t *ret, size_t len);
MUST_USE json_t *kbs_json_of_bytes(const uint8_t *bytes, size_t len);
