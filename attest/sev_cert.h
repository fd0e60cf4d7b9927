/*
 * sev_cert: certificates of SEV and SEV-ES: AMD's own format (ARK, ASK) and the platform's (OCA,
 *           CEK, PEK, PDH), 2084 bytes (attestation.md, 5).
 *
 * Trust:   none in the bytes; reading a certificate gives it no meaning.
 * Owns:    nothing; a sev_cert borrows its bytes. Keys belong to the caller.
 * Threads: any.
 */
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

#define SEV_CERT_BYTES        2084u
#define SEV_CERT_SIGNED_BYTES 1044u

enum sev_usage {
	SEV_USAGE_ARK = 0,
	SEV_USAGE_ASK = 0x13,
	SEV_USAGE_NONE = 0x1000,
	SEV_USAGE_OCA = 0x1001,
	SEV_USAGE_PEK = 0x1002,
	SEV_USAGE_PDH = 0x1003,
	SEV_USAGE_CEK = 0x1004,
};

enum sev_algorithm {
	SEV_ALGORITHM_RSA_SHA256 = 0x1,
	SEV_ALGORITHM_ECDSA_SHA256 = 0x2,
	SEV_ALGORITHM_ECDH_SHA256 = 0x3,
	SEV_ALGORITHM_RSA_SHA384 = 0x101,
	SEV_ALGORITHM_ECDSA_SHA384 = 0x102,
	SEV_ALGORITHM_ECDH_SHA384 = 0x103,
};

/* Curves of keys, here and in ID blocks. */
#define SEV_CURVE_P256 1u
#define SEV_CURVE_P384 2u

struct sev_signature {
	uint32_t usage; /* of the key that made it; SEV_USAGE_NONE: an empty slot */
	uint32_t algorithm;
	const uint8_t *p;
};

struct sev_cert {
	const uint8_t *raw;
	size_t len;
	uint32_t usage;
	size_t signed_len; /* from raw */
	size_t key_len;    /* bytes of the modulus, of a coordinate */
	/* AMD's format */
	bool is_amd;
	const uint8_t *key_id, *certifier; /* 16 bytes */
	/* the platform's */
	uint8_t api_major, api_minor;
	uint32_t algorithm;
	size_t n_signatures;
	struct sev_signature signatures[2];
	const uint8_t *key; /* modulus; or X, Y in 72 bytes each */
};

struct sev_certs {
	size_t n;
	struct sev_cert at[LIMIT_SEV_CERTS];
};

/* "ARK" ... "PDH"; never NULL. */
const char *sev_usage_name(uint32_t usage);

/* Do the bytes start as one of the two formats? Says nothing of their length. */
bool sev_cert_recognise(const uint8_t *bytes, size_t len);

/*
 * Add the certificates of a blob, one behind the other as PDH_CERT_EXPORT and AMD's servers give them.
 * -EBADMSG with why when it is anything else (those read before stay); -EMSGSIZE beyond LIMIT_SEV_CERTS.
 * What no signature covers must be empty: padding of keys and signatures.
 */
MUST_USE int sev_certs_add(
	struct sev_certs *ret, const uint8_t *bytes, size_t len, struct why *why);

/* SHA-256 of what is signed of it (of a platform's: its first 1044 bytes). -EIO. */
MUST_USE int sev_cert_digest(const struct sev_cert *c, uint8_t ret[32]);

/* Its public key; the caller frees it. -EKEYREJECTED: not on its curve, exponent not 65537. -ENOMEM. */
MUST_USE int sev_cert_key(const struct sev_cert *c, EVP_PKEY **ret);

/*
 * Did issuer sign child? 0; -ENOENT when child has no signature of such a key (by usage and key id);
 * -EKEYREJECTED with why when it has and it does not hold; -ENOMEM.
 */
MUST_USE int sev_cert_verify(
	const struct sev_cert *child, const struct sev_cert *issuer, struct why *why);
