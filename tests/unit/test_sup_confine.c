/* Walls that a host cannot give: which are said, and which a policy does not go without. */
#include <errno.h>
#include <string.h>

#include "tests/unit/cm.h"
#include "vmm/super/sup_confine.h"

static const struct {
	uint32_t bit;
	const char *wall;
} controllers[] = {
	{ CGROUP_HAS_MEMORY, "cgroup-memory" },
	{ CGROUP_HAS_PIDS, "cgroup-pids" },
	{ CGROUP_HAS_CPU, "cgroup-cpu" },
	{ CGROUP_HAS_IO, "cgroup-io" },
};

static void a_controller_that_is_not_there_is_a_gap(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		struct confine_gaps gaps = { 0 };
		struct why why = { 0 };

		confine_add_controllers(&gaps, CGROUP_HAS_ALL & ~controllers[i].bit, false);
		assert_int_equal(gaps.n, 1);
		assert_string_equal(gaps.at[0].wall, controllers[i].wall);
		assert_false(gaps.at[0].is_demanded);
		assert_int_equal(confine_check(&gaps, &why), 0);
		assert_string_equal(why.text, "");
	}
}

static void a_strict_policy_goes_without_none(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		struct confine_gaps gaps = { 0 };
		struct why why = { 0 };

		confine_add_controllers(&gaps, CGROUP_HAS_ALL & ~controllers[i].bit, true);
		assert_int_equal(confine_check(&gaps, &why), -ENODEV);
		assert_non_null(strstr(why.text, controllers[i].wall));
	}
}

static void all_controllers_leave_no_gap(void **state)
{
	struct confine_gaps gaps = { 0 };

	confine_add_controllers(&gaps, CGROUP_HAS_ALL, true);
	assert_int_equal(gaps.n, 0);
	assert_int_equal(confine_check(&gaps, NULL), 0);
}

static void all_gaps_are_named_at_once(void **state)
{
	struct confine_gaps gaps = { 0 };
	struct why why = { 0 };

	confine_add_controllers(&gaps, 0, true);
	assert_int_equal(gaps.n, ARRAY_LEN(controllers));
	assert_int_equal(confine_check(&gaps, &why), -ENODEV);
	for (size_t i = 0; i < 2; i++) /* as many as a sentence holds */
		assert_non_null(strstr(why.text, controllers[i].wall));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_controller_that_is_not_there_is_a_gap),
		cmocka_unit_test(a_strict_policy_goes_without_none),
		cmocka_unit_test(all_controllers_leave_no_gap),
		cmocka_unit_test(all_gaps_are_named_at_once),
	};

	return cmocka_run_group_tests_name("sup_confine", tests, NULL, NULL);
}
