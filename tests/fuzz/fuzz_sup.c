/*
 * The supervisor of a guest with every kind of child, from their start to the end of all: what they
 * send in which order, what they bring, what they write to their logs, when they die, who is late.
 * Reaches sup_start_guest(), sup_watch_run(), every rule of every role, receipt_verify(), sup_log.
 *
 * There are no processes: spawn_start(), spawn_reap(), spawn_kill() and the signals to them are
 * exchanged by the linker; so are time, the sockets it connects to and what it prints. A descriptor
 * that is left, a line with a byte that a terminal would obey, and a supervisor that does not end when
 * all its children have are findings.
 *
 * Input: u8 flags (1: no ledger, 2: no owner, 4: no quoting service, 8: READY of all comes first, 16:
 * and LAUNCHED), then records; their first byte modulo RECORD_COUNT says what they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "attest/ledger/ledger_proto.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/rd.h"
#include "sandbox/receipt.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/guard.h"
#include "vmm/super/sup_confine.h"
#include "vmm/super/sup_start.h"
#include "vmm/super/sup_watch.h"

#define RECORDS_MAX 200
#define STEPS_MAX   100
#define FDS_COUNTED 256
#define GOOD        0xAA /* first byte of a receipt that this test's receipt_verify() accepts */

enum record {
	RECORD_MESSAGE, /* u8 child, u8 type, u8 descriptors, u8 length (255: the type's own), bytes */
	RECORD_READY,  /* u8 child: a good one */
	RECORD_END,    /* u8 child, u8 status, with bit 7: a signal */
	RECORD_LOG,    /* u8 child, u8 length, bytes */
	RECORD_CLOSE,  /* u8 child: its channel */
	RECORD_LATE,   /* the phase's time is over */
	RECORD_SIGNAL, /* somebody wants it to end */
	RECORD_DONE,   /* the ledger has written what it was sent last: u8 error */
	RECORD_COUNT
};

/* A child, as the supervisor sees it. */
struct peer {
	int chan;
	int log;
	int pidfd; /* an event: readable when it has ended */
	bool has_ended;
	bool is_reaped;
	struct spawn_end end;
};

static struct {
	bool is_on; /* the exchanged functions are this test's */
	struct sup_guest g;
	struct sup_files files;
	struct confine confine;
	struct rd in;
	unsigned int flags;
	uint64_t now_ms;
	unsigned int n;
	struct peer peers[SUP_CHILDREN_MAX];
	int signals; /* write end */
	le32 cookie; /* of the ledger entry that was sent last */
} run;

static struct wire_plan plan; /* of all inputs */

/* ---- what the linker exchanges ---------------------------------------------------------------- */

int __wrap_spawn_start(enum role role, const int *fds, unsigned int n_fds,
	const struct spawn_place *place, struct spawn_child *ret, struct why *why);
int __wrap_spawn_reap(struct spawn_child *c, struct spawn_end *ret);
void __wrap_spawn_kill(struct spawn_child *c);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
int __wrap_loop_run(struct loop *loop);
int __wrap_loop_signal_open(const int *signals, size_t n, int *ret_fd);
int __wrap_confine_narrow(const struct confine *c, int registry, struct why *why);
int __wrap_sup_open_port(
	const struct sup_files *files, const struct wire_plan_port *port, int *ret_fd);
int __wrap_sup_open_quoting(const struct sup_files *files, const struct wire_plan *p, int *ret_fd);
int __real_receipt_verify(const struct spawn_child *c, const struct receipt_want *want,
	const void *bytes, size_t len, struct wire_receipt *ret, struct why *why);
int __wrap_receipt_verify(const struct spawn_child *c, const struct receipt_want *want,
	const void *bytes, size_t len, struct wire_receipt *ret, struct why *why);
int __wrap_receipt_check_apart(
	const struct wire_receipt *a, const struct wire_receipt *b, struct why *why);

static struct peer *peer_of(int pidfd)
{
	for (unsigned int i = 0; i < run.n; i++)
		if (run.peers[i].pidfd == pidfd)
			return &run.peers[i];
	return NULL;
}

static void peer_end(struct peer *p, bool is_signal, int status)
{
	if (p->has_ended)
		return;
	p->has_ended = true;
	p->end = (struct spawn_end){ is_signal, status };
	fd_drop(&p->chan);
	fd_drop(&p->log);
	(void)eventfd_write(p->pidfd, 1);
}

int __wrap_spawn_start(enum role role, const int *fds, unsigned int n_fds,
	const struct spawn_place *place, struct spawn_child *ret, struct why *why)
{
	int chan[2];
	int log[2];
	struct peer *p = &run.peers[run.n];

	if (chan_pair(chan) < 0 || pipe2(log, O_CLOEXEC | O_NONBLOCK) < 0 ||
		fcntl(chan[0], F_SETFL, O_NONBLOCK) < 0)
		finding("no supervisor to test");
	*p = (struct peer){
		.chan = chan[1], .log = log[1], .pidfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
	};
	*ret = (struct spawn_child){ .role = role,
		.pid = (pid_t)++run.n,
		.pidfd = p->pidfd,
		.chan_fd = chan[0],
		.log_fd = log[0] };
	return 0;
}

int __wrap_spawn_reap(struct spawn_child *c, struct spawn_end *ret)
{
	struct peer *p = peer_of(c->pidfd);

	if (c->pid == 0)
		return -ECHILD;
	if (!p->has_ended)
		return -EAGAIN;
	p->is_reaped = true;
	c->pid = 0;
	*ret = p->end;
	return 0;
}

void __wrap_spawn_kill(struct spawn_child *c)
{
	struct peer *p = peer_of(c->pidfd);

	if (p != NULL) {
		fd_drop(&p->chan);
		fd_drop(&p->log);
		p->pidfd = -1;
	}
	c->pid = 0;
	fd_drop(&c->pidfd);
	fd_drop(&c->chan_fd);
	fd_drop(&c->log_fd);
}

/* Like the C library's own, it hands on six arguments, however many there are: the words behind the
 * last are whatever lies there. */
__attribute__((no_sanitize("address"))) long __wrap_syscall(long number, ...)
{
	long args[6];
	va_list ap;

	va_start(ap, number);
	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		args[i] = va_arg(ap, long);
	va_end(ap);
	if (number != SYS_pidfd_send_signal)
		return __real_syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
	struct peer *p = peer_of((int)args[0]);
	if (p == NULL || p->is_reaped)
		finding("a signal for a process that is no child, or was reaped");
	peer_end(p, true, (int)args[1]);
	return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	if (run.is_on && timeout > 0) {
		run.now_ms += (uint64_t)timeout;
		timeout = 0;
	}
	return __real_poll(fds, n, timeout);
}

/* As <poll.h> calls it under FORTIFY_SOURCE. */
int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	return __wrap_poll(fds, n, timeout);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (!run.is_on)
		return __real_clock_gettime(clock, ret);
	run.now_ms++;
	*ret = (struct timespec){ (time_t)(run.now_ms / 1000),
		(long)(run.now_ms % 1000) * 1000000 };
	return 0;
}

/* What a person would see: the guest's own output as it is, everything else as one line each. */
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	if (!run.is_on || (fd != STDOUT_FILENO && fd != STDERR_FILENO))
		return __real_write(fd, buf, len);
	for (size_t i = 0; fd == STDERR_FILENO && i < len; i++)
		if ((p[i] < 0x20 || p[i] > 0x7e) != (i + 1 == len) ||
			(i + 1 == len && p[i] != '\n'))
			finding("a line that a terminal would obey");
	return (ssize_t)len;
}

int __wrap_loop_signal_open(const int *signals, size_t n, int *ret_fd)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		finding("no supervisor to test");
	*ret_fd = pair[0];
	run.signals = pair[1];
	return 0;
}

int __wrap_confine_narrow(const struct confine *c, int registry, struct why *why)
{
	return 0;
}

static int stream_make(int *ret_fd)
{
	int pair[2];

	if ((run.now_ms & 3) == 0)
		return -ECONNREFUSED;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		finding("no supervisor to test");
	(void)close(pair[1]);
	*ret_fd = pair[0];
	return 0;
}

int __wrap_sup_open_port(
	const struct sup_files *files, const struct wire_plan_port *port, int *ret_fd)
{
	if (port < plan.ports || port >= plan.ports + le32_get(plan.n_ports))
		finding("a port that the plan does not have");
	return stream_make(ret_fd);
}

int __wrap_sup_open_quoting(const struct sup_files *files, const struct wire_plan *p, int *ret_fd)
{
	return stream_make(ret_fd);
}

int __wrap_receipt_verify(const struct spawn_child *c, const struct receipt_want *want,
	const void *bytes, size_t len, struct wire_receipt *ret, struct why *why)
{
	if (len == 0 || *(const uint8_t *)bytes != GOOD)
		return __real_receipt_verify(c, want, bytes, len, ret, why);
	memset(ret, 0, sizeof *ret);
	return 0;
}

int __wrap_receipt_check_apart(
	const struct wire_receipt *a, const struct wire_receipt *b, struct why *why)
{
	return 0;
}

/* ---- children --------------------------------------------------------------------------------- */

/* Take what the supervisor sent: descriptors must not pile up, and the ledger's cookie is wanted. */
static void peer_read(unsigned int i)
{
	struct chan c = { .fd = -1 };

	if (run.peers[i].chan < 0 || chan_open(&c, run.peers[i].chan) < 0)
		return;
	while (chan_recv(&c, false) == 0)
		if (c.in->type == LEDGER_MSG_ENTRY && &run.g.children[i] == run.g.ledger)
			memcpy(&run.cookie, c.in->buf, sizeof run.cookie);
	c.fd = -1;
	chan_close(&c);
}

static void message_send(
	struct peer *p, uint16_t type, const void *bytes, size_t len, unsigned int n_fds)
{
	static uint8_t raw[sizeof(struct chan_hdr) + LIMIT_CHAN_MSG_BYTES];
	struct chan_hdr hdr = { .type = le16_of(type), .len = le32_of((uint32_t)len) };
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(4 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { raw, sizeof hdr + len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	const int fds[4] = { p->pidfd, p->pidfd, p->pidfd, p->pidfd };

	memcpy(raw, &hdr, sizeof hdr);
	memcpy(raw + sizeof hdr, bytes, len);
	if (n_fds > 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
		*cm = (struct cmsghdr){ CMSG_LEN(n_fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(cm), fds, n_fds * sizeof(int));
	}
	if (p->chan >= 0 && sendmsg(p->chan, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* full, or nobody listens any more */
}

static size_t type_len(uint16_t type)
{
	static const size_t lens[CHAN_TYPES_MAX] = {
		[SUP_MSG_READY] = sizeof(struct wire_receipt),
		[SUP_MSG_FAILED] = sizeof(struct wire_failed),
		[SUP_MSG_LAUNCHED] = sizeof(struct wire_launched),
		[SUP_MSG_ENDED] = sizeof(struct wire_ended),
		[SUP_MSG_SERIAL] = 200,
		[SUP_MSG_SEV_MEASURED] = sizeof(struct wire_sev_measured),
		[SUP_MSG_SEV_SECRET] = sizeof(struct wire_sev_secret),
		[SUP_MSG_CONNECT] = sizeof(struct wire_connect),
	};

	return type < CHAN_TYPES_MAX ? lens[type] : 0;
}

static struct peer *peer_read_index(struct rd *r)
{
	return &run.peers[rd_u8(r) % run.n];
}

static void record_message(struct rd *r)
{
	static uint8_t bytes[LIMIT_CHAN_MSG_BYTES];
	struct peer *p = peer_read_index(r);
	uint16_t type = rd_u8(r);
	unsigned int n_fds = rd_u8(r) % 5u;
	size_t len = rd_u8(r);

	if (len == 255)
		len = type_len(type);
	memset(bytes, 0, len);
	rd_copy(r, bytes, MIN(len, r->left));
	message_send(p, type, bytes, len, n_fds);
}

static void ready_send(struct peer *p)
{
	const uint8_t receipt[sizeof(struct wire_receipt)] = { GOOD };

	message_send(p, SUP_MSG_READY, receipt, sizeof receipt, 0);
}

static void record_log(struct rd *r)
{
	struct peer *p = peer_read_index(r);
	size_t len = rd_u8(r); /* MIN() asks twice */

	len = MIN(len, r->left);
	const uint8_t *bytes = rd_bytes(r, len);

	if (bytes != NULL && p->log >= 0 && __real_write(p->log, bytes, len) < 0)
		return; /* full */
}

static void record_signal(void)
{
	const struct signalfd_siginfo info = { .ssi_signo = SIGTERM };

	if (__real_write(run.signals, &info, sizeof info) < 0)
		return; /* full */
}

static void record_done(struct rd *r)
{
	struct wire_ledger_done done = { .cookie = run.cookie };

	done.err = le32_of(rd_u8(r));
	if (run.g.ledger != NULL)
		message_send(&run.peers[run.g.ledger - run.g.children], LEDGER_MSG_DONE, &done,
			sizeof done, 0);
}

/* ---- the script ------------------------------------------------------------------------------- */

static void settle(void)
{
	struct pollfd p = { .fd = run.g.loop.epoll_fd, .events = POLLIN };

	for (int i = 0; i < STEPS_MAX && !run.g.loop.is_stopped && __real_poll(&p, 1, 0) == 1; i++)
		if (loop_step(&run.g.loop, 0) < 0)
			finding("the loop fails");
	for (unsigned int i = 0; i < run.n; i++)
		peer_read(i);
}

static void record_run(struct rd *r)
{
	uint8_t what = rd_u8(r);
	struct peer *p;

	switch ((enum record)((what & 0x7f) % RECORD_COUNT)) {
	case RECORD_MESSAGE:
		record_message(r);
		break;
	case RECORD_READY:
		ready_send(peer_read_index(r));
		break;
	case RECORD_END: {
		p = peer_read_index(r);
		uint8_t status = rd_u8(r);
		peer_end(p, (status & 0x80) != 0, status & 0x7f);
		break;
	}
	case RECORD_LOG:
		record_log(r);
		break;
	case RECORD_CLOSE:
		p = peer_read_index(r);
		fd_drop(&p->chan);
		break;
	case RECORD_LATE:
		run.g.timer.fire(&run.g.timer, 0);
		break;
	case RECORD_SIGNAL:
		record_signal();
		break;
	case RECORD_DONE:
	case RECORD_COUNT:
		record_done(r);
		break;
	}
	if ((what & 0x80) == 0)
		settle();
}

static void good_start(void)
{
	struct wire_launched launched = { .measured_pages = le64_of(5) };

	for (unsigned int i = 0; i < run.n; i++)
		if (&run.g.children[i] != run.g.monitor)
			ready_send(&run.peers[i]);
	settle();
	if ((run.flags & 16) == 0 || run.g.monitor == NULL)
		return;
	struct peer *monitor = &run.peers[run.g.monitor - run.g.children];
	message_send(monitor, SUP_MSG_LAUNCHED, &launched, sizeof launched, 0);
	ready_send(monitor);
	settle();
}

int __wrap_loop_run(struct loop *loop)
{
	if ((run.flags & 8) != 0)
		good_start();
	for (int i = 0; i < RECORDS_MAX && run.in.left > 0 && !loop->is_stopped; i++)
		record_run(&run.in);
	/* Now all end, and those that are waited for are late. */
	for (int i = 0; i < 2 * PHASE_COUNT && !loop->is_stopped; i++) {
		for (unsigned int k = 0; k < run.n; k++)
			peer_end(&run.peers[k], false, 0);
		settle();
		if (!loop->is_stopped)
			run.g.timer.fire(&run.g.timer, 0);
	}
	if (!loop->is_stopped)
		finding("it lives on without children");
	return loop->result;
}

static void plan_make(void)
{
	plan = (struct wire_plan){
		.name = "fuzz",
		.vcpus = le32_of(1),
		.memory_mib = le64_of(128),
		.tee = le32_of(PLAN_TEE_SEV),
		.flags = le32_of(PLAN_RNG | PLAN_CONSOLE | PLAN_VSOCK | PLAN_SERIAL |
				 ((run.flags & 2) == 0 ? PLAN_OWNER : 0)),
		.n_disks = le32_of(1),
		.n_ports = le32_of(2),
		.vsock_cid = le64_of(7),
		.owner_wait_s = le32_of(10),
		.kernel = "/kernel",
	};
	(void)strcpy(plan.disks[0].id, "data");
	(void)strcpy(plan.ports[0].path, "/a\033[31m");
	if ((run.flags & 1) == 0)
		(void)strcpy(plan.ledger, "/ledger");
	if ((run.flags & 4) == 0)
		(void)strcpy(plan.qgs, "/qgs");
}

static void files_make(struct sup_files *f)
{
	int *const all[] = { &f->kvm, &f->sev, &f->memory, &f->empty, &f->kernel, &f->initrd,
		&f->firmware, &f->flash_vars, &f->sev_dh, &f->sev_session, &f->snp_certs,
		&f->owner_ca, &f->disks[0], &f->ledger, &f->ledger_key };

	*f = SUP_FILES_NONE;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		*all[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
}

static unsigned int fds_count(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < FDS_COUNTED; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int before = fds_count();
	struct why why = { 0 };

	log_set_level(LOG_LEVEL_DEBUG);
	sup_log_set_level(LOG_LEVEL_DEBUG);
	memset(&run, 0, sizeof run);
	run.in = rd_of(data, size);
	run.flags = rd_u8(&run.in);
	run.signals = -1;
	run.is_on = true;
	plan_make();
	files_make(&run.files);
	run.g.registry = -1;
	run.confine = CONFINE_NONE;
	run.confine.plan = run.g.plan = &plan;
	run.g.files = &run.files;
	run.g.confine = &run.confine;
	if (sup_watch_open(&run.g, &why) < 0 || sup_start_guest(&run.g, false, &why) < 0 ||
		sup_watch_run(&run.g) < 0)
		finding("no supervisor to test");
	sup_watch_close(&run.g);
	sup_files_close(&run.files);
	fd_drop(&run.signals);
	run.is_on = false;
	if (fds_count() != before)
		finding("a descriptor leaked, or one that was not theirs is closed");
	return 0;
}
