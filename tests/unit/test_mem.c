#include <errno.h>
#include <string.h>

#include "tests/unit/cm.h"
#include "vmm/virtio/mem.h"

static uint8_t low[4096];
static uint8_t high[8192];

static struct mem two_regions(void)
{
	struct mem m = { 0 };
	const struct mem_region a = { { 0x1000 }, sizeof low, 0x1000, low };
	const struct mem_region b = { { 1ull << 32 }, sizeof high, 1ull << 40, high };

	assert_int_equal(mem_add_region(&m, &a), 0);
	assert_int_equal(mem_add_region(&m, &b), 0);
	return m;
}

static void bytes_arrive_where_the_address_says(void **state)
{
	struct mem m = two_regions();
	char back[4];

	assert_int_equal(mem_write(&m, (gpa_t){ (1ull << 32) + 8188 }, "abcd", 4), 0);
	assert_memory_equal(high + 8188, "abcd", 4);
	assert_int_equal(mem_read(&m, (gpa_t){ (1ull << 32) + 8188 }, back, 4), 0);
	assert_memory_equal(back, "abcd", 4);
}

static void user_addresses_are_another_space(void **state)
{
	struct mem m = two_regions();
	void *at = NULL;

	assert_int_equal(mem_map_user(&m, (1ull << 40) + 16, 16, &at), 0);
	assert_ptr_equal(at, high + 16);
	assert_int_equal(mem_map_user(&m, 1ull << 32, 16, &at), -EFAULT);
	assert_int_equal(mem_map_range(&m, (gpa_t){ 1ull << 40 }, 16, &at), -EFAULT);
}

static void ranges_outside_are_refused(void **state)
{
	struct mem m = two_regions();
	const struct {
		uint64_t at;
		uint64_t len;
	} bad[] = {
		{ 0, 1 },                   /* before */
		{ 0xfff, 2 },               /* begins before */
		{ 0x1000, 4097 },           /* ends after */
		{ 0x1fff, 2 },              /* the last byte and one more */
		{ 0x2000, 1 },              /* just behind */
		{ 0x1000, 0 },              /* empty */
		{ 0x1001, UINT64_MAX },     /* wraps */
		{ UINT64_MAX, 1 },          /* the last address of all */
		{ (1ull << 32) + 1, 8192 }, /* ends after the second */
		{ (1ull << 32) - 1, 2 },
	};
	void *at = &m;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(mem_map_range(&m, (gpa_t){ bad[i].at }, bad[i].len, &at), -EFAULT);
		assert_ptr_equal(at, &m); /* the output is untouched */
	}
}

static void refused_copies_copy_nothing(void **state)
{
	struct mem m = two_regions();
	char back[4] = "xyz";

	memset(low, 0, sizeof low);
	assert_int_equal(mem_write(&m, (gpa_t){ 0x1ffe }, "abcd", 4), -EFAULT);
	assert_int_equal(low[4094], 0);
	assert_int_equal(mem_read(&m, (gpa_t){ 0x1ffe }, back, 4), -EFAULT);
	assert_string_equal(back, "xyz");
}

static void touching_regions_are_not_joined(void **state)
{
	struct mem m = two_regions();
	const struct mem_region c = { { 0x2000 }, sizeof low, 0x2000, low };
	void *at;

	assert_int_equal(mem_add_region(&m, &c), 0);
	assert_int_equal(mem_map_range(&m, (gpa_t){ 0x1ffc }, 8, &at), -EFAULT);
}

static void bad_regions_are_refused(void **state)
{
	struct mem m = two_regions();
	const struct mem_region bad[] = {
		{ { 0x5000 }, 0, 0x5000, low },            /* empty */
		{ { UINT64_MAX - 1 }, 4096, 0x5000, low }, /* wraps */
		{ { 0x5000 }, 4096, UINT64_MAX - 1, low }, /* wraps as user address */
		{ { 0x1fff }, 4096, 0x5000, low },         /* overlaps from behind */
		{ { 0 }, 0x1001, 0x5000, low },            /* overlaps from before */
		{ { 0 }, 1ull << 63, 0x5000, low },        /* swallows both */
		{ { 0x1100 }, 16, 0x5000, low },           /* inside */
		{ { 0x5000 }, 4096, 0x1800, low },         /* overlaps as user address */
		{ { 0x5000 }, 4096, 0x5000, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(mem_add_region(&m, &bad[i]), -EINVAL);
	assert_int_equal(m.n, 2);
}

static void full_table_is_refused(void **state)
{
	struct mem m = { 0 };

	for (uint64_t i = 0; i <= LIMIT_MEM_REGIONS; i++) {
		const struct mem_region r = { { i << 20 }, 4096, i << 20, low };
		assert_int_equal(mem_add_region(&m, &r), i < LIMIT_MEM_REGIONS ? 0 : -EMSGSIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_arrive_where_the_address_says),
		cmocka_unit_test(user_addresses_are_another_space),
		cmocka_unit_test(ranges_outside_are_refused),
		cmocka_unit_test(refused_copies_copy_nothing),
		cmocka_unit_test(touching_regions_are_not_joined),
		cmocka_unit_test(bad_regions_are_refused),
		cmocka_unit_test(full_table_is_refused),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
