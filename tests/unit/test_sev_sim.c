/* The simulator at its own boundary: requests as a careless monitor might make them. ABI 7.1, 7.2. */
#include <errno.h>
#include <linux/psp-sev.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/opts.h"
#include "sev/fw.h"
#include "sev/fw_error.h"
#include "sev/sim/sim_digest.h"
#include "sev/sim/sim_guest_port.h"
#include "sev/sim/sim_ranges.h"
#include "sev/sim/sim_report.h"
#include "sev/sim/sim_session.h"
#include "sev/sim/sim_state.h"
#include "sev/sim/sim_vmsa.h"
#include "tests/sim/simkit.h"
#include "tests/unit/cm.h"

#define POLICY    0x30000u
#define RAM_BYTES (1u << 20)

/* A VM that is driven by hand. */
struct raw {
	struct kit kit;
	int vm;
	int gmem;
	int vcpu;
	uint8_t *ram;
	uint8_t *page; /* a page-aligned source of 8 pages */
	uint32_t error;
};

static struct raw raw;

static void *pages(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

/* One command; error as it was left. */
static int op(uint32_t id, void *data)
{
	struct abi_sev_cmd cmd = {
		.id = id,
		.data = (uintptr_t)data,
		.error = ABI_SEV_NO_FW_CALL,
		.sev_fd = (uint32_t)raw.kit.sev_fd,
	};
	int ret = fw_ioctl(raw.vm, ABI_MEMORY_ENCRYPT_OP, &cmd);

	raw.error = cmd.error;
	return ret;
}

static int region(
	uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size, int gmem, uint64_t offset)
{
	struct abi_region2 r = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)raw.ram,
		.guest_memfd = (uint32_t)gmem,
		.guest_memfd_offset = offset,
	};

	return fw_ioctl(raw.vm, ABI_SET_USER_MEMORY_REGION2, &r);
}

static int gmem_new(uint64_t size, uint64_t flags)
{
	struct abi_guest_memfd g = { .size = size, .flags = flags };

	return fw_ioctl(raw.vm, ABI_CREATE_GUEST_MEMFD, &g);
}

static int attributes(uint64_t gpa, uint64_t size, uint64_t attr)
{
	struct abi_attributes a = { .address = gpa, .size = size, .attributes = attr };

	return fw_ioctl(raw.vm, ABI_SET_MEMORY_ATTRIBUTES, &a);
}

static int init2(uint64_t features)
{
	struct abi_sev_init init = { .vmsa_features = features };

	return op(ABI_SEV_INIT2, &init);
}

static int start(uint64_t policy)
{
	struct abi_snp_start s = { .policy = policy };

	return op(ABI_SNP_LAUNCH_START, &s);
}

static int update(uint8_t type, uint64_t gfn, const void *src, uint64_t len)
{
	struct abi_snp_update u = {
		.gfn_start = gfn, .uaddr = (uintptr_t)src, .len = len, .type = type
	};

	return op(ABI_SNP_LAUNCH_UPDATE, &u);
}

static int finish(void)
{
	struct abi_snp_finish f = { 0 };

	return op(ABI_SNP_LAUNCH_FINISH, &f);
}

static int set_up(void **state)
{
	(void)state;
	memset(&raw, 0, sizeof raw);
	kit_init(&raw.kit, SIM_GENOA, 5);
	raw.kit.minted.platform.seed = 0;
	assert_int_equal(kit_open(&raw.kit, NULL), 0);
	raw.vm = fw_ioctl_int(raw.kit.kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_SNP);
	assert_true(raw.vm >= 0);
	raw.gmem = raw.vcpu = -1;
	raw.ram = pages(RAM_BYTES);
	raw.page = pages(8 * 4096);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fw_close(raw.vcpu);
	fw_close(raw.gmem);
	fw_close(raw.vm);
	kit_done(&raw.kit);
	(void)munmap(raw.ram, RAM_BYTES);
	(void)munmap(raw.page, 8 * 4096);
	return 0;
}

/* Up to a started launch with private memory at 0. */
static void launch(void)
{
	assert_int_equal(init2(0), 0);
	raw.gmem = gmem_new(RAM_BYTES, 0);
	assert_true(raw.gmem >= 0);
	assert_int_equal(region(0, ABI_MEM_GUEST_MEMFD, 0, RAM_BYTES, raw.gmem, 0), 0);
	raw.vcpu = fw_ioctl_int(raw.vm, KVM_CREATE_VCPU, 0);
	assert_true(raw.vcpu >= 0);
	assert_int_equal(start(POLICY), 0);
	assert_int_equal(raw.error, FW_SUCCESS);
	assert_int_equal(attributes(0, RAM_BYTES, ABI_MEMORY_ATTRIBUTE_PRIVATE), 0);
}

/* --- digest ---------------------------------------------------------------------------------- */

static void digest_matches_vectors_v1_to_v4(void **state)
{
	static const struct {
		uint8_t type;
		uint64_t gpa;
		uint8_t fill;
	} v3[] = {
		{ SNP_PAGE_NORMAL, 0xFFFFF000, 0xF4 },
		{ SNP_PAGE_ZERO, 0x800000, 0 },
		{ SNP_PAGE_SECRETS, 0x80D000, 0 },
		{ SNP_PAGE_CPUID, 0x80E000, 0 },
	};
	static const char *const want[] = {
		"e6e4d78904d9d6b3", "4bd4147976a1e755",
		"506c3d7a7c45f8a4", /* ABI 8; scenarios hold all */
	};
	struct sim_crypto c = { .sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL) };
	uint8_t ld[3][SNP_DIGEST_BYTES] = { 0 };
	char hex[17];

	(void)state;
	memset(raw.page, 0, 4096);
	sim_digest_extend(&c, ld[0], SNP_PAGE_NORMAL, 0x1000, raw.page);
	sim_digest_extend(&c, ld[1], SNP_PAGE_ZERO, 0x1000, NULL);
	for (size_t i = 0; i < ARRAY_LEN(v3); i++) {
		memset(raw.page, v3[i].fill, 4096);
		sim_digest_extend(&c, ld[2], v3[i].type, v3[i].gpa, raw.page);
	}
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		for (int b = 0; b < 8; b++)
			(void)snprintf(hex + 2 * b, 3, "%02x", ld[i][b]);
		assert_string_equal(hex, want[i]);
	}
	EVP_MD_free(c.sha384);
}

static void vmsa_of_qemu_reset_state_matches_vector_vm(void **state)
{
	static const uint8_t want[] = { 0x77, 0x92, 0x0c, 0x4c, 0x62, 0x9f, 0xf4, 0x7e, 0x90, 0xc0,
		0xe1, 0x74, 0xfc, 0x1a, 0xd0, 0xeb, 0x6f, 0xa6, 0x64, 0xf8, 0x8c, 0xd4, 0x73, 0x94,
		0x88, 0x05, 0x8a, 0x8c, 0x6c, 0xb1, 0xa7, 0x7b, 0x38, 0x56, 0xf5, 0x53, 0x78, 0xe9,
		0x51, 0x8d, 0x0d, 0xa9, 0x94, 0x52, 0xd5, 0x1c, 0x55, 0x3a };
	struct snp_vmsa vmsa;
	uint8_t got[SNP_DIGEST_BYTES];

	(void)state;
	assert_int_equal(
		guest_open(GUEST_SNP,
			&(struct guest_setup){ .kvm_fd = raw.kit.kvm_fd, .sev_fd = raw.kit.sev_fd },
			&raw.kit.guest, NULL),
		0);
	int fd = kit_add_vcpu(&raw.kit, 0x00800F12);
	assert_true(fd >= 0);
	assert_int_equal(sim_vmsa_read(&fake_kvm, fd, 1, &vmsa), 0);
	assert_int_equal(EVP_Digest(&vmsa, sizeof vmsa, got, NULL, EVP_sha384(), NULL), 1);
	assert_memory_equal(got, want, sizeof want);
}

static void tsc_fields_of_a_vmsa_are_not_measured(void **state)
{
	struct sim_crypto c = { .sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL) };
	uint8_t a[SNP_DIGEST_BYTES] = { 0 };
	uint8_t b[SNP_DIGEST_BYTES] = { 0 };
	struct snp_vmsa v = { 0 };

	(void)state;
	sim_digest_extend(&c, a, SNP_PAGE_VMSA, SNP_VMSA_GPA, &v);
	v.tsc_scale = le64_of(5);
	v.tsc_offset = le64_of(6);
	sim_digest_extend(&c, b, SNP_PAGE_VMSA, SNP_VMSA_GPA, &v);
	assert_memory_equal(a, b, sizeof a);
	EVP_MD_free(c.sha384);
}

/* --- KVM ------------------------------------------------------------------------------------- */

static void only_offered_vm_types_can_be_made(void **state)
{
	static const unsigned long refused[] = { 1, 5, 6, ~0ul };
	int plain = fw_ioctl_int(raw.kit.kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_DEFAULT);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		assert_int_equal(fw_ioctl_int(raw.kit.kvm_fd, KVM_CREATE_VM, refused[i]), -EINVAL);
	assert_int_equal(fw_ioctl_int(raw.kit.kvm_fd, KVM_CHECK_EXTENSION, ABI_CAP_VM_TYPES), 0x1D);
	assert_int_equal(fw_ioctl_int(raw.vm, KVM_CHECK_EXTENSION, ABI_CAP_MEMORY_ATTRIBUTES), 8);
	assert_int_equal(fw_ioctl_int(raw.vm, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM), 0);
	assert_true(plain >= 0);
	fw_close(plain);
}

static void without_a_secure_processor_there_is_no_snp(void **state)
{
	(void)state;
	fw_close(raw.vm);
	raw.vm = -1;
	assert_int_equal(fw_open(raw.kit.kvm_fd, -1, NULL), 0);
	assert_int_equal(fw_ioctl_int(raw.kit.kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_SNP), -EINVAL);
	assert_int_equal(fw_ioctl_int(raw.kit.kvm_fd, KVM_CHECK_EXTENSION, ABI_CAP_VM_TYPES), 1);
}

static void guest_memfd_takes_no_flags_and_whole_pages(void **state)
{
	(void)state;
	assert_int_equal(gmem_new(0, 0), -EINVAL);
	assert_int_equal(gmem_new(4097, 0), -EINVAL);
	assert_int_equal(gmem_new(1ull << 63, 0), -EINVAL);
	assert_int_equal(gmem_new(4096, 2), -EINVAL); /* INIT_SHARED */
}

static void guest_memfd_cannot_be_mapped_or_read(void **state)
{
	uint8_t byte;

	(void)state;
	raw.gmem = gmem_new(4096, 0);
	assert_true(raw.gmem >= 0);
	assert_true(mmap(NULL, 4096, PROT_READ, MAP_SHARED, raw.gmem, 0) == MAP_FAILED);
	assert_true(read(raw.gmem, &byte, 1) < 0);
	assert_true(write(raw.gmem, &byte, 1) < 0);
	assert_true(ftruncate(raw.gmem, 0) < 0);
	assert_int_equal(fw_ioctl(raw.gmem, KVM_GET_REGS, &byte), -ENOTTY);
	assert_int_equal(fw_punch(raw.gmem, 1, 4096), -EINVAL);
	assert_int_equal(fw_punch(raw.gmem, 0, 8192), -EINVAL);
	assert_int_equal(fw_punch(raw.vm, 0, 4096), -EBADF);
}

static void memory_slots_follow_the_rules_of_guest_memfd(void **state)
{
	struct kvm_userspace_memory_region v1 = { .flags = ABI_MEM_GUEST_MEMFD,
		.memory_size = 4096,
		.userspace_addr = (uintptr_t)raw.ram };
	int other = fw_ioctl_int(raw.kit.kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_SNP);

	(void)state;
	raw.gmem = gmem_new(0x10000, 0);
	const uint32_t g = ABI_MEM_GUEST_MEMFD;
	assert_int_equal(fw_ioctl(raw.vm, KVM_SET_USER_MEMORY_REGION, &v1), -EINVAL);
	assert_int_equal(region(0, g | KVM_MEM_READONLY, 0, 4096, raw.gmem, 0), -EINVAL);
	assert_int_equal(region(0, KVM_MEM_READONLY, 0, 4096, -1, 0), -EINVAL);
	assert_int_equal(region(0, g | KVM_MEM_LOG_DIRTY_PAGES, 0, 4096, raw.gmem, 0), -EINVAL);
	assert_int_equal(region(0, g, 0, 4096, -1, 0), -EBADF);
	assert_int_equal(region(0, g, 0, 4096, raw.vm, 0), -EINVAL);
	assert_int_equal(region(0, g, 0, 4096, raw.gmem, 100), -EINVAL);
	assert_int_equal(region(0, g, 0, 0x20000, raw.gmem, 0), -EINVAL);
	assert_int_equal(region(0, g, 0x800, 4096, raw.gmem, 0), -EINVAL);
	assert_int_equal(region(0, g, 0, 0x8000, raw.gmem, 0), 0);
	assert_int_equal(region(0, g, 0x100000, 0x8000, raw.gmem, 0x8000), -EINVAL); /* immutable */
	assert_int_equal(region(1, g, 0x7000, 0x8000, raw.gmem, 0x8000), -EEXIST);   /* overlap */
	assert_int_equal(region(1, g, 0x100000, 0x8000, raw.gmem, 0x4000), -EEXIST); /* bound */
	assert_int_equal(region(0, g, 0, 0, raw.gmem, 0), 0);                        /* deleted */
	assert_int_equal(region(0, g, 0x100000, 0x8000, raw.gmem, 0x8000), 0);

	/* Another VM's guest_memfd. */
	int mine = raw.vm;
	raw.vm = other;
	assert_int_equal(region(0, g, 0, 0x8000, raw.gmem, 0), -EINVAL);
	raw.vm = mine;
	fw_close(other);
}

static void attributes_are_checked(void **state)
{
	struct abi_attributes a = { .size = 4096, .flags = 1 };

	(void)state;
	assert_int_equal(fw_ioctl(raw.vm, ABI_SET_MEMORY_ATTRIBUTES, &a), -EINVAL);
	assert_int_equal(attributes(0, 0, 8), -EINVAL);
	assert_int_equal(attributes(0x800, 4096, 8), -EINVAL);
	assert_int_equal(attributes(0, 4096, 1), -EINVAL);
	assert_int_equal(attributes(~0xFFFull, 8192, 8), -EINVAL);
	assert_int_equal(attributes(1ull << 40, 4096, 8), 0); /* before any slot is there */
}

static void a_conversion_forgets_the_contents(void **state)
{
	(void)state;
	launch();
	memset(raw.page, 0x77, 4096);
	assert_int_equal(update(SNP_PAGE_NORMAL, 0, raw.page, 4096), 0);
	assert_int_equal(attributes(0, 4096, 0), 0); /* the launch added it */
	assert_int_equal(raw.ram[0], 0);
	assert_int_equal(attributes(0, 4096, ABI_MEMORY_ATTRIBUTE_PRIVATE), 0);
	assert_int_equal(finish(), 0);
	memset(raw.ram, 0x77, 8192);
	assert_int_equal(attributes(0, 4096, 0), 0);
	assert_int_equal(raw.ram[0], 0);
	assert_int_equal(raw.ram[4096], 0x77);
	raw.ram[0] = 1;
	assert_int_equal(attributes(0, 4096, 0), 0); /* shared already: nothing is lost */
	assert_int_equal(raw.ram[0], 1);
}

/* The attribute touches no memory: until the launch is over, the mapping is the monitor's. */
static void what_is_not_launched_yet_is_the_monitors(void **state)
{
	(void)state;
	launch();
	assert_int_equal(attributes(0, 4096, 0), 0);
	memset(raw.ram, 0x77, 4096);
	assert_int_equal(attributes(0, 4096, ABI_MEMORY_ATTRIBUTE_PRIVATE), 0);
	assert_int_equal(raw.ram[0], 0x77);
	assert_int_equal(finish(), 0);
	assert_int_equal(raw.ram[0], 0);
}

static void closing_a_guest_memfd_takes_the_memory_away(void **state)
{
	(void)state;
	launch();
	memset(raw.page, 0x55, 4096);
	assert_int_equal(update(SNP_PAGE_NORMAL, 1, raw.page, 4096), 0);
	fw_close(raw.gmem);
	raw.gmem = -1;
	assert_int_equal(raw.ram[4096], 0);
	assert_int_equal(update(SNP_PAGE_NORMAL, 2, raw.page, 4096), -EINVAL);
}

static void exit_hypercall_takes_one_bit(void **state)
{
	struct kvm_enable_cap cap = { .cap = ABI_CAP_EXIT_HYPERCALL, .args = { 1 } };

	(void)state;
	assert_int_equal(fw_ioctl(raw.vm, KVM_ENABLE_CAP, &cap), -EINVAL);
	cap.args[0] = 1 << 12;
	assert_int_equal(fw_ioctl(raw.vm, KVM_ENABLE_CAP, &cap), 0);
}

static void device_attributes_are_reported(void **state)
{
	uint64_t v = 0;
	struct kvm_device_attr a = { .group = 1, .attr = 1, .addr = (uintptr_t)&v };

	(void)state;
	assert_int_equal(fw_ioctl(raw.kit.kvm_fd, KVM_GET_DEVICE_ATTR, &a), 0);
	assert_true((v & 1 << 17) != 0 && (v & 1 << 18) == 0);
	a.attr = 9;
	assert_int_equal(fw_ioctl(raw.kit.kvm_fd, KVM_HAS_DEVICE_ATTR, &a), -ENXIO);
}

/* --- the launch -------------------------------------------------------------------------------- */

static void init2_refuses_what_it_must(void **state)
{
	struct abi_sev_init flags = { .flags = 1 };
	struct abi_sev_init ghcb_1 = { .ghcb_version = 1 };
	struct abi_sev_init ghcb_3 = { .ghcb_version = 3 };
	struct abi_sev_init ghcb_2 = { .ghcb_version = 2 };

	(void)state;
	assert_int_equal(op(ABI_SEV_INIT2, NULL), -EFAULT);
	assert_int_equal(op(ABI_SEV_INIT2, &flags), -EINVAL);
	assert_int_equal(op(ABI_SEV_INIT2, &ghcb_1), -EINVAL);
	assert_int_equal(op(ABI_SEV_INIT2, &ghcb_3), -EINVAL);
	assert_int_equal(init2(SNP_FEATURE_ACTIVE), -EINVAL);
	assert_int_equal(init2(SNP_FEATURE_SECURE_TSC), -EINVAL);
	assert_int_equal(op(ABI_SEV_INIT2, &ghcb_2), 0);
	assert_int_equal(init2(0), -EPERM);
	assert_int_equal(op(2, &ghcb_2), -EPERM); /* LAUNCH_START of SEV */
	assert_int_equal(op(999, &ghcb_2), -EINVAL);
	assert_int_equal(fw_ioctl(raw.vm, ABI_MEMORY_ENCRYPT_OP, NULL), 0);
}

static void a_vcpu_before_init2_makes_a_dead_vm(void **state)
{
	(void)state;
	raw.vcpu = fw_ioctl_int(raw.vm, KVM_CREATE_VCPU, 0);
	assert_true(raw.vcpu >= 0);
	assert_int_equal(init2(0), -EINVAL);
	assert_int_equal(fw_run(raw.vcpu), -EINVAL);
}

static void asids_run_out_and_come_back(void **state)
{
	int fds[8];
	struct abi_sev_init init = { 0 };
	struct abi_sev_cmd cmd = { .id = ABI_SEV_INIT2, .data = (uintptr_t)&init };

	(void)state;
	raw.kit.minted.platform.asids = 2;
	fw_close(raw.vm);
	raw.vm = -1;
	fd_drop(&raw.kit.sev_fd);
	assert_int_equal(kit_open(&raw.kit, NULL), 0);
	for (int i = 0; i < 3; i++) {
		fds[i] = fw_ioctl_int(raw.kit.kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_SNP);
		assert_int_equal(fw_ioctl(fds[i], ABI_MEMORY_ENCRYPT_OP, &cmd), i < 2 ? 0 : -EBUSY);
	}
	int vcpu = fw_ioctl_int(fds[0], KVM_CREATE_VCPU, 0);
	fw_close(fds[0]);
	assert_int_equal(fw_ioctl(fds[2], ABI_MEMORY_ENCRYPT_OP, &cmd), -EBUSY); /* vCPU is open */
	fw_close(vcpu);
	assert_int_equal(fw_ioctl(fds[2], ABI_MEMORY_ENCRYPT_OP, &cmd), 0);
	fw_close(fds[1]);
	fw_close(fds[2]);
}

static void snp_commands_need_an_snp_vm(void **state)
{
	int mine = raw.vm;

	(void)state;
	assert_int_equal(start(POLICY), -ENOTTY); /* before INIT2 */
	assert_int_equal(update(SNP_PAGE_NORMAL, 0, raw.page, 4096), -EINVAL);
	assert_int_equal(finish(), -ENOTTY);
	raw.vm = fw_ioctl_int(raw.kit.kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_DEFAULT);
	assert_int_equal(init2(0), -EINVAL);
	assert_int_equal(start(POLICY), -ENOTTY);
	assert_int_equal(update(SNP_PAGE_NORMAL, 0, raw.page, 4096), -EINVAL);
	assert_int_equal(finish(), -ENOTTY);
	assert_int_equal(attributes(0, 4096, 8), -EINVAL);
	fw_close(raw.vm);
	raw.vm = mine;
}

static void commands_need_the_descriptor_of_the_secure_processor(void **state)
{
	struct abi_snp_start s = { .policy = POLICY };
	struct abi_sev_cmd cmd = { .id = ABI_SNP_LAUNCH_START, .data = (uintptr_t)&s, .sev_fd = 0 };

	(void)state;
	assert_int_equal(init2(0), 0);
	assert_int_equal(fw_ioctl(raw.vm, ABI_MEMORY_ENCRYPT_OP, &cmd), -EBADF);
}

static void start_judges_the_policy_as_kvm_and_firmware_do(void **state)
{
	static const struct {
		uint64_t policy;
		int err;
		uint32_t status;
	} rows[] = {
		{ 0x10000, -EINVAL, ABI_SEV_NO_FW_CALL }, /* bit 17 clear */
		{ 0x70000, -EINVAL, ABI_SEV_NO_FW_CALL }, /* bit 18 */
		{ 1ull << 40 | 0x30000, -EINVAL, ABI_SEV_NO_FW_CALL },
		{ 0x20000, -EIO, FW_POLICY_FAILURE }, /* no SMT on a host with SMT */
		{ 0x30200, -EIO, FW_POLICY_FAILURE }, /* API 2.0 */
		{ 0x30138, -EIO, FW_POLICY_FAILURE }, /* API 1.56 */
		{ 0x30137, 0, FW_SUCCESS }, { 0x30137, -EINVAL, ABI_SEV_NO_FW_CALL }, /* twice */
	};
	struct abi_snp_start flags = { .policy = POLICY, .flags = 1 };

	(void)state;
	assert_int_equal(init2(0), 0);
	assert_int_equal(op(ABI_SNP_LAUNCH_START, &flags), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(start(rows[i].policy), rows[i].err);
		assert_int_equal(raw.error, rows[i].status);
	}
}

static void update_refuses_what_it_must(void **state)
{
	struct abi_snp_update flags = {
		.uaddr = (uintptr_t)raw.page, .len = 4096, .type = 1, .flags = 1
	};

	(void)state;
	launch();
	assert_int_equal(op(ABI_SNP_LAUNCH_UPDATE, &flags), -EINVAL);
	for (uint8_t type = 0; type < 16; type++)
		if (type == 0 || type == 2 || type > 6)
			assert_int_equal(update(type, 0, raw.page, 4096), -EINVAL);
	assert_int_equal(update(SNP_PAGE_NORMAL, 0, raw.page, 0), -EINVAL);
	assert_int_equal(update(SNP_PAGE_NORMAL, 0, raw.page, 100), -EINVAL);
	assert_int_equal(update(SNP_PAGE_NORMAL, 0, raw.page + 1, 4096), -EINVAL);
	assert_int_equal(update(SNP_PAGE_NORMAL, RAM_BYTES / 4096, raw.page, 4096), -EINVAL);
	assert_int_equal(update(SNP_PAGE_NORMAL, ~0ull, raw.page, 4096), -EINVAL);
	assert_int_equal(update(SNP_PAGE_NORMAL, 0, NULL, 4096), -EIO);
	assert_int_equal(raw.error, 0);
	assert_int_equal(update(SNP_PAGE_ZERO, 0, (void *)1, 4096), 0); /* uaddr is ignored */
	assert_int_equal(update(SNP_PAGE_NORMAL, 0, raw.page, 4096), -EIO);
	assert_int_equal(raw.error, 0); /* KVM refused the page that was added before */
	assert_int_equal(attributes(4096, 4096, 0), 0);
	assert_int_equal(update(SNP_PAGE_NORMAL, 1, raw.page, 4096), -EIO);
	assert_int_equal(raw.error, 0);
}

static void update_stops_at_the_end_of_the_slot_and_says_so(void **state)
{
	struct abi_snp_update u = { .gfn_start = RAM_BYTES / 4096 - 2,
		.uaddr = (uintptr_t)raw.page,
		.len = 4 * 4096,
		.type = SNP_PAGE_NORMAL };

	(void)state;
	launch();
	assert_int_equal(op(ABI_SNP_LAUNCH_UPDATE, &u), 0);
	assert_int_equal(u.len, 2 * 4096);
	assert_int_equal(u.gfn_start, RAM_BYTES / 4096);
	assert_ptr_equal((void *)(uintptr_t)u.uaddr, raw.page + 2 * 4096);
	assert_int_equal(op(ABI_SNP_LAUNCH_UPDATE, &u), -EINVAL);
}

static void update_stops_before_a_page_that_fails_with_success(void **state)
{
	struct abi_snp_update u = { .uaddr = (uintptr_t)raw.page, .len = 4 * 4096, .type = 1 };

	(void)state;
	launch();
	assert_int_equal(attributes(2 * 4096, 4096, 0), 0);
	assert_int_equal(op(ABI_SNP_LAUNCH_UPDATE, &u), 0);
	assert_int_equal(u.len, 2 * 4096);
	assert_int_equal(op(ABI_SNP_LAUNCH_UPDATE, &u), -EIO);
}

static void a_caller_without_a_loop_meets_early_stops(void **state)
{
	unsigned int n_stops = 0;

	(void)state;
	fw_close(raw.vm);
	raw.vm = -1;
	fd_drop(&raw.kit.sev_fd);
	raw.kit.minted.platform.seed = 99;
	assert_int_equal(kit_open(&raw.kit, NULL), 0);
	raw.vm = fw_ioctl_int(raw.kit.kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_SNP);
	launch();
	for (uint64_t gfn = 0; gfn < 128; gfn += 8) {
		struct abi_snp_update u = {
			.gfn_start = gfn, .uaddr = (uintptr_t)raw.page, .len = 8 * 4096, .type = 1
		};
		assert_int_equal(op(ABI_SNP_LAUNCH_UPDATE, &u), 0);
		n_stops += u.len > 0;
	}
	assert_true(n_stops > 0 && n_stops < 16);
}

static void memory_that_was_not_launched_is_not_there(void **state)
{
	(void)state;
	launch();
	memset(raw.ram + 8192, 0xEE, 4096); /* written beside the launch */
	memset(raw.page, 0x33, 4096);
	assert_int_equal(update(SNP_PAGE_NORMAL, 1, raw.page, 4096), 0);
	assert_int_equal(finish(), 0);
	assert_int_equal(raw.ram[4096], 0x33);
	assert_int_equal(raw.ram[8192], 0);
}

static void secrets_stay_out_of_the_monitors_memory(void **state)
{
	(void)state;
	launch();
	memset(raw.ram + 4096, 0xEE, 4096);
	assert_int_equal(update(SNP_PAGE_SECRETS, 1, raw.page, 4096), 0);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(raw.ram[4096 + i], 0);
}

static void cpuid_page_is_checked_and_corrected(void **state)
{
	struct snp_cpuid_page *page = (void *)raw.page;
	uint8_t before[SNP_DIGEST_BYTES], after[SNP_DIGEST_BYTES];

	(void)state;
	launch();
	memset(page, 0, sizeof *page);
	page->count = le32_of(65);
	assert_int_equal(update(SNP_PAGE_CPUID, 3, page, 4096), -EIO);
	assert_int_equal(raw.error, FW_INVALID_PARAM);
	assert_int_equal(le32_get(page->count), 65); /* nothing to correct it with */

	page->count = le32_of(3);
	page->entry[0] =
		(struct snp_cpuid_entry){ .eax_in = le32_of(0x40000000), .eax = le32_of(9) };
	page->entry[1] = (struct snp_cpuid_entry){ .eax_in = le32_of(0x14), .eax = le32_of(1) };
	page->entry[2] = (struct snp_cpuid_entry){ .eax_in = le32_of(0xD),
		.xcr0_in = le64_of(7),
		.eax = le32_of(7),
		.ebx = le32_of(0x240) };
	assert_int_equal(sim_get_digest(raw.vm, before), 0);
	assert_int_equal(update(SNP_PAGE_CPUID, 3, page, 4096), -EIO);
	assert_int_equal(raw.error, FW_INVALID_PARAM);
	assert_int_equal(sim_get_digest(raw.vm, after), 0);
	assert_memory_equal(before, after, sizeof before);
	assert_int_equal(le32_get(page->entry[0].eax), 9);          /* hypervisor leaves are free */
	assert_int_equal(le32_get(page->entry[1].eax), 0);          /* no row: zeros */
	assert_int_equal(le32_get(page->entry[2].ebx), 0x340);      /* AVX in xcr0_in */
	assert_int_equal(update(SNP_PAGE_CPUID, 3, page, 4096), 0); /* the corrected one is taken */
}

static void finish_can_be_done_once(void **state)
{
	struct abi_snp_finish flags = { .flags = 1 };

	(void)state;
	launch();
	assert_int_equal(op(ABI_SNP_LAUNCH_FINISH, NULL), -EFAULT);
	assert_int_equal(op(ABI_SNP_LAUNCH_FINISH, &flags), -EINVAL);
	assert_int_equal(finish(), 0);
	assert_int_equal(finish(), -EINVAL);
	assert_int_equal(start(POLICY), -EINVAL);
	assert_int_equal(update(SNP_PAGE_NORMAL, 1, raw.page, 4096), -EIO);
	assert_int_equal(raw.error, FW_INVALID_GUEST_STATE);
}

static void a_finish_that_fails_late_cannot_be_repeated(void **state)
{
	struct abi_snp_finish f = { .id_block_en = 1 };

	(void)state;
	launch();
	assert_int_equal(op(ABI_SNP_LAUNCH_FINISH, &f), -EFAULT);
	assert_int_equal(finish(), -EINVAL);
	assert_int_equal(fw_run(raw.vcpu), -EINVAL);
}

static void a_vcpu_runs_only_when_the_launch_is_finished(void **state)
{
	(void)state;
	launch();
	assert_int_equal(fw_run(raw.vcpu), -EINVAL);
	assert_int_equal(finish(), 0);
	assert_int_equal(fw_run(raw.vcpu), -EBADF); /* the fake KVM has no guest to run */
}

static void registers_are_sealed_after_finish(void **state)
{
	static uint8_t buf[8192];
	static const unsigned long requests[] = { KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS,
		KVM_SET_SREGS, KVM_GET_FPU, KVM_GET_XCRS, KVM_GET_DEBUGREGS, KVM_GET_XSAVE,
		KVM_SET_GUEST_DEBUG };
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} pat = { .head = { .nmsrs = 1 } };

	(void)state;
	launch();
	pat.head.entries[0].index = 0x277;
	assert_int_equal(fw_ioctl(raw.vcpu, KVM_GET_REGS, buf), 0);
	assert_int_equal(fw_ioctl(raw.vcpu, KVM_GET_MSRS, &pat), 1);
	assert_int_equal(finish(), 0);
	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		assert_int_equal(fw_ioctl(raw.vcpu, requests[i], buf), -EINVAL);
	assert_int_equal(fw_ioctl(raw.vcpu, KVM_GET_MSRS, &pat), 0);
}

static int hypercall_exit(struct kvm_run *run, void *owner)
{
	(void)owner;
	run->exit_reason = KVM_EXIT_HYPERCALL;
	run->hypercall.nr = ABI_HC_MAP_GPA_RANGE;
	return 0;
}

static void a_hypercall_must_be_answered_with_a_known_value(void **state)
{
	struct kvm_run *run = NULL;

	(void)state;
	launch();
	assert_int_equal(fw_map_run(raw.vcpu, 12288, &run), 0);
	assert_int_equal(finish(), 0);
	fake_kvm_set_guest(hypercall_exit, NULL);
	assert_int_equal(fw_run(raw.vcpu), 0);
	run->hypercall.ret = 5;
	assert_int_equal(fw_run(raw.vcpu), -EINVAL);
	run->hypercall.ret = EINVAL;
	assert_int_equal(fw_run(raw.vcpu), 0);
}

/* --- reports --------------------------------------------------------------------------------- */

static void report_holds_what_the_launch_was(void **state)
{
	struct snp_report_req req = { .report_data = { 9 }, .vmpl = le32_of(1) };
	struct guest_identity id = { .host_data = { 0xCA, 0xFE } };
	const struct sim_platform *p = &raw.kit.minted.platform;
	struct snp_id_block block;
	struct snp_id_auth auth;
	struct kit_answer a;
	uint8_t ld[SNP_DIGEST_BYTES], want[SNP_DIGEST_BYTES];

	(void)state;
	assert_int_equal(
		guest_open(GUEST_SNP,
			&(struct guest_setup){ .kvm_fd = raw.kit.kvm_fd, .sev_fd = raw.kit.sev_fd },
			&raw.kit.guest, NULL),
		0);
	assert_int_equal(kit_add_memory(&raw.kit, 0, RAM_BYTES, NULL), 0);
	assert_int_equal(guest_set_private(raw.kit.guest, NULL), 0);
	assert_int_equal(guest_start_launch(raw.kit.guest, POLICY, NULL), 0);
	assert_true(kit_add_vcpu(&raw.kit, 0) >= 0);

	/* What the digest will be, with the vCPU: a copy of the chain. */
	struct sim_crypto c = { .sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL) };
	struct snp_vmsa vmsa;
	assert_int_equal(sim_get_digest(guest_vm_fd(raw.kit.guest), ld), 0);
	assert_int_equal(sim_vmsa_read(&fake_kvm, raw.kit.vcpu[0], 1, &vmsa), 0);
	sim_digest_extend(&c, ld, SNP_PAGE_VMSA, SNP_VMSA_GPA, &vmsa);
	EVP_MD_free(c.sha384);
	kit_make_id(ld, POLICY, &block, &auth);
	id.id_block = (const uint8_t *)&block;
	id.id_auth = (const uint8_t *)&auth;
	id.has_author_key = true;
	assert_int_equal(guest_finish_launch(raw.kit.guest, &id, NULL), 0);

	assert_int_equal(kit_ask(&raw.kit, &req, sizeof req, &a), 0);
	assert_int_equal(a.status, FW_SUCCESS);
	assert_true(kit_is_signed(&raw.kit, &a.report));
	assert_int_equal(le32_get(a.report.version), 5);
	assert_int_equal(le32_get(a.report.vmpl), 1);
	assert_int_equal(le64_get(a.report.policy), POLICY);
	assert_int_equal(le32_get(a.report.guest_svn), 7);
	assert_int_equal(le32_get(a.report.key_info), 1);
	assert_int_equal(a.report.family_id[0], 0x11);
	assert_memory_equal(a.report.measurement, ld, sizeof ld);
	assert_memory_equal(a.report.host_data, id.host_data, sizeof id.host_data);
	assert_memory_equal(a.report.chip_id, p->chip_id, sizeof p->chip_id);
	assert_memory_equal(a.report.reported_tcb, p->reported_tcb, 8);
	assert_int_equal(a.report.cpuid_fam_id, 0x19);
	assert_int_equal(a.report.cpuid_mod_id, 0x11);
	assert_int_equal(le64_get(a.report.launch_mit_vector), 0x3F);
	assert_int_equal(EVP_Digest(&auth.author_pubkey, 0x404, want, NULL, EVP_sha384(), NULL), 1);
	assert_memory_equal(a.report.author_key_digest, want, sizeof want);

	/* The table: VCEK, ASK, ARK, a zero entry. */
	const struct snp_cert_entry *e = (const void *)a.table;
	assert_int_equal(le32_get(e[0].offset), 4 * sizeof *e);
	assert_int_equal(le32_get(e[0].length), p->blob[SIM_BLOB_VCEK].len);
	assert_memory_equal(a.table + le32_get(e[0].offset), p->blob[SIM_BLOB_VCEK].p,
		p->blob[SIM_BLOB_VCEK].len);
	assert_int_equal(le32_get(e[3].length), 0);

	/* One flipped bit and the signature is wrong. */
	a.report.host_data[31] ^= 1;
	assert_false(kit_is_signed(&raw.kit, &a.report));
}

/* As above, but with no ID block and with requests that are not one. */
static void guest_port_takes_exactly_one_request(void **state)
{
	struct guest_identity id = { 0 };
	uint8_t bytes[200] = { 0 };
	struct kit_answer a;

	(void)state;
	assert_int_equal(
		guest_open(GUEST_SNP,
			&(struct guest_setup){ .kvm_fd = raw.kit.kvm_fd, .sev_fd = raw.kit.sev_fd },
			&raw.kit.guest, NULL),
		0);
	assert_true(kit_add_vcpu(&raw.kit, 0) >= 0);
	assert_int_equal(guest_start_launch(raw.kit.guest, POLICY, NULL), 0);
	assert_int_equal(guest_finish_launch(raw.kit.guest, &id, NULL), 0);
	assert_int_equal(kit_ask(&raw.kit, bytes, 95, &a), 0);
	assert_int_equal(a.status, FW_INVALID_LEN);
	assert_int_equal(a.table_len, 0);
	assert_int_equal(kit_ask(&raw.kit, bytes, 97, &a), 0);
	assert_int_equal(a.status, FW_INVALID_LEN);
	assert_int_equal(kit_ask(&raw.kit, bytes, 200, &a), 0);
	assert_int_equal(a.status, FW_INVALID_LEN);
	bytes[95] = 1; /* reserved */
	assert_int_equal(kit_ask(&raw.kit, bytes, 96, &a), 0);
	assert_int_equal(a.status, FW_INVALID_PARAM);
	bytes[95] = 0;
	assert_int_equal(kit_ask(&raw.kit, bytes, 96, &a), 0);
	assert_int_equal(a.status, FW_SUCCESS);
	assert_true(kit_is_signed(&raw.kit, &a.report));
}

static void a_disabled_vcek_signs_nothing(void **state)
{
	struct guest_identity id = { .is_vcek_disabled = true };
	struct snp_report_req req = { 0 };
	struct kit_answer a;

	(void)state;
	assert_int_equal(
		guest_open(GUEST_SNP,
			&(struct guest_setup){ .kvm_fd = raw.kit.kvm_fd, .sev_fd = raw.kit.sev_fd },
			&raw.kit.guest, NULL),
		0);
	assert_true(kit_add_vcpu(&raw.kit, 0) >= 0);
	assert_int_equal(guest_start_launch(raw.kit.guest, POLICY, NULL), 0);
	assert_int_equal(guest_finish_launch(raw.kit.guest, &id, NULL), 0);
	assert_int_equal(kit_ask(&raw.kit, &req, sizeof req, &a), 0);
	assert_int_equal(a.status, FW_INVALID_KEY);
}

/* --- the platform file ------------------------------------------------------------------------- */

static void platform_file_survives_the_round_trip(void **state)
{
	static uint8_t buf[LIMIT_SIM_PLATFORM_BYTES], again[LIMIT_SIM_PLATFORM_BYTES];
	struct sim_platform p;
	size_t len = 0;
	size_t again_len = 0;

	(void)state;
	raw.kit.minted.platform.script = (struct sim_script){ .n = 1,
		.fault = { { SIM_SNP_LAUNCH_UPDATE, 3, FW_INVALID_PAGE_STATE } } };
	assert_int_equal(sim_platform_print(&raw.kit.minted.platform, buf, sizeof buf, &len), 0);
	assert_int_equal(sim_platform_parse(&p, buf, len, NULL), 0);
	assert_int_equal(sim_platform_print(&p, again, sizeof again, &again_len), 0);
	assert_int_equal(len, again_len);
	assert_memory_equal(buf, again, len);
	for (size_t cut = 0; cut < len; cut++)
		assert_true(sim_platform_parse(&p, buf, cut, NULL) < 0);
	buf[8] = 2;
	assert_int_equal(sim_platform_parse(&p, buf, len, NULL), -EPROTONOSUPPORT);
	buf[8] = 1;
	buf[len] = 0;
	assert_int_equal(sim_platform_parse(&p, buf, len + 1, NULL), -EBADMSG);
}

static void a_key_that_is_not_the_certificates_is_refused(void **state)
{
	struct sim_minted other;
	struct sim_crypto c;

	(void)state;
	assert_int_equal(sim_mint(&other, SIM_MILAN, 3, 2048, NULL), 0);
	raw.kit.minted.platform.blob[SIM_BLOB_VCEK] = other.platform.blob[SIM_BLOB_VCEK];
	assert_int_equal(sim_crypto_init(&c, &raw.kit.minted.platform, NULL), -EBADMSG);
	sim_mint_done(&other);
}

static void faults_are_parsed_strictly(void **state)
{
	static const char *const bad[] = { "", "SNP_LAUNCH_UPDATE", "SNP_LAUNCH_UPDATE 3",
		"SNP_LAUNCH_UPDATE 0 INVALID_LEN", "LAUNCH 1 INVALID_LEN",
		"SNP_LAUNCH_UPDATE 1 SUCCESS", "SNP_LAUNCH_UPDATE 1 WHAT",
		"SNP_LAUNCH_UPDATE 1 INVALID_LEN x", "SNP_LAUNCH_UPDATE 1 0x40" };
	struct sim_fault f;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(sim_fault_parse(bad[i], &f, NULL), -EINVAL);
	assert_int_equal(sim_fault_parse("SNP_LAUNCH_FINISH 2 0x1A", &f, NULL), 0);
	assert_int_equal(f.status, FW_INVALID_PAGE_STATE);
	assert_int_equal(sim_fault_parse("IOCTL 7 EIO", &f, NULL), 0);
	assert_int_equal(f.status, SIM_FAULT_ERRNO | EIO);
	assert_int_equal(sim_fault_parse("LAUNCH_START 1 ETIMEDOUT", &f, NULL), 0);
	/* No firmware, no status. */
	assert_int_equal(sim_fault_parse("IOCTL 1 INVALID_LEN", &f, NULL), -EINVAL);
	assert_int_equal(sim_fault_parse("RUN 1 4", &f, NULL), -EINVAL);
	assert_int_equal(sim_fault_parse("PUNCH 1 EWHAT", &f, NULL), -EINVAL);
}

/* Print, parse; what comes of a platform with this change. */
static int platform_reread(const struct sim_platform *p)
{
	static uint8_t buf[LIMIT_SIM_PLATFORM_BYTES];
	struct sim_platform again;
	size_t len = 0;

	assert_int_equal(sim_platform_print(p, buf, sizeof buf, &len), 0);
	return sim_platform_parse(&again, buf, len, NULL);
}

static void values_of_a_platform_are_checked(void **state)
{
	const struct sim_platform good = raw.kit.minted.platform;
	struct sim_platform p = good;

	(void)state;
	assert_int_equal(platform_reread(&p), 0);
	p.kinds = 8;
	assert_int_equal(platform_reread(&p), -ERANGE);
	p = good;
	p.hidden_asids = p.asids + 1;
	assert_int_equal(platform_reread(&p), -ERANGE);
	p = good;
	p.sev_asids = 100000;
	assert_int_equal(platform_reread(&p), -ERANGE);
	p = good;
	p.flags = 1u << 31;
	assert_int_equal(platform_reread(&p), -ERANGE);
	p = good;
	p.identity.len--;
	assert_int_equal(platform_reread(&p), -EBADMSG);
	p = good;
	p.vlek[SIM_VLEK_ASVK].len = 0;
	assert_int_equal(platform_reread(&p), -EBADMSG);
	p = (struct sim_platform){ 0 };
	assert_int_equal(platform_reread(&p), -EBADMSG); /* a machine of nobody's */
}

static void an_identity_must_fit_its_certificates(void **state)
{
	static uint8_t bytes[SIM_IDENTITY_BYTES];
	struct sim_identity id;

	(void)state;
	memcpy(bytes, raw.kit.minted.platform.identity.p, sizeof bytes);
	assert_int_equal(sim_identity_load(&id, bytes, NULL), 0);
	sim_identity_done(&id);
	bytes[SIM_EC_BYTES + 8] ^= 1; /* the CEK's usage */
	assert_int_equal(sim_identity_load(&id, bytes, NULL), -EBADMSG);
	bytes[SIM_EC_BYTES + 8] ^= 1;
	bytes[SIM_EC_BYTES + 30] ^= 1; /* its public key is no point any more */
	assert_int_equal(sim_identity_load(&id, bytes, NULL), -EBADMSG);
}

/* --- owners ------------------------------------------------------------------------------------ */

static struct sim_crypto crypto_open(void)
{
	struct sim_crypto c;

	assert_int_equal(sim_crypto_init(&c, &raw.kit.minted.platform, NULL), 0);
	return c;
}

static void measurement_matches_vector_v6(void **state)
{
	struct sim_crypto c = crypto_open();
	struct sim_measured m = { .api = { 1, 55, 21 }, .policy = 1 };
	uint8_t tik[16], page[4096], want[32], got[32];
	void *sha = sim_sha256_new(&c);

	(void)state;
	for (unsigned int i = 0; i < 16; i++) {
		tik[i] = (uint8_t)i;
		m.nonce[i] = (uint8_t)(16 + i);
	}
	memset(page, 0xF4, sizeof page);
	sim_sha256_add(sha, page, sizeof page);
	sim_sha256_get(sha, m.digest);
	sim_sha256_free(sha);
	assert_int_equal(opts_parse_hex("99918ae5b833c834f5b0e9cd98557fb8"
					"2123c3025ac3bc2d4fb124a28f0950ee",
				 want, sizeof want),
		0);
	sim_session_measure(&c, tik, &m, got);
	assert_memory_equal(want, got, sizeof want);
	sim_crypto_done(&c);
}

static int sev_issue(uint32_t cmd, void *arg)
{
	uint64_t addr = (uintptr_t)arg;
	struct abi_sev_issue issue = { .cmd = cmd,
		.data_lo = (uint32_t)addr,
		.data_hi = (uint32_t)(addr >> 32),
		.error = ABI_SEV_NO_FW_CALL };
	int err = fw_ioctl(raw.kit.sev_fd, ABI_SEV_ISSUE_CMD, &issue);

	raw.error = issue.error;
	return err;
}

/* Into slot 0, by an authority of the test's own. */
static void cert_sign(struct sim_sev_cert *c, void *key)
{
	c->sig[0].usage = le32_of(SIM_USAGE_OCA);
	c->sig[0].algo = le32_of(SIM_ALGO_ECDSA_SHA256);
	assert_int_equal(sim_ec_sign(key, SIM_SHA256, c, SIM_SEV_CERT_SIGNED, &c->sig[0].ec), 0);
}

static void an_owner_can_take_the_platform_once(void **state)
{
	struct sim_sev_cert pek, pdh, chain[3];
	struct sim_sev_cert oca = { .version = le32_of(1),
		.usage = le32_of(SIM_USAGE_OCA),
		.algo = le32_of(SIM_ALGO_ECDSA_SHA256) };
	void *key = sim_ec_new();
	struct sev_user_data_pek_csr csr = { (uintptr_t)&pek, sizeof pek };
	struct sev_user_data_pek_cert_import import = { (uintptr_t)&pek, sizeof pek,
		(uintptr_t)&oca, sizeof oca };
	struct sev_user_data_pdh_cert_export pdh_export = { (uintptr_t)&pdh, sizeof pdh,
		(uintptr_t)chain, sizeof chain };
	struct sev_user_data_status status;

	(void)state;
	assert_int_equal(sim_ec_get(key, NULL, &oca.key), 0);
	cert_sign(&oca, key);
	assert_int_equal(sev_issue(SEV_PEK_CSR, &csr), 0);
	assert_int_equal(le32_get(pek.sig[0].usage), 0); /* unsigned, as requests are */
	assert_int_equal(sev_issue(SEV_PEK_CERT_IMPORT, &import), -EIO);
	assert_int_equal(raw.error, FW_BAD_SIGNATURE);
	cert_sign(&pek, key);
	pek.key.qx[0] ^= 1;
	assert_int_equal(sev_issue(SEV_PEK_CERT_IMPORT, &import), -EIO);
	assert_int_equal(raw.error, FW_INVALID_CERTIFICATE);
	pek.key.qx[0] ^= 1;
	assert_int_equal(sev_issue(SEV_PEK_CERT_IMPORT, &import), 0);
	assert_int_equal(sev_issue(SEV_PEK_CERT_IMPORT, &import), -EIO);
	assert_int_equal(raw.error, FW_ALREADY_OWNED);
	assert_int_equal(sev_issue(SEV_PLATFORM_STATUS, &status), 0);
	assert_int_equal(status.flags & 1, 1);
	assert_int_equal(sev_issue(SEV_PDH_CERT_EXPORT, &pdh_export), 0);
	assert_memory_equal(&chain[1], &oca, sizeof oca);
	/* The PEK is signed by the owner and, still, by the chip. */
	assert_true(sim_ec_verify(
		&oca.key, &chain[0].sig[0].ec, SIM_SHA256, &chain[0], SIM_SEV_CERT_SIGNED));
	assert_true(sim_ec_verify(
		&chain[2].key, &chain[0].sig[1].ec, SIM_SHA256, &chain[0], SIM_SEV_CERT_SIGNED));
	assert_int_equal(sev_issue(SEV_FACTORY_RESET, NULL), 0);
	assert_int_equal(sev_issue(SEV_PLATFORM_STATUS, &status), 0);
	assert_int_equal(status.flags & 1, 0);
	sim_ec_free(key);
}

static X509 *der_load(struct sim_bytes der)
{
	const unsigned char *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);

	assert_non_null(x);
	return x;
}

static void a_loaded_vlek_signs_and_is_certified(void **state)
{
	const struct sim_platform *p = &raw.kit.minted.platform;
	X509 *vlek = der_load(p->vlek[SIM_VLEK_CERT]);
	X509 *asvk = der_load(p->vlek[SIM_VLEK_ASVK]);
	X509 *ark = der_load(p->blob[SIM_BLOB_ARK]);
	struct sim_crypto c = crypto_open();
	struct snp_public_key key;
	void *loaded = NULL;
	uint8_t table[SIM_TABLE_BYTES_MAX];
	size_t len = 0;

	(void)state;
	assert_int_equal(X509_verify(vlek, X509_get0_pubkey(asvk)), 1);
	assert_int_equal(X509_verify(asvk, X509_get0_pubkey(ark)), 1);
	assert_int_equal(X509_verify(vlek, X509_get0_pubkey(ark)), 0);
	assert_int_equal(sim_vlek_open(&c, p, &raw.kit.minted.hashstick, &loaded), 0);
	assert_int_equal(sim_ec_get(loaded, NULL, &key), 0);
	assert_int_equal(EVP_PKEY_eq(loaded, X509_get0_pubkey(vlek)), 1);
	assert_int_equal(sim_table_write(p, true, table, sizeof table, &len), 0);
	assert_memory_equal(table, ((uint8_t[])SNP_GUID_VLEK), 16);
	assert_int_equal(sim_table_write(p, true, table, 100, &len), -EMSGSIZE);
	sim_ec_free(loaded);
	sim_crypto_done(&c);
	X509_free(vlek);
	X509_free(asvk);
	X509_free(ark);
}

static void ranges_agree_with_a_plain_array(void **state)
{
	struct sim_ranges s = { 0 };
	bool plain[64] = { false };
	uint32_t x = 12345;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		x = x * 1664525 + 1013904223;
		unsigned int first = x >> 8 & 63;
		unsigned int len = 1 + (x >> 16 & 15);
		unsigned int end = MIN(first + len, 64u);
		bool is_in = (x >> 28 & 1) != 0;
		assert_int_equal(sim_ranges_set(&s, first, end, is_in), 0);
		for (unsigned int i = first; i < end; i++)
			plain[i] = is_in;
		for (unsigned int i = 0; i < 64; i++) {
			uint64_t until;
			assert_int_equal(sim_ranges_get(&s, i, &until), plain[i]);
			for (uint64_t j = i; j < MIN(until, 64u); j++)
				assert_int_equal(plain[j], plain[i]);
			assert_true(until >= 64 || plain[until] != plain[i]);
		}
	}
	sim_ranges_done(&s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(digest_matches_vectors_v1_to_v4),
		T(vmsa_of_qemu_reset_state_matches_vector_vm),
		T(tsc_fields_of_a_vmsa_are_not_measured),
		T(only_offered_vm_types_can_be_made),
		T(without_a_secure_processor_there_is_no_snp),
		T(guest_memfd_takes_no_flags_and_whole_pages),
		T(guest_memfd_cannot_be_mapped_or_read),
		T(memory_slots_follow_the_rules_of_guest_memfd),
		T(attributes_are_checked),
		T(a_conversion_forgets_the_contents),
		T(what_is_not_launched_yet_is_the_monitors),
		T(closing_a_guest_memfd_takes_the_memory_away),
		T(exit_hypercall_takes_one_bit),
		T(device_attributes_are_reported),
		T(init2_refuses_what_it_must),
		T(a_vcpu_before_init2_makes_a_dead_vm),
		T(asids_run_out_and_come_back),
		T(snp_commands_need_an_snp_vm),
		T(commands_need_the_descriptor_of_the_secure_processor),
		T(start_judges_the_policy_as_kvm_and_firmware_do),
		T(update_refuses_what_it_must),
		T(update_stops_at_the_end_of_the_slot_and_says_so),
		T(update_stops_before_a_page_that_fails_with_success),
		T(a_caller_without_a_loop_meets_early_stops),
		T(memory_that_was_not_launched_is_not_there),
		T(secrets_stay_out_of_the_monitors_memory),
		T(cpuid_page_is_checked_and_corrected),
		T(finish_can_be_done_once),
		T(a_finish_that_fails_late_cannot_be_repeated),
		T(a_vcpu_runs_only_when_the_launch_is_finished),
		T(registers_are_sealed_after_finish),
		T(a_hypercall_must_be_answered_with_a_known_value),
		T(report_holds_what_the_launch_was),
		T(guest_port_takes_exactly_one_request),
		T(a_disabled_vcek_signs_nothing),
		T(platform_file_survives_the_round_trip),
		T(a_key_that_is_not_the_certificates_is_refused),
		T(faults_are_parsed_strictly),
		T(values_of_a_platform_are_checked),
		T(an_identity_must_fit_its_certificates),
		T(measurement_matches_vector_v6),
		T(an_owner_can_take_the_platform_once),
		T(a_loaded_vlek_signs_and_is_certified),
		T(ranges_agree_with_a_plain_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
