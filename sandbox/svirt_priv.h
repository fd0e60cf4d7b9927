/*
 * svirt_priv: what svirt's files share: its struct, where the kernel and the journals are (tests have
 *             their own), and putting labels back.
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

struct svirt {
	const struct svirt_os *os;
	bool is_enforcing;
	int folder;
	int journal; /* its lock is what makes the pair ours */
	char guest[LIMIT_NAME_BYTES];
	char own[LIMIT_LABEL_BYTES]; /* our own context */
	char range[MCS_RANGE_BYTES];
	char socket_label[LIMIT_LABEL_BYTES];
	char process_labels[ROLE_COUNT][LIMIT_LABEL_BYTES];
	unsigned int n_objects;
	struct journal_object objects[LIMIT_SVIRT_OBJECTS];
	int fds[LIMIT_SVIRT_OBJECTS]; /* of the objects, until the end */
};

/* Where labels live. */
struct svirt_place {
	const struct svirt_os *os;
	const char *folder; /* of the journals */
};

MUST_USE int svirt_open_at(const struct svirt_place *place, enum svirt_mode mode, const char *range,
	const char *guest, struct svirt **ret, struct why *why);
MUST_USE int svirt_plain_label_at(const struct svirt_place *place, enum role role,
	char ret[LIMIT_LABEL_BYTES], struct why *why);
MUST_USE int svirt_recover_at(
	const struct svirt_place *place, unsigned int *ret_restored, struct why *why);

/* Is this what such an object of the guest with this pair ("cA,cB") is labelled, and journalled? */
bool svirt_gives_label(enum svirt_object object, const char *pair, const char *label);

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
