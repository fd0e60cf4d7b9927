#include <errno.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/appraise.h"
#include "attest/appraise_row.h"
#include "attest/cert.h"
#include "attest/eventlog.h"
#include "attest/evidence.h"
#include "attest/hcl.h"
#include "attest/ima_log.h"
#include "attest/snp_report.h"
#include "attest/svsm.h"
#include "attest/tpm_evidence.h"
#include "attest/tpm_key.h"
#include "attest/tpm_quote.h"
#include "policy/policy.h"

#define SNP_REPORT_DATA_AT 0x50u

/* Where the attestation key came from. */
enum ak_source { AK_NONE, AK_CALLER, AK_TEE, AK_CERTS, AK_EVIDENCE };

/* One verification: everything it allocates. */
struct tpm_case {
	const struct attest_inputs *in;
	const struct policy_tpm *policy; /* NULL: nothing is asked of the TPM */
	struct tpm_evidence *ev;
	struct tpm_quote quotes[LIMIT_TPM_QUOTES];
	const struct tpm_alg *hashes[LIMIT_TPM_QUOTES]; /* that signed; NULL: no good signature */
	struct tpm_key ak;
	enum ak_source source;
	struct why ak_why; /* why there is none */
	struct cert_store certs, roots;
	struct tpm_pcrs values; /* proven by a signed quote */
	struct hcl_report hcl;  /* kind EVIDENCE_UNKNOWN: none */
	struct attest_blob tee, tee_quote;
	struct verdict *inner; /* of the TEE's report */
	bool is_bound;
};

static void tpm_case_auto(struct tpm_case **p)
{
	struct tpm_case *c = *p;

	if (c == NULL)
		return;
	tpm_evidence_free(c->ev);
	tpm_key_done(&c->ak);
	cert_store_done(&c->certs);
	cert_store_done(&c->roots);
	free(c->inner);
	free(c);
}

/* --- gathering ---------------------------------------------------------------------------------- */

/*
 * id-tcg-kp-AIKCertificate (9.3). Google's older ones name the EK's purpose instead, for a key that may
 * only sign.
 */
static bool is_ak_certificate(X509 *x)
{
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	bool may_only_sign = (X509_get_extension_flags(x) & EXFLAG_KUSAGE) != 0 &&
			     X509_get_key_usage(x) == KU_DIGITAL_SIGNATURE;
	char oid[32];
	bool found = false;

	for (int i = 0; i < sk_ASN1_OBJECT_num(eku); i++)
		found |= OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(eku, i), 1) > 0 &&
			 (strcmp(oid, "2.23.133.8.3") == 0 ||
				 (may_only_sign && strcmp(oid, "2.23.133.8.1") == 0));
	EXTENDED_KEY_USAGE_free(eku);
	return found;
}

static void blobs_add(struct cert_store *s, const struct attest_blob *blobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cert_store_add(s, blobs[i].p, blobs[i].len, NULL) < 0)
			continue; /* what cannot be read counts as absent: the chain row tells */
}

/* The key in the HCL report; what is wrong with the report is the binding row's matter. */
static MUST_USE int ak_of_hcl(struct tpm_case *c)
{
	struct hcl_report h;
	EVP_PKEY *key = NULL;

	if (!hcl_recognise(c->tee) || hcl_parse(&h, c->tee, NULL) < 0 || hcl_ak(&h, &key, NULL) < 0)
		return -ENOENT;
	int err = tpm_key_of(&c->ak, key, NULL);
	EVP_PKEY_free(key);
	return err;
}

/* The AK certificate among the others whose key fits the first quote's signature, or just the first. */
static MUST_USE int ak_of_certs(struct tpm_case *c)
{
	const struct tpm_signed *q = &c->ev->quotes[0];
	const struct tpm_alg *hash;

	for (size_t i = 0; i < c->certs.n; i++) {
		struct tpm_key k = { 0 };
		if (!is_ak_certificate(c->certs.at[i]) ||
			tpm_key_of(&k, X509_get0_pubkey(c->certs.at[i]), NULL) < 0)
			continue;
		if (tpm_signature_verify(&k, q->signature, q->attest, c->quotes[0].digest.len,
			    &hash, NULL) == 0 &&
			X509_up_ref(c->certs.at[i]) == 1) {
			k.cert = c->certs.at[i];
			c->ak = k;
			return 0;
		}
		tpm_key_done(&k);
	}
	return -ENOENT;
}

/* A key that was only found beside the evidence is the evidence's own. */
static void ak_find(struct tpm_case *c)
{
	const struct attest_tpm *given = &c->in->tpm;
	bool is_found = given->is_ak_found && given->ak.len > 0;
	struct attest_blob own = is_found ? given->ak : c->ev->ak;

	if (given->ak.len > 0 && !is_found) {
		if (tpm_key_load(&c->ak, given->ak, &c->ak_why) == 0)
			c->source = AK_CALLER;
	} else if (ak_of_hcl(c) == 0) {
		c->source = AK_TEE;
	} else if (ak_of_certs(c) == 0) {
		c->source = AK_CERTS;
	} else if (own.len > 0) {
		if (tpm_key_load(&c->ak, own, &c->ak_why) == 0)
			c->source = AK_EVIDENCE;
	} else {
		(void)why_set(&c->ak_why, 0, "%s",
			c->tee.len > 0
				? "the TEE's report names no attestation key, and none was given"
				: "no attestation key at hand: give it, its certificate, or the "
				  "TEE's "
				  "report that vouches for it");
	}
}

static MUST_USE int case_gather(struct tpm_case *c, struct why *why)
{
	const struct attest_tpm *given = &c->in->tpm;
	int err = tpm_evidence_parse(c->in->evidence, &c->ev, why);

	for (size_t i = 0; err == 0 && i < c->ev->n; i++)
		err = tpm_quote_parse(&c->quotes[i], c->ev->quotes[i].attest, why);
	if (err < 0)
		return err;
	if (c->ev->quotes[0].signature.p == NULL)
		c->ev->quotes[0].signature = given->signature;
	c->tee = given->tee.len > 0 ? given->tee : c->ev->tee;
	c->tee_quote = given->tee_quote.len > 0 ? given->tee_quote : c->ev->tee_quote;
	c->policy = c->in->policy != NULL && c->in->policy->tee.has_tpm ? &c->in->policy->tee.tpm
									: NULL;
	blobs_add(&c->certs, c->in->certs, c->in->n_certs);
	blobs_add(&c->roots, c->in->roots, c->in->n_roots);
	ak_find(c);
	return 0;
}

/* --- signature, key, chain ---------------------------------------------------------------------- */

static void signature_row(struct tpm_case *c, struct verdict *v)
{
	if (c->ev->n == 0 && c->in->tpm.signature.len + c->in->tpm.pcrs.len > 0)
		verdict_set(v, ROW_SIGNATURE, VERDICT_CONTRAINDICATED, "a quote", "",
			"a quote's signature or registers were given, but there is no quote");
	if (c->ev->n == 0 && c->tee.len == 0)
		verdict_set(v, ROW_SIGNATURE, VERDICT_WARNING, "", "",
			"a log alone: no quote proves it, anybody can write it");
	for (size_t i = 0; i < c->ev->n; i++) {
		const struct tpm_signed *q = &c->ev->quotes[i];
		struct why why = { 0 };
		if (c->source == AK_NONE)
			verdict_set(v, ROW_SIGNATURE, VERDICT_CONTRAINDICATED, "", "", "%s",
				c->ak_why.text);
		else if (q->signature.len == 0)
			verdict_set(v, ROW_SIGNATURE, VERDICT_CONTRAINDICATED, "", "",
				"the quote comes without its signature");
		else if (tpm_signature_verify(&c->ak, q->signature, q->attest,
				 c->quotes[i].digest.len, &c->hashes[i], &why) < 0)
			verdict_set(v, ROW_SIGNATURE, VERDICT_CONTRAINDICATED, "AK", "", "%s",
				why.text);
		else
			verdict_set(v, ROW_SIGNATURE, VERDICT_AFFIRMING, "AK", "AK", "%s", "");
	}
}

/* May be NULL. */
static X509_STORE *store_make(const struct tpm_case *c, const struct cert_store *crls)
{
	X509_STORE *s = X509_STORE_new();
	bool ok = s != NULL;

	for (size_t i = 0; ok && i < c->roots.n; i++)
		ok = X509_STORE_add_cert(s, c->roots.at[i]) == 1;
	for (size_t i = 0; ok && i < crls->n_crls; i++)
		ok = X509_STORE_add_crl(s, crls->crls[i]) == 1;
	if (ok)
		return s;
	X509_STORE_free(s);
	return NULL;
}

static MUST_USE int chain_verify(
	struct tpm_case *c, const struct cert_store *crls, unsigned long flags, struct why *why)
{
	STACK_OF(X509) *others = sk_X509_new_null();
	X509_STORE *store = store_make(c, crls);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int err = -ENOMEM;
	bool ok = others != NULL && store != NULL && ctx != NULL;

	for (size_t i = 0; ok && i < c->certs.n; i++)
		ok = sk_X509_push(others, c->certs.at[i]) > 0;
	for (size_t i = 0; ok && i < c->ak.chain.n; i++)
		ok = sk_X509_push(others, c->ak.chain.at[i]) > 0;
	if (ok && X509_STORE_CTX_init(ctx, store, c->ak.cert, others) == 1) {
		X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
		X509_VERIFY_PARAM_set_time(param, c->in->at);
		X509_VERIFY_PARAM_set_auth_level(param, 2); /* RSA-2048, no SHA-1 */
		(void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | flags);
		err = X509_verify_cert(ctx) == 1 ? 0 : -EKEYREJECTED;
	}
	if (err == -EKEYREJECTED)
		(void)why_set(why, err, "the attestation key's certificate: %s",
			X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_free(others);
	return err < 0 ? why_set(why, err, "out of memory") : 0;
}

static void revocation_row(struct tpm_case *c, struct verdict *v)
{
	AUTO(cert_store) struct cert_store crls = { 0 };
	const struct policy *p = c->in->policy;
	bool is_required = p != NULL && p->tee.endorsements.require_crl, speaks = false;
	struct why why = { 0 };

	for (size_t i = 0; i < c->in->n_crls; i++)
		if (cert_store_add(&crls, c->in->crls[i].p, c->in->crls[i].len, &why) < 0)
			verdict_set(v, ROW_REVOCATION, VERDICT_WARNING, "", "",
				"a CRL that was given cannot be taken: %s", why.text);
	why_clear(&why);
	for (size_t i = 0; i < crls.n_crls; i++)
		speaks |= X509_NAME_cmp(X509_CRL_get_issuer(crls.crls[i]),
				  X509_get_issuer_name(c->ak.cert)) == 0;
	if (!speaks)
		verdict_set(v, ROW_REVOCATION, is_required ? VERDICT_CONTRAINDICATED : VERDICT_NONE,
			"", "", "no CRL of the attestation key's issuer was given%s",
			is_required ? "; the policy requires it" : "");
	else if (chain_verify(c, &crls, X509_V_FLAG_CRL_CHECK, &why) < 0)
		verdict_set(v, ROW_REVOCATION, VERDICT_CONTRAINDICATED, "", "", "%s", why.text);
	else
		verdict_set(v, ROW_REVOCATION, VERDICT_AFFIRMING, "", "", "%s", "");
}

static bool ak_is_listed(const struct tpm_case *c)
{
	for (uint64_t i = 0; c->policy != NULL && i < c->policy->n_aks; i++)
		if (memcmp(c->policy->aks[i].sha256, c->ak.spki_sha256, 32) == 0)
			return true;
	return false;
}

/* A certificate has to lead to a root that the caller trusts. */
static void chain_row_certificate(struct tpm_case *c, struct verdict *v)
{
	const struct cert_store no_crls = { 0 };
	struct why why = { 0 };
	char name[CERT_NAME_MAX];

	cert_subject_cn(c->ak.cert, name);
	if (!is_ak_certificate(c->ak.cert))
		verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "an AK certificate", name,
			"the certificate is not one of an attestation key (extended key usage "
			"2.23.133.8.3)");
	else if (c->roots.n == 0)
		verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "", name,
			"no root was given that the attestation key's certificate could lead to");
	else if (chain_verify(c, &no_crls, 0, &why) < 0)
		verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "", name, "%s", why.text);
	else {
		verdict_set(v, ROW_CHAIN, VERDICT_AFFIRMING, "", name,
			"the attestation key's certificate leads to a root that was given");
		revocation_row(c, v);
	}
}

static void chain_row(struct tpm_case *c, struct verdict *v)
{
	struct why why = { 0 };
	char key[VERDICT_VALUE_MAX];

	wr_hex_str(key, sizeof key, c->ak.spki_sha256, sizeof c->ak.spki_sha256);
	if (c->source == AK_NONE && c->ev->n == 0)
		verdict_set(v, ROW_CHAIN, VERDICT_NONE, "", "", "%s", c->ak_why.text);
	else if (c->source == AK_NONE)
		verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "", "", "%s", c->ak_why.text);
	else if (tpm_key_check_ak(&c->ak, &why) < 0)
		verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "", key, "%s", why.text);
	else if (c->policy != NULL && c->policy->n_aks > 0 && !ak_is_listed(c))
		verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "tee.tpm.aks", key,
			"the policy does not list this attestation key");
	else if (c->is_bound)
		return; /* the TEE's chain speaks for it */
	else if (c->tee.len > 0 && !ak_is_listed(c))
		verdict_set(v, ROW_CHAIN, VERDICT_NONE, "", key,
			"only the TEE's report could vouch for the attestation key (row binding)");
	else if (ak_is_listed(c))
		verdict_set(v, ROW_CHAIN, VERDICT_AFFIRMING, "tee.tpm.aks", key,
			"the policy lists the attestation key");
	else if (c->ak.cert != NULL)
		chain_row_certificate(c, v);
	else if (c->source == AK_CALLER)
		verdict_set(v, ROW_CHAIN, VERDICT_AFFIRMING, "", key,
			"the caller gave the attestation key; nobody else vouches for it");
	else
		verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "", key,
			"nobody vouches for the attestation key, which came with the "
			"evidence: give it with --ak if you trust it");
}

/* --- the TEE that the TPM is in ----------------------------------------------------------------- */

/* Judge the TEE's own report, with everything that was given; its rows become ours. */
static MUST_USE int inner_judge(
	struct tpm_case *c, enum evidence_kind kind, struct attest_blob report, struct why *why)
{
	struct attest_inputs in = *c->in;
	struct attest_blob *certs = calloc(in.n_certs + 1, sizeof *certs);

	c->inner = calloc(1, sizeof *c->inner);
	if (certs == NULL || c->inner == NULL) {
		free(certs);
		return why_set(why, -ENOMEM, "out of memory");
	}
	if (in.n_certs > 0)
		memcpy(certs, in.certs, in.n_certs * sizeof *certs);
	certs[in.n_certs] = c->ev->certs;
	in.certs = certs;
	in.n_certs += c->ev->certs.len > 0;
	in.kind = kind;
	in.evidence = report;
	in.report_data = NULL, in.report_data_len = 0; /* the binding says what it has to be */
	in.event_logs = NULL, in.n_event_logs = 0;     /* the TPM's */
	in.required_rows = 0;
	int err = kind == EVIDENCE_SNP ? attest_verify_snp(&in, c->inner, why)
				       : attest_verify_tdx(&in, c->inner, why);
	free(certs);
	if (err < 0) {
		free(c->inner);
		c->inner = NULL;
	}
	return err;
}

static void inner_fold(const struct tpm_case *c, struct verdict *v)
{
	const char *name = evidence_kind_name(c->inner->kind);

	for (enum verdict_row_id r = 0; r < ROW_COUNT; r++) {
		const struct verdict_row *row = &c->inner->rows[r];
		/* A paravisor's HOST_DATA is its maker's: the registers speak for the guest. */
		bool is_ours = r == ROW_REPORT_DATA || r == ROW_TRUST ||
			       (r == ROW_HOST_DATA && c->in->host_data == NULL &&
				       c->hcl.kind != EVIDENCE_UNKNOWN);
		if (!is_ours && (row->status != VERDICT_NONE || row->why[0] != '\0'))
			verdict_set(v, r, row->status, row->expected, row->actual, "%s%s%s", name,
				row->why[0] != '\0' ? ": " : " report", row->why);
	}
	for (size_t i = 0; i < c->inner->claims.n && v->claims.n < CLAIMS_MAX; i++)
		v->claims.at[v->claims.n++] = c->inner->claims.at[i];
}

static MUST_USE int hcl_bind(struct tpm_case *c, char *ret, size_t size, struct why *why)
{
	AUTO(tpm_key) struct tpm_key bound = { 0 };
	struct hcl_report h = { 0 };
	EVP_PKEY *key = NULL;

	int err = hcl_parse(&h, c->tee, why);
	c->hcl = h;
	if (err == 0)
		err = hcl_check_variable(&h, why);
	if (err == 0)
		err = hcl_ak(&h, &key, why);
	if (err == 0)
		err = tpm_key_of(&bound, key, why);
	EVP_PKEY_free(key);
	if (err == 0 &&
		(c->source == AK_NONE || memcmp(bound.spki_sha256, c->ak.spki_sha256, 32) != 0))
		err = why_set(
			why, -EKEYREJECTED, "the attestation key is not the HCL report's HCLAkPub");
	if (err == 0 && h.kind == EVIDENCE_TDX && c->tee_quote.len == 0)
		err = why_set(why, -EKEYREJECTED,
			"the HCL report holds a TDREPORT, which proves nothing outside its "
			"machine: give the TDX quote too");
	if (err == 0 && h.kind == EVIDENCE_TDX)
		err = hcl_check_td_quote(&h, c->tee_quote, why);
	if (err == 0)
		err = inner_judge(c, h.kind, h.kind == EVIDENCE_TDX ? c->tee_quote : h.tee, why);
	(void)snprintf(ret, size, "HCLAkPub in the report data of the %s report",
		evidence_kind_name(h.kind));
	return err;
}

/* The manifest proves an EK; that the AK lives beside it is shown by a credential only (9.3). */
static MUST_USE int svsm_bind(struct tpm_case *c, struct why *why)
{
	const struct attest_blob nonce = { c->in->report_data, c->in->report_data_len };
	AUTO(tpm_key) struct tpm_key ek = { 0 };
	struct attest_blob report = c->tee_quote, ek_blob;

	if (report.len != SNP_REPORT_BYTES)
		return why_set(why, -EKEYREJECTED,
			"an SVSM manifest proves nothing without its SNP report");
	int err = svsm_check_binding(report.p + SNP_REPORT_DATA_AT, nonce, c->tee, why);
	if (err == 0)
		err = svsm_find(c->tee, svsm_guid_vtpm, &ek_blob, why);
	if (err == 0)
		err = tpm_key_load(&ek, ek_blob, why);
	if (err == 0)
		err = inner_judge(c, EVIDENCE_SNP, report, why);
	if (err < 0)
		return err;
	return why_set(why, -EKEYREJECTED,
		"the SVSM's report proves the TPM's endorsement key, but not that this "
		"attestation key is of that TPM: a credential has to be activated");
}

/* A hash of the key, as SubjectPublicKeyInfo or as it was given, in the report data (10.4). */
static bool report_data_names_ak(const struct tpm_case *c, const uint8_t report_data[64])
{
	static const uint16_t ids[] = { TPM_ALG_SHA256, TPM_ALG_SHA384, TPM_ALG_SHA512 };
	unsigned char *der = NULL;
	int len = c->source == AK_NONE ? -1 : i2d_PUBKEY(c->ak.key, &der);
	const struct tpm_part forms[] = { { der, len > 0 ? (size_t)len : 0 },
		{ c->in->tpm.ak.p, c->in->tpm.ak.len } };
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
			uint8_t want[64] = { 0 };
			found |= forms[k].len > 0 &&
				 tpm_hash(tpm_alg_find(ids[i]), &forms[k], 1, want) == 0 &&
				 memcmp(want, report_data, sizeof want) == 0;
		}
	OPENSSL_free(der);
	return found;
}

static MUST_USE int report_bind(struct tpm_case *c, char *ret, size_t size, struct why *why)
{
	enum evidence_kind kind = attest_recognise(c->tee.p, c->tee.len);
	size_t at = SNP_REPORT_DATA_AT;

	if (kind == EVIDENCE_SNP && c->tee.len != SNP_REPORT_BYTES)
		at += SNP_RESPONSE_HEADER;
	else if (kind == EVIDENCE_TDX) /* v5: type and size before the body */
		at = 48 + 520 + (c->tee.p[0] == 5 ? 6 : 0);
	else if (kind != EVIDENCE_SNP)
		return why_set(why, -EBADMSG,
			"%zu bytes that are no TEE's report (HCL report, SVSM manifest, SNP "
			"report, "
			"TDX quote)",
			c->tee.len);
	if (c->tee.len < at + 64 || !report_data_names_ak(c, c->tee.p + at))
		return why_set(why, -EKEYREJECTED,
			"the TEE's report data is no hash of the attestation key");
	(void)snprintf(ret, size, "hash of the key in the report data of the %s report",
		evidence_kind_name(kind));
	return inner_judge(c, kind, c->tee, why);
}

static void binding_row(struct tpm_case *c, struct verdict *v)
{
	char text[VERDICT_VALUE_MAX] = "";
	struct why why = { 0 };
	int err;

	if (c->tee.len == 0) {
		verdict_set(v, ROW_BINDING, VERDICT_NONE, "", "",
			"no TEE's report was given: the TPM is outside of one");
		return;
	}
	if (hcl_recognise(c->tee))
		err = hcl_bind(c, text, sizeof text, &why);
	else if (svsm_recognise(c->tee))
		err = svsm_bind(c, &why);
	else
		err = report_bind(c, text, sizeof text, &why);
	c->is_bound = err == 0;
	if (err == 0)
		verdict_set(v, ROW_BINDING, VERDICT_AFFIRMING, "", text, "%s", "");
	else
		verdict_set(
			v, ROW_BINDING, VERDICT_CONTRAINDICATED, "", "", "%s", why_text(&why, err));
}

/* The launch policy itself; that of a TEE's report is judged with the report. */
static void policy_row(const struct tpm_case *c, struct verdict *v)
{
	const struct policy *p = c->in->policy;

	if (c->inner != NULL || p == NULL)
		return;
	row_policy_itself(v, p, c->tee.len > 0 ? p->tee.type : POLICY_TEE_NONE, c->in->at);
	if (p->tee.endorsements.n_deny_chips > 0)
		verdict_set(v, ROW_CHIP_ID, VERDICT_CONTRAINDICATED, "", "",
			"the policy denies chips, a TPM does not say which one it is in");
}

/* Outside a TEE a TPM is the host's: class host, whoever made it. */
static void trust_row(const struct tpm_case *c, struct verdict *v)
{
	const struct policy *p = c->in->policy;

	if (c->is_bound)
		appraise_trust(c->inner->trust, p, v);
	else if (c->tee.len > 0)
		verdict_set(v, ROW_TRUST, VERDICT_NONE, "", "host",
			"the TEE's report is not bound to this TPM (row binding)");
	else if (p == NULL)
		verdict_set(v, ROW_TRUST, VERDICT_NONE, "", "host",
			"a TPM outside a TEE: the host can reach what it measured; no policy was "
			"given to refuse it");
	else if (!policy_tee_proves(p->tee.type))
		verdict_set(v, ROW_TRUST, VERDICT_AFFIRMING, "host", "host",
			"the policy asks for no TEE");
	else
		appraise_trust(TRUST_HOST, p, v);
}

/* --- nonce and registers ------------------------------------------------------------------------ */

static void report_data_row(const struct tpm_case *c, struct verdict *v)
{
	const struct attest_inputs *in = c->in;
	char want[VERDICT_VALUE_MAX], got[VERDICT_VALUE_MAX];
	size_t len = in->report_data_len;

	if (c->ev->n == 0 && in->report_data != NULL)
		verdict_set(v, ROW_REPORT_DATA, VERDICT_CONTRAINDICATED, "", "",
			"there is no quote that could answer the question");
	for (size_t i = 0; i < c->ev->n; i++) {
		struct attest_blob extra = c->quotes[i].extra;
		wr_hex_str(got, sizeof got, extra.p, extra.len);
		if (in->report_data == NULL) {
			verdict_set(v, ROW_REPORT_DATA, VERDICT_NONE, "", got, "%s", "");
			continue;
		}
		wr_hex_str(want, sizeof want, in->report_data, len == 0 ? 64 : len);
		uint8_t padded[64] = { 0 }; /* asked for without a length: zeros behind */
		if (len == 0 && extra.len <= sizeof padded)
			memcpy(padded, extra.p, extra.len);
		if (len == 0 ? memcmp(padded, in->report_data, sizeof padded) == 0 &&
					extra.len <= sizeof padded && extra.len > 0
			     : extra.len == len && memcmp(extra.p, in->report_data, len) == 0)
			verdict_set(v, ROW_REPORT_DATA, VERDICT_AFFIRMING, want, got, "%s", "");
		else
			verdict_set(v, ROW_REPORT_DATA, VERDICT_CONTRAINDICATED, want, got,
				"the quote's extraData is not the value asked for: it answers "
				"another question");
	}
}

/* Values of signed quotes whose digest fits go into c->values. */
static void values_keep(struct tpm_case *c, size_t i, const struct tpm_pcrs *pcrs)
{
	for (size_t k = 0; k < c->quotes[i].n_banks; k++) {
		const struct tpm_alg *alg = c->quotes[i].banks[k].alg;
		struct tpm_bank *to = tpm_pcrs_bank(&c->values, alg, /* make= */ true);
		for (size_t b = 0; to != NULL && b < pcrs->n; b++) {
			if (pcrs->banks[b].alg != alg)
				continue;
			for (uint32_t n = 0; n < TPM_PCRS; n++)
				if (c->quotes[i].banks[k].mask >> n & 1u)
					memcpy(to->value[n], pcrs->banks[b].value[n], alg->size);
			to->present |= c->quotes[i].banks[k].mask;
		}
	}
}

static void pcr_policy_row(struct tpm_case *c, struct verdict *v)
{
	const struct tpm_bank *bank =
		tpm_pcrs_bank(&c->values, tpm_alg_find(TPM_ALG_SHA256), false);
	const struct policy_tpm *p = c->policy;
	char got[VERDICT_VALUE_MAX], want[VERDICT_VALUE_MAX];

	for (uint64_t i = 0; i < p->n_pcrs; i++) {
		const struct policy_pcr *pcr = &p->pcrs[i];
		bool found = false;
		if (bank == NULL || pcr->index >= TPM_PCRS ||
			(bank->present >> pcr->index & 1u) == 0) {
			verdict_set(v, ROW_PCRS, VERDICT_CONTRAINDICATED, "", "",
				"the policy asks for PCR %u (sha256), which the quote does not "
				"prove",
				(unsigned int)pcr->index);
			continue;
		}
		for (uint64_t k = 0; k < pcr->n; k++)
			found |= memcmp(pcr->at[k].sha256, bank->value[pcr->index], 32) == 0;
		if (found)
			continue;
		wr_hex_str(got, sizeof got, bank->value[pcr->index], 32);
		wr_hex_str(want, sizeof want, pcr->at[0].sha256, pcr->n > 0 ? 32 : 0);
		verdict_set(v, ROW_PCRS, VERDICT_CONTRAINDICATED, want, got,
			"PCR %u has none of the values that the policy lists: another boot than "
			"expected",
			(unsigned int)pcr->index);
	}
}

static bool is_sha1_only(const struct tpm_case *c)
{
	for (size_t i = 0; i < c->ev->n; i++)
		for (size_t k = 0; k < c->quotes[i].n_banks; k++)
			if (c->quotes[i].banks[k].alg->id != TPM_ALG_SHA1)
				return false;
	return true;
}

static void pcrs_row(struct tpm_case *c, struct verdict *v)
{
	char selection[VERDICT_VALUE_MAX];
	struct why why = { 0 };
	size_t n_good = 0;

	for (size_t i = 0; i < c->ev->n; i++) {
		struct tpm_signed *q = &c->ev->quotes[i];
		int err = q->has_pcrs || c->in->tpm.pcrs.len == 0
				  ? 0
				  : tpm_pcrs_parse(&q->pcrs, c->in->tpm.pcrs, &why);
		if (err == 0 && !q->has_pcrs && c->in->tpm.pcrs.len == 0)
			continue;
		tpm_quote_selection(&c->quotes[i], selection, sizeof selection);
		if (err == 0 && c->hashes[i] == NULL)
			err = why_set(&why, -EKEYREJECTED,
				"the quote is not signed: it proves "
				"nothing");
		if (err == 0)
			err = tpm_quote_check_pcrs(&c->quotes[i], c->hashes[i], &q->pcrs, &why);
		if (err < 0) {
			verdict_set(v, ROW_PCRS, VERDICT_CONTRAINDICATED, selection, "", "%s",
				why_text(&why, err));
			continue;
		}
		values_keep(c, i, &q->pcrs);
		n_good++;
	}
	if (c->policy != NULL)
		pcr_policy_row(c, v);
	if (c->policy != NULL && c->ev->n > 0 && is_sha1_only(c))
		verdict_set(v, ROW_PCRS, VERDICT_CONTRAINDICATED, "sha256", "sha1",
			"only the SHA-1 bank was quoted: its values can be forged");
	if (n_good > 0)
		verdict_set(v, ROW_PCRS, VERDICT_AFFIRMING, "", selection, "%s",
			is_sha1_only(c) ? "only the SHA-1 bank was quoted: it proves little" : "");
	else
		verdict_set(v, ROW_PCRS, VERDICT_NONE, "", "",
			"no values were given: only their digest is known");
}

/* --- boot log ----------------------------------------------------------------------------------- */

/* How one boot's log fares against the proven registers. */
struct boot {
	struct eventlog_replay replay; /* of the bank that was compared last */
	uint32_t same, differ;         /* registers: mask, over the banks */
	uint32_t in_sha256;            /* those of same that the SHA-256 bank proves */
	uint32_t unsaid;               /* firmware's registers that were extended, but not logged */
	enum eventlog_switch secure_boot; /* by the banks that prove PCR 7, SHA-256 among them */
	const struct tpm_alg *alg;        /* compared last; NULL: none */
	char want[VERDICT_VALUE_MAX], got[VERDICT_VALUE_MAX]; /* of the first that differs */
	struct why why;                                       /* could not be read, or a problem */
};

#define FIRMWARE_PCRS   0xFFu /* PCR 0 to 7: nobody but the firmware, which logs, extends them */
#define SECURE_BOOT_PCR 7u
/* What is extended before the kernel runs, and logged: 10 is IMA's, those from 15 on the system's. */
#define LOGGED_PCRS 0x7BFFu

static void bank_compare(const struct tpm_bank *bank, struct boot *b)
{
	static const uint8_t zero[TPM_DIGEST_MAX];

	for (uint32_t n = 0; n < TPM_PCRS; n++) {
		uint32_t bit = 1u << n;
		if ((bank->present & bit) == 0)
			continue;
		bool is_same = memcmp(bank->value[n], b->replay.value[n], bank->alg->size) == 0;
		if ((b->replay.present & bit) == 0) {
			if ((bit & FIRMWARE_PCRS) &&
				memcmp(bank->value[n], zero, bank->alg->size) != 0)
				b->unsaid |= bit;
			continue;
		}
		if (!is_same && b->differ == 0) {
			wr_hex_str(b->want, sizeof b->want, bank->value[n], bank->alg->size);
			wr_hex_str(b->got, sizeof b->got, b->replay.value[n], bank->alg->size);
		}
		/* Every bank that proves the register has to say it. */
		if (is_same && n == SECURE_BOOT_PCR)
			b->secure_boot = b->same & bit ? MIN(b->secure_boot, b->replay.secure_boot)
						       : b->replay.secure_boot;
		b->differ |= is_same ? 0 : bit;
		b->same |= is_same ? bit : 0;
		b->in_sha256 |= is_same && bank->alg->id == TPM_ALG_SHA256 ? bit : 0;
	}
}

/* SHA-1 counts only where nothing better was quoted: such logs may not replay at all (18). */
static struct boot boot_judge(struct tpm_case *c, struct attest_blob log)
{
	struct boot b = { 0 };
	struct why no_bank = { 0 };

	for (size_t i = 0; i < c->values.n; i++) {
		const struct tpm_bank *bank = &c->values.banks[i];
		struct eventlog_replay r;
		if (bank->alg->id == TPM_ALG_SHA1 && !is_sha1_only(c))
			continue;
		int err = eventlog_replay(log, bank->alg->id, EVENTLOG_TCG, &r, &no_bank);
		if (err == -ENOENT)
			continue;
		if (err < 0) {
			b.why = no_bank;
			return b;
		}
		b.replay = r;
		b.alg = bank->alg;
		if (b.why.text[0] == '\0')
			b.why = r.problem;
		bank_compare(bank, &b);
	}
	/* Every firmware extends SHA-256: of a bank it leaves alone the system makes what it likes. */
	if ((b.in_sha256 >> SECURE_BOOT_PCR & 1u) == 0)
		b.secure_boot = EVENTLOG_NOT_SAID;
	if (b.alg == NULL)
		b.why = no_bank;
	return b;
}

static bool boot_is_better(const struct boot *a, const struct boot *b)
{
	int differ_a = __builtin_popcount(a->differ), differ_b = __builtin_popcount(b->differ);

	if ((a->alg == NULL) != (b->alg == NULL))
		return a->alg != NULL;
	if (differ_a != differ_b)
		return differ_a < differ_b;
	if ((a->why.text[0] == '\0') != (b->why.text[0] == '\0'))
		return a->why.text[0] == '\0';
	return __builtin_popcount(a->same) > __builtin_popcount(b->same);
}

static void mask_print(uint32_t mask, char *ret, size_t size)
{
	struct wr w = wr_of(ret, size);
	const char *comma = "";

	for (uint32_t n = 0; n < TPM_PCRS; n++)
		if (mask >> n & 1u) {
			wr_printf(&w, "%s%u", comma, n);
			comma = ", ";
		}
	if (wr_end_str(&w) < 0)
		return; /* cut, and terminated */
}

static void secure_boot_row(const struct tpm_case *c, const struct boot *b, struct verdict *v)
{
	static const char *const names[] = { "not proven", "off", "on" };
	enum eventlog_switch got = b->secure_boot;
	enum policy_demand want = c->policy == NULL ? POLICY_ANY : c->policy->secure_boot;

	claims_add_text(&v->claims, "secure_boot", names[got]);
	if ((want == POLICY_REQUIRE && got != EVENTLOG_ON) ||
		(want == POLICY_FORBID && got != EVENTLOG_OFF))
		verdict_set(v, ROW_EVENT_LOG, VERDICT_CONTRAINDICATED,
			want == POLICY_REQUIRE ? "secure boot on" : "secure boot off", names[got],
			"secure boot, by what the log proves through PCR 7 (sha256), is not as the "
			"policy demands");
}

/* require_event_log: the firmware's registers, or those of the policy's that a log can speak of. */
static void log_demand_row(const struct tpm_case *c, const struct boot *b, struct verdict *v)
{
	const struct policy_tpm *p = c->policy;
	uint32_t want = 0;
	char missing[128], got[128];

	for (uint64_t i = 0; p != NULL && i < p->n_pcrs; i++)
		want |= p->pcrs[i].index < TPM_PCRS ? 1u << p->pcrs[i].index & LOGGED_PCRS : 0;
	want = want == 0 ? FIRMWARE_PCRS : want;
	if (p == NULL || !p->require_event_log || (want & ~b->in_sha256) == 0)
		return;
	mask_print(want & ~b->in_sha256, missing, sizeof missing);
	mask_print(b->in_sha256, got, sizeof got);
	verdict_set(v, ROW_EVENT_LOG, VERDICT_CONTRAINDICATED, "", got,
		"the policy asks for an event log, and this one does not prove PCR %s (sha256): "
		"quote them, and give the whole log",
		missing);
}

static void boot_row(const struct tpm_case *c, const struct boot *b, struct verdict *v)
{
	char regs[128], text[VERDICT_VALUE_MAX];

	mask_print(b->differ, regs, sizeof regs);
	if (b->why.text[0] != '\0')
		verdict_set(v, ROW_EVENT_LOG, VERDICT_CONTRAINDICATED, "", "", "%s", b->why.text);
	if (b->differ != 0)
		verdict_set(v, ROW_EVENT_LOG, VERDICT_CONTRAINDICATED, b->want, b->got,
			"the event log does not lead to the quoted value of PCR %s (%s): an event "
			"was edited, added or taken away, or the log is another boot's",
			regs, b->alg->name);
	else if (b->same == 0 && b->why.text[0] == '\0')
		verdict_set(v, ROW_EVENT_LOG, VERDICT_CONTRAINDICATED, "", "",
			"the quote covers no register of the event log");
	mask_print(b->unsaid, regs, sizeof regs);
	if (b->unsaid != 0 && b->same != 0)
		verdict_set(v, ROW_EVENT_LOG, VERDICT_CONTRAINDICATED, "", "",
			"the event log says nothing of PCR %s, which the firmware extended: events "
			"were taken away",
			regs);
	if (b->differ != 0 || b->same == 0)
		return;
	mask_print(b->same, regs, sizeof regs);
	(void)snprintf(text, sizeof text, "PCR %s", regs);
	verdict_set(v, ROW_EVENT_LOG, VERDICT_AFFIRMING, "", text,
		"%zu events; %zu of %zu digests are those of the data beside them, what the others "
		"say is hearsay",
		b->replay.n_events, b->replay.n_proven, b->replay.n_extended);
	secure_boot_row(c, b, v);
	log_demand_row(c, b, v);
}

/* Without a quote: is it at least what it says? */
static void log_alone_row(const struct attest_blob *logs, size_t n, struct verdict *v)
{
	for (size_t i = 0; i < n; i++) {
		struct attest_blob boots[LIMIT_EVENTLOG_BOOTS];
		size_t n_boots = eventlog_split(logs[i], boots);
		for (size_t k = 0; k < n_boots; k++) {
			struct eventlog_replay r = { 0 };
			struct eventlog log;
			struct why why = { 0 };
			int err = eventlog_open(&log, boots[k], &why);
			for (size_t b = 0; err == 0 && b < log.n_banks; b++)
				if (tpm_alg_find(log.banks[b].alg) != NULL)
					err = eventlog_replay(boots[k], log.banks[b].alg,
						eventlog_guess_kind(boots[k]), &r, &why);
			if (err < 0 || r.problem.text[0] != '\0')
				verdict_set(v, ROW_EVENT_LOG, VERDICT_CONTRAINDICATED, "", "",
					"%s%s", why.text, r.problem.text);
		}
	}
	verdict_set(v, ROW_EVENT_LOG, VERDICT_WARNING, "", "",
		"the log is whole, but no quote says what it should lead to");
}

static void event_log_row(struct tpm_case *c, struct verdict *v)
{
	bool is_asked = c->policy != NULL &&
			(c->policy->require_event_log || c->policy->secure_boot != POLICY_ANY);
	const struct attest_blob *logs = c->in->event_logs;
	size_t n = c->in->n_event_logs;
	struct boot *best = NULL, *two = calloc(2, sizeof *two);

	if (n == 0 && c->ev->event_log.len > 0)
		logs = &c->ev->event_log, n = 1;
	for (size_t i = 0; two != NULL && i < n; i++) {
		struct attest_blob boots[LIMIT_EVENTLOG_BOOTS];
		size_t n_boots = eventlog_split(logs[i], boots);
		for (size_t k = 0; k < n_boots; k++) {
			two[1] = boot_judge(c, boots[k]);
			if (best == NULL || boot_is_better(&two[1], best))
				two[0] = two[1];
			best = &two[0];
		}
	}
	if (c->ev->n == 0 && n > 0)
		log_alone_row(logs, n, v);
	else if (n > 0 && (c->values.n == 0 || two == NULL))
		verdict_set(v, ROW_EVENT_LOG, VERDICT_CONTRAINDICATED, "", "",
			"no register's value is proven that the event log could lead to");
	else if (best != NULL)
		boot_row(c, best, v);
	else
		verdict_set(v, ROW_EVENT_LOG, is_asked ? VERDICT_CONTRAINDICATED : VERDICT_NONE, "",
			"", "no event log was given");
	free(two);
}

/* --- files -------------------------------------------------------------------------------------- */

static const struct tpm_bank *ima_bank(const struct tpm_case *c)
{
	const struct tpm_bank *best = NULL;

	for (size_t i = 0; i < c->values.n; i++)
		if ((c->values.banks[i].present >> IMA_PCR & 1u) &&
			(best == NULL || best->alg->id == TPM_ALG_SHA1))
			best = &c->values.banks[i];
	return best;
}

/* boot_aggregate is the hash of PCR 0 to 7, since kernel 5.8 of 0 to 9 (9.7). */
static void aggregate_row(struct tpm_case *c, const struct ima_replay *r, struct verdict *v)
{
	static const uint8_t zero[TPM_DIGEST_MAX];
	const struct tpm_bank *bank = r->aggregate_alg == NULL
					      ? NULL
					      : tpm_pcrs_bank(&c->values, r->aggregate_alg, false);
	struct tpm_part parts[10];
	uint8_t got[TPM_DIGEST_MAX];

	if (r->aggregate_alg != NULL && memcmp(r->aggregate, zero, r->aggregate_alg->size) == 0)
		verdict_set(v, ROW_IMA, VERDICT_WARNING, "", "boot_aggregate 0",
			"the kernel saw no TPM when it started to measure files");
	if (bank == NULL || (bank->present & 0xFFu) != 0xFFu)
		return;
	for (uint32_t n = 0; n < ARRAY_LEN(parts); n++)
		parts[n] = (struct tpm_part){ bank->value[n], bank->alg->size };
	if (tpm_hash(bank->alg, parts, 8, got) == 0 &&
		memcmp(got, r->aggregate, bank->alg->size) == 0)
		return;
	if ((bank->present >> 8 & 3u) != 3u ||
		(tpm_hash(bank->alg, parts, 10, got) == 0 &&
			memcmp(got, r->aggregate, bank->alg->size) == 0))
		return;
	verdict_set(v, ROW_IMA, VERDICT_CONTRAINDICATED, "", "",
		"the list's boot_aggregate is not that of the quoted registers: it is another "
		"boot's");
}

static void ima_row(struct tpm_case *c, struct verdict *v)
{
	struct attest_blob list = c->in->tpm.ima.len > 0 ? c->in->tpm.ima : c->ev->ima;
	const struct tpm_bank *bank = ima_bank(c);
	struct ima_replay r = { 0 };
	struct why why = { 0 };
	char want[VERDICT_VALUE_MAX], got[VERDICT_VALUE_MAX];

	if (list.len == 0) {
		verdict_set(v, ROW_IMA, VERDICT_NONE, "", "", "no list was given");
		return;
	}
	if (bank == NULL && c->ev->n > 0) {
		verdict_set(v, ROW_IMA, VERDICT_CONTRAINDICATED, "", "",
			"no value of PCR 10 is proven that the IMA list could lead to");
		return;
	}
	int err = ima_replay(list, bank == NULL ? tpm_alg_find(TPM_ALG_SHA1) : bank->alg,
		bank == NULL ? NULL : bank->value[IMA_PCR], &r, &why);
	if (err < 0) {
		verdict_set(v, ROW_IMA, VERDICT_CONTRAINDICATED, "", "", "%s", why_text(&why, err));
		return;
	}
	if (r.bad_line > 0)
		verdict_set(v, ROW_IMA, VERDICT_CONTRAINDICATED, "", "",
			"line %zu of the IMA list: its template hash is not that of its fields: it "
			"was edited",
			r.bad_line);
	if (bank == NULL) {
		verdict_set(v, ROW_IMA, VERDICT_WARNING, "", "",
			"the list is whole, but no quote says what it should lead to");
		return;
	}
	wr_hex_str(want, sizeof want, bank->value[IMA_PCR], bank->alg->size);
	wr_hex_str(got, sizeof got, r.value, bank->alg->size);
	if (r.n_covered == 0)
		verdict_set(v, ROW_IMA, VERDICT_CONTRAINDICATED, want, got,
			"the IMA list does not lead to the quoted value of PCR 10 behind any of "
			"its lines");
	aggregate_row(c, &r, v);
	if (r.n_violations > 0)
		verdict_set(v, ROW_IMA, VERDICT_WARNING, "", "",
			"%zu violations: files were open for writing while they were measured",
			r.n_violations);
	(void)snprintf(got, sizeof got, "%zu of %zu lines", r.n_covered, r.n_lines);
	verdict_set(v, ROW_IMA, VERDICT_AFFIRMING, "", got, "%s",
		r.n_covered < r.n_lines ? "the quote covers the lines up to there; the rest came "
					  "later"
					: "");
}

/* --- the verdict -------------------------------------------------------------------------------- */

static void key_claims(const struct tpm_case *c, struct claims *cl)
{
	if (c->source != AK_NONE)
		claims_add_bytes(cl, "tpm_ak_sha256", c->ak.spki_sha256, 32);
	if (c->ak.name_len > 0)
		claims_add_bytes(cl, "tpm_ak_name", c->ak.name, c->ak.name_len);
}

static void case_judge(struct tpm_case *c, struct verdict *v)
{
	verdict_init(v, EVIDENCE_TPM);
	if (c->ev->n > 0)
		tpm_quote_claims(&c->quotes[0], &v->claims);
	key_claims(c, &v->claims);
	signature_row(c, v);
	binding_row(c, v);
	chain_row(c, v);
	trust_row(c, v);
	policy_row(c, v);
	report_data_row(c, v);
	pcrs_row(c, v);
	event_log_row(c, v);
	ima_row(c, v);
	if (c->is_bound && c->hcl.kind != EVIDENCE_UNKNOWN)
		hcl_claims(&c->hcl, &v->claims);
	if (c->inner != NULL)
		inner_fold(c, v);
	verdict_close(v, c->in->required_rows);
}

int attest_verify_tpm(const struct attest_inputs *in, struct verdict *ret, struct why *why)
{
	AUTO(tpm_case) struct tpm_case *c = calloc(1, sizeof *c);

	if (c == NULL)
		return -ENOMEM;
	c->in = in;
	int err = case_gather(c, why);
	if (err < 0)
		return err;
	case_judge(c, ret);
	return 0;
}
