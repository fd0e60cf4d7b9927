/*
 * broker_judge: does this evidence prove a guest that a stored policy lets have secrets?
 *
 * Trust:   evidence and certificates: none. The store's policies, the roots, CRLs and collateral:
 *          the operator's.
 * Owns:    scratch space for a policy and a verdict, and the operator's certificates.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "attest/broker/broker_evidence.h"
#include "attest/broker/broker_session.h"
#include "attest/broker/broker_store.h"
#include "attest/evidence.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "policy/policy.h"

/* Files of one kind that the operator gave; blobs_done() frees them. */
struct blobs {
	struct attest_blob at[LIMIT_BROKER_BLOBS];
	size_t n;
};
void blobs_done(struct blobs *b);

struct judge {
	struct blobs roots;
	struct blobs certs; /* where guests bring none */
	struct blobs crls;  /* any: no SEV-SNP proof without a current one */
	struct blobs collateral;

	bool is_genuine; /* the last evidence: signature and chain hold, whatever else does not */
	struct policy policy;
	struct verdict verdict;
	struct evidence evidence;
};

/* What a session asks of evidence. */
struct judge_question {
	const uint8_t *report_data; /* 64 bytes */
	size_t report_data_len;     /* without the zeros behind */
	int64_t now;
	const uint8_t *policy_hash; /* NULL: by its host data */
	const uint8_t *init_data;   /* NULL, or 64 bytes: digest of the init-data that was sent */
};

/*
 * Judge j->evidence. 0: every row that was asked for is affirming, *ret says for whom. -EACCES:
 * refused, why has the first failing row, *ret what is known (all of it only claimed). -EBADMSG,
 * -EPROTONOSUPPORT: the bytes are no evidence, *ret is untouched. Other errors are ours.
 */
MUST_USE int judge_evidence(struct judge *j, const struct store *store,
	const struct judge_question *q, struct proof *ret, struct why *why);

/* A SEV or SEV-ES launch as its host tells it, and what the owner kept for it. */
struct judge_launch {
	uint8_t measure[48]; /* LAUNCH_MEASURE's answer: MAC, MNONCE */
	uint32_t policy_word;
	uint8_t api[3];     /* major, minor, build */
	const uint8_t *tik; /* 48 bytes: the key, and the digest of the PDH it was wrapped for */
	struct attest_blob certs; /* of the platform */
};

/*
 * Judge a launch against j->policy, which p is the row of. 0 and -EACCES as judge_evidence(); in *ret
 * since and boot_id are the caller's.
 */
MUST_USE int judge_launch(struct judge *j, const struct store_policy *p,
	const struct judge_launch *launch, int64_t now, struct proof *ret, struct why *why);

/*
 * The policy of a proven session, read again because it may have been revoked or have run out
 * meanwhile; left in j->policy. -EACCES with why.
 */
MUST_USE int judge_load_policy(struct judge *j, const struct store *store, const uint8_t hash[32],
	int64_t now, struct store_policy *ret, struct why *why);

/*
 * May the key at path go to what proof says, evidence_age_ms after its nonce? The row of j->policy
 * that names it is returned. -EACCES with why.
 */
MUST_USE int judge_release(const struct judge *j, const struct proof *proof, const char *path,
	uint64_t evidence_age_ms, const struct policy_key **ret, struct why *why);
