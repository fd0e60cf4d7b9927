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
		[LIMIT_PATH_BYTES]; /* of /proc/self/cgroup's line 0::, as its namespace shows it; the
					* parent puts in what it sees itself */
};
WIRE_SIZE(struct wire_receipt, 152 + LIMIT_LABEL_BYTES + LIMIT_PATH_BYTES);
WIRE_AT(struct wire_receipt, filter_sha256, 120);

/* ---- in the process itself: its stages fill the one receipt there is ------------------------- */

/* Said by the code that has just seen it hold. */
void receipt_hold(uint32_t bits);

/* The filter that was loaded: over its instructions, of the loop's thread where kinds differ. */
void receipt_note_filter(const uint8_t sha256[32]);

/* How many threads there are now; one unless somebody says so. */
void receipt_note_threads(uint32_t n_threads);

/* Descriptors that CONFIG brought: they are accounted for. */
void receipt_note_fds(const int *fds, unsigned int n_fds);

/*
 * What /proc says while there is one: namespaces, cgroup, label, descriptors. stage_ns() calls it
 * when the namespaces are entered and the old root is still there. 0, or an error when /proc cannot
 * be read.
 */
MUST_USE int receipt_look(const struct role_row *row, struct why *why);

/* What system calls say: ids, capabilities, limits and flags. Before the filter. */
void receipt_close(const struct role_row *row);

/* What has been seen so far. */
const struct wire_receipt *receipt_get(void);

/* ---- in the parent --------------------------------------------------------------------------- */

/* What the parent asked for. */
struct receipt_want {
	enum role role;
	uint32_t held; /* RECEIPT_*: receipt_must() */
	uint32_t uid;
	uint32_t gid;
	uint64_t guest_bytes;          /* of struct spawn_place */
	uint64_t ns[RECEIPT_NS_COUNT]; /* the parent's own; 0: it could not be read */
	const char *label;             /* NULL: whatever the policy says */
	const char *cgroup;            /* the leaf, as /proc/PID/cgroup shows it; NULL: ours */
};

/*
 * The bits a process of this role has to hold on this kernel: all of them but RECEIPT_LANDLOCK where
 * there is no Landlock, and RECEIPT_NO_WX where PR_SET_MDWE is missing (before 6.3: the filter alone
 * refuses it).
 */
uint32_t receipt_must(enum role role);

/* Bits that are held, as words: "root-empty root-read-only ..."; receipt_bit_name() gives one. */
const char *receipt_bit_name(unsigned int bit);

/* What is wanted of a child: label and cgroup are the caller's to set. */
struct spawn_child;
struct receipt_want receipt_want_of(const struct spawn_child *c, uint64_t guest_bytes);

/*
 * Does the receipt say what was wanted? 0, or -EPERM with why: role, what was expected, what was
 * found. Pure: looks at nothing but its arguments. -EBADMSG: it is no receipt.
 */
MUST_USE int receipt_check(
	const struct receipt_want *want, const struct wire_receipt *r, struct why *why);

/* Do two children share a namespace? 0, or -EPERM with why. */
MUST_USE int receipt_check_apart(
	const struct wire_receipt *a, const struct wire_receipt *b, struct why *why);

/*
 * READY came with these bytes: check them, then look at the process in /proc and compare; what cannot
 * be seen from here (another user's, already ended) is not compared. *ret gets the receipt, with
 * cgroup as seen from here. -ESRCH: it contradicts what is seen, but the process was ending: how it
 * ended says more.
 */
MUST_USE int receipt_verify(const struct spawn_child *c, const struct receipt_want *want,
	const void *bytes, size_t len, struct wire_receipt *ret, struct why *why);
