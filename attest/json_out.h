/*
 * json_out: JSON text into a wr: names and strings escaped, commas set.
 *
 * Trust:   strings may hold outside bytes; what is not printable ASCII becomes '?'.
 * Owns:    nothing.
 * Threads: any; one writer, one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/wr.h"

/* {"name": or [ opens; every value of an object starts with its name, NULL inside an array. */
void json_open(struct wr *w, const char *name, char bracket);
void json_close(struct wr *w, char bracket);
void json_text(struct wr *w, const char *name, const char *text);
void json_text_or_null(struct wr *w, const char *name, const char *text); /* "" is null */
void json_number(struct wr *w, const char *name, uint64_t v);
void json_bool(struct wr *w, const char *name, bool v);
void json_hex(struct wr *w, const char *name, const void *bytes, size_t len);
