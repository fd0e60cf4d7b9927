#include "attest/tpm_evidence.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "attest/eventlog.h"
#include "attest/hcl.h"
#include "attest/hex.h"
#include "attest/ima_log.h"
#include "attest/json_in.h"
#include "base/b64.h"
#include "base/rd.h"

void tpm_evidence_free(struct tpm_evidence *e)
{
	if (e != NULL)
		free(e->decoded);
	free(e);
}

static MUST_USE int malformed(struct why *why, const char *what)
{
	return why_set(why, -EBADMSG, "TPM evidence: %s is missing or malformed", what);
}

/* --- JSON: Azure's and key-broker agents' ---------------------------------------------------------- */

/* Bytes in JSON: numbers in a list, hexadecimal, base 64 of either spelling, or PEM as it stands. */
static MUST_USE int bytes_take(struct tpm_evidence *e, const json_t *v, struct attest_blob *ret)
{
	uint8_t *out = e->decoded + e->used;
	size_t room = e->size - e->used, len = json_string_length(v);
	const char *text = json_string_value(v);
	int err = 0;

	if (json_is_array(v)) {
		len = json_array_size(v);
		for (size_t i = 0; i < len && err == 0; i++) {
			const json_t *n = json_array_get(v, i);
			json_int_t value = json_integer_value(n);
			if (i == room || !json_is_integer(n) || value < 0 || value > 255)
				err = -EBADMSG;
			else
				out[i] = (uint8_t)value;
		}
	} else if (text == NULL) {
		err = -EBADMSG;
	} else if (strncmp(text, "-----BEGIN ", 11) == 0) {
		if (len > room)
			return -EBADMSG;
		memcpy(out, text, len);
	} else if (hex_parse(text, len, out, room, &len) < 0) {
		len = json_string_length(v);
		err = b64_parse(text, len, out, room, &len);
		size_t text_len = json_string_length(v);
		while (err < 0 && text_len > 0 && text[text_len - 1] == '=')
			text_len--; /* some pad the URL spelling too */
		if (err < 0)
			err = b64url_parse(text, text_len, out, room, &len);
	}
	if (err < 0 || len == 0)
		return -EBADMSG;
	*ret = (struct attest_blob){ out, len };
	e->used += len;
	return 0;
}

/* The first of the names, up to NULL, that the object has. */
static json_t *any_of(const json_t *object, const char *const *names)
{
	json_t *v = NULL;

	while (v == NULL && *names != NULL)
		v = json_object_get(object, *names++);
	return v;
}

/* All 24 of the SHA-256 bank, in order. */
static MUST_USE int json_pcrs_take(struct tpm_evidence *e, json_t *values, struct tpm_signed *q)
{
	struct tpm_bank *bank =
		tpm_pcrs_bank(&q->pcrs, tpm_alg_find(TPM_ALG_SHA256), /* make= */ true);
	struct attest_blob value;
	size_t i;
	json_t *v;

	if (json_array_size(values) > TPM_PCRS)
		return -EBADMSG;
	json_array_foreach(values, i, v)
	{
		if (bytes_take(e, v, &value) < 0 || value.len != bank->alg->size)
			return -EBADMSG;
		memcpy(bank->value[i], value.p, value.len);
		bank->present |= 1u << i;
	}
	q->has_pcrs = true;
	return 0;
}

static MUST_USE int json_take(struct tpm_evidence *e, struct attest_blob b, struct why *why)
{
	/* Two generations, and what attested-tls sends. */
	static const char *const quote_names[] = { "tpm_quote", "quote", NULL };
	static const char *const hcl_names[] = { "hcl_report", "report", "hcl_report_base64",
		NULL };
	static const char *const td_names[] = { "td_quote", "tdx_quote_base64", NULL };
	AUTO(json_in) json_t *root = NULL;
	struct tpm_signed *q = &e->quotes[0];
	int err = json_in_parse(b.p, b.len, &root, why);

	if (err < 0)
		return err;
	const json_t *inner = json_object_get(root, "tpm_attestation");
	json_t *quote = any_of(inner != NULL ? inner : root, quote_names), *v;
	if (bytes_take(e, json_object_get(quote, "message"), &q->attest) < 0 ||
		bytes_take(e, json_object_get(quote, "signature"), &q->signature) < 0)
		return malformed(why, "'message' or 'signature' of the quote");
	v = json_object_get(quote, "pcrs");
	if (v != NULL && json_pcrs_take(e, v, q) < 0)
		return malformed(why, "'pcrs' of the quote");
	e->n = 1;
	json_t *hcl = any_of(root, hcl_names), *ak = json_object_get(root, "ak_public");
	if (hcl == NULL && ak != NULL) /* a TPM outside a TEE (12.4) */
		return bytes_take(e, ak, &e->ak) < 0 ? malformed(why, "'ak_public'") : 0;
	if (bytes_take(e, hcl, &e->tee) < 0)
		return malformed(why, "'hcl_report' (or 'ak_public')");
	v = any_of(root, td_names);
	if (v != NULL && bytes_take(e, v, &e->tee_quote) < 0)
		return malformed(why, "'td_quote'");
	v = json_object_get(root, "vcek");
	if (v != NULL && !json_is_null(v) && bytes_take(e, v, &e->certs) < 0)
		return malformed(why, "'vcek'");
	return 0;
}

/* --- go-tpm-tools' protobuf --------------------------------------------------------------------- */

struct pb_field {
	uint64_t number, value; /* of a varint */
	struct attest_blob bytes;
};

static uint64_t varint_read(struct rd *r)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		uint8_t byte = rd_u8(r);
		v |= (uint64_t)(byte & 0x7F) << shift;
		if ((byte & 0x80) == 0)
			return v;
	}
	rd_fail(r);
	return 0;
}

/* One field of a message; wire types 0 (varint), 1, 2 (bytes), 5. False at the end, or malformed. */
static bool pb_next(struct rd *r, struct pb_field *ret)
{
	struct pb_field f = { 0 };

	if (r->left == 0)
		return false;
	uint64_t key = varint_read(r);
	f.number = key >> 3;
	switch (key & 7) {
	case 0:
		f.value = varint_read(r);
		break;
	case 1:
		rd_skip(r, 8);
		break;
	case 2:
		f.bytes.len = varint_read(r);
		f.bytes.p = rd_bytes(r, f.bytes.len);
		break;
	case 5:
		rd_skip(r, 4);
		break;
	default:
		rd_fail(r);
	}
	*ret = f;
	return rd_check(r) == 0;
}

/* An entry of map<uint32, bytes>. */
static MUST_USE int pb_pcr_take(struct tpm_bank *bank, struct attest_blob entry)
{
	struct rd r = rd_of(entry.p, entry.len);
	struct pb_field f, value = { 0 };
	uint64_t index = 0;

	while (pb_next(&r, &f)) {
		if (f.number == 1)
			index = f.value;
		else if (f.number == 2)
			value = f;
	}
	if (rd_end(&r) < 0 || bank == NULL || index >= TPM_PCRS ||
		value.bytes.len != bank->alg->size || bank->present >> index & 1u)
		return -EBADMSG;
	memcpy(bank->value[index], value.bytes.p, value.bytes.len);
	bank->present |= 1u << index;
	return 0;
}

/* PCRs { hash = 1; map<uint32, bytes> pcrs = 2 }. */
static MUST_USE int pb_pcrs_take(struct tpm_signed *q, struct attest_blob b)
{
	struct rd r = rd_of(b.p, b.len), again = r;
	const struct tpm_alg *alg = NULL;
	struct pb_field f;

	while (pb_next(&r, &f))
		if (f.number == 1 && f.value <= UINT16_MAX)
			alg = tpm_alg_find((uint16_t)f.value);
	if (rd_end(&r) < 0 || alg == NULL)
		return -EBADMSG;
	struct tpm_bank *bank = tpm_pcrs_bank(&q->pcrs, alg, /* make= */ true);
	while (pb_next(&again, &f))
		if (f.number == 2 && pb_pcr_take(bank, f.bytes) < 0)
			return -EBADMSG;
	q->has_pcrs = true;
	return 0;
}

/* Quote { quote = 1; raw_sig = 2; pcrs = 3 }. */
static MUST_USE int pb_quote_take(struct tpm_evidence *e, struct attest_blob b)
{
	struct rd r = rd_of(b.p, b.len);
	struct pb_field f;

	if (e->n == ARRAY_LEN(e->quotes))
		return -EBADMSG;
	struct tpm_signed *q = &e->quotes[e->n++];
	while (pb_next(&r, &f)) {
		if (f.number == 1)
			q->attest = f.bytes;
		else if (f.number == 2)
			q->signature = f.bytes;
		else if (f.number == 3 && pb_pcrs_take(q, f.bytes) < 0)
			return -EBADMSG;
	}
	return rd_end(&r);
}

static MUST_USE int pb_take(struct tpm_evidence *e, struct attest_blob b, struct why *why)
{
	struct rd r = rd_of(b.p, b.len);
	struct attest_blob public = { 0 }, cert = { 0 };
	struct pb_field f;

	while (pb_next(&r, &f)) {
		if (f.number == 1)
		public = f.bytes;
		else if (f.number == 2 && pb_quote_take(e, f.bytes) < 0) return malformed(
			why, "a quote in the protobuf");
		else if (f.number == 3) e->event_log = f.bytes;
		else if (f.number == 6) cert = f.bytes;
	}
	if (rd_end(&r) < 0 || e->n == 0)
		return malformed(why, "the protobuf or its quotes");
	e->ak = cert.len > 0 ? cert : public;
	return 0;
}

/* --- which one ---------------------------------------------------------------------------------- */

static bool is_attest(struct attest_blob b)
{
	return b.len >= 6 && memcmp(b.p, "\xFFTCG", 4) == 0;
}

static bool has_text(struct attest_blob b, const char *text)
{
	return memmem(b.p, b.len, text, strlen(text)) != NULL;
}

static bool is_json(struct attest_blob b)
{
	size_t i = 0;

	while (i < b.len && strchr(" \t\r\n", b.p[i]) != NULL && b.p[i] != 0)
		i++;
	return i < b.len && b.p[i] == '{' &&
	       (has_text(b, "\"tpm_quote\"") ||
		       (has_text(b, "\"quote\"") && has_text(b, "\"message\"")));
}

/* Field 1 a TPMT_PUBLIC (RSA or ECC, name algorithm SHA-2), field 2 behind it. */
static bool is_protobuf(struct attest_blob b)
{
	struct rd r = rd_of(b.p, b.len);
	struct pb_field f;

	if (b.len == 0 || b.p[0] != 0x0A || !pb_next(&r, &f) || f.bytes.len < 8 || r.left == 0)
		return false;
	return f.bytes.p[0] == 0 && (f.bytes.p[1] == 0x01 || f.bytes.p[1] == 0x23) &&
	       f.bytes.p[2] == 0 && *r.at == 0x12;
}

static bool is_log(struct attest_blob b)
{
	struct attest_blob boots[LIMIT_EVENTLOG_BOOTS];

	return eventlog_recognise(b) || eventlog_split(b, boots) > 1;
}

/* Does it end where an event does, each boot of it? */
static MUST_USE int log_check(struct attest_blob b, struct why *why)
{
	struct attest_blob boots[LIMIT_EVENTLOG_BOOTS];
	size_t n = eventlog_split(b, boots);
	struct eventlog_event e;
	struct eventlog log;
	int err = 0;

	for (size_t i = 0; i < n && err == 0; i++) {
		err = eventlog_open(&log, boots[i], why);
		while (err == 0)
			err = eventlog_next(&log, &e, why);
		err = err == -ENODATA ? 0 : err;
	}
	return err;
}

static MUST_USE int list_check(struct attest_blob b, struct why *why)
{
	struct ima_replay r;

	return ima_replay(b, tpm_alg_find(TPM_ALG_SHA1), /* want= */ NULL, &r, why);
}

bool tpm_evidence_recognise(struct attest_blob b)
{
	return is_attest(b) || is_json(b) || is_protobuf(b) || hcl_recognise(b) ||
	       ima_recognise(b) || is_log(b);
}

int tpm_evidence_parse(struct attest_blob b, struct tpm_evidence **ret, struct why *why)
{
	AUTO(tpm_evidence) struct tpm_evidence *e = calloc(1, sizeof *e);
	int err = 0;

	if (b.len > LIMIT_EVIDENCE_BYTES)
		return why_set(why, -EMSGSIZE, "TPM evidence: %zu bytes, at most %u", b.len,
			LIMIT_EVIDENCE_BYTES);
	if (e != NULL)
		e->decoded = malloc(b.len + 1); /* every form is longer than its bytes */
	if (e == NULL || e->decoded == NULL)
		return -ENOMEM;
	e->size = b.len;
	if (is_json(b)) {
		err = json_take(e, b, why);
	} else if (is_protobuf(b)) {
		err = pb_take(e, b, why);
	} else if (hcl_recognise(b)) {
		e->tee = b;
	} else if (!is_attest(b) && ima_recognise(b)) {
		e->ima = b;
		err = list_check(b, why);
	} else if (!is_attest(b) && is_log(b)) {
		e->event_log = b;
		err = log_check(b, why);
	} else {
		e->quotes[0].attest = b;
		e->n = 1;
	}
	if (err < 0)
		return err;
	*ret = e;
	e = NULL;
	return 0;
}
