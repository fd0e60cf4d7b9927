/*
 * measured: the list of what a launch measures, piece by piece, for people who want to see it.
 *
 * Trust:   pieces may be anything.
 * Owns:    nothing; a plain value (a few KiB: not on small stacks).
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/sha384.h"
#include "base/cdefs.h"

#define MEASURED_MAX                                                                               \
	96u /* firmware, its sections, hashes, vCPUs in two rows; an IGVM file is cut */

#define MEASURED_NO_GPA UINT64_MAX

struct measured_piece {
	char name[32];
	const char *type; /* a constant: "normal", "vmsa", "extended", "hashed", ... */
	uint64_t gpa;     /* of its first page; MEASURED_NO_GPA: none */
	uint64_t offset;  /* in the file it comes from; MEASURED_NO_GPA: none */
	uint64_t len;     /* bytes, before the last page is filled with zeros */
	uint64_t n_pages;
	uint8_t digest_len; /* 0: contents are not measured; 32: SHA-256; 48: SHA-384 */
	uint8_t digest[SHA384_BYTES];
};

struct measured {
	size_t n;
	bool is_cut; /* there were more */
	struct measured_piece at[MEASURED_MAX];
};

/*
 * Add a piece of which the bytes are measured (buf NULL: only type and address). list NULL: nothing
 * is kept. The piece, to be completed, or NULL: not kept. *err: 0, or set to -EIO.
 */
struct measured_piece *measured_add(struct measured *list, const char *name, const char *type,
	uint64_t gpa, const void *buf, uint64_t len, int *err);

/* The piece of that name, or NULL. */
const struct measured_piece *measured_find(const struct measured *list, const char *name);
