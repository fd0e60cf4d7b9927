#include "attest/ledger/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/b64.h"

struct line {
	const char *at;
	size_t len;
};

/* Cut the next line off the text; -EBADMSG when there is none or it is empty. */
static MUST_USE int line_take(const char **at, const char *end, struct line *ret)
{
	const char *nl = memchr(*at, '\n', (size_t)(end - *at));

	if (nl == NULL || nl == *at)
		return -EBADMSG;
	*ret = (struct line){ .at = *at, .len = (size_t)(nl - *at) };
	*at = nl + 1;
	return 0;
}

static MUST_USE int size_parse(struct line l, uint64_t *ret)
{
	uint64_t v = 0;

	if (l.len > 1 && l.at[0] == '0')
		return -EBADMSG;
	for (size_t i = 0; i < l.len; i++) {
		if (l.at[i] < '0' || l.at[i] > '9' || v > LIMIT_LEDGER_ENTRIES)
			return -EBADMSG;
		v = v * 10 + (uint64_t)(l.at[i] - '0');
	}
	if (v > LIMIT_LEDGER_ENTRIES)
		return -EBADMSG;
	*ret = v;
	return 0;
}

int checkpoint_parse(const void *bytes, size_t len, const struct note_key *key,
	struct checkpoint *ret, struct why *why)
{
	struct checkpoint cp = { 0 };
	size_t text_len = 0;
	size_t n_root = 0;
	struct line line = { 0 };

	int err = note_verify(bytes, len, key, &text_len, why);
	if (err < 0)
		return err;
	const char *at = bytes;
	const char *end = at + text_len;
	if (line_take(&at, end, &line) < 0 || line.len >= sizeof cp.origin)
		return why_set(why, -EBADMSG, "checkpoint: line 1 is no origin");
	memcpy(cp.origin, line.at, line.len);
	if (line_take(&at, end, &line) < 0 || size_parse(line, &cp.size) < 0)
		return why_set(why, -EBADMSG, "checkpoint: line 2 is no size of at most %u entries",
			LIMIT_LEDGER_ENTRIES);
	if (line_take(&at, end, &line) < 0 ||
		b64_parse(line.at, line.len, cp.root.b, sizeof cp.root.b, &n_root) < 0 ||
		n_root != sizeof cp.root.b)
		return why_set(why, -EBADMSG, "checkpoint: line 3 is no root hash");
	while (at < end)
		if (line_take(&at, end, &line) < 0)
			return why_set(why, -EBADMSG, "checkpoint: an empty extension line");
	if (strcmp(cp.origin, key->name) != 0)
		return why_set(why, -EKEYREJECTED, "checkpoint: of \"%s\", want \"%s\"", cp.origin,
			key->name);
	*ret = cp;
	return 0;
}

int checkpoint_print(const struct checkpoint *cp, const struct note_signer *signer, struct wr *w)
{
	char text[CHECKPOINT_MAX];
	struct wr t = wr_of(text, sizeof text);

	assert(strcmp(cp->origin, signer->key.name) == 0);
	wr_printf(&t, "%s\n%llu\n", cp->origin, (unsigned long long)cp->size);
	b64_print(&t, cp->root.b, sizeof cp->root.b);
	wr_u8(&t, '\n');
	int err = wr_check(&t);
	return err < 0 ? err : note_sign(signer, text, t.len, w);
}
