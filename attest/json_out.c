#include "attest/json_out.h"

static void string_print(struct wr *w, const char *s)
{
	wr_u8(w, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			wr_u8(w, '\\');
		wr_u8(w, (uint8_t)(*s >= ' ' && *s <= '~' ? *s : '?'));
	}
	wr_u8(w, '"');
}

/* A comma unless this is the first value; then the name. */
static void value_begin(struct wr *w, const char *name)
{
	uint8_t last = w->len > 0 ? w->buf[w->len - 1] : '{';

	if (last != '{' && last != '[')
		wr_str(w, ", ");
	if (name == NULL)
		return;
	string_print(w, name);
	wr_str(w, ": ");
}

void json_open(struct wr *w, const char *name, char bracket)
{
	if (w->len > 0)
		value_begin(w, name);
	wr_u8(w, (uint8_t)bracket);
}

void json_close(struct wr *w, char bracket)
{
	wr_u8(w, (uint8_t)bracket);
}

void json_text(struct wr *w, const char *name, const char *text)
{
	value_begin(w, name);
	string_print(w, text);
}

void json_text_or_null(struct wr *w, const char *name, const char *text)
{
	if (text[0] != '\0') {
		json_text(w, name, text);
		return;
	}
	value_begin(w, name);
	wr_str(w, "null");
}

void json_number(struct wr *w, const char *name, uint64_t v)
{
	value_begin(w, name);
	wr_printf(w, "%llu", (unsigned long long)v);
}

void json_bool(struct wr *w, const char *name, bool v)
{
	value_begin(w, name);
	wr_str(w, v ? "true" : "false");
}

void json_hex(struct wr *w, const char *name, const void *bytes, size_t len)
{
	value_begin(w, name);
	wr_u8(w, '"');
	wr_hex(w, bytes, len);
	wr_u8(w, '"');
}
