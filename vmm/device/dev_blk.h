/*
 * dev_blk: the virtio block device (virtio 1.2, 5.2) on one descriptor: a raw file or a block
 *          device.
 *
 * Trust:   none in the ring: sectors and lengths are checked against the size that CONFIG gave.
 *          The disk's bytes are passed on unread.
 * Owns:    the back end with its socket, the disk's descriptor.
 * Threads: one; requests are served one after the other.
 *
 * What the guest is told is done is done: a flush that failed once fails for good, because after a
 * failed fdatasync(2) nobody knows any more what is on the disk.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/loop.h"
#include "base/why.h"
#include "vmm/device/vu_back.h"

#define BLK_SECTOR_BYTES 512u
#define BLK_ID_BYTES     20u /* 5.2.6: VIRTIO_BLK_T_GET_ID */

struct dev_blk_setup {
	uint64_t size;  /* bytes the guest may reach; a multiple of BLK_SECTOR_BYTES is used */
	uint32_t flags; /* PLAN_DISK_* */
	const char *id; /* the guest sees the first BLK_ID_BYTES of it */
};

struct dev_blk {
	struct vu_back back;
	int disk;
	uint64_t sectors; /* capacity */
	bool is_read_only;
	bool may_discard;
	bool is_block_device;
	bool is_lost; /* a flush failed */
	char id[BLK_ID_BYTES];
	struct iovec iov[LIMIT_CHAIN_SEGS];
};

/*
 * Serve the disk on the vhost-user socket; takes both descriptors. -EINVAL with why: a size of
 * zero, unknown flags, a descriptor that is neither a file nor a block device, or is shorter.
 * why must live as long as d: the end of the relation is explained there.
 */
MUST_USE int dev_blk_open(struct dev_blk *d, struct loop *loop, int sock, int disk,
	const struct dev_blk_setup *setup, struct why *why);
void dev_blk_close(struct dev_blk *d);

/*
 * The whole process, from the channel to the exit status, which is returned (style rule 5); dev is
 * zero. Started by the supervisor only.
 */
MUST_USE int dev_blk_run(struct dev_blk *dev);
