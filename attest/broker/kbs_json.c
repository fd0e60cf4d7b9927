#include "attest/broker/kbs_json.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "attest/json_in.h"
#include "base/limits.h"

static void wiping_free(void *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void kbs_text_free(char *text)
{
	wiping_free(text);
}

void kbs_json_init(void)
{
	json_set_alloc_funcs(malloc, wiping_free);
	json_object_seed(0);
}

int kbs_json_load(const void *buf, size_t len, json_t **ret, struct why *why)
{
	json_error_t e;

	if (len > LIMIT_KBS_BODY_BYTES)
		return why_set(
			why, -EMSGSIZE, "JSON of %zu bytes, at most %u", len, LIMIT_KBS_BODY_BYTES);
	if (json_in_depth(buf, len) > LIMIT_KBS_JSON_DEPTH)
		return why_set(why, -EBADMSG, "JSON nested deeper than %u", LIMIT_KBS_JSON_DEPTH);
	json_t *j = json_loadb(buf, len, JSON_REJECT_DUPLICATES, &e);
	if (j == NULL)
		return why_set(why, -EBADMSG, "JSON at %d:%d: %s", e.line, e.column, e.text);
	if (!json_is_object(j)) {
		json_decref(j);
		return why_set(why, -EBADMSG, "JSON: want an object");
	}

	*ret = j;
	return 0;
}

int kbs_json_print(const json_t *j, char **ret)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	if (text == NULL)
		return -ENOMEM;
	*ret = text;
	return 0;
}

const char *kbs_json_text(const json_t *obj, const char *name, size_t max, struct why *why)
{
	const json_t *j = json_object_get(obj, name);

	if (!json_is_string(j)) {
		(void)why_set(why, -EBADMSG, "\"%s\": want a string", name);
		return NULL;
	}
	if (json_string_length(j) > max) {
		(void)why_set(why, -EBADMSG, "\"%s\": longer than %zu bytes", name, max);
		return NULL;
	}
	return json_string_value(j);
}

int kbs_json_number(
	const json_t *obj, const char *name, uint64_t max, uint64_t *ret, struct why *why)
{
	const json_t *j = json_object_get(obj, name);

	if (!json_is_integer(j) || json_integer_value(j) < 0 ||
		(uint64_t)json_integer_value(j) > max)
		return why_set(why, -EBADMSG, "\"%s\": want an integer, 0 to %llu", name,
			(unsigned long long)max);
	*ret = (uint64_t)json_integer_value(j);
	return 0;
}

int kbs_json_bytes(const json_t *array, uint8_t *ret, size_t len)
{
	if (!json_is_array(array) || json_array_size(array) != len)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		const json_t *j = json_array_get(array, i);
		json_int_t v = json_integer_value(j);
		if (!json_is_integer(j) || v < 0 || v > UINT8_MAX)
			return -EBADMSG;
		ret[i] = (uint8_t)v;
	}
	return 0;
}

json_t *kbs_json_of_bytes(const uint8_t *bytes, size_t len)
{
	json_t *array = json_array();

	for (size_t i = 0; i < len; i++)
		(void)json_array_append_new(array, json_integer(bytes[i]));
	if (json_array_size(array) != len) {
		json_decref(array);
		return NULL;
	}
	return array;
}
