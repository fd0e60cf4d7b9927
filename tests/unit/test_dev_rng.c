/* The entropy device, the real program in its sandbox. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/cm.h"
#include "tests/unit/vu_front.h"
#include "vmm/super/sup_proto.h"

static int rng_start(void **state)
{
	static struct front f;
	struct why why = { 0 };

	int err = front_start(&f, ROLE_DEV_RNG, NULL, 0, NULL, 0, &why);
	if (err == 0)
		err = front_run(&f, VRING_F_INDIRECT, 1);
	if (err < 0)
		print_error("rng: %d %s\n", err, why.text);
	*state = &f;
	return err;
}

static int rng_stop(void **state)
{
	front_close(*state);
	return 0;
}

static void buffers_are_filled_and_differ(void **state)
{
	struct front *f = *state;
	static const uint8_t zero[64];
	const struct buf a = { FRONT_DATA, 64, true };
	const struct buf b = { FRONT_DATA + 64, 64, true };

	assert_int_equal(front_do(f, 0, &a, 1), 64);
	assert_int_equal(front_do(f, 0, &b, 1), 64);
	assert_memory_not_equal(f->ram + FRONT_DATA, zero, 64);
	assert_memory_not_equal(f->ram + FRONT_DATA, f->ram + FRONT_DATA + 64, 64);
}

static void large_request_gets_a_bounded_part(void **state)
{
	struct front *f = *state;
	const struct buf a = { FRONT_DATA, 1u << 20, true };

	assert_int_equal(front_do(f, 0, &a, 1), LIMIT_RNG_BYTES);
	assert_int_equal(f->ram[FRONT_DATA + LIMIT_RNG_BYTES], 0);
}

static void thousand_requests_are_served(void **state)
{
	struct front *f = *state;
	const struct buf a = { FRONT_DATA, 8, true };

	for (int i = 0; i < 1000; i++)
		assert_int_equal(front_do(f, 0, &a, 1), 8);
}

static void full_ring_is_served_by_one_kick(void **state)
{
	struct front *f = *state;
	const struct buf a = { FRONT_DATA, 8, true };
	uint32_t len;

	for (unsigned int i = 0; i < FRONT_SIZE; i++)
		(void)front_offer(f, 0, &a, 1);
	front_kick(f, 0);
	for (unsigned int i = 0; i < FRONT_SIZE; i++)
		assert_int_equal(front_wait(f, 0, FRONT_WAIT, NULL, &len), 0);
}

static void request_without_room_breaks_the_ring_only(void **state)
{
	struct front *f = *state;
	const struct buf bad = { FRONT_DATA, 8, false };
	const struct buf good = { FRONT_DATA, 8, true };
	uint16_t base;
	uint32_t len;

	(void)front_offer(f, 0, &bad, 1);
	front_kick(f, 0);
	assert_true(front_is_broken(f, 0, FRONT_WAIT));
	(void)front_offer(f, 0, &good, 1);
	front_kick(f, 0);
	assert_int_equal(front_wait(f, 0, 100, NULL, &len), -ETIMEDOUT);
	/* The guest resets the device, and it works again. */
	assert_int_equal(front_stop_queue(f, 0, &base), 0);
	memset(f->ram, 0, FRONT_DATA);
	f->q[0].offered = f->q[0].taken = f->q[0].next_desc = 0;
	assert_int_equal(front_start_queue(f, 0), 0);
	assert_int_equal(front_do(f, 0, &good, 1), 8);
}

static void hostile_rings_break_and_nothing_else(void **state)
{
	struct front *f = *state;
	static const struct {
		uint64_t gpa;
		uint32_t len;
		uint16_t flags;
		uint16_t next;
		uint16_t head;
	} bad[] = {
		{ FRONT_GPA, 8, VRING_DESC_WRITE | VRING_DESC_NEXT, 0, 0 },    /* loop */
		{ FRONT_GPA, 8, VRING_DESC_WRITE | VRING_DESC_NEXT, 4711, 0 }, /* index */
		{ FRONT_GPA, 8, VRING_DESC_WRITE, 0, 4711 },                   /* head */
		{ FRONT_USER, 8, VRING_DESC_WRITE, 0, 0 },                     /* address */
		{ FRONT_GPA + FRONT_RAM - 4, 8, VRING_DESC_WRITE, 0, 0 },      /* past the end */
		{ FRONT_GPA, 17, VRING_DESC_INDIRECT, 0, 0 },                  /* odd table */
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		uint16_t base;
		eventfd_t n;
		front_put_desc(f, 0, 0, bad[i].gpa, bad[i].len, bad[i].flags, bad[i].next);
		front_put_head(f, 0, bad[i].head);
		front_kick(f, 0);
		assert_true(front_is_broken(f, 0, FRONT_WAIT));
		assert_int_equal(read(f->q[0].err, &n, sizeof n), (int)sizeof n);
		assert_int_equal(front_stop_queue(f, 0, &base), 0);
		memset(f->ram, 0, FRONT_DATA);
		f->q[0].offered = f->q[0].taken = 0;
		assert_int_equal(front_start_queue(f, 0), 0);
	}
}

static void stop_ends_it_with_status_0(void **state)
{
	struct front *f = *state;

	assert_int_equal(chan_send(&f->chan, SUP_MSG_STOP, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_wait_end(f), 0);
}

static void end_of_the_front_end_ends_it(void **state)
{
	struct front *f = *state;

	close(f->sock);
	f->sock = -1;
	assert_int_equal(front_wait_end(f), 0);
}

static void end_of_the_supervisor_ends_it(void **state)
{
	struct front *f = *state;

	chan_close(&f->chan);
	assert_int_equal(front_wait_end(f), 0);
}

static void nonsense_from_the_front_end_ends_it(void **state)
{
	struct front *f = *state;

	assert_int_equal(vu_send(f->sock, 4711, VU_VERSION, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_wait_end(f), 5);
}

static void nonsense_from_the_supervisor_ends_it(void **state)
{
	struct front *f = *state;

	assert_int_equal(chan_send(&f->chan, SUP_MSG_CONFIG, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_wait_end(f), 5);
}

static void config_with_bytes_is_refused(void **state)
{
	struct front f;
	struct why why = { 0 };

	assert_true(front_start(&f, ROLE_DEV_RNG, "x", 1, NULL, 0, &why) < 0);
	assert_non_null(strstr(why.text, "CONFIG"));
	assert_int_equal(front_wait_end(&f), 5);
	front_close(&f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rng_start, rng_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(buffers_are_filled_and_differ),
		T(large_request_gets_a_bounded_part),
		T(thousand_requests_are_served),
		T(full_ring_is_served_by_one_kick),
		T(request_without_room_breaks_the_ring_only),
		T(hostile_rings_break_and_nothing_else),
		T(stop_ends_it_with_status_0),
		T(end_of_the_front_end_ends_it),
		T(end_of_the_supervisor_ends_it),
		T(nonsense_from_the_front_end_ends_it),
		T(nonsense_from_the_supervisor_ends_it),
		cmocka_unit_test(config_with_bytes_is_refused),
	};

	return cmocka_run_group_tests_name("dev_rng", tests, NULL, NULL);
}
