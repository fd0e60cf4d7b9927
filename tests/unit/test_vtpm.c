/*
 * vtpm: a monitor's messages and what comes back: commands, measurements, power cycles, a cancelled command;
 * a monitor that breaks a rule; and kill -9 at random instants, after which the newest acknowledged
 * write is there.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rd.h"
#include "base/wr.h"
#include "sandbox/child.h"
#include "tests/unit/cm.h"
#include "tests/unit/disk_fault.h"
#include "vtpm/engine.h"
#include "vtpm/tpm_cmd.h"
#include "vtpm/vtpm.h"
#include "vtpm/vtpm_proto.h"

#define NV_INDEX 0x01800001u
#define KILLS    500u

/* --- casemate-vtpm without its sandbox, in this process or in a child ----------------------------- */

struct bench {
	int fd; /* the state file */
	struct secret key;
	struct nvstore store;
	struct loop loop;
	struct chan super, monitor; /* our ends */
	struct chan super_end;
	struct vtpm vtpm;
};

static void vtpm_make(struct bench *b, int monitor_fd)
{
	int super[2];
	struct why why = { 0 };

	b->vtpm = VTPM_NONE;
	b->store = NVSTORE_NONE;
	assert_int_equal(chan_pair(super), 0);
	assert_int_equal(chan_open(&b->super, super[0]), 0);
	assert_int_equal(chan_open(&b->super_end, super[1]), 0);
	assert_int_equal(loop_open(&b->loop), 0);
	assert_int_equal(vtpm_open(&b->vtpm, &b->loop, &b->super_end, monitor_fd), 0);
	int err = nvstore_open(&b->store, b->fd, &b->key, "bank/payments", &why);
	if (err == 0)
		err = vtpm_start(&b->vtpm, &b->store, &why);
	if (err < 0)
		fail_msg("%s", why_text(&why, err));
}

static void bench_open(struct bench *b)
{
	int monitor[2];

	assert_int_equal(chan_pair(monitor), 0);
	assert_int_equal(chan_open(&b->monitor, monitor[0]), 0);
	vtpm_make(b, monitor[1]);
}

static void bench_close(struct bench *b)
{
	vtpm_close(&b->vtpm);
	chan_close(&b->super);
	chan_close(&b->super_end);
	chan_close(&b->monitor);
	loop_close(&b->loop);
	nvstore_close(&b->store);
}

/* A new TPM, made once. */
static void state_make(int fd, const struct secret *key)
{
	static uint8_t made[65536];
	static size_t len;
	AUTO(nvstore) struct nvstore s = NVSTORE_NONE;

	assert_int_equal(nvstore_create(&s, fd, key, "bank/payments", NULL), 0);
	if (len == 0) {
		assert_int_equal(engine_start(&s, true, NULL), 0);
		engine_stop();
		len = s.len;
		assert_true(len <= sizeof made);
		memcpy(made, s.state, len);
	} else {
		assert_int_equal(nvstore_save(&s, made, len, false), 0);
	}
}

static int setup(void **state)
{
	static struct bench b;

	disk_sync_error = 0;
	b.fd = memfd_create("state", MFD_CLOEXEC);
	assert_int_equal(secret_init(&b.key, NVSTORE_KEY_BYTES), 0);
	state_make(b.fd, &b.key);
	bench_open(&b);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	disk_sync_error = 0;
	bench_close(b);
	secret_done(&b->key);
	fd_drop(&b->fd);
	return 0;
}

/* --- commands, as the monitor sends them ----------------------------------------------------------- */

struct cmd {
	struct wire_vtpm_command hdr;
	uint8_t buf[VTPM_BUFFER_BYTES];
	struct wr w;
};

static struct wr *cmd_begin(struct cmd *c, uint32_t code, const uint32_t *handles, unsigned int n)
{
	memset(&c->hdr, 0, sizeof c->hdr);
	c->w = wr_of(c->buf, sizeof c->buf);
	wr_be16(&c->w, n > 0 ? TPM_ST_SESSIONS : TPM_ST_NO_SESSIONS);
	wr_be32(&c->w, 0);
	wr_be32(&c->w, code);
	for (unsigned int i = 0; i < n; i++)
		wr_be32(&c->w, handles[i]);
	if (n > 0)
		wr_copy(&c->w, "\0\0\0\x09\x40\0\0\x09\0\0\0\0\0", 13);
	return &c->w;
}

static void cmd_send(struct chan *chan, struct cmd *c)
{
	struct wr size = wr_of(c->buf + 2, 4);

	wr_be32(&size, (uint32_t)c->w.len);
	assert_int_equal(wr_check(&c->w), 0);
	assert_int_equal(
		chan_send(chan, VTPM_MSG_COMMAND, c, sizeof c->hdr + c->w.len, NULL, 0), 0);
}

/* One turn of the loop, and the code that comes back as a message of that type. */
static uint32_t turn(struct bench *b, enum vtpm_msg want)
{
	assert_int_equal(loop_step(&b->loop, 5000), 0);
	assert_false(b->loop.is_stopped);
	assert_int_equal(chan_recv(&b->monitor, false), 0);
	const struct msg *m = b->monitor.in;
	assert_int_equal(m->type, want);
	if (want == VTPM_MSG_RESPONSE)
		return tpm_rsp_code(m->buf, m->len);
	le32 rc;
	assert_int_equal(m->len, sizeof rc);
	memcpy(&rc, m->buf, sizeof rc);
	return le32_get(rc);
}

static uint32_t run(struct bench *b, struct cmd *c)
{
	cmd_send(&b->monitor, c);
	return turn(b, VTPM_MSG_RESPONSE);
}

static void startup_fill(struct cmd *c)
{
	wr_be16(cmd_begin(c, TPM_CC_STARTUP, NULL, 0), 0);
}

static uint32_t startup(struct bench *b)
{
	struct cmd c;

	startup_fill(&c);
	return run(b, &c);
}

static void define_fill(struct cmd *c)
{
	struct wr *w = cmd_begin(c, TPM_CC_NV_DEFINE_SPACE, (uint32_t[]){ 0x40000001 }, 1);

	wr_be16(w, 0);
	wr_be16(w, 14);
	wr_be32(w, NV_INDEX);
	wr_be16(w, 0x000b);
	wr_be32(w, 0x02060006);
	wr_be16(w, 0);
	wr_be16(w, 8);
}

static void write_fill(struct cmd *c, uint64_t value)
{
	struct wr *w = cmd_begin(c, TPM_CC_NV_WRITE, (uint32_t[]){ NV_INDEX, NV_INDEX }, 2);

	/* one session for two handles */
	wr_be16(w, 8);
	wr_be64(w, value);
	wr_be16(w, 0);
}

static void read_fill(struct cmd *c)
{
	struct wr *w = cmd_begin(c, TPM_CC_NV_READ, (uint32_t[]){ NV_INDEX, NV_INDEX }, 2);

	wr_be16(w, 8);
	wr_be16(w, 0);
}

static uint64_t read_value(const struct msg *m)
{
	struct rd r = rd_of(m->buf, m->len);

	rd_skip(&r, 10 + 4 + 2);
	uint64_t value = rd_be64(&r);
	assert_int_equal(rd_check(&r), 0);
	return value;
}

/* The first bytes of SHA-256's PCR 8. */
static uint32_t pcr_8(struct bench *b)
{
	struct cmd c;
	struct wr *w = cmd_begin(&c, TPM_CC_PCR_READ, NULL, 0);

	wr_be32(w, 1);
	wr_be16(w, 0x000b);
	wr_copy(w, "\3\0\1\0", 4);
	assert_int_equal(run(b, &c), TPM_RC_SUCCESS);
	struct rd r = rd_of(b->monitor.in->buf, b->monitor.in->len);
	rd_skip(&r, 10 + 4 + 4 + 2 + 4 + 4 + 2);
	return rd_be32(&r);
}

/* --- tests ---------------------------------------------------------------------------------------- */

static void test_commands_and_power_cycles(void **state)
{
	struct bench *b = *state;
	struct cmd c;

	assert_int_equal(startup(b), TPM_RC_SUCCESS);
	assert_int_equal(startup(b), TPM_RC_INITIALIZE); /* once a power cycle */
	define_fill(&c);
	assert_int_equal(run(b, &c), TPM_RC_SUCCESS);
	write_fill(&c, 77);
	assert_int_equal(run(b, &c), TPM_RC_SUCCESS);
	uint64_t count = b->store.mark.run;
	bench_close(b);
	bench_open(b);
	assert_int_equal(b->store.mark.run, count + 1);
	assert_int_equal(startup(b), TPM_RC_SUCCESS);
	read_fill(&c);
	assert_int_equal(run(b, &c), TPM_RC_SUCCESS);
	assert_int_equal(read_value(b->monitor.in), 77);
}

static void test_measurements_come_first(void **state)
{
	struct bench *b = *state;
	struct wire_vtpm_measure m = { .pcr = le32_of(8) };

	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			chan_send(&b->monitor, VTPM_MSG_MEASURE, &m, sizeof m, NULL, 0), 0);
		assert_int_equal(turn(b, VTPM_MSG_MEASURED), TPM_RC_SUCCESS);
		assert_int_equal(startup(b), TPM_RC_INITIALIZE); /* it is up already */
		assert_int_equal(pcr_8(b), 0xf5a5fd42);
		bench_close(b);
		bench_open(b);
	}
	assert_int_equal(startup(b), TPM_RC_SUCCESS);
	assert_int_equal(pcr_8(b), 0);
	assert_int_equal(chan_send(&b->monitor, VTPM_MSG_MEASURE, &m, sizeof m, NULL, 0), 0);
	assert_int_equal(loop_run(&b->loop), -EPROTO); /* the guest has had its word */
}

/* What is no command at all still gets the TPM's answer. */
static void test_bad_commands(void **state)
{
	struct bench *b = *state;
	static const uint8_t bytes[VTPM_BUFFER_BYTES] = { 0x80, 0x01 };
	struct cmd c;

	assert_int_equal(startup(b), TPM_RC_SUCCESS);
	for (size_t len = 1; len <= VTPM_BUFFER_BYTES; len = len < 12 ? len + 1 : len * 2 + 1) {
		memset(&c.hdr, 0, sizeof c.hdr);
		memcpy(c.buf, bytes, len);
		assert_int_equal(
			chan_send(&b->monitor, VTPM_MSG_COMMAND, &c, sizeof c.hdr + len, NULL, 0),
			0);
		assert_int_equal(turn(b, VTPM_MSG_RESPONSE), TPM_RC_COMMAND_SIZE);
	}
}

/* A monitor that breaks a rule is no monitor any more. */
static void test_bad_messages(void **state)
{
	static uint8_t big[sizeof(struct wire_vtpm_command) + VTPM_BUFFER_BYTES + 1];
	static const struct {
		uint16_t type;
		size_t len;
		uint8_t first;
		int err;
	} bad[] = {
		{ VTPM_MSG_COMMAND, 0, 0, -EBADMSG },
		{ VTPM_MSG_COMMAND, sizeof(struct wire_vtpm_command), 0, -EBADMSG },
		{ VTPM_MSG_COMMAND, sizeof big, 0, -EBADMSG },
		{ VTPM_MSG_COMMAND, 20, 5, -EPROTO },
		{ VTPM_MSG_MEASURE, sizeof(struct wire_vtpm_measure), 24, -EPROTO },
		{ VTPM_MSG_MEASURE, sizeof(struct wire_vtpm_measure) - 1, 0, -EBADMSG },
		{ VTPM_MSG_CANCEL, 1, 0, -EBADMSG },
		{ VTPM_MSG_RESPONSE, 10, 0, -EBADMSG },
		{ SUP_MSG_STOP, 0, 0, -EBADMSG },
		{ 0, 0, 0, -EBADMSG },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memset(big, 0, sizeof big);
		big[0] = bad[i].first;
		assert_int_equal(chan_send(&b->monitor, bad[i].type, big, bad[i].len, NULL, 0), 0);
		b->loop.is_stopped = false;
		assert_int_equal(loop_run(&b->loop), bad[i].err);
		assert_int_equal(chan_recv(&b->monitor, false), -EAGAIN);
	}
}

static void test_stop_and_gone(void **state)
{
	struct bench *b = *state;

	assert_int_equal(chan_send(&b->super, SUP_MSG_STOP, NULL, 0, NULL, 0), 0);
	assert_int_equal(loop_run(&b->loop), 0);
	chan_close(&b->monitor);
	b->loop.is_stopped = false;
	assert_int_equal(loop_run(&b->loop), 0);
}

static void test_full_disk(void **state)
{
	struct bench *b = *state;
	struct cmd c;

	assert_int_equal(startup(b), TPM_RC_SUCCESS);
	define_fill(&c);
	assert_int_equal(run(b, &c), TPM_RC_SUCCESS);
	disk_sync_error = ENOSPC;
	write_fill(&c, 1);
	assert_int_equal(run(b, &c), TPM_RC_FAILURE);
	disk_sync_error = 0;
	write_fill(&c, 1);
	assert_int_equal(run(b, &c), TPM_RC_FAILURE);
	assert_int_equal(startup(b), TPM_RC_FAILURE);
}

/* A guest that is stopped without TPM2_Shutdown is no attack on passwords: resets are counted, and an
 * orderly end is not a reset that lost something (TPM part 1, 19.8.6). */
static void test_end_is_orderly(void **state)
{
	struct bench *b = *state;
	struct cmd c;

	assert_int_equal(startup(b), TPM_RC_SUCCESS);
	bench_close(b);
	bench_open(b);
	assert_int_equal(startup(b), TPM_RC_SUCCESS);
	/* TPM_CAP_TPM_PROPERTIES, TPM_PT_PERMANENT and STARTUP_CLEAR: bit 31 is "orderly". */
	struct wr *w = cmd_begin(&c, TPM_CC_GET_CAPABILITY, NULL, 0);
	wr_be32(w, 6);
	wr_be32(w, 0x201);
	wr_be32(w, 1);
	assert_int_equal(run(b, &c), TPM_RC_SUCCESS);
	struct rd r = rd_of(b->monitor.in->buf, b->monitor.in->len);
	rd_skip(&r, 10 + 1 + 4 + 4);
	assert_int_equal(rd_be32(&r), 0x201);
	assert_true((rd_be32(&r) & 1u << 31) != 0);
}

/* --- a process of its own --------------------------------------------------------------------------- */

/* Fork; the child serves until it is killed, or its monitor goes. */
static pid_t child_start_serving(struct bench *b)
{
	int monitor[2];

	assert_int_equal(chan_pair(monitor), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(monitor[0]);
		vtpm_make(b, monitor[1]);
		int err = loop_run(&b->loop);
		vtpm_close(&b->vtpm);
		_exit(err < 0);
	}
	(void)close(monitor[1]);
	assert_int_equal(chan_open(&b->monitor, monitor[0]), 0);
	return pid;
}

static uint32_t child_run(struct bench *b, struct cmd *c)
{
	cmd_send(&b->monitor, c);
	assert_int_equal(chan_recv(&b->monitor, true), 0);
	assert_int_equal(b->monitor.in->type, VTPM_MSG_RESPONSE);
	return tpm_rsp_code(b->monitor.in->buf, b->monitor.in->len);
}

static int setup_child(void **state)
{
	static struct bench b;

	b.fd = memfd_create("state", MFD_CLOEXEC);
	assert_int_equal(secret_init(&b.key, NVSTORE_KEY_BYTES), 0);
	/* A child has no key that was wiped by fork(). */
	assert_int_equal(madvise(b.key.p, b.key.map_size, MADV_KEEPONFORK), 0);
	state_make(b.fd, &b.key);
	*state = &b;
	return 0;
}

static int teardown_child(void **state)
{
	struct bench *b = *state;

	secret_done(&b->key);
	fd_drop(&b->fd);
	return 0;
}

/* RSA keys take a while to find: a message ends that early. */
static void test_cancel(void **state)
{
	struct bench *b = *state;
	struct cmd c;
	unsigned int cancelled = 0, flushed = 0;

	pid_t pid = child_start_serving(b);
	startup_fill(&c);
	assert_int_equal(child_run(b, &c), TPM_RC_SUCCESS);
	for (int i = 0; i < 20; i++) {
		struct wr *w = cmd_begin(&c, TPM_CC_CREATE_PRIMARY, (uint32_t[]){ 0x40000007 }, 1);
		wr_copy(w, "\0\4\0\0\0\0\0\x1a\0\1\0\x0b\0\3\0\x72\0\0", 18);
		wr_copy(w, "\0\6\0\x80\0\x43\0\x10\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
		cmd_send(&b->monitor, &c);
		(void)poll(NULL, 0, 2);
		assert_int_equal(chan_send(&b->monitor, VTPM_MSG_CANCEL, NULL, 0, NULL, 0), 0);
		assert_int_equal(chan_recv(&b->monitor, true), 0);
		uint32_t rc = tpm_rsp_code(b->monitor.in->buf, b->monitor.in->len);
		assert_true(rc == TPM_RC_SUCCESS || rc == 0x909);
		cancelled += rc == 0x909;
		w = cmd_begin(&c, TPM_CC_FLUSH_CONTEXT, NULL, 0);
		wr_be32(w, 0x80000000);
		flushed += child_run(b, &c) == TPM_RC_SUCCESS;
	}
	assert_int_equal(cancelled + flushed, 20);
	assert_true(cancelled > 0);
	chan_close(&b->monitor);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* What was acknowledged is there; what was in flight may be. */
static void test_kill_at_random_instants(void **state)
{
	struct bench *b = *state;
	uint64_t sent = 0, acked = 0;
	unsigned int unanswered = 0, kept = 0;
	struct cmd c;

	srand(5);
	for (unsigned int i = 0; i <= KILLS; i++) {
		pid_t pid = child_start_serving(b);
		startup_fill(&c);
		assert_int_equal(child_run(b, &c), TPM_RC_SUCCESS);
		if (i == 0) {
			define_fill(&c);
			assert_int_equal(child_run(b, &c), TPM_RC_SUCCESS);
		} else {
			read_fill(&c);
			assert_int_equal(child_run(b, &c), TPM_RC_SUCCESS);
			uint64_t value = read_value(b->monitor.in);
			assert_true(value >= acked && value <= sent);
			kept += value > acked;
		}
		unsigned int answered = (unsigned int)rand() % 4 + (i == 0);
		for (unsigned int n = 0; n < answered; n++) {
			write_fill(&c, ++sent);
			assert_int_equal(child_run(b, &c), TPM_RC_SUCCESS);
			acked = sent;
		}
		write_fill(&c, ++sent);
		cmd_send(&b->monitor, &c);
		for (int spin = rand() % 12000; spin > 0; spin--)
			__asm__ volatile("pause");
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		if (chan_recv(&b->monitor, false) == 0)
			acked = sent;
		else
			unanswered++;
		chan_close(&b->monitor);
	}
	print_message("# %u kills, %u of them before the answer to a write, %u of those after it "
		      "was stored\n",
		KILLS, unanswered, kept);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CHILD(name) cmocka_unit_test_setup_teardown(name, setup_child, teardown_child)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_commands_and_power_cycles),
		TEST(test_measurements_come_first),
		TEST(test_bad_commands),
		TEST(test_bad_messages),
		TEST(test_stop_and_gone),
		TEST(test_full_disk),
		TEST(test_end_is_orderly),
		CHILD(test_cancel),
		CHILD(test_kill_at_random_instants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
