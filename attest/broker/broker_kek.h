/*
 * broker_kek: the key that encrypts the store's data key: in a file, sealed by the TPM, or in a PKCS#11
 *             token that does not let it out.
 *
 *   The data key (32 random bytes) is in the store, sealed: nonce, AES-256-GCM, tag. Whoever starts
 *   the broker opens it once, before the sandbox; the token is not needed afterwards.
 *
 * Trust:   the operator's configuration; the PKCS#11 module runs in this process.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/crypto/aead.h"
#include "base/secret.h"
#include "base/why.h"

#define KEK_DATA_BYTES AEAD_KEY_BYTES

/* Where the key is; all NULL: a file named "key" in the store's own folder. With tpm (its device):
 * a file "key.tpm" there, which only this TPM opens. */
struct kek {
	const char *file;                     /* 32 bytes, or 64 hexadecimal digits */
	const char *module;                   /* PKCS#11 library */
	const char *token, *label, *pin_file; /* CKA_LABELs of the token and of the AES key */
	const char *tpm;
};

/* "local", "file", "tpm", "pkcs11": kept beside the sealed key, so that a wrong choice is named. */
const char *kek_kind(const struct kek *k);

/*
 * Seal a data key, open a sealed one. -EIO: the key cannot be had, with why; -EKEYREJECTED: another
 * key, or changed bytes. dir_fd is the store's folder; with "local" and "tpm" sealing makes the key file.
 */
MUST_USE int kek_seal(const struct kek *k, int dir_fd, const struct secret *data,
	uint8_t ret[AEAD_SEALED(KEK_DATA_BYTES)], struct why *why);
MUST_USE int kek_open(const struct kek *k, int dir_fd,
	const uint8_t sealed[AEAD_SEALED(KEK_DATA_BYTES)], struct secret *ret, struct why *why);
