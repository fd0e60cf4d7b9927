/*
 * snp_maker: makes what an SNP platform has, for tests: an ARK, ASK, VCEK or VLEK of its own and
 *            reports signed with them, right or wrong in any one thing.
 *
 * Trust:   test inputs only.
 * Owns:    a maker owns its keys; certificates are the caller's.
 * Threads: one.
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "attest/evidence.h"
#include "attest/snp_report.h"

#define MAKER_NOW 1790000000 /* 2026-09-21 */

struct maker {
	EVP_PKEY *ark, *ask; /* RSA-4096 */
	EVP_PKEY *leaf;      /* P-384 */
	EVP_PKEY *other;     /* P-384, in no certificate */
};

void maker_init(struct maker *m);
void maker_done(struct maker *m);

/* How a certificate is to be; zero is right. */
struct maker_ca {
	const char *subject, *issuer; /* common names */
	EVP_PKEY *key, *signer;
	bool is_no_ca, is_no_cert_sign;
	int pathlen;        /* -1: none */
	time_t from, to;    /* 0: MAKER_NOW -+ a year */
	const char *digest; /* "SHA384" when NULL */
	int salt;           /* 48 when 0 */
	bool is_pkcs1;      /* PKCS #1 1.5 instead of PSS */
};

X509 *maker_ca(const struct maker_ca *o);

enum maker_hwid { HWID_RAW, HWID_WRAPPED, HWID_NONE };

struct maker_leaf {
	bool is_vlek;
	const char *product;      /* of the issuer; "Milan" when NULL */
	const char *product_name; /* productName extension; product when NULL */
	EVP_PKEY *key, *signer;   /* leaf and ask when NULL */
	uint64_t tcb;             /* the word the extensions speak for */
	uint8_t hwid[64];
	enum maker_hwid hwid_form;
	bool has_both_ids; /* hwID and cspID */
	int bad_spl;       /* 1: over-long, 2: negative, 3: there twice, 4: missing */
	time_t from, to;
};

X509 *maker_leaf(const struct maker *m, const struct maker_leaf *o);

/* DER into a blob that free() releases. */
struct attest_blob maker_der(X509 *x);

X509_CRL *maker_crl(const struct maker *m, const char *issuer, EVP_PKEY *signer, X509 *revoked,
	time_t from, time_t to);

/* A version 3 Milan report, policy 0x30000, with its fields filled by patterns; not yet signed. */
void maker_report(uint8_t ret[SNP_REPORT_BYTES], uint32_t version);

void maker_put32(uint8_t *at, uint32_t v);
void maker_put64(uint8_t *at, uint64_t v);

void maker_sign(uint8_t report[SNP_REPORT_BYTES], EVP_PKEY *key);
