#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "tests/unit/cm.h"
#include "vmm/monitor/mon_flash.h"

#define CODE_BYTES 0x4000u
#define VARS_BYTES 0x3000u
#define VARS_GPA   (0x100000000u - CODE_BYTES - VARS_BYTES)

struct rig {
	struct bus bus;
	struct flash f;
	int code_fd, vars_fd;
	struct {
		uint64_t gpa;
		size_t size;
		void *host;
	} slots[2];
	unsigned int maps;
};

static int rig_map(void *owner, unsigned int slot, uint64_t gpa, size_t size, void *host)
{
	struct rig *g = owner;

	assert_in_range(slot, 0, 1);
	g->slots[slot].gpa = gpa;
	g->slots[slot].size = size;
	g->slots[slot].host = host;
	g->maps++;
	return 0;
}

static int file_of(size_t size, uint8_t byte)
{
	uint8_t block[4096];
	int fd = memfd_create("file", MFD_CLOEXEC);

	memset(block, byte, sizeof block);
	for (size_t at = 0; at < size; at += sizeof block)
		if (pwrite(fd, block, sizeof block, (off_t)at) < 0)
			return -1;
	return ftruncate(fd, (off_t)size) < 0 ? -1 : fd;
}

static int rig_open_with(struct rig *g, size_t code, size_t vars, struct why *why)
{
	const struct flash_ops ops = { rig_map, g };

	*g = (struct rig){ .code_fd = file_of(code, 0x90), .vars_fd = file_of(vars, 0xff) };
	const struct mon_file file = { g->code_fd, NULL };
	return mon_flash_open(&g->f, &g->bus, &file, g->vars_fd, &ops, why);
}

static void rig_close(struct rig *g)
{
	mon_flash_close(&g->f);
	fd_drop(&g->code_fd);
	fd_drop(&g->vars_fd);
}

static void put(struct rig *g, uint64_t at, uint8_t v)
{
	bus_write(&g->bus, BUS_MMIO, VARS_GPA + at, 1, v);
}

static uint8_t get(struct rig *g, uint64_t at)
{
	return (uint8_t)bus_read(&g->bus, BUS_MMIO, VARS_GPA + at, 1);
}

static uint8_t in_file(const struct rig *g, off_t at)
{
	uint8_t v = 0;

	assert_int_equal(pread(g->vars_fd, &v, 1, at), 1);
	return v;
}

static bool is_array(const struct rig *g)
{
	return g->slots[1].host == g->f.vars;
}

static void code_and_variables_end_at_4_gib(void **state)
{
	static struct rig g;

	assert_int_equal(rig_open_with(&g, CODE_BYTES, VARS_BYTES, NULL), 0);
	assert_int_equal(g.slots[0].gpa, 0x100000000 - CODE_BYTES);
	assert_int_equal(*(uint8_t *)g.slots[0].host, 0x90);
	assert_int_equal(g.slots[1].gpa, VARS_GPA);
	assert_int_equal(g.slots[1].size, VARS_BYTES);
	assert_true(is_array(&g));
	rig_close(&g);
}

/* The questions that OVMF's driver asks to tell flash from RAM and ROM. */
static void the_driver_s_probe_finds_a_flash(void **state)
{
	static struct rig g;

	assert_int_equal(rig_open_with(&g, CODE_BYTES, VARS_BYTES, NULL), 0);
	put(&g, 8, 0x50);
	assert_false(is_array(&g));
	assert_int_equal(get(&g, 8), 0);
	put(&g, 8, 0x70);
	assert_int_equal(get(&g, 8), 0);
	put(&g, 8, 0xff);
	assert_true(is_array(&g));
	assert_int_equal(get(&g, 8), 0xff);
	rig_close(&g);
}

static void a_program_clears_bits_and_is_in_the_file(void **state)
{
	static struct rig g;

	assert_int_equal(rig_open_with(&g, CODE_BYTES, VARS_BYTES, NULL), 0);
	put(&g, 0x1001, 0x10);
	put(&g, 0x1001, 0xf0);
	assert_int_equal(in_file(&g, 0x1001), 0xf0);
	put(&g, 0x1001, 0x70);
	assert_int_equal(get(&g, 0x1001), 0x80); /* status: ready */
	put(&g, 0x1001, 0x40);
	put(&g, 0x1001, 0x3c);
	put(&g, 0x1001, 0xff);
	assert_int_equal(get(&g, 0x1001), 0x30); /* no bit came back */
	assert_int_equal(in_file(&g, 0x1001), 0x30);
	assert_int_equal(in_file(&g, 0x1002), 0xff);
	assert_true(is_array(&g));
	assert_int_equal(g.maps, 2 + 2); /* away for the status, and back: not for each byte */
	rig_close(&g);
}

static void an_erase_wants_its_confirmation(void **state)
{
	static struct rig g;

	assert_int_equal(rig_open_with(&g, CODE_BYTES, VARS_BYTES, NULL), 0);
	memset(g.f.vars, 0, VARS_BYTES);
	put(&g, 0x1800, 0x20);
	put(&g, 0x1800, 0xff); /* no: back to the array */
	assert_true(is_array(&g));
	assert_int_equal(in_file(&g, 0x1800), 0);
	put(&g, 0x1800, 0x20);
	put(&g, 0x1800, 0xd0);
	assert_int_equal(in_file(&g, 0x0fff), 0);
	assert_int_equal(in_file(&g, 0x1000), 0xff);
	assert_int_equal(in_file(&g, 0x1fff), 0xff);
	assert_int_equal(in_file(&g, 0x2000), 0);
	rig_close(&g);
}

static void unknown_commands_and_wide_accesses_do_no_harm(void **state)
{
	static struct rig g;

	assert_int_equal(rig_open_with(&g, CODE_BYTES, VARS_BYTES, NULL), 0);
	for (unsigned int c = 0; c < 256; c++) {
		if (c == 0x10 || c == 0x40 || c == 0x20)
			continue;
		put(&g, 5, (uint8_t)c);
		put(&g, 5, 0xff);
		assert_true(is_array(&g));
		assert_int_equal(in_file(&g, 5), 0xff);
	}
	put(&g, VARS_BYTES - 8, 0x10);
	bus_write(&g.bus, BUS_MMIO, VARS_GPA + VARS_BYTES - 8, 8, 0); /* the last 8 bytes */
	bus_write(&g.bus, BUS_MMIO, VARS_GPA + VARS_BYTES - 1, 8, 0); /* crosses the end */
	assert_int_equal(in_file(&g, VARS_BYTES - 1), 0);
	assert_int_equal(lseek(g.vars_fd, 0, SEEK_END), VARS_BYTES); /* the file never grows */
	rig_close(&g);
}

static void a_second_start_sees_what_the_first_wrote(void **state)
{
	static struct rig g;
	const struct flash_ops ops = { rig_map, &g };

	assert_int_equal(rig_open_with(&g, CODE_BYTES, VARS_BYTES, NULL), 0);
	put(&g, 0, 0x10);
	put(&g, 0, 0x5a);
	mon_flash_close(&g.f); /* in the middle of a command: as if killed */
	g.bus = (struct bus){ 0 };
	const struct mon_file file = { g.code_fd, NULL };
	assert_int_equal(mon_flash_open(&g.f, &g.bus, &file, g.vars_fd, &ops, NULL), 0);
	assert_true(is_array(&g));
	assert_int_equal(get(&g, 0), 0x5a);
	rig_close(&g);
}

static void without_variables_nothing_answers_below_the_code(void **state)
{
	static struct rig g;

	assert_int_equal(rig_open_with(&g, CODE_BYTES, 0, NULL), 0);
	assert_null(g.slots[1].host);
	assert_true(bus_read(&g.bus, BUS_MMIO, VARS_GPA, 1) == UINT64_MAX);
	rig_close(&g);
}

static void bad_sizes_are_refused(void **state)
{
	static const struct {
		size_t code, vars;
		int err;
		const char *says;
	} bad[] = {
		{ 0, VARS_BYTES, -EBADMSG, "firmware" },
		{ CODE_BYTES + 1, VARS_BYTES, -EBADMSG, "4 KiB blocks" },
		{ CODE_BYTES, 100, -EBADMSG, "4 KiB blocks" },
		{ LIMIT_FIRMWARE_BYTES + 4096, 0, -EMSGSIZE, "at most" },
		{ CODE_BYTES, LIMIT_FIRMWARE_BYTES + 4096, -EMSGSIZE, "at most" },
		{ LIMIT_FIRMWARE_BYTES, VARS_BYTES, -EBADMSG, "with" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		static struct rig g;
		struct why why = { 0 };
		assert_int_equal(rig_open_with(&g, bad[i].code, bad[i].vars, &why), bad[i].err);
		assert_non_null(strstr(why.text, bad[i].says));
		assert_int_equal(g.maps, 0);
		rig_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_and_variables_end_at_4_gib),
		cmocka_unit_test(the_driver_s_probe_finds_a_flash),
		cmocka_unit_test(a_program_clears_bits_and_is_in_the_file),
		cmocka_unit_test(an_erase_wants_its_confirmation),
		cmocka_unit_test(unknown_commands_and_wide_accesses_do_no_harm),
		cmocka_unit_test(a_second_start_sees_what_the_first_wrote),
		cmocka_unit_test(without_variables_nothing_answers_below_the_code),
		cmocka_unit_test(bad_sizes_are_refused),
	};

	return cmocka_run_group_tests_name("mon_flash", tests, NULL, NULL);
}
