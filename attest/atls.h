/*
 * atls: attested TLS: a certificate that carries the evidence for its own key (attestation.md, 13).
 *       Extension values we read: the TCG DICE conceptual message (a CBOR tag of Intel's around
 *       quote and claims, or a conceptual message wrapper), Intel's own OID (the bare quote),
 *       id-pe-cmw (11.5).
 *
 * Trust:   none in the certificate: its signature must hold and means nothing. The evidence speaks
 *          for the key if its report data is the hash of the claims that name the key, or of the
 *          key itself; that the peer has the key is for the TLS handshake to prove.
 * Owns:    an atls owns its certificate and wrapper; evidence, claims and table point into them.
 * Threads: any; one atls, one thread.
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/cmw.h"
#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/why.h"

/* CMW type of our own: CBOR array of report, claims buffer and, if there is one, certificate table. */
#define ATLS_CMW_TYPE "application/vnd.casemate.attested-tls+cbor"
/* What Linux's configfs-tsm gave, CBOR or JSON; no claims (attestation.md 11.5). */
#define ATLS_TSM_TYPE "application/vnd.veraison.tsm-report"

#define ATLS_OID_DICE "2.23.133.5.4.9"
#define ATLS_OID_CMW  "1.3.6.1.5.5.7.1.35"

/* CBOR tags of Intel's (13). */
#define ATLS_TAG_QUOTE      60000u
#define ATLS_TAG_REPORT     60001u
#define ATLS_TAG_SGX_LEGACY 60002u

enum atls_form {
	ATLS_DICE,  /* value of ATLS_OID_DICE */
	ATLS_CMW,   /* value of ATLS_OID_CMW: DER around JSON or CBOR */
	ATLS_INTEL, /* value of Intel's OID: a bare quote */
	ATLS_FORM_COUNT
};

struct atls {
	X509 *cert;
	struct cmw wrapper;
	struct attest_blob evidence; /* report or quote */
	struct attest_blob claims;   /* claims buffer; len 0: report data is the hash of the key */
	struct attest_blob table;    /* the host's certificate table; len 0: none */
	/* From the claims: */
	uint64_t hash_alg; /* 1 SHA-256, 7 SHA-384, 8 SHA-512 */
	struct attest_blob key_hash;
	struct attest_blob nonce; /* len 0: none */
};

void atls_done(struct atls *a);
static inline void atls_auto(struct atls *a)
{
	atls_done(a);
}

/* Do the bytes look like a certificate, DER or PEM? */
bool atls_recognise(const uint8_t *bytes, size_t len);

/* The kind of evidence in a certificate; EVIDENCE_UNKNOWN: none, or none that we verify. */
enum evidence_kind atls_kind(const uint8_t *bytes, size_t len);

/* The extension's value, for atls_open() and its fuzz target; what is found points into buf and ret. */
MUST_USE int atls_parse_value(
	enum atls_form form, const uint8_t *buf, size_t len, struct atls *ret, struct why *why);

/*
 * The first certificate of the bytes and its evidence. -EBADMSG: no certificate, none with evidence,
 * or malformed evidence; -EPROTONOSUPPORT: evidence of another kind. Nothing is judged yet.
 */
MUST_USE int atls_open(struct attest_blob blob, struct atls *ret, struct why *why);

/*
 * Verify the certificate and what it carries. in->evidence is the certificate, in->report_data the
 * nonce asked for; the verdict is the inner evidence's, with the row `binding` for the key. Errors
 * as of atls_open() and attest_verify().
 */
MUST_USE int atls_verify(const struct attest_inputs *in, struct verdict *ret, struct why *why);
