#include <errno.h>
#include <string.h>

#include "tests/unit/cm.h"
#include "vmm/monitor/mon_bus.h"
#include "vmm/monitor/mon_pci.h"
#include "vmm/monitor/mon_power.h"
#include "vmm/monitor/mon_serial.h"

struct fake {
	struct bus_dev dev;
	uint64_t at, v;
	unsigned int reads, writes;
};

static uint64_t fake_read(struct bus_dev *dev, uint64_t at, unsigned int len)
{
	struct fake *f = CONTAINER_OF(dev, struct fake, dev);

	f->reads++;
	f->at = at;
	return 0x5a;
}

static void fake_write(struct bus_dev *dev, uint64_t at, unsigned int len, uint64_t v)
{
	struct fake *f = CONTAINER_OF(dev, struct fake, dev);

	f->writes++;
	f->at = at;
	f->v = v;
}

static void bus_answers_only_inside_a_range(void **state)
{
	struct bus bus = { 0 };
	struct fake f = { .dev = { fake_read, fake_write } };

	assert_int_equal(bus_add(&bus, BUS_MMIO, 0x1000, 0x100, &f.dev), 0);
	assert_int_equal(bus_read(&bus, BUS_MMIO, 0x10ff, 1), 0x5a);
	assert_int_equal(f.at, 0xff);
	assert_true(bus_read(&bus, BUS_MMIO, 0x10fd, 4) == UINT64_MAX); /* crosses the end */
	assert_true(bus_read(&bus, BUS_IO, 0x1000, 1) == UINT64_MAX);
	assert_true(bus_read(&bus, BUS_MMIO, UINT64_MAX, 8) == UINT64_MAX);
	bus_write(&bus, BUS_MMIO, 0xfff, 1, 1);
	assert_int_equal(f.reads, 1);
	assert_int_equal(f.writes, 0);
}

static void fake_read_bytes(struct bus_dev *dev, uint64_t at, uint8_t *ret, size_t n)
{
	struct fake *f = CONTAINER_OF(dev, struct fake, dev);

	f->at = at;
	f->v = n;
	memset(ret, 0x77, n);
}

static void a_string_is_read_at_once_or_byte_by_byte(void **state)
{
	struct bus bus = { 0 };
	struct fake slow = { .dev = { fake_read, fake_write } };
	struct fake fast = { .dev = { fake_read, fake_write, fake_read_bytes } };
	uint8_t bytes[5] = { 0 };

	assert_int_equal(bus_add(&bus, BUS_IO, 0x10, 2, &slow.dev), 0);
	assert_int_equal(bus_add(&bus, BUS_IO, 0x20, 2, &fast.dev), 0);
	bus_read_bytes(&bus, BUS_IO, 0x11, bytes, 4);
	assert_int_equal(slow.reads, 4);
	assert_int_equal(slow.at, 1);
	assert_memory_equal(bytes, "\x5a\x5a\x5a\x5a\0", 5);
	bus_read_bytes(&bus, BUS_IO, 0x21, bytes, 4);
	assert_int_equal(fast.reads, 0);
	assert_int_equal(fast.at, 1);
	assert_int_equal(fast.v, 4);
	assert_memory_equal(bytes, "\x77\x77\x77\x77\0", 5);
	bus_read_bytes(&bus, BUS_IO, 0x30, bytes, 4); /* nobody */
	assert_memory_equal(bytes, "\xff\xff\xff\xff\0", 5);
	bus_read_bytes(&bus, BUS_IO, 0x20, bytes, 0);
	assert_int_equal(bytes[0], 0xff);
}

static void bus_refuses_overlap_and_wrap(void **state)
{
	struct bus bus = { 0 };
	struct fake f = { .dev = { fake_read, fake_write } };

	assert_int_equal(bus_add(&bus, BUS_IO, 0x10, 0x10, &f.dev), 0);
	assert_int_equal(bus_add(&bus, BUS_IO, 0x1f, 1, &f.dev), -EEXIST);
	assert_int_equal(bus_add(&bus, BUS_IO, 0x8, 9, &f.dev), -EEXIST);
	assert_int_equal(bus_add(&bus, BUS_IO, 0x20, 1, &f.dev), 0);
	assert_int_equal(bus_add(&bus, BUS_MMIO, UINT64_MAX, 2, &f.dev), -ERANGE);
	assert_int_equal(bus_add(&bus, BUS_MMIO, 0, 0, &f.dev), -ERANGE);
	bus_del(&bus, BUS_IO, 0x10, &f.dev);
	assert_true(bus_read(&bus, BUS_IO, 0x10, 1) == UINT64_MAX);
}

static uint32_t config_get(struct bus *bus, unsigned int slot, unsigned int at)
{
	bus_write(bus, BUS_IO, 0xcf8, 4, 0x80000000u | slot << 11 | (at & 0xfc));
	return (uint32_t)bus_read(bus, BUS_IO, 0xcfc + (at & 3), 4 - (at & 3));
}

static void config_put(struct bus *bus, unsigned int slot, unsigned int at, uint32_t v)
{
	bus_write(bus, BUS_IO, 0xcf8, 4, 0x80000000u | slot << 11 | (at & 0xfc));
	bus_write(bus, BUS_IO, 0xcfc, 4, v);
}

static void pci_bars_size_and_move_within_the_window(void **state)
{
	struct bus bus = { 0 };
	struct pci pci;
	struct pci_func f;
	uint64_t base;

	assert_int_equal(mon_pci_init(&pci, &bus, PCI_WINDOW_START), 0);
	pci_func_init(&f, 0x1af4, 0x1042, 0x018000, 0x42);
	pci_func_set_bar(&f, 0, 0xc0000000, 0x4000);
	assert_int_equal(mon_pci_add(&pci, &f), 0);
	assert_int_equal(config_get(&bus, 1, 0), 0x10421af4);
	assert_false(pci_func_get_bar(&f, 0, &base)); /* decoding is off */
	config_put(&bus, 1, 4, 2);
	assert_true(pci_func_get_bar(&f, 0, &base));
	config_put(&bus, 1, 0x10, 0xffffffff);
	assert_int_equal(config_get(&bus, 1, 0x10), 0xffffc000);
	assert_false(pci_func_get_bar(&f, 0, &base)); /* outside the window */
	config_put(&bus, 1, 0x10, 0x1000);
	assert_false(pci_func_get_bar(&f, 0, &base)); /* on top of RAM: never */
	config_put(&bus, 1, 0x10, 0xd0000000);
	assert_true(pci_func_get_bar(&f, 0, &base));
	assert_int_equal(base, 0xd0000000);
}

static void pci_ids_cannot_be_written_and_empty_slots_read_ones(void **state)
{
	struct bus bus = { 0 };
	struct pci pci;

	assert_int_equal(mon_pci_init(&pci, &bus, PCI_WINDOW_START), 0);
	config_put(&bus, 0, 0, 0);
	assert_int_equal(config_get(&bus, 0, 0), 0x00011af4);
	assert_int_equal(config_get(&bus, 5, 0), 0xffffffff);
	bus_write(&bus, BUS_IO, 0xcf8, 4, 0x80010000); /* another bus */
	assert_int_equal((uint32_t)bus_read(&bus, BUS_IO, 0xcfc, 4), 0xffffffff);
	bus_write(&bus, BUS_IO, 0xcf8, 4, 0x000000fc); /* not enabled */
	assert_int_equal((uint32_t)bus_read(&bus, BUS_IO, 0xcfc, 4), 0xffffffff);
	bus_write(&bus, BUS_IO, 0xcf8, 4, 0x800000fc);
	assert_int_equal((uint32_t)bus_read(&bus, BUS_IO, 0xcfc, 4), 0); /* the last register */
}

struct sink {
	size_t n;
	uint8_t bytes[600];
	bool is_high;
	int how;
};

static void sink_emit(void *owner, const uint8_t *bytes, size_t len)
{
	struct sink *s = owner;

	memcpy(s->bytes + s->n, bytes, len);
	s->n += len;
}

static void sink_irq(void *owner, bool is_high)
{
	((struct sink *)owner)->is_high = is_high;
}

static void serial_emits_lines_and_raises_its_interrupt(void **state)
{
	struct bus bus = { 0 };
	struct loop loop;
	struct serial s;
	struct sink sink = { 0 };

	assert_int_equal(loop_open(&loop), 0);
	assert_int_equal(mon_serial_init(&s, &bus, &loop, sink_emit, sink_irq, &sink), 0);
	bus_write(&bus, BUS_IO, 0x3f8, 1, 'h');
	assert_int_equal(sink.n, 0);
	bus_write(&bus, BUS_IO, 0x3f8, 1, '\n');
	assert_int_equal(sink.n, 2);
	bus_write(&bus, BUS_IO, 0x3f9, 1, 1); /* receive interrupt on */
	mon_serial_feed(&s, (const uint8_t *)"xy", 2);
	assert_true(sink.is_high);
	assert_int_equal(bus_read(&bus, BUS_IO, 0x3fd, 1) & 1, 1);
	assert_int_equal(bus_read(&bus, BUS_IO, 0x3f8, 1), 'x');
	assert_int_equal(bus_read(&bus, BUS_IO, 0x3f8, 1), 'y');
	assert_false(sink.is_high);
	assert_int_equal(bus_read(&bus, BUS_IO, 0x3f8, 1), 0);
	mon_serial_done(&s, &loop);
	loop_close(&loop);
}

static void serial_survives_more_input_than_it_holds(void **state)
{
	struct bus bus = { 0 };
	struct loop loop;
	struct serial s;
	struct sink sink = { 0 };
	uint8_t big[1000] = { 0 };

	assert_int_equal(loop_open(&loop), 0);
	assert_int_equal(mon_serial_init(&s, &bus, &loop, sink_emit, sink_irq, &sink), 0);
	mon_serial_feed(&s, big, sizeof big);
	assert_int_equal(s.n_in, SERIAL_IN_MAX);
	bus_write(&bus, BUS_IO, 0x3fc, 1, 0x10); /* loop back into a full queue */
	for (unsigned int i = 0; i < 300; i++)
		bus_write(&bus, BUS_IO, 0x3f8, 1, i);
	assert_int_equal(s.n_in, SERIAL_IN_MAX);
	assert_int_equal(sink.n, 0);
	mon_serial_done(&s, &loop);
	loop_close(&loop);
}

static void sink_end(void *owner, enum ended_how how)
{
	((struct sink *)owner)->how = (int)how;
}

static void power_ends_only_on_its_own_values(void **state)
{
	struct bus bus = { 0 };
	struct mon_power p;
	struct sink sink = { .how = -1 };

	assert_int_equal(mon_power_init(&p, &bus, sink_end, &sink), 0);
	bus_write(&bus, BUS_IO, 0x600, 1, 5 << 2);        /* no SLP_EN */
	bus_write(&bus, BUS_IO, 0x600, 1, 3 << 2 | 0x20); /* another state */
	bus_write(&bus, BUS_IO, 0x602, 1, 0);
	assert_int_equal(sink.how, -1);
	assert_int_equal(p.workload_status, STATUS_NONE);
	bus_write(&bus, BUS_IO, 0x604, 1, 7);
	assert_int_equal(p.workload_status, 7);
	bus_write(&bus, BUS_IO, 0x600, 1, 5 << 2 | 0x20);
	assert_int_equal(sink.how, ENDED_OFF);
	bus_write(&bus, BUS_IO, 0x602, 1, 1);
	assert_int_equal(sink.how, ENDED_RESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bus_answers_only_inside_a_range),
		cmocka_unit_test(a_string_is_read_at_once_or_byte_by_byte),
		cmocka_unit_test(bus_refuses_overlap_and_wrap),
		cmocka_unit_test(pci_bars_size_and_move_within_the_window),
		cmocka_unit_test(pci_ids_cannot_be_written_and_empty_slots_read_ones),
		cmocka_unit_test(serial_emits_lines_and_raises_its_interrupt),
		cmocka_unit_test(serial_survives_more_input_than_it_holds),
		cmocka_unit_test(power_ends_only_on_its_own_values),
	};

	return cmocka_run_group_tests_name("mon_bus", tests, NULL, NULL);
}
