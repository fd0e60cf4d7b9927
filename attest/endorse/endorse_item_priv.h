/*
 * endorse_item_priv: what the two halves of endorse_item share: AMD's in endorse_item.c, Intel's in
 *                    endorse_intel.c.
 *
 * Trust:   as endorse_item.
 * Owns:    nothing.
 * Threads: as endorse_item.
 */
#pragma once

#include "attest/endorse/endorse_item.h"

time_t endorse_time_of(const ASN1_TIME *t);
void endorse_dates_of(X509 *x, struct endorse_item *ret);

/* Does a subject or issuer of this name belong to Intel's hierarchy (attestation.md, 7.1)? */
bool endorse_intel_recognise(const X509_NAME *name);

/* As endorse_judge(), for each form; they fill everything but the kind of certificates and CRLs. */
MUST_USE int endorse_intel_judge_ca(
	const struct endorse_trust *t, X509 *x, struct endorse_item *ret, struct why *why);
MUST_USE int endorse_intel_judge_crl(
	const struct endorse_trust *t, X509_CRL *crl, struct endorse_item *ret, struct why *why);
MUST_USE int endorse_intel_judge_json(const struct endorse_trust *t, const uint8_t *buf, size_t len,
	struct endorse_item *ret, struct why *why);
