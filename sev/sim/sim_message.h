/*
 * sim_message: guest messages as the firmware takes them: encrypted under a VMPCK of the secrets
 *              page, counted, answered. ABI 3.5, 7.2.16. Reports are the only thing to ask for.
 *
 * Trust:   the message is the guest's.
 * Owns:    nothing; the counts are in struct sim_snp.
 * Threads: one at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "sev/sim/sim_snp.h"

#define SIM_MESSAGE_BYTES 4096u

struct sim_message {
	uint8_t tag[32]; /* 16 used */
	le64 seqno;
	uint8_t zero_a[8];
	uint8_t algo; /* authenticated from here */
	uint8_t header_version;
	le16 header_size;
	uint8_t type;
	uint8_t version;
	le16 size;
	uint8_t zero_b[4];
	uint8_t vmpck;
	uint8_t zero_c[35];
	uint8_t payload[SIM_MESSAGE_BYTES - 96];
};
WIRE_SIZE(struct sim_message, SIM_MESSAGE_BYTES);
WIRE_AT(struct sim_message, algo, 0x30);
WIRE_AT(struct sim_message, vmpck, 0x3C);
WIRE_AT(struct sim_message, payload, 0x60);

/* Payload of the answer to a report request. */
struct sim_report_rsp {
	le32 status;
	le32 size;
	uint8_t zero[24];
	struct snp_report report;
};
WIRE_SIZE(struct sim_report_rsp, 32 + 0x4A0);

#define SIM_MESSAGE_REPORT_REQ 5u
#define SIM_MESSAGE_REPORT_RSP 6u

/*
 * Take the message of len bytes and put the answer, *ret_len bytes, in its place. Firmware status;
 * that of the report itself is inside the answer.
 */
uint32_t sim_message_answer(const struct sim_machine *m, struct sim_snp *snp,
	struct sim_message *msg, size_t len, size_t *ret_len);
