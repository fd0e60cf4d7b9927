#include "tests/sim/fake_kvm.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define THINGS_MAX  64
#define RUN_BYTES   12288
#define DATA_OFFSET 4096
#define INDEXED     KVM_CPUID_FLAG_SIGNIFCANT_INDEX

struct vcpu {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	uint32_t fpu[sizeof(struct kvm_xsave) / 4];
	struct kvm_debugregs dbg;
	uint64_t pat;
	uint8_t *run;
};

enum kind { KIND_NONE, KIND_KVM, KIND_VM, KIND_VCPU };

struct thing {
	enum kind kind;
	int fd;
	struct vcpu vcpu;
};

static struct thing things[THINGS_MAX];
static fake_guest guest;
static void *guest_owner;
static unsigned int fail_in;
static int fail_err;

static struct thing *thing_find(int fd)
{
	for (int i = 0; i < THINGS_MAX; i++)
		if (things[i].kind != KIND_NONE && things[i].fd == fd)
			return &things[i];
	return NULL;
}

static int thing_new(enum kind kind)
{
	for (int i = 0; i < THINGS_MAX; i++) {
		if (things[i].kind != KIND_NONE)
			continue;
		int fd = eventfd(0, EFD_CLOEXEC);
		if (fd < 0)
			return -errno;
		things[i] = (struct thing){ .kind = kind, .fd = fd };
		return fd;
	}
	return -EMFILE;
}

static void thing_drop(struct thing *t)
{
	if (t->vcpu.run != NULL)
		(void)munmap(t->vcpu.run, RUN_BYTES);
	(void)close(t->fd);
	*t = (struct thing){ .kind = KIND_NONE };
}

static void fake_close(int fd)
{
	struct thing *t = thing_find(fd);

	if (t != NULL)
		thing_drop(t);
	else
		(void)close(fd);
}

int fake_kvm_open(void)
{
	for (int i = 0; i < THINGS_MAX; i++)
		if (things[i].kind != KIND_NONE)
			thing_drop(&things[i]);
	guest = NULL;
	fail_in = 0;
	return thing_new(KIND_KVM);
}

void fake_kvm_set_guest(fake_guest g, void *owner)
{
	guest = g;
	guest_owner = owner;
}

void fake_kvm_fail(unsigned int n, int err)
{
	fail_in = n;
	fail_err = err;
}

void fake_kvm_cpuid(union fake_cpuid *ret)
{
	/* A made-up CPU; values of one kind or another in every leaf the firmware looks at. */
	static const struct kvm_cpuid_entry2 entries[] = {
		{ .function = 0,
			.eax = 0x1F,
			.ebx = 0x68747541,
			.ecx = 0x444D4163,
			.edx = 0x69746E65 },
		{ .function = 1,
			.eax = 0x00A00F11,
			.ebx = 0x00000800,
			.ecx = 0xFEFA3203,
			.edx = 0x178BFBFF },
		{ .function = 4, .index = 0, .flags = INDEXED, .eax = 0x121 },
		{ .function = 6, .eax = 0x77, .ecx = 9 },
		{ .function = 7,
			.index = 0,
			.flags = INDEXED,
			.eax = 1,
			.ebx = 0x219C07AB,
			.ecx = 0x40069C,
			.edx = 0xBC000400 },
		{ .function = 7, .index = 1, .flags = INDEXED, .eax = 0x30, .edx = 0x10 },
		{ .function = 0xB, .index = 0, .flags = INDEXED, .ebx = 1, .ecx = 0x100 },
		{ .function = 0xD,
			.index = 0,
			.flags = INDEXED,
			.eax = 7,
			.ebx = 0x340,
			.ecx = 0x340 },
		{ .function = 0xD, .index = 1, .flags = INDEXED, .eax = 0xF, .ebx = 0x340 },
		{ .function = 0xD, .index = 2, .flags = INDEXED, .eax = 0x100, .ebx = 0x240 },
		{ .function = 0x14, .index = 0, .flags = INDEXED, .eax = 1, .ebx = 3 },
		{ .function = 0x40000000, .eax = 0x40000001, .ebx = 0x4B4D564B },
		{ .function = 0x40000001, .eax = 0x01007EFB },
		{ .function = 0x80000000, .eax = 0x80000030 },
		{ .function = 0x80000001, .eax = 0x00A00F11, .ecx = 0x75C237FF, .edx = 0x2FD3FBFF },
		{ .function = 0x80000007, .edx = 0x100 },
		{ .function = 0x80000008, .eax = 0x3030, .ebx = 0x0200D000 },
		{ .function = 0x8000000A, .eax = 1, .ebx = 8, .edx = 0x1E0044CF },
		{ .function = 0x80000021, .eax = 0x45 },
	};

	memset(ret, 0, sizeof *ret);
	ret->head.nent = ARRAY_LEN(entries);
	memcpy(ret->head.entries, entries, sizeof entries);
}

static int kvm_request(unsigned long request, unsigned long arg)
{
	union fake_cpuid table;

	switch (request) {
	case KVM_GET_API_VERSION:
		return KVM_API_VERSION;
	case KVM_CREATE_VM:
		return thing_new(KIND_VM);
	case KVM_GET_VCPU_MMAP_SIZE:
		return RUN_BYTES;
	case KVM_CHECK_EXTENSION:
		return 0;
	case KVM_GET_SUPPORTED_CPUID:
		fake_kvm_cpuid(&table);
		if (((struct kvm_cpuid2 *)arg)->nent < table.head.nent)
			return -E2BIG;
		memcpy((void *)arg, &table,
			sizeof table.head + table.head.nent * sizeof table.head.entries[0]);
		return 0;
	default:
		return -ENOTTY;
	}
}

static int vcpu_new(void)
{
	int fd = thing_new(KIND_VCPU);

	if (fd < 0)
		return fd;
	struct vcpu *v = &thing_find(fd)->vcpu;
	v->run = mmap(NULL, RUN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v->run == MAP_FAILED)
		abort();
	v->dbg.dr6 = 0xFFFF0FF0;
	v->dbg.dr7 = 0x400;
	v->fpu[0] = 0x37F;  /* FCW */
	v->fpu[6] = 0x1F80; /* MXCSR */
	v->pat = 0x0007040600070406;
	v->regs.rflags = 2;
	return fd;
}

static int vm_request(unsigned long request)
{
	switch (request) {
	case KVM_CREATE_VCPU:
		return vcpu_new();
	case KVM_SET_USER_MEMORY_REGION:
	case KVM_CHECK_EXTENSION:
	case KVM_ENABLE_CAP:
	case KVM_CREATE_IRQCHIP:
	case KVM_SET_GSI_ROUTING:
	case KVM_SET_IDENTITY_MAP_ADDR:
	case KVM_SET_TSS_ADDR:
	case KVM_SIGNAL_MSI:
	case KVM_IRQ_LINE:
		return 0;
	default:
		return -ENOTTY;
	}
}

static int msrs_get(const struct vcpu *v, struct kvm_msrs *m)
{
	if (m->nmsrs != 1 || m->entries[0].index != 0x277)
		return 0;
	m->entries[0].data = v->pat;
	return 1;
}

static int vcpu_request(struct vcpu *v, unsigned long request, void *arg)
{
	const struct {
		unsigned long get, set;
		void *at;
		size_t len;
	} rows[] = {
		{ KVM_GET_REGS, KVM_SET_REGS, &v->regs, sizeof v->regs },
		{ KVM_GET_SREGS, KVM_SET_SREGS, &v->sregs, sizeof v->sregs },
		{ KVM_GET_XSAVE, KVM_SET_XSAVE, v->fpu, sizeof v->fpu },
		{ KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, &v->dbg, sizeof v->dbg },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (request == rows[i].get)
			memcpy(arg, rows[i].at, rows[i].len);
		else if (request == rows[i].set)
			memcpy(rows[i].at, arg, rows[i].len);
		else
			continue;
		return 0;
	}
	if (request == KVM_GET_MSRS)
		return msrs_get(v, arg);
	if (request == KVM_SET_CPUID2 || request == KVM_SET_GUEST_DEBUG)
		return 0;
	if (request == KVM_SET_MSRS)
		return (int)((struct kvm_msrs *)arg)->nmsrs;
	if (request == KVM_GET_XCRS) {
		*(struct kvm_xcrs *)arg =
			(struct kvm_xcrs){ .nr_xcrs = 1, .xcrs = { { .value = 1 } } };
		return 0;
	}
	return -ENOTTY;
}

static int fake_ioctl(int fd, unsigned long request, unsigned long arg)
{
	struct thing *t = thing_find(fd);

	if (fail_in > 0 && --fail_in == 0)
		return -fail_err;
	if (t == NULL)
		return -EBADF;
	if (t->kind == KIND_KVM)
		return kvm_request(request, arg);
	return t->kind == KIND_VM ? vm_request(request)
				  : vcpu_request(&t->vcpu, request, (void *)arg);
}

static int fake_run(int vcpu_fd)
{
	struct thing *t = thing_find(vcpu_fd);

	if (t == NULL || t->kind != KIND_VCPU || guest == NULL)
		return -EBADF;
	struct kvm_run *run = (void *)t->vcpu.run;
	/* As KVM: what was to be completed is, the guest does not run. */
	if (__atomic_load_n(&run->immediate_exit, __ATOMIC_SEQ_CST) != 0)
		return -EINTR;
	run->io.data_offset = DATA_OFFSET;
	return guest(run, guest_owner);
}

static int fake_map_run(int vcpu_fd, size_t size, struct kvm_run **ret)
{
	struct thing *t = thing_find(vcpu_fd);

	if (t == NULL || t->kind != KIND_VCPU || size != RUN_BYTES)
		return -EINVAL;
	/* The same pages a second time: the caller gives them back with munmap(2), as KVM's. */
	void *p = mremap(t->vcpu.run, 0, RUN_BYTES, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

const struct sim_host fake_kvm = {
	.ioctl = fake_ioctl,
	.run = fake_run,
	.map_run = fake_map_run,
	.close = fake_close,
};
