/*
 * role: the one table of the processes we start: program, descriptors in order, limits, filter.
 *
 * Trust:   the table is compiled in; nothing outside chooses a row's contents.
 * Owns:    nothing; rows are const.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"

enum role {
	ROLE_POLICY,      /* casemate-policy: reads one policy file, answers with the plan, ends */
	ROLE_LEDGER,      /* casemate-ledger: appends entries */
	ROLE_MONITOR,     /* casemate-monitor */
	ROLE_MONITOR_SIM, /* casemate-monitor-sim: the same role with the simulated firmware */
	ROLE_DEV_BLK,
	ROLE_DEV_CONSOLE,
	ROLE_DEV_RNG,
	ROLE_DEV_VSOCK,
	ROLE_QUOTE,   /* casemate-quote: a TD's reports to the host's quoting service */
	ROLE_OWNER,   /* casemate-owner: a SEV launch's measurement to the guest owner's broker */
	ROLE_BROKER,  /* casemate-broker: started by a person, enters its sandbox by itself */
	ROLE_SUPER,   /* casemate run, once its guest runs (sandbox_narrow()); never spawned */
	ROLE_FOREIGN, /* casemate-foreign: becomes a program of another make (foreign.h) */
	ROLE_READER, /* the broker's, which reads its files again (sandbox_narrow()); never spawned */
	ROLE_TEST,   /* tests/proc only */
	ROLE_COUNT
};

/* What must be found behind a descriptor when a child starts. */
enum role_fd {
	ROLE_FD_END,    /* no more descriptors */
	ROLE_FD_CHAN,   /* AF_UNIX SOCK_SEQPACKET socket */
	ROLE_FD_FILE,   /* regular file, open for reading only */
	ROLE_FD_FOLDER, /* directory; writable roles may create files below it, nothing above it */
};

#define ROLE_FDS_MAX         4u

#define ROLE_IS_SELF_STARTED 0x1u /* no supervisor, no channel: the broker */
#define ROLE_WRITES_FILES    0x2u /* files may grow: no RLIMIT_FSIZE of 0 */
#define ROLE_RUNS_AS_OWNER   0x4u /* uid of the folder's owner instead of one of its own */
#define ROLE_HAS_THREADS     0x8u /* may have threads when the filter is loaded (vCPUs) */
#define ROLE_HAS_NETWORK     0x10u /* stays in the host's network namespace; its filter says how far */
#define ROLE_IS_FOREIGN      0x20u /* becomes another program: threads, and files in its root */

struct seccomp_filter; /* sandbox/seccomp_filter.h, compiled from policy/seccomp/NAME.syscalls */

struct role_row {
	const char *name;   /* "dev-blk": in messages, log prefixes, the file of the filter */
	const char *binary; /* "casemate-dev-blk" */
	const char *domain; /* its SELinux type (policy/selinux): "casemate_dev_blk_t" */
	uint8_t fds[ROLE_FDS_MAX]; /* enum role_fd, from descriptor SPAWN_FD_CHAN (3) on */
	uint32_t flags;            /* ROLE_* */
	uint32_t max_fds;          /* RLIMIT_NOFILE, soft and hard */
	uint64_t max_locked_bytes; /* RLIMIT_MEMLOCK; UINT64_MAX: as inherited */
	uint64_t
		max_address_bytes; /* RLIMIT_AS beside the guest's memory; UINT64_MAX: as inherited */
	const struct seccomp_filter *filter;
	const struct seccomp_filter *thread_filter; /* of threads but the first; NULL: none exist */
};

/* The row of a role; role must be below ROLE_COUNT. */
const struct role_row *role_get(enum role role);

/* The role of a row that role_get() gave. */
enum role role_of(const struct role_row *row);

/* RLIMIT_FSIZE of the row. */
uint64_t role_max_file_bytes(const struct role_row *row);

/* RLIMIT_AS of a process that may also map guest_bytes of guest memory. */
uint64_t role_max_address_bytes(const struct role_row *row, uint64_t guest_bytes);

/* Number of descriptors in the row, the channel included. */
unsigned int role_count_fds(const struct role_row *row);
