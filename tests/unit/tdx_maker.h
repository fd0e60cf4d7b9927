/*
 * tdx_maker: makes what a TDX platform has, for tests: a root, PCK CA, PCK and TCB Signing certificates
 *            of its own, CRLs, TCB info and QE identity, and quotes signed with them, right or wrong in
 *            any one thing.
 *
 * Trust:   test inputs only.
 * Owns:    a maker owns its keys and certificates; blobs are the caller's, free().
 * Threads: one.
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "attest/evidence.h"
#include "attest/tdx_pck.h"
#include "attest/tdx_quote.h"

#define TDX_NOW 1790000000 /* 2026-09-21T13:33:20Z */
#define TDX_DAY 86400

struct tdx_maker {
	EVP_PKEY *root_key, *ca_key, *pck_key, *tcb_key, *ak, *other; /* P-256 */
	EVP_PKEY *p384;
	X509 *root, *ca, *pck, *tcb;
};

/* How the extension of a PCK certificate is wrong. */
enum tdx_ext_fault {
	EXT_RIGHT,
	EXT_ABSENT,
	EXT_MISSING_FIELD,
	EXT_FIELD_TWICE,
	EXT_OVERLONG_NUMBER,
	EXT_NEGATIVE_NUMBER,
	EXT_HUGE_NUMBER,
	EXT_WRONG_TAG,
	EXT_SHORT_OCTETS,
	EXT_TRAILING,
	EXT_OVERLONG_LENGTH,
	EXT_UNKNOWN_FIELD,
	EXT_FAULT_COUNT
};

/* How a certificate is to be; zero is right. */
struct tdx_maker_cert {
	const char *subject, *issuer; /* common names */
	EVP_PKEY *key, *signer;
	bool is_ca, is_no_cert_sign;
	const char *digest;        /* "SHA256" when NULL */
	time_t from, to;           /* 0: TDX_NOW -+ a year */
	const struct tdx_pck *pck; /* its extension; NULL: none */
	enum tdx_ext_fault fault;
};

X509 *tdx_maker_cert(const struct tdx_maker_cert *o);

/* A platform that is up to date. */
struct tdx_pck tdx_maker_platform(void);

/* Keys, and certificates for that platform. */
void tdx_maker_init(struct tdx_maker *m);
void tdx_maker_done(struct tdx_maker *m);

/* A CRL in DER; revoked may be NULL. */
struct attest_blob tdx_maker_crl(
	const char *issuer, EVP_PKEY *signer, X509 *revoked, time_t from, time_t to);

struct attest_blob tdx_maker_pem(X509 *const *certs, size_t n);
struct attest_blob tdx_maker_der(X509 *x);

/* {"member":body,"signature":"..."}, signed over body. */
struct attest_blob tdx_maker_doc(const char *member, const char *body, EVP_PKEY *signer);

/* r and s, 64 bytes. */
void tdx_maker_sign(EVP_PKEY *key, const void *data, size_t len, uint8_t ret[64]);

/* How a quote is to be. */
struct tdx_maker_quote {
	uint16_t version, body_type, cert_type;
	struct tdx_body body;
	struct tdx_qe_report qe; /* report data are filled in */
	EVP_PKEY *ak, *pck;      /* what signs quote and QE report; the maker's when NULL */
	bool is_unbound;         /* report data that bind another key */
	struct attest_blob cert; /* certification data; the maker's chain or leaf when empty */
	size_t n_trailing;
};

/* An up-to-date TD's: version 4. */
struct tdx_maker_quote tdx_maker_td(void);

struct attest_blob tdx_maker_make(const struct tdx_maker *m, const struct tdx_maker_quote *o);

/* What the documents say for that platform; %s: the members between nextUpdate and the levels. */
struct tdx_maker_info {
	const char *id, *fmspc, *pceid, *issued, *next, *status, *advisories;
	unsigned int version, eval_number;
};
struct tdx_maker_info tdx_maker_right(void);

/* The text of TCB info and QE identity; free(). */
char *tdx_maker_tcb_info(const struct tdx_maker_info *o);
char *tdx_maker_qe_identity(const struct tdx_maker_info *o);
