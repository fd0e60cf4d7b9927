#include "vmm/quote/qgs.h"

#include <errno.h>
#include <string.h>

#include "base/rd.h"
#include "base/wr.h"

enum { GET_QUOTE_REQ = 0, GET_QUOTE_RESP = 1 };

#define VERSION_MAJOR 1u
#define VERSION_MINOR 1u

/* error_code of an answer. ABI 4.11. */
static const char *code_text(uint32_t code)
{
	static const char *const texts[] = {
		[1] = "unexpected error",
		[2] = "out of memory",
		[3] = "invalid parameter",
		[4] = "invalid version",
		[5] = "invalid type",
		[6] = "invalid size",
		[7] = "invalid code",
	};
	uint32_t n = code - 0x12000;

	return n < ARRAY_LEN(texts) && texts[n] != NULL ? texts[n] : "a code of its own";
}

void qgs_print_request(const uint8_t report[QUOTE_REPORT_BYTES], uint8_t ret[QGS_REQUEST_BYTES])
{
	struct wr w = wr_of(ret, QGS_REQUEST_BYTES);

	wr_be32(&w, QGS_REQUEST_BYTES - QGS_FRAME_BYTES);
	wr_le16(&w, VERSION_MAJOR);
	wr_le16(&w, VERSION_MINOR);
	wr_le32(&w, GET_QUOTE_REQ);
	wr_le32(&w, QGS_REQUEST_BYTES - QGS_FRAME_BYTES);
	wr_le32(&w, 0);
	wr_le32(&w, QUOTE_REPORT_BYTES);
	wr_le32(&w, 0);
	wr_copy(&w, report, QUOTE_REPORT_BYTES);
}

int qgs_parse_frame(const uint8_t frame[QGS_FRAME_BYTES], size_t *ret, struct why *why)
{
	struct rd r = rd_of(frame, QGS_FRAME_BYTES);
	uint32_t len = rd_be32(&r);

	if (len < sizeof(struct qgs_hdr) || len > QGS_ANSWER_MAX)
		return why_set(why, -EBADMSG,
			"quoting service: an answer of %u bytes, want %zu to %zu", len,
			sizeof(struct qgs_hdr), QGS_ANSWER_MAX);
	*ret = len;
	return 0;
}

/* 0: a quote should follow. */
static MUST_USE int header_check(const struct qgs_hdr *h, size_t len, struct why *why)
{
	if (le16_get(h->major) != VERSION_MAJOR || le16_get(h->minor) != VERSION_MINOR)
		return why_set(why, -EBADMSG, "quoting service: version %u.%u, want 1.1",
			le16_get(h->major), le16_get(h->minor));
	if (le32_get(h->type) != GET_QUOTE_RESP)
		return why_set(why, -EBADMSG, "quoting service: an answer of type %u, want %u",
			le32_get(h->type), GET_QUOTE_RESP);
	if (le32_get(h->size) != len)
		return why_set(why, -EBADMSG, "quoting service: an answer of size %u in %zu bytes",
			le32_get(h->size), len);
	return le32_get(h->code) == 0
		       ? 0
		       : why_set(why, -EREMOTEIO, "quoting service: no quote, code %#x: %s",
				 le32_get(h->code), code_text(le32_get(h->code)));
}

int qgs_parse_answer(
	const void *msg, size_t len, const uint8_t **ret_quote, size_t *ret_len, struct why *why)
{
	struct rd r = rd_of(msg, len);
	struct qgs_hdr h;

	rd_copy(&r, &h, sizeof h);
	if (rd_check(&r) < 0)
		return why_set(why, -EBADMSG, "quoting service: an answer without a header");
	int err = header_check(&h, len, why);
	if (err < 0)
		return err;
	uint32_t id_len = rd_le32(&r);
	uint32_t quote_len = rd_le32(&r);
	/* We offered no list of keys, so none was selected. */
	if (rd_check(&r) < 0 || id_len != 0 || quote_len == 0 || quote_len > LIMIT_QUOTE_BYTES)
		return why_set(why, -EBADMSG,
			"quoting service: a selected id of %u bytes and a quote of %u, want 0 and "
			"1 to "
			"%u",
			id_len, quote_len, LIMIT_QUOTE_BYTES);
	const uint8_t *quote = rd_bytes(&r, quote_len);
	if (rd_end(&r) < 0)
		return why_set(why, -EBADMSG,
			"quoting service: a quote of %u bytes in an answer of %zu", quote_len, len);
	*ret_quote = quote;
	*ret_len = quote_len;
	return 0;
}
