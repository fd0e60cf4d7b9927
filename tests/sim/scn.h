/*
 * scn: scenario files: lines of a step's name and its words, in order. A file is a promise: each step
 *      must succeed, unless the line ends in `expect -ERRNO`; `says WORD` demands a word of `why`.
 *      # is a comment.
 *
 * Trust:   tests only; a malformed scenario ends the program.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

#define SCN_WORDS_MAX 16

struct scn_line {
	size_t n;
	char *word[SCN_WORDS_MAX];
	int expect;
	const char *says;
};

/* A step: its name, what it does, and how many words it has at least. */
struct scn_step {
	const char *name;
	int (*run)(void *world, const struct scn_line *l);
	size_t min_words;
};

/* What a program makes of scenarios: its steps, and a world for each file. */
struct scn_program {
	const struct scn_step *steps;
	size_t n;
	void *(*begin)(void);
	void (*end)(void *world);
	struct why *(*why)(void *world);
};

/* Run the files argv[1] and so on; prints TAP. The exit status. */
int scn_main(const struct scn_program *p, int argc, char **argv);

/* The text behind "key=", or NULL; is it this; its number. */
const char *scn_text(const struct scn_line *l, const char *key);
bool scn_is(const struct scn_line *l, const char *key, const char *value);
uint64_t scn_number(const struct scn_line *l, const char *key, uint64_t otherwise);

/* Is this word in the line? */
bool scn_has(const struct scn_line *l, const char *word);

/* The scenario makes no sense: say so and end. */
_Noreturn void scn_bad(const char *what);
