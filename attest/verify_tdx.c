#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "attest/appraise.h"
#include "attest/appraise_row.h"
#include "attest/ecdsa.h"
#include "attest/evidence.h"
#include "attest/tdx_appraise.h"
#include "attest/tdx_chain.h"
#include "attest/tdx_collateral.h"
#include "attest/tdx_evidence.h"
#include "attest/tdx_pck.h"
#include "attest/tdx_quote.h"
#include "attest/tdx_tcb.h"
#include "attest/vendor.h"
#include "base/rd.h"
#include "base/wr.h"
#include "policy/policy.h"

#define DAY_S 86400

/* One verification: everything it allocates, and what it found out. */
struct tdx_case {
	const struct attest_inputs *in;
	struct tdx_quote q;
	struct cert_store roots;
	struct cert_store own;  /* the chain inside the quote */
	struct cert_store pool; /* all others, and all CRLs */
	struct tdx_collateral collateral;
	struct why own_why;    /* the quote's chain cannot be read */
	struct why unreadable; /* first blob of certs and collateral that cannot */
	struct why lost_crl;   /* a CRL of the caller's that cannot be taken */

	X509 *leaf;
	bool has_pck, has_chain, is_in_time, has_qe_signature, has_binding, has_signature;
	struct tdx_pck pck;
	struct tdx_chain chain;
	struct why pck_why, chain_why;
	struct tdx_revocation revocation;

	struct cert_store signers; /* of the pool: those that may sign collateral */
	struct why signer_why;
	const struct tdx_doc *docs[TDX_DOC_KIND_COUNT]; /* NULL: none that counts */
	struct why doc_why[TDX_DOC_KIND_COUNT];         /* empty: none was given */
};

static void tdx_case_auto(struct tdx_case *c)
{
	cert_store_done(&c->roots);
	cert_store_done(&c->own);
	cert_store_done(&c->pool);
	cert_store_done(&c->signers);
	tdx_collateral_done(&c->collateral);
}

/* --- gathering -------------------------------------------------------------------------------- */

static void blobs_add(struct tdx_case *c, const struct attest_blob *blobs, size_t n,
	struct cert_store *s, struct why *why)
{
	for (size_t i = 0; i < n; i++)
		if (tdx_collateral_add(&c->collateral, s, blobs[i], why) < 0)
			(void)why_set(why, 0, "a blob cannot be taken");
}

/* What finds no room is not found later: the chain row says so. */
static void store_fill(struct cert_store *s, struct cert_store *from)
{
	struct why why = { 0 };

	if (tdx_store_merge(s, from, &why) < 0)
		why_clear(&why);
}

static void vendor_add(struct cert_store *s, const char *cn)
{
	AUTO(cert_store) struct cert_store vendor = { 0 };

	if (vendor_add_chain(&vendor, cn, NULL) == 0)
		store_fill(s, &vendor);
}

/* PEM, ended with a NUL by some producers (6.3), or DER, one certificate behind another. */
static MUST_USE int own_add(struct tdx_case *c)
{
	struct rd r = rd_of(c->q.cert, c->q.cert_len);
	int err = 0;

	if (c->q.cert_len > 0 && c->q.cert[0] == '-') {
		while (r.at[r.left - 1] == 0)
			r.left--;
		return cert_store_add(&c->own, r.at, r.left, &c->own_why);
	}
	while (r.left > 0 && err == 0) {
		/* SEQUENCE with a length of two bytes: no certificate is shorter or longer. */
		size_t len = r.left < 4 ? r.left : ((size_t)r.at[2] << 8 | r.at[3]) + 4;
		len = MIN(len, r.left);
		err = cert_store_add(&c->own, rd_bytes(&r, len), len, &c->own_why);
	}
	return err;
}

/* The caller's come first: the host may send as many certificates as there is room for. */
static void case_gather(struct tdx_case *c)
{
	const struct attest_inputs *in = c->in;

	blobs_add(c, in->roots, in->n_roots, &c->roots, &c->unreadable);
	blobs_add(c, in->crls, in->n_crls, &c->pool, &c->lost_crl);
	blobs_add(c, in->collateral, in->n_collateral, &c->pool, &c->unreadable);
	blobs_add(c, in->certs, in->n_certs, &c->pool, &c->unreadable);
	if (c->q.cert_type != TDX_CERT_CHAIN && c->q.cert_type != TDX_CERT_PCK_LEAF)
		return;
	if (own_add(c) < 0)
		(void)why_prefix(&c->own_why, -EBADMSG, "the quote's certificates");
	else if (c->q.cert_type == TDX_CERT_CHAIN && c->own.n != 3)
		(void)why_set(&c->own_why, 0,
			"the quote's chain has %zu certificates, want leaf, CA and root", c->own.n);
}

/* --- leaf and chain --------------------------------------------------------------------------- */

static bool qe_report_verify(const struct tdx_case *c, const X509 *leaf)
{
	return ecdsa_verify(X509_get0_pubkey(leaf), "SHA2-256", c->q.qe_signature, 32,
		       c->q.qe_signature + 32, 32, c->q.qe, sizeof *c->q.qe) == 0;
}

/* The quote's own PCK certificate, or else the one among those given that fits. */
static void leaf_choose(struct tdx_case *c)
{
	bool is_own = c->q.cert_type == TDX_CERT_CHAIN || c->q.cert_type == TDX_CERT_PCK_LEAF;
	const struct cert_store *s = is_own ? &c->own : &c->pool;

	for (size_t i = 0; i < s->n && !c->has_qe_signature; i++) {
		if (!tdx_pck_recognise(s->at[i]))
			continue;
		c->has_qe_signature = qe_report_verify(c, s->at[i]);
		if (c->leaf == NULL || c->has_qe_signature)
			c->leaf = s->at[i];
	}
}

/*
 * A chain that comes with the quote has to hold as it stands; what a leaf alone lacks comes from the
 * others, the roots and the built-in certificates.
 */
static void chain_find(struct tdx_case *c)
{
	char cn[CERT_NAME_MAX];

	if (c->own_why.text[0] != '\0' || c->leaf == NULL)
		return;
	c->has_pck = tdx_pck_parse(&c->pck, c->leaf, &c->pck_why) == 0;
	if (c->q.cert_type != TDX_CERT_CHAIN) {
		cert_issuer_cn(c->leaf, cn);
		store_fill(&c->own, &c->roots);
		store_fill(&c->own, &c->pool);
		vendor_add(&c->own, cn);
	}
	c->has_chain = tdx_chain_verify(&c->own, &c->roots, c->leaf, &c->chain, &c->chain_why) == 0;
	if (!c->has_chain)
		return;
	c->is_in_time = tdx_chain_check_time(&c->chain, c->in->at, &c->chain_why) == 0;
	c->revocation = tdx_chain_revocation(&c->chain, &c->pool, c->in->at);
}

static void signature_check(struct tdx_case *c)
{
	const struct tdx_quote *q = &c->q;
	EVP_PKEY *key = NULL;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t digest[32];

	bool ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
		  EVP_DigestUpdate(md, q->key, 64) == 1 &&
		  EVP_DigestUpdate(md, q->qe_auth, q->qe_auth_len) == 1 &&
		  EVP_DigestFinal_ex(md, digest, NULL) == 1;
	EVP_MD_CTX_free(md);
	c->has_binding = ok && memcmp(q->qe->report_data, digest, sizeof digest) == 0 &&
			 row_is_zero(q->qe->report_data + sizeof digest, 32);
	if (ecdsa_key(q->key, q->key + 32, 32, &key) < 0)
		return;
	c->has_signature = ecdsa_verify(key, "SHA2-256", q->signature, 32, q->signature + 32, 32,
				   q->signed_bytes, q->signed_len) == 0;
	EVP_PKEY_free(key);
}

/* --- collateral ------------------------------------------------------------------------------- */

static void signers_find(struct tdx_case *c)
{
	for (size_t i = 0; i < c->pool.n; i++)
		if (tdx_signer_recognise(c->pool.at[i]) &&
			tdx_signer_check(&c->chain, &c->revocation, c->pool.at[i], c->in->at,
				&c->signer_why) == 0 &&
			cert_store_add_x509(&c->signers, c->pool.at[i], NULL) < 0)
			return;
}

static MUST_USE int doc_signature_check(
	const struct tdx_case *c, const struct tdx_doc *d, const char *name, struct why *why)
{
	for (size_t i = 0; i < c->signers.n; i++)
		if (tdx_doc_verify(d, X509_get0_pubkey(c->signers.at[i])) == 0)
			return 0;
	if (c->signers.n > 0)
		return why_set(why, -EKEYREJECTED,
			"the signature of the %s does not fit the key of its signer: it was edited "
			"or "
			"written anew",
			name);
	return why_set(why, -EKEYREJECTED, "%s: %s", name,
		c->signer_why.text[0] != '\0' ? c->signer_why.text
					      : "no TCB Signing certificate at hand");
}

/* Is it about this platform, and was there by then? */
static MUST_USE int doc_scope_check(
	const struct tdx_case *c, const struct tdx_doc *d, const char *name, struct why *why)
{
	if (!d->is_for_td)
		return why_set(why, -EPROTONOSUPPORT,
			"the %s is not one for TDX (id, version): it is for SGX, or too old", name);
	if (d->issued > c->in->at)
		return why_set(why, -ESTALE, "the %s is younger than the time asked for", name);
	if (d->kind != TDX_DOC_TCB_INFO)
		return 0;
	if (memcmp(d->fmspc, c->pck.fmspc, sizeof d->fmspc) != 0)
		return why_set(why, -EKEYREJECTED,
			"the TCB info is for another FMSPC than the PCK certificate's");
	if (memcmp(d->pceid, c->pck.pceid, sizeof d->pceid) != 0)
		return why_set(why, -EKEYREJECTED,
			"the TCB info is for another PCE id than the PCK certificate's");
	return 0;
}

static bool doc_is_newer(const struct tdx_doc *a, const struct tdx_doc *b)
{
	if (b == NULL || a->eval_number != b->eval_number)
		return b == NULL || a->eval_number > b->eval_number;
	return a->issued > b->issued;
}

/*
 * Of several documents: the genuine one about this platform with the highest evaluation number, of those
 * the one issued last before the time asked for, be it still in force or not. Who adds an older one
 * changes nothing; who leaves the newer one out is stopped by the policy's least number.
 */
static void doc_choose(struct tdx_case *c, enum tdx_doc_kind kind)
{
	static const char *const names[TDX_DOC_KIND_COUNT] = { "TCB info", "QE identity" };
	struct why *why = &c->doc_why[kind];
	uint32_t tried = 0;

	while (c->docs[kind] == NULL) {
		const struct tdx_doc *best = NULL;
		for (size_t i = 0; i < c->collateral.n; i++) {
			const struct tdx_doc *d = &c->collateral.at[i];
			if (d->kind == kind && (tried & 1u << i) == 0 && doc_is_newer(d, best) &&
				doc_scope_check(c, d, names[kind], why) == 0)
				best = d;
		}
		if (best == NULL)
			return;
		tried |= 1u << (best - c->collateral.at);
		if (doc_signature_check(c, best, names[kind], why) == 0)
			c->docs[kind] = best;
	}
}
_Static_assert(LIMIT_TDX_DOCS <= 32, "one bit of a mask each");

static void collateral_choose(struct tdx_case *c)
{
	if (!c->has_chain || !c->has_pck)
		return;
	signers_find(c);
	for (enum tdx_doc_kind k = 0; k < TDX_DOC_KIND_COUNT; k++)
		doc_choose(c, k);
}

/* --- rows ------------------------------------------------------------------------------------- */

static void signature_row(const struct tdx_case *c, struct verdict *v)
{
	const char *why = "";
	enum verdict_status status = VERDICT_CONTRAINDICATED;

	if (!c->has_signature)
		why = "the quote's signature does not fit its attestation key";
	else if (!c->has_binding)
		why = "the quoting enclave did not report this attestation key (row qe)";
	else if (c->leaf == NULL)
		status = VERDICT_NONE, why = "not checked: no PCK certificate at hand";
	else if (!c->has_qe_signature)
		why = "the PCK certificate's key did not sign the quoting enclave's report (row "
		      "qe)";
	else
		status = VERDICT_AFFIRMING;
	verdict_set(v, ROW_SIGNATURE, status, "PCK < QE < quote", "", "%s", why);
}

static void qe_row(const struct tdx_case *c, struct verdict *v)
{
	if (!tdx_quote_is_intel(&c->q))
		verdict_set(v, ROW_QE, VERDICT_CONTRAINDICATED, "Intel's", "",
			"the quote names another vendor of its quoting enclave than Intel (6.1)");
	if (c->leaf != NULL && !c->has_qe_signature)
		verdict_set(v, ROW_QE, VERDICT_CONTRAINDICATED, "", "",
			"the signature of the quoting enclave's report does not fit the PCK "
			"certificate");
	if (!c->has_binding)
		verdict_set(v, ROW_QE, VERDICT_CONTRAINDICATED, "", "",
			"the quoting enclave's report data are not the digest of attestation key "
			"and "
			"authentication data");
}

static void chain_row(const struct tdx_case *c, struct verdict *v)
{
	char ca[CERT_NAME_MAX], root[CERT_NAME_MAX], text[VERDICT_VALUE_MAX];
	const struct why *whys[] = { &c->own_why, &c->pck_why, &c->chain_why };

	if (c->has_chain && c->is_in_time && c->has_pck) {
		cert_subject_cn(c->chain.ca, ca);
		cert_subject_cn(c->chain.root, root);
		(void)snprintf(text, sizeof text, "PCK < %s < %s", ca, root);
		verdict_set(v, ROW_CHAIN, VERDICT_AFFIRMING, "", text, "%s", "");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(whys); i++)
		if (whys[i]->text[0] != '\0') {
			verdict_set(
				v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "", "", "%s", whys[i]->text);
			return;
		}
	verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "", "",
		"no PCK certificate at hand: the quote names its platform only (certification data "
		"%u); give it with --certs%s%s",
		c->q.cert_type, c->unreadable.text[0] != '\0' ? "; " : "", c->unreadable.text);
}

/* Days past nextUpdate; does the policy's age limit allow them? */
static bool age_is_allowed(const struct tdx_case *c, time_t next, uint64_t *ret_days)
{
	const struct policy_endorsements *e =
		c->in->policy == NULL ? NULL : &c->in->policy->tee.endorsements;

	*ret_days = next >= c->in->at ? 0 : (uint64_t)(c->in->at - next) / DAY_S;
	return next >= c->in->at || (e != NULL && e->has_max_age && *ret_days < e->max_age_days);
}

static void age_judge(const struct tdx_case *c, time_t next, const char *name, struct verdict *v)
{
	uint64_t days = 0;

	if (next >= c->in->at)
		return;
	bool is_allowed = age_is_allowed(c, next, &days);
	verdict_set(v, ROW_COLLATERAL, is_allowed ? VERDICT_WARNING : VERDICT_CONTRAINDICATED,
		"in force", "stale",
		"the %s is stale: it ended %llu days before the time asked for%s", name,
		(unsigned long long)days,
		is_allowed ? "; the policy's max_age_days allows it"
			   : "; fetch a newer one ('casemate attest endorsements fetch')");
}

static void collateral_row(const struct tdx_case *c, struct verdict *v)
{
	static const char *const names[TDX_DOC_KIND_COUNT] = { "TCB info", "QE identity" };
	bool is_asked = c->in->policy != NULL;
	char text[64];

	if (!c->has_chain || !c->has_pck) {
		verdict_set(v, ROW_COLLATERAL, VERDICT_NONE, "", "", "no chain to judge it by");
		return;
	}
	for (enum tdx_doc_kind k = 0; k < TDX_DOC_KIND_COUNT; k++) {
		if (c->docs[k] != NULL)
			age_judge(c, c->docs[k]->next, names[k], v);
		else if (c->doc_why[k].text[0] != '\0' || c->unreadable.text[0] != '\0')
			verdict_set(v, ROW_COLLATERAL, VERDICT_CONTRAINDICATED, names[k], "", "%s",
				c->doc_why[k].text[0] != '\0' ? c->doc_why[k].text
							      : c->unreadable.text);
		else
			verdict_set(v, ROW_COLLATERAL,
				is_asked ? VERDICT_CONTRAINDICATED : VERDICT_WARNING, names[k], "",
				"no %s was given: whether the platform is patched is not known "
				"(--collateral)",
				names[k]);
	}
	if (c->revocation.ca.crl != NULL)
		age_judge(c, c->revocation.ca.next, "CRL of the PCK CA", v);
	if (c->revocation.root.crl != NULL)
		age_judge(c, c->revocation.root.next, "CRL of the root", v);
	(void)snprintf(text, sizeof text, "evaluation %u",
		c->docs[0] == NULL ? 0 : c->docs[0]->eval_number);
	verdict_set(v, ROW_COLLATERAL, VERDICT_AFFIRMING, "", text, "%s", "");
}

static void crl_missing_row(const struct tdx_case *c, struct verdict *v)
{
	const struct tdx_revocation *r = &c->revocation;
	const struct policy *p = c->in->policy;
	bool is_required = p != NULL && p->tee.endorsements.require_crl;
	const char *name = r->ca.crl == NULL ? "PCK CA" : "root";

	verdict_set(v, ROW_REVOCATION, is_required ? VERDICT_CONTRAINDICATED : VERDICT_NONE, "", "",
		"no CRL of the %s was given%s", name,
		is_required ? "; the policy requires it" : "");
	if (c->unreadable.text[0] != '\0' || r->is_foreign)
		verdict_set(v, ROW_REVOCATION, VERDICT_WARNING, "", "",
			"no CRL of the %s is at hand, but %s", name,
			c->unreadable.text[0] != '\0' ? c->unreadable.text : "another CA's is");
}

/* Not listed, by a list that has ended. */
static void crl_expired_row(const struct tdx_case *c, struct verdict *v)
{
	const struct policy *p = c->in->policy;
	uint64_t days = 0;

	if (p != NULL && p->tee.endorsements.require_crl &&
		!age_is_allowed(c, MIN(c->revocation.ca.next, c->revocation.root.next), &days))
		verdict_set(v, ROW_REVOCATION, VERDICT_CONTRAINDICATED, "", "",
			"a CRL ended %llu days before the time asked for; the policy requires one "
			"in force",
			(unsigned long long)days);
	verdict_set(v, ROW_REVOCATION, VERDICT_WARNING, "", "",
		"not listed, but a CRL has expired at the time asked for");
}

static void revocation_row(const struct tdx_case *c, struct verdict *v)
{
	const struct tdx_revocation *r = &c->revocation;
	const char *fault = NULL;

	if (!c->has_chain) {
		verdict_set(v, ROW_REVOCATION, VERDICT_NONE, "", "", "no chain to judge");
		return;
	}
	if (r->is_leaf_listed)
		fault = "the PCK certificate is on its CA's CRL: revoked";
	else if (r->is_ca_listed)
		fault = "the PCK CA is on the root's CRL: revoked";
	else if (r->ca.is_forged || r->root.is_forged)
		fault = "a CRL's signature does not fit the key of the CA it names";
	else if (r->ca.crl == NULL && r->is_foreign)
		fault = "the CRL that was given is another CA's than the one that issued the PCK "
			"certificate";
	if (fault != NULL)
		verdict_set(v, ROW_REVOCATION, VERDICT_CONTRAINDICATED, "", "", "%s", fault);
	if (c->lost_crl.text[0] != '\0')
		verdict_set(v, ROW_REVOCATION, VERDICT_WARNING, "", "",
			"a CRL that was given cannot be taken: %s", c->lost_crl.text);
	if (r->ca.crl == NULL || r->root.crl == NULL)
		crl_missing_row(c, v);
	else if (r->ca.next < c->in->at || r->root.next < c->in->at)
		crl_expired_row(c, v);
	else
		verdict_set(v, ROW_REVOCATION, VERDICT_AFFIRMING, "", "", "%s", "");
}

/* --- claims ----------------------------------------------------------------------------------- */

static void time_claim(struct claims *c, const char *name, time_t t)
{
	char text[32];
	struct tm tm;

	if (t == 0 || gmtime_r(&t, &tm) == NULL)
		return;
	(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	claims_add_text(c, name, text);
}

static void crl_number_claim(struct claims *c, const char *name, const X509_CRL *crl)
{
	ASN1_INTEGER *n =
		crl == NULL ? NULL : X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	uint64_t v = 0;

	if (n != NULL && ASN1_INTEGER_get_uint64(&v, n) == 1)
		claims_add_number(c, name, v);
	ASN1_INTEGER_free(n);
}

/* Names as Trustee's verifier has them (7.3). */
static void collateral_claims(const struct tdx_case *c, struct claims *claims)
{
	const struct tdx_doc *a = c->docs[0], *b = c->docs[1];
	uint8_t digest[32];

	if (cert_spki_sha256(c->chain.root, digest) == 0)
		claims_add_bytes(claims, "root_key_id", digest, sizeof digest);
	crl_number_claim(claims, "pck_crl_num", c->revocation.ca.crl);
	crl_number_claim(claims, "root_ca_crl_num", c->revocation.root.crl);
	if (a == NULL || b == NULL)
		return;
	time_t end = MIN(a->next, b->next);
	if (c->revocation.ca.crl != NULL)
		end = MIN(end, c->revocation.ca.next);
	if (c->revocation.root.crl != NULL)
		end = MIN(end, c->revocation.root.next);
	time_claim(claims, "earliest_issue_date", MIN(a->issued, b->issued));
	time_claim(claims, "latest_issue_date", MAX(a->issued, b->issued));
	time_claim(claims, "earliest_expiration_date", end);
	claims_add_bool(claims, "collateral_expired", end < c->in->at);
}

static void tcb_claims(const struct tdx_tcb *t, struct claims *c)
{
	char ids[CLAIM_VALUE_MAX];

	claims_add_text(c, "tcb_status", tdx_tcb_status_name(t->status));
	time_claim(c, "tcb_date", t->date);
	claims_add_number(c, "tcb_eval_num", t->eval_number);
	tdx_tcb_print_advisories(t, ids, sizeof ids);
	claims_add_text(c, "advisory_ids", ids);
	claims_add_text(c, "platform_tcb_status", tdx_tcb_status_name(t->platform));
	claims_add_text(c, "module_tcb_status", tdx_tcb_status_name(t->module));
	claims_add_text(c, "qe_tcb_status", tdx_tcb_status_name(t->qe));
	if (t->module_id[0] != '\0')
		claims_add_text(c, "tdx_module_id", t->module_id);
	if (!t->has_current)
		return;
	claims_add_text(c, "tcb_status_launched", tdx_tcb_status_name(t->launched));
	claims_add_text(c, "tcb_status_current", tdx_tcb_status_name(t->current));
}

/* --- the whole -------------------------------------------------------------------------------- */

static void tcb_judge(const struct tdx_case *c, struct verdict *v)
{
	const struct tdx_doc *const *d = c->docs;
	char hex[ROW_TEXT_MAX];
	struct why why = { 0 };
	struct tdx_tcb t;

	if (d[TDX_DOC_TCB_INFO] != NULL && d[TDX_DOC_QE_IDENTITY] != NULL) {
		if (tdx_tcb_evaluate(d[TDX_DOC_TCB_INFO], d[TDX_DOC_QE_IDENTITY], &c->pck, &c->q,
			    &t, &why) == 0) {
			tdx_appraise_tcb(&t, c->in->policy, c->in->at, v);
			tcb_claims(&t, &v->claims);
			return;
		}
		verdict_set(v, ROW_COLLATERAL, VERDICT_CONTRAINDICATED, "", "", "%s", why.text);
	}
	verdict_set(v, ROW_TCB, VERDICT_NONE, "", "",
		"no collateral to judge the platform by (row collateral)");
	verdict_set(v, ROW_QE, VERDICT_NONE, "", row_hex(hex, c->q.qe->mrsigner, 32),
		"not compared: no QE identity");
	verdict_set(v, ROW_MODULE, VERDICT_NONE, "", row_hex(hex, c->q.body.mrseam, 48),
		"not compared: no TCB info");
}

static void case_judge(struct tdx_case *c, struct verdict *v)
{
	char fmspc[ROW_TEXT_MAX];

	signature_row(c, v);
	chain_row(c, v);
	bool is_signed = c->has_qe_signature && c->has_binding && c->has_signature;
	appraise_trust(c->has_chain && is_signed ? c->chain.trust : TRUST_HOST, c->in->policy, v);
	revocation_row(c, v);
	collateral_row(c, v);
	qe_row(c, v);
	tdx_quote_claims(&c->q, &v->claims);
	if (c->has_pck) {
		verdict_set(v, ROW_PRODUCT, VERDICT_NONE, "",
			row_hex(fmspc, c->pck.fmspc, sizeof c->pck.fmspc),
			"the FMSPC; row collateral compares it");
		tdx_pck_claims(&c->pck, &v->claims);
	}
	if (c->has_chain)
		collateral_claims(c, &v->claims);
	tcb_judge(c, v);
	tdx_appraise(&c->q, c->has_pck ? &c->pck : NULL, c->in, v);
}

int tdx_evidence_claims(struct attest_blob blob, struct claims *ret, struct why *why)
{
	static const struct attest_inputs none;
	AUTO(tdx_case) struct tdx_case c = { .in = &none };
	int err = tdx_quote_parse(&c.q, blob.p, blob.len, why);

	if (err < 0)
		return err;
	case_gather(&c);
	leaf_choose(&c);
	tdx_quote_claims(&c.q, ret);
	if (c.leaf != NULL && tdx_pck_parse(&c.pck, c.leaf, NULL) == 0)
		tdx_pck_claims(&c.pck, ret);
	return 0;
}

int attest_verify_tdx(const struct attest_inputs *in, struct verdict *ret, struct why *why)
{
	AUTO(tdx_case) struct tdx_case c = { .in = in };
	int err = tdx_quote_parse(&c.q, in->evidence.p, in->evidence.len, why);

	if (err < 0)
		return err;
	case_gather(&c);
	leaf_choose(&c);
	chain_find(&c);
	signature_check(&c);
	collateral_choose(&c);
	verdict_init(ret, EVIDENCE_TDX);
	case_judge(&c, ret);
	verdict_close(ret, in->required_rows);
	return 0;
}
