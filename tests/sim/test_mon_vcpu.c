/*
 * The monitor's threads over a made-up KVM: exits of many vCPUs at once, conversion of the same pages
 * from all of them, an end in the middle, an end before the start, a thread that cannot be locked
 * up. Made to be run under ThreadSanitizer (tests/check/all.sh), and honest without it.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "sev/abi_kvm.h"
#include "sev/fw.h"
#include "tests/sim/simkit.h"
#include "tests/unit/cm.h"
#include "vmm/monitor/mon_exit.h"
#include "vmm/monitor/mon_fwcfg.h"
#include "vmm/monitor/mon_vcpu.h"

#define VCPUS     4u
#define ROUNDS    200u /* exits of a vCPU */
#define RAM_BYTES (8u << 20)
#define PORT      0x80u

struct rig {
	struct kit kit;
	struct loop loop;
	struct bus bus;
	struct bus_dev dev;
	struct mon_memory memory;
	struct mon_kvm kvm;
	struct vcpus vcpus;
	struct exit_ops ops;
	enum guest_kind kind;
	struct fwcfg fwcfg;
	bool has_fwcfg;         /* every third exit reads it */
	atomic_uint n_served;   /* exits that the loop thread never saw */
	int enter_err;          /* what the last thread to enter says */
	atomic_uint n_entered;  /* by their own threads */
	atomic_uint n_runs;     /* of the guest, by the vCPUs' threads */
	unsigned int n_written; /* to the port: the loop thread's */
	unsigned int n_exits;   /* the same */
	unsigned int n_crashes; /* the same */
	unsigned int n_converted;
};

/* --- the guest, on the threads of its vCPUs ------------------------------------------------------ */

/* Every second exit writes to a port, the others make one and the same page shared or private. */
static int guest_run(struct kvm_run *run, void *owner)
{
	struct rig *g = owner;
	unsigned int n = atomic_fetch_add(&g->n_runs, 1);

	if (g->has_fwcfg && n % 3 != 0) {
		run->exit_reason = KVM_EXIT_IO;
		run->io.direction = KVM_EXIT_IO_IN;
		run->io.port = FWCFG_PORT + 1;
		run->io.size = 1;
		run->io.count = 16;
		return 0;
	}
	if (n % 2 == 0 || g->kind == GUEST_NONE) {
		run->exit_reason = KVM_EXIT_IO;
		run->io.direction = KVM_EXIT_IO_OUT;
		run->io.port = PORT;
		run->io.size = 1;
		run->io.count = 1;
		((uint8_t *)run)[run->io.data_offset] = (uint8_t)n;
		return 0;
	}
	run->exit_reason = KVM_EXIT_HYPERCALL;
	run->hypercall.nr = ABI_HC_MAP_GPA_RANGE;
	run->hypercall.args[0] = 0x100000;
	run->hypercall.args[1] = 1;
	run->hypercall.args[2] = (n & 2) != 0 ? ABI_MAP_GPA_ENCRYPTED : 0;
	run->hypercall.ret = 99;
	return 0;
}

/* --- the monitor --------------------------------------------------------------------------------- */

static void port_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v)
{
	struct rig *g = CONTAINER_OF(dev, struct rig, dev);

	g->n_written++;
	if (g->has_fwcfg) /* while other vCPUs read */
		bus_write(&g->bus, BUS_IO, FWCFG_PORT, 2, FWCFG_CMDLINE);
}

static uint64_t port_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	return 0;
}

static void crashed(void *owner, const char *text)
{
	((struct rig *)owner)->n_crashes++;
}

static int thread_enter(void *owner, struct why *why)
{
	struct rig *g = owner;

	if (atomic_fetch_add(&g->n_entered, 1) + 1 < VCPUS || g->enter_err == 0)
		return 0;
	return why_set(why, g->enter_err, "this one stays outside");
}

static bool thread_serve(void *owner, struct vcpu *v)
{
	struct rig *g = owner;

	if (!g->has_fwcfg || !mon_fwcfg_serve(&g->fwcfg, v->run))
		return false;
	atomic_fetch_add(&g->n_served, 1);
	return true;
}

static void vcpu_exited(void *owner, struct vcpu *v)
{
	struct rig *g = owner;
	bool is_call = v->run->exit_reason == KVM_EXIT_HYPERCALL;

	mon_exit_serve(&g->ops, v);
	if (is_call && v->run->hypercall.ret == 0)
		g->n_converted++;
	g->n_exits++;
}

static struct rig *rig_open(enum guest_kind kind)
{
	struct rig *g = calloc(1, sizeof *g);
	int ram = memfd_create("ram", MFD_CLOEXEC);
	const struct mon_kvm_config config = { .kind = kind, .setup.vcpus = VCPUS };
	struct why why = { 0 };

	assert_non_null(g);
	g->kind = kind;
	g->dev = (struct bus_dev){ port_read, port_write };
	assert_true(ram >= 0 && ftruncate(ram, RAM_BYTES) == 0);
	assert_int_equal(loop_open(&g->loop), 0);
	assert_int_equal(bus_add(&g->bus, BUS_IO, PORT, 1, &g->dev), 0);
	assert_int_equal(mon_memory_open(&g->memory, ram, RAM_BYTES, NULL), 0);
	kit_init(&g->kit, SIM_MILAN, 3);
	assert_int_equal(kit_open(&g->kit, &why), 0);
	fake_kvm_set_guest(guest_run, g);
	assert_int_equal(
		mon_kvm_open(&g->kvm, &config, g->kit.kvm_fd, g->kit.sev_fd, &g->memory, &why), 0);
	const struct guest_identity nobody = { 0 };
	assert_int_equal(guest_set_private(g->kvm.guest, &why), 0);
	assert_int_equal(guest_start_launch(g->kvm.guest, 0x30000, &why), 0);
	assert_int_equal(guest_finish_launch(g->kvm.guest, &nobody, &why), 0);
	g->ops = (struct exit_ops){ .bus = &g->bus,
		.guest = g->kvm.guest,
		.memory = &g->memory,
		.crash = crashed,
		.owner = g };
	return g;
}

static int threads_start(struct rig *g, struct why *why)
{
	const struct vcpu_ops ops = { thread_enter, thread_serve, vcpu_exited, g };

	return mon_vcpu_start(&g->vcpus, &g->kvm, &g->loop, &ops, why);
}

static void rig_close(struct rig *g)
{
	mon_kvm_close(&g->kvm);
	mon_memory_close(&g->memory);
	loop_close(&g->loop);
	g->kit.n_vcpus = 0;
	kit_done(&g->kit);
	free(g);
}

static void exits_serve(struct rig *g, unsigned int n)
{
	while (g->n_exits < n)
		assert_int_equal(loop_step(&g->loop, 5000), 0);
}

/* --- tests --------------------------------------------------------------------------------------- */

static void exits_of_all_vcpus_are_served(void **state)
{
	struct rig *g = rig_open(GUEST_NONE);

	assert_int_equal(threads_start(g, NULL), 0);
	assert_int_equal(atomic_load(&g->n_entered), VCPUS);
	mon_vcpu_go(&g->vcpus);
	exits_serve(g, VCPUS * ROUNDS);
	mon_vcpu_stop(&g->vcpus, &g->loop);
	assert_int_equal(g->vcpus.n, 0);
	assert_int_equal(g->n_written, g->n_exits);
	assert_int_equal(g->n_crashes, 0);
	rig_close(g);
}

static void what_never_changes_is_read_without_the_loop(void **state)
{
	static const char text[] = "console=ttyS0";
	struct rig *g = rig_open(GUEST_NONE);

	assert_int_equal(mon_fwcfg_init(&g->fwcfg, &g->bus, NULL), 0);
	mon_fwcfg_add(&g->fwcfg, FWCFG_CMDLINE, text, sizeof text);
	g->has_fwcfg = true;
	assert_int_equal(threads_start(g, NULL), 0);
	mon_vcpu_go(&g->vcpus);
	exits_serve(g, VCPUS * ROUNDS);
	mon_vcpu_stop(&g->vcpus, &g->loop);
	assert_int_equal(g->n_written, g->n_exits); /* of reads none came to the loop */
	assert_true(atomic_load(&g->n_served) >= VCPUS * ROUNDS);
	assert_int_equal(g->n_crashes, 0);
	rig_close(g);
}

static void all_vcpus_convert_one_page(void **state)
{
	struct rig *g = rig_open(GUEST_SNP);

	assert_int_equal(threads_start(g, NULL), 0);
	mon_vcpu_go(&g->vcpus);
	exits_serve(g, VCPUS * ROUNDS);
	mon_vcpu_stop(&g->vcpus, &g->loop);
	assert_int_equal(g->n_written + g->n_converted, g->n_exits);
	assert_true(g->n_converted > ROUNDS);
	rig_close(g);
}

static void end_comes_in_the_middle_and_again(void **state)
{
	for (unsigned int i = 0; i < 20; i++) {
		struct rig *g = rig_open(GUEST_NONE);
		assert_int_equal(threads_start(g, NULL), 0);
		mon_vcpu_go(&g->vcpus);
		exits_serve(g, i);
		mon_vcpu_stop(&g->vcpus, &g->loop); /* some run, some wait for us */
		assert_int_equal(g->vcpus.n, 0);
		rig_close(g);
	}
}

static void end_comes_before_the_start(void **state)
{
	struct rig *g = rig_open(GUEST_NONE);

	assert_int_equal(threads_start(g, NULL), 0);
	mon_vcpu_stop(&g->vcpus, &g->loop);
	assert_int_equal(atomic_load(&g->n_runs), 0);
	rig_close(g);
}

static void thread_that_cannot_be_locked_up_ends_all(void **state)
{
	struct rig *g = rig_open(GUEST_NONE);
	struct why why = { 0 };

	g->enter_err = -EPERM;
	assert_int_equal(threads_start(g, &why), -EPERM);
	assert_non_null(strstr(why.text, "this one stays outside"));
	assert_int_equal(g->vcpus.n, 0);
	assert_int_equal(atomic_load(&g->n_runs), 0);
	rig_close(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exits_of_all_vcpus_are_served),
		cmocka_unit_test(what_never_changes_is_read_without_the_loop),
		cmocka_unit_test(all_vcpus_convert_one_page),
		cmocka_unit_test(end_comes_in_the_middle_and_again),
		cmocka_unit_test(end_comes_before_the_start),
		cmocka_unit_test(thread_that_cannot_be_locked_up_ends_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
