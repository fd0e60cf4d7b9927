#include "attest/endorse/endorse_item.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "attest/endorse/endorse_item_priv.h"
#include "attest/snp_chain.h"
#include "attest/snp_leaf.h"
#include "attest/vendor.h"
#include "base/wr.h"

/* So that the vendors' own and the certificate itself fit beside them. */
#define CANDIDATES_MAX (LIMIT_CERTS - 8)

/* --- whom to believe -------------------------------------------------------------------------- */

void endorse_trust_done(struct endorse_trust *t)
{
	cert_store_done(&t->roots);
	cert_store_done(&t->cas);
}

int endorse_trust_add_root(struct endorse_trust *t, const uint8_t *buf, size_t len, struct why *why)
{
	size_t n_before = t->roots.n;
	int err = cert_store_add(&t->roots, buf, len, why);

	for (size_t i = n_before; i < t->roots.n && err == 0; i++)
		err = t->cas.n < CANDIDATES_MAX
			      ? cert_store_add_x509(&t->cas, t->roots.at[i], why)
			      : why_set(why, -EMSGSIZE, "more than %u roots", CANDIDATES_MAX);
	return err;
}

void endorse_trust_add_candidate(struct endorse_trust *t, const uint8_t *der, size_t len)
{
	const unsigned char *at = der;
	X509 *x = d2i_X509(NULL, &at, (long)len);
	bool is_known =
		x == NULL || at != der + len || t->cas.n >= CANDIDATES_MAX ||
		(X509_check_ca(x) == 0 && !endorse_intel_recognise(X509_get_subject_name(x)));

	for (size_t i = 0; i < t->cas.n && !is_known; i++)
		is_known = X509_cmp(t->cas.at[i], x) == 0;
	if (!is_known && cert_store_add_x509(&t->cas, x, NULL) < 0)
		ERR_clear_error();
	X509_free(x);
	ERR_clear_error();
}

/* Our candidates and AMD's own certificates for this issuer. */
static MUST_USE int pool_fill(
	const struct endorse_trust *t, const char *issuer_cn, struct cert_store *pool)
{
	int err = vendor_add_chain(pool, issuer_cn, NULL);

	for (size_t i = 0; i < t->cas.n && err == 0; i++)
		err = cert_store_add_x509(pool, t->cas.at[i], NULL);
	return err;
}

/* --- names ------------------------------------------------------------------------------------ */

const char *endorse_kind_name(enum endorse_kind kind)
{
	static const char *const names[ENDORSE_KIND_COUNT] = { "CA", "VCEK", "VLEK", "CRL",
		"TCB info", "QE identity" };

	return names[kind];
}

int endorse_realm(X509 *root, char ret[ENDORSE_REALM_MAX])
{
	uint8_t spki[32];

	ret[0] = '\0';
	if (vendor_root_product(root) != SNP_PRODUCT_UNKNOWN || vendor_is_intel_root(root))
		return 0;
	if (cert_spki_sha256(root, spki) < 0)
		return -EIO;
	memcpy(ret, "r-", 2);
	wr_hex_str(ret + 2, 9, spki, 4);
	memcpy(ret + 10, "/", 2);
	return 0;
}

size_t endorse_hwid_len(enum snp_product product)
{
	return product == SNP_PRODUCT_MILAN || product == SNP_PRODUCT_GENOA ? 64 : 8;
}

void endorse_tcb_print(enum snp_product product, uint64_t tcb, char ret[ENDORSE_TCB_MAX])
{
	struct tcb t = tcb_decode(product, tcb);
	char fmc[16] = "";

	if (t.has_fmc)
		(void)snprintf(fmc, sizeof fmc, "_fmc%02u", t.fmc);
	(void)snprintf(ret, ENDORSE_TCB_MAX, "bl%02u_tee%02u_snp%02u_ucode%02u%s", t.bootloader,
		t.tee, t.snp, t.microcode, fmc);
}

bool endorse_name_fits(const struct endorse_item *item, const char *name)
{
	size_t n = strlen(item->name);

	if (strcmp(item->name, name) == 0)
		return true;
	/* AMD publishes a CRL for the VCEK path and one for the VLEK path; nothing in them says
	 * which is which, and nothing depends on it. */
	return n > 8 && strcmp(item->name + n - 8, "/crl.der") == 0 &&
	       strncmp(item->name, name, n - 4) == 0 && strcmp(name + n - 4, "_vlek.der") == 0;
}

bool endorse_is_newer(const struct endorse_item *a, const struct endorse_item *b)
{
	return a->serial != b->serial ? a->serial > b->serial : a->issued > b->issued;
}

/* --- dates ------------------------------------------------------------------------------------ */

time_t endorse_time_of(const ASN1_TIME *t)
{
	struct tm tm = { 0 };

	return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;
}

void endorse_time_print(time_t t, char ret[ENDORSE_TIME_MAX])
{
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
		strftime(ret, ENDORSE_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		memcpy(ret, "?", 2);
}

void endorse_dates_of(X509 *x, struct endorse_item *ret)
{
	ret->issued = endorse_time_of(X509_get0_notBefore(x));
	ret->good_until = endorse_time_of(X509_get0_notAfter(x));
}

/* --- AMD -------------------------------------------------------------------------------------- */

/* A VCEK or VLEK. It is judged at its first second, for its dates are not our matter. */
static MUST_USE int leaf_judge(
	const struct endorse_trust *t, X509 *x, struct endorse_item *ret, struct why *why)
{
	AUTO(cert_store) struct cert_store pool = { 0 };
	char cn[CERT_NAME_MAX], hwid[2 * SNP_CHIP_ID_BYTES + 1], tcb[ENDORSE_TCB_MAX];
	char levels[TCB_TEXT_MAX], realm[ENDORSE_REALM_MAX];
	struct snp_leaf leaf;
	struct snp_chain chain;
	uint64_t word = 0;

	endorse_dates_of(x, ret);
	cert_issuer_cn(x, cn);
	int err = snp_leaf_parse(&leaf, x, why);
	if (err == 0)
		err = pool_fill(t, cn, &pool);
	if (err == 0)
		err = snp_chain_verify(
			&pool, &t->roots, x, leaf.kind, ret->issued + 1, &chain, why);
	if (err == 0 &&
		(leaf.product != chain.product || !snp_leaf_tcb(&leaf, chain.product, &word)))
		err = why_set(why, -EKEYREJECTED,
			"the certificate's productName or firmware levels are not its issuer's");
	size_t hwid_len = err == 0 ? endorse_hwid_len(chain.product) : 0;
	bool is_vcek = leaf.kind == SNP_KEY_VCEK;
	if (err == 0 && is_vcek && leaf.hwid_raw_len != hwid_len &&
		leaf.hwid_raw_len != hwid_len + 2)
		err = why_set(
			why, -EKEYREJECTED, "the certificate's hwID is not %zu bytes", hwid_len);
	if (err == 0)
		err = endorse_realm(chain.root, realm);
	if (err < 0)
		return err;

	struct tcb decoded = tcb_decode(chain.product, word);
	const char *product = snp_product_name(chain.product);
	tcb_print(&decoded, levels);
	endorse_tcb_print(chain.product, word, tcb);
	ret->kind = is_vcek ? ENDORSE_VCEK : ENDORSE_VLEK;
	ret->is_hardware = chain.trust == TRUST_HARDWARE;
	ret->realm_len = strlen(realm);
	wr_hex_str(hwid, sizeof hwid, leaf.hwid_raw + leaf.hwid_raw_len - hwid_len, hwid_len);
	(void)snprintf(ret->name, sizeof ret->name, "%ssnp/%s/%s/%s.der", realm, product,
		is_vcek ? hwid : "vlek", tcb);
	(void)snprintf(ret->about, sizeof ret->about, "%s %.*s%s, %s", product, is_vcek ? 16 : 63,
		is_vcek ? hwid : leaf.csp_id, is_vcek && hwid_len > 8 ? "..." : "", levels);
	return 0;
}

/* Who may sign for AMD: a root that is pinned or given, self-signed; or whom such a root signed. */
static MUST_USE int root_judge(
	const struct endorse_trust *t, X509 *root, bool *ret, struct why *why)
{
	int err = cert_verify_issued(root, root, why);

	*ret = vendor_root_product(root) != SNP_PRODUCT_UNKNOWN;
	for (size_t i = 0; i < t->roots.n && err == 0 && !*ret; i++)
		if (X509_cmp(t->roots.at[i], root) == 0)
			return 0;
	return err == 0 && !*ret ? why_set(why, -EKEYREJECTED,
					   "a root that is neither AMD's nor one you gave")
				 : err;
}

struct amd_name {
	const char *prefix, *file;
};

/* The longest first. */
static const struct amd_name amd_names[] = { { "SEV-VLEK-", "asvk" }, { "SEV-", "ask" },
	{ "ARK-", "ark" } };

static const struct amd_name *amd_name_of(const char *cn, enum snp_product *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(amd_names); i++) {
		size_t n = strlen(amd_names[i].prefix);
		*ret = strncmp(cn, amd_names[i].prefix, n) == 0
			       ? snp_product_parse(cn + n, strlen(cn) - n)
			       : SNP_PRODUCT_UNKNOWN;
		if (*ret != SNP_PRODUCT_UNKNOWN)
			return &amd_names[i];
	}
	return NULL;
}

static MUST_USE int amd_finish(const char *file, enum snp_product product, X509 *root,
	struct endorse_item *ret, const char *about)
{
	char realm[ENDORSE_REALM_MAX];
	int err = endorse_realm(root, realm);

	if (err < 0)
		return err;
	ret->realm_len = strlen(realm);
	(void)snprintf(ret->name, sizeof ret->name, "%ssnp/%s/%s.der", realm,
		snp_product_name(product), file);
	(void)snprintf(ret->about, sizeof ret->about, "%s", about);
	return 0;
}

/* An ARK, ASK or ASVK. */
static MUST_USE int ca_judge(
	const struct endorse_trust *t, X509 *x, struct endorse_item *ret, struct why *why)
{
	AUTO(cert_store) struct cert_store pool = { 0 };
	char cn[CERT_NAME_MAX], issuer_cn[CERT_NAME_MAX];
	enum snp_product product;
	struct why last = { 0 };

	cert_subject_cn(x, cn);
	cert_issuer_cn(x, issuer_cn);
	const struct amd_name *name = amd_name_of(cn, &product);
	if (name == NULL)
		return why_set(why, -EBADMSG, "a certificate of '%s', which is no endorsement", cn);
	if (vendor_is_revoked(x))
		return why_set(why, -EKEYREJECTED, "%s: AMD revoked this intermediate", cn);
	int err = cert_check_ca(x, why);
	if (err == 0)
		err = pool_fill(t, issuer_cn, &pool);
	if (err < 0)
		return err;
	if (cert_store_add_x509(&pool, x, NULL) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < pool.n; i++) {
		struct why w = { 0 };
		err = cert_verify_issued(x, pool.at[i], &w);
		if (err == 0)
			err = root_judge(t, pool.at[i], &ret->is_hardware, &w);
		if (err == 0)
			return endorse_dates_of(x, ret),
			       amd_finish(name->file, product, pool.at[i], ret, cn);
		if (err != -ENOENT)
			last = w;
	}
	return why_set(why, -EKEYREJECTED, "%s: %s", cn,
		last.text[0] != '\0' ? last.text : "no certificate of its issuer is at hand");
}

static MUST_USE int crl_judge(
	const struct endorse_trust *t, X509_CRL *crl, struct endorse_item *ret, struct why *why)
{
	AUTO(cert_store) struct cert_store pool = { 0 };
	char cn[CERT_NAME_MAX], about[CERT_NAME_MAX + 16];
	enum snp_product product;
	struct why last = { 0 };

	cert_name_cn(X509_CRL_get_issuer(crl), cn);
	if (amd_name_of(cn, &product) == NULL)
		return why_set(why, -EBADMSG, "a CRL of '%s', which is no endorsement", cn);
	int err = pool_fill(t, cn, &pool);
	if (err < 0)
		return err;
	ret->issued = endorse_time_of(X509_CRL_get0_lastUpdate(crl));
	ret->good_until = endorse_time_of(X509_CRL_get0_nextUpdate(crl));
	for (size_t i = 0; i < pool.n; i++) {
		struct why w = { 0 };
		err = crl_verify(crl, pool.at[i], ret->issued + 1, &w);
		if (err == 0)
			err = root_judge(t, pool.at[i], &ret->is_hardware, &w);
		(void)snprintf(about, sizeof about, "revoked by %s", cn);
		if (err == 0)
			return amd_finish("crl", product, pool.at[i], ret, about);
		if (err != -ENOENT)
			last = w;
	}
	return why_set(why, -EKEYREJECTED, "CRL of %s: %s", cn,
		last.text[0] != '\0' ? last.text : "no certificate of its issuer is at hand");
}

/* --- any -------------------------------------------------------------------------------------- */

static MUST_USE int x509_judge(
	const struct endorse_trust *t, X509 *x, struct endorse_item *ret, struct why *why)
{
	ret->kind = ENDORSE_CA;
	if (snp_leaf_recognise(x))
		return leaf_judge(t, x, ret, why);
	return endorse_intel_recognise(X509_get_subject_name(x))
		       ? endorse_intel_judge_ca(t, x, ret, why)
		       : ca_judge(t, x, ret, why);
}

int endorse_judge(const struct endorse_trust *t, const uint8_t *buf, size_t len,
	struct endorse_item *ret, struct why *why)
{
	struct endorse_item item = { 0 };
	const unsigned char *at = buf;
	int err = why_set(why, -EBADMSG, "%zu bytes that are no endorsement", len);

	if (len == 0 || len > LIMIT_CERT_BLOB_BYTES)
		return err;
	why_clear(why);
	if (buf[0] == '{')
		err = endorse_intel_judge_json(t, buf, len, &item, why);
	else {
		X509 *x = d2i_X509(NULL, &at, (long)len);
		bool is_whole = x != NULL && at == buf + len;
		if (is_whole)
			err = x509_judge(t, x, &item, why);
		X509_free(x);
		at = buf;
		X509_CRL *crl = is_whole ? NULL : d2i_X509_CRL(NULL, &at, (long)len);
		ERR_clear_error();
		if (crl != NULL && at == buf + len) {
			item.kind = ENDORSE_CRL;
			err = endorse_intel_recognise(X509_CRL_get_issuer(crl))
				      ? endorse_intel_judge_crl(t, crl, &item, why)
				      : crl_judge(t, crl, &item, why);
		} else if (!is_whole)
			err = why_set(why, -EBADMSG, "%zu bytes that are no endorsement", len);
		X509_CRL_free(crl);
	}
	if (err == 0)
		*ret = item;
	return err;
}
