/*
 * cert: X.509 certificates and CRLs from PEM, DER and certificate tables, and the rules AMD's and
 *       Intel's hierarchies put on them (attestation.md, 2.1 and 7.1).
 *
 * Trust:   none in the bytes; loading a certificate gives it no meaning.
 * Owns:    a cert_store owns its X509 and X509_CRL objects.
 * Threads: one store, one thread.
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

struct cert_store {
	size_t n;
	X509 *at[LIMIT_CERTS];
	size_t n_crls;
	X509_CRL *crls[LIMIT_CRLS];
};

#define CERT_NAME_MAX 64

void cert_store_done(struct cert_store *s);

static inline void cert_store_auto(struct cert_store *s)
{
	cert_store_done(s);
}

/*
 * Add what a blob holds: PEM certificates and CRLs, one DER certificate or CRL, or a certificate
 * table of such. -EBADMSG with why when any of it cannot be read or nothing is in it; what was
 * read before stays in the store. -EMSGSIZE beyond LIMIT_CERT_BLOB_BYTES, LIMIT_CERTS, LIMIT_CRLS.
 */
MUST_USE int cert_store_add(struct cert_store *s, const uint8_t *buf, size_t len, struct why *why);

/* Add one certificate; the store takes its own reference. -EMSGSIZE when full. */
MUST_USE int cert_store_add_x509(struct cert_store *s, X509 *x, struct why *why);

/* The common name of the subject, printable; "" when there is none. */
void cert_subject_cn(const X509 *x, char ret[CERT_NAME_MAX]);
void cert_issuer_cn(const X509 *x, char ret[CERT_NAME_MAX]);
void cert_name_cn(const X509_NAME *name, char ret[CERT_NAME_MAX]);

/* SHA-256 of the certificate's DER, of its SubjectPublicKeyInfo. -EIO when libcrypto fails. */
MUST_USE int cert_sha256(const X509 *x, uint8_t ret[32]);
MUST_USE int cert_spki_sha256(const X509 *x, uint8_t ret[32]);

/* Whose rules: which keys a CA has and what it signs with. */
enum cert_rules {
	CERT_AMD, /* RSA-4096; RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt 48 and trailer 1 */
	CERT_INTEL, /* P-256; ECDSA with SHA-256 */
	CERT_RULES_COUNT
};

/*
 * Was child signed by issuer: names match, key and algorithm are those of the rules, and the
 * signature holds? 0, -ENOENT when the names do not match, -EKEYREJECTED.
 */
MUST_USE int cert_verify_issued_by(
	enum cert_rules rules, X509 *child, X509 *issuer, struct why *why);

/* Is it a CA certificate with a key of the rules that may sign certificates? 0 or -EKEYREJECTED. */
MUST_USE int cert_check_ca_of(enum cert_rules rules, X509 *x, struct why *why);

static inline MUST_USE int cert_verify_issued(X509 *child, X509 *issuer, struct why *why)
{
	return cert_verify_issued_by(CERT_AMD, child, issuer, why);
}

static inline MUST_USE int cert_check_ca(X509 *x, struct why *why)
{
	return cert_check_ca_of(CERT_AMD, x, why);
}

/* May at most this many CAs stand below it? True also when it says nothing. */
bool cert_allows_cas_below(X509 *x, long n);

/* notBefore <= at <= notAfter: 0 or -EKEYREJECTED with why. */
MUST_USE int cert_check_time(const X509 *x, time_t at, struct why *why);

/* Is its key an EC key on P-384, on P-256? */
bool cert_is_p384(X509 *x);
bool cert_is_p256(X509 *x);

/*
 * Judge a CRL: issued and signed by this CA (same rules), covering the time. 0; -ENOENT when
 * another issuer's; -EKEYREJECTED for a wrong signature; -ESTALE outside its time.
 */
MUST_USE int crl_verify_by(
	enum cert_rules rules, X509_CRL *crl, X509 *issuer, time_t at, struct why *why);

static inline MUST_USE int crl_verify(X509_CRL *crl, X509 *root, time_t at, struct why *why)
{
	return crl_verify_by(CERT_AMD, crl, root, at, why);
}

/* Is the certificate's serial listed? */
bool crl_lists(X509_CRL *crl, X509 *x);
