#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/boot_pages.h"
#include "attest/digest_boot.h"
#include "attest/digest_snp.h"
#include "attest/what_changed.h"
#include "base/opts.h"
#include "tests/unit/bzimage.h"
#include "tests/unit/cm.h"

static void expect_digest(const uint8_t got[SHA384_BYTES], const char *want)
{
	uint8_t w[SHA384_BYTES];

	assert_int_equal(opts_parse_hex(want, w, sizeof w), 0);
	assert_memory_equal(got, w, sizeof w);
}

/* --- the page chain: vectors V1 to V4 and VM of kvm-cvm-abi.md, 8 -------------------------------- */

static void one_zero_page_gives_v1(void **state)
{
	AUTO(digest_snp) struct digest_snp d = { 0 };
	const uint8_t zero[PAGE_BYTES] = { 0 };

	assert_int_equal(digest_snp_init(&d), 0);
	assert_int_equal(digest_snp_add(&d, SNP_PAGE_NORMAL, 0x1000, zero, sizeof zero), 0);
	expect_digest(d.ld, "e6e4d78904d9d6b33c0cbfd121998fd2d11744dae606b3aee35e2a45d6869b60"
			    "b35c63928a9232bef72d6be386f48ec6");
}

static void a_page_of_type_zero_gives_v2(void **state)
{
	AUTO(digest_snp) struct digest_snp d = { 0 };

	assert_int_equal(digest_snp_init(&d), 0);
	assert_int_equal(digest_snp_add_empty(&d, SNP_PAGE_ZERO, 0x1000, 1), 0);
	expect_digest(d.ld, "4bd4147976a1e7554c1c778a781affc1c672f1965a727ba16084989b7e356044"
			    "a28bbe585a2f75dac9356fa5ab78f061");
}

static void v3_add(struct digest_snp *d)
{
	uint8_t p[PAGE_BYTES];

	memset(p, 0xF4, sizeof p);
	assert_int_equal(digest_snp_init(d), 0);
	assert_int_equal(digest_snp_add(d, SNP_PAGE_NORMAL, 0xFFFFF000, p, sizeof p), 0);
	assert_int_equal(digest_snp_add_empty(d, SNP_PAGE_ZERO, 0x800000, 1), 0);
	assert_int_equal(digest_snp_add_empty(d, SNP_PAGE_SECRETS, 0x80D000, 1), 0);
	assert_int_equal(digest_snp_add_empty(d, SNP_PAGE_CPUID, 0x80E000, 1), 0);
}

static void mixed_pages_give_v3_and_with_a_vmsa_v4(void **state)
{
	AUTO(digest_snp) struct digest_snp d = { 0 };
	struct vmsa v = vmsa_reset(0xFFFFFFF0, 1);
	uint8_t page[PAGE_BYTES], digest[SHA384_BYTES];

	v3_add(&d);
	expect_digest(d.ld, "506c3d7a7c45f8a4bc8137ea0d2b136f44c51f03cf195ba46de2ff2f1cdbd5b6"
			    "d8a09ef15e164baac263251dea76ca98");
	v.rdx = 0x00800F12;
	vmsa_print(&v, page);
	assert_int_equal(sha384_once(page, sizeof page, digest), 0);
	expect_digest(digest, "77920c4c629ff47e90c0e174fc1ad0eb6fa664f88cd4739488058a8c6cb1a77b"
			      "3856f55378e9518d0da99452d51c553a");
	assert_int_equal(digest_snp_add(&d, SNP_PAGE_VMSA, SNP_VMSA_GPA, page, sizeof page), 0);
	expect_digest(d.ld, "6f3d5454fa7974efe610c4d965cffbd0726279e6de153f962cef6ac5f47722bf"
			    "4d48dc7194df6fc7b502c4051239695b");
}

static void the_last_page_is_filled_with_zeros(void **state)
{
	AUTO(digest_snp) struct digest_snp a = { 0 }, b = { 0 };
	uint8_t p[2 * PAGE_BYTES] = { 0 };

	memset(p, 0x11, PAGE_BYTES + 5);
	assert_int_equal(digest_snp_init(&a), 0);
	assert_int_equal(digest_snp_init(&b), 0);
	assert_int_equal(digest_snp_add(&a, SNP_PAGE_NORMAL, 0, p, PAGE_BYTES + 5), 0);
	assert_int_equal(digest_snp_add(&b, SNP_PAGE_NORMAL, 0, p, sizeof p), 0);
	assert_memory_equal(a.ld, b.ld, SHA384_BYTES);
}

static void pages_at_odd_or_impossible_addresses_are_refused(void **state)
{
	AUTO(digest_snp) struct digest_snp d = { 0 };
	const uint8_t p[1] = { 0 };

	assert_int_equal(digest_snp_init(&d), 0);
	assert_int_equal(digest_snp_add(&d, SNP_PAGE_NORMAL, 0x1001, p, 1), -ERANGE);
	assert_int_equal(digest_snp_add(&d, SNP_PAGE_NORMAL, 1ull << 52, p, 1), -ERANGE);
	assert_int_equal(
		digest_snp_add_empty(&d, SNP_PAGE_ZERO, (1ull << 52) - PAGE_BYTES, 2), -ERANGE);
	assert_int_equal(digest_snp_add_empty(&d, SNP_PAGE_ZERO, 0, SIZE_MAX), -ERANGE);
}

/* --- measured direct boot, docs/launch.md -------------------------------------------------------- */

#define KERNEL_BYTES (BZIMAGE_SETUP_BYTES + 20000u)
#define INITRD_BYTES 10001u

static uint8_t kernel[KERNEL_BYTES], other_kernel[KERNEL_BYTES];
static uint8_t initrd[INITRD_BYTES], other_initrd[INITRD_BYTES];

static struct boot_inputs right_inputs(void)
{
	bzimage_make(kernel, sizeof kernel);
	bzimage_make(other_kernel, sizeof other_kernel);
	other_kernel[KERNEL_BYTES - 1] ^= 1;
	memset(initrd, 0x42, sizeof initrd);
	memset(other_initrd, 0x43, sizeof other_initrd);
	return (struct boot_inputs){ .kernel = kernel,
		.kernel_len = sizeof kernel,
		.initrd = initrd,
		.initrd_len = sizeof initrd,
		.cmdline = "ro console=none casemate.verity=2f9d",
		.vcpus = 2,
		.memory_mib = 256 };
}

static struct boot_digest digest_of(const struct boot_inputs *in)
{
	struct boot_digest d;
	struct why why = { 0 };

	if (boot_digest_compute(in, &d, &why) < 0)
		fail_msg("%s", why.text);
	return d;
}

static void pieces_stand_where_the_page_says(void **state)
{
	static const struct {
		const char *name;
		uint64_t gpa;
		uint32_t pages;
		uint8_t type;
	} want[] = {
		{ "kernel", 0x1000000, 5, SNP_PAGE_NORMAL },
		{ "initrd", 0xFFFD000, 3, SNP_PAGE_NORMAL }, /* 256 MiB - 10001, rounded down */
		{ "boot-parameters", 0x7000, 1, SNP_PAGE_NORMAL },
		{ "cmdline", 0x8000, 1, SNP_PAGE_NORMAL },
		{ "gdt", 0xA000, 1, SNP_PAGE_NORMAL },
		{ "cc-blob", 0xB000, 1, SNP_PAGE_NORMAL },
		{ "acpi", 0xE0000, 2, SNP_PAGE_NORMAL },
		{ "secrets", 0xC000, 1, SNP_PAGE_SECRETS },
		{ "cpuid", 0xD000, 1, SNP_PAGE_CPUID },
		{ "vmsa0", 0xFFFFFFFFF000, 1, SNP_PAGE_VMSA },
		{ "vmsa1", 0xFFFFFFFFF000, 1, SNP_PAGE_VMSA },
	};
	struct boot_inputs in = right_inputs();
	struct boot_digest d = digest_of(&in);

	assert_int_equal(d.n_pieces, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_string_equal(d.pieces[i].name, want[i].name);
		assert_int_equal(d.pieces[i].gpa, want[i].gpa);
		assert_int_equal(d.pieces[i].n_pages, want[i].pages);
		assert_int_equal(d.pieces[i].page_type, want[i].type);
	}
	assert_null(boot_digest_find(&d, "vmsa2"));
}

static void the_digest_is_the_chain_over_the_pages(void **state)
{
	struct boot_inputs in = right_inputs();
	struct boot_digest d = digest_of(&in);
	AUTO(digest_snp) struct digest_snp s = { 0 };
	struct boot_kernel k;
	struct boot_layout l;
	uint8_t page[PAGE_BYTES], acpi[2 * PAGE_BYTES];

	in.vcpus = 1;
	d = digest_of(&in);
	assert_int_equal(boot_kernel_parse(&k, kernel, sizeof kernel, NULL), 0);
	assert_int_equal(boot_layout_make(&l, &k, sizeof initrd, 256u << 20, NULL), 0);
	assert_int_equal(digest_snp_init(&s), 0);
	assert_int_equal(
		digest_snp_add(&s, SNP_PAGE_NORMAL, 0x1000000, kernel + BZIMAGE_SETUP_BYTES, 20000),
		0);
	assert_int_equal(
		digest_snp_add(&s, SNP_PAGE_NORMAL, l.initrd_gpa, initrd, sizeof initrd), 0);
	boot_params_print(&k, &l, page);
	assert_int_equal(digest_snp_add(&s, SNP_PAGE_NORMAL, 0x7000, page, sizeof page), 0);
	memset(page, 0, sizeof page);
	memcpy(page, in.cmdline, strlen(in.cmdline));
	assert_int_equal(digest_snp_add(&s, SNP_PAGE_NORMAL, 0x8000, page, sizeof page), 0);
	boot_gdt_print(page);
	assert_int_equal(digest_snp_add(&s, SNP_PAGE_NORMAL, 0xA000, page, sizeof page), 0);
	boot_cc_blob_print(page);
	assert_int_equal(digest_snp_add(&s, SNP_PAGE_NORMAL, 0xB000, page, sizeof page), 0);
	boot_acpi_print(1, acpi);
	assert_int_equal(digest_snp_add(&s, SNP_PAGE_NORMAL, 0xE0000, acpi, sizeof acpi), 0);
	assert_int_equal(digest_snp_add_empty(&s, SNP_PAGE_SECRETS, 0xC000, 1), 0);
	assert_int_equal(digest_snp_add_empty(&s, SNP_PAGE_CPUID, 0xD000, 1), 0);
	boot_vmsa_print(0, 1, page);
	assert_int_equal(digest_snp_add(&s, SNP_PAGE_VMSA, SNP_VMSA_GPA, page, sizeof page), 0);
	assert_memory_equal(d.digest, s.ld, SHA384_BYTES);
}

static void every_input_changes_the_digest(void **state)
{
	struct boot_inputs in = right_inputs(), rows[8];
	struct boot_digest base = digest_of(&in);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		rows[i] = in;
	rows[0].kernel = other_kernel;
	rows[1].initrd = other_initrd;
	rows[2].initrd_len--;
	rows[3].initrd = NULL;
	rows[4].cmdline = "ro console=none casemate.verity=2f9d quiet";
	rows[5].vcpus = 3;
	rows[6].memory_mib = 512;
	rows[7].vmsa_features = 0x20;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct boot_digest d = digest_of(&rows[i]);
		assert_memory_not_equal(d.digest, base.digest, SHA384_BYTES);
	}
	struct boot_digest again = digest_of(&in);
	assert_memory_equal(again.digest, base.digest, SHA384_BYTES);
}

static void a_memo_changes_nothing_but_the_time(void **state)
{
	struct boot_inputs in = right_inputs();
	struct boot_memo memo = { 0 };

	for (uint32_t i = 0; i < 12; i++) {
		struct boot_digest with, without;
		in.vcpus = i % 3 + 1;
		in.memory_mib = i % 2 ? 256 : 512;
		in.kernel = i < 6 ? kernel : other_kernel;
		assert_int_equal(boot_digest_compute_memo(&in, &memo, &with, NULL), 0);
		without = digest_of(&in);
		assert_memory_equal(&with, &without, sizeof with);
	}
}

static void boot_parameters_are_what_the_page_says(void **state)
{
	struct boot_inputs in = right_inputs();
	struct boot_kernel k;
	struct boot_layout l;
	uint8_t p[PAGE_BYTES];
	const uint8_t rsdp[] = { 0, 0, 0x0E, 0, 0, 0, 0, 0 }, cmdline[] = { 0, 0x80, 0, 0 },
		      blob[] = { 0, 0xB0, 0, 0, 0, 0, 0, 0 }, high[] = { 0, 0, 0, 0, 1, 0, 0, 0 };

	assert_int_equal(boot_kernel_parse(&k, in.kernel, in.kernel_len, NULL), 0);
	assert_int_equal(boot_layout_make(&l, &k, INITRD_BYTES, 4096ull << 20, NULL), 0);
	assert_int_equal(l.low, 3ull << 30);
	assert_int_equal(l.initrd_gpa, 0x7FFFD000); /* below initrd_addr_max + 1 = 2 GiB */
	boot_params_print(&k, &l, p);
	assert_memory_equal(p + 0x070, rsdp, 8);
	assert_memory_equal(p + 0x228, cmdline, 4);
	assert_memory_equal(p + 0x250, blob, 8);
	assert_memory_equal(p + 0x202, "HdrS", 4);
	assert_int_equal(p[0x210], 0xFF);
	assert_int_equal(p[0x1E8], 6);
	assert_memory_equal(p + 0x2D0 + 5 * 20, high, 8); /* RAM above 4 GiB */
	assert_int_equal(p[0x26C], 0); /* behind the header's end nothing is copied */
	assert_int_equal(boot_layout_make(&l, &k, 0, 512u << 20, NULL), 0);
	boot_params_print(&k, &l, p);
	assert_int_equal(p[0x1E8], 5);
	assert_int_equal(l.initrd_gpa, 0);
}

static uint8_t sum_of(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	for (size_t i = 0; i < len; i++)
		s = (uint8_t)(s + p[i]);
	return s;
}

static void acpi_tables_have_right_checksums_and_links(void **state)
{
	uint8_t a[2 * PAGE_BYTES];

	for (uint32_t vcpus = 1; vcpus <= LIMIT_VCPUS; vcpus++) {
		boot_acpi_print(vcpus, a);
		assert_memory_equal(a, "RSD PTR ", 8);
		assert_int_equal(sum_of(a, 20), 0);
		assert_int_equal(sum_of(a, 36), 0);
		static const char *const names[] = { "XSDT", "FACP", "DSDT", "APIC" };
		size_t at = 36;
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			at = (at + 15) & ~(size_t)15;
			size_t len = a[at + 4] | (size_t)a[at + 5] << 8;
			assert_memory_equal(a + at, names[i], 4);
			assert_memory_equal(a + at + 10, "CASEMTCASEMATE", 14);
			assert_int_equal(sum_of(a + at, len), 0);
			if (i == 1)
				assert_int_equal(len, 276);
			if (i == 3)
				assert_int_equal(len, 44 + 8 * vcpus + 12 + 6);
			at += len;
		}
	}
}

static void kernels_this_boot_does_not_take_are_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t v;
	} rows[] = { { 0x1FE, 0 }, { 0x202, 'h' }, { 0x207, 1 }, { 0x211, 0 }, { 0x234, 0 },
		{ 0x25B, 2 }, { 0x25C, 1 }, { 0x1F1, 255 } };
	struct boot_inputs in = right_inputs();
	struct boot_digest d;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct why why = { 0 };
		bzimage_make(kernel, sizeof kernel);
		kernel[rows[i].at] = rows[i].v;
		assert_int_equal(boot_digest_compute(&in, &d, &why), -EBADMSG);
		assert_non_null(strstr(why.text, "kernel"));
	}
	bzimage_make(kernel, sizeof kernel);
	in.kernel_len = 100;
	assert_int_equal(boot_digest_compute(&in, &d, NULL), -EBADMSG);
	in.kernel_len = BZIMAGE_SETUP_BYTES;
	assert_int_equal(boot_digest_compute(&in, &d, NULL), -EBADMSG);
	in.kernel_len = 0;
	assert_int_equal(boot_digest_compute(&in, &d, NULL), -EBADMSG);
}

static void inputs_outside_their_range_are_refused(void **state)
{
	struct boot_inputs in = right_inputs();
	struct boot_digest d;
	static char cmdline[LIMIT_CMDLINE_BYTES + 1];

	in.vcpus = 0;
	assert_int_equal(boot_digest_compute(&in, &d, NULL), -ERANGE);
	in.vcpus = LIMIT_VCPUS + 1;
	assert_int_equal(boot_digest_compute(&in, &d, NULL), -ERANGE);
	in = right_inputs();
	in.memory_mib = LIMIT_MEMORY_MIB_MIN - 1;
	assert_int_equal(boot_digest_compute(&in, &d, NULL), -ERANGE);
	in = right_inputs();
	memset(cmdline, 'x', LIMIT_CMDLINE_BYTES);
	in.cmdline = cmdline;
	assert_int_equal(boot_digest_compute(&in, &d, NULL), -EMSGSIZE);
	cmdline[LIMIT_CMDLINE_BYTES - 1] = '\0';
	assert_int_equal(boot_digest_compute(&in, &d, NULL), 0);
	in = right_inputs();
	kernel[0x263] = 0x20; /* init_size 512 MiB: more than the guest has */
	assert_int_equal(boot_digest_compute(&in, &d, NULL), -ERANGE);
	kernel[0x263] = 0x0E;
	kernel[0x262] = 0xFF; /* init_size leaves 64 KiB: the ramdisk fits, a larger one does not */
	assert_int_equal(boot_digest_compute(&in, &d, NULL), 0);
	uint8_t *large = calloc(1, 70000);
	in.initrd = large;
	in.initrd_len = 70000;
	assert_int_equal(boot_digest_compute(&in, &d, NULL), -ERANGE);
	free(large);
}

/* --- which input changed -------------------------------------------------------------------------- */

static void expect_changed(
	const struct boot_inputs *is, const struct changed_candidates *c, uint32_t inputs)
{
	struct launch_inputs base = { .boot = right_inputs() };
	struct boot_digest d = digest_of(is);
	static struct changed changed;

	assert_int_equal(what_changed(&base, d.digest, c, &changed, NULL), 0);
	assert_true(changed.is_found);
	assert_int_equal(changed.inputs, inputs);
}

static void usual_changes_are_found_without_a_hint(void **state)
{
	const struct changed_candidates none = { 0 };
	struct boot_inputs in = right_inputs();

	expect_changed(&in, &none, 0);
	in.cmdline = "ro console=none casemate.verity=2f9d init=/bin/sh";
	expect_changed(&in, &none, 1u << CHANGED_CMDLINE);
	in.cmdline = "debug ro console=none casemate.verity=2f9d";
	expect_changed(&in, &none, 1u << CHANGED_CMDLINE);
	in.cmdline = "ro console=none rd.break casemate.verity=2f9d";
	expect_changed(&in, &none, 1u << CHANGED_CMDLINE);
	in.cmdline = "ro console=none";
	expect_changed(&in, &none, 1u << CHANGED_CMDLINE);
	in.cmdline = "console=none casemate.verity=2f9d";
	expect_changed(&in, &none, 1u << CHANGED_CMDLINE);
	in = right_inputs();
	in.vcpus = 8;
	expect_changed(&in, &none, 1u << CHANGED_VCPUS);
	in = right_inputs();
	in.memory_mib = 1024;
	expect_changed(&in, &none, 1u << CHANGED_MEMORY);
	in = right_inputs();
	in.vmsa_features = 0x20;
	expect_changed(&in, &none, 1u << CHANGED_FEATURES);
}

static void candidates_are_tried_alone_and_together(void **state)
{
	static struct changed_candidates c;
	struct boot_inputs in = right_inputs();

	c.n_kernels = c.n_initrds = c.n_cmdlines = c.n_vcpus = 1;
	c.kernels[0].p = other_kernel, c.kernels[0].len = sizeof other_kernel;
	c.initrds[0].p = other_initrd, c.initrds[0].len = sizeof other_initrd;
	c.cmdlines[0] = "something else";
	c.vcpus[0] = 4;
	in.kernel = other_kernel;
	expect_changed(&in, &c, 1u << CHANGED_KERNEL);
	in.initrd = other_initrd;
	expect_changed(&in, &c, 1u << CHANGED_KERNEL | 1u << CHANGED_INITRD);
	in.cmdline = "something else";
	in.vcpus = 4;
	expect_changed(&in, &c,
		1u << CHANGED_KERNEL | 1u << CHANGED_INITRD | 1u << CHANGED_CMDLINE |
			1u << CHANGED_VCPUS);
}

static void what_nobody_guessed_is_not_found(void **state)
{
	const struct changed_candidates none = { 0 };
	struct launch_inputs base = { .boot = right_inputs() };
	const uint8_t digest[SHA384_BYTES] = { 1 };
	static struct changed changed;

	assert_int_equal(what_changed(&base, digest, &none, &changed, NULL), 0);
	assert_false(changed.is_found);
	assert_true(changed.n_tried > 50);
}

static void changed_words_are_named(void **state)
{
	static const struct {
		const char *from, *to, *want;
	} rows[] = {
		{ "a b", "a b c", "'c' added" },
		{ "a b", "x a b", "'x' added" },
		{ "a b", "a x y b", "'x y' added" },
		{ "a b c", "a c", "'b' removed" },
		{ "a", "", "'a' removed" },
		{ "", "a", "'a' added" },
		{ "a=1 b", "a=2 b", "'a=1' became 'a=2'" },
		{ "quiet", "quieter", "'quiet' became 'quieter'" },
		{ "a  b", "a b", "only spaces differ" },
		{ "a a", "a a a", "'a' added" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[256];
		changed_words(rows[i].from, rows[i].to, text, sizeof text);
		assert_string_equal(text, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_zero_page_gives_v1),
		cmocka_unit_test(a_page_of_type_zero_gives_v2),
		cmocka_unit_test(mixed_pages_give_v3_and_with_a_vmsa_v4),
		cmocka_unit_test(the_last_page_is_filled_with_zeros),
		cmocka_unit_test(pages_at_odd_or_impossible_addresses_are_refused),
		cmocka_unit_test(pieces_stand_where_the_page_says),
		cmocka_unit_test(the_digest_is_the_chain_over_the_pages),
		cmocka_unit_test(every_input_changes_the_digest),
		cmocka_unit_test(a_memo_changes_nothing_but_the_time),
		cmocka_unit_test(boot_parameters_are_what_the_page_says),
		cmocka_unit_test(acpi_tables_have_right_checksums_and_links),
		cmocka_unit_test(kernels_this_boot_does_not_take_are_refused),
		cmocka_unit_test(inputs_outside_their_range_are_refused),
		cmocka_unit_test(usual_changes_are_found_without_a_hint),
		cmocka_unit_test(candidates_are_tried_alone_and_together),
		cmocka_unit_test(what_nobody_guessed_is_not_found),
		cmocka_unit_test(changed_words_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
