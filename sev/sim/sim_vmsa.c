#include "sev/sim/sim_vmsa.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "base/rd.h"

#define EFER_SVME 0x1000ull
#define CR4_MCE   0x40ull
#define CR0_NW_CD 0x60000000ull
#define DR7_RESET 0x400ull

/* The XSAVE area in its standard form. */
#define XSAVE_XMM_END   416u
#define XSAVE_HEADER_AT 512u
#define XSAVE_YMM_AT    576u
#define XSTATE_YMM      (1ull << 2)

/* MSRs that have a field; a KVM that does not know one leaves the field at its reset value, zero. */
struct msr_field {
	uint32_t index;
	size_t at;
};

static const struct msr_field msr_fields[] = {
	{ 0x00000277, offsetof(struct snp_vmsa, g_pat) },
	{ 0xC0000081, offsetof(struct snp_vmsa, star) },
	{ 0xC0000082, offsetof(struct snp_vmsa, lstar) },
	{ 0xC0000083, offsetof(struct snp_vmsa, cstar) },
	{ 0xC0000084, offsetof(struct snp_vmsa, sfmask) },
	{ 0xC0000102, offsetof(struct snp_vmsa, kernel_gs) },
	{ 0x00000174, offsetof(struct snp_vmsa, sysenter_cs) },
	{ 0x00000175, offsetof(struct snp_vmsa, sysenter_esp) },
	{ 0x00000176, offsetof(struct snp_vmsa, sysenter_eip) },
	{ 0x00000DA0, offsetof(struct snp_vmsa, xss) },
};

static struct snp_segment segment_of(const struct kvm_segment *s)
{
	unsigned int attrib = (unsigned int)(s->type & 0xF) | (s->s & 1u) << 4 |
			      (s->dpl & 3u) << 5 | (s->present & 1u) << 7 | (s->avl & 1u) << 8 |
			      (s->l & 1u) << 9 | (s->db & 1u) << 10 | (s->g & 1u) << 11;

	return (struct snp_segment){ le16_of(s->selector), le16_of((uint16_t)attrib),
		le32_of(s->limit), le64_of(s->base) };
}

static struct snp_segment table_of(const struct kvm_dtable *t)
{
	return (struct snp_segment){ .limit = le32_of(t->limit), .base = le64_of(t->base) };
}

static void sregs_put(struct snp_vmsa *v, const struct kvm_sregs *s)
{
	v->es = segment_of(&s->es);
	v->cs = segment_of(&s->cs);
	v->ss = segment_of(&s->ss);
	v->ds = segment_of(&s->ds);
	v->fs = segment_of(&s->fs);
	v->gs = segment_of(&s->gs);
	v->gdtr = table_of(&s->gdt);
	v->ldtr = segment_of(&s->ldt);
	v->idtr = table_of(&s->idt);
	v->tr = segment_of(&s->tr);
	v->cpl = (uint8_t)(s->ss.dpl & 3);
	/* SVME always, MCE because the host runs with it, caches on: ABI 2.9, "What KVM injects". */
	v->efer = le64_of(s->efer | EFER_SVME);
	v->cr4 = le64_of(s->cr4 | CR4_MCE);
	v->cr3 = le64_of(s->cr3);
	v->cr2 = le64_of(s->cr2);
	v->cr0 = le64_of(s->cr0 & ~CR0_NW_CD);
}

static void regs_put(struct snp_vmsa *v, const struct kvm_regs *r)
{
	const uint64_t high[8] = { r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };

	v->rflags = le64_of(r->rflags);
	v->rip = le64_of(r->rip);
	v->rsp = le64_of(r->rsp);
	v->rax = le64_of(r->rax);
	v->rcx = le64_of(r->rcx);
	v->rdx = le64_of(r->rdx);
	v->rbx = le64_of(r->rbx);
	v->rbp = le64_of(r->rbp);
	v->rsi = le64_of(r->rsi);
	v->rdi = le64_of(r->rdi);
	for (size_t i = 0; i < ARRAY_LEN(high); i++)
		v->r8_15[i] = le64_of(high[i]);
}

/* The legacy area of XSAVE and the upper halves behind it; KVM_GET_FPU leaves MXCSR out. */
static MUST_USE int fpu_put(struct snp_vmsa *v, const struct kvm_xsave *x)
{
	struct rd r = rd_of(x->region, XSAVE_YMM_AT + sizeof v->ymm_high);

	v->x87_fcw = le16_of(rd_le16(&r));
	v->x87_fsw = le16_of(rd_le16(&r));
	v->x87_ftw = le16_of(rd_le16(&r));
	v->x87_fop = le16_of(rd_le16(&r));
	v->x87_rip = le64_of(rd_le64(&r));
	v->x87_dp = le64_of(rd_le64(&r));
	v->mxcsr = le32_of(rd_le32(&r));
	rd_skip(&r, 4); /* MXCSR mask */
	for (size_t i = 0; i < 8; i++) {
		rd_copy(&r, v->x87 + 10 * i, 10);
		rd_skip(&r, 6);
	}
	rd_copy(&r, v->xmm, sizeof v->xmm);
	rd_skip(&r, XSAVE_HEADER_AT - XSAVE_XMM_END);
	bool has_ymm = (rd_le64(&r) & XSTATE_YMM) != 0;
	rd_skip(&r, XSAVE_YMM_AT - XSAVE_HEADER_AT - 8);
	if (has_ymm)
		rd_copy(&r, v->ymm_high, sizeof v->ymm_high);
	return rd_check(&r);
}

static void msrs_put(const struct sim_host *host, int fd, struct snp_vmsa *v)
{
	for (size_t i = 0; i < ARRAY_LEN(msr_fields); i++) {
		union {
			struct kvm_msrs head;
			uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
		} m = { .head = { .nmsrs = 1 } };
		m.head.entries[0].index = msr_fields[i].index;
		if (host->ioctl(fd, KVM_GET_MSRS, (uintptr_t)&m) != 1)
			continue;
		le64 value = le64_of(m.head.entries[0].data);
		memcpy((uint8_t *)v + msr_fields[i].at, &value, sizeof value);
	}
}

/* XCR0; a KVM without XSAVE has its reset value. */
static uint64_t xcr0_read(const struct sim_host *host, int fd)
{
	struct kvm_xcrs x = { 0 };

	if (host->ioctl(fd, KVM_GET_XCRS, (uintptr_t)&x) < 0)
		return 1;
	for (uint32_t i = 0; i < MIN(x.nr_xcrs, (uint32_t)KVM_MAX_XCRS); i++)
		if (x.xcrs[i].xcr == 0)
			return x.xcrs[i].value;
	return 1;
}

int sim_vmsa_read(
	const struct sim_host *host, int vcpu_fd, uint64_t sev_features, struct snp_vmsa *ret)
{
	struct snp_vmsa v = { 0 };
	struct kvm_regs regs = { 0 };
	struct kvm_sregs sregs = { 0 };
	struct kvm_debugregs dbg = { 0 };
	struct kvm_xsave fpu = { 0 };
	int err = host->ioctl(vcpu_fd, KVM_GET_REGS, (uintptr_t)&regs);

	if (err >= 0)
		err = host->ioctl(vcpu_fd, KVM_GET_SREGS, (uintptr_t)&sregs);
	if (err >= 0)
		err = host->ioctl(vcpu_fd, KVM_GET_DEBUGREGS, (uintptr_t)&dbg);
	if (err >= 0)
		err = host->ioctl(vcpu_fd, KVM_GET_XSAVE, (uintptr_t)&fpu);
	if (err >= 0)
		err = fpu_put(&v, &fpu);
	if (err < 0)
		return err;
	if (dbg.dr7 != DR7_RESET)
		return -EINVAL;
	regs_put(&v, &regs);
	sregs_put(&v, &sregs);
	msrs_put(host, vcpu_fd, &v);
	for (size_t i = 0; i < ARRAY_LEN(v.dr); i++)
		v.dr[i] = le64_of(dbg.db[i]);
	v.dr6 = le64_of(dbg.dr6);
	v.dr7 = le64_of(dbg.dr7);
	v.xcr0 = le64_of(xcr0_read(host, vcpu_fd));
	v.sev_features = le64_of(sev_features);
	*ret = v;
	return 0;
}
