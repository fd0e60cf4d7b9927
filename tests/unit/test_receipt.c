/* receipt: every field of a receipt wrong once is refused, and the message names it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/receipt.h"
#include "sandbox/seccomp_filter.h"
#include "sandbox/spawn.h"
#include "tests/unit/cm.h"

#define LABEL  "system_u:system_r:casemate_dev_blk_t:s0:c1,c2"
#define CGROUP "/casemate/guest.7/dev-blk-data"

static struct receipt_want want_make(enum role role)
{
	struct receipt_want want = { .role = role,
		.held = RECEIPT_ALL,
		.uid = 1879048192,
		.gid = 1879048192,
		.guest_bytes = 128u << 20,
		.label = LABEL,
		.cgroup = CGROUP };

	for (unsigned int i = 0; i < RECEIPT_NS_COUNT; i++)
		want.ns[i] = 100 + i;
	return want;
}

/* Field by field: gcc 12 loses parts of an initializer that has numbers of this kind and texts. */
static struct wire_receipt receipt_make(enum role role)
{
	const struct role_row *row = role_get(role);
	struct wire_receipt r;

	memset(&r, 0, sizeof r);
	r.version = le32_of(RECEIPT_VERSION);
	r.role = le32_of((uint32_t)role);
	r.held = le32_of(RECEIPT_ALL);
	r.landlock_abi = le32_of(6);
	r.uid = le32_of(1879048192);
	r.gid = le32_of(1879048192);
	r.n_fds = le32_of(5);
	r.n_threads = le32_of(1);
	r.max_fds = le64_of(row->max_fds);
	r.max_file_bytes = le64_of(role_max_file_bytes(row));
	r.max_address_bytes = le64_of(role_max_address_bytes(row, 128u << 20));
	r.max_locked_bytes = le64_of(row->max_locked_bytes);
	memcpy(r.filter_sha256, row->filter->sha256, sizeof r.filter_sha256);
	(void)snprintf(r.label, sizeof r.label, LABEL);
	(void)snprintf(r.cgroup, sizeof r.cgroup, "/../.." CGROUP);
	for (unsigned int i = 0; i < RECEIPT_NS_COUNT; i++)
		r.ns[i] = le64_of(200 + i);
	return r;
}

static void receipt_as_wanted_is_taken(void **state)
{
	struct receipt_want want = want_make(ROLE_DEV_BLK);
	struct wire_receipt r = receipt_make(ROLE_DEV_BLK);
	struct why why = { 0 };

	if (receipt_check(&want, &r, &why) < 0)
		fail_msg("%s", why.text);
	want.label = NULL; /* whatever it is */
	want.cgroup = NULL;
	r.max_fds = le64_of(8); /* less is not worse */
	assert_int_equal(receipt_check(&want, &r, &why), 0);
}

/* One thing wrong; then the word that the message must have. */
static void wrong_version(struct wire_receipt *r)
{
	r->version = le32_of(2);
}
static void wrong_role(struct wire_receipt *r)
{
	r->role = le32_of(ROLE_DEV_RNG);
}
static void wrong_bits(struct wire_receipt *r)
{
	r->held = le32_of(RECEIPT_ALL + 1);
}
static void wrong_uid(struct wire_receipt *r)
{
	r->uid = le32_of(0);
}
static void wrong_gid(struct wire_receipt *r)
{
	r->gid = le32_of(0);
}
static void wrong_abi(struct wire_receipt *r)
{
	r->landlock_abi = le32_of(0);
}
static void no_threads(struct wire_receipt *r)
{
	r->n_threads = le32_of(0);
}
static void two_threads(struct wire_receipt *r)
{
	r->n_threads = le32_of(2);
}
static void many_fds(struct wire_receipt *r)
{
	r->n_fds = le32_of(65);
}
static void max_fds(struct wire_receipt *r)
{
	r->max_fds = le64_of(65);
}
static void max_address(struct wire_receipt *r)
{
	r->max_address_bytes = le64_of(UINT64_MAX);
}
static void max_locked(struct wire_receipt *r)
{
	r->max_locked_bytes = le64_of(1);
}
static void no_filter(struct wire_receipt *r)
{
	memset(r->filter_sha256, 0, 32);
}
static void other_filter(struct wire_receipt *r)
{
	r->filter_sha256[31] ^= 1;
}
static void wrong_label(struct wire_receipt *r)
{
	r->label[0] = 'x';
}
static void no_label(struct wire_receipt *r)
{
	memset(r->label, 0, sizeof r->label);
}
static void endless_label(struct wire_receipt *r)
{
	memset(r->label, 'x', sizeof r->label);
}
static void more_label(struct wire_receipt *r)
{
	r->label[sizeof r->label - 1] = 'x';
}

static void more_cgroup(struct wire_receipt *r)
{
	r->cgroup[sizeof r->cgroup - 1] = 'x';
}

static void endless_cgroup(struct wire_receipt *r)
{
	memset(r->cgroup, 'x', sizeof r->cgroup);
}
static void our_cgroup(struct wire_receipt *r)
{
	memset(r->cgroup, 0, sizeof r->cgroup);
	(void)snprintf(r->cgroup, sizeof r->cgroup,
		"/.."); /* "/" is a leaf of its own, as the namespace's root */
}
static void no_cgroup(struct wire_receipt *r)
{
	memset(r->cgroup, 0, sizeof r->cgroup);
}

static void other_cgroup(struct wire_receipt *r)
{
	memset(r->cgroup, 0, sizeof r->cgroup);
	(void)snprintf(r->cgroup, sizeof r->cgroup, "/../casemate/other.8/dev-blk-data");
}

static void receipt_with_one_wrong_field_is_refused_by_name(void **state)
{
	static const struct {
		void (*change)(struct wire_receipt *r);
		const char *word;
	} cases[] = {
		{ wrong_version, "version" },
		{ wrong_role, "role" },
		{ wrong_bits, "bits" },
		{ wrong_uid, "uid" },
		{ wrong_gid, "gid" },
		{ wrong_abi, "Landlock" },
		{ no_threads, "threads" },
		{ two_threads, "threads" },
		{ many_fds, "descriptors" },
		{ max_fds, "RLIMIT_NOFILE" },
		{ max_address, "RLIMIT_AS" },
		{ max_locked, "RLIMIT_MEMLOCK" },
		{ no_filter, "no filter" },
		{ other_filter, "another filter than dev-blk" },
		{ wrong_label, "label" },
		{ no_label, "label" },
		{ endless_label, "no end" },
		{ endless_cgroup, "no end" },
		{ more_label, "more behind" },
		{ more_cgroup, "more behind" },
		{ our_cgroup, "cgroup" },
		{ no_cgroup, "cgroup" },
		{ other_cgroup, "cgroup" },
	};
	struct receipt_want want = want_make(ROLE_DEV_BLK);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wire_receipt r = receipt_make(ROLE_DEV_BLK);
		struct why why = { 0 };
		cases[i].change(&r);
		if (cases[i].change == max_address &&
			role_max_address_bytes(role_get(ROLE_DEV_BLK), 0) == UINT64_MAX)
			continue; /* a sanitizer's build has no limit */
		if (receipt_check(&want, &r, &why) == 0)
			fail_msg("case %zu (%s) is taken", i, cases[i].word);
		assert_non_null(strstr(why.text, "dev-blk"));
		if (strstr(why.text, cases[i].word) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", why.text, cases[i].word);
	}
}

static void file_limit_of_a_role_that_writes_none_is_checked(void **state)
{
	struct receipt_want want = want_make(ROLE_DEV_RNG);
	struct wire_receipt r = receipt_make(ROLE_DEV_RNG);
	struct why why = { 0 };

	r.max_file_bytes = le64_of(1);
	assert_int_equal(receipt_check(&want, &r, &why), -EPERM);
	assert_non_null(strstr(why.text, "RLIMIT_FSIZE"));
}

static void receipt_without_one_bit_is_refused_by_name(void **state)
{
	struct receipt_want want = want_make(ROLE_DEV_BLK);

	for (unsigned int i = 0; 1u << i < RECEIPT_ALL; i++) {
		struct wire_receipt r = receipt_make(ROLE_DEV_BLK);
		struct why why = { 0 };
		r.held = le32_of(RECEIPT_ALL & ~(1u << i));
		assert_int_equal(receipt_check(&want, &r, &why), -EPERM);
		assert_non_null(strstr(why.text, receipt_bit_name(i)));
		want.held = RECEIPT_ALL & ~(1u << i); /* not to be had here */
		assert_int_equal(receipt_check(&want, &r, &why), 0);
		want.held = RECEIPT_ALL;
	}
	assert_string_equal(receipt_bit_name(32), "?");
}

static void receipt_of_a_shared_namespace_is_refused_by_name(void **state)
{
	for (unsigned int i = 0; i < RECEIPT_NS_COUNT; i++) {
		struct receipt_want want = want_make(ROLE_DEV_BLK);
		struct wire_receipt r = receipt_make(ROLE_DEV_BLK);
		struct why why = { 0 };
		r.ns[i] = le64_of(want.ns[i]);
		assert_int_equal(receipt_check(&want, &r, &why), -EPERM);
		assert_non_null(strstr(why.text, receipt_ns_names[i]));
		r.ns[i] = le64_of(0); /* it could not look */
		assert_int_equal(receipt_check(&want, &r, &why), -EPERM);
	}
}

static void role_with_a_network_has_ours(void **state)
{
	struct receipt_want want = want_make(ROLE_OWNER);
	struct wire_receipt r = receipt_make(ROLE_OWNER);
	struct why why = { 0 };

	assert_int_equal(receipt_check(&want, &r, &why), -EPERM);
	assert_non_null(strstr(why.text, "net namespace"));
	r.ns[RECEIPT_NS_NET] = le64_of(want.ns[RECEIPT_NS_NET]);
	assert_int_equal(receipt_check(&want, &r, &why), 0);
}

static void two_receipts_share_no_namespace(void **state)
{
	struct wire_receipt a = receipt_make(ROLE_DEV_BLK);

	for (unsigned int i = 0; i < RECEIPT_NS_COUNT; i++) {
		struct wire_receipt b = receipt_make(ROLE_DEV_RNG);
		struct why why = { 0 };
		for (unsigned int j = 0; j < RECEIPT_NS_COUNT; j++)
			b.ns[j] = le64_of(300 + j);
		assert_int_equal(receipt_check_apart(&a, &b, &why), 0);
		b.ns[i] = a.ns[i];
		assert_int_equal(receipt_check_apart(&a, &b, &why), -EPERM);
		assert_non_null(strstr(why.text, receipt_ns_names[i]));
	}
	struct wire_receipt c = receipt_make(ROLE_OWNER);
	for (unsigned int j = 0; j < RECEIPT_NS_COUNT; j++)
		c.ns[j] = le64_of(j == RECEIPT_NS_NET ? le64_get(a.ns[j]) : 400 + j);
	assert_int_equal(receipt_check_apart(&a, &c, NULL), 0); /* the host's network */
}

/* This process claims to be a device: whoever looks into /proc sees that it is not. */
static void receipt_that_proc_contradicts_is_refused(void **state)
{
	struct receipt_want want = want_make(ROLE_DEV_BLK);
	struct wire_receipt r = receipt_make(ROLE_DEV_BLK);
	struct spawn_child self = SPAWN_CHILD_NONE;
	struct wire_receipt seen;
	struct why why = { 0 };

	self.pid = getpid();
	want.uid = geteuid();
	want.gid = getegid();
	r.uid = le32_of(want.uid);
	r.gid = le32_of(want.gid);
	assert_int_equal(receipt_check(&want, &r, &why), 0);
	assert_int_equal(receipt_verify(&self, &want, &r, sizeof r, &seen, &why), -EPERM);
	assert_non_null(strstr(why.text, "/proc/PID/status"));
	assert_int_equal(receipt_verify(&self, &want, &r, sizeof r - 1, &seen, &why), -EBADMSG);
	assert_int_equal(receipt_verify(&self, &want, &r, 0, &seen, &why), -EBADMSG);
}

/* The same of a process that ends meanwhile: that is told, and not what it looked like. */
static void receipt_of_a_process_that_ends_is_no_contradiction(void **state)
{
	struct receipt_want want = want_make(ROLE_MONITOR);
	struct wire_receipt r = receipt_make(ROLE_MONITOR);
	struct spawn_child c = SPAWN_CHILD_NONE;
	struct wire_receipt seen;
	struct why why = { 0 };
	int hold[2];
	char byte;

	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	want.uid = geteuid();
	want.gid = getegid();
	r.uid = le32_of(want.uid);
	r.gid = le32_of(want.gid);
	r.n_threads = le32_of(2);
	c.pid = fork();
	if (c.pid == 0) {
		(void)close(hold[1]);
		_exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
	}
	c.pidfd = (int)syscall(SYS_pidfd_open, c.pid, 0);
	assert_true(c.pid > 0 && c.pidfd >= 0);
	(void)close(hold[0]);
	pid_t killer = fork();
	if (killer == 0) { /* holds the pipe until the check waits for the end */
		(void)poll(NULL, 0, SPAWN_ENDING_MS / 5);
		_exit(0);
	}
	(void)close(hold[1]);
	assert_int_equal(receipt_verify(&c, &want, &r, sizeof r, &seen, &why), -ESRCH);
	assert_non_null(strstr(why.text, "ended while its receipt was checked"));
	assert_null(strstr(why.text, "/proc"));
	assert_int_equal(waitpid(killer, NULL, 0), killer);
	spawn_kill(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receipt_as_wanted_is_taken),
		cmocka_unit_test(receipt_with_one_wrong_field_is_refused_by_name),
		cmocka_unit_test(file_limit_of_a_role_that_writes_none_is_checked),
		cmocka_unit_test(receipt_without_one_bit_is_refused_by_name),
		cmocka_unit_test(receipt_of_a_shared_namespace_is_refused_by_name),
		cmocka_unit_test(role_with_a_network_has_ours),
		cmocka_unit_test(two_receipts_share_no_namespace),
		cmocka_unit_test(receipt_that_proc_contradicts_is_refused),
		cmocka_unit_test(receipt_of_a_process_that_ends_is_no_contradiction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
