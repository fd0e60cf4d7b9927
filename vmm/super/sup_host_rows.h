/*
 * sup_host_rows: the questions `casemate host check` asks, and what the facts say to each. Three
 *                answers: what cannot be seen is unknown, and unknown is never enough.
 *
 * Trust:   the facts.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "vmm/super/sup_host_facts.h"

enum host_state { HOST_NO, HOST_YES, HOST_UNKNOWN };

struct host_row {
	const char *id;      /* stable: part of the JSON schema casemate/host/2 */
	unsigned int needed; /* a bit per PLAN_TEE_*: whose guests cannot start without it */
	/* Writes what was observed. */
	enum host_state (*judge)(
		const struct host_facts *f, unsigned int which, char *observed, size_t size);
	unsigned int which; /* which of several such things; the judge's own meaning */
	const char *wanted;
	const char *source; /* where it was looked for */
	const char *fix;
};

#define HOST_OBSERVED_BYTES 256u

/* All of them, in the order they are printed. */
const struct host_row *host_rows(size_t *ret_n);

/* Does this kind of guest (PLAN_TEE_*) need the row? */
bool host_row_is_needed(const struct host_row *row, unsigned int tee);

/* Would `run` work for this kind of guest: is every row that it needs a yes? */
bool host_is_ready(const struct host_facts *f, unsigned int tee);
