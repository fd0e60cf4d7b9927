/*
 * Labels of a guest, with labels kept in files: pairs that are nobody else's, restoration whatever
 * happens to the supervisor.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "sandbox/svirt_priv.h"
#include "tests/unit/cm.h"

#define OWN     "system_u:system_r:casemate_t:s0-s0:c0.c1023"
#define OWN_8   "system_u:system_r:casemate_t:s0-s0:c10.c13,c20.c23"
#define DEFAULT "system_u:object_r:virt_image_t:s0"
#define CONTENT "system_u:object_r:casemate_content_t:s0"
#define EVIL    "system_u:object_r:somebody_elses_t:s0"
#define GUESTS  50
#define PAIRS_8 28 /* of eight categories */

/* ---- a kernel whose labels are files ---------------------------------------------------------- */

static struct {
	char dir[64]; /* everything of one test */
	char journals[80];
	char labels[80];
	enum svirt_host host;
	const char *own;
	const char *socket_label;
	bool may_exec;
	bool knows_types;
	struct svirt *ends; /* a guest that ends when the next label has been read; NULL: none */
	int read_err;       /* what reading a label gives; 0: the label */
	int write_err;
} fake;

static enum svirt_host fake_look(void)
{
	return fake.host;
}

static int fake_read_own(char ret[LIMIT_LABEL_BYTES])
{
	(void)snprintf(ret, LIMIT_LABEL_BYTES, "%s", fake.own);
	return 0;
}

static int fake_check_label(const char *label)
{
	return fake.knows_types && label[0] != 0 ? 0 : -EINVAL;
}

static int fake_check_exec(const char *from, const char *to, struct why *why)
{
	return fake.may_exec ? 0 : why_set(why, -EACCES, "%s may not start %s", from, to);
}

static void label_path(int fd, char *ret, size_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		abort();
	(void)snprintf(ret, size, "%s/%lx-%lx", fake.labels, (unsigned long)st.st_dev,
		(unsigned long)st.st_ino);
}

static int fake_look_at_label(int fd, char ret[LIMIT_LABEL_BYTES])
{
	char path[256];

	label_path(fd, path, sizeof path);
	AUTO(fd) int label = open(path, O_RDONLY | O_CLOEXEC);
	if (label < 0)
		return snprintf(ret, LIMIT_LABEL_BYTES, "%s", DEFAULT) > 0 ? 0 : -EIO;
	ssize_t n = read(label, ret, LIMIT_LABEL_BYTES - 1);
	if (n <= 0)
		return -EIO;
	ret[n] = 0;
	return 0;
}

static int fake_read_label(int fd, char ret[LIMIT_LABEL_BYTES])
{
	struct svirt *ends = fake.ends;

	if (fake.read_err != 0)
		return fake.read_err;
	int err = fake_look_at_label(fd, ret);
	fake.ends = NULL;
	svirt_close(ends);
	return err;
}

static int fake_write_label(int fd, const char *label)
{
	char path[256];
	char fresh[300];

	if (fake.write_err != 0)
		return fake.write_err;
	label_path(fd, path, sizeof path);
	(void)snprintf(fresh, sizeof fresh, "%s.%d", path, (int)getpid());
	AUTO(fd) int f = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (f < 0 || fd_write_all(f, label, strlen(label)) < 0)
		return -EIO;
	return syscall(SYS_rename, fresh, path) < 0 ? -errno : 0;
}

static int fake_set_socket_label(const char *label)
{
	fake.socket_label = label;
	return 0;
}

static const struct svirt_os fake_os = { fake_look, fake_read_own, fake_check_label,
	fake_check_exec, fake_read_label, fake_write_label, fake_set_socket_label };

static struct svirt_place place = { &fake_os, fake.journals };

/* ---- help ------------------------------------------------------------------------------------- */

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	memset(&fake, 0, sizeof fake);
	(void)snprintf(fake.dir, sizeof fake.dir, "%.40s/svirt.XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(fake.dir) == NULL)
		return -1;
	(void)snprintf(fake.journals, sizeof fake.journals, "%s/state/labels", fake.dir);
	(void)snprintf(fake.labels, sizeof fake.labels, "%s/fake", fake.dir);
	if (mkdir(fake.labels, 0700) < 0)
		return -1;
	fake.host = SVIRT_HOST_ENFORCING;
	fake.own = OWN;
	fake.may_exec = true;
	fake.knows_types = true;
	log_set_level(LOG_LEVEL_ERR);
	*state = NULL;
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)snprintf(command, sizeof command, "rm -rf '%s'", fake.dir);
	return system(command);
}

static struct svirt *open_as(const char *guest, const char *range)
{
	struct svirt *s = NULL;
	struct why why = { 0 };

	int err = svirt_open_at(&place, SVIRT_AUTO, range, guest, &s, &why);
	if (err < 0)
		print_error("%s\n", why_text(&why, err));
	assert_int_equal(err, 0);
	assert_non_null(s);
	return s;
}

/* A file of the test's; made if it is not there. */
static int file_open(const char *name, char path[LIMIT_PATH_BYTES])
{
	(void)snprintf(path, LIMIT_PATH_BYTES, "%s/%s", fake.dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static int relabel(struct svirt *s, const char *name, enum svirt_object object, struct why *why)
{
	char path[LIMIT_PATH_BYTES];
	AUTO(fd) int fd = file_open(name, path);

	return svirt_relabel(s, fd, path, object, why);
}

static void label_of(const char *name, char ret[LIMIT_LABEL_BYTES])
{
	char path[LIMIT_PATH_BYTES];
	AUTO(fd) int fd = file_open(name, path);

	assert_int_equal(fake_look_at_label(fd, ret), 0);
}

#define assert_label(name, want)                                                                   \
	do {                                                                                       \
		char got_[LIMIT_LABEL_BYTES];                                                      \
		label_of(name, got_);                                                              \
		assert_string_equal(got_, want);                                                   \
	} while (0)

static void assert_pair_label(const char *name, const char *type, const struct svirt *s)
{
	char want[LIMIT_LABEL_BYTES];

	(void)snprintf(want, sizeof want, "system_u:object_r:%s:%s", type, svirt_range(s));
	assert_label(name, want);
}

static unsigned int count_journals(void)
{
	unsigned int n = 0;
	DIR *d = opendir(fake.journals);

	if (d == NULL)
		return 0;
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		n += e->d_name[0] == 'c';
	(void)closedir(d);
	return n;
}

static unsigned int recover(void)
{
	unsigned int n = 0;
	struct why why = { 0 };

	int err = svirt_recover_at(&place, &n, &why);
	if (err < 0)
		print_error("%s\n", why_text(&why, err));
	assert_int_equal(err, 0);
	return n;
}

/* A supervisor that is killed while it holds these labels. */
static void die_with(
	const char *guest, const char *range, const char *name, enum svirt_object object)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct svirt *s = NULL;
		char path[LIMIT_PATH_BYTES];
		(void)snprintf(path, sizeof path, "%s/%s", fake.dir, name);
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (svirt_open_at(&place, SVIRT_AUTO, range, guest, &s, NULL) < 0 ||
			svirt_relabel(s, fd, path, object, NULL) < 0)
			_exit(1);
		(void)kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* ---- categories ------------------------------------------------------------------------------- */

static void ranges_have_one_spelling(void **state)
{
	static const char *const wrong[] = { "", "s0", "s0:", "s0:c1", "s0:c1,c1", "s0:c2,c1",
		"s0:c1,c1024", "s0:c01,c2", "s0:c1,c02", "s1:c1,c2", "s0:c1,c2 ", "s0:c1,c2,c3",
		"s0:c1.c2", "s0:1,2", "s0:c1,c99999999999999999999", "s0:c-1,c2" };
	struct mcs_pair pair = { 0 };
	char text[MCS_RANGE_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (mcs_parse_range(wrong[i], &pair) == 0)
			fail_msg("%s is taken", wrong[i]);
	assert_int_equal(mcs_parse_range("s0:c0,c1023", &pair), 0);
	assert_int_equal(pair.low, 0);
	assert_int_equal(pair.high, 1023);
	mcs_print_range(pair, text);
	assert_string_equal(text, "s0:c0,c1023");
}

static void pools_are_read_from_contexts(void **state)
{
	static const struct {
		const char *label;
		int count; /* -1: refused */
	} t[] = { { OWN, 1024 }, { OWN_8, 8 }, { "u:r:t:s0", 1024 }, { "u:r:t:s0-s0:c3", 1 },
		{ "u:r:t:s0:c3,c5.c7", 4 }, { "u:r:t:s0:c5.c5", 1 }, { "u:r:t:s0:c7.c5", -1 },
		{ "u:r:t:s0:", -1 }, { "u:r:t:s0:c1,", -1 }, { "u:r:t:s0:c1024", -1 },
		{ "u:r:t:s0:c1.", -1 }, { "u:r:t:s0:c1;c2", -1 }, { "u:r:t", -1 }, { "kernel", -1 },
		{ "", -1 } };

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct mcs_set set = { 0 };
		int err = mcs_parse_pool(t[i].label, &set);
		assert_int_equal(err == 0 ? (int)mcs_count(&set) : -1, t[i].count);
	}
}

static void every_pair_of_a_pool_comes_once(void **state)
{
	struct mcs_set set = { 0 };
	bool seen[64][64] = { 0 };
	struct mcs_pair pair;

	assert_int_equal(mcs_parse_pool("u:r:t:s0:c0.c63", &set), 0);
	for (uint32_t i = 0; i < 64 * 63 / 2; i++) {
		pair = mcs_get_pair(&set, i);
		assert_true(pair.low < pair.high && pair.high < 64);
		assert_false(seen[pair.low][pair.high]);
		seen[pair.low][pair.high] = true;
	}
	assert_int_equal(mcs_parse_pool(OWN, &set), 0);
	pair = mcs_get_pair(&set, 1024 * 1023 / 2 - 1);
	assert_int_equal(pair.low, 1022);
	assert_int_equal(pair.high, 1023);
}

/* ---- the journal's bytes ----------------------------------------------------------------------- */

#define N_OBJECTS 3

/* Head, three objects, end. */
static size_t journal_make(uint8_t *ret, size_t size)
{
	char path[LIMIT_PATH_BYTES];
	AUTO(fd) int fd = file_open("journal", path);
	struct journal_object o = { .object = SVIRT_IMAGE,
		.device = 7,
		.inode = 1ull << 40,
		.old_label = DEFAULT,
		.new_label = CONTENT,
		.path = "/a" };
	struct stat st;

	assert_int_equal(journal_write_head(fd, "guest"), 0);
	for (int i = 0; i < N_OBJECTS; i++) {
		o.inode++;
		assert_int_equal(journal_write_object(fd, &o), 0);
	}
	assert_int_equal(journal_write_end(fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true((size_t)st.st_size <= size);
	assert_int_equal(fd_pread_all(fd, ret, (size_t)st.st_size, 0), 0);
	return (size_t)st.st_size;
}

static void journal_reads_what_it_wrote(void **state)
{
	uint8_t buf[(N_OBJECTS + 2) * JOURNAL_RECORD_BYTES];
	struct journal j;

	assert_int_equal(journal_make(buf, sizeof buf), sizeof buf);
	journal_parse(buf, sizeof buf, &j);
	assert_string_equal(j.guest, "guest");
	assert_int_equal(strlen(j.boot), JOURNAL_BOOT_BYTES);
	assert_int_equal(j.n_objects, N_OBJECTS);
	assert_int_equal(j.n_damaged, 0);
	assert_true(j.is_ended);
	assert_int_equal(j.objects[2].inode, (1ull << 40) + 3);
	assert_string_equal(j.objects[0].old_label, DEFAULT);
	assert_string_equal(j.objects[0].new_label, CONTENT);
	assert_string_equal(j.objects[0].path, "/a");
}

static void a_torn_tail_is_not_there(void **state)
{
	uint8_t buf[(N_OBJECTS + 2) * JOURNAL_RECORD_BYTES];
	struct journal j;
	size_t len = journal_make(buf, sizeof buf);

	for (size_t cut = 0; cut < len; cut += 127) {
		journal_parse(buf, cut, &j);
		size_t whole = cut / JOURNAL_RECORD_BYTES;
		assert_int_equal(j.n_objects, whole == 0 ? 0 : whole - 1);
		assert_int_equal(j.n_damaged, 0);
		assert_false(j.is_ended);
	}
	/* Blocks may reach the disk in any order: the length is there, the bytes are not. */
	memset(buf + len - 512, 0, 512);
	journal_parse(buf, len, &j);
	assert_int_equal(j.n_objects, N_OBJECTS);
	assert_int_equal(j.n_damaged, 0);
	assert_false(j.is_ended);
}

static void damage_before_the_tail_is_noticed(void **state)
{
	uint8_t buf[(N_OBJECTS + 2) * JOURNAL_RECORD_BYTES];
	struct journal j;
	size_t len = journal_make(buf, sizeof buf);

	for (size_t at = JOURNAL_RECORD_BYTES; at < 2 * JOURNAL_RECORD_BYTES; at += 13) {
		buf[at] ^= 0x20;
		journal_parse(buf, len, &j);
		assert_int_equal(j.n_damaged, 1);
		assert_int_equal(j.n_objects, N_OBJECTS - 1);
		buf[at] ^= 0x20;
	}
}

static void a_record_that_does_not_fit_is_cut_off(void **state)
{
	char path[LIMIT_PATH_BYTES];
	AUTO(fd) int fd = file_open("journal", path);
	const struct rlimit tight = { JOURNAL_RECORD_BYTES + 100, RLIM_INFINITY };
	const struct rlimit wide = { RLIM_INFINITY, RLIM_INFINITY };
	struct journal_object o = {
		.object = SVIRT_IMAGE, .old_label = DEFAULT, .new_label = CONTENT, .path = "/a"
	};
	struct stat st;

	assert_int_equal(journal_write_head(fd, "guest"), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	assert_int_equal(journal_write_object(fd, &o), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &wide), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, JOURNAL_RECORD_BYTES);
	assert_int_equal(journal_write_object(fd, &o), 0);
}

/* ---- what a host can do ------------------------------------------------------------------------ */

static void every_host_and_demand_has_its_outcome(void **state)
{
	enum { NONE, LABELS };
	static const int want[3][4] = {
		/*                   none     no module permissive enforcing */
		[SVIRT_AUTO] = { NONE, -ENODEV, LABELS, LABELS },
		[SVIRT_REQUIRED] = { -ENODEV, -ENODEV, -ENODEV, LABELS },
		[SVIRT_OFF] = { NONE, NONE, NONE, NONE },
	};

	for (int mode = 0; mode < 3; mode++)
		for (int host = 0; host < 4; host++) {
			struct svirt *s = NULL;
			struct why why = { 0 };
			fake.host = (enum svirt_host)host;
			int err = svirt_open_at(&place, (enum svirt_mode)mode, "", "g", &s, &why);
			assert_int_equal(err, want[mode][host] < 0 ? want[mode][host] : 0);
			assert_int_equal(s != NULL, want[mode][host] == LABELS);
			assert_int_equal(why.text[0] != 0, err < 0);
			svirt_close(s);
		}
}

static void without_labels_everything_is_fine(void **state)
{
	const char *label = "x";

	assert_string_equal(svirt_range(NULL), "");
	assert_null(svirt_socket_label(NULL));
	assert_int_equal(svirt_process_label(NULL, ROLE_MONITOR, &label, NULL), 0);
	assert_null(label);
	assert_int_equal(svirt_sockets_begin(NULL, NULL), 0);
	svirt_sockets_end(NULL);
	assert_int_equal(relabel(NULL, "disk", SVIRT_IMAGE, NULL), 0);
	assert_label("disk", DEFAULT);
	svirt_close(NULL);
	assert_int_equal(count_journals(), 0);
}

static void processes_and_sockets_get_the_pair(void **state)
{
	struct svirt *s = open_as("g", "s0:c12,c345");
	const char *blk = NULL;
	const char *monitor = NULL;

	assert_int_equal(svirt_process_label(s, ROLE_DEV_BLK, &blk, NULL), 0);
	assert_int_equal(svirt_process_label(s, ROLE_MONITOR, &monitor, NULL), 0);
	assert_string_equal(blk, "system_u:system_r:casemate_dev_blk_t:s0:c12,c345");
	assert_string_equal(monitor, "system_u:system_r:casemate_monitor_t:s0:c12,c345");
	assert_string_equal(svirt_socket_label(s), "system_u:system_r:casemate_t:s0:c12,c345");
	assert_int_equal(svirt_sockets_begin(s, NULL), 0);
	assert_string_equal(fake.socket_label, svirt_socket_label(s));
	svirt_sockets_end(s);
	assert_null(fake.socket_label);
	svirt_close(s);
}

static void a_process_of_no_guest_has_our_range(void **state)
{
	char label[LIMIT_LABEL_BYTES];

	assert_int_equal(svirt_plain_label_at(&place, ROLE_POLICY, label, NULL), 0);
	assert_string_equal(label, "system_u:system_r:casemate_policy_t:s0-s0:c0.c1023");
	fake.may_exec = false;
	assert_int_equal(svirt_plain_label_at(&place, ROLE_POLICY, label, NULL), 0);
	assert_string_equal(label, "");
	fake.may_exec = true;
	fake.host = SVIRT_HOST_NO_MODULE;
	assert_int_equal(svirt_plain_label_at(&place, ROLE_POLICY, label, NULL), 0);
	assert_string_equal(label, "");
	fake.host = SVIRT_HOST_ENFORCING;
	fake.own = "kernel";
	assert_int_equal(svirt_plain_label_at(&place, ROLE_POLICY, label, NULL), -EBADMSG);
}

static void a_missing_type_or_transition_is_said_before_the_fork(void **state)
{
	struct svirt *s = open_as("g", "");
	const char *label = NULL;
	struct why why = { 0 };

	fake.may_exec = false;
	assert_int_equal(svirt_process_label(s, ROLE_DEV_BLK, &label, &why), -EACCES);
	assert_non_null(strstr(why.text, "casemate_exec_t"));
	assert_null(label);
	fake.knows_types = false;
	why_clear(&why);
	assert_int_equal(svirt_process_label(s, ROLE_DEV_BLK, &label, &why), -ENODEV);
	assert_non_null(strstr(why.text, "casemate_dev_blk_t"));
	svirt_close(s);
	/* A permissive kernel would go through with it. */
	fake.knows_types = true;
	fake.host = SVIRT_HOST_PERMISSIVE;
	s = open_as("g", "");
	why_clear(&why);
	assert_int_equal(svirt_process_label(s, ROLE_DEV_BLK, &label, &why), 0);
	assert_non_null(label);
	assert_string_equal(why.text, "");
	svirt_close(s);
}

static void a_folder_that_others_can_write_is_refused(void **state)
{
	struct svirt *s = open_as("g", "");
	struct why why = { 0 };

	svirt_close(s);
	s = NULL;
	assert_int_equal(chmod(fake.journals, 0770), 0);
	assert_int_equal(svirt_open_at(&place, SVIRT_AUTO, "", "g", &s, &why), -ENODEV);
	assert_non_null(strstr(why.text, "0700"));
	assert_null(s);
}

/* ---- labels ------------------------------------------------------------------------------------ */

static void labels_come_back(void **state)
{
	struct svirt *s = open_as("g", "");

	assert_int_equal(relabel(s, "disk", SVIRT_IMAGE, NULL), 0);
	assert_int_equal(relabel(s, "kernel", SVIRT_CONTENT, NULL), 0);
	assert_int_equal(relabel(s, "tpm", SVIRT_VTPM, NULL), 0);
	assert_int_equal(relabel(s, "ram", SVIRT_RAM, NULL), 0);
	assert_pair_label("disk", "casemate_image_t", s);
	assert_label("kernel", CONTENT);
	assert_pair_label("tpm", "casemate_vtpm_state_t", s);
	assert_pair_label("ram", "casemate_ram_t", s);
	svirt_close(s);
	assert_label("disk", DEFAULT);
	assert_label("kernel", DEFAULT);
	assert_label("tpm", DEFAULT);
	assert_int_equal(count_journals(), 0);
}

/* As a policy names it, from its folder: the journal has the whole path. */
static void a_label_comes_back_by_the_path_that_the_descriptor_has(void **state)
{
	struct svirt *s = open_as("g", "");
	char path[LIMIT_PATH_BYTES];
	AUTO(fd) int fd = file_open("disk", path);
	AUTO(fd) int nameless = memfd_create("nameless", MFD_CLOEXEC);
	struct why why = { 0 };

	assert_int_equal(svirt_relabel(s, fd, "disk", SVIRT_IMAGE, NULL), 0);
	assert_pair_label("disk", "casemate_image_t", s);
	assert_true(nameless >= 0);
	if (svirt_relabel(s, nameless, "nameless", SVIRT_IMAGE, &why) == 0)
		fail_msg("a label that nothing finds again was set");
	svirt_close(s);
	assert_label("disk", DEFAULT);
	assert_int_equal(count_journals(), 0);
}

static void nothing_is_kept_that_can_be_written_to(void **state)
{
	struct svirt *s = open_as("g", "");

	assert_int_equal(relabel(s, "disk", SVIRT_IMAGE, NULL), 0); /* opened for both */
	assert_int_equal(s->n_objects, 1);
	assert_int_equal(fcntl(s->fds[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	svirt_close(s);
	assert_label("disk", DEFAULT);
}

static void an_image_of_a_running_guest_is_busy(void **state)
{
	struct svirt *a = open_as("alpha", "");
	struct svirt *b = open_as("beta", "");
	struct why why = { 0 };

	assert_int_equal(relabel(a, "disk", SVIRT_IMAGE, NULL), 0);
	assert_int_equal(relabel(b, "disk", SVIRT_IMAGE, &why), -EBUSY);
	assert_non_null(strstr(why.text, "\"alpha\""));
	assert_int_equal(relabel(b, "disk", SVIRT_CONTENT, NULL), -EBUSY);
	assert_int_equal(relabel(b, "kernel", SVIRT_CONTENT, NULL), 0);
	assert_int_equal(relabel(a, "kernel", SVIRT_IMAGE, NULL), -EBUSY);
	assert_pair_label("disk", "casemate_image_t", a);
	svirt_close(b);
	assert_pair_label("disk", "casemate_image_t", a);
	svirt_close(a);
	assert_label("disk", DEFAULT);
	assert_label("kernel", DEFAULT);
}

static void one_guest_may_name_a_file_twice_for_one_use(void **state)
{
	struct svirt *s = open_as("g", "");

	assert_int_equal(relabel(s, "kernel", SVIRT_CONTENT, NULL), 0);
	assert_int_equal(relabel(s, "kernel", SVIRT_CONTENT, NULL), 0);
	assert_int_equal(relabel(s, "kernel", SVIRT_IMAGE, NULL), -EBUSY);
	svirt_close(s);
	assert_label("kernel", DEFAULT);
}

static void shared_content_is_restored_by_its_last_user(void **state)
{
	struct svirt *s[3];

	for (int i = 0; i < 3; i++) {
		s[i] = open_as("g", "");
		assert_int_equal(relabel(s[i], "kernel", SVIRT_CONTENT, NULL), 0);
	}
	svirt_close(s[0]);
	assert_label("kernel", CONTENT);
	svirt_close(s[2]);
	assert_label("kernel", CONTENT);
	svirt_close(s[1]);
	assert_label("kernel", DEFAULT);
}

/* A launch has looked at a label; before it takes the folder's lock the file's last user ends. */
static void an_end_in_the_midst_of_a_launch_is_noticed(void **state)
{
	static const struct {
		const char *name;
		enum svirt_object object;
	} rows[] = { { "kernel", SVIRT_CONTENT }, { "disk", SVIRT_IMAGE } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char label[LIMIT_LABEL_BYTES];
		struct svirt *first = open_as("first", "");
		struct svirt *second = open_as("second", "");
		assert_int_equal(relabel(first, rows[i].name, rows[i].object, NULL), 0);
		fake.ends = first;
		assert_int_equal(relabel(second, rows[i].name, rows[i].object, NULL), 0);
		assert_null(fake.ends);
		label_of(rows[i].name, label);
		assert_true(
			svirt_gives_label(rows[i].object, MCS_NAME_OF(svirt_range(second)), label));
		svirt_close(second);
		assert_label(rows[i].name, DEFAULT);
	}
}

static void content_of_a_dead_user_waits_for_the_living(void **state)
{
	die_with("dead", "", "kernel", SVIRT_CONTENT);
	assert_label("kernel", CONTENT);
	struct svirt *s = open_as("g", ""); /* undoes it */
	assert_label("kernel", DEFAULT);
	assert_int_equal(relabel(s, "kernel", SVIRT_CONTENT, NULL), 0);
	die_with("dead", "", "kernel", SVIRT_CONTENT);
	assert_int_equal(recover(), 0);
	assert_label("kernel", CONTENT);
	assert_int_equal(count_journals(), 1);
	svirt_close(s);
	assert_label("kernel", DEFAULT);
}

static void content_that_was_labelled_before_stays_so(void **state)
{
	char path[LIMIT_PATH_BYTES];
	AUTO(fd) int fd = file_open("kernel", path);
	struct svirt *s = open_as("g", "");

	assert_int_equal(fake_write_label(fd, CONTENT), 0);
	assert_int_equal(relabel(s, "kernel", SVIRT_CONTENT, NULL), 0);
	svirt_close(s);
	assert_label("kernel", CONTENT);
}

static void what_somebody_else_labelled_meanwhile_stays(void **state)
{
	char path[LIMIT_PATH_BYTES];
	AUTO(fd) int fd = file_open("disk", path);
	struct svirt *s = open_as("g", "");

	assert_int_equal(relabel(s, "disk", SVIRT_IMAGE, NULL), 0);
	assert_int_equal(fake_write_label(fd, "system_u:object_r:etc_t:s0"), 0);
	svirt_close(s);
	assert_label("disk", "system_u:object_r:etc_t:s0");
	assert_int_equal(count_journals(), 0);
}

static void an_image_of_another_hypervisor_is_busy(void **state)
{
	char path[LIMIT_PATH_BYTES];
	AUTO(fd) int fd = file_open("disk", path);
	struct svirt *s = open_as("g", "");
	struct why why = { 0 };

	assert_int_equal(fake_write_label(fd, "system_u:object_r:svirt_image_t:s0:c5,c9"), 0);
	assert_int_equal(relabel(s, "disk", SVIRT_IMAGE, &why), -EBUSY);
	assert_non_null(strstr(why.text, "svirt_image_t:s0:c5,c9"));
	svirt_close(s);
	assert_label("disk", "system_u:object_r:svirt_image_t:s0:c5,c9");
}

static void an_image_with_the_static_label_already_is_kept(void **state)
{
	char path[LIMIT_PATH_BYTES];
	AUTO(fd) int fd = file_open("disk", path);
	struct svirt *s = open_as("g", "s0:c5,c9");

	assert_int_equal(fake_write_label(fd, "system_u:object_r:casemate_image_t:s0:c5,c9"), 0);
	assert_int_equal(relabel(s, "disk", SVIRT_IMAGE, NULL), 0);
	svirt_close(s);
	assert_label("disk", "system_u:object_r:casemate_image_t:s0:c5,c9");
}

static void file_systems_without_labels_are_left_alone(void **state)
{
	struct svirt *s = open_as("g", "");

	fake.read_err = -EOPNOTSUPP;
	assert_int_equal(relabel(s, "disk", SVIRT_IMAGE, NULL), 0);
	fake.read_err = 0;
	fake.write_err = -EROFS;
	assert_int_equal(relabel(s, "kernel", SVIRT_CONTENT, NULL), 0);
	fake.write_err = -EOPNOTSUPP;
	assert_int_equal(relabel(s, "nfs", SVIRT_IMAGE, NULL), 0);
	svirt_close(s);
	assert_int_equal(count_journals(), 0);
}

static void a_label_that_is_refused_is_an_error_when_enforcing(void **state)
{
	struct svirt *s = open_as("g", "");
	struct why why = { 0 };

	fake.write_err = -EACCES;
	assert_int_equal(relabel(s, "disk", SVIRT_IMAGE, &why), -EACCES);
	assert_non_null(strstr(why.text, "casemate_image_t"));
	svirt_close(s);
	assert_int_equal(count_journals(), 0);
	fake.host = SVIRT_HOST_PERMISSIVE;
	s = open_as("g", "");
	assert_int_equal(relabel(s, "disk", SVIRT_IMAGE, NULL), 0);
	svirt_close(s);
}

static void a_ledger_must_have_its_type(void **state)
{
	static const char *const wrong[] = { "u:object_r:casemate_ledger_data_txt:s0",
		"u:object_r:not_casemate_ledger_data_t:s0", "casemate_ledger_data_t:x:y:s0" };
	char path[LIMIT_PATH_BYTES];
	AUTO(fd) int fd = file_open("ledger", path);
	struct svirt *s = open_as("g", "");
	struct why why = { 0 };

	assert_int_equal(relabel(s, "ledger", SVIRT_LEDGER, &why), -EACCES);
	assert_non_null(strstr(why.text, "semanage"));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(fake_write_label(fd, wrong[i]), 0);
		assert_int_equal(relabel(s, "ledger", SVIRT_LEDGER, NULL), -EACCES);
	}
	assert_int_equal(fake_write_label(fd, "u:object_r:casemate_ledger_data_t:s0"), 0);
	assert_int_equal(relabel(s, "ledger", SVIRT_LEDGER, NULL), 0);
	svirt_close(s);
}

static void more_objects_than_the_limit_are_refused(void **state)
{
	struct svirt *s = open_as("g", "");
	struct why why = { 0 };
	char name[16];

	for (unsigned int i = 0; i < LIMIT_SVIRT_OBJECTS; i++) {
		(void)snprintf(name, sizeof name, "disk%u", i);
		assert_int_equal(relabel(s, name, SVIRT_IMAGE, NULL), 0);
	}
	assert_int_equal(relabel(s, "disk", SVIRT_IMAGE, &why), -EMSGSIZE);
	assert_label("disk", DEFAULT);
	svirt_close(s);
	assert_label("disk31", DEFAULT);
}

/* ---- pairs ------------------------------------------------------------------------------------- */

static void a_static_pair_is_one_guests(void **state)
{
	struct svirt *a = open_as("alpha", "s0:c12,c345");
	struct svirt *b = NULL;
	struct why why = { 0 };

	assert_int_equal(
		svirt_open_at(&place, SVIRT_AUTO, "s0:c12,c345", "beta", &b, &why), -EBUSY);
	assert_non_null(strstr(why.text, "\"alpha\""));
	assert_null(b);
	assert_int_equal(
		svirt_open_at(&place, SVIRT_AUTO, "s0:c345,c12", "beta", &b, NULL), -EINVAL);
	svirt_close(a);
	b = open_as("beta", "s0:c12,c345");
	assert_string_equal(svirt_range(b), "s0:c12,c345");
	svirt_close(b);
}

static void pairs_end_and_come_back(void **state)
{
	struct svirt *s[PAIRS_8];
	struct svirt *more = NULL;

	fake.own = OWN_8;
	s[0] = open_as("static", "s0:c10,c11");
	for (int i = 1; i < PAIRS_8; i++) {
		s[i] = open_as("g", "");
		for (int k = 0; k < i; k++)
			assert_string_not_equal(svirt_range(s[i]), svirt_range(s[k]));
	}
	assert_int_equal(svirt_open_at(&place, SVIRT_AUTO, "", "g", &more, NULL), -EAGAIN);
	svirt_close(s[17]);
	s[17] = open_as("g", "");
	for (int i = 0; i < PAIRS_8; i++)
		svirt_close(s[i]);
	assert_int_equal(count_journals(), 0);
	fake.own = "u:r:t:s0-s0:c0.c6";
	assert_int_equal(svirt_open_at(&place, SVIRT_AUTO, "", "g", &more, NULL), -ERANGE);
}

/* One of many supervisors: take a pair, tell it, wait for the pipe to end. */
static void guest_main(int told, int hold)
{
	struct svirt *s = NULL;
	char range[MCS_RANGE_BYTES] = { 0 };
	char byte;

	if (svirt_open_at(&place, SVIRT_AUTO, "", "g", &s, NULL) < 0)
		_exit(1);
	(void)snprintf(range, sizeof range, "%s", svirt_range(s));
	if (write(told, range, sizeof range) != sizeof range || read(hold, &byte, 1) != 0)
		_exit(1);
	svirt_close(s);
	_exit(0);
}

static void fifty_at_once_get_fifty_pairs(void **state)
{
	char range[GUESTS][MCS_RANGE_BYTES];
	int told[2];
	int hold[2];
	pid_t pid[GUESTS];

	/* So few categories that most draws collide: 66 pairs. */
	fake.own = "u:r:t:s0:c0.c11";
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	for (int i = 0; i < GUESTS; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			(void)close(hold[1]);
			guest_main(told[1], hold[0]);
		}
	}
	(void)close(told[1]);
	for (int i = 0; i < GUESTS; i++)
		assert_int_equal(read(told[0], range[i], MCS_RANGE_BYTES), MCS_RANGE_BYTES);
	for (int i = 0; i < GUESTS; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(range[i], range[k]);
	/* Every second is killed, the others end as they should. */
	for (int i = 0; i < GUESTS; i += 2)
		assert_int_equal(kill(pid[i], SIGKILL), 0);
	(void)close(hold[1]);
	for (int i = 0; i < GUESTS; i++) {
		int status;
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, i % 2 == 0 ? SIGKILL : 0);
	}
	assert_int_equal(count_journals(), GUESTS / 2);
	assert_int_equal(recover(), 0);
	assert_int_equal(count_journals(), 0);
	(void)close(told[0]);
	(void)close(hold[0]);
}

/* ---- death ------------------------------------------------------------------------------------- */

static void the_next_launch_undoes_a_killed_one(void **state)
{
	die_with("dead", "s0:c1,c2", "disk", SVIRT_IMAGE);
	assert_label("disk", "system_u:object_r:casemate_image_t:s0:c1,c2");
	struct svirt *s = open_as("g", "s0:c1,c2");
	assert_label("disk", DEFAULT);
	svirt_close(s);
}

static void recovery_counts_and_happens_once(void **state)
{
	assert_int_equal(recover(), 0); /* no folder yet */
	die_with("a", "", "disk", SVIRT_IMAGE);
	die_with("b", "", "kernel", SVIRT_CONTENT); /* undoes the first by itself */
	assert_label("disk", DEFAULT);
	assert_int_equal(recover(), 1);
	assert_int_equal(recover(), 0);
	assert_label("kernel", DEFAULT);
	assert_int_equal(count_journals(), 0);
}

static void a_file_that_took_its_place_is_not_touched(void **state)
{
	char path[LIMIT_PATH_BYTES];
	char aside[LIMIT_PATH_BYTES + 8];

	die_with("dead", "", "disk", SVIRT_IMAGE);
	AUTO(fd) int fd = file_open("disk", path);
	(void)snprintf(aside, sizeof aside, "%s.aside", path);
	assert_int_equal(rename(path, aside), 0);
	AUTO(fd) int other = file_open("disk", path);
	assert_int_equal(fake_write_label(other, "system_u:object_r:shadow_t:s0"), 0);
	assert_int_equal(recover(), 0);
	assert_label("disk", "system_u:object_r:shadow_t:s0");
	assert_int_equal(count_journals(), 0);
}

static void a_symlink_that_took_its_place_is_not_followed(void **state)
{
	char path[LIMIT_PATH_BYTES];
	char aside[LIMIT_PATH_BYTES + 8];

	die_with("dead", "s0:c1,c2", "disk", SVIRT_IMAGE);
	AUTO(fd) int fd = file_open("disk", path);
	(void)snprintf(aside, sizeof aside, "%s.aside", path);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(symlink(aside, path), 0);
	assert_int_equal(recover(), 0);
	assert_label("disk.aside", "system_u:object_r:casemate_image_t:s0:c1,c2");
}

static void what_cannot_be_restored_stays_in_the_journal(void **state)
{
	die_with("dead", "s0:c1,c2", "disk", SVIRT_IMAGE);
	fake.write_err = -EIO;
	assert_int_equal(recover(), 0);
	assert_int_equal(count_journals(), 1);
	struct svirt *s = NULL;
	assert_int_equal(svirt_open_at(&place, SVIRT_AUTO, "s0:c1,c2", "g", &s, NULL), -EBUSY);
	fake.write_err = 0;
	assert_int_equal(recover(), 1);
	assert_label("disk", DEFAULT);
	assert_int_equal(count_journals(), 0);
}

static void an_image_taken_over_from_a_dead_guest_gets_its_first_label_back(void **state)
{
	fake.write_err = 0;
	die_with("dead", "s0:c1,c2", "disk", SVIRT_IMAGE);
	fake.write_err = -EIO; /* recovery fails now, */
	struct svirt *s = open_as("g", "s0:c3,c4");
	fake.write_err = 0; /* and the guest wants that very disk */
	assert_int_equal(relabel(s, "disk", SVIRT_IMAGE, NULL), 0);
	assert_pair_label("disk", "casemate_image_t", s);
	assert_int_equal(recover(), 0);
	assert_pair_label("disk", "casemate_image_t", s);
	svirt_close(s);
	assert_label("disk", DEFAULT);
	assert_int_equal(count_journals(), 0);
}

static void a_damaged_journal_keeps_its_pair(void **state)
{
	char path[128];
	uint8_t byte = 0xff;

	die_with("dead", "s0:c1,c2", "disk", SVIRT_IMAGE);
	(void)snprintf(path, sizeof path, "%s/c1,c2", fake.journals);
	AUTO(fd) int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fd_pwrite_all(fd, &byte, 1, 100), 0); /* the head */
	assert_int_equal(recover(), 1);
	assert_label("disk", DEFAULT);
	assert_int_equal(count_journals(), 1);
	assert_int_equal(recover(), 0);
}

/* A journal of c1,c2 with one record, as a supervisor that was taken over may leave it. */
static void journal_forge(enum svirt_object object, const char *new_label)
{
	struct journal_object o = { .object = object, .old_label = EVIL };
	struct stat st;
	int journal = -1;
	int folder = -1;
	AUTO(fd) int fd = file_open("disk", o.path);

	assert_int_equal(fstat(fd, &st), 0);
	o.device = st.st_dev;
	o.inode = st.st_ino;
	(void)snprintf(o.new_label, sizeof o.new_label, "%s", new_label);
	assert_int_equal(fake_write_label(fd, new_label), 0);
	assert_int_equal(journals_open(fake.journals, true, &folder, NULL), 0);
	(void)unlinkat(folder, "c1,c2", 0);
	assert_int_equal(journals_take(folder, "c1,c2", "evil", &journal, NULL), 0);
	assert_int_equal(journal_write_object(journal, &o), 0);
	(void)close(journal);
	(void)close(folder);
}

static void a_forged_record_relabels_nothing(void **state)
{
	static const struct {
		enum svirt_object object;
		const char *new_label;
	} rows[] = { { SVIRT_IMAGE, DEFAULT }, { SVIRT_IMAGE, "system_u:object_r:shadow_t:s0" },
		{ SVIRT_IMAGE, "system_u:object_r:casemate_image_t:s0:c1,c3" },
		{ SVIRT_IMAGE, "system_u:object_r:casemate_image_t:s0" }, { SVIRT_IMAGE, CONTENT },
		{ SVIRT_CONTENT, DEFAULT },
		{ SVIRT_LEDGER, "system_u:object_r:casemate_ledger_data_t:s0" },
		{ SVIRT_RAM, "system_u:object_r:casemate_ram_t:s0:c1,c2" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		journal_forge(rows[i].object, rows[i].new_label);
		assert_int_equal(recover(), 0);
		assert_label("disk", rows[i].new_label);
		assert_int_equal(count_journals(), 1);
	}
	/* Nor is it believed about what a file was before somebody else labels it. */
	journal_forge(SVIRT_IMAGE, DEFAULT);
	struct svirt *s = open_as("g", "");
	assert_int_equal(relabel(s, "disk", SVIRT_IMAGE, NULL), 0);
	svirt_close(s);
	assert_label("disk", DEFAULT);
	/* What the pair gives is put back as ever. */
	journal_forge(SVIRT_IMAGE, "system_u:object_r:casemate_image_t:s0:c1,c2");
	assert_int_equal(recover(), 1);
	assert_label("disk", EVIL);
	assert_int_equal(count_journals(), 0);
}

/* After power loss a journal that was gone may be back, and labels may be as they were. */
static void a_journal_from_the_past_does_no_harm(void **state)
{
	char command[256];

	die_with("dead", "s0:c1,c2", "disk", SVIRT_IMAGE);
	(void)snprintf(command, sizeof command, "cp '%s/c1,c2' '%s/kept'", fake.journals, fake.dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(recover(), 1);
	(void)snprintf(command, sizeof command, "cp '%s/kept' '%s/c1,c2'", fake.dir, fake.journals);
	assert_int_equal(system(command), 0);
	assert_int_equal(recover(), 0);
	assert_label("disk", DEFAULT);
	assert_int_equal(count_journals(), 0);
}

static void without_selinux_there_is_nothing_to_recover(void **state)
{
	unsigned int n = 7;
	struct why why = { 0 };

	die_with("dead", "", "disk", SVIRT_IMAGE);
	fake.host = SVIRT_HOST_NONE;
	assert_int_equal(svirt_recover_at(&place, &n, &why), -ENODEV);
	assert_int_equal(n, 7);
	assert_int_equal(count_journals(), 1);
}

/* ---- death at every step ----------------------------------------------------------------------- */

/* A whole life of a supervisor, under the eyes of a tracer. */
static void life_main(void)
{
	static const struct {
		const char *name;
		enum svirt_object object;
	} uses[] = { { "disk", SVIRT_IMAGE }, { "kernel", SVIRT_CONTENT }, { "tpm", SVIRT_VTPM } };
	struct svirt *s = NULL;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(77);
	(void)raise(SIGSTOP);
	if (svirt_open_at(&place, SVIRT_AUTO, "", "g", &s, NULL) < 0)
		_exit(1);
	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		char path[LIMIT_PATH_BYTES];
		(void)snprintf(path, sizeof path, "%s/%s", fake.dir, uses[i].name);
		AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (svirt_relabel(s, fd, path, uses[i].object, NULL) < 0)
			_exit(1);
	}
	svirt_close(s);
	_exit(0);
}

/* One that only undoes what others left. */
static void recovery_main(void)
{
	unsigned int n;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(77);
	(void)raise(SIGSTOP);
	_exit(svirt_recover_at(&place, &n, NULL) < 0);
}

/* 0 when it may be traced; the child waits at its first stop. */
static int life_start(void (*main_of)(void), pid_t *ret)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		main_of();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSTOPPED(status))
		return -EPERM;
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL,
				 (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)),
		0);
	*ret = pid;
	return 0;
}

/* To the next entry or exit of a system call; false when the life is over. */
static bool life_step(pid_t pid)
{
	int status;

	assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSTOPPED(status);
}

static void killed_at_every_system_call_labels_come_back(void **state)
{
	bool is_over = false;
	unsigned int n = 0;

	for (; !is_over; n++) {
		pid_t pid;
		if (life_start(life_main, &pid) < 0)
			skip();
		/* Two stops a call. */
		for (unsigned int i = 0; i < 2 * n + 1 && !is_over; i++)
			is_over = !life_step(pid);
		if (!is_over) {
			assert_int_equal(kill(pid, SIGKILL), 0);
			assert_int_equal(waitpid(pid, NULL, 0), pid);
		}
		(void)recover();
		assert_label("disk", DEFAULT);
		assert_label("kernel", DEFAULT);
		assert_label("tpm", DEFAULT);
		assert_int_equal(count_journals(), 0);
	}
	print_message("# %u system calls\n", n);
	assert_in_range(n, 60, 1000);
}

static void recovery_killed_at_every_system_call_is_finished_by_the_next(void **state)
{
	bool is_over = false;

	for (unsigned int n = 0; !is_over; n++) {
		pid_t pid;
		die_with("a", "s0:c1,c2", "disk", SVIRT_IMAGE);
		fake.write_err = -EIO; /* the next one starts, and cannot undo the first */
		struct svirt *s = open_as("b", "s0:c3,c4");
		fake.write_err = 0;
		assert_int_equal(relabel(s, "kernel", SVIRT_CONTENT, NULL), 0);
		if (life_start(recovery_main, &pid) < 0)
			skip();
		for (unsigned int i = 0; i < 2 * n + 1 && !is_over; i++)
			is_over = !life_step(pid);
		if (!is_over) {
			assert_int_equal(kill(pid, SIGKILL), 0);
			assert_int_equal(waitpid(pid, NULL, 0), pid);
		}
		assert_label("kernel", CONTENT); /* b lives */
		svirt_close(s);
		(void)recover();
		assert_label("disk", DEFAULT);
		assert_label("kernel", DEFAULT);
		assert_int_equal(count_journals(), 0);
	}
}

static void a_label_changes_when_its_record_is_on_the_disk(void **state)
{
	struct __ptrace_syscall_info info;
	bool is_dirty = false;     /* journal bytes were written and not yet synced */
	unsigned int n_set = 0;    /* labels written: rename(2) is the fake's last step */
	unsigned int n_synced = 0; /* since the last of them */
	bool is_removed = false;
	pid_t pid;

	if (life_start(life_main, &pid) < 0)
		skip();
	while (life_step(pid)) {
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) < 0)
			skip();
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		switch (info.entry.nr) {
		case SYS_pwrite64:
			is_dirty = true;
			break;
		case SYS_fdatasync:
			is_dirty = false;
			break;
		case SYS_fsync:
			n_synced++;
			break;
		case SYS_rename:
			assert_false(is_dirty);
			n_set++;
			n_synced = 0;
			break;
		case SYS_unlinkat:
			/* The journal goes when all three labels are back, on the disk. */
			assert_int_equal(n_set, 6);
			assert_int_equal(n_synced, 3);
			is_removed = true;
			break;
		}
	}
	assert_true(is_removed);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(ranges_have_one_spelling),
		T(pools_are_read_from_contexts),
		T(every_pair_of_a_pool_comes_once),
		T(journal_reads_what_it_wrote),
		T(a_torn_tail_is_not_there),
		T(damage_before_the_tail_is_noticed),
		T(a_record_that_does_not_fit_is_cut_off),
		T(every_host_and_demand_has_its_outcome),
		T(without_labels_everything_is_fine),
		T(processes_and_sockets_get_the_pair),
		T(a_process_of_no_guest_has_our_range),
		T(a_missing_type_or_transition_is_said_before_the_fork),
		T(a_folder_that_others_can_write_is_refused),
		T(labels_come_back),
		T(a_label_comes_back_by_the_path_that_the_descriptor_has),
		T(nothing_is_kept_that_can_be_written_to),
		T(an_image_of_a_running_guest_is_busy),
		T(one_guest_may_name_a_file_twice_for_one_use),
		T(shared_content_is_restored_by_its_last_user),
		T(an_end_in_the_midst_of_a_launch_is_noticed),
		T(content_of_a_dead_user_waits_for_the_living),
		T(content_that_was_labelled_before_stays_so),
		T(what_somebody_else_labelled_meanwhile_stays),
		T(an_image_of_another_hypervisor_is_busy),
		T(an_image_with_the_static_label_already_is_kept),
		T(file_systems_without_labels_are_left_alone),
		T(a_label_that_is_refused_is_an_error_when_enforcing),
		T(a_ledger_must_have_its_type),
		T(more_objects_than_the_limit_are_refused),
		T(a_static_pair_is_one_guests),
		T(pairs_end_and_come_back),
		T(fifty_at_once_get_fifty_pairs),
		T(the_next_launch_undoes_a_killed_one),
		T(recovery_counts_and_happens_once),
		T(a_file_that_took_its_place_is_not_touched),
		T(a_symlink_that_took_its_place_is_not_followed),
		T(what_cannot_be_restored_stays_in_the_journal),
		T(an_image_taken_over_from_a_dead_guest_gets_its_first_label_back),
		T(a_damaged_journal_keeps_its_pair),
		T(a_forged_record_relabels_nothing),
		T(a_journal_from_the_past_does_no_harm),
		T(without_selinux_there_is_nothing_to_recover),
		T(killed_at_every_system_call_labels_come_back),
		T(recovery_killed_at_every_system_call_is_finished_by_the_next),
		T(a_label_changes_when_its_record_is_on_the_disk),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
