/*
 * sup_json: the little JSON the supervisor prints. It reads none.
 *
 * Trust:   texts may hold outside bytes; they are escaped.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stdio.h>

/* A string with its quotes: printable ASCII as it is, the rest as \u00XX. */
void sup_json_text(FILE *out, const char *text);

/* len bytes as a string of lower-case hex digits, with quotes. */
void sup_json_hex(FILE *out, const void *bytes, size_t len);
