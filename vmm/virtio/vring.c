#include "vmm/virtio/vring.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"

/* Where the fields of the available and the used ring are (virtio 1.2, 2.7.6 and 2.7.8). */
enum {
	AT_FLAGS = 0,
	AT_IDX = 2,
	AT_RING = 4,
};

/* The used ring's element. */
struct wire_used {
	le32 id;
	le32 len;
};
WIRE_SIZE(struct wire_used, 8);

/* The 16-bit fields both sides poll are naturally aligned (checked at start): one access each. */
static uint16_t *field16(uint8_t *ring, size_t at)
{
	return (uint16_t *)(void *)(ring + at);
}

static uint16_t field_load(uint8_t *ring, size_t at)
{
	return __atomic_load_n(field16(ring, at), __ATOMIC_ACQUIRE);
}

static void field_store(uint8_t *ring, size_t at, uint16_t v)
{
	__atomic_store_n(field16(ring, at), v, __ATOMIC_RELEASE);
}

static size_t used_event_at(const struct vring *v) /* in the available ring (2.7.10.1) */
{
	return AT_RING + 2 * (size_t)v->size;
}

static size_t avail_event_at(const struct vring *v) /* in the used ring */
{
	return AT_RING + 8 * (size_t)v->size;
}

int vring_start(struct vring *v, const struct mem *mem, const struct vring_setup *setup)
{
	void *desc, *avail, *used;

	if (!vring_is_size(setup->size))
		return -ERANGE;
	int err = mem_map_user(mem, setup->desc, vring_desc_bytes(setup->size), &desc);
	if (err == 0)
		err = mem_map_user(mem, setup->avail, vring_avail_bytes(setup->size), &avail);
	if (err == 0)
		err = mem_map_user(mem, setup->used, vring_used_bytes(setup->size), &used);
	if (err < 0)
		return err;
	/* 2.7: alignments 16, 2, 4; regions are mapped at page boundaries, so ours are the guest's. */
	if (!num_is_aligned((uintptr_t)desc, 16) || !num_is_aligned((uintptr_t)avail, 2) ||
		!num_is_aligned((uintptr_t)used, 4))
		return -EINVAL;
	*v = (struct vring){
		.mem = mem,
		.size = (uint16_t)setup->size,
		.next_avail = setup->base,
		.has_indirect = setup->has_indirect,
		.has_event_idx = setup->has_event_idx,
		.desc = desc,
		.avail = avail,
		.used = used,
	};
	/* The used index is ours; at a restart it goes on from where the ring was left. */
	v->next_used = field_load(v->used, AT_IDX);
	v->told_used = v->next_used;
	return 0;
}

uint16_t vring_stop(struct vring *v)
{
	uint16_t base = v->mem != NULL ? v->next_avail : 0;

	*v = (struct vring){ 0 };
	return base;
}

void vring_break(struct vring *v)
{
	v->is_broken = true;
}

/* Fetch entry at of a table of n descriptors, once. */
static MUST_USE int desc_fetch(const uint8_t *table, uint32_t n, uint32_t at, struct wire_desc *ret)
{
	if (at >= n)
		return -EBADMSG;
	copy_once(ret, table + 16 * (size_t)at, sizeof *ret);
	return 0;
}

/* Judge one buffer and append it to the chain. */
static MUST_USE int chain_add(const struct mem *m, struct chain *c, const struct wire_desc *d)
{
	bool device_writes = (le16_get(d->flags) & VRING_DESC_WRITE) != 0;
	struct seg s = { { le64_get(d->addr) }, le32_get(d->len), device_writes };
	uint32_t *sum = device_writes ? &c->write_len : &c->read_len;
	void *at;

	if (c->n == ARRAY_LEN(c->seg))
		return -EMSGSIZE;
	if (!device_writes && c->n > c->n_read)
		return -EBADMSG; /* 2.7.4.2: readable parts first */
	int err = s.len == 0 ? -EBADMSG : mem_map_range(m, s.gpa, s.len, &at);
	if (err < 0)
		return err;
	if (__builtin_add_overflow(*sum, s.len, sum))
		return -EMSGSIZE; /* 2.7.5: a chain holds at most 4 GiB */
	c->seg[c->n++] = s;
	c->n_read = (uint16_t)(c->n_read + !device_writes);
	return 0;
}

/* Follow one table from entry at. An entry that is INDIRECT is handed back in *ret_indirect. */
static MUST_USE int table_walk(const struct vring *v, const uint8_t *table, uint32_t n, uint32_t at,
	struct chain *c, struct wire_desc *ret_indirect, bool *ret_is_indirect)
{
	for (uint32_t steps = 0; steps < n; steps++) {
		struct wire_desc d;
		int err = desc_fetch(table, n, at, &d);
		if (err < 0)
			return err;
		uint16_t flags = le16_get(d.flags);
		if ((flags & VRING_DESC_INDIRECT) != 0) {
			/* 2.7.5.3.1: not in an indirect table, not with NEXT; WRITE has no meaning. */
			if (ret_indirect == NULL || !v->has_indirect ||
				(flags & VRING_DESC_NEXT) != 0)
				return -EBADMSG;
			*ret_indirect = d;
			*ret_is_indirect = true;
			return 0;
		}
		err = chain_add(v->mem, c, &d);
		if (err < 0)
			return err;
		if ((flags & VRING_DESC_NEXT) == 0)
			return 0;
		at = le16_get(d.next);
	}
	return -EBADMSG; /* a loop: more steps than entries */
}

static MUST_USE int chain_fetch(const struct vring *v, uint16_t head, struct chain *c)
{
	struct wire_desc d = { 0 };
	bool is_indirect = false;
	void *table;

	int err = table_walk(v, v->desc, v->size, head, c, &d, &is_indirect);
	if (err < 0 || !is_indirect)
		return err;
	uint32_t len = le32_get(d.len);
	if (len == 0 || len % sizeof d != 0)
		return -EBADMSG;
	if (len / sizeof d > LIMIT_CHAIN_SEGS)
		return -EMSGSIZE;
	err = mem_map_range(v->mem, (gpa_t){ le64_get(d.addr) }, len, &table);
	if (err < 0)
		return err;
	return table_walk(v, table, len / (uint32_t)sizeof d, 0, c, NULL, NULL);
}

/* How many entries wait. -EBADMSG: more than the ring holds. */
static MUST_USE int avail_count(const struct vring *v, uint16_t *ret)
{
	uint16_t n = (uint16_t)(field_load(v->avail, AT_IDX) - v->next_avail);

	if (n > v->size)
		return -EBADMSG;
	*ret = n;
	return 0;
}

int vring_pop_chain(struct vring *v, struct chain *ret)
{
	uint16_t n = 0;

	if (!vring_is_running(v))
		return -ENOTCONN;
	int err = avail_count(v, &n);
	if (err == 0 && n == 0)
		return -EAGAIN;
	if (err == 0) {
		uint16_t head =
			field_load(v->avail, AT_RING + 2 * (size_t)(v->next_avail % v->size));
		ret->head = head;
		ret->n = 0;
		ret->n_read = 0;
		ret->read_len = 0;
		ret->write_len = 0;
		err = chain_fetch(v, head, ret);
	}
	if (err < 0) {
		ret->n = 0;
		v->is_broken = true;
		return err;
	}
	v->next_avail++;
	return 0;
}

int vring_push_used(struct vring *v, uint16_t head, uint32_t len)
{
	struct wire_used e = { .id = le32_of(head), .len = le32_of(len) };

	if (!vring_is_running(v))
		return -ENOTCONN;
	copy_once(v->used + AT_RING + sizeof e * (v->next_used % v->size), &e, sizeof e);
	v->next_used++;
	field_store(v->used, AT_IDX, v->next_used);
	return 0;
}

bool vring_is_due(struct vring *v)
{
	if (!vring_is_running(v) || v->told_used == v->next_used)
		return false;
	/* The used index must be visible before the guest's wish is read: the guest does the same
	 * the other way round (2.7.7.2). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	bool is_due = true;
	if (v->has_event_idx) {
		uint16_t event = field_load(v->avail, used_event_at(v));
		uint16_t pushed = (uint16_t)(v->next_used - v->told_used);
		is_due = (uint16_t)(v->next_used - event - 1) < pushed;
	} else {
		is_due = (field_load(v->avail, AT_FLAGS) & VRING_NO_INTERRUPT) == 0;
	}
	v->told_used = v->next_used;
	return is_due;
}

bool vring_want_kicks(struct vring *v, bool is_wanted)
{
	if (!vring_is_running(v))
		return false;
	if (!v->has_event_idx)
		field_store(v->used, AT_FLAGS, (uint16_t)(is_wanted ? 0 : VRING_NO_NOTIFY));
	else if (is_wanted)
		field_store(v->used, avail_event_at(v), v->next_avail);
	if (!is_wanted)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vring_is_filled(v);
}

bool vring_is_filled(struct vring *v)
{
	return vring_is_running(v) && field_load(v->avail, AT_IDX) != v->next_avail;
}

/* One piece of a part: from which segment, from where in it, how long. */
struct piece {
	gpa_t gpa;
	uint32_t len;
};

/* The next piece of [*at, *at + *len) in segment i; empty when the segment ends before *at. */
static struct piece piece_cut(const struct seg *s, uint32_t *at, uint32_t *len)
{
	if (*at >= s->len) {
		*at -= s->len;
		return (struct piece){ 0 };
	}
	struct piece p = { { s->gpa.v + *at }, MIN(s->len - *at, *len) };
	*at = 0;
	*len -= p.len;
	return p;
}

int chain_map(const struct mem *m, const struct chain *c, bool is_write, uint32_t at, uint32_t len,
	struct iovec *ret, unsigned int *ret_n)
{
	uint16_t first = is_write ? c->n_read : 0;
	uint16_t end = is_write ? c->n : c->n_read;
	unsigned int n = 0;

	if (!num_fits(at, len, is_write ? c->write_len : c->read_len))
		return -EBADMSG;
	for (uint16_t i = first; i < end && len > 0; i++) {
		struct piece p = piece_cut(&c->seg[i], &at, &len);
		if (p.len == 0)
			continue;
		int err = mem_map_range(m, p.gpa, p.len, &ret[n].iov_base);
		if (err < 0)
			return err;
		ret[n++].iov_len = p.len;
	}
	*ret_n = n;
	return 0;
}

/* Copy between our bytes and a part, piece by piece, without an iovec array on the stack. */
static MUST_USE int part_copy(const struct mem *m, const struct chain *c, bool is_write,
	uint32_t at, uint8_t *ours, size_t size)
{
	uint16_t end = is_write ? c->n : c->n_read;
	uint32_t len = (uint32_t)size;

	if (!num_fits(at, size, is_write ? c->write_len : c->read_len))
		return -EBADMSG;
	for (uint16_t i = is_write ? c->n_read : 0; i < end && len > 0; i++) {
		struct piece p = piece_cut(&c->seg[i], &at, &len);
		if (p.len == 0)
			continue;
		int err = is_write ? mem_write(m, p.gpa, ours, p.len)
				   : mem_read(m, p.gpa, ours, p.len);
		if (err < 0)
			return err;
		ours += p.len;
	}
	return 0;
}

int chain_read(const struct mem *m, const struct chain *c, uint32_t at, void *ret, size_t len)
{
	return part_copy(m, c, false, at, ret, len);
}

int chain_write(
	const struct mem *m, const struct chain *c, uint32_t at, const void *src, size_t len)
{
	return part_copy(m, c, true, at, (uint8_t *)(uintptr_t)src, len); /* only read from */
}
