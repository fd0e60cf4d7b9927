#include "attest/snp_report.h"

#include <errno.h>
#include <string.h>

#include "base/rd.h"

#define ALGO_ECDSA_P384_SHA384 1u
#define KEY_INFO_RESERVED      (~0u << 5)

/* Reserved bytes [from, to) of the report must be zero; which one is not helps a person. */
static MUST_USE int reserved_check(const uint8_t *b, size_t from, size_t to, struct why *why)
{
	for (size_t i = from; i < to; i++)
		if (b[i] != 0)
			return why_set(why, -EBADMSG,
				"SNP report: reserved byte at 0x%zx is 0x%02x, want 0 (AMD 56860, "
				"ATTESTATION_REPORT)",
				i, b[i]);
	return 0;
}

/* What version 2 calls reserved and later ones fill: 0x188-0x18A, 0x1F8-0x207. */
static MUST_USE int versioned_reserved_check(const uint8_t *b, uint32_t version, struct why *why)
{
	int err = reserved_check(b, 0x04C, 0x050, why);

	if (err == 0)
		err = reserved_check(b, version >= 3 ? 0x18B : 0x188, 0x1A0, why);
	if (err == 0)
		err = reserved_check(b, 0x1EB, 0x1EC, why);
	if (err == 0)
		err = reserved_check(b, 0x1EF, 0x1F0, why);
	if (err == 0)
		err = reserved_check(b, version >= 5 ? 0x208 : 0x1F8, SNP_REPORT_SIGNED, why);
	return err;
}

static bool bytes_are_zero(const uint8_t *b, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= b[i];
	return any == 0;
}

static struct snp_fw_version fw_version_read(struct rd *r)
{
	struct snp_fw_version v = { 0 };

	v.build = rd_u8(r);
	v.minor = rd_u8(r);
	v.major = rd_u8(r);
	rd_zero(r, 1);
	return v;
}

/* 0x000 to 0x187 are the same in every version. */
static void head_read(struct rd *r, struct snp_report *p)
{
	p->version = rd_le32(r);
	p->guest_svn = rd_le32(r);
	p->policy = rd_le64(r);
	rd_copy(r, p->family_id, sizeof p->family_id);
	rd_copy(r, p->image_id, sizeof p->image_id);
	p->vmpl = rd_le32(r);
	p->signature_algo = rd_le32(r);
	p->current_tcb = rd_le64(r);
	p->platform_info = rd_le64(r);
	p->key_info = rd_le32(r);
	p->signing_key = p->key_info >> 2 & 7;
	rd_zero(r, 4);
	rd_copy(r, p->report_data, sizeof p->report_data);
	rd_copy(r, p->measurement, sizeof p->measurement);
	rd_copy(r, p->host_data, sizeof p->host_data);
	rd_copy(r, p->id_key_digest, sizeof p->id_key_digest);
	rd_copy(r, p->author_key_digest, sizeof p->author_key_digest);
	rd_copy(r, p->report_id, sizeof p->report_id);
	rd_copy(r, p->report_id_ma, sizeof p->report_id_ma);
	p->reported_tcb = rd_le64(r);
}

static void tail_read(struct rd *r, struct snp_report *p)
{
	p->has_cpuid = p->version >= 3;
	p->has_mit_vectors = p->version >= 5;
	p->cpuid_family = rd_u8(r);
	p->cpuid_model = rd_u8(r);
	p->cpuid_stepping = rd_u8(r);
	rd_zero(r, 21);
	rd_copy(r, p->chip_id, sizeof p->chip_id);
	p->committed_tcb = rd_le64(r);
	p->current = fw_version_read(r);
	p->committed = fw_version_read(r);
	p->launch_tcb = rd_le64(r);
	p->launch_mit_vector = rd_le64(r);
	p->current_mit_vector = rd_le64(r);
	rd_zero(r, SNP_REPORT_SIGNED - 0x208);
	rd_copy(r, p->sig_r, sizeof p->sig_r);
	rd_copy(r, p->sig_s, sizeof p->sig_s);
}

int snp_report_parse(struct snp_report *ret, const void *buf, size_t len, struct why *why)
{
	struct rd r = rd_of(buf, len);
	struct snp_report p = { 0 };

	if (len != SNP_REPORT_BYTES)
		return why_set(
			why, -EBADMSG, "SNP report: %zu bytes, want %u", len, SNP_REPORT_BYTES);
	head_read(&r, &p);
	if (p.version < 2 || p.version > 5)
		return why_set(
			why, -EPROTONOSUPPORT, "SNP report: version %u, want 2 to 5", p.version);
	if (p.signature_algo != ALGO_ECDSA_P384_SHA384)
		return why_set(why, -EPROTONOSUPPORT,
			"SNP report: signature algorithm %u, want 1 (AMD 56860, "
			"ATTESTATION_REPORT, "
			"SIGNATURE_ALGO)",
			p.signature_algo);
	if ((p.key_info & KEY_INFO_RESERVED) != 0)
		return why_set(why, -EBADMSG, "SNP report: KEY_INFO 0x%x has reserved bits set",
			p.key_info);
	int err = versioned_reserved_check(buf, p.version, why);
	if (err < 0)
		return err;
	tail_read(&r, &p);

	size_t tail_len = r.left;
	const uint8_t *tail = rd_bytes(&r, tail_len);
	if (tail == NULL || rd_end(&r) < 0)
		return why_set(why, -EBADMSG, "SNP report: reserved bytes are not zero");
	p.sig_tail_is_zero = bytes_are_zero(tail, tail_len);
	*ret = p;
	return 0;
}
