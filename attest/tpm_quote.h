/*
 * tpm_quote: TPMS_ATTEST of a quote, and values of the registers it speaks for (attestation.md, 9.1).
 *
 * Trust:   none in the bytes.
 * Owns:    nothing; a parsed quote points into its bytes.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/claims.h"
#include "attest/evidence.h"
#include "attest/tpm_alg.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

#define TPM_PCRS 24u

struct tpm_quote {
	struct attest_blob signer; /* qualifiedSigner: a name */
	struct attest_blob extra;  /* extraData: the nonce */
	uint64_t clock_ms;
	uint32_t reset_count, restart_count;
	bool is_clock_safe;
	uint64_t firmware;
	size_t n_banks;
	struct {
		const struct tpm_alg *alg;
		uint32_t mask; /* bit n: PCR n */
	} banks[LIMIT_TPM_BANKS];
	struct attest_blob digest; /* pcrDigest */
};

/*
 * Parse one. -EBADMSG: no TPMS_ATTEST, bytes behind it, an empty selection; -EPROTONOSUPPORT: not of
 * a quote, or of registers in a bank we do not know.
 */
MUST_USE int tpm_quote_parse(struct tpm_quote *ret, struct attest_blob blob, struct why *why);

/* "sha256:0,1,2 sha384:7" in size bytes, cut when it does not fit. */
void tpm_quote_selection(const struct tpm_quote *q, char *ret, size_t size);

/* What the quote says, as tpm_... claims. */
void tpm_quote_claims(const struct tpm_quote *q, struct claims *c);

struct tpm_bank {
	const struct tpm_alg *alg;
	uint32_t present;
	uint8_t value[TPM_PCRS][TPM_DIGEST_MAX];
};

struct tpm_pcrs {
	size_t n;
	struct tpm_bank banks[LIMIT_TPM_BANKS];
};

/* The bank of that algorithm; made when there is none and make is set; NULL when full. */
struct tpm_bank *tpm_pcrs_bank(struct tpm_pcrs *p, const struct tpm_alg *alg, bool make);

/*
 * Values in JSON, {"sha256": {"0": "hex", ...}, ...}, or in the file that tpm2_quote writes.
 * -EBADMSG with why.
 */
MUST_USE int tpm_pcrs_parse(struct tpm_pcrs *ret, struct attest_blob blob, struct why *why);

/*
 * Is the quoted digest that of these values, by the hash that signed? 0; -ENOENT: a selected value
 * is missing (why says which); -EKEYREJECTED; -EIO.
 */
MUST_USE int tpm_quote_check_pcrs(const struct tpm_quote *q, const struct tpm_alg *hash,
	const struct tpm_pcrs *pcrs, struct why *why);
