#include "sev/sim/sim_platform.h"

#include <errno.h>
#include <string.h>

#include "base/rd.h"
#include "base/wr.h"
#include "sev/sim/sim_identity.h"

#define MAGIC       "CMSIMPLT"
#define MAGIC_BYTES 8u
#define VERSION     1u
#define BLOB_MAX    16384u /* an RSA-4096 certificate is 1.7 KiB */
#define RECORDS_MAX (SIM_TDX_TAG_LAST + LIMIT_SIM_FAULTS)
#define SEV_RECORDS (1u + SIM_BLOB_COUNT + 4u)
#define ASIDS_MAX   1006u /* SNP guests of a large server; any number would do */

enum tag {
	TAG_VALUES = 1,
	TAG_BLOB_FIRST = 2, /* enum sim_blob in order */
	TAG_FAULT = 6,
	TAG_SEV = 7,
	TAG_IDENTITY = 8,
	TAG_VLEK_FIRST = 9, /* enum sim_vlek in order */
	TAG_COUNT = 11,
};
_Static_assert(TAG_BLOB_FIRST + SIM_BLOB_COUNT == TAG_FAULT, "tags");
_Static_assert(TAG_VLEK_FIRST + SIM_VLEK_COUNT == TAG_COUNT, "tags");
#define TAGS_NEEDED ((1u << TAG_COUNT) - (1u << TAG_VALUES) - (1u << TAG_FAULT))

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
	if (p->asids > ASIDS_MAX || (p->flags & ~SIM_FLAGS_ALL) != 0)
		return why_set(
			why, -ERANGE, "platform file: %u ASIDs, flags 0x%x", p->asids, p->flags);
	if ((p->kinds & ~7u) != 0 || p->sev_asids > ASIDS_MAX || p->hidden_asids > p->asids)
		return why_set(why, -ERANGE, "platform file: kinds 0x%x, %u and %u ASIDs", p->kinds,
			p->sev_asids, p->hidden_asids);
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

static void sev_parse(struct sim_platform *p, struct rd *r)
{
	p->kinds = rd_le32(r);
	p->sev_asids = rd_le32(r);
	p->hidden_asids = rd_le32(r);
	rd_zero(r, 4);
	p->memlock_bytes = rd_le64(r);
}

static struct sim_bytes *blob_of(struct sim_platform *p, uint32_t tag)
{
	if (tag >= TAG_VLEK_FIRST)
		return &p->vlek[tag - TAG_VLEK_FIRST];
	return tag == TAG_IDENTITY ? &p->identity : &p->blob[tag - TAG_BLOB_FIRST];
}

static void blob_parse(struct sim_bytes *ret, uint32_t len, struct rd *r)
{
	if (len == 0 || len > BLOB_MAX)
		rd_fail(r);
	else
		*ret = (struct sim_bytes){ rd_bytes(r, len), len };
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
	if (tag < TAG_VALUES || tag >= TAG_COUNT ||
		(tag != TAG_FAULT && (*seen & 1u << tag) != 0)) {
		rd_fail(r);
		return;
	}
	*seen |= 1u << tag;
	if (tag == TAG_VALUES)
		values_parse(p, &body);
	else if (tag == TAG_FAULT)
		fault_parse(&p->script, &body);
	else if (tag == TAG_SEV)
		sev_parse(p, &body);
	else
		blob_parse(blob_of(p, tag), len, &body);
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
	p.has_sev = (seen & TAGS_NEEDED) != 0;
	if (rd_end(&r) < 0 || (p.has_sev && (seen & TAGS_NEEDED) != TAGS_NEEDED) ||
		(p.has_sev && p.identity.len != SIM_IDENTITY_BYTES) ||
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

static void blob_print(uint32_t tag, struct sim_bytes b, struct wr *w)
{
	wr_le32(w, tag);
	wr_le32(w, (uint32_t)b.len);
	wr_copy(w, b.p, b.len);
}

static void sev_print(const struct sim_platform *p, struct wr *w)
{
	wr_le32(w, TAG_VALUES);
	wr_le32(w, sizeof(struct sim_wire_values));
	values_print(p, w);
	wr_le32(w, TAG_SEV);
	wr_le32(w, sizeof(struct sim_wire_sev));
	wr_le32(w, p->kinds);
	wr_le32(w, p->sev_asids);
	wr_le32(w, p->hidden_asids);
	wr_le32(w, 0);
	wr_le64(w, p->memlock_bytes);
	for (uint32_t i = 0; i < SIM_BLOB_COUNT; i++)
		blob_print(TAG_BLOB_FIRST + i, p->blob[i], w);
	blob_print(TAG_IDENTITY, p->identity, w);
	for (uint32_t i = 0; i < SIM_VLEK_COUNT; i++)
		blob_print(TAG_VLEK_FIRST + i, p->vlek[i], w);
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
