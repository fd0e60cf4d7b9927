#include "sev/sim/sim_td.h"

#include <errno.h>
#include <linux/kvm.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define LEAF_FEATURES  1u
#define LEAF_STRUCTURE 7u
#define LEAF_ADDRESS   0x80000008u
#define EBX_TSX        ((1u << 4) | (1u << 11)) /* HLE, RTM: KVM refuses them (ABI 4.2, 4.3) */
#define ECX_WAITPKG    (1u << 5)
#define GPAW_SHIFT     16u
#define ECX_X2APIC     (1u << 21) /* always on in a TD (ABI 4.4) */
#define TCB_INFO_BYTES 239u       /* of struct tdx_tcb_info that TDREPORT hashes (ATT 6.5) */
#define TCB_INFO_VALID 0x301FFull /* as modules 1.5 set it: every field that follows is there */

/* A profile of our own: the kind of bits that module 1.5 lets a VMM choose, not any real part's. */
/* clang-format off */
const struct sim_td_leaf sim_td_leaves[SIM_TD_LEAVES] = {
	{ LEAF_FEATURES,  0, false, { 0x0FFF3FFF, 0x00FF0000, 0x00044580, 0xB0400000 } },
	{ 4,              0, true,  { 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x00000007 } },
	{ 4,              1, true,  { 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x00000007 } },
	{ 4,              2, true,  { 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x00000007 } },
	{ 4,              3, true,  { 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x00000007 } },
	{ LEAF_STRUCTURE, 0, true,  { 0,          0x219C07AB, 0x00005F42, 0x00104030 } },
	{ LEAF_STRUCTURE, 1, true,  { 0x00001C30, 0,          0,          0 } },
	{ LEAF_ADDRESS,   0, false, { 0x00FF0000, 0,          0,          0 } },
};
/* clang-format on */

void sim_td_init(struct sim_td *td, const struct sim_tdx_platform *p, struct sim_tdx_script *script,
	const struct sim_tdx_crypto *crypto, struct sim_ranges *added)
{
	*td = (struct sim_td){
		.platform = p,
		.script = script,
		.crypto = crypto,
		.no_entropy = p->no_entropy,
		.added = added,
	};
}

void sim_td_done(struct sim_td *td)
{
	EVP_MD_CTX_free(td->mrtd_stream);
	*td = (struct sim_td){ 0 };
}

/* --- CPUID ----------------------------------------------------------------------------------- */

static bool leaf_is(const struct sim_td_leaf *leaf, const struct abi_tdx_cpuid *e)
{
	bool has_index = (e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;

	return leaf->function == e->function &&
	       (!leaf->has_index || (has_index && leaf->index == e->index));
}

static const struct abi_tdx_cpuid *entry_find(
	const struct abi_tdx_cpuid *entries, uint32_t n, const struct sim_td_leaf *leaf)
{
	for (uint32_t i = 0; i < n; i++)
		if (leaf_is(leaf, &entries[i]))
			return &entries[i];
	return NULL;
}

int sim_td_capabilities(const struct sim_tdx_platform *p, struct abi_tdx_capabilities *ret,
	struct abi_tdx_cpuid *entries)
{
	if (ret->nent < SIM_TD_LEAVES)
		return -E2BIG;
	*ret = (struct abi_tdx_capabilities){
		.supported_attrs = p->attributes,
		.supported_xfam = p->xfam,
		.user_tdvmcallinfo_1_r11 = ABI_TDX_R11_SETUP_EVENT_NOTIFY,
		.nent = SIM_TD_LEAVES,
	};
	for (size_t i = 0; i < SIM_TD_LEAVES; i++) {
		const struct sim_td_leaf *l = &sim_td_leaves[i];
		entries[i] = (struct abi_tdx_cpuid){
			.function = l->function,
			.index = l->index,
			.flags = l->has_index ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
			.eax = l->may[0],
			.ebx = l->may[1],
			.ecx = l->may[2],
			.edx = l->may[3],
		};
	}
	return 0;
}

/* KVM's part: every entry has a slot, none has bits KVM refuses, the address width is one of two. */
static MUST_USE int cpuid_check(const struct sim_td *td, const struct abi_tdx_cpuid *entries,
	uint32_t n, unsigned int *ret_gpa_bits)
{
	const struct abi_tdx_cpuid *address = NULL;
	uint32_t n_found = 0;

	for (size_t i = 0; i < SIM_TD_LEAVES; i++) {
		const struct abi_tdx_cpuid *e = entry_find(entries, n, &sim_td_leaves[i]);
		if (e == NULL)
			continue;
		n_found++;
		if (e->function == LEAF_STRUCTURE && sim_td_leaves[i].index == 0 &&
			((e->ebx & EBX_TSX) != 0 || (e->ecx & ECX_WAITPKG) != 0))
			return -EINVAL;
		if (e->function == LEAF_ADDRESS)
			address = e;
	}
	if (n_found != n || address == NULL)
		return -EINVAL;
	unsigned int bits = address->eax >> GPAW_SHIFT & 0xFF;
	if (bits != 48 && (bits != 52 || (td->platform->flags & SIM_TDX_FLAG_5_LEVEL) == 0))
		return -EINVAL;
	*ret_gpa_bits = bits;
	return 0;
}

/* The module's part: no bit that may not be chosen. KVM passes the address width itself. */
static bool cpuid_is_configurable(const struct abi_tdx_cpuid *entries, uint32_t n)
{
	for (size_t i = 0; i < SIM_TD_LEAVES; i++) {
		const struct abi_tdx_cpuid *e = entry_find(entries, n, &sim_td_leaves[i]);
		const uint32_t *may = sim_td_leaves[i].may;
		if (e != NULL && ((e->eax & ~may[0]) != 0 || (e->ebx & ~may[1]) != 0 ||
					 (e->ecx & ~may[2]) != 0 || (e->edx & ~may[3]) != 0))
			return false;
	}
	return true;
}

static void cpuid_keep(struct sim_td *td, const struct abi_tdx_cpuid *entries, uint32_t n)
{
	for (size_t i = 0; i < SIM_TD_LEAVES; i++) {
		const struct abi_tdx_cpuid *e = entry_find(entries, n, &sim_td_leaves[i]);
		if (e == NULL)
			continue;
		td->cpuid[i][0] = e->eax;
		td->cpuid[i][1] = e->ebx;
		td->cpuid[i][2] = e->ecx;
		td->cpuid[i][3] = e->edx;
	}
}

static uint32_t mixed(uint32_t host, uint32_t may, uint32_t chosen)
{
	return (host & ~may) | (chosen & may);
}

int sim_td_get_cpuid(const struct sim_td *td, const struct abi_tdx_cpuid *host, uint32_t n_host,
	struct abi_tdx_cpuid *entries, uint32_t *n)
{
	int err = *n < n_host ? -E2BIG : 0;

	*n = n_host;
	if (err < 0)
		return err;
	for (uint32_t k = 0; k < n_host; k++) {
		entries[k] = host[k];
		for (size_t i = 0; i < SIM_TD_LEAVES; i++) {
			const uint32_t *may = sim_td_leaves[i].may;
			if (!leaf_is(&sim_td_leaves[i], &host[k]))
				continue;
			entries[k].eax = mixed(host[k].eax, may[0], td->cpuid[i][0]);
			entries[k].ebx = mixed(host[k].ebx, may[1], td->cpuid[i][1]);
			entries[k].ecx = mixed(host[k].ecx, may[2], td->cpuid[i][2]);
			entries[k].edx = mixed(host[k].edx, may[3], td->cpuid[i][3]);
		}
		if (host[k].function == LEAF_FEATURES)
			entries[k].ecx |= ECX_X2APIC;
	}
	return 0;
}

/* --- INIT_VM --------------------------------------------------------------------------------- */

/* All of these bits, or none. */
static bool bits_are_together(uint64_t v, uint64_t bits)
{
	return (v & bits) == 0 || (v & bits) == bits;
}

#define XFAM_AVX    (1ull << 2)
#define XFAM_AVX512 (7ull << 5)
#define XFAM_CET    (3ull << 11)
#define XFAM_AMX    (3ull << 17)

static bool xfam_is_valid(uint64_t xfam)
{
	return (xfam & ABI_TDX_XFAM_FIXED1) == ABI_TDX_XFAM_FIXED1 &&
	       (xfam & ~ABI_TDX_XFAM_FIXED0) == 0 && bits_are_together(xfam, XFAM_AVX512) &&
	       ((xfam & XFAM_AVX512) == 0 || (xfam & XFAM_AVX) != 0) &&
	       bits_are_together(xfam, XFAM_CET) && bits_are_together(xfam, XFAM_AMX);
}

/* TDH.MNG.INIT. ABI 4.3. */
static uint64_t module_init(
	struct sim_td *td, const struct abi_tdx_init_vm *arg, const struct abi_tdx_cpuid *entries)
{
	uint64_t status = sim_tdx_script_step(td->script, SIM_TDH_MNG_INIT);

	if (status != 0)
		return status;
	if (td->state != SIM_TD_UNINITIALIZED)
		return ABI_TDX_OP_STATE_INCORRECT;
	if ((arg->attributes & ABI_TDX_ATTR_MIGRATABLE) != 0 &&
		(arg->attributes & (ABI_TDX_ATTR_DEBUG | ABI_TDX_ATTR_PERFMON)) != 0)
		return ABI_TDX_OPERAND_INVALID | ABI_TDX_OPERAND_ATTRIBUTES;
	if (!xfam_is_valid(arg->xfam))
		return ABI_TDX_OPERAND_INVALID | ABI_TDX_OPERAND_XFAM;
	if (!cpuid_is_configurable(entries, arg->nent))
		return ABI_TDX_OPERAND_INVALID | ABI_TDX_OPERAND_CPUID_CONFIG;
	return 0;
}

/* What KVM refuses before it asks the module. */
static MUST_USE int init_check(const struct sim_td *td, const struct abi_tdx_init_vm *arg,
	const struct abi_tdx_cpuid *entries, unsigned int *ret_gpa_bits)
{
	if (td->state != SIM_TD_UNINITIALIZED)
		return -EINVAL;
	if (arg->nent > ABI_TDX_CPUID_MAX)
		return -E2BIG;
	uint64_t reserved = arg->padding;
	for (size_t i = 0; i < ARRAY_LEN(arg->reserved); i++)
		reserved |= arg->reserved[i];
	if (reserved != 0)
		return -EINVAL;
	if ((arg->attributes & ~td->platform->attributes) != 0 ||
		(arg->xfam & ~td->platform->xfam) != 0)
		return -EINVAL;
	return cpuid_check(td, entries, arg->nent, ret_gpa_bits);
}

static MUST_USE int stream_start(struct sim_td *td)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL || EVP_DigestInit_ex(ctx, td->crypto->sha384, NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		return -ENOMEM;
	}
	td->mrtd_stream = ctx;
	return 0;
}

int sim_td_init_vm(struct sim_td *td, const struct abi_tdx_init_vm *arg,
	const struct abi_tdx_cpuid *entries, bool has_key, uint64_t *ret_hw_error)
{
	unsigned int gpa_bits = 0;
	int err = init_check(td, arg, entries, &gpa_bits);

	if (err < 0)
		return err;
	if (!has_key)
		return -ENOSPC;
	if (td->no_entropy > 0) {
		td->no_entropy--;
		return -EAGAIN;
	}
	uint64_t status = module_init(td, arg, entries);
	if (status != 0) {
		*ret_hw_error = status;
		return (status & ABI_TDX_STATUS_MASK) == ABI_TDX_OPERAND_INVALID ? -EINVAL : -EIO;
	}
	err = stream_start(td);
	if (err < 0)
		return err;
	td->attributes = arg->attributes;
	td->xfam = arg->xfam;
	memcpy(td->mrconfigid, arg->mrconfigid, sizeof td->mrconfigid);
	memcpy(td->mrowner, arg->mrowner, sizeof td->mrowner);
	memcpy(td->mrownerconfig, arg->mrownerconfig, sizeof td->mrownerconfig);
	td->gpa_bits = gpa_bits;
	cpuid_keep(td, entries, arg->nent);
	td->state = SIM_TD_INITIALIZED;
	return 0;
}

/* --- vCPUs and pages ------------------------------------------------------------------------- */

int sim_td_create_vcpu(const struct sim_td *td, bool has_split_irqchip)
{
	if (td->state != SIM_TD_INITIALIZED) /* the module makes them only now: ABI 4.13 */
		return -EIO;
	return has_split_irqchip ? 0 : -EINVAL;
}

int sim_td_vcpu_command(const struct sim_td *td)
{
	return td->state == SIM_TD_INITIALIZED ? 0 : -EINVAL;
}

int sim_td_init_vcpu(struct sim_td *td, bool has_x2apic)
{
	if (!has_x2apic)
		return -EINVAL;
	if (sim_tdx_script_step(td->script, SIM_TDH_VP_INIT) != 0)
		return -EIO;
	td->n_init_vcpus++;
	return 0;
}

bool sim_td_is_private_range(const struct sim_td *td, uint64_t gpa, uint64_t len)
{
	return num_fits(gpa, len, 1ull << (td->gpa_bits - 1));
}

static void stream_put(struct sim_td *td, const char *what, uint64_t gpa)
{
	struct tdx_mrtd_block block = { .gpa = le64_of(gpa) };

	memcpy(block.what, what, strlen(what));
	if (EVP_DigestUpdate(td->mrtd_stream, &block, sizeof block) != 1)
		abort();
}

static uint64_t page_extend(struct sim_td *td, uint64_t gpa, const uint8_t *page)
{
	for (uint64_t at = 0; at < PAGE_BYTES; at += TDX_CHUNK_BYTES) {
		uint64_t status = sim_tdx_script_step(td->script, SIM_TDH_MR_EXTEND);
		if (status != 0)
			return status;
		stream_put(td, "MR.EXTEND", gpa + at);
		if (EVP_DigestUpdate(td->mrtd_stream, page + at, TDX_CHUNK_BYTES) != 1)
			abort();
	}
	return 0;
}

uint64_t sim_td_add_page(
	struct sim_td *td, uint64_t gpa, const uint8_t page[4096], bool is_measured)
{
	uint64_t status = sim_tdx_script_step(td->script, SIM_TDH_MEM_PAGE_ADD);
	uint64_t until;

	if (status != 0)
		return status;
	if (td->state != SIM_TD_INITIALIZED)
		return ABI_TDX_OP_STATE_INCORRECT;
	if (sim_ranges_get(td->added, gpa, &until))
		return ABI_TDX_EPT_ENTRY_STATE_INCORRECT;
	if (sim_ranges_set(td->added, gpa, gpa + PAGE_BYTES, true) < 0)
		return ABI_TDX_OPERAND_BUSY; /* no memory: try again */
	stream_put(td, "MEM.PAGE.ADD", gpa);
	return is_measured ? page_extend(td, gpa, page) : 0;
}

void sim_td_digest(const struct sim_td *td, uint8_t ret[TDX_DIGEST_BYTES])
{
	EVP_MD_CTX *copy = NULL;

	if (td->state != SIM_TD_INITIALIZED) {
		memcpy(ret, td->mrtd, TDX_DIGEST_BYTES);
		return;
	}
	copy = EVP_MD_CTX_new();
	if (copy == NULL || EVP_MD_CTX_copy_ex(copy, td->mrtd_stream) != 1 ||
		EVP_DigestFinal_ex(copy, ret, NULL) != 1)
		abort();
	EVP_MD_CTX_free(copy);
}

int sim_td_finalize(struct sim_td *td, uint64_t *ret_hw_error)
{
	if (td->state != SIM_TD_INITIALIZED)
		return -EINVAL;
	uint64_t status = sim_tdx_script_step(td->script, SIM_TDH_MR_FINALIZE);
	if ((status & ABI_TDX_STATUS_MASK) == ABI_TDX_OPERAND_BUSY)
		return -EBUSY;
	if (status == 0 && td->n_init_vcpus == 0)
		status = ABI_TDX_NO_VCPUS;
	if (status != 0) {
		*ret_hw_error = status;
		td->is_dead = true;
		return -EIO;
	}
	sim_td_digest(td, td->mrtd);
	td->state = SIM_TD_RUNNABLE;
	return 0;
}

/* --- the running TD -------------------------------------------------------------------------- */

int sim_td_accept(struct sim_td *td, uint64_t gpa, uint64_t len)
{
	return sim_ranges_set(td->added, gpa, gpa + len, true);
}

void sim_td_forget(struct sim_td *td, uint64_t gpa, uint64_t len)
{
	/* Without memory the TD keeps the pages: a missed refusal, never a wrong one. */
	(void)!sim_ranges_set(td->added, gpa, gpa + len, false);
}

int sim_td_extend(struct sim_td *td, uint32_t index, const uint8_t digest[TDX_DIGEST_BYTES])
{
	if (index >= TDX_RTMRS || td->state != SIM_TD_RUNNABLE)
		return -EINVAL;
	sim_tdx_sha384(td->crypto, td->rtmr[index], TDX_DIGEST_BYTES, digest, TDX_DIGEST_BYTES,
		td->rtmr[index]);
	return 0;
}

static void info_fill(const struct sim_td *td, struct tdx_report *r)
{
	const struct sim_tdx_platform *p = td->platform;

	r->tcb.valid = le64_of(TCB_INFO_VALID);
	memcpy(r->tcb.tee_tcb_svn, p->tee_tcb_svn, sizeof r->tcb.tee_tcb_svn);
	memcpy(r->tcb.mrseam, p->mrseam, sizeof r->tcb.mrseam);
	memcpy(r->tcb.rest, p->tee_tcb_svn2, sizeof p->tee_tcb_svn2);
	r->td.attributes = le64_of(td->attributes);
	r->td.xfam = le64_of(td->xfam);
	memcpy(r->td.mrtd, td->mrtd, sizeof r->td.mrtd);
	memcpy(r->td.mrconfigid, td->mrconfigid, sizeof r->td.mrconfigid);
	memcpy(r->td.mrowner, td->mrowner, sizeof r->td.mrowner);
	memcpy(r->td.mrownerconfig, td->mrownerconfig, sizeof r->td.mrownerconfig);
	memcpy(r->td.rtmr, td->rtmr, sizeof r->td.rtmr);
}

int sim_td_report(const struct sim_td *td, const uint8_t report_data[TDX_REPORT_DATA_BYTES],
	struct tdx_report *ret)
{
	struct tdx_report r = { .mac.type = TDX_REPORT_TYPE };

	if (td->state != SIM_TD_RUNNABLE)
		return -EINVAL;
	info_fill(td, &r);
	memcpy(r.mac.cpusvn, td->platform->cpusvn, sizeof r.mac.cpusvn);
	memcpy(r.mac.report_data, report_data, sizeof r.mac.report_data);
	sim_tdx_sha384(td->crypto, &r.tcb, TCB_INFO_BYTES, NULL, 0, r.mac.tee_tcb_info_hash);
	sim_tdx_sha384(td->crypto, &r.td, sizeof r.td, NULL, 0, r.mac.tee_info_hash);
	int err = sim_tdx_mac(
		td->platform->report_key, &r.mac, offsetof(struct tdx_report_mac, mac), r.mac.mac);
	if (err == 0)
		*ret = r;
	return err;
}

bool sim_td_is_report(const struct sim_tdx_platform *p, const struct sim_tdx_crypto *c,
	const struct tdx_report *r)
{
	uint8_t mac[SIM_TDX_MAC_BYTES], tcb[TDX_DIGEST_BYTES], td[TDX_DIGEST_BYTES];

	sim_tdx_sha384(c, &r->tcb, TCB_INFO_BYTES, NULL, 0, tcb);
	sim_tdx_sha384(c, &r->td, sizeof r->td, NULL, 0, td);
	return r->mac.type == TDX_REPORT_TYPE &&
	       sim_tdx_mac(p->report_key, &r->mac, offsetof(struct tdx_report_mac, mac), mac) ==
		       0 &&
	       memcmp(mac, r->mac.mac, sizeof mac) == 0 &&
	       memcmp(tcb, r->mac.tee_tcb_info_hash, sizeof tcb) == 0 &&
	       memcmp(td, r->mac.tee_info_hash, sizeof td) == 0;
}
