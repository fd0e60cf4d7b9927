/*
 * tdx_collateral: TCB info, QE identity, certificates and CRLs, sorted out of blobs by their bytes
 *                 (attestation.md, 7.2). Whose they are is asked of the signatures later.
 *
 * Trust:   none in the bytes; a signed document is read from exactly the bytes that are signed.
 * Owns:    the parsed documents; certificates and CRLs go to the caller's store.
 * Threads: any; one collection belongs to one thread.
 */
#pragma once

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "attest/cert.h"
#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

enum tdx_doc_kind { TDX_DOC_TCB_INFO, TDX_DOC_QE_IDENTITY, TDX_DOC_KIND_COUNT };

struct tdx_doc {
	enum tdx_doc_kind kind;
	json_t *json;     /* of the signed bytes */
	json_t *text;     /* the string of a bundle that holds them; NULL: they lie in the blob */
	const uint8_t *p; /* the signed bytes */
	size_t len;
	uint8_t signature[64];
	bool is_for_td; /* id and version are those of a TD's */
	time_t issued, next;
	uint32_t eval_number;
	uint8_t fmspc[6], pceid[2]; /* of TCB info */
};

struct tdx_collateral {
	size_t n;
	struct tdx_doc at[LIMIT_TDX_DOCS];
};

void tdx_collateral_done(struct tdx_collateral *c);

static inline void tdx_collateral_auto(struct tdx_collateral *c)
{
	tdx_collateral_done(c);
}

/*
 * Add what a blob holds: {"tcbInfo": ..., "signature": ...}, {"enclaveIdentity": ..., "signature": ...},
 * a bundle of both with chains and CRLs, a CRL in hex digits, or what cert_store_add() takes; nothing
 * comes twice into the store. -EBADMSG with why; -EMSGSIZE when there is no room. The blob is borrowed
 * for the life of c.
 */
MUST_USE int tdx_collateral_add(struct tdx_collateral *c, struct cert_store *store,
	struct attest_blob blob, struct why *why);

/* Move what is not there yet; -EMSGSIZE when dst is full. */
MUST_USE int tdx_store_merge(struct cert_store *dst, struct cert_store *src, struct why *why);

/* Did this key sign the document? 0 or -EKEYREJECTED. */
MUST_USE int tdx_doc_verify(const struct tdx_doc *d, EVP_PKEY *key);

/* Members of signed documents: false when missing, of another type or size, or above max. */
bool tdx_json_hex(const json_t *o, const char *name, void *ret, size_t len);
bool tdx_json_number(const json_t *o, const char *name, uint32_t max, uint32_t *ret);
bool tdx_json_time(const json_t *o, const char *name, time_t *ret);
