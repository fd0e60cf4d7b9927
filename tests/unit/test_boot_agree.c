/*
 * The monitor builds the measured pages, the attest library predicts them; they share no code
 * (docs/launch.md). Here both get the same images.
 */
#include <stdlib.h>
#include <string.h>

#include "attest/digest_boot.h"
#include "attest/sha384.h"
#include "base/fd.h"
#include "tests/unit/bzimage.h"
#include "tests/unit/cm.h"
#include "vmm/monitor/mon_boot.h"

static const struct {
	uint32_t vcpus;
	uint64_t memory_mib;
	size_t initrd_len;
	const char *cmdline;
} launches[] = {
	{ 1, 128, 0, "" },
	{ 1, 128, 1, "console=ttyS0" },
	{ 2, 256, 4096, "ro quiet" },
	{ 4, 3072, 10001, "a" },
	{ 8, 4096, 4097, "console=ttyS0 casemate.verity=00" },
	{ 3, 65536, 123456, "x y z" },
};

static uint8_t kernel[BZIMAGE_SETUP_BYTES + 70001];
static uint8_t initrd[123456];

static void expect_same_pieces(const struct boot *b, const struct boot_digest *d)
{
	struct boot_piece pieces[BOOT_PIECES];
	unsigned int n = mon_boot_list(b, pieces);
	size_t at = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint8_t digest[SHA384_BYTES], *page;
		const struct boot_digest_piece *p = &d->pieces[at];
		if (pieces[i].len == 0)
			continue;
		/* A piece of ours may end earlier in its last page: fill it as the monitor has it. */
		assert_int_equal(p->gpa, pieces[i].gpa);
		assert_true(p->len <= pieces[i].len);
		assert_int_equal(p->n_pages, (pieces[i].len + 4095) / 4096);
		assert_int_equal(sha384_once(pieces[i].bytes, p->len, digest), 0);
		if (memcmp(digest, p->sha384, sizeof digest) != 0)
			fail_msg("%s differs", p->name);
		page = calloc(1, pieces[i].len);
		assert_memory_equal(pieces[i].bytes + p->len, page, pieces[i].len - p->len);
		free(page);
		at++;
	}
	assert_string_equal(d->pieces[at].name, "secrets");
}

static void launches_compare(uint8_t *image, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(launches); i++) {
		struct boot b = { .kernel = image,
			.kernel_len = len,
			.initrd = launches[i].initrd_len > 0 ? initrd : NULL,
			.initrd_len = launches[i].initrd_len };
		const struct boot_config config = { .memory_bytes = launches[i].memory_mib << 20,
			.vcpus = launches[i].vcpus,
			.is_protected = true,
			.cmdline = launches[i].cmdline };
		const struct boot_inputs in = { .kernel = image,
			.kernel_len = len,
			.initrd = b.initrd,
			.initrd_len = b.initrd_len,
			.cmdline = launches[i].cmdline,
			.vcpus = launches[i].vcpus,
			.memory_mib = launches[i].memory_mib };
		struct boot_digest d;
		assert_int_equal(mon_boot_build(&b, &config, NULL), 0);
		assert_int_equal(boot_digest_compute(&in, &d, NULL), 0);
		expect_same_pieces(&b, &d);
	}
}

static void both_sides_make_the_same_pages(void **state)
{
	bzimage_make(kernel, sizeof kernel);
	memset(initrd, 0x42, sizeof initrd);
	launches_compare(kernel, sizeof kernel);
	kernel[0x1F1] = 0; /* means four setup sectors */
	launches_compare(kernel, sizeof kernel);
	kernel[0x201] = 0xFF; /* the header ends at 0x290 at the latest */
	launches_compare(kernel, sizeof kernel);
	kernel[0x201] = 0x40; /* shorter than the fields that are read */
	launches_compare(kernel, sizeof kernel);
}

/* Any header byte changed: the monitor starts nothing that is not predicted, and what it starts has
 * the predicted pages. (It may refuse more: truncated kernels, say.) */
static void what_the_monitor_takes_is_predicted(void **state)
{
	for (size_t at = 0x1F1; at < 0x290; at++) {
		struct boot b = { .kernel = kernel, .kernel_len = sizeof kernel };
		const struct boot_config config = {
			.memory_bytes = 256u << 20, .vcpus = 1, .is_protected = true, .cmdline = ""
		};
		const struct boot_inputs in = { .kernel = kernel,
			.kernel_len = sizeof kernel,
			.cmdline = "",
			.vcpus = 1,
			.memory_mib = 256 };
		struct boot_digest d;
		bzimage_make(kernel, sizeof kernel);
		kernel[at] ^= 0x41;
		int theirs = mon_boot_build(&b, &config, NULL);
		int ours = boot_digest_compute(&in, &d, NULL);
		if (theirs == 0 && ours < 0)
			fail_msg("byte 0x%zx: the monitor takes it, attest says %d", at, ours);
		if (theirs == 0)
			expect_same_pieces(&b, &d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_make_the_same_pages),
		cmocka_unit_test(what_the_monitor_takes_is_predicted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
