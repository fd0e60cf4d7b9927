/*
 * explain: what a policy means, in sentences for a reviewer.
 *
 * Trust:   the policy was parsed; its texts are printable ASCII or escaped here.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/wr.h"
#include "policy/policy.h"

/* The sentences, ending in a line feed; -EMSGSIZE shows in wr_check(). 32 KiB hold every policy. */
void explain_print(const struct policy *p, struct wr *w);

/* The same as one JSON object, a new reference; NULL when memory is short. */
json_t *explain_json(const struct policy *p);

/* Every key of the format with its sentence, from the schema table. */
void explain_print_fields(struct wr *ret);
