#include "sev/sim/sim_tdx_platform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOB_MAX       16384u /* three P-256 certificates in PEM are 3 KiB */
#define KEYS_MAX       64u    /* key identifiers of a server's memory encryption: any number */
#define NO_ENTROPY_MAX 10000u /* QEMU's patience: ABI 4.3 */

enum tag {
	TAG_VALUES = SIM_TDX_TAG_FIRST,
	TAG_BLOB_FIRST, /* enum sim_tdx_blob in order */
	TAG_FAULT = TAG_BLOB_FIRST + SIM_TDX_BLOB_COUNT,
};

static void values_parse(struct sim_tdx_platform *p, struct rd *r)
{
	p->quote_version = rd_le32(r);
	p->body_type = rd_le32(r);
	p->keys = rd_le32(r);
	p->seed = rd_le32(r);
	p->no_entropy = rd_le32(r);
	p->flags = rd_le32(r);
	p->attributes = rd_le64(r);
	p->xfam = rd_le64(r);
	rd_copy(r, p->tee_tcb_svn, sizeof p->tee_tcb_svn);
	rd_copy(r, p->tee_tcb_svn2, sizeof p->tee_tcb_svn2);
	rd_copy(r, p->cpusvn, sizeof p->cpusvn);
	rd_copy(r, p->mrseam, sizeof p->mrseam);
	rd_copy(r, p->report_key, sizeof p->report_key);
	p->qe_isvsvn = rd_le16(r);
	rd_zero(r, 6);
}

static void fault_parse(struct sim_tdx_script *s, struct rd *r)
{
	struct sim_tdx_fault f = { 0 };

	f.command = rd_le32(r);
	f.nth = rd_le32(r);
	f.status = rd_le64(r);
	if (s->n == LIMIT_SIM_FAULTS || f.command >= SIM_TDX_COMMAND_COUNT || f.nth == 0 ||
		f.status == 0) {
		rd_fail(r);
		return;
	}
	s->fault[s->n++] = f;
}

void sim_tdx_platform_record(
	struct sim_tdx_platform *p, uint32_t tag, uint32_t len, struct rd *body)
{
	if (tag < TAG_VALUES || tag > TAG_FAULT ||
		(tag != TAG_FAULT && (p->seen & 1u << tag) != 0)) {
		rd_fail(body);
		return;
	}
	p->seen |= 1u << tag;
	p->is_present = true;
	if (tag == TAG_VALUES)
		values_parse(p, body);
	else if (tag == TAG_FAULT)
		fault_parse(&p->script, body);
	else if (len == 0 || len > BLOB_MAX)
		rd_fail(body);
	else
		p->blob[tag - TAG_BLOB_FIRST] = (struct sim_tdx_bytes){ rd_bytes(body, len), len };
}

int sim_tdx_platform_check(const struct sim_tdx_platform *p, struct why *why)
{
	const uint32_t all = (1u << TAG_FAULT) - (1u << TAG_VALUES);

	if (!p->is_present)
		return 0;
	if ((p->seen & all) != all)
		return why_set(why, -EBADMSG, "platform file: its part for TDX is incomplete");
	if (p->quote_version != 4 && p->quote_version != 5)
		return why_set(why, -ERANGE, "platform file: quote version %u, want 4 or 5",
			p->quote_version);
	if (p->body_type != 2 && (p->body_type != 3 || p->quote_version != 5))
		return why_set(why, -ERANGE, "platform file: TD report %u in a quote of version %u",
			p->body_type, p->quote_version);
	if (p->keys > KEYS_MAX || p->no_entropy > NO_ENTROPY_MAX ||
		(p->flags & ~SIM_TDX_FLAG_5_LEVEL) != 0)
		return why_set(why, -ERANGE,
			"platform file: %u TDX keys, %u times no entropy, flags 0x%x", p->keys,
			p->no_entropy, p->flags);
	if ((p->xfam & ABI_TDX_XFAM_FIXED1) != ABI_TDX_XFAM_FIXED1 ||
		(p->xfam & ~ABI_TDX_XFAM_FIXED0) != 0)
		return why_set(
			why, -ERANGE, "platform file: XFAM 0x%llx", (unsigned long long)p->xfam);
	return 0;
}

uint32_t sim_tdx_platform_count(const struct sim_tdx_platform *p)
{
	return p->is_present ? 1u + SIM_TDX_BLOB_COUNT + p->script.n : 0;
}

static void values_print(const struct sim_tdx_platform *p, struct wr *w)
{
	wr_le32(w, TAG_VALUES);
	wr_le32(w, sizeof(struct sim_tdx_wire_values));
	wr_le32(w, p->quote_version);
	wr_le32(w, p->body_type);
	wr_le32(w, p->keys);
	wr_le32(w, p->seed);
	wr_le32(w, p->no_entropy);
	wr_le32(w, p->flags);
	wr_le64(w, p->attributes);
	wr_le64(w, p->xfam);
	wr_copy(w, p->tee_tcb_svn, sizeof p->tee_tcb_svn);
	wr_copy(w, p->tee_tcb_svn2, sizeof p->tee_tcb_svn2);
	wr_copy(w, p->cpusvn, sizeof p->cpusvn);
	wr_copy(w, p->mrseam, sizeof p->mrseam);
	wr_copy(w, p->report_key, sizeof p->report_key);
	wr_le16(w, p->qe_isvsvn);
	wr_zero(w, 6);
}

void sim_tdx_platform_print(const struct sim_tdx_platform *p, struct wr *w)
{
	if (!p->is_present)
		return;
	values_print(p, w);
	for (uint32_t i = 0; i < SIM_TDX_BLOB_COUNT; i++) {
		wr_le32(w, TAG_BLOB_FIRST + i);
		wr_le32(w, (uint32_t)p->blob[i].len);
		wr_copy(w, p->blob[i].p, p->blob[i].len);
	}
	for (uint32_t i = 0; i < p->script.n; i++) {
		wr_le32(w, TAG_FAULT);
		wr_le32(w, 16);
		wr_le32(w, p->script.fault[i].command);
		wr_le32(w, p->script.fault[i].nth);
		wr_le64(w, p->script.fault[i].status);
	}
}

/* --- the script ------------------------------------------------------------------------------ */

#define SIM_TDX_COMMAND_NAME(name) [SIM_##name] = #name,
static const char *const command_names[SIM_TDX_COMMAND_COUNT] = { SIM_TDX_COMMAND(
	SIM_TDX_COMMAND_NAME) };
#undef SIM_TDX_COMMAND_NAME

static const struct {
	const char *name;
	uint64_t status;
} statuses[] = {
	{ "OPERAND_INVALID", ABI_TDX_OPERAND_INVALID },
	{ "OPERAND_BUSY", ABI_TDX_OPERAND_BUSY },
	{ "RND_NO_ENTROPY", ABI_TDX_RND_NO_ENTROPY },
	{ "OP_STATE_INCORRECT", ABI_TDX_OP_STATE_INCORRECT },
	{ "NO_VCPUS", ABI_TDX_NO_VCPUS },
	{ "EPT_ENTRY_STATE_INCORRECT", ABI_TDX_EPT_ENTRY_STATE_INCORRECT },
};

static uint32_t command_find(const char *name)
{
	uint32_t i = 0;

	while (i < SIM_TDX_COMMAND_COUNT && strcmp(command_names[i], name) != 0)
		i++;
	return i;
}

static uint64_t status_find(const char *name)
{
	char *end = NULL;

	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (strcmp(statuses[i].name, name) == 0)
			return statuses[i].status;
	unsigned long long code = strtoull(name, &end, 0);
	return *end == 0 ? code : 0;
}

int sim_tdx_fault_parse(const char *text, struct sim_tdx_fault *ret, struct why *why)
{
	char command[32] = "";
	char status[32] = "";
	unsigned int nth = 0;
	int used = 0;

	(void)sscanf(text, "%31s %u %31s%n", command, &nth, status, &used);
	struct sim_tdx_fault f = { command_find(command), nth, status_find(status) };
	if (used == 0 || text[used] != 0 || f.command == SIM_TDX_COMMAND_COUNT || f.nth == 0 ||
		f.status == 0)
		return why_set(why, -EINVAL,
			"fault '%s': want COMMAND N STATUS, as TDH_MEM_PAGE_ADD 3 OPERAND_BUSY",
			text);
	*ret = f;
	return 0;
}

uint64_t sim_tdx_script_step(struct sim_tdx_script *s, enum sim_tdx_command command)
{
	s->seen[command]++;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->fault[i].command == (uint32_t)command && s->fault[i].nth == s->seen[command])
			return s->fault[i].status;
	return 0;
}
