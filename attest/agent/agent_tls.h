/*
 * agent_tls: attested TLS from the guest's side: a fresh key, evidence that names it, a certificate
 *            that carries the evidence (attestation.md, chapter 13; attest/atls.h reads it).
 *
 * Trust:   nothing; whoever gets the certificate judges it.
 * Owns:    nothing; keys and certificates are the caller's.
 * Threads: one.
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "attest/agent/ev.h"
#include "base/cdefs.h"
#include "base/why.h"

#define AGENT_TLS_NONCE_MAX  64u
#define AGENT_TLS_CLAIMS_MAX 192u /* a SHA-384, a nonce, two names */

struct agent_tls_spec {
	const char *name; /* common name and DNS name of the certificate */
	const uint8_t *nonce;
	size_t nonce_len; /* 0: none; at most AGENT_TLS_NONCE_MAX */
	unsigned int life_s;
	time_t now;
};

struct agent_tls_claims {
	size_t len;
	uint8_t bytes[AGENT_TLS_CLAIMS_MAX];
};

/* Name the key (SHA-384 of its SubjectPublicKeyInfo) and the nonce; the report data is their hash. */
MUST_USE int agent_tls_claim(EVP_PKEY *key, const struct agent_tls_spec *spec,
	struct agent_tls_claims *ret, uint8_t ret_report_data[EV_REPORT_DATA_BYTES]);

/* The certificate for key with its evidence, signed by key itself; X509_free() releases it. */
MUST_USE int agent_tls_certify(EVP_PKEY *key, const struct agent_tls_claims *claims,
	const struct ev_evidence *evidence, const struct agent_tls_spec *spec, X509 **ret,
	struct why *why);

/* A P-384 key, evidence for it, its certificate. The errors of ev_get(). */
MUST_USE int agent_tls_make(const struct ev *ev, const struct agent_tls_spec *spec,
	EVP_PKEY **ret_key, X509 **ret_cert, struct why *why);

static inline void agent_tls_key_auto(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static inline void agent_tls_cert_auto(X509 **cert)
{
	X509_free(*cert);
}
