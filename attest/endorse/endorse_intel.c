#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/endorse/endorse_item_priv.h"
#include "attest/tdx_collateral.h"
#include "attest/vendor.h"
#include "base/wr.h"

/* Common names of Intel's hierarchy (attestation.md, 7.1), and what an item of each is called. */
static const struct who {
	const char *cn, *file;
	const char *crl; /* NULL: signs none */
} whos[] = {
	{ "Intel SGX Root CA", "root_ca", "root_ca_crl" },
	{ "Intel SGX PCK Platform CA", "platform_ca", "pck_crl_platform" },
	{ "Intel SGX PCK Processor CA", "processor_ca", "pck_crl_processor" },
	{ "Intel SGX TCB Signing", "tcb_signing", NULL },
};

static const struct who *who_is(const X509_NAME *name)
{
	char cn[CERT_NAME_MAX];

	cert_name_cn(name, cn);
	for (size_t i = 0; i < ARRAY_LEN(whos); i++)
		if (strcmp(whos[i].cn, cn) == 0)
			return &whos[i];
	return NULL;
}

bool endorse_intel_recognise(const X509_NAME *name)
{
	return who_is(name) != NULL;
}

/* Pinned, or the caller's. */
static bool root_is_trusted(const struct endorse_trust *t, const X509 *x)
{
	for (size_t i = 0; i < t->roots.n; i++)
		if (X509_cmp(t->roots.at[i], x) == 0)
			return true;
	return vendor_is_intel_root(x);
}

static MUST_USE int pool_fill(const struct endorse_trust *t, struct cert_store *pool)
{
	int err = vendor_add_chain(pool, "Intel SGX PCK Platform CA", NULL);

	if (err == 0)
		err = vendor_add_chain(pool, "Intel SGX TCB Signing", NULL);
	for (size_t i = 0; i < t->cas.n && err == 0; i++)
		err = cert_store_add_x509(pool, t->cas.at[i], NULL);
	return err;
}

/* The trusted root above x, which is a root itself or was signed by one. */
static MUST_USE int root_find(const struct endorse_trust *t, const struct cert_store *pool, X509 *x,
	X509 **ret, struct why *why)
{
	struct why last = { 0 };

	if (root_is_trusted(t, x)) {
		*ret = x;
		return 0;
	}
	for (size_t i = 0; i < pool->n; i++) {
		struct why w = { 0 };
		if (!root_is_trusted(t, pool->at[i]))
			continue;
		int err = cert_verify_issued_by(CERT_INTEL, x, pool->at[i], &w);
		if (err == 0) {
			*ret = pool->at[i];
			return 0;
		}
		if (err != -ENOENT)
			last = w;
	}
	return why_set(why, -EKEYREJECTED, "%s",
		last.text[0] != '\0' ? last.text
				     : "neither Intel's root nor a root you gave is above it");
}

static MUST_USE int item_finish(
	X509 *root, const char *file, const char *about, struct endorse_item *ret)
{
	char realm[ENDORSE_REALM_MAX];
	int err = endorse_realm(root, realm);

	if (err < 0)
		return err;
	ret->is_hardware = vendor_is_intel_root(root);
	ret->realm_len = strlen(realm);
	(void)snprintf(ret->name, sizeof ret->name, "%stdx/%s", realm, file);
	(void)snprintf(ret->about, sizeof ret->about, "%s", about);
	return 0;
}

int endorse_intel_judge_ca(
	const struct endorse_trust *t, X509 *x, struct endorse_item *ret, struct why *why)
{
	AUTO(cert_store) struct cert_store pool = { 0 };
	const struct who *who = who_is(X509_get_subject_name(x));
	char file[32];
	X509 *root = NULL;
	int err = pool_fill(t, &pool);

	if (err == 0)
		err = root_find(t, &pool, x, &root, why);
	if (err == 0)
		err = who->crl == NULL ? 0 : cert_check_ca_of(CERT_INTEL, x, why);
	if (err < 0)
		return err == -ENOMEM ? err : why_prefix(why, err, "%s", who->cn);
	endorse_dates_of(x, ret);
	(void)snprintf(file, sizeof file, "%s.der", who->file);
	return item_finish(root, file, who->cn, ret);
}

int endorse_intel_judge_crl(
	const struct endorse_trust *t, X509_CRL *crl, struct endorse_item *ret, struct why *why)
{
	AUTO(cert_store) struct cert_store pool = { 0 };
	const struct who *who = who_is(X509_CRL_get_issuer(crl));
	char file[32], about[96];
	struct why last = { 0 };
	int err = pool_fill(t, &pool);

	if (err < 0 || who->crl == NULL)
		return err < 0 ? err
			       : why_set(why, -EBADMSG, "a CRL of '%s', which signs none", who->cn);
	ret->issued = endorse_time_of(X509_CRL_get0_lastUpdate(crl));
	ret->good_until = endorse_time_of(X509_CRL_get0_nextUpdate(crl));
	for (size_t i = 0; i < pool.n; i++) {
		X509 *root = NULL;
		struct why w = { 0 };
		err = crl_verify_by(CERT_INTEL, crl, pool.at[i], ret->issued + 1, &w);
		if (err == 0)
			err = root_find(t, &pool, pool.at[i], &root, &w);
		(void)snprintf(file, sizeof file, "%s.der", who->crl);
		(void)snprintf(about, sizeof about, "revoked by %s", who->cn);
		if (err == 0)
			return item_finish(root, file, about, ret);
		if (err != -ENOENT)
			last = w;
	}
	return why_set(why, -EKEYREJECTED, "CRL of %s: %s", who->cn,
		last.text[0] != '\0' ? last.text : "no certificate of its issuer is at hand");
}

static MUST_USE int doc_finish(const struct tdx_doc *d, X509 *root, struct endorse_item *ret)
{
	bool is_tcb = d->kind == TDX_DOC_TCB_INFO;
	char fmspc[13], file[48], about[96];

	wr_hex_str(fmspc, sizeof fmspc, d->fmspc, sizeof d->fmspc);
	(void)snprintf(file, sizeof file, "%s%s", is_tcb ? fmspc : "qe_identity.json",
		is_tcb ? "/tcb_info.json" : "");
	(void)snprintf(about, sizeof about, "%s%s, evaluation %u", is_tcb ? "FMSPC " : "TDX",
		is_tcb ? fmspc : "", d->eval_number);
	ret->kind = is_tcb ? ENDORSE_TCB_INFO : ENDORSE_QE_IDENTITY;
	ret->issued = d->issued;
	ret->good_until = d->next;
	ret->serial = d->eval_number;
	return item_finish(root, file, about, ret);
}

int endorse_intel_judge_json(const struct endorse_trust *t, const uint8_t *buf, size_t len,
	struct endorse_item *ret, struct why *why)
{
	AUTO(cert_store) struct cert_store pool = { 0 }, none = { 0 };
	AUTO(tdx_collateral) struct tdx_collateral c = { 0 };
	struct attest_blob blob = { buf, len };
	int err = tdx_collateral_add(&c, &none, blob, why);

	if (err == 0 && (c.n != 1 || none.n + none.n_crls > 0 || !c.at[0].is_for_td))
		err = why_set(why, -EBADMSG, "JSON that is not one TCB info or QE identity of TDX");
	if (err == 0)
		err = pool_fill(t, &pool);
	for (size_t i = 0; i < pool.n && err == 0; i++) {
		const struct who *who = who_is(X509_get_subject_name(pool.at[i]));
		X509 *root = NULL;
		if (who != NULL && strcmp(who->file, "tcb_signing") == 0 &&
			cert_is_p256(pool.at[i]) &&
			tdx_doc_verify(&c.at[0], X509_get0_pubkey(pool.at[i])) == 0 &&
			root_find(t, &pool, pool.at[i], &root, NULL) == 0)
			return doc_finish(&c.at[0], root, ret);
	}
	return err < 0 ? err
		       : why_set(why, -EKEYREJECTED,
				 "no trusted TCB signing certificate at hand fits its signature");
}
