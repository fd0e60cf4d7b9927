/*
 * tpm_credential: makes a challenge that only the TPM with this endorsement key, holding this
 *                 attestation key, can open: TPM2_MakeCredential in software (attestation.md, 9.3).
 *
 * Trust:   the endorsement key is the caller's choice; the secret is its own.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

#define TPM_CREDENTIAL_SECRET_MAX 32u /* the digest of the EK's name algorithm, SHA-256 */
#define TPM_CREDENTIAL_ID_MAX     128u
#define TPM_CREDENTIAL_SEED_MAX   600u

struct tpm_credential {
	uint8_t id_object[TPM_CREDENTIAL_ID_MAX]; /* TPM2B_ID_OBJECT */
	size_t id_object_len;
	uint8_t seed[TPM_CREDENTIAL_SEED_MAX]; /* TPM2B_ENCRYPTED_SECRET */
	size_t seed_len;
};

/*
 * A credential for the key of that name (nameAlg and digest) under an EK made from the TCG's
 * templates: RSA 2048 to 4096 or P-256, with AES-128 and SHA-256. secret: 1 to
 * TPM_CREDENTIAL_SECRET_MAX bytes. -EINVAL, -EOPNOTSUPP for another kind of EK, -EIO.
 */
MUST_USE int tpm_credential_make(EVP_PKEY *ek, const uint8_t *name, size_t name_len,
	const uint8_t *secret, size_t secret_len, struct tpm_credential *ret, struct why *why);

/*
 * The id object alone, from a seed that is known: what is left when the seed's encryption, which is
 * random, is taken away. seed_len: 16 (RSA) or 32 (ECC).
 */
MUST_USE int tpm_credential_seal(const uint8_t *seed, size_t seed_len, const uint8_t *name,
	size_t name_len, const uint8_t *secret, size_t secret_len, struct tpm_credential *ret);

/*
 * Open a credential as the TPM would, its EK's private key at hand (tests, software TPMs). The secret's
 * bytes are written. -EBADMSG: malformed; -EKEYREJECTED: the HMAC is wrong: another name, or changed.
 */
MUST_USE int tpm_credential_open(EVP_PKEY *ek, const uint8_t *name, size_t name_len,
	const struct tpm_credential *c, uint8_t ret[TPM_CREDENTIAL_SECRET_MAX], size_t *ret_len,
	struct why *why);
