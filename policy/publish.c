/* schema_publish: the table as JSON Schema, draft-07. */
#include <stdio.h>
#include <string.h>

#include "policy/schema.h"

#define PUBLISHED_ID "urn:casemate:schema:launch-policy:1"

static json_t *object_publish(const struct schema *schema);
static json_t *field_publish(const struct field *f);

static json_t *words_publish(const char *const *words)
{
	json_t *list = json_array();

	for (; *words != NULL; words++)
		(void)json_array_append_new(list, json_string(*words));
	return json_pack("{s:s, s:o}", "type", "string", "enum", list);
}

static json_t *pattern_publish(const char *pattern)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

static json_t *text_publish(const struct field *f)
{
	json_t *j = pattern_publish(form_rows[f->form].pattern);

	(void)json_object_set_new(j, "minLength", json_integer((json_int_t)f->min));
	(void)json_object_set_new(j, "maxLength", json_integer((json_int_t)f->max));
	return j;
}

static json_t *number_publish(const struct field *f)
{
	json_t *j = json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)f->min,
		"maximum", (json_int_t)f->max);

	if (f->otherwise != 0)
		(void)json_object_set_new(j, "default", json_integer((json_int_t)f->otherwise));
	return j;
}

static json_t *bool_publish(const struct field *f)
{
	return json_pack("{s:s, s:b}", "type", "boolean", "default", f->otherwise != 0);
}

static json_t *choice_publish(const struct field *f)
{
	json_t *j = words_publish(f->words);

	if ((f->flags & FIELD_REQUIRED) == 0 && f->has == 0)
		(void)json_object_set_new(j, "default", json_string(f->words[f->otherwise]));
	return j;
}

static json_t *fixed_publish(const struct field *f)
{
	return json_pack("{s:s}", "const", f->words[0]);
}

static json_t *set_publish(const struct field *f)
{
	return json_pack("{s:s, s:o, s:b}", "type", "array", "items", words_publish(f->words),
		"uniqueItems", 1);
}

static json_t *digest_publish(const struct field *f)
{
	char pattern[64];

	(void)snprintf(pattern, sizeof pattern, "^(sha%d:)?[0-9a-f]{%d}%s$",
		f->max == 48 ? 384 : 256, f->max == 48 ? 96 : 64,
		(f->flags & FIELD_OR_32) != 0 ? "$|^sha256:[0-9a-f]{64}" : "");
	json_t *j = pattern_publish(pattern);
	if ((f->flags & FIELD_NULLABLE) != 0)
		(void)json_object_set_new(j, "type", json_pack("[s, s]", "string", "null"));
	return j;
}

static json_t *hex_publish(const struct field *f)
{
	char pattern[96];
	unsigned int min = (unsigned int)f->min * 2, max = (unsigned int)f->max * 2;

	if ((f->flags & FIELD_ENDS) != 0)
		(void)snprintf(pattern, sizeof pattern, "^([0-9a-f]{%u}|%s[0-9a-f]{%u})$", min,
			(f->flags & FIELD_OR_16) != 0 ? "[0-9a-f]{32}|" : "", max);
	else
		(void)snprintf(pattern, sizeof pattern, "^([0-9a-f]{2}){%u,%u}$", min / 2, max / 2);
	return pattern_publish(pattern);
}

static json_t *mask_publish(const struct field *f)
{
	return pattern_publish("^0x[0-9a-f]{1,16}$");
}

static json_t *time_publish(const struct field *f)
{
	return pattern_publish("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$");
}

static json_t *day_publish(const struct field *f)
{
	return pattern_publish("^[0-9]{4}-[0-9]{2}-[0-9]{2}$");
}

static json_t *child_publish(const struct field *f)
{
	return object_publish(f->child);
}

static json_t *either_publish(const struct field *f)
{
	return json_pack("{s:[o, o]}", "oneOf", words_publish(f->words), object_publish(f->child));
}

static json_t *list_publish(const struct field *f)
{
	json_t *j = json_pack("{s:s, s:o, s:I, s:I}", "type", "array", "items",
		field_publish(f->element), "minItems", (json_int_t)f->min, "maxItems",
		(json_int_t)f->max);

	if ((f->flags & FIELD_OR_ONE) == 0)
		return j;
	return json_pack("{s:[o, o]}", "oneOf", j, object_publish(f->element->child));
}

static json_t *empty_publish(const struct field *f)
{
	return json_pack("{s:s, s:i}", "type", "array", "maxItems", 0);
}

static json_t *(*const publishers[FIELD_KIND_COUNT])(const struct field *) = {
	[FIELD_TEXT] = text_publish,
	[FIELD_NUMBER] = number_publish,
	[FIELD_BOOL] = bool_publish,
	[FIELD_CHOICE] = choice_publish,
	[FIELD_FIXED] = fixed_publish,
	[FIELD_SET] = set_publish,
	[FIELD_DIGEST] = digest_publish,
	[FIELD_HEX] = hex_publish,
	[FIELD_MASK] = mask_publish,
	[FIELD_TIME] = time_publish,
	[FIELD_DAY] = day_publish,
	[FIELD_OBJECT] = child_publish,
	[FIELD_CHOICE_OR_OBJECT] = either_publish,
	[FIELD_LIST] = list_publish,
	[FIELD_EMPTY] = empty_publish,
};

static json_t *field_publish(const struct field *f)
{
	json_t *j = publishers[f->kind](f);

	(void)json_object_set_new(j, "description", json_string(f->doc));
	return j;
}

/* A key of a later version has no row, so additionalProperties refuses it. */
static json_t *object_publish(const struct schema *schema)
{
	json_t *properties = json_object(), *required = json_array();

	for (size_t i = 0; i < schema->n; i++) {
		const struct field *f = &schema->fields[i];
		if (f->kind == FIELD_LATER)
			continue;
		(void)json_object_set_new(properties, f->key, field_publish(f));
		if ((f->flags & FIELD_REQUIRED) != 0)
			(void)json_array_append_new(required, json_string(f->key));
	}
	json_t *j = json_pack("{s:s, s:o, s:{s:{}}, s:b}", "type", "object", "properties",
		properties, "patternProperties", "^x-", "additionalProperties", 0);
	if (json_array_size(required) > 0)
		(void)json_object_set(j, "required", required);
	json_decref(required);
	return j;
}

json_t *schema_publish(void)
{
	json_t *top =
		json_pack("{s:s, s:s, s:s}", "$schema", "http://json-schema.org/draft-07/schema#",
			"$id", PUBLISHED_ID, "title", "casemate launch policy, version 1");
	json_t *rules = object_publish(&policy_schema);

	if (top != NULL && rules != NULL)
		(void)json_object_update(top, rules);
	json_decref(rules);
	return top;
}
