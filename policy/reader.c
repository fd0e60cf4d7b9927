/* schema_read: the table walks the document. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu_model.h"
#include "policy/schema.h"

#define RULE_SHAPE "POL-001" /* unknown key, wrong type, out of range */
#define RULE_BITS  "TEE-009" /* a mask or digest that is not what it should be */
#define RULE_NEVER "TEE-006" /* a word that no version will take */

/* Generic stores go through memcpy: enums are 32 bits wide here. */
_Static_assert(sizeof(enum policy_tee) == sizeof(uint32_t), "enums");

struct reader {
	struct doc *doc;
	struct why *why;
};

int schema_fail(struct doc *doc, uint32_t value, const char *rule, int err, struct why *why,
	const char *fmt, ...)
{
	char path[120], cause[WHY_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(cause, sizeof cause, fmt, ap);
	va_end(ap);
	doc_print_path(doc, value, path, sizeof path);
	return doc_fail(doc, doc->values[value].at, rule, err, why, "%s%s%s", path,
		path[0] != 0 ? ": " : "", cause);
}

#define FAIL(r, value, rule, err, ...)                                                             \
	schema_fail((r)->doc, (value), (rule), (err), (r)->why, __VA_ARGS__)

/* --- forms ----------------------------------------------------------------------------------- */

static bool is_low(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_name_part(const char *s, size_t n)
{
	if (n == 0 || !is_low(s[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_low(s[i]) && s[i] != '.' && s[i] != '_' && s[i] != '-')
			return false;
	return true;
}

static bool is_printable(const char *s, char first)
{
	for (; *s != 0; s++)
		if (*s < first || *s > '~')
			return false;
	return true;
}

static bool form_sentence(const char *s)
{
	for (; *s != 0; s++)
		if ((*s >= 0 && *s < 0x20) || *s == 0x7f)
			return false;
	return true;
}

static bool form_line(const char *s)
{
	return is_printable(s, ' ');
}

static bool form_path(const char *s)
{
	return is_printable(s, ' ') && s[0] != ' ' && s[0] != 0 && s[strlen(s) - 1] != ' ';
}

static bool form_id(const char *s)
{
	return is_name_part(s, strlen(s)) && strpbrk(s, "._") == NULL;
}

static bool form_name(const char *s)
{
	size_t n = strcspn(s, "/");

	return s[n] == '/' && is_name_part(s, n) && is_name_part(s + n + 1, strlen(s + n + 1));
}

static bool form_kbs(const char *s)
{
	return strncmp(s, "kbs:", 4) == 0 && s[4] != 0 && is_printable(s, '!');
}

static bool form_rule(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return (n == 3 || n == 4) && s[n] == '-' && strspn(s + n + 1, "0123456789") == 3 &&
	       s[n + 4] == 0;
}

static bool form_advisory(const char *s)
{
	size_t n = strlen(s);

	return n == 14 && strncmp(s, "INTEL-SA-", 9) == 0 && strspn(s + 9, "0123456789") == 5;
}

static bool form_https(const char *s)
{
	return strncmp(s, "https://", 8) == 0 && s[8] != 0 && is_printable(s, '!');
}

static bool form_quoting(const char *s)
{
	struct plan_vsock to;
	int err = plan_parse_quoting(s, &to);

	return err == 0 && form_path(s);
}

static bool form_cpu(const char *s)
{
	uint32_t signature;

	return strcmp(s, "host") == 0 || cpu_model_parse(s, &signature) == 0;
}

static bool form_label(const char *s)
{
	return strcmp(s, "auto") == 0 || strcmp(s, "required") == 0 || strcmp(s, "off") == 0 ||
	       plan_is_range(s);
}

static bool (*const forms[FORM_COUNT])(const char *) = {
	[FORM_SENTENCE] = form_sentence,
	[FORM_LINE] = form_line,
	[FORM_PATH] = form_path,
	[FORM_ID] = form_id,
	[FORM_NAME] = form_name,
	[FORM_KBS] = form_kbs,
	[FORM_RULE] = form_rule,
	[FORM_ADVISORY] = form_advisory,
	[FORM_HTTPS] = form_https,
	[FORM_QUOTING] = form_quoting,
	[FORM_CPU] = form_cpu,
	[FORM_LABEL] = form_label,
};

/* --- values ---------------------------------------------------------------------------------- */

static const char *const type_names[] = { "an object", "a list", "a text", "a number", "a word" };

static MUST_USE int type_check(struct reader *r, uint32_t v, enum doc_type want)
{
	enum doc_type got = r->doc->values[v].type;

	if (got == want)
		return 0;
	if (got == DOC_WORD)
		return FAIL(r, v, RULE_SHAPE, -EBADMSG, "want %s, found %.*s", type_names[want],
			(int)(r->doc->values[v].end - r->doc->values[v].at),
			r->doc->text + r->doc->values[v].at);
	return FAIL(
		r, v, RULE_SHAPE, -EBADMSG, "want %s, found %s", type_names[want], type_names[got]);
}

static MUST_USE int read_text(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	char *ret = base;
	int err = type_check(r, v, DOC_TEXT);

	if (err < 0)
		return err;
	size_t len = json_string_length(j);
	if (len < f->min || len > f->max)
		return FAIL(r, v, RULE_SHAPE, -ERANGE, "%zu bytes, want %llu to %llu", len,
			(unsigned long long)f->min, (unsigned long long)f->max);
	if (!forms[f->form](json_string_value(j)))
		return FAIL(r, v, RULE_SHAPE, -EBADMSG, "\"%.60s\" is not %s", json_string_value(j),
			form_rows[f->form].what);
	memcpy(ret, json_string_value(j), len + 1);
	return 0;
}

static MUST_USE int read_number(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	int err = type_check(r, v, DOC_NUMBER);

	if (err < 0)
		return err;
	json_int_t n = json_integer_value(j);
	if (n < 0 || (uint64_t)n < f->min || (uint64_t)n > f->max)
		return FAIL(r, v, RULE_SHAPE, -ERANGE, "%lld is outside %llu to %llu", (long long)n,
			(unsigned long long)f->min, (unsigned long long)f->max);
	memcpy(base, &(uint64_t){ (uint64_t)n }, sizeof(uint64_t));
	return 0;
}

static MUST_USE int read_bool(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	if (!json_is_boolean(j))
		return FAIL(r, v, RULE_SHAPE, -EBADMSG, "want true or false");
	*(bool *)base = json_is_true(j);
	return 0;
}

static bool word_find(const char *const *words, const char *text, uint32_t *ret)
{
	for (uint32_t i = 0; words != NULL && words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static MUST_USE int word_read(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, uint32_t *ret)
{
	char list[256] = "";
	size_t len = 0;
	uint32_t index;
	int err = type_check(r, v, DOC_TEXT);

	if (err < 0)
		return err;
	const char *text = json_string_value(j);
	if (word_find(f->words, text, ret))
		return 0;
	if (word_find(f->later, text, &index))
		return FAIL(r, v, RULE_SHAPE, -EPROTONOSUPPORT,
			"\"%s\" is not supported in this version", text);
	if (word_find(f->never, text, &index))
		return FAIL(r, v, RULE_NEVER, -EBADMSG, "\"%s\" is never acceptable", text);
	for (const char *const *w = f->words; *w != NULL && len < sizeof list; w++)
		len += (size_t)snprintf(
			list + len, sizeof list - len, "%s\"%s\"", len > 0 ? ", " : "", *w);
	return FAIL(r, v, RULE_SHAPE, -EBADMSG, "\"%.40s\" is not known; want %s%s", text,
		f->words[1] != NULL ? "one of " : "", list);
}

static MUST_USE int read_choice(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	uint32_t index;
	int err = word_read(r, f, v, j, &index);

	if (err == 0)
		memcpy(base, &index, sizeof index);
	return err;
}

static MUST_USE int read_fixed(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	uint32_t index;

	return word_read(r, f, v, j, &index);
}

static MUST_USE int read_set(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	uint64_t mask = 0;
	uint32_t at = v + 1;
	int err = type_check(r, v, DOC_LIST);

	for (size_t i = 0; err == 0 && i < json_array_size(j); i++, at = r->doc->values[at].next) {
		uint32_t index;
		err = word_read(r, f, at, json_array_get(j, i), &index);
		if (err == 0 && (mask & 1ull << index) != 0)
			err = FAIL(r, at, RULE_SHAPE, -EBADMSG, "\"%s\" twice", f->words[index]);
		if (err == 0)
			mask |= 1ull << index;
	}
	if (err == 0)
		memcpy(base, &mask, sizeof mask);
	return err;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Lower-case digits, as everything here prints them: one way to write a value. */
static bool hex_read(const char *text, size_t n, uint8_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (hex_value(text[2 * i]) < 0 || hex_value(text[2 * i + 1]) < 0)
			return false;
	for (size_t i = 0; i < n; i++)
		ret[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
	return true;
}

static MUST_USE int read_digest(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	const char *prefix = f->max == 48 ? "sha384:" : "sha256:";
	int err = type_check(r, v, DOC_TEXT);

	if (err < 0)
		return FAIL(r, v, RULE_BITS, err, "want a digest as a text");
	r->doc->values[v].is_digest = true;
	const char *text = json_string_value(j);
	uint64_t max = f->max;
	if ((f->flags & FIELD_OR_32) != 0 && strncmp(text, "sha256:", 7) == 0) {
		prefix = "sha256:";
		max = 32;
	}
	size_t at = strncmp(text, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
	size_t len = json_string_length(j) - at;
	if (len != 2 * max)
		return FAIL(r, v, RULE_BITS, -EBADMSG, "want \"%s\" and %llu hex digits, found %zu",
			prefix, (unsigned long long)max * 2, len);
	if (!hex_read(text + at, len / 2, base))
		return FAIL(r, v, RULE_BITS, -EBADMSG, "not all of it are lower-case hex digits");
	return 0;
}

static MUST_USE int read_hex(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	int err = type_check(r, v, DOC_TEXT);

	if (err < 0)
		return err;
	r->doc->values[v].is_digest = true;
	size_t len = json_string_length(j), n = len / 2;
	bool is_end = n == f->min || n == f->max || ((f->flags & FIELD_OR_16) != 0 && n == 16);
	if (len % 2 != 0 || n < f->min || n > f->max || ((f->flags & FIELD_ENDS) != 0 && !is_end))
		return FAIL(r, v, RULE_BITS, -EBADMSG,
			"want %llu%s %s %llu bytes as hex digits, found "
			"%zu digits",
			(unsigned long long)f->min, (f->flags & FIELD_OR_16) != 0 ? ", 16" : "",
			(f->flags & FIELD_ENDS) != 0 ? "or" : "to", (unsigned long long)f->max,
			len);
	if (!hex_read(json_string_value(j), n, base))
		return FAIL(r, v, RULE_BITS, -EBADMSG, "not all of it are lower-case hex digits");
	return 0;
}

static MUST_USE int read_mask(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	uint64_t mask = 0;

	if (!json_is_string(j))
		return FAIL(r, v, RULE_BITS, -EBADMSG, "want a mask as a text: \"0x...\"");
	r->doc->values[v].is_digest = true;
	const char *text = json_string_value(j);
	size_t len = json_string_length(j);
	if (len < 3 || len > 18 || text[0] != '0' || text[1] != 'x')
		return FAIL(r, v, RULE_BITS, -EBADMSG, "want \"0x\" and 1 to 16 hex digits");
	for (size_t i = 2; i < len; i++) {
		if (hex_value(text[i]) < 0)
			return FAIL(
				r, v, RULE_BITS, -EBADMSG, "want \"0x\" and lower-case hex digits");
		mask = mask << 4 | (uint64_t)hex_value(text[i]);
	}
	if ((mask & ~f->max) != 0)
		return FAIL(r, v, RULE_BITS, -ERANGE, "bits 0x%llx may not be set",
			(unsigned long long)(mask & ~f->max));
	memcpy(base, &mask, sizeof mask);
	return 0;
}

#define DAY_S INT64_C(86400)

/* Days from 1970-01-01 to a day of the Gregorian calendar, counted in years that start in March. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
	y -= m <= 2 ? 1 : 0;
	int64_t of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;

	return 365 * y + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

int schema_parse_time(const char *text, bool is_day, int64_t *ret)
{
	static const char shape[] = "0000-00-00T00:00:00Z";
	static const uint8_t month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	size_t want = is_day ? 10 : sizeof shape - 1;
	int64_t part[6] = { 0 };
	unsigned int k = 0;

	if (strlen(text) != want)
		return -EBADMSG;
	for (size_t i = 0; i < want; i++) {
		bool is_digit = text[i] >= '0' && text[i] <= '9';
		if (is_digit != (shape[i] == '0') || (!is_digit && text[i] != shape[i]))
			return -EBADMSG;
		if (is_digit)
			part[k] = part[k] * 10 + (text[i] - '0');
		else
			k++;
	}
	int64_t y = part[0], m = part[1], d = part[2];
	bool is_leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	if (y < 1970 || m < 1 || m > 12 || d < 1 ||
		d > month_days[m - 1] + (m == 2 && is_leap ? 1 : 0) || part[3] > 23 ||
		part[4] > 59 || part[5] > 59)
		return -ERANGE;
	int64_t seconds = part[3] * 3600 + part[4] * 60 + part[5];
	*ret = (days_of(y, m, d) + (is_day ? 1 : 0)) * DAY_S + seconds;
	return 0;
}

void schema_print_time(int64_t t, char ret[SCHEMA_TIME_BYTES])
{
	const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
	int64_t y = 1970, m = 1;

	(void)snprintf(ret, SCHEMA_TIME_BYTES, "?");
	if (t < 0 || t > last)
		return;
	int64_t day = t / DAY_S, left = t % DAY_S;
	while (days_of(y + 1, 1, 1) <= day)
		y++;
	while (m < 12 && days_of(y, m + 1, 1) <= day)
		m++;
	int64_t d = day - days_of(y, m, 1) + 1;
	(void)snprintf(ret, SCHEMA_TIME_BYTES, "%04u-%02u-%02uT%02u:%02u:%02uZ",
		(unsigned int)y % 10000, (unsigned int)m % 100, (unsigned int)d % 100,
		(unsigned int)(left / 3600) % 100, (unsigned int)(left / 60 % 60) % 100,
		(unsigned int)(left % 60) % 100);
}

static MUST_USE int read_time(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	bool is_day = f->kind == FIELD_DAY;
	int64_t t = 0;
	int err = type_check(r, v, DOC_TEXT);

	if (err < 0)
		return err;
	err = schema_parse_time(json_string_value(j), is_day, &t);
	if (err == -ERANGE)
		return FAIL(r, v, RULE_SHAPE, err, "\"%.30s\" is no day and time of the calendar",
			json_string_value(j));
	if (err < 0)
		return FAIL(r, v, RULE_SHAPE, err, "want %s",
			is_day ? "a day, as 2026-11-30" : "a time in UTC, as 2026-11-30T00:00:00Z");
	memcpy(base, &t, sizeof t);
	return 0;
}

/* --- objects and lists ----------------------------------------------------------------------- */

static MUST_USE int object_read(
	struct reader *r, const struct schema *schema, uint32_t v, const json_t *j, void *base);
static MUST_USE int field_read(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base);

static MUST_USE int read_object(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	return object_read(r, f->child, v, j, base);
}

static MUST_USE int read_choice_or_object(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	uint32_t index = 0;

	if (!json_is_object(j))
		return read_choice(r, f, v, j, base);
	while (f->words[index] != NULL)
		index++;
	memcpy(base, &index, sizeof index);
	return object_read(r, f->child, v, j, (char *)base - f->at);
}

static MUST_USE int read_empty(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	int err = type_check(r, v, DOC_LIST);

	if (err == 0 && r->doc->values[v].n > 0)
		err = FAIL(r, v, RULE_SHAPE, -EPROTONOSUPPORT,
			"not supported in this version; the list must be empty");
	return err;
}

static MUST_USE int read_later(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	return FAIL(r, v, RULE_SHAPE, -EPROTONOSUPPORT, "not supported in this version");
}

static MUST_USE int list_read(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, char *base)
{
	bool is_one = (f->flags & FIELD_OR_ONE) != 0 && json_is_object(j);
	uint64_t n = is_one ? 1 : r->doc->values[v].n;
	uint32_t at = v + 1;
	int err =
		is_one ? field_read(r, f->element, v, j, base + f->at) : type_check(r, v, DOC_LIST);

	if (err < 0)
		return err;
	if (n < f->min || n > f->max)
		return FAIL(r, v, RULE_SHAPE, -ERANGE, "%llu entries, want %llu to %llu",
			(unsigned long long)n, (unsigned long long)f->min,
			(unsigned long long)f->max);
	for (size_t i = 0; !is_one && err == 0 && i < n; i++, at = r->doc->values[at].next)
		err = field_read(
			r, f->element, at, json_array_get(j, i), base + f->at + i * f->stride);
	if (err == 0)
		memcpy(base + f->count, &n, sizeof n);
	return err;
}

typedef int (*read_fn)(struct reader *, const struct field *, uint32_t, const json_t *, void *);

/* By kind; each gets the address of the value itself. Lists know two places: list_read(). */
static const read_fn readers[FIELD_KIND_COUNT] = {
	[FIELD_TEXT] = read_text,
	[FIELD_NUMBER] = read_number,
	[FIELD_BOOL] = read_bool,
	[FIELD_CHOICE] = read_choice,
	[FIELD_FIXED] = read_fixed,
	[FIELD_SET] = read_set,
	[FIELD_DIGEST] = read_digest,
	[FIELD_HEX] = read_hex,
	[FIELD_MASK] = read_mask,
	[FIELD_TIME] = read_time,
	[FIELD_DAY] = read_time,
	[FIELD_OBJECT] = read_object,
	[FIELD_CHOICE_OR_OBJECT] = read_choice_or_object,
	[FIELD_EMPTY] = read_empty,
	[FIELD_LATER] = read_later,
};

static int field_read(
	struct reader *r, const struct field *f, uint32_t v, const json_t *j, void *base)
{
	char *at = base;

	if (json_is_null(j) && (f->flags & FIELD_NULLABLE) != 0)
		return 0;
	int err = f->kind == FIELD_LIST ? list_read(r, f, v, j, at)
					: readers[f->kind](r, f, v, j, at + f->at);
	if (err == 0 && f->has != 0)
		*(bool *)(at + f->has - 1) = true;
	return err;
}

static const struct field *field_find(const struct schema *schema, const char *key, size_t len)
{
	for (size_t i = 0; i < schema->n; i++)
		if (strlen(schema->fields[i].key) == len &&
			memcmp(schema->fields[i].key, key, len) == 0)
			return &schema->fields[i];
	return NULL;
}

static MUST_USE int missing_check(
	struct reader *r, const struct schema *schema, uint32_t v, char *base)
{
	for (size_t i = 0; i < schema->n; i++) {
		const struct field *f = &schema->fields[i];
		if (doc_member(r->doc, v, f->key, strlen(f->key)) != DOC_NONE)
			continue;
		if ((f->flags & FIELD_REQUIRED) != 0)
			return FAIL(r, v, RULE_SHAPE, -EBADMSG, "key \"%s\" is missing", f->key);
		if (f->otherwise != 0) /* little-endian: an enum, a bool is the lower part */
			memcpy(base + f->at, &f->otherwise,
				f->kind == FIELD_BOOL     ? 1
				: f->kind == FIELD_CHOICE ? 4
							  : 8);
	}
	return 0;
}

static int object_read(
	struct reader *r, const struct schema *schema, uint32_t v, const json_t *j, void *base)
{
	struct doc *d = r->doc;
	int err = type_check(r, v, DOC_OBJECT);

	if (err < 0)
		return err;
	for (uint32_t i = d->values[v].n > 0 ? v + 1 : DOC_NONE; err == 0 && i != DOC_NONE;
		i = d->values[i].next) {
		const char *key = d->text + d->values[i].key_at;
		size_t len = d->values[i].key_len;
		const struct field *f = field_find(schema, key, len);
		if (f != NULL)
			err = field_read(r, f, i, json_object_getn(j, key, len), base);
		else if (len < 2 || memcmp(key, "x-", 2) != 0)
			err = doc_fail(d, d->values[i].key_at - 1, RULE_SHAPE, -EBADMSG, r->why,
				"unknown key \"%.*s\"; keys of your own start with x-",
				(int)MIN(len, 60u), key);
	}
	return err < 0 ? err : missing_check(r, schema, v, base);
}

int schema_read(struct doc *doc, struct policy *ret, struct why *why)
{
	struct reader r = { .doc = doc, .why = why };

	return object_read(&r, &policy_schema, 0, doc->root, ret);
}
