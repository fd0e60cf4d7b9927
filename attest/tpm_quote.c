#include "attest/tpm_quote.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "attest/hex.h"
#include "attest/json_in.h"
#include "base/rd.h"
#include "base/wr.h"

#define MAGIC      0xFF544347u /* TPM_GENERATED_VALUE */
#define TYPE_QUOTE 0x8018u

static struct attest_blob sized_read(struct rd *r)
{
	size_t len = rd_be16(r);

	return (struct attest_blob){ rd_bytes(r, len), len };
}

/* A bitmap of at most 4 bytes, bit i of byte j is PCR 8j + i; PCRs above 23 there are none. */
static uint32_t mask_read(struct rd *r, size_t bytes)
{
	uint32_t mask = 0;

	if (bytes > 4)
		rd_fail(r);
	for (size_t j = 0; j < bytes && rd_check(r) == 0; j++)
		mask |= (uint32_t)rd_u8(r) << (8 * j);
	if (mask >> TPM_PCRS != 0)
		rd_fail(r);
	return mask;
}

/* TPML_PCR_SELECTION. */
static MUST_USE int selection_read(struct rd *r, struct tpm_quote *q, struct why *why)
{
	uint32_t n = rd_be32(r), any = 0;

	if (n > LIMIT_TPM_BANKS)
		return why_set(why, -EBADMSG, "quote: %u register banks", n);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t alg = rd_be16(r);
		uint32_t mask = mask_read(r, rd_u8(r));
		any |= mask;
		if (mask == 0)
			continue;
		for (size_t k = 0; k < q->n_banks; k++)
			if (q->banks[k].alg->id == alg)
				return why_set(why, -EBADMSG, "quote: bank 0x%04x twice", alg);
		if (tpm_alg_find(alg) == NULL)
			return why_set(why, -EPROTONOSUPPORT,
				"quote: register bank 0x%04x, which we do not know", alg);
		q->banks[q->n_banks].alg = tpm_alg_find(alg);
		q->banks[q->n_banks++].mask = mask;
	}
	if (rd_check(r) == 0 && any == 0)
		return why_set(why, -EBADMSG, "quote: no register is selected");
	return 0;
}

int tpm_quote_parse(struct tpm_quote *ret, struct attest_blob b, struct why *why)
{
	struct rd r = rd_of(b.p, b.len);
	struct tpm_quote q = { 0 };
	uint32_t magic = rd_be32(&r);
	uint16_t type = rd_be16(&r);

	if (rd_check(&r) < 0)
		return why_set(why, -EBADMSG, "quote: %zu bytes are too few", b.len);
	if (magic != MAGIC)
		return why_set(why, -EBADMSG,
			"quote: magic 0x%08x, want 0x%08x: the TPM did not make these bytes", magic,
			MAGIC);
	if (type != TYPE_QUOTE)
		return why_set(why, -EPROTONOSUPPORT,
			"TPMS_ATTEST of type 0x%04x, want 0x%04x (quote)", type, TYPE_QUOTE);
	q.signer = sized_read(&r);
	q.extra = sized_read(&r);
	q.clock_ms = rd_be64(&r);
	q.reset_count = rd_be32(&r);
	q.restart_count = rd_be32(&r);
	q.is_clock_safe = rd_u8(&r) != 0;
	q.firmware = rd_be64(&r);
	int err = selection_read(&r, &q, why);
	if (err < 0)
		return err;
	q.digest = sized_read(&r);
	if (rd_end(&r) < 0)
		return why_set(why, -EBADMSG, "quote: %zu bytes are too few or too many", b.len);
	*ret = q;
	return 0;
}

void tpm_quote_selection(const struct tpm_quote *q, char *ret, size_t size)
{
	struct wr w = wr_of(ret, size);

	for (size_t i = 0; i < q->n_banks; i++) {
		wr_printf(&w, "%s%s:", i > 0 ? " " : "", q->banks[i].alg->name);
		const char *comma = "";
		for (uint32_t n = 0; n < TPM_PCRS; n++)
			if (q->banks[i].mask >> n & 1u) {
				wr_printf(&w, "%s%u", comma, n);
				comma = ",";
			}
	}
	if (wr_end_str(&w) < 0)
		return; /* cut, and terminated */
}

void tpm_quote_claims(const struct tpm_quote *q, struct claims *c)
{
	char text[CLAIM_VALUE_MAX];

	tpm_quote_selection(q, text, sizeof text);
	claims_add_text(c, "tpm_pcrs", text);
	claims_add_bytes(c, "tpm_pcr_digest", q->digest.p, q->digest.len);
	claims_add_bytes(c, "tpm_extra_data", q->extra.p, q->extra.len);
	claims_add_bytes(c, "tpm_qualified_signer", q->signer.p, q->signer.len);
	claims_add_number(c, "tpm_clock_ms", q->clock_ms);
	claims_add_number(c, "tpm_reset_count", q->reset_count);
	claims_add_number(c, "tpm_restart_count", q->restart_count);
	claims_add_bool(c, "tpm_clock_safe", q->is_clock_safe);
	claims_add_number(c, "tpm_firmware_version", q->firmware);
}

/* --- values ------------------------------------------------------------------------------------- */

struct tpm_bank *tpm_pcrs_bank(struct tpm_pcrs *p, const struct tpm_alg *alg, bool make)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->banks[i].alg == alg)
			return &p->banks[i];
	if (!make || p->n == ARRAY_LEN(p->banks))
		return NULL;
	p->banks[p->n] = (struct tpm_bank){ .alg = alg };
	return &p->banks[p->n++];
}

static MUST_USE int value_set(
	struct tpm_bank *bank, uint64_t index, const uint8_t *value, size_t len)
{
	if (bank == NULL || index >= TPM_PCRS || len != bank->alg->size ||
		bank->present >> index & 1u)
		return -EBADMSG;
	memcpy(bank->value[index], value, len);
	bank->present |= 1u << index;
	return 0;
}

static MUST_USE int json_bank_parse(struct tpm_bank *bank, json_t *values)
{
	const char *name;
	json_t *v;

	json_object_foreach(values, name, v)
	{
		const char *text = json_string_value(v);
		uint8_t bytes[TPM_DIGEST_MAX];
		size_t len = 0;
		char *end = NULL;
		unsigned long index = strtoul(name, &end, 10);
		if (text == NULL || end == name || *end != '\0' || bank == NULL)
			return -EBADMSG;
		if (strncmp(text, "0x", 2) == 0)
			text += 2;
		if (hex_parse(text, strlen(text), bytes, sizeof bytes, &len) < 0 ||
			value_set(bank, index, bytes, len) < 0)
			return -EBADMSG;
	}
	return 0;
}

static MUST_USE int json_parse(struct tpm_pcrs *p, struct attest_blob b, struct why *why)
{
	AUTO(json_in) json_t *root = NULL;
	const char *name;
	json_t *values;
	int err = json_in_parse(b.p, b.len, &root, why);

	if (err < 0)
		return err;
	json_object_foreach(root, name, values)
	{
		const struct tpm_alg *alg = tpm_alg_named(name, strlen(name));
		if (alg == NULL || !json_is_object(values) ||
			json_bank_parse(tpm_pcrs_bank(p, alg, true), values) < 0)
			return why_set(why, -EBADMSG,
				"register values: '%s' is no bank of values in hexadecimal", name);
	}
	return 0;
}

/*
 * What tpm2_quote -F values writes: TPML_PCR_SELECTION (a count, 16 selections of 8 bytes), a count,
 * and so many TPML_DIGEST (a count, 8 times a length and 64 bytes), all little-endian as they lie in
 * memory. The values follow each other in the selection's order.
 */
#define TOOLS_SELECTIONS 16u
#define TOOLS_DIGESTS    8u

static MUST_USE int tools_parse(struct tpm_pcrs *p, struct attest_blob b)
{
	struct rd r = rd_of(b.p, b.len);
	uint32_t n_banks = rd_le32(&r);
	struct rd selections = rd_sub(&r, TOOLS_SELECTIONS * 8);
	uint32_t n_lists = rd_le32(&r), left = 0;
	struct rd digests = { 0 };

	if (rd_check(&r) < 0 || n_banks > TOOLS_SELECTIONS || n_lists > 64 ||
		r.left != (size_t)n_lists * (4 + TOOLS_DIGESTS * 66))
		return -EBADMSG;
	for (uint32_t i = 0; i < n_banks; i++) {
		struct rd s = rd_sub(&selections, 8);
		uint16_t id = rd_le16(&s);
		uint32_t mask = mask_read(&s, rd_u8(&s));
		const struct tpm_alg *alg = tpm_alg_find(id);
		if (rd_check(&s) < 0 || (alg == NULL && mask != 0))
			return -EBADMSG;
		for (uint32_t index = 0; index < TPM_PCRS; index++) {
			if ((mask >> index & 1u) == 0)
				continue;
			if (left == 0) {
				left = rd_le32(&r);
				digests = rd_sub(&r, TOOLS_DIGESTS * 66);
			}
			size_t len = rd_le16(&digests);
			const uint8_t *value = rd_bytes(&digests, 64);
			if (left > TOOLS_DIGESTS || left == 0 || value == NULL ||
				value_set(tpm_pcrs_bank(p, alg, true), index, value, len) < 0)
				return -EBADMSG;
			left--;
		}
	}
	return left == 0 ? rd_end(&r) : -EBADMSG;
}

int tpm_pcrs_parse(struct tpm_pcrs *ret, struct attest_blob b, struct why *why)
{
	struct tpm_pcrs p = { 0 };
	bool is_json = b.len > 0 && (b.p[0] == '{' || b.p[0] == ' ' || b.p[0] == '\n');
	int err = is_json ? json_parse(&p, b, why) : tools_parse(&p, b);

	if (err < 0)
		return why_set(why, err,
			"register values: neither JSON ({\"sha256\": {\"0\": ...}}) nor what "
			"tpm2_quote writes");
	*ret = p;
	return 0;
}

int tpm_quote_check_pcrs(const struct tpm_quote *q, const struct tpm_alg *hash,
	const struct tpm_pcrs *pcrs, struct why *why)
{
	struct tpm_part parts[LIMIT_TPM_BANKS * TPM_PCRS];
	uint8_t digest[TPM_DIGEST_MAX];
	size_t n = 0;

	for (size_t i = 0; i < q->n_banks; i++) {
		const struct tpm_bank *bank = NULL;
		for (size_t k = 0; k < pcrs->n; k++)
			if (pcrs->banks[k].alg == q->banks[i].alg)
				bank = &pcrs->banks[k];
		for (uint32_t index = 0; index < TPM_PCRS; index++) {
			if ((q->banks[i].mask >> index & 1u) == 0)
				continue;
			if (bank == NULL || (bank->present >> index & 1u) == 0)
				return why_set(why, -ENOENT,
					"the quote covers PCR %u (%s), but its value was not given",
					index, q->banks[i].alg->name);
			parts[n++] = (struct tpm_part){ bank->value[index], bank->alg->size };
		}
	}
	if (tpm_hash(hash, parts, n, digest) < 0)
		return why_set(why, -EIO, "libcrypto failed");
	if (q->digest.len != hash->size || memcmp(digest, q->digest.p, hash->size) != 0)
		return why_set(why, -EKEYREJECTED,
			"the values given are not those the TPM quoted (pcrDigest differs)");
	return 0;
}
