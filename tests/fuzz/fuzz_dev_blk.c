/*
 * The whole of casemate-dev-blk (device.h): dev_blk_run(), dev_blk_open(), every row of its requests,
 * vu_back and the ring under it. Its own records: u8 what, u16 KiB: 0 the disk becomes that short,
 * 1 nobody can write it any more.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/plan.h"
#include "tests/fuzz/device.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/device/dev_blk.h"
#include "vmm/super/sup_proto.h"

#define DISK_BYTES (256u << 10)

static int disk = -1;

static int blk_run(void)
{
	static struct dev_blk dev;

	memset(&dev, 0, sizeof dev);
	return dev_blk_run(&dev);
}

static unsigned int blk_config(uint8_t *ret_config, int *ret_fds)
{
	const struct wire_blk_config config = { .size = le64_of(DISK_BYTES),
		.flags = le32_of(PLAN_DISK_DISCARD),
		.id = "a disk with a long identifier" };

	disk = memfd_create("disk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ret_fds[0] = fcntl(disk, F_DUPFD_CLOEXEC, 0);
	if (disk < 0 || ftruncate(disk, DISK_BYTES) < 0 || ret_fds[0] < 0)
		abort();
	memcpy(ret_config, &config, sizeof config);
	return 1;
}

static void blk_act(struct front *f, struct chan *super, struct rd *r)
{
	bool is_seal = (rd_u8(r) & 1) != 0;
	off_t size = (off_t)(rd_le16(r) % (DISK_BYTES >> 10)) << 10;

	if (is_seal)
		(void)fcntl(disk, F_ADD_SEALS, F_SEAL_WRITE);
	else if (ftruncate(disk, size) < 0)
		abort();
}

static void blk_end(void)
{
	fd_drop(&disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct device_fuzz d = { .run = blk_run,
		.n_queues = 1,
		.config_len = sizeof(struct wire_blk_config),
		.config = blk_config,
		.act = blk_act,
		.end = blk_end };

	device_fuzz(&d, data, size);
	return 0;
}
