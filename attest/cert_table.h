/*
 * cert_table: the certificate table of an extended guest request (attestation.md, 1.7).
 *
 * Trust:   none: the host wrote it; only the certificates' signatures mean anything.
 * Owns:    nothing; entries point into the table.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

enum cert_table_kind {
	CERT_TABLE_OTHER, /* a GUID that is not ours to judge */
	CERT_TABLE_VCEK,
	CERT_TABLE_VLEK,
	CERT_TABLE_ASK, /* or ASVK */
	CERT_TABLE_ARK,
	CERT_TABLE_CRL,
	CERT_TABLE_KIND_COUNT
};

struct cert_table_entry {
	enum cert_table_kind kind;
	uint8_t guid[16]; /* in the order of the printed UUID */
	const uint8_t *p;
	size_t len;
	size_t offset; /* of p in the table */
};

struct cert_table {
	size_t n;
	struct cert_table_entry at[LIMIT_CERT_TABLE_ENTRIES];
};

/* "VCEK" ... "other". */
const char *cert_table_kind_name(enum cert_table_kind kind);

/* "63da758d-e664-4564-adc5-f4b93be8accd". */
void cert_table_guid_print(const uint8_t guid[16], char ret[37]);

/*
 * Split a table; an empty one (all zero) has no entries. -EBADMSG for a missing end entry, an
 * offset into the header, a length past the end or a GUID given twice; -EMSGSIZE for more entries
 * or bytes than LIMIT_CERT_TABLE_ENTRIES, LIMIT_CERT_BLOB_BYTES.
 */
MUST_USE int cert_table_parse(struct cert_table *ret, const void *buf, size_t len, struct why *why);
