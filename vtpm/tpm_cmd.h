/*
 * tpm_cmd: what a TPM command is before anything executes it: header, code, handles and sessions
 *          by length, so that the engine never sees bytes whose sizes contradict one another.
 *
 * Trust:   the bytes are a guest's.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

/* A header without anything is the shortest command and the shortest response. TPM part 1, 18. */
#define TPM_HEADER_BYTES 10u
/* Command and response buffer of the CRB interface: its page without the registers. */
#define TPM_BUFFER_BYTES   3968u

#define TPM_ST_NO_SESSIONS 0x8001u
#define TPM_ST_SESSIONS    0x8002u

/* Command codes that others need by name. TPM part 2, 6.5.2. */
enum tpm_cc {
	TPM_CC_EVICT_CONTROL = 0x120,
	TPM_CC_NV_DEFINE_SPACE = 0x12a,
	TPM_CC_CREATE_PRIMARY = 0x131,
	TPM_CC_NV_WRITE = 0x137,
	TPM_CC_NV_WRITE_LOCK = 0x138,
	TPM_CC_STARTUP = 0x144,
	TPM_CC_SHUTDOWN = 0x145,
	TPM_CC_SIGN = 0x15d,
	TPM_CC_FLUSH_CONTEXT = 0x165,
	TPM_CC_NV_READ = 0x14e,
	TPM_CC_NV_READ_PUBLIC = 0x169,
	TPM_CC_READ_PUBLIC = 0x173,
	TPM_CC_GET_CAPABILITY = 0x17a,
	TPM_CC_GET_RANDOM = 0x17b,
	TPM_CC_PCR_READ = 0x17e,
	TPM_CC_PCR_EXTEND = 0x182,
	TPM_CC_PCR_ALLOCATE = 0x12b,
};

/* Response codes that we answer ourselves. TPM part 2, 6.6.3. */
enum tpm_rc {
	TPM_RC_SUCCESS = 0,
	TPM_RC_BAD_TAG = 0x01e,
	TPM_RC_INITIALIZE = 0x100,
	TPM_RC_FAILURE = 0x101,
	TPM_RC_COMMAND_SIZE = 0x142,
	TPM_RC_COMMAND_CODE = 0x143,
	TPM_RC_AUTHSIZE = 0x144,
	TPM_RC_HANDLE_MISSING = 0x09a | 0x100, /* TPM_RC_INSUFFICIENT of the first handle */
	TPM_RC_SIZE_1 = 0x1d5,                 /* TPM_RC_SIZE of the first parameter */
	TPM_RC_ATTRIBUTES_1 = 0x982,           /* TPM_RC_ATTRIBUTES of the first session */
};

/* One command that casemate's TPMs take. */
struct tpm_cc_row {
	uint16_t code;
	uint8_t handles; /* in the command, before the sessions */
	bool has_2b;     /* its first parameter is a TPM2B: a session may encrypt it */
	const char *name;
};

/* The row of a command code; NULL when there is none. */
const struct tpm_cc_row *tpm_cc_find(uint32_t code);

/* All rows, ascending by code; for tests and documentation. */
const struct tpm_cc_row *tpm_cc_rows(size_t *ret_n);

/*
 * Judge a command of len bytes as it came. 0 (TPM_RC_SUCCESS): its tag is one of two, its size field
 * is len, TPM_HEADER_BYTES to TPM_BUFFER_BYTES, its code has a row, its handles are there, its session
 * area is as long as it says and made of 1 to 3 whole sessions, and a first parameter that is encrypted
 * is a TPM2B that fits. Otherwise the response code to answer with, *ret_row NULL. TPM part 1, 18;
 * part 3, 5.
 */
uint32_t tpm_cmd_check(const uint8_t *cmd, size_t len, const struct tpm_cc_row **ret_row);

/* Write a response that is a header and a code; its length. ret has TPM_HEADER_BYTES. */
size_t tpm_rsp_print(uint8_t *ret, uint32_t rc);

/* The response code of a response of len bytes; TPM_RC_FAILURE when it is none (short, or sizes differ). */
uint32_t tpm_rsp_code(const uint8_t *rsp, size_t len);
