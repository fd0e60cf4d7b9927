/*
 * cmd_token: the part of `attest verify` that writes and checks tokens.
 *
 * Trust:   tokens are judged by token.h; keys, roots and policies are what the caller named.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>

#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/opts.h"
#include "base/why.h"

/* Options as they were given; NULL: not given. */
struct token_args {
	const char *token;                          /* --token: check this one */
	struct opt_list keys;                       /* --keys: by whom */
	struct opt_list issuers;                    /* --issuer: one of them has to be its iss */
	const char *out, *key, *format, *policy_id; /* --token-out and so on: write one */
};

/* What is wrong with the options: -EINVAL with why. */
MUST_USE int cmd_token_usage(const struct token_args *a, bool has_references, struct why *why);

/* Check the token: roots, time and the value asked for are those of in. Exit status. */
int cmd_token_verify(const struct token_args *a, const struct attest_inputs *in, bool as_json,
	bool accept_warning);

/* Write the token for a verdict. */
MUST_USE int cmd_token_write(const struct token_args *a, const struct attest_inputs *in,
	const struct verdict *v, struct why *why);
