#include "vmm/device/dev_blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/virtio_blk.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "policy/plan.h"
#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "vmm/device/dev_link.h"
#include "vmm/super/sup_proto.h"

/* Kernel structures are used as they are (style rule 26): their integers are ours. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "virtio is little-endian");

/* Header of a request. virtio 1.2, 5.2.6. */
struct wire_blk_hdr {
	le32 type; /* VIRTIO_BLK_T_* */
	le32 zero; /* "reserved": priority in old versions, so ignored */
	le64 sector;
};
WIRE_SIZE(struct wire_blk_hdr, 16);

/* One piece of a discard or write-zeroes request. 5.2.6. */
struct wire_blk_piece {
	le64 sector;
	le32 n;
	le32 flags; /* bit 0: unmap, write-zeroes only; the others are reserved */
};
WIRE_SIZE(struct wire_blk_piece, 16);

/* One request: where it is in the disk, and which bytes of the chain are its payload. */
struct request {
	uint64_t sector;
	uint32_t len; /* of the payload */
	const struct chain *chain;
};

static bool range_is_inside(const struct dev_blk *d, uint64_t sector, uint64_t len)
{
	return len % BLK_SECTOR_BYTES == 0 && num_fits(sector, len / BLK_SECTOR_BYTES, d->sectors);
}

/* Step over what a short read or write has done. */
static void iov_advance(struct iovec **iov, unsigned int *n, size_t done)
{
	while (*n > 0 && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		(*iov)++;
		(*n)--;
	}
	if (*n > 0) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

/* Move the payload whole between the disk and guest memory. */
static MUST_USE int payload_move(struct dev_blk *d, const struct request *r, bool is_read)
{
	uint64_t at = r->sector * BLK_SECTOR_BYTES;
	struct iovec *iov = d->iov;
	unsigned int n;

	if (r->len > LIMIT_BLK_REQUEST_BYTES)
		return -EMSGSIZE;
	int err = chain_map(&d->back.mem, r->chain, is_read,
		is_read ? 0 : sizeof(struct wire_blk_hdr), r->len, iov, &n);
	if (err < 0)
		return err;
	while (n > 0) {
		ssize_t done = is_read ? preadv(d->disk, iov, (int)n, (off_t)at)
				       : pwritev(d->disk, iov, (int)n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (done == 0)
			return -ENODATA; /* the file became shorter under us */
		at += (uint64_t)done;
		iov_advance(&iov, &n, (size_t)done);
	}
	return 0;
}

static uint8_t status_of(int err)
{
	return (uint8_t)(err < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

static MUST_USE int disk_flush(struct dev_blk *d)
{
	vu_back_spend(&d->back, LIMIT_BLK_FLUSH_BYTES);
	if (!d->is_lost && !d->is_read_only && fdatasync(d->disk) < 0)
		d->is_lost = true;
	return d->is_lost ? -EIO : 0;
}

static uint8_t on_read(struct dev_blk *d, const struct request *r)
{
	if (!range_is_inside(d, r->sector, r->len))
		return VIRTIO_BLK_S_IOERR;
	return status_of(payload_move(d, r, /* is_read= */ true));
}

/* A driver that did not take FLUSH believes in write-through (5.2.6.2). */
static MUST_USE int written_settle(struct dev_blk *d)
{
	return (d->back.features & 1ull << VIRTIO_BLK_F_FLUSH) != 0 ? 0 : disk_flush(d);
}

static uint8_t on_write(struct dev_blk *d, const struct request *r)
{
	if (d->is_read_only || !range_is_inside(d, r->sector, r->len))
		return VIRTIO_BLK_S_IOERR;
	int err = payload_move(d, r, /* is_read= */ false);
	if (err == 0)
		err = written_settle(d);
	return status_of(err);
}

static uint8_t on_flush(struct dev_blk *d, const struct request *r)
{
	return status_of(disk_flush(d));
}

static uint8_t on_get_id(struct dev_blk *d, const struct request *r)
{
	uint32_t len = MIN(r->len, BLK_ID_BYTES);

	return status_of(len > 0 ? chain_write(&d->back.mem, r->chain, 0, d->id, len) : 0);
}

/* Zeros by hand, where the file system has no better way; the piece is at most 16 MiB. */
static MUST_USE int zeros_write(const struct dev_blk *d, uint64_t at, uint64_t len)
{
	static const uint8_t zeros[65536];

	while (len > 0) {
		size_t n = MIN(len, sizeof zeros);
		int err = fd_pwrite_all(d->disk, zeros, n, at);
		if (err < 0)
			return err;
		at += n;
		len -= n;
	}
	return 0;
}

static MUST_USE int disk_zero(const struct dev_blk *d, uint64_t at, uint64_t len, bool may_unmap)
{
	/* Unmapping gives space back: only where the policy says so. */
	int mode = FALLOC_FL_KEEP_SIZE |
		   (may_unmap && d->may_discard ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);

	if (d->is_block_device) {
		uint64_t range[2] = { at, len };
		return ioctl(d->disk, BLKZEROOUT, range) < 0 ? -errno : 0;
	}
	if (fallocate(d->disk, mode, (off_t)at, (off_t)len) == 0)
		return 0;
	return errno == EOPNOTSUPP ? zeros_write(d, at, len) : -errno;
}

/* Discard is a hint (5.2.6.2): where it cannot be done the bytes just stay. */
static MUST_USE int disk_discard(const struct dev_blk *d, uint64_t at, uint64_t len)
{
	uint64_t range[2] = { at, len };
	int n = d->is_block_device ? ioctl(d->disk, BLKDISCARD, range)
				   : fallocate(d->disk, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					     (off_t)at, (off_t)len);

	return n < 0 && errno != EOPNOTSUPP ? -errno : 0;
}

static uint8_t piece_serve(struct dev_blk *d, const struct wire_blk_piece *p, bool is_discard)
{
	uint64_t n = le32_get(p->n);
	uint32_t flags = le32_get(p->flags);
	uint64_t at = le64_get(p->sector);

	/* 5.2.6.2: unknown flags, and unmap with a discard, are unsupported. */
	if ((flags & ~(uint32_t)VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) != 0 ||
		(is_discard && flags != 0))
		return VIRTIO_BLK_S_UNSUPP;
	if (n == 0 || n > LIMIT_BLK_ZERO_SECTORS || !num_fits(at, n, d->sectors))
		return VIRTIO_BLK_S_IOERR;
	at *= BLK_SECTOR_BYTES;
	n *= BLK_SECTOR_BYTES;
	if (!is_discard)
		vu_back_spend(&d->back, n);
	return status_of(is_discard ? disk_discard(d, at, n) : disk_zero(d, at, n, flags != 0));
}

static uint8_t pieces_serve(struct dev_blk *d, const struct request *r, bool is_discard)
{
	struct wire_blk_piece pieces[LIMIT_BLK_PIECES];
	size_t n = r->len / sizeof pieces[0];
	uint8_t status = VIRTIO_BLK_S_OK;

	if (d->is_read_only || n == 0 || n > (is_discard ? ARRAY_LEN(pieces) : 1) ||
		r->len % sizeof pieces[0] != 0)
		return VIRTIO_BLK_S_IOERR;
	if (chain_read(&d->back.mem, r->chain, sizeof(struct wire_blk_hdr), pieces, r->len) < 0)
		return VIRTIO_BLK_S_IOERR;
	for (size_t i = 0; i < n && status == VIRTIO_BLK_S_OK; i++)
		status = piece_serve(d, &pieces[i], is_discard);
	if (status == VIRTIO_BLK_S_OK)
		status = status_of(written_settle(d));
	return status;
}

static uint8_t on_discard(struct dev_blk *d, const struct request *r)
{
	return d->may_discard ? pieces_serve(d, r, /* is_discard= */ true) : VIRTIO_BLK_S_UNSUPP;
}

static uint8_t on_write_zeroes(struct dev_blk *d, const struct request *r)
{
	return pieces_serve(d, r, /* is_discard= */ false);
}

struct blk_row {
	bool device_writes; /* the payload is the writable part, without the status byte */
	uint8_t (*serve)(struct dev_blk *d, const struct request *r);
};

static const struct blk_row rows[] = {
	[VIRTIO_BLK_T_IN] = { true, on_read },
	[VIRTIO_BLK_T_OUT] = { false, on_write },
	[VIRTIO_BLK_T_FLUSH] = { false, on_flush },
	[VIRTIO_BLK_T_GET_ID] = { true, on_get_id },
	[VIRTIO_BLK_T_DISCARD] = { false, on_discard },
	[VIRTIO_BLK_T_WRITE_ZEROES] = { false, on_write_zeroes },
};

/* 5.2.6: header, payload, a status byte at the very end; the framing is the driver's (2.7.4). */
static int blk_serve(struct vu_back *b, const struct chain *c, uint32_t *ret_len)
{
	struct dev_blk *d = CONTAINER_OF(b, struct dev_blk, back);
	struct wire_blk_hdr hdr;
	uint8_t status = VIRTIO_BLK_S_UNSUPP;
	uint32_t written = 1;

	int err = c->write_len == 0 ? -EBADMSG : chain_read(&b->mem, c, 0, &hdr, sizeof hdr);
	if (err < 0)
		return err;
	uint32_t type = le32_get(hdr.type);
	const struct blk_row *row = type < ARRAY_LEN(rows) ? &rows[type] : NULL;
	if (row != NULL && row->serve != NULL) {
		struct request r = {
			.sector = le64_get(hdr.sector),
			.len = row->device_writes ? c->write_len - 1
						  : c->read_len - (uint32_t)sizeof hdr,
			.chain = c,
		};
		status = row->serve(d, &r);
		if (row->device_writes && status == VIRTIO_BLK_S_OK)
			written = c->write_len;
	}
	err = chain_write(&b->mem, c, c->write_len - 1, &status, sizeof status);
	if (err == 0)
		*ret_len = written;
	return err;
}

static const struct vu_ops blk_ops = {
	.n_queues = 1,
	.queues = { { .serve = blk_serve } },
};

/* Is there as much disk as the guest will be told? */
static MUST_USE int disk_check(
	struct dev_blk *d, uint64_t size, uint32_t *ret_block_bytes, struct why *why)
{
	struct stat st;
	uint64_t have = 0;
	int block = (int)BLK_SECTOR_BYTES;

	if (fstat(d->disk, &st) < 0)
		return why_set(why, -errno, "cannot look at the disk: %s", strerrordesc_np(errno));
	d->is_block_device = S_ISBLK(st.st_mode);
	if (!S_ISREG(st.st_mode) && !d->is_block_device)
		return why_set(why, -EINVAL, "the disk is neither a file nor a block device");
	if (!d->is_block_device)
		have = (uint64_t)st.st_size;
	else if (ioctl(d->disk, BLKGETSIZE64, &have) < 0 || ioctl(d->disk, BLKSSZGET, &block) < 0)
		return why_set(why, -errno, "cannot measure the disk: %s", strerrordesc_np(errno));
	if (size < BLK_SECTOR_BYTES || size > have || size > INT64_MAX)
		return why_set(why, -EINVAL, "the disk has %llu bytes, the plan says %llu",
			(unsigned long long)have, (unsigned long long)size);
	*ret_block_bytes = (uint32_t)block;
	return 0;
}

/* 5.2.4 */
static struct virtio_blk_config config_of(const struct dev_blk *d, uint32_t block_bytes)
{
	return (struct virtio_blk_config){
		.capacity = d->sectors,
		.size_max = LIMIT_BLK_SEG_BYTES,
		.seg_max = LIMIT_CHAIN_SEGS / 2 - 2,
		.blk_size = block_bytes,
		.num_queues = 1,
		.max_discard_sectors = LIMIT_BLK_ZERO_SECTORS,
		.max_discard_seg = LIMIT_BLK_PIECES,
		.discard_sector_alignment = PAGE_BYTES / BLK_SECTOR_BYTES,
		.max_write_zeroes_sectors = LIMIT_BLK_ZERO_SECTORS,
		.max_write_zeroes_seg = 1,
		.write_zeroes_may_unmap = d->may_discard,
	};
}

static uint64_t features_of(const struct dev_blk *d)
{
	uint64_t f = 1ull << VIRTIO_BLK_F_SIZE_MAX | 1ull << VIRTIO_BLK_F_SEG_MAX |
		     1ull << VIRTIO_BLK_F_BLK_SIZE | 1ull << VIRTIO_BLK_F_FLUSH;

	if (d->is_read_only)
		return f | 1ull << VIRTIO_BLK_F_RO;
	return f | 1ull << VIRTIO_BLK_F_WRITE_ZEROES |
	       (d->may_discard ? 1ull << VIRTIO_BLK_F_DISCARD : 0);
}

int dev_blk_open(struct dev_blk *d, struct loop *loop, int sock, int disk,
	const struct dev_blk_setup *setup, struct why *why)
{
	AUTO(fd) int sock_fd = sock;
	AUTO(fd) int disk_fd = disk;
	uint32_t block_bytes = BLK_SECTOR_BYTES;

	d->disk = disk;
	d->sectors = setup->size / BLK_SECTOR_BYTES;
	d->is_read_only = (setup->flags & PLAN_DISK_READ_ONLY) != 0;
	d->may_discard = (setup->flags & PLAN_DISK_DISCARD) != 0 && !d->is_read_only;
	memcpy(d->id, setup->id, strnlen(setup->id, sizeof d->id));
	if ((setup->flags & ~PLAN_DISK_FLAGS_ALL) != 0)
		return why_set(why, -EINVAL, "unknown disk flags %#x", setup->flags);
	int err = disk_check(d, setup->size, &block_bytes, why);
	if (err < 0)
		return err;
	struct virtio_blk_config config = config_of(d, block_bytes);
	d->disk = fd_take(&disk_fd); /* dev_blk_close() drops it from here on */
	return vu_back_open(&d->back, loop, fd_take(&sock_fd), &blk_ops, features_of(d), &config,
		sizeof config, why);
}

void dev_blk_close(struct dev_blk *d)
{
	if (d->back.ops == NULL)
		return;
	vu_back_close(&d->back);
	fd_drop(&d->disk);
}

/* ---- the process ----------------------------------------------------------------------------- */

static MUST_USE int blk_open(struct dev_blk *dev, struct loop *loop, struct msg *m, struct why *why)
{
	struct wire_blk_config config;
	int sock = msg_take_fd(m, 0);
	int disk = msg_take_fd(m, 1);

	memcpy(&config, m->buf, sizeof config);
	config.id[sizeof config.id - 1] = 0;
	const struct dev_blk_setup setup = {
		.size = le64_get(config.size),
		.flags = le32_get(config.flags),
		.id = config.id,
	};
	return dev_blk_open(dev, loop, sock, disk, &setup, why);
}

int dev_blk_run(struct dev_blk *dev)
{
	struct loop loop = { .epoll_fd = -1 };
	struct chan chan = { .fd = -1 };
	struct dev_link link;
	struct why why = { 0 };

	int err = child_start(ROLE_DEV_BLK, &chan, &why);
	if (err == 0)
		err = child_recv_config(&chan, sizeof(struct wire_blk_config),
			sizeof(struct wire_blk_config), 2, 2, &why);
	if (err == 0)
		err = loop_open(&loop);
	if (err == 0)
		err = blk_open(dev, &loop, chan.in, &why);
	if (err == 0)
		err = dev_link_open(&link, &loop, &chan, NULL, 0, NULL);
	if (err == 0)
		err = sandbox_enter(ROLE_DEV_BLK, &why);
	if (err == 0)
		err = child_send_ready(&chan);
	if (err == 0)
		err = loop_run(&loop);
	dev_blk_close(dev);
	loop_close(&loop);
	return child_end(&chan, err, &why);
}
