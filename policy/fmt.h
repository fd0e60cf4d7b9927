/*
 * fmt: a policy in its normal form: same keys, same order, same comments; one way to indent.
 *
 * Trust:   none in the bytes; they were parsed into the doc before.
 * Owns:    nothing; the caller frees what it gets.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "policy/doc.h"

/*
 * Write doc, whose original bytes (with comments) are given, in normal form. The caller frees *ret
 * (not zero-terminated). -ENOMEM.
 */
MUST_USE int fmt_print(const struct doc *doc, const uint8_t *bytes, uint8_t **ret, size_t *ret_len);
