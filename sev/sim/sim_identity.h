/*
 * sim_identity: who the secure processor is to owners of SEV and SEV-ES guests: the keys and
 *               certificates CEK, OCA, PEK and PDH. ABI 2.1; "Attestation facts" 5.
 *
 * Trust:   certificates that are imported may be hostile.
 * Owns:    the keys.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "sev/abi_snp.h"
#include "sev/sim/sim_ec.h"

#define SIM_SEV_CERT_BYTES 2084u

/* ABI 2.1: usages and algorithms. */
#define SIM_USAGE_ASK         0x13u
#define SIM_USAGE_NONE        0x1000u
#define SIM_USAGE_OCA         0x1001u
#define SIM_USAGE_PEK         0x1002u
#define SIM_USAGE_PDH         0x1003u
#define SIM_USAGE_CEK         0x1004u
#define SIM_ALGO_ECDSA_SHA256 2u
#define SIM_ALGO_ECDH_SHA256  3u
#define SIM_ALGO_RSA_SHA256   0x1u
#define SIM_ALGO_RSA_SHA384   0x101u
#define SIM_ALGO_ECDSA_SHA384 0x102u
#define SIM_ALGO_ECDH_SHA384  0x103u

struct sim_sev_sig {
	le32 usage; /* of the signer; SIM_USAGE_NONE: an empty slot */
	le32 algo;
	union {
		struct snp_signature ec;
		uint8_t rsa[512];
	};
};
WIRE_SIZE(struct sim_sev_sig, 520);

struct sim_sev_cert {
	le32 version;
	uint8_t api_major;
	uint8_t api_minor;
	uint8_t reserved[2];
	le32 usage;
	le32 algo;
	struct snp_public_key key;
	struct sim_sev_sig sig[2]; /* each over everything before them */
};
WIRE_SIZE(struct sim_sev_cert, SIM_SEV_CERT_BYTES);
WIRE_AT(struct sim_sev_cert, sig, 1044);
#define SIM_SEV_CERT_SIGNED offsetof(struct sim_sev_cert, sig)

enum sim_cert { SIM_CERT_CEK, SIM_CERT_OCA, SIM_CERT_PEK, SIM_CERT_PDH, SIM_CERT_COUNT };

struct sim_identity {
	bool is_owned; /* the OCA is somebody's, not made here */
	void *key[SIM_CERT_COUNT];
	struct sim_sev_cert cert[SIM_CERT_COUNT];
};

/* As the platform file keeps it: for each certificate the key's scalar, then the certificate. */
#define SIM_IDENTITY_BYTES (SIM_CERT_COUNT * (SIM_EC_BYTES + SIM_SEV_CERT_BYTES))

/* All keys and certificates anew; the CEK's certificate is left for the ASK to sign. */
MUST_USE int sim_identity_make(struct sim_identity *ret, uint8_t api_major, uint8_t api_minor);

/* -EBADMSG: a scalar and a certificate that do not belong together. */
MUST_USE int sim_identity_load(
	struct sim_identity *ret, const uint8_t bytes[SIM_IDENTITY_BYTES], struct why *why);
MUST_USE int sim_identity_print(const struct sim_identity *id, uint8_t ret[SIM_IDENTITY_BYTES]);
void sim_identity_done(struct sim_identity *id);

/* PEK_GEN: an OCA of the platform's own, a PEK and a PDH. PDH_GEN: a PDH. -EIO: libcrypto failed. */
MUST_USE int sim_identity_new_pek(struct sim_identity *id);
MUST_USE int sim_identity_new_pdh(struct sim_identity *id);

/* PEK_CSR: the PEK's certificate without signatures. */
void sim_identity_csr(const struct sim_identity *id, struct sim_sev_cert *ret);

/* PEK_CERT_IMPORT. Firmware status: 0, ALREADY_OWNED, INVALID_CERTIFICATE, BAD_SIGNATURE. */
uint32_t sim_identity_import(
	struct sim_identity *id, const struct sim_sev_cert *pek, const struct sim_sev_cert *oca);

/* GET_ATTESTATION_REPORT: the PEK's signature. */
MUST_USE int sim_identity_sign(
	const struct sim_identity *id, const void *p, size_t len, struct snp_signature *ret);
