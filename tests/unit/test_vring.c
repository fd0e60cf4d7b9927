#include <errno.h>
#include <string.h>

#include "tests/unit/cm.h"
#include "vmm/virtio/vring.h"

/* One page of rings and some of buffers, at guest address 0x10000, user address 0x7000000. */
#define GPA      0x10000ull
#define USER     0x7000000ull
#define SIZE     8u
#define AT_DESC  0x000u
#define AT_AVAIL 0x200u
#define AT_USED  0x400u
#define AT_TABLE 0x1000u /* an indirect table */
#define AT_DATA  0x4000u

static _Alignas(4096) uint8_t ram[0x10000];
static struct mem mem;
static struct vring ring;
static struct chain chain;

static void desc_put(
	size_t table, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct wire_desc d = { le64_of(addr), le32_of(len), le16_of(flags), le16_of(next) };

	memcpy(ram + table + 16 * i, &d, sizeof d);
}

static void word_put(size_t at, uint16_t v)
{
	le16 w = le16_of(v);

	memcpy(ram + at, &w, sizeof w);
}

static uint16_t word_get(size_t at)
{
	le16 w;

	memcpy(&w, ram + at, sizeof w);
	return le16_get(w);
}

/* Offer head as the n-th chain ever (n from 0) of a ring that began at index 0. */
static void head_offer(uint16_t n, uint16_t head)
{
	word_put(AT_AVAIL + 4 + 2u * (n % SIZE), head);
	word_put(AT_AVAIL + 2, (uint16_t)(n + 1));
}

static const struct vring_setup good = {
	.size = SIZE,
	.has_indirect = true,
	.desc = USER + AT_DESC,
	.avail = USER + AT_AVAIL,
	.used = USER + AT_USED,
};

static int fresh(void **state)
{
	const struct mem_region r = { { GPA }, sizeof ram, USER, ram };

	memset(ram, 0, sizeof ram);
	mem = (struct mem){ 0 };
	ring = (struct vring){ 0 };
	if (mem_add_region(&mem, &r) < 0)
		return -1;
	return vring_start(&ring, &mem, &good);
}

/* The chain at head 0 must break the ring with err, and the ring must stay broken. */
static void expect_broken(int err)
{
	head_offer(0, 0);
	assert_int_equal(vring_pop_chain(&ring, &chain), err);
	assert_true(ring.is_broken);
	assert_int_equal(chain.n, 0);
	assert_int_equal(vring_pop_chain(&ring, &chain), -ENOTCONN);
	assert_int_equal(vring_push_used(&ring, 0, 0), -ENOTCONN);
	assert_int_equal(word_get(AT_USED + 2), 0); /* nothing was published */
	assert_false(vring_is_due(&ring));
	assert_false(vring_is_filled(&ring));
}

static void chain_arrives_with_its_parts(void **state)
{
	desc_put(AT_DESC, 3, GPA + AT_DATA, 16, VRING_DESC_NEXT, 1);
	desc_put(AT_DESC, 1, GPA + AT_DATA + 64, 5, VRING_DESC_NEXT, 0);
	desc_put(AT_DESC, 0, GPA + AT_DATA + 128, 100, VRING_DESC_NEXT | VRING_DESC_WRITE, 7);
	desc_put(AT_DESC, 7, GPA + AT_DATA + 512, 1, VRING_DESC_WRITE, 99);
	head_offer(0, 3);

	assert_true(vring_is_filled(&ring));
	assert_int_equal(vring_pop_chain(&ring, &chain), 0);
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.n, 4);
	assert_int_equal(chain.n_read, 2);
	assert_int_equal(chain.read_len, 21);
	assert_int_equal(chain.write_len, 101);
	assert_int_equal(vring_pop_chain(&ring, &chain), -EAGAIN);

	assert_int_equal(vring_push_used(&ring, 3, 101), 0);
	assert_int_equal(word_get(AT_USED + 2), 1);
	assert_int_equal(word_get(AT_USED + 4), 3);
	assert_int_equal(word_get(AT_USED + 8), 101);
}

static void parts_are_copied_and_mapped_across_buffers(void **state)
{
	struct iovec iov[LIMIT_CHAIN_SEGS];
	unsigned int n;
	char back[8] = { 0 };

	memcpy(ram + AT_DATA, "abc", 3);
	memcpy(ram + AT_DATA + 64, "defgh", 5);
	desc_put(AT_DESC, 0, GPA + AT_DATA, 3, VRING_DESC_NEXT, 1);
	desc_put(AT_DESC, 1, GPA + AT_DATA + 64, 5, VRING_DESC_NEXT, 2);
	desc_put(AT_DESC, 2, GPA + AT_DATA + 128, 2, VRING_DESC_NEXT | VRING_DESC_WRITE, 3);
	desc_put(AT_DESC, 3, GPA + AT_DATA + 256, 4, VRING_DESC_WRITE, 0);
	head_offer(0, 0);
	assert_int_equal(vring_pop_chain(&ring, &chain), 0);

	assert_int_equal(chain_read(&mem, &chain, 1, back, 6), 0);
	assert_string_equal(back, "bcdefg");
	assert_int_equal(chain_read(&mem, &chain, 3, back, 6), -EBADMSG);
	assert_int_equal(chain_read(&mem, &chain, UINT32_MAX, back, 6), -EBADMSG);
	assert_int_equal(chain_read(&mem, &chain, 8, back, 0), 0);

	assert_int_equal(chain_write(&mem, &chain, 1, "WXYZ", 4), 0);
	assert_memory_equal(ram + AT_DATA + 129, "W", 1);
	assert_memory_equal(ram + AT_DATA + 256, "XYZ\0", 4);
	assert_int_equal(chain_write(&mem, &chain, 5, "WX", 2), -EBADMSG);

	assert_int_equal(chain_map(&mem, &chain, false, 2, 6, iov, &n), 0);
	assert_int_equal(n, 2);
	assert_ptr_equal(iov[0].iov_base, ram + AT_DATA + 2);
	assert_int_equal(iov[0].iov_len, 1);
	assert_int_equal(iov[1].iov_len, 5);
	assert_int_equal(chain_map(&mem, &chain, true, 2, 4, iov, &n), 0);
	assert_int_equal(n, 1);
	assert_ptr_equal(iov[0].iov_base, ram + AT_DATA + 256);
	assert_int_equal(chain_map(&mem, &chain, true, 2, 5, iov, &n), -EBADMSG);
}

static void indirect_chain_arrives(void **state)
{
	desc_put(AT_TABLE, 0, GPA + AT_DATA, 16, VRING_DESC_NEXT, 2);
	desc_put(AT_TABLE, 2, GPA + AT_DATA + 64, 8, VRING_DESC_WRITE, 0);
	desc_put(AT_DESC, 5, GPA + AT_TABLE, 48, VRING_DESC_INDIRECT, 0);
	head_offer(0, 5);
	assert_int_equal(vring_pop_chain(&ring, &chain), 0);
	assert_int_equal(chain.head, 5);
	assert_int_equal(chain.n, 2);
	assert_int_equal(chain.read_len, 16);
	assert_int_equal(chain.write_len, 8);
}

static void indirect_after_direct_buffers_arrives(void **state)
{
	desc_put(AT_TABLE, 0, GPA + AT_DATA + 64, 8, VRING_DESC_WRITE, 0);
	desc_put(AT_DESC, 0, GPA + AT_DATA, 4, VRING_DESC_NEXT, 1);
	desc_put(AT_DESC, 1, GPA + AT_TABLE, 16, VRING_DESC_INDIRECT, 0);
	head_offer(0, 0);
	assert_int_equal(vring_pop_chain(&ring, &chain), 0);
	assert_int_equal(chain.n, 2);
}

static void indices_wrap_at_65536(void **state)
{
	struct vring_setup s = good;
	uint16_t at = 65530;

	s.base = at;
	word_put(AT_USED + 2, at);
	word_put(AT_AVAIL + 2, at);
	assert_int_equal(vring_start(&ring, &mem, &s), 0);
	for (unsigned int i = 0; i < 20; i++, at++) {
		desc_put(AT_DESC, i % SIZE, GPA + AT_DATA, 1 + i, VRING_DESC_WRITE, 0);
		head_offer(at, (uint16_t)(i % SIZE));
		assert_int_equal(vring_pop_chain(&ring, &chain), 0);
		assert_int_equal(chain.write_len, 1 + i);
		assert_int_equal(vring_push_used(&ring, chain.head, 1 + i), 0);
		assert_int_equal(word_get(AT_USED + 2), (uint16_t)(at + 1));
		assert_int_equal(word_get(AT_USED + 4 + 8u * (at % SIZE)), i % SIZE);
		assert_int_equal(vring_pop_chain(&ring, &chain), -EAGAIN);
	}
	assert_int_equal(vring_stop(&ring), at);
	assert_int_equal(vring_stop(&ring), 0);
	assert_int_equal(vring_pop_chain(&ring, &chain), -ENOTCONN);
}

static void full_ring_is_taken_whole(void **state)
{
	for (uint16_t i = 0; i < SIZE; i++) {
		desc_put(AT_DESC, i, GPA + AT_DATA, 1, 0, 0);
		head_offer(i, i);
	}
	for (uint16_t i = 0; i < SIZE; i++)
		assert_int_equal(vring_pop_chain(&ring, &chain), 0);
	assert_int_equal(vring_pop_chain(&ring, &chain), -EAGAIN);
}

static void head_out_of_range_breaks(void **state)
{
	head_offer(0, SIZE);
	assert_int_equal(vring_pop_chain(&ring, &chain), -EBADMSG);
	assert_true(ring.is_broken);
}

static void next_out_of_range_breaks(void **state)
{
	desc_put(AT_DESC, 0, GPA + AT_DATA, 1, VRING_DESC_NEXT, SIZE);
	expect_broken(-EBADMSG);
}

static void loop_breaks(void **state)
{
	desc_put(AT_DESC, 0, GPA + AT_DATA, 1, VRING_DESC_NEXT, 1);
	desc_put(AT_DESC, 1, GPA + AT_DATA, 1, VRING_DESC_NEXT, 0);
	expect_broken(-EBADMSG);
}

static void self_loop_breaks(void **state)
{
	desc_put(AT_DESC, 0, GPA + AT_DATA, 1, VRING_DESC_NEXT, 0);
	expect_broken(-EBADMSG);
}

static void readable_after_writable_breaks(void **state)
{
	desc_put(AT_DESC, 0, GPA + AT_DATA, 1, VRING_DESC_NEXT | VRING_DESC_WRITE, 1);
	desc_put(AT_DESC, 1, GPA + AT_DATA, 1, 0, 0);
	expect_broken(-EBADMSG);
}

static void empty_buffer_breaks(void **state)
{
	desc_put(AT_DESC, 0, GPA + AT_DATA, 0, 0, 0);
	expect_broken(-EBADMSG);
}

static void buffer_outside_memory_breaks(void **state)
{
	desc_put(AT_DESC, 0, GPA + sizeof ram - 1, 2, 0, 0);
	expect_broken(-EFAULT);
}

static void buffer_that_wraps_breaks(void **state)
{
	desc_put(AT_DESC, 0, UINT64_MAX - 15, 32, VRING_DESC_WRITE, 0);
	expect_broken(-EFAULT);
}

static void huge_buffer_breaks(void **state)
{
	desc_put(AT_DESC, 0, GPA, UINT32_MAX, VRING_DESC_WRITE, 0);
	expect_broken(-EFAULT);
}

static void user_address_in_a_descriptor_breaks(void **state)
{
	desc_put(AT_DESC, 0, USER + AT_DATA, 16, 0, 0);
	expect_broken(-EFAULT);
}

static void more_entries_than_the_ring_holds_break(void **state)
{
	word_put(AT_AVAIL + 2, SIZE + 1);
	assert_int_equal(vring_pop_chain(&ring, &chain), -EBADMSG);
	assert_true(ring.is_broken);
}

static void available_index_going_back_breaks(void **state)
{
	word_put(AT_AVAIL + 2, 0xffff);
	assert_int_equal(vring_pop_chain(&ring, &chain), -EBADMSG);
}

static void indirect_inside_indirect_breaks(void **state)
{
	desc_put(AT_TABLE, 0, GPA + AT_TABLE, 16, VRING_DESC_INDIRECT, 0);
	desc_put(AT_DESC, 0, GPA + AT_TABLE, 16, VRING_DESC_INDIRECT, 0);
	expect_broken(-EBADMSG);
}

static void indirect_with_next_breaks(void **state)
{
	desc_put(AT_TABLE, 0, GPA + AT_DATA, 16, 0, 0);
	desc_put(AT_DESC, 0, GPA + AT_TABLE, 16, VRING_DESC_INDIRECT | VRING_DESC_NEXT, 1);
	expect_broken(-EBADMSG);
}

static void indirect_that_was_not_agreed_breaks(void **state)
{
	struct vring_setup s = good;

	s.has_indirect = false;
	assert_int_equal(vring_start(&ring, &mem, &s), 0);
	desc_put(AT_TABLE, 0, GPA + AT_DATA, 16, 0, 0);
	desc_put(AT_DESC, 0, GPA + AT_TABLE, 16, VRING_DESC_INDIRECT, 0);
	expect_broken(-EBADMSG);
}

static void indirect_table_of_odd_length_breaks(void **state)
{
	desc_put(AT_TABLE, 0, GPA + AT_DATA, 16, 0, 0);
	desc_put(AT_DESC, 0, GPA + AT_TABLE, 17, VRING_DESC_INDIRECT, 0);
	expect_broken(-EBADMSG);
}

static void empty_indirect_table_breaks(void **state)
{
	desc_put(AT_DESC, 0, GPA + AT_TABLE, 0, VRING_DESC_INDIRECT, 0);
	expect_broken(-EBADMSG);
}

static void oversize_indirect_table_breaks(void **state)
{
	desc_put(AT_DESC, 0, GPA + AT_TABLE, 16 * (LIMIT_CHAIN_SEGS + 1), VRING_DESC_INDIRECT, 0);
	expect_broken(-EMSGSIZE);
}

static void huge_indirect_table_breaks(void **state)
{
	desc_put(AT_DESC, 0, GPA + AT_TABLE, 0xfffffff0, VRING_DESC_INDIRECT, 0);
	expect_broken(-EMSGSIZE);
}

static void indirect_table_outside_memory_breaks(void **state)
{
	desc_put(AT_DESC, 0, GPA + sizeof ram - 16, 32, VRING_DESC_INDIRECT, 0);
	expect_broken(-EFAULT);
}

static void loop_in_indirect_table_breaks(void **state)
{
	desc_put(AT_TABLE, 0, GPA + AT_DATA, 1, VRING_DESC_NEXT, 1);
	desc_put(AT_TABLE, 1, GPA + AT_DATA, 1, VRING_DESC_NEXT, 0);
	desc_put(AT_DESC, 0, GPA + AT_TABLE, 32, VRING_DESC_INDIRECT, 0);
	expect_broken(-EBADMSG);
}

static void too_many_buffers_break(void **state)
{
	/* 3 direct ones, then a table of the most we take: 3 too many. */
	for (uint16_t i = 0; i < LIMIT_CHAIN_SEGS; i++)
		desc_put(AT_TABLE, i, GPA + AT_DATA, 1,
			i + 1 < (uint16_t)LIMIT_CHAIN_SEGS ? VRING_DESC_NEXT : 0,
			(uint16_t)(i + 1));
	for (uint16_t i = 0; i < 3; i++)
		desc_put(AT_DESC, i, GPA + AT_DATA, 1, VRING_DESC_NEXT, (uint16_t)(i + 1));
	desc_put(AT_DESC, 3, GPA + AT_TABLE, 16 * LIMIT_CHAIN_SEGS, VRING_DESC_INDIRECT, 0);
	expect_broken(-EMSGSIZE);
}

static void overlapping_buffers_are_the_guests_business(void **state)
{
	desc_put(AT_DESC, 0, GPA + AT_DATA, 16, VRING_DESC_NEXT, 1);
	desc_put(AT_DESC, 1, GPA + AT_DATA + 8, 16, VRING_DESC_WRITE, 0);
	head_offer(0, 0);
	assert_int_equal(vring_pop_chain(&ring, &chain), 0);
	assert_int_equal(chain.n, 2);
}

static void bad_setups_are_refused(void **state)
{
	static const struct {
		uint32_t size;
		uint64_t desc, avail, used;
		int err;
	} bad[] = {
		{ 0, USER, USER + 0x200, USER + 0x400, -ERANGE },
		{ 3, USER, USER + 0x200, USER + 0x400, -ERANGE },
		{ LIMIT_VRING_SIZE * 2, USER, USER + 0x200, USER + 0x400, -ERANGE },
		{ 0x80000000u, USER, USER + 0x200, USER + 0x400, -ERANGE },
		{ 8, USER + 8, USER + 0x200, USER + 0x400, -EINVAL },
		{ 8, USER, USER + 0x201, USER + 0x400, -EINVAL },
		{ 8, USER, USER + 0x200, USER + 0x402, -EINVAL },
		{ 8, USER + sizeof ram - 127, USER + 0x200, USER + 0x400, -EFAULT },
		{ 8, USER, USER + sizeof ram - 20, USER + 0x400, -EFAULT },
		{ 8, USER, USER + 0x200, USER + sizeof ram - 68, -EFAULT },
		{ 8, GPA, GPA + 0x200, GPA + 0x400, -EFAULT }, /* guest instead of user addresses */
		{ 8, 0, 0, 0, -EFAULT },
		{ 8, UINT64_MAX - 15, USER + 0x200, USER + 0x400, -EFAULT },
	};
	struct vring before;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct vring_setup s = { .size = bad[i].size,
			.desc = bad[i].desc,
			.avail = bad[i].avail,
			.used = bad[i].used };
		memcpy(&before, &ring, sizeof before);
		assert_int_equal(vring_start(&ring, &mem, &s), bad[i].err);
		assert_memory_equal(&before, &ring, sizeof before);
	}
}

static void guest_is_told_unless_it_asked_not_to_be(void **state)
{
	assert_false(vring_is_due(&ring)); /* nothing pushed */
	assert_int_equal(vring_push_used(&ring, 0, 0), 0);
	assert_true(vring_is_due(&ring));
	assert_false(vring_is_due(&ring)); /* told already */
	word_put(AT_AVAIL, VRING_NO_INTERRUPT);
	assert_int_equal(vring_push_used(&ring, 0, 0), 0);
	assert_false(vring_is_due(&ring));
}

static void kicks_are_asked_for_and_not(void **state)
{
	assert_false(vring_want_kicks(&ring, false));
	assert_int_equal(word_get(AT_USED), VRING_NO_NOTIFY);
	assert_false(vring_want_kicks(&ring, true));
	assert_int_equal(word_get(AT_USED), 0);
	desc_put(AT_DESC, 0, GPA + AT_DATA, 1, 0, 0);
	head_offer(0, 0);
	assert_true(vring_want_kicks(&ring, true)); /* came in between: look again */
}

static void event_index_decides_when_agreed(void **state)
{
	struct vring_setup s = good;
	size_t used_event = AT_AVAIL + 4 + 2 * SIZE;
	size_t avail_event = AT_USED + 4 + 8 * SIZE;

	s.has_event_idx = true;
	assert_int_equal(vring_start(&ring, &mem, &s), 0);
	word_put(AT_AVAIL, VRING_NO_INTERRUPT); /* means nothing now: 2.7.7.1 */
	word_put(used_event, 2);                /* tell me when entry 2 is used */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vring_push_used(&ring, 0, 0), 0);
		assert_false(vring_is_due(&ring));
	}
	assert_int_equal(vring_push_used(&ring, 0, 0), 0);
	assert_true(vring_is_due(&ring));
	assert_int_equal(vring_push_used(&ring, 0, 0), 0);
	assert_false(vring_is_due(&ring));

	desc_put(AT_DESC, 0, GPA + AT_DATA, 1, 0, 0);
	head_offer(0, 0);
	assert_int_equal(vring_pop_chain(&ring, &chain), 0);
	assert_false(vring_want_kicks(&ring, true));
	assert_int_equal(word_get(avail_event), 1);
}

#define T(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(chain_arrives_with_its_parts),
		T(parts_are_copied_and_mapped_across_buffers),
		T(indirect_chain_arrives),
		T(indirect_after_direct_buffers_arrives),
		T(indices_wrap_at_65536),
		T(full_ring_is_taken_whole),
		T(head_out_of_range_breaks),
		T(next_out_of_range_breaks),
		T(loop_breaks),
		T(self_loop_breaks),
		T(readable_after_writable_breaks),
		T(empty_buffer_breaks),
		T(buffer_outside_memory_breaks),
		T(buffer_that_wraps_breaks),
		T(huge_buffer_breaks),
		T(user_address_in_a_descriptor_breaks),
		T(more_entries_than_the_ring_holds_break),
		T(available_index_going_back_breaks),
		T(indirect_inside_indirect_breaks),
		T(indirect_with_next_breaks),
		T(indirect_that_was_not_agreed_breaks),
		T(indirect_table_of_odd_length_breaks),
		T(empty_indirect_table_breaks),
		T(oversize_indirect_table_breaks),
		T(huge_indirect_table_breaks),
		T(indirect_table_outside_memory_breaks),
		T(loop_in_indirect_table_breaks),
		T(too_many_buffers_break),
		T(overlapping_buffers_are_the_guests_business),
		T(bad_setups_are_refused),
		T(guest_is_told_unless_it_asked_not_to_be),
		T(kicks_are_asked_for_and_not),
		T(event_index_decides_when_agreed),
	};

	return cmocka_run_group_tests_name("vring", tests, NULL, NULL);
}
