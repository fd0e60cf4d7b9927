#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/rd.h"
#include "base/wr.h"
#include "tests/unit/cm.h"
#include "vmm/monitor/mon_acpi.h"
#include "vmm/monitor/mon_fwcfg.h"
#include "vmm/monitor/mon_pci.h"

#define RAM_BYTES ((uint64_t)32 << 20)
#define COMMAND   0x1000u /* where the tests put theirs */

static const uint8_t blob[] = "0123456789";

struct rig {
	struct bus bus;
	struct mon_memory memory;
	struct fwcfg f;
};

static int rig_open(void **state)
{
	static struct rig g;
	int ram = memfd_create("ram", MFD_CLOEXEC);

	g = (struct rig){ 0 };
	*state = &g;
	if (ram < 0 || ftruncate(ram, (off_t)RAM_BYTES) < 0 ||
		mon_memory_open(&g.memory, ram, RAM_BYTES, NULL) < 0 ||
		mon_fwcfg_init(&g.f, &g.bus, &g.memory) < 0)
		return -1;
	mon_fwcfg_add_number(&g.f, FWCFG_VCPUS, 2, 8);
	mon_fwcfg_add_file(&g.f, "etc/blob", blob, sizeof blob);
	return 0;
}

static int rig_close(void **state)
{
	struct rig *g = *state;

	mon_memory_close(&g->memory);
	return 0;
}

static void item_read(struct bus *bus, uint16_t key, uint8_t *ret, size_t len)
{
	bus_write(bus, BUS_IO, FWCFG_PORT, 2, key);
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)bus_read(bus, BUS_IO, FWCFG_PORT + 1, 1);
}

/* Put a command into RAM, write its address, return what came back in its first field. */
static uint32_t command_at(struct rig *g, uint64_t at, uint32_t control, uint32_t len, uint64_t to)
{
	uint8_t bytes[FWCFG_COMMAND_BYTES];
	uint32_t answer;
	struct wr w = wr_of(bytes, sizeof bytes);

	wr_be32(&w, control);
	wr_be32(&w, len);
	wr_be64(&w, to);
	(void)!mon_memory_write(&g->memory, at, bytes, sizeof bytes);
	bus_write(&g->bus, BUS_IO, FWCFG_PORT + 4, 4, __builtin_bswap32((uint32_t)(at >> 32)));
	bus_write(&g->bus, BUS_IO, FWCFG_PORT + 8, 4, __builtin_bswap32((uint32_t)at));
	if (mon_memory_read(&g->memory, at, &answer, sizeof answer) < 0)
		return UINT32_MAX;
	return __builtin_bswap32(answer);
}

static uint32_t command(struct rig *g, uint32_t control, uint32_t len, uint64_t to)
{
	return command_at(g, COMMAND, control, len, to);
}

static void a_string_reads_on_where_bytes_left_off(void **state)
{
	struct rig *g = *state;
	uint8_t bytes[20];

	item_read(&g->bus, FWCFG_FIRST_FILE, bytes, 3);
	bus_read_bytes(&g->bus, BUS_IO, FWCFG_PORT + 1, bytes, 4);
	assert_memory_equal(bytes, blob + 3, 4);
	assert_int_equal(bus_read(&g->bus, BUS_IO, FWCFG_PORT + 1, 1), blob[7]);
	memset(bytes, 0xa5, sizeof bytes);
	bus_read_bytes(&g->bus, BUS_IO, FWCFG_PORT + 1, bytes, 10); /* zeros after its end */
	assert_memory_equal(bytes, "89\0\0\0\0\0\0\0\0\xa5", 11);
	bus_read_bytes(&g->bus, BUS_IO, FWCFG_PORT + 1, bytes, 2);
	assert_memory_equal(bytes, "\0\0", 2);
	bus_write(&g->bus, BUS_IO, FWCFG_PORT, 2, 0x7fff); /* no such item */
	bus_read_bytes(&g->bus, BUS_IO, FWCFG_PORT + 1, bytes, 2);
	assert_memory_equal(bytes, "\0\0", 2);
	bus_read_bytes(&g->bus, BUS_IO, FWCFG_PORT, bytes, 2); /* the selector is not read */
	assert_memory_equal(bytes, "\xff\xff", 2);
}

#define RUN_BYTES 8192u
#define RUN_DATA  4096u

/* A run page with an exit at this port. */
static struct kvm_run *exit_of(
	uint8_t page[RUN_BYTES], uint16_t port, uint8_t direction, uint8_t size, uint32_t count)
{
	struct kvm_run *run = (struct kvm_run *)(void *)page;

	memset(page, 0xa5, RUN_BYTES);
	run->exit_reason = KVM_EXIT_IO;
	run->io.port = port;
	run->io.direction = direction;
	run->io.size = size;
	run->io.count = count;
	run->io.data_offset = RUN_DATA;
	return run;
}

static void a_vcpu_reads_data_itself_and_nothing_else(void **state)
{
	struct rig *g = *state;
	static _Alignas(8) uint8_t page[RUN_BYTES];
	struct kvm_run *run = exit_of(page, FWCFG_PORT + 1, KVM_EXIT_IO_IN, 1, 12);
	const uint8_t *data = page + RUN_DATA;

	item_read(&g->bus, FWCFG_FIRST_FILE, (uint8_t[1]){ 0 }, 1);
	assert_true(mon_fwcfg_serve(&g->f, run));
	assert_memory_equal(data, "123456789\0\0\0\xa5", 13); /* the blob's zero, then nothing */
	assert_int_equal(bus_read(&g->bus, BUS_IO, FWCFG_PORT + 1, 1), 0);
	assert_false(mon_fwcfg_serve(&g->f, exit_of(page, FWCFG_PORT + 1, KVM_EXIT_IO_OUT, 1, 1)));
	assert_false(mon_fwcfg_serve(&g->f, exit_of(page, FWCFG_PORT, KVM_EXIT_IO_IN, 1, 1)));
	assert_false(mon_fwcfg_serve(&g->f, exit_of(page, FWCFG_PORT, KVM_EXIT_IO_OUT, 2, 1)));
	assert_false(mon_fwcfg_serve(&g->f, exit_of(page, FWCFG_PORT + 1, KVM_EXIT_IO_IN, 2, 1)));
	run = exit_of(page, FWCFG_PORT + 1, KVM_EXIT_IO_IN, 1, 1);
	run->exit_reason = KVM_EXIT_MMIO;
	assert_false(mon_fwcfg_serve(&g->f, run));
	assert_memory_equal(data, "\xa5\xa5", 2);
}

#define SHARED_BYTES (4u << 20)
#define READERS      4u

struct reader {
	struct fwcfg *f;
	pthread_barrier_t *start;
	unsigned int seen[256]; /* how often it got each value */
};

/* Its share, a byte an exit. */
static void *reader_main(void *arg)
{
	struct reader *r = arg;
	_Alignas(8) uint8_t page[RUN_BYTES];
	struct kvm_run *run = exit_of(page, FWCFG_PORT + 1, KVM_EXIT_IO_IN, 1, 1);

	(void)pthread_barrier_wait(r->start);
	for (unsigned int i = 0; i < SHARED_BYTES / READERS; i++) {
		if (!mon_fwcfg_serve(r->f, run))
			return arg;
		r->seen[page[RUN_DATA]]++;
	}
	return NULL;
}

/* A guest whose vCPUs fight for the port gets every byte once, and nothing else happens. */
static void vcpus_that_read_at_once_share_the_bytes(void **state)
{
	static uint8_t bytes[SHARED_BYTES];
	static struct reader readers[READERS];
	struct rig *g = *state;
	pthread_t threads[READERS];
	unsigned int seen[256] = { 0 };
	pthread_barrier_t start;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(1 + i % 255); /* zeros are what comes after the end */
	mon_fwcfg_add(&g->f, FWCFG_KERNEL, bytes, sizeof bytes);
	bus_write(&g->bus, BUS_IO, FWCFG_PORT, 2, FWCFG_KERNEL);
	assert_int_equal(pthread_barrier_init(&start, NULL, READERS), 0);
	for (unsigned int i = 0; i < READERS; i++) {
		readers[i] = (struct reader){ .f = &g->f, .start = &start };
		assert_int_equal(pthread_create(&threads[i], NULL, reader_main, &readers[i]), 0);
	}
	for (unsigned int i = 0; i < READERS; i++) {
		void *failed;
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
		for (unsigned int v = 0; v < 256; v++)
			seen[v] += readers[i].seen[v];
	}
	for (unsigned int v = 1; v < 256; v++)
		assert_int_equal(seen[v], SHARED_BYTES / 255 + (v <= SHARED_BYTES % 255));
}

/* What a guest skips with commands does not run over into the number of the item. */
static void an_offset_ends_where_offsets_end(void **state)
{
	struct rig *g = *state;
	enum { SKIP = 4 };

	item_read(&g->bus, FWCFG_FIRST_FILE, (uint8_t[1]){ 0 }, 1);
	atomic_store(&g->f.cursor, (uint64_t)FWCFG_FIRST_FILE << 48 | 0xffffffffffffull);
	assert_int_equal(command(g, SKIP, UINT32_MAX, 0), 0);
	assert_int_equal(atomic_load(&g->f.cursor) >> 48, FWCFG_FIRST_FILE);
	assert_int_equal(bus_read(&g->bus, BUS_IO, FWCFG_PORT + 1, 1), 0);
	assert_int_equal(atomic_load(&g->f.cursor) >> 48, FWCFG_FIRST_FILE);
}

static void items_and_directory_are_read_through_the_ports(void **state)
{
	struct rig *g = *state;
	uint8_t b[4 + FWCFG_DIR_ENTRY];

	item_read(&g->bus, FWCFG_SIGNATURE, b, 4);
	assert_memory_equal(b, "QEMU", 4);
	item_read(&g->bus, FWCFG_ID, b, 4);
	assert_memory_equal(b, "\3\0\0\0", 4);
	item_read(&g->bus, FWCFG_VCPUS, b, 2);
	assert_memory_equal(b, "\10\0", 2);
	item_read(&g->bus, FWCFG_DIR, b, sizeof b);
	assert_memory_equal(b, "\0\0\0\1\0\0\0\13\0\40\0\0etc/blob\0", 21);
	item_read(&g->bus, FWCFG_FIRST_FILE, b, sizeof blob);
	assert_memory_equal(b, blob, sizeof blob);
}

static void hostile_selectors_and_offsets_read_zeros(void **state)
{
	struct rig *g = *state;
	uint8_t b[64], zeros[64] = { 0 };

	for (uint32_t key = FWCFG_FIRST_FILE + 1; key <= UINT16_MAX; key += 13) {
		item_read(&g->bus, (uint16_t)key, b, 2);
		assert_memory_equal(b, zeros, 2);
	}
	item_read(&g->bus, FWCFG_FIRST_FILE, b, sizeof blob);
	for (unsigned int i = 0; i < 5000; i++) /* past the end, for as long as it likes */
		assert_int_equal(bus_read(&g->bus, BUS_IO, FWCFG_PORT + 1, 1), 0);
	assert_true(bus_read(&g->bus, BUS_IO, FWCFG_PORT + 1, 2) == UINT64_MAX);
	bus_write(&g->bus, BUS_IO, FWCFG_PORT + 1, 1, 0xff); /* nothing can be written */
	item_read(&g->bus, FWCFG_FIRST_FILE, b, sizeof blob);
	assert_memory_equal(b, blob, sizeof blob);
}

static void commands_copy_items_into_ram(void **state)
{
	struct rig *g = *state;
	uint8_t b[16];

	memset(g->memory.map + 0x2000, 0xee, 16);
	assert_int_equal(command(g, FWCFG_FIRST_FILE << 16 | 0x8 | 0x2, 4, 0x2000), 0);
	assert_int_equal(command(g, 0x4, 2, 0), 0);       /* skip two */
	assert_int_equal(command(g, 0x2, 10, 0x2004), 0); /* and more than is left */
	memcpy(b, g->memory.map + 0x2000, 16);
	assert_memory_equal(b, "01236789\0\0\0\0\0\0\xee\xee", 16);
	assert_int_equal(command(g, 0x8 | FWCFG_SIGNATURE << 16, 0, 0), 0);
	assert_int_equal(bus_read(&g->bus, BUS_IO, FWCFG_PORT + 1, 1), 'Q');
}

static void commands_reach_nothing_but_ram(void **state)
{
	struct rig *g = *state;
	const uint32_t read_file = FWCFG_FIRST_FILE << 16 | 0x8 | 0x2;
	const struct {
		uint64_t to;
		uint32_t len;
	} bad[] = {
		{ RAM_BYTES, 1 },
		{ RAM_BYTES - 4, 5 },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX - 3, 8 }, /* wraps */
		{ 0, UINT32_MAX },
		{ 0, LIMIT_FWCFG_COPY_BYTES + 1 },
		{ 0xffc00000, 16 }, /* the flash */
		{ 0xfee00000, 4 },
		{ (uint64_t)1 << 32, 1 },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(command(g, read_file, bad[i].len, bad[i].to), 1);
	assert_int_equal(command(g, read_file, 4, RAM_BYTES - 4), 0); /* the last bytes are RAM */
	assert_int_equal(command(g, 0x10, 4, 0x2000), 1);             /* writing is refused */
	/* A command that is not in RAM, or only half of it, does nothing at all. */
	item_read(&g->bus, FWCFG_SIGNATURE, (uint8_t[1]){ 0 }, 1);
	assert_int_equal(command_at(g, RAM_BYTES, read_file, 4, 0), UINT32_MAX);
	assert_int_equal(command_at(g, UINT64_MAX - 7, read_file, 4, 0), UINT32_MAX);
	assert_int_equal(mon_memory_write(&g->memory, RAM_BYTES - 8, "ABCDEFGH", 8), 0);
	assert_int_equal(command_at(g, RAM_BYTES - 8, read_file, 4, 0), 0x41424344);
	assert_int_equal(bus_read(&g->bus, BUS_IO, FWCFG_PORT + 1, 1), 'E');
}

static void a_command_may_overwrite_itself(void **state)
{
	struct rig *g = *state;

	/* Judged on the copy: the item lands on the command, then the answer on its first field. */
	assert_int_equal(command(g, FWCFG_FIRST_FILE << 16 | 0x8 | 0x2, sizeof blob, COMMAND), 0);
	assert_memory_equal(g->memory.map + COMMAND + 4, blob + 4, sizeof blob - 4);
}

static void without_memory_there_are_no_commands(void **state)
{
	struct bus bus = { 0 };
	static struct fwcfg f;
	uint8_t id[4];

	assert_int_equal(mon_fwcfg_init(&f, &bus, NULL), 0);
	item_read(&bus, FWCFG_ID, id, 4);
	assert_memory_equal(id, "\1\0\0\0", 4);
	assert_true(bus_read(&bus, BUS_IO, FWCFG_PORT + 4, 4) == UINT64_MAX);
	bus_write(&bus, BUS_IO, FWCFG_PORT + 8, 4, 0); /* nobody there */
}

/* --- the ACPI files, put together as firmware does ---------------------------------------------------- */

struct placed {
	uint8_t *bytes;
	uint64_t gpa;
};

static struct placed placed_of(struct acpi_files *a, const char *name)
{
	if (strcmp(name, ACPI_FILE_RSDP) == 0)
		return (struct placed){ a->rsdp, 0xf0000 };
	assert_string_equal(name, ACPI_FILE_TABLES);
	return (struct placed){ a->tables, 0x7f000000 };
}

static uint8_t sum_of(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len-- > 0)
		sum = (uint8_t)(sum + *p++);
	return sum;
}

static unsigned int loader_run(struct acpi_files *a)
{
	unsigned int n = 0;

	for (size_t at = 0; at < sizeof a->loader; at += 128, n++) {
		struct rd r = rd_of(a->loader + at, 128);
		uint32_t what = rd_le32(&r);
		char name[56], to[56];
		rd_copy(&r, name, sizeof name);
		struct placed p = placed_of(a, name);
		if (what == 2) {
			rd_copy(&r, to, sizeof to);
			uint32_t field = rd_le32(&r);
			assert_int_equal(rd_u8(&r), 8);
			struct rd old = rd_of(p.bytes + field, 8);
			struct wr w = wr_of(p.bytes + field, 8);
			uint64_t offset = rd_le64(&old);
			assert_true(offset < a->tables_len);
			wr_le64(&w, offset + placed_of(a, to).gpa);
		} else if (what == 3) {
			uint32_t sum = rd_le32(&r), start = rd_le32(&r), len = rd_le32(&r);
			assert_int_equal(p.bytes[sum], 0);
			p.bytes[sum] = (uint8_t)(0u - sum_of(p.bytes + start, len));
		} else {
			assert_int_equal(what, 1);
		}
	}
	return n;
}

static uint32_t u32_at(const uint8_t *p)
{
	struct rd r = rd_of(p, 4);

	return rd_le32(&r);
}

static uint64_t u64_at(const uint8_t *p)
{
	struct rd r = rd_of(p, 8);

	return rd_le64(&r);
}

static const uint8_t *table_at(const struct acpi_files *a, uint64_t gpa, const char *signature)
{
	const uint8_t *t = a->tables + (gpa - 0x7f000000);

	assert_true(gpa - 0x7f000000 < a->tables_len);
	assert_memory_equal(t, signature, 4);
	assert_int_equal(sum_of(t, u32_at(t + 4)), 0);
	return t;
}

static void the_loader_script_makes_sound_tables(void **state)
{
	static struct acpi_files a;

	mon_acpi_build_files(&a, 8, 0x80000000);
	assert_int_equal(loader_run(&a), 9);
	assert_int_equal(sum_of(a.rsdp, 20), 0);
	assert_int_equal(sum_of(a.rsdp, 36), 0);
	const uint8_t *xsdt = table_at(&a, u64_at(a.rsdp + 24), "XSDT");
	const uint8_t *fadt = table_at(&a, u64_at(xsdt + 36), "FACP");
	const uint8_t *madt = table_at(&a, u64_at(xsdt + 44), "APIC");
	const uint8_t *dsdt = table_at(&a, u64_at(fadt + 140), "DSDT");
	assert_int_equal(u32_at(madt + 4), 44 + 8 * 8 + 12 + 6);
	const uint8_t *window = memmem(dsdt, u32_at(dsdt + 4), "\0\0\0\x80\xff\xff\xbf\xfe", 8);
	assert_non_null(window);
	assert_int_equal(u32_at(window + 12), PCI_WINDOW_END - 0x80000000);
}

static void direct_boot_has_the_same_tables(void **state)
{
	static struct acpi_files a;
	static uint8_t direct[ACPI_BYTES];

	mon_acpi_build_files(&a, 2, PCI_WINDOW_START);
	mon_acpi_build(direct, 2);
	/* DSDT and MADT hold no address. */
	assert_memory_equal(direct + 48 + 352, a.tables + 352, a.tables_len - 352);
	assert_int_equal(u64_at(direct + 24), ACPI_GPA + 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define RIG(name) cmocka_unit_test_setup_teardown(name, rig_open, rig_close)
		RIG(items_and_directory_are_read_through_the_ports),
		RIG(a_string_reads_on_where_bytes_left_off),
		RIG(a_vcpu_reads_data_itself_and_nothing_else),
		RIG(vcpus_that_read_at_once_share_the_bytes),
		RIG(an_offset_ends_where_offsets_end),
		RIG(hostile_selectors_and_offsets_read_zeros),
		RIG(commands_copy_items_into_ram),
		RIG(commands_reach_nothing_but_ram),
		RIG(a_command_may_overwrite_itself),
		cmocka_unit_test(without_memory_there_are_no_commands),
		cmocka_unit_test(the_loader_script_makes_sound_tables),
		cmocka_unit_test(direct_boot_has_the_same_tables),
	};

	return cmocka_run_group_tests_name("mon_fwcfg", tests, NULL, NULL);
}
