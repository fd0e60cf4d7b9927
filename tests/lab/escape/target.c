#include "tests/lab/escape/target.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attest/ledger/ledger_proto.h"
#include "attest/owner/owner_proto.h"
#include "base/fd.h"
#include "policy/plan.h"
#include "sandbox/svirt.h"
#include "vmm/super/sup_proto.h"

#define GUEST_BYTES  (128ull << 20)
#define BROKER_BYTES (512ull << 20)
#define SUPER_BYTES  (768ull << 20)
#define SEALS        (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static const char *folder;
static struct svirt *labels; /* NULL: none */

int target_use_labels(struct why *why)
{
	return svirt_open(SVIRT_REQUIRED, "", "test.escape/own", &labels, why);
}

void target_drop_labels(void)
{
	svirt_close(labels);
	labels = NULL;
}

void target_set_folder(const char *path)
{
	folder = path;
}

/* A file of the folder; -1 shows up as EBADF where it is used. */
static int file_open(const char *name, int flags)
{
	char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return open(path, flags | O_CLOEXEC);
}

static MUST_USE int spawn(
	struct target_run *r, enum role role, const int *fds, unsigned int n, struct why *why)
{
	*r = (struct target_run){
		.child = SPAWN_CHILD_NONE, .chan = { .fd = -1 }, .peers = { -1, -1 }
	};
	struct spawn_place place = SPAWN_PLACE_NONE;
	int err = svirt_process_label(labels, role, &place.label, why);
	place.socket_label = svirt_socket_label(labels);
	place.guest_bytes = role == ROLE_MONITOR ? GUEST_BYTES : 0;
	if (err == 0)
		err = spawn_start(role, fds, n, &place, &r->child, why);
	return err == 0 ? chan_open(&r->chan, fd_take(&r->child.chan_fd)) : err;
}

static MUST_USE int config(
	struct target_run *r, const void *bytes, size_t len, const int *fds, unsigned int n)
{
	return chan_send(&r->chan, SUP_MSG_CONFIG, bytes, len, fds, n);
}

static MUST_USE int policy_start(struct target_run *r, struct why *why)
{
	AUTO(fd) int file = file_open("policy.jsonc", O_RDONLY);
	int err = spawn(r, ROLE_POLICY, &file, 1, why);

	return err == 0 ? config(r, "p.jsonc", sizeof "p.jsonc", NULL, 0) : err;
}

static MUST_USE int ledger_start(struct target_run *r, struct why *why)
{
	AUTO(fd) int ledger = file_open("ledger", O_RDONLY | O_DIRECTORY);
	AUTO(fd) int key = file_open("ledger.key", O_RDONLY);
	const struct wire_ledger_config c = { .origin = "test/escape" };
	const int fds[] = { ledger, key };
	int err = spawn(r, ROLE_LEDGER, fds, 2, why);

	return err == 0 ? config(r, &c, sizeof c, NULL, 0) : err;
}

/* Sockets between processes of the guest carry its categories. */
static MUST_USE int pair_make(int type, int ret[2], struct why *why)
{
	int err = svirt_sockets_begin(labels, why);

	if (err == 0 && socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret) < 0)
		err = -errno;
	svirt_sockets_end(labels);
	return err;
}

/* A device process: its end of a vhost-user socket first. */
static MUST_USE int device_start(struct target_run *r, enum role role, const void *bytes,
	size_t len, const int *fds, unsigned int n, struct why *why)
{
	int all[4] = { -1, -1, -1, -1 };
	int pair[2];
	int err = spawn(r, role, NULL, 0, why);

	if (err == 0)
		err = pair_make(SOCK_STREAM, pair, why);
	if (err < 0)
		return err;
	r->peers[0] = pair[0];
	AUTO(fd) int back = pair[1];
	all[0] = back;
	for (unsigned int i = 0; i < n; i++)
		all[1 + i] = fds[i];
	return config(r, bytes, len, all, 1 + n);
}

static MUST_USE int blk_start(struct target_run *r, struct why *why)
{
	AUTO(fd) int disk = file_open("own.disk", O_RDONLY);
	const struct wire_blk_config c = {
		.size = le64_of(1 << 20), .flags = le32_of(PLAN_DISK_READ_ONLY), .id = "own"
	};

	return device_start(r, ROLE_DEV_BLK, &c, sizeof c, &disk, 1, why);
}

static MUST_USE int console_start(struct target_run *r, struct why *why)
{
	int out[2], in[2];

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	AUTO(fd) int out_write = out[1];
	AUTO(fd) int out_read = out[0];
	AUTO(fd) int in_read = in[0];
	const int fds[] = { out_write, in_read };
	int err = svirt_label_pipe(labels, out_write, why);
	if (err == 0)
		err = svirt_label_pipe(labels, in_read, why);
	if (err == 0)
		err = device_start(r, ROLE_DEV_CONSOLE, NULL, 0, fds, 2, why);
	r->peers[1] = in[1];
	return err;
}

static MUST_USE int rng_start(struct target_run *r, struct why *why)
{
	return device_start(r, ROLE_DEV_RNG, NULL, 0, NULL, 0, why);
}

static MUST_USE int vsock_start(struct target_run *r, struct why *why)
{
	const struct wire_vsock_config c = {
		.cid = le64_of(7), .n_ports = le32_of(1), .ports = { le32_of(1024) }
	};

	return device_start(r, ROLE_DEV_VSOCK, &c, sizeof c, NULL, 0, why);
}

static MUST_USE int quote_start(struct target_run *r, struct why *why)
{
	int pair[2];
	int err = spawn(r, ROLE_QUOTE, NULL, 0, why);

	if (err == 0)
		err = pair_make(SOCK_SEQPACKET, pair, why);
	if (err < 0)
		return err;
	r->peers[0] = pair[0];
	AUTO(fd) int end = pair[1];
	return config(r, NULL, 0, &end, 1);
}

static MUST_USE int owner_start(struct target_run *r, struct why *why)
{
	AUTO(fd) int ca = file_open("owner.pem", O_RDONLY);
	AUTO(fd) int session = file_open("session", O_RDONLY);
	const struct wire_owner_config c = { .url = "https://127.0.0.1:1",
		.guest = "test/escape",
		.wait_s = le32_of(1),
		.vcpus = le32_of(1) };
	const int fds[OWNER_FD_COUNT] = { ca, session };
	int err = spawn(r, ROLE_OWNER, NULL, 0, why);

	return err == 0 ? config(r, &c, sizeof c, fds, OWNER_FD_COUNT) : err;
}

/* A plain guest of one vCPU and no devices. */
static MUST_USE int monitor_start(struct target_run *r, struct why *why)
{
	struct wire_mon_config c = { .tee = le32_of(PLAN_TEE_NONE),
		.vcpus = le32_of(1),
		.memory_bytes = le64_of(GUEST_BYTES),
		.flags = le32_of(MON_CONFIG_SERIAL) };
	AUTO(fd) int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	AUTO(fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO(fd) int memory = memfd_create("casemate-guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	AUTO(fd) int empty = memfd_create("casemate-none", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	AUTO(fd) int kernel = file_open("kernel", O_RDONLY);
	int fds[MON_FD_FIRST_DEVICE];

	if (memory < 0 || ftruncate(memory, (off_t)GUEST_BYTES) < 0 ||
		fcntl(memory, F_ADD_SEALS, SEALS) < 0 || fcntl(empty, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	for (unsigned int i = 0; i < MON_FD_FIRST_DEVICE; i++)
		fds[i] = empty;
	fds[MON_FD_KVM] = kvm;
	fds[MON_FD_SEV] = null;
	fds[MON_FD_MEMORY] = memory;
	fds[MON_FD_KERNEL] = kernel;
	int err = spawn(r, ROLE_MONITOR, NULL, 0, why);
	return err == 0 ? config(r, &c, sizeof c, fds, MON_FD_FIRST_DEVICE) : err;
}

/* A program that a person starts: descriptor 2 is what it inherits. space: its RLIMIT_AS, as its unit would
 * set it: these two know no number that fits every machine. */
static MUST_USE int command_start(struct target_run *r, const char *program,
	const char *const *args, rlim_t space, struct why *why)
{
	char path[512];
	int log[2];

	*r = (struct target_run){
		.child = SPAWN_CHILD_NONE, .chan = { .fd = -1 }, .peers = { -1, -1 }
	};
	(void)snprintf(path, sizeof path, "%s/%s", folder, program);
	if (pipe2(log, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		const struct rlimit limit = { space, space };
		(void)setrlimit(RLIMIT_AS, &limit);
		int null = open("/dev/null", O_RDWR);
		(void)dup2(null, 0);
		(void)dup2(null, 1);
		(void)dup2(log[1], 2);
		(void)execv(path, (char *const *)(uintptr_t)args);
		_exit(126);
	}
	(void)close(log[1]);
	r->child.log_fd = log[0];
	if (pid < 0)
		return -errno;
	r->child.pid = pid;
	r->child.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return r->child.pidfd < 0 || fcntl(log[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static MUST_USE int broker_start(struct target_run *r, struct why *why)
{
	char path[512];
	const char *const args[] = { "casemate-broker", "serve", "--config", path, NULL };

	(void)snprintf(path, sizeof path, "%s/broker.jsonc", folder);
	return command_start(r, "broker/casemate-broker", args, BROKER_BYTES, why);
}

/* A guest of one vCPU, whose other processes are as they should be. */
static MUST_USE int super_start(struct target_run *r, struct why *why)
{
	char path[512];
	const char *const args[] = { "casemate", "run", path, NULL };

	(void)snprintf(path, sizeof path, "%s/super/policy.jsonc", folder);
	return command_start(r, "super/casemate", args, SUPER_BYTES, why);
}

void target_end(struct target_run *r)
{
	chan_close(&r->chan);
	spawn_kill(&r->child);
	fd_drop(&r->peers[0]);
	fd_drop(&r->peers[1]);
}

/* clang-format off */
const struct target targets[] = {
	{ "policy",       ROLE_POLICY,      "casemate-policy",      WHEN_ENTERED, false, policy_start },
	{ "ledger",       ROLE_LEDGER,      "casemate-ledger",      WHEN_READY,   false, ledger_start },
	{ "monitor loop", ROLE_MONITOR,     "casemate-monitor",     WHEN_LOOP,    false, monitor_start },
	{ "monitor vcpu", ROLE_MONITOR,     "casemate-monitor",     WHEN_VCPU,    false, monitor_start },
	{ "dev-blk",      ROLE_DEV_BLK,     "casemate-dev-blk",     WHEN_READY,   true,  blk_start },
	{ "dev-console",  ROLE_DEV_CONSOLE, "casemate-dev-console", WHEN_READY,   false, console_start },
	{ "dev-rng",      ROLE_DEV_RNG,     "casemate-dev-rng",     WHEN_READY,   false, rng_start },
	{ "dev-vsock",    ROLE_DEV_VSOCK,   "casemate-dev-vsock",   WHEN_READY,   false, vsock_start },
	{ "quote",        ROLE_QUOTE,       "casemate-quote",       WHEN_READY,   false, quote_start },
	{ "owner",        ROLE_OWNER,       "casemate-owner",       WHEN_READY,   false, owner_start },
	{ "super",        ROLE_SUPER,       "super/casemate",       WHEN_ENTERED, false, super_start },
	{ "broker",       ROLE_BROKER,      "broker/casemate-broker", WHEN_ENTERED, false, broker_start },
};
/* clang-format on */
const unsigned int n_targets = ARRAY_LEN(targets);
