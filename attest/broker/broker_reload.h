/*
 * broker_reload: the operator's files that may change while the broker runs: trust roots,
 *                certificates, CRLs, collateral, tenants, rates.
 *
 *   In the sandbox no file can be opened. A small process forked before it, with none of the broker's
 *   secrets, can: without capabilities, behind a filter of its own, below the folders of these files. On
 *   demand it reads configuration and files again and sends their bytes.
 *   Start and reload take the same way, so that what is refused at one is refused at the other.
 *
 * Trust:   the files are the operator's; the bytes are parsed in the sandbox, strictly.
 * Owns:    the reader process and its socket.
 * Threads: one.
 */
#pragma once

#include <sys/types.h>

#include "attest/broker/broker_answer.h"
#include "base/cdefs.h"
#include "base/why.h"

struct reader {
	int fd;
	pid_t pid; /* 0: none */
};

#define READER_NONE ((struct reader){ .fd = -1 })

/*
 * Fork the reader for this configuration file (an absolute path, or of the working directory), which c
 * was read from. It can read below the folders of the files that c names, and nothing else (role
 * broker-reader). -EIO with why when it could not be confined.
 */
MUST_USE int reader_start(
	struct reader *r, const char *path, const struct broker_config *c, struct why *why);
/* Close the socket, at which it ends, and wait for that: not in the sandbox, where nothing waits. */
void reader_stop(struct reader *r);

/*
 * Read the files in this process, take them over: at start. b->config is set whole. Errors of
 * broker_config_parse(), of files; b is unchanged then.
 */
MUST_USE int files_load(struct broker *b, const char *path, struct why *why);

/*
 * Ask the reader, take over what may change. -EACCES: it says no (a bad file), b is unchanged;
 * -EPIPE: it is gone.
 */
MUST_USE int files_reload(struct broker *b, struct reader *r, const char *path, struct why *why);

/* Release what files_load() filled in. */
void files_done(struct broker *b);
