/*
 * sim_fault: the script of failures: "SNP_LAUNCH_UPDATE 3 INVALID_PAGE_STATE" makes the third
 *            firmware command of that kind fail with that status, "IOCTL 7 EIO" the seventh ioctl
 *            of the seam (sev/fw.h) with that errno. A firmware command that fails with ETIMEDOUT
 *            takes the secure processor with it (ABI 7.2.15).
 *
 * Trust:   scripts are the test's.
 * Owns:    nothing.
 * Threads: one at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

/* Commands that can be made to fail; an UPDATE is counted page by page, as firmware sees it. */
/* clang-format off */
#define SIM_COMMAND(x) \
	/* the seam's own: any ioctl, KVM_RUN, mapping a vCPU's page, freeing private memory */ \
	x(IOCTL) x(RUN) x(MAP_RUN) x(PUNCH) \
	/* the firmware's */ \
	x(INIT2) x(LAUNCH_START) x(ACTIVATE) x(LAUNCH_UPDATE_DATA) x(LAUNCH_UPDATE_VMSA) \
	x(LAUNCH_MEASURE) x(LAUNCH_SECRET) x(LAUNCH_FINISH) x(GUEST_STATUS) x(ATTESTATION) \
	x(DBG_DECRYPT) x(DBG_ENCRYPT) \
	x(SNP_LAUNCH_START) x(SNP_LAUNCH_UPDATE) x(SNP_LAUNCH_FINISH) x(SNP_GUEST_REQUEST) \
	x(FACTORY_RESET) x(PLATFORM_STATUS) x(PEK_GEN) x(PEK_CSR) x(PDH_GEN) x(PDH_CERT_EXPORT) \
	x(PEK_CERT_IMPORT) x(GET_ID) x(GET_ID2) x(SNP_PLATFORM_STATUS) x(SNP_COMMIT) \
	x(SNP_SET_CONFIG) x(SNP_VLEK_LOAD)
/* clang-format on */

#define SIM_COMMAND_ENUM(name) SIM_##name,
enum sim_command { SIM_COMMAND(SIM_COMMAND_ENUM) SIM_COMMAND_COUNT };
#undef SIM_COMMAND_ENUM

struct sim_fault {
	uint32_t command; /* enum sim_command */
	uint32_t nth;     /* 1 is the first */
	uint32_t status;  /* firmware status, not 0; or SIM_FAULT_ERRNO | errno */
};

#define SIM_FAULT_ERRNO 0x80000000u /* a firmware status never has this bit */

struct sim_script {
	uint32_t n;
	struct sim_fault fault[LIMIT_SIM_FAULTS];
	uint32_t seen[SIM_COMMAND_COUNT];
};

/*
 * Parse "COMMAND N STATUS": STATUS is a firmware status by name or number, or an errno by name (the
 * only thing for the seam's own). -EINVAL with why.
 */
MUST_USE int sim_fault_parse(const char *text, struct sim_fault *ret, struct why *why);

/* Count one command; the status it is to fail with, or 0. */
uint32_t sim_script_step(struct sim_script *s, enum sim_command command);
