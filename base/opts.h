/*
 * opts: command lines by table: long options, `--help` made from the table, clear errors.
 *
 * Trust:   argv comes from whoever runs the program.
 * Owns:    nothing; results point into argv.
 * Threads: one, at start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cdefs.h"
#include "base/why.h"

/* Exit statuses of every program (docs/man/casemate.1, EXIT STATUS). */
enum exit_status {
	EXIT_YES = 0,     /* done; the answer is yes */
	EXIT_NO = 1,      /* the answer is no */
	EXIT_USAGE = 2,   /* the command line is wrong */
	EXIT_INPUT = 3,   /* an input cannot be read or is malformed */
	EXIT_MACHINE = 4, /* this machine lacks something */
	EXIT_OURS = 5,    /* something of ours failed */
};

enum opt_kind {
	OPT_FLAG, /* --x          -> *(bool *)ret = true */
	OPT_TEXT, /* --x VALUE    -> *(const char **)ret = VALUE; once */
	OPT_LIST, /* --x VALUE…   -> struct opt_list; many times */
};

#define OPT_LIST_MAX 64

struct opt_list {
	size_t n;
	const char *at[OPT_LIST_MAX];
};

struct opt {
	const char *name; /* without the dashes */
	enum opt_kind kind;
	void *ret;
	const char *value_name; /* in --help, for OPT_TEXT and OPT_LIST */
	const char *help;
};

struct opt_spec {
	const char *usage;         /* "casemate attest show FILE" */
	const char *about;         /* one sentence */
	const struct opt *options; /* ends with a zero row */
	size_t min_args;
	size_t max_args;
};

/*
 * Read argv[1..]. Positional arguments are returned in *ret_args (pointing into argv, which is
 * permuted). 0; 1 when --help was asked for and printed to standard output; -EINVAL with why.
 * Both `--name value` and `--name=value` work; `--` ends the options.
 */
MUST_USE int opts_parse(const struct opt_spec *spec, int argc, char **argv, char ***ret_args,
	size_t *ret_n_args, struct why *why);

/* Print the --help text to standard output. */
void opts_print_help(const struct opt_spec *spec);

/* Decimal number within [min, max]; -EINVAL (not a number) or -ERANGE, with why naming it. */
MUST_USE int opts_parse_u64(const char *name, const char *text, unsigned long long min,
	unsigned long long max, unsigned long long *ret, struct why *why);

/* Hex digits into exactly len bytes; -EBADMSG otherwise. */
MUST_USE int opts_parse_hex(const char *text, void *ret, size_t len);

/*
 * Flush standard output at the end of a program. An answer that did not reach its reader is none:
 * EXIT_OURS, and a line on standard error. Otherwise status.
 */
int opts_end(int status);

/* The exit status that belongs to an error: EXIT_INPUT, EXIT_MACHINE or EXIT_OURS (cli contract). */
int opts_exit_status(int err);
