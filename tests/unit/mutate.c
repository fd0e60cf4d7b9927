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
		if (why.text[0] == '\0' || (err != -EBADMSG && err != -EPROTONOSUPPORT))
			fail_msg("%s, %s %zu: error %d '%s'", s->name, what, at, err, why.text);
		return;
	}
	enum verdict_row_id worst = verdict_worst_row(&verdict);
	verdict_print_line(&verdict, line, sizeof line);
	if (verdict.overall != VERDICT_CONTRAINDICATED || (rows & ROW_BIT(worst)) == 0 ||
		verdict.rows[worst].why[0] == '\0')
		fail_msg("%s, %s %zu: %s, row %s: %s", s->name, what, at,
			verdict_status_name(verdict.overall), verdict_row_name(worst), line);
}

void mutate_bits(struct subject *s, struct attest_blob *b, size_t from, size_t to, uint32_t rows)
{
	uint8_t *p = (uint8_t *)(uintptr_t)b->p;

	for (size_t i = from * 8; i < to * 8; i += s->step) {
		p[i / 8] ^= (uint8_t)(1u << (i % 8));
		mutate_judge(s, rows, "bit", i);
		p[i / 8] ^= (uint8_t)(1u << (i % 8));
	}
}

void mutate_bytes(struct subject *s, struct attest_blob *b, size_t from, size_t to, uint32_t rows)
{
	uint8_t *p = (uint8_t *)(uintptr_t)b->p;

	for (size_t i = from; i < to; i += s->step) {
		uint8_t change = (uint8_t)(1u << (i % 8));
		p[i] ^= change;
		mutate_judge(s, rows, "byte", i);
		p[i] ^= change;
		p[i] = (uint8_t)~p[i];
		mutate_judge(s, rows, "inverted byte", i);
		p[i] = (uint8_t)~p[i];
	}
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
