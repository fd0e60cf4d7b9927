#include "attest/evidence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/appraise.h"
#include "attest/atls.h"
#include "attest/cert.h"
#include "attest/sev_session.h"
#include "attest/snp_chain.h"
#include "attest/snp_leaf.h"
#include "attest/snp_report.h"
#include "attest/snp_signature.h"
#include "attest/tcb.h"
#include "attest/tpm_evidence.h"
#include "attest/vendor.h"
#include "base/rd.h"
#include "base/wr.h"
#include "policy/policy.h"

/* One verification: everything it allocates. */
struct snp_case {
	const struct attest_inputs *in;
	const uint8_t *raw; /* SNP_REPORT_BYTES */
	struct snp_report report;
	struct cert_store given; /* certificates and CRLs from outside */
	struct cert_store roots;
	struct cert_store pool; /* given, roots, and the vendor's for vendor_cn */
	char vendor_cn[CERT_NAME_MAX];
	size_t n_unreadable;   /* blobs */
	struct why unreadable; /* the first of them */
	struct why lost_crl;   /* a CRL of the caller's that could not be taken; empty: none */
	const struct policy_endorsements *rules; /* NULL: no policy */
};

static void snp_case_auto(struct snp_case *c)
{
	cert_store_done(&c->pool);
	cert_store_done(&c->roots);
	cert_store_done(&c->given);
}

/* What a leaf certificate amounts to for this report. */
struct snp_eval {
	X509 *leaf; /* NULL: no leaf at all */
	bool has_info, has_chain, has_signature, is_tcb, is_chip;
	struct snp_leaf info;
	struct snp_chain chain;
	struct why chain_why;
	struct why signature_why;
};

static unsigned int eval_score(const struct snp_eval *e)
{
	return (unsigned int)e->has_signature << 4 | (unsigned int)e->has_chain << 3 |
	       (unsigned int)e->has_info << 2 | (unsigned int)e->is_chip << 1 |
	       (unsigned int)e->is_tcb;
}

#define SCORE_ALL 31u

/* --- gathering ------------------------------------------------------------------------------- */

static bool pool_has(const struct snp_case *c, const X509 *x)
{
	for (size_t i = 0; i < c->pool.n; i++)
		if (X509_cmp(c->pool.at[i], x) == 0)
			return true;
	return false;
}

static void pool_add(struct snp_case *c, const struct cert_store *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!pool_has(c, s->at[i]) && cert_store_add_x509(&c->pool, s->at[i], NULL) < 0)
			return;
}

static void blobs_add(
	struct snp_case *c, struct cert_store *s, const struct attest_blob *blobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cert_store_add(s, blobs[i].p, blobs[i].len, &c->unreadable) < 0)
			c->n_unreadable++;
}

/* The caller's CRLs come first: the host may send as many as there is room for. */
static void crls_add(struct snp_case *c)
{
	for (size_t i = 0; i < c->in->n_crls; i++) {
		struct why why = { 0 };
		int err = cert_store_add(&c->given, c->in->crls[i].p, c->in->crls[i].len, &why);
		if (err < 0)
			(void)why_set(&c->lost_crl, err, "%s", why_text(&why, err));
	}
}

static void case_gather(struct snp_case *c)
{
	blobs_add(c, &c->roots, c->in->roots, c->in->n_roots);
	crls_add(c);
	blobs_add(c, &c->given, c->in->certs, c->in->n_certs);
	pool_add(c, &c->roots);
	pool_add(c, &c->given);
}

/* AMD's own certificates for a leaf, once a name. Was there anything new? */
static bool pool_add_vendor(struct snp_case *c, const X509 *leaf)
{
	char cn[CERT_NAME_MAX];
	AUTO(cert_store) struct cert_store vendor = { 0 };
	size_t n_before = c->pool.n;

	cert_issuer_cn(leaf, cn);
	if (strcmp(cn, c->vendor_cn) == 0)
		return false;
	(void)snprintf(c->vendor_cn, sizeof c->vendor_cn, "%s", cn);
	if (vendor_add_chain(&vendor, cn, NULL) == 0)
		pool_add(c, &vendor);
	return c->pool.n > n_before;
}

/* --- judging one leaf ------------------------------------------------------------------------- */

static enum snp_product report_product(const struct snp_report *r)
{
	return r->has_cpuid ? snp_product_of_cpuid(r->cpuid_family, r->cpuid_model)
			    : SNP_PRODUCT_UNKNOWN;
}

static MUST_USE int eval_chain(struct snp_case *c, struct snp_eval *e)
{
	int err = snp_leaf_parse(&e->info, e->leaf, &e->chain_why);

	if (err < 0)
		return err;
	e->has_info = true;
	if (e->info.kind != c->report.signing_key)
		return why_set(&e->chain_why, -EKEYREJECTED,
			"the report says it was signed by a %s, the certificate is a %s (KEY_INFO)",
			snp_signing_key_name(c->report.signing_key),
			snp_signing_key_name(e->info.kind));
	err = snp_chain_verify(
		&c->pool, &c->roots, e->leaf, e->info.kind, c->in->at, &e->chain, &e->chain_why);
	if (err == 0 || !pool_add_vendor(c, e->leaf))
		return err;
	why_clear(&e->chain_why);
	return snp_chain_verify(
		&c->pool, &c->roots, e->leaf, e->info.kind, c->in->at, &e->chain, &e->chain_why);
}

static struct snp_eval eval_leaf(struct snp_case *c, X509 *leaf)
{
	struct snp_eval e = { .leaf = leaf };
	uint64_t tcb = 0;

	e.has_chain = eval_chain(c, &e) == 0;
	e.has_signature = snp_signature_verify(&c->report, c->raw, leaf, &e.signature_why) == 0;
	enum snp_product product = e.has_chain ? e.chain.product : e.info.product;
	e.is_tcb =
		e.has_info && snp_leaf_tcb(&e.info, product, &tcb) && tcb == c->report.reported_tcb;
	e.is_chip = e.has_info && e.info.kind == SNP_KEY_VCEK &&
		    snp_leaf_hwid_is(&e.info, product, c->report.chip_id);
	return e;
}

/* The leaf that answers best; the host may send many. */
static struct snp_eval leaf_choose(struct snp_case *c)
{
	struct snp_eval best = { 0 };

	for (size_t i = 0; i < c->given.n; i++) {
		if (!snp_leaf_recognise(c->given.at[i]))
			continue;
		struct snp_eval e = eval_leaf(c, c->given.at[i]);
		if (best.leaf == NULL || eval_score(&e) > eval_score(&best))
			best = e;
		if (eval_score(&best) == SCORE_ALL)
			break;
	}
	return best;
}

/* --- rows ------------------------------------------------------------------------------------- */

static void signature_row(const struct snp_case *c, const struct snp_eval *e, struct verdict *v)
{
	const char *key = snp_signing_key_name(c->report.signing_key);

	if (c->report.signing_key != SNP_KEY_VCEK && c->report.signing_key != SNP_KEY_VLEK)
		verdict_set(v, ROW_SIGNATURE, VERDICT_CONTRAINDICATED, "VCEK or VLEK", key,
			"KEY_INFO says that no endorsement key signed this report");
	else if (e->leaf == NULL)
		verdict_set(v, ROW_SIGNATURE, VERDICT_NONE, key, "",
			"not checked: no %s certificate at hand", key);
	else if (e->has_signature)
		verdict_set(v, ROW_SIGNATURE, VERDICT_AFFIRMING, key, key, "%s", "");
	else
		verdict_set(v, ROW_SIGNATURE, VERDICT_CONTRAINDICATED, key, "", "%s",
			e->signature_why.text);
}

static void chain_row(const struct snp_case *c, const struct snp_eval *e, struct verdict *v)
{
	char root[CERT_NAME_MAX], issuer[CERT_NAME_MAX], text[VERDICT_VALUE_MAX];
	const char *unreadable = c->n_unreadable > 0 ? c->unreadable.text : "";

	if (e->leaf == NULL) {
		verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "", "",
			"no %s certificate at hand: give it with --certs or --endorsements%s%s",
			snp_signing_key_name(c->report.signing_key),
			unreadable[0] != '\0' ? "; " : "", unreadable);
		return;
	}
	if (!e->has_chain) {
		verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "", "", "%s", e->chain_why.text);
		return;
	}
	cert_subject_cn(e->chain.issuer, issuer);
	cert_subject_cn(e->chain.root, root);
	(void)snprintf(text, sizeof text, "%s < %s < %s", snp_signing_key_name(e->info.kind),
		issuer, root);
	verdict_set(v, ROW_CHAIN, VERDICT_AFFIRMING, "", text, "%s", "");
}

static void revocation_row(const struct snp_case *c, const struct snp_eval *e, struct verdict *v)
{
	struct why why = { 0 };

	if (!e->has_chain) {
		verdict_set(v, ROW_REVOCATION, VERDICT_NONE, "", "", "no chain to judge");
		return;
	}
	const struct policy_endorsements *p = c->rules;
	enum verdict_status status = snp_chain_revocation(&e->chain, &c->given, c->in->at,
		p != NULL && p->has_max_age ? p->max_age_days : SNP_CRL_ANY_AGE, &why);
	if (status == VERDICT_NONE && p != NULL && p->require_crl)
		verdict_set(v, ROW_REVOCATION, VERDICT_CONTRAINDICATED, "a CRL of the root", "",
			"the policy requires a CRL: %s", why.text);
	verdict_set(v, ROW_REVOCATION, status, "", "", "%s", why.text);
	if (c->lost_crl.text[0] != '\0')
		verdict_set(v, ROW_REVOCATION, VERDICT_WARNING, "", "",
			"a CRL that was given cannot be taken: %s", c->lost_crl.text);
}

/* Report, chain and leaf have to name one product. */
static void product_row(const struct snp_case *c, const struct snp_eval *e,
	enum snp_product product, struct verdict *v)
{
	enum snp_product cpu = report_product(&c->report);
	const char *name = snp_product_name(product);

	if (product == SNP_PRODUCT_UNKNOWN)
		verdict_set(v, ROW_PRODUCT, VERDICT_CONTRAINDICATED, "", "unknown",
			"neither the report nor a certificate names a product we know");
	else if (c->report.has_cpuid && cpu != product)
		verdict_set(v, ROW_PRODUCT, VERDICT_CONTRAINDICATED, name, snp_product_name(cpu),
			"the certificates are %s's, the report's CPUID family 0x%x model 0x%x is "
			"not",
			name, c->report.cpuid_family, c->report.cpuid_model);
	else if (e->has_chain && e->info.product != product)
		verdict_set(v, ROW_PRODUCT, VERDICT_CONTRAINDICATED, name, e->info.product_name,
			"the certificate's productName is not its issuer's product");
	else if (!c->report.has_cpuid && product != SNP_PRODUCT_MILAN &&
		 product != SNP_PRODUCT_GENOA)
		verdict_set(v, ROW_PRODUCT, VERDICT_CONTRAINDICATED, "", name,
			"a version 2 report cannot say the firmware levels of this product");
	else
		verdict_set(v, ROW_PRODUCT, VERDICT_AFFIRMING, "", name, "%s", "");
}

static void tcb_certificate_row(const struct snp_case *c, const struct snp_eval *e,
	enum snp_product product, struct verdict *v)
{
	char want[TCB_TEXT_MAX], got[TCB_TEXT_MAX];
	uint64_t word = 0;

	if (!snp_leaf_tcb(&e->info, product, &word)) {
		verdict_set(v, ROW_TCB, VERDICT_CONTRAINDICATED, "", "",
			"the certificate does not name every firmware level (SPL extensions)");
		return;
	}
	struct tcb cert = tcb_decode(product, word);
	struct tcb reported = tcb_decode(product, c->report.reported_tcb);
	tcb_print(&cert, want);
	tcb_print(&reported, got);
	if (word == c->report.reported_tcb)
		verdict_set(v, ROW_TCB, VERDICT_AFFIRMING, want, got, "%s", "");
	else
		verdict_set(v, ROW_TCB, VERDICT_CONTRAINDICATED, want, got, "%s",
			e->has_signature
				? "the signature matches the VCEK of another TCB than the report's "
				  "REPORTED_TCB (1.4: seen on hosts whose firmware was updated)"
				: "the certificate speaks for another TCB than the report's "
				  "REPORTED_TCB");
}

/* REPORTED <= COMMITTED <= CURRENT, LAUNCH <= CURRENT (1.4). */
static void tcb_order_row(const struct snp_report *r, enum snp_product product, struct verdict *v)
{
	const struct {
		uint64_t low, high;
		const char *text;
	} pairs[] = {
		{ r->reported_tcb, r->committed_tcb, "REPORTED_TCB is above COMMITTED_TCB" },
		{ r->committed_tcb, r->current_tcb, "COMMITTED_TCB is above CURRENT_TCB" },
		{ r->launch_tcb, r->current_tcb, "LAUNCH_TCB is above CURRENT_TCB" },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct tcb low = tcb_decode(product, pairs[i].low);
		struct tcb high = tcb_decode(product, pairs[i].high);
		char want[TCB_TEXT_MAX], got[TCB_TEXT_MAX];
		const char *name = tcb_first_below(&high, &low);
		if (name == NULL)
			continue;
		tcb_print(&high, want);
		tcb_print(&low, got);
		verdict_set(v, ROW_TCB, VERDICT_CONTRAINDICATED, want, got, "%s in %s",
			pairs[i].text, name);
	}
}

static bool chip_is_masked(const struct snp_report *r)
{
	static const uint8_t zero[SNP_CHIP_ID_BYTES];

	return memcmp(r->chip_id, zero, sizeof zero) == 0;
}

static void chip_row(const struct snp_case *c, const struct snp_eval *e, struct verdict *v)
{
	char got[VERDICT_VALUE_MAX];

	wr_hex_str(got, sizeof got, c->report.chip_id, sizeof c->report.chip_id);
	if (chip_is_masked(&c->report))
		verdict_set(v, ROW_CHIP_ID, VERDICT_NONE, "", "masked",
			"the host hides the chip (MASK_CHIP_ID): it cannot be compared");
	else if (!e->has_info)
		verdict_set(v, ROW_CHIP_ID, VERDICT_NONE, "", got, "no certificate names a chip");
	else if (e->info.kind == SNP_KEY_VLEK)
		verdict_set(
			v, ROW_CHIP_ID, VERDICT_NONE, "", got, "a VLEK certificate names no chip");
	else if (e->is_chip)
		verdict_set(v, ROW_CHIP_ID, VERDICT_AFFIRMING, got, got, "%s", "");
	else
		verdict_set(v, ROW_CHIP_ID, VERDICT_CONTRAINDICATED, "the certificate's hwID", got,
			"the certificate is another chip's than the report");
}

/* Chips that the policy refuses. The certificate names one that the report may hide. */
static void chip_deny_row(const struct snp_case *c, const struct snp_eval *e,
	enum snp_product product, struct verdict *v)
{
	const struct policy_endorsements *p = c->rules;
	bool is_known =
		!chip_is_masked(&c->report) || (e->has_info && e->info.kind == SNP_KEY_VCEK);

	if (p == NULL)
		return;
	if (p->n_deny_chips > 0 && !is_known)
		verdict_set(v, ROW_CHIP_ID, VERDICT_CONTRAINDICATED, "", "masked",
			"the policy denies chips, the host hides which one this is");
	for (uint64_t i = 0; i < p->n_deny_chips; i++) {
		const uint8_t *id = p->deny_chips[i].id;
		if (memcmp(id, c->report.chip_id, SNP_CHIP_ID_BYTES) == 0 ||
			(e->has_info && snp_leaf_hwid_is(&e->info, product, id)))
			verdict_set(v, ROW_CHIP_ID, VERDICT_CONTRAINDICATED, "", "",
				"the policy's deny list names this chip");
	}
}

static void certificate_claims(const struct snp_eval *e, struct claims *c)
{
	uint8_t digest[32];

	if (e->has_info)
		claims_add_text(c, "certificate_product", e->info.product_name);
	if (e->has_info && e->info.kind == SNP_KEY_VLEK)
		claims_add_text(c, "certificate_csp_id", e->info.csp_id);
	if (e->has_chain && cert_sha256(e->chain.root, digest) == 0)
		claims_add_bytes(c, "root_sha256", digest, sizeof digest);
}

static void case_judge(struct snp_case *c, struct verdict *v)
{
	struct snp_eval e = leaf_choose(c);
	enum snp_product product = e.has_chain ? e.chain.product : report_product(&c->report);

	if (product == SNP_PRODUCT_UNKNOWN)
		product = e.info.product;
	verdict_init(v, EVIDENCE_SNP);
	signature_row(c, &e, v);
	chain_row(c, &e, v);
	appraise_trust(e.has_chain && e.has_signature ? e.chain.trust : TRUST_HOST, c->in->policy,
		v); /* a root vouches for what its leaf signed */
	revocation_row(c, &e, v);
	product_row(c, &e, product, v);
	if (e.has_info)
		tcb_certificate_row(c, &e, product, v);
	else
		verdict_set(v, ROW_TCB, VERDICT_NONE, "", "", "no certificate speaks for a TCB");
	tcb_order_row(&c->report, product, v);
	chip_row(c, &e, v);
	chip_deny_row(c, &e, product, v);
	appraise_snp(&c->report, product, c->in, v);
	appraise_snp_provider(
		e.has_info && e.info.kind == SNP_KEY_VLEK ? e.info.csp_id : NULL, c->in->policy, v);
	appraise_snp_claims(&c->report, product, &v->claims);
	certificate_claims(&e, &v->claims);
	verdict_close(v, c->in->required_rows);
}

/* --- the public calls ------------------------------------------------------------------------- */

/* MSG_REPORT_RSP: status 0, the report's length, 24 zero bytes (1.6). */
static MUST_USE int response_strip(struct attest_blob *b, struct why *why)
{
	struct rd r = rd_of(b->p, b->len);

	if (b->len != SNP_RESPONSE_HEADER + SNP_REPORT_BYTES)
		return 0;
	uint32_t status = rd_le32(&r), size = rd_le32(&r);
	rd_zero(&r, 24);
	if (rd_check(&r) < 0 || status != 0 || size != SNP_REPORT_BYTES)
		return why_set(why, -EBADMSG,
			"report response: status 0x%x, size %u, want 0 and %u, then 24 zero bytes",
			status, size, SNP_REPORT_BYTES);
	b->p += SNP_RESPONSE_HEADER;
	b->len -= SNP_RESPONSE_HEADER;
	return 0;
}

int attest_parse_snp(struct attest_blob evidence, struct snp_report *ret, struct why *why)
{
	int err = response_strip(&evidence, why);

	return err < 0 ? err : snp_report_parse(ret, evidence.p, evidence.len, why);
}

int attest_verify_snp(const struct attest_inputs *in, struct verdict *ret, struct why *why)
{
	AUTO(snp_case)
	struct snp_case c = { .in = in,
		.rules = in->policy == NULL ? NULL : &in->policy->tee.endorsements };
	struct attest_blob raw = in->evidence;

	int err = response_strip(&raw, why);
	if (err == 0)
		err = snp_report_parse(&c.report, raw.p, raw.len, why);
	if (err < 0)
		return err;
	c.raw = raw.p;
	case_gather(&c);
	case_judge(&c, ret);
	return 0;
}

/* By kind of evidence; a certificate is judged with what it carries. */
static MUST_USE int kind_verify(
	const struct attest_inputs *in, struct verdict *ret, struct why *why)
{
	enum evidence_kind kind = in->kind;

	if (atls_recognise(in->evidence.p, in->evidence.len))
		return atls_verify(in, ret, why);
	if (kind == EVIDENCE_UNKNOWN)
		kind = attest_recognise_bare(in->evidence.p, in->evidence.len);
	switch (kind) {
	case EVIDENCE_SNP:
		return attest_verify_snp(in, ret, why);
	case EVIDENCE_TDX:
		return attest_verify_tdx(in, ret, why);
	case EVIDENCE_SEV:
		return attest_verify_sev(in, ret, why);
	case EVIDENCE_TPM:
		return attest_verify_tpm(in, ret, why);
	case EVIDENCE_UNKNOWN:
	case EVIDENCE_KIND_COUNT:
		break;
	}
	return why_set(why, -EBADMSG, "%zu bytes that are no evidence we know", in->evidence.len);
}

/* Whoever asks must not be answered with evidence of another kind, which cannot say it. */
static void asked_rows(const struct attest_inputs *in, struct verdict *v)
{
	const struct policy_tpm *t =
		in->policy != NULL && in->policy->tee.has_tpm ? &in->policy->tee.tpm : NULL;
	const struct attest_tpm *given = &in->tpm;
	bool is_tpm = v->kind == EVIDENCE_TPM;
	const struct {
		enum verdict_row_id row;
		bool is_asked;
		const char *why;
	} rows[] = {
		{ ROW_REPORT_DATA, in->report_data != NULL,
			"this evidence carries no report data" },
		{ ROW_HOST_DATA, in->host_data != NULL, "this evidence carries no host data" },
		{ ROW_MEASUREMENT, in->n_digests > 0, "this evidence carries no launch digest" },
		{ ROW_PCRS,
			!is_tpm && t != NULL &&
				(t->n_pcrs > 0 || t->n_aks > 0 || t->require_event_log ||
					t->secure_boot != POLICY_ANY),
			"the policy asks for a TPM's quote (tee.tpm), and this evidence is none" },
		{ ROW_PCRS, !is_tpm && given->signature.len + given->ak.len + given->pcrs.len > 0,
			"what belongs to a TPM's quote was given, and this evidence is none" },
		{ ROW_IMA, given->ima.len > 0, "an IMA list was given, but no TPM's quote" },
		{ ROW_BINDING, !is_tpm && given->tee.len + given->tee_quote.len > 0,
			"a TEE's report was given to vouch for a TPM, and this evidence is none" },
		{ ROW_EVENT_LOG, in->n_event_logs > 0, "this evidence has no registers" },
		{ ROW_OWNER, v->kind != EVIDENCE_SEV && in->sev.tik.len > 0,
			"a session's key was given, and this evidence is no SEV measurement" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].is_asked && v->rows[rows[i].row].status == VERDICT_NONE)
			verdict_set(
				v, rows[i].row, VERDICT_CONTRAINDICATED, "", "", "%s", rows[i].why);
	verdict_close(v, in->required_rows);
}

int attest_verify(const struct attest_inputs *in, struct verdict *ret, struct why *why)
{
	int err = kind_verify(in, ret, why);

	if (err == 0)
		asked_rows(in, ret);
	return err;
}

enum evidence_kind attest_recognise(const uint8_t *bytes, size_t len)
{
	return atls_recognise(bytes, len) ? atls_kind(bytes, len)
					  : attest_recognise_bare(bytes, len);
}

enum evidence_kind attest_recognise_bare(const uint8_t *bytes, size_t len)
{
	struct rd r = rd_of(bytes, len);
	uint32_t first = rd_le32(&r), second = rd_le32(&r);

	if (len == SNP_REPORT_BYTES ||
		(len == SNP_RESPONSE_HEADER + SNP_REPORT_BYTES && first == 0))
		return EVIDENCE_SNP;
	if (len > SEV_MEASURE_BYTES && (first & 0xFFF0FFF0u) == 0 && second == 0x81)
		return EVIDENCE_TDX; /* quote header: version, key type, TEE type (6.1) */
	if (len == SEV_MEASURE_BYTES || sev_cert_recognise(bytes, len))
		return EVIDENCE_SEV; /* MAC and MNONCE; or the platform's certificates (5) */
	if (tpm_evidence_recognise((struct attest_blob){ bytes, len }))
		return EVIDENCE_TPM;
	return EVIDENCE_UNKNOWN;
}

int attest_check_certs(struct attest_blob blob, size_t *ret_n, struct why *why)
{
	AUTO(cert_store) struct cert_store s = { 0 };
	struct sev_certs sev = { 0 };
	bool is_sev = sev_cert_recognise(blob.p, blob.len);
	int err = is_sev ? sev_certs_add(&sev, blob.p, blob.len, why)
			 : cert_store_add(&s, blob.p, blob.len, why);

	if (err == 0 && is_sev)
		*ret_n = sev.n;
	else if (err == 0)
		*ret_n = s.n + s.n_crls;
	return err;
}
