#include "sev/sim/sim_message.h"

#include <string.h>

#include "sev/fw_error.h"
#include "sev/sim/sim_report.h"

#define HEADER_BYTES 96u
#define ALGO_AES_GCM 1u
#define VERSION      1u
#define VMPCKS       4u

/* Both ways; the IV is the sequence number. */
static bool message_crypt(const struct sim_machine *m, const struct sim_snp *snp, bool is_seal,
	struct sim_message *msg)
{
	uint8_t iv[12] = { 0 };
	const struct sim_gcm g = {
		.key = snp->secrets.vmpck[msg->vmpck],
		.iv = iv,
		.aad = &msg->algo,
		.aad_len = HEADER_BYTES - offsetof(struct sim_message, algo),
	};

	memcpy(iv, &msg->seqno, sizeof msg->seqno);
	return sim_aes_gcm(&m->crypto, is_seal, &g, msg->payload, le16_get(msg->size), msg->tag);
}

static uint32_t header_judge(const struct sim_snp *snp, const struct sim_message *msg, size_t len)
{
	uint16_t size = le16_get(msg->size);

	if (snp->state != SIM_GUEST_RUNNING || le32_get(snp->secrets.version) == 0)
		return FW_INVALID_GUEST_STATE;
	if (len < HEADER_BYTES || len - HEADER_BYTES != size || size % 16 != 0 || size == 0 ||
		msg->algo != ALGO_AES_GCM || msg->header_version != VERSION ||
		le16_get(msg->header_size) != HEADER_BYTES || msg->version != VERSION ||
		msg->type != SIM_MESSAGE_REPORT_REQ || msg->vmpck >= VMPCKS)
		return FW_INVALID_PARAM;
	return le64_get(msg->seqno) == snp->n_messages[msg->vmpck] + 1 ? FW_SUCCESS : FW_AEAD_OFLOW;
}

uint32_t sim_message_answer(const struct sim_machine *m, struct sim_snp *snp,
	struct sim_message *msg, size_t len, size_t *ret_len)
{
	struct sim_report_rsp rsp = { 0 };
	struct snp_report_req req;
	uint32_t status = header_judge(snp, msg, len);

	if (status != FW_SUCCESS)
		return status;
	if (!message_crypt(m, snp, false, msg))
		return FW_BAD_MEASUREMENT;
	memcpy(&req, msg->payload, sizeof req);
	if (le16_get(msg->size) != sizeof req || le32_get(req.vmpl) < msg->vmpck)
		status = FW_INVALID_PARAM;
	else
		status = sim_report_make(m, snp, &req, &rsp.report);
	rsp.status = le32_of(status);
	rsp.size = le32_of(status == FW_SUCCESS ? sizeof rsp.report : 0);

	snp->n_messages[msg->vmpck] += 2;
	msg->seqno = le64_of(snp->n_messages[msg->vmpck]);
	msg->type = SIM_MESSAGE_REPORT_RSP;
	msg->size = le16_of(sizeof rsp);
	memcpy(msg->payload, &rsp, sizeof rsp);
	memset(msg->tag, 0, sizeof msg->tag);
	if (!message_crypt(m, snp, true, msg))
		return FW_HWSEV_RET_PLATFORM;
	*ret_len = HEADER_BYTES + sizeof rsp;
	return FW_SUCCESS;
}
