/*
 * cmd: what the commands of casemate-attest share: files in, text out, one message on failure.
 *
 * Trust:   files are what somebody gave on the command line; they are bounded when they are read.
 * Owns:    a cmd_files owns the bytes of its files.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/opts.h"
#include "base/why.h"
#include "base/wr.h"

/* Each runs one command and gives its exit status (docs/man/casemate.1, EXIT STATUS). */
int cmd_show(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_measure(int argc, char **argv);
int cmd_endorsements(int argc, char **argv); /* attest/endorse/ */
int cmd_digest(int argc, char **argv);
int cmd_id_block(int argc, char **argv);
int cmd_sev_session(int argc, char **argv);
int cmd_sev_secret(int argc, char **argv);

#define CMD_FILES_MAX 128

struct cmd_files {
	size_t n;
	struct attest_blob at[CMD_FILES_MAX];
};

void cmd_files_done(struct cmd_files *f);

static inline void cmd_files_auto(struct cmd_files *f)
{
	cmd_files_done(f);
}

/* Read one file of at most max bytes and append it. */
MUST_USE int cmd_files_add(struct cmd_files *f, const char *path, size_t max, struct why *why);

/* Print the text that was written (and a newline when it has none); EXIT_OURS when it did not fit. */
int cmd_print(struct wr *w, int status);

/* Say why on standard error; the exit status of err. */
int cmd_fail(int status, int err, const struct why *why);

/* A large writer for one answer; frees with free(w.buf). */
MUST_USE int cmd_text_open(struct wr *ret, struct why *why);

/* RFC 3339 in UTC ("2026-11-21T10:00:00Z") or a day ("2026-11-21"). -EINVAL with why. */
MUST_USE int cmd_parse_time(const char *text, time_t *ret, struct why *why);

/* A number in hexadecimal, with or without 0x, at most max. -EINVAL with why. */
MUST_USE int cmd_parse_word(
	const char *name, const char *text, uint64_t max, uint64_t *ret, struct why *why);

/* What the owner knows of a SEV launch, as options; NULL: not given. -EINVAL with why. */
struct cmd_sev_text {
	const char *api, *policy, *digest;
};
MUST_USE int cmd_parse_sev(const struct cmd_sev_text *text, uint8_t digest[32],
	struct attest_sev *ret, struct why *why);

/* The folder of a path: "." without a slash. */
MUST_USE int cmd_folder_of(const char *path, char *ret, size_t size, struct why *why);

/*
 * Append what an endorsement cache has for in->evidence under the pinned roots and in->roots, judged
 * (attest/endorse/). -ENOENT with why when there is no such folder.
 */
MUST_USE int cmd_endorsements_pick(const char *cache, const struct attest_inputs *in,
	struct cmd_files *certs, struct cmd_files *crls, struct cmd_files *collateral,
	struct why *why);
