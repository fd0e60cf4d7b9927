#include "sev/guest.h"

#include <assert.h>
#include <cpuid.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "sev/abi_snp.h"
#include "sev/back.h"
#include "sev/cpuid.h"
#include "sev/fw.h"

_Static_assert(sizeof(struct snp_id_block) == GUEST_ID_BLOCK_BYTES, "ID block");
_Static_assert(sizeof(struct snp_id_auth) == GUEST_ID_AUTH_BYTES, "ID authentication");
_Static_assert(STAGE_BYTES % PAGE_BYTES == 0, "whole pages are staged");

/* The same conversion asked for over and over makes no progress (ABI 3.2): a spinning vCPU. */
#define IDLE_CONVERSIONS_MAX 1000u

static const struct back *const backs[GUEST_KIND_COUNT] = {
	[GUEST_NONE] = &back_none,
	[GUEST_SW] = &back_sw,
	[GUEST_SEV] = &back_sev,
	[GUEST_SEV_ES] = &back_sev,
	[GUEST_SNP] = &back_snp,
	[GUEST_TDX] = &back_tdx,
};

int guest_open(
	enum guest_kind kind, const struct guest_setup *setup, struct guest **ret, struct why *why)
{
	assert(kind < GUEST_KIND_COUNT);
	struct guest *g = calloc(1, sizeof *g);

	if (g == NULL)
		return why_set(why, -ENOMEM, "no memory for the guest");
	*g = (struct guest){
		.kind = kind,
		.back = backs[kind],
		.kvm_fd = setup->kvm_fd,
		.sev_fd = setup->sev_fd,
		.vm_fd = -1,
		.vcpu_fd = -1,
		.shared_page_bytes =
			setup->shared_page_bytes != 0 ? setup->shared_page_bytes : PAGE_BYTES,
		.stage = aligned_alloc(PAGE_BYTES, STAGE_BYTES),
	};
	(void)pthread_mutex_init(&g->convert_lock, NULL);
	int err = g->stage != NULL ? g->back->open(g, setup, why)
				   : why_set(why, -ENOMEM, "no memory for the launch");
	if (err < 0) {
		guest_close(g);
		return err;
	}
	*ret = g;
	return 0;
}

void guest_close(struct guest *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < g->ram.n; i++)
		fw_close(g->ram.region[i].gmem_fd);
	fw_close(g->vm_fd);
	ram_done(&g->ram);
	(void)pthread_mutex_destroy(&g->convert_lock);
	free(g->stage);
	free(g);
}

enum guest_kind guest_kind(const struct guest *g)
{
	return g->kind;
}

int guest_vm_fd(const struct guest *g)
{
	return g->vm_fd;
}

bool guest_is_launched(const struct guest *g)
{
	return g->state == LAUNCH_RUNNING;
}

static MUST_USE int step_check(const struct guest *g, enum launch_step step, struct why *why)
{
	return launch_check(g->back->flow, g->state, step, why);
}

static void step_take(struct guest *g, enum launch_step step)
{
	g->state = launch_next(g->back->flow, g->state, step);
}

int guest_add_memory(
	struct guest *g, uint32_t slot, uint64_t gpa, uint64_t size, void *host, struct why *why)
{
	struct ram_region *r = NULL;
	int err = step_check(g, STEP_ADD_MEMORY, why);

	if (err < 0)
		return err;
	err = ram_add(&g->ram, slot, gpa, size, host, &r);
	if (err < 0)
		return why_set(why, err, "memory slot %u cannot be %llu bytes at 0x%llx", slot,
			(unsigned long long)size, (unsigned long long)gpa);
	err = g->back->add_memory(g, r, why);
	if (err < 0)
		ram_drop_last(&g->ram);
	return err;
}

int guest_set_private(struct guest *g, struct why *why)
{
	int err = step_check(g, STEP_SET_PRIVATE, why);

	for (size_t i = 0; err == 0 && g->back->set_private != NULL && i < g->ram.n; i++)
		err = g->back->set_private(g, &g->ram.region[i], why);
	return err;
}

int guest_init_vcpu(struct guest *g, int vcpu_fd, uint64_t hob_gpa, struct why *why)
{
	int err = step_check(g, STEP_INIT_VCPU, why);

	return err < 0 || g->back->init_vcpu == NULL ? err
						     : g->back->init_vcpu(g, vcpu_fd, hob_gpa, why);
}

int guest_start_launch(struct guest *g, uint64_t policy, struct why *why)
{
	int err = step_check(g, STEP_START, why);

	if (err == 0 && g->back->start != NULL)
		err = g->back->start(g, policy, why);
	if (err == 0)
		step_take(g, STEP_START);
	return err;
}

/* Pages of the region that [gpa, gpa + len), within it, touches. */
struct pages {
	uint64_t first, n;
};

static struct pages pages_of(const struct ram_region *r, uint64_t gpa, uint64_t len)
{
	uint64_t first = (gpa - r->gpa) / PAGE_BYTES;

	return (struct pages){ first, (gpa - r->gpa + len - 1) / PAGE_BYTES + 1 - first };
}

/* Is the whole range RAM, and none of it measured before? */
static MUST_USE int range_check(struct guest *g, uint64_t gpa, uint64_t len, struct why *why)
{
	if (len == 0 || !num_is_aligned(gpa, g->back->grain))
		return why_set(why, -EINVAL,
			"measured range at 0x%llx is empty or not a multiple of %llu",
			(unsigned long long)gpa, (unsigned long long)g->back->grain);
	if (!ram_holds(&g->ram, gpa, len))
		return why_set(why, -EFAULT, "measured range of %llu bytes at 0x%llx is not RAM",
			(unsigned long long)len, (unsigned long long)gpa);
	while (len > 0) {
		struct ram_region *r = ram_find(&g->ram, gpa);
		uint64_t part = MIN(len, r->size - (gpa - r->gpa));
		struct pages p = pages_of(r, gpa, part);
		uint64_t at = bits_find(&r->measured, p.first, p.n, true);
		if (at < p.first + p.n)
			return why_set(why, -EPROTO, "the page at 0x%llx was measured already",
				(unsigned long long)(r->gpa + at * PAGE_BYTES));
		gpa += part;
		len -= part;
	}
	return 0;
}

/* One piece: within one region, staged if it has contents. */
static MUST_USE int piece_measure(struct guest *g, enum page_type type, uint64_t gpa,
	const uint8_t *src, uint64_t src_len, uint64_t len, struct why *why)
{
	struct ram_region *r = ram_find(&g->ram, gpa);
	uint64_t done = 0;

	if (src != NULL) {
		memcpy(g->stage, src, src_len);
		memset(g->stage + src_len, 0, len - src_len);
	}
	int err = g->back->measure(g, r, type, gpa, src != NULL ? g->stage : NULL, len, &done, why);
	struct pages p = pages_of(r, gpa, MAX(done, 1u));
	if (done > 0)
		bits_set(&r->measured, p.first, p.n, true);
	return err;
}

int guest_measure_pages(struct guest *g, enum page_type type, uint64_t gpa, const void *src,
	size_t len, struct why *why)
{
	assert(type < PAGE_TYPE_COUNT);
	assert((src == NULL) == (type == PAGE_ZERO || type == PAGE_SECRETS));
	const uint8_t *from = src;
	uint64_t src_left = len;
	uint64_t left = 0;
	int err = step_check(g, STEP_MEASURE, why);

	if (err == 0)
		err = num_align_up(&left, len, g->back->grain);
	if (err == 0)
		err = range_check(g, gpa, left, why);
	while (err == 0 && left > 0) {
		const struct ram_region *r = ram_find(&g->ram, gpa);
		uint64_t part = MIN(left, r->size - (gpa - r->gpa));
		if (from != NULL)
			part = MIN(part, STAGE_BYTES);
		uint64_t src_part = MIN(src_left, part);
		err = piece_measure(g, type, gpa, from, src_part, part, why);
		if (from != NULL)
			from += src_part;
		src_left -= src_part;
		gpa += part;
		left -= part;
	}
	return err;
}

/* Where this CPU has the encryption bit; 51, where all that have one have it, if it has none. */
static uint32_t c_bit_position(void)
{
	unsigned int eax, ebx = 0, ecx, edx;

	if (__get_cpuid_count(0x8000001Fu, 0, &eax, &ebx, &ecx, &edx) == 0 || (ebx & 0x3Fu) == 0)
		return 51;
	return ebx & 0x3Fu;
}

int guest_measure_cpuid(
	struct guest *g, uint64_t gpa, const struct kvm_cpuid2 *table, struct why *why)
{
	struct snp_cpuid_page page;
	int err = cpuid_page_build(&page, table, c_bit_position(), why);

	if (err == 0)
		err = guest_measure_pages(g, PAGE_CPUID, gpa, &page, sizeof page, why);
	if (err != -EREMOTEIO)
		return err;
	/* The firmware left its correction in the page it was given: say which leaf it dislikes. */
	int at = cpuid_page_diff(&page, (const struct snp_cpuid_page *)(const void *)g->stage);
	if (at < 0)
		return err;
	return why_prefix(why, err, "CPUID leaf 0x%x/%u", le32_get(page.entry[at].eax_in),
		le32_get(page.entry[at].ecx_in));
}

int guest_read_measurement(struct guest *g, struct guest_measurement *ret, struct why *why)
{
	if (g->back->read_measurement == NULL)
		return why_set(why, -EOPNOTSUPP, "this kind of guest has no such measurement");
	int err = step_check(g, STEP_READ_MEASUREMENT, why);
	if (err < 0)
		return err;
	err = g->back->read_measurement(g, ret, why);
	if (err == 0)
		step_take(g, STEP_READ_MEASUREMENT);
	else
		g->state = LAUNCH_DEAD;
	return err;
}

int guest_put_secret(struct guest *g, uint64_t gpa, const uint8_t *header, const void *body,
	size_t len, struct why *why)
{
	if (g->back->put_secret == NULL)
		return why_set(why, -EOPNOTSUPP, "this kind of guest takes no secret");
	int err = step_check(g, STEP_PUT_SECRET, why);
	if (err < 0)
		return err;
	/* In one page: what lies in several may lie apart, and KVM refuses it (ABI 2.5). */
	if (len == 0 || !num_is_aligned(gpa | len, g->back->grain) ||
		!num_fits(gpa % PAGE_BYTES, len, PAGE_BYTES))
		return why_set(why, -ERANGE,
			"secret of %zu bytes at 0x%llx: want a multiple of 16 in one page", len,
			(unsigned long long)gpa);
	struct ram_region *r = ram_find(&g->ram, gpa);
	if (r == NULL)
		return why_set(why, -EFAULT, "the secret's place at 0x%llx is not RAM",
			(unsigned long long)gpa);
	return g->back->put_secret(g, r->host + (gpa - r->gpa), header, body, (uint32_t)len, why);
}

int guest_finish_launch(struct guest *g, const struct guest_identity *id, struct why *why)
{
	int err = step_check(g, STEP_FINISH, why);

	if (err < 0)
		return err;
	assert(id->id_block == NULL || id->id_auth != NULL);
	if (g->back->finish != NULL)
		err = g->back->finish(g, id, why);
	if (err == 0)
		step_take(g, STEP_FINISH);
	else
		g->state = LAUNCH_DEAD;
	return err;
}

/* Does any page of the range have the other attribute still? */
static bool range_differs(struct guest *g, uint64_t gpa, uint64_t len, bool is_to_private)
{
	while (len > 0) {
		struct ram_region *r = ram_find(&g->ram, gpa);
		uint64_t first = (gpa - r->gpa) / PAGE_BYTES;
		uint64_t part = MIN(len, r->size - (gpa - r->gpa));
		uint64_t n = part / PAGE_BYTES;
		if (bits_find(&r->is_private, first, n, !is_to_private) < first + n)
			return true;
		gpa += part;
		len -= part;
	}
	return false;
}

static MUST_USE int idle_count(struct guest *g, uint64_t gpa, bool is_to_private)
{
	if (g->idle_gpa != gpa || g->idle_to_private != is_to_private)
		g->n_idle = 0;
	g->idle_gpa = gpa;
	g->idle_to_private = is_to_private;
	return ++g->n_idle > IDLE_CONVERSIONS_MAX ? -ELOOP : 0;
}

static MUST_USE int range_convert(struct guest *g, uint64_t gpa, uint64_t len, bool is_to_private)
{
	if (!range_differs(g, gpa, len, is_to_private))
		return idle_count(g, gpa, is_to_private);
	g->n_idle = 0;
	while (len > 0) {
		struct ram_region *r = ram_find(&g->ram, gpa);
		uint64_t part = MIN(len, r->size - (gpa - r->gpa));
		int err = g->back->convert(g, r, gpa, part, is_to_private);
		if (err < 0)
			return err;
		gpa += part;
		len -= part;
	}
	return 0;
}

int guest_convert(struct guest *g, uint64_t gpa, uint64_t len, bool is_to_private)
{
	int err = step_check(g, STEP_CONVERT, /* why= */ NULL);

	if (err < 0)
		return err;
	if (g->back->convert == NULL)
		return -EOPNOTSUPP;
	if (len == 0 || !num_is_aligned(gpa | len, PAGE_BYTES))
		return -EINVAL;
	if (g->kind == GUEST_TDX && !is_to_private && !ram_touches(&g->ram, gpa, len))
		return 0;
	if (!ram_holds(&g->ram, gpa, len))
		return -EFAULT;
	/* Held across the system calls on purpose: conversions must not interleave (ABI 3.2). */
	(void)pthread_mutex_lock(&g->convert_lock);
	err = range_convert(g, gpa, len, is_to_private);
	(void)pthread_mutex_unlock(&g->convert_lock);
	return err;
}

bool guest_is_shared(struct guest *g, uint64_t gpa, uint64_t len)
{
	uint64_t end;
	bool is_shared = true;

	if (len == 0 || num_add(&end, gpa, len) < 0 || !ram_holds(&g->ram, gpa, len))
		return false;
	(void)pthread_mutex_lock(&g->convert_lock);
	while (is_shared && len > 0) {
		const struct ram_region *r = ram_find(&g->ram, gpa);
		uint64_t part = MIN(len, r->size - (gpa - r->gpa));
		struct pages p = pages_of(r, gpa, part);
		is_shared = bits_find(&r->is_private, p.first, p.n, true) == p.first + p.n;
		gpa += part;
		len -= part;
	}
	(void)pthread_mutex_unlock(&g->convert_lock);
	return is_shared;
}

const struct guest_td_info *guest_td_info(const struct guest *g)
{
	return &g->td_info;
}
