/*
 * The simulator over the machine's own KVM: a guest of a few instructions, launched as docs/launch.md
 * lays down, asks for its report with string I/O. Skipped where there is no /dev/kvm.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "sev/fw.h"
#include "sev/sim/sim_digest.h"
#include "sev/sim/sim_state.h"
#include "sev/sim/sim_vmsa.h"
#include "tests/sim/simkit.h"
#include "tests/unit/cm.h"

#define RAM_BYTES  (1u << 20)
#define CODE_AT    0x1000u
#define REQUEST_AT 0x2000u
#define ANSWER_AT  0x3000u
#define ANSWER_LEN 0x2000u
#define EXIT_SKIP  77

/* 16-bit code; one instruction a line. */
static const uint8_t code[] = {
	0xBA, 0xE1, 0x05, /* mov dx, SIM_PORT_CONTROL */
	0xB0, 0x01,       /* mov al, SIM_CMD_BEGIN */
	0xEE,             /* out dx, al */
	0xBA, 0xE0, 0x05, /* mov dx, SIM_PORT_DATA */
	0xBE, 0x00, 0x20, /* mov si, REQUEST_AT */
	0xB9, 0x60, 0x00, /* mov cx, 96 */
	0xFC,             /* cld */
	0xF3, 0x6E,       /* rep outsb */
	0xBA, 0xE1, 0x05, /* mov dx, SIM_PORT_CONTROL */
	0xB0, 0x02,       /* mov al, SIM_CMD_EXECUTE */
	0xEE,             /* out dx, al */
	0xBA, 0xE0, 0x05, /* mov dx, SIM_PORT_DATA */
	0xBF, 0x00, 0x30, /* mov di, ANSWER_AT */
	0xB9, 0x00, 0x20, /* mov cx, ANSWER_LEN */
	0xF3, 0x6C,       /* rep insb */
	0xBA, 0x04, 0x06, /* mov dx, 0x604 */
	0xB0, 0x2A,       /* mov al, 42 */
	0xEE,             /* out dx, al: the monitor sees this one */
	0xF4,             /* hlt */
};

static uint8_t platform_file[LIMIT_SIM_PLATFORM_BYTES];
static struct kit kit;
static struct guest *guest;
static uint8_t *ram;
static int vcpu = -1;

static void seam_open(int kvm_fd)
{
	size_t len = 0;

	kit_init(&kit, SIM_MILAN, 3);
	assert_int_equal(
		sim_platform_print(&kit.minted.platform, platform_file, sizeof platform_file, &len),
		0);
	kit.sev_fd = memfd_create("platform", MFD_CLOEXEC);
	assert_int_equal(fd_pwrite_all(kit.sev_fd, platform_file, len, 0), 0);
	sim_set_host(NULL);
	assert_int_equal(fw_open(kvm_fd, kit.sev_fd, NULL), 0);
}

/* CPUID as the vCPU gets it: what KVM supports. */
static void cpuid_set(int kvm_fd, struct kvm_cpuid2 *table, uint32_t room)
{
	table->nent = room;
	assert_int_equal(fw_ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, table), 0);
	assert_int_equal(fw_ioctl(vcpu, KVM_SET_CPUID2, table), 0);
}

static void vcpu_set(void)
{
	struct kvm_sregs s;
	struct kvm_regs r = { .rflags = 2, .rip = CODE_AT };

	assert_int_equal(fw_ioctl(vcpu, KVM_GET_SREGS, &s), 0);
	s.cs.base = 0;
	s.cs.selector = 0;
	assert_int_equal(fw_ioctl(vcpu, KVM_SET_SREGS, &s), 0);
	assert_int_equal(fw_ioctl(vcpu, KVM_SET_REGS, &r), 0);
}

static void guest_of_a_few_instructions_gets_its_report(void **state)
{
	struct guest_identity id = { .host_data = { 0x42 } };
	const struct snp_report_req req = { .report_data = { 5, 4, 3 } };
	struct kvm_cpuid2 *table = calloc(1, sizeof *table + 256 * sizeof table->entries[0]);
	int kvm_fd = *(int *)*state;
	struct kvm_run *run = NULL;
	struct why why = { 0 };
	uint8_t ld[SNP_DIGEST_BYTES];

	seam_open(kvm_fd);
	assert_int_equal(guest_open(GUEST_SNP,
				 &(struct guest_setup){ .kvm_fd = kvm_fd, .sev_fd = kit.sev_fd },
				 &guest, &why),
		0);
	ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(guest_add_memory(guest, 0, 0, RAM_BYTES, ram, &why), 0);
	assert_int_equal(fw_ioctl_int(guest_vm_fd(guest), KVM_CREATE_IRQCHIP, 0), 0);
	vcpu = fw_ioctl_int(guest_vm_fd(guest), KVM_CREATE_VCPU, 0);
	assert_true(vcpu >= 0);
	cpuid_set(kvm_fd, table, 256);
	vcpu_set();
	assert_int_equal(
		fw_map_run(vcpu, (size_t)fw_ioctl_int(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0), &run), 0);
	assert_int_equal(guest_set_private(guest, &why), 0);
	assert_int_equal(guest_start_launch(guest, 0x30000, &why), 0);
	memcpy(ram + 0x8000, code, sizeof code); /* not launched: must be gone */
	assert_int_equal(
		guest_measure_pages(guest, PAGE_NORMAL, CODE_AT, code, sizeof code, &why), 0);
	assert_int_equal(
		guest_measure_pages(guest, PAGE_NORMAL, REQUEST_AT, &req, sizeof req, &why), 0);
	int err = guest_measure_cpuid(guest, 0xD000, table, &why);
	if (err < 0)
		print_error("%s\n", why.text);
	assert_int_equal(err, 0);
	assert_int_equal(guest_finish_launch(guest, &id, &why), 0);
	assert_int_equal(ram[0x8000], 0);

	assert_int_equal(fw_run(vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_IO);
	assert_int_equal(run->io.port, 0x604);
	assert_int_equal(*((uint8_t *)run + run->io.data_offset), 42);

	const struct snp_report *report = (const void *)(ram + ANSWER_AT + 8);
	assert_int_equal(ram[ANSWER_AT], 0);
	assert_int_equal(ram[ANSWER_AT + 4] | ram[ANSWER_AT + 5] << 8, 0x4A0);
	assert_true(kit_is_signed(&kit, report));
	assert_int_equal(sim_get_digest(guest_vm_fd(guest), ld), 0);
	assert_memory_equal(report->measurement, ld, sizeof ld);
	assert_int_equal(report->report_data[2], 3);
	fw_close(vcpu);
	guest_close(guest);
	(void)munmap(ram, RAM_BYTES);
	free(table);
}

/* docs/launch.md, "Initial CPU state": vCPU 0, as the prediction has it. */
static struct snp_vmsa vmsa_predicted(void)
{
	const struct snp_segment data = { le16_of(0x18), le16_of(0xC93), le32_of(0xFFFFFFFF),
		le64_of(0) };

	return (struct snp_vmsa){
		.es = data,
		.ds = data,
		.fs = data,
		.gs = data,
		.ss = data,
		.cs = { le16_of(0x10), le16_of(0xC9B), le32_of(0xFFFFFFFF), le64_of(0) },
		.ldtr = { le16_of(0), le16_of(0x82), le32_of(0xFFFF), le64_of(0) },
		.tr = { le16_of(0), le16_of(0x8B), le32_of(0xFFFF), le64_of(0) },
		.gdtr = { le16_of(0), le16_of(0), le32_of(0x1F), le64_of(0xA000) },
		.efer = le64_of(0x1000),
		.cr0 = le64_of(0x11),
		.cr4 = le64_of(0x40),
		.dr6 = le64_of(0xFFFF0FF0),
		.dr7 = le64_of(0x400),
		.rflags = le64_of(2),
		.g_pat = le64_of(0x0007040600070406),
		.xcr0 = le64_of(1),
		.mxcsr = le32_of(0x1F80),
		.x87_fcw = le16_of(0x37F),
		.sev_features = le64_of(1),
		.rip = le64_of(0x1000000),
		.rsi = le64_of(0x7000),
	};
}

static struct kvm_segment segment(uint16_t selector, unsigned int attrib, uint32_t limit)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = limit,
		.type = attrib & 0xF,
		.s = attrib >> 4 & 1,
		.present = attrib >> 7 & 1,
		.db = attrib >> 10 & 1,
		.g = attrib >> 11 & 1,
	};
}

static void real_kvm_gives_the_vmsa_that_is_predicted(void **state)
{
	const struct kvm_segment data = segment(0x18, 0xC93, 0xFFFFFFFF);
	struct kvm_regs regs = { .rflags = 2, .rip = 0x1000000, .rsi = 0x7000 };
	struct kvm_sregs sregs = {
		.es = data,
		.ds = data,
		.fs = data,
		.gs = data,
		.ss = data,
		.cs = segment(0x10, 0xC9B, 0xFFFFFFFF),
		.ldt = segment(0, 0x82, 0xFFFF),
		.tr = segment(0, 0x8B, 0xFFFF),
		.gdt = { .base = 0xA000, .limit = 0x1F },
		.cr0 = 0x11,
		.apic_base = 0xFEE00900,
	};
	struct snp_vmsa want = vmsa_predicted();
	struct snp_vmsa got;
	int kvm_fd = *(int *)*state;

	seam_open(kvm_fd);
	assert_int_equal(guest_open(GUEST_SNP,
				 &(struct guest_setup){ .kvm_fd = kvm_fd, .sev_fd = kit.sev_fd },
				 &guest, NULL),
		0);
	assert_int_equal(fw_ioctl_int(guest_vm_fd(guest), KVM_CREATE_IRQCHIP, 0), 0);
	vcpu = fw_ioctl_int(guest_vm_fd(guest), KVM_CREATE_VCPU, 0);
	assert_int_equal(fw_ioctl(vcpu, KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(fw_ioctl(vcpu, KVM_SET_REGS, &regs), 0);
	assert_int_equal(sim_vmsa_read(&sim_host_kernel, vcpu, 1, &got), 0);
	for (size_t i = 0; i < sizeof got; i++)
		if (((uint8_t *)&got)[i] != ((uint8_t *)&want)[i])
			print_error("VMSA 0x%zx: 0x%02x, want 0x%02x\n", i, ((uint8_t *)&got)[i],
				((uint8_t *)&want)[i]);
	assert_memory_equal(&got, &want, sizeof got);
	fw_close(vcpu);
	guest_close(guest);
}

int main(void)
{
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(guest_of_a_few_instructions_gets_its_report, &kvm_fd),
		cmocka_unit_test_prestate(real_kvm_gives_the_vmsa_that_is_predicted, &kvm_fd),
	};

	if (kvm_fd < 0)
		return EXIT_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
