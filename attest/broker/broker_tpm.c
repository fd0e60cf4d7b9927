#include "attest/broker/broker_tpm.h"

#include <errno.h>
#include <fcntl.h>

#include "attest/broker/kbs_tpm.h"

#define CC_CREATE_PRIMARY 0x131u
#define CC_CREATE         0x153u
#define CC_LOAD           0x157u
#define CC_UNSEAL         0x15Eu
#define CC_FLUSH          0x165u
#define RH_OWNER          0x40000001u
#define ALG_AES           0x0006u
#define ALG_KEYEDHASH     0x0008u
#define ALG_SHA256        0x000Bu
#define ALG_NULL          0x0010u
#define ALG_ECC           0x0023u
#define ALG_CFB           0x0043u
#define ECC_P256          0x0003u
/* fixedTPM fixedParent sensitiveDataOrigin userWithAuth noDA restricted decrypt */
#define ATTR_STORAGE 0x00030472u
#define ATTR_SEALED  0x00000452u /* fixedTPM fixedParent userWithAuth noDA */

/* A key that cannot be had is -EIO (broker_kek.h). */
static MUST_USE int ask(struct tpm *t, struct wr *w, struct rd *ret, struct why *why)
{
	return tpm_send(t, w, ret, why) < 0 ? why_prefix(why, -EIO, "TPM") : 0;
}

static void flush(struct tpm *t, uint32_t handle)
{
	struct wr w = tpm_begin(t, CC_FLUSH, handle, false);
	struct rd r;

	(void)!ask(t, &w, &r, NULL); /* closing the resource manager flushes too */
}

/* TPM2B_SENSITIVE_CREATE without a password, then what follows a template in both commands. */
static void create_put(struct wr *w, const void *data, size_t len, const struct wr *template)
{
	wr_be16(w, (uint16_t)(4 + len));
	wr_be16(w, 0);
	wr_be16(w, (uint16_t)len);
	wr_copy(w, data, len);
	wr_be16(w, (uint16_t) template->len);
	wr_copy(w, template->buf, template->len);
	wr_be16(w, 0); /* outsideInfo */
	wr_be32(w, 0); /* creationPCR */
}

static MUST_USE int primary_make(struct tpm *t, uint32_t *ret, struct why *why)
{
	uint8_t room[64];
	struct wr p = wr_of(room, sizeof room);
	struct wr w = tpm_begin(t, CC_CREATE_PRIMARY, RH_OWNER, true);
	struct rd r;

	wr_be16(&p, ALG_ECC);
	wr_be16(&p, ALG_SHA256);
	wr_be32(&p, ATTR_STORAGE);
	wr_be16(&p, 0);
	wr_be16(&p, ALG_AES);
	wr_be16(&p, 128);
	wr_be16(&p, ALG_CFB);
	wr_be16(&p, ALG_NULL);
	wr_be16(&p, ECC_P256);
	wr_be16(&p, ALG_NULL);
	wr_be32(&p, 0); /* x, y: the TPM's */
	create_put(&w, NULL, 0, &p);
	int err = ask(t, &w, &r, why);
	*ret = err == 0 ? rd_be32(&r) : 0;
	return err;
}

static MUST_USE int tpm_open(
	struct tpm *t, const char *device, uint32_t *ret_primary, struct why *why)
{
	t->fd = open(device, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (t->fd < 0)
		return why_set(why, -EIO, "TPM %s: %s", device, strerrordesc_np(errno));
	return primary_make(t, ret_primary, why);
}

int tpm_seal(const char *device, const struct secret *secret, uint8_t *ret, size_t *ret_len,
	struct why *why)
{
	AUTO(tpm) struct tpm t = { .fd = -1 };
	uint8_t room[32];
	struct wr p = wr_of(room, sizeof room);
	struct wr out = wr_of(ret, TPM_SEALED_MAX);
	uint32_t primary = 0;
	struct rd r;

	int err = tpm_open(&t, device, &primary, why);
	if (err < 0)
		return err;
	wr_be16(&p, ALG_KEYEDHASH);
	wr_be16(&p, ALG_SHA256);
	wr_be32(&p, ATTR_SEALED);
	wr_be16(&p, 0);
	wr_be16(&p, ALG_NULL);
	wr_be16(&p, 0);
	struct wr w = tpm_begin(&t, CC_CREATE, primary, true);
	create_put(&w, secret->p, secret->len, &p);
	err = ask(&t, &w, &r, why);
	if (err == 0)
		rd_skip(&r, 4); /* size of the parameters */
	for (int i = 0; err == 0 && i < 2; i++) {
		uint16_t len = rd_be16(&r);
		const uint8_t *bytes = rd_bytes(&r, len);
		wr_be16(&out, len);
		wr_copy(&out, bytes, bytes != NULL ? len : 0);
	}
	if (err == 0 && (rd_check(&r) < 0 || wr_check(&out) < 0))
		err = why_set(why, -EIO, "TPM2_Create: malformed answer");
	flush(&t, primary);
	if (err == 0)
		*ret_len = out.len;
	return err;
}

static MUST_USE int object_unseal(
	struct tpm *t, uint32_t object, struct secret *ret, struct why *why)
{
	struct wr w = tpm_begin(t, CC_UNSEAL, object, true);
	struct rd r;

	int err = ask(t, &w, &r, why);
	if (err < 0)
		return err;
	rd_skip(&r, 4);
	uint16_t len = rd_be16(&r);
	const uint8_t *bytes = rd_bytes(&r, len);
	return bytes == NULL || len == 0 ? why_set(why, -EIO, "TPM2_Unseal: malformed answer")
					 : secret_init_copy(ret, bytes, len);
}

int tpm_unseal(
	const char *device, const uint8_t *sealed, size_t len, struct secret *ret, struct why *why)
{
	AUTO(tpm) struct tpm t = { .fd = -1 };
	uint32_t primary = 0;
	struct rd r;

	int err = tpm_open(&t, device, &primary, why);
	if (err < 0)
		return err;
	struct wr w = tpm_begin(&t, CC_LOAD, primary, true);
	wr_copy(&w, sealed, len);
	err = ask(&t, &w, &r, why);
	if (err < 0)
		(void)why_prefix(why, err, "what is sealed is not of this TPM");
	uint32_t object = err == 0 ? rd_be32(&r) : 0;
	flush(&t, primary);
	if (err < 0)
		return err;
	err = object_unseal(&t, object, ret, why);
	flush(&t, object);
	return err;
}
