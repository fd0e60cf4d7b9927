#include "sev/sim/sim_report.h"

#include <errno.h>
#include <string.h>

#include "base/wr.h"
#include "sev/fw_error.h"

#define VMPL_MAX        3u
#define KEY_INFO_AUTHOR 1u
#define KEY_INFO_MASKED 2u
#define KEY_INFO_VLEK   (1u << 2)
#define KEY_INFO_NONE   (7u << 2)

/* MSG_REPORT_REQ.key_sel */
enum key_sel { KEY_SEL_ANY, KEY_SEL_VCEK, KEY_SEL_VLEK };

/* Family and model as the report has them: base and extended added up. ATT 1.1, 0x188. */
static uint8_t family_of(uint32_t fms)
{
	return (uint8_t)((fms >> 8 & 0xF) + (fms >> 20 & 0xFF));
}

static uint8_t model_of(uint32_t fms)
{
	return (uint8_t)((fms >> 4 & 0xF) | (fms >> 12 & 0xF0));
}

static void platform_put(struct snp_report *r, const struct sim_platform *p)
{
	r->version = le32_of(p->report_version);
	memcpy(r->current_tcb, p->current_tcb, sizeof r->current_tcb);
	memcpy(r->committed_tcb, p->committed_tcb, sizeof r->committed_tcb);
	memcpy(r->reported_tcb, p->reported_tcb, sizeof r->reported_tcb);
	memcpy(r->launch_tcb, p->current_tcb, sizeof r->launch_tcb);
	memcpy(r->chip_id, p->chip_id, sizeof r->chip_id);
	r->platform_info = le64_of(p->platform_info);
	r->cpuid_fam_id = family_of(p->fms);
	r->cpuid_mod_id = model_of(p->fms);
	r->cpuid_step = (uint8_t)(p->fms & 0xF);
	r->current_build = r->committed_build = p->api_build;
	r->current_minor = r->committed_minor = p->api_minor;
	r->current_major = r->committed_major = p->api_major;
	if (p->report_version >= 5) {
		r->launch_mit_vector = le64_of(p->mit_vector);
		r->current_mit_vector = le64_of(p->mit_vector);
	}
}

static void guest_put(struct snp_report *r, const struct sim_snp *snp)
{
	r->policy = le64_of(snp->policy);
	memcpy(r->measurement, snp->ld, sizeof r->measurement);
	memcpy(r->host_data, snp->host_data, sizeof r->host_data);
	memcpy(r->report_id, snp->report_id, sizeof r->report_id);
	memset(r->report_id_ma, 0xFF, sizeof r->report_id_ma); /* no migration agent */
	if (!snp->has_id_block)
		return;
	r->guest_svn = snp->id_block.guest_svn;
	memcpy(r->family_id, snp->id_block.family_id, sizeof r->family_id);
	memcpy(r->image_id, snp->id_block.image_id, sizeof r->image_id);
	memcpy(r->id_key_digest, snp->id_key_digest, sizeof r->id_key_digest);
	if (!snp->has_author_key)
		return;
	r->key_info = le32_of(KEY_INFO_AUTHOR);
	memcpy(r->author_key_digest, snp->author_key_digest, sizeof r->author_key_digest);
}

static bool request_is_valid(const struct snp_report_req *req)
{
	uint8_t any = 0;

	for (size_t i = 0; i < sizeof req->zero; i++)
		any |= req->zero[i];
	return any == 0 && le32_get(req->vmpl) <= VMPL_MAX &&
	       le32_get(req->key_sel) <= KEY_SEL_VLEK;
}

/* By the VLEK if it is asked for, or loaded and nothing is asked for. ABI 3.5, 7.2.16. */
static MUST_USE int key_choose(
	const struct sim_machine *m, const struct sim_snp *snp, enum key_sel want, void **ret)
{
	bool is_vlek = want == KEY_SEL_VLEK || (want == KEY_SEL_ANY && m->vlek != NULL);

	if (is_vlek ? m->vlek == NULL : snp->is_vcek_disabled)
		return -ENOKEY;
	*ret = is_vlek ? m->vlek : m->crypto.vcek;
	return 0;
}

/* A host that hides its chip: no chip id, or no signature either. ABI 2.1, SNP_SET_CONFIG. */
static MUST_USE int report_sign(const struct sim_machine *m, void *key, struct snp_report *r)
{
	bool is_masked = (m->snp_masks & SIM_MASK_CHIP_KEY) != 0 && key == m->crypto.vcek;
	uint32_t info = le32_get(r->key_info);

	if ((m->snp_masks & SIM_MASK_CHIP_ID) != 0)
		memset(r->chip_id, 0, sizeof r->chip_id);
	if ((m->snp_masks & SIM_MASK_CHIP_KEY) != 0)
		info |= KEY_INFO_MASKED;
	if (key == m->vlek)
		info |= KEY_INFO_VLEK;
	if (is_masked)
		info |= KEY_INFO_NONE;
	r->key_info = le32_of(info);
	return is_masked ? 0
			 : sim_ec_sign(key, SIM_SHA384, r, offsetof(struct snp_report, signature),
				   &r->signature);
}

uint32_t sim_report_make(const struct sim_machine *m, const struct sim_snp *snp,
	const struct snp_report_req *req, struct snp_report *ret)
{
	struct snp_report r = { .signature_algo = le32_of(SNP_ALGO_ECDSA_P384_SHA384) };
	void *key = NULL;

	if (snp->state != SIM_GUEST_RUNNING)
		return FW_INVALID_GUEST_STATE;
	if (!request_is_valid(req))
		return FW_INVALID_PARAM;
	if (key_choose(m, snp, (enum key_sel)le32_get(req->key_sel), &key) < 0)
		return FW_INVALID_KEY;
	platform_put(&r, &m->platform);
	guest_put(&r, snp);
	r.vmpl = req->vmpl;
	memcpy(r.report_data, req->report_data, sizeof r.report_data);
	if (report_sign(m, key, &r) < 0)
		return FW_INVALID_KEY;
	*ret = r;
	return FW_SUCCESS;
}

int sim_table_write(
	const struct sim_platform *p, bool is_vlek, void *buf, size_t size, size_t *ret_len)
{
	const struct {
		uint8_t guid[16];
		struct sim_bytes der;
	} rows[] = {
		{ SNP_GUID_VCEK, p->blob[SIM_BLOB_VCEK] },
		{ SNP_GUID_ASK, p->blob[SIM_BLOB_ASK] },
		{ SNP_GUID_ARK, p->blob[SIM_BLOB_ARK] },
	}, vlek_rows[] = {
		{ SNP_GUID_VLEK, p->vlek[SIM_VLEK_CERT] },
		{ SNP_GUID_ASK, p->vlek[SIM_VLEK_ASVK] },
		{ SNP_GUID_ARK, p->blob[SIM_BLOB_ARK] },
	};
	struct wr w = wr_of(buf, size);
	size_t at = (ARRAY_LEN(rows) + 1) * sizeof(struct snp_cert_entry);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = is_vlek ? vlek_rows[i].der.len : rows[i].der.len;
		wr_copy(&w, is_vlek ? vlek_rows[i].guid : rows[i].guid, sizeof rows[i].guid);
		wr_le32(&w, (uint32_t)at);
		wr_le32(&w, (uint32_t)len);
		at += len;
	}
	wr_zero(&w, sizeof(struct snp_cert_entry));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sim_bytes der = is_vlek ? vlek_rows[i].der : rows[i].der;
		wr_copy(&w, der.p, der.len);
	}
	if (wr_check(&w) < 0)
		return -EMSGSIZE;
	*ret_len = w.len;
	return 0;
}
