#include "attest/json_in.h"

#include <errno.h>
#include <stdbool.h>

#include "base/limits.h"

size_t json_in_depth(const char *text, size_t len)
{
	size_t depth = 0, deepest = 0;
	bool is_text = false;

	for (size_t i = 0; i < len; i++) {
		if (is_text && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			is_text = !is_text;
		else if (!is_text && (text[i] == '{' || text[i] == '[')) {
			depth++;
			deepest = MAX(deepest, depth);
		} else if (!is_text && (text[i] == '}' || text[i] == ']') && depth > 0)
			depth--;
	}
	return deepest;
}

int json_in_parse_any(const void *text, size_t len, json_t **ret, struct why *why)
{
	json_error_t e;

	if (len > LIMIT_EVIDENCE_BYTES)
		return why_set(
			why, -EMSGSIZE, "JSON of %zu bytes, at most %u", len, LIMIT_EVIDENCE_BYTES);
	if (json_in_depth(text, len) > LIMIT_JSON_DEPTH)
		return why_set(why, -EBADMSG, "JSON nested deeper than %u", LIMIT_JSON_DEPTH);
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	if (j == NULL && json_error_code(&e) == json_error_out_of_memory)
		return why_set(why, -ENOMEM, "out of memory");
	if (j == NULL)
		return why_set(
			why, -EBADMSG, "JSON, line %d, column %d: %s", e.line, e.column, e.text);
	*ret = j;
	return 0;
}

int json_in_parse(const void *text, size_t len, json_t **ret, struct why *why)
{
	json_t *j = NULL;
	int err = json_in_parse_any(text, len, &j, why);

	if (err == 0 && !json_is_object(j)) {
		json_decref(j);
		err = why_set(why, -EBADMSG, "JSON that is no object");
	}
	if (err == 0)
		*ret = j;
	return err;
}
