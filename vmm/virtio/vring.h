/*
 * vring: the device side of a split virtqueue (virtio 1.2, 2.7), with indirect descriptors
 *        (2.7.5.3) and event indices (2.7.10).
 *
 * Trust:   none in what stands in the rings. Every descriptor leaves guest memory once and is
 *          judged on the copy. A ring that makes no sense is broken for good: every later call
 *          returns -ENOTCONN, until vring_start().
 * Owns:    nothing; the memory table must outlive the ring's run.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"
#include "vmm/virtio/mem.h"

/* Feature bits that concern rings (virtio 1.2, chapter 6). <linux/virtio_ring.h> names them too,
 * but takes the name struct vring for itself. */
#define VRING_F_INDIRECT  (1ull << 28)
#define VRING_F_EVENT_IDX (1ull << 29)

/* Descriptor flags (2.7.5), flags of the available (2.7.6) and of the used ring (2.7.8). */
#define VRING_DESC_NEXT     0x1u
#define VRING_DESC_WRITE    0x2u
#define VRING_DESC_INDIRECT 0x4u
#define VRING_NO_INTERRUPT  0x1u
#define VRING_NO_NOTIFY     0x1u

/* Split ring descriptor. 2.7.5. */
struct wire_desc {
	le64 addr;
	le32 len;
	le16 flags; /* VRING_DESC_* */
	le16 next;
};
WIRE_SIZE(struct wire_desc, 16);
WIRE_AT(struct wire_desc, flags, 12);

/* Sizes of the three areas of a ring with size entries, event fields included (2.7, table). */
static inline uint64_t vring_desc_bytes(uint32_t size)
{
	return 16 * (uint64_t)size;
}

static inline uint64_t vring_avail_bytes(uint32_t size)
{
	return 6 + 2 * (uint64_t)size;
}

static inline uint64_t vring_used_bytes(uint32_t size)
{
	return 6 + 8 * (uint64_t)size;
}

/* Is this a size we serve: a power of two, 1 to LIMIT_VRING_SIZE (2.7: at most 32768)? */
static inline bool vring_is_size(uint32_t size)
{
	return size > 0 && size <= LIMIT_VRING_SIZE && (size & (size - 1)) == 0;
}

/* One buffer of a chain; the whole of it lies in guest memory, that was checked. */
struct seg {
	gpa_t gpa;
	uint32_t len; /* not 0 */
	bool device_writes;
};

/* One request of the guest: buffers to read, then buffers to write (2.7.4.2). */
struct chain {
	uint16_t head;      /* its name in the rings */
	uint16_t n;         /* segments in use */
	uint16_t n_read;    /* of them, readable: seg[0..n_read), then writable */
	uint32_t read_len;  /* bytes */
	uint32_t write_len; /* bytes */
	struct seg seg[LIMIT_CHAIN_SEGS];
};

/* Where a ring is, in the front end's user addresses, and how to begin. */
struct vring_setup {
	uint32_t size;
	uint16_t base; /* next available index to take */
	bool has_indirect;
	bool has_event_idx;
	uint64_t desc;
	uint64_t avail;
	uint64_t used;
};

struct vring {
	const struct mem *mem; /* NULL: stopped */
	uint16_t size;
	uint16_t next_avail; /* the next entry to take */
	uint16_t next_used;  /* the next entry to fill */
	uint16_t told_used;  /* next_used when the guest was told last */
	bool has_indirect;
	bool has_event_idx;
	bool is_broken; /* nothing works until the next start */
	const uint8_t *desc;
	uint8_t *avail;
	uint8_t *used;
};

/*
 * Map and check the three areas and start at setup->base. -ERANGE: size; -EINVAL: alignment;
 * -EFAULT: not in guest memory. The ring is untouched then.
 */
MUST_USE int vring_start(struct vring *v, const struct mem *mem, const struct vring_setup *setup);

/* Stop; returns the base to start again with (GET_VRING_BASE). A stopped ring gives 0. */
uint16_t vring_stop(struct vring *v);

static inline bool vring_is_running(const struct vring *v)
{
	return v->mem != NULL && !v->is_broken;
}

/*
 * Take the next available chain. 0; -EAGAIN: none; -ENOTCONN: stopped or broken before; -EBADMSG,
 * -EFAULT, -EMSGSIZE: the ring is broken now (a bad index, a loop, readable after writable, a
 * buffer outside memory, an empty buffer, more than LIMIT_CHAIN_SEGS buffers or 4 GiB).
 */
MUST_USE int vring_pop_chain(struct vring *v, struct chain *ret);

/*
 * Give the chain named head back; len is the number of bytes written to it from its start. The
 * caller says so once per popped chain, and tells the guest when vring_is_due() says so.
 */
MUST_USE int vring_push_used(struct vring *v, uint16_t head, uint32_t len);

/* Does the guest want an interrupt for what was pushed since it was last told (2.7.7.2, 2.7.10)?
 * A yes counts as told. */
bool vring_is_due(struct vring *v);

/*
 * Ask for kicks, or ask to be left alone (2.7.7, 2.7.10). After asking for kicks the caller must
 * look once more: true when there is an entry already. A hint; kicks may come in any case.
 */
bool vring_want_kicks(struct vring *v, bool is_wanted);

/* Is there an entry to take? Does not take it; false when broken. */
bool vring_is_filled(struct vring *v);

/* Mark the ring broken: the device found nonsense in a request that leaves no way to answer it. */
void vring_break(struct vring *v);

/*
 * Copy len bytes from offset at of the readable part. -EBADMSG when the part is shorter: the
 * caller decides what that means to its device.
 */
MUST_USE int chain_read(
	const struct mem *m, const struct chain *c, uint32_t at, void *ret, size_t len);

/* Copy len bytes to offset at of the writable part. -EBADMSG when the part is shorter. */
MUST_USE int chain_write(
	const struct mem *m, const struct chain *c, uint32_t at, const void *src, size_t len);

/*
 * The ranges behind [at, at + len) of the readable or the writable part, for readv(2) and the
 * like. -EBADMSG when the part is shorter. At most c->n entries of ret (LIMIT_CHAIN_SEGS) are used.
 */
MUST_USE int chain_map(const struct mem *m, const struct chain *c, bool is_write, uint32_t at,
	uint32_t len, struct iovec *ret, unsigned int *ret_n);
