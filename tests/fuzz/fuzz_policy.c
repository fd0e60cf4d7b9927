/* Reaches: doc_open, schema_read and every value reader, the cross-checks, fmt_print, lint_check, diff_compare,
 * policy_plan with plan_check. What parses must plan (or be refused by name) and format. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/diff.h"
#include "policy/fmt.h"
#include "policy/lint.h"
#include "policy/policy_priv.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct policy policy;
	static struct wire_plan plan;
	static struct lint_report report;
	static struct diff_report changes;
	AUTO(doc) struct doc doc = { 0 };
	struct why why = { 0 };
	uint8_t *text = NULL;
	size_t len = 0;

	if (policy_parse_doc(&doc, data, size, "fuzz", &policy, &why) < 0) {
		if (why.text[0] == 0)
			abort();
		return 0;
	}
	lint_check(&doc, &policy, 0, &report);
	int err = policy_plan(&policy, &plan, &why);
	/* Refused in words of the policy; plan_check() may never have the last word. */
	if (err < 0 && (why.text[0] == 0 || strncmp(why.text, "plan:", 5) == 0))
		abort();
	diff_compare(doc.root, doc.root, &changes);
	if (changes.overall != DIFF_SAME)
		abort();
	if (fmt_print(&doc, data, &text, &len) == 0 &&
		policy_parse(text, len, "fmt", &policy, NULL) < 0)
		abort();
	free(text);
	return 0;
}
