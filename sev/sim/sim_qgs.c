#include "sev/sim/sim_qgs.h"

#include <errno.h>
#include <string.h>

#include "base/rd.h"
#include "base/wr.h"

#define MAJOR      1u
#define MINOR      1u
#define HEAD_BYTES 16u

/* A quote, or a QGS error code. */
static uint32_t quote_make(struct sim_qgs *q, const uint8_t *report, uint8_t *buf, size_t *ret_len)
{
	struct tdx_report r;
	uint64_t status = sim_tdx_script_step(&q->script, SIM_QUOTE);

	if (status != 0)
		return (uint32_t)status;
	memcpy(&r, report, sizeof r);
	int err = sim_quote_make(q->platform, q->crypto, &r, buf, SIM_QUOTE_BYTES_MAX, ret_len);
	if (err == 0)
		return 0;
	return err == -EKEYREJECTED ? SIM_QGS_INVALID_PARAM : SIM_QGS_UNEXPECTED;
}

/* A header alone, with an error; or a GET_QUOTE_RESP with its quote. */
static void response_put(uint32_t type, uint32_t code, const uint8_t *quote, size_t quote_len,
	uint8_t *buf, size_t *ret_len)
{
	struct wr w = wr_of(buf, SIM_QGS_OUT_MAX);
	bool has_body = type == SIM_QGS_QUOTE_RESP;

	wr_le16(&w, MAJOR);
	wr_le16(&w, MINOR);
	wr_le32(&w, type);
	wr_le32(&w, (uint32_t)(HEAD_BYTES + (has_body ? 8 + quote_len : 0)));
	wr_le32(&w, code);
	if (has_body) {
		wr_le32(&w, 0); /* no key id was selected */
		wr_le32(&w, (uint32_t)quote_len);
		wr_copy(&w, quote, quote_len);
	}
	*ret_len = w.len;
}

/* The report inside a GET_QUOTE_REQ; a QGS error code. */
static uint32_t request_read(struct rd *r, size_t len, uint32_t *ret_type, const uint8_t **ret)
{
	uint16_t major = rd_le16(r);
	uint16_t minor = rd_le16(r);
	uint32_t type = rd_le32(r);
	uint32_t size = rd_le32(r);
	uint32_t code = rd_le32(r);

	if (rd_check(r) < 0 || size != len)
		return SIM_QGS_INVALID_SIZE;
	if (major != MAJOR || minor != MINOR)
		return SIM_QGS_INVALID_VERSION;
	*ret_type = type + 1;
	if (type != SIM_QGS_QUOTE_REQ) {
		if (type != SIM_QGS_COLLATERAL_REQ && type != SIM_QGS_PLATFORM_REQ)
			*ret_type = SIM_QGS_QUOTE_RESP;
		return SIM_QGS_INVALID_TYPE; /* collateral comes from files here */
	}
	if (code != 0)
		return SIM_QGS_INVALID_CODE;
	uint32_t report_size = rd_le32(r);
	uint32_t ids_size = rd_le32(r);
	*ret = rd_bytes(r, report_size);
	rd_skip(r, ids_size);
	return rd_end(r) < 0 || report_size != sizeof(struct tdx_report) ? SIM_QGS_INVALID_SIZE : 0;
}

void sim_qgs_answer(
	struct sim_qgs *q, const void *request, size_t len, uint8_t *buf, size_t *ret_len)
{
	uint8_t quote[SIM_QUOTE_BYTES_MAX];
	size_t quote_len = 0;
	struct rd r = rd_of(request, len);
	uint32_t type = SIM_QGS_QUOTE_RESP;
	const uint8_t *report = NULL;

	if (len == sizeof(struct tdx_report)) { /* bare report, bare quote */
		*ret_len = 0;
		if (quote_make(q, request, buf, &quote_len) == 0)
			*ret_len = quote_len;
		return;
	}
	uint32_t code = request_read(&r, len, &type, &report);
	if (code == 0)
		code = quote_make(q, report, quote, &quote_len);
	response_put(type, code, quote, code == 0 ? quote_len : 0, buf, ret_len);
}
