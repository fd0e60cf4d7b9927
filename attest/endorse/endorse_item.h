/*
 * endorse_item: what a certificate, CRL or piece of collateral is, for whom, how long it holds, and
 *               where it lies in the cache (docs/attestation.md, "Endorsements").
 *
 * Trust:   none in the bytes: an item is judged by its signatures, up to a vendor's pinned root or a
 *          root of the caller's. Names are made of our own words and digits, never of outside text.
 * Owns:    a struct endorse_trust owns its certificates; items are plain values.
 * Threads: one trust, one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "attest/cert.h"
#include "attest/snp_report.h"
#include "attest/tcb.h"
#include "base/cdefs.h"
#include "base/why.h"

enum endorse_kind {
	ENDORSE_CA, /* a vendor's root, an intermediate, Intel's TCB signing certificate */
	ENDORSE_VCEK,
	ENDORSE_VLEK,
	ENDORSE_CRL,
	ENDORSE_TCB_INFO,
	ENDORSE_QE_IDENTITY,
	ENDORSE_KIND_COUNT
};

#define ENDORSE_NAME_MAX  256
#define ENDORSE_ABOUT_MAX 192
#define ENDORSE_REALM_MAX 16

struct endorse_item {
	enum endorse_kind kind;
	char name[ENDORSE_NAME_MAX];   /* path in the cache */
	char about[ENDORSE_ABOUT_MAX]; /* for whom, for a person */
	size_t realm_len;              /* of name: the part that says which root */
	time_t issued;
	time_t good_until; /* notAfter, nextUpdate */
	uint64_t serial;  /* tcbEvaluationDataNumber, else 0: a lower one never replaces a higher */
	bool is_hardware; /* under a vendor's pinned root */
};

/* Whose signatures count: pinned vendor roots, the caller's, and what is known below them. */
struct endorse_trust {
	struct cert_store roots; /* the caller's */
	struct cert_store cas;   /* candidates: roots, intermediates, signers */
};

void endorse_trust_done(struct endorse_trust *t);
static inline void endorse_trust_auto(struct endorse_trust *t)
{
	endorse_trust_done(t);
}

/* Add a root of the caller's, PEM or DER; errors as cert_store_add(). */
MUST_USE int endorse_trust_add_root(
	struct endorse_trust *t, const uint8_t *buf, size_t len, struct why *why);

/* Remember a CA certificate as a candidate; it may be anybody's. Without room it is forgotten. */
void endorse_trust_add_candidate(struct endorse_trust *t, const uint8_t *der, size_t len);

/*
 * Judge one item: a DER certificate or CRL, TCB info or QE identity as the service delivers it. Its
 * dates are not judged: certificates have to be valid when what they sign was issued. 0;
 * -EKEYREJECTED with why when nothing trusted vouches for it; -EBADMSG when it is no endorsement.
 */
MUST_USE int endorse_judge(const struct endorse_trust *t, const uint8_t *buf, size_t len,
	struct endorse_item *ret, struct why *why);

/* May an item lie under this name? Its own, or for AMD's CRLs the place of the other path. */
bool endorse_name_fits(const struct endorse_item *item, const char *name);

/* Should a replace b, which is in the cache? Not when b is as new. */
bool endorse_is_newer(const struct endorse_item *a, const struct endorse_item *b);

/* "certificate authority", "VCEK" ... */
const char *endorse_kind_name(enum endorse_kind kind);

/* The part of a name that says which root: "" for a pinned one, else "r-" and eight digits. */
MUST_USE int endorse_realm(X509 *root, char ret[ENDORSE_REALM_MAX]);

/* Bytes of CHIP_ID and hwID that mean something: 64, from Turin on 8. */
size_t endorse_hwid_len(enum snp_product product);

/* "bl04_tee00_snp24_ucode219", from Turin on "_fmc01" behind it. */
#define ENDORSE_TCB_MAX 64
void endorse_tcb_print(enum snp_product product, uint64_t tcb, char ret[ENDORSE_TCB_MAX]);

/* "2026-11-21T10:00:00Z". */
#define ENDORSE_TIME_MAX 32
void endorse_time_print(time_t t, char ret[ENDORSE_TIME_MAX]);
