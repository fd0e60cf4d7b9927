#include "attest/endorse/endorse_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/endorse/endorse_need.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#define DEPTH_MAX 5 /* of folders: r-01234567/snp/Milan/<hwid>/ */

/* --- folders ---------------------------------------------------------------------------------- */

/* Make every folder of a path but its last part. */
static MUST_USE int parents_make(const char *path, struct why *why)
{
	char part[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/'); slash != NULL;
		slash = strchr(slash + 1, '/')) {
		int n = snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
		if (n < 0 || (size_t)n >= sizeof part)
			return why_set(why, -ENAMETOOLONG, "the path %.80s... is too long", path);
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return why_set(why, -EIO, "cannot make the folder %s: %s", part,
				strerrordesc_np(errno));
	}
	return 0;
}

/* The folder of an item, made where it is missing. Links of whoever may write there lead nowhere. */
static MUST_USE int item_folder_open(
	int fd, const char *name, int *ret_fd, const char **ret_file, struct why *why)
{
	AUTO(fd) int folder = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	for (const char *slash = NULL; folder >= 0 && (slash = strchr(name, '/')) != NULL;
		name = slash + 1) {
		char part[ENDORSE_NAME_MAX];
		(void)snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
		if (mkdirat(folder, part, 0755) < 0 && errno != EEXIST)
			return why_set(why, -EIO, "cannot make the folder %s: %s", part,
				strerrordesc_np(errno));
		int below = openat(folder, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (below < 0)
			return why_set(why, -EIO, "%s in the cache is no folder: %s", part,
				strerrordesc_np(errno));
		close(folder);
		folder = below;
	}
	if (folder < 0)
		return why_set(why, -EIO, "cannot open the cache: %s", strerrordesc_np(errno));
	*ret_fd = folder;
	*ret_file = name;
	folder = -1;
	return 0;
}

int endorse_store_open(const char *path, bool may_create, int *ret_fd, struct why *why)
{
	char whole[PATH_MAX];

	int n = snprintf(whole, sizeof whole, "%s/.", path);
	if (n < 0 || (size_t)n >= sizeof whole)
		return why_set(why, -ENAMETOOLONG, "the path %.80s... is too long", path);
	int err = may_create ? parents_make(whole, why) : 0;
	if (err < 0)
		return err;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return why_set(why, errno == ENOENT ? -ENOENT : -EIO,
			"cannot open the cache %s: %s", path, strerrordesc_np(errno));
	*ret_fd = fd;
	return 0;
}

void endorse_store_lock(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return;
	if (errno == EWOULDBLOCK)
		log_info("waiting for another program that writes to the cache");
	if (flock(fd, LOCK_EX) < 0)
		log_warn("cannot lock the cache: %s", strerrordesc_np(errno));
}

/* --- files ------------------------------------------------------------------------------------ */

static MUST_USE int file_read(int fd, const char *name, uint8_t **ret, size_t *ret_len)
{
	struct stat st;
	AUTO(fd) int file = openat(fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (file < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ENOENT : -EBADMSG;
	if (fstat(file, &st) < 0 || !S_ISREG(st.st_mode))
		return -EBADMSG;
	return fd_read_file(file, LIMIT_CERT_BLOB_BYTES, ret, ret_len);
}

int endorse_store_get(int fd, const struct endorse_trust *t, const char *name, uint8_t **ret,
	size_t *ret_len, struct endorse_item *ret_item, struct why *why)
{
	struct endorse_item item;
	uint8_t *p = NULL;
	size_t len = 0;
	int err = file_read(fd, name, &p, &len);

	if (err < 0)
		return why_set(why, err, "cannot be read");
	err = endorse_judge(t, p, len, &item, why);
	if (err == 0 && !endorse_name_fits(&item, name))
		err = why_set(why, -EBADMSG, "its place is %s", item.name);
	if (err < 0) {
		free(p);
		return err;
	}
	*ret = p;
	*ret_len = len;
	*ret_item = item;
	return 0;
}

int endorse_store_put(int fd, const struct endorse_trust *t, const char *hint, const uint8_t *buf,
	size_t len, struct endorse_item *ret, enum endorse_outcome *ret_outcome, struct why *why)
{
	struct endorse_item item, old;
	uint8_t *there = NULL;
	size_t there_len = 0;
	int err = endorse_judge(t, buf, len, &item, why);

	if (err < 0)
		return err;
	if (hint[0] != '\0' && endorse_name_fits(&item, hint))
		(void)snprintf(item.name, sizeof item.name, "%s", hint);
	*ret = item;
	if (endorse_store_get(fd, t, item.name, &there, &there_len, &old, NULL) == 0) {
		bool is_same = there_len == len && memcmp(there, buf, len) == 0;
		free(there);
		*ret_outcome = is_same ? ENDORSE_SAME : ENDORSE_OLDER;
		if (is_same || !endorse_is_newer(&item, &old))
			return 0;
	}
	AUTO(fd) int folder = -1;
	const char *file = NULL;
	err = item_folder_open(fd, item.name, &folder, &file, why);
	if (err == 0)
		err = fd_replace_file(folder, file, buf, len, 0644, why);
	if (err == 0)
		*ret_outcome = ENDORSE_STORED;
	return err;
}

static void cas_load(int fd, const char *realm, struct endorse_trust *t)
{
	char name[ENDORSE_NAME_MAX];

	for (size_t i = 0; endorse_need_ca(i, realm, name); i++) {
		uint8_t *p = NULL;
		size_t len = 0;
		if (file_read(fd, name, &p, &len) == 0)
			endorse_trust_add_candidate(t, p, len);
		free(p);
	}
}

void endorse_store_load_cas(int fd, struct endorse_trust *t)
{
	char realm[ENDORSE_REALM_MAX];

	for (size_t i = 0; i < t->roots.n; i++)
		if (endorse_realm(t->roots.at[i], realm) == 0 && realm[0] != '\0')
			cas_load(fd, realm, t);
	cas_load(fd, "", t);
}

/* --- everything ------------------------------------------------------------------------------- */

void endorse_names_done(struct endorse_names *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->at[i]);
	free(n->at);
	*n = (struct endorse_names){ 0 };
}

static MUST_USE int name_add(struct endorse_names *n, const char *name, struct why *why)
{
	if (n->at == NULL)
		n->at = calloc(LIMIT_ENDORSE_FILES, sizeof *n->at);
	if (n->at == NULL)
		return -ENOMEM;
	if (n->n == LIMIT_ENDORSE_FILES)
		return why_set(
			why, -EMSGSIZE, "the cache holds more than %u files", LIMIT_ENDORSE_FILES);
	char *copy = n->at[n->n++] = strndup(name, ENDORSE_NAME_MAX - 1);
	for (; copy != NULL && *copy != '\0'; copy++) /* no file of ours has such a name */
		*copy = *copy >= ' ' && *copy <= '~' ? *copy : '?';
	return copy == NULL ? -ENOMEM : 0;
}

/* prefix: of the names in it, "" or ending in a slash. */
static MUST_USE int folder_walk(
	int fd, const char *prefix, unsigned int depth, struct endorse_names *ret, struct why *why)
{
	AUTO(fd)
	int folder = openat(fd, prefix[0] == '\0' ? "." : prefix,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = folder < 0 ? NULL : fdopendir(folder);
	int err = d == NULL ? why_set(why, -EIO, "cannot list %s", prefix) : 0;

	if (d != NULL)
		folder = -1; /* closedir() closes it */
	for (struct dirent *e; err == 0 && (e = readdir(d)) != NULL;) {
		char name[PATH_MAX];
		struct stat st;
		int n = snprintf(name, sizeof name, "%s%s", prefix, e->d_name);
		if (e->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof name - 1 ||
			fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!S_ISDIR(st.st_mode))
			err = name_add(ret, name, why);
		else if (depth > 0) {
			memcpy(name + n, "/", 2);
			err = folder_walk(fd, name, depth - 1, ret, why);
		}
	}
	if (d != NULL)
		(void)closedir(d);
	return err;
}

static int name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int endorse_store_names(int fd, struct endorse_names *ret, struct why *why)
{
	struct endorse_names n = { 0 };
	int err = folder_walk(fd, "", DEPTH_MAX, &n, why);

	if (err < 0) {
		endorse_names_done(&n);
		return err;
	}
	if (n.n > 0)
		qsort(n.at, n.n, sizeof *n.at, name_order);
	*ret = n;
	return 0;
}

/* --- for one piece of evidence ---------------------------------------------------------------- */

static MUST_USE int realm_pick(int fd, const struct endorse_trust *t,
	const struct endorse_need *need, const char *realm, endorse_give_fn give, void *arg,
	struct why *why)
{
	char name[ENDORSE_NAME_MAX];
	int err = 0;

	for (size_t i = 0; err == 0 && endorse_need_name(need, i, realm, name); i++) {
		struct endorse_item item;
		uint8_t *p = NULL;
		size_t len = 0;
		if (endorse_store_get(fd, t, name, &p, &len, &item, NULL) == 0)
			err = give(arg, &item, p, len, why);
	}
	return err;
}

int endorse_store_pick(int fd, const struct endorse_trust *t, struct attest_blob evidence,
	endorse_give_fn give, void *arg, struct why *why)
{
	struct endorse_need need;
	char realm[ENDORSE_REALM_MAX];

	if (endorse_need_of(evidence, &need, NULL) < 0)
		return 0; /* evidence without endorsements of these kinds */
	int err = realm_pick(fd, t, &need, "", give, arg, why);
	for (size_t i = 0; err == 0 && i < t->roots.n; i++)
		if (endorse_realm(t->roots.at[i], realm) == 0 && realm[0] != '\0')
			err = realm_pick(fd, t, &need, realm, give, arg, why);
	return err;
}
