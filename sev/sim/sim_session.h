/*
 * sim_session: the firmware's half of what owners of SEV and SEV-ES guests do: the session they
 *              start, the measurement they get, the secret they send. ABI 2.5, 2.12.
 *
 * Trust:   every byte comes from the owner by way of the monitor.
 * Owns:    nothing; the caller wipes the keys.
 * Threads: one at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "sev/sim/sim_crypto.h"
#include "sev/sim/sim_identity.h"

/* ABI 2.12. */
struct sim_session_blob {
	uint8_t nonce[16];
	uint8_t wrap_tk[32]; /* TEK, TIK */
	uint8_t wrap_iv[16];
	uint8_t wrap_mac[32];
	uint8_t policy_mac[32];
};
WIRE_SIZE(struct sim_session_blob, 128);

struct sim_secret_header {
	le32 flags; /* bit 0: compressed */
	uint8_t iv[16];
	uint8_t mac[32];
};
WIRE_SIZE(struct sim_secret_header, 52);

struct sim_transport {
	uint8_t tek[SIM_AES_BYTES];
	uint8_t tik[SIM_AES_BYTES];
};

/* Firmware status: 0 and the keys, INVALID_CERTIFICATE or BAD_MEASUREMENT. */
uint32_t sim_session_open(const struct sim_crypto *c, const struct sim_identity *id,
	const struct sim_sev_cert *dh, const struct sim_session_blob *s, uint32_t policy,
	struct sim_transport *ret);

/* What LAUNCH_MEASURE is over. */
struct sim_measured {
	uint8_t api[3]; /* major, minor, build */
	uint32_t policy;
	uint8_t digest[SIM_SHA256_BYTES];
	uint8_t nonce[16];
};
void sim_session_measure(const struct sim_crypto *c, const uint8_t tik[SIM_AES_BYTES],
	const struct sim_measured *m, uint8_t ret[SIM_SHA256_BYTES]);

/* Open len bytes in place. Firmware status: 0, UNSUPPORTED or BAD_MEASUREMENT (p unchanged). */
uint32_t sim_session_secret(const struct sim_crypto *c, const struct sim_transport *keys,
	const uint8_t measure[SIM_SHA256_BYTES], const struct sim_secret_header *h, uint8_t *p,
	uint32_t len);
