#include "vtpm/tpm_build.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "vtpm/engine.h"

#define SU_CLEAR       0u /* TPM_SU. Part 2, 6.10 */
#define PASSWORD_BYTES 9u /* a session without nonce and HMAC: handle, two lengths, attributes */

void tpm_build_begin(
	struct tpm_build *b, enum tpm_cc code, const uint32_t *handles, unsigned int n_auths)
{
	b->w = wr_of(b->buf, sizeof b->buf);
	b->row = tpm_cc_find(code);
	assert(b->row != NULL);
	wr_be16(&b->w, n_auths > 0 ? TPM_ST_SESSIONS : TPM_ST_NO_SESSIONS);
	wr_be32(&b->w, 0);
	wr_be32(&b->w, code);
	for (unsigned int i = 0; i < b->row->handles; i++)
		wr_be32(&b->w, handles[i]);
	if (n_auths > 0)
		wr_be32(&b->w, n_auths * PASSWORD_BYTES);
	for (unsigned int i = 0; i < n_auths; i++) {
		wr_be32(&b->w, TPM_RS_PW);
		wr_be16(&b->w, 0);
		wr_u8(&b->w, 0);
		wr_be16(&b->w, 0);
	}
}

void tpm_build_2b(struct tpm_build *b, const void *buf, size_t len)
{
	wr_be16(&b->w, (uint16_t)len);
	wr_copy(&b->w, buf, len);
}

size_t tpm_build_open_2b(struct tpm_build *b)
{
	wr_be16(&b->w, 0);
	return b->w.len;
}

void tpm_build_close_2b(struct tpm_build *b, size_t at)
{
	struct wr w = wr_of(b->buf + at - sizeof(uint16_t), sizeof(uint16_t));

	wr_be16(&w, (uint16_t)(b->w.len - at));
}

/* The parameters of a response: behind a handle where the command answers with one, and behind their
 * own length where there are sessions. TPM part 1, 18.1. */
static MUST_USE int response_read(
	const struct tpm_build *b, struct rd *r, uint32_t *ret_handle, struct rd *ret)
{
	bool has_sessions = rd_be16(r) == TPM_ST_SESSIONS;

	rd_skip(r, 2 * sizeof(uint32_t));
	if (ret_handle != NULL)
		*ret_handle = rd_be32(r);
	if (!has_sessions) {
		*ret = *r;
		return rd_check(r);
	}
	uint32_t len = rd_be32(r);
	*ret = rd_sub(r, len);
	return rd_check(r);
}

int tpm_build_run(struct tpm_build *b, uint32_t *ret_handle, struct rd *ret, uint32_t *ret_rc,
	struct why *why)
{
	struct wr size = wr_of(b->buf + sizeof(uint16_t), sizeof(uint32_t));
	const uint8_t *rsp;
	size_t len;

	wr_be32(&size, (uint32_t)b->w.len);
	int err = wr_check(&b->w);
	if (err == 0)
		err = engine_run(0, b->buf, b->w.len, &rsp, &len);
	if (err < 0)
		return why_set(why, err, "%s: %s", b->row->name, strerrordesc_np(-err));
	uint32_t rc = tpm_rsp_code(rsp, len);
	if (ret_rc != NULL)
		*ret_rc = rc;
	if (rc != TPM_RC_SUCCESS)
		return why_set(why, -EREMOTEIO, "%s: the TPM answers 0x%x", b->row->name, rc);
	struct rd r = rd_of(rsp, len);
	err = response_read(b, &r, ret_handle, ret);
	return err < 0 ? why_set(why, err, "%s: the answer makes no sense", b->row->name) : 0;
}

int tpm_build_run_clear(enum tpm_cc code, uint32_t *ret_rc, struct why *why)
{
	struct tpm_build b;
	struct rd r;

	tpm_build_begin(&b, code, NULL, 0);
	wr_be16(&b.w, SU_CLEAR);
	return tpm_build_run(&b, NULL, &r, ret_rc, why);
}
