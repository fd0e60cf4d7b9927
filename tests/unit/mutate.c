#include "tests/unit/mutate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cm.h"

unsigned int mutate_count;

static struct verdict verdict;

struct attest_blob *subject_add(struct subject *s, const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len);

	assert_non_null(copy);
	assert_true(s->n_blobs < MUTATE_BLOBS);
	memcpy(copy, bytes, len);
	s->blobs[s->n_blobs] = (struct attest_blob){ copy, len };
	return &s->blobs[s->n_blobs++];
}

void subject_done(struct subject *s)
{
	for (size_t i = 0; i < s->n_blobs; i++)
		free((void *)(uintptr_t)s->blobs[i].p);
	s->n_blobs = 0;
}

/* The blob that the inputs hold is a copy of the place in blobs: find it by its bytes. */
static void inputs_replace(struct subject *s, struct attest_blob old, struct attest_blob with)
{
	struct attest_blob *one[] = { &s->in.evidence, &s->in.tpm.signature, &s->in.tpm.ak,
		&s->in.tpm.pcrs, &s->in.tpm.ima, &s->in.tpm.tee, &s->in.sev.tik };

	for (size_t i = 0; i < ARRAY_LEN(one); i++)
		if (one[i]->p == old.p)
			*one[i] = with;
}

void mutate_check_good(const struct subject *s, enum verdict_status at_most)
{
	struct why why = { 0 };
	char line[VERDICT_WHY_MAX + 64];

	if (attest_verify(&s->in, &verdict, &why) < 0)
		fail_msg("%s: no verdict: %s", s->name, why.text);
	verdict_print_line(&verdict, line, sizeof line);
	if (verdict.overall > at_most)
		fail_msg("%s: %s", s->name, line);
}

void mutate_judge(const struct subject *s, uint32_t rows, const char *what, size_t at)
{
	struct why why = { 0 };
	char line[VERDICT_WHY_MAX + 64];

	mutate_count++;
	int err = attest_verify(&s->in, &verdict, &why);
	if (err < 0) {
		if (why.text[0] == '\0' ||
			(err != -EBADMSG && err != -EPROTONOSUPPORT && err != -EMSGSIZE))
			fail_msg("%s, %s %zu: error %d '%s'", s->name, what, at, err, why.text);
		return;
	}
	enum verdict_status least = s->least == VERDICT_NONE ? VERDICT_CONTRAINDICATED : s->least;
	bool is_named = false;
	for (enum verdict_row_id r = 0; r < ROW_COUNT; r++)
		is_named |= (rows & ROW_BIT(r)) != 0 && verdict.rows[r].status == verdict.overall &&
			    verdict.rows[r].why[0] != '\0';
	if (verdict.overall >= least && is_named)
		return;
	verdict_print_line(&verdict, line, sizeof line);
	fail_msg("%s, %s %zu: %s; %s", s->name, what, at, verdict_status_name(verdict.overall),
		line);
}

/* One value of one byte, put back afterwards. */
static void byte_try(struct subject *s, struct attest_blob *b, const uint8_t *before, size_t at,
	uint8_t value, uint32_t rows, const char *what, size_t n)
{
	uint8_t *p = (uint8_t *)(uintptr_t)b->p;

	p[at] = value;
	if (s->is_same == NULL || !s->is_same(before, p, b->len))
		mutate_judge(s, rows, what, n);
	p[at] = before[at];
}

void mutate_bits(struct subject *s, struct attest_blob *b, size_t from, size_t to, uint32_t rows)
{
	uint8_t *before = malloc(b->len);

	assert_non_null(before);
	memcpy(before, b->p, b->len);
	for (size_t i = from * 8; i < to * 8; i += s->step)
		byte_try(s, b, before, i / 8, (uint8_t)(before[i / 8] ^ 1u << (i % 8)), rows, "bit",
			i);
	free(before);
}

void mutate_bytes(struct subject *s, struct attest_blob *b, size_t from, size_t to, uint32_t rows)
{
	uint8_t *before = malloc(b->len);

	assert_non_null(before);
	memcpy(before, b->p, b->len);
	for (size_t i = from; i < to; i += s->step) {
		byte_try(s, b, before, i, (uint8_t)(before[i] ^ 1u << (i % 8)), rows, "byte", i);
		byte_try(s, b, before, i, (uint8_t)~before[i], rows, "inverted byte", i);
	}
	free(before);
}

void mutate_swap(struct subject *s, struct attest_blob *b, struct attest_blob with, uint32_t rows,
	const char *what)
{
	struct attest_blob old = *b;

	*b = with;
	inputs_replace(s, old, with);
	mutate_judge(s, rows, what, with.len);
	*b = old;
	inputs_replace(s, with, old);
}

/* An allocation of exactly that length, so that a sanitizer sees a read behind it. */
static void length_try(struct subject *s, struct attest_blob *b, size_t len, uint32_t rows)
{
	uint8_t *copy = calloc(1, len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, b->p, MIN(len, b->len));
	mutate_swap(s, b, (struct attest_blob){ copy, len }, rows, "length");
	free(copy);
}

void mutate_lengths(struct subject *s, struct attest_blob *b, size_t longest, uint32_t rows)
{
	for (size_t len = 0; len < longest; len += s->step)
		length_try(s, b, len, rows);
}

void mutate_tail(struct subject *s, struct attest_blob *b, uint32_t rows)
{
	length_try(s, b, b->len + 1, rows);
	length_try(s, b, b->len + (1u << 20), rows);
}
