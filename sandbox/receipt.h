/*
 * receipt: what a process saw of its own confinement once it was complete, as it tells its parent
 *          with READY. The parent compares it with the role's row and with what it asked for, and
 *          goes on only when they agree; the launch's ledger entry keeps it.
 *
 * Trust:   a child makes its receipt before it read a hostile byte; the parent believes none of it
 *          that it can see for itself.
 * Owns:    nothing; plain values.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"
#include "base/why.h"
#include "sandbox/role.h"

#define RECEIPT_VERSION 1u

/* Namespaces, by the inode of /proc/self/ns/NAME; in the order of receipt_ns_names. */
enum receipt_ns {
	RECEIPT_NS_USER,
	RECEIPT_NS_MNT,
	RECEIPT_NS_PID,
	RECEIPT_NS_NET,
	RECEIPT_NS_IPC,
	RECEIPT_NS_UTS,
	RECEIPT_NS_CGROUP,
	RECEIPT_NS_COUNT
};
extern const char *const receipt_ns_names[RECEIPT_NS_COUNT];

/* What held when it was looked at; a bit is set only by the code that looked. */
#define RECEIPT_ROOT_EMPTY   0x1u /* `/` has no entry and takes none */
#define RECEIPT_ROOT_RO      0x2u /* a file cannot be made in it: EROFS */
#define RECEIPT_NO_CAPS      0x4u /* effective, permitted, inheritable, ambient, bounding: empty */
#define RECEIPT_SECUREBITS   0x8u /* locked */
#define RECEIPT_NO_NEW_PRIVS 0x10u
#define RECEIPT_NOT_DUMPABLE 0x20u
#define RECEIPT_NO_CORE      0x40u   /* RLIMIT_CORE is 0 */
#define RECEIPT_LANDLOCK     0x80u   /* restricted; what the kernel has: landlock_abi */
#define RECEIPT_SECCOMP      0x100u  /* filter mode, and the canary was caught */
#define RECEIPT_NO_USERNS    0x200u  /* no further user namespace can be made */
#define RECEIPT_FDS          0x400u  /* exactly the descriptors that the role accounts for */
#define RECEIPT_NO_WX        0x800u  /* memory cannot become executable */
#define RECEIPT_THREADS      0x1000u /* every thread has the filter of its kind */
#define RECEIPT_ALL          0x1fffu

struct wire_receipt {
	le32 version;      /* RECEIPT_VERSION */
	le32 role;         /* enum role */
	le32 held;         /* RECEIPT_* */
	le32 landlock_abi; /* 0: the kernel has none */
	le32 uid;
	le32 gid;
	le32 n_fds;
	le32 n_threads;
	le64 ns[RECEIPT_NS_COUNT];     /* 0: it could not be read */
	le64 max_fds;                  /* RLIMIT_NOFILE */
	le64 max_file_bytes;           /* RLIMIT_FSIZE */
	le64 max_address_bytes;        /* RLIMIT_AS */
	le64 max_locked_bytes;         /* RLIMIT_MEMLOCK */
	uint8_t filter_sha256[32];     /* of the filter that was loaded (its instructions) */
	char label[LIMIT_LABEL_BYTES]; /* SELinux context, raw; empty: no SELinux */
	char cgroup
		[LIMIT_PATH_BYTES]; /* of /proc/self/cgroup's line 0::, seen before the namespace; or empty */
};
