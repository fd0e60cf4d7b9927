/*
 * sim_vlek: a VLEK on its way to the simulated secure processor, for SNP_VLEK_LOAD. ABI 2.1.
 *
 *   AMD's wrapping is between AMD and its processors. The simulator's 432 bytes:
 *       0  12  IV, 4 zero
 *      16 384  AES-256-GCM of: P-384 scalar (48, big-endian), qx, qy (72 each, little-endian), zeros
 *     400   8  TCB version the VLEK is for, 8 zero
 *     416  16  GCM tag; the additional data are bytes 400 to 415
 *   under the first half of SHA-384("casemate simulated VLEK" || chip id): whoever knows the chip can
 *   make one, for a simulator's VLEK proves nothing.
 *
 * Trust:   the blob may be anything.
 * Owns:    nothing; keys belong to whom sim_vlek_open() gives them.
 * Threads: one at a time.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "sev/sim/sim_crypto.h"

#define SIM_HASHSTICK_BYTES 432u

struct sim_hashstick {
	uint8_t iv[12];
	uint8_t zero_a[4];
	uint8_t wrapped[384];
	uint8_t tcb[8];
	uint8_t zero_b[8];
	uint8_t tag[SIM_AES_BYTES];
};
WIRE_SIZE(struct sim_hashstick, SIM_HASHSTICK_BYTES);

/* Wrap the key pair. -EIO: libcrypto failed. */
MUST_USE int sim_vlek_wrap(const struct sim_crypto *c, const uint8_t chip_id[SIM_CHIP_ID_BYTES],
	const void *key, const uint8_t tcb[8], struct sim_hashstick *ret);

/* Firmware status: 0 and the key (free it with sim_ec_free()), BAD_SVN, BAD_MEASUREMENT. */
uint32_t sim_vlek_open(const struct sim_crypto *c, const struct sim_platform *p,
	const struct sim_hashstick *h, void **ret);
