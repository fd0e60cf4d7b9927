/*
 * mon_boot: a bzImage, a ramdisk and a command line become the pages of measured direct boot,
 *           layout 1 (docs/launch.md; Linux x86 boot protocol 2.12 and later).
 *
 * Trust:   the images may be hostile; every offset is checked against the file.
 * Owns:    the two image buffers and the pages it builds.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "vmm/monitor/mon_file.h"

#define BOOT_KERNEL_GPA  0x1000000u
#define BOOT_PARAMS_GPA  0x7000u
#define BOOT_CMDLINE_GPA 0x8000u
#define BOOT_GDT_GPA     0xa000u
#define BOOT_CC_BLOB_GPA 0xb000u
#define BOOT_SECRETS_GPA 0xc000u
#define BOOT_CPUID_GPA   0xd000u
#define BOOT_HOLE_START  0xc0000000u  /* RAM below 4 GiB ends here at the latest */
#define BOOT_HIGH_GPA    0x100000000u /* RAM above the hole */

/* What the monitor was told. */
struct boot_config {
	uint64_t memory_bytes;
	unsigned int vcpus;
	bool is_protected; /* the guest needs the confidential-computing blob */
	const char *cmdline;
};

struct boot {
	uint8_t *kernel; /* the whole bzImage */
	size_t kernel_len;
	uint8_t *initrd; /* NULL: none */
	size_t initrd_len;
	size_t payload; /* offset of the protected-mode part in kernel */
	uint64_t initrd_gpa;
	uint8_t params[4096];
	uint8_t cmdline[4096];
	uint8_t gdt[4096];
	uint8_t cc_blob[4096];
	uint8_t acpi[8192];
};

/* A run of bytes that goes into guest memory as NORMAL pages, the last one zero-filled. */
struct boot_piece {
	const char *name;
	uint64_t gpa;
	const uint8_t *bytes;
	size_t len;
};

#define BOOT_PIECES 7

/*
 * Read both images (an empty ramdisk file means none) and build every page. -EBADMSG with why: not
 * a kernel we can start, or not the file that the policy means; -ERANGE: does not fit into
 * the guest's memory; -EMSGSIZE: longer than limits.h allows. Release with mon_boot_done().
 */
MUST_USE int mon_boot_init(struct boot *ret, const struct boot_config *config,
	const struct mon_file *kernel, const struct mon_file *initrd, struct why *why);
void mon_boot_done(struct boot *b);

/*
 * Only the checks and the pages, for images that are in memory already (the fuzz target). The
 * caller has set kernel, kernel_len, initrd, initrd_len; nothing is copied or owned.
 */
MUST_USE int mon_boot_build(struct boot *b, const struct boot_config *config, struct why *why);

/* The pieces in the order they are measured; returns how many (a piece may be empty). */
unsigned int mon_boot_list(const struct boot *b, struct boot_piece ret[BOOT_PIECES]);
