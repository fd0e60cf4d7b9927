/*
 * abi_tdx: Intel TDX as KVM offers it (commands of KVM_MEMORY_ENCRYPT_OP, exits) and what the TDX
 *          module hashes and reports (MRTD blocks, TDREPORT, GetQuote buffer). Own names, as in
 *          abi_kvm.h. ("ABI n.m" in comments: docs/specs.md, "KVM confidential-VM ABI".)
 *
 * Trust:   structs and numbers only; the bytes they overlay may be hostile.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"

#define ABI_VM_TYPE_TDX 5u /* ABI 1.2 */

/* ABI 1.2: bus clock of the local APIC in nanoseconds; TDs have 40 (25 MHz). */
#define ABI_CAP_X86_APIC_BUS_CYCLES_NS 237
#define ABI_TDX_APIC_BUS_NS            40u
#define ABI_TDX_TSC_KHZ_STEP           25000u /* ABI 4.3 */
#define ABI_TDX_TSC_KHZ_MIN            100000u
#define ABI_TDX_TSC_KHZ_MAX            10000000u

/* The envelope of KVM_MEMORY_ENCRYPT_OP. ABI 4.1. */
struct abi_tdx_cmd {
	uint32_t id;
	uint32_t flags;
	uint64_t data;
	uint64_t hw_error; /* 0 on entry */
};
WIRE_SIZE(struct abi_tdx_cmd, 24);
WIRE_AT(struct abi_tdx_cmd, hw_error, 16);

enum abi_tdx_id {
	ABI_TDX_CAPABILITIES = 0, /* VM */
	ABI_TDX_INIT_VM = 1,
	ABI_TDX_INIT_VCPU = 2, /* vCPU */
	ABI_TDX_INIT_MEM_REGION = 3,
	ABI_TDX_FINALIZE_VM = 4,
	ABI_TDX_GET_CPUID = 5, /* vCPU */
};

#define ABI_TDX_MEASURE_REGION (1u << 0) /* flags of INIT_MEM_REGION */

/* One CPUID entry, as struct kvm_cpuid_entry2. ABI 4.2. */
struct abi_tdx_cpuid {
	uint32_t function;
	uint32_t index;
	uint32_t flags;
	uint32_t eax;
	uint32_t ebx;
	uint32_t ecx;
	uint32_t edx;
	uint32_t padding[3];
};
WIRE_SIZE(struct abi_tdx_cpuid, 40);

#define ABI_TDX_CPUID_MAX 256u /* E2BIG above: ABI 4.2, 4.3 */

/* ABI 4.2; nent entries of struct abi_tdx_cpuid follow. */
struct abi_tdx_capabilities {
	uint64_t supported_attrs;
	uint64_t supported_xfam;
	uint64_t kernel_tdvmcallinfo_1_r11;
	uint64_t user_tdvmcallinfo_1_r11;
	uint64_t kernel_tdvmcallinfo_1_r12;
	uint64_t user_tdvmcallinfo_1_r12;
	uint64_t reserved[250];
	uint32_t nent;
	uint32_t padding;
};
WIRE_SIZE(struct abi_tdx_capabilities, 2056);
WIRE_AT(struct abi_tdx_capabilities, reserved, 48);
WIRE_AT(struct abi_tdx_capabilities, nent, 2048);

#define ABI_TDX_ID_BYTES 48u

/* ABI 4.3; nent entries of struct abi_tdx_cpuid follow. */
struct abi_tdx_init_vm {
	uint64_t attributes;
	uint64_t xfam;
	uint8_t mrconfigid[ABI_TDX_ID_BYTES];
	uint8_t mrowner[ABI_TDX_ID_BYTES];
	uint8_t mrownerconfig[ABI_TDX_ID_BYTES];
	uint64_t reserved[12];
	uint32_t nent;
	uint32_t padding;
};
WIRE_SIZE(struct abi_tdx_init_vm, 264);
WIRE_AT(struct abi_tdx_init_vm, mrownerconfig, 112);
WIRE_AT(struct abi_tdx_init_vm, reserved, 160);
WIRE_AT(struct abi_tdx_init_vm, nent, 256);

/* ABI 4.5. */
struct abi_tdx_mem_region {
	uint64_t source_addr;
	uint64_t gpa;
	uint64_t nr_pages;
};
WIRE_SIZE(struct abi_tdx_mem_region, 24);

/* TD attributes and XFAM. ABI 4.3. */
#define ABI_TDX_ATTR_DEBUG           (1ull << 0)
#define ABI_TDX_ATTR_SEPT_VE_DISABLE (1ull << 28)
#define ABI_TDX_ATTR_MIGRATABLE      (1ull << 29)
#define ABI_TDX_ATTR_PERFMON         (1ull << 63)
#define ABI_TDX_XFAM_FIXED1          0x3ull     /* x87, SSE */
#define ABI_TDX_XFAM_FIXED0          0x6DBE7ull /* all that there may be */

/* Status words of the module; the operand stands in the low 32 bits. ABI 4.3, 4.13. */
#define ABI_TDX_OPERAND_INVALID           0xC000010000000000ull
#define ABI_TDX_OPERAND_BUSY              0x8000020000000000ull
#define ABI_TDX_RND_NO_ENTROPY            0x8000020300000000ull
#define ABI_TDX_OP_STATE_INCORRECT        0xC000060800000000ull
#define ABI_TDX_NO_VCPUS                  0xC000060900000000ull
#define ABI_TDX_EPT_ENTRY_STATE_INCORRECT 0xC0000B0D00000000ull
#define ABI_TDX_STATUS_MASK               0xFFFFFFFF00000000ull

enum abi_tdx_operand {
	ABI_TDX_OPERAND_ATTRIBUTES = 64,
	ABI_TDX_OPERAND_XFAM = 65,
	ABI_TDX_OPERAND_EXEC_CONTROLS = 66,
	ABI_TDX_OPERAND_EPTP = 67,
	ABI_TDX_OPERAND_MAX_VCPUS = 68,
	ABI_TDX_OPERAND_CPUID_CONFIG = 69,
	ABI_TDX_OPERAND_TSC_FREQUENCY = 70,
	ABI_TDX_OPERAND_NUM_L2_VMS = 71,
};

/* Exits. ABI 1.7, 4.10: at offset 32 of struct kvm_run. */
#define ABI_EXIT_TDX               40u
#define ABI_SYSTEM_EVENT_TDX_FATAL 7u

struct abi_exit_tdx {
	uint64_t flags;
	uint64_t nr;
	uint64_t ret; /* first of every leaf's union */
	union {
		struct {
			uint64_t leaf, r11, r12, r13, r14;
		} info; /* GET_TD_VM_CALL_INFO */
		struct {
			uint64_t gpa, size;
		} quote; /* GET_QUOTE; gpa without the shared bit */
		struct {
			uint64_t vector;
		} notify;         /* SETUP_EVENT_NOTIFY_INTERRUPT */
		uint64_t data[5]; /* any other */
	};
};
WIRE_SIZE(struct abi_exit_tdx, 64);
WIRE_AT(struct abi_exit_tdx, ret, 48 - 32);
WIRE_AT(struct abi_exit_tdx, data, 56 - 32);

#define ABI_TDVMCALL_GET_TD_VM_CALL_INFO 0x10000ull
#define ABI_TDVMCALL_MAP_GPA             0x10001ull
#define ABI_TDVMCALL_GET_QUOTE           0x10002ull
#define ABI_TDVMCALL_REPORT_FATAL_ERROR  0x10003ull
#define ABI_TDVMCALL_SETUP_EVENT_NOTIFY  0x10004ull

#define ABI_TDVMCALL_SUCCESS             0ull
#define ABI_TDVMCALL_RETRY               1ull
#define ABI_TDVMCALL_INVALID_OPERAND     0x8000000000000000ull
#define ABI_TDVMCALL_GPA_INUSE           0x8000000000000001ull
#define ABI_TDVMCALL_ALIGN_ERROR         0x8000000000000002ull
#define ABI_TDVMCALL_SUBFUNC_UNSUPPORTED 0x8000000000000003ull

/* user_tdvmcallinfo_1_r11: what user space may answer. ABI 4.2. */
#define ABI_TDX_R11_SETUP_EVENT_NOTIFY (1ull << 1)

/* Registers of a fatal error, as indices of system_event.data. ABI 1.7. */
#define ABI_TDX_FATAL_NDATA 16u

/* GetQuote's buffer in shared guest memory. ABI 4.11. */
struct tdx_quote_buffer {
	le64 version; /* 1 */
	le64 status;
	le32 in_len;
	le32 out_len;
};
WIRE_SIZE(struct tdx_quote_buffer, 24);
WIRE_AT(struct tdx_quote_buffer, status, 8);

#define TDX_QUOTE_BUFFER_VERSION 1u
#define TDX_QUOTE_DONE           0ull
#define TDX_QUOTE_IN_FLIGHT      0xFFFFFFFFFFFFFFFFull
#define TDX_QUOTE_ERROR          0x8000000000000000ull
#define TDX_QUOTE_UNAVAILABLE    0x8000000000000001ull

#define TDX_DIGEST_BYTES         48u /* SHA-384: MRTD, RTMRs */
#define TDX_RTMRS                4u
#define TDX_REPORT_DATA_BYTES    64u
#define TDX_CHUNK_BYTES          256u /* of one TDH.MR.EXTEND */

/* One step of MRTD; MR.EXTEND's is followed by TDX_CHUNK_BYTES of data. ABI 4.7. */
struct tdx_mrtd_block {
	char what[16]; /* "MEM.PAGE.ADD", "MR.EXTEND" */
	le64 gpa;
	uint8_t zero[104];
};
WIRE_SIZE(struct tdx_mrtd_block, 128);

/* TDREPORT. ABI 4.7. */
#define TDX_REPORT_TYPE 0x81u

struct tdx_report_mac {
	uint8_t type;
	uint8_t subtype;
	uint8_t version;
	uint8_t zero_a;
	uint8_t zero_b[12];
	uint8_t cpusvn[16];
	uint8_t tee_tcb_info_hash[TDX_DIGEST_BYTES];
	uint8_t tee_info_hash[TDX_DIGEST_BYTES];
	uint8_t report_data[TDX_REPORT_DATA_BYTES];
	uint8_t zero_c[32];
	uint8_t mac[32];
};
WIRE_SIZE(struct tdx_report_mac, 256);
WIRE_AT(struct tdx_report_mac, tee_info_hash, 80);
WIRE_AT(struct tdx_report_mac, report_data, 128);
WIRE_AT(struct tdx_report_mac, mac, 224);

struct tdx_tcb_info {
	le64 valid;
	uint8_t tee_tcb_svn[16];
	uint8_t mrseam[TDX_DIGEST_BYTES];
	uint8_t mrsignerseam[TDX_DIGEST_BYTES];
	le64 attributes;
	uint8_t rest[128]; /* 1.5: tee_tcb_svn2 first */
};
WIRE_SIZE(struct tdx_tcb_info, 256);
WIRE_AT(struct tdx_tcb_info, attributes, 120);

struct tdx_td_info {
	le64 attributes;
	le64 xfam;
	uint8_t mrtd[TDX_DIGEST_BYTES];
	uint8_t mrconfigid[ABI_TDX_ID_BYTES];
	uint8_t mrowner[ABI_TDX_ID_BYTES];
	uint8_t mrownerconfig[ABI_TDX_ID_BYTES];
	uint8_t rtmr[TDX_RTMRS][TDX_DIGEST_BYTES];
	uint8_t servtd_hash[TDX_DIGEST_BYTES];
	uint8_t rest[64];
};
WIRE_SIZE(struct tdx_td_info, 512);
WIRE_AT(struct tdx_td_info, mrtd, 16);
WIRE_AT(struct tdx_td_info, rtmr, 208);
WIRE_AT(struct tdx_td_info, servtd_hash, 400);

struct tdx_report {
	struct tdx_report_mac mac;
	struct tdx_tcb_info tcb;
	struct tdx_td_info td;
};
WIRE_SIZE(struct tdx_report, 1024);
WIRE_AT(struct tdx_report, td, 512);
