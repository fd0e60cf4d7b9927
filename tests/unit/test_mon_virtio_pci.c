#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/cm.h"
#include "vmm/monitor/mon_virtio_pci.h"
#include "vmm/super/sup_proto.h"
#include "vmm/virtio/vu_msg.h"

#define RAM_BYTES (16u << 20)
#define BAR       0xc0000000u /* of device 0 */
#define F_ALL     (1ull << 32 | 1ull << 33 | 1ull << 30)

/* As QEMU does with every descriptor it is sent; the flag is the monitor's as well (one open file). */
static void fds_make_block(const struct vu_msg *m)
{
	for (unsigned int i = 0; i < m->n_fds; i++)
		if (fcntl(m->fds[i], F_SETFL, 0) < 0)
			_exit(2);
}

static uint64_t features_of(const struct vu_msg *m)
{
	struct vu_u64 v;

	memcpy(&v, m->buf, sizeof v);
	return le64_get(v.v);
}

/* A device process that says yes to everything; it ends when the socket does. */
static void back_main(int sock, uint64_t features)
{
	for (;;) {
		struct vu_msg m;
		vu_msg_init(&m);
		if (vu_recv(sock, &m, 60000) < 0)
			_exit(0);
		fds_make_block(&m);
		struct vu_u64 v = { le64_of(0) };
		struct vu_state s = { 0 };
		bool has_reply = true;
		const void *reply = &v;
		size_t len = sizeof v;
		if (m.request == VU_SET_FEATURES && (features_of(&m) & ~features) != 0)
			_exit(1); /* it is told what it never offered */
		if (m.request == VU_GET_FEATURES) {
			v.v = le64_of(features);
		} else if (m.request == VU_GET_PROTOCOL_FEATURES) {
			v.v = le64_of(VU_PROTOCOL_REPLY_ACK | VU_PROTOCOL_CONFIG);
		} else if (m.request == VU_GET_VRING_BASE) {
			reply = &s;
			len = sizeof s;
		} else {
			has_reply = (m.flags & VU_NEED_REPLY) != 0;
		}
		if (has_reply &&
			vu_send(sock, m.request, VU_VERSION | VU_REPLY, reply, len, NULL, 0) < 0)
			_exit(1);
		vu_msg_done(&m);
	}
}

struct rig {
	struct loop loop;
	struct bus bus;
	struct pci pci;
	struct mon_kvm kvm;
	struct mon_memory memory;
	struct vdev v;
	pid_t back;
	unsigned int deaths;
};

static void rig_dead(void *owner, struct vdev *v, const char *text)
{
	((struct rig *)owner)->deaths++;
}

static int rig_open_with(struct rig *g, uint64_t features, struct why *why)
{
	int fds[2];
	int ram = memfd_create("ram", MFD_CLOEXEC);

	if (ram < 0 || ftruncate(ram, RAM_BYTES) < 0 || loop_open(&g->loop) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
		mon_memory_open(&g->memory, ram, RAM_BYTES, NULL) < 0 ||
		mon_pci_init(&g->pci, &g->bus, PCI_WINDOW_START) < 0)
		return -EIO;
	g->kvm.vm_fd = -1; /* interrupts and kicks go nowhere; KVM's part is tested with guests */
	g->kvm.routes = calloc(1, sizeof *g->kvm.routes + 8 * sizeof(struct kvm_irq_routing_entry));
	g->back = fork();
	if (g->back == 0) {
		close(fds[0]);
		back_main(fds[1], features);
	}
	close(fds[1]);
	return mon_virtio_pci_init(&g->v, 0, MON_DEVICE_RNG, fds[0], &g->bus, &g->pci, &g->kvm,
		&g->memory, &g->loop, rig_dead, g, why);
}

static void config_put(struct rig *g, unsigned int at, uint32_t v)
{
	bus_write(&g->bus, BUS_IO, 0xcf8, 4, 0x80000800u | at);
	bus_write(&g->bus, BUS_IO, 0xcfc, 4, v);
}

static void reg_put(struct rig *g, unsigned int at, unsigned int len, uint64_t v)
{
	bus_write(&g->bus, BUS_MMIO, BAR + at, len, v);
}

static uint64_t reg_get(struct rig *g, unsigned int at, unsigned int len)
{
	return bus_read(&g->bus, BUS_MMIO, BAR + at, len);
}

static int rig_open(void **state)
{
	struct rig *g = calloc(1, sizeof *g);

	if (g == NULL || rig_open_with(g, F_ALL, NULL) < 0)
		return -1;
	config_put(g, 4, 2); /* memory decoding on */
	*state = g;
	return 0;
}

static void rig_done(struct rig *g)
{
	mon_virtio_pci_done(&g->v, &g->loop);
	if (g->back > 0)
		(void)waitpid(g->back, NULL, 0);
	mon_memory_close(&g->memory);
	loop_close(&g->loop);
	free(g->kvm.routes);
}

static int rig_close(void **state)
{
	struct rig *g = *state;

	rig_done(g);
	free(g);
	return 0;
}

static void features_give(struct rig *g, uint64_t features)
{
	reg_put(g, 0x14, 1, 1);
	reg_put(g, 0x14, 1, 3);
	for (uint32_t half = 0; half < 2; half++) {
		reg_put(g, 0x08, 4, half);
		reg_put(g, 0x0c, 4, features >> (32 * half) & 0xffffffff);
	}
	reg_put(g, 0x14, 1, 11);
}

static void queue_give(struct rig *g, uint64_t desc)
{
	reg_put(g, 0x16, 2, 0);
	reg_put(g, 0x18, 2, 16);
	reg_put(g, 0x20, 4, desc & 0xffffffff);
	reg_put(g, 0x24, 4, desc >> 32);
	reg_put(g, 0x28, 8, 0x2000);
	reg_put(g, 0x30, 8, 0x3000);
	reg_put(g, 0x1c, 2, 1);
}

static void driver_that_keeps_the_order_gets_its_device(void **state)
{
	struct rig *g = *state;

	reg_put(g, 0, 4, 1);
	assert_int_equal(reg_get(g, 4, 4), 3); /* VERSION_1 and ACCESS_PLATFORM, bit 30 hidden */
	features_give(g, 3ull << 32);
	assert_int_equal(reg_get(g, 0x14, 1), 11);
	queue_give(g, 0x1000);
	reg_put(g, 0x14, 1, 15);
	assert_int_equal(reg_get(g, 0x14, 1), 15);
	reg_put(g, 0x14, 1, 0);
	assert_int_equal(reg_get(g, 0x14, 1), 0);
	assert_int_equal(reg_get(g, 0x1c, 2), 0);
	assert_int_equal(g->deaths, 0);
}

/* A program of another make: without ACCESS_PLATFORM, and with bits that are no affair of the guest's. */
static void features_of_other_makes_are_sorted(void **state)
{
	struct rig *g = *state;
	struct rig other = { 0 };

	assert_int_equal(
		rig_open_with(&other, 1ull << 32 | 1ull << 30 | 1ull << 26 | 1ull << 34 | 1, NULL),
		0);
	assert_int_equal(g->deaths, 0);
	config_put(&other, 4, 2);
	reg_put(&other, 0, 4, 0);
	assert_int_equal(reg_get(&other, 4, 4), 1);
	reg_put(&other, 0, 4, 1);
	assert_int_equal(reg_get(&other, 4, 4), 3);
	features_give(&other, 3ull << 32 | 1ull << 26);
	assert_int_equal(reg_get(&other, 0x14, 1), 3);
	reg_put(&other, 0x14, 1, 0);
	features_give(&other, 3ull << 32);
	queue_give(&other, 0x1000);
	reg_put(&other, 0x14, 1, 15);
	reg_put(&other, 0x14, 1, 0); /* waits for its answer: it lives */
	assert_int_equal(reg_get(&other, 0x14, 1), 0);
	assert_int_equal(other.deaths, 0);
	rig_done(&other);
}

static void features_without_version_1_or_beyond_the_offer_are_refused(void **state)
{
	struct rig *g = *state;

	features_give(g, 1ull << 33);
	assert_int_equal(reg_get(g, 0x14, 1), 3);
	reg_put(g, 0x14, 1, 0);
	features_give(g, 3ull << 32 | 1ull << 5);
	assert_int_equal(reg_get(g, 0x14, 1), 3);
	reg_put(g, 0x14, 1, 7); /* DRIVER_OK without FEATURES_OK */
	assert_int_equal(reg_get(g, 0x14, 1) & 4, 0);
}

static void queue_outside_memory_needs_a_reset(void **state)
{
	struct rig *g = *state;
	static const uint64_t bad[] = { RAM_BYTES, RAM_BYTES - 64, UINT64_MAX & ~(uint64_t)15,
		0x1008 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		features_give(g, 3ull << 32);
		queue_give(g, bad[i]);
		reg_put(g, 0x14, 1, 15);
		assert_int_equal(reg_get(g, 0x14, 1), 0x4b); /* NEEDS_RESET, no DRIVER_OK */
		assert_int_equal(bus_read(&g->bus, BUS_MMIO, BAR + 0x1000, 1), 2);
		reg_put(g, 0x14, 1, 0);
		assert_int_equal(reg_get(g, 0x14, 1), 0);
	}
}

static void ring_broken_before_a_reset_is_forgotten(void **state)
{
	struct rig *g = *state;

	features_give(g, 3ull << 32);
	queue_give(g, 0x1000);
	reg_put(g, 0x14, 1, 15);
	assert_int_equal(reg_get(g, 0x14, 1), 15);
	assert_int_equal(eventfd_write(g->v.front.err.fd, 1), 0);
	reg_put(g, 0x14, 1, 0); /* before the loop sees it */
	assert_int_equal(loop_step(&g->loop, 0), 0);
	assert_int_equal(reg_get(g, 0x14, 1), 0);
	assert_int_equal(g->deaths, 0);
}

static void registers_freeze_at_driver_ok(void **state)
{
	struct rig *g = *state;

	features_give(g, 3ull << 32);
	queue_give(g, 0x1000);
	reg_put(g, 0x14, 1, 15);
	reg_put(g, 0x20, 8, 0x8000);
	reg_put(g, 0x18, 2, 4);
	reg_put(g, 0x0c, 4, 0);
	reg_put(g, 0x14, 1, 1); /* only a reset takes DRIVER_OK back */
	assert_int_equal(reg_get(g, 0x20, 8), 0x1000);
	assert_int_equal(reg_get(g, 0x18, 2), 16);
	assert_int_equal(reg_get(g, 0x14, 1) & 12, 12);
}

static void queues_that_do_not_exist_read_zero_and_take_nothing(void **state)
{
	struct rig *g = *state;

	reg_put(g, 0x16, 2, 1); /* rng has one queue */
	assert_int_equal(reg_get(g, 0x18, 2), 0);
	reg_put(g, 0x20, 8, 0x1000);
	reg_put(g, 0x1c, 2, 1);
	assert_int_equal(reg_get(g, 0x20, 8), 0);
	reg_put(g, 0x1a, 2, 9); /* no such vector */
	assert_int_equal(reg_get(g, 0x1a, 2), 0xffff);
	reg_put(g, 0x10, 2, 9);
	assert_int_equal(reg_get(g, 0x10, 2), 0xffff);
	reg_put(g, 0x3ff8, 8, 7); /* notify of a queue that is not there */
	assert_int_equal(g->deaths, 0);
}

static void interrupt_table_keeps_its_entries_and_bounds(void **state)
{
	struct rig *g = *state;

	reg_put(g, 0x4000 + 16, 8, 0xfee01000);
	reg_put(g, 0x4000 + 24, 4, 0x41);
	reg_put(g, 0x4000 + 28, 4, 0);
	assert_int_equal(reg_get(g, 0x4000 + 16, 4), 0xfee01000);
	assert_int_equal(reg_get(g, 0x4000 + 24, 4), 0x41);
	assert_int_equal(reg_get(g, 0x4000 + 28, 4), 0);
	assert_int_equal(reg_get(g, 0x4000 + 12, 4), 1); /* the other one is masked */
	reg_put(g, 0x4000 + 32, 4, 0xffffffff);          /* two entries, not three */
	assert_int_equal(reg_get(g, 0x4000 + 32, 4), 0);
	reg_put(g, 0x4ffc, 4, 0xffffffff);
	assert_int_equal(reg_get(g, 0x4ffc, 4), 0);
}

static void registers_move_with_the_bar(void **state)
{
	struct rig *g = *state;

	config_put(g, 0x10, 0xd0000000);
	assert_int_equal((uint8_t)bus_read(&g->bus, BUS_MMIO, BAR + 0x14, 1), 0xff);
	assert_int_equal(bus_read(&g->bus, BUS_MMIO, 0xd0000012, 2), 1);
	config_put(g, 4, 0);
	assert_int_equal((uint8_t)bus_read(&g->bus, BUS_MMIO, 0xd0000014, 1), 0xff);
	config_put(g, 4, 2);
	config_put(g, 0x14, 0xd0000000); /* both BARs at one place: neither must answer twice */
	config_put(g, 0x14, 0xd0010000);
	assert_int_equal(bus_read(&g->bus, BUS_MMIO, 0xd0000012, 2), 1);
}

static void dead_device_process_is_noticed(void **state)
{
	struct rig *g = *state;

	(void)kill(g->back, SIGKILL);
	assert_int_equal(loop_step(&g->loop, 2000), 0);
	assert_int_equal(g->deaths, 1);
}

static void device_without_version_1_is_refused(void **state)
{
	struct rig *g = calloc(1, sizeof *g);
	struct why why = { 0 };
	void *held = g;

	assert_non_null(g);
	assert_int_equal(rig_open_with(g, 1ull << 33 | 1ull << 30, &why), -EPROTO);
	assert_non_null(strstr(why.text, "mandatory"));
	(void)rig_close(&held);
}

int main(void)
{
#define WITH_RIG(f) cmocka_unit_test_setup_teardown(f, rig_open, rig_close)
	const struct CMUnitTest tests[] = {
		WITH_RIG(driver_that_keeps_the_order_gets_its_device),
		WITH_RIG(features_of_other_makes_are_sorted),
		WITH_RIG(features_without_version_1_or_beyond_the_offer_are_refused),
		WITH_RIG(queue_outside_memory_needs_a_reset),
		WITH_RIG(ring_broken_before_a_reset_is_forgotten),
		WITH_RIG(registers_freeze_at_driver_ok),
		WITH_RIG(queues_that_do_not_exist_read_zero_and_take_nothing),
		WITH_RIG(interrupt_table_keeps_its_entries_and_bounds),
		WITH_RIG(registers_move_with_the_bar),
		WITH_RIG(dead_device_process_is_noticed),
		cmocka_unit_test(device_without_version_1_is_refused),
	};

	return cmocka_run_group_tests_name("mon_virtio_pci", tests, NULL, NULL);
}
