/*
 * limits: every number that a guest, a peer or a file could otherwise choose, and why it is that
 *         number (style rule 32).
 *
 * Trust:   this is where trust ends.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

/* --- channels ------------------------------------------------------------------------------ */

/* Longest message on a channel: the plan, with 8 disks and 8 vsock ports by path, fits twice. */
#define LIMIT_CHAN_MSG_BYTES  65536u
/* Most descriptors with one message: CONFIG of a monitor with 12 devices; SCM_MAX_FD is 253. */
#define LIMIT_CHAN_FDS        32u

/* --- the machine --------------------------------------------------------------------------- */

/* vCPUs: what the first machine supports; the ACPI tables and APIC ids are sized by it. */
#define LIMIT_VCPUS           8u
/* Guest memory in MiB: the smallest that boots a Debian kernel, the largest that was tried. */
#define LIMIT_MEMORY_MIB_MIN  128u
#define LIMIT_MEMORY_MIB_MAX  65536u
/* Disks of a guest: letters a-h in the console, one process each. */
#define LIMIT_DISKS           8u
/* Device processes of a guest: 8 disks, console, rng, vsock. */
#define LIMIT_DEVICES         11u
/* Host ports a guest may reach over vsock: each is a line in the policy a person reviews. */
#define LIMIT_VSOCK_PORTS     8u
/* Kernel command line with its zero: COMMAND_LINE_SIZE of x86 Linux is 2048. */
#define LIMIT_CMDLINE_BYTES   2048u
/* Kernel image: Debian's is 8 MiB; 64 MiB leaves room for built-in modules. */
#define LIMIT_KERNEL_BYTES    (64u << 20)
/* Initial ramdisk: a full Debian one is 60 MiB; it is measured page by page at every launch. */
#define LIMIT_INITRD_BYTES    (512u << 20)

/* --- names and paths ------------------------------------------------------------------------ */

/* A guest's name: namespace/id, shown in process titles, labels and ledger entries. */
#define LIMIT_NAME_BYTES      96u
/* A path in a policy: deep enough for any store layout, short enough for a fixed message. */
#define LIMIT_PATH_BYTES      512u
/* Device ids in a policy: they become labels and log prefixes. */
#define LIMIT_ID_BYTES        32u

/* --- programs ------------------------------------------------------------------------------- */

/* One log line, whole (rule 49). */
#define LIMIT_LOG_LINE_BYTES  400u
/* Options of one verb: a --help that fits a screen. */
#define LIMIT_OPTIONS         40u
/* Key material in one secret: an RSA-4096 key in DER is 2.4 KiB. */
#define LIMIT_SECRET_BYTES    16384u
