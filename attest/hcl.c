#include "attest/hcl.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "attest/json_in.h"
#include "attest/jwk.h"
#include "base/rd.h"

#define MAGIC           0x414C4348u /* "HCLA" */
#define REQUEST_REPORT  2u
#define TYPE_SNP        2u
#define TYPE_TDX        4u
#define SNP_REPORT_DATA 0x50u
#define TD_REPORT_DATA  128u

bool hcl_recognise(struct attest_blob b)
{
	return b.len > HCL_HEADER_BYTES + HCL_AREA_BYTES && memcmp(b.p, "HCLA", 4) == 0;
}

static const struct tpm_alg *hash_find(uint32_t id)
{
	static const uint16_t ids[] = { 0, TPM_ALG_SHA256, TPM_ALG_SHA384, TPM_ALG_SHA512 };

	return id < ARRAY_LEN(ids) ? tpm_alg_find(ids[id]) : NULL;
}

int hcl_parse(struct hcl_report *ret, struct attest_blob b, struct why *why)
{
	struct rd r = rd_of(b.p, b.len);
	struct hcl_report h = { 0 };
	uint32_t magic = rd_le32(&r);

	h.version = rd_le32(&r);
	rd_skip(&r, 4); /* the size, which differs with the version's way of counting */
	uint32_t request = rd_le32(&r);
	rd_skip(&r, 4 + 12); /* status, reserved */
	struct rd area = rd_sub(&r, HCL_AREA_BYTES);
	rd_skip(&r, 4); /* size of what follows, padded or not */
	uint32_t version = rd_le32(&r), type = rd_le32(&r), hash = rd_le32(&r);
	h.variable.len = rd_le32(&r);
	h.variable.p = rd_bytes(&r, h.variable.len);
	h.hash = hash_find(hash);
	if (rd_check(&r) < 0 || magic != MAGIC)
		return why_set(
			why, -EBADMSG, "HCL report: %zu bytes that are cut off or none", b.len);
	rd_zero(&r, r.left);
	if (rd_check(&r) < 0)
		return why_set(why, -EBADMSG, "HCL report: bytes behind its variable data");
	if (h.version < 1 || h.version > 2 || request != REQUEST_REPORT || version != 1 ||
		(type != TYPE_SNP && type != TYPE_TDX) || h.hash == NULL)
		return why_set(why, -EPROTONOSUPPORT,
			"HCL report: version %u, request %u, data version %u, report type %u, hash "
			"%u: not all of them known",
			h.version, request, version, type, hash);
	h.kind = type == TYPE_SNP ? EVIDENCE_SNP : EVIDENCE_TDX;
	h.tee = (struct attest_blob){ area.at,
		type == TYPE_SNP ? HCL_AREA_BYTES : HCL_TDREPORT_BYTES };
	h.report_data = h.tee.p + (type == TYPE_SNP ? SNP_REPORT_DATA : TD_REPORT_DATA);
	*ret = h;
	return 0;
}

int hcl_check_variable(const struct hcl_report *h, struct why *why)
{
	const struct tpm_part part = { h->variable.p, h->variable.len };
	uint8_t want[64] = { 0 };

	if (tpm_hash(h->hash, &part, 1, want) < 0)
		return why_set(why, -EIO, "libcrypto failed");
	if (memcmp(want, h->report_data, sizeof want) != 0)
		return why_set(why, -EKEYREJECTED,
			"the %s of the HCL report's variable data is not the TEE's report data: "
			"the data, and the key in it, was changed",
			h->hash->name);
	return 0;
}

int hcl_ak(const struct hcl_report *h, EVP_PKEY **ret, struct why *why)
{
	AUTO(json_in) json_t *root = NULL;
	AUTO(jwk) struct jwk jwk = { 0 };
	json_t *key, *found = NULL;
	size_t i;

	int err = json_in_parse(h->variable.p, h->variable.len, &root, why);
	if (err < 0)
		return why_prefix(why, err, "HCL report's variable data");
	json_array_foreach(json_object_get(root, "keys"), i, key)
	{
		const char *kid = json_string_value(json_object_get(key, "kid"));
		if (kid == NULL || strcmp(kid, "HCLAkPub") != 0)
			continue;
		if (found != NULL)
			return why_set(why, -EBADMSG, "HCL report: two keys HCLAkPub");
		found = key;
	}
	if (found == NULL)
		return why_set(why, -EBADMSG, "HCL report: its variable data has no key HCLAkPub");
	err = jwk_parse(&jwk, found, why);
	if (err < 0)
		return why_prefix(why, err, "HCLAkPub");
	*ret = jwk.key;
	jwk.key = NULL;
	return 0;
}

int hcl_check_td_quote(const struct hcl_report *h, struct attest_blob quote, struct why *why)
{
	/* Where the TDREPORT (6.5) has what the quote's body (6.2) has. */
	static const struct {
		size_t body, report, len;
		const char *name;
	} rows[] = {
		{ 0, 264, 120, "the module's versions and measurements" },
		{ 120, 512, 16, "attributes and XFAM" },
		{ 136, 528, 48, "MRTD" },
		{ 184, 576, 144, "MRCONFIGID, MROWNER or MROWNERCONFIG" },
		{ 328, 720, 192, "RTMRs" },
		{ 520, TD_REPORT_DATA, 64, "report data" },
	};
	struct rd r = rd_of(quote.p, quote.len);
	uint16_t version = rd_le16(&r);

	rd_skip(&r, 46 + (version == 5 ? 6 : 0)); /* header; v5: type and size of the body */
	const uint8_t *body = rd_bytes(&r, 584);
	if (rd_check(&r) < 0 || (version != 4 && version != 5))
		return why_set(why, -EBADMSG, "%zu bytes that are no TDX quote", quote.len);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (memcmp(body + rows[i].body, h->tee.p + rows[i].report, rows[i].len) != 0)
			return why_set(why, -EKEYREJECTED,
				"the TDX quote is not of this HCL report's TD: %s differ",
				rows[i].name);
	return 0;
}

void hcl_claims(const struct hcl_report *h, struct claims *c)
{
	AUTO(json_in) json_t *root = NULL;
	static const struct {
		const char *key, *claim;
	} flags[] = {
		{ "secure-boot", "hcl_secure_boot" },
		{ "tpm-enabled", "hcl_tpm_enabled" },
		{ "tpm-persisted", "hcl_tpm_persisted" },
		{ "console-enabled", "hcl_console_enabled" },
	};

	claims_add_number(c, "hcl_version", h->version);
	claims_add_text(c, "hcl_tee", evidence_kind_name(h->kind));
	claims_add_bytes(c, "hcl_report_data", h->report_data, 64);
	if (json_in_parse(h->variable.p, h->variable.len, &root, NULL) < 0)
		return;
	json_t *config = json_object_get(root, "vm-configuration");
	const char *id = json_string_value(json_object_get(config, "vmUniqueId"));
	const char *user = json_string_value(json_object_get(root, "user-data"));
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		json_t *v = json_object_get(config, flags[i].key);
		if (json_is_boolean(v))
			claims_add_bool(c, flags[i].claim, json_is_true(v));
	}
	if (id != NULL)
		claims_add_text(c, "hcl_vm_id", id);
	if (user != NULL)
		claims_add_text(c, "hcl_user_data", user);
}
