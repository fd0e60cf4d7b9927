/*
 * policy_priv: parsing with the document kept, for lint, explain and fmt.
 *
 * Trust:   as policy.h and doc.h.
 * Owns:    nothing of its own; the caller closes the doc.
 * Threads: one.
 */
#pragma once

#include "policy/doc.h"
#include "policy/policy.h"

/* policy_parse() into a document the caller closes in any case. */
MUST_USE int policy_parse_doc(struct doc *ret_doc, const void *bytes, size_t len,
	const char *filename, struct policy *ret, struct why *why);
