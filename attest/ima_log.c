#include "attest/ima_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/hex.h"
#include "base/le.h"
#include "base/limits.h"

/* --- lines -------------------------------------------------------------------------------------- */

/* Text that is left of a line. */
struct text {
	const char *p;
	size_t len;
};

/* Cut the word up to the next space off; the rest begins behind that space. */
static struct text word_cut(struct text *t)
{
	const char *space = memchr(t->p, ' ', t->len);
	struct text word = { t->p, space == NULL ? t->len : (size_t)(space - t->p) };
	size_t used = space == NULL ? t->len : word.len + 1;

	t->p += used;
	t->len -= used;
	return word;
}

/* The same from the end; false when there is no space. The word may be empty. */
static bool word_cut_last(struct text *t, struct text *ret)
{
	for (size_t i = t->len; i > 0; i--)
		if (t->p[i - 1] == ' ') {
			*ret = (struct text){ t->p + i, t->len - i };
			t->len = i - 1;
			return true;
		}
	return false;
}

/*
 * A template's fields behind the digest: the path, then so many in hexadecimal (9.7). The old "ima"
 * has no lengths, and the path in 256 bytes. Of ima-modsig's the second is a digest with its name.
 */
struct template
{
	const char *name;
	size_t n_extra;
	bool is_old;
};

#define EXTRA_MAX     3u
#define MODSIG_DIGEST 1u

static const struct template templates[] = {
	{ "ima", 0, true },
	{ "ima-ng", 0, false },
	{ "ima-ngv2", 0, false },
	{ "ima-sig", 1, false },
	{ "ima-sigv2", 1, false },
	{ "ima-buf", 1, false },
	{ "ima-modsig", 3, false },
};

struct entry {
	uint32_t pcr;
	uint8_t hash[TPM_DIGEST_MAX]; /* template hash as listed */
	size_t hash_len;
	const struct template *template;
	struct text digest, path, extra[EXTRA_MAX];
};

static MUST_USE int entry_parse(struct text line, struct entry *ret)
{
	struct entry e = { 0 };
	struct text pcr = word_cut(&line), hash = word_cut(&line), name = word_cut(&line);

	if (pcr.len == 0 || pcr.len > 2)
		return -EBADMSG;
	for (size_t i = 0; i < pcr.len; i++) {
		if (pcr.p[i] < '0' || pcr.p[i] > '9')
			return -EBADMSG;
		e.pcr = e.pcr * 10 + (uint32_t)(pcr.p[i] - '0');
	}
	if (hex_parse(hash.p, hash.len, e.hash, sizeof e.hash, &e.hash_len) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_LEN(templates); i++)
		if (strlen(templates[i].name) == name.len &&
			memcmp(templates[i].name, name.p, name.len) == 0)
			e.template = &templates[i];
	e.digest = word_cut(&line);
	e.path = line;
	if (e.template == NULL || e.digest.len == 0)
		return -EBADMSG;
	*ret = e;
	return 0;
}

/* The path may hold spaces, the fields behind it may be empty: cut them off at the end. */
static bool entry_split(struct entry *e)
{
	for (size_t i = e->template->n_extra; i-- > 0;)
		if (!word_cut_last(&e->path, &e->extra[i]))
			return false;
	return true;
}

/* The hash algorithm by which template hashes of this length are made. */
static const struct tpm_alg *alg_of_size(size_t len)
{
	static const uint16_t ids[] = { TPM_ALG_SHA1, TPM_ALG_SHA256, TPM_ALG_SHA384,
		TPM_ALG_SHA512 };

	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (tpm_alg_find(ids[i])->size == len)
			return tpm_alg_find(ids[i]);
	return NULL;
}

/* --- template data ------------------------------------------------------------------------------ */

#define OLD_NAME_BYTES 256u

/* The bytes that are hashed. Pieces point into the line, into scratch, or into lengths. */
struct pieces {
	size_t n;
	struct tpm_part at[4 + 3 + 2 * EXTRA_MAX + 2];
	le32 lengths[2 + EXTRA_MAX];
	size_t n_lengths;
	uint8_t *scratch; /* bytes of hexadecimal text: as many as the list is long suffice */
	size_t used, size;
};

static void piece_add(struct pieces *p, const void *bytes, size_t len)
{
	p->at[p->n++] = (struct tpm_part){ bytes, len };
}

static void length_add(struct pieces *p, size_t len)
{
	p->lengths[p->n_lengths] = le32_of((uint32_t)len);
	piece_add(p, &p->lengths[p->n_lengths++], sizeof(le32));
}

static MUST_USE int hex_take(struct pieces *p, struct text t, struct tpm_part *ret)
{
	size_t len = 0;

	if (hex_parse(t.p, t.len, p->scratch + p->used, p->size - p->used, &len) < 0)
		return -EBADMSG;
	*ret = (struct tpm_part){ p->scratch + p->used, len };
	p->used += len;
	return 0;
}

/* "sha256:hex", "ima:sha256:hex": the names up to the last colon, a NUL, the digest's bytes. */
static MUST_USE int digest_add(struct pieces *p, struct text t, bool is_sized)
{
	size_t name = t.len;
	struct tpm_part bytes;

	while (name > 0 && t.p[name - 1] != ':')
		name--;
	if (hex_take(p, (struct text){ t.p + name, t.len - name }, &bytes) < 0)
		return -EBADMSG;
	if (is_sized)
		length_add(p, name > 0 ? name + 1 + bytes.len : bytes.len);
	if (name > 0) {
		piece_add(p, t.p, name);
		piece_add(p, "", 1);
	}
	piece_add(p, bytes.p, bytes.len);
	return 0;
}

static MUST_USE int pieces_make(struct pieces *p, const struct entry *e)
{
	static const uint8_t zeros[OLD_NAME_BYTES];
	int err = digest_add(p, e->digest, !e->template->is_old);

	if (err < 0)
		return err;
	if (e->template->is_old) {
		if (e->path.len >= OLD_NAME_BYTES)
			return -EBADMSG;
		piece_add(p, e->path.p, e->path.len);
		piece_add(p, zeros, OLD_NAME_BYTES - e->path.len);
		return 0;
	}
	length_add(p, e->path.len + 1);
	piece_add(p, e->path.p, e->path.len);
	piece_add(p, "", 1);
	for (size_t i = 0; i < e->template->n_extra; i++) {
		struct tpm_part bytes;
		if (i == MODSIG_DIGEST && e->extra[i].len > 0) {
			err = digest_add(p, e->extra[i], true);
			if (err < 0)
				return err;
			continue;
		}
		if (hex_take(p, e->extra[i], &bytes) < 0)
			return -EBADMSG;
		length_add(p, bytes.len);
		piece_add(p, bytes.p, bytes.len);
	}
	return 0;
}

/* Template data of an entry hashed; -EBADMSG when its fields cannot be read that way. */
static MUST_USE int template_hash(const struct entry *e, uint8_t *scratch, size_t size,
	const struct tpm_alg *alg, uint8_t *ret)
{
	struct pieces p = { .scratch = scratch, .size = size };
	int err = pieces_make(&p, e);

	return err < 0 ? err : tpm_hash(alg, p.at, p.n, ret);
}

/* --- walking ------------------------------------------------------------------------------------ */

struct walk {
	struct attest_blob left;
	size_t n;
	uint8_t *scratch;
	size_t size;
	struct entry e;
	bool is_violation, is_recomputed;
};

static void walk_auto(struct walk *w)
{
	free(w->scratch);
}

static MUST_USE int walk_open(struct walk *w, struct attest_blob list, struct why *why)
{
	if (list.len > LIMIT_ATTEST_BYTES)
		return why_set(why, -EMSGSIZE, "IMA list: %zu bytes, at most %u", list.len,
			LIMIT_ATTEST_BYTES);
	*w = (struct walk){ .left = list, .size = list.len };
	w->scratch = malloc(list.len + 1);
	return w->scratch == NULL ? -ENOMEM : 0;
}

static bool is_all_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* Do the fields hash to what is listed? Trailing fields may be there or not: both are tried. */
static MUST_USE int entry_recompute(struct walk *w)
{
	const struct tpm_alg *alg = alg_of_size(w->e.hash_len);
	const struct entry whole = w->e;
	uint8_t got[TPM_DIGEST_MAX];
	int err = -EBADMSG;

	for (int i = 0; alg != NULL && i < 2 && !w->is_recomputed; i++) {
		struct entry e = whole;
		if (i == 0 ? !entry_split(&e) : e.template->n_extra == 0)
			continue;
		int one = template_hash(&e, w->scratch, w->size, alg, got);
		if (one == -EIO)
			return one;
		if (one < 0)
			continue;
		w->is_recomputed = memcmp(got, e.hash, alg->size) == 0;
		if (err < 0 || w->is_recomputed)
			w->e = e;
		err = 0;
	}
	return err;
}

/* The next line; -ENODATA at the end. */
static MUST_USE int walk_next(struct walk *w, struct why *why)
{
	if (w->left.len == 0)
		return -ENODATA;
	const uint8_t *end = memchr(w->left.p, '\n', w->left.len);
	size_t len = end == NULL ? w->left.len : (size_t)(end - w->left.p);
	struct text line = { (const char *)w->left.p, len };
	w->left.p += end == NULL ? len : len + 1;
	w->left.len -= end == NULL ? len : len + 1;
	w->n++;
	if (memchr(line.p, '\0', len) != NULL || entry_parse(line, &w->e) < 0)
		return why_set(why, -EBADMSG,
			"IMA list, line %zu: not a line of a template we know (ima, ima-ng, "
			"ima-ngv2, ima-sig, ima-sigv2, ima-buf, ima-modsig)",
			w->n);
	w->is_violation = is_all_zero(w->e.hash, w->e.hash_len);
	w->is_recomputed = false;
	int err = w->is_violation ? 0 : entry_recompute(w);
	if (err < 0)
		return why_set(why, err, "IMA list, line %zu: its fields cannot be read", w->n);
	return 0;
}

static void text_print(struct text t, char *ret, size_t size)
{
	size_t n = 0;

	for (; n < t.len && n < size - 1; n++)
		ret[n] = (char)(t.p[n] >= ' ' && t.p[n] <= '~' ? t.p[n] : '?');
	ret[n] = '\0';
}

bool ima_recognise(struct attest_blob list)
{
	struct entry e;

	if (list.len == 0) /* and p perhaps NULL */
		return false;
	const uint8_t *end = memchr(list.p, '\n', list.len);
	return list.p[0] >= '0' && list.p[0] <= '9' &&
	       entry_parse((struct text){ (const char *)list.p,
				   end == NULL ? list.len : (size_t)(end - list.p) },
		       &e) == 0;
}

int ima_walk(struct attest_blob list, void (*take)(const struct ima_line *, void *), void *user,
	struct why *why)
{
	AUTO(walk) struct walk w = { 0 };
	int err = walk_open(&w, list, why);

	while (err == 0 && (err = walk_next(&w, why)) == 0) {
		struct ima_line l = { .pcr = w.e.pcr,
			.hash_len = w.e.hash_len,
			.is_violation = w.is_violation,
			.is_recomputed = w.is_recomputed };
		memcpy(l.hash, w.e.hash, sizeof l.hash);
		(void)snprintf(l.template, sizeof l.template, "%s", w.e.template->name);
		text_print(w.e.digest, l.digest, sizeof l.digest);
		text_print(w.e.path, l.path, sizeof l.path);
		take(&l, user);
	}
	return err == -ENODATA ? 0 : err;
}

/* --- replay ------------------------------------------------------------------------------------- */

/* The first entry of a boot: what IMA saw of PCR 0 to 9. */
static void aggregate_note(const struct walk *w, struct ima_replay *o)
{
	static const char path[] = "boot_aggregate";
	struct text t = w->e.digest;
	size_t len = 0, colon = t.len, start;

	if (w->n != 1 || w->e.path.len != sizeof path - 1 ||
		memcmp(w->e.path.p, path, sizeof path - 1) != 0)
		return;
	while (colon > 0 && t.p[colon - 1] != ':')
		colon--;
	for (start = colon > 0 ? colon - 1 : 0; start > 0 && t.p[start - 1] != ':';)
		start--;
	const struct tpm_alg *alg = colon == 0 ? tpm_alg_find(TPM_ALG_SHA1)
					       : tpm_alg_named(t.p + start, colon - 1 - start);
	if (alg != NULL &&
		hex_parse(t.p + colon, t.len - colon, o->aggregate, alg->size, &len) == 0 &&
		len == alg->size)
		o->aggregate_alg = alg;
}

static MUST_USE int entry_extend(
	const struct walk *w, const struct tpm_alg *alg, struct ima_replay *o)
{
	uint8_t digest[TPM_DIGEST_MAX], old[TPM_DIGEST_MAX] = { 0 };

	memset(digest, 0xFF, sizeof digest); /* a violation */
	if (w->is_violation)
		memset(old, 0xFF, 20);
	else
		memcpy(old, w->e.hash, w->e.hash_len);
	if (!w->is_violation && alg->size == w->e.hash_len)
		memcpy(digest, w->e.hash, w->e.hash_len);
	else if (!w->is_violation && template_hash(&w->e, w->scratch, w->size, alg, digest) < 0)
		return -EBADMSG;
	int err = tpm_extend(alg, o->value, digest);
	return err < 0 ? err : tpm_extend(alg, o->padded, old);
}

int ima_replay(struct attest_blob list, const struct tpm_alg *alg, const uint8_t *want,
	struct ima_replay *ret, struct why *why)
{
	AUTO(walk) struct walk w = { 0 };
	struct ima_replay o = { 0 };
	int err = walk_open(&w, list, why);

	while (err == 0 && (err = walk_next(&w, why)) == 0) {
		if (w.e.pcr != IMA_PCR)
			return why_set(why, -EBADMSG, "IMA list, line %zu: PCR %u, want PCR %u",
				w.n, w.e.pcr, IMA_PCR);
		aggregate_note(&w, &o);
		o.n_lines++;
		o.n_violations += w.is_violation;
		if (!w.is_violation && !w.is_recomputed && o.bad_line == 0)
			o.bad_line = w.n;
		err = entry_extend(&w, alg, &o);
		if (err < 0)
			return why_set(why, err, "IMA list, line %zu: cannot be hashed", w.n);
		if (want != NULL && (memcmp(o.value, want, alg->size) == 0 ||
					    memcmp(o.padded, want, alg->size) == 0))
			o.n_covered = w.n;
	}
	if (err != -ENODATA)
		return err;
	*ret = o;
	return 0;
}
