/*
 * agent_disk: the two disks of a guest: the root file system behind dm-verity, the volume behind
 *             dm-crypt.
 *
 * Trust:   none in what lies on the disks. The root hash is measured; the header of the volume is
 *          judged before the key touches it (agent_luks.h).
 * Owns:    the mapped devices, by name; agent_disk_close() releases them.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/secret.h"
#include "base/why.h"

#define AGENT_MAP_ROOT   "casemate-root"
#define AGENT_MAP_VOLUME "casemate-volume"

/* Wait until the block device is there: /dev/NAME. -ENODEV with why after ten seconds. */
MUST_USE int agent_disk_wait(const char *name, struct why *why);

/*
 * Map the root read-only at /dev/mapper/AGENT_MAP_ROOT. The superblock on the disk must ask for what
 * we take (SHA-256, blocks of 4096) and for exactly the data before offset; the hash tree must lead
 * to root_hash. -EACCES with why.
 */
MUST_USE int agent_disk_open_root(
	const char *name, const uint8_t root_hash[32], uint64_t offset, struct why *why);

/* Map the volume at /dev/mapper/AGENT_MAP_VOLUME with this passphrase. -EACCES, -EKEYREJECTED. */
MUST_USE int agent_disk_open_volume(
	const char *name, const struct secret *key, bool is_authenticated, struct why *why);

/* Unmap; a device that is not mapped is fine. */
void agent_disk_close(const char *map_name);
