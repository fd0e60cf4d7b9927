#include "policy/lint_print.h"

#include <string.h>

#define SARIF_SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"

static const char *const severities[LINT_SEVERITY_COUNT] = { "note", "warning", "error" };

void lint_print_people(FILE *out, const struct doc *doc, const struct lint_report *report)
{
	for (size_t i = 0; i < report->n; i++) {
		const struct lint_finding *f = &report->findings[i];
		unsigned int line, column;
		doc_place(doc, f->at, &line, &column);
		fprintf(out, "%s:%u:%u: %s%s %s: %s%s%s\n", doc->filename, line, column,
			f->is_waived ? "waived " : "", severities[f->severity], f->rule->id,
			f->path, f->path[0] != 0 ? ": " : "", f->text);
		if (f->is_waived || f->severity == LINT_NOTE)
			continue;
		fprintf(out, "    why: %s\n    fix: %s\n", f->rule->why, f->rule->fix);
	}
	if (report->is_cut)
		fprintf(out, "more than %u findings; the rest is not shown\n", LINT_FINDINGS_MAX);
	fprintf(out, "%s: %u error%s, %u warning%s\n", doc->filename, report->n_errors,
		report->n_errors == 1 ? "" : "s", report->n_warnings,
		report->n_warnings == 1 ? "" : "s");
}

json_t *lint_print_json(const struct doc *doc, const struct lint_report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; i < report->n; i++) {
		const struct lint_finding *f = &report->findings[i];
		unsigned int line, column;
		doc_place(doc, f->at, &line, &column);
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:b, s:i, s:i, s:s, s:s, s:s, s:s}", "rule",
				      f->rule->id, "severity", severities[f->severity], "waived",
				      f->is_waived, "line", (int)line, "column", (int)column,
				      "path", f->path, "message", f->text, "why", f->rule->why,
				      "fix", f->rule->fix));
	}
	return json_pack("{s:s, s:s, s:i, s:i, s:o}", "schema", "casemate/policy-lint/1", "file",
		doc->filename, "errors", (int)report->n_errors, "warnings", (int)report->n_warnings,
		"findings", list);
}

/* A relative URI reference (RFC 3986): everything but unreserved characters and '/' is escaped. */
static json_t *uri_json(const char *path)
{
	char uri[3 * 4096 + 1];
	size_t len = 0;

	for (; *path != 0 && len + 3 < sizeof uri; path++) {
		unsigned char c = (unsigned char)*path;
		bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c >= '0' && c <= '9') || strchr("-._~/", c) != NULL;
		len += (size_t)snprintf(uri + len, sizeof uri - len, is_plain ? "%c" : "%%%02X", c);
	}
	return json_stringn(uri, len);
}

static json_t *sarif_rules(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < lint_rules_count; i++) {
		const struct lint_rule *r = &lint_rules[i];
		(void)json_array_append_new(
			list, json_pack("{s:s, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}}", "id", r->id,
				      "shortDescription", "text", r->title, "fullDescription",
				      "text", r->why, "help", "text", r->fix,
				      "defaultConfiguration", "level", severities[r->severity]));
	}
	return list;
}

static json_t *sarif_result(const struct doc *doc, const struct lint_finding *f)
{
	unsigned int line, column;

	doc_place(doc, f->at, &line, &column);
	json_t *result = json_pack("{s:s, s:i, s:s, s:{s:s}, s:[{s:{s:{s:o}, s:{s:i, s:i}}}]}",
		"ruleId", f->rule->id, "ruleIndex", (int)(f->rule - lint_rules), "level",
		severities[f->severity], "message", "text", f->text, "locations",
		"physicalLocation", "artifactLocation", "uri", uri_json(doc->filename), "region",
		"startLine", (int)line, "startColumn", (int)column);
	if (f->is_waived)
		(void)json_object_set_new(
			result, "suppressions", json_pack("[{s:s}]", "kind", "inSource"));
	return result;
}

json_t *lint_print_sarif(const struct doc *doc, const struct lint_report *report)
{
	json_t *results = json_array();

	for (size_t i = 0; i < report->n; i++)
		(void)json_array_append_new(results, sarif_result(doc, &report->findings[i]));
	return json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:o}]}", "$schema", SARIF_SCHEMA,
		"version", "2.1.0", "runs", "tool", "driver", "name", "casemate-policy", "version",
		CASEMATE_VERSION, "rules", sarif_rules(), "results", results);
}
