/*
 * endorse_bundle: a file of many endorsements, taken apart; and our own form of it, written and read:
 *                 a tar archive whose first member lists the SHA-256 of the others, so that
 *                 `tar -x` and `sha256sum -c` read it, too (docs/attestation.md, "Bundles").
 *
 * Trust:   none in the bytes. Names and digests in a bundle tell what was lost on the way; what a
 *          member is worth is endorse_judge()'s matter.
 * Owns:    a struct endorse_tar owns its text of digests.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "base/wr.h"

/* One item of a file: DER, or JSON as the service delivers it. name: of a bundle's member, else "". A
 * negative answer ends the splitting and is passed on. */
typedef int (*endorse_take_fn)(
	void *arg, const char *name, const uint8_t *buf, size_t len, struct why *why);

/*
 * Hand over every item of a blob: PEM, DER, certificate table, TCB info, QE identity, the collateral
 * bundles of attestation.md 7.2, a cloud's JSON with a VCEK (2.5), a bundle of ours. -EBADMSG with why
 * for bytes that are none of them and bundles that are damaged, -EMSGSIZE beyond the limits.
 */
MUST_USE int endorse_split(
	const uint8_t *buf, size_t len, endorse_take_fn take, void *arg, struct why *why);

/* Is this a bundle of ours? */
bool endorse_bundle_recognise(const uint8_t *buf, size_t len);

/* Room for a bundle of n members with total bytes in them. */
size_t endorse_bundle_size(size_t n, size_t total);

struct endorse_member {
	const char *name; /* as in the cache */
	const uint8_t *p;
	size_t len;
};

/* Write a bundle of n members; w is bad when it did not fit. -EIO when libcrypto fails. */
MUST_USE int endorse_bundle_write(struct wr *w, const struct endorse_member *m, size_t n);
