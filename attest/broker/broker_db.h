/*
 * broker_db: SQLite below a folder's descriptor: works where paths lead nowhere, in the sandbox.
 *
 *   SQLite opens by path. Its own "unix" file system layer lets the application replace the system
 *   calls it makes (sqlite3_vfs, xSetSystemCall); those that take a path are replaced here, so that
 *   "/5/store.db" is store.db below descriptor 5. Locks, journal, durability stay SQLite's.
 *
 * Trust:   the folder is the operator's. Values are bound, never part of the SQL text.
 * Owns:    the connection; the folder's descriptor is borrowed and must stay open as long.
 * Threads: one; any number of processes (SQLite's locks).
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

/*
 * Open the database name below dir_fd; with is_making it is made (0600) where it is missing. -ENOENT,
 * -EBADMSG (no database), -EIO. What is committed is on the disk.
 */
MUST_USE int db_open(int dir_fd, const char *name, bool is_making, sqlite3 **ret, struct why *why);
static inline void db_auto(sqlite3 **db)
{
	(void)sqlite3_close(*db);
}

/* Statements without values, several in one text. */
MUST_USE int db_script(sqlite3 *db, const char *sql, struct why *why);

/* A value for a statement: text, a number, or bytes. The caller's until the statement is finished. */
struct db_value {
	const void *p; /* NULL: the number */
	int64_t n;     /* the number, or the length */
};
#define DB_INT(v)       ((struct db_value){ NULL, (int64_t)(v) })
#define DB_TEXT(t)      ((struct db_value){ (t), -1 })
#define DB_BLOB(p, len) ((struct db_value){ (p), (int64_t)(len) })
#define DB_VALUES(...)                                                                             \
	(const struct db_value[]){ __VA_ARGS__ },                                                  \
		sizeof((const struct db_value[]){ __VA_ARGS__ }) / sizeof(struct db_value)

/* A statement with its values; sqlite3_finalize() releases it (or AUTO(db_stmt)). */
MUST_USE int db_bind(sqlite3 *db, const char *sql, const struct db_value *values, size_t n,
	sqlite3_stmt **ret, struct why *why);
static inline void db_stmt_auto(sqlite3_stmt **s)
{
	(void)sqlite3_finalize(*s);
}

/* The next row: 1 there is one, 0 no more; -EEXIST (a constraint), -EAGAIN, -ENOSPC, -EBADMSG, -EIO. */
MUST_USE int db_step(sqlite3_stmt *s, struct why *why);

/* Bind and run to the end; *ret_changes (may be NULL) rows were changed. */
MUST_USE int db_run(sqlite3 *db, const char *sql, const struct db_value *values, size_t n,
	int *ret_changes, struct why *why);

/* A blob column of exactly len bytes. -EBADMSG. */
MUST_USE int db_column(sqlite3_stmt *s, int column, void *ret, size_t len);
