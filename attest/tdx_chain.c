#include "attest/tdx_chain.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "attest/tdx_pck.h"
#include "attest/vendor.h"

/* Common names hold these (7.3, step 2). */
#define CN_ROOT   "SGX Root CA"
#define CN_SIGNER "SGX TCB Signing"

static bool cn_has(const X509 *x, const char *part)
{
	char cn[CERT_NAME_MAX];

	cert_subject_cn(x, cn);
	return strstr(cn, part) != NULL;
}

static bool cn_is_pck_ca(const X509 *x)
{
	return cn_has(x, "SGX PCK Platform CA") || cn_has(x, "SGX PCK Processor CA");
}

/* --- leaf to root ----------------------------------------------------------------------------- */

/* How far a path got: the why of the furthest one is the one a person needs. */
struct attempt {
	const struct cert_store *pool, *roots;
	int stage;
	struct why why;
};

enum stage { STAGE_NOTHING, STAGE_ROOT, STAGE_TRUST, STAGE_SIGNED };

static void attempt_note(struct attempt *a, enum stage stage, const struct why *why)
{
	if ((int)stage > a->stage)
		a->stage = (int)stage, a->why = *why;
}

static bool is_built_in(const X509 *x)
{
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);

	bool ok = len > 0 && vendor_find_der(der, (size_t)len) != NULL;
	OPENSSL_free(der);
	return ok;
}

/* Only the key of a pinned root is known: what else its certificate says, it has to have signed. */
static MUST_USE int trust_find(
	const struct attempt *a, X509 *root, enum trust_class *ret, struct why *why)
{
	char cn[CERT_NAME_MAX];

	if (vendor_is_intel_root(root)) {
		*ret = TRUST_HARDWARE;
		return is_built_in(root) ? 0 : cert_verify_issued_by(CERT_INTEL, root, root, why);
	}
	for (size_t i = 0; i < a->roots->n; i++)
		if (X509_cmp(a->roots->at[i], root) == 0) {
			*ret = TRUST_SIMULATED;
			return 0;
		}
	cert_subject_cn(root, cn);
	return why_set(why, -EKEYREJECTED,
		"the chain ends in a certificate '%s' that is neither Intel's root nor a root you "
		"gave",
		cn);
}

static MUST_USE int names_check(const struct tdx_chain *c, struct why *why)
{
	if (!tdx_pck_recognise(c->leaf))
		return why_set(why, -EKEYREJECTED, "the leaf is not named a PCK certificate");
	if (!cn_is_pck_ca(c->ca))
		return why_set(why, -EKEYREJECTED,
			"the PCK certificate's issuer is not a PCK Platform or Processor CA");
	if (!cn_has(c->root, CN_ROOT))
		return why_set(why, -EKEYREJECTED, "the root is not named '%s'", CN_ROOT);
	return 0;
}

static MUST_USE int constraints_check(const struct tdx_chain *c, struct why *why)
{
	int err = cert_check_ca_of(CERT_INTEL, c->ca, why);

	if (err == 0)
		err = cert_check_ca_of(CERT_INTEL, c->root, why);
	if (err == 0 && (!cert_allows_cas_below(c->root, 1) || X509_check_ca(c->leaf) != 0))
		err = why_set(why, -EKEYREJECTED,
			"the root allows no CA below it, or the PCK certificate is one "
			"(basicConstraints)");
	return err;
}

/* The cheap questions come first; a root that somebody gave need not have signed itself. */
static MUST_USE int path_try(struct attempt *a, struct tdx_chain *c)
{
	struct why why = { 0 };
	enum stage stage = STAGE_ROOT;
	int err = trust_find(a, c->root, &c->trust, &why);

	if (err == 0) {
		stage = STAGE_TRUST;
		err = names_check(c, &why);
	}
	if (err == 0)
		err = cert_verify_issued_by(CERT_INTEL, c->ca, c->root, &why);
	if (err == 0)
		err = cert_verify_issued_by(CERT_INTEL, c->leaf, c->ca, &why);
	if (err == 0) {
		stage = STAGE_SIGNED;
		err = constraints_check(c, &why);
	}
	if (err < 0)
		attempt_note(a, stage, &why);
	return err;
}

static bool is_issuer_name(const X509 *child, const X509 *issuer)
{
	return X509_NAME_cmp(X509_get_issuer_name(child), X509_get_subject_name(issuer)) == 0;
}

int tdx_chain_check_time(const struct tdx_chain *c, time_t at, struct why *why)
{
	int err = cert_check_time(c->leaf, at, why);

	if (err == 0)
		err = cert_check_time(c->ca, at, why);
	return err < 0 ? err : cert_check_time(c->root, at, why);
}

int tdx_chain_verify(const struct cert_store *pool, const struct cert_store *roots, X509 *leaf,
	struct tdx_chain *ret, struct why *why)
{
	struct attempt a = { .pool = pool, .roots = roots };
	char cn[CERT_NAME_MAX];
	X509 *ca = NULL;

	for (size_t i = 0; i < pool->n; i++) {
		if (!is_issuer_name(leaf, pool->at[i]))
			continue;
		ca = pool->at[i];
		for (size_t k = 0; k < pool->n; k++) {
			struct tdx_chain c = { .leaf = leaf, .ca = ca, .root = pool->at[k] };
			if (!is_issuer_name(ca, c.root) || path_try(&a, &c) < 0)
				continue;
			*ret = c;
			return 0;
		}
	}
	if (a.stage > STAGE_NOTHING)
		return why_set(why, -EKEYREJECTED, "%s", a.why.text);
	cert_issuer_cn(ca == NULL ? leaf : ca, cn);
	return why_set(why, -EKEYREJECTED, "no certificate of '%s' at hand, which issued the %s",
		cn, ca == NULL ? "PCK certificate" : "PCK CA");
}

/* --- CRLs ------------------------------------------------------------------------------------- */

static time_t time_of(const ASN1_TIME *t)
{
	struct tm tm;

	return t == NULL || ASN1_TIME_to_tm(t, &tm) != 1 ? 0 : timegm(&tm);
}

/* -ENOENT: of another CA. A CRL that is younger than the time asked for says nothing. */
static MUST_USE int crl_take(struct tdx_crl *c, X509_CRL *crl, X509 *ca, time_t at)
{
	int err = crl_verify_by(CERT_INTEL, crl, ca, at, NULL);
	time_t issued = time_of(X509_CRL_get0_lastUpdate(crl));

	if (err == -ENOENT)
		return err;
	if (err == -EKEYREJECTED) {
		c->is_forged = c->crl == NULL;
		return 0;
	}
	if (issued > at || (c->crl != NULL && issued <= time_of(X509_CRL_get0_lastUpdate(c->crl))))
		return 0;
	*c = (struct tdx_crl){ .crl = crl, .next = time_of(X509_CRL_get0_nextUpdate(crl)) };
	return 0;
}

struct tdx_revocation tdx_chain_revocation(
	const struct tdx_chain *chain, const struct cert_store *crls, time_t at)
{
	struct tdx_revocation r = { 0 };

	for (size_t i = 0; i < crls->n_crls; i++)
		if (crl_take(&r.ca, crls->crls[i], chain->ca, at) < 0 &&
			crl_take(&r.root, crls->crls[i], chain->root, at) < 0)
			r.is_foreign = true;
	r.is_leaf_listed = r.ca.crl != NULL && crl_lists(r.ca.crl, chain->leaf);
	r.is_ca_listed = r.root.crl != NULL && crl_lists(r.root.crl, chain->ca);
	return r;
}

/* --- signers of collateral -------------------------------------------------------------------- */

bool tdx_signer_recognise(const X509 *x)
{
	return cn_has(x, CN_SIGNER);
}

int tdx_signer_check(const struct tdx_chain *chain, const struct tdx_revocation *r, X509 *x,
	time_t at, struct why *why)
{
	int err = cert_verify_issued_by(CERT_INTEL, x, chain->root, why);

	if (err == -ENOENT)
		return why_set(why, -EKEYREJECTED,
			"the collateral's signer was not issued by the quote's root");
	if (err == 0)
		err = cert_check_time(x, at, why);
	if (err == 0 && !cert_is_p256(x))
		err = why_set(why, -EKEYREJECTED, "the collateral signer's key is not on P-256");
	if (err == 0 && r->root.crl != NULL && crl_lists(r->root.crl, x))
		err = why_set(why, -EKEYREJECTED,
			"the collateral's signer is on the root's CRL: revoked");
	return err;
}
