#include "attest/snp_leaf.h"

#include <errno.h>
#include <string.h>

#include "attest/cert.h"

/* 1.3.6.1.4.1.3704.1 in DER content bytes: the arcs below it follow. */
static const uint8_t amd_arc[] = { 0x2B, 0x06, 0x01, 0x04, 0x01, 0x9C, 0x78, 0x01 };

#define TAG_INTEGER      0x02
#define TAG_OCTET_STRING 0x04
#define TAG_IA5STRING    0x16

enum ext_kind { EXT_OTHER, EXT_STRUCT_VERSION, EXT_PRODUCT_NAME, EXT_SPL, EXT_HWID, EXT_CSP_ID };

struct ext {
	enum ext_kind kind;
	uint8_t spl; /* arc of .3.N */
	const uint8_t *p;
	size_t len;
};

/* Which of AMD's extensions this is, by its object identifier. */
static struct ext ext_of(const X509 *x, int index)
{
	X509_EXTENSION *e = X509_get_ext(x, index);
	const ASN1_OBJECT *oid = X509_EXTENSION_get_object(e);
	const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(e);
	const uint8_t *b = OBJ_get0_data(oid);
	size_t len = OBJ_length(oid);
	struct ext ret = { .p = ASN1_STRING_get0_data(value),
		.len = (size_t)ASN1_STRING_length(value) };

	if (len <= sizeof amd_arc || memcmp(b, amd_arc, sizeof amd_arc) != 0)
		return ret;
	const uint8_t *arc = b + sizeof amd_arc;
	size_t n = len - sizeof amd_arc;
	if (n == 1 && arc[0] == 1)
		ret.kind = EXT_STRUCT_VERSION;
	else if (n == 1 && arc[0] == 2)
		ret.kind = EXT_PRODUCT_NAME;
	else if (n == 2 && arc[0] == 3 && arc[1] >= 1 && arc[1] < SNP_SPL_COUNT)
		ret.kind = EXT_SPL, ret.spl = arc[1];
	else if (n == 1 && arc[0] == 4)
		ret.kind = EXT_HWID;
	else if (n == 1 && arc[0] == 5)
		ret.kind = EXT_CSP_ID;
	return ret;
}

/* DER INTEGER 0 to 255: 02 01 xx below 0x80, 02 02 00 xx from there on. */
static MUST_USE int spl_parse(const struct ext *e, uint8_t *ret)
{
	if (e->len == 3 && e->p[0] == TAG_INTEGER && e->p[1] == 1 && e->p[2] < 0x80)
		*ret = e->p[2];
	else if (e->len == 4 && e->p[0] == TAG_INTEGER && e->p[1] == 2 && e->p[2] == 0 &&
		 e->p[3] >= 0x80)
		*ret = e->p[3];
	else
		return -EBADMSG;
	return 0;
}

static MUST_USE int ia5_parse(const struct ext *e, char *ret, size_t size)
{
	if (e->len < 2 || e->p[0] != TAG_IA5STRING || e->p[1] != e->len - 2 || e->len - 2 >= size)
		return -EBADMSG;
	for (size_t i = 2; i < e->len; i++)
		if (e->p[i] < ' ' || e->p[i] > '~')
			return -EBADMSG;
	memcpy(ret, e->p + 2, e->len - 2);
	ret[e->len - 2] = '\0';
	return 0;
}

static MUST_USE int hwid_take(const struct ext *e, struct snp_leaf *l)
{
	if (e->len != 8 && e->len != 10 && e->len != 64 && e->len != 66)
		return -EBADMSG;
	memcpy(l->hwid_raw, e->p, e->len);
	l->hwid_raw_len = e->len;
	return 0;
}

static MUST_USE int ext_take(const struct ext *e, struct snp_leaf *l)
{
	uint8_t version;

	switch (e->kind) {
	case EXT_OTHER:
		return 0;
	case EXT_STRUCT_VERSION:
		return spl_parse(e, &version);
	case EXT_PRODUCT_NAME:
		return ia5_parse(e, l->product_name, sizeof l->product_name);
	case EXT_SPL:
		l->has_spl[e->spl] = true;
		return spl_parse(e, &l->spl[e->spl]);
	case EXT_HWID:
		return hwid_take(e, l);
	case EXT_CSP_ID:
		return ia5_parse(e, l->csp_id, sizeof l->csp_id);
	}
	return -EBADMSG;
}

const char *snp_signing_key_name(uint32_t kind)
{
	static const char *const names[8] = { "VCEK", "VLEK", "reserved", "reserved", "reserved",
		"reserved", "reserved", "none" };

	return names[kind & 7];
}

bool snp_leaf_recognise(const X509 *x)
{
	char cn[CERT_NAME_MAX];

	cert_subject_cn(x, cn);
	if (strcmp(cn, "SEV-VCEK") == 0 || strcmp(cn, "SEV-VLEK") == 0)
		return true;
	for (int i = 0; i < X509_get_ext_count(x); i++)
		if (ext_of(x, i).kind != EXT_OTHER)
			return true;
	return false;
}

/* The common name says the kind; hwID and cspID have to agree with it. */
static MUST_USE int kind_check(struct snp_leaf *l, const X509 *x, struct why *why)
{
	char cn[CERT_NAME_MAX];
	bool has_hwid = l->hwid_raw_len > 0, has_csp = l->csp_id[0] != '\0';

	cert_subject_cn(x, cn);
	if (strcmp(cn, "SEV-VCEK") != 0 && strcmp(cn, "SEV-VLEK") != 0)
		return why_set(
			why, -EBADMSG, "leaf certificate '%s', want SEV-VCEK or SEV-VLEK", cn);
	l->kind = strcmp(cn, "SEV-VLEK") == 0 ? SNP_KEY_VLEK : SNP_KEY_VCEK;
	if (has_hwid && has_csp)
		return why_set(
			why, -EBADMSG, "%s has both hwID and cspID (AMD 57230: never both)", cn);
	if (l->kind == SNP_KEY_VCEK && !has_hwid)
		return why_set(why, -EBADMSG, "%s has no hwID: it names no chip", cn);
	if (l->kind == SNP_KEY_VLEK && !has_csp)
		return why_set(why, -EBADMSG, "%s has no cspID: it names no provider", cn);
	return 0;
}

int snp_leaf_parse(struct snp_leaf *ret, X509 *x, struct why *why)
{
	struct snp_leaf l = { 0 };
	uint32_t seen = 0;

	for (int i = 0; i < X509_get_ext_count(x); i++) {
		struct ext e = ext_of(x, i);
		uint32_t bit = 1u << (e.kind == EXT_SPL ? 8u + e.spl : (uint32_t)e.kind);
		if (e.kind == EXT_OTHER)
			continue;
		if ((seen & bit) != 0)
			return why_set(
				why, -EBADMSG, "leaf certificate: extension %d is there twice", i);
		seen |= bit;
		if (ext_take(&e, &l) < 0)
			return why_set(why, -EBADMSG,
				"leaf certificate: extension %d (kind %u) is malformed (AMD 57230)",
				i, (unsigned int)e.kind);
	}
	if (!cert_is_p384(x))
		return why_set(why, -EBADMSG, "leaf certificate: its key is not on P-384");
	if (l.product_name[0] == '\0')
		return why_set(why, -EBADMSG, "leaf certificate: no productName");
	l.product = snp_product_parse(l.product_name, strcspn(l.product_name, "-"));
	int err = kind_check(&l, x, why);
	if (err < 0)
		return err;
	*ret = l;
	return 0;
}

bool snp_leaf_tcb(const struct snp_leaf *leaf, enum snp_product product, uint64_t *ret)
{
	const uint8_t *arcs = tcb_extension_arcs(product);
	uint64_t word = 0;

	if (arcs == NULL)
		return false;
	for (size_t i = 0; i < TCB_BYTES; i++) {
		if (!leaf->has_spl[arcs[i]])
			return false;
		word |= (uint64_t)leaf->spl[arcs[i]] << (8 * i);
	}
	*ret = word;
	return true;
}

bool snp_leaf_hwid_is(const struct snp_leaf *leaf, enum snp_product product,
	const uint8_t chip_id[SNP_CHIP_ID_BYTES])
{
	size_t want = product == SNP_PRODUCT_MILAN || product == SNP_PRODUCT_GENOA ? 64 : 8;
	const uint8_t *raw = leaf->hwid_raw;
	static const uint8_t zero[SNP_CHIP_ID_BYTES];

	if (memcmp(chip_id + want, zero, SNP_CHIP_ID_BYTES - want) != 0)
		return false;
	if (leaf->hwid_raw_len == want)
		return memcmp(raw, chip_id, want) == 0;
	return leaf->hwid_raw_len == want + 2 && raw[0] == TAG_OCTET_STRING && raw[1] == want &&
	       memcmp(raw + 2, chip_id, want) == 0;
}
