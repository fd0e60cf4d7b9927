/*
 * tpm_alg: the TPM's hash algorithms by number: names, sizes, digests.
 *
 * Trust:   numbers come from outside; an unknown one is NULL.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

/* TPM_ALG_ID (attestation.md, 9.1 and 8.2). */
#define TPM_ALG_SHA1   0x0004u
#define TPM_ALG_SHA256 0x000Bu
#define TPM_ALG_SHA384 0x000Cu
#define TPM_ALG_SHA512 0x000Du
#define TPM_ALG_SM3    0x0012u

#define TPM_DIGEST_MAX 64u

struct tpm_alg {
	uint16_t id;
	uint16_t size;       /* of a digest */
	const char *name;    /* as the kernel and JSON spell it: "sha256" */
	const char *openssl; /* as libcrypto spells it */
};

/* The algorithm of that number, that name (any case); NULL for one we do not know. */
const struct tpm_alg *tpm_alg_find(uint16_t id);
const struct tpm_alg *tpm_alg_named(const char *name, size_t len);

/* The name, or "?". */
const char *tpm_alg_name(uint16_t id);

struct tpm_part {
	const void *p;
	size_t len;
};

/* Digest of the parts, one after another; ret holds alg->size bytes. -EIO when libcrypto fails. */
MUST_USE int tpm_hash(
	const struct tpm_alg *alg, const struct tpm_part *parts, size_t n, uint8_t *ret);

/* value = H(value || digest), both alg->size bytes. */
MUST_USE int tpm_extend(const struct tpm_alg *alg, uint8_t *value, const uint8_t *digest);
