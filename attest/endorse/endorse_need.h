/*
 * endorse_need: which endorsements a piece of evidence, or a platform that somebody names, needs: their
 *               names in the cache, and their addresses at the vendors' services (attestation.md, 2.5
 *               and 7.2).
 *
 * Trust:   the evidence is unverified: numbers of it become digits of names and addresses, no more.
 * Owns:    nothing; plain values.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/endorse/endorse_item.h"
#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/why.h"

struct endorse_need {
	enum evidence_kind kind; /* SNP or TDX */
	/* SNP: a version 2 report does not say its product: UNKNOWN is Milan or Genoa. */
	enum snp_product product;
	bool has_hwid, is_vlek;
	uint8_t hwid[SNP_CHIP_ID_BYTES];
	uint64_t tcb;
	/* TDX */
	bool has_fmspc;
	uint8_t fmspc[6];
	bool is_processor_ca;
};

/* What this evidence needs. -EBADMSG, -EPROTONOSUPPORT with why for evidence that needs nothing here. */
MUST_USE int endorse_need_of(
	struct attest_blob evidence, struct endorse_need *ret, struct why *why);

/* The i-th name in the cache; false behind the last. */
bool endorse_need_name(
	const struct endorse_need *need, size_t i, const char *realm, char ret[ENDORSE_NAME_MAX]);

/* The i-th CA certificate of a cache. */
bool endorse_need_ca(size_t i, const char *realm, char ret[ENDORSE_NAME_MAX]);

/* What to ask a service for. */
struct endorse_url {
	char url[512];
	const char *chain_header; /* that holds the issuers' certificates, or NULL */
	const char *hint;         /* part of the item's name: "crl_vlek", or NULL */
	const char *about;        /* for progress and messages */
};

/*
 * The i-th address; false behind the last. from: a mirror's base, NULL for the vendors. The order is
 * such that issuers come before what they signed.
 */
bool endorse_need_url(
	const struct endorse_need *need, size_t i, const char *from, struct endorse_url *ret);
