/*
 * broker_config: the broker's configuration file (casemate-broker(8)).
 *
 * Trust:   the file is the operator's; it is read strictly all the same.
 * Owns:    all strings and blobs; broker_config_done() releases them.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

struct broker_config {
	/* NULL where not given. Relative names in the file are below the file's folder. */
	char *listen;
	char *listen_tcp;
	char *certificate;
	char *key;
	char *store;
	char *ledger_folder;
	char *ledger_key;
	char *ledger_origin;
	char *roots[LIMIT_BROKER_BLOBS];
	size_t n_roots;
	char *certs[LIMIT_BROKER_BLOBS];
	size_t n_certs;
	char *crls[LIMIT_BROKER_BLOBS];
	size_t n_crls;
};

/* Read it; unknown and duplicate members are errors with file:line:column. -EBADMSG, errors of open(2). */
MUST_USE int broker_config_read(const char *path, struct broker_config *ret, struct why *why);
void broker_config_done(struct broker_config *c);
static inline void broker_config_auto(struct broker_config *c)
{
	broker_config_done(c);
}
