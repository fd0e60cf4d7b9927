/*
 * A child of any role that speaks the protocol and otherwise does what one word in the file
 * FOLDER/PROGRAM.script beside it says. For tests/proc/test_super.py.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "attest/ledger/ledger_proto.h"
#include "base/fd.h"
#include "base/log.h"
#include "sandbox/child.h"
#include "sandbox/receipt.h"
#include "sandbox/sandbox.h"
#include "vmm/super/sup_proto.h"

static char script[256];
static enum role role;
static struct chan chan = { .fd = -1 };

static bool is_script(const char *word)
{
	return strncmp(script, word, strlen(word)) == 0;
}

/* Which role we play is our own name; what we do is in the file beside us. */
static MUST_USE int script_read(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);

	if (n < 0)
		return -errno;
	path[n] = 0;
	const char *name = strrchr(path, '/') + 1;
	for (role = 0; role < ROLE_COUNT; role++)
		if (strcmp(role_get(role)->binary, name) == 0)
			break;
	if (role == ROLE_COUNT)
		return -ENOENT;
	(void)strcat(path, ".script");
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, script, sizeof script - 1) < 0)
		return -errno;
	return 0;
}

static void pause_ms(long ms)
{
	/* Through the channel: nanosleep is on no list. */
	struct timespec ts;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	do
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - ts.tv_sec) * 1000 + (now.tv_nsec - ts.tv_nsec) / 1000000 < ms);
}

static void ended_send(uint32_t how, uint32_t status)
{
	struct wire_ended ended = { .how = le32_of(how), .status = le32_of(status) };

	(void)snprintf(ended.text, sizeof ended.text, "said the fake");
	if (chan_send(&chan, SUP_MSG_ENDED, &ended, sizeof ended, NULL, 0) < 0)
		_exit(9);
}

/* Say READY, with a receipt that is wrong in one place where the script says so. */
static int ready_send(void)
{
	struct wire_receipt r;

	memcpy(&r, receipt_get(), sizeof r);
	if (is_script("receipt-none"))
		return chan_send(&chan, SUP_MSG_READY, NULL, 0, NULL, 0);
	if (is_script("receipt-short"))
		return chan_send(&chan, SUP_MSG_READY, &r, sizeof r - 1, NULL, 0);
	if (is_script("receipt-uid"))
		r.uid = le32_of(12345);
	if (is_script("receipt-held"))
		r.held = le32_of(le32_get(r.held) & ~RECEIPT_NO_CAPS);
	if (is_script("receipt-role"))
		r.role = le32_of(ROLE_TEST);
	if (is_script("receipt-net")) /* nobody has it; the supervisor looks for itself */
		r.ns[RECEIPT_NS_NET] = le64_of(1);
	if (is_script("receipt-threads"))
		r.n_threads = le32_of(7);
	if (is_script("receipt-label"))
		memcpy(r.label, "u:r:somebody_t:s0", 18);
	if (is_script("receipt-cgroup"))
		memset(r.cgroup, 'x', sizeof r.cgroup);
	if (is_script("receipt-limits"))
		r.max_fds = le64_of(UINT64_MAX);
	return chan_send(&chan, SUP_MSG_READY, &r, sizeof r, NULL, 0);
}

/* After READY: the one thing that is wrong with us. */
static void misbehave(void)
{
	struct wire_connect connect = { .index = le32_of(99) };
	static const char big[1000];
	int err = 0;

	if (is_script("abort"))
		abort();
	if (is_script("sigsys"))
		(void)syscall(SYS_fork);
	if (is_script("quit"))
		_exit(0);
	if (is_script("unknown"))
		err = chan_send(&chan, 30, NULL, 0, NULL, 0);
	if (is_script("long"))
		err = chan_send(&chan, SUP_MSG_READY, big, sizeof big, NULL, 0);
	if (is_script("ready-twice"))
		err = child_send_ready(&chan);
	if (is_script("connect-0"))
		connect.index = le32_of(0);
	if (is_script("connect-"))
		err = chan_send(&chan, SUP_MSG_CONNECT, &connect, sizeof connect, NULL, 0);
	if (is_script("fds")) {
		int fd = 2;
		err = chan_send(&chan, SUP_MSG_READY, NULL, 0, &fd, 1);
	}
	if (is_script("knock")) /* at a port that nobody serves */
		for (int i = 0; i < 1000; i++) {
			connect.index = le32_of(0);
			if (chan_send(&chan, SUP_MSG_CONNECT, &connect, sizeof connect, NULL, 0) <
					0 ||
				chan_recv(&chan, /* is_waiting= */ true) < 0 ||
				chan.in->type != SUP_MSG_CONNECTED)
				_exit(9);
		}
	if (is_script("chatter"))
		for (int i = 0; i < 5000; i++)
			log_err("line %d \033[31m", i);
	(void)err; /* the supervisor may have hung up */
}

static void entry_answer(void)
{
	struct wire_ledger_entry entry;

	memcpy(&entry, chan.in->buf, sizeof entry);
	struct wire_ledger_done done = { .cookie = entry.cookie };
	if (is_script("slow"))
		pause_ms(500);
	if (is_script("full"))
		done.err = le32_of(ENOSPC);
	if (is_script("end-full") && le32_get(entry.event) == LEDGER_ENDED)
		done.err = le32_of(ENOSPC);
	if (is_script("wrong-cookie"))
		done.cookie = le32_of(le32_get(entry.cookie) + 1);
	log_info("entry %u durable: %.300s", le32_get(entry.event), entry.text);
	if (!is_script("mute") &&
		chan_send(&chan, LEDGER_MSG_DONE, &done, sizeof done, NULL, 0) < 0)
		_exit(9);
}

/* The guest "runs": how it ends is the script's. */
static void go(void)
{
	unsigned int how = 0;
	unsigned int status = 0;

	log_info("go");
	if (is_script("serial"))
		for (int i = 0; i < 3; i++)
			if (chan_send(&chan, SUP_MSG_SERIAL, "serial line\r\n", 13, NULL, 0) < 0)
				_exit(9);
	if (is_script("flood")) {
		static const char page[256];
		for (int i = 0; i < 4000; i++)
			if (chan_send(&chan, SUP_MSG_SERIAL, page, sizeof page, NULL, 0) < 0)
				_exit(9);
	}
	if (sscanf(script, "%*[a-z-] %u %u", &how, &status) == 2) {
		ended_send(how, status);
		chan_close(&chan);
		_exit(0);
	}
	misbehave();
}

/* SEV, SEV-ES: measured, and held until somebody answers. */
static void owner_ask(void)
{
	struct wire_sev_measured measured = { .policy = le32_of(0xd) };
	struct wire_sev_secret secret;

	memset(measured.hmac, 0x5a, sizeof measured.hmac);
	if (chan_send(&chan, SUP_MSG_SEV_MEASURED, &measured, sizeof measured, NULL, 0) < 0 ||
		chan_recv(&chan, /* is_waiting= */ true) < 0)
		_exit(9);
	if (chan.in->type != SUP_MSG_SEV_SECRET || chan.in->len != sizeof secret)
		_exit(9);
	memcpy(&secret, chan.in->buf, sizeof secret);
	log_info("secret of %u bytes", le32_get(secret.len));
}

/* The owner's side of it; false: it says nothing. */
static bool owner_answer(void)
{
	static struct wire_sev_secret secret;
	static struct wire_sev_measured measured;
	bool is_asked = chan.in->type == SUP_MSG_SEV_MEASURED;

	if (is_asked)
		memcpy(&measured, chan.in->buf, sizeof measured);
	if (is_asked)
		log_info(
			"measured %02x, policy 0x%x", measured.hmac[31], le32_get(measured.policy));
	if (is_asked && is_script("late")) /* when the launch has been given up */
		return false;
	secret.len = le32_of(is_script("long-secret") ? LIMIT_SEV_SECRET_BYTES + 1 : 48);
	if (is_script("refuse")) {
		secret.err = le32_of(EACCES);
		(void)snprintf(secret.text, sizeof secret.text, "another kernel was measured");
	}
	if (is_script("silent"))
		return false;
	if (chan_send(&chan, SUP_MSG_SEV_SECRET, &secret, sizeof secret, NULL, 0) < 0)
		_exit(9);
	return true;
}

static void launched_send(void)
{
	struct wire_launched launched = { .measured_pages = le64_of(12) };

	if (is_script("owner"))
		owner_ask();
	if (role == ROLE_MONITOR || role == ROLE_MONITOR_SIM)
		if (chan_send(&chan, SUP_MSG_LAUNCHED, &launched, sizeof launched, NULL, 0) < 0)
			_exit(9);
}

/* The stream that was asked for: say a word on it. */
static void connected(void)
{
	struct wire_connected answer;
	AUTO(fd) int fd = msg_take_fd(chan.in, 0);

	memcpy(&answer, chan.in->buf, sizeof answer);
	log_info("connected: %u", le32_get(answer.err));
	if (fd >= 0 && write(fd, "hello", 5) != 5)
		_exit(9);
}

static MUST_USE int serve(void)
{
	for (;;) {
		int err = chan_recv(&chan, /* is_waiting= */ true);
		if (err < 0)
			return err == -EPIPE ? 0 : err;
		switch (chan.in->type) {
		case SUP_MSG_STOP:
			if (is_script("deaf"))
				break;
			if (role == ROLE_MONITOR || role == ROLE_MONITOR_SIM)
				ended_send(ENDED_STOP, UINT32_MAX);
			if (role == ROLE_OWNER && is_script("late"))
				(void)owner_answer();
			return 0;
		case SUP_MSG_GO: /* LEDGER_MSG_ENTRY has the same number */
			if (role == ROLE_LEDGER)
				entry_answer();
			else
				go();
			break;
		case SUP_MSG_SEV_MEASURED:
			if (owner_answer())
				return 0; /* that was all */
			break;
		case LEDGER_MSG_RECEIPT:
			if (role != ROLE_LEDGER)
				return -EBADMSG;
			break;
		case SUP_MSG_CONNECTED:
			connected();
			break;
		case SUP_MSG_INPUT:
			if (chan_send(&chan, SUP_MSG_SERIAL, chan.in->buf, chan.in->len, NULL, 0) <
				0)
				_exit(9);
			ended_send(ENDED_OFF, UINT32_MAX);
			return 0;
		default:
			return -EBADMSG;
		}
	}
}

/* What the monitor was given, in bytes: -1 is no file. */
static void files_show(void)
{
	char line[200] = "";
	size_t len = 0;

	for (unsigned int i = MON_FD_KERNEL; i < MON_FD_FIRST_DEVICE; i++) {
		AUTO(fd) int fd = msg_take_fd(chan.in, i);
		struct stat st = { 0 };
		bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
		bool is_writable = is_file && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
		len += (size_t)snprintf(line + len, sizeof line - len, " %lld%s",
			is_file ? (long long)st.st_size : -1,
			is_writable && st.st_size > 0 ? "w" : "");
	}
	log_info("files%s", line);
}

int main(void)
{
	struct why why = { 0 };
	int err = script_read();

	if (err == 0 && is_script("exit-early"))
		return 7;
	if (err == 0)
		err = child_start(role, &chan, &why);
	if (err == 0 && is_script("blind"))
		err = why_set(&why, -EBADMSG, "the fake was told to read nothing");
	if (err == 0)
		err = child_recv_config(&chan, 0, LIMIT_CHAN_MSG_BYTES, 0, LIMIT_CHAN_FDS, &why);
	if (err == 0 && role == ROLE_DEV_BLK && msg_take_fd(chan.in, 1) < 0)
		err = -EBADMSG; /* kept open: the disk's lock is on it */
	if (err == 0 && is_script("files"))
		files_show();
	if (err == 0 && is_script("fail"))
		err = why_set(&why, -EBADMSG, "the fake was told to fail");
	if (err == 0)
		err = sandbox_enter(role, &why);
	if (err == 0 && is_script("hang"))
		for (;;)
			err = chan_recv(&chan, true);
	if (err == 0) {
		launched_send();
		err = ready_send();
		if (is_script("receipt-threads-quit")) /* while it is looked at */
			_exit(3);
	}
	if (err == 0 && role != ROLE_MONITOR && role != ROLE_MONITOR_SIM) {
		if (script[0] != 0 && role != ROLE_LEDGER)
			pause_ms(200);
		misbehave();
	}
	if (err == 0)
		err = serve();
	return child_end(&chan, err, &why);
}
