/*
 * sim_tdx: Intel TDX: KVM_MEMORY_ENCRYPT_OP and all else that a TD's VM and vCPUs answer their own way
 *          (ABI 4, 5.1, 7.3). sim_td.h is the TD itself, sim_tdx_port.h its guest's voice.
 *
 *          The guest runs as a plain guest of the KVM underneath and starts as one: in real mode at
 *          F000:FFF0, with its other vCPUs waiting for SIPI. A real TD starts in 32-bit mode with
 *          every vCPU (ABI 4.4); firmware that finds itself there executes TDCALL, which a
 *          plain guest does not have.
 *
 * Trust:   the arguments are the monitor's; pointers other than NULL are believed.
 * Owns:    struct sim_tdx, from the kind's create() to its release().
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "sev/sim/sim_td.h"
#include "sev/sim/sim_tdx_crypto.h"
#include "sev/sim/sim_vm.h"

#define SIM_TDX_HOST_CPUID 128u /* entries of the table KVM_GET_SUPPORTED_CPUID gives */

/* A call of the guest's that waits for the monitor; what the next KVM_RUN completes. */
enum sim_tdx_call {
	SIM_TDX_NO_CALL,
	SIM_TDX_RET,   /* GetQuote, SetupEventNotifyInterrupt: ret is the guest's answer */
	SIM_TDX_INFO,  /* GetTdVmCallInfo: ret and four registers */
	SIM_TDX_MAP,   /* MapGPA: chunk by chunk */
	SIM_TDX_TOUCH, /* a memory access, tried again */
};

struct sim_tdx_vcpu {
	bool is_init;
	bool has_x2apic; /* in its CPUID */
	enum sim_tdx_call call;
	uint64_t gpa; /* MAP: of the next chunk; TOUCH */
	uint64_t end; /* MAP */
	bool is_private;
};

struct sim_tdx {
	struct sim_td td;
	struct sim_tdx_crypto crypto;
	bool has_key;
	bool has_split_irqchip;
	uint64_t seed; /* of early stops */
	uint32_t n_host_cpuid;
	struct abi_tdx_cpuid host_cpuid[SIM_TDX_HOST_CPUID];
	struct sim_tdx_vcpu vcpu[SIM_VCPUS_MAX];
};

/* INIT_MEM_REGION by this vCPU. ABI 4.5. */
MUST_USE int sim_tdx_add_region(
	struct sim_vm *vm, const struct sim_tdx_vcpu *vcpu, const struct abi_tdx_cmd *cmd);
