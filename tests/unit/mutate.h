/*
 * mutate: changes evidence one thing at a time and demands that nothing changed is affirmed, that a
 *         verdict names a row that it should, and that no verdict has its cause.
 *
 * Trust:   test inputs only.
 * Owns:    a subject owns the bytes of its blobs.
 * Threads: one.
 */
#pragma once

#include <stdint.h>

#include "attest/evidence.h"

#define MUTATE_BLOBS 24

struct subject {
	const char *name;
	struct attest_inputs in; /* its lists point into blobs */
	struct attest_blob blobs[MUTATE_BLOBS];
	size_t n_blobs;
	size_t step;               /* 1: everything; n: every n-th bit, byte or length */
	enum verdict_status least; /* of what is wrong; NONE: contraindicated */
	/* Says another spelling the same (white space, case of hex digits)? NULL: nothing does. */
	bool (*is_same)(const uint8_t *before, const uint8_t *after, size_t len);
};

/* Take a copy of the bytes; the place stays as long as the subject. */
struct attest_blob *subject_add(struct subject *s, const void *bytes, size_t len);
void subject_done(struct subject *s);

/* The unchanged evidence is affirmed (or no worse than at_most). */
void mutate_check_good(const struct subject *s, enum verdict_status at_most);

/* One verification of what is there now: not affirming, and one of the mask's rows is the reason. */
void mutate_judge(const struct subject *s, uint32_t rows, const char *what, size_t at);

/* Every bit of blob[from..to); every byte to two other values; every length below `longest`. */
void mutate_bits(struct subject *s, struct attest_blob *b, size_t from, size_t to, uint32_t rows);
void mutate_bytes(struct subject *s, struct attest_blob *b, size_t from, size_t to, uint32_t rows);
void mutate_lengths(struct subject *s, struct attest_blob *b, size_t longest, uint32_t rows);

/* 1 byte and 1 MiB behind the blob. */
void mutate_tail(struct subject *s, struct attest_blob *b, uint32_t rows);

/* Blob replaced by another for one verification. */
void mutate_swap(struct subject *s, struct attest_blob *b, struct attest_blob with, uint32_t rows,
	const char *what);

/* How many verifications mutate_judge() has made. */
extern unsigned int mutate_count;
