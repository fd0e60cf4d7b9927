/* Where the unified hierarchy is: from texts as kernels print them, and from wrong ones. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/cgroup_find.h"
#include "tests/unit/cm.h"

#define SYSTEMD                                                                                    \
	"22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"                                \
	"30 25 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 "  \
	"rw,nsdelegate,memory_recursiveprot\n"
#define HYBRID                                                                                     \
	"30 25 0:25 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"                               \
	"31 30 0:26 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw\n"                  \
	"32 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

static int mounts(const char *text, struct cgroup_mount *ret)
{
	char copy[1024];

	assert_true(strlen(text) < sizeof copy);
	(void)snprintf(copy, sizeof copy, "%s", text);
	return cgroup_parse_mounts(copy, ret);
}

static int own(const char *text, char ret[LIMIT_PATH_BYTES])
{
	char copy[1024];

	assert_true(strlen(text) < sizeof copy);
	(void)snprintf(copy, sizeof copy, "%s", text);
	return cgroup_parse_own(copy, ret);
}

static void mount_is_found_among_others(void **state)
{
	struct cgroup_mount m;

	assert_int_equal(mounts(SYSTEMD, &m), 0);
	assert_string_equal(m.point, "/sys/fs/cgroup");
	assert_string_equal(m.root, "/");
	assert_int_equal(mounts(HYBRID, &m), 0);
	assert_string_equal(m.point, "/sys/fs/cgroup/unified");
}

static void mount_of_a_part_tells_its_root(void **state)
{
	struct cgroup_mount m;

	assert_int_equal(mounts("7 5 0:26 /docker/6a /sys/fs/cgroup ro - cgroup2 c rw\n", &m), 0);
	assert_string_equal(m.root, "/docker/6a");
}

static void mount_point_is_unescaped(void **state)
{
	struct cgroup_mount m;

	assert_int_equal(mounts("7 5 0:26 / /a\\040b\\134c rw - cgroup2 c rw\n", &m), 0);
	assert_string_equal(m.point, "/a b\\c");
}

static void mounts_without_cgroup2_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"\n\n\n",
		"32 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
		/* cgroup2 as a source, as a point, as the beginning of another type */
		"22 1 254:1 / /x rw - ext4 cgroup2 rw\n",
		"22 1 254:1 / /cgroup2 rw - ext4 x rw\n",
		"22 1 254:1 / /x rw - cgroup22 x rw\n",
		"22 1 254:1 / /x rw cgroup2 x rw\n",
		/* words missing */
		"22 1 254:1 / - cgroup2 x rw\n",
		" - cgroup2 x rw\n",
		/* an escape that is none */
		"7 5 0:26 / /a\\04 rw - cgroup2 c rw\n",
		"7 5 0:26 / /a\\999 rw - cgroup2 c rw\n",
		"7 5 0:26 / /a\\ rw - cgroup2 c rw\n",
	};
	struct cgroup_mount m;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (mounts(texts[i], &m) != -ENODEV)
			fail_msg("taken: %s", texts[i]);
}

static void mount_with_an_endless_path_is_refused(void **state)
{
	struct cgroup_mount m;
	char long_path[LIMIT_PATH_BYTES + 1];
	char text[2 * sizeof long_path];

	memset(long_path, 'a', sizeof long_path - 1);
	long_path[sizeof long_path - 1] = 0;
	(void)snprintf(text, sizeof text, "7 5 0:26 / /%s rw - cgroup2 c rw\n", long_path);
	assert_int_equal(cgroup_parse_mounts(text, &m), -ENODEV);
}

static void own_folder_is_the_line_of_the_unified_hierarchy(void **state)
{
	char path[LIMIT_PATH_BYTES];

	assert_int_equal(own("4:memory:/a\n0::/user.slice/x.scope\n", path), 0);
	assert_string_equal(path, "/user.slice/x.scope");
	assert_int_equal(own("0::/\n", path), 0);
	assert_string_equal(path, "/");
}

static void own_folder_of_v1_alone_is_refused(void **state)
{
	char path[LIMIT_PATH_BYTES];
	char text[LIMIT_PATH_BYTES + 64];

	assert_int_equal(own("4:memory:/a\n1:name=systemd:/\n", path), -ENODEV);
	assert_int_equal(own("10::/a\n", path), -ENODEV);
	assert_int_equal(own("0::a\n", path), -ENODEV);
	assert_int_equal(own("", path), -ENODEV);
	memset(text, 'a', sizeof text);
	memcpy(text, "0::/", 4);
	text[sizeof text - 1] = 0;
	assert_int_equal(cgroup_parse_own(text, path), -EMSGSIZE);
}

static void path_below_a_mount(void **state)
{
	static const struct {
		const char *root, *path, *below;
	} rows[] = {
		{ "/", "/", "." },
		{ "/", "/a/b", "a/b" },
		{ "/a", "/a", "." },
		{ "/a", "/a/b", "b" },
		/* where we moved ourselves does not count; what only looks like it does */
		{ "/", "/a/casemate/supervisor-12", "a" },
		{ "/", "/casemate/supervisor-12", "." },
		{ "/", "/a/casemate/supervisor-12/b", "a/casemate/supervisor-12/b" },
		{ "/", "/a/casemate/web.12", "a/casemate/web.12" },
		/* not below */
		{ "/a", "/ab", NULL },
		{ "/a", "/", NULL },
		{ "/a/b", "/a", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cgroup_mount m = { 0 };
		char path[LIMIT_PATH_BYTES];
		(void)snprintf(m.root, sizeof m.root, "%s", rows[i].root);
		(void)snprintf(path, sizeof path, "%s", rows[i].path);
		const char *below = cgroup_path_below(&m, path);
		if (rows[i].below == NULL)
			assert_null(below);
		else
			assert_string_equal(below, rows[i].below);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mount_is_found_among_others),
		cmocka_unit_test(mount_of_a_part_tells_its_root),
		cmocka_unit_test(mount_point_is_unescaped),
		cmocka_unit_test(mounts_without_cgroup2_are_refused),
		cmocka_unit_test(mount_with_an_endless_path_is_refused),
		cmocka_unit_test(own_folder_is_the_line_of_the_unified_hierarchy),
		cmocka_unit_test(own_folder_of_v1_alone_is_refused),
		cmocka_unit_test(path_below_a_mount),
	};

	return cmocka_run_group_tests_name("cgroup_find", tests, NULL, NULL);
}
