#include "attest/broker/broker_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/opts.h"
#include "base/wr.h"
#include "policy/policy.h"

#define FOLDER_FLAGS  (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define HEX_HASH      (2 * STORE_HASH_BYTES)
#define HEX_DIGEST    (2 * STORE_DIGEST_BYTES)
#define FILE_NAME_MAX (HEX_HASH + 16)
#define TREE_DEPTH    4u /* secrets/REPOSITORY/TYPE/TAG */

static const char *const folders[] = { "secrets", "policies", "released", "evidence" };

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

static MUST_USE int folders_open(const char *path, bool is_making, struct store *ret)
{
	AUTO(fd) int dir_fd = -1;

	int err = folder_open(AT_FDCWD, path, is_making, &dir_fd);
	for (size_t i = 0; err == 0 && i < ARRAY_LEN(folders); i++) {
		AUTO(fd) int fd = -1;
		err = folder_open(dir_fd, folders[i], is_making, &fd);
	}
	if (err == 0)
		ret->dir_fd = fd_take(&dir_fd);
	return err;
}

/* What a path is not able to be is -EIO: -EACCES and -ENOENT are answers of a store that is there. */
int store_open(const char *path, struct store *ret, struct why *why)
{
	int err = folders_open(path, true, ret);

	if (err < 0)
		return why_set(why, err == -EACCES || err == -ENOENT ? -EIO : err, "store %s: %s",
			path, strerrordesc_np(-err));
	return 0;
}

int store_find(const char *path, struct store *ret, struct why *why)
{
	int err = folders_open(path, false, ret);

	if (err == -ENOENT)
		return why_set(why, -EIO,
			"store %s: there is none; casemate broker secret put and policy put "
			"make one",
			path);
	return err < 0 ? why_set(why, -EIO, "store %s: %s", path, strerrordesc_np(-err)) : 0;
}

void store_close(struct store *s)
{
	fd_drop(&s->dir_fd);
}

/* Files and folders made by root belong to whoever the store belongs to. */
static MUST_USE int owner_copy(const struct store *s, int fd)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (fstat(s->dir_fd, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0)
		return -errno;
	return 0;
}

/* --- secrets ----------------------------------------------------------------------------------- */

/* The folder secrets/REPOSITORY/TYPE. */
static MUST_USE int secret_folder(
	const struct store *s, const struct kbs_path *path, bool is_making, int *ret)
{
	const char *const names[] = { folders[0], path->part[0], path->part[1] };
	AUTO(fd) int fd = dup(s->dir_fd);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(fd) int next = -1;
		int err = folder_open(fd, names[i], is_making, &next);
		if (err == 0 && is_making)
			err = owner_copy(s, next);
		if (err < 0)
			return err;
		fd_drop(&fd);
		fd = fd_take(&next);
	}

	*ret = fd_take(&fd);
	return 0;
}

static MUST_USE int owner_copy_at(const struct store *s, int folder, const char *name)
{
	AUTO(fd) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : owner_copy(s, fd);
}

int store_write_secret(const struct store *s, const struct kbs_path *path,
	const struct secret *secret, struct why *why)
{
	AUTO(fd) int folder = -1;

	int err = secret_folder(s, path, true, &folder);
	if (err == 0)
		err = fd_replace_file(folder, path->part[2], secret->p, secret->len, 0600, why);
	if (err == 0)
		err = owner_copy_at(s, folder, path->part[2]);
	return err < 0 ? why_set(why, err, "cannot keep the secret: %s", strerrordesc_np(-err)) : 0;
}

int store_read_secret(
	const struct store *s, const struct kbs_path *path, struct secret *ret, struct why *why)
{
	AUTO(fd) int folder = -1;
	AUTO(secret) struct secret got = { 0 };
	struct stat st;

	int err = secret_folder(s, path, false, &folder);
	AUTO(fd)
	int fd = err == 0 ? openat(folder, path->part[2], O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (err == 0 && (fd < 0 || fstat(fd, &st) < 0))
		err = -errno;
	if (err == 0 && !S_ISREG(st.st_mode))
		err = -ENOENT;
	if (err == 0)
		err = secret_init(&got, st.st_size > 0 ? (size_t)st.st_size : 0);
	if (err == 0)
		err = fd_pread_all(fd, got.p, got.len, 0);
	if (err < 0)
		return why_set(why, err, "secret %s/%s/%s: %s", path->part[0], path->part[1],
			path->part[2], strerrordesc_np(-err));

	*ret = secret_take(&got);
	return 0;
}

int store_remove_secret(const struct store *s, const struct kbs_path *path, struct why *why)
{
	AUTO(fd) int folder = -1;

	int err = secret_folder(s, path, false, &folder);
	if (err == 0 && (unlinkat(folder, path->part[2], 0) < 0 || fsync(folder) < 0))
		err = -errno;
	return err < 0 ? why_set(why, err, "cannot remove secret %s/%s/%s: %s", path->part[0],
				 path->part[1], path->part[2], strerrordesc_np(-err))
		       : 0;
}

/* --- policies ---------------------------------------------------------------------------------- */

static void policy_name(
	const uint8_t hash[STORE_HASH_BYTES], const char *suffix, char ret[FILE_NAME_MAX])
{
	struct wr w = wr_of(ret, FILE_NAME_MAX);

	wr_hex(&w, hash, STORE_HASH_BYTES);
	wr_str(&w, suffix);
	if (wr_end_str(&w) < 0)
		ret[0] = '\0'; /* cannot be: suffixes are ours */
}

static MUST_USE int file_read(
	int folder, const char *name, size_t max, uint8_t **ret, size_t *ret_len)
{
	AUTO(fd) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd_read_file(fd, max, ret, ret_len);
}

static MUST_USE int file_write(const struct store *s, int folder, const char *name,
	const void *bytes, size_t len, struct why *why)
{
	int err = fd_replace_file(folder, name, bytes, len, 0600, why);

	return err < 0 ? err : owner_copy_at(s, folder, name);
}

/* Lines of 96 hexadecimal digits. A missing file is an empty list. */
static MUST_USE int digests_read(int folder, const char *name, struct store_policy *p)
{
	char *text = NULL;
	size_t len = 0;

	int err = file_read(
		folder, name, LIMIT_BROKER_DIGESTS * (HEX_DIGEST + 1), (uint8_t **)&text, &len);
	if (err == -ENOENT)
		return 0;
	if (err == 0 && len % (HEX_DIGEST + 1) != 0)
		err = -EBADMSG;
	for (size_t at = 0; err == 0 && at < len; at += HEX_DIGEST + 1) {
		if (text[at + HEX_DIGEST] != '\n')
			err = -EBADMSG;
		text[at + HEX_DIGEST] = '\0';
		if (err == 0)
			err = opts_parse_hex(
				text + at, p->digests[p->n_digests++], STORE_DIGEST_BYTES);
	}
	free(text);
	return err;
}

int store_read_policy(const struct store *s, const uint8_t hash[STORE_HASH_BYTES],
	struct store_policy *ret, struct why *why)
{
	AUTO(store_policy) struct store_policy p = { 0 };
	AUTO(fd) int folder = -1;
	char name[FILE_NAME_MAX];
	uint8_t got[STORE_HASH_BYTES];

	int err = folder_open(s->dir_fd, folders[1], false, &folder);
	policy_name(hash, ".jsonc", name);
	if (err == 0)
		err = file_read(folder, name, LIMIT_POLICY_BYTES, &p.bytes, &p.len);
	if (err < 0)
		return why_set(why, err, "policy %.64s: %s", name,
			err == -ENOENT ? "not known here" : strerrordesc_np(-err));
	err = policy_hash(p.bytes, p.len, got);
	if (err == 0 && memcmp(got, hash, sizeof got) != 0)
		err = -EBADMSG;
	policy_name(hash, ".digests", name);
	if (err == 0)
		err = digests_read(folder, name, &p);
	if (err < 0)
		return why_set(why, err, "policy %.64s: damaged in the store", name);
	policy_name(hash, ".revoked", name);
	p.is_revoked = faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;

	*ret = p;
	p = (struct store_policy){ 0 };
	return 0;
}

void store_policy_done(struct store_policy *p)
{
	free(p->bytes);
	p->bytes = NULL;
}

static bool digest_is_there(const struct store_policy *p, const uint8_t digest[STORE_DIGEST_BYTES])
{
	for (size_t i = 0; i < p->n_digests; i++)
		if (memcmp(p->digests[i], digest, STORE_DIGEST_BYTES) == 0)
			return true;
	return false;
}

static MUST_USE int digests_write(const struct store *s, int folder, const char *name,
	const struct store_policy *p, struct why *why)
{
	char text[LIMIT_BROKER_DIGESTS * (HEX_DIGEST + 1)];
	struct wr w = wr_of(text, sizeof text);

	for (size_t i = 0; i < p->n_digests; i++) {
		wr_hex(&w, p->digests[i], STORE_DIGEST_BYTES);
		wr_str(&w, "\n");
	}
	return file_write(s, folder, name, text, w.len, why);
}

int store_write_policy(const struct store *s, const void *bytes, size_t len,
	const uint8_t digests[][STORE_DIGEST_BYTES], size_t n_digests,
	uint8_t ret_hash[STORE_HASH_BYTES], struct why *why)
{
	AUTO(store_policy) struct store_policy p = { 0 };
	AUTO(fd) int folder = -1;
	char name[FILE_NAME_MAX];
	uint8_t hash[STORE_HASH_BYTES];

	int err = policy_hash(bytes, len, hash);
	if (err == 0)
		err = folder_open(s->dir_fd, folders[1], false, &folder);
	if (err < 0)
		return why_set(why, err, "cannot keep the policy: %s", strerrordesc_np(-err));
	err = store_read_policy(s, hash, &p, NULL);
	if (err < 0 && err != -ENOENT)
		return why_set(why, err, "the policy is damaged in the store");
	if (p.is_revoked)
		return why_set(
			why, -EACCES, "this policy was revoked; write one with a higher serial");
	for (size_t i = 0; i < n_digests; i++) {
		if (digest_is_there(&p, digests[i]))
			continue;
		if (p.n_digests == ARRAY_LEN(p.digests))
			return why_set(why, -E2BIG, "more than %u launch digests for one policy",
				LIMIT_BROKER_DIGESTS);
		memcpy(p.digests[p.n_digests++], digests[i], STORE_DIGEST_BYTES);
	}
	policy_name(hash, ".digests", name);
	err = digests_write(s, folder, name, &p, why);
	policy_name(hash, ".jsonc", name);
	if (err == 0)
		err = file_write(s, folder, name, bytes, len, why);
	if (err < 0)
		return err;

	memcpy(ret_hash, hash, sizeof hash);
	return 0;
}

int store_revoke_policy(
	const struct store *s, const uint8_t hash[STORE_HASH_BYTES], struct why *why)
{
	AUTO(fd) int folder = -1;
	char name[FILE_NAME_MAX];

	int err = folder_open(s->dir_fd, folders[1], false, &folder);
	policy_name(hash, ".jsonc", name);
	if (err == 0 && faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	if (err < 0)
		return why_set(why, err, "policy %.64s: %s", name,
			err == -ENOENT ? "not known here" : strerrordesc_np(-err));
	policy_name(hash, ".revoked", name);
	return file_write(s, folder, name, "", 0, why);
}

/* --- once per boot ----------------------------------------------------------------------------- */

int store_mark_released(const struct store *s, const uint8_t id[STORE_HASH_BYTES], struct why *why)
{
	AUTO(fd) int folder = -1;
	char name[FILE_NAME_MAX];

	int err = folder_open(s->dir_fd, folders[2], false, &folder);
	policy_name(id, "", name);
	AUTO(fd)
	int fd = err == 0 ? openat(folder, name,
				    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)
			  : -1;
	if (err == 0 && (fd < 0 || fsync(fd) < 0 || fsync(folder) < 0))
		err = -errno;
	if (err == -EEXIST)
		return why_set(why, err, "this boot of the guest has had the key already");
	return err < 0 ? why_set(why, err, "cannot remember a release: %s", strerrordesc_np(-err))
		       : 0;
}

/* A new file, whole and on the disk; 0 also when it is there already. */
static MUST_USE int new_file_write(int folder, const char *name, const void *bytes, size_t len)
{
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
	char name[FILE_NAME_MAX];

	int err = folder_open(s->dir_fd, folders[3], false, &folder);
	if (err == 0) {
		policy_name(hash, ".report", name);
		err = new_file_write(folder, name, report, report_len);
	}
	if (err == 0) {
		policy_name(hash, ".certs", name);
		err = new_file_write(folder, name, certs, certs_len);
	}
	if (err == 0 && fsync(folder) < 0)
		err = -errno;
	return err < 0 ? why_set(why, err, "cannot keep evidence: %s", strerrordesc_np(-err)) : 0;
}

void store_forget_released(const struct store *s, const uint8_t id[STORE_HASH_BYTES])
{
	AUTO(fd) int folder = -1;
	char name[FILE_NAME_MAX];

	policy_name(id, "", name);
	if (folder_open(s->dir_fd, folders[2], false, &folder) == 0)
		(void)unlinkat(folder, name, 0);
}

/* --- lists and owners -------------------------------------------------------------------------- */

struct walk {
	const struct store *store;
	int (*file)(struct walk *w, int fd, const char *path);
	store_each each;
	void *owner;
	uid_t uid;
	unsigned int n;
};

/* Depth first, sorted by nothing; the file call gets the path below where the walk began. */
static MUST_USE int walk_folder(struct walk *w, int folder, const char *path, unsigned int depth)
{
	DIR *d = fdopendir(folder);
	int err = d == NULL ? -errno : 0;

	if (d == NULL)
		(void)close(folder);
	for (const struct dirent *e; err == 0 && (e = readdir(d)) != NULL;) {
		char below[FILE_NAME_MAX * TREE_DEPTH];
		struct stat st;
		if (e->d_name[0] == '.')
			continue;
		int n = snprintf(
			below, sizeof below, "%s%s%s", path, path[0] != '\0' ? "/" : "", e->d_name);
		AUTO(fd)
		int fd =
			openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (n < 0 || (size_t)n >= sizeof below || ++w->n > LIMIT_BROKER_LIST)
			err = -E2BIG;
		else if (fd < 0 || fstat(fd, &st) < 0)
			err = -errno;
		else if (!S_ISDIR(st.st_mode))
			err = w->file(w, fd, below);
		else if (depth > 0)
			err = w->each != NULL || fchown(fd, w->uid, (gid_t)-1) == 0
				      ? walk_folder(w, fd_take(&fd), below, depth - 1)
				      : -errno;
	}
	if (d != NULL)
		(void)closedir(d);
	return err;
}

static MUST_USE int walk_start(struct walk *w, const char *name)
{
	int fd = -1;
	int err = folder_open(w->store->dir_fd, name, false, &fd);

	return err < 0 ? err : walk_folder(w, fd, "", TREE_DEPTH);
}

static int secret_list(struct walk *w, int fd, const char *path)
{
	struct kbs_path parsed;

	return kbs_path_parse(path, &parsed, NULL) == 0 ? w->each(w->owner, path) : 0;
}

int store_list_secrets(const struct store *s, store_each each, void *owner, struct why *why)
{
	struct walk w = { .store = s, .file = secret_list, .each = each, .owner = owner };
	int err = walk_start(&w, folders[0]);

	return err < 0 ? why_set(why, err, "cannot list secrets: %s", strerrordesc_np(-err)) : 0;
}

static int policy_list(struct walk *w, int fd, const char *path)
{
	char hex[HEX_HASH + 1] = "";

	if (strlen(path) != HEX_HASH + strlen(".jsonc") || strcmp(path + HEX_HASH, ".jsonc") != 0)
		return 0;
	memcpy(hex, path, HEX_HASH);
	return w->each(w->owner, hex);
}

int store_list_policies(const struct store *s, store_each each, void *owner, struct why *why)
{
	struct walk w = { .store = s, .file = policy_list, .each = each, .owner = owner };
	int err = walk_start(&w, folders[1]);

	return err < 0 ? why_set(why, err, "cannot list policies: %s", strerrordesc_np(-err)) : 0;
}

static int file_give(struct walk *w, int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* A second name could be anybody's file, linked here to be given away. */
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return -EBADF;
	return fchown(fd, w->uid, (gid_t)-1) < 0 ? -errno : 0;
}

int store_give_to(const struct store *s, uid_t uid, struct why *why)
{
	struct walk w = { .store = s, .file = file_give, .uid = uid };
	int fd = openat(s->dir_fd, ".", FOLDER_FLAGS);
	int err = fd < 0 ? -errno : walk_folder(&w, fd, "", TREE_DEPTH);

	if (err == 0 && fchown(s->dir_fd, uid, (gid_t)-1) < 0)
		err = -errno;
	return err < 0 ? why_set(why, err, "cannot give the store to user %u: %s", uid,
				 strerrordesc_np(-err))
		       : 0;
}
