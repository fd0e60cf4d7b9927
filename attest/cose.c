#include "attest/cose.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/wr.h"

#define TAG_SIGN1 18 /* RFC 9052, table 1 */
#define TAG_CWT   61 /* RFC 8392, 6 */

/* Header labels: RFC 9052, table 3; x5chain: RFC 9360. */
enum { H_ALG = 1, H_CRIT = 2, H_KID = 4, H_X5CHAIN = 33 };

/* RFC 9053, tables 1 and 2; RFC 8230; RFC 8812. */
static const int alg_numbers[JWS_ALG_COUNT] = {
	[JWS_ES256] = -7,
	[JWS_ES384] = -35,
	[JWS_ES512] = -36,
	[JWS_EDDSA] = -8,
	[JWS_PS256] = -37,
	[JWS_PS384] = -38,
	[JWS_RS256] = -257,
	[JWS_RS384] = -258,
};

/* RFC 9052, 4.4: ["Signature1", protected, external_aad, payload]. */
static MUST_USE int to_be_signed(
	const struct cbor *protected, const struct cbor *payload, uint8_t **ret, size_t *ret_len)
{
	static const char name[] = "Signature1";
	size_t size = protected->len + payload->len + 64;
	uint8_t *buf = malloc(size);
	struct wr w = wr_of(buf, buf != NULL ? size : 0);

	cbor_put(&w, CBOR_ARRAY, 4);
	cbor_put(&w, CBOR_TEXT, sizeof name - 1);
	wr_str(&w, name);
	cbor_put(&w, CBOR_BYTES, protected->len);
	wr_copy(&w, protected->p, protected->len);
	cbor_put(&w, CBOR_BYTES, 0);
	cbor_put(&w, CBOR_BYTES, payload->len);
	wr_copy(&w, payload->p, payload->len);
	if (wr_check(&w) < 0) {
		free(buf);
		return -ENOMEM;
	}
	*ret = buf;
	*ret_len = w.len;
	return 0;
}

/* A kid is bytes; keys have names: the text it spells, else its base64url. */
static void kid_text(const struct cbor *c, char ret[JWK_KID_MAX])
{
	struct wr w = wr_of(ret, JWK_KID_MAX - 1);
	bool is_text = true;

	for (size_t i = 0; i < c->len; i++)
		is_text = is_text && c->p[i] >= ' ' && c->p[i] <= '~';
	if (is_text)
		wr_copy(&w, c->p, c->len);
	else
		b64url_print(&w, c->p, c->len);
	ret[wr_check(&w) == 0 ? w.len : 0] = '\0';
}

static MUST_USE int x5chain_parse(const struct cbor *c, STACK_OF(X509) * chain, struct why *why)
{
	struct cbor_iter it = cbor_items(c);
	struct cbor x = *c;
	bool is_one = c->type == CBOR_BYTES;

	for (size_t i = 0; is_one || cbor_next(&it, &x); i++, is_one = false) {
		const uint8_t *at = x.p;
		X509 *cert = x.type == CBOR_BYTES && i < LIMIT_CERTS
				     ? d2i_X509(NULL, &at, (long)x.len)
				     : NULL;
		if (cert == NULL || at != x.p + x.len || sk_X509_push(chain, cert) <= 0) {
			X509_free(cert);
			return why_set(
				why, -EKEYREJECTED, "x5chain: entry %zu is no certificate", i);
		}
	}
	return sk_X509_num(chain) > 0 ? 0 : why_set(why, -EKEYREJECTED, "x5chain is empty");
}

static MUST_USE int header_check(const struct cbor *protected, const struct cbor *unprotected,
	enum jws_alg *ret, struct why *why)
{
	struct cbor_iter it = cbor_items(unprotected);
	struct cbor c, value;
	int64_t n = 0;

	if (!cbor_get(protected, H_ALG, &c))
		return why_set(why, -EKEYREJECTED,
			"the protected header names no algorithm (what is unprotected does not "
			"count)");
	for (*ret = 0; *ret < JWS_ALG_COUNT; (*ret)++)
		if (cbor_int(&c, &n) && alg_numbers[*ret] == n)
			break;
	if (*ret == JWS_ALG_COUNT)
		return why_set(why, -EKEYREJECTED, "algorithm %lld is not accepted", (long long)n);
	if (cbor_get(protected, H_CRIT, &c) || cbor_get(unprotected, H_CRIT, &c))
		return why_set(why, -EKEYREJECTED,
			"the header makes parameters critical (crit) that are not known");
	while (cbor_next(&it, &c) && cbor_next(&it, &value)) /* RFC 9052, 3: in one of the two */
		if (cbor_int(&c, &n) && cbor_get(protected, n, &value))
			return why_set(
				why, -EKEYREJECTED, "header label %lld comes twice", (long long)n);
	return 0;
}

static MUST_USE int signature_check(struct cose *s, const struct cbor *unprotected,
	const struct jws_trust *t, const struct jws_message *m, struct why *why)
{
	char kid[JWK_KID_MAX];
	struct cbor c;

	if (t->roots != NULL && t->roots->n > 0 &&
		(cbor_get(&s->protected_map, H_X5CHAIN, &c) ||
			cbor_get(unprotected, H_X5CHAIN, &c))) {
		STACK_OF(X509) *chain = sk_X509_new_null();
		int err = chain == NULL ? -ENOMEM : x5chain_parse(&c, chain, why);
		if (err == 0)
			err = jws_check_chain(t, chain, /* key= */ NULL, m, s->signer, why);
		sk_X509_pop_free(chain, X509_free);
		return err;
	}
	bool has_kid = cbor_get(&s->protected_map, H_KID, &c) || cbor_get(unprotected, H_KID, &c);
	if (has_kid && c.type != CBOR_BYTES)
		return why_set(why, -EKEYREJECTED, "the header's kid is no byte string");
	if (has_kid)
		kid_text(&c, kid);
	return jws_check(t, has_kid ? kid : NULL, m, s->signer, why);
}

int cose_verify(const uint8_t *bytes, size_t len, const struct jws_trust *trust, struct cose *ret,
	struct why *why)
{
	static const uint8_t empty_map[] = { 0xa0 };
	struct cbor c, protected = { 0 }, unprotected = { 0 }, payload = { 0 }, sig = { 0 };
	uint8_t *buf = NULL;
	int err = cbor_parse(bytes, len, &c, why);

	if (err < 0)
		return err;
	if (c.type == CBOR_TAG && c.n == TAG_CWT)
		(void)cbor_at(&c, 0, &c);
	if (c.type == CBOR_TAG && c.n == TAG_SIGN1)
		(void)cbor_at(&c, 0, &c);
	if (c.type != CBOR_ARRAY || c.n != 4 || !cbor_at(&c, 0, &protected) ||
		!cbor_at(&c, 1, &unprotected) || !cbor_at(&c, 2, &payload) ||
		!cbor_at(&c, 3, &sig) || protected.type != CBOR_BYTES ||
		unprotected.type != CBOR_MAP || payload.type != CBOR_BYTES ||
		sig.type != CBOR_BYTES)
		return why_set(why, -EBADMSG,
			"no COSE_Sign1: want [protected, unprotected, payload, signature]");
	err = protected.len == 0 ? cbor_parse(empty_map, sizeof empty_map, &ret->protected_map, why)
				 : cbor_parse(protected.p, protected.len, &ret->protected_map, why);
	if (err < 0)
		return why_prefix(why, err, "the protected header");
	ret->payload = payload.p;
	ret->payload_len = payload.len;
	err = header_check(&ret->protected_map, &unprotected, &ret->alg, why);
	if (err < 0 || !jws_trust_is_any(trust))
		return err;
	struct jws_message m = { .alg = ret->alg, .sig = sig.p, .sig_len = sig.len };
	err = to_be_signed(&protected, &payload, &buf, &m.len);
	m.bytes = buf;
	if (err == 0)
		err = signature_check(ret, &unprotected, trust, &m, why);
	free(buf);
	ret->is_verified = err == 0;
	return err;
}
