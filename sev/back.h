/*
 * back: what guest.c asks of the kind of guest behind it, one row of functions a kind.
 *       guest.c has checked order, ranges and alignment before it calls.
 *
 * Trust:   the caller is guest.c.
 * Owns:    struct guest belongs to guest.c.
 * Threads: as guest.h; convert() is called under guest.c's lock.
 */
#pragma once

#include <pthread.h>

#include "sev/guest.h"
#include "sev/launch.h"
#include "sev/ram.h"

/* Source pages are staged in a buffer of this size: one ioctl for many pages, little memory. */
#define STAGE_BYTES (64u * 4096u)

struct back {
	/* Create the VM: g->vm_fd. */
	MUST_USE int (*open)(struct guest *g, const struct guest_setup *setup, struct why *why);
	/* Make the memory slot; sets r->gmem_fd if there is a private view. */
	MUST_USE int (*add_memory)(struct guest *g, struct ram_region *r, struct why *why);
	MUST_USE int (*set_private)(struct guest *g, struct ram_region *r, struct why *why);
	MUST_USE int (*start)(struct guest *g, uint64_t policy, struct why *why);
	/*
	 * Put and measure len bytes (whole pages within r) from the page-aligned, writable src (NULL
	 * for PAGE_ZERO and PAGE_SECRETS); *ret_done counts the bytes that succeeded, also on error.
	 */
	MUST_USE int (*measure)(struct guest *g, struct ram_region *r, enum page_type type,
		uint64_t gpa, void *src, uint64_t len, uint64_t *ret_done, struct why *why);
	MUST_USE int (*finish)(struct guest *g, const struct guest_identity *id, struct why *why);
	MUST_USE int (*convert)(struct guest *g, struct ram_region *r, uint64_t gpa, uint64_t len,
		bool is_to_private);
};

extern const struct back back_none;
extern const struct back back_snp;

struct guest {
	enum guest_kind kind;
	const struct back *back;
	enum launch_state state;
	int kvm_fd; /* borrowed */
	int sev_fd; /* borrowed */
	int vm_fd;
	uint64_t policy_mask; /* SNP policy bits the host offers */
	struct ram ram;
	uint8_t *stage; /* STAGE_BYTES, page-aligned */

	/* Conversions come from several vCPU threads and must not interleave (ABI 3.2). */
	pthread_mutex_t convert_lock;
	uint64_t idle_gpa; /* the last conversion that changed nothing, ... */
	bool idle_to_private;
	unsigned int n_idle; /* ... and how often it came in a row */
};
