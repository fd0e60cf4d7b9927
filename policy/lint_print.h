/*
 * lint_print: findings for people, for scripts (JSON) and for code hosts (SARIF 2.1.0).
 *
 * Trust:   the file name and the texts are a stranger's; JSON strings are encoded by the library.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "base/cdefs.h"
#include "policy/doc.h"
#include "policy/lint.h"

/*
 * One report of one file. Of a file that could not be parsed it holds the one finding that says so.
 */
void lint_print_people(FILE *out, const struct doc *doc, const struct lint_report *report);
json_t *lint_print_json(const struct doc *doc, const struct lint_report *report);
json_t *lint_print_sarif(const struct doc *doc, const struct lint_report *report);
