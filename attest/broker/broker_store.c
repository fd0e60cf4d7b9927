#include "attest/broker/broker_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attest/broker/broker_db.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/wr.h"
#include "policy/policy.h"

#define FOLDER_FLAGS  (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DB_NAME       "store.db"
#define EVIDENCE      "evidence"
#define HEX_HASH      (2 * STORE_HASH_BYTES)
#define FILE_NAME_MAX (HEX_HASH + 16)
#define PATH_TEXT_MAX (3 * (KBS_NAME_MAX + 1))
#define SEALED_MAX    AEAD_SEALED(LIMIT_SECRET_BYTES)
#define SEAL_LABEL    "casemate broker store: policies, 1" /* of the key and of what is sealed */

/* user_version says which of these a database has. */
static const char schema[] =
	"CREATE TABLE store_key(kind TEXT NOT NULL, sealed BLOB NOT NULL);"
	"CREATE TABLE secret(tenant TEXT, path TEXT, version INTEGER NOT NULL, sealed BLOB NOT "
	"NULL, PRIMARY KEY(tenant, path)) WITHOUT ROWID;"
	"CREATE TABLE policy(hash BLOB PRIMARY KEY, tenant TEXT NOT NULL, revoked INTEGER NOT NULL "
	"DEFAULT 0, bytes BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE digest(hash BLOB, digest BLOB, PRIMARY KEY(hash, digest)) WITHOUT ROWID;"
	"CREATE TABLE host_data(host_data BLOB PRIMARY KEY, hash BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE minimum(tenant TEXT, name TEXT, serial INTEGER NOT NULL, PRIMARY KEY(tenant, "
	"name)) WITHOUT ROWID;"
	"CREATE TABLE revoked(tenant TEXT, name TEXT, serial INTEGER, PRIMARY KEY(tenant, name, "
	"serial)) WITHOUT ROWID;"
	"CREATE TABLE seal(mac BLOB NOT NULL);"
	"INSERT INTO seal VALUES(zeroblob(32));"
	"CREATE TABLE released(id BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;"
	"PRAGMA user_version=1;";

/* --- opening ------------------------------------------------------------------------------------- */

static MUST_USE int folder_open(int dir_fd, const char *name, bool is_making, int *ret)
{
	if (is_making && mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = openat(dir_fd, name, FOLDER_FLAGS);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* One number that a statement gives; fallback when it gives no row. */
static MUST_USE int number_read(const struct store *s, const char *sql,
	const struct db_value *values, size_t n, int64_t fallback, int64_t *ret, struct why *why)
{
	AUTO(db_stmt) sqlite3_stmt *q = NULL;
	int err = db_bind(s->db, sql, values, n, &q, why);
	int row = err < 0 ? err : db_step(q, why);

	if (row < 0)
		return row;
	*ret = row == 1 ? sqlite3_column_int64(q, 0) : fallback;
	return 0;
}

/* --- the seal of all that is not secret but decides ------------------------------------------------ */

static MUST_USE int seal_key_make(const struct secret *data, struct secret *ret)
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, data->p, data->len),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_INFO, (char[]){ SEAL_LABEL }, strlen(SEAL_LABEL)),
		OSSL_PARAM_construct_end(),
	};
	AUTO(secret) struct secret key = { 0 };
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;

	int err = ctx == NULL ? -ENOMEM : secret_init(&key, STORE_HASH_BYTES);
	if (err == 0 && EVP_KDF_derive(ctx, key.p, key.len, params) != 1)
		err = -EIO;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	if (err == 0)
		*ret = secret_take(&key);
	return err;
}

/* Columns with type and length: no two different rows, or lists of them, are the same bytes. */
static MUST_USE int row_add(EVP_MAC_CTX *mac, sqlite3_stmt *q)
{
	bool is_ok = true;

	for (int i = 0; i < sqlite3_column_count(q); i++) {
		int type = sqlite3_column_type(q, i);
		uint8_t head[1 + 8 + 8];
		struct wr w = wr_of(head, sizeof head);
		const void *p = type == SQLITE_TEXT ? (const void *)sqlite3_column_text(q, i)
						    : sqlite3_column_blob(q, i);
		size_t len = (size_t)sqlite3_column_bytes(q, i);
		wr_u8(&w, (uint8_t)type);
		wr_be64(&w, len);
		wr_be64(&w, type == SQLITE_INTEGER ? (uint64_t)sqlite3_column_int64(q, i) : 0);
		is_ok = is_ok && (p != NULL || len == 0) && EVP_MAC_update(mac, head, w.len) == 1 &&
			(len == 0 || EVP_MAC_update(mac, p, len) == 1);
	}
	return is_ok ? 0 : -EIO;
}

/*
 * One statement, so one moment. Rows are taken in the order of their tree: one in a wrong place, that
 * a search would miss, is seen too; so are triggers and indexes. A policy's bytes are bound by hash.
 */
static MUST_USE int seal_add(
	EVP_MAC_CTX *mac, sqlite3 *db, uint8_t ret_kept[STORE_HASH_BYTES], struct why *why)
{
	static const char sql[] =
		"SELECT 'seal', mac, NULL, NULL FROM seal "
		"UNION ALL SELECT 'schema', type, name, sql FROM sqlite_schema "
		"UNION ALL SELECT 'policy', hash, tenant, revoked FROM policy "
		"UNION ALL SELECT 'digest', hash, digest, NULL FROM digest "
		"UNION ALL SELECT 'host_data', host_data, hash, NULL FROM host_data "
		"UNION ALL SELECT 'minimum', tenant, name, serial FROM minimum "
		"UNION ALL SELECT 'revoked', tenant, name, serial FROM revoked";
	AUTO(db_stmt) sqlite3_stmt *q = NULL;

	int err = db_bind(db, sql, NULL, 0, &q, why);
	int row = err < 0 ? err : db_step(q, why);
	if (row < 0)
		return row;
	if (row == 0 || db_column(q, 1, ret_kept, STORE_HASH_BYTES) < 0)
		memset(ret_kept, 0, STORE_HASH_BYTES); /* no seal: it does not hold */
	while (err == 0 && row == 1) {
		row = db_step(q, why);
		if (row != 0)
			err = row < 0 ? row : row_add(mac, q);
	}
	return err;
}

static MUST_USE int seal_make(const struct store *s, uint8_t ret[STORE_HASH_BYTES],
	uint8_t ret_kept[STORE_HASH_BYTES], struct why *why)
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
	size_t len = 0;

	int err = mac == NULL || EVP_MAC_init(mac, s->seal_key.p, s->seal_key.len, params) != 1 ||
				  EVP_MAC_update(
					  mac, (const uint8_t *)SEAL_LABEL, sizeof SEAL_LABEL) != 1
			  ? -EIO
			  : seal_add(mac, s->db, ret_kept, why);
	if (err == 0 && EVP_MAC_final(mac, ret, &len, STORE_HASH_BYTES) != 1)
		err = -EIO;
	EVP_MAC_CTX_free(mac);
	EVP_MAC_free(hmac);
	return err;
}

static MUST_USE int seal_write(const struct store *s, struct why *why)
{
	uint8_t mac[STORE_HASH_BYTES], kept[STORE_HASH_BYTES];
	int err = seal_make(s, mac, kept, why);

	return err < 0 ? err
		       : db_run(s->db, "UPDATE seal SET mac=?", DB_VALUES(DB_BLOB(mac, sizeof mac)),
				 NULL, why);
}

/* The 1st, 2nd, 4th, 8th... time is in the log: whoever changed the file could fill it otherwise. */
static MUST_USE int seal_check(const struct store *s, struct why *why)
{
	static unsigned int n_broken; /* for the log alone */
	uint8_t mac[STORE_HASH_BYTES], kept[STORE_HASH_BYTES];

	int err = seal_make(s, mac, kept, why);
	if (err < 0 || secret_equal(mac, kept, sizeof mac))
		return err;
	n_broken++;
	if ((n_broken & (n_broken - 1)) == 0)
		log_err("store: what decides was changed from outside: refused %u times in this "
			"run",
			n_broken);
	return why_set(why, -EBADMSG,
		"store: the policy's row was changed from outside, or another one's: put an "
		"untouched copy of " DB_NAME " back");
}

/* --- transactions -------------------------------------------------------------------------------- */

/* Between BEGIN and COMMIT the seal was checked, and what was read for it stays as it was. */
static void reading_auto(sqlite3 **db)
{
	if (*db != NULL)
		(void)!db_script(*db, "ROLLBACK", NULL);
}

/* *ret stays NULL within a transaction that has begun already. */
static MUST_USE int reading_begin(const struct store *s, sqlite3 **ret, struct why *why)
{
	if (sqlite3_get_autocommit(s->db) == 0)
		return 0;
	int err = db_script(s->db, "BEGIN", why);
	if (err < 0)
		return err;
	*ret = s->db;
	return seal_check(s, why);
}

/* Run between BEGIN and COMMIT; after an error nothing has changed. */
static MUST_USE int change_end(const struct store *s, int err, struct why *why)
{
	if (err == 0)
		err = db_script(s->db, "COMMIT", why);
	if (err < 0)
		(void)!db_script(s->db, "ROLLBACK", NULL);
	return err;
}

/* The same for what the seal is over: a broken one is never made whole. */
static MUST_USE int sealed_begin(const struct store *s, struct why *why)
{
	int err = db_script(s->db, "BEGIN IMMEDIATE", why);

	if (err < 0)
		return err;
	err = seal_check(s, why);
	return err < 0 ? change_end(s, err, why) : 0;
}

static MUST_USE int sealed_end(const struct store *s, int err, struct why *why)
{
	return change_end(s, err == 0 ? seal_write(s, why) : err, why);
}

/* --- tables and keys ----------------------------------------------------------------------------- */

/* Tables and the data key, in one transaction. */
static MUST_USE int tables_make(struct store *s, const struct kek *kek, struct why *why)
{
	AUTO(secret) struct secret key = { 0 };
	uint8_t sealed[AEAD_SEALED(KEK_DATA_BYTES)];

	int err = secret_init(&key, KEK_DATA_BYTES);
	if (err == 0 && RAND_priv_bytes(key.p, (int)key.len) != 1)
		err = -EIO;
	if (err == 0)
		err = kek_seal(kek, s->dir_fd, &key, sealed, why);
	if (err == 0)
		err = db_script(s->db, schema, why);
	if (err == 0)
		err = db_run(s->db, "INSERT INTO store_key VALUES(?, ?)",
			DB_VALUES(DB_TEXT(kek_kind(kek)), DB_BLOB(sealed, sizeof sealed)), NULL,
			why);
	if (err == 0)
		err = seal_key_make(&key, &s->seal_key);
	return err < 0 ? err : seal_write(s, why);
}

static MUST_USE int key_read(struct store *s, const struct kek *kek, struct why *why)
{
	AUTO(db_stmt) sqlite3_stmt *q = NULL;
	uint8_t sealed[AEAD_SEALED(KEK_DATA_BYTES)];

	int err = db_bind(s->db, "SELECT kind, sealed FROM store_key", NULL, 0, &q, why);
	if (err == 0 && db_step(q, why) != 1)
		err = -EIO;
	const char *kind = err == 0 ? (const char *)sqlite3_column_text(q, 0) : NULL;
	if (err == 0 && (kind == NULL || db_column(q, 1, sealed, sizeof sealed) < 0))
		err = why_set(why, -EBADMSG, "store: its sealed key is damaged");
	if (err == 0 && strcmp(kind, kek_kind(kek)) != 0)
		err = why_set(why, -EIO,
			"the store's key is \"%.16s\", not \"%s\": give --config, and in it the "
			"store_key it was made with",
			kind, kek_kind(kek));
	if (err == 0)
		err = kek_open(kek, s->dir_fd, sealed, &s->key, why);
	secret_done(&s->seal_key);
	return err < 0 ? err : seal_key_make(&s->key, &s->seal_key);
}

/* Another process may make the tables at the same time: one of the two transactions waits. */
static MUST_USE int tables_find(
	struct store *s, const struct kek *kek, bool is_making, struct why *why)
{
	int64_t version = 0;
	int err = is_making ? db_script(s->db, "BEGIN IMMEDIATE", why) : 0;

	if (err == 0)
		err = number_read(s, "PRAGMA user_version", NULL, 0, 0, &version, why);
	if (err == 0 && version == 0)
		err = is_making ? tables_make(s, kek, why)
				: why_set(why, -EBADMSG, "store: " DB_NAME " holds nothing");
	if (err == 0 && version > 1)
		err = why_set(why, -EPROTONOSUPPORT, "store: made by a later version");
	if (err == 0 && is_making)
		err = db_script(s->db, "COMMIT", why);
	return err < 0 ? err : key_read(s, kek, why);
}

static MUST_USE int parts_open(
	struct store *s, const char *path, const struct kek *kek, bool is_making, struct why *why)
{
	static const struct kek local = { 0 };
	AUTO(fd) int evidence = -1;

	int err = folder_open(AT_FDCWD, path, is_making, &s->dir_fd);
	if (err == 0)
		err = folder_open(s->dir_fd, EVIDENCE, is_making, &evidence);
	if (err < 0)
		return why_set(why, err, "%s", strerrordesc_np(-err));
	if (is_making && faccessat(s->dir_fd, DB_NAME, F_OK, 0) < 0 &&
		faccessat(s->dir_fd, "policies", F_OK, 0) == 0)
		return why_set(why, -EIO,
			"it is of a version before 0.2: make a new one with casemate broker store "
			"import");
	err = db_open(s->dir_fd, DB_NAME, is_making, &s->db, why);
	return err < 0 ? err : tables_find(s, kek != NULL ? kek : &local, is_making, why);
}

/* What a path is not able to be is -EIO: -EACCES and -ENOENT are answers of a store that is there. */
static MUST_USE int store_start(
	const char *path, const struct kek *kek, bool is_making, struct store *ret, struct why *why)
{
	AUTO(store) struct store s = STORE_NONE;
	struct why cause = { 0 };
	int err = parts_open(&s, path, kek, is_making, &cause);

	if (err == -ENOENT && !is_making)
		return why_set(why, -EIO,
			"store %s: there is none; casemate broker secret put and policy put "
			"make one",
			path);
	if (err < 0)
		return why_set(why, err == -EACCES || err == -ENOENT ? -EIO : err, "store %s: %s",
			path, why_text(&cause, err));
	*ret = s;
	s = STORE_NONE;
	return 0;
}

int store_open(const char *path, const struct kek *kek, struct store *ret, struct why *why)
{
	return store_start(path, kek, true, ret, why);
}

int store_find(const char *path, const struct kek *kek, struct store *ret, struct why *why)
{
	return store_start(path, kek, false, ret, why);
}

void store_close(struct store *s)
{
	db_auto(&s->db);
	s->db = NULL;
	secret_done(&s->key);
	secret_done(&s->seal_key);
	fd_drop(&s->dir_fd);
}

int store_rekey(const struct store *s, const struct kek *kek, struct why *why)
{
	uint8_t sealed[AEAD_SEALED(KEK_DATA_BYTES)];
	int err = kek_seal(kek, s->dir_fd, &s->key, sealed, why);

	return err < 0 ? err
		       : db_run(s->db, "UPDATE store_key SET kind=?, sealed=?",
				 DB_VALUES(DB_TEXT(kek_kind(kek)), DB_BLOB(sealed, sizeof sealed)),
				 NULL, why);
}

/* --- secrets ------------------------------------------------------------------------------------- */

/* What a sealed secret is bound to: no row can take another's place, no version an earlier one's. */
struct binding {
	uint8_t bytes[LIMIT_POLICY_LABEL_BYTES + PATH_TEXT_MAX + 8];
	size_t len;
	char path[PATH_TEXT_MAX];
};

static MUST_USE int binding_make(
	struct binding *b, const char *tenant, const struct kbs_path *path, int64_t version)
{
	struct wr w = wr_of(b->bytes, sizeof b->bytes);

	(void)snprintf(
		b->path, sizeof b->path, "%s/%s/%s", path->part[0], path->part[1], path->part[2]);
	wr_copy(&w, tenant, strlen(tenant) + 1);
	wr_copy(&w, b->path, strlen(b->path) + 1);
	wr_le64(&w, (uint64_t)version);
	b->len = w.len;
	return wr_check(&w);
}

static MUST_USE int secret_write(const struct store *s, const char *tenant,
	const struct kbs_path *path, const struct secret *secret, struct why *why)
{
	uint8_t sealed[SEALED_MAX];
	struct binding b;
	int64_t version = 0;

	int err = secret->len <= LIMIT_SECRET_BYTES ? binding_make(&b, tenant, path, 0) : -EMSGSIZE;
	if (err == 0)
		err = number_read(s, "SELECT version FROM secret WHERE tenant=? AND path=?",
			DB_VALUES(DB_TEXT(tenant), DB_TEXT(b.path)), 0, &version, why);
	if (err == 0)
		err = binding_make(&b, tenant, path, version + 1);
	if (err == 0)
		err = aead_seal(s->key.p, b.bytes, b.len, secret->p, secret->len, sealed);
	return err < 0 ? err
		       : db_run(s->db, "INSERT OR REPLACE INTO secret VALUES(?, ?, ?, ?)",
				 DB_VALUES(DB_TEXT(tenant), DB_TEXT(b.path), DB_INT(version + 1),
					 DB_BLOB(sealed, AEAD_SEALED(secret->len))),
				 NULL, why);
}

int store_write_secret(const struct store *s, const char *tenant, const struct kbs_path *path,
	const struct secret *secret, struct why *why)
{
	int err = db_script(s->db, "BEGIN IMMEDIATE", why);

	if (err == 0)
		err = change_end(s, secret_write(s, tenant, path, secret, why), why);
	return err < 0 ? why_prefix(why, err, "cannot keep the secret") : 0;
}

int store_read_secret(const struct store *s, const char *tenant, const struct kbs_path *path,
	struct secret *ret, struct why *why)
{
	AUTO(db_stmt) sqlite3_stmt *q = NULL;
	AUTO(secret) struct secret got = { 0 };
	struct binding b;

	int err = binding_make(&b, tenant, path, 0);
	if (err == 0)
		err = db_bind(s->db, "SELECT version, sealed FROM secret WHERE tenant=? AND path=?",
			DB_VALUES(DB_TEXT(tenant), DB_TEXT(b.path)), &q, why);
	int row = err < 0 ? err : db_step(q, why);
	if (row <= 0)
		return row < 0 ? row : why_set(why, -ENOENT, "secret %s: there is none", b.path);
	err = binding_make(&b, tenant, path, sqlite3_column_int64(q, 0));
	int len = sqlite3_column_bytes(q, 1);
	if (err == 0)
		err = len > (int)AEAD_SEALED(0) && len <= (int)SEALED_MAX
			      ? secret_init(&got, (size_t)len - AEAD_SEALED(0))
			      : -EKEYREJECTED;
	if (err == 0)
		err = aead_open(
			s->key.p, b.bytes, b.len, sqlite3_column_blob(q, 1), (size_t)len, got.p);
	if (err < 0)
		return why_set(why, err, "secret %s: damaged in the store", b.path);

	*ret = secret_take(&got);
	return 0;
}

int store_remove_secret(
	const struct store *s, const char *tenant, const struct kbs_path *path, struct why *why)
{
	struct binding b;
	int n = 0;

	int err = binding_make(&b, tenant, path, 0);
	if (err == 0)
		err = db_run(s->db, "DELETE FROM secret WHERE tenant=? AND path=?",
			DB_VALUES(DB_TEXT(tenant), DB_TEXT(b.path)), &n, why);
	return err == 0 && n == 0
		       ? why_set(why, -ENOENT, "cannot remove secret %s: there is none", b.path)
		       : err;
}

/* --- policies ------------------------------------------------------------------------------------ */

static MUST_USE int digests_read(const struct store *s, const uint8_t hash[STORE_HASH_BYTES],
	struct store_policy *p, struct why *why)
{
	AUTO(db_stmt) sqlite3_stmt *q = NULL;
	int err = db_bind(s->db, "SELECT digest FROM digest WHERE hash=? ORDER BY digest",
		DB_VALUES(DB_BLOB(hash, STORE_HASH_BYTES)), &q, why);

	for (int row = err; row >= 0;) {
		row = db_step(q, why);
		if (row <= 0)
			return row;
		if (p->n_digests == ARRAY_LEN(p->digests) ||
			db_column(q, 0, p->digests[p->n_digests++], STORE_DIGEST_BYTES) < 0)
			return -EBADMSG;
	}
	return err;
}

static MUST_USE int policy_take(
	sqlite3_stmt *q, const uint8_t hash[STORE_HASH_BYTES], struct store_policy *p)
{
	uint8_t got[STORE_HASH_BYTES];
	const char *tenant = (const char *)sqlite3_column_text(q, 0);

	p->is_revoked = sqlite3_column_int64(q, 1) != 0;
	p->len = (size_t)sqlite3_column_bytes(q, 2);
	if (tenant == NULL || strlen(tenant) >= sizeof p->tenant || p->len > LIMIT_POLICY_BYTES)
		return -EBADMSG;
	memcpy(p->tenant, tenant, strlen(tenant) + 1);
	p->bytes = malloc(p->len + 1);
	if (p->bytes == NULL)
		return -ENOMEM;
	memcpy(p->bytes, sqlite3_column_blob(q, 2), p->len);
	p->bytes[p->len] = '\0';
	int err = policy_hash(p->bytes, p->len, got);
	return err == 0 && memcmp(got, hash, sizeof got) != 0 ? -EBADMSG : err;
}

int store_read_policy(const struct store *s, const uint8_t hash[STORE_HASH_BYTES],
	struct store_policy *ret, struct why *why)
{
	AUTO(store_policy) struct store_policy p = { 0 };
	AUTO(reading) sqlite3 *reading = NULL;
	AUTO(db_stmt) sqlite3_stmt *q = NULL;
	char hex[HEX_HASH + 1];

	wr_hex_str(hex, sizeof hex, hash, STORE_HASH_BYTES);
	int err = reading_begin(s, &reading, why);
	if (err == 0)
		err = db_bind(s->db, "SELECT tenant, revoked, bytes FROM policy WHERE hash=?",
			DB_VALUES(DB_BLOB(hash, STORE_HASH_BYTES)), &q, why);
	int row = err < 0 ? err : db_step(q, why);
	if (row <= 0)
		return row < 0 ? row : why_set(why, -ENOENT, "policy %s: not known here", hex);
	err = policy_take(q, hash, &p);
	if (err == 0)
		err = digests_read(s, hash, &p, NULL);
	if (err < 0)
		return why_set(why, err, "policy %s: damaged in the store", hex);

	*ret = p;
	p = (struct store_policy){ 0 };
	return 0;
}

void store_policy_done(struct store_policy *p)
{
	free(p->bytes);
	p->bytes = NULL;
}

int store_find_policy(const struct store *s, const uint8_t host_data[32],
	uint8_t ret_hash[STORE_HASH_BYTES], struct why *why)
{
	AUTO(reading) sqlite3 *reading = NULL;
	AUTO(db_stmt) sqlite3_stmt *q = NULL;
	int err = reading_begin(s, &reading, why);

	if (err == 0)
		err = db_bind(s->db,
			"SELECT hash FROM policy WHERE hash=?1 UNION ALL "
			"SELECT hash FROM host_data WHERE host_data=?1 LIMIT 1",
			DB_VALUES(DB_BLOB(host_data, 32)), &q, why);
	int row = err < 0 ? err : db_step(q, why);

	if (row <= 0)
		return row < 0 ? row : -ENOENT;
	return db_column(q, 0, ret_hash, STORE_HASH_BYTES);
}

static MUST_USE int policy_write(const struct store *s, const void *bytes, size_t len,
	const struct store_put *put, const uint8_t hash[STORE_HASH_BYTES], struct why *why)
{
	AUTO(store_policy) struct store_policy p = { 0 };
	const struct db_value id = DB_BLOB(hash, STORE_HASH_BYTES);

	int err = store_read_policy(s, hash, &p, why);
	if (err < 0 && err != -ENOENT)
		return err;
	why_clear(why); /* that it is not known yet is no reason for what follows */
	if (err == 0 && strcmp(p.tenant, put->tenant) != 0)
		return why_set(why, -EACCES, "this policy cannot be kept for this tenant");
	if (p.is_revoked)
		return why_set(
			why, -EACCES, "this policy was revoked; write one with a higher serial");
	err = store_check_serial(s, put->tenant, put->name, put->serial, why);
	if (err == 0)
		err = db_run(s->db, "INSERT OR IGNORE INTO policy VALUES(?, ?, 0, ?)",
			DB_VALUES(id, DB_TEXT(put->tenant), DB_BLOB(bytes, len)), NULL, why);
	for (size_t i = 0; err == 0 && i < put->n_digests; i++)
		err = db_run(s->db, "INSERT OR IGNORE INTO digest VALUES(?, ?)",
			DB_VALUES(id, DB_BLOB(put->digests[i], STORE_DIGEST_BYTES)), NULL, why);
	int n_changed = 1;
	if (err == 0 && put->host_data != NULL)
		err = db_run(s->db,
			"INSERT INTO host_data VALUES(?1, ?2) ON CONFLICT DO UPDATE SET hash=?2 "
			"WHERE (SELECT tenant FROM policy p WHERE p.hash=host_data.hash)=?3",
			DB_VALUES(DB_BLOB(put->host_data, 32), id, DB_TEXT(put->tenant)),
			&n_changed, why);
	if (err == 0 && n_changed == 0)
		err = why_set(why, -EACCES, "this host data cannot be kept for this tenant");
	int64_t n = 0;
	if (err == 0)
		err = number_read(
			s, "SELECT count(*) FROM digest WHERE hash=?", DB_VALUES(id), 0, &n, why);
	return err == 0 && n > LIMIT_BROKER_DIGESTS
		       ? why_set(why, -E2BIG, "more than %u launch digests for one policy",
				 LIMIT_BROKER_DIGESTS)
		       : err;
}

int store_write_policy(const struct store *s, const void *bytes, size_t len,
	const struct store_put *put, uint8_t ret_hash[STORE_HASH_BYTES], struct why *why)
{
	uint8_t hash[STORE_HASH_BYTES];

	int err = len <= LIMIT_POLICY_BYTES ? policy_hash(bytes, len, hash) : -EMSGSIZE;
	if (err < 0)
		return why_set(why, err, "cannot keep the policy: %s", strerrordesc_np(-err));
	err = sealed_begin(s, why);
	if (err == 0)
		err = sealed_end(s, policy_write(s, bytes, len, put, hash, why), why);
	if (err == 0)
		memcpy(ret_hash, hash, sizeof hash);
	return err;
}

int store_revoke_policy(const struct store *s, const char *tenant,
	const uint8_t hash[STORE_HASH_BYTES], struct why *why)
{
	char hex[HEX_HASH + 1];
	int n = 0;

	wr_hex_str(hex, sizeof hex, hash, STORE_HASH_BYTES);
	int err = sealed_begin(s, why);
	if (err < 0)
		return err;
	err = db_run(s->db, "UPDATE policy SET revoked=1 WHERE hash=?1 AND (?3 OR tenant=?2)",
		DB_VALUES(DB_BLOB(hash, STORE_HASH_BYTES), DB_TEXT(tenant != NULL ? tenant : ""),
			DB_INT(tenant == NULL)),
		&n, why);
	if (err == 0 && n == 0)
		err = why_set(why, -ENOENT, "policy %s: not known here", hex);
	return sealed_end(s, err, why);
}

int store_revoke_serial(const struct store *s, const char *tenant, const char *name,
	uint64_t serial, struct why *why)
{
	int err = sealed_begin(s, why);

	if (err < 0)
		return err;
	err = db_run(s->db, "INSERT OR IGNORE INTO revoked VALUES(?, ?, ?)",
		DB_VALUES(DB_TEXT(tenant), DB_TEXT(name), DB_INT(serial)), NULL, why);
	return sealed_end(s, err, why);
}

int store_set_minimum(const struct store *s, const char *tenant, const char *name, uint64_t serial,
	struct why *why)
{
	int n = 0;
	int err = sealed_begin(s, why);

	if (err < 0)
		return err;
	err = db_run(s->db,
		"INSERT INTO minimum VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET serial=?3 WHERE "
		"serial<=?3",
		DB_VALUES(DB_TEXT(tenant), DB_TEXT(name), DB_INT(serial)), &n, why);
	if (err == 0 && n == 0)
		err = why_set(why, -EACCES,
			"%s: the minimum serial is higher already, and never goes down", name);
	return sealed_end(s, err, why);
}

int store_check_serial(const struct store *s, const char *tenant, const char *name, uint64_t serial,
	struct why *why)
{
	AUTO(reading) sqlite3 *reading = NULL;
	int64_t minimum = 0;
	int64_t n = 0;

	int err = reading_begin(s, &reading, why);
	if (err == 0)
		err = number_read(s, "SELECT serial FROM minimum WHERE tenant=? AND name=?",
			DB_VALUES(DB_TEXT(tenant), DB_TEXT(name)), 0, &minimum, why);
	if (err == 0)
		err = number_read(s, "SELECT 1 FROM revoked WHERE tenant=? AND name=? AND serial=?",
			DB_VALUES(DB_TEXT(tenant), DB_TEXT(name), DB_INT(serial)), 0, &n, why);
	if (err < 0)
		return err;
	if ((int64_t)serial < minimum)
		return why_set(why, -EACCES, "%s: serial %llu is below the minimum, %lld", name,
			(unsigned long long)serial, (long long)minimum);
	return n != 0 ? why_set(why, -EACCES, "%s: serial %llu is revoked", name,
				(unsigned long long)serial)
		      : 0;
}

/* --- once per boot ------------------------------------------------------------------------------- */

int store_mark_released(const struct store *s, const uint8_t id[STORE_HASH_BYTES], struct why *why)
{
	struct why cause = { 0 };
	int err = db_run(s->db, "INSERT INTO released VALUES(?, ?)",
		DB_VALUES(DB_BLOB(id, STORE_HASH_BYTES), DB_INT(time(NULL))), NULL, &cause);

	if (err == -EEXIST)
		return why_set(why, err, "this boot of the guest has had the key already");
	return err < 0 ? why_set(why, err, "cannot remember a release: %s", cause.text) : 0;
}

void store_forget_released(const struct store *s, const uint8_t id[STORE_HASH_BYTES])
{
	(void)!db_run(s->db, "DELETE FROM released WHERE id=?",
		DB_VALUES(DB_BLOB(id, STORE_HASH_BYTES)), NULL, NULL);
}

/* --- evidence ------------------------------------------------------------------------------------ */

/* A new file, whole and on the disk; 0 also when it is there already. */
static MUST_USE int new_file_write(int folder, const uint8_t hash[STORE_HASH_BYTES],
	const char *suffix, const void *bytes, size_t len)
{
	char name[FILE_NAME_MAX];

	wr_hex_str(name, sizeof name, hash, STORE_HASH_BYTES);
	(void)strcat(name, suffix);
	AUTO(fd)
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	int err = fd_write_all(fd, bytes, len);
	if (err == 0 && fsync(fd) < 0)
		err = -errno;
	if (err < 0)
		(void)unlinkat(folder, name, 0);
	return err;
}

int store_write_evidence(const struct store *s, const uint8_t hash[STORE_HASH_BYTES],
	const void *report, size_t report_len, const void *certs, size_t certs_len, struct why *why)
{
	AUTO(fd) int folder = -1;

	int err = folder_open(s->dir_fd, EVIDENCE, false, &folder);
	if (err == 0)
		err = new_file_write(folder, hash, ".report", report, report_len);
	if (err == 0)
		err = new_file_write(folder, hash, ".certs", certs, certs_len);
	if (err == 0 && fsync(folder) < 0)
		err = -errno;
	return err < 0 ? why_set(why, err, "cannot keep evidence: %s", strerrordesc_np(-err)) : 0;
}

/* --- lists and owners ---------------------------------------------------------------------------- */

static MUST_USE int rows_list(const struct store *s, const char *sql, const char *tenant,
	store_each each, void *owner, struct why *why)
{
	AUTO(db_stmt) sqlite3_stmt *q = NULL;
	int err =
		db_bind(s->db, sql, DB_VALUES(DB_TEXT(tenant), DB_INT(LIMIT_BROKER_LIST)), &q, why);

	while (err == 0) {
		int row = db_step(q, why);
		if (row <= 0)
			return row;
		const char *text = (const char *)sqlite3_column_text(q, 0);
		err = text == NULL ? -ENOMEM : each(owner, text);
	}
	return err;
}

int store_list_secrets(
	const struct store *s, const char *tenant, store_each each, void *owner, struct why *why)
{
	return rows_list(s, "SELECT path FROM secret WHERE tenant=? ORDER BY path LIMIT ?", tenant,
		each, owner, why);
}

int store_list_policies(
	const struct store *s, const char *tenant, store_each each, void *owner, struct why *why)
{
	AUTO(reading) sqlite3 *reading = NULL;
	int err = reading_begin(s, &reading, why);

	return err < 0 ? err
		       : rows_list(s,
				 "SELECT lower(hex(hash)) FROM policy WHERE tenant=? ORDER BY hash "
				 "LIMIT ?",
				 tenant, each, owner, why);
}

/* The files of one folder; a second name could be anybody's file, linked here to be given away. */
static MUST_USE int folder_give(int folder, uid_t uid)
{
	DIR *d = fdopendir(folder);
	int err = d == NULL ? -errno : 0;

	for (const struct dirent *e; err == 0 && (e = readdir(d)) != NULL;) {
		struct stat st;
		if (e->d_name[0] == '.')
			continue;
		AUTO(fd)
		int fd =
			openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			err = -errno;
		else if (S_ISREG(st.st_mode) && st.st_nlink != 1)
			err = -EBADF;
		else if ((S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) &&
			 fchown(fd, uid, (gid_t)-1) < 0)
			err = -errno;
	}
	if (d != NULL)
		(void)closedir(d);
	else
		(void)close(folder);
	return err;
}

int store_give_to(const struct store *s, uid_t uid, struct why *why)
{
	static const char *const folders[] = { EVIDENCE, "." };
	int err = 0;

	for (size_t i = 0; err == 0 && i < ARRAY_LEN(folders); i++) {
		int fd = -1;
		err = folder_open(s->dir_fd, folders[i], false, &fd);
		if (err == 0)
			err = folder_give(fd, uid);
	}
	if (err == 0 && fchown(s->dir_fd, uid, (gid_t)-1) < 0)
		err = -errno;
	return err < 0 ? why_set(why, err, "cannot give the store to user %u: %s", uid,
				 strerrordesc_np(-err))
		       : 0;
}
