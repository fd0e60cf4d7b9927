#include "sev/sim/sim_platform.h"

#include <errno.h>
#include <string.h>

#include "base/rd.h"
#include "base/wr.h"

#define MAGIC       "CMSIMPLT"
#define MAGIC_BYTES 8u
#define VERSION     1u
#define BLOB_MAX    8192u /* an RSA-4096 certificate is 1.7 KiB */
#define RECORDS_MAX (SIM_TDX_TAG_LAST + LIMIT_SIM_FAULTS)
#define SEV_RECORDS (1u + SIM_BLOB_COUNT)
#define ASIDS_MAX   1006u /* SNP guests of a large server; any number would do */

enum tag {
	TAG_VALUES = 1,
	TAG_BLOB_FIRST = 2, /* enum sim_blob in order */
	TAG_FAULT = 6,
};
_Static_assert(TAG_BLOB_FIRST + SIM_BLOB_COUNT == TAG_FAULT, "tags");

static const char *const product_names[SIM_PRODUCT_COUNT] = {
	[SIM_MILAN] = "Milan",
	[SIM_GENOA] = "Genoa",
	[SIM_TURIN] = "Turin",
};

const char *sim_product_name(enum sim_product product)
{
	return product_names[product];
}

static void values_parse(struct sim_platform *p, struct rd *r)
{
	p->product = (enum sim_product)rd_le32(r);
	p->report_version = rd_le32(r);
	p->fms = rd_le32(r);
	p->asids = rd_le32(r);
	p->seed = rd_le32(r);
	p->flags = rd_le32(r);
	p->platform_info = rd_le64(r);
	rd_copy(r, p->current_tcb, sizeof p->current_tcb);
	rd_copy(r, p->committed_tcb, sizeof p->committed_tcb);
	rd_copy(r, p->reported_tcb, sizeof p->reported_tcb);
	rd_copy(r, p->chip_id, sizeof p->chip_id);
	p->api_build = rd_u8(r);
	p->api_minor = rd_u8(r);
	p->api_major = rd_u8(r);
	rd_zero(r, 5);
	p->vmsa_features = rd_le64(r);
	p->policy_mask = rd_le64(r);
	p->mit_vector = rd_le64(r);
}

static MUST_USE int values_check(const struct sim_platform *p, struct why *why)
{
	if (p->product >= SIM_PRODUCT_COUNT)
		return why_set(why, -ERANGE, "platform file: product %u", (unsigned int)p->product);
	if (p->report_version != 3 && p->report_version != 5)
		return why_set(why, -ERANGE, "platform file: report version %u, want 3 or 5",
			p->report_version);
	if (p->asids > ASIDS_MAX || (p->flags & ~SIM_FLAG_SMT) != 0)
		return why_set(
			why, -ERANGE, "platform file: %u ASIDs, flags 0x%x", p->asids, p->flags);
	return 0;
}

static void fault_parse(struct sim_script *s, struct rd *r)
{
	struct sim_fault f = { 0 };

	f.command = rd_le32(r);
	f.nth = rd_le32(r);
	f.status = rd_le32(r);
	if (s->n == LIMIT_SIM_FAULTS || f.command >= SIM_COMMAND_COUNT || f.nth == 0 ||
		f.status == 0) {
		rd_fail(r);
		return;
	}
	s->fault[s->n++] = f;
}

/* One record; twice the same is malformed, but for faults. */
static void record_parse(struct sim_platform *p, uint32_t *seen, struct rd *r)
{
	uint32_t tag = rd_le32(r);
	uint32_t len = rd_le32(r);
	struct rd body = rd_sub(r, len);

	if (tag >= SIM_TDX_TAG_FIRST) {
		sim_tdx_platform_record(&p->tdx, tag, len, &body);
		if (rd_end(&body) < 0)
			rd_fail(r);
		return;
	}
	if (tag < TAG_VALUES || tag > TAG_FAULT || (tag != TAG_FAULT && (*seen & 1u << tag) != 0)) {
		rd_fail(r);
		return;
	}
	*seen |= 1u << tag;
	if (tag == TAG_VALUES) {
		values_parse(p, &body);
	} else if (tag == TAG_FAULT) {
		fault_parse(&p->script, &body);
	} else if (len == 0 || len > BLOB_MAX) {
		rd_fail(&body);
	} else {
		p->blob[tag - TAG_BLOB_FIRST] = (struct sim_bytes){ rd_bytes(&body, len), len };
	}
	if (rd_end(&body) < 0)
		rd_fail(r);
}

int sim_platform_parse(struct sim_platform *ret, const void *buf, size_t len, struct why *why)
{
	struct rd r = rd_of(buf, len);
	struct sim_platform p = { 0 };
	uint8_t magic[MAGIC_BYTES];
	uint32_t seen = 0;

	if (len > LIMIT_SIM_PLATFORM_BYTES)
		return why_set(why, -EMSGSIZE, "platform file: %zu bytes, at most %u", len,
			LIMIT_SIM_PLATFORM_BYTES);
	rd_copy(&r, magic, sizeof magic);
	uint32_t version = rd_le32(&r);
	uint32_t n = rd_le32(&r);
	if (rd_check(&r) < 0 || memcmp(magic, MAGIC, MAGIC_BYTES) != 0)
		return why_set(why, -EBADMSG, "not a platform file of the simulator");
	if (version != VERSION)
		return why_set(why, -EPROTONOSUPPORT, "platform file: version %u, want %u", version,
			VERSION);
	if (n > RECORDS_MAX)
		return why_set(
			why, -EBADMSG, "platform file: %u records, at most %u", n, RECORDS_MAX);
	for (uint32_t i = 0; i < n; i++)
		record_parse(&p, &seen, &r);
	const uint32_t all = (1u << TAG_FAULT) - (1u << TAG_VALUES);
	p.has_sev = (seen & all) != 0;
	if (rd_end(&r) < 0 || (p.has_sev && (seen & all) != all) ||
		(!p.has_sev && !p.tdx.is_present))
		return why_set(why, -EBADMSG, "platform file: malformed or incomplete");
	int err = p.has_sev ? values_check(&p, why) : 0;
	if (err == 0)
		err = sim_tdx_platform_check(&p.tdx, why);
	if (err == 0)
		*ret = p;
	return err;
}

static void values_print(const struct sim_platform *p, struct wr *w)
{
	wr_le32(w, (uint32_t)p->product);
	wr_le32(w, p->report_version);
	wr_le32(w, p->fms);
	wr_le32(w, p->asids);
	wr_le32(w, p->seed);
	wr_le32(w, p->flags);
	wr_le64(w, p->platform_info);
	wr_copy(w, p->current_tcb, sizeof p->current_tcb);
	wr_copy(w, p->committed_tcb, sizeof p->committed_tcb);
	wr_copy(w, p->reported_tcb, sizeof p->reported_tcb);
	wr_copy(w, p->chip_id, sizeof p->chip_id);
	wr_u8(w, p->api_build);
	wr_u8(w, p->api_minor);
	wr_u8(w, p->api_major);
	wr_zero(w, 5);
	wr_le64(w, p->vmsa_features);
	wr_le64(w, p->policy_mask);
	wr_le64(w, p->mit_vector);
}

static void sev_print(const struct sim_platform *p, struct wr *w)
{
	wr_le32(w, TAG_VALUES);
	wr_le32(w, sizeof(struct sim_wire_values));
	values_print(p, w);
	for (uint32_t i = 0; i < SIM_BLOB_COUNT; i++) {
		wr_le32(w, TAG_BLOB_FIRST + i);
		wr_le32(w, (uint32_t)p->blob[i].len);
		wr_copy(w, p->blob[i].p, p->blob[i].len);
	}
}

int sim_platform_print(const struct sim_platform *p, void *buf, size_t size, size_t *ret_len)
{
	struct wr w = wr_of(buf, size);

	wr_copy(&w, MAGIC, MAGIC_BYTES);
	wr_le32(&w, VERSION);
	wr_le32(&w, (p->has_sev ? SEV_RECORDS : 0) + sim_tdx_platform_count(&p->tdx) + p->script.n);
	if (p->has_sev)
		sev_print(p, &w);
	sim_tdx_platform_print(&p->tdx, &w);
	for (uint32_t i = 0; i < p->script.n; i++) {
		wr_le32(&w, TAG_FAULT);
		wr_le32(&w, 12);
		wr_le32(&w, p->script.fault[i].command);
		wr_le32(&w, p->script.fault[i].nth);
		wr_le32(&w, p->script.fault[i].status);
	}
	if (wr_check(&w) < 0)
		return -EMSGSIZE;
	*ret_len = w.len;
	return 0;
}
