/*
 * vendor: the vendors' pinned root keys, and their intermediate certificates as a convenience.
 *
 * Trust:   a pin is the SHA-256 of a root's SubjectPublicKeyInfo, written in the source; the
 *          built-in certificates are candidates like any other (attestation.md, 2.3).
 * Owns:    nothing.
 * Threads: any; the built-in certificates are parsed once and shared, never changed.
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/cert.h"
#include "attest/tcb.h"
#include "base/cdefs.h"

/* The product whose ARK has this key, SNP_PRODUCT_UNKNOWN for a root that is not pinned. */
enum snp_product vendor_root_product(const X509 *root);

/* The product ("Naples" ... "Turin") whose SEV root has the key with this SHA-256 of its
 * SubjectPublicKeyInfo; NULL for a root that is not pinned. */
const char *vendor_sev_root(const uint8_t spki[32]);

/* Has this root Intel's key, under which every PCK and all collateral is? */
bool vendor_is_intel_root(const X509 *root);

/*
 * Add the built-in certificates a leaf issued by this common name ("SEV-Milan") chains through.
 * An unknown name adds nothing.
 */
MUST_USE int vendor_add_chain(struct cert_store *s, const char *issuer_cn, struct why *why);

/*
 * The built-in certificate with exactly these bytes, borrowed, or NULL: what is at hand already need
 * not be parsed again (decoding an RSA key costs libcrypto as much as verifying with it).
 */
X509 *vendor_find_der(const uint8_t *der, size_t len);

/* Every built-in certificate, for tests and `attest show`: row i, NULL behind the last. */
const uint8_t *vendor_cert(size_t i, size_t *ret_len, const char **ret_cn);

/* Is this a certificate its issuer has revoked for good, whatever CRL is at hand? */
bool vendor_is_revoked(const X509 *x);
