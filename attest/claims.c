#include "attest/claims.h"

#include <string.h>

#include "attest/json_out.h"

static struct claim *claim_new(struct claims *c, const char *name, enum claim_type type)
{
	if (c->n == ARRAY_LEN(c->at))
		return NULL;
	struct claim *x = &c->at[c->n++];
	*x = (struct claim){ .name = name, .type = type };
	return x;
}

void claims_add_number(struct claims *c, const char *name, uint64_t v)
{
	struct claim *x = claim_new(c, name, CLAIM_NUMBER);

	if (x != NULL)
		x->number = v;
}

void claims_add_bool(struct claims *c, const char *name, bool v)
{
	struct claim *x = claim_new(c, name, CLAIM_BOOL);

	if (x != NULL)
		x->number = v;
}

void claims_add_bytes(struct claims *c, const char *name, const void *bytes, size_t len)
{
	struct claim *x = claim_new(c, name, CLAIM_BYTES);

	if (x == NULL)
		return;
	x->len = MIN(len, sizeof x->bytes);
	memcpy(x->bytes, bytes, x->len);
}

void claims_add_text(struct claims *c, const char *name, const char *text)
{
	struct claim *x = claim_new(c, name, CLAIM_TEXT);

	if (x == NULL)
		return;
	x->len = MIN(strlen(text), sizeof x->bytes - 1);
	for (size_t i = 0; i < x->len; i++) /* it may be the host's, and goes to a terminal */
		x->bytes[i] = (uint8_t)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
}

const struct claim *claims_find(const struct claims *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->at[i].name, name) == 0)
			return &c->at[i];
	return NULL;
}

static const char *claim_text(const struct claim *x)
{
	return (const char *)x->bytes;
}

static void claim_print_json(const struct claim *x, struct wr *w)
{
	switch (x->type) {
	case CLAIM_NUMBER:
		json_number(w, x->name, x->number);
		return;
	case CLAIM_BOOL:
		json_bool(w, x->name, x->number != 0);
		return;
	case CLAIM_BYTES:
		json_hex(w, x->name, x->bytes, x->len);
		return;
	case CLAIM_TEXT:
		json_text(w, x->name, claim_text(x));
		return;
	}
}

void claims_print_json(const struct claims *c, const char *name, struct wr *w)
{
	json_open(w, name, '{');
	for (size_t i = 0; i < c->n; i++)
		claim_print_json(&c->at[i], w);
	json_close(w, '}');
}

static void claim_print_text(const struct claim *x, struct wr *w)
{
	wr_printf(w, "%-28s ", x->name);
	switch (x->type) {
	case CLAIM_NUMBER:
		wr_printf(w, "%llu", (unsigned long long)x->number);
		if (x->number > 9)
			wr_printf(w, " (0x%llx)", (unsigned long long)x->number);
		break;
	case CLAIM_BOOL:
		wr_str(w, x->number != 0 ? "yes" : "no");
		break;
	case CLAIM_BYTES:
		wr_hex(w, x->bytes, x->len);
		break;
	case CLAIM_TEXT:
		wr_str(w, claim_text(x));
		break;
	}
	wr_str(w, "\n");
}

void claims_print_text(const struct claims *c, struct wr *w)
{
	for (size_t i = 0; i < c->n; i++)
		claim_print_text(&c->at[i], w);
}
