#include "vmm/monitor/mon_kvm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "base/log.h"
#include "base/num.h"
#include "sev/fw.h"
#include "vmm/monitor/mon_boot.h"

#define CPUID_ENTRIES_MAX 256u        /* KVM_MAX_CPUID_ENTRIES */
#define TSS_ADDRESS       0xfeffd000u /* three pages nobody else uses; Intel without unrestricted guest */
#define IDENTITY_ADDRESS  0xfeffc000u
#define SLOT_ROM          16u /* above those of RAM */
#define MSR_MTRR_DEF_TYPE 0x2ffu
#define MTRR_WRITE_BACK   0xc06u /* enabled, fixed enabled, write-back */
#define RESET_VECTOR      0xfffffff0u
#define HUGETLBFS         0x958458f6 /* file system type: HUGETLBFS_MAGIC of <linux/magic.h> */

/* --- CPUID --------------------------------------------------------------------------------- */

static unsigned int log2_ceil(unsigned int n)
{
	unsigned int bits = 0;

	while ((1u << bits) < n)
		bits++;
	return bits;
}

/*
 * The table that KVM supports, made this vCPU's: its APIC id, and a topology of one package with
 * one thread a core (Intel SDM 3A 9.9, AMD 24594 appendix E).
 */
static void cpuid_personalise(struct kvm_cpuid2 *t, unsigned int id, unsigned int n)
{
	unsigned int bits = log2_ceil(n);

	for (uint32_t i = 0; i < t->nent; i++) {
		struct kvm_cpuid_entry2 *e = &t->entries[i];
		switch (e->function) {
		case 1:
			e->ebx = (e->ebx & 0xffff) | n << 16 | id << 24;
			e->edx = n > 1 ? e->edx | 1u << 28 : e->edx & ~(1u << 28);
			break;
		case 4: /* caches are each core's own; cores in the package */
			e->eax = (e->eax & 0x3fff) | (n - 1) << 26;
			break;
		case 0xb:
		case 0x1f:
			e->eax = e->index == 1 ? bits : 0;
			e->ebx = e->index == 0 ? 1 : e->index == 1 ? n : 0;
			e->ecx = e->index | (e->index < 2 ? (e->index + 1) << 8 : 0);
			e->edx = id;
			break;
		case 0x80000008:
			e->ecx = bits << 12 | (n - 1);
			break;
		case 0x8000001d:
			e->eax &= ~(0xfffu << 14);
			break;
		case 0x8000001e:
			e->eax = id;
			e->ebx = id;
			e->ecx = 0;
			break;
		default:
			break;
		}
	}
}

#define CPUID_1_ECX_X2APIC     (1u << 21)
#define CPUID_1_ECX_DEADLINE   (1u << 24)
#define CPUID_1_ECX_HYPERVISOR (1u << 31)
#define CPUID_KVM_FEATURES     0x40000001u
/* What KVM has for guests without its clock and its shared pages, which a TD cannot give it: no I/O
 * delay, unhalt, IPIs by hypercall, polling, yielding, long destinations (ABI 5.1). */
#define KVM_FEATURES_TDX (1u << 1 | 1u << 7 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 15)

/* What KVM leaves to us: "there is a hypervisor", the timer its local APIC emulates, the model. */
static void cpuid_complete(struct kvm_cpuid2 *t, int kvm_fd, const struct mon_kvm_config *config)
{
	bool has_deadline =
		fw_ioctl_int(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	bool is_tdx = config->kind == GUEST_TDX;

	for (uint32_t i = 0; i < t->nent; i++) {
		struct kvm_cpuid_entry2 *e = &t->entries[i];
		if (e->function == 1)
			e->ecx |= CPUID_1_ECX_HYPERVISOR |
				  (has_deadline ? CPUID_1_ECX_DEADLINE : 0) |
				  (is_tdx ? CPUID_1_ECX_X2APIC : 0);
		if (e->function == 1 && config->cpu_signature != 0)
			e->eax = config->cpu_signature;
		if (e->function == CPUID_KVM_FEATURES && is_tdx)
			e->eax &= KVM_FEATURES_TDX;
	}
}

static MUST_USE int cpuid_read(
	int kvm_fd, const struct mon_kvm_config *config, struct kvm_cpuid2 **ret, struct why *why)
{
	struct kvm_cpuid2 *t =
		calloc(1, sizeof *t + CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2));

	if (t == NULL)
		return why_set(why, -ENOMEM, "no memory for the CPUID table");
	t->nent = CPUID_ENTRIES_MAX;
	int err = fw_ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, t);
	if (err < 0) {
		free(t);
		return why_set(why, err, "KVM_GET_SUPPORTED_CPUID: %s", strerrordesc_np(-err));
	}
	cpuid_complete(t, kvm_fd, config);
	*ret = t;
	return 0;
}

/* --- registers (docs/launch.md, "Initial CPU state") ----------------------------------------- */

static struct kvm_segment segment(uint16_t selector, uint16_t attrib, uint32_t limit, uint64_t base)
{
	return (struct kvm_segment){
		.base = base,
		.limit = limit,
		.selector = selector,
		.type = attrib & 0xf,
		.s = attrib >> 4 & 1,
		.dpl = attrib >> 5 & 3,
		.present = attrib >> 7 & 1,
		.avl = attrib >> 8 & 1,
		.l = attrib >> 9 & 1,
		.db = attrib >> 10 & 1,
		.g = attrib >> 11 & 1,
	};
}

static void sregs_set_data(struct kvm_sregs *s, struct kvm_segment data)
{
	s->ds = s->es = s->fs = s->gs = s->ss = data;
}

/* Where a vCPU starts: at the kernel's entry, or as a processor comes out of reset (ABI 2.9). */
struct vcpu_start {
	bool is_at_kernel;
	uint32_t reset; /* else: this address */
	uint64_t rdx;
};

/* Vectors of encrypted vCPUs are in the firmware's table: nobody can send them elsewhere later. */
static struct vcpu_start vcpu_start_of(const struct mon_kvm_config *c, unsigned int i)
{
	bool is_encrypted = c->kind == GUEST_SEV_ES || c->kind == GUEST_SNP;
	bool is_ap = i > 0 && is_encrypted && c->firmware != NULL;

	return (struct vcpu_start){
		.is_at_kernel = i == 0 && !c->starts_in_firmware,
		.reset = is_ap ? c->firmware->ap_reset : RESET_VECTOR,
		.rdx = c->starts_in_firmware ? c->cpu_signature : 0,
	};
}

static MUST_USE int vcpu_set_registers(int fd, const struct vcpu_start *start)
{
	struct kvm_sregs s;
	struct kvm_regs r = { .rflags = 2, .rdx = start->rdx };
	int err = fw_ioctl(fd, KVM_GET_SREGS, &s);

	if (err < 0)
		return err;
	s.ldt = segment(0, 0x82, 0xffff, 0);
	s.tr = segment(0, 0x8b, 0xffff, 0);
	s.idt = (struct kvm_dtable){ .base = 0, .limit = start->is_at_kernel ? 0 : 0xffff };
	s.cr2 = s.cr3 = s.cr4 = s.cr8 = s.efer = 0;
	if (start->is_at_kernel) {
		s.cs = segment(0x10, 0xc9b, 0xffffffff, 0);
		sregs_set_data(&s, segment(0x18, 0xc93, 0xffffffff, 0));
		s.gdt = (struct kvm_dtable){ .base = BOOT_GDT_GPA, .limit = 0x1f };
		s.cr0 = 0x11;
		r.rip = BOOT_KERNEL_GPA;
		r.rsi = BOOT_PARAMS_GPA;
	} else {
		s.cs = segment(0xf000, 0x9b, 0xffff, start->reset & 0xffff0000);
		sregs_set_data(&s, segment(0, 0x93, 0xffff, 0));
		s.gdt = (struct kvm_dtable){ .base = 0, .limit = 0xffff };
		s.cr0 = 0x10;
		r.rip = start->reset & 0xffff;
	}
	err = fw_ioctl(fd, KVM_SET_SREGS, &s);
	return err < 0 ? err : fw_ioctl(fd, KVM_SET_REGS, &r);
}

/*
 * Linux wants write-back memory by default; KVM's reset value says uncacheable, which firmware
 * expects and sets up itself.
 */
static MUST_USE int vcpu_set_msrs(int fd)
{
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} m = { .head.nmsrs = 1 };

	m.head.entries[0] =
		(struct kvm_msr_entry){ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_WRITE_BACK };
	int n = fw_ioctl(fd, KVM_SET_MSRS, &m);
	return n == 1 ? 0 : n < 0 ? n : -EINVAL;
}

static MUST_USE int vcpu_set_state(int fd, unsigned int i, const struct mon_kvm_config *config)
{
	const struct vcpu_start start = vcpu_start_of(config, i);
	int err = config->starts_in_firmware ? 0 : vcpu_set_msrs(fd);

	return err == 0 ? vcpu_set_registers(fd, &start) : err;
}

static MUST_USE int vcpu_open(
	struct mon_kvm *k, unsigned int i, const struct mon_kvm_config *config, struct why *why)
{
	int fd = fw_ioctl_int(k->vm_fd, KVM_CREATE_VCPU, i);

	if (fd < 0)
		return why_set(why, fd, "KVM_CREATE_VCPU %u: %s", i, strerrordesc_np(-fd));
	k->vcpu_fds[i] = fd;
	k->n_vcpus = i + 1;
	int err = fw_map_run(fd, k->run_size, &k->runs[i]);
	if (err < 0)
		return why_set(why, err, "vCPU %u: cannot map its run page", i);
	cpuid_personalise(k->cpuid, i, config->setup.vcpus);
	err = fw_ioctl(fd, KVM_SET_CPUID2, k->cpuid);
	if (err < 0)
		return why_set(why, err, "vCPU %u: KVM_SET_CPUID2: %s", i, strerrordesc_np(-err));
	if (config->kind == GUEST_TDX) /* its registers are the module's (ABI 4.4) */
		return guest_init_vcpu(k->guest, fd, config->firmware->hob_gpa, why);
	err = vcpu_set_state(fd, i, config);
	return err < 0 ? why_set(why, err, "vCPU %u: cannot set its registers: %s", i,
				 strerrordesc_np(-err))
		       : 0;
}

/* --- the machine ------------------------------------------------------------------------------ */

static MUST_USE int chips_open(struct mon_kvm *k, enum guest_kind kind, struct why *why)
{
	if (kind == GUEST_NONE) { /* an Intel host without unrestricted guests needs these */
		uint64_t identity = IDENTITY_ADDRESS;
		int err = fw_ioctl(k->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
		if (err == 0)
			err = fw_ioctl_int(k->vm_fd, KVM_SET_TSS_ADDR, TSS_ADDRESS);
		if (err < 0)
			return why_set(why, err, "KVM_SET_TSS_ADDR: %s", strerrordesc_np(-err));
	}
	k->routes = calloc(
		1, sizeof *k->routes + KVM_ROUTES_MAX * sizeof(struct kvm_irq_routing_entry));
	if (k->routes == NULL)
		return why_set(why, -ENOMEM, "no memory for interrupt routes");
	if (kind == GUEST_TDX) /* half of it was made with the VM; the other half is mon_ioapic */
		return 0;
	int err = fw_ioctl(k->vm_fd, KVM_CREATE_IRQCHIP, NULL);
	if (err < 0)
		return why_set(why, err, "KVM_CREATE_IRQCHIP: %s", strerrordesc_np(-err));
	for (unsigned int i = 0; i < IOAPIC_PINS; i++)
		k->routes->entries[k->routes->nr++] = (struct kvm_irq_routing_entry){
			.gsi = i,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = i },
		};
	err = fw_ioctl(k->vm_fd, KVM_SET_GSI_ROUTING, k->routes);
	return err < 0 ? why_set(why, err, "KVM_SET_GSI_ROUTING: %s", strerrordesc_np(-err)) : 0;
}

static MUST_USE int machine_open(struct mon_kvm *k, const struct mon_kvm_config *config,
	const struct mon_memory *memory, struct why *why)
{
	const struct fwimage *fw = config->firmware;
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < memory->n; i++) {
		const struct mem_range *r = &memory->ranges[i];
		err = guest_add_memory(k->guest, i, r->gpa, r->size, memory->map + r->offset, why);
	}
	if (err == 0 && fw != NULL)
		err = guest_add_memory(k->guest, memory->n, fw->gpa, fw->size, fw->map, why);
	if (err == 0)
		err = chips_open(k, config->kind, why);
	for (unsigned int i = 0; err == 0 && i < config->setup.vcpus; i++)
		err = vcpu_open(k, i, config, why);
	return err;
}

/* The pages that the supervisor's memfd is made of. */
static uint64_t shared_page_bytes(const struct mon_memory *memory)
{
	struct statfs fs;

	return fstatfs(memory->fd, &fs) == 0 && fs.f_type == HUGETLBFS ? (uint64_t)fs.f_bsize
								       : PAGE_BYTES;
}

static MUST_USE int guest_make(struct mon_kvm *k, const struct mon_kvm_config *config, int kvm_fd,
	int sev_fd, const struct mon_memory *memory, struct why *why)
{
	struct guest_setup setup = config->setup;

	setup.kvm_fd = kvm_fd;
	setup.sev_fd = sev_fd;
	setup.cpuid = k->cpuid;
	setup.shared_page_bytes = shared_page_bytes(memory);
	int err = guest_open(config->kind, &setup, &k->guest, why);
	if (err < 0)
		return err;
	k->vm_fd = guest_vm_fd(k->guest);
	int size = fw_ioctl_int(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return why_set(why, -EPROTONOSUPPORT, "KVM_GET_VCPU_MMAP_SIZE: %d", size);
	k->run_size = (size_t)size;
	return 0;
}

int mon_kvm_open(struct mon_kvm *ret, const struct mon_kvm_config *config, int kvm_fd, int sev_fd,
	const struct mon_memory *memory, struct why *why)
{
	memset(ret, 0, sizeof *ret);
	int err = fw_open(kvm_fd, config->kind == GUEST_NONE ? -1 : sev_fd, why);
	if (err == 0)
		err = cpuid_read(kvm_fd, config, &ret->cpuid, why);
	if (err == 0)
		err = guest_make(ret, config, kvm_fd, sev_fd, memory, why);
	if (err == 0)
		err = machine_open(ret, config, memory, why);
	if (err < 0)
		mon_kvm_close(ret);
	return err;
}

void mon_kvm_close(struct mon_kvm *k)
{
	for (unsigned int i = 0; i < k->n_vcpus; i++) {
		if (k->runs[i] != NULL)
			(void)munmap(k->runs[i], k->run_size);
		fw_close(k->vcpu_fds[i]);
	}
	k->n_vcpus = 0;
	guest_close(k->guest);
	k->guest = NULL;
	free(k->cpuid);
	free(k->routes);
	k->cpuid = NULL;
	k->routes = NULL;
}

/* --- interrupts and kicks ---------------------------------------------------------------------
 * These run after the filter is on, on behalf of guest register writes. A refusal by KVM leaves
 * the guest without an interrupt it asked for: logged, not fatal.
 */
static void kvm_call(
	struct mon_kvm *k, const char *name, unsigned long request, void *arg, uint64_t *refusals)
{
	int err = fw_ioctl(k->vm_fd, request, arg);

	if (err < 0 && log_is_due(refusals))
		log_warn("%s: %s", name, strerrordesc_np(-err));
}

/* The guest can have the same refused as often as it likes: each request counts its own. */
#define KVM_CALL(k, request, arg)                                                                  \
	do {                                                                                       \
		static uint64_t refusals_;                                                         \
		kvm_call(k, #request, request, arg, &refusals_);                                   \
	} while (0)

int mon_kvm_set_rom(struct mon_kvm *k, unsigned int rom, uint64_t gpa, size_t size, void *host)
{
	struct kvm_userspace_memory_region region = {
		.slot = SLOT_ROM + rom,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = gpa,
		.memory_size = host != NULL ? size : 0,
		.userspace_addr = (uintptr_t)host,
	};

	return fw_ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

void mon_kvm_set_irq(struct mon_kvm *k, unsigned int gsi, bool is_high)
{
	struct kvm_irq_level level = { .irq = gsi, .level = is_high };

	if (guest_kind(k->guest) == GUEST_TDX) {
		mon_ioapic_set(&k->ioapic, gsi, is_high);
		return;
	}
	KVM_CALL(k, KVM_IRQ_LINE, &level);
}

void mon_kvm_signal_msi(struct mon_kvm *k, uint64_t address, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = (uint32_t)address,
		.address_hi = (uint32_t)(address >> 32),
		.data = data,
	};

	KVM_CALL(k, KVM_SIGNAL_MSI, &msi);
}

static void ioapic_signal(void *owner, uint64_t address, uint32_t data)
{
	mon_kvm_signal_msi(owner, address, data);
}

int mon_kvm_init_ioapic(struct mon_kvm *k, struct bus *bus)
{
	return guest_kind(k->guest) == GUEST_TDX
		       ? mon_ioapic_init(&k->ioapic, bus, ioapic_signal, k)
		       : 0;
}

static struct kvm_irq_routing_entry *route_find(struct mon_kvm *k, unsigned int gsi)
{
	for (uint32_t i = 0; i < k->routes->nr; i++)
		if (k->routes->entries[i].gsi == gsi)
			return &k->routes->entries[i];
	if (k->routes->nr == KVM_ROUTES_MAX)
		return NULL;
	return &k->routes->entries[k->routes->nr++];
}

void mon_kvm_set_route(struct mon_kvm *k, unsigned int gsi, uint64_t address, uint32_t data)
{
	struct kvm_irq_routing_entry want = {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = (uint32_t)address,
			.address_hi = (uint32_t)(address >> 32),
			.data = data },
	};
	struct kvm_irq_routing_entry *e = route_find(k, gsi);

	if (e == NULL || memcmp(e, &want, sizeof want) == 0)
		return;
	*e = want;
	KVM_CALL(k, KVM_SET_GSI_ROUTING, k->routes);
}

void mon_kvm_set_irqfd(struct mon_kvm *k, int event_fd, unsigned int gsi, bool is_on)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)event_fd,
		.gsi = gsi,
		.flags = is_on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	KVM_CALL(k, KVM_IRQFD, &irqfd);
}

void mon_kvm_set_ioeventfd(struct mon_kvm *k, int event_fd, uint64_t gpa, bool is_on)
{
	struct kvm_ioeventfd io = {
		.addr = gpa,
		.len = 2,
		.fd = event_fd,
		.flags = is_on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	KVM_CALL(k, KVM_IOEVENTFD, &io);
}
