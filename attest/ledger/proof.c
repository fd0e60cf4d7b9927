#include "attest/ledger/proof.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/ledger/ledger_verify.h"
#include "attest/ledger/tile.h"
#include "base/b64.h"

#define PROOF_FIRST_LINE "c2sp.org/tlog-proof@v1"

/* A cursor over lines. */
struct lines {
	const char *start;
	const char *at;
	const char *end;
	unsigned int n; /* lines taken so far */
};

/* The next line without its newline; -EBADMSG at the end. */
static MUST_USE int line_take(struct lines *l, const char **ret, size_t *ret_len)
{
	const char *nl = memchr(l->at, '\n', (size_t)(l->end - l->at));

	l->n++;
	if (nl == NULL)
		return -EBADMSG;
	*ret = l->at;
	*ret_len = (size_t)(nl - l->at);
	l->at = nl + 1;
	return 0;
}

/* A line that starts with "word "; what follows is returned. */
static MUST_USE int field_take(struct lines *l, const char *word, const char **ret, size_t *ret_len)
{
	size_t n = strlen(word);

	if (line_take(l, ret, ret_len) < 0 || *ret_len < n || memcmp(*ret, word, n) != 0)
		return -EBADMSG;
	*ret += n;
	*ret_len -= n;
	return 0;
}

static MUST_USE int index_parse(const char *p, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0 || len > 8 || (len > 1 && p[0] == '0'))
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -EBADMSG;
		v = v * 10 + (uint64_t)(p[i] - '0');
	}
	*ret = v;
	return 0;
}

struct path {
	struct merkle_hash at[MERKLE_PATH_MAX];
	size_t n;
};

/* Hash lines up to the empty line. */
static MUST_USE int path_parse(struct lines *l, struct path *ret)
{
	for (;;) {
		const char *p = NULL;
		size_t len = 0;
		size_t n = 0;
		if (line_take(l, &p, &len) < 0)
			return -EBADMSG;
		if (len == 0)
			return 0;
		if (ret->n == MERKLE_PATH_MAX ||
			b64_parse(p, len, ret->at[ret->n].b, MERKLE_HASH_BYTES, &n) < 0 ||
			n != MERKLE_HASH_BYTES)
			return -EBADMSG;
		ret->n++;
	}
}

/* Everything above the checkpoint. */
static MUST_USE int head_lines_parse(struct lines *l, struct proof *p, struct path *path)
{
	const char *at = NULL;
	size_t len = 0;

	if (field_take(l, PROOF_FIRST_LINE, &at, &len) < 0 || len != 0)
		return -EBADMSG;
	if (field_take(l, "extra ", &at, &len) < 0 ||
		b64_parse(at, len, p->entry_bytes, sizeof p->entry_bytes, &p->entry_len) < 0)
		return -EBADMSG;
	if (field_take(l, "index ", &at, &len) < 0 || index_parse(at, len, &p->index) < 0)
		return -EBADMSG;
	return path_parse(l, path);
}

int proof_verify(const void *bytes, size_t len, const struct note_key *key, struct proof *ret,
	struct why *why)
{
	static const char *const wants[] = { "", PROOF_FIRST_LINE, "\"extra \" and an entry",
		"\"index \" and a number" };
	struct lines l = { .start = bytes, .at = bytes, .end = (const char *)bytes + len };
	struct path path = { .n = 0 };
	struct merkle_hash leaf;
	struct proof p = { 0 };

	if (len > LIMIT_LEDGER_PROOF_BYTES)
		return why_set(why, -EBADMSG, "longer than %u bytes", LIMIT_LEDGER_PROOF_BYTES);
	if (head_lines_parse(&l, &p, &path) < 0)
		return why_set(why, -EBADMSG, "line %u: want %s", l.n,
			l.n < ARRAY_LEN(wants)
				? wants[l.n]
				: "at most 24 hashes in base 64, then an empty line");
	int err = checkpoint_parse(l.at, (size_t)(l.end - l.at), key, &p.head, why);
	if (err < 0)
		return why_prefix(why, err, "checkpoint at byte %zu", (size_t)(l.at - l.start));
	err = merkle_hash_leaf(p.entry_bytes, p.entry_len, &leaf);
	if (err == 0)
		err = merkle_verify_inclusion(
			&leaf, p.index, p.head.size, path.at, path.n, &p.head.root);
	if (err == -EKEYREJECTED)
		return why_set(why, err,
			"the hashes do not lead from entry %llu to the signed root of %llu entries",
			(unsigned long long)p.index, (unsigned long long)p.head.size);
	if (err == 0)
		err = entry_parse(p.entry_bytes, p.entry_len, &p.entry, why);
	if (err < 0)
		return err;
	*ret = p;
	return 0;
}

/* All but the checkpoint. */
static MUST_USE int proof_print(
	int dir_fd, uint64_t index, uint64_t size, uint8_t *bundle, struct wr *w, struct why *why)
{
	struct tile_entry entries[TILE_WIDTH];
	struct path path = { .n = 0 };
	char file[TILE_PATH_MAX];
	unsigned int n = 0;
	uint64_t tile = index / TILE_WIDTH;

	int err = tile_read_bundle(
		dir_fd, tile, tile_get_width(size, 0, tile), bundle, entries, &n, file, why);
	if (err == 0)
		err = tile_read_path(dir_fd, index, size, path.at, &path.n, why);
	if (err < 0)
		return err;
	const struct tile_entry *e = &entries[index % TILE_WIDTH];
	wr_str(w, PROOF_FIRST_LINE "\nextra ");
	b64_print(w, e->at, e->len);
	wr_printf(w, "\nindex %llu\n", (unsigned long long)index);
	for (size_t i = 0; i < path.n; i++) {
		b64_print(w, path.at[i].b, MERKLE_HASH_BYTES);
		wr_u8(w, '\n');
	}
	wr_u8(w, '\n');
	return wr_check(w);
}

static void mem_auto(uint8_t **p)
{
	free(*p);
}

int proof_make(
	int dir_fd, const struct note_key *key, uint64_t index, struct wr *w, struct why *why)
{
	struct checkpoint head = { 0 };
	struct proof again;
	size_t start = w->len;
	uint8_t bytes[CHECKPOINT_MAX];
	struct wr head_bytes = wr_of(bytes, sizeof bytes);

	int err = ledger_read_head(dir_fd, key, &head, &head_bytes, why);
	if (err < 0)
		return err;
	if (index >= head.size)
		return why_set(why, -ERANGE, "no entry %llu: the ledger has %llu",
			(unsigned long long)index, (unsigned long long)head.size);
	AUTO(mem) uint8_t *bundle = malloc(TILE_BUNDLE_ROOM(MIN(head.size, (uint64_t)TILE_WIDTH)));
	if (bundle == NULL)
		return -ENOMEM;
	err = proof_print(dir_fd, index, head.size, bundle, w, why);
	if (err < 0)
		return err;
	wr_copy(w, bytes, head_bytes.len);
	err = wr_check(w);
	if (err == 0)
		err = proof_verify(w->buf + start, w->len - start, key, &again, why);
	return err;
}
