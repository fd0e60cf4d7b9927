#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "tests/unit/cm.h"
#include "vmm/monitor/mon_acpi.h"
#include "vmm/monitor/mon_boot.h"

/* A bzImage of one setup sector and 8 KiB of code. */
#define CODE_BYTES  8192u
#define IMAGE_BYTES (1024u + CODE_BYTES)

struct image {
	uint8_t bytes[IMAGE_BYTES];
	struct boot boot;
};

static void put32(uint8_t *p, size_t at, uint32_t v)
{
	le32 x = le32_of(v);

	memcpy(p + at, &x, sizeof x);
}

static uint32_t get32(const uint8_t *p, size_t at)
{
	le32 x;

	memcpy(&x, p + at, sizeof x);
	return le32_get(x);
}

static int image_new(void **state)
{
	struct image *m = calloc(1, sizeof *m);

	if (m == NULL)
		return -1;
	m->bytes[0x1f1] = 1;
	put32(m->bytes, 0x1f4, CODE_BYTES / 16);
	m->bytes[0x1fe] = 0x55;
	m->bytes[0x1ff] = 0xaa;
	m->bytes[0x201] = 0x6a;
	memcpy(m->bytes + 0x202, "HdrS", 4);
	put32(m->bytes, 0x206, 0x20f);
	m->bytes[0x211] = 1;
	put32(m->bytes, 0x22c, 0x7fffffff);
	m->bytes[0x234] = 1;
	put32(m->bytes, 0x258, 0x1000000);
	put32(m->bytes, 0x260, 0x2000000);
	m->boot.kernel = m->bytes;
	m->boot.kernel_len = sizeof m->bytes;
	*state = m;
	return 0;
}

static int image_free(void **state)
{
	free(*state);
	return 0;
}

static const struct boot_config small = {
	.memory_bytes = 256u << 20, .vcpus = 2, .is_protected = true, .cmdline = "console=ttyS0"
};

static void pages_stand_where_the_layout_says(void **state)
{
	struct image *m = *state;
	struct boot_piece p[BOOT_PIECES];
	static uint8_t initrd[5000];

	m->boot.initrd = initrd;
	m->boot.initrd_len = sizeof initrd;
	assert_int_equal(mon_boot_build(&m->boot, &small, NULL), 0);
	assert_int_equal(mon_boot_list(&m->boot, p), BOOT_PIECES);
	assert_int_equal(p[0].gpa, 0x1000000);
	assert_int_equal(p[0].len, CODE_BYTES);
	assert_ptr_equal(p[0].bytes, m->bytes + 1024);
	assert_int_equal(p[1].gpa, (256u << 20) - 8192); /* 5000 bytes: two pages at the top */
	assert_int_equal(get32(m->boot.params, 0x218), p[1].gpa);
	assert_int_equal(get32(m->boot.params, 0x21c), 5000);
	assert_int_equal(get32(m->boot.params, 0x228), 0x8000);
	assert_int_equal(get32(m->boot.params, 0x250), 0xb000);
	assert_int_equal(m->boot.params[0x1e8], 5);
	assert_string_equal((char *)m->boot.cmdline, "console=ttyS0");
}

static void memory_above_the_hole_is_in_the_map(void **state)
{
	struct image *m = *state;
	struct boot_config big = small;

	big.memory_bytes = 5ull << 30;
	assert_int_equal(mon_boot_build(&m->boot, &big, NULL), 0);
	assert_int_equal(m->boot.params[0x1e8], 6);
	const uint8_t *e = m->boot.params + 0x2d0 + 5 * 20;
	assert_int_equal(get32(e, 4), 1);          /* at 4 GiB */
	assert_int_equal(get32(e, 8), 0x80000000); /* 2 GiB are left */
	assert_int_equal(get32(e - 20, 0), 0x100000);
	assert_int_equal(get32(e - 20, 8), 0xc0000000 - 0x100000);
}

static void plain_guest_has_no_blob(void **state)
{
	struct image *m = *state;
	struct boot_config plain = small;
	static const uint8_t zero[4096];

	plain.is_protected = false;
	assert_int_equal(mon_boot_build(&m->boot, &plain, NULL), 0);
	assert_int_equal(get32(m->boot.params, 0x250), 0);
	assert_memory_equal(m->boot.cc_blob, zero, sizeof zero);
}

static void broken_headers_are_refused(void **state)
{
	struct image *m = *state;
	static const struct {
		size_t at;
		uint8_t v;
		int err;
	} bad[] = {
		{ 0x1fe, 0, -EBADMSG },         /* boot flag */
		{ 0x202, 'X', -EBADMSG },       /* magic */
		{ 0x207, 1, -EPROTONOSUPPORT }, /* protocol 1.15 */
		{ 0x211, 0, -EPROTONOSUPPORT }, /* not loaded high */
		{ 0x234, 0, -EPROTONOSUPPORT }, /* not relocatable */
		{ 0x25b, 2, -EPROTONOSUPPORT }, /* preferred address */
		{ 0x25c, 1, -EPROTONOSUPPORT }, /* its upper half */
		{ 0x1f1, 200, -EBADMSG },       /* setup longer than the file */
		{ 0x1f6, 1, -EBADMSG },         /* more code promised than there is */
		{ 0x263, 0x7f, -ERANGE },       /* init_size beyond memory */
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct why why = { 0 };
		uint8_t kept = m->bytes[bad[i].at];
		m->bytes[bad[i].at] = bad[i].v;
		assert_int_equal(mon_boot_build(&m->boot, &small, &why), bad[i].err);
		assert_true(why.text[0] != 0);
		m->bytes[bad[i].at] = kept;
	}
}

static void truncated_kernel_is_refused_at_every_length(void **state)
{
	struct image *m = *state;

	for (size_t len = 0; len < IMAGE_BYTES - 15; len++) {
		uint8_t *copy = malloc(len > 0 ? len : 1);
		assert_non_null(copy);
		memcpy(copy, m->bytes, len);
		struct boot b = { .kernel = copy, .kernel_len = len };
		assert_int_equal(mon_boot_build(&b, &small, NULL), -EBADMSG);
		free(copy);
	}
}

static void ramdisk_that_does_not_fit_is_refused(void **state)
{
	struct image *m = *state;
	static uint8_t initrd[4096];

	m->boot.initrd = initrd;
	m->boot.initrd_len = 210u << 20; /* would reach below the kernel's end */
	assert_int_equal(mon_boot_build(&m->boot, &small, NULL), -ERANGE);
	m->boot.initrd_len = 300u << 20; /* more than there is memory */
	assert_int_equal(mon_boot_build(&m->boot, &small, NULL), -ERANGE);
}

static void long_command_line_is_refused(void **state)
{
	struct image *m = *state;
	struct boot_config c = small;
	char line[2049];

	memset(line, 'a', sizeof line);
	line[2048] = 0;
	c.cmdline = line;
	assert_int_equal(mon_boot_build(&m->boot, &c, NULL), -EMSGSIZE);
	line[2047] = 0;
	assert_int_equal(mon_boot_build(&m->boot, &c, NULL), 0);
}

static void every_acpi_table_sums_to_zero(void **state)
{
	static uint8_t t[ACPI_BYTES];

	for (unsigned int vcpus = 1; vcpus <= 8; vcpus++) {
		unsigned int n_tables = 0;
		mon_acpi_build(t, vcpus);
		uint8_t sum = 0;
		for (size_t i = 0; i < 20; i++)
			sum = (uint8_t)(sum + t[i]);
		assert_int_equal(sum, 0);
		for (size_t at = 48; at + 36 < ACPI_BYTES && t[at] != 0; n_tables++) {
			uint32_t len = get32(t, at + 4);
			sum = 0;
			for (size_t i = 0; i < len; i++)
				sum = (uint8_t)(sum + t[at + i]);
			assert_int_equal(sum, 0);
			at = (at + len + 15) & ~(size_t)15;
		}
		assert_int_equal(n_tables, 4);
	}
}

int main(void)
{
#define WITH_IMAGE(f) cmocka_unit_test_setup_teardown(f, image_new, image_free)
	const struct CMUnitTest tests[] = {
		WITH_IMAGE(pages_stand_where_the_layout_says),
		WITH_IMAGE(memory_above_the_hole_is_in_the_map),
		WITH_IMAGE(plain_guest_has_no_blob),
		WITH_IMAGE(broken_headers_are_refused),
		WITH_IMAGE(truncated_kernel_is_refused_at_every_length),
		WITH_IMAGE(ramdisk_that_does_not_fit_is_refused),
		WITH_IMAGE(long_command_line_is_refused),
		cmocka_unit_test(every_acpi_table_sums_to_zero),
	};

	return cmocka_run_group_tests_name("mon_boot", tests, NULL, NULL);
}
