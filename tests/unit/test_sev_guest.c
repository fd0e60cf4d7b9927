/* The back end's own parts, and whole launches with every step made to fail in turn. */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "sev/cpuid.h"
#include "sev/fw.h"
#include "sev/launch.h"
#include "sev/ram.h"
#include "sev/sim/sim_cpuid.h"
#include "sev/sim/sim_state.h"
#include "tests/sim/simkit.h"
#include "tests/unit/cm.h"

#define RAM_BYTES (4u << 20)
#define PAGES     300u

static uint8_t image[PAGES * 4096 - 100];

/* A launch as the monitor does it; the first error. */
static int launch(struct kit *k, uint8_t digest[SNP_DIGEST_BYTES], struct why *why)
{
	struct guest_identity id = { .host_data = { 1 } };
	union fake_cpuid cpuid;
	int err = guest_open(GUEST_SNP,
		&(struct guest_setup){ .kvm_fd = k->kvm_fd, .sev_fd = k->sev_fd }, &k->guest, why);

	fake_kvm_cpuid(&cpuid);
	if (err == 0)
		err = kit_add_memory(k, 0, RAM_BYTES, why);
	if (err == 0)
		err = guest_set_private(k->guest, why);
	if (err == 0)
		err = guest_start_launch(k->guest, 0x30000, why);
	if (err == 0)
		err = guest_measure_pages(
			k->guest, PAGE_NORMAL, 0x100000, image, sizeof image, why);
	if (err == 0)
		err = guest_measure_pages(k->guest, PAGE_ZERO, 0x1000, NULL, 0x10000, why);
	if (err == 0)
		err = guest_measure_pages(k->guest, PAGE_UNMEASURED, 0x50000, image, 10, why);
	if (err == 0)
		err = guest_measure_pages(k->guest, PAGE_SECRETS, 0x60000, NULL, 4096, why);
	if (err == 0)
		err = guest_measure_cpuid(k->guest, 0x61000, &cpuid.head, why);
	if (err == 0)
		err = guest_finish_launch(k->guest, &id, why);
	if (err == 0)
		err = sim_get_digest(guest_vm_fd(k->guest), digest);
	return err;
}

static void the_digest_does_not_depend_on_where_kvm_stops(void **state)
{
	uint8_t first[SNP_DIGEST_BYTES], digest[SNP_DIGEST_BYTES];

	(void)state;
	memset(image, 0x5A, sizeof image);
	for (uint32_t seed = 0; seed < 8; seed++) {
		struct kit k;
		kit_init(&k, SIM_MILAN, 3);
		k.minted.platform.seed = seed;
		assert_int_equal(kit_open(&k, NULL), 0);
		assert_int_equal(launch(&k, seed == 0 ? first : digest, NULL), 0);
		assert_int_equal(k.ram[0][0x100000 + sizeof image - 1], 0x5A);
		assert_int_equal(k.ram[0][0x100000 + sizeof image], 0);
		assert_int_equal(k.ram[0][0x50009], 0x5A);
		kit_done(&k);
		if (seed > 0)
			assert_memory_equal(first, digest, sizeof first);
	}
}

/* Fail the first, second, third ... firmware command of a kind until none is left to fail. */
static void every_firmware_failure_is_named_and_ends_the_launch(void **state)
{
	static const enum sim_command commands[] = { SIM_SNP_LAUNCH_START, SIM_SNP_LAUNCH_UPDATE,
		SIM_SNP_LAUNCH_FINISH };

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(commands); c++) {
		uint32_t n = 1;
		int err = -EREMOTEIO;
		for (; err != 0; n += n < 4 ? 1 : 97) {
			struct kit k;
			struct why why = { 0 };
			uint8_t digest[SNP_DIGEST_BYTES];
			kit_init(&k, SIM_MILAN, 3);
			k.minted.platform.script = (struct sim_script){ .n = 1,
				.fault = { { commands[c], n, 0x17 } } };
			assert_int_equal(kit_open(&k, NULL), 0);
			err = launch(&k, digest, &why);
			if (err != 0) {
				assert_int_equal(err, -EREMOTEIO);
				assert_non_null(strstr(why.text, "RESOURCE_LIMIT (0x17)"));
				assert_false(guest_is_launched(k.guest));
			}
			kit_done(&k);
		}
		assert_true(n > 1);
	}
}

static void every_kvm_failure_ends_the_launch_with_a_reason(void **state)
{
	int err = -ENOMEM;

	(void)state;
	for (unsigned int n = 1; err != 0; n++) {
		struct kit k;
		struct why why = { 0 };
		uint8_t digest[SNP_DIGEST_BYTES];
		kit_init(&k, SIM_MILAN, 3);
		assert_int_equal(kit_open(&k, NULL), 0);
		fake_kvm_fail(n, ENOMEM);
		err = launch(&k, digest, &why);
		if (err != 0)
			assert_true(why.text[0] != 0);
		kit_done(&k);
		assert_true(n < 50);
	}
}

static void a_host_without_snp_is_named(void **state)
{
	struct kit k;
	struct why why = { 0 };

	(void)state;
	kit_init(&k, SIM_MILAN, 3);
	assert_int_equal(kit_open(&k, NULL), 0);
	assert_int_equal(fw_open(k.kvm_fd, -1, NULL), 0);
	assert_int_equal(
		guest_open(GUEST_SNP, &(struct guest_setup){ .kvm_fd = k.kvm_fd, .sev_fd = -1 },
			&k.guest, &why),
		-EOPNOTSUPP);
	assert_non_null(strstr(why.text, "SEV-SNP"));
	kit_done(&k);
}

static void the_same_conversion_for_ever_is_refused(void **state)
{
	struct kit k;
	uint8_t digest[SNP_DIGEST_BYTES];
	int err = 0;
	int n = 0;

	(void)state;
	kit_init(&k, SIM_MILAN, 3);
	assert_int_equal(kit_open(&k, NULL), 0);
	assert_int_equal(launch(&k, digest, NULL), 0);
	assert_int_equal(guest_convert(k.guest, 0x1000, 4096, false), 0);
	for (; err == 0 && n < 10000; n++)
		err = guest_convert(k.guest, 0x1000, 4096, false);
	assert_int_equal(err, -ELOOP);
	assert_int_equal(guest_convert(k.guest, 0x1000, 4096, true), 0);
	kit_done(&k);
}

static void launch_steps_follow_the_table(void **state)
{
	(void)state;
	for (unsigned int f = 0; f < LAUNCH_FLOW_COUNT; f++)
		for (unsigned int s = 0; s < LAUNCH_STATE_COUNT; s++)
			for (unsigned int t = 0; t < LAUNCH_STEP_COUNT; t++) {
				int err = launch_check((enum launch_flow)f, (enum launch_state)s,
					(enum launch_step)t, NULL);
				assert_true(err == 0 ||
					    err == (s == LAUNCH_DEAD ? -ENOTCONN : -EPROTO));
			}
	assert_int_equal(launch_next(LAUNCH_FLOW_PAGES, LAUNCH_NEW, STEP_START), LAUNCH_OPEN);
	assert_int_equal(launch_next(LAUNCH_FLOW_PAGES, LAUNCH_OPEN, STEP_FINISH), LAUNCH_RUNNING);
	/* SEV: no end without a measurement, no page after it, no secret before it. */
	assert_int_equal(launch_check(LAUNCH_FLOW_SEV, LAUNCH_OPEN, STEP_FINISH, NULL), -EPROTO);
	assert_int_equal(
		launch_check(LAUNCH_FLOW_SEV, LAUNCH_OPEN, STEP_PUT_SECRET, NULL), -EPROTO);
	assert_int_equal(
		launch_check(LAUNCH_FLOW_SEV, LAUNCH_MEASURED, STEP_MEASURE, NULL), -EPROTO);
	assert_int_equal(
		launch_check(LAUNCH_FLOW_SEV, LAUNCH_MEASURED, STEP_READ_MEASUREMENT, NULL),
		-EPROTO);
	assert_int_equal(
		launch_next(LAUNCH_FLOW_SEV, LAUNCH_OPEN, STEP_READ_MEASUREMENT), LAUNCH_MEASURED);
	assert_int_equal(
		launch_next(LAUNCH_FLOW_SEV, LAUNCH_MEASURED, STEP_FINISH), LAUNCH_RUNNING);
}

static void cpuid_page_of_a_whole_table_passes_the_firmware(void **state)
{
	union fake_cpuid table;
	struct snp_cpuid_page page;
	struct sim_cpuid_profile profile;
	bool is_fixable;

	(void)state;
	fake_kvm_cpuid(&table);
	assert_int_equal(cpuid_page_build(&page, &table.head, 51, NULL), 0);
	int kvm_fd = fake_kvm_open();
	assert_int_equal(sim_cpuid_load(&profile, &fake_kvm, kvm_fd, NULL), 0);
	assert_true(sim_cpuid_check(&profile, &page, &is_fixable));
	for (uint32_t i = 0; i < le32_get(page.count); i++) {
		uint32_t leaf = le32_get(page.entry[i].eax_in);
		assert_true(leaf != 0x14 && leaf != 0x8000000A); /* no row in the firmware */
	}
	fake_kvm.close(kvm_fd);
}

static void cpuid_table_with_too_many_entries_is_refused(void **state)
{
	union {
		struct kvm_cpuid2 head;
		uint8_t room[sizeof(struct kvm_cpuid2) + 80 * sizeof(struct kvm_cpuid_entry2)];
	} t = { .head = { .nent = 80 } };
	struct snp_cpuid_page page;
	struct why why = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 80; i++)
		t.head.entries[i] =
			(struct kvm_cpuid_entry2){ .function = 0x40000000 + i, .eax = 1 };
	assert_int_equal(cpuid_page_build(&page, &t.head, 51, &why), -ERANGE);
	t.head.nent = 63; /* and leaf 0x8000001F */
	assert_int_equal(cpuid_page_build(&page, &t.head, 51, NULL), 0);
	assert_int_equal(le32_get(page.count), 64);
}

static void ram_refuses_overlap_and_wrap(void **state)
{
	static uint8_t host[4096] __attribute__((aligned(4096)));
	struct ram ram = { 0 };
	struct ram_region *r = NULL;

	(void)state;
	assert_int_equal(ram_add(&ram, 0, 0x1000, 0x4000, host, &r), 0);
	assert_int_equal(ram_add(&ram, 0, 0x9000, 0x1000, host, &r), -EEXIST);
	assert_int_equal(ram_add(&ram, 1, 0x4000, 0x1000, host, &r), -EEXIST);
	assert_int_equal(ram_add(&ram, 1, 0x0, 0x2000, host, &r), -EEXIST);
	assert_int_equal(ram_add(&ram, 1, ~0xFFFull, 0x2000, host, &r), -EINVAL);
	assert_int_equal(ram_add(&ram, 1, 0x5000, 0, host, &r), -EINVAL);
	assert_int_equal(ram_add(&ram, 1, 0x5000, 0x1000, host + 1, &r), -EINVAL);
	assert_int_equal(ram_add(&ram, 1, 0x5000, 0x1000, host, &r), 0);
	assert_true(ram_holds(&ram, 0x1000, 0x5000));
	assert_false(ram_holds(&ram, 0x1000, 0x5001));
	assert_false(ram_holds(&ram, 0xFFF, 1));
	assert_false(ram_holds(&ram, 0x1000, UINT64_MAX));
	ram_done(&ram);
}

static void bits_agree_with_a_plain_array(void **state)
{
	uint64_t words[5] = { 0 };
	struct bits b = { words };
	bool plain[320] = { false };
	uint32_t x = 777;

	(void)state;
	for (int round = 0; round < 500; round++) {
		x = x * 1664525 + 1013904223;
		uint64_t first = (x >> 8) % 320;
		uint64_t n = (x >> 16) % (321 - first);
		bool value = (x >> 7 & 1) != 0;
		bits_set(&b, first, n, value);
		for (uint64_t i = first; i < first + n; i++)
			plain[i] = value;
		uint64_t want = first;
		while (want < first + n && plain[want] == value)
			want++;
		assert_int_equal(bits_find(&b, first, n, !value), want);
		for (uint64_t i = 0; i < 320; i++)
			assert_int_equal(bits_get(&b, i), plain[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_digest_does_not_depend_on_where_kvm_stops),
		cmocka_unit_test(every_firmware_failure_is_named_and_ends_the_launch),
		cmocka_unit_test(every_kvm_failure_ends_the_launch_with_a_reason),
		cmocka_unit_test(a_host_without_snp_is_named),
		cmocka_unit_test(the_same_conversion_for_ever_is_refused),
		cmocka_unit_test(launch_steps_follow_the_table),
		cmocka_unit_test(cpuid_page_of_a_whole_table_passes_the_firmware),
		cmocka_unit_test(cpuid_table_with_too_many_entries_is_refused),
		cmocka_unit_test(ram_refuses_overlap_and_wrap),
		cmocka_unit_test(bits_agree_with_a_plain_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
