/*
 * broker_import: the store of versions before 0.2, a folder of plain files, into one of today.
 *
 * Trust:   the old folder is the operator's; names are checked before they become anything.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include "attest/broker/broker_config.h"
#include "attest/broker/broker_store.h"
#include "base/cdefs.h"

struct import_count {
	unsigned int secrets, policies, released;
};

/*
 * Copy secrets (of no tenant), policies with digests and revocations, once-per-boot marks. What is
 * there already is replaced by what is imported. The old files stay as they are. -EBADMSG with why:
 * a policy that is none any more; what was copied before it stays.
 */
MUST_USE int store_import(const struct store *s, const struct broker_config *config,
	const char *old_path, struct import_count *ret, struct why *why);
