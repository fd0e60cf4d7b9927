/*
 * abi_tdx: KVM's interface for Intel TDX guests, which Debian 12's <linux/kvm.h> does not have:
 *          commands of KVM_MEMORY_ENCRYPT_OP, the exit for TDVMCALLs, the module's status words.
 *          ("ABI n.m" in comments: docs/specs.md, "KVM confidential-VM ABI".)
 *
 * Trust:   structs and numbers only.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <linux/kvm.h>
#include <stdint.h>

#include "base/cdefs.h"

/* The envelope of KVM_MEMORY_ENCRYPT_OP on a TDX VM or vCPU. ABI 4.1. */
struct abi_tdx_cmd {
	uint32_t id;
	uint32_t flags;
	uint64_t data;
	uint64_t hw_error; /* must be zero on entry */
};
WIRE_SIZE(struct abi_tdx_cmd, 24);
WIRE_AT(struct abi_tdx_cmd, hw_error, 16);

enum abi_tdx_id {
	ABI_TDX_CAPABILITIES,    /* VM */
	ABI_TDX_INIT_VM,         /* VM */
	ABI_TDX_INIT_VCPU,       /* vCPU; data is a value */
	ABI_TDX_INIT_MEM_REGION, /* vCPU */
	ABI_TDX_FINALIZE_VM,     /* VM */
	ABI_TDX_GET_CPUID,       /* vCPU */
};

#define ABI_TDX_MEASURE (1u << 0) /* flag of INIT_MEM_REGION */

/* Most entries in the two tables of CPUID leaves. ABI 4.2, 4.3. */
#define ABI_TDX_CPUID_MAX 256u

/* ABI 4.2; `cpuid` is followed by cpuid.nent entries. */
struct abi_tdx_caps {
	uint64_t supported_attrs;
	uint64_t supported_xfam;
	uint64_t kernel_tdvmcallinfo_1_r11;
	uint64_t user_tdvmcallinfo_1_r11;
	uint64_t kernel_tdvmcallinfo_1_r12;
	uint64_t user_tdvmcallinfo_1_r12;
	uint64_t reserved[250];
	struct kvm_cpuid2 cpuid;
};
WIRE_SIZE(struct abi_tdx_caps, 2056);
WIRE_AT(struct abi_tdx_caps, reserved, 48);
WIRE_AT(struct abi_tdx_caps, cpuid, 2048);

#define ABI_TDX_ID_BYTES 48u

/* ABI 4.3; `cpuid` is followed by cpuid.nent entries: exactly the configurable leaves. */
struct abi_tdx_init_vm {
	uint64_t attributes;
	uint64_t xfam;
	uint8_t mrconfigid[ABI_TDX_ID_BYTES];
	uint8_t mrowner[ABI_TDX_ID_BYTES];
	uint8_t mrownerconfig[ABI_TDX_ID_BYTES];
	uint64_t reserved[12];
	struct kvm_cpuid2 cpuid;
};
WIRE_SIZE(struct abi_tdx_init_vm, 264);
WIRE_AT(struct abi_tdx_init_vm, mrowner, 64);
WIRE_AT(struct abi_tdx_init_vm, reserved, 160);
WIRE_AT(struct abi_tdx_init_vm, cpuid, 256);

/* TD attributes. ABI 4.3. */
#define ABI_TDX_ATTR_DEBUG           (1ull << 0)
#define ABI_TDX_ATTR_SEPT_VE_DISABLE (1ull << 28) /* Linux guests insist on it */
#define ABI_TDX_ATTR_MIGRATABLE      (1ull << 29)
#define ABI_TDX_ATTR_PKS             (1ull << 30)
#define ABI_TDX_ATTR_PERFMON         (1ull << 63)

/* ABI 4.5. */
struct abi_tdx_mem_region {
	uint64_t source_addr;
	uint64_t gpa;
	uint64_t nr_pages;
};
WIRE_SIZE(struct abi_tdx_mem_region, 24);

/* KVM_EXIT_TDX: what stands at offset 32 of struct kvm_run. ABI 4.10. */
struct abi_tdx_exit {
	uint64_t flags;
	uint64_t nr; /* TDVMCALL leaf */
	uint64_t ret;
	union {
		uint64_t data[5];
		struct {
			uint64_t leaf, r11, r12, r13, r14;
		} info;
		struct {
			uint64_t gpa, size;
		} quote;
		struct {
			uint64_t vector;
		} notify;
	} u;
};
WIRE_SIZE(struct abi_tdx_exit, 64);
WIRE_AT(struct abi_tdx_exit, ret, 16);
WIRE_AT(struct abi_tdx_exit, u, 24);

#define ABI_TDVMCALL_INFO      0x10000u
#define ABI_TDVMCALL_GET_QUOTE 0x10002u
#define ABI_TDVMCALL_NOTIFY    0x10004u /* SetupEventNotifyInterrupt */

/* Bits of GetTdVmCallInfo's R11 that a VMM may have to offer. ABI 4.2. */
#define ABI_TDX_INFO_NOTIFY              (1ull << 1)

#define ABI_TDVMCALL_SUCCESS             0ull
#define ABI_TDVMCALL_RETRY               1ull
#define ABI_TDVMCALL_INVALID_OPERAND     0x8000000000000000ull
#define ABI_TDVMCALL_GPA_INUSE           0x8000000000000001ull
#define ABI_TDVMCALL_ALIGN_ERROR         0x8000000000000002ull
#define ABI_TDVMCALL_SUBFUNC_UNSUPPORTED 0x8000000000000003ull

/* GetQuote's buffer in shared memory. ABI 4.11. */
#define ABI_QUOTE_HEADER_BYTES 24u
#define ABI_QUOTE_VERSION      1u
#define ABI_QUOTE_DONE         0ull
#define ABI_QUOTE_IN_FLIGHT    UINT64_MAX
#define ABI_QUOTE_ERROR        0x8000000000000000ull
#define ABI_QUOTE_NO_SERVICE   0x8000000000000001ull

/* The module's status words: the low 32 bits name an operand. ABI 4.13. */
#define ABI_TDX_STATUS(word) ((word) & ~0xffffffffull)
