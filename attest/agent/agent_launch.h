/*
 * agent_launch: the key that a SEV or SEV-ES guest got from its owner when it was launched: the kernel's
 *               module efi_secret shows the launch's secret table as files, kbs_sev.h says which is whose.
 *
 * Trust:   what is there was put there by whoever has the launch's session keys. Of a launch that the
 *          owner answered that is the owner, and the host can only leave it out or spoil it. A host that
 *          launches with a session of its own brings a key of its own: it learns no secret of the
 *          owner's so, but a volume that opens with this key is not therefore the owner's.
 * Owns:    nothing; the key is the caller's.
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"
#include "base/secret.h"
#include "base/why.h"

/* Where Linux has the table, below the root that is given. */
#define AGENT_LAUNCH_FOLDER "sys/kernel/security/secrets/coco"

/*
 * The key of this broker's name ("repository/type/tag"); its file is removed, which wipes the kernel's
 * copy. root: "/", or a test's folder. -ENOENT with why: the launch brought none of this name;
 * -EMSGSIZE, -EBADMSG (empty), or an error of open(2) and read(2).
 */
MUST_USE int agent_launch_take(
	const char *root, const char *path, struct secret *ret, struct why *why);
