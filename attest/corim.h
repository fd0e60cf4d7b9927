/*
 * corim: reference values from CoRIM and CoMID documents (draft-ietf-rats-corim; attestation.md,
 *        11.4), signed or not; those of AMD's SEV-SNP profile compared with a report.
 *
 * Trust:   none in the bytes; a signature is judged by the caller's keys (jws.h).
 * Owns:    nothing; values point into the document.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "attest/cbor.h"
#include "attest/cose.h"
#include "attest/evidence.h"
#include "attest/json_out.h"
#include "attest/verdict.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

#define CORIM_PROFILE_SNP "tag:amd.com,2024:snp-corim-profile"

enum corim_kind { CORIM_RIM, CORIM_COMID, CORIM_EVIDENCE, CORIM_KIND_COUNT };

/* One field of one measurement in one environment; or one key of a trust anchor. */
struct corim_value {
	struct cbor environment;
	size_t measurement; /* the fields of one measurement count together */
	bool has_key, has_mask;
	struct cbor key;         /* mkey */
	int64_t field;           /* label in the measurement values; of keys: CORIM_FIELD_KEY */
	struct cbor value, mask; /* mask: of a raw value, where it stands beside it */
};

#define CORIM_FIELD_KEY 1000 /* ours: a key of triple 3, attest-key */

/* Labels of triples: 0 to 10 are assigned. */
#define CORIM_TRIPLES 11

struct corim {
	enum corim_kind kind;
	char id[128];
	char profile[128]; /* "": none */
	bool is_signed, is_verified;
	char signer[JWK_KID_MAX];      /* the key that verified it */
	int64_t not_before, not_after; /* the narrower of document and signature; 0: not said */
	size_t n;
	struct corim_value at[LIMIT_CORIM_VALUES];
	/* What was there and is not used, to be said: triples by label, tags that are no CoMID. */
	size_t n_unsupported[CORIM_TRIPLES];
	size_t n_other_tags;
};

/*
 * Read one: tag 501, COSE_Sign1 with it, a CoMID (tag 506 or bare), concise evidence (tag 571). A
 * signature is checked when trust has keys or roots. 0; -EBADMSG with why: malformed, or against
 * the rules of the profile it names; -EKEYREJECTED: signature; -EMSGSIZE.
 */
MUST_USE int corim_parse(const uint8_t *bytes, size_t len, const struct jws_trust *trust,
	struct corim *ret, struct why *why);

/* Is it valid at that time? 0 or -ESTALE with why. */
MUST_USE int corim_check_time(const struct corim *c, time_t at, struct why *why);

/*
 * Launch digests for SNP: measurement 641 of AMD's profile, 48 bytes each, at most max. Values bound
 * to an instance count only for that chip_id (64 bytes; NULL: not known). How many.
 */
size_t corim_snp_digests(
	const struct corim *c, const uint8_t *chip_id, uint8_t (*ret)[48], size_t max);

/*
 * Compare the other values of AMD's profile with a report of 1184 bytes and set the rows they belong
 * to: of the values for one field one has to match. How many were compared; *ret_not_compared: those
 * that were not, because of what they are or whose. To be followed by verdict_close().
 */
size_t corim_snp_appraise(const struct corim *c, const uint8_t report[1184], struct verdict *v,
	size_t *ret_not_compared);

/* Everything read, for people and programs: one JSON object's members into the one that is open. */
MUST_USE int corim_print_json(const struct corim *c, struct wr *w, struct why *why);
MUST_USE int corim_print_text(const struct corim *c, struct wr *w, struct why *why);
