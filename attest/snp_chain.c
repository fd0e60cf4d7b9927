#include "attest/snp_chain.h"

#include <errno.h>
#include <string.h>

#include "attest/vendor.h"

/* How far a path got: the why of the furthest one is the one a person needs. */
struct attempt {
	const struct cert_store *pool;
	const struct cert_store *roots;
	X509 *leaf;
	enum snp_signing_key kind;
	time_t at;
	int stage;
	struct why why;
};

enum stage { STAGE_NOTHING, STAGE_ISSUER, STAGE_ROOT, STAGE_SELF, STAGE_TRUST, STAGE_TIME };

static void attempt_note(struct attempt *a, enum stage stage, const struct why *why)
{
	if ((int)stage <= a->stage)
		return;
	a->stage = (int)stage;
	a->why = *why;
}

/* "SEV-" or "SEV-VLEK-" or "ARK-", then a product. */
static enum snp_product cn_product(const X509 *x, const char *prefix)
{
	char cn[CERT_NAME_MAX];
	size_t n = strlen(prefix);

	cert_subject_cn(x, cn);
	if (strncmp(cn, prefix, n) != 0)
		return SNP_PRODUCT_UNKNOWN;
	return snp_product_parse(cn + n, strlen(cn) - n);
}

static MUST_USE int issuer_check(const struct attempt *a, X509 *issuer, struct why *why)
{
	const char *prefix = a->kind == SNP_KEY_VLEK ? "SEV-VLEK-" : "SEV-";
	char cn[CERT_NAME_MAX];
	int err = cert_verify_issued(a->leaf, issuer, why);

	if (err == 0)
		err = cert_check_ca(issuer, why);
	if (err < 0)
		return err;
	cert_subject_cn(issuer, cn);
	if (cn_product(issuer, prefix) == SNP_PRODUCT_UNKNOWN)
		return why_set(why, -EKEYREJECTED,
			"%s was issued by '%s', want %s and a product's name",
			snp_signing_key_name(a->kind), cn, prefix);
	return 0;
}

static MUST_USE int root_check(X509 *issuer, X509 *root, struct why *why)
{
	int err = cert_verify_issued(issuer, root, why);

	if (err == 0)
		err = cert_check_ca(root, why);
	if (err < 0)
		return err;
	if (!cert_allows_cas_below(root, 1))
		return why_set(
			why, -EKEYREJECTED, "the root allows no CA below it (pathLenConstraint)");
	return 0;
}

static bool store_has(const struct cert_store *s, const X509 *x)
{
	for (size_t i = 0; i < s->n; i++)
		if (X509_cmp(s->at[i], x) == 0)
			return true;
	return false;
}

static MUST_USE int trust_find(
	const struct attempt *a, const X509 *root, enum trust_class *ret, struct why *why)
{
	char cn[CERT_NAME_MAX];

	if (vendor_root_product(root) != SNP_PRODUCT_UNKNOWN)
		*ret = TRUST_HARDWARE;
	else if (store_has(a->roots, root))
		*ret = TRUST_SIMULATED;
	else {
		cert_subject_cn(root, cn);
		return why_set(why, -EKEYREJECTED,
			"the chain ends in a certificate '%s' that is neither AMD's root nor a "
			"root you gave",
			cn);
	}
	return 0;
}

static MUST_USE int times_check(const struct attempt *a, X509 *issuer, X509 *root, struct why *why)
{
	int err = cert_check_time(a->leaf, a->at, why);

	if (err == 0)
		err = cert_check_time(issuer, a->at, why);
	return err < 0 ? err : cert_check_time(root, a->at, why);
}

static MUST_USE int path_try(struct attempt *a, X509 *issuer, X509 *root, struct snp_chain *ret)
{
	struct why why = { 0 };
	const char *prefix = a->kind == SNP_KEY_VLEK ? "SEV-VLEK-" : "SEV-";
	struct snp_chain c = { .leaf = a->leaf,
		.issuer = issuer,
		.root = root,
		.product = cn_product(issuer, prefix) };
	enum stage stage = STAGE_ROOT;

	int err = root_check(issuer, root, &why);
	if (err == -ENOENT)
		return err;
	if (err == 0) {
		stage = STAGE_SELF;
		err = cert_verify_issued(root, root, &why);
		if (err == -ENOENT)
			err = why_set(&why, -EKEYREJECTED, "the root is not self-signed");
	}
	if (err == 0 && cn_product(root, "ARK-") != c.product)
		err = why_set(&why, -EKEYREJECTED, "root and intermediate name different products");
	if (err == 0) {
		stage = STAGE_TRUST;
		err = trust_find(a, root, &c.trust, &why);
	}
	if (err == 0) {
		stage = STAGE_TIME;
		err = times_check(a, issuer, root, &why);
	}
	if (err < 0) {
		attempt_note(a, stage, &why);
		return err;
	}
	*ret = c;
	return 0;
}

static MUST_USE int roots_try(struct attempt *a, X509 *issuer, struct snp_chain *ret)
{
	struct why none = { 0 };
	char cn[CERT_NAME_MAX];

	cert_issuer_cn(issuer, cn);
	(void)why_set(&none, 0, "no certificate of %s at hand, which issued the intermediate", cn);
	attempt_note(a, STAGE_ISSUER, &none);
	for (size_t i = 0; i < a->pool->n; i++)
		if (path_try(a, issuer, a->pool->at[i], ret) == 0)
			return 0;
	return -EKEYREJECTED;
}

int snp_chain_verify(const struct cert_store *pool, const struct cert_store *roots, X509 *leaf,
	enum snp_signing_key kind, time_t at, struct snp_chain *ret, struct why *why)
{
	struct attempt a = { .pool = pool, .roots = roots, .leaf = leaf, .kind = kind, .at = at };
	char cn[CERT_NAME_MAX];

	for (size_t i = 0; i < pool->n; i++) {
		struct why w = { 0 };
		int err = issuer_check(&a, pool->at[i], &w);
		if (err == 0 && roots_try(&a, pool->at[i], ret) == 0)
			return 0;
		if (err != 0 && err != -ENOENT)
			attempt_note(&a, STAGE_ISSUER, &w);
	}
	if (a.stage > STAGE_NOTHING)
		return why_set(why, -EKEYREJECTED, "%s", a.why.text);
	cert_issuer_cn(leaf, cn);
	return why_set(why, -EKEYREJECTED, "no certificate of %s at hand, which issued the %s", cn,
		snp_signing_key_name(kind));
}

/* What one CRL says: index into the answers of snp_chain_revocation(), the last that is there speaks. */
enum crl_answer {
	CRL_OF_OTHERS,
	CRL_FRESH,
	CRL_TOO_OLD,
	CRL_STALE,
	CRL_FORGED,
	CRL_REVOKES,
	CRL_ANSWER_COUNT
};

#define DAY_S 86400

/* Expired for longer than the policy lets pass? */
static bool crl_is_too_old(X509_CRL *crl, time_t at, uint64_t max_age_days)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
	time_t limit;

	if (max_age_days > (uint64_t)(at / DAY_S)) /* so long ago that there were no CRLs */
		return false;
	limit = at - (time_t)max_age_days * DAY_S;
	return next == NULL || X509_cmp_time(next, &limit) <= 0;
}

static enum crl_answer crl_judge(const struct snp_chain *chain, X509_CRL *crl, time_t at,
	uint64_t max_age_days, struct why *why)
{
	int err = crl_verify(crl, chain->root, at, why);

	if (err == -ENOENT)
		return CRL_OF_OTHERS;
	if (err == -EKEYREJECTED)
		return CRL_FORGED;
	/* A revocation does not lapse with the list that said it. Leafs are never listed: their
	 * serial is 0 (2.4). */
	if (crl_lists(crl, chain->issuer)) {
		why_clear(why);
		(void)why_set(why, 0, "the intermediate is on the root's CRL: revoked");
		return CRL_REVOKES;
	}
	if (err != -ESTALE)
		return CRL_FRESH;
	if (!crl_is_too_old(crl, at, max_age_days))
		return CRL_STALE;
	(void)why_prefix(why, 0, "older than the %llu days the policy lets pass",
		(unsigned long long)max_age_days);
	return CRL_TOO_OLD;
}

enum verdict_status snp_chain_revocation(const struct snp_chain *chain,
	const struct cert_store *crls, time_t at, uint64_t max_age_days, struct why *why)
{
	struct why found[CRL_ANSWER_COUNT] = { 0 };
	bool has[CRL_ANSWER_COUNT] = { 0 };

	if (vendor_is_revoked(chain->issuer)) {
		(void)why_set(why, 0, "AMD revoked this intermediate on 2022-10-31");
		return VERDICT_CONTRAINDICATED;
	}
	for (size_t i = 0; i < crls->n_crls; i++) {
		struct why w = { 0 };
		enum crl_answer answer = crl_judge(chain, crls->crls[i], at, max_age_days, &w);
		has[answer] = true;
		found[answer] = w;
	}
	if (!has[CRL_REVOKES] && has[CRL_FRESH])
		return VERDICT_AFFIRMING;
	for (enum crl_answer a = CRL_REVOKES; a > CRL_OF_OTHERS; a--) {
		if (!has[a])
			continue;
		(void)why_set(why, 0, "%s", found[a].text);
		return a == CRL_STALE ? VERDICT_WARNING : VERDICT_CONTRAINDICATED;
	}
	(void)why_set(why, 0, "no CRL of this root was given");
	return VERDICT_NONE;
}
