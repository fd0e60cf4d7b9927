/* casemate-ledger as its starter sees it: started for real, in its sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/ledger/ledger.h"
#include "attest/ledger/ledger_proto.h"
#include "attest/ledger/ledger_verify.h"
#include "base/chan.h"
#include "base/fd.h"
#include "base/opts.h"
#include "sandbox/child.h"
#include "sandbox/receipt.h"
#include "sandbox/spawn.h"
#include "tests/unit/cm.h"

#define WAIT_MS 20000
#define ORIGIN  "example.com/role"

static char folder[] = "/tmp/casemate-test-XXXXXX";
static char ledger_path[sizeof folder + 16];
static char key_path[sizeof folder + 16];

/* --- a writer under test ------------------------------------------------------------------------ */

struct writer {
	struct spawn_child child;
	struct chan chan;
};

static void config_send(struct writer *w, const char *origin)
{
	struct wire_ledger_config config = { 0 };

	(void)snprintf(config.origin, sizeof config.origin, "%s", origin);
	assert_int_equal(chan_send(&w->chan, SUP_MSG_CONFIG, &config, sizeof config, NULL, 0), 0);
}

static void writer_start(struct writer *w, const char *ledger, const char *key)
{
	struct why why = { 0 };
	int fds[2] = { open(ledger, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		open(key, O_RDONLY | O_CLOEXEC) };

	assert_true(fds[0] >= 0 && fds[1] >= 0);
	w->child = SPAWN_CHILD_NONE;
	if (spawn_start(ROLE_LEDGER, fds, 2, NULL, &w->child, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(chan_open(&w->chan, fd_take(&w->child.chan_fd)), 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* The next message; 0 when the writer closed the channel instead. */
static uint16_t message_wait(struct writer *w)
{
	struct pollfd p = { .fd = w->chan.fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	int err = chan_recv(&w->chan, false);
	if (err == -EPIPE)
		return 0;
	assert_int_equal(err, 0);
	return w->chan.in->type;
}

static void ready_wait(struct writer *w)
{
	uint16_t type = message_wait(w);

	if (type == SUP_MSG_FAILED)
		fail_msg("%s", ((struct wire_failed *)(void *)w->chan.in->buf)->text);
	assert_int_equal(type, SUP_MSG_READY);
	struct receipt_want want = receipt_want_of(&w->child, 0);
	struct wire_receipt receipt;
	struct why why = { 0 };
	if (receipt_verify(&w->child, &want, w->chan.in->buf, w->chan.in->len, &receipt, &why) < 0)
		fail_msg("%s", why.text);
}

/* Wait for the end of the process; its exit status. */
static int end_wait(struct writer *w)
{
	struct pollfd p = { .fd = w->child.pidfd, .events = POLLIN };
	struct spawn_end end = { 0 };

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(spawn_reap(&w->child, &end), 0);
	spawn_kill(&w->child);
	chan_close(&w->chan);
	assert_false(end.is_signal);
	return end.status;
}

static struct wire_ledger_entry entry_wire(uint32_t cookie)
{
	struct wire_ledger_entry e = { .cookie = le32_of(cookie),
		.event = le32_of(LEDGER_RELEASED),
		.time_ns = le64_of(1763721480000000000u),
		.serial = le64_of(3) };

	memset(e.policy_hash, 7, sizeof e.policy_hash);
	(void)snprintf(e.guest, sizeof e.guest, "test/one");
	(void)snprintf(e.resource, sizeof e.resource, "default/key/disk");
	return e;
}

/* Send an entry; DONE's error, and its index. */
static int entry_send(struct writer *w, const struct wire_ledger_entry *e, uint64_t *ret_index)
{
	struct wire_ledger_done done;

	assert_int_equal(chan_send(&w->chan, LEDGER_MSG_ENTRY, e, sizeof *e, NULL, 0), 0);
	assert_int_equal(message_wait(w), LEDGER_MSG_DONE);
	assert_int_equal(w->chan.in->len, sizeof done);
	memcpy(&done, w->chan.in->buf, sizeof done);
	assert_int_equal(le32_get(done.cookie), le32_get(e->cookie));
	*ret_index = le64_get(done.index);
	return (int)le32_get(done.err);
}

static uint64_t size_read(void)
{
	AUTO(fd) int dir = open(ledger_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ledger_report r;
	struct why why = { 0 };

	assert_true(dir >= 0);
	int err = ledger_verify(dir, NULL, NULL, NULL, &r, &why);
	if (err < 0)
		fail_msg("%s", why_text(&why, err));
	return r.head.size;
}

/* Start with this configuration and expect FAILED with this in its text. */
static void assert_refused(
	const char *ledger, const char *key, const char *origin, const char *text)
{
	struct writer w;

	writer_start(&w, ledger, key);
	config_send(&w, origin);
	assert_int_equal(message_wait(&w), SUP_MSG_FAILED);
	const struct wire_failed *failed = (const void *)w.chan.in->buf;
	if (strstr(failed->text, text) == NULL)
		fail_msg("want \"%s\", got \"%s\"", text, failed->text);
	assert_int_equal(end_wait(&w), EXIT_OURS);
}

/* --- tests ---------------------------------------------------------------------------------- */

static void writer_acknowledges_what_is_there(void **state)
{
	struct writer w;
	uint64_t before = size_read();

	writer_start(&w, ledger_path, key_path);
	config_send(&w, ORIGIN);
	ready_wait(&w);
	for (uint32_t i = 0; i < 5; i++) {
		struct wire_ledger_entry e = entry_wire(100 + i);
		uint64_t index = 0;
		assert_int_equal(entry_send(&w, &e, &index), 0);
		assert_int_equal(index, before + i);
		assert_int_equal(size_read(), before + i + 1);
	}
	assert_int_equal(chan_send(&w.chan, SUP_MSG_STOP, NULL, 0, NULL, 0), 0);
	assert_int_equal(message_wait(&w), 0);
	assert_int_equal(end_wait(&w), EXIT_YES);
}

static void two_writers_share_a_ledger(void **state)
{
	struct writer a;
	struct writer b;
	uint64_t before = size_read();
	uint64_t index = 0;
	struct wire_ledger_entry e = entry_wire(1);

	writer_start(&a, ledger_path, key_path);
	writer_start(&b, ledger_path, key_path);
	config_send(&a, ORIGIN);
	config_send(&b, ORIGIN);
	ready_wait(&a);
	ready_wait(&b);
	for (unsigned int i = 0; i < 6; i++) {
		assert_int_equal(entry_send(i % 2 == 0 ? &a : &b, &e, &index), 0);
		assert_int_equal(index, before + i);
	}
	chan_close(&a.chan);
	chan_close(&b.chan);
	assert_int_equal(end_wait(&a), EXIT_YES);
	assert_int_equal(end_wait(&b), EXIT_YES);
	assert_int_equal(size_read(), before + 6);
}

/* Across the end of a tile: new folders, a full tile, the partial ones removed. */
static void writer_fills_a_tile(void **state)
{
	struct writer w;
	uint64_t index = 0;
	struct wire_ledger_entry e = entry_wire(1);

	writer_start(&w, ledger_path, key_path);
	config_send(&w, ORIGIN);
	ready_wait(&w);
	while (index < 258)
		assert_int_equal(entry_send(&w, &e, &index), 0);
	chan_close(&w.chan);
	assert_int_equal(end_wait(&w), EXIT_YES);
	assert_int_equal(size_read(), 259);
}

/* Somebody else is writing: wait for them, but not for ever. */
static void writer_waits_for_the_lock(void **state)
{
	struct writer w;
	struct wire_ledger_entry e = entry_wire(1);
	uint64_t before = size_read();
	uint64_t index = 0;
	AUTO(fd) int lock = open(ledger_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	writer_start(&w, ledger_path, key_path);
	config_send(&w, ORIGIN);
	ready_wait(&w);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(chan_send(&w.chan, LEDGER_MSG_ENTRY, &e, sizeof e, NULL, 0), 0);
	(void)usleep(30000);
	assert_int_equal(flock(lock, LOCK_UN), 0);
	assert_int_equal(message_wait(&w), LEDGER_MSG_DONE);
	assert_int_equal(size_read(), before + 1);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(entry_send(&w, &e, &index), EBUSY);
	assert_int_equal(flock(lock, LOCK_UN), 0);
	assert_int_equal(size_read(), before + 1);
	chan_close(&w.chan);
	assert_int_equal(end_wait(&w), EXIT_YES);
}

/* Receipts go into the entry that follows, and into no other; a bad one spoils that entry alone. */
static void receipts_go_into_the_next_entry(void **state)
{
	struct writer w;
	struct wire_ledger_receipt r;
	struct wire_ledger_entry e = entry_wire(1);
	uint64_t before = size_read();
	uint64_t index = 0;

	writer_start(&w, ledger_path, key_path);
	config_send(&w, ORIGIN);
	ready_wait(&w);
	memset(&r, 0, sizeof r);
	(void)snprintf(r.process, sizeof r.process, "dev-rng");
	r.held = le32_of(0x1fff);
	for (unsigned int i = 0; i < LIMIT_LEDGER_RECEIPTS; i++)
		assert_int_equal(chan_send(&w.chan, LEDGER_MSG_RECEIPT, &r, sizeof r, NULL, 0), 0);
	assert_int_equal(entry_send(&w, &e, &index), 0);
	assert_int_equal(entry_send(&w, &e, &index), 0);
	r.held = le32_of(0x80000000u);
	assert_int_equal(chan_send(&w.chan, LEDGER_MSG_RECEIPT, &r, sizeof r, NULL, 0), 0);
	assert_int_equal(entry_send(&w, &e, &index), EBADMSG);
	assert_int_equal(entry_send(&w, &e, &index), 0);
	assert_int_equal(size_read(), before + 3);
	chan_close(&w.chan);
	assert_int_equal(end_wait(&w), EXIT_YES);
}

static void writer_refuses_an_entry_it_cannot_write_and_goes_on(void **state)
{
	struct writer w;
	uint64_t before = size_read();
	struct wire_ledger_entry e = entry_wire(9);
	uint64_t index = 0;

	writer_start(&w, ledger_path, key_path);
	config_send(&w, ORIGIN);
	ready_wait(&w);
	e.event = le32_of(LEDGER_EVENT_COUNT);
	assert_int_equal(entry_send(&w, &e, &index), EBADMSG);
	e = entry_wire(10);
	memset(e.text, 'x', sizeof e.text);
	assert_int_equal(entry_send(&w, &e, &index), EBADMSG);
	assert_int_equal(size_read(), before);
	e = entry_wire(11);
	assert_int_equal(entry_send(&w, &e, &index), 0);
	assert_int_equal(index, before);
	chan_close(&w.chan);
	assert_int_equal(end_wait(&w), EXIT_YES);
}

static void malformed_message_ends_the_relation(void **state)
{
	static const struct {
		uint16_t type;
		size_t len;
	} cases[] = {
		{ LEDGER_MSG_ENTRY, sizeof(struct wire_ledger_entry) - 1 },
		{ LEDGER_MSG_ENTRY, sizeof(struct wire_ledger_entry) + 1 },
		{ LEDGER_MSG_ENTRY, 0 },
		{ LEDGER_MSG_DONE, sizeof(struct wire_ledger_done) },
		{ SUP_MSG_CONFIG, sizeof(struct wire_ledger_config) },
		{ SUP_MSG_STOP, 1 },
		{ 31, 0 },
		{ 999, 0 },
	};
	static const uint8_t zeros[2048];
	uint64_t before = size_read();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct writer w;
		writer_start(&w, ledger_path, key_path);
		config_send(&w, ORIGIN);
		ready_wait(&w);
		assert_int_equal(
			chan_send(&w.chan, cases[i].type, zeros, cases[i].len, NULL, 0), 0);
		assert_int_equal(message_wait(&w), SUP_MSG_FAILED);
		assert_int_equal(end_wait(&w), EXIT_OURS);
	}
	assert_int_equal(size_read(), before);
}

static void wrong_beginning_is_refused_with_its_reason(void **state)
{
	char other_key[sizeof folder + 16];
	struct writer w;
	struct why why = { 0 };

	assert_refused(
		ledger_path, key_path, "example.com/other", "not signed by example.com/other");
	assert_refused(ledger_path, key_path, "a name", "cannot name a ledger");
	assert_refused(folder, key_path, ORIGIN, "no ledger there");
	assert_refused(
		ledger_path, "/proc/self/exe", ORIGIN, "not an unencrypted Ed25519 private key");
	(void)snprintf(other_key, sizeof other_key, "%s/other.pem", folder);
	AUTO(secret) struct secret pem = { 0 };
	assert_int_equal(note_make_pem(&pem, &why), 0);
	assert_int_equal(fd_replace_file(AT_FDCWD, other_key, pem.p, pem.len, 0600, &why), 0);
	assert_refused(ledger_path, other_key, ORIGIN, "not signed by " ORIGIN);

	writer_start(&w, ledger_path, key_path);
	assert_int_equal(chan_send(&w.chan, SUP_MSG_CONFIG, "x", 1, NULL, 0), 0);
	assert_int_equal(message_wait(&w), SUP_MSG_FAILED);
	assert_int_equal(end_wait(&w), EXIT_OURS);
}

/* --- the group --------------------------------------------------------------------------------- */

static int group_setup(void **state)
{
	AUTO(secret) struct secret pem = { 0 };
	AUTO(note_signer) struct note_signer signer = { 0 };

	assert_non_null(mkdtemp(folder));
	(void)snprintf(ledger_path, sizeof ledger_path, "%s/ledger", folder);
	(void)snprintf(key_path, sizeof key_path, "%s/key.pem", folder);
	assert_int_equal(mkdir(ledger_path, 0755), 0);
	assert_int_equal(note_make_pem(&pem, NULL), 0);
	assert_int_equal(fd_replace_file(AT_FDCWD, key_path, pem.p, pem.len, 0600, NULL), 0);
	assert_int_equal(note_signer_parse(pem.p, pem.len, ORIGIN, &signer, NULL), 0);
	AUTO(fd) int dir = open(ledger_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ledger_init(dir, &signer, NULL);
}

static int path_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int group_teardown(void **state)
{
	return nftw(folder, path_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* --rootless: the same tests as an ordinary user. */
static bool rootless_become(void)
{
	return geteuid() == 0 && setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 &&
	       setresuid(65534, 65534, 65534) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writer_acknowledges_what_is_there),
		cmocka_unit_test(two_writers_share_a_ledger),
		cmocka_unit_test(writer_fills_a_tile),
		cmocka_unit_test(writer_waits_for_the_lock),
		cmocka_unit_test(receipts_go_into_the_next_entry),
		cmocka_unit_test(writer_refuses_an_entry_it_cannot_write_and_goes_on),
		cmocka_unit_test(malformed_message_ends_the_relation),
		cmocka_unit_test(wrong_beginning_is_refused_with_its_reason),
	};

	if (argc > 1 && strcmp(argv[1], "--rootless") == 0 && !rootless_become()) {
		printf("1..0 # SKIP only root can become somebody else\n");
		return 0;
	}
	if (argc > 1) {
		int fd = -1;
		if (spawn_open_binary("casemate-ledger", &fd, NULL, 0, NULL) < 0) {
			printf("1..0 # SKIP the build tree is closed to other users\n");
			return 0;
		}
		(void)close(fd);
	}
	return cmocka_run_group_tests_name("ledger-role", tests, group_setup, group_teardown);
}
