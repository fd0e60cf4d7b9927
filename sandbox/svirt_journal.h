/*
 * svirt_journal: the folder of journals, one a pair of categories in use, and what is in one:
 *                records of one size, each with its own length and checksum.
 *
 * A journal is locked (flock) as long as its supervisor lives. It begins with a head; an object's
 * record is on the disk before its label changes; an end record says that the guest uses nothing
 * any more. A record that was being written when the power went is the last one, and was not acted on.
 * The folder itself is locked, for moments, by whoever takes a pair, labels or restores.
 *
 * Trust:   files of a folder that is ours alone; checked all the same.
 * Owns:    struct journals: the open folder; struct journal_file: the open journal and its lock.
 * Threads: one.
 */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "sandbox/svirt.h"
#include "sandbox/svirt_mcs.h"

#define JOURNAL_RECORD_BYTES 1024u
#define JOURNAL_BOOT_BYTES   36u /* /proc/sys/kernel/random/boot_id */

/* One thing whose label was changed, or was about to be. */
struct journal_object {
	enum svirt_object object;
	uint64_t device; /* st_dev */
	uint64_t inode;
	char old_label[LIMIT_LABEL_BYTES]; /* never empty */
	char new_label[LIMIT_LABEL_BYTES];
	char path[LIMIT_PATH_BYTES];
};

struct journal {
	char guest[LIMIT_NAME_BYTES];      /* empty: no head was read */
	char boot[JOURNAL_BOOT_BYTES + 1]; /* in which devices had these numbers */
	bool is_ended;                     /* the guest uses none of it any more */
	unsigned int n_objects;
	unsigned int
		n_damaged; /* records that cannot be read or believed, a torn last one not counted */
	struct journal_object objects[LIMIT_SVIRT_OBJECTS];
};

/* What the bytes of a journal say; cannot fail, but may find nothing. */
void journal_parse(const void *buf, size_t len, struct journal *ret);

/* Append a record, and come back only when it is on the disk. After a failure it is not there. */
MUST_USE int journal_write_head(int fd, const char *guest);
MUST_USE int journal_write_object(int fd, const struct journal_object *o);
MUST_USE int journal_write_end(int fd);

/* This boot's id; all zeros as text when the kernel does not say. */
void journal_read_boot(char ret[JOURNAL_BOOT_BYTES + 1]);

/* Open the folder (made with mode 0700, its parent too, when is_made); nobody else may write it. */
MUST_USE int journals_open(const char *path, bool is_made, int *ret_folder, struct why *why);

/* The folder's lock, waited for a while: -EBUSY. */
MUST_USE int journals_lock(int folder, struct why *why);
void journals_unlock(int folder);

/*
 * A new journal, locked, with its head. -EEXIST: the pair is taken. The folder must be locked.
 * name: "cA,cB".
 */
MUST_USE int journals_take(
	int folder, const char *name, const char *guest, int *ret, struct why *why);

/* A journal that was found. */
struct journal_file {
	char name[MCS_RANGE_BYTES];
	int fd;
	bool is_alive; /* a running supervisor has it locked; else it is locked by us now */
	struct journal is;
};

/* All journals but the one named own (may be NULL). The folder must be locked. */
struct journals {
	DIR *dir;
	const char *own;
};
MUST_USE int journals_list(int folder, const char *own, struct journals *ret);
/* 1 with the next one, 0 at the end, or an error; closes the one that *ret holds. */
MUST_USE int journals_next(struct journals *list, struct journal_file *ret);
void journals_close(struct journals *list, struct journal_file *f);
