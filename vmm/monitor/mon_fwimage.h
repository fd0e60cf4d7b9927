/*
 * mon_fwimage: the firmware of an encrypted guest: ordinary memory of the monitor's own that ends at
 *              4 GiB, what the image says of itself (the GUID table, SEV metadata, TDVF descriptor),
 *              and the list of pieces that are launched, in the order that makes the launch digest.
 *              A parser of its own: attest/ovmf.c is the relying party's, and they must agree.
 *              ABI 2.13, 4.8, 4.9.
 *
 * Trust:   the image may be hostile; every offset is checked against it, every size has a limit.
 * Owns:    the image's memory, and the two tables that it builds.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "sev/guest.h"
#include "vmm/monitor/mon_file.h"
#include "vmm/monitor/mon_memory.h"

#define FWIMAGE_HASHES_BYTES 176u

/* A part of memory that the image names: whole pages. */
struct fwimage_section {
	uint32_t type; /* of SEV metadata, or of the TDVF descriptor */
	uint64_t gpa, size;
	uint32_t offset, raw_size; /* TDVF: contents in the image */
	bool is_measured;          /* TDVF: its contents, too */
};

struct fwimage {
	uint8_t *map; /* NULL: there is no firmware */
	size_t size;
	uint64_t gpa;
	bool has_ap_reset, has_hashes, has_secret, has_sev, has_tdvf;
	uint32_t ap_reset;                /* where SEV-ES and SNP APs start */
	uint32_t hashes_gpa, hashes_size; /* the place of the kernel's hashes */
	uint32_t secret_gpa, secret_size; /* of a SEV owner's secret */
	uint64_t hob_gpa;                 /* TDVF: of the list of resources */
	unsigned int n_sections;
	struct fwimage_section sections[LIMIT_FIRMWARE_SECTIONS]; /* of the kind of guest */
	/* Built by mon_fwimage_list(). */
	uint8_t hashes[4096];
	uint8_t *hob;
};

/*
 * Read the image, and what it says for this kind of guest; an empty file: ret->map is NULL.
 * -EBADMSG with why: it makes no sense, or is not what the policy means; -EMSGSIZE: beyond
 * LIMIT_FIRMWARE_*; -EPROTONOSUPPORT: a version or type we do not know; -EOPNOTSUPP: made for no
 * guest of this kind. Before sandbox_enter(). Release with mon_fwimage_close().
 */
MUST_USE int mon_fwimage_open(
	struct fwimage *ret, const struct mon_file *file, enum guest_kind kind, struct why *why);
void mon_fwimage_close(struct fwimage *f);

/* Only the parser, for an image in memory; map, size and gpa are set by the caller, nothing owned. */
MUST_USE int mon_fwimage_parse(struct fwimage *f, enum guest_kind kind, struct why *why);

/* What the firmware loads and checks against the measured hashes; kernel NULL: it boots a disk. */
struct fwimage_boot {
	const uint8_t *kernel;
	size_t kernel_len;
	const uint8_t *initrd;
	size_t initrd_len;
	const char *cmdline;
};

/* `bytes`, then zeros up to size, whole pages (SEV: 16 bytes) at gpa. bytes NULL: of the type. */
struct fwimage_piece {
	const char *name;
	uint64_t gpa;
	const uint8_t *bytes;
	size_t len;
	uint64_t size;
	enum page_type type;
};

#define FWIMAGE_PIECES (LIMIT_FIRMWARE_SECTIONS + 2)

/*
 * The pieces of this kind of guest, in order; they point into f, whose tables this fills. The vCPUs
 * and (SNP) their state are not among them. -EOPNOTSUPP: a kernel, and no place for its hashes;
 * -EMSGSIZE: the list of resources does not fit; -EFAULT: a section is not in the guest's RAM.
 */
MUST_USE int mon_fwimage_list(struct fwimage *f, enum guest_kind kind,
	const struct fwimage_boot *boot, const struct mon_memory *memory,
	struct fwimage_piece ret[FWIMAGE_PIECES], unsigned int *ret_n, struct why *why);

/* The table of the kernel's hashes, padded (ABI 2.13). */
void mon_fwimage_hash(const struct fwimage_boot *boot, uint8_t ret[FWIMAGE_HASHES_BYTES]);
