/* TPM2_ReadPublic, TPM2_PCR_Read, TPM2_Quote (TPM 2.0 Library, Part 3). */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/agent/ev.h"
#include "attest/broker/kbs_tpm.h"
#include "attest/tpm_key.h"
#include "base/b64.h"

#define TPM_DEVICE     "dev/tpmrm0"
#define CC_PCR_READ    0x17Eu
#define CC_QUOTE       0x158u
#define CC_READ_PUBLIC 0x173u
#define ALG_NULL       0x0010u
#define PCRS           24u
#define PCR_BYTES      32u /* SHA-256 */
#define TRIES          4u  /* registers that change while we look; IMA's does */

/* Where attestation keys are kept: what key-broker agents provision, what Azure's paravisor does. */
static const uint32_t ak_handles[] = { 0x81010002u, 0x81000003u };

struct pcrs {
	uint8_t value[PCRS][PCR_BYTES];
};

/* A TPML_PCR_SELECTION of one bank, SHA-256. */
static void selection_put(struct wr *w, uint32_t mask)
{
	wr_be32(w, 1);
	wr_be16(w, TPM_ALG_SHA256);
	wr_u8(w, 3);
	for (unsigned int i = 0; i < 3; i++)
		wr_u8(w, (uint8_t)(mask >> (8 * i)));
}

/* The TPM answers as many as it likes, eight mostly, and says which. */
static MUST_USE int pcrs_read(struct tpm *t, struct pcrs *ret, struct why *why)
{
	for (uint32_t left = (1u << PCRS) - 1; left != 0;) {
		struct wr w = tpm_begin(t, CC_PCR_READ, 0, false);
		struct rd r;
		uint32_t got = 0;
		selection_put(&w, left);
		int err = tpm_send(t, &w, &r, why);
		if (err < 0)
			return err;
		rd_skip(&r, 4 + 4 + 2); /* update counter; one bank, ours */
		for (unsigned int i = 0, n = rd_u8(&r); i < n && i < 4; i++)
			got |= (uint32_t)rd_u8(&r) << (8 * i);
		rd_skip(&r, 4);
		if (rd_check(&r) < 0 || got == 0 || (got & ~left) != 0)
			return why_set(why, -EBADMSG, "it has no SHA-256 registers");
		for (unsigned int i = 0; i < PCRS; i++)
			if ((got >> i & 1u) != 0) {
				if (rd_be16(&r) != PCR_BYTES)
					rd_fail(&r);
				rd_copy(&r, ret->value[i], PCR_BYTES);
			}
		if (rd_end(&r) < 0)
			return why_set(why, -EBADMSG, "TPM2_PCR_Read: malformed answer");
		left &= ~got;
	}
	return 0;
}

static json_t *b64_text(const uint8_t *bytes, size_t len)
{
	char text[B64_TEXT_LEN(TPM_MESSAGE_BYTES) + 1];
	struct wr w = wr_of(text, sizeof text);

	b64_print(&w, bytes, len);
	return wr_end_str(&w) == 0 ? json_string(text) : NULL;
}

/* The first attestation key there is: its handle, and its public part as SubjectPublicKeyInfo. */
static MUST_USE int ak_find(struct tpm *t, uint32_t *ret_handle, json_t **ret, struct why *why)
{
	AUTO(tpm_key) struct tpm_key key = { 0 };
	unsigned char *der = NULL;

	for (size_t i = 0; i < ARRAY_LEN(ak_handles); i++) {
		struct wr w = tpm_begin(t, CC_READ_PUBLIC, ak_handles[i], false);
		struct rd r;
		if (tpm_send(t, &w, &r, NULL) < 0)
			continue;
		size_t len = rd_be16(&r);
		const uint8_t *public = rd_bytes(&r, len);
		struct attest_blob blob = { public, len };
		int err = public == NULL ? -EBADMSG : tpm_key_load(&key, blob, why);
		if (err == 0)
			err = tpm_key_check_ak(&key, why);
		int der_len = err == 0 ? i2d_PUBKEY(key.key, &der) : -1;
		*ret = der_len > 0 ? b64_text(der, (size_t)der_len) : NULL;
		OPENSSL_free(der);
		*ret_handle = ak_handles[i];
		return *ret != NULL ? 0
				    : why_prefix(why, err < 0 ? err : -ENOMEM,
					      "the key at handle 0x%x", ak_handles[i]);
	}
	return why_set(why, -ENOENT,
		"it has no attestation key: want one at persistent handle 0x%x or 0x%x",
		ak_handles[0], ak_handles[1]);
}

/* {"message", "signature"} of a quote over all registers, by the key's own scheme. */
static MUST_USE int quote_make(
	struct tpm *t, uint32_t handle, const uint8_t *report_data, json_t **ret, struct why *why)
{
	struct wr w = tpm_begin(t, CC_QUOTE, handle, true);
	struct rd r;

	wr_be16(&w, EV_REPORT_DATA_BYTES);
	wr_copy(&w, report_data, EV_REPORT_DATA_BYTES);
	wr_be16(&w, ALG_NULL);
	selection_put(&w, (1u << PCRS) - 1);
	int err = tpm_send(t, &w, &r, why);
	if (err < 0)
		return why_prefix(why, err, "TPM2_Quote");
	struct rd params = rd_sub(&r, rd_be32(&r));
	size_t len = rd_be16(&params);
	const uint8_t *message = rd_bytes(&params, len);
	size_t rest = params.left;
	const uint8_t *signature = rd_bytes(&params, rest);
	if (rd_end(&params) < 0 || len == 0 || rest == 0)
		return why_set(why, -EBADMSG, "TPM2_Quote: malformed answer");
	*ret = json_pack("{s:o,s:o}", "message", b64_text(message, len), "signature",
		b64_text(signature, rest));
	return *ret != NULL ? 0 : -ENOMEM;
}

/* Quote and the values it is of: read before and after, and again while they differ. */
static MUST_USE int quote_and_pcrs(
	struct tpm *t, uint32_t handle, const uint8_t *report_data, json_t **ret, struct why *why)
{
	struct pcrs before, after;

	int err = pcrs_read(t, &before, why);
	for (unsigned int i = 0; i < TRIES && err == 0; i++) {
		json_t *quote = NULL;
		err = quote_make(t, handle, report_data, &quote, why);
		if (err == 0)
			err = pcrs_read(t, &after, why);
		if (err == 0 && memcmp(&before, &after, sizeof before) == 0) {
			json_t *values = json_array();
			for (unsigned int p = 0; p < PCRS; p++) {
				char hex[2 * PCR_BYTES + 1];
				wr_hex_str(hex, sizeof hex, after.value[p], PCR_BYTES);
				(void)json_array_append_new(values, json_string(hex));
			}
			(void)json_object_set_new(quote, "pcrs", values);
			*ret = quote;
			return 0;
		}
		json_decref(quote);
		before = after;
	}
	return err < 0 ? err : why_set(why, -EAGAIN, "its registers do not keep still");
}

/* As the protocol spells it for "tpm" (attestation.md 12.4). */
static MUST_USE int tpm_get(
	const struct ev *ev, const uint8_t *report_data, struct ev_evidence *ret, struct why *why)
{
	AUTO(tpm)
	struct tpm t = { .fd = openat(ev->root, TPM_DEVICE, O_RDWR | O_CLOEXEC | O_NOCTTY) };
	json_t *ak = NULL, *quote = NULL;
	uint32_t handle = 0;

	if (t.fd < 0)
		return why_set(why, -errno, "cannot be opened: %s", strerrordesc_np(errno));
	int err = ak_find(&t, &handle, &ak, why);
	if (err == 0)
		err = quote_and_pcrs(&t, handle, report_data, &quote, why);
	if (err < 0) {
		json_decref(ak);
		return err;
	}
	json_t *j = json_pack("{s:o,s:o}", "ak_public", ak, "tpm_quote", quote);
	size_t len =
		json_dumpb(j, (char *)ret->bytes, sizeof ret->bytes, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(j);
	ret->len = len;
	return len > 0 && len <= sizeof ret->bytes ? 0 : -EMSGSIZE;
}

static MUST_USE int tpm_find(struct ev *ev, struct why *why)
{
	if (faccessat(ev->root, TPM_DEVICE, R_OK | W_OK, 0) < 0)
		return errno == ENOENT
			       ? -ENODEV
			       : why_set(why, -errno, "cannot be used: %s", strerrordesc_np(errno));
	ev->kind = EV_TPM;
	return 0;
}

const struct ev_source ev_tpm = { "tpm", tpm_find, tpm_get };
