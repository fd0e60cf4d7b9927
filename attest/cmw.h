/*
 * cmw: conceptual message wrappers (draft-ietf-rats-msg-wrap; attestation.md, 11.5) as files: records
 *      and collections in JSON and CBOR, and the evidence in them.
 *
 * Trust:   none in the bytes; a wrapper gives its contents no meaning.
 * Owns:    a cmw the bytes it decoded from JSON; the rest points into the message.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

/* Indicator bits: what a record is. 0: not said. */
#define CMW_EVIDENCE 4u

struct cmw_record {
	char name[64]; /* in its collection, "a/b" below one; "": the message is the record */
	char type[96]; /* media type, or "content format 123" */
	struct attest_blob value;
	uint8_t indicator;
};

struct cmw {
	size_t n;
	struct cmw_record at[LIMIT_CMW_RECORDS];
	uint8_t *decoded;
	size_t size, used; /* of decoded */
};

void cmw_done(struct cmw *c);

static inline void cmw_auto(struct cmw *c)
{
	cmw_done(c);
}

/* Read one. -EBADMSG with why for anything else; -EMSGSIZE; -ENOMEM. */
MUST_USE int cmw_parse(const uint8_t *bytes, size_t len, struct cmw *ret, struct why *why);

/*
 * The first evidence in it: a record that attest_recognise_bare() knows, or what Linux's configfs-tsm gave
 * (application/vnd.veraison.tsm-report), whose auxblob, the certificate table, is *ret_table (len 0:
 * none). Points into c or the message. -ENOENT with why.
 */
MUST_USE int cmw_find_evidence(
	struct cmw *c, struct attest_blob *ret, struct attest_blob *ret_table, struct why *why);
