#include "attest/agent/agent_disk.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "attest/agent/agent_luks.h"

#define BLOCK_BYTES 4096u
#define WAIT_MS     10000u
#define POLL_MS     10u
#define SALT_MAX    256u

static void crypt_auto(struct crypt_device **cd)
{
	crypt_free(*cd);
}

/* libcryptsetup's own words, the last of them, for why. */
static void words_keep(int level, const char *text, void *owner)
{
	char *kept = owner;

	if (level == CRYPT_LOG_ERROR)
		(void)snprintf(kept, WHY_TEXT_MAX / 2, "%.*s", (int)strcspn(text, "\n"), text);
}

int agent_disk_wait(const char *name, struct why *why)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof path, "/dev/%s", name);
	for (unsigned int ms = 0; ms < WAIT_MS; ms += POLL_MS) {
		if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	return why_set(why, -ENODEV, "there is no disk %s", path);
}

static MUST_USE int device_open(
	const char *name, char *words, struct crypt_device **ret, struct why *why)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/dev/%s", name);
	words[0] = '\0';
	int err = crypt_init(ret, path);
	if (err < 0)
		return why_set(why, err, "cannot open %s: %s", path, strerrordesc_np(-err));
	crypt_set_log_callback(*ret, words_keep, words);
	return 0;
}

/* What the superblock chose must be what we would have chosen. */
static MUST_USE int superblock_check(
	struct crypt_device *cd, const char *name, uint64_t offset, struct why *why)
{
	struct crypt_params_verity p = { 0 };

	int err = crypt_get_verity_info(cd, &p);
	if (err < 0)
		return why_set(why, err, "%s: no dm-verity superblock", name);
	if (p.hash_name == NULL || strcmp(p.hash_name, "sha256") != 0 || p.hash_type != 1)
		return why_set(
			why, -EACCES, "%s: dm-verity superblock: want SHA-256, type 1", name);
	if (p.data_block_size != BLOCK_BYTES || p.hash_block_size != BLOCK_BYTES ||
		p.salt_size > SALT_MAX)
		return why_set(why, -EACCES, "%s: dm-verity superblock: want blocks of %u", name,
			BLOCK_BYTES);
	if (p.data_size != offset / BLOCK_BYTES)
		return why_set(why, -EACCES,
			"%s: dm-verity superblock: %llu blocks of data, the command line says %llu",
			name, (unsigned long long)p.data_size,
			(unsigned long long)(offset / BLOCK_BYTES));
	return 0;
}

int agent_disk_open_root(
	const char *name, const uint8_t root_hash[32], uint64_t offset, struct why *why)
{
	AUTO(crypt) struct crypt_device *cd = NULL;
	char path[64];
	char words[WHY_TEXT_MAX];
	struct crypt_params_verity params = { .data_device = path, .hash_area_offset = offset };

	(void)snprintf(path, sizeof path, "/dev/%s", name);
	int err = device_open(name, words, &cd, why);
	if (err < 0)
		return err;
	err = crypt_load(cd, CRYPT_VERITY, &params);
	if (err < 0)
		return why_set(why, -EACCES, "%s: no dm-verity superblock at byte %llu: %s", name,
			(unsigned long long)offset,
			words[0] != '\0' ? words : strerrordesc_np(-err));
	err = superblock_check(cd, name, offset, why);
	if (err < 0)
		return err;
	err = crypt_activate_by_volume_key(
		cd, AGENT_MAP_ROOT, (const char *)root_hash, 32, CRYPT_ACTIVATE_READONLY);
	return err < 0 ? why_set(why, -EACCES,
				 "%s: the root hash of the command line does not fit: %s", name,
				 words[0] != '\0' ? words : strerrordesc_np(-err))
		       : 0;
}

int agent_disk_open_volume(
	const char *name, const struct secret *key, bool is_authenticated, struct why *why)
{
	AUTO(crypt) struct crypt_device *cd = NULL;
	char words[WHY_TEXT_MAX];
	const char *json = NULL;

	int err = device_open(name, words, &cd, why);
	if (err < 0)
		return err;
	err = crypt_load(cd, CRYPT_LUKS2, NULL);
	if (err < 0)
		return why_set(why, -EACCES, "%s: not a LUKS2 volume: %s", name,
			words[0] != '\0' ? words : strerrordesc_np(-err));
	/* Judged and used is one copy: libcryptsetup keeps what it has loaded. */
	if (crypt_dump_json(cd, &json, 0) < 0 || json == NULL)
		return why_set(why, -EBADMSG, "%s: the LUKS2 header cannot be read", name);
	err = agent_luks_check(json, strlen(json), is_authenticated, why);
	if (err < 0)
		return why_prefix(why, err, "%s", name);
	err = crypt_activate_by_passphrase(
		cd, AGENT_MAP_VOLUME, CRYPT_ANY_SLOT, (const char *)key->p, key->len, 0);
	if (err == -EPERM)
		return why_set(why, -EKEYREJECTED, "%s: the released key does not open it", name);
	return err < 0 ? why_set(why, err, "%s: cannot be mapped: %s", name,
				 words[0] != '\0' ? words : strerrordesc_np(-err))
		       : 0;
}

void agent_disk_close(const char *map_name)
{
	if (crypt_status(NULL, map_name) >= CRYPT_ACTIVE)
		(void)crypt_deactivate(NULL, map_name);
}
