/*
 * fw_error: the status codes of the AMD secure processor and their names. ABI 2.2.
 *
 * Trust:   codes may be anything.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

/* clang-format off */
#define FW_ERROR(x) \
	x(0x00, SUCCESS) \
	x(0x01, INVALID_PLATFORM_STATE) \
	x(0x02, INVALID_GUEST_STATE) \
	x(0x03, INVALID_CONFIG) \
	x(0x04, INVALID_LEN) \
	x(0x05, ALREADY_OWNED) \
	x(0x06, INVALID_CERTIFICATE) \
	x(0x07, POLICY_FAILURE) \
	x(0x08, INACTIVE) \
	x(0x09, INVALID_ADDRESS) \
	x(0x0A, BAD_SIGNATURE) \
	x(0x0B, BAD_MEASUREMENT) \
	x(0x0C, ASID_OWNED) \
	x(0x0D, INVALID_ASID) \
	x(0x0E, WBINVD_REQUIRED) \
	x(0x0F, DFFLUSH_REQUIRED) \
	x(0x10, INVALID_GUEST) \
	x(0x11, INVALID_COMMAND) \
	x(0x12, ACTIVE) \
	x(0x13, HWSEV_RET_PLATFORM) \
	x(0x14, HWSEV_RET_UNSAFE) \
	x(0x15, UNSUPPORTED) \
	x(0x16, INVALID_PARAM) \
	x(0x17, RESOURCE_LIMIT) \
	x(0x18, SECURE_DATA_INVALID) \
	x(0x19, INVALID_PAGE_SIZE) \
	x(0x1A, INVALID_PAGE_STATE) \
	x(0x1B, INVALID_MDATA_ENTRY) \
	x(0x1C, INVALID_PAGE_OWNER) \
	x(0x1D, AEAD_OFLOW) \
	x(0x1F, RB_MODE_EXITED) \
	x(0x20, RMP_INIT_REQUIRED) \
	x(0x21, BAD_SVN) \
	x(0x22, BAD_VERSION) \
	x(0x23, SHUTDOWN_REQUIRED) \
	x(0x24, UPDATE_FAILED) \
	x(0x25, RESTORE_REQUIRED) \
	x(0x26, RMP_INIT_FAILED) \
	x(0x27, INVALID_KEY) \
	x(0x28, SHUTDOWN_INCOMPLETE) \
	x(0x30, INCORRECT_BUFFER_LENGTH)
/* clang-format on */

#define FW_ERROR_ENUM(code, name) FW_##name = (code),
enum fw_error { FW_ERROR(FW_ERROR_ENUM) };
#undef FW_ERROR_ENUM

/* The name of a code, "unknown" for one that has none; never NULL. */
const char *fw_error_name(uint32_t code);

/*
 * What a status usually means after this command of KVM_MEMORY_ENCRYPT_OP (<linux/kvm.h>,
 * abi_kvm.h): half a sentence for a person who has to do something; "" when there is no usual cause.
 */
const char *fw_error_usual(uint32_t command, uint32_t code);
