/*
 * qgs: messages of Intel's quoting service: GET_QUOTE, asked and answered (kvm-cvm-abi.md, 4.11).
 *
 * Trust:   the service is a program of the host: every length of its answer is checked. What the quote
 *          says is for relying parties.
 * Owns:    nothing; plain bytes.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"
#include "base/why.h"
#include "vmm/quote/quote_proto.h"

/* Before each message: its length, the one big-endian number of the protocol. */
#define QGS_FRAME_BYTES 4u

struct qgs_hdr {
	le16 major; /* 1 */
	le16 minor; /* 1 */
	le32 type;
	le32 size; /* of the whole message */
	le32 code; /* 0, or why there is no quote */
};
WIRE_SIZE(struct qgs_hdr, 16);

/* Frame, header, two sizes, the report; no list of attestation keys. */
#define QGS_REQUEST_BYTES (QGS_FRAME_BYTES + sizeof(struct qgs_hdr) + 8 + QUOTE_REPORT_BYTES)
/* The longest answer: header, two sizes, a quote. Behind its frame. */
#define QGS_ANSWER_MAX (sizeof(struct qgs_hdr) + 8 + LIMIT_QUOTE_BYTES)

/* GET_QUOTE for this report, framed. */
void qgs_print_request(const uint8_t report[QUOTE_REPORT_BYTES], uint8_t ret[QGS_REQUEST_BYTES]);

/* How long is the answer behind this frame? -EBADMSG with why: shorter or longer than any. */
MUST_USE int qgs_parse_frame(const uint8_t frame[QGS_FRAME_BYTES], size_t *ret, struct why *why);

/*
 * The quote in an answer of len bytes; it stays in msg. -EREMOTEIO with why: the service says why there
 * is none; -EBADMSG with why: this is no answer to GET_QUOTE.
 */
MUST_USE int qgs_parse_answer(
	const void *msg, size_t len, const uint8_t **ret_quote, size_t *ret_len, struct why *why);
