#include "attest/broker/broker_import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/broker/broker_admin.h"
#include "base/fd.h"
#include "base/opts.h"
#include "policy/policy.h"

#define HEX_HASH   (2 * STORE_HASH_BYTES)
#define HEX_DIGEST (2 * STORE_DIGEST_BYTES)
#define DEPTH      3u /* secrets/REPOSITORY/TYPE/TAG */

struct import {
	const struct store *to;
	const struct broker_config *config;
	struct import_count n;
	struct policy *policy;
	int folder; /* policies: for the files beside the one at hand */
	int (*file)(struct import *im, int fd, const char *path, struct why *why);
};

static int secret_import(struct import *im, int fd, const char *path, struct why *why)
{
	AUTO(secret) struct secret secret = { 0 };
	struct kbs_path parsed;
	struct stat st;

	if (kbs_path_parse(path, &parsed, NULL) < 0)
		return 0; /* a half-written file, or none of ours */
	int err = fstat(fd, &st) < 0 ? -errno : 0;
	if (err == 0)
		err = secret_init(&secret, st.st_size > 0 ? (size_t)st.st_size : 0);
	if (err == 0)
		err = fd_pread_all(fd, secret.p, secret.len, 0);
	if (err == 0)
		err = store_write_secret(im->to, "", &parsed, &secret, why);
	im->n.secrets += err == 0;
	return err;
}

/* HASH.digests: lines of hexadecimal digits; split in place. */
static MUST_USE int digests_read(int folder, const char *hex, char *text, size_t size,
	const char *ret[LIMIT_BROKER_DIGESTS], size_t *ret_n)
{
	char name[HEX_HASH + 16];

	(void)snprintf(name, sizeof name, "%s.digests", hex);
	AUTO(fd) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, size - 1);
	if (len < 0)
		return -errno;
	text[len] = '\0';
	for (char *at = text, *line; (line = strsep(&at, "\n")) != NULL;) {
		if (line[0] == '\0')
			continue;
		if (*ret_n == LIMIT_BROKER_DIGESTS)
			return -E2BIG;
		ret[(*ret_n)++] = line;
	}
	return 0;
}

static int policy_import(struct import *im, int fd, const char *path, struct why *why)
{
	const char *digests[LIMIT_BROKER_DIGESTS];
	char text[LIMIT_BROKER_DIGESTS * (HEX_DIGEST + 1) + 1];
	char hex[HEX_HASH + 1] = "", name[HEX_HASH + 16];
	uint8_t hash[STORE_HASH_BYTES];
	uint8_t *bytes = NULL;
	size_t len = 0, n = 0;

	if (strlen(path) != HEX_HASH + strlen(".jsonc") || strcmp(path + HEX_HASH, ".jsonc") != 0)
		return 0;
	memcpy(hex, path, HEX_HASH);
	int err = digests_read(im->folder, hex, text, sizeof text, digests, &n);
	if (err == 0)
		err = fd_read_file(fd, LIMIT_POLICY_BYTES, &bytes, &len);
	if (err == 0)
		err = broker_put_policy(im->to, im->config, NULL, bytes, len, path, digests, n,
			NULL, im->policy, hash, why);
	free(bytes);
	(void)snprintf(name, sizeof name, "%s.revoked", hex);
	if (err == 0 && faccessat(im->folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		err = store_revoke_policy(im->to, NULL, hash, why);
	im->n.policies += err == 0;
	return err;
}

static int mark_import(struct import *im, int fd, const char *path, struct why *why)
{
	uint8_t id[STORE_HASH_BYTES];

	if (opts_parse_hex(path, id, sizeof id) < 0)
		return 0;
	int err = store_mark_released(im->to, id, why);
	im->n.released += err == 0;
	return err == -EEXIST ? 0 : err;
}

static MUST_USE int folder_import(
	struct import *im, int folder, const char *path, unsigned int depth, struct why *why)
{
	DIR *d = fdopendir(folder);
	int err = d == NULL ? -errno : 0;

	for (const struct dirent *e; err == 0 && (e = readdir(d)) != NULL;) {
		char below[DEPTH * (KBS_NAME_MAX + 17)];
		struct stat st;
		if (e->d_name[0] == '.')
			continue;
		int n = snprintf(
			below, sizeof below, "%s%s%s", path, path[0] != '\0' ? "/" : "", e->d_name);
		AUTO(fd)
		int fd =
			openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		im->folder = dirfd(d);
		if (n < 0 || (size_t)n >= sizeof below || fd < 0 || fstat(fd, &st) < 0)
			err = why_set(why, -EIO, "%s: cannot be read", e->d_name);
		else if (S_ISREG(st.st_mode))
			err = im->file(im, fd, below, why);
		else if (S_ISDIR(st.st_mode) && depth > 1)
			err = folder_import(im, fd_take(&fd), below, depth - 1, why);
		if (err < 0)
			err = why_prefix(why, err, "%s", below);
	}
	if (d != NULL)
		(void)closedir(d);
	else
		(void)close(folder);
	return err;
}

int store_import(const struct store *s, const struct broker_config *config, const char *old_path,
	struct import_count *ret, struct why *why)
{
	static const struct {
		const char *name;
		unsigned int depth;
		int (*file)(struct import *im, int fd, const char *path, struct why *why);
	} parts[] = {
		{ "secrets", DEPTH, secret_import },
		{ "policies", 1, policy_import },
		{ "released", 1, mark_import },
	};
	AUTO(fd) int old = open(old_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct import im = { .to = s, .config = config, .policy = malloc(sizeof *im.policy) };
	int err = old < 0 ? why_set(why, -EIO, "%s: %s", old_path, strerrordesc_np(errno))
		  : im.policy == NULL ? -ENOMEM
				      : 0;

	for (size_t i = 0; err == 0 && i < ARRAY_LEN(parts); i++) {
		int fd =
			openat(old, parts[i].name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		im.file = parts[i].file;
		err = fd < 0 ? why_set(why, -EIO, "%s: no %s: not an old store", old_path,
				       parts[i].name)
			     : folder_import(&im, fd, "", parts[i].depth, why);
	}
	free(im.policy);
	*ret = im.n;
	return err;
}
