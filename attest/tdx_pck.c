#include "attest/tdx_pck.h"

#include <errno.h>
#include <string.h>

#include "attest/cert.h"
#include "base/rd.h"

/* 1.2.840.113741.1.13.1 in DER content bytes: the arcs below it follow. */
static const uint8_t sgx_arc[] = { 0x2A, 0x86, 0x48, 0x86, 0xF8, 0x4D, 0x01, 0x0D, 0x01 };

enum tag {
	TAG_BOOLEAN = 0x01,
	TAG_INTEGER = 0x02,
	TAG_OCTETS = 0x04,
	TAG_OID = 0x06,
	TAG_ENUMERATED = 0x0A,
	TAG_SEQUENCE = 0x30
};

/* One field: arcs below the extension's (second 0: none), how it is written, where it goes. */
struct field {
	uint8_t arc[2];
	enum tag tag;
	uint8_t size; /* of the bytes, or of the number in memory */
	bool is_optional;
	uint16_t offset;
};

#define AT(member) offsetof(struct tdx_pck, member)
#define OCTETS(a, b, o, field)                                                                     \
	{                                                                                          \
		{ a, b }, TAG_OCTETS, sizeof(((struct tdx_pck *)0)->field), o, AT(field)           \
	}
#define SVN(n)                                                                                     \
	{                                                                                          \
		{ 2, n }, TAG_INTEGER, 2, false, AT(svn) + 2 * (n - 1)                             \
	}
#define FLAG(n, field)                                                                             \
	{                                                                                          \
		{ 7, n }, TAG_BOOLEAN, 1, true, AT(field)                                          \
	}
/* clang-format off */
static const struct field fields[] = {
	OCTETS(1, 0, false, ppid),
	{ { 2, 0 }, TAG_SEQUENCE, 0, false, 0 },
	SVN(1), SVN(2), SVN(3), SVN(4), SVN(5), SVN(6), SVN(7), SVN(8),
	SVN(9), SVN(10), SVN(11), SVN(12), SVN(13), SVN(14), SVN(15), SVN(16),
	{ { 2, 17 }, TAG_INTEGER, 2, false, AT(pcesvn) },
	OCTETS(2, 18, false, cpusvn),
	OCTETS(3, 0, false, pceid),
	OCTETS(4, 0, false, fmspc),
	{ { 5, 0 }, TAG_ENUMERATED, 1, false, AT(sgx_type) },
	OCTETS(6, 0, true, piid),
	{ { 7, 0 }, TAG_SEQUENCE, 0, true, 0 },
	FLAG(1, dynamic_platform), FLAG(2, cached_keys), FLAG(3, smt),
};
/* clang-format on */
_Static_assert(ARRAY_LEN(fields) < 32, "one bit of a mask each");

/* The next DER value: short and two long forms of length, each the shortest that does. */
static struct rd der_next(struct rd *r, uint8_t *ret_tag)
{
	*ret_tag = rd_u8(r);
	size_t len = rd_u8(r);

	if (len == 0x81) {
		len = rd_u8(r);
		if (len < 0x80)
			rd_fail(r);
	} else if (len == 0x82) {
		len = rd_be16(r);
		if (len < 0x100)
			rd_fail(r);
	} else if (len >= 0x80) {
		rd_fail(r);
	}
	return rd_sub(r, len);
}

/* Not negative, no byte too many, at most max. */
static MUST_USE int number_parse(struct rd *v, uint32_t max, uint32_t *ret)
{
	size_t n = v->left;
	const uint8_t *b = rd_bytes(v, n);
	uint32_t sum = 0;

	if (b == NULL || n < 1 || n > 3 || (b[0] & 0x80) != 0 ||
		(n > 1 && b[0] == 0 && (b[1] & 0x80) == 0))
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		sum = sum << 8 | b[i];
	if (sum > max)
		return -EBADMSG;
	*ret = sum;
	return 0;
}

static MUST_USE int value_take(const struct field *f, struct rd *v, struct tdx_pck *p)
{
	uint8_t *at = (uint8_t *)p + f->offset;
	uint32_t number = 0;

	if (f->tag == TAG_OCTETS) {
		rd_copy(v, at, f->size);
		return rd_end(v);
	}
	if (f->tag == TAG_BOOLEAN) {
		uint8_t b = rd_u8(v);
		*(bool *)at = b == 0xFF;
		return b == 0 || b == 0xFF ? rd_end(v) : -EBADMSG;
	}
	int err = number_parse(v, f->size == 1 ? 2 : UINT16_MAX, &number);
	if (err == 0 && f->size == 1)
		*at = (uint8_t)number;
	if (err == 0 && f->size == 2)
		memcpy(at, &(uint16_t){ (uint16_t)number }, 2);
	return err;
}

static const struct field *field_find(struct rd *oid, uint8_t parent)
{
	const uint8_t *prefix = rd_bytes(oid, sizeof sgx_arc);
	uint8_t a = rd_u8(oid), b = oid->left > 0 ? rd_u8(oid) : 0;

	if (rd_end(oid) < 0 || memcmp(prefix, sgx_arc, sizeof sgx_arc) != 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].arc[0] == a && fields[i].arc[1] == b && parent == (b == 0 ? 0 : a))
			return &fields[i];
	return NULL;
}

/* SEQUENCE OF SEQUENCE { OID, value }; two of the values are such sequences themselves. */
static MUST_USE int fields_take(struct rd *r, uint8_t parent, uint32_t *seen, struct tdx_pck *p)
{
	while (r->left > 0 && rd_check(r) == 0) {
		uint8_t tag[3];
		struct rd row = der_next(r, &tag[0]);
		struct rd oid = der_next(&row, &tag[1]);
		struct rd value = der_next(&row, &tag[2]);
		if (rd_check(r) < 0 || rd_end(&row) < 0 || tag[0] != TAG_SEQUENCE ||
			tag[1] != TAG_OID)
			return -EBADMSG;
		const struct field *f = field_find(&oid, parent);
		if (f == NULL || f->tag != tag[2] || (*seen & 1u << (f - fields)) != 0)
			return -EBADMSG;
		*seen |= 1u << (f - fields);
		int err = f->tag == TAG_SEQUENCE ? fields_take(&value, f->arc[0], seen, p)
						 : value_take(f, &value, p);
		if (err < 0)
			return err;
	}
	return rd_end(r);
}

static MUST_USE int extension_take(struct rd *r, struct tdx_pck *p)
{
	uint8_t tag;
	uint32_t seen = 0;
	struct rd all = der_next(r, &tag);

	if (rd_end(r) < 0 || tag != TAG_SEQUENCE || fields_take(&all, 0, &seen, p) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		bool is_seen = (seen & 1u << i) != 0;
		if (!is_seen && !fields[i].is_optional)
			return -EBADMSG;
		if (is_seen && fields[i].offset == AT(piid) && fields[i].tag == TAG_OCTETS)
			p->has_piid = true;
		if (is_seen && fields[i].arc[0] == 7)
			p->has_configuration = true;
	}
	return 0;
}

bool tdx_pck_recognise(const X509 *x)
{
	char cn[CERT_NAME_MAX];

	cert_subject_cn(x, cn);
	return strstr(cn, "SGX PCK Certificate") != NULL;
}

int tdx_pck_parse(struct tdx_pck *ret, X509 *x, struct why *why)
{
	struct tdx_pck p = { 0 };
	size_t n = 0;

	for (int i = 0; i < X509_get_ext_count(x); i++) {
		X509_EXTENSION *e = X509_get_ext(x, i);
		const ASN1_OBJECT *oid = X509_EXTENSION_get_object(e);
		const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(e);
		if (OBJ_length(oid) != sizeof sgx_arc ||
			memcmp(OBJ_get0_data(oid), sgx_arc, sizeof sgx_arc) != 0)
			continue;
		struct rd r = rd_of(ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v));
		if (n++ > 0 || extension_take(&r, &p) < 0)
			return why_set(
				why, -EBADMSG, "PCK certificate: its SGX extension is malformed");
	}
	if (n == 0)
		return why_set(why, -EBADMSG, "PCK certificate: it has no SGX extension");
	if (!cert_is_p256(x))
		return why_set(why, -EBADMSG, "PCK certificate: its key is not on P-256");
	*ret = p;
	return 0;
}

void tdx_pck_claims(const struct tdx_pck *p, struct claims *c)
{
	uint8_t svn[32];

	claims_add_bytes(c, "fmspc", p->fmspc, sizeof p->fmspc);
	claims_add_bytes(c, "pceid", p->pceid, sizeof p->pceid);
	claims_add_bytes(c, "ppid", p->ppid, sizeof p->ppid);
	claims_add_bytes(c, "pck_cpusvn", p->cpusvn, sizeof p->cpusvn);
	claims_add_number(c, "pck_pcesvn", p->pcesvn);
	for (size_t i = 0; i < ARRAY_LEN(p->svn); i++)
		svn[2 * i] = (uint8_t)(p->svn[i] >> 8), svn[2 * i + 1] = (uint8_t)p->svn[i];
	claims_add_bytes(c, "pck_sgx_components", svn, sizeof svn); /* 16 big-endian words */
	claims_add_number(c, "sgx_type", p->sgx_type);
	if (p->has_piid)
		claims_add_bytes(c, "platform_instance_id", p->piid, sizeof p->piid);
	if (!p->has_configuration)
		return;
	claims_add_bool(c, "is_dynamic_platform", p->dynamic_platform);
	claims_add_bool(c, "is_cached_keys", p->cached_keys);
	claims_add_bool(c, "is_smt_enabled", p->smt);
}
