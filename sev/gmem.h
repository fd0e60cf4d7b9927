/*
 * gmem: memory with a private and a shared view: guest_memfds, attributes, conversions; shared by
 *       the back ends of SNP, TDX and software-protected guests. ABI 1.3, 1.4, 1.5, 3.2.
 *
 * Trust:   the caller is a back end; ranges were checked by guest.c.
 * Owns:    nothing; a guest_memfd belongs to its region.
 * Threads: as the back end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "sev/back.h"

/* Has this VM private memory at all? And let its page conversions come as exits. */
MUST_USE int gmem_open(struct guest *g, struct why *why);

/* The functions of struct back with the same names. */
MUST_USE int gmem_add_memory(struct guest *g, struct ram_region *r, struct why *why);
MUST_USE int gmem_set_private(struct guest *g, struct ram_region *r, struct why *why);

/*
 * Change the attribute, then give the copy that is no longer used back to the host: a hole in the
 * guest_memfd, or in the shared memory, there in whole pages of the size it was made with.
 */
MUST_USE int gmem_convert(
	struct guest *g, struct ram_region *r, uint64_t gpa, uint64_t len, bool is_to_private);
