/* The hand-off list that the monitor gives a TD, and the one that measure predicts: two programs. */
#include <errno.h>
#include <string.h>

#include "attest/rtmr.h"
#include "base/num.h"
#include "base/wr.h"
#include "tests/unit/cm.h"
#include "vmm/monitor/mon_hob.h"

#define IMAGE_BYTES 0x10000u
#define BACK        0x600u /* of the TDVF descriptor */

struct section {
	uint64_t gpa, size;
	uint32_t type;
};

static void put(uint8_t *p, uint64_t v, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* An image with these sections and its boot volume; found by the offset near its end (ABI 4.8). */
static void image_make(uint8_t image[IMAGE_BYTES], const struct section *s, size_t n)
{
	static const uint8_t guid[] = { 0xf3, 0xf9, 0xea, 0xe9, 0x8e, 0x16, 0xd5, 0x44, 0xa8, 0xeb,
		0x7f, 0x4d, 0x87, 0x38, 0xf6, 0xae };
	uint8_t *at = image + IMAGE_BYTES - BACK;

	memset(image, 0, IMAGE_BYTES);
	memcpy(at - sizeof guid, guid, sizeof guid);
	memcpy(at, "TDVF", 4);
	put(at + 4, 16 + 32 * (n + 1), 4);
	put(at + 8, 1, 4);
	put(at + 12, n + 1, 4);
	at += 16;
	put(at + 4, IMAGE_BYTES, 4);
	put(at + 8, (1ull << 32) - IMAGE_BYTES, 8);
	put(at + 16, IMAGE_BYTES, 8);
	put(at + 28, 1, 4);
	for (size_t i = 0; i < n; i++) {
		at += 32;
		put(at + 8, s[i].gpa, 8);
		put(at + 16, s[i].size, 8);
		put(at + 24, s[i].type, 4);
	}
	put(image + IMAGE_BYTES - 0x20, IMAGE_BYTES - BACK, 4);
}

/* RAM as docs/launch.md has it. */
static struct mon_memory memory_of(uint64_t mib)
{
	uint64_t all = mib << 20, low = MIN(all, 3ull << 30);
	struct mon_memory m = { .n = 1, .size = all, .ranges[0] = { 0, low, 0 } };

	if (all > low)
		m.ranges[m.n++] = (struct mem_range){ 4ull << 30, all - low, low };
	return m;
}

static void both_lists_are_the_same(void **state)
{
	static const struct section sections[] = {
		{ 0x810000, 0x10000, 3 },
		{ 0x809000, 0x2000, 2 },
		{ 0x80b000, 0x2000, 3 },
		{ 0, 0x1000, 3 },
	};
	static const uint64_t sizes[] = { 128, 256, 3071, 3072, 3073, 8192 };
	static uint8_t image[IMAGE_BYTES];
	uint8_t ours[4096], theirs[4096];

	image_make(image, sections, ARRAY_LEN(sections));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct launch_inputs in = { .kind = LAUNCH_TDX,
			.firmware = image,
			.firmware_len = sizeof image,
			.vmm = VMM_CASEMATE,
			.boot.memory_mib = sizes[i] };
		struct hob_range added[ARRAY_LEN(sections)];
		struct mon_memory memory = memory_of(sizes[i]);
		struct why why = { 0 };
		size_t len = 0;
		for (size_t k = 0; k < ARRAY_LEN(sections); k++)
			added[k] = (struct hob_range){ sections[k].gpa, sections[k].size };
		if (rtmr_hob_print(&in, ours, sizeof ours, &len, &why) < 0)
			fail_msg("%s", why.text);
		assert_int_equal(mon_hob_build(theirs, sizeof theirs, 0x809000, &memory, added,
					 ARRAY_LEN(added), &why),
			0);
		assert_true(len > 56 + 48 * 4 && len < sizeof ours);
		assert_memory_equal(ours, theirs, len);
		/* What follows in theirs is the end, which nobody measures. */
		assert_int_equal(theirs[len] | theirs[len + 1] << 8, 0xffff);
	}
}

/* The first event of a real TD's log: QEMU, 2 GiB, edk2's sections (attestation.md, 8.2). */
static void qemus_list_is_the_one_in_a_real_log(void **state)
{
	static const struct section sections[] = {
		{ 0x810000, 0x10000, 3 },
		{ 0x80b000, 0x2000, 3 },
		{ 0x809000, 0x2000, 2 },
		{ 0x800000, 0x6000, 3 },
	};
	static const char want[] = "0b8772e5b0b41b83e6044a68397e02f49fb47066b4fbe491"
				   "7ea2c45c64f323fdacbb37948f821ebaf8bc9c938ba8a749";
	static uint8_t image[IMAGE_BYTES];
	struct launch_inputs in = { .kind = LAUNCH_TDX,
		.firmware = image,
		.firmware_len = sizeof image,
		.vmm = VMM_QEMU,
		.boot.memory_mib = 2048 };
	uint8_t list[4096], digest[SHA384_BYTES];
	char hex[2 * SHA384_BYTES + 1];
	size_t len = 0;

	image_make(image, sections, ARRAY_LEN(sections));
	assert_int_equal(rtmr_hob_print(&in, list, sizeof list, &len, NULL), 0);
	assert_int_equal(sha384_once(list, len, digest), 0);
	wr_hex_str(hex, sizeof hex, digest, sizeof digest);
	assert_string_equal(hex, want);
	/* Ours is another where RAM ends elsewhere. */
	in.boot.memory_mib = 4096;
	assert_int_equal(rtmr_hob_print(&in, list, sizeof list, &len, NULL), 0);
	in.vmm = VMM_CASEMATE;
	size_t ours_len = 0;
	uint8_t ours[4096];
	assert_int_equal(rtmr_hob_print(&in, ours, sizeof ours, &ours_len, NULL), 0);
	assert_int_equal(ours_len, len);
	assert_memory_not_equal(ours, list, len);
}

static void memory_that_is_not_there_is_refused(void **state)
{
	static const struct section outside[] = { { 0x809000, 0x2000, 2 },
		{ 0x20000000, 0x1000, 3 } };
	static const struct section twice[] = { { 0x809000, 0x2000, 2 }, { 0x80a000, 0x1000, 3 } };
	static uint8_t image[IMAGE_BYTES];
	struct launch_inputs in = { .kind = LAUNCH_TDX,
		.firmware = image,
		.firmware_len = sizeof image,
		.vmm = VMM_CASEMATE,
		.boot.memory_mib = 256 };
	uint8_t out[4096];
	size_t len = 0;

	image_make(image, outside, ARRAY_LEN(outside));
	assert_int_equal(rtmr_hob_print(&in, out, sizeof out, &len, NULL), -EFAULT);
	image_make(image, twice, ARRAY_LEN(twice));
	assert_int_equal(rtmr_hob_print(&in, out, sizeof out, &len, NULL), -EFAULT);
	image_make(image, twice, 1);
	assert_int_equal(rtmr_hob_print(&in, out, 100, &len, NULL), -EMSGSIZE);
	memset(image + IMAGE_BYTES - BACK, 0, 4);
	assert_true(rtmr_hob_print(&in, out, sizeof out, &len, NULL) < 0);
	assert_int_equal(len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_lists_are_the_same),
		cmocka_unit_test(qemus_list_is_the_one_in_a_real_log),
		cmocka_unit_test(memory_that_is_not_there_is_refused),
	};

	return cmocka_run_group_tests_name("hob_agree", tests, NULL, NULL);
}
