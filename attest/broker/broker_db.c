#include "attest/broker/broker_db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"

/* --- system calls with paths, below a descriptor ------------------------------------------------- */

/* "/5/name" -> 5 and "name"; "/5" -> 5 and "". Another path (SQLite's /dev/urandom): AT_FDCWD. */
static int place_of(const char *path, const char **ret_name)
{
	char *end = NULL;
	unsigned long fd = path[0] == '/' ? strtoul(path + 1, &end, 10) : ULONG_MAX;

	*ret_name = path;
	if (fd > INT_MAX || end == path + 1 || (*end != '/' && *end != '\0'))
		return AT_FDCWD;
	*ret_name = *end == '/' ? end + 1 : end;
	return (int)fd;
}

static int at_open(const char *path, int flags, int mode)
{
	const char *name;
	int fd = place_of(path, &name);

	return openat(fd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
}

static int at_access(const char *path, int mode)
{
	const char *name;
	int fd = place_of(path, &name);

	return faccessat(fd, name, mode, AT_SYMLINK_NOFOLLOW);
}

static int at_stat(const char *path, struct stat *st)
{
	const char *name;
	int fd = place_of(path, &name);

	return fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
}

static int at_unlink(const char *path)
{
	const char *name;
	int fd = place_of(path, &name);

	return unlinkat(fd, name, 0);
}

static ssize_t at_readlink(const char *path, char *buf, size_t size)
{
	errno = EINVAL; /* nothing here is a link */
	return -1;
}

static int at_folder(const char *path, int *ret)
{
	const char *name;
	int fd = place_of(path, &name);

	*ret = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	return *ret >= 0 ? SQLITE_OK : SQLITE_CANTOPEN;
}

static MUST_USE int calls_replace(void)
{
	static const struct {
		const char *name;
		sqlite3_syscall_ptr call;
	} calls[] = {
		{ "open", (sqlite3_syscall_ptr)at_open },
		{ "access", (sqlite3_syscall_ptr)at_access },
		{ "stat", (sqlite3_syscall_ptr)at_stat },
		{ "lstat", (sqlite3_syscall_ptr)at_stat },
		{ "unlink", (sqlite3_syscall_ptr)at_unlink },
		{ "readlink", (sqlite3_syscall_ptr)at_readlink },
		{ "openDirectory", (sqlite3_syscall_ptr)at_folder },
	};
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

	if (vfs == NULL || vfs->iVersion < 3)
		return -EOPNOTSUPP;
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if (vfs->xSetSystemCall(vfs, calls[i].name, calls[i].call) != SQLITE_OK)
			return -EOPNOTSUPP;
	return 0;
}

/* --- connections and statements ------------------------------------------------------------------ */

static int err_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
		return 0;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EAGAIN;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

static MUST_USE int failure(sqlite3 *db, int code, struct why *why)
{
	int err = err_of(code);

	return err < 0 ? why_set(why, err, "store: %s", sqlite3_errmsg(db)) : 0;
}

int db_script(sqlite3 *db, const char *sql, struct why *why)
{
	return failure(db, sqlite3_exec(db, sql, NULL, NULL, NULL), why);
}

int db_open(int dir_fd, const char *name, bool is_making, sqlite3 **ret, struct why *why)
{
	/* A journal that is emptied is as durable as one that is unlinked (SQLite syncs it), and
	 * its file stays the owner's. No mapped file: what others change must not change under us. */
	static const char settings[] =
		"PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
		"PRAGMA mmap_size=0; PRAGMA secure_delete=ON; PRAGMA trusted_schema=OFF;"
		"PRAGMA cell_size_check=ON;";
	AUTO(db) sqlite3 *db = NULL;
	char path[LIMIT_ID_BYTES + 16];
	int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | (is_making ? O_CREAT : 0);
	AUTO(fd) int fd = openat(dir_fd, name, flags, 0600);

	if (fd < 0)
		return why_set(why, -errno, "%s: %s", name, strerrordesc_np(errno));
	fd_drop(&fd);
	int err = calls_replace();
	if (err < 0)
		return why_set(why, err, "this SQLite cannot work below a descriptor");
	(void)snprintf(path, sizeof path, "/%d/%s", dir_fd, name);
	int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, "unix");
	if (code == SQLITE_OK)
		code = sqlite3_busy_timeout(db, LIMIT_BROKER_DB_MS);
	/* what is in the file is data: it runs nothing */
	if (code == SQLITE_OK)
		code = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	err = failure(db, code, why);
	if (err == 0)
		err = db_script(db, settings, why);
	if (err < 0)
		return err;

	*ret = db;
	db = NULL;
	return 0;
}

int db_bind(sqlite3 *db, const char *sql, const struct db_value *values, size_t n,
	sqlite3_stmt **ret, struct why *why)
{
	AUTO(db_stmt) sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

	for (size_t i = 0; code == SQLITE_OK && i < n; i++) {
		const struct db_value *v = &values[i];
		if (v->p == NULL)
			code = sqlite3_bind_int64(s, (int)i + 1, v->n);
		else if (v->n < 0)
			code = sqlite3_bind_text(s, (int)i + 1, v->p, -1, SQLITE_STATIC);
		else
			code = sqlite3_bind_blob64(
				s, (int)i + 1, v->p, (sqlite3_uint64)v->n, SQLITE_STATIC);
	}
	int err = failure(db, code, why);
	if (err < 0)
		return err;

	*ret = s;
	s = NULL;
	return 0;
}

int db_step(sqlite3_stmt *s, struct why *why)
{
	int code = sqlite3_step(s);

	return code == SQLITE_ROW ? 1 : failure(sqlite3_db_handle(s), code, why);
}

int db_run(sqlite3 *db, const char *sql, const struct db_value *values, size_t n, int *ret_changes,
	struct why *why)
{
	AUTO(db_stmt) sqlite3_stmt *s = NULL;
	int err = db_bind(db, sql, values, n, &s, why);

	if (err == 0)
		err = db_step(s, why);
	if (err == 0 && ret_changes != NULL)
		*ret_changes = sqlite3_changes(db);
	return err;
}

int db_column(sqlite3_stmt *s, int column, void *ret, size_t len)
{
	if (sqlite3_column_type(s, column) != SQLITE_BLOB ||
		(size_t)sqlite3_column_bytes(s, column) != len)
		return -EBADMSG;
	memcpy(ret, sqlite3_column_blob(s, column), len);
	return 0;
}
