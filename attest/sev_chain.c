#include "attest/sev_chain.h"

#include <errno.h>
#include <openssl/x509.h>
#include <string.h>

#include "attest/vendor.h"

/* Who has to have signed what; a certificate of two issuers needs both. The depth is bounded by the
 * table: no row leads back to an earlier one, save the two that sign themselves. */
static const struct {
	uint32_t usage;
	size_t n;
	uint32_t issuers[2];
} links[] = {
	{ SEV_USAGE_PDH, 1, { SEV_USAGE_PEK } },
	{ SEV_USAGE_PEK, 2, { SEV_USAGE_OCA, SEV_USAGE_CEK } },
	{ SEV_USAGE_OCA, 0, { 0 } },
	{ SEV_USAGE_CEK, 1, { SEV_USAGE_ASK } },
	{ SEV_USAGE_ASK, 1, { SEV_USAGE_ARK } },
	{ SEV_USAGE_ARK, 0, { 0 } },
};

struct search {
	const struct sev_certs *given, *roots;
	struct sev_chain chain;
	struct why *why;
};

static MUST_USE int cert_climb(struct search *s, const struct sev_cert *c);

/* AMD pins keys, not certificates: the ARKs of Milan and later are the X.509 ones' keys. */
static MUST_USE int root_judge(struct search *s, const struct sev_cert *ark)
{
	EVP_PKEY *key = NULL;
	X509_PUBKEY *spki = NULL;
	unsigned char *der = NULL;
	int len = -1;
	bool is_given = false;

	int err = sev_cert_key(ark, &key);
	if (err < 0)
		return why_set(s->why, err, "the ARK's key cannot be used");
	if (X509_PUBKEY_set(&spki, key) == 1)
		len = i2d_X509_PUBKEY(spki, &der);
	bool ok = len > 0 &&
		  EVP_Digest(der, (size_t)len, s->chain.ark_spki, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	X509_PUBKEY_free(spki);
	EVP_PKEY_free(key);
	if (!ok)
		return -ENOMEM;
	for (size_t i = 0; i < s->roots->n; i++)
		is_given |= s->roots->at[i].len == ark->len &&
			    memcmp(s->roots->at[i].raw, ark->raw, ark->len) == 0;
	const char *product = vendor_sev_root(s->chain.ark_spki);
	if (product == NULL && !is_given)
		return why_set(s->why, -EKEYREJECTED,
			"the chain ends in an ARK that is neither AMD's nor given with --root");
	s->chain.trust = product == NULL ? TRUST_SIMULATED : TRUST_HARDWARE;
	s->chain.product = product == NULL ? "?" : product;
	s->chain.ark = ark;
	return 0;
}

static MUST_USE int self_check(struct search *s, const struct sev_cert *c)
{
	int err = sev_cert_verify(c, c, s->why);

	if (err == -ENOENT)
		err = why_set(s->why, -EKEYREJECTED, "the %s does not sign itself",
			sev_usage_name(c->usage));
	return err;
}

/* The first certificate of this usage that signed c and itself leads up. */
static MUST_USE int issuer_find(struct search *s, const struct sev_cert *c, uint32_t usage)
{
	const struct sev_certs *sets[] = { s->given, s->roots };
	int err = -ENOENT;

	for (size_t k = 0; k < ARRAY_LEN(sets); k++)
		for (size_t i = 0; i < sets[k]->n; i++) {
			const struct sev_cert *issuer = &sets[k]->at[i];
			if (issuer->usage != usage)
				continue;
			int found = sev_cert_verify(c, issuer, s->why);
			if (found == 0)
				found = cert_climb(s, issuer);
			if (found == 0) {
				why_clear(s->why);
				return 0;
			}
			if (found != -ENOENT)
				err = found;
		}
	return why_set(s->why, err == -ENOENT ? -EKEYREJECTED : err,
		"no %s certificate at hand that signed the %s", sev_usage_name(usage),
		sev_usage_name(c->usage));
}

static MUST_USE int cert_climb(struct search *s, const struct sev_cert *c)
{
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		int err = 0;
		if (links[i].usage != c->usage)
			continue;
		if (c->usage == SEV_USAGE_CEK)
			s->chain.cek = c;
		if (links[i].n == 0)
			err = self_check(s, c);
		for (size_t k = 0; k < links[i].n && err == 0; k++)
			err = issuer_find(s, c, links[i].issuers[k]);
		if (err == 0 && c->usage == SEV_USAGE_ARK)
			err = root_judge(s, c);
		return err;
	}
	return -EKEYREJECTED;
}

/* An OCA is its owner's own: what vouches for it is a PEK of a genuine platform that it signed. */
static MUST_USE int owner_climb(struct search *s, const struct sev_cert *oca)
{
	int err = self_check(s, oca);

	if (err < 0)
		return err;
	for (size_t i = 0; i < s->given->n; i++) {
		const struct sev_cert *pek = &s->given->at[i];
		if (pek->usage == SEV_USAGE_PEK && sev_cert_verify(pek, oca, NULL) == 0)
			return cert_climb(s, pek);
	}
	return why_set(s->why, -EKEYREJECTED,
		"an OCA is its owner's own: no PEK certificate at hand that it signed");
}

int sev_chain_verify(const struct sev_certs *given, const struct sev_certs *roots,
	const struct sev_cert *leaf, struct sev_chain *ret, struct why *why)
{
	struct why own = { 0 };
	struct search s = { .given = given, .roots = roots, .why = &own };

	int err = leaf->usage == SEV_USAGE_OCA ? owner_climb(&s, leaf) : cert_climb(&s, leaf);
	if (err < 0)
		return why_set(why, err, "%s", why_text(&own, err));
	*ret = s.chain;
	return 0;
}
