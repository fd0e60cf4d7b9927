#include "vtpm/setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vtpm/engine.h"
#include "vtpm/tpm_build.h"

#define ALG_SHA1        0x0004u
#define ALG_SHA256      0x000bu
#define ALG_SHA384      0x000cu
#define ALG_SHA512      0x000du
#define CAP_HANDLES     1u
#define CAP_PROPERTIES  6u
#define PT_REVISION     0x102u
#define PT_MANUFACTURER 0x105u
#define PT_FIRMWARE     0x10bu
#define NV_PIECE        1024u  /* TPM_PT_NV_BUFFER_MAX of libtpms */
#define RC_HANDLE_1     0x18bu /* TPM_RC_HANDLE of the first handle: nothing is there */

/* --- commands ------------------------------------------------------------------------------------ */

/* Off and on again, in the same run: what was allocated counts from then on. */
static MUST_USE int power_cycle(struct nvstore *store, struct why *why)
{
	int err = tpm_build_run_clear(TPM_CC_SHUTDOWN, NULL, why);

	engine_stop();
	if (err == 0)
		err = engine_start(store, /* may_make= */ false, why);
	return err < 0 ? err : tpm_build_run_clear(TPM_CC_STARTUP, NULL, why);
}

static MUST_USE int banks_allocate(struct why *why)
{
	static const uint16_t banks[] = { ALG_SHA1, ALG_SHA256, ALG_SHA384, ALG_SHA512 };
	struct tpm_build b;
	struct rd r;

	tpm_build_begin(&b, TPM_CC_PCR_ALLOCATE, (uint32_t[]){ TPM_RH_PLATFORM }, 1);
	wr_be32(&b.w, ARRAY_LEN(banks));
	for (size_t i = 0; i < ARRAY_LEN(banks); i++) {
		bool is_on = banks[i] == ALG_SHA256 || banks[i] == ALG_SHA384;
		uint8_t mask = is_on ? 0xff : 0;
		wr_be16(&b.w, banks[i]);
		wr_copy(&b.w, (const uint8_t[]){ 3, mask, mask, mask }, 4);
	}
	int err = tpm_build_run(&b, NULL, &r, NULL, why);
	if (err == 0 && rd_u8(&r) != 1)
		return why_set(
			why, -EREMOTEIO, "PCR_Allocate: the TPM does not allocate its registers");
	return err;
}

static MUST_USE int property_read(uint32_t property, uint32_t *ret, struct why *why)
{
	struct tpm_build b;
	struct rd r;

	tpm_build_begin(&b, TPM_CC_GET_CAPABILITY, NULL, 0);
	wr_be32(&b.w, CAP_PROPERTIES);
	wr_be32(&b.w, property);
	wr_be32(&b.w, 1);
	int err = tpm_build_run(&b, NULL, &r, NULL, why);
	if (err < 0)
		return err;
	rd_skip(&r, 1 + sizeof(uint32_t)); /* more, capability */
	if (rd_be32(&r) != 1 || rd_be32(&r) != property)
		rd_fail(&r);
	*ret = rd_be32(&r);
	return rd_end(&r) < 0 ? why_set(why, -EBADMSG, "GetCapability: property 0x%x is not there",
					property)
			      : 0;
}

/* --- keys ---------------------------------------------------------------------------------------- */

static MUST_USE int flush(uint32_t handle, struct why *why)
{
	struct tpm_build b;
	struct rd r;

	tpm_build_begin(&b, TPM_CC_FLUSH_CONTEXT, NULL, 0);
	wr_be32(&b.w, handle);
	return tpm_build_run(&b, NULL, &r, NULL, why);
}

static MUST_USE int public_read(struct rd *r, struct setup_key *ret)
{
	ret->public_len = rd_be16(r);
	if (ret->public_len > sizeof ret->public)
		rd_fail(r);
	else
		rd_copy(r, ret->public, ret->public_len);
	return rd_check(r);
}

/* Make a key of the template and keep it at its handle; ret gets its public area. */
static MUST_USE int key_make(const struct ek_row *row, struct setup_key *ret, struct why *why)
{
	uint32_t handle;
	struct tpm_build b;
	struct rd r;

	tpm_build_begin(&b, TPM_CC_CREATE_PRIMARY, (uint32_t[]){ TPM_RH_ENDORSEMENT }, 1);
	size_t at = tpm_build_open_2b(&b); /* sensitive: no password, no data */
	wr_zero(&b.w, 4);
	tpm_build_close_2b(&b, at);
	at = tpm_build_open_2b(&b);
	ek_print_template(row, &b.w);
	tpm_build_close_2b(&b, at);
	tpm_build_2b(&b, NULL, 0); /* outside info */
	wr_be32(&b.w, 0);          /* no registers */
	int err = tpm_build_run(&b, &handle, &r, NULL, why);
	if (err < 0)
		return err;
	if (public_read(&r, ret) < 0)
		return why_set(why, -EBADMSG, "CreatePrimary: the answer makes no sense");
	tpm_build_begin(&b, TPM_CC_EVICT_CONTROL, (uint32_t[]){ TPM_RH_OWNER, handle }, 1);
	wr_be32(&b.w, row->handle);
	err = tpm_build_run(&b, NULL, &r, NULL, why);
	return err < 0 ? err : flush(handle, why);
}

/* --- certificates -------------------------------------------------------------------------------- */

static MUST_USE int nv_define(uint32_t index, size_t len, struct why *why)
{
	struct tpm_build b;
	struct rd r;

	tpm_build_begin(&b, TPM_CC_NV_DEFINE_SPACE, (uint32_t[]){ TPM_RH_PLATFORM }, 1);
	tpm_build_2b(&b, NULL, 0); /* no password */
	size_t at = tpm_build_open_2b(&b);
	wr_be32(&b.w, index);
	wr_be16(&b.w, ALG_SHA256);
	wr_be32(&b.w, EK_NV_ATTRIBUTES);
	tpm_build_2b(&b, NULL, 0); /* no policy */
	wr_be16(&b.w, (uint16_t)len);
	tpm_build_close_2b(&b, at);
	return tpm_build_run(&b, NULL, &r, NULL, why);
}

/* A new index with these bytes, that nobody writes again. */
static MUST_USE int nv_keep(uint32_t index, const uint8_t *bytes, size_t len, struct why *why)
{
	const uint32_t handles[] = { TPM_RH_PLATFORM, index };
	struct tpm_build b;
	struct rd r;

	int err = nv_define(index, len, why);
	for (size_t at = 0; err == 0 && at < len; at += NV_PIECE) {
		tpm_build_begin(&b, TPM_CC_NV_WRITE, handles, 1);
		tpm_build_2b(&b, bytes + at, MIN(len - at, NV_PIECE));
		wr_be16(&b.w, (uint16_t)at);
		err = tpm_build_run(&b, NULL, &r, NULL, why);
	}
	if (err < 0)
		return err;
	tpm_build_begin(&b, TPM_CC_NV_WRITE_LOCK, handles, 1);
	return tpm_build_run(&b, NULL, &r, NULL, why);
}

static MUST_USE int subject_read(struct ek_subject *ret, struct why *why)
{
	int err = property_read(PT_MANUFACTURER, &ret->manufacturer, why);

	if (err == 0)
		err = property_read(PT_FIRMWARE, &ret->firmware, why);
	return err < 0 ? err : property_read(PT_REVISION, &ret->revision, why);
}

static MUST_USE int keys_make(const struct ek_ca *ca, const struct ek_subject *subject,
	setup_progress *progress, void *owner, struct why *why)
{
	uint8_t cert[EK_CERT_MAX];
	struct setup_key key;
	size_t len;
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < EK_COUNT; i++) {
		const struct ek_row *row = ek_row((enum ek_kind)i);
		progress(owner, row->name);
		err = key_make(row, &key, why);
		if (err == 0)
			err = ek_certify(ca, EK_CERT_KEY, (enum ek_kind)i, subject, key.public,
				key.public_len, cert, &len, why);
		if (err == 0)
			err = nv_keep(row->nv_index, cert, len, why);
	}
	/* The last key is the P-384 one. */
	if (err == 0)
		err = ek_certify(ca, EK_CERT_PLATFORM, EK_P384, subject, key.public, key.public_len,
			cert, &len, why);
	return err < 0 ? err : nv_keep(EK_NV_PLATFORM, cert, len, why);
}

int setup_run(struct nvstore *store, const struct ek_ca *ca, const char *guest,
	setup_progress *progress, void *owner, struct why *why)
{
	struct ek_subject subject = { .guest = guest };

	progress(owner, "a new TPM");
	int err = engine_start(store, /* may_make= */ true, why);
	if (err == 0)
		err = tpm_build_run_clear(TPM_CC_STARTUP, NULL, why);
	if (err == 0)
		err = banks_allocate(why);
	if (err == 0)
		err = power_cycle(store, why);
	if (err == 0)
		err = subject_read(&subject, why);
	if (err == 0)
		err = keys_make(ca, &subject, progress, owner, why);
	if (err == 0)
		err = tpm_build_run_clear(TPM_CC_SHUTDOWN, NULL, why);
	engine_stop();
	return err;
}

/* --- reading ------------------------------------------------------------------------------------- */

/* A command about one handle, behind which there may be nothing. */
static MUST_USE int run_if_there(
	struct tpm_build *b, bool *ret_is_there, struct rd *ret, struct why *why)
{
	uint32_t rc = 0;

	int err = tpm_build_run(b, NULL, ret, &rc, why);
	*ret_is_there = err == 0;
	if (err != -EREMOTEIO || rc != RC_HANDLE_1)
		return err;
	why_clear(why);
	return 0;
}

static MUST_USE int nv_size(uint32_t index, uint16_t *ret, struct why *why)
{
	bool is_there = false;
	struct tpm_build b;
	struct rd r;

	*ret = 0;
	tpm_build_begin(&b, TPM_CC_NV_READ_PUBLIC, &index, 0);
	int err = run_if_there(&b, &is_there, &r, why);
	if (err < 0 || !is_there)
		return err;
	struct rd public = rd_sub(&r, rd_be16(&r));
	rd_skip(&public, 4 + 2 + 4); /* index, algorithm, attributes */
	rd_skip(&public, rd_be16(&public));
	*ret = rd_be16(&public);
	if (rd_end(&public) < 0 || *ret > EK_CERT_MAX)
		return why_set(why, -EBADMSG, "NV_ReadPublic: the answer makes no sense");
	return 0;
}

static MUST_USE int nv_read(uint32_t index, uint8_t *ret, uint16_t len, struct why *why)
{
	struct tpm_build b;
	struct rd r;

	for (uint16_t at = 0; at < len; at = (uint16_t)(at + NV_PIECE)) {
		uint16_t n = (uint16_t)MIN((unsigned int)(len - at), NV_PIECE);
		tpm_build_begin(&b, TPM_CC_NV_READ, (uint32_t[]){ TPM_RH_OWNER, index }, 1);
		wr_be16(&b.w, n);
		wr_be16(&b.w, at);
		int err = tpm_build_run(&b, NULL, &r, NULL, why);
		if (err < 0)
			return err;
		if (rd_be16(&r) != n)
			rd_fail(&r);
		rd_copy(&r, ret + at, n);
		if (rd_end(&r) < 0)
			return why_set(why, -EBADMSG, "NV_Read: the answer makes no sense");
	}
	return 0;
}

int setup_read_key(enum ek_kind kind, struct setup_key *ret, struct why *why)
{
	const struct ek_row *row = ek_row(kind);
	bool is_there = false;
	struct tpm_build b;
	struct rd r;

	*ret = (struct setup_key){ 0 };
	tpm_build_begin(&b, TPM_CC_READ_PUBLIC, &row->handle, 0);
	int err = run_if_there(&b, &is_there, &r, why);
	if (err < 0 || !is_there)
		return err;
	if (public_read(&r, ret) < 0)
		return why_set(why, -EBADMSG, "ReadPublic: the answer makes no sense");
	ret->is_there = true;
	err = nv_size(row->nv_index, &ret->cert_len, why);
	return err < 0 ? err : nv_read(row->nv_index, ret->cert, ret->cert_len, why);
}
