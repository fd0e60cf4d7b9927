/*
 * sim_qgs: the simulated quote generation service: its frames and messages (ABI 4.11), answered
 *          from a platform file. casemate-sim-qgs serves them on a socket.
 *
 * Trust:   requests may come from anybody who can connect.
 * Owns:    nothing.
 * Threads: one at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "sev/sim/sim_quote.h"

#define SIM_QGS_FRAME_HEAD 4u     /* the length, big-endian */
#define SIM_QGS_IN_MAX     65536u /* of one request: a TDREPORT and a list of key ids */
#define SIM_QGS_OUT_MAX    (SIM_QUOTE_BYTES_MAX + 24u)

/* Types and error codes. ABI 4.11. */
enum sim_qgs_type {
	SIM_QGS_QUOTE_REQ = 0,
	SIM_QGS_QUOTE_RESP = 1,
	SIM_QGS_COLLATERAL_REQ = 2,
	SIM_QGS_COLLATERAL_RESP = 3,
	SIM_QGS_PLATFORM_REQ = 4,
	SIM_QGS_PLATFORM_RESP = 5,
};
#define SIM_QGS_UNEXPECTED      0x12001u
#define SIM_QGS_OUT_OF_MEMORY   0x12002u
#define SIM_QGS_INVALID_PARAM   0x12003u
#define SIM_QGS_INVALID_VERSION 0x12004u
#define SIM_QGS_INVALID_TYPE    0x12005u
#define SIM_QGS_INVALID_SIZE    0x12006u
#define SIM_QGS_INVALID_CODE    0x12007u

struct sim_qgs {
	const struct sim_tdx_platform *platform;
	const struct sim_tdx_crypto *crypto;
	struct sim_tdx_script script; /* SIM_QUOTE: code N for request n */
};

/*
 * Answer one message of len bytes (without its frame) into buf, SIM_QGS_OUT_MAX bytes; *ret_len may
 * be 0: a bare TDREPORT that is refused has no form of answer, the connection is to be closed.
 */
void sim_qgs_answer(
	struct sim_qgs *q, const void *request, size_t len, uint8_t *buf, size_t *ret_len);
