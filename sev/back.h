/*
 * back: what guest.c asks of the kind of guest behind it, one row of functions a kind.
 *       guest.c has checked order, ranges and alignment before it calls. A function that is NULL:
 *       there is nothing to do for this kind (convert: this kind has none).
 *
 * Trust:   the caller is guest.c.
 * Owns:    struct guest belongs to guest.c.
 * Threads: as guest.h; convert() is called under guest.c's lock.
 */
#pragma once

#include <pthread.h>

#include "base/num.h"
#include "sev/guest.h"
#include "sev/launch.h"
#include "sev/ram.h"

/* Source pages are staged in a buffer of this size: one ioctl for many pages, little memory. */
#define STAGE_BYTES (64u * 4096u)

struct back {
	enum launch_flow flow;
	uint64_t grain; /* what a measured piece is rounded up to: a power of two, at most a page */
	/* Create the VM: g->vm_fd. */
	MUST_USE int (*open)(struct guest *g, const struct guest_setup *setup, struct why *why);
	/* Make the memory slot; sets r->gmem_fd if there is a private view. */
	MUST_USE int (*add_memory)(struct guest *g, struct ram_region *r, struct why *why);
	MUST_USE int (*set_private)(struct guest *g, struct ram_region *r, struct why *why);
	MUST_USE int (*init_vcpu)(struct guest *g, int vcpu_fd, uint64_t value, struct why *why);
	MUST_USE int (*start)(struct guest *g, uint64_t policy, struct why *why);
	/*
	 * Put and measure len bytes (whole grains within r) from the page-aligned, writable src (NULL
	 * for PAGE_ZERO and PAGE_SECRETS); *ret_done counts the bytes that succeeded, also on error.
	 */
	MUST_USE int (*measure)(struct guest *g, struct ram_region *r, enum page_type type,
		uint64_t gpa, void *src, uint64_t len, uint64_t *ret_done, struct why *why);
	MUST_USE int (*read_measurement)(
		struct guest *g, struct guest_measurement *ret, struct why *why);
	/* at: the place of the secret in our mapping, within one page. */
	MUST_USE int (*put_secret)(struct guest *g, uint8_t *at, const uint8_t *header,
		const void *body, uint32_t len, struct why *why);
	MUST_USE int (*finish)(struct guest *g, const struct guest_identity *id, struct why *why);
	/* Also keeps r->is_private. */
	MUST_USE int (*convert)(struct guest *g, struct ram_region *r, uint64_t gpa, uint64_t len,
		bool is_to_private);
};

extern const struct back back_none;
extern const struct back back_sw;
extern const struct back back_sev;
extern const struct back back_snp;
extern const struct back back_tdx;

/* An ordinary memory slot; a "measured" page that is copied into it. (back_none.c) */
MUST_USE int back_add_plain_memory(struct guest *g, struct ram_region *r, struct why *why);
MUST_USE int back_copy_measured(struct guest *g, struct ram_region *r, enum page_type type,
	uint64_t gpa, void *src, uint64_t len, uint64_t *ret_done, struct why *why);

struct guest {
	enum guest_kind kind;
	const struct back *back;
	enum launch_state state;
	int kvm_fd; /* borrowed */
	int sev_fd; /* borrowed */
	int vm_fd;
	uint64_t shared_page_bytes;
	struct ram ram;
	uint8_t *stage; /* STAGE_BYTES, page-aligned */

	uint64_t policy_mask;              /* SNP: policy bits the host offers */
	const uint8_t *sev_dh;             /* SEV: borrowed until the launch is started, or NULL */
	const uint8_t *session;            /* SEV: the same */
	struct guest_measurement platform; /* SEV: policy, API version and build */
	int vcpu_fd; /* TDX: the vCPU that memory is added through, -1: none yet; borrowed */
	struct guest_td_info td_info;

	/* Conversions come from several vCPU threads and must not interleave (ABI 3.2). */
	pthread_mutex_t convert_lock;
	uint64_t idle_gpa; /* the last conversion that changed nothing, ... */
	bool idle_to_private;
	unsigned int n_idle; /* ... and how often it came in a row */
};
