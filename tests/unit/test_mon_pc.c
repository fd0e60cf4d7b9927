#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "tests/unit/cm.h"
#include "vmm/monitor/mon_pc.h"

struct rig {
	struct bus bus;
	struct pci pci;
	struct mon_kvm kvm;
	struct mon_memory memory;
	struct pc pc;
	int how;
};

static void rig_end(void *owner, enum ended_how how)
{
	((struct rig *)owner)->how = (int)how;
}

/* A file with so many bytes of its own number. */
static int file_of(size_t size, uint8_t byte)
{
	uint8_t bytes[2048];
	int fd = memfd_create("file", MFD_CLOEXEC);

	memset(bytes, byte, sizeof bytes);
	if (pwrite(fd, bytes, size, 0) != (ssize_t)size)
		return -1;
	return fd;
}

/* The machine of an encrypted guest: no flash, so nothing of it needs KVM. */
static int rig_open_with(struct rig *g, uint64_t ram_bytes, int kernel_fd, int initrd_fd)
{
	int ram = memfd_create("ram", MFD_CLOEXEC);

	*g = (struct rig){ .how = -1 };
	if (ram < 0 || ftruncate(ram, (off_t)ram_bytes) < 0 ||
		mon_memory_open(&g->memory, ram, ram_bytes, NULL) < 0 ||
		mon_pci_init(&g->pci, &g->bus, mon_pc_window_start(&g->memory)) < 0)
		return -EIO;
	const struct pc_config config = {
		.vcpus = 3,
		.is_protected = true,
		.cmdline = "quiet",
		.firmware = { -1, NULL },
		.vars_fd = -1,
		.kernel = { kernel_fd, NULL },
		.initrd = { initrd_fd, NULL },
		.end = rig_end,
		.owner = g,
	};
	int err = mon_pc_open(&g->pc, &config, &g->bus, &g->pci, &g->kvm, &g->memory, NULL);
	fd_drop(&kernel_fd);
	fd_drop(&initrd_fd);
	return err;
}

static void rig_close(struct rig *g)
{
	mon_pc_close(&g->pc);
	mon_memory_close(&g->memory);
}

static uint32_t config_get(struct bus *bus, unsigned int slot, unsigned int func, unsigned int at)
{
	bus_write(bus, BUS_IO, 0xcf8, 4, 0x80000000u | slot << 11 | func << 8 | (at & 0xfc));
	return (uint32_t)bus_read(bus, BUS_IO, 0xcfc, 4);
}

static void item_read(struct rig *g, uint16_t key, uint8_t *ret, size_t len)
{
	bus_write(&g->bus, BUS_IO, FWCFG_PORT, 2, key);
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)bus_read(&g->bus, BUS_IO, FWCFG_PORT + 1, 1);
}

static uint8_t cmos(struct rig *g, uint8_t at)
{
	bus_write(&g->bus, BUS_IO, 0x70, 1, at);
	return (uint8_t)bus_read(&g->bus, BUS_IO, 0x71, 1);
}

static void the_functions_are_those_ovmf_looks_for(void **state)
{
	static struct rig g;

	assert_int_equal(rig_open_with(&g, (uint64_t)256 << 20, file_of(0, 0), file_of(0, 0)), 0);
	assert_int_equal(config_get(&g.bus, 0, 0, 0), 0x12378086);
	assert_int_equal(config_get(&g.bus, 1, 0, 0), 0x70008086);
	assert_int_equal(config_get(&g.bus, 1, 0, 0x0c) >> 16 & 0x80, 0x80);
	assert_int_equal(config_get(&g.bus, 1, 0, 4) & 3, 3); /* decodes ports and memory */
	assert_int_equal(config_get(&g.bus, 1, 3, 0), 0x71138086);
	assert_int_equal(config_get(&g.bus, 1, 3, 0x40), PM_BASE | 1);
	assert_int_equal(config_get(&g.bus, 1, 3, 0x80) & 1, 1);
	for (unsigned int func = 1; func < 8; func++)
		if (func != 3)
			assert_int_equal(config_get(&g.bus, 1, func, 0), 0xffffffff);
	/* What the guest writes there moves nothing. */
	bus_write(&g.bus, BUS_IO, 0xcf8, 4, 0x80000000u | 1 << 11 | 3 << 8 | 0x40);
	bus_write(&g.bus, BUS_IO, 0xcfc, 4, 0x1234);
	assert_int_equal(config_get(&g.bus, 1, 3, 0x40), PM_BASE | 1);
	rig_close(&g);
}

static void a_window_starts_above_ram(void **state)
{
	static struct rig g;
	static struct pci_func f;
	static const struct {
		uint64_t mib;
		uint32_t start;
	} rows[] = { { 256, 0x80000000 }, { 2048, 0x80000000 }, { 2560, 0xa0000000 },
		{ 3072, 0xc0000000 }, { 8192, 0xc0000000 } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t base = 0;
		assert_int_equal(
			rig_open_with(&g, rows[i].mib << 20, file_of(0, 0), file_of(0, 0)), 0);
		assert_int_equal(mon_pc_window_start(&g.memory), rows[i].start);
		pci_func_init(&f, 0x1af4, 0x1042, 0, 0);
		pci_func_set_bar(&f, 0, rows[i].start, 0x1000);
		assert_int_equal(mon_pci_add(&g.pci, &f), 0);
		f.config[PCI_COMMAND] = PCI_COMMAND_MEM;
		assert_true(pci_func_get_bar(&f, 0, &base));
		pci_put32(f.config, PCI_BAR0, rows[i].start - 0x1000);
		assert_false(pci_func_get_bar(&f, 0, &base));
		rig_close(&g);
	}
}

static void the_control_register_switches_off_and_nothing_else(void **state)
{
	static struct rig g;

	assert_int_equal(rig_open_with(&g, (uint64_t)256 << 20, file_of(0, 0), file_of(0, 0)), 0);
	bus_write(&g.bus, BUS_IO, PM_CONTROL, 2, 1); /* SCI_EN, as OVMF sets it */
	assert_int_equal(bus_read(&g.bus, BUS_IO, PM_CONTROL, 2), 1);
	bus_write(&g.bus, BUS_IO, PM_CONTROL, 2, 0x2000 | 1 << 10); /* another state */
	bus_write(&g.bus, BUS_IO, PM_CONTROL, 1, 0xff);
	bus_write(&g.bus, BUS_IO, PM_TIMER, 4, 0x2000);
	bus_write(&g.bus, BUS_IO, 0xcf9, 1, 0x02);
	bus_write(&g.bus, BUS_IO, 0xcf8, 4, 0x80000600);
	assert_int_equal(g.how, -1);
	bus_write(&g.bus, BUS_IO, PM_CONTROL, 2, 0x2000);
	assert_int_equal(g.how, ENDED_OFF);
	bus_write(&g.bus, BUS_IO, 0xcf9, 1, 0x06);
	assert_int_equal(g.how, ENDED_RESET);
	rig_close(&g);
}

static void the_timer_counts_at_its_rate_and_wraps(void **state)
{
	static struct rig g;

	assert_int_equal(mon_pm_ticks(0, 0), 0);
	assert_int_equal(mon_pm_ticks(1, 0), 3579545);
	assert_int_equal(mon_pm_ticks(0, 1000000), 3579);
	assert_int_equal(mon_pm_ticks(5, 0), 5 * 3579545 - (1 << 24));
	assert_int_equal(mon_pm_ticks((uint64_t)1 << 62, 999999999) >> 24, 0);
	assert_int_equal(rig_open_with(&g, (uint64_t)256 << 20, file_of(0, 0), file_of(0, 0)), 0);
	assert_true(bus_read(&g.bus, BUS_IO, PM_TIMER, 1) == UINT64_MAX);
	uint64_t t = bus_read(&g.bus, BUS_IO, PM_TIMER, 4);
	(void)usleep(20000);
	uint64_t ticks = (bus_read(&g.bus, BUS_IO, PM_TIMER, 4) - t) & 0xffffff;
	assert_in_range(ticks, 71000, 3579545); /* 20 ms and a busy machine's delay */
	rig_close(&g);
}

static void civil_time_agrees_with_the_library(void **state)
{
	static const uint64_t days[] = { 0, 11016, 11017, 19782, 19783, 47540, 47541 };

	for (uint64_t d = 0; d < 200000 + sizeof days / sizeof days[0]; d++) {
		uint64_t day = d < 200000 ? d : days[d - 200000];
		time_t t = (time_t)(day * 86400 + d % 86400);
		struct tm tm;
		struct rtc_civil c = mon_rtc_civil((uint64_t)t);
		assert_non_null(gmtime_r(&t, &tm));
		assert_int_equal(c.year, tm.tm_year + 1900);
		assert_int_equal(c.month, tm.tm_mon + 1);
		assert_int_equal(c.day, tm.tm_mday);
		assert_int_equal(c.weekday, tm.tm_wday + 1);
		assert_int_equal(c.hour * 3600 + c.minute * 60 + c.second, d % 86400);
	}
}

static void the_clock_shows_one_moment_and_keeps_nothing(void **state)
{
	static struct rig g;

	assert_int_equal(rig_open_with(&g, (uint64_t)256 << 20, file_of(0, 0), file_of(0, 0)), 0);
	assert_int_equal(cmos(&g, 0x0d), 0x80);
	assert_int_equal(cmos(&g, 0x0b), 0x02);
	mon_rtc_set(&g.pc.rtc, 951827696); /* 2000-02-29 12:34:56, a Tuesday */
	static const uint8_t want[][2] = { { 2, 0x34 }, { 4, 0x12 }, { 6, 3 }, { 7, 0x29 },
		{ 8, 0x02 }, { 9, 0x00 }, { 0x32, 0x20 } };
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
		assert_int_equal(cmos(&g, want[i][0]), want[i][1]);
	assert_int_equal(cmos(&g, 0x0a), 0x26); /* asks for the time: the host's from now on */
	assert_int_not_equal(cmos(&g, 0x09), 0x00);
	bus_write(&g.bus, BUS_IO, 0x70, 1, 0x85); /* bit 7 masks NMIs, it is no index */
	bus_write(&g.bus, BUS_IO, 0x71, 1, 0x55);
	assert_int_equal(cmos(&g, 0x05), 0);
	assert_true(bus_read(&g.bus, BUS_IO, 0x70, 1) == UINT64_MAX);
	rig_close(&g);
}

static void sizes_are_where_firmware_reads_them(void **state)
{
	static struct rig g;
	uint8_t b[40];

	assert_int_equal(rig_open_with(&g, (uint64_t)8 << 30, file_of(0, 0), file_of(0, 0)), 0);
	assert_int_equal(cmos(&g, 0x34) | cmos(&g, 0x35) << 8, (0xc0000000u - (16 << 20)) >> 16);
	assert_int_equal(
		cmos(&g, 0x5b) | cmos(&g, 0x5c) << 8 | cmos(&g, 0x5d) << 16, 0x140000000 >> 16);
	assert_int_equal(cmos(&g, 0x5f), 2);
	item_read(&g, FWCFG_VCPUS, b, 2);
	assert_memory_equal(b, "\3\0", 2);
	item_read(&g, FWCFG_FIRST_FILE, b, sizeof b); /* etc/e820 */
	assert_memory_equal(b, "\0\0\0\0\0\0\0\0\0\0\0\xc0\0\0\0\0\1\0\0\0", 20);
	assert_memory_equal(b + 20, "\0\0\0\0\1\0\0\0\0\0\0\x40\1\0\0\0\1\0\0\0", 20);
	rig_close(&g);
}

static void a_kernel_is_served_whole_however_short_it_is(void **state)
{
	static struct rig g;
	static const struct {
		size_t len, setup; /* all bytes are 1: one setup sector beside the boot sector */
	} rows[] = { { 1, 1 }, { 497, 497 }, { 498, 498 }, { 1023, 1023 }, { 1024, 1024 },
		{ 2000, 1024 } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t b[6];
		assert_int_equal(rig_open_with(&g, (uint64_t)256 << 20, file_of(rows[i].len, 1),
					 file_of(3, 7)),
			0);
		item_read(&g, FWCFG_SETUP_SIZE, b, 4);
		assert_int_equal(b[0] | b[1] << 8, rows[i].setup);
		item_read(&g, FWCFG_KERNEL_SIZE, b, 4);
		assert_int_equal(b[0] | b[1] << 8, rows[i].len - rows[i].setup);
		item_read(&g, FWCFG_CMDLINE, b, 6);
		assert_string_equal((char *)b, "quiet");
		item_read(&g, FWCFG_INITRD, b, 4);
		assert_memory_equal(b, "\7\7\7\0", 4);
		rig_close(&g);
	}
}

struct said {
	unsigned int n;
	char last[DEBUG_LINE_BYTES + 1];
};

static void said_line(void *owner, const char *line)
{
	struct said *s = owner;

	s->n++;
	(void)snprintf(s->last, sizeof s->last, "%s", line);
}

static void put_line(struct debug *d, const char *text, uint64_t now)
{
	for (; *text != 0; text++)
		mon_debug_put(d, *text, now);
}

static void debug_lines_are_whole_and_bounded(void **state)
{
	struct bus bus = { 0 };
	static struct debug d;
	struct said s = { 0 };
	char flood[DEBUG_LINE_BYTES + 2];

	assert_int_equal(mon_debug_init(&d, &bus, said_line, &s), 0);
	assert_int_equal(bus_read(&bus, BUS_IO, 0x402, 1), 0xe9);
	put_line(&d, "SecCore", 5);
	assert_int_equal(s.n, 0);
	put_line(&d, "Startup\r\n\n", 5);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.last, "SecCoreStartup");
	memset(flood, 'x', sizeof flood);
	flood[sizeof flood - 1] = 0;
	for (unsigned int i = 0; i < 3 * LIMIT_DEBUG_LINES; i++)
		put_line(&d, flood, 5);
	assert_int_equal(s.n, LIMIT_DEBUG_LINES);
	assert_int_equal(strlen(s.last), DEBUG_LINE_BYTES);
	put_line(&d, "\nlater\n", 6); /* a second later: so many more, and a word about the rest */
	assert_string_equal(s.last, "later");
	for (unsigned int i = 0; i < 100; i++)
		put_line(&d, "again\n", 6);
	assert_in_range(s.n, LIMIT_DEBUG_LINES, LIMIT_DEBUG_LINES + LIMIT_DEBUG_LINES_PER_S + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_functions_are_those_ovmf_looks_for),
		cmocka_unit_test(a_window_starts_above_ram),
		cmocka_unit_test(the_control_register_switches_off_and_nothing_else),
		cmocka_unit_test(the_timer_counts_at_its_rate_and_wraps),
		cmocka_unit_test(civil_time_agrees_with_the_library),
		cmocka_unit_test(the_clock_shows_one_moment_and_keeps_nothing),
		cmocka_unit_test(sizes_are_where_firmware_reads_them),
		cmocka_unit_test(a_kernel_is_served_whole_however_short_it_is),
		cmocka_unit_test(debug_lines_are_whole_and_bounded),
	};

	return cmocka_run_group_tests_name("mon_pc", tests, NULL, NULL);
}
