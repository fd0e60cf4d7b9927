/*
 * tpm_key: a TPM's public keys in every form they travel in, and signatures by them
 *          (attestation.md, 9.1 and 9.2).
 *
 * Trust:   none in the bytes; whose key it is, is judged elsewhere.
 * Owns:    a tpm_key its key, certificate and the certificates that came with it.
 * Threads: any; one value belongs to one thread.
 */
#pragma once

#include <openssl/x509.h>

#include "attest/cert.h"
#include "attest/evidence.h"
#include "attest/tpm_alg.h"
#include "base/cdefs.h"
#include "base/why.h"

/* TPMA_OBJECT. */
#define TPM_FIXED_TPM    (1u << 1)
#define TPM_FIXED_PARENT (1u << 4)
#define TPM_SENSITIVE    (1u << 5) /* sensitiveDataOrigin: made by the TPM */
#define TPM_RESTRICTED   (1u << 16)
#define TPM_DECRYPT      (1u << 17)
#define TPM_SIGN         (1u << 18)

struct tpm_key {
	EVP_PKEY *key;
	X509 *cert;              /* it came as a certificate; else NULL */
	struct cert_store chain; /* certificates behind it in the same PEM */
	bool has_attributes;     /* it came as TPMT_PUBLIC or TPM2B_PUBLIC */
	uint32_t attributes;
	uint8_t name[2 + TPM_DIGEST_MAX]; /* with attributes: nameAlg and digest */
	size_t name_len;
	uint8_t spki_sha256[32];
};

void tpm_key_done(struct tpm_key *k);

static inline void tpm_key_auto(struct tpm_key *k)
{
	tpm_key_done(k);
}

/*
 * PEM (public key, certificate and its chain; zeros behind a certificate's DER are padding), DER of
 * either, TPM2B_PUBLIC or TPMT_PUBLIC: RSA of 2048 to 4096 bits, P-256, P-384, P-521. -EBADMSG with
 * why; -EPROTONOSUPPORT for another kind of key; -ENOMEM, -EIO.
 */
MUST_USE int tpm_key_load(struct tpm_key *ret, struct attest_blob blob, struct why *why);

/* Take a reference of this key. */
MUST_USE int tpm_key_of(struct tpm_key *ret, EVP_PKEY *key, struct why *why);

/*
 * Restricted signing key that cannot leave its TPM? 0, or -EKEYREJECTED with the attribute that is
 * wrong. 0 too for a key that came without attributes.
 */
MUST_USE int tpm_key_check_ak(const struct tpm_key *k, struct why *why);

/*
 * Does the signature over the bytes hold? TPMT_SIGNATURE, or bare RSASSA whose hash is as long as
 * digest_len. The hash that signed is told. 0; -EBADMSG; -EPROTONOSUPPORT: SHA-1 or a scheme we do
 * not know; -EKEYREJECTED.
 */
MUST_USE int tpm_signature_verify(const struct tpm_key *k, struct attest_blob signature,
	struct attest_blob bytes, size_t digest_len, const struct tpm_alg **ret_hash,
	struct why *why);
