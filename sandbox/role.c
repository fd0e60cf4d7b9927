#include "sandbox/role.h"

#include <assert.h>

#include "base/limits.h"
#include "sandbox/seccomp_filter.h"

#define AS_INHERITED UINT64_MAX
/* A monitor holds three descriptors a queue (kick, call, and the front end's copy) and a socket a
 * device, a vCPU each, and its maps; a device process two a queue. */
#define MONITOR_FDS 256u
#define DEVICE_FDS  64u
/* No limit is set: this is how far open folders are looked for. */
#define SUPER_FDS 1024u

/*
 * Address space beside guest memory: program, C library and stack are 10 MiB, 30 with libcrypto; its
 * allocator maps in steps. A monitor reads a kernel (64 MiB), a ramdisk (512 MiB) and firmware through
 * mappings, and has a stack of 8 MiB a vCPU. The broker has 128 connections, each with at most a body
 * of 128 KiB and TLS's buffers, certificates of 8 MiB twice while they are replaced, its database's
 * cache, and the modules a PKCS#11 token brings. The simulated processor keeps copies of what it
 * encrypts, as much as the guest asks for: no number fits.
 */
#define SMALL_SPACE   (256ull << 20)
#define CRYPTO_SPACE  (512ull << 20)
#define MONITOR_SPACE (1024ull << 20)
#define BROKER_SPACE  (1024ull << 20)
#define ANY_SPACE     UINT64_MAX

static const struct role_row roles[ROLE_COUNT] = {
	[ROLE_POLICY] = { "policy", "casemate-policy", "casemate_policy_t",
		{ ROLE_FD_CHAN, ROLE_FD_FILE }, 0, 16, 0, CRYPTO_SPACE, &seccomp_policy },
	[ROLE_LEDGER] = { "ledger", "casemate-ledger", "casemate_ledger_t",
		{ ROLE_FD_CHAN, ROLE_FD_FOLDER, ROLE_FD_FILE },
		ROLE_WRITES_FILES | ROLE_RUNS_AS_OWNER, 32, AS_INHERITED, CRYPTO_SPACE,
		&seccomp_ledger },
	[ROLE_MONITOR] = { "monitor", "casemate-monitor", "casemate_monitor_t", { ROLE_FD_CHAN },
		ROLE_HAS_THREADS, MONITOR_FDS, AS_INHERITED, MONITOR_SPACE, &seccomp_monitor,
		&seccomp_monitor_vcpu },
	[ROLE_MONITOR_SIM] = { "monitor-sim", "casemate-monitor-sim", "casemate_monitor_t",
		{ ROLE_FD_CHAN }, ROLE_HAS_THREADS, MONITOR_FDS, AS_INHERITED, ANY_SPACE,
		&seccomp_monitor_sim, &seccomp_monitor_sim_vcpu },
	[ROLE_DEV_BLK] = { "dev-blk", "casemate-dev-blk", "casemate_dev_blk_t", { ROLE_FD_CHAN },
		ROLE_WRITES_FILES, DEVICE_FDS, 0, SMALL_SPACE, &seccomp_dev_blk },
	[ROLE_DEV_CONSOLE] = { "dev-console", "casemate-dev-console", "casemate_dev_console_t",
		{ ROLE_FD_CHAN }, ROLE_WRITES_FILES, DEVICE_FDS, 0, SMALL_SPACE,
		&seccomp_dev_console },
	[ROLE_DEV_RNG] = { "dev-rng", "casemate-dev-rng", "casemate_dev_rng_t", { ROLE_FD_CHAN }, 0,
		DEVICE_FDS, 0, SMALL_SPACE, &seccomp_dev_rng },
	/* One descriptor a stream. */
	[ROLE_DEV_VSOCK] = { "dev-vsock", "casemate-dev-vsock", "casemate_dev_vsock_t",
		{ ROLE_FD_CHAN }, 0, 1024, 0, SMALL_SPACE, &seccomp_dev_vsock },
	[ROLE_QUOTE] = { "quote", "casemate-quote", "casemate_quote_t", { ROLE_FD_CHAN }, 0, 16, 0,
		SMALL_SPACE, &seccomp_quote },
	/* The one child that speaks to somebody far away: TCP, and only what it resolved at its start. */
	[ROLE_OWNER] = { "owner", "casemate-owner", "casemate_owner_t", { ROLE_FD_CHAN },
		ROLE_HAS_NETWORK, 64, 0, CRYPTO_SPACE, &seccomp_owner },
	/* Its log may be a regular file. */
	[ROLE_BROKER] = { "broker", "casemate-broker", "casemate_broker_t", { ROLE_FD_END },
		ROLE_IS_SELF_STARTED | ROLE_WRITES_FILES, 1024, AS_INHERITED, BROKER_SPACE,
		&seccomp_broker },
	/* Its descriptors are its user's; those it opened for children are closed before it narrows, but
	 * for those of files whose labels it has to give back. */
	[ROLE_SUPER] = { "super", "casemate", "casemate_t", { ROLE_FD_END },
		ROLE_IS_SELF_STARTED | ROLE_WRITES_FILES, SUPER_FDS, AS_INHERITED, ANY_SPACE,
		&seccomp_super },
	/* A pool of 64 threads, each with a stack, and what it caches of a disk. */
	[ROLE_FOREIGN] = { "foreign", "casemate-foreign", "casemate_foreign_t", { ROLE_FD_CHAN },
		ROLE_WRITES_FILES | ROLE_IS_FOREIGN, 256, 0, MONITOR_SPACE, &seccomp_foreign },
	[ROLE_READER] = { "broker-reader", "casemate-broker", "casemate_broker_t", { ROLE_FD_END },
		ROLE_IS_SELF_STARTED, 16, AS_INHERITED, ANY_SPACE, &seccomp_broker_reader },
	[ROLE_TEST] = { "test", "sandbox-child", "casemate_test_t",
		{ ROLE_FD_CHAN, ROLE_FD_FILE, ROLE_FD_FOLDER }, ROLE_WRITES_FILES, 32, 0,
		SMALL_SPACE, &seccomp_test },
};

const struct role_row *role_get(enum role role)
{
	assert(role < ROLE_COUNT);
	return &roles[role];
}

enum role role_of(const struct role_row *row)
{
	return (enum role)(row - roles);
}

uint64_t role_max_file_bytes(const struct role_row *row)
{
	return (row->flags & ROLE_WRITES_FILES) != 0 ? UINT64_MAX : 0;
}

/* A sanitizer reserves terabytes for its shadow: such a build has no limit. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SHADOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SHADOW 1
#endif
#endif
#ifndef HAS_SHADOW
#define HAS_SHADOW 0
#endif

uint64_t role_max_address_bytes(const struct role_row *row, uint64_t guest_bytes)
{
	if (HAS_SHADOW || row->max_address_bytes == ANY_SPACE)
		return UINT64_MAX;
	return guest_bytes > UINT64_MAX - row->max_address_bytes
		       ? UINT64_MAX
		       : row->max_address_bytes + guest_bytes;
}

unsigned int role_count_fds(const struct role_row *row)
{
	unsigned int n = 0;

	while (n < ROLE_FDS_MAX && row->fds[n] != ROLE_FD_END)
		n++;
	return n;
}
