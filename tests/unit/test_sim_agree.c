/*
 * The simulator measures what it is given, the attest library predicts what a VMM gives; they share no
 * code. Here both get the same firmware, kernel, command line and number of vCPUs, in QEMU's order.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "attest/digest_ovmf.h"
#include "attest/ovmf.h"
#include "sev/fw.h"
#include "sev/sim/sim_state.h"
#include "tests/sim/simkit.h"
#include "tests/unit/cm.h"
#include "tests/unit/sev_maker.h"

#define IMAGE_BYTES 0x8000u
#define LOW_GPA     0x800000u
#define LOW_BYTES   0x20000u
#define SIGNATURE   0x00800F12u /* EPYC, in RDX */

static const uint32_t sections[][3] = {
	{ 0x800000, 0x3000, OVMF_SNP_SEC_MEM },
	{ 0x80D000, 0x1000, OVMF_SNP_SECRETS },
	{ 0x80E000, 0x1000, OVMF_CPUID },
	{ 0x80F000, 0x1000, OVMF_SVSM_CAA },
	{ 0x810000, 0x1000, OVMF_KERNEL_HASHES },
};
static const struct maker_firmware firmware = { 0x80B004, 0x810C00, sections, ARRAY_LEN(sections),
	NULL, 0 };

static uint8_t image[IMAGE_BYTES];
static const uint8_t kernel[] = "KERNEL";
static const uint8_t initrd[] = "a ramdisk";

/* One launch at work. */
struct launch {
	struct kit kit;
	int vm;
	int gmem;
	int vcpu[8];
	uint8_t *low, *high; /* memory at LOW_GPA, and the image's */
	uint64_t high_gpa;
};

static void op(struct launch *l, uint32_t id, void *arg)
{
	struct abi_sev_cmd cmd = { .id = id,
		.data = (uintptr_t)arg,
		.error = ABI_SEV_NO_FW_CALL,
		.sev_fd = (uint32_t)l->kit.sev_fd };
	int err = fw_ioctl(l->vm, ABI_MEMORY_ENCRYPT_OP, &cmd);

	if (err != 0)
		fail_msg("command %u: %d, firmware 0x%x", id, err, cmd.error);
}

static uint8_t *memory(size_t len)
{
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

/* Later processors start at the firmware's reset address (ABI 2.9). */
static void vcpu_make(struct launch *l, unsigned int i)
{
	struct kvm_run *run;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	l->vcpu[i] = kit_make_vcpu(l->kit.kvm_fd, l->vm, i, SIGNATURE, &run);
	assert_true(l->vcpu[i] >= 0);
	if (i == 0)
		return;
	assert_int_equal(fw_ioctl(l->vcpu[i], KVM_GET_SREGS, &sregs), 0);
	assert_int_equal(fw_ioctl(l->vcpu[i], KVM_GET_REGS, &regs), 0);
	sregs.cs.base = firmware.ap_reset & 0xFFFF0000;
	regs.rip = firmware.ap_reset & 0xFFFF;
	assert_int_equal(fw_ioctl(l->vcpu[i], KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(fw_ioctl(l->vcpu[i], KVM_SET_REGS, &regs), 0);
}

static void launch_begin(struct launch *l, unsigned int type, unsigned int vcpus)
{
	struct abi_sev_init init = { 0 };

	memset(l, 0, sizeof *l);
	kit_init(&l->kit, SIM_MILAN, 3);
	assert_int_equal(kit_open(&l->kit, NULL), 0);
	l->vm = fw_ioctl_int(l->kit.kvm_fd, KVM_CREATE_VM, type);
	assert_true(l->vm >= 0);
	l->gmem = -1;
	l->low = memory(LOW_BYTES);
	l->high = memory(IMAGE_BYTES);
	l->high_gpa = 0x100000000ull - IMAGE_BYTES;
	memcpy(l->high, image, IMAGE_BYTES);
	op(l, ABI_SEV_INIT2, &init);
	for (unsigned int i = 0; i < vcpus; i++)
		vcpu_make(l, i);
}

static void launch_end(struct launch *l)
{
	for (size_t i = 0; i < ARRAY_LEN(l->vcpu); i++)
		if (l->vcpu[i] > 0)
			fw_close(l->vcpu[i]);
	fw_close(l->gmem);
	fw_close(l->vm);
	(void)munmap(l->low, LOW_BYTES);
	(void)munmap(l->high, IMAGE_BYTES);
	kit_done(&l->kit);
}

static struct ovmf_launch prediction(struct ovmf *o, unsigned int vcpus, bool has_kernel)
{
	struct ovmf_launch p = {
		.firmware = o, .vmm = VMM_QEMU, .vcpus = vcpus, .signature = SIGNATURE
	};

	assert_int_equal(ovmf_parse(o, image, sizeof image, NULL), 0);
	if (has_kernel) {
		p.kernel = kernel;
		p.kernel_len = sizeof kernel;
		p.initrd = initrd;
		p.initrd_len = sizeof initrd;
		p.cmdline = "console=ttyS0";
	}
	return p;
}

/* --- SEV and SEV-ES -------------------------------------------------------------------------- */

static void data(struct launch *l, uint8_t *at, uint32_t len)
{
	struct kvm_sev_launch_update_data u = { (uintptr_t)at, len };

	op(l, KVM_SEV_LAUNCH_UPDATE_DATA, &u);
}

static void sev_compare(bool is_es, unsigned int vcpus, bool has_kernel)
{
	struct launch l;
	struct ovmf o;
	struct kvm_sev_launch_start start = { .policy = is_es ? 5 : 1 };
	struct kvm_sev_launch_measure measure = { 0 };
	uint8_t want[32], got[SNP_DIGEST_BYTES], blob[48];
	struct ovmf_launch p = prediction(&o, vcpus, has_kernel);

	assert_int_equal(digest_sev(&p, is_es, want, NULL), 0);
	launch_begin(&l, is_es ? ABI_VM_TYPE_SEV_ES : ABI_VM_TYPE_SEV, vcpus);
	op(&l, KVM_SEV_LAUNCH_START, &start);
	data(&l, l.high, IMAGE_BYTES);
	if (has_kernel) {
		uint8_t *table = l.low + (firmware.hashes_gpa - LOW_GPA);
		assert_int_equal(digest_kernel_hashes(&p, table), 0);
		data(&l, table, KERNEL_HASHES_BYTES);
	}
	if (is_es)
		op(&l, KVM_SEV_LAUNCH_UPDATE_VMSA, NULL);
	measure.uaddr = (uintptr_t)blob;
	measure.len = sizeof blob;
	op(&l, KVM_SEV_LAUNCH_MEASURE, &measure);
	op(&l, KVM_SEV_LAUNCH_FINISH, NULL);
	assert_int_equal(sim_get_digest(l.vm, got), 0);
	assert_memory_equal(want, got, sizeof want);
	assert_memory_equal(l.high, image, IMAGE_BYTES); /* what the guest finds */
	launch_end(&l);
}

static void sev_launches_measure_as_predicted(void **state)
{
	(void)state;
	sev_compare(false, 1, false);
	sev_compare(false, 4, true);
}

static void sev_es_launches_measure_as_predicted(void **state)
{
	(void)state;
	sev_compare(true, 1, false);
	sev_compare(true, 2, true);
	sev_compare(true, 8, true);
}

/* --- SEV-SNP --------------------------------------------------------------------------------- */

static void region(
	struct launch *l, uint32_t slot, uint64_t gpa, uint64_t size, uint8_t *at, uint64_t offset)
{
	struct abi_region2 r = {
		.slot = slot,
		.flags = ABI_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)at,
		.guest_memfd = (uint32_t)l->gmem,
		.guest_memfd_offset = offset,
	};
	struct abi_attributes a = {
		.address = gpa, .size = size, .attributes = ABI_MEMORY_ATTRIBUTE_PRIVATE
	};

	assert_int_equal(fw_ioctl(l->vm, ABI_SET_USER_MEMORY_REGION2, &r), 0);
	assert_int_equal(fw_ioctl(l->vm, ABI_SET_MEMORY_ATTRIBUTES, &a), 0);
}

static void pages(struct launch *l, uint8_t type, uint64_t gpa, uint8_t *src, uint64_t len)
{
	struct abi_snp_update u = {
		.gfn_start = gpa / 4096, .uaddr = (uintptr_t)src, .len = len, .type = type
	};

	while (u.len > 0)
		op(l, ABI_SNP_LAUNCH_UPDATE, &u);
}

static void section_put(
	struct launch *l, const uint32_t section[3], const struct ovmf_launch *p, bool has_kernel)
{
	static uint8_t page[4096] __attribute__((aligned(4096)));

	memset(page, 0, sizeof page);
	switch ((enum ovmf_section_type)section[2]) {
	case OVMF_SNP_SECRETS:
		pages(l, SNP_PAGE_SECRETS, section[0], page, section[1]);
		return;
	case OVMF_CPUID:
		pages(l, SNP_PAGE_CPUID, section[0], page, section[1]);
		return;
	case OVMF_KERNEL_HASHES:
		if (!has_kernel)
			break;
		assert_int_equal(digest_kernel_hashes(p, page + (firmware.hashes_gpa & 0xFFF)), 0);
		pages(l, SNP_PAGE_NORMAL, section[0], page, section[1]);
		return;
	case OVMF_SNP_SEC_MEM:
	case OVMF_SVSM_CAA:
		break;
	}
	pages(l, SNP_PAGE_ZERO, section[0], NULL, section[1]);
}

static void snp_compare(unsigned int vcpus, bool has_kernel)
{
	struct launch l;
	struct ovmf o;
	struct abi_snp_start start = { .policy = 0x30000 };
	struct abi_snp_finish finish = { 0 };
	struct abi_guest_memfd g = { .size = LOW_BYTES + IMAGE_BYTES };
	uint8_t want[SNP_DIGEST_BYTES], got[SNP_DIGEST_BYTES];
	struct ovmf_launch p = prediction(&o, vcpus, has_kernel);

	p.features = SNP_FEATURE_ACTIVE;
	assert_int_equal(digest_ovmf_snp(&p, want, NULL), 0);
	launch_begin(&l, ABI_VM_TYPE_SNP, vcpus);
	l.gmem = fw_ioctl(l.vm, ABI_CREATE_GUEST_MEMFD, &g);
	assert_true(l.gmem >= 0);
	uint8_t *unused = memory(IMAGE_BYTES);
	region(&l, 0, LOW_GPA, LOW_BYTES, l.low, 0);
	region(&l, 1, l.high_gpa, IMAGE_BYTES, unused, LOW_BYTES);
	op(&l, ABI_SNP_LAUNCH_START, &start);
	pages(&l, SNP_PAGE_NORMAL, l.high_gpa, l.high, IMAGE_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		section_put(&l, sections[i], &p, has_kernel);
	op(&l, ABI_SNP_LAUNCH_FINISH, &finish);
	assert_int_equal(sim_get_digest(l.vm, got), 0);
	assert_memory_equal(want, got, sizeof want);
	launch_end(&l);
	(void)munmap(unused, IMAGE_BYTES);
}

static void snp_launches_measure_as_predicted(void **state)
{
	(void)state;
	snp_compare(1, false);
	snp_compare(2, true);
	snp_compare(8, true);
}

/* And they would notice: one bit anywhere gives another digest. */
static void another_image_is_another_digest(void **state)
{
	struct ovmf o;
	struct ovmf_launch p = prediction(&o, 1, false);
	uint8_t a[32], b[32];

	(void)state;
	assert_int_equal(digest_sev(&p, true, a, NULL), 0);
	image[100] ^= 1;
	assert_int_equal(digest_sev(&p, true, b, NULL), 0);
	assert_memory_not_equal(a, b, sizeof a);
	sev_compare(true, 1, false);
	image[100] ^= 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sev_launches_measure_as_predicted),
		cmocka_unit_test(sev_es_launches_measure_as_predicted),
		cmocka_unit_test(snp_launches_measure_as_predicted),
		cmocka_unit_test(another_image_is_another_digest),
	};

	maker_firmware(&firmware, image, sizeof image);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
