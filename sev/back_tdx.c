/* Intel TDX. ABI 4.1 to 4.6, 4.12. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "sev/abi_kvm.h"
#include "sev/abi_tdx.h"
#include "sev/back.h"
#include "sev/fw.h"
#include "sev/gmem.h"
#include "sev/tdx_error.h"

/* KVM is to be asked again when the module is busy or out of entropy; QEMU stops there too. */
#define TRIES_MAX          10000u

#define CAPS_ENTRIES_FIRST 64u
#define IOAPIC_PINS        24u
#define GPAW               48u         /* four levels of page tables; our guests end far below */
#define GPAW_MASK          0x00ff0000u /* in leaf 0x80000008 EAX: KVM's invention, ABI 4.2 */
#define GPAW_LEAF          0x80000008u

/* Room for any table of leaves behind either structure. */
struct caps {
	struct abi_tdx_capabilities head;
	struct abi_tdx_cpuid entries[ABI_TDX_CPUID_MAX];
};
WIRE_AT(struct caps, entries, 2056);

struct init_vm {
	struct abi_tdx_init_vm head;
	struct abi_tdx_cpuid entries[ABI_TDX_CPUID_MAX];
};
WIRE_AT(struct init_vm, entries, 264);

_Static_assert(sizeof(struct abi_tdx_cpuid) == sizeof(struct kvm_cpuid_entry2), "ABI 4.2");

/* --- commands --------------------------------------------------------------------------------- */

/*
 * One command, asked again as long as KVM says "later"; hw_error comes back from INIT_VM and
 * FINALIZE_VM alone (ABI 4.1). -EREMOTEIO: the module refused.
 */
static MUST_USE int tdx_issue(
	int fd, enum abi_tdx_id id, uint32_t flags, uint64_t arg, const char *what, struct why *why)
{
	char text[TDX_ERROR_TEXT_BYTES];
	struct abi_tdx_cmd cmd;
	int err = -EAGAIN;

	for (unsigned int i = 0;
		i < TRIES_MAX && (err == -EAGAIN || err == -EBUSY || err == -EINTR); i++) {
		cmd = (struct abi_tdx_cmd){ .id = id, .flags = flags, .data = arg };
		err = fw_ioctl(fd, ABI_MEMORY_ENCRYPT_OP, &cmd);
	}
	if (err >= 0)
		return 0;
	if (cmd.hw_error == 0)
		return why_set(why, err, "%s: KVM says %s%s", what, strerrorname_np(-err),
			err == -ENOSPC ? ": every key id for TDs is in use; end another TD" : "");
	tdx_error_print(cmd.hw_error, text);
	return why_set(why, -EREMOTEIO, "%s: the TDX module says %s", what, text);
}

/* The caller frees *ret. */
static MUST_USE int caps_read(int vm_fd, struct caps **ret, struct why *why)
{
	struct caps *c = calloc(1, sizeof *c);
	int err = c == NULL ? -ENOMEM : -E2BIG;

	/* Too little room is -E2BIG without a word on how much it takes (ABI 4.2). */
	for (uint32_t n = CAPS_ENTRIES_FIRST; err == -E2BIG && n <= ABI_TDX_CPUID_MAX; n *= 2) {
		c->head.nent = n;
		struct why each = { 0 };
		err = tdx_issue(vm_fd, ABI_TDX_CAPABILITIES, 0, (uintptr_t)c,
			"KVM_TDX_CAPABILITIES", &each);
		if (err < 0 && err != -E2BIG)
			why_set(why, err, "%s", each.text);
	}
	if (err == 0 && c->head.nent > ABI_TDX_CPUID_MAX)
		err = -EPROTONOSUPPORT;
	if (err < 0) {
		free(c);
		return why_set(why, err, "cannot read what TDX offers");
	}
	*ret = c;
	return 0;
}

/* --- the VM ----------------------------------------------------------------------------------- */

static MUST_USE int cap_enable(
	int vm_fd, uint32_t cap, uint64_t arg, const char *what, struct why *why)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };
	int err = fw_ioctl(vm_fd, KVM_ENABLE_CAP, &c);

	return err < 0 ? why_set(why, err, "%s: KVM says %s", what, strerrorname_np(-err)) : 0;
}

/* The order is the kernel's: the bus clock after the split irqchip, both before INIT_VM. */
static MUST_USE int vm_prepare(struct guest *g, struct why *why)
{
	int err = cap_enable(
		g->vm_fd, KVM_CAP_SPLIT_IRQCHIP, IOAPIC_PINS, "KVM_CAP_SPLIT_IRQCHIP", why);

	if (err == 0)
		err = gmem_open(g, why);
	if (err == 0)
		err = cap_enable(g->vm_fd, ABI_CAP_X86_APIC_BUS_CYCLES_NS, ABI_TDX_APIC_BUS_NS,
			"KVM_CAP_X86_APIC_BUS_CYCLES_NS", why);
	if (err < 0)
		return err;
	err = fw_ioctl_int(g->vm_fd, KVM_SET_TSC_KHZ, 0); /* the host's frequency */
	return err < 0 ? why_set(why, err, "KVM_SET_TSC_KHZ: KVM says %s", strerrorname_np(-err))
		       : 0;
}

static const struct kvm_cpuid_entry2 *entry_find(
	const struct kvm_cpuid2 *table, const struct abi_tdx_cpuid *like)
{
	for (uint32_t i = 0; i < table->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &table->entries[i];
		bool has_index = (like->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;
		if (e->function == like->function && (!has_index || e->index == like->index))
			return e;
	}
	return NULL;
}

/*
 * What the guest is to see of the leaves that may be configured, and nothing else: every entry
 * without a place of its own would be refused (ABI 4.3).
 */
static MUST_USE int cpuid_choose(struct init_vm *init, const struct caps *caps,
	const struct kvm_cpuid2 *table, struct why *why)
{
	bool has_gpaw = false;

	for (uint32_t i = 0; i < caps->head.nent; i++) {
		struct abi_tdx_cpuid want = caps->entries[i]; /* its registers are masks */
		const struct kvm_cpuid_entry2 *e = entry_find(table, &want);
		bool is_gpaw = want.function == GPAW_LEAF;
		if (e == NULL && !is_gpaw)
			continue;
		want.eax &= e != NULL ? e->eax : 0;
		want.ebx &= e != NULL ? e->ebx : 0;
		want.ecx &= e != NULL ? e->ecx : 0;
		want.edx &= e != NULL ? e->edx : 0;
		if (is_gpaw)
			want.eax = (want.eax & ~GPAW_MASK) | GPAW << 16;
		has_gpaw |= is_gpaw;
		init->entries[init->head.nent++] = want;
	}
	return has_gpaw ? 0
			: why_set(why, -EPROTONOSUPPORT,
				  "TDX: leaf 0x%x is not among those KVM lets us configure",
				  GPAW_LEAF);
}

/* A number the policy may have; what is beyond the host is named. */
static MUST_USE int bits_check(const char *what, uint64_t want, uint64_t offered, struct why *why)
{
	return (want & ~offered) == 0
		       ? 0
		       : why_set(why, -ERANGE, "TD %s 0x%llx: this host offers 0x%llx", what,
				 (unsigned long long)want, (unsigned long long)offered);
}

static void id_copy(uint8_t to[ABI_TDX_ID_BYTES], const uint8_t *from)
{
	if (from != NULL)
		memcpy(to, from, ABI_TDX_ID_BYTES);
}

static MUST_USE int vm_init(
	struct guest *g, const struct guest_setup *setup, const struct caps *caps, struct why *why)
{
	uint64_t xfam = setup->td_xfam != 0 ? setup->td_xfam : caps->head.supported_xfam;
	int err = bits_check("attributes", setup->td_attributes, caps->head.supported_attrs, why);

	if (err == 0)
		err = bits_check("XFAM", xfam, caps->head.supported_xfam, why);
	if (err < 0)
		return err;
	if ((xfam & ABI_TDX_XFAM_FIXED1) != ABI_TDX_XFAM_FIXED1)
		return why_set(why, -ERANGE, "TD XFAM 0x%llx: bits 0 and 1 must be set",
			(unsigned long long)xfam);
	struct init_vm *init = calloc(1, sizeof *init);
	if (init == NULL)
		return why_set(why, -ENOMEM, "no memory for the TD's parameters");
	init->head.attributes = setup->td_attributes;
	init->head.xfam = xfam;
	id_copy(init->head.mrconfigid, setup->mrconfigid);
	id_copy(init->head.mrowner, setup->mrowner);
	id_copy(init->head.mrownerconfig, setup->mrownerconfig);
	err = cpuid_choose(init, caps, setup->cpuid, why);
	if (err == 0)
		err = tdx_issue(
			g->vm_fd, ABI_TDX_INIT_VM, 0, (uintptr_t)init, "KVM_TDX_INIT_VM", why);
	free(init);
	return err;
}

static MUST_USE int vm_create(struct guest *g, struct why *why)
{
	int types = fw_ioctl_int(g->kvm_fd, KVM_CHECK_EXTENSION, ABI_CAP_VM_TYPES);

	if (types < 0 || (types & 1 << ABI_VM_TYPE_TDX) == 0)
		return why_set(why, -EOPNOTSUPP,
			"this host offers no TDX guests (KVM_CAP_VM_TYPES is 0x%x)",
			types < 0 ? 0u : (unsigned int)types);
	g->vm_fd = fw_ioctl_int(g->kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_TDX);
	return g->vm_fd < 0 ? why_set(why, g->vm_fd, "cannot create a TD") : 0;
}

static int tdx_open(struct guest *g, const struct guest_setup *setup, struct why *why)
{
	struct caps *caps = NULL;
	int err = vm_create(g, why);

	if (err == 0)
		err = caps_read(g->vm_fd, &caps, why);
	if (err == 0)
		err = vm_prepare(g, why);
	if (err == 0)
		err = vm_init(g, setup, caps, why);
	if (err == 0)
		g->td_info = (struct guest_td_info){
			.kernel_r11 = caps->head.kernel_tdvmcallinfo_1_r11,
			.user_r11 = caps->head.user_tdvmcallinfo_1_r11,
			.kernel_r12 = caps->head.kernel_tdvmcallinfo_1_r12,
		};
	free(caps);
	return err;
}

static int tdx_init_vcpu(struct guest *g, int vcpu_fd, uint64_t value, struct why *why)
{
	int err = tdx_issue(vcpu_fd, ABI_TDX_INIT_VCPU, 0, value, "KVM_TDX_INIT_VCPU", why);

	if (err == 0 && g->vcpu_fd < 0)
		g->vcpu_fd = vcpu_fd;
	return err;
}

/* --- memory ----------------------------------------------------------------------------------- */

/* KVM moves the region on as far as it came, also when it fails (ABI 4.5); its word is checked. */
static MUST_USE int region_add(
	int vcpu_fd, struct abi_tdx_mem_region *m, uint32_t flags, struct why *why)
{
	unsigned int tries = 0;
	int err = 0;

	while (err == 0 && m->nr_pages > 0) {
		const struct abi_tdx_mem_region before = *m;
		struct abi_tdx_cmd cmd = {
			.id = ABI_TDX_INIT_MEM_REGION, .flags = flags, .data = (uintptr_t)m
		};
		err = fw_ioctl(vcpu_fd, ABI_MEMORY_ENCRYPT_OP, &cmd);
		uint64_t done = before.nr_pages - m->nr_pages;
		if (m->nr_pages > before.nr_pages || m->gpa != before.gpa + done * PAGE_BYTES ||
			m->source_addr != before.source_addr + done * PAGE_BYTES) {
			*m = before;
			return why_set(why, -EIO, "KVM_TDX_INIT_MEM_REGION: KVM lost its way");
		}
		tries = done > 0 ? 0 : tries + 1;
		bool is_later = err >= 0 || err == -EAGAIN || err == -EBUSY || err == -EINTR;
		if (is_later && tries < TRIES_MAX)
			err = 0;
		else if (err >= 0)
			err = -EBUSY;
	}
	return err < 0 ? why_set(why, err, "KVM_TDX_INIT_MEM_REGION at 0x%llx: KVM says %s",
				 (unsigned long long)m->gpa, strerrorname_np(-err))
		       : 0;
}

static int tdx_measure(struct guest *g, struct ram_region *r, enum page_type type, uint64_t gpa,
	void *src, uint64_t len, uint64_t *ret_done, struct why *why)
{
	uint32_t flags = type == PAGE_NORMAL ? ABI_TDX_MEASURE_REGION : 0;
	int err = 0;

	(void)r;
	assert(src == NULL || len <= STAGE_BYTES);
	if (type != PAGE_NORMAL && type != PAGE_UNMEASURED && type != PAGE_ZERO)
		return why_set(why, -EOPNOTSUPP, "a TD has no pages of type %u", type);
	if (g->vcpu_fd < 0)
		return why_set(
			why, -EPROTO, "a TD's memory is added through a vCPU: there is none");
	if (src == NULL)
		memset(g->stage, 0, STAGE_BYTES);
	while (err == 0 && *ret_done < len) {
		uint64_t part = MIN(len - *ret_done, STAGE_BYTES);
		struct abi_tdx_mem_region m = {
			.source_addr = (uintptr_t)(src != NULL ? src : g->stage),
			.gpa = gpa + *ret_done,
			.nr_pages = part / PAGE_BYTES,
		};
		err = region_add(g->vcpu_fd, &m, flags, why);
		*ret_done += part - m.nr_pages * PAGE_BYTES;
	}
	return err;
}

static int tdx_finish(struct guest *g, const struct guest_identity *id, struct why *why)
{
	(void)id; /* INIT_VM has had it */
	return tdx_issue(g->vm_fd, ABI_TDX_FINALIZE_VM, 0, 0, "KVM_TDX_FINALIZE_VM", why);
}

const struct back back_tdx = {
	.flow = LAUNCH_FLOW_PAGES,
	.grain = PAGE_BYTES,
	.open = tdx_open,
	.add_memory = gmem_add_memory,
	.set_private = gmem_set_private,
	.init_vcpu = tdx_init_vcpu,
	.measure = tdx_measure,
	.finish = tdx_finish,
	.convert = gmem_convert,
};
