/*
 * svirt_priv: what svirt's files share: where the kernel and the journals are (tests have their
 *             own), and putting labels back.
 *
 * Trust:   see svirt.h.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>

#include "sandbox/svirt.h"
#include "sandbox/svirt_journal.h"
#include "sandbox/svirt_os.h"

/* Where labels live. */
struct svirt_place {
	const struct svirt_os *os;
	const char *folder; /* of the journals */
};

MUST_USE int svirt_open_at(const struct svirt_place *place, enum svirt_mode mode, const char *range,
	const char *guest, struct svirt **ret, struct why *why);
MUST_USE int svirt_recover_at(
	const struct svirt_place *place, unsigned int *ret_restored, struct why *why);

/* What other journals say about an object. */
enum svirt_use {
	SVIRT_USE_NONE,  /* nothing */
	SVIRT_USE_DEAD,  /* labelled by a supervisor that is gone, and not restored yet */
	SVIRT_USE_ALIVE, /* a running guest uses it */
};

struct svirt_user {
	enum svirt_use use;
	char guest[LIMIT_NAME_BYTES];
	struct journal_object was; /* as that journal has it */
};

/* Who else (not the journal named own) has labelled this? A living one before a dead one. */
MUST_USE int svirt_find_user(
	int folder, const char *own, uint64_t device, uint64_t inode, struct svirt_user *ret);

/* From an object's own record; the rest is looked up. */
struct svirt_restore {
	const struct svirt_os *os;
	int folder;       /* locked */
	const char *name; /* of the journal it is in */
	bool is_same_boot;
};

/*
 * Put one label back through fd. 0: it is as it was, or it is not ours to change any more (gone,
 * replaced, labelled by somebody else since, still used by another guest); 1: it was changed now.
 */
MUST_USE int svirt_restore_fd(
	const struct svirt_restore *r, const struct journal_object *o, int fd);

/* The same, by the path in the record, and on the disk afterwards. */
MUST_USE int svirt_restore_path(const struct svirt_restore *r, const struct journal_object *o);

/* Undo and remove the journals that nobody has locked; the folder must be locked. Failures are logged. */
MUST_USE int svirt_restore_dead(const struct svirt_os *os, int folder, unsigned int *ret_restored);
