/*
 * lint: is a well-formed policy also a wise one? Rules with stable ids (compliance-policy 3.6).
 *
 * Trust:   the policy was parsed; its texts are still a stranger's.
 * Owns:    nothing; a report is a plain value.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "policy/doc.h"
#include "policy/policy.h"

enum lint_severity { LINT_NOTE, LINT_WARNING, LINT_ERROR, LINT_SEVERITY_COUNT };

#define LINT_FINDINGS_MAX 128u

struct lint_rule {
	const char *id;
	enum lint_severity severity;
	bool may_be_waived;
	const char *title; /* what the rule demands */
	const char *why;
	const char *fix;
};

struct lint_finding {
	const struct lint_rule *rule;
	enum lint_severity severity; /* POL-003 has two */
	bool is_waived;
	size_t at; /* offset in the file */
	char path[120];
	char text[WHY_TEXT_MAX];
};

struct lint_report {
	size_t n;
	struct lint_finding
		findings[LINT_FINDINGS_MAX]; /* by offset; what does not fit is dropped */
	bool is_cut;
	unsigned int n_errors; /* waived ones do not count */
	unsigned int n_warnings;
};

extern const struct lint_rule *const lint_rules; /* in order of id */
extern const size_t lint_rules_count;

/* Look at everything; now is seconds since 1970, for waivers. */
void lint_check(
	const struct doc *doc, const struct policy *policy, int64_t now, struct lint_report *ret);

/* The row of a rule, or NULL. */
const struct lint_rule *lint_find_rule(const char *id);
