/*
 * abi_kvm: the part of the KVM interface that Debian 12's <linux/kvm.h> does not have yet:
 *          VM types, guest_memfd, memory attributes, memory-fault exits, SEV-SNP launch commands.
 *          Own names, so that newer kernel headers may stand beside it. ("ABI n.m" in comments:
 *          docs/specs.md, "KVM confidential-VM ABI".)
 *
 * Trust:   structs and numbers only.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <linux/kvm.h>
#include <stdint.h>

#include "base/cdefs.h"

/* VM types, the argument of KVM_CREATE_VM. ABI 1.2. */
#define ABI_VM_TYPE_DEFAULT 0u
#define ABI_VM_TYPE_SW      1u /* KVM_X86_SW_PROTECTED_VM */
#define ABI_VM_TYPE_SEV     2u
#define ABI_VM_TYPE_SEV_ES  3u
#define ABI_VM_TYPE_SNP     4u

/* Capabilities. ABI 1.2. */
#define ABI_CAP_EXIT_HYPERCALL    201
#define ABI_CAP_USER_MEMORY2      231
#define ABI_CAP_MEMORY_FAULT_INFO 232
#define ABI_CAP_MEMORY_ATTRIBUTES 233
#define ABI_CAP_GUEST_MEMFD       234
#define ABI_CAP_VM_TYPES          235
#define ABI_CAP_PRE_FAULT_MEMORY  236
#define ABI_CAP_GUEST_MEMFD_FLAGS 244

/* Attributes of /dev/kvm, read with KVM_GET_DEVICE_ATTR. ABI 1.2. */
#define ABI_X86_GRP_SEV           1u
#define ABI_X86_SEV_VMSA_FEATURES 0u
#define ABI_X86_SNP_POLICY_BITS   1u
#define ABI_X86_SNP_REQ_CERTS     2u

/* Requests. ABI 1.1. */
#define ABI_SET_USER_MEMORY_REGION2  0x40a0ae49ul
#define ABI_CREATE_GUEST_MEMFD       0xc040aed4ul
#define ABI_SET_MEMORY_ATTRIBUTES    0x4020aed2ul
#define ABI_PRE_FAULT_MEMORY         0xc040aed5ul
#define ABI_MEMORY_ENCRYPT_OP        0xc008aebaul
#define ABI_SEV_ISSUE_CMD            0xc0105300ul

#define ABI_MEM_GUEST_MEMFD          (1u << 2)
#define ABI_MEMORY_ATTRIBUTE_PRIVATE (1ull << 3)

/* Exits. ABI 1.7. */
#define ABI_EXIT_MEMORY_FAULT    39u
#define ABI_EXIT_SNP_REQ_CERTS   43u
#define ABI_MEMORY_FAULT_PRIVATE (1ull << 3)

/* KVM_EXIT_HYPERCALL, nr 12: args {gpa, pages of 4 KiB, attributes}. ABI 1.7. */
#define ABI_HC_MAP_GPA_RANGE  12u
#define ABI_MAP_GPA_ENCRYPTED (1ull << 4)

/* KVM_EXIT_SYSTEM_EVENT type: the guest ended itself. ABI 1.7. */
#define ABI_SYSTEM_EVENT_SEV_TERM 6u

struct abi_guest_memfd {
	uint64_t size;
	uint64_t flags;
	uint64_t reserved[6];
};
WIRE_SIZE(struct abi_guest_memfd, 64);
WIRE_AT(struct abi_guest_memfd, reserved, 16);

/* ABI 1.4. */
struct abi_region2 {
	uint32_t slot;
	uint32_t flags;
	uint64_t guest_phys_addr;
	uint64_t memory_size;
	uint64_t userspace_addr;
	uint64_t guest_memfd_offset;
	uint32_t guest_memfd;
	uint32_t pad1;
	uint64_t pad2[14];
};
WIRE_SIZE(struct abi_region2, 160);
WIRE_AT(struct abi_region2, guest_memfd, 40);
WIRE_AT(struct abi_region2, pad2, 48);

/* ABI 1.5. */
struct abi_attributes {
	uint64_t address;
	uint64_t size;
	uint64_t attributes;
	uint64_t flags;
};
WIRE_SIZE(struct abi_attributes, 32);

/* What KVM_EXIT_MEMORY_FAULT puts at offset 32 of struct kvm_run. ABI 1.7. */
struct abi_memory_fault {
	uint64_t flags;
	uint64_t gpa;
	uint64_t size;
};
WIRE_SIZE(struct abi_memory_fault, 24);
#define ABI_RUN_UNION_AT 32u
WIRE_AT(struct kvm_run, hw, ABI_RUN_UNION_AT);

/* What KVM_EXIT_SNP_REQ_CERTS puts there. ABI 1.7, 3.5. */
struct abi_req_certs {
	uint64_t gpa;
	uint64_t npages;
	uint64_t ret; /* 0, or EAGAIN, EIO, ENOSPC (npages: what is needed) as positive numbers */
};
WIRE_SIZE(struct abi_req_certs, 24);

/* The envelope of KVM_MEMORY_ENCRYPT_OP. ABI 2.3. */
struct abi_sev_cmd {
	uint32_t id;
	uint32_t pad0;
	uint64_t data;
	uint32_t error;
	uint32_t sev_fd;
};
WIRE_SIZE(struct abi_sev_cmd, 24);
WIRE_AT(struct abi_sev_cmd, error, 16);

/* The commands of SEV and SEV-ES are in <linux/kvm.h>: KVM_SEV_LAUNCH_*. */
enum abi_sev_id {
	ABI_SEV_INIT2 = 22,
	ABI_SNP_LAUNCH_START = 100,
	ABI_SNP_LAUNCH_UPDATE = 101,
	ABI_SNP_LAUNCH_FINISH = 102,
	ABI_SNP_ENABLE_REQ_CERTS = 103,
};

/* `error` before a call; if it is still there the firmware was never reached. ABI 2.2. */
#define ABI_SEV_NO_FW_CALL 0xffffffffu

/* ABI 2.4. */
struct abi_sev_init {
	uint64_t vmsa_features;
	uint32_t flags;
	uint16_t ghcb_version;
	uint16_t pad1;
	uint32_t pad2[8];
};
WIRE_SIZE(struct abi_sev_init, 48);
WIRE_AT(struct abi_sev_init, pad2, 16);

/* ABI 2.6. */
struct abi_snp_start {
	uint64_t policy;
	uint8_t gosvw[16];
	uint16_t flags;
	uint8_t pad0[6];
	uint64_t pad1[4];
};
WIRE_SIZE(struct abi_snp_start, 64);
WIRE_AT(struct abi_snp_start, flags, 24);

struct abi_snp_update {
	uint64_t gfn_start;
	uint64_t uaddr;
	uint64_t len;
	uint8_t type;
	uint8_t pad0;
	uint16_t flags;
	uint32_t pad1;
	uint64_t pad2[4];
};
WIRE_SIZE(struct abi_snp_update, 64);
WIRE_AT(struct abi_snp_update, flags, 26);
WIRE_AT(struct abi_snp_update, pad2, 32);

struct abi_snp_finish {
	uint64_t id_block_uaddr;
	uint64_t id_auth_uaddr;
	uint8_t id_block_en;
	uint8_t auth_key_en;
	uint8_t vcek_disabled;
	uint8_t host_data[32];
	uint8_t pad0[3];
	uint16_t flags;
	uint64_t pad1[4];
};
WIRE_SIZE(struct abi_snp_finish, 88);
WIRE_AT(struct abi_snp_finish, host_data, 19);
WIRE_AT(struct abi_snp_finish, flags, 54);
WIRE_AT(struct abi_snp_finish, pad1, 56);

/* /dev/sev. ABI 2.1. The kernel's struct is packed: the 64-bit pointer stands at 4. */
struct abi_sev_issue {
	uint32_t cmd;
	uint32_t data_lo; /* pointer, low and high half */
	uint32_t data_hi;
	uint32_t error;
};
WIRE_SIZE(struct abi_sev_issue, 16);
WIRE_AT(struct abi_sev_issue, error, 12);
