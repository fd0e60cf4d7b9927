#include "sev/sim/sim_report.h"

#include <errno.h>
#include <string.h>

#include "base/wr.h"
#include "sev/fw_error.h"
#include "sev/sim/sim_snp.h"

#define VMPL_MAX        3u
#define KEY_SEL_VLEK    2u
#define KEY_INFO_AUTHOR 1u

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

static void guest_put(struct snp_report *r, const struct sim_vm *vm)
{
	r->policy = le64_of(vm->snp->policy);
	memcpy(r->measurement, vm->snp->ld, sizeof r->measurement);
	memcpy(r->host_data, vm->snp->host_data, sizeof r->host_data);
	memcpy(r->report_id, vm->snp->report_id, sizeof r->report_id);
	memset(r->report_id_ma, 0xFF, sizeof r->report_id_ma); /* no migration agent */
	if (!vm->snp->has_id_block)
		return;
	r->guest_svn = vm->snp->id_block.guest_svn;
	memcpy(r->family_id, vm->snp->id_block.family_id, sizeof r->family_id);
	memcpy(r->image_id, vm->snp->id_block.image_id, sizeof r->image_id);
	memcpy(r->id_key_digest, vm->snp->id_key_digest, sizeof r->id_key_digest);
	if (!vm->snp->has_author_key)
		return;
	r->key_info = le32_of(KEY_INFO_AUTHOR);
	memcpy(r->author_key_digest, vm->snp->author_key_digest, sizeof r->author_key_digest);
}

static bool request_is_valid(const struct snp_report_req *req)
{
	uint8_t any = 0;

	for (size_t i = 0; i < sizeof req->zero; i++)
		any |= req->zero[i];
	return any == 0 && le32_get(req->vmpl) <= VMPL_MAX &&
	       le32_get(req->key_sel) <= KEY_SEL_VLEK;
}

uint32_t sim_report_make(
	const struct sim_vm *vm, const struct snp_report_req *req, struct snp_report *ret)
{
	struct snp_report r = { .signature_algo = le32_of(SNP_ALGO_ECDSA_P384_SHA384) };

	if (vm->snp->state != SIM_GUEST_RUNNING)
		return FW_INVALID_GUEST_STATE;
	if (!request_is_valid(req))
		return FW_INVALID_PARAM;
	if (vm->snp->is_vcek_disabled || le32_get(req->key_sel) == KEY_SEL_VLEK)
		return FW_INVALID_KEY; /* no VLEK is loaded, ever */
	platform_put(&r, &vm->m->platform);
	guest_put(&r, vm);
	r.vmpl = req->vmpl;
	memcpy(r.report_data, req->report_data, sizeof r.report_data);
	if (sim_sign(&vm->m->crypto, &r, offsetof(struct snp_report, signature), &r.signature) < 0)
		return FW_INVALID_KEY;
	*ret = r;
	return FW_SUCCESS;
}

int sim_table_write(const struct sim_platform *p, void *buf, size_t size, size_t *ret_len)
{
	static const struct {
		uint8_t guid[16];
		enum sim_blob blob;
	} rows[] = {
		{ SNP_GUID_VCEK, SIM_BLOB_VCEK },
		{ SNP_GUID_ASK, SIM_BLOB_ASK },
		{ SNP_GUID_ARK, SIM_BLOB_ARK },
	};
	struct wr w = wr_of(buf, size);
	size_t at = (ARRAY_LEN(rows) + 1) * sizeof(struct snp_cert_entry);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = p->blob[rows[i].blob].len;
		wr_copy(&w, rows[i].guid, sizeof rows[i].guid);
		wr_le32(&w, (uint32_t)at);
		wr_le32(&w, (uint32_t)len);
		at += len;
	}
	wr_zero(&w, sizeof(struct snp_cert_entry));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		wr_copy(&w, p->blob[rows[i].blob].p, p->blob[rows[i].blob].len);
	if (wr_check(&w) < 0)
		return -EMSGSIZE;
	*ret_len = w.len;
	return 0;
}
