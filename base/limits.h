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

/* --- the launch policy (policy/) ------------------------------------------------------------- */

/* A policy file: the largest of the examples is 6 KiB; compliance-policy 3.2 sets 256 KiB. */
#define LIMIT_POLICY_BYTES      (256u << 10)
/* Objects and lists inside one another: the schema needs 6; compliance-policy 3.2 sets 16. */
#define LIMIT_POLICY_DEPTH      16u
/* Values in one file: every list of the schema full is about 2000. */
#define LIMIT_POLICY_VALUES     8192u
/* Members of one object: the schema's largest has 16; the rest are x- keys. */
#define LIMIT_POLICY_MEMBERS    256u
/* Hosts one policy lets a guest run on: a few racks. */
#define LIMIT_POLICY_CHIPS      256u
/* Launch digests one policy accepts: the current one and what is being rolled out. */
#define LIMIT_POLICY_DIGESTS    16u
/* Keys one guest may be given: two a disk. */
#define LIMIT_POLICY_KEYS       16u
/* Waivers: more exceptions than rules would be no policy. */
#define LIMIT_POLICY_WAIVERS    32u
/* Names of frameworks in the labels. */
#define LIMIT_POLICY_FRAMEWORKS 16u
/* A label; a sentence (summary, reason) in a policy. */
#define LIMIT_POLICY_LABEL_BYTES 64u
#define LIMIT_POLICY_TEXT_BYTES 256u
