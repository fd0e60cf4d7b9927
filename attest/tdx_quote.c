#include "attest/tdx_quote.h"

#include <errno.h>
#include <string.h>

#include "base/rd.h"

#define KEY_ECDSA_P256 2u
#define TEE_TDX        0x81u
#define CERT_QE_REPORT 6u

static const uint8_t intel_vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94,
	0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

/* Sizes of TD reports by body type (6.2). */
static const uint16_t body_sizes[] = {
	[TDX_BODY_1_0] = offsetof(struct tdx_body, tee_tcb_svn2),
	[TDX_BODY_1_5] = offsetof(struct tdx_body, vmid),
	[TDX_BODY_1_5_EXTENDED] = sizeof(struct tdx_body),
};

/* Certification data: exact sizes where they are fixed (6.3), 0: any. PPID, CPUSVN, PCESVN, PCEID. */
static const struct {
	uint16_t type, size;
} cert_types[] = {
	{ 1, 16 + 20 },
	{ 2, 256 + 20 },
	{ 3, 384 + 20 },
	{ TDX_CERT_PCK_LEAF, 0 },
	{ TDX_CERT_CHAIN, 0 },
	{ 7, 0 },
};

static MUST_USE int header_parse(struct tdx_quote *q, struct rd *r, struct why *why)
{
	q->version = rd_le16(r);
	uint16_t key_type = rd_le16(r);
	uint32_t tee = rd_le32(r);
	rd_skip(r, 4); /* reserved, but QE and PCE SVN for some producers (6.1) */
	q->vendor = rd_bytes(r, 16);
	q->user_data = rd_bytes(r, 20);
	if (rd_check(r) < 0)
		return why_set(why, -EBADMSG, "TDX quote: cut off in its header");
	if (q->version != 4 && q->version != 5)
		return why_set(
			why, -EPROTONOSUPPORT, "TDX quote: version %u, want 4 or 5", q->version);
	if (tee != TEE_TDX)
		return why_set(
			why, -EPROTONOSUPPORT, "TDX quote: TEE type 0x%x, want 0x%x", tee, TEE_TDX);
	if (key_type != KEY_ECDSA_P256)
		return why_set(why, -EPROTONOSUPPORT,
			"TDX quote: attestation key type %u, want 2 (ECDSA P-256)", key_type);
	return 0;
}

static MUST_USE int body_parse(struct tdx_quote *q, struct rd *r, struct why *why)
{
	uint32_t size = body_sizes[TDX_BODY_1_0];

	q->body_type = TDX_BODY_1_0;
	if (q->version == 5) {
		q->body_type = rd_le16(r);
		size = rd_le32(r);
	}
	if (rd_check(r) == 0 &&
		(q->body_type >= ARRAY_LEN(body_sizes) || body_sizes[q->body_type] == 0))
		return why_set(why, -EPROTONOSUPPORT,
			"TDX quote: body type %u, want 2, 3 or 4 (a TD report)", q->body_type);
	if (rd_check(r) == 0 && size != body_sizes[q->body_type])
		return why_set(why, -EBADMSG, "TDX quote: body of type %u has %u bytes, want %u",
			q->body_type, size, body_sizes[q->body_type]);
	rd_copy(r, &q->body, size);
	if (rd_check(r) < 0)
		return why_set(why, -EBADMSG, "TDX quote: cut off in its TD report");
	return 0;
}

/* DER, or PEM that is text all over: decoders forgive other bytes at the end of a line. */
static bool chain_is_readable(const uint8_t *p, size_t len)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";

	if (len > 0 && p[0] == 0x30)
		return true;
	while (len > 0 && p[len - 1] == 0) /* some producers end it so */
		len--;
	for (size_t i = 0; i < len; i++)
		if ((p[i] < ' ' || p[i] > '~') && p[i] != '\n' && p[i] != '\r')
			return false;
	return len >= sizeof begin - 1 && memcmp(p, begin, sizeof begin - 1) == 0;
}

static MUST_USE int cert_check(const struct tdx_quote *q, struct why *why)
{
	size_t i = 0;

	while (i < ARRAY_LEN(cert_types) && cert_types[i].type != q->cert_type)
		i++;
	if (i == ARRAY_LEN(cert_types))
		return why_set(why, -EPROTONOSUPPORT,
			"TDX quote: certification data of type %u, want 1 to 5 or 7", q->cert_type);
	if (cert_types[i].size != 0 && q->cert_len != cert_types[i].size)
		return why_set(why, -EBADMSG,
			"TDX quote: certification data of type %u has %zu bytes, want %u",
			q->cert_type, q->cert_len, cert_types[i].size);
	if (q->cert_type == TDX_CERT_CHAIN && !chain_is_readable(q->cert, q->cert_len))
		return why_set(why, -EBADMSG,
			"TDX quote: the PCK chain is not one of certificates, PEM or DER");
	return 0;
}

/* Every size is inside the one above it, and they add up exactly (6.3). */
static MUST_USE int signature_parse(struct tdx_quote *q, struct rd *outer, struct why *why)
{
	uint32_t len = rd_le32(outer);
	struct rd r = rd_sub(outer, len);

	if (rd_check(outer) < 0)
		return why_set(why, -EBADMSG,
			"TDX quote: %u bytes of signature data do not fit into the file", len);
	q->signature = rd_bytes(&r, 64);
	q->key = rd_bytes(&r, 64);
	uint16_t type = rd_le16(&r);
	struct rd qe = rd_sub(&r, rd_le32(&r));
	if (rd_end(&r) < 0)
		return why_set(why, -EBADMSG,
			"TDX quote: the sizes of signature and certification data do not add up");
	if (type != CERT_QE_REPORT)
		return why_set(why, -EPROTONOSUPPORT,
			"TDX quote: certification data of type %u, want 6 (QE report)", type);
	q->qe = (const struct tdx_qe_report *)rd_bytes(&qe, sizeof *q->qe);
	q->qe_signature = rd_bytes(&qe, 64);
	q->qe_auth_len = rd_le16(&qe);
	q->qe_auth = rd_bytes(&qe, q->qe_auth_len);
	q->cert_type = rd_le16(&qe);
	q->cert_len = rd_le32(&qe);
	q->cert = rd_bytes(&qe, q->cert_len);
	if (rd_end(&qe) < 0)
		return why_set(why, -EBADMSG,
			"TDX quote: the sizes inside the QE's certification data do not add up");
	return cert_check(q, why);
}

int tdx_quote_parse(struct tdx_quote *ret, const uint8_t *buf, size_t len, struct why *why)
{
	struct tdx_quote q = { .signed_bytes = buf };
	struct rd r = rd_of(buf, len);
	int err = header_parse(&q, &r, why);

	if (err == 0)
		err = body_parse(&q, &r, why);
	q.signed_len = len - r.left;
	if (err == 0)
		err = signature_parse(&q, &r, why);
	if (err < 0)
		return err;
	q.n_trailing = r.left;
	*ret = q;
	return 0;
}

bool tdx_quote_is_intel(const struct tdx_quote *q)
{
	return memcmp(q->vendor, intel_vendor, sizeof intel_vendor) == 0;
}

/* --- claims ----------------------------------------------------------------------------------- */

#define ROW(name, field, type)                                                                     \
	{                                                                                          \
		name, offsetof(struct tdx_body, field), sizeof(((struct tdx_body *)0)->field),     \
			type                                                                       \
	}
static const struct {
	const char *name;
	uint16_t offset, size;
	uint16_t since; /* body type */
} body_rows[] = {
	ROW("tee_tcb_svn", tee_tcb_svn, TDX_BODY_1_0),
	ROW("mrseam", mrseam, TDX_BODY_1_0),
	ROW("mrsignerseam", mrsignerseam, TDX_BODY_1_0),
	ROW("seam_attributes", seam_attributes, TDX_BODY_1_0),
	ROW("td_attributes", td_attributes, TDX_BODY_1_0),
	ROW("xfam", xfam, TDX_BODY_1_0),
	ROW("mrtd", mrtd, TDX_BODY_1_0),
	ROW("mrconfigid", mrconfigid, TDX_BODY_1_0),
	ROW("mrowner", mrowner, TDX_BODY_1_0),
	ROW("mrownerconfig", mrownerconfig, TDX_BODY_1_0),
	ROW("rtmr0", rtmr[0], TDX_BODY_1_0),
	ROW("rtmr1", rtmr[1], TDX_BODY_1_0),
	ROW("rtmr2", rtmr[2], TDX_BODY_1_0),
	ROW("rtmr3", rtmr[3], TDX_BODY_1_0),
	ROW("report_data", report_data, TDX_BODY_1_0),
	ROW("tee_tcb_svn2", tee_tcb_svn2, TDX_BODY_1_5),
	ROW("mrservicetd", mrservicetd, TDX_BODY_1_5),
	ROW("vmid", vmid, TDX_BODY_1_5_EXTENDED),
	ROW("td_id", td_id, TDX_BODY_1_5_EXTENDED),
	ROW("dev_info", dev_info, TDX_BODY_1_5_EXTENDED),
	ROW("init_servtd_hash", init_servtd_hash, TDX_BODY_1_5_EXTENDED),
	ROW("init_servtd_attr", init_servtd_attr, TDX_BODY_1_5_EXTENDED),
	ROW("init_cpusvn", init_cpusvn, TDX_BODY_1_5_EXTENDED),
	ROW("init_tee_tcb_svn", init_tee_tcb_svn, TDX_BODY_1_5_EXTENDED),
	ROW("init_tee_fmspc", init_tee_fmspc, TDX_BODY_1_5_EXTENDED),
	ROW("cur_servtd_hash", cur_servtd_hash, TDX_BODY_1_5_EXTENDED),
	ROW("cur_servtd_attr", cur_servtd_attr, TDX_BODY_1_5_EXTENDED),
};
#undef ROW

/* Names of bits as 6.2 has them. */
static const struct {
	const char *name;
	uint64_t bits;
} attribute_rows[] = {
	{ "td_attributes_debug", TDX_ATTR_TUD },
	{ "td_attributes_septve_disable", 1ull << 28 },
	{ "td_attributes_migratable", TDX_ATTR_MIGRATABLE },
	{ "td_attributes_protection_keys", 1ull << 30 },
	{ "td_attributes_key_locker", 1ull << 31 },
	{ "td_attributes_perfmon", 1ull << 63 },
};

void tdx_quote_claims(const struct tdx_quote *q, struct claims *c)
{
	uint64_t attributes = le64_get(q->body.td_attributes);

	claims_add_number(c, "version", q->version);
	claims_add_number(c, "body_type", q->body_type);
	claims_add_bytes(c, "qe_vendor_id", q->vendor, 16);
	claims_add_bytes(c, "user_data", q->user_data, 20);
	for (size_t i = 0; i < ARRAY_LEN(body_rows); i++)
		if (q->body_type >= body_rows[i].since)
			claims_add_bytes(c, body_rows[i].name,
				(const uint8_t *)&q->body + body_rows[i].offset, body_rows[i].size);
	for (size_t i = 0; i < ARRAY_LEN(attribute_rows); i++)
		claims_add_bool(
			c, attribute_rows[i].name, (attributes & attribute_rows[i].bits) != 0);
	claims_add_bytes(c, "qe_mrenclave", q->qe->mrenclave, 32);
	claims_add_bytes(c, "qe_mrsigner", q->qe->mrsigner, 32);
	claims_add_number(c, "qe_isvprodid", le16_get(q->qe->isvprodid));
	claims_add_number(c, "qe_isvsvn", le16_get(q->qe->isvsvn));
	claims_add_number(c, "certification_data_type", q->cert_type);
}
