#include "sev/fw_error.h"

#include <stddef.h>

#include "base/cdefs.h"
#include "sev/abi_kvm.h"

#define FW_ERROR_NAME(code, name) [code] = #name,
static const char *const names[] = { FW_ERROR(FW_ERROR_NAME) };
#undef FW_ERROR_NAME

const char *fw_error_name(uint32_t code)
{
	return code < ARRAY_LEN(names) && names[code] != NULL ? names[code] : "unknown";
}

/* Where the command matters. ABI 2.5, 2.6, 2.11, 2.12. */
static const struct {
	uint32_t command;
	uint32_t code;
	const char *usual;
} of_command[] = {
	{ ABI_SNP_LAUNCH_START, FW_POLICY_FAILURE,
		"the host has SMT on and the policy forbids it, the policy wants a newer firmware, "
		"or a "
		"single socket on a host with two" },
	{ ABI_SNP_LAUNCH_FINISH, FW_POLICY_FAILURE,
		"the ID block was made for another guest policy" },
	{ ABI_SNP_LAUNCH_FINISH, FW_BAD_MEASUREMENT,
		"the ID block was made for another launch digest: kernel, initrd, command line, "
		"firmware or number of vCPUs changed" },
	{ ABI_SNP_LAUNCH_FINISH, FW_BAD_SIGNATURE,
		"the ID block was not signed by the key beside it" },
	{ ABI_SNP_LAUNCH_FINISH, FW_INVALID_PARAM, "the ID authentication page is malformed" },
	{ ABI_SNP_LAUNCH_UPDATE, FW_INVALID_PARAM,
		"the CPUID page promises more than this processor has" },
	{ KVM_SEV_LAUNCH_START, FW_POLICY_FAILURE,
		"the policy wants a newer firmware than the host's" },
	{ KVM_SEV_LAUNCH_START, FW_BAD_MEASUREMENT,
		"the owner's session was made for another platform or another policy" },
	{ KVM_SEV_LAUNCH_START, FW_INVALID_CERTIFICATE,
		"the owner's certificate is not one for a session" },
	{ KVM_SEV_LAUNCH_START, FW_INVALID_LEN, "the owner's certificate or session is cut" },
	{ KVM_SEV_LAUNCH_START, FW_INVALID_ASID,
		"bit 2 of the policy (SEV-ES) does not fit the kind of guest" },
	{ KVM_SEV_LAUNCH_START, FW_UNSUPPORTED, "SEV-ES is not enabled on this host" },
	{ KVM_SEV_LAUNCH_SECRET, FW_BAD_MEASUREMENT,
		"the secret was packed for another launch, or changed on its way" },
	{ KVM_SEV_LAUNCH_SECRET, FW_UNSUPPORTED, "the secret is compressed" },
};

/* Whatever the command. ABI 2.2. */
static const char *const of_code[] = {
	[FW_INVALID_PLATFORM_STATE] = "SEV is not initialised: see the kernel's log for ccp",
	[FW_INVALID_GUEST_STATE] = "a launch command out of order",
	[FW_INVALID_CONFIG] =
		"the BIOS or the kernel's parameters do not enable this kind of guest",
	[FW_INVALID_CERTIFICATE] = "a certificate in the request is damaged",
	[FW_POLICY_FAILURE] = "the guest's policy forbids it",
	[FW_INACTIVE] = "the guest has no key slot: it was deactivated",
	[FW_ASID_OWNED] = "the launch was started twice",
	[FW_DFFLUSH_REQUIRED] = "guests are ended and launched at the same time; launch again",
	[FW_WBINVD_REQUIRED] = "guests are ended and launched at the same time; launch again",
	[FW_HWSEV_RET_PLATFORM] = "the hardware reported a fault; a restart of the host may help",
	[FW_HWSEV_RET_UNSAFE] = "the hardware reported a fault; restart the host",
	[FW_UNSUPPORTED] = "this firmware cannot do it; update it",
	[FW_RESOURCE_LIMIT] = "too many encrypted guests on this host; end one",
	[FW_SECURE_DATA_INVALID] = "the firmware's own storage is damaged",
	[FW_INVALID_PAGE_STATE] =
		"the kernel and the firmware disagree on a page; see the kernel's log",
	[FW_INVALID_PAGE_OWNER] =
		"the kernel and the firmware disagree on a page; see the kernel's log",
	[FW_RMP_INIT_REQUIRED] =
		"SNP is not initialised: see the kernel's log for ccp and the RMP table",
	[FW_RMP_INIT_FAILED] = "the RMP table does not cover the memory: see the BIOS",
	[FW_BAD_SVN] = "the firmware is older than what was committed",
	[FW_BAD_VERSION] = "the firmware is older than what was committed",
	[FW_SHUTDOWN_REQUIRED] = "the firmware was updated; the platform must be initialised again",
	[FW_UPDATE_FAILED] = "the firmware's update failed; restart the host",
	[FW_RESTORE_REQUIRED] = "the firmware's update failed; restart the host",
	[FW_INVALID_KEY] = "the host has no VLEK, or its VCEK is masked",
};

const char *fw_error_usual(uint32_t command, uint32_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(of_command); i++)
		if (of_command[i].command == command && of_command[i].code == code)
			return of_command[i].usual;
	return code < ARRAY_LEN(of_code) && of_code[code] != NULL ? of_code[code] : "";
}
