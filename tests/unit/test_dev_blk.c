/* The block device, the real program in its sandbox, on files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/plan.h"
#include "tests/unit/cm.h"
#include "tests/unit/vu_front.h"
#include "vmm/device/dev_blk.h"
#include "vmm/super/sup_proto.h"

#define DISK_BYTES (1u << 20)
#define SECTORS    (DISK_BYTES / 512)

/* Where the parts of a request are. */
#define AT_HDR    FRONT_DATA
#define AT_STATUS (FRONT_DATA + 0x800)
#define AT_PIECES (FRONT_DATA + 0x900)
#define AT_DATA   (FRONT_DATA + 0x1000)

#define FEATURES  (VRING_F_INDIRECT | 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_SEG_MAX)

struct blk {
	struct front f;
	int disk;
};

static void disk_fill(int fd)
{
	uint8_t sector[512];

	for (unsigned int i = 0; i < SECTORS; i++) {
		memset(sector, (int)(i * 7 + 1), sizeof sector);
		if (pwrite(fd, sector, sizeof sector, (off_t)i * 512) != (ssize_t)sizeof sector)
			abort();
	}
}

static int disk_make(void)
{
	char path[] = "/tmp/casemate-test-blk-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0)
		return -1;
	(void)unlink(path);
	disk_fill(fd);
	return fd;
}

/* Run on b->disk. */
static int blk_run(struct blk *b, uint32_t flags, uint64_t features)
{
	struct wire_blk_config config = { .size = le64_of((uint64_t)lseek(b->disk, 0, SEEK_END)),
		.flags = le32_of(flags),
		.id = "settlement-disk" };
	struct why why = { 0 };

	int err = front_start(&b->f, ROLE_DEV_BLK, &config, sizeof config, &b->disk, 1, &why);
	if (err == 0)
		err = front_run(&b->f, features, 1);
	if (err < 0)
		print_error("blk: %d %s\n", err, why.text);
	return err;
}

static struct blk blk;

static int plain_start(void **state)
{
	*state = &blk;
	blk.disk = disk_make();
	return blk_run(&blk, PLAN_DISK_DISCARD, FEATURES);
}

/* A disk with more than one request may move. */
static int large_start(void **state)
{
	*state = &blk;
	blk.disk = disk_make();
	if (ftruncate(blk.disk, 2 * (off_t)LIMIT_BLK_REQUEST_BYTES) < 0)
		return -1;
	return blk_run(&blk, 0, FEATURES);
}

static int read_only_start(void **state)
{
	*state = &blk;
	blk.disk = disk_make();
	return blk_run(&blk, PLAN_DISK_READ_ONLY, FEATURES);
}

static int no_discard_start(void **state)
{
	*state = &blk;
	blk.disk = disk_make();
	return blk_run(&blk, 0, FEATURES);
}

static int event_idx_start(void **state)
{
	*state = &blk;
	blk.disk = disk_make();
	return blk_run(&blk, 0, FEATURES | VRING_F_EVENT_IDX);
}

static int no_flush_start(void **state)
{
	*state = &blk;
	blk.disk = disk_make();
	return blk_run(&blk, 0, VRING_F_INDIRECT);
}

/* tmpfs cannot make a range of zeros: they are written. */
static int tmpfs_start(void **state)
{
	*state = &blk;
	blk.disk = memfd_create("disk", MFD_CLOEXEC);
	disk_fill(blk.disk);
	return blk_run(&blk, 0, FEATURES);
}

/* A real block device, where loop devices are to be had; else blk.disk is -1. */
static int loop_device_start(void **state)
{
	AUTO(fd) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	AUTO(fd) int file = disk_make();
	char path[32];

	*state = &blk;
	blk.disk = -1;
	int n = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	if (n < 0)
		return 0;
	(void)snprintf(path, sizeof path, "/dev/loop%d", n);
	AUTO(fd) int disk = open(path, O_RDWR | O_CLOEXEC);
	struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
	if (disk < 0 || ioctl(disk, LOOP_SET_FD, file) < 0)
		return 0;
	if (ioctl(disk, LOOP_SET_STATUS64, &info) < 0) {
		(void)ioctl(disk, LOOP_CLR_FD);
		return -1;
	}
	blk.disk = fd_take(&disk);
	return blk_run(&blk, PLAN_DISK_DISCARD, FEATURES);
}

static int blk_stop(void **state)
{
	struct blk *b = *state;

	if (b->disk >= 0)
		front_close(&b->f);
	fd_drop(&b->disk);
	return 0;
}

/* One request; returns the status byte, and in *ret_len what the device says it wrote. */
static int request(struct blk *b, uint32_t type, uint64_t sector, uint32_t at, uint32_t len,
	bool device_writes, int *ret_len)
{
	struct {
		le32 type;
		le32 zero;
		le64 sector;
	} hdr = { le32_of(type), le32_of(0), le64_of(sector) };
	struct buf bufs[3] = { { AT_HDR, sizeof hdr, false }, { at, len, device_writes },
		{ AT_STATUS, 1, true } };

	memcpy(b->f.ram + AT_HDR, &hdr, sizeof hdr);
	b->f.ram[AT_STATUS] = 0xee;
	if (len == 0)
		bufs[1] = bufs[2];
	*ret_len = front_do(&b->f, 0, bufs, len == 0 ? 2 : 3);
	return b->f.ram[AT_STATUS];
}

static int pieces_request(struct blk *b, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	struct {
		le64 sector;
		le32 n;
		le32 flags;
	} piece = { le64_of(sector), le32_of(n), le32_of(flags) };
	int len;

	memcpy(b->f.ram + AT_PIECES, &piece, sizeof piece);
	return request(b, type, 0, AT_PIECES, sizeof piece, false, &len);
}

static void config_says_what_the_disk_is(void **state)
{
	struct blk *b = *state;
	struct virtio_blk_config c;
	struct vu_config ask = { .size = le32_of(60) };
	struct vu_config got;

	assert_int_equal(front_call(&b->f, VU_GET_CONFIG, &ask, VU_CONFIG_MSG_BYTES(60), NULL, 0,
				 &got, VU_CONFIG_MSG_BYTES(60)),
		0);
	memcpy(&c, got.payload, sizeof c);
	assert_int_equal(c.capacity, SECTORS);
	assert_int_equal(c.blk_size, 512);
	assert_int_equal(c.seg_max, 126);
	assert_int_equal(c.size_max, LIMIT_BLK_SEG_BYTES);
	assert_int_equal(c.max_write_zeroes_seg, 1);
	const uint64_t want = 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_DISCARD |
			      1ull << VIRTIO_BLK_F_WRITE_ZEROES | 1ull << 32 | 1ull << 33;
	assert_int_equal(b->f.features & want, want);
	assert_int_equal(b->f.features & 1ull << VIRTIO_BLK_F_RO, 0);
}

static void sectors_are_read(void **state)
{
	struct blk *b = *state;
	uint8_t want[4096];
	int len;

	assert_int_equal(pread(b->disk, want, sizeof want, 512), (int)sizeof want);
	assert_int_equal(
		request(b, VIRTIO_BLK_T_IN, 1, AT_DATA, 4096, true, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 4097);
	assert_memory_equal(b->f.ram + AT_DATA, want, sizeof want);
}

static void last_sector_is_read_and_the_next_is_not(void **state)
{
	struct blk *b = *state;
	int len;

	assert_int_equal(request(b, VIRTIO_BLK_T_IN, SECTORS - 1, AT_DATA, 512, true, &len),
		VIRTIO_BLK_S_OK);
	assert_int_equal(
		request(b, VIRTIO_BLK_T_IN, SECTORS, AT_DATA, 512, true, &len), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(b, VIRTIO_BLK_T_IN, SECTORS - 1, AT_DATA, 1024, true, &len),
		VIRTIO_BLK_S_IOERR);
	assert_int_equal(len, 1);
	assert_int_equal(request(b, VIRTIO_BLK_T_IN, UINT64_MAX, AT_DATA, 512, true, &len),
		VIRTIO_BLK_S_IOERR);
	assert_int_equal(
		request(b, VIRTIO_BLK_T_IN, UINT64_MAX / 512 + 1, AT_DATA, 512, true, &len),
		VIRTIO_BLK_S_IOERR);
	assert_int_equal(
		request(b, VIRTIO_BLK_T_IN, 0, AT_DATA, 500, true, &len), VIRTIO_BLK_S_IOERR);
}

static void written_sectors_are_in_the_file(void **state)
{
	struct blk *b = *state;
	uint8_t back[8192];
	int len;

	for (unsigned int i = 0; i < sizeof back; i++)
		b->f.ram[AT_DATA + i] = (uint8_t)(i ^ i >> 8);
	assert_int_equal(request(b, VIRTIO_BLK_T_OUT, 100, AT_DATA, sizeof back, false, &len),
		VIRTIO_BLK_S_OK);
	assert_int_equal(len, 1);
	assert_int_equal(request(b, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(b->disk, back, sizeof back, 51200), (int)sizeof back);
	assert_memory_equal(back, b->f.ram + AT_DATA, sizeof back);
	/* The neighbours are as they were. */
	assert_int_equal(pread(b->disk, back, 1, 51199), 1);
	assert_int_equal(back[0], (uint8_t)(99 * 7 + 1));
	assert_int_equal(pread(b->disk, back, 1, 51200 + 8192), 1);
	assert_int_equal(back[0], (uint8_t)(116 * 7 + 1));
}

static void writes_past_the_end_change_nothing(void **state)
{
	struct blk *b = *state;
	struct stat st;
	int len;

	assert_int_equal(request(b, VIRTIO_BLK_T_OUT, SECTORS - 1, AT_DATA, 1024, false, &len),
		VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(b, VIRTIO_BLK_T_OUT, SECTORS, AT_DATA, 512, false, &len),
		VIRTIO_BLK_S_IOERR);
	assert_int_equal(fstat(b->disk, &st), 0);
	assert_int_equal(st.st_size, DISK_BYTES);
	uint8_t last;
	assert_int_equal(pread(b->disk, &last, 1, DISK_BYTES - 1), 1);
	assert_int_equal(last, (uint8_t)((SECTORS - 1) * 7 + 1));
}

static void scattered_request_is_served(void **state)
{
	struct blk *b = *state;
	const struct {
		le32 type;
		le32 zero;
		le64 sector;
	} hdr = { le32_of(VIRTIO_BLK_T_IN), le32_of(0), le64_of(2) };
	/* Header in two pieces, data in odd ones, the status byte glued to the last (2.7.4). */
	const struct buf bufs[] = {
		{ AT_HDR, 5, false },
		{ AT_HDR + 5, 11, false },
		{ AT_DATA, 100, true },
		{ AT_DATA + 200, 900, true },
		{ AT_DATA + 2000, 25, true },
	};
	uint8_t want[1024];

	memcpy(b->f.ram + AT_HDR, &hdr, sizeof hdr);
	assert_int_equal(pread(b->disk, want, sizeof want, 1024), (int)sizeof want);
	assert_int_equal(front_do(&b->f, 0, bufs, ARRAY_LEN(bufs)), 1025);
	assert_memory_equal(b->f.ram + AT_DATA, want, 100);
	assert_memory_equal(b->f.ram + AT_DATA + 200, want + 100, 900);
	assert_memory_equal(b->f.ram + AT_DATA + 2000, want + 1000, 24);
	assert_int_equal(b->f.ram[AT_DATA + 2024], VIRTIO_BLK_S_OK);
}

static void id_is_told(void **state)
{
	struct blk *b = *state;
	int len;

	assert_int_equal(
		request(b, VIRTIO_BLK_T_GET_ID, 0, AT_DATA, 20, true, &len), VIRTIO_BLK_S_OK);
	assert_string_equal((const char *)b->f.ram + AT_DATA, "settlement-disk");
}

static void unknown_requests_are_unsupported(void **state)
{
	static const uint32_t types[] = { 2, 3, 5, 6, 7, 12, 14, 100, UINT32_MAX };
	struct blk *b = *state;
	int len;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		assert_int_equal(
			request(b, types[i], 0, AT_DATA, 512, false, &len), VIRTIO_BLK_S_UNSUPP);
}

static void discard_gives_space_back(void **state)
{
	struct blk *b = *state;
	struct stat before;
	struct stat after;
	uint8_t byte;

	assert_int_equal(fstat(b->disk, &before), 0);
	assert_int_equal(pieces_request(b, VIRTIO_BLK_T_DISCARD, 512, 1024, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(fstat(b->disk, &after), 0);
	assert_int_equal(after.st_size, DISK_BYTES);
	assert_true(after.st_blocks < before.st_blocks);
	assert_int_equal(pread(b->disk, &byte, 1, 511 * 512), 1);
	assert_int_equal(byte, (uint8_t)(511 * 7 + 1));
	assert_int_equal(pread(b->disk, &byte, 1, 512 * 512), 1);
	assert_int_equal(byte, 0);
	assert_int_equal(pread(b->disk, &byte, 1, 1536 * 512), 1);
	assert_int_equal(byte, (uint8_t)(1536 * 7 + 1));
}

static void zeroes_are_written(void **state)
{
	struct blk *b = *state;
	static const uint8_t zero[1024];
	uint8_t back[1024];

	for (uint32_t flags = 0; flags < 2; flags++) {
		assert_int_equal(
			pieces_request(b, VIRTIO_BLK_T_WRITE_ZEROES, 10 + 10 * flags, 2, flags),
			VIRTIO_BLK_S_OK);
		assert_int_equal(pread(b->disk, back, 1024, (10 + 10 * (int)flags) * 512), 1024);
		assert_memory_equal(back, zero, 1024);
	}
	uint8_t byte;
	assert_int_equal(pread(b->disk, &byte, 1, 12 * 512), 1);
	assert_int_equal(byte, 12 * 7 + 1);
}

static void bad_pieces_are_refused(void **state)
{
	static const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t n;
		uint32_t flags;
		int status;
	} bad[] = {
		{ VIRTIO_BLK_T_DISCARD, 0, 8, 1, VIRTIO_BLK_S_UNSUPP }, /* unmap is for zeroes */
		{ VIRTIO_BLK_T_DISCARD, 0, 8, 2, VIRTIO_BLK_S_UNSUPP }, /* reserved */
		{ VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0x80000001, VIRTIO_BLK_S_UNSUPP },
		{ VIRTIO_BLK_T_DISCARD, 0, 0, 0, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, SECTORS - 7, 8, 0, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, UINT64_MAX, 8, 0, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_WRITE_ZEROES, UINT64_MAX / 512 + 1, 1, 0, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_WRITE_ZEROES, 0, LIMIT_BLK_ZERO_SECTORS + 1, 0, VIRTIO_BLK_S_IOERR },
	};
	struct blk *b = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
			pieces_request(b, bad[i].type, bad[i].sector, bad[i].n, bad[i].flags),
			bad[i].status);
	uint8_t byte;
	assert_int_equal(pread(b->disk, &byte, 1, 0), 1);
	assert_int_equal(byte, 1);
}

static void odd_or_too_many_pieces_are_refused(void **state)
{
	static const uint32_t lens[] = { 1, 15, 17, 16 * (LIMIT_BLK_PIECES + 1) };
	struct blk *b = *state;
	int len;

	for (size_t i = 0; i < ARRAY_LEN(lens); i++)
		assert_int_equal(request(b, VIRTIO_BLK_T_DISCARD, 0, AT_DATA, lens[i], false, &len),
			VIRTIO_BLK_S_IOERR);
	assert_int_equal(
		request(b, VIRTIO_BLK_T_DISCARD, 0, 0, 0, false, &len), VIRTIO_BLK_S_IOERR);
	/* Zeros may have to be written: a piece a request, or a turn would never end. */
	assert_int_equal(request(b, VIRTIO_BLK_T_WRITE_ZEROES, 0, AT_DATA, 32, false, &len),
		VIRTIO_BLK_S_IOERR);
}

/* The same memory over and over makes a long request cheap for the guest. */
static void longest_request_is_served_and_no_longer_one(void **state)
{
	enum { SEG = 2u << 20, N = LIMIT_BLK_REQUEST_BYTES / SEG };
	struct blk *b = *state;
	const le32 hdr[4] = { le32_of(VIRTIO_BLK_T_IN) };
	struct buf bufs[N + 3] = { { AT_HDR, sizeof hdr, false } };

	memcpy(b->f.ram + AT_HDR, hdr, sizeof hdr);
	for (unsigned int i = 1; i <= N; i++)
		bufs[i] = (struct buf){ AT_DATA, SEG, true };
	bufs[N + 1] = (struct buf){ AT_STATUS, 1, true };
	assert_int_equal(front_do(&b->f, 0, bufs, N + 2), LIMIT_BLK_REQUEST_BYTES + 1);
	assert_int_equal(b->f.ram[AT_STATUS], VIRTIO_BLK_S_OK);
	bufs[N + 1] = (struct buf){ AT_DATA, 512, true };
	bufs[N + 2] = (struct buf){ AT_STATUS, 1, true };
	assert_int_equal(front_do(&b->f, 0, bufs, N + 3), 1);
	assert_int_equal(b->f.ram[AT_STATUS], VIRTIO_BLK_S_IOERR);
}

static void header_too_short_breaks_the_ring(void **state)
{
	struct blk *b = *state;
	const struct buf bufs[] = { { AT_HDR, 15, false }, { AT_STATUS, 1, true } };

	(void)front_offer(&b->f, 0, bufs, 2);
	front_kick(&b->f, 0);
	assert_true(front_is_broken(&b->f, 0, FRONT_WAIT));
}

static void no_status_byte_breaks_the_ring(void **state)
{
	struct blk *b = *state;
	const struct buf bufs[] = { { AT_HDR, 16, false }, { AT_DATA, 512, false } };

	(void)front_offer(&b->f, 0, bufs, 2);
	front_kick(&b->f, 0);
	assert_true(front_is_broken(&b->f, 0, FRONT_WAIT));
}

static void read_only_disk_is_read_and_never_changed(void **state)
{
	struct blk *b = *state;
	uint8_t before[4096];
	uint8_t after[4096];
	int len;

	assert_true((b->f.features & 1ull << VIRTIO_BLK_F_RO) != 0);
	assert_int_equal(
		b->f.features & (1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES),
		0);
	assert_int_equal(pread(b->disk, before, sizeof before, 0), (int)sizeof before);
	assert_int_equal(request(b, VIRTIO_BLK_T_IN, 0, AT_DATA, 512, true, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(request(b, VIRTIO_BLK_T_OUT, 0, AT_DATA + 4096, 512, false, &len),
		VIRTIO_BLK_S_IOERR);
	assert_int_equal(pieces_request(b, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(pieces_request(b, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(b, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(b->disk, after, sizeof after, 0), (int)sizeof after);
	assert_memory_equal(before, after, sizeof after);
}

static void discard_without_permission_is_unsupported(void **state)
{
	struct blk *b = *state;
	struct stat before;
	struct stat after;

	assert_int_equal(b->f.features & 1ull << VIRTIO_BLK_F_DISCARD, 0);
	assert_int_equal(fstat(b->disk, &before), 0);
	assert_int_equal(pieces_request(b, VIRTIO_BLK_T_DISCARD, 512, 512, 0), VIRTIO_BLK_S_UNSUPP);
	/* Zeroes with "unmap" are written, and no space is given back. */
	assert_int_equal(
		pieces_request(b, VIRTIO_BLK_T_WRITE_ZEROES, 512, 512, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(fstat(b->disk, &after), 0);
	assert_true(after.st_blocks >= before.st_blocks);
}

static void event_index_driver_is_served(void **state)
{
	struct blk *b = *state;
	int len;

	for (unsigned int i = 0; i < 300; i++) {
		uint16_t *used_event =
			(uint16_t *)(void *)(b->f.ram + FRONT_AVAIL(0) + 4 + 2 * FRONT_SIZE);
		*used_event = b->f.q[0].taken; /* tell me of the next one */
		assert_int_equal(
			request(b, VIRTIO_BLK_T_IN, i, AT_DATA, 512, true, &len), VIRTIO_BLK_S_OK);
		assert_int_equal(b->f.ram[AT_DATA], (uint8_t)(i * 7 + 1));
	}
}

static void queue_stops_and_starts_where_it_was(void **state)
{
	struct blk *b = *state;
	uint16_t base;
	int len;

	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(
			request(b, VIRTIO_BLK_T_IN, i, AT_DATA, 512, true, &len), VIRTIO_BLK_S_OK);
		assert_int_equal(front_stop_queue(&b->f, 0, &base), 0);
		assert_int_equal(base, i + 1);
		assert_int_equal(front_start_queue(&b->f, 0), 0);
	}
}

static void driver_without_flush_is_served(void **state)
{
	struct blk *b = *state;
	uint8_t back[512];
	int len;

	memset(b->f.ram + AT_DATA, 0x77, 512);
	assert_int_equal(
		request(b, VIRTIO_BLK_T_OUT, 3, AT_DATA, 512, false, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(b->disk, back, 512, 3 * 512), 512);
	assert_memory_equal(back, b->f.ram + AT_DATA, 512);
}

static void block_device_is_served(void **state)
{
	struct blk *b = *state;
	static const uint8_t zero[4096];
	uint8_t back[4096];
	int len;

	if (b->disk < 0)
		skip();
	memset(b->f.ram + AT_DATA, 0x42, 4096);
	assert_int_equal(
		request(b, VIRTIO_BLK_T_OUT, 8, AT_DATA, 4096, false, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(request(b, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(b->disk, back, 4096, 4096), 4096);
	assert_memory_equal(back, b->f.ram + AT_DATA, 4096);
	assert_int_equal(pieces_request(b, VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(b->disk, back, 4096, 4096), 4096);
	assert_memory_equal(back, zero, 4096);
	assert_int_equal(pieces_request(b, VIRTIO_BLK_T_DISCARD, 64, 64, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(
		request(b, VIRTIO_BLK_T_IN, SECTORS, AT_DATA, 512, true, &len), VIRTIO_BLK_S_IOERR);
}

/* The starts below must fail, with the reason. */
static void expect_refused(uint64_t size, uint32_t flags, int disk, const char *word)
{
	struct wire_blk_config config = {
		.size = le64_of(size), .flags = le32_of(flags), .id = "d"
	};
	struct why why = { 0 };
	struct front f;

	assert_true(front_start(&f, ROLE_DEV_BLK, &config, sizeof config, &disk, 1, &why) < 0);
	if (strstr(why.text, word) == NULL)
		print_error("want '%s' in '%s'\n", word, why.text);
	assert_non_null(strstr(why.text, word));
	assert_int_equal(front_wait_end(&f), 5);
	front_close(&f);
}

static void disks_that_make_no_sense_are_refused(void **state)
{
	AUTO(fd) int disk = disk_make();
	AUTO(fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	expect_refused(DISK_BYTES + 512, 0, disk, "bytes");
	expect_refused(0, 0, disk, "bytes");
	expect_refused(511, 0, disk, "bytes");
	expect_refused(UINT64_MAX, 0, disk, "bytes");
	expect_refused(DISK_BYTES, 4, disk, "flags");
	expect_refused(DISK_BYTES, 0, null, "neither");
}

static void file_that_became_shorter_gives_errors(void **state)
{
	struct blk *b = *state;
	int len;

	assert_int_equal(ftruncate(b->disk, 4096), 0);
	assert_int_equal(request(b, VIRTIO_BLK_T_IN, 0, AT_DATA, 512, true, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(
		request(b, VIRTIO_BLK_T_IN, 100, AT_DATA, 512, true, &len), VIRTIO_BLK_S_IOERR);
}

#define T(name, start) cmocka_unit_test_setup_teardown(name, start, blk_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(config_says_what_the_disk_is, plain_start),
		T(sectors_are_read, plain_start),
		T(last_sector_is_read_and_the_next_is_not, plain_start),
		T(written_sectors_are_in_the_file, plain_start),
		T(writes_past_the_end_change_nothing, plain_start),
		T(scattered_request_is_served, plain_start),
		T(id_is_told, plain_start),
		T(unknown_requests_are_unsupported, plain_start),
		T(discard_gives_space_back, plain_start),
		T(zeroes_are_written, plain_start),
		T(bad_pieces_are_refused, plain_start),
		T(odd_or_too_many_pieces_are_refused, plain_start),
		T(longest_request_is_served_and_no_longer_one, large_start),
		T(header_too_short_breaks_the_ring, plain_start),
		T(no_status_byte_breaks_the_ring, plain_start),
		T(read_only_disk_is_read_and_never_changed, read_only_start),
		T(discard_without_permission_is_unsupported, no_discard_start),
		T(event_index_driver_is_served, event_idx_start),
		T(queue_stops_and_starts_where_it_was, plain_start),
		T(file_that_became_shorter_gives_errors, plain_start),
		T(driver_without_flush_is_served, no_flush_start),
		T(zeroes_are_written, tmpfs_start),
		T(block_device_is_served, loop_device_start),
		cmocka_unit_test(disks_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests_name("dev_blk", tests, NULL, NULL);
}
