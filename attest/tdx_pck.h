/*
 * tdx_pck: what a PCK certificate says of its platform: the SGX extension (attestation.md, 7.1).
 *
 * Trust:   none in the certificate; whether Intel issued it is the chain's matter.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "attest/claims.h"
#include "base/cdefs.h"
#include "base/why.h"

struct tdx_pck {
	uint8_t ppid[16], cpusvn[16], pceid[2], fmspc[6];
	uint16_t svn[16]; /* components of the SGX TCB */
	uint16_t pcesvn;
	uint8_t sgx_type; /* 0 standard, 1 scalable, 2 scalable with integrity */
	bool has_piid;
	uint8_t piid[16]; /* platform instance id */
	bool has_configuration;
	bool dynamic_platform, cached_keys, smt; /* as the platform was registered */
};

/* Does its subject say that it is a PCK certificate? */
bool tdx_pck_recognise(const X509 *x);

/* Read the extension: each field once and whole, nothing else inside. -EBADMSG with why. */
MUST_USE int tdx_pck_parse(struct tdx_pck *ret, X509 *x, struct why *why);

void tdx_pck_claims(const struct tdx_pck *p, struct claims *c);
