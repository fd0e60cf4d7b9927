/*
 * A simulated trust domain over the machine's own KVM: a few instructions at the reset vector convert
 * memory by MapGPA and ask for a quote; their OUT becomes the monitor's exit and is completed when
 * the vCPU runs again. Skipped where there is no /dev/kvm.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/le.h"
#include "sev/fw.h"
#include "sev/sim/sim_guest_port.h"
#include "sev/sim/sim_state.h"
#include "tests/sim/tdxkit.h"
#include "tests/unit/cm.h"

#define EXIT_SKIP  77
#define RAM_BYTES  (1u << 20)
#define ROM_GPA    0xFFFFF000ull
#define BUFFER     0x4000u
#define BUFFER_LEN 0x4000u
#define ANSWER_MAP 0x2000u
#define ANSWER_GET 0x2100u

/* 16-bit code at F000:F000; one instruction a line. */
static const uint8_t code[] = {
	0xFC,             /* cld */
	0xBA, 0xE1, 0x05, /* mov dx, SIM_PORT_CONTROL */
	0xB0, 0x01,       /* mov al, SIM_CMD_BEGIN */
	0xEE,             /* out dx, al */
	0xBA, 0xE0, 0x05, /* mov dx, SIM_PORT_DATA */
	0xBE, 0x00, 0xF1, /* mov si, 0xF100 */
	0xB9, 0x18, 0x00, /* mov cx, 24 */
	0x2E, 0xF3, 0x6E, /* rep cs outsb */
	0xBA, 0xE1, 0x05, /* mov dx, SIM_PORT_CONTROL */
	0xB0, 0x4C,       /* mov al, SIM_CMD_TD_MAP */
	0xEE,             /* out dx, al: KVM_EXIT_HYPERCALL */
	0xBA, 0xE0, 0x05, /* mov dx, SIM_PORT_DATA */
	0xBF, 0x00, 0x20, /* mov di, ANSWER_MAP */
	0xB9, 0x10, 0x00, /* mov cx, 16 */
	0xF3, 0x6C,       /* rep insb */
	0xBA, 0xE1, 0x05, /* mov dx, SIM_PORT_CONTROL */
	0xB0, 0x01,       /* mov al, SIM_CMD_BEGIN */
	0xEE,             /* out dx, al */
	0xBA, 0xE0, 0x05, /* mov dx, SIM_PORT_DATA */
	0xBE, 0x00, 0xF1, /* mov si, 0xF100 */
	0xB9, 0x10, 0x00, /* mov cx, 16 */
	0x2E, 0xF3, 0x6E, /* rep cs outsb */
	0xBA, 0xE1, 0x05, /* mov dx, SIM_PORT_CONTROL */
	0xB0, 0x48,       /* mov al, SIM_CMD_TD_QUOTE */
	0xEE,             /* out dx, al: KVM_EXIT_TDX */
	0xBA, 0xE0, 0x05, /* mov dx, SIM_PORT_DATA */
	0xBF, 0x00, 0x21, /* mov di, ANSWER_GET */
	0xB9, 0x0C, 0x00, /* mov cx, 12 */
	0xF3, 0x6C,       /* rep insb */
	0xBA, 0x04, 0x06, /* mov dx, 0x604 */
	0xB0, 0x2A,       /* mov al, 42 */
	0xEE,             /* out dx, al: the monitor sees this one */
	0xF4,             /* hlt */
};

static void rom_make(uint8_t rom[4096])
{
	static const uint8_t jump[] = { 0xE9, 0x0D, 0xF0 }; /* at F000:FFF0, to F000:F000 */
	const le64 args[] = { le64_of(BUFFER), le64_of(BUFFER_LEN), le64_of(0) };

	memset(rom, 0xF4, 4096);
	memcpy(rom, code, sizeof code);
	memcpy(rom + 0x100, args, sizeof args);
	memcpy(rom + 0xFF0, jump, sizeof jump);
}

static void slot_add(struct tdxkit *k, uint32_t slot, uint64_t gpa, uint64_t size, uint64_t offset)
{
	struct abi_region2 r = {
		.slot = slot,
		.flags = ABI_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)(k->ram + offset),
		.guest_memfd_offset = offset,
		.guest_memfd = (uint32_t)k->gmem,
	};

	assert_int_equal(fw_ioctl(k->vm, ABI_SET_USER_MEMORY_REGION2, &r), 0);
	assert_int_equal(tdxkit_attributes(k, gpa, size, true), 0);
}

/* Launch up to FINALIZE, with one page of firmware. */
static void td_launch(struct tdxkit *k)
{
	static uint8_t rom[4096] __attribute__((aligned(4096)));
	struct abi_guest_memfd g = { .size = RAM_BYTES + 4096 };
	struct tdxkit_init arg = tdxkit_init_arg();
	struct abi_tdx_mem_region r = { (uintptr_t)rom, ROM_GPA, 1 };
	int err = -EAGAIN;

	rom_make(rom);
	assert_int_equal(tdxkit_vm(k), 0);
	assert_int_equal(tdxkit_cap(k, KVM_CAP_SPLIT_IRQCHIP, 24), 0);
	assert_int_equal(tdxkit_cap(k, ABI_CAP_EXIT_HYPERCALL, 1u << ABI_HC_MAP_GPA_RANGE), 0);
	assert_int_equal(tdxkit_cap(k, ABI_CAP_X86_APIC_BUS_CYCLES_NS, ABI_TDX_APIC_BUS_NS), 0);
	assert_int_equal(tdxkit_init_vm(k, &arg), 0);
	k->ram = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	k->gmem = fw_ioctl(k->vm, ABI_CREATE_GUEST_MEMFD, &g);
	slot_add(k, 0, 0, RAM_BYTES, 0);
	slot_add(k, 1, ROM_GPA, 4096, RAM_BYTES);
	assert_int_equal(tdxkit_vcpu(k), 0);
	assert_int_equal(tdxkit_cpuid(k, 0, true), 0);
	assert_int_equal(tdxkit_op(k, k->vcpu[0], ABI_TDX_INIT_VCPU, 0, NULL), 0);
	while (err == -EAGAIN || err == -EBUSY || err == -EINTR)
		err = tdxkit_op(k, k->vcpu[0], ABI_TDX_INIT_MEM_REGION, ABI_TDX_MEASURE_REGION, &r);
	assert_int_equal(err, 0);
	assert_int_equal(tdxkit_op(k, k->vm, ABI_TDX_FINALIZE_VM, 0, NULL), 0);
}

static void guest_converts_and_asks_for_a_quote(void **state)
{
	struct tdxkit k;
	struct why why = { 0 };

	tdxkit_init(&k, 4);
	assert_int_equal(tdxkit_open_kvm(&k, *(int *)*state, &why), 0);
	td_launch(&k);

	assert_int_equal(fw_run(k.vcpu[0]), 0);
	assert_int_equal(k.run->exit_reason, KVM_EXIT_HYPERCALL);
	assert_int_equal(k.run->hypercall.args[0], BUFFER);
	assert_int_equal(k.run->hypercall.args[1], BUFFER_LEN / 4096);
	k.ram[BUFFER] = 0x77; /* lost in the conversion */
	assert_int_equal(tdxkit_attributes(&k, BUFFER, BUFFER_LEN, false), 0);
	assert_int_equal(k.ram[BUFFER], 0);
	k.run->hypercall.ret = 99;
	assert_int_equal(fw_run(k.vcpu[0]), -EINVAL);
	k.run->hypercall.ret = 0;

	assert_int_equal(fw_run(k.vcpu[0]), 0);
	assert_int_equal(k.run->exit_reason, ABI_EXIT_TDX);
	assert_int_equal(tdxkit_exit(&k)->nr, ABI_TDVMCALL_GET_QUOTE);
	assert_int_equal(tdxkit_exit(&k)->quote.gpa, BUFFER);
	assert_int_equal(tdxkit_exit(&k)->quote.size, BUFFER_LEN);
	tdxkit_exit(&k)->ret = ABI_TDVMCALL_RETRY;

	assert_int_equal(fw_run(k.vcpu[0]), 0);
	assert_int_equal(k.run->exit_reason, KVM_EXIT_IO);
	assert_int_equal(k.run->io.port, 0x604);
	assert_int_equal(*((uint8_t *)k.run + k.run->io.data_offset), 42);
	/* What the guest read: MapGPA succeeded, GetQuote is to be tried again. */
	le64 status;
	memcpy(&status, k.ram + ANSWER_MAP, sizeof status);
	assert_int_equal(le64_get(status), ABI_TDVMCALL_SUCCESS);
	memcpy(&status, k.ram + ANSWER_GET, sizeof status);
	assert_int_equal(le64_get(status), ABI_TDVMCALL_RETRY);
	uint8_t *ram = k.ram;
	k.ram = NULL; /* of another size than the kit's */
	tdxkit_done(&k);
	(void)munmap(ram, RAM_BYTES + 4096);
}

int main(void)
{
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm_fd < 0)
		return EXIT_SKIP;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(guest_converts_and_asks_for_a_quote, &kvm_fd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
