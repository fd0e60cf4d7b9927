#include "attest/broker/kbs_snp.h"

#include <errno.h>
#include <string.h>

#include "attest/broker/kbs_json.h"
#include "base/b64.h"
#include "base/num.h"
#include "base/rd.h"
#include "base/wr.h"

#define REPORT_TEXT_BYTES B64_TEXT_LEN(KBS_SNP_REPORT_BYTES)
#define OFFSET_CPUID_FAM  0x188u
#define FAMILY_TURIN      0x1Au /* from here on TCB_VERSION starts with FMC (1.4) */
#define VERSION_CPUID     3u    /* reports that carry CPUID bytes */
#define VERSION_MIT       5u    /* reports that carry mitigation vectors */

enum kind { NUMBER, OPTION, BYTES, TCB, VERSION };

/* The members of attestation_report and where they stand in the report (1.1). */
static const struct field {
	const char *name;
	enum kind kind;
	uint16_t offset;
	uint8_t len;
	uint8_t since; /* report version for an OPTION */
} fields[] = {
	{ "version", NUMBER, 0x000, 4, 0 },
	{ "guest_svn", NUMBER, 0x004, 4, 0 },
	{ "policy", NUMBER, 0x008, 8, 0 },
	{ "family_id", BYTES, 0x010, 16, 0 },
	{ "image_id", BYTES, 0x020, 16, 0 },
	{ "vmpl", NUMBER, 0x030, 4, 0 },
	{ "sig_algo", NUMBER, 0x034, 4, 0 },
	{ "current_tcb", TCB, 0x038, 8, 0 },
	{ "plat_info", NUMBER, 0x040, 8, 0 },
	{ "key_info", NUMBER, 0x048, 4, 0 },
	{ "report_data", BYTES, 0x050, 64, 0 },
	{ "measurement", BYTES, 0x090, 48, 0 },
	{ "host_data", BYTES, 0x0C0, 32, 0 },
	{ "id_key_digest", BYTES, 0x0E0, 48, 0 },
	{ "author_key_digest", BYTES, 0x110, 48, 0 },
	{ "report_id", BYTES, 0x140, 32, 0 },
	{ "report_id_ma", BYTES, 0x160, 32, 0 },
	{ "reported_tcb", TCB, 0x180, 8, 0 },
	{ "cpuid_fam_id", OPTION, 0x188, 1, VERSION_CPUID },
	{ "cpuid_mod_id", OPTION, 0x189, 1, VERSION_CPUID },
	{ "cpuid_step", OPTION, 0x18A, 1, VERSION_CPUID },
	{ "chip_id", BYTES, 0x1A0, 64, 0 },
	{ "committed_tcb", TCB, 0x1E0, 8, 0 },
	{ "current", VERSION, 0x1E8, 3, 0 },
	{ "committed", VERSION, 0x1EC, 3, 0 },
	{ "launch_tcb", TCB, 0x1F0, 8, 0 },
	{ "launch_mit_vector", OPTION, 0x1F8, 8, VERSION_MIT },
	{ "current_mit_vector", OPTION, 0x200, 8, VERSION_MIT },
};

#define OFFSET_SIG_R 0x2A0u
#define OFFSET_SIG_S 0x2E8u
#define SIG_BYTES    72u

/* TCB_VERSION's bytes, before Turin and from Turin on (1.4); -1: not there. */
static const struct {
	const char *name;
	int8_t at[2];
} tcb_parts[] = {
	{ "fmc", { -1, 0 } },
	{ "bootloader", { 0, 1 } },
	{ "tee", { 1, 2 } },
	{ "snp", { 6, 3 } },
	{ "microcode", { 7, 7 } },
};

static const char *const version_parts[] = { "build", "minor", "major" };

static uint64_t number_get(const uint8_t *p, size_t len)
{
	uint64_t v = 0;

	for (size_t i = len; i > 0; i--)
		v = v << 8 | p[i - 1];
	return v;
}

static void number_put(uint8_t *p, size_t len, uint64_t v)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static MUST_USE int tcb_parse(const json_t *j, uint8_t *at, struct why *why)
{
	const json_t *fmc = json_object_get(j, "fmc");
	size_t layout = fmc != NULL && !json_is_null(fmc) ? 1 : 0;

	for (size_t i = 0; i < ARRAY_LEN(tcb_parts); i++) {
		uint64_t v = 0;
		if (tcb_parts[i].at[layout] < 0)
			continue;
		int err = kbs_json_number(j, tcb_parts[i].name, UINT8_MAX, &v, why);
		if (err < 0)
			return err;
		at[tcb_parts[i].at[layout]] = (uint8_t)v;
	}
	return 0;
}

static MUST_USE int version_parse(const json_t *j, uint8_t *at, struct why *why)
{
	for (size_t i = 0; i < ARRAY_LEN(version_parts); i++) {
		uint64_t v = 0;
		int err = kbs_json_number(j, version_parts[i], UINT8_MAX, &v, why);
		if (err < 0)
			return err;
		at[i] = (uint8_t)v;
	}
	return 0;
}

static MUST_USE int field_parse(
	const json_t *report, const struct field *f, uint8_t *raw, struct why *why)
{
	const json_t *j = json_object_get(report, f->name);
	uint8_t *at = raw + f->offset;
	uint64_t max = f->len >= 8 ? UINT64_MAX : (1ull << (8 * f->len)) - 1;
	uint64_t v = 0;
	int err = 0;

	switch (f->kind) {
	case OPTION:
		if (j == NULL || json_is_null(j))
			return 0;
		__attribute__((fallthrough));
	case NUMBER:
		err = kbs_json_number(report, f->name, max, &v, why);
		number_put(at, f->len, v);
		return err;
	case BYTES:
		return kbs_json_bytes(j, at, f->len);
	case TCB:
		return tcb_parse(j, at, why);
	case VERSION:
		return version_parse(j, at, why);
	}
	return -EBADMSG;
}

static MUST_USE int report_rebuild(const json_t *report, uint8_t *raw, struct why *why)
{
	const json_t *signature = json_object_get(report, "signature");

	memset(raw, 0, KBS_SNP_REPORT_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		int err = field_parse(report, &fields[i], raw, why);
		if (err < 0)
			return why_set(why, err, "attestation_report: \"%s\" is malformed",
				fields[i].name);
	}
	if (kbs_json_bytes(json_object_get(signature, "r"), raw + OFFSET_SIG_R, SIG_BYTES) < 0 ||
		kbs_json_bytes(json_object_get(signature, "s"), raw + OFFSET_SIG_S, SIG_BYTES) < 0)
		return why_set(why, -EBADMSG, "attestation_report: \"signature\" is malformed");
	return 0;
}

static MUST_USE int report_parse(const json_t *evidence, uint8_t *raw, struct why *why)
{
	size_t len = 0;

	if (json_object_get(evidence, "report") == NULL)
		return report_rebuild(json_object_get(evidence, "attestation_report"), raw, why);
	const char *text = kbs_json_text(evidence, "report", REPORT_TEXT_BYTES, why);
	if (text == NULL)
		return -EBADMSG;
	if (b64_parse(text, strlen(text), raw, KBS_SNP_REPORT_BYTES, &len) < 0 ||
		len != KBS_SNP_REPORT_BYTES)
		return why_set(
			why, -EBADMSG, "\"report\": want %u bytes in base64", KBS_SNP_REPORT_BYTES);
	return 0;
}

static const struct {
	const char *type;
	uint8_t guid[16];
} types[] = {
	{ "VCEK", { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b,
			  0xe8, 0xac, 0xcd } },
	{ "VLEK", { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45,
			  0xa0, 0xb8, 0xa1 } },
	{ "ASK", { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3,
			 0x27, 0xc7, 0x82 } },
	{ "ARK", { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01,
			 0x4c, 0xd0, 0xae } },
	{ "CRL", { 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88,
			 0xdc, 0x67, 0xea } },
};

/* Room for one more certificate of len bytes, or NULL. */
static uint8_t *cert_add(struct kbs_snp *snp, const char *type, size_t len)
{
	if (snp->n_certs == ARRAY_LEN(snp->certs) || len == 0 ||
		len > sizeof snp->bytes - snp->bytes_len)
		return NULL;
	snp->certs[snp->n_certs++] = (struct kbs_snp_cert){
		.type = type,
		.offset = (uint32_t)snp->bytes_len,
		.len = (uint32_t)len,
	};
	snp->bytes_len += len;
	return snp->bytes + snp->bytes_len - len;
}

static const char *type_find(const char *name)
{
	for (size_t i = 0; name != NULL && i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].type, name) == 0)
			return types[i].type;
	return NULL;
}

static MUST_USE int certs_parse(const json_t *chain, struct kbs_snp *ret, struct why *why)
{
	if (chain == NULL || json_is_null(chain))
		return 0;
	if (!json_is_array(chain) || json_array_size(chain) > ARRAY_LEN(ret->certs))
		return why_set(why, -EBADMSG, "\"cert_chain\": want an array of at most %zu",
			ARRAY_LEN(ret->certs));
	for (size_t i = 0; i < json_array_size(chain); i++) {
		const json_t *entry = json_array_get(chain, i);
		const json_t *bytes = json_object_get(entry, "data");
		const char *type =
			type_find(json_string_value(json_object_get(entry, "cert_type")));
		uint8_t *room = cert_add(ret, type, json_array_size(bytes));
		if (room == NULL || kbs_json_bytes(bytes, room, json_array_size(bytes)) < 0)
			return why_set(why, -EBADMSG,
				"\"cert_chain\": entry %zu is malformed or too big", i);
	}
	return 0;
}

int kbs_snp_parse(const json_t *evidence, struct kbs_snp *ret, struct why *why)
{
	if (!json_is_object(evidence))
		return why_set(why, -EBADMSG, "\"primary_evidence\": want an object");
	ret->n_certs = 0;
	ret->bytes_len = 0;
	int err = report_parse(evidence, ret->report, why);
	if (err == 0)
		err = certs_parse(json_object_get(evidence, "cert_chain"), ret, why);
	return err;
}

static json_t *tcb_print(const uint8_t *at, size_t layout)
{
	json_t *j = json_object();

	for (size_t i = 0; i < ARRAY_LEN(tcb_parts); i++) {
		int where = tcb_parts[i].at[layout];
		(void)json_object_set_new(
			j, tcb_parts[i].name, where < 0 ? json_null() : json_integer(at[where]));
	}
	return j;
}

static json_t *field_print(const struct field *f, const uint8_t *raw)
{
	const uint8_t *at = raw + f->offset;
	uint64_t version = number_get(raw, 4);
	size_t layout = version >= VERSION_CPUID && raw[OFFSET_CPUID_FAM] >= FAMILY_TURIN ? 1 : 0;

	switch (f->kind) {
	case OPTION:
		if (version < f->since)
			return json_null();
		__attribute__((fallthrough));
	case NUMBER:
		return json_integer((json_int_t)number_get(at, f->len));
	case BYTES:
		return kbs_json_of_bytes(at, f->len);
	case TCB:
		return tcb_print(at, layout);
	case VERSION:
		return json_pack("{s:i,s:i,s:i}", version_parts[0], at[0], version_parts[1], at[1],
			version_parts[2], at[2]);
	}
	return NULL;
}

static json_t *report_print(const uint8_t *raw)
{
	json_t *report = json_object();

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		(void)json_object_set_new(report, fields[i].name, field_print(&fields[i], raw));
	(void)json_object_set_new(report, "signature",
		json_pack("{s:o,s:o}", "r", kbs_json_of_bytes(raw + OFFSET_SIG_R, SIG_BYTES), "s",
			kbs_json_of_bytes(raw + OFFSET_SIG_S, SIG_BYTES)));
	return report;
}

json_t *kbs_snp_print(const struct kbs_snp *snp)
{
	json_t *chain = json_array();
	char raw[REPORT_TEXT_BYTES + 1];

	for (size_t i = 0; i < snp->n_certs; i++)
		(void)json_array_append_new(chain,
			json_pack("{s:s,s:o}", "cert_type",
				snp->certs[i].type != NULL ? snp->certs[i].type : "OTHER", "data",
				kbs_json_of_bytes(
					snp->bytes + snp->certs[i].offset, snp->certs[i].len)));
	struct wr w = wr_of(raw, sizeof raw);
	b64_print(&w, snp->report, sizeof snp->report);
	if (wr_end_str(&w) < 0) {
		json_decref(chain);
		return NULL; /* cannot be: raw has exactly that size */
	}
	return json_pack("{s:o,s:s,s:o}", "attestation_report", report_print(snp->report), "report",
		raw, "cert_chain", chain);
}

void kbs_snp_add_table(struct kbs_snp *snp, const void *table, size_t len)
{
	static const uint8_t end[16];
	struct rd r = rd_of(table, len);

	for (size_t i = 0; i < LIMIT_KBS_CERTS; i++) {
		uint8_t guid[16];
		rd_copy(&r, guid, sizeof guid);
		uint32_t offset = rd_le32(&r);
		uint32_t size = rd_le32(&r);
		if (rd_check(&r) < 0 || memcmp(guid, end, sizeof end) == 0)
			return;
		if (!num_fits(offset, size, len))
			continue;
		for (size_t t = 0; t < ARRAY_LEN(types); t++) {
			if (memcmp(types[t].guid, guid, sizeof guid) != 0)
				continue;
			uint8_t *room = cert_add(snp, types[t].type, size);
			if (room != NULL)
				memcpy(room, (const uint8_t *)table + offset, size);
		}
	}
}
