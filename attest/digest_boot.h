/*
 * digest_boot: predicts the launch digest of measured direct boot (docs/launch.md) from the
 *              policy's files. Shares no code with the launcher on purpose.
 *
 * Trust:   kernel and initial ramdisk may be anything; lengths are bounded by base/limits.h.
 * Owns:    nothing; inputs are borrowed, the result is a plain value.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/sha384.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

/* kernel initrd boot-parameters cmdline gdt cc-blob acpi secrets cpuid, one VMSA a vCPU */
#define BOOT_PIECES_MAX (9u + LIMIT_VCPUS)

struct boot_digest_piece {
	char name[24]; /* "kernel", "initrd", ..., "vmsa0" */
	uint64_t gpa;  /* of its first page */
	uint64_t len;  /* bytes, before the last page is filled with zeros */
	uint32_t n_pages;
	uint8_t page_type;            /* enum snp_page_type */
	uint8_t sha384[SHA384_BYTES]; /* of the len bytes; zeros for secrets and CPUID pages */
};

struct boot_digest {
	uint8_t digest[SHA384_BYTES]; /* the launch digest: MEASUREMENT of a report */
	size_t n_pieces;
	struct boot_digest_piece pieces[BOOT_PIECES_MAX];
};

struct boot_inputs {
	const uint8_t *kernel; /* bzImage, whole file */
	size_t kernel_len;
	const uint8_t *initrd; /* NULL: none */
	size_t initrd_len;
	const char *cmdline;
	uint32_t vcpus;         /* 1 to LIMIT_VCPUS */
	uint64_t memory_mib;    /* LIMIT_MEMORY_MIB_MIN to LIMIT_MEMORY_MIB_MAX */
	uint64_t vmsa_features; /* SEV_FEATURES beside bit 0 (SNP), which is always set */
};

/*
 * The state behind kernel and ramdisk, kept from one computation to the next: trying another command
 * line or vCPU count then costs microseconds. Zero before first use; a plain value.
 */
struct boot_memo {
	const uint8_t *kernel, *initrd;
	size_t kernel_len, initrd_len;
	uint64_t initrd_gpa;
	struct boot_digest state; /* n_pieces 0: empty */
};

/*
 * The launch digest and the list of measured pieces. -EBADMSG when the kernel is no bzImage this
 * boot takes, -ERANGE for numbers outside their range or a ramdisk that does not fit, -EMSGSIZE for
 * a command line, kernel or ramdisk beyond the limits.
 */
PUBLIC MUST_USE int boot_digest_compute(
	const struct boot_inputs *in, struct boot_digest *ret, struct why *why);

/* The same with a memo, whose images must not have changed since it was filled. */
PUBLIC MUST_USE int boot_digest_compute_memo(const struct boot_inputs *in, struct boot_memo *memo,
	struct boot_digest *ret, struct why *why);

/* The piece of that name, or NULL. */
PUBLIC const struct boot_digest_piece *boot_digest_find(
	const struct boot_digest *d, const char *name);
