/*
 * sev_session: the owner's side of a SEV or SEV-ES launch: the session of LAUNCH_START, the MAC of
 *              LAUNCH_MEASURE, the packet of LAUNCH_SECRET (kvm-cvm-abi.md, 2.12).
 *
 * Trust:   the PDH certificate comes from the host: verify its chain first. What is made here may be
 *          seen by the host, save the keys.
 * Owns:    a sev_session owns its keys.
 * Threads: one session, one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/sev_cert.h"
#include "base/cdefs.h"
#include "base/secret.h"
#include "base/why.h"

#define SEV_KEY_BYTES           16u /* TEK, TIK, KEK, KIK */
#define SEV_TIK_BYTES           48u /* TIK, and sev_cert_digest() of the PDH it was wrapped for */
#define SEV_MAC_BYTES           32u
#define SEV_SESSION_BYTES       128u
#define SEV_MEASURE_BYTES       48u /* what LAUNCH_MEASURE answers: MAC, MNONCE */
#define SEV_SECRET_HEADER_BYTES 52u
#define SEV_SECRET_MAX          16384u

struct sev_session {
	struct secret keys;              /* TEK, TIK */
	uint8_t blob[SEV_SESSION_BYTES]; /* for LAUNCH_START */
	uint8_t godh[SEV_CERT_BYTES];    /* the owner's certificate, for LAUNCH_START */
	uint8_t pdh[32];                 /* sev_cert_digest() of the platform's */
};

static inline void sev_session_auto(struct sev_session *s)
{
	secret_done(&s->keys);
}

/*
 * A session with the platform of this PDH and the guest policy: fresh keys, nonce and owner's key pair
 * (which is forgotten). The caller frees it with sev_session_auto(). -EKEYREJECTED with why for a
 * certificate that is no PDH on P-384; -EIO when libcrypto fails; -ENOMEM.
 */
MUST_USE int sev_session_make(
	const struct sev_cert *pdh, uint32_t policy, struct sev_session *ret, struct why *why);

/* The blob, from the ECDH secret z and the values that are drawn for it. -EIO. */
MUST_USE int sev_session_wrap(const uint8_t *z, size_t z_len, const uint8_t nonce[16],
	const uint8_t iv[16], const uint8_t keys[2 * SEV_KEY_BYTES], uint32_t policy,
	uint8_t ret[SEV_SESSION_BYTES]);

/* What LAUNCH_MEASURE's MAC is over (attestation.md, 4.7). */
struct sev_measured {
	uint8_t api_major, api_minor, build;
	uint32_t policy;
	uint8_t digest[32], mnonce[16];
};

MUST_USE int sev_measure_mac(
	const uint8_t tik[SEV_KEY_BYTES], const struct sev_measured *m, uint8_t ret[SEV_MAC_BYTES]);

/* One entry of the table that guests look for in the firmware's secret area; its GUID as on disk. */
struct sev_secret {
	uint8_t guid[16];
	const uint8_t *p;
	size_t len;
};

/* The table in at most size bytes, filled up with zeros to a multiple of 16. -EMSGSIZE with why. */
MUST_USE int sev_secret_table(const struct sev_secret *entries, size_t n, uint8_t *ret, size_t size,
	size_t *ret_len, struct why *why);

/*
 * The packet of LAUNCH_SECRET: header and, in ret_data, len encrypted bytes. measure is the MAC of
 * LAUNCH_MEASURE, verified before. -ERANGE unless len is a multiple of 16 from 16 to SEV_SECRET_MAX;
 * -EIO.
 */
MUST_USE int sev_secret_make(const struct secret *keys, const uint8_t measure[SEV_MAC_BYTES],
	const uint8_t *data, size_t len, uint8_t ret_header[SEV_SECRET_HEADER_BYTES],
	uint8_t *ret_data, struct why *why);
