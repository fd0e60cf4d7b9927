#include "sandbox/role.h"

#include <assert.h>

#include "base/limits.h"
#include "sandbox/seccomp_table.h"

#define AS_INHERITED UINT64_MAX
/* A monitor holds three descriptors a queue (kick, call, and the front end's copy) and a socket a
 * device, a vCPU each, and its maps; a device process two a queue. */
#define MONITOR_FDS 256u
#define DEVICE_FDS  64u

static const struct role_row roles[ROLE_COUNT] = {
	[ROLE_POLICY] = { "policy", "casemate-policy", "casemate_policy_t",
		{ ROLE_FD_CHAN, ROLE_FD_FILE }, 0, 16, 0, &seccomp_policy },
	[ROLE_LEDGER] = { "ledger", "casemate-ledger", "casemate_ledger_t",
		{ ROLE_FD_CHAN, ROLE_FD_FOLDER, ROLE_FD_FILE },
		ROLE_WRITES_FILES | ROLE_RUNS_AS_OWNER, 32, AS_INHERITED, &seccomp_ledger },
	[ROLE_MONITOR] = { "monitor", "casemate-monitor", "casemate_monitor_t", { ROLE_FD_CHAN },
		ROLE_HAS_THREADS, MONITOR_FDS, AS_INHERITED, &seccomp_monitor },
	[ROLE_MONITOR_SIM] = { "monitor-sim", "casemate-monitor-sim", "casemate_monitor_t",
		{ ROLE_FD_CHAN }, ROLE_HAS_THREADS, MONITOR_FDS, AS_INHERITED,
		&seccomp_monitor_sim },
	[ROLE_DEV_BLK] = { "dev-blk", "casemate-dev-blk", "casemate_dev_blk_t", { ROLE_FD_CHAN },
		ROLE_WRITES_FILES, DEVICE_FDS, 0, &seccomp_dev_blk },
	[ROLE_DEV_CONSOLE] = { "dev-console", "casemate-dev-console", "casemate_dev_console_t",
		{ ROLE_FD_CHAN }, ROLE_WRITES_FILES, DEVICE_FDS, 0, &seccomp_dev_console },
	[ROLE_DEV_RNG] = { "dev-rng", "casemate-dev-rng", "casemate_dev_rng_t", { ROLE_FD_CHAN }, 0,
		DEVICE_FDS, 0, &seccomp_dev_rng },
	/* One descriptor a stream. */
	[ROLE_DEV_VSOCK] = { "dev-vsock", "casemate-dev-vsock", "casemate_dev_vsock_t",
		{ ROLE_FD_CHAN }, 0, 1024, 0, &seccomp_dev_vsock },
	[ROLE_QUOTE] = { "quote", "casemate-quote", "casemate_quote_t", { ROLE_FD_CHAN }, 0, 16, 0,
		&seccomp_quote },
	/* The one child that speaks to somebody far away: TCP, and only what it resolved at its start. */
	[ROLE_OWNER] = { "owner", "casemate-owner", "casemate_owner_t", { ROLE_FD_CHAN },
		ROLE_HAS_NETWORK, 64, 0, &seccomp_owner },
	/* Its log may be a regular file. */
	[ROLE_BROKER] = { "broker", "casemate-broker", "casemate_broker_t", { ROLE_FD_END },
		ROLE_IS_SELF_STARTED | ROLE_WRITES_FILES, 1024, AS_INHERITED, &seccomp_broker },
	[ROLE_TEST] = { "test", "sandbox-child", "casemate_test_t",
		{ ROLE_FD_CHAN, ROLE_FD_FILE, ROLE_FD_FOLDER }, ROLE_WRITES_FILES, 32, 0,
		&seccomp_test },
};

const struct role_row *role_get(enum role role)
{
	assert(role < ROLE_COUNT);
	return &roles[role];
}

unsigned int role_count_fds(const struct role_row *row)
{
	unsigned int n = 0;

	while (n < ROLE_FDS_MAX && row->fds[n] != ROLE_FD_END)
		n++;
	return n;
}
